//! Slips of people who know other languages better, and text that looks like a slip and is none.
//! Exit codes are those of `keepalived -t` 2.2.7 for the same file.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{all_codes, codes, global, instance, parse};
use vrrp_config::{Diagnostic, Loaded};

/// What is said with this code about a file that keepalived answers with 5.
fn said(text: &str, code: &str) -> String {
    let loaded = parse(text);
    assert_eq!(loaded.verdict().exit_code(), 5, "{}", loaded.render(false));
    let found = loaded.diagnostics.iter().find(|one| one.code == code);
    let Diagnostic { message, help, .. } =
        found.unwrap_or_else(|| panic!("{text}{}", loaded.render(false)));
    format!("{message}: {}", help.clone().unwrap_or_default())
}

fn names(loaded: Loaded) -> Vec<String> {
    loaded.config.unwrap().instances.into_iter().map(|instance| instance.name).collect()
}

/// Keywords `vrrp_instance`, `vrrp_sync_group`, `track_group`: a name with a blank is none, and
/// keepalived ignores the block.
#[test]
fn names_with_blanks() {
    let two = instance("").replace("VI_1", "VI 1");
    assert!(said(&two, "E0023").contains("`VI_1`"));
    assert_eq!(names(parse(&two)), [""; 0]);
    assert_eq!(names(parse(&instance("").replace("VI_1", "\"VI 1\""))), ["VI 1"]);
    for group in ["vrrp_sync_group A B {\ngroup {\nVI_1\nVI_2\n}\n}", "track_group A B {\n}"] {
        let text = support::named("VI_2", 52, "") + &instance("") + group;
        assert!(said(&text, "E0023").contains("`A_B`"), "{group}");
    }
}

/// Issue 5, the lists: what stands between keyword and brace is reported, and the list counts.
#[test]
fn words_in_front_of_a_list() {
    for list in ["virtual_ipaddress_excluded", "virtual_rules", "unicast_peer", "track_interface"] {
        let text = instance(&format!("{list} eth1 {{\n}}"));
        assert!(said(&text, "E0211").contains("in the braces"), "{list}");
    }
    for text in [global("notification_email a@b.c {\n}"), instance("") + "static_routes x {\n}"] {
        assert!(said(&text, "E0211").contains("in the braces"), "{text}");
    }
    let text = instance("").replace("virtual_ipaddress {", "virtual_ipaddress 10.0.0.9 {");
    assert_eq!(parse(&text).config.unwrap().instances[0].addresses.len(), 1);
    // keepalived does not look at what stands behind others.
    assert_eq!(parse(&global("").replace("global_defs", "global_defs x")).verdict().exit_code(), 0);
}

/// Issue 5, open strings: keepalived takes away the string, and does not start where nothing is left.
#[test]
fn open_strings() {
    for (line, exit) in [
        ("virtual_router_id \"5", 4),
        ("authentication {\nauth_type PASS\nauth_pass \"abc\n}", 4),
        ("notify_master \"/etc/notify.sh", 5),
        ("priority 100 \"", 5),
    ] {
        let loaded = parse(&instance(line));
        assert_eq!(loaded.verdict().exit_code(), exit, "{line}{}", loaded.render(false));
        assert_eq!(all_codes(&loaded).contains(&"E0003"), exit == 4, "{line}");
        assert!(codes(&loaded).contains(&"E0010"), "{line}");
    }
    let after = parse(&(instance("") + "}'"));
    assert!(!after.render(false).contains("``"), "{}", after.render(false));
}

