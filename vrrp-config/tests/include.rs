//! Files that include others. Compared with keepalived 2.2.7; where this program differs, the test says
//! so and why.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::{env, fs, os::unix::fs::symlink, process};

use glob::Pattern;
use support::{
    codes,
    language::{message, octets, octets_of, read, remarks},
};
use vrrp_config::{self as config, Disk, Host as _, Verdict};

/// `include`: relative to the file in which it stands, at the begin of any statement; wildcards in the
/// order of the names and without hidden files, braces in theirs.
#[test]
fn include() {
    let files = [
        ("/etc/d/a.conf", "10.0.0.1\n"),
        ("/etc/d/b.conf", "10.0.0.2\n"),
        ("/etc/d/b.bak", "10.0.0.3"),
        ("/etc/d/.hidden.conf", "10.0.0.4\n"),
        ("/etc/sub/s.conf", "include d2/x.conf\ninclude ../d/a.conf\n"),
        ("/etc/sub/d2/x.conf", "10.0.0.5"),
        ("/etc/a b.conf", "10.0.0.6\n"),
        ("/srv/abs.conf", "10.0.0.7\n"),
    ];
    let list = |list: &str| octets("", list, &files);
    assert_eq!(list("10.0.0.8\ninclude d/*.conf\n10.0.0.9"), "8 1 2 9");
    assert_eq!(list("include d/{b,a}.conf"), "2 1");
    assert_eq!(list("include d/{b.bak,{a,b}.conf}"), "3 1 2");
    assert_eq!(list("include d/[ab].conf"), "1 2");
    assert_eq!(list("include d/[^a].conf"), "2");
    assert_eq!(list("include */?.bak"), "3");
    assert_eq!(list("include d/*"), "1 3 2");
    assert_eq!(list("include sub/s.conf"), "5 1");
    assert_eq!(list("include /srv/abs.conf"), "7");
    assert_eq!(list("include d//a.conf # comment"), "1");
    assert_eq!(list("include a b.conf"), "6");
    assert_eq!(list("include a\\ b.conf"), "6");
    // 2.2.7 takes the quotes for a part of the name, and the file for missing.
    assert_eq!(list("include \"a b.conf\""), "6");
    assert_eq!(list("@node1 include d/a.conf\n@node2 include d/b.conf"), "1");
    assert_eq!(list("$N=d/a.conf\ninclude $N\n$LINE=include d/b.conf\n$LINE"), "1 2");
    // 2.2.7 looks for the second one in the directory of the first one.
    assert_eq!(list("~LST(N, a, b) include d/${N}.conf"), "1 2");
    let file = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress { include d/a.conf\n}\n";
    let loaded = read("include start.conf\n}\n", &[("/etc/start.conf", file), files[0]]);
    assert_eq!(codes(&loaded), [""; 0], "blocks go on across files: {}", loaded.render(false));
    assert_eq!(octets_of(&loaded), "1");
}

/// `include`: what is said about an included file names that file and its line.
#[test]
fn include_places() {
    let loaded = read("include d/a.conf\n", &[("/etc/d/a.conf", "\n  nonsense\n")]);
    assert_eq!(codes(&loaded), ["E0020"]);
    let span = loaded.diagnostics[0].span;
    assert_eq!(loaded.sources.name(span.file), "/etc/d/a.conf");
    assert_eq!(loaded.sources.positions(span).0.to_string(), "2:3");
    assert!(loaded.render(false).contains("/etc/d/a.conf:2:3"), "{}", loaded.render(false));
}

/// `include` and `includer` to `includea` with files that are missing, directories, and braces: exit
/// codes as of keepalived 2.2.7, whose answer 6 ("no configuration") is 4 here, since 6 stands for
/// script security.
#[test]
fn include_missing() {
    let files = [("/etc/d/a.conf", "")];
    for (line, code, exit) in [
        ("include none.conf", "W0104", 0),
        ("include none*.conf", "H0105", 0),
        ("include d/{a,z}.conf", "W0104", 0),
        ("include d", "W0104", 0),
        ("includer none.conf", "W0104", 0),
        ("includer d", "E0103", 4),
        ("includem none.conf", "E0103", 4),
        ("includem none*.conf", "H0105", 0),
        ("includem d/{a,z}.conf", "W0104", 0),
        ("includew none*.conf", "E0103", 4),
        ("includew none.conf", "W0104", 0),
        ("includeb d/{a,z}.conf", "E0103", 4),
        ("includea d/{a,z}.conf", "E0103", 4),
        ("includea none*.conf", "E0103", 4),
        ("global_defs {\ninclude_check x\n}\ninclude d/a.conf", "E0032", 5),
        ("global_defs {\ninclude_check\n}\ninclude none*.conf", "E0103", 4),
        ("global_defs {\ninclude_check match\n}\ninclude none.conf", "E0103", 4),
        (
            "global_defs {\ninclude_check\ninclude_check -match -wildcard_match\n}\ninclude none.conf",
            "W0104",
            0,
        ),
        ("include", "E0022", 5),
    ] {
        let (codes, verdict) = remarks(line, &files);
        assert!(codes.contains(&code), "{line}: {codes:?}");
        assert_eq!(verdict, exit, "{line}: {codes:?}");
    }
    assert_eq!(message("include none*.conf", &[]), "no file matches `none*.conf`");
    assert_eq!(message("include x/none.conf", &[]), "there is no file `x/none.conf`");
}

/// `include_check`: what an included file sets ends with it.
#[test]
fn include_check_ends_with_its_file() {
    let strict = ("/etc/strict.conf", "global_defs {\ninclude_check\n}\n");
    assert_eq!(remarks("include strict.conf\ninclude none.conf", &[strict]), (vec!["W0104"], 0));
}

