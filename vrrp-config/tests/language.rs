//! The language around the statements: conditions, variables, loops, lines.
//!
//! Compared with keepalived 2.2.7: `keepalived -t` quotes the words that it arrives at in its messages
//! about unknown keywords. Where this program differs, the test says so and why.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{
    codes, instance,
    language::{message, name, octets, octets_of, read, read_bytes, remarks, with_list},
};
use vrrp_config::{self as config, Verdict};

// Conditions

/// `@id`, `@^id`: for the rest of the line, also behind a brace; the whole word counts.
#[test]
fn conditions() {
    let list = |list: &str| octets("", list, &[]);
    assert_eq!(list("@node1 10.0.0.1\n@^node1 10.0.0.2\n  @node1   10.0.0.3"), "1 3");
    assert_eq!(list("@node2 10.0.0.1\n@^node2 10.0.0.2\n@node 10.0.0.3\n@node1x 10.0.0.4"), "2");
    assert_eq!(list("@node1\n@node1{ 10.0.0.1\n10.0.0.2"), "2");
    // Quotes are a part of the id.
    assert_eq!(list("@\"node1\" 10.0.0.1\n10.0.0.2"), "2");
    let behind = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress { @node1 10.0.0.9 } \n}\n";
    assert_eq!(octets_of(&read(behind, &[])), "9");
    assert_eq!(name("", "@node1 vrrp_instance A {\n@node2 vrrp_instance B {"), "A");
    // Not at the begin it is a word.
    assert_eq!(name("", "vrrp_instance @node1 {"), "@node1");
}

/// `@id`: an id that is empty never counts, `@^` always does; two conditions are a mistake, and the
/// line does not count.
#[test]
fn odd_conditions() {
    let loaded = read(
        &with_list("", "@ 10.0.0.1\n@^ 10.0.0.2\n@node1 @node1 10.0.0.3\n@node2 @node1 10.0.0.4"),
        &[],
    );
    assert_eq!(codes(&loaded), ["W0109", "W0109", "E0108"]);
    assert_eq!(octets_of(&loaded), "2");
    // In memory and without surroundings nobody is meant.
    let text = with_list("", "@^x 10.0.0.1\n@ 10.0.0.2");
    assert_eq!(octets_of(&config::parse("a.conf", text.as_bytes())), "1");
}

// Variables

/// `$NAME=value`: replaced in front of a blank, in braces anywhere, also in quotes, where it is used.
#[test]
fn variables() {
    let list = |list: &str| octets("$A=7\n$NET=10.0.0", list, &[]);
    assert_eq!(list("${NET}.1\n10.0.0.${A}"), "1 7");
    assert_eq!(list("$X=10.0.0.8\n $X dev eth0"), "8");
    assert_eq!(list("$BASE=10.0.${SUB}\n$SUB=0\n${BASE}.1\n$SUB=10\n${BASE}.2"), "1 2");
    assert_eq!(list("  $X=  10.0.0.8   # comment\n$X"), "8");
    assert_eq!(list("$E=\n10.0.0.${E}9$E"), "9");
    assert_eq!(list("@node1 $P=10.0.0.1\n@node2 $P=10.0.0.2\n$P"), "1");
    assert_eq!(name("$A=x y", "vrrp_instance \"a ${A} b\" {"), "a x y b");
    assert_eq!(name("$A=\"x # y\"", "vrrp_instance $A {"), "x # y");
    assert_eq!(name("$A=vrrp_instance V1 {", "$A"), "V1");
    assert_eq!(name("$_X=5\n$A_1=${_X}", "vrrp_instance $A_1 {"), "5");
    // 2.2.7 garbles the line that a condition out of a variable begins: `cond_via_nd_via_var`.
    assert_eq!(list("$ON=@node1\n$OFF=@node2\n$ON 10.0.0.1\n$OFF 10.0.0.2"), "1");
}

