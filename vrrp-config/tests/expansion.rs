//! Limits of the language, and the places that are named for what it produces.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::{Duration, Instant};

use support::{
    codes, instance,
    language::{read, remarks},
};
use vrrp_config::Verdict;

/// Expansion limits: definitions that grow without bound, loops without end, and variables that use
/// themselves are errors at the place, soon.
#[test]
fn limits() {
    let mut laughs = "$L0=ha\n".to_owned();
    for level in 1..30 {
        laughs += &format!("$L{level}={}\n", format!("${{L{}}}", level - 1).repeat(10));
    }
    let empty = laughs.replace("=ha", "=");
    let lines = "$T0= \\\na \\\nb\n".to_owned()
        + &(1..30).map(|n| format!("$T{n}= \\\n$T{0} \\\n$T{0}\n", n - 1)).collect::<String>();
    for (text, code, exit) in [
        (format!("{laughs}${{L29}}"), "E0101", 4),
        (format!("{empty}${{L29}}"), "E0101", 4),
        (format!("{lines}$T29"), "E0101", 4),
        ("~SEQ(N,1,100000000000) a${N}".to_owned(), "E0101", 4),
        ("~SEQ(N,1,100000000000) @other a".to_owned(), "E0101", 4),
        ("~SEQ(N,1,9223372036854775807) $A=1".to_owned(), "E0101", 4),
        ("~SEQ(A,1,999) ~SEQ(B,1,999) ~SEQ(C,1,999) a".to_owned(), "E0101", 4),
        ("~SEQ(N,1,2) ".repeat(60) + "x", "E0102", 4),
        ("$A=${A}x\n${A}".to_owned(), "E0110", 5),
        ("$A=${B}\n$B=x${A}\n${B}".to_owned(), "E0110", 5),
        ("$A= \\\nx \\\n$A\n$A".to_owned(), "E0110", 5),
        ("a\n".repeat(300_000), "E0101", 4),
        ("a \\\n".repeat(30_000), "E0101", 4),
        ("$A= \\\n".to_owned() + &"x \\\n".repeat(60_000), "E0101", 4),
        ((0..60_000).map(|n| format!("$A{n}=1\n")).collect(), "E0101", 4),
        ((0..60_000).map(|n| format!("~SEQ(A{n},1) x\n")).collect(), "E0101", 4),
    ] {
        let begin = Instant::now();
        let loaded = read(&text, &[]);
        let start = &text[..text.len().min(60)];
        assert!(
            codes(&loaded).contains(&code),
            "{start}: {:?}",
            &codes(&loaded)[..3.min(loaded.diagnostics.len())]
        );
        assert_eq!(loaded.verdict().exit_code(), exit, "{start}");
        assert!(begin.elapsed() < Duration::from_secs(30), "{start}: {:?}", begin.elapsed());
    }
    let loaded = read(&format!("{laughs}\n  ${{L29}}\n"), &[]);
    let span = loaded.diagnostics[0].span;
    assert_eq!(loaded.sources.excerpt(span), "${L29}", "the place is where it was used");
}

/// ~SEQ of the manual, to the size that this program runs: 255 virtual routers on each of 8 interfaces.
#[test]
fn large_loops() {
    let text = "$VI= \\
        vrrp_instance v.${IF}.${ID} { \\
            interface bond${IF} \\
            virtual_router_id ${ID} \\
            virtual_ipaddress { \\
                10.${IF}.0.${ID}/24 \\
            } \\
        }
~SEQ(IF,0,7) ~SEQ(ID,1,255) $VI
";
    let loaded = read(text, &[]);
    assert_eq!(codes(&loaded), [""; 0], "{}", loaded.render(false));
    assert_eq!(loaded.config.unwrap().instances.len(), 8 * 255);
}

// Places