/// `include`: a file that includes itself, directly, by another name or through others, is an error at
/// the place. 2.2.7 goes on until it has too many open files, and then runs.
#[test]
fn include_itself() {
    assert_eq!(
        message("include main.conf", &[]),
        "`/etc/main.conf` includes itself; it is not read again"
    );
    assert_eq!(remarks("include ../etc/./main.conf", &[]), (vec!["E0106"], 5));
    let loaded = read(
        "include a.conf\n",
        &[("/etc/a.conf", "\ninclude b.conf\n"), ("/etc/b.conf", "include a.conf\n")],
    );
    assert_eq!(codes(&loaded), ["E0106"]);
    let span = loaded.diagnostics[0].span;
    assert_eq!(
        (loaded.sources.name(span.file), loaded.sources.excerpt(span)),
        ("/etc/b.conf", "a.conf")
    );
    // The same file twice is no circle.
    let one = [("/etc/a.conf", "10.0.0.1\n"), ("/etc/b.conf", "$A=include a.conf\n")];
    assert_eq!(octets("include b.conf", "$A\n", &one), "1");
}

/// `include` on a disk: a circle through a symbolic link, a directory, a pattern, a device.
#[test]
fn include_on_disk() {
    let dir = env::temp_dir().join(format!("vrrp-config-{}", process::id()));
    fs::create_dir_all(dir.join("d")).unwrap();
    let main = dir.join("main.conf");
    symlink(&main, dir.join("d/link.conf")).unwrap();
    fs::write(dir.join("d/a.conf"), "_${_PWD}\n").unwrap();
    fs::write(&main, "include d/*.conf\ninclude d\ninclude /dev/zero\n@me yes\n@^me no\n").unwrap();
    let loaded = config::load_as(&main, "me");
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(
        codes(&loaded),
        ["E0106", "W0104", "W0104", "E0020", "E0020"],
        "{}",
        loaded.render(false)
    );
    let pwd = format!("`_{}`", dir.join("d").display());
    assert!(loaded.diagnostics[4].message.contains(&pwd), "{}", loaded.render(false));
    assert!(loaded.diagnostics[3].message.contains("`yes`"));
}

/// `include`: patterns are no way to have much looked for by a short file.
#[test]
fn include_patterns_have_a_limit() {
    for line in ["include *x\n", "include {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}*\n"] {
        assert_eq!(remarks(&line.repeat(95_000), &[]).1, 4, "{line}");
    }
    let names: Vec<String> = (0..1001).map(|n| format!("/etc/d/{n}.conf")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(remarks("include d/*.conf", &files), (vec!["E0101"], 4));
    assert_eq!(remarks("include d/*.conf", &files[2..]), (vec![], 0));
}

/// `include` on a disk: as many files as there may be are found in the order of their names, more are
/// too many, and so are places to look for one.
#[test]
fn include_patterns_on_disk() {
    let dir = env::temp_dir().join(format!("vrrp-config-glob-{}", process::id()));
    for name in ["b/x.conf", "b/.hidden.conf", "a/y.conf", "a/z", "c.conf", "[d]/e.conf"] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let matches = |pattern: &str| {
        let full = format!("{}/{pattern}", dir.display());
        let found = Disk.matches(&Pattern::new(&full).unwrap()).unwrap();
        let found = found.iter().map(|path| path.strip_prefix(&dir).unwrap().display().to_string());
        found.collect::<Vec<_>>().join(" ")
    };
    let expected = [
        ("*/*.conf", "[d]/e.conf a/y.conf b/x.conf"),
        ("?/./*", "a/y.conf a/z b/x.conf"),
        ("*.conf", "c.conf"),
        ("*/y.conf", "a/y.conf"),
        ("[[]d]/*", "[d]/e.conf"),
        ("a/../*/.h*", "a/../b/.hidden.conf"),
        ("c.conf/*", ""),
        ("none/*", ""),
    ];
    let found = expected.map(|(pattern, _)| (pattern, matches(pattern)));
    (0..1001).for_each(|n| fs::write(dir.join(format!("a/{n}")), "").unwrap());
    let many = Pattern::new(&format!("{}/a/*", dir.display())).unwrap();
    let many = Disk.matches(&many);
    (0..400).for_each(|n| fs::create_dir_all(dir.join(format!("sub/{n}"))).unwrap());
    let below = Pattern::new(&format!("{}/sub/*/../*/none", dir.display())).unwrap();
    let below = Disk.matches(&below);
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(found, expected.map(|(pattern, found)| (pattern, found.to_owned())));
    assert_eq!((many, below), (None, None));
}

/// `include`: files in files have a limit, and so has their text; both are errors at the place, and
/// nothing is run.
#[test]
fn include_limits() {
    let names: Vec<String> = (0..40).map(|n| format!("/etc/{n}.conf")).collect();
    let texts: Vec<String> = (1..=40).map(|n| format!("include {n}.conf\n")).collect();
    let chain: Vec<_> = names.iter().zip(&texts).map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let loaded = read("include 0.conf\n", &chain);
    assert_eq!((codes(&loaded), loaded.verdict()), (vec!["E0102"], Verdict::CannotRun));
    let span = loaded.diagnostics[0].span;
    assert_eq!(loaded.sources.name(span.file), "/etc/15.conf");
    let large = "# ".repeat(3 << 20);
    let files = [("/etc/a.conf", large.as_str()), ("/etc/b.conf", large.as_str())];
    assert_eq!(remarks("\ninclude ?.conf", &files), (vec!["E0002", "E0100"], 4));
    // The same one again and again.
    assert_eq!(
        remarks("~SEQ(N, 1, 1000000) include a.conf", &[("/etc/a.conf", "#\n")]),
        (vec!["E0101"], 4)
    );
}
