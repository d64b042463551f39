//! The language: comments, quotes, braces, encodings, and what is said when they are wrong.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{codes, global, instance, one, parse};
use vrrp_config::{self as config, Authentication};

/// The file that all variants in this module have to equal.
const PLAIN: &str = "vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 90
  virtual_ipaddress {
    10.0.0.1
    10.0.0.2
  }
}
";

/// Places differ between variants; everything else must not.
fn assert_same(variant: &[u8]) {
    let strip = |text: &[u8]| {
        let loaded = config::parse("test.conf", text);
        assert_eq!(loaded.verdict(), config::Verdict::Clean, "{}", loaded.render(false));
        loaded.config.unwrap().instances.remove(0)
    };
    assert_eq!(strip(variant), strip(PLAIN.as_bytes()));
}

/// Keyword table 1.10, blocks: the brace on the next line, on one line, touching the word.
#[test]
fn braces() {
    assert_same(PLAIN.replace(" {", "\n{").as_bytes());
    assert_same(PLAIN.replace(" {", "{").as_bytes());
    assert_same(PLAIN.replace("    10.0.0.2\n  }\n}", "    10.0.0.2 }}").as_bytes());
    assert_same(
        PLAIN
            .replace("    10.0.0.1\n    10.0.0.2\n", "10.0.0.1 } virtual_ipaddress { 10.0.0.2\n")
            .as_bytes(),
    );
}

/// Keyword table 1.10, comments: `#` and `!` anywhere outside quotes, even inside a word.
#[test]
fn comments() {
    assert_same(PLAIN.replace("90", "90# { \" 注释").as_bytes());
    assert_same(PLAIN.replace("90", "90!x").as_bytes());
    assert_same(format!("! first\n#\n{}", PLAIN.replace("eth0\n", "eth0 ! }\n\n# }\n")).as_bytes());
    let text = instance("authentication {\n auth_type PASS\n auth_pass \"a#b!c\"\n}");
    assert_eq!(one(&text).authentication, Some(Authentication::Pass(*b"a#b!c\0\0\0")));
}

/// Keyword table 1.10, quoting: both kinds, empty, with escapes.
#[test]
fn quotes() {
    assert_same(PLAIN.replace("eth0", "\"eth0\"").as_bytes());
    assert_same(PLAIN.replace("eth0", "'eth0'").as_bytes());
    assert_same(PLAIN.replace("eth0", "\"e\\x74h\\060\"").as_bytes());
    assert_eq!(one(&PLAIN.replace("VI_1", "\"VI 1\"")).name, "VI 1");
    assert_eq!(one(&PLAIN.replace("VI_1", "a'b")).name, "a'b");
}

/// Issue 2: CRLF, tabs, a byte order mark, 8-bit text, continued lines.
#[test]
fn encodings() {
    assert_same(PLAIN.replace('\n', "\r\n").as_bytes());
    assert_same(PLAIN.replace("  ", "\t").as_bytes());
    assert_same(format!("\u{feff}{PLAIN}").as_bytes());
    assert_same(PLAIN.replace("priority 90", "priority \\\n  90").as_bytes());
    let mut eight_bit = b"# caf\xe9\n".to_vec();
    eight_bit.extend(PLAIN.bytes());
    assert_same(&eight_bit);
}

/// RFC 2338 5.3.10: a password is octets, whatever the encoding of the file is.
#[test]
fn password_octets() {
    let text = instance("authentication {\n auth_type PASS\n auth_pass Ä\n}");
    assert_eq!(
        one(&text).authentication,
        Some(Authentication::Pass([0xc3, 0x84, 0, 0, 0, 0, 0, 0]))
    );
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let loaded = config::parse("test.conf", &latin);
    let instance = &loaded.config.unwrap().instances[0];
    assert_eq!(instance.authentication, Some(Authentication::Pass([0xc4, 0, 0, 0, 0, 0, 0, 0])));
}

/// Issue 2: a statement ends with its line, and words too many are pointed out.
#[test]
fn several_words() {
    let loaded = parse(&PLAIN.replace("priority 90", "priority 90 advert_int 2"));
    assert_eq!(codes(&loaded), ["W0025"]);
    assert_eq!(
        loaded.diagnostics[0].help.as_deref(),
        Some("a statement ends with its line: give `advert_int` a line of its own")
    );
}

/// Issue 2: a block that is never closed is named with the place where it began, before the block
/// that follows and at the end of the file; the rest of the file is still read.
#[test]
fn missing_close() {
    let open = PLAIN.strip_suffix("}\n").unwrap();
    let second = PLAIN.replace("VI_1", "VI_2").replace("51", "52");
    let loaded = parse(&format!("{open}{second}"));
    assert_eq!(codes(&loaded), ["E0011"]);
    assert_eq!(
        loaded.diagnostics[0].message,
        "`vrrp_instance VI_1`, opened in line 1, is never closed"
    );
    assert_eq!(loaded.config.as_ref().unwrap().instances.len(), 2);
    let loaded = parse(&format!("{second}{open}"));
    assert_eq!(
        loaded.diagnostics[0].message,
        "`vrrp_instance VI_1`, opened in line 11, is never closed"
    );
    assert_eq!(loaded.config.as_ref().unwrap().instances.len(), 2);
    // The brace that is there stands under the instance: the list is the one left open.
    let loaded = parse(&PLAIN.replace("  }\n}", "}"));
    assert_eq!(
        loaded.diagnostics[0].message,
        "`virtual_ipaddress`, opened in line 6, is never closed"
    );
}