/// `$NAME= \`: several lines, each of which is read as a line, with its own conditions and definitions;
/// alone or last on a line.
#[test]
fn variables_of_several_lines() {
    let template = "$VI= \\
        vrrp_instance VI_${NUM} { \\
            interface eth0.${NUM} \\
            virtual_router_id ${NUM}  # a comment \\
            @node1 priority 130 \\
            @node2 priority 120 \\
            virtual_ipaddress { \\
                $LAST=${NUM} \\
                10.0.0.${LAST} \\
            } \\
        }
";
    let loaded = read(&format!("{template}$NUM=3\n$VI\n$NUM=4\n${{VI}} # again\n"), &[]);
    assert_eq!(codes(&loaded), [""; 0], "{}", loaded.render(false));
    let instances = loaded.config.unwrap().instances;
    let facts: Vec<_> = instances
        .iter()
        .map(|i| {
            (i.name.as_str(), i.vrid.get(), i.priority.get(), i.addresses[0].address.to_string())
        })
        .collect();
    assert_eq!(
        facts,
        [("VI_3", 3, 130, "10.0.0.3".to_owned()), ("VI_4", 4, 130, "10.0.0.4".to_owned())]
    );
    let list = |list: &str| {
        octets("$IN= \\\n  10.0.0.1 \\\n  10.0.0.2\n$OUT= \\\n$IN \\\n10.0.0.3", list, &[])
    };
    assert_eq!(list("$OUT"), "1 2 3");
    assert_eq!(list("@node1 $OUT\n@node2 $IN"), "1 2 3");
    assert_eq!(list("$F=10.0.0.8 \\\n10.0.0.9\n$F"), "8 9");
    // In 2.2.7 the lines behind a definition for another node stand there as they are.
    assert_eq!(list("@node2 $F=10.0.0.8 \\\n10.0.0.9\n10.0.0.7"), "7");
    // 2.2.7 leaves the name as it is: there it is an unknown keyword, too.
    let loaded = read(&with_list("$M= \\\na \\\nb", "$M x\n10.0.0.${M}4\n10.0.0.1"), &[]);
    assert_eq!((codes(&loaded), octets_of(&loaded)), (vec!["E0111", "E0111"], "1".to_owned()));
}

/// `$NAME`: what nobody defines stays as it is and is reported, with what was probably meant; so is a
/// variable that is not replaced because of what stands behind it.
#[test]
fn variables_that_are_none() {
    let help = |line: &str, code: &str| {
        let loaded = read(&instance(line), &[]);
        assert_eq!(codes(&loaded), [code], "{}", loaded.render(false));
        loaded.diagnostics[0].help.clone().unwrap()
    };
    assert_eq!(help("interface $IF", "E0018"), "define it above, `$IF=…`, or write the value");
    assert_eq!(
        help("priority 1${TENS}", "E0018"),
        "define it above, `$TENS=…`, or write the value"
    );
    assert_eq!(help("$E = 4", "E0018"), "write `$E=value`");
    assert!(help("$1A=3", "E0018").starts_with("a name has letters"));
    assert_eq!(help("mcast_src_ip ${_ENV NOWHERE}", "E0018"), "set it where the daemon is started");
    let loaded = read(&format!("$A=1\n{}", with_list("", "10.0.0.1 label $A.x")), &[]);
    assert!(codes(&loaded).contains(&"W0112"), "{}", loaded.render(false));
    assert!(loaded.render(false).contains("write `${A}` to have it replaced"));
    // A password is taken as it stands.
    let text = instance("authentication {\nauth_type PASS\nauth_pass pa$X${Y}\n}");
    assert_eq!(codes(&read(&text, &[])), [""; 0]);
}

/// `${_PWD} ${_INSTANCE} ${_RANDOM [a [b]]} ${_ENV X} ${_HASH} ${_BANG}`. 2.2.7 has no `_ENV`, and what
/// comes out of `_HASH` and `_BANG` begins a comment there; the manual says that it does not.
#[test]
fn predefined_variables() {
    let named = |name_: &str| name("", &format!("vrrp_instance {name_} {{"));
    assert_eq!(named("_${_PWD}"), "_/etc");
    assert_eq!(named("$_INSTANCE"), "node1");
    assert_eq!(named("${_ENV OCTET}"), "77");
    assert_eq!(named("a${_HASH}b${_BANG}c"), "a#b!c");
    assert_eq!(named("${_RANDOM 7 7}"), "7");
    assert_eq!(name("$_PWD=other", "vrrp_instance ${_PWD} {"), "other");
    for (range, least, most) in [("", 0, 32_767), (" 30000", 30_000, 32_767), (" 5 9", 5, 9)] {
        let number: u32 = named(&format!("${{_RANDOM{range}}}")).parse().unwrap();
        assert!((least..=most).contains(&number), "{range}: {number}");
    }
    assert_eq!(remarks("vrrp_version ${_RANDOM 9 5}", &[]).0, ["E0018"]);
    // The directory of the file in which it is used, not of the one that defines it.
    let included = [("/etc/d/a.conf", "$PWD=${_PWD}\nglobal_defs {\n$PWD {\n}\n}\n")];
    let loaded = read("include d/a.conf\n$PWD {\n}\n", &included);
    let quoted: Vec<_> =
        loaded.diagnostics.iter().map(|d| d.message.split('`').nth(1).unwrap()).collect();
    assert_eq!(quoted, ["/etc", "/etc/d"]);
}

/// `random_seed`: makes a configuration repeatable.
#[test]
fn random_seed() {
    let random = |seed| {
        name(&format!("global_defs {{\nrandom_seed {seed}\n}}"), "vrrp_instance ${_RANDOM} {")
    };
    let loaded = read("global_defs {\nrandom_seed 3\n}\n", &[]);
    assert!(loaded.verdict() == Verdict::Clean);
    assert_eq!(random(3), random(3));
    assert_ne!(random(3), random(4));
}

