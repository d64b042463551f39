//! `static_rules` and `virtual_rules` (keyword table 1.3).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{compare_with_keepalived, instance, language::read as read_with, parse, remarks};
use vrrp_common::Family;
use vrrp_config::{Action, Mark, Named, Prefix, Realms, Rule, Tracking};

fn list(lines: &str) -> String {
    format!("static_rules {{\n{lines}\n}}\n")
}

/// The rules of a list, and what is said about it.
fn read(lines: &str) -> (Vec<&'static str>, Vec<Rule>) {
    let loaded = parse(&list(lines));
    (remarks(&loaded), loaded.config.map(|config| config.statics.rules).unwrap_or_default())
}

/// The only rule of a list about which there is nothing to say.
fn one(line: &str) -> Rule {
    let (codes, mut rules) = read(line);
    assert_eq!((codes, rules.len()), (vec![], 1), "{line}");
    rules.remove(0)
}

/// The only rule of a list that is repaired or remarked upon.
fn remarked(line: &str) -> (Vec<&'static str>, Rule) {
    let (codes, mut rules) = read(line);
    assert_eq!(rules.len(), 1, "{line}: {codes:?}");
    (codes, rules.remove(0))
}

fn prefix(text: &str) -> Option<Prefix> {
    let (address, length) = text.split_once('/')?;
    Some(Prefix { address: address.parse().unwrap(), length: length.parse().unwrap() })
}

/// `from`, `to`, `table`, `preference`, and what holds when nothing else is said.
#[test]
fn a_rule_and_its_defaults() {
    let rule = one("from 192.168.2.0/24 to 10.0.0.0/8 table 1 preference 10");
    let mut expected = Rule::new(Family::V4, Action::Table(Named::Number(1)), rule.span);
    expected.preference = Some(10);
    (expected.from, expected.to) = (prefix("192.168.2.0/24"), prefix("10.0.0.0/8"));
    assert_eq!(rule, expected);
    assert_eq!((rule.protocol, rule.tracking), (18, Tracking::On));
    for (words, family) in [
        ("from all", Family::V4),
        ("to default", Family::V4),
        ("from default6", Family::V6),
        ("to 2001:db8::/32", Family::V6),
    ] {
        assert_eq!(one(&format!("{words} table 1 preference 1")).family, family, "{words}");
    }
    assert_eq!(one("table 3 preference 14 inet6").family, Family::V6);
    let (codes, rule) = remarked("inet6 from all table 3 preference 14");
    assert_eq!((codes, rule.family, rule.from), (vec!["E0144"], Family::V6, None));
}

/// Every word of a rule that matches packets.
#[test]
fn words_that_match() {
    let rule =
        one("not from 10.1.0.0/16 tos 0x16 fwmark 24/0xc iif eth0 oif eth1 uidrange 1000-1999 \
         ipproto TCP sport 10-20 dport 80-80 tunnel-id 5 realms 3/4 table 7 preference 1");
    assert!(rule.inverted);
    assert_eq!(rule.tos, Named::Number(0x16));
    assert_eq!(rule.mark, Some(Mark { mark: 24, mask: 12 }));
    assert_eq!((rule.input.as_deref(), rule.output.as_deref()), (Some("eth0"), Some("eth1")));
    assert_eq!((rule.users, rule.ip_protocol), (Some(1000..=1999), Some(6)));
    assert_eq!((rule.source_ports, rule.destination_ports), (Some(10..=20), Some(80..=80)));
    assert_eq!(rule.tunnel, Some(5));
    assert_eq!(rule.realms, Some(Realms { from: Named::Number(3), to: Named::Number(4) }));
    assert_eq!(one("fwmark 0x24 table 1 order 5").mark, Some(Mark { mark: 0x24, mask: u32::MAX }));
    assert_eq!(one("dev eth0 lookup main priority 5").input.as_deref(), Some("eth0"));

    let suppressing = one("suppress_prefixlength 0 suppress_ifgroup default table main order 5");
    assert_eq!(suppressing.suppress_prefix_length, Some(0));
    assert_eq!(suppressing.suppress_group, Some(Named::Number(0)));
    let short = one("sup_pl 3 sup_group lan table main order 5");
    assert_eq!(short.suppress_prefix_length, Some(3));
    assert_eq!(short.suppress_group, Some(Named::Name("lan".to_owned())));
}