/// Issue 5: the message about a sign too many names it.
#[test]
fn signs() {
    let vip = |line: &str| instance("").replace("10.0.0.51", &format!("10.0.0.51\n{line}"));
    for (text, code, cure) in [
        (instance("priority = 100"), "E0030", "remove the `=`"),
        (instance("priority 100;"), "E0030", "remove the `;`"),
        (instance("advert_int 100ms"), "E0030", "without a unit"),
        (instance("interface = eth0"), "E0035", "remove the `=`"),
        (instance("interface eth0;"), "E0035", "remove the `;`"),
        (instance("interface eth0:1"), "E0035", "`eth0`"),
        (vip("10.0.0.52;"), "E0033", "remove the `;`"),
        (vip("10.0.0.52, 10.0.0.53"), "E0033", "remove the `,`"),
        (vip("10.0.0.52/24,"), "E0040", "remove the `,`"),
        (vip("- 10.0.0.52"), "E0033", "remove the `-`"),
        (vip("10.0.0.52-60"), "E0033", "one address per line"),
        (vip("10.0.0.052"), "E0033", "10.0.0.52"),
        (vip("10.0.0.52/24 broadcast 10.0.0.255"), "E0042", "`brd 10.0.0.255`"),
        (vip("10.0.0.52 netmask 255.255.255.0"), "E0042", "`10.0.0.52/24`"),
        (instance("unicast_peer {\n10.0.0.52,\n}"), "E0033", "remove the `,`"),
        (format!("virtual_server 10.0.0.1:80 {{\n}}\n{}", instance("")), "E0033", "10.0.0.1 80"),
        (global("smtp_server 10.0.0.1:25"), "E0032", "10.0.0.1 25"),
        (global("smtp_server smtp://mail.example"), "E0032", "host name"),
    ] {
        assert!(said(&text, code).contains(cure), "{text}{}", said(&text, code));
    }
}

/// E0017: addresses of mail, commands and other texts contain what looks like a placeholder.
#[test]
fn no_placeholders() {
    for text in [
        global("notification_email_from <noreply@example.com>"),
        global("notification_email {\nOps <ops@example.com>\n}"),
        instance("notify_master /etc/notify.sh a|b <c>"),
        "vrrp_script chk {\nscript /usr/bin/pgrep nginx|apache2\n}".to_owned(),
    ] {
        let loaded = parse(&text);
        assert!(!all_codes(&loaded).contains(&"E0017"), "{}", loaded.render(false));
    }
    assert!(said(&instance("interface <your interface>"), "E0017").contains("placeholder"));
}

/// Issue 5: a file that is still a template says so, in one place for each.
#[test]
fn templates() {
    let text = instance("").replace("VI_1", "{{ name }}").replace("eth0", "{{ interface }}");
    assert!(said(&text, "E0017").contains("template"));
    let loaded =
        parse(&text.replace("10.0.0.51", "{% for vip in vips %}\n{{ vip }}\n{% endfor %}"));
    assert_eq!(loaded.verdict().exit_code(), 5);
    let others: Vec<&str> =
        codes(&loaded).into_iter().filter(|code| !["E0017", "E0045"].contains(code)).collect();
    assert_eq!(others, [""; 0], "{}", loaded.render(false));
}

/// E0045: who is left out for another reason does not run without addresses.
#[test]
fn left_out_without_addresses() {
    let text = instance("").replace("interface", "interfce").replace("10.0.0.51\n", "");
    assert!(said(&text, "E0045").ends_with("the virtual router is left out"));
    let text = instance("").replace("10.0.0.51\n", "");
    assert!(said(&text, "E0045").ends_with("moves nothing"));
}

/// W0196: what is shell language is not missed as a program, too.
#[test]
fn shell_language_is_no_program() {
    let mut loaded = parse(&instance("notify_master \"if true; then exit; fi\""));
    loaded.check_programs(|_, _| Some("it is not there".to_owned()));
    assert!(codes(&loaded).contains(&"E0074") && !codes(&loaded).contains(&"W0196"));
}

/// Keyword `auth_pass`: a comment that begins in a password is hardly meant.
#[test]
fn comments_in_passwords() {
    let auth = |line: &str| instance(&format!("authentication {{\nauth_type PASS\n{line}\n}}"));
    for line in ["auth_pass ab#cd", "auth_pass P@ss!"] {
        let loaded = parse(&auth(line));
        assert_eq!(codes(&loaded), ["W0217"], "{}", loaded.render(false));
        assert_eq!(loaded.verdict().exit_code(), 0);
    }
    for line in ["auth_pass \"ab#cd\"", "auth_pass ab # cd"] {
        assert_eq!(codes(&parse(&auth(line))), [""; 0], "{line}");
    }
}