/// Issue 2: a `}` too many, a `{` too few.
#[test]
fn missing_open() {
    let loaded = parse(&format!("{PLAIN}}}\n"));
    assert_eq!(codes(&loaded), ["E0012"]);
    assert_eq!(loaded.sources.positions(loaded.diagnostics[0].span).0.line, 11);
    let loaded = parse(&PLAIN.replace("VI_1 {", "VI_1"));
    assert_eq!(codes(&loaded), ["E0013"]);
    assert_eq!(loaded.config.unwrap().instances.len(), 1);
    assert_eq!(codes(&parse("{\n}\n")), ["E0014"]);
    assert_eq!(codes(&parse(&instance("nopreempt {\n}"))), ["E0014"]);
}

/// Issue 2: a string that never ends, typographic quotes, blanks that are none.
#[test]
fn quotes_that_are_none() {
    let loaded = parse(&instance("notify_master \"/a b\n"));
    assert_eq!(codes(&loaded), ["E0010"]);
    // An entry of a list goes with it, too.
    let loaded = parse(&instance("track_interface {\n\"eth1\neth2\n}"));
    assert!(codes(&loaded).contains(&"E0010"));
    let config = loaded.config.unwrap();
    let tracked = config.instances[0].tracking.interfaces.iter().map(|tracked| &*tracked.name);
    assert_eq!(tracked.collect::<Vec<_>>(), ["eth2"]);
    let loaded = parse(&instance("notify_master “/a b”"));
    assert_eq!(codes(&loaded), ["E0016"]);
    assert!(!loaded.diagnostics[0].message.contains("never ends"));
    let loaded = parse(&instance("notify_master ‘/a b"));
    assert!(loaded.diagnostics[0].message.ends_with("and the string never ends"));
    let (start, end) = loaded.sources.positions(loaded.diagnostics[0].span);
    assert_eq!((start.column, end.column), (15, 16));
    assert_eq!(codes(&parse(&instance("\u{a0}priority 90"))), ["E0016"]);
}

/// Issue 2: placeholders of manuals.
#[test]
fn placeholders() {
    for line in [
        "mcast_src_ip <IPADDR>",
        "notify_master <STRING>|<QUOTED-STRING>",
        "garp_master_delay <INT EGER>",
    ] {
        assert_eq!(codes(&parse(&instance(line))), ["E0017"], "{line}");
    }
    // Values that may be anything.
    for line in ["auth_pass <pw1", "auth_pass <PASSWORD>", "auth_pass a|b"] {
        let lines = format!("authentication {{\nauth_type PASS\n{line}\n}}");
        let loaded = parse(&instance(&lines));
        assert!(!codes(&loaded).contains(&"E0017"), "{line}");
        assert!(loaded.config.unwrap().instances[0].authentication.is_some(), "{line}");
    }
    assert!(!codes(&parse(&global("umask IRUSR|IWGRP"))).contains(&"E0017"));
    let loaded = parse(&PLAIN.replace("BACKUP", "MASTER|BACKUP"));
    assert_eq!(loaded.diagnostics[0].help.as_deref(), Some("choose one, such as `MASTER`"));
}

/// Issue 2: an unknown keyword is an error with the word that was probably meant: of the block
/// first, else of another one, which is named.
#[test]
fn unknown_keywords() {
    let help = |text: &str| parse(text).diagnostics[0].help.clone().unwrap_or_default();
    assert_eq!(help(&instance("preemtp_delay 3")), "did you mean `preempt_delay`?");
    assert_eq!(help(&instance("Priority 3")), "did you mean `priority`?");
    assert_eq!(
        help(&instance("routr_id x")),
        "did you mean `router_id`? That is a keyword of global_defs"
    );
    assert_eq!(help(&instance("router_id x")), "it is a keyword of global_defs");
    assert_eq!(help(&instance("14 KEEPALIVED")), "remove it, or put a # in front");
    assert_eq!(help(&instance("nonsense")), "");
    let loaded = parse(&instance("nonsense {\n nor this\n}"));
    assert_eq!(codes(&loaded), ["E0020"]);
    assert_eq!(loaded.config.unwrap().instances.len(), 1);
}

/// Issue 5, limits: the length of a line is that of the file, also where each letter is one byte.
#[test]
fn long_lines() {
    for (letter, length) in
        [(b"\xe9".as_slice(), 1102), ("é".as_bytes(), 2202), (b"e".as_slice(), 1102)]
    {
        let text = [b"# ", letter.repeat(1100).as_slice(), b"\n"].concat();
        let loaded = config::parse("test.conf", &text);
        let message = format!("the line has {length} bytes");
        assert!(loaded.diagnostics.iter().any(|found| found.message == message), "{message}");
    }
}