/// `table|goto|l3mdev|nop|blackhole|unreachable|prohibit`: exactly one.
#[test]
fn actions() {
    for (words, action) in [
        ("table small", Action::Table(Named::Name("small".to_owned()))),
        ("lookup main", Action::Table(Named::Number(254))),
        ("goto 40", Action::Goto(40)),
        ("l3mdev", Action::L3mdev),
        ("nop", Action::Nop),
        ("blackhole", Action::Blackhole),
        ("type unreachable", Action::Unreachable),
        ("prohibit", Action::Prohibit),
    ] {
        assert_eq!(one(&format!("from 10.0.0.0/8 {words} preference 9")).action, action);
    }
}

/// A rule without `preference` gets 16384, the next one a lower one, per family and in the order of
/// the file; keepalived reports it.
#[test]
fn preferences() {
    let static_rules = list("from 10.0.0.0/8 table 1\nfrom 2001:db8::/32 table 1\nfrom all nop");
    let virtual_rules =
        "virtual_rules {\nfrom 10.1.0.0/16 table 1\nto 10.0.0.0/8 table 1 order 7\n}";
    let loaded = parse(&format!("{}{static_rules}", instance(virtual_rules)));
    assert_eq!((remarks(&loaded), loaded.verdict().exit_code()), (vec!["E0148"; 4], 5));
    let config = loaded.config.unwrap();
    let of = |rules: &[Rule]| rules.iter().map(|rule| rule.preference).collect::<Vec<_>>();
    assert_eq!(of(&config.instances[0].rules), [Some(16384), Some(7)]);
    assert_eq!(of(&config.statics.rules), [Some(16383), Some(16384), Some(16382)]);
}

/// The same counts down in the order of reading, whichever file a rule stands in.
#[test]
fn preferences_of_included_rules() {
    let virtual_rules = |address: &str| format!("virtual_rules {{\nfrom {address}/16 table 1\n}}");
    let included = list("from 10.1.0.0/16 table 1");
    let main = format!(
        "{}include rules.conf\n{}",
        list("from 10.0.0.0/16 table 1"),
        instance(&virtual_rules("10.2.0.0")) + &list("from 10.3.0.0/16 table 1")
    );
    let config = read_with(&main, &[("/etc/rules.conf", &included)]).config.unwrap();
    let found: Vec<_> = config.statics.rules.iter().map(|rule| rule.preference).collect();
    assert_eq!(found, [Some(16384), Some(16383), Some(16381)]);
    assert_eq!(config.instances[0].rules[0].preference, Some(16382));
}

/// Issue 5, "their arguments validated": each mistake is named at its word, and a line with one has
/// no effect. keepalived 2.2.7 adds some of them without the port or the protocol that it could not
/// read, which is a rule for all packets.
#[test]
fn mistakes() {
    for (line, code, place) in [
        ("from 10.0.0.0/8 tabel 1 preference 10", "E0140", "tabel"),
        ("10.0.0.0/8 table 1 preference 10", "E0140", "10.0.0.0/8"),
        ("from 10.0.0.0/8 table 1 pref 10", "E0140", "pref"),
        ("from 10.0.0.300 table 1 preference 10", "E0033", "10.0.0.300"),
        ("from 10.0.0.0/8 to 2001:db8::/32 table 1 preference 10", "E0141", "2001:db8::/32"),
        ("from 10.0.0.0/8 preference 10", "E0147", "from 10.0.0.0/8 preference 10"),
        ("from 10.0.0.0/8 table 0 preference 10", "E0147", "table"),
        ("from 10.0.0.0/8 table 1 nop preference 10", "E0147", "nop"),
        ("from 10.0.0.0/8 l3mdev table 1 preference 10", "E0147", "table"),
        ("suppress_prefixlength 0 blackhole preference 10", "E0147", "suppress_prefixlength"),
        ("realms 3 goto 20 preference 10", "E0147", "realms"),
        ("from 10.0.0.0/8 goto 20", "E0149", "from 10.0.0.0/8 goto 20"),
        ("goto 5 preference 10", "E0149", "goto 5 preference 10"),
        ("from 2001:db8::/32 realms 3 table 1 preference 10", "E0146", "realms"),
        ("table 1 preference x", "E0030", "x"),
        ("fwmark 24/x table 1 preference 10", "E0030", "24/x"),
        ("sport 70000 table 1 preference 10", "E0031", "70000"),
        ("uidrange 1000 table 1 preference 10", "E0031", "1000"),
        ("sport 20-10 table 1 preference 10", "W0157", "20-10"),
        ("ipproto 255 table 1 preference 10", "E0032", "255"),
        ("ipproto nosuch table 1 preference 10", "E0032", "nosuch"),
        ("suppress_prefixlength -1 table 1 preference 10", "E0030", "-1"),
        ("protocol static table 1 preference 10", "E0030", "static"),
    ] {
        let loaded = parse(&list(line));
        let found: Vec<_> =
            loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code != "N0028").collect();
        let [only] = found[..] else { panic!("{line}: {}", loaded.render(false)) };
        assert_eq!((only.code, loaded.sources.excerpt(only.span)), (code, place), "{line}");
        assert_eq!(loaded.config.unwrap().statics.rules, [], "{line}");
    }
    let missing = parse(&list("from 10.0.0.0/8 table"));
    assert_eq!((remarks(&missing), missing.verdict().exit_code()), (vec!["E0003"], 4));
}