// Loops

/// `~SEQ(NAME, start, step, end)` and `~SEQx`: defaults, directions, notations, nested, with
/// conditions; what stands behind a brace on the line is repeated, too.
#[test]
fn sequences() {
    let list = |list: &str| octets("$THREE=3", list, &[]);
    assert_eq!(list("~SEQ(N,1,3) 10.0.0.${N}"), "1 2 3");
    assert_eq!(list("~SEQ(N,3) 10.0.0.${N}"), "1 2 3");
    assert_eq!(list("~SEQ(N, 5, 3) 10.0.0.$N"), "5 4 3");
    assert_eq!(list("~SEQ(N,1,2,6) 10.0.0.${N}"), "1 3 5");
    assert_eq!(list("~SEQ(N,6,-2,1)10.0.0.${N}"), "6 4 2");
    assert_eq!(list("~SEQ (N,0x10,0x12) 10.0.0.${N}"), "16 17 18");
    assert_eq!(list("~SEQ(N,010,+9) 10.0.0.${N}"), "8 9");
    assert_eq!(list("~SEQ(N,0) 10.0.0.${N}"), "1 0");
    assert_eq!(name("", "~SEQ(N,-3) $LAST=${N}\nvrrp_instance VI${LAST} {"), "VI-3");
    assert_eq!(list("~SEQ(N,2,${THREE}) 10.0.0.${N}"), "2 3");
    assert_eq!(list("~SEQ(A,1,2) ~SEQ(B,1,${A}) 10.0.0.${A}${B}"), "11 21 22");
    assert_eq!(list("~SEQ(N,1,2) @node1 10.0.0.${N}\n~SEQ(N,1,2) @node2 10.0.0.${N}9"), "1 2");
    assert_eq!(list("~SEQ(N,4,5) $LAST=${N}\n10.0.0.${LAST}"), "5");
    assert_eq!(list("$L=~SEQ(N,1,2) 10.0.0.${N}\n$L"), "1 2");
    assert_eq!(list("$T= \\\n10.0.0.${N} \\\n10.0.0.${N}0\n~SEQ(N,1,2) $T"), "1 10 2 20");
    let loaded =
        read(&with_list("", "~SEQx(H,9,11) fe80::${H}\n~SEQx(I,0x90,0x10,0xb0) fe80::${I}"), &[]);
    let addresses = &loaded.config.unwrap().instances[0].addresses;
    let texts: Vec<_> = addresses.iter().map(|a| a.address.to_string()).collect();
    assert_eq!(texts, ["fe80::9", "fe80::a", "fe80::b", "fe80::90", "fe80::a0", "fe80::b0"]);
}

/// `~LST(NAME, value, …)`: one variable or several together.
#[test]
fn lists() {
    let list = |list: &str| octets("$X=5", list, &[]);
    assert_eq!(list("~LST(L,one,two) $${L}=1\n~LST(L,4, 7) 10.0.0.${L}"), "4 7");
    assert_eq!(list("~LST({P,Q}, {1,2},{3, 4}) 10.0.0.${P}${Q}"), "12 34");
    assert_eq!(list("~LST(A,1,2) ~LST(B,3,$X ) 10.0.0.${A}${B}"), "13 15 23 25");
    // 2.2.7 takes the braces of the variable for a group, and refuses the line.
    assert_eq!(list("~LST(A,1,${X}) 10.0.0.${A}"), "1 5");
    // 2.2.7 never ends at an empty value.
    assert_eq!(list("~LST(A,) 10.0.0.1${A}"), "1");
}

/// `~SEQ`, `~LST`: what is wrong with a loop is said at its place, and the line does not count.
#[test]
fn bad_loops() {
    for (line, says) in [
        ("~SEQ(N,1,-1,5) x", "steps of -1 never lead from 1 to 5"),
        ("~SEQ(N,1,0,5) x", "steps of 0 never lead from 1 to 5"),
        ("~SEQ(N,1,2", "the parenthesis behind `~SEQ` is never closed"),
        ("~SEQ(,1,2) x", "`` is no name of a variable"),
        ("~SEQ(N) x", "a sequence has 2 to 4 values, not 1"),
        ("~SEQ(N,1,2,3,4) x", "a sequence has 2 to 4 values, not 5"),
        ("~SEQ(N,a,b) x", "`a` is no number in a loop"),
        ("~SEQ(N,1.5,2) x", "`1.5` is no number in a loop"),
        ("~SEQx(N,-2,1) x", "`~SEQx` has no negative numbers"),
        ("~SEQ(1N,1,2) x", "`1N` is no name of a variable"),
        ("~LST(L) x", "the list has no values"),
        ("~LST(L,a b) x", "`a b`: values of a list have no blanks"),
        ("~LST({A,B},{1,2,3}) x", "3 values, `1, 2, 3`, for 2 variables"),
        ("~LST(L,{1) x", "a `{` is not closed"),
        ("~seq(N,1,2) x", "there is no loop `~seq`"),
        ("~FOO(a) x", "there is no loop `~FOO`"),
    ] {
        assert_eq!(message(line, &[]), says, "{line}");
        assert_eq!(remarks(line, &[]), (vec!["E0113"], 5), "{line}");
    }
    assert_eq!(remarks("~SEQ(N,1,2) # x", &[]), (vec!["W0114"], 0));
}