/// What comes out of a variable has the place where it is used, and a diagnostic shows where it was
/// written, too.
#[test]
fn origins() {
    let text = "$VI= \\
  vrrp_instance VI_${NUM} { \\
    interface eth0 \\
    virtual_router_id ${NUM} \\
    virtual_ipaddress { 10.0.0.1 \\
    } \\
  }
$NUM=300
$VI
";
    let loaded = read(text, &[]);
    let first = &loaded.diagnostics[0];
    assert!(first.message.contains("300"), "{}", loaded.render(false));
    assert_eq!(loaded.sources.excerpt(first.span), "$VI");
    let origin = loaded.sources.origin(first.span).unwrap();
    assert_eq!(loaded.sources.excerpt(origin), "${NUM}");
    assert_eq!(loaded.sources.positions(origin).0.line, 4);
    let drawn = loaded.render(false);
    assert!(
        drawn.contains("9 | $VI") && drawn.contains("4 |     virtual_router_id ${NUM}"),
        "{drawn}"
    );

    let loaded = read(&instance("$P=300\npriority $P"), &[]);
    let span = loaded.diagnostics[0].span;
    assert_eq!(loaded.sources.excerpt(span), "$P");
    assert_eq!(loaded.sources.excerpt(loaded.sources.origin(span).unwrap()), "300");
    let loaded = read(&instance("~SEQ(P,256,257) priority ${P}"), &[]);
    let range = loaded.diagnostics.iter().find(|diagnostic| diagnostic.code == "E0031").unwrap();
    assert_eq!(loaded.sources.excerpt(range.span), "${P}");
    let origin = loaded.sources.origin(range.span).unwrap();
    assert_eq!(loaded.sources.excerpt(origin), "~SEQ(P,256,257)");
    // Written at its place: no second one.
    let loaded = read(&instance("priority 300"), &[]);
    assert_eq!(loaded.sources.origin(loaded.diagnostics[0].span), None);
}

/// A mistake in a loop is said once, not each time.
#[test]
fn once() {
    assert_eq!(remarks("~SEQ(N,1,100) nonsense", &[]), (vec!["E0020"], 5));
    assert_eq!(remarks("~SEQ(N,1,3) nonsense${N}", &[]).0.len(), 3);
}

/// Expansion limits: lines of many statements and pieces, and long ones in which much happens, are done
/// with in linear time.
#[test]
fn linear_time() {
    for unit in [
        "$a{",
        "$A=1{",
        "${a}{",
        "@node1 ",
        "@node1 {",
        "{@node1 ",
        "~SEQ(a,1,1) ",
        "${",
        "$",
        "{ \\\n",
        "x \\\n",
        "include ",
        "include x\n",
        "include *\n",
        "include {a,b}\n",
        "'{",
        "a='",
        "$A=\\\n",
        "$A=${A}\n$A\n",
        "\0\n",
        "include {{{",
        "$B=x\n${B}{${B}\n",
        "~LST(a,{1},{2}) x\n",
    ] {
        assert_linear(unit, |size| unit.repeat(size / unit.len()));
    }
    assert_linear("a line far behind its begin", |size| {
        let blanks = " ".repeat(size);
        format!("vrrp_instance V {{\n{blanks}~SEQ(N, 1, {}) accept\n}}\n", size / 9)
    });
    assert_linear("braces far behind the begin of their line", |size| {
        format!("a {{\nb {{\n{}~SEQ(N, 1, {}) }} b {{\n", " ".repeat(size), size / 22)
    });
}

/// Four times the size takes about four times as long; quadratic work would take sixteen times. Who else
/// uses the machine can only make it longer, so that the best of some attempts counts.
fn assert_linear(name: &str, text: impl Fn(usize) -> String) {
    const SIZE: usize = 1 << 16;
    let took = |size| {
        let text = text(size);
        let begin = Instant::now();
        let loaded = read(&text, &[]);
        assert!(loaded.diagnostics.is_empty() || !loaded.render(false).is_empty());
        begin.elapsed()
    };
    let mut attempts = (0..5).map(|_| (took(SIZE), took(4 * SIZE)));
    let is_linear =
        |(small, large): (Duration, Duration)| large < 8 * small.max(Duration::from_millis(5));
    assert!(attempts.any(is_linear), "{name}");
}

/// Expansion limits: what is large but sound is read, also beyond the words that a small file may have.
#[test]
fn large_files() {
    let server = |n: usize| {
        let (b, c, d) = (n >> 16, n >> 8 & 255, n & 255);
        format!(
            "    real_server 10.{b}.{c}.{d} 80 {{\n        weight 1\n        TCP_CHECK {{\n            \
             connect_timeout 3\n        }}\n    }}\n"
        )
    };
    let servers: String = (1..=20_000).map(server).collect();
    let text = format!(
        "virtual_server 10.1.0.1 80 {{\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n{servers}}}\n"
    );
    let loaded = read(&text, &[]);
    assert_eq!(loaded.verdict(), Verdict::Clean, "{:?}", codes(&loaded));
}