/// What keepalived 2.2.7 reads otherwise than its manual has it, or not at all, is read as meant.
#[test]
fn words_of_the_manual() {
    let (codes, rule) = remarked("ip_proto UDP dport 53 tun_id 7 table 1 preference 10");
    assert_eq!(codes, ["E0144"; 3]);
    assert_eq!((rule.ip_protocol, rule.destination_ports), (Some(17), Some(53..=53)));
    assert_eq!(rule.tunnel, Some(7));
}

/// `no_track`, `track_group` with `iif`, another protocol.
#[test]
fn tracking() {
    let file = |line: &str| {
        let group = "track_group G {\ngroup { VI_1 }\n}\n";
        format!("{group}{}{}", instance(""), list(line))
    };
    let rule = |line: &str| {
        let loaded = parse(&file(line));
        (remarks(&loaded), loaded.config.unwrap().statics.rules.remove(0).tracking)
    };
    let group = Tracking::Group("G".to_owned());
    assert_eq!(rule("iif eth0 table 1 order 5 track_group G"), (vec![], group));
    assert_eq!(rule("table 1 order 5 track_group G"), (vec!["E0150"], Tracking::On));
    assert_eq!(rule("iif eth0 table 1 order 5 track_group H"), (vec!["E0150"], Tracking::On));
    let both = "iif eth0 table 1 order 5 track_group G no_track";
    assert_eq!(rule(both), (vec!["W0159"], Tracking::Off));
    let (codes, foreign) = remarked("protocol 12 table 1 order 5");
    assert_eq!((codes, foreign.protocol), (vec!["E0143"], 18));
    assert_eq!(one("protocol 12 table 1 order 5 no_track").protocol, 12);
    let virtual_rule = instance("virtual_rules {\niif eth0 table 1 order 5 track_group G\n}");
    assert_eq!(remarks(&parse(&virtual_rule)), ["E0150"]);
}

/// Issue 5, 2: exit codes are those of keepalived 2.2.7, or it is said why not.
#[test]
fn keepalived_agrees() {
    compare_with_keepalived("static_rules", include_str!("oracle/rules.txt"));
}

/// Issue 5, 3: writing a rule and reading it again gives the same one.
#[test]
fn written_and_read_again() {
    let mut count = 0;
    for case in include_str!("oracle/rules.txt").lines().filter(|case| !case.starts_with('#')) {
        let line = case.split(";;").next().unwrap().splitn(3, ' ').nth(2).unwrap();
        for mut rule in read(line).1 {
            let written = rule.to_string();
            let (_, again) = read(&written);
            let [again] = &again[..] else { panic!("{line}: {written}") };
            rule.span = again.span;
            assert_eq!(*again, rule, "{line}: {written}");
            count += 1;
        }
    }
    assert!(count > 40, "{count} rules");
}