// Lines

/// Long lines: `\` joins them. 2.2.7 knows this in definitions only, which is pointed out once.
#[test]
fn joined_lines() {
    let loaded = read(
        &with_list(
            "",
            "10.0.0.1 \\\n dev eth0\n10.0.0.2 \\  \ndev \\\neth1\n# 10.0.0.3 \\\n10.0.0.4",
        ),
        &[],
    );
    assert_eq!(codes(&loaded), ["W0115"]);
    assert_eq!(octets_of(&loaded), "1 2 4");
    assert_eq!(loaded.sources.excerpt(loaded.diagnostics[0].span), "\\");
}

/// Line limit: 2.2.7 takes what follows byte 1023 for another line. Here the line is read as a whole,
/// and the place is named; also of a line that variables have made long.
#[test]
fn long_lines() {
    let line = |length: usize| format!("# {}", "x".repeat(length - 2));
    assert_eq!(remarks(&line(1023), &[]), (vec![], 0));
    let loaded = read(&format!("{}\n{}", line(1024), instance("")), &[]);
    assert_eq!(codes(&loaded), ["E0100"]);
    let (start, end) = loaded.sources.positions(loaded.diagnostics[0].span);
    assert_eq!((start.column, end.column), (1024, 1025));
    // Octets are counted, not letters.
    let mut eight_bit = b"# ".to_vec();
    eight_bit.extend([0xe9; 1021]);
    assert_eq!(codes(&read_bytes(&eight_bit, &[])), [""; 0]);
    eight_bit.push(0xe9);
    assert_eq!(codes(&read_bytes(&eight_bit, &[])), ["E0100"]);
    assert_eq!(codes(&read(&format!("# {}", "é".repeat(600)), &[])), ["E0100"]);
    let long = format!("$L={}\nglobal_defs {{\nrouter_id ${{L}}${{L}}\n}}", "x".repeat(600));
    assert_eq!(remarks(&long, &[]), (vec!["E0100"], 5));
}

/// 8-bit text, UTF-8, CRLF, byte order marks, NUL bytes, UTF-16: read as 2.2.7 does, which is silent
/// about what it does not read.
#[test]
fn encodings() {
    let crlf = with_list("$A=10.0.0.1\r\n$B= \\\r\n 10.0.0.2 \\\r\n10.0.0.3\r", "$A\r\n$B\r");
    assert_eq!(octets_of(&read(&crlf, &[])), "1 2 3");
    let bom = [("/etc/a.conf", "\u{feff}10.0.0.1\n")];
    let loaded = read(&with_list("", "include a.conf"), &bom);
    assert_eq!((codes(&loaded), octets_of(&loaded)), (vec!["W0019"], "1".to_owned()));
    let loaded = read(&with_list("", "10.0.0.1\0 nonsense\n\x0010.0.0.2\n10.0.0.3"), &[]);
    assert_eq!((codes(&loaded), octets_of(&loaded)), (vec!["W0116", "W0116"], "1 3".to_owned()));
    let utf16: Vec<u8> = "\u{feff}# x\nabc\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(codes(&read_bytes(&utf16, &[])), ["E0117"]);
    let mut latin = "# café\n".chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<u8>>();
    latin.extend(with_list("", "10.0.0.1").bytes());
    assert_eq!(octets_of(&read_bytes(&latin, &[])), "1");
}

/// Quoting: escapes with `\cC`, `'` inside of `"`, parts that stand side by side are one word. In 2.2.7
/// only the values of some keywords have escapes, and quotes separate words; the manual says otherwise.
#[test]
fn quotes() {
    let named = |text: &str| name("", &format!("vrrp_instance {text} {{"));
    assert_eq!(named("\"a\\cA\\c?\\cz\""), "a\x01\x7f\x1a");
    assert_eq!(named("\"it's 'x y'\""), "it's 'x y'");
    assert_eq!(named("'say \"x\"'"), "say \"x\"");
    assert_eq!(named("ab\"c d\"ef"), "abc def");
    assert_eq!(named("\"{ } # ! \""), "{ } # ! ");
    assert_eq!(named("\"\\x41\\102\\t\\\\\\\"\""), "AB\t\\\"");
}
