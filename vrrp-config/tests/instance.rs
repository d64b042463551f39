//! `vrrp_instance`: ranges, defaults, and the repairs that keepalived makes and reports. Where a
//! repair is asserted, keepalived 2.2.7 reports it too (`keepalived -t` answers 5).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::Duration;

use support::{codes, global, instance, named, one, parse, repaired};
use vrrp_common::{AdverInterval, Priority, Version, ladder::Believe};
use vrrp_config::{
    Authentication, Broadcast, ChecksumForm, Garp, InitialState, Instance, Severity, Verdict,
    XdpMode,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Keyword table 1.5: defaults.
#[test]
fn defaults() {
    let instance = one(&instance(""));
    assert_eq!(instance.state, InitialState::Backup);
    assert_eq!(instance.priority, Priority::DEFAULT);
    assert_eq!(instance.version, Version::V2);
    assert_eq!(instance.interval, AdverInterval::DEFAULT);
    assert_eq!(instance.authentication, None);
    assert_eq!(instance.group.to_string(), "224.0.0.18");
    assert_eq!((instance.preempt, instance.preempt_delay), (true, Duration::ZERO));
    assert_eq!(instance.down_timer_adverts, 3);
    assert_eq!(instance.checksum, ChecksumForm::PseudoHeader);
    assert_eq!(instance.garp, Garp::default());
    assert_eq!(instance.xdp_mode, XdpMode::Auto);
    assert!(!instance.lower_prio_no_advert && !instance.higher_prio_send_advert);
    assert!(!instance.skip_check_adv_addr);
}

/// R-6.1-01, keywords `virtual_router_id`, `interface`: without them an instance is left out, the others run.
#[test]
fn required() {
    let complete = instance("");
    let without_vrid = complete.replace("virtual_router_id 51\n", "");
    let without_interface = complete.replace("interface eth0\n", "");
    for (text, code) in [
        (without_vrid, "E0050"),
        (without_interface, "E0051"),
        (complete.replace("51\n\n", "0\n\n"), "E0031"),
        (complete.replace("51\n\n", "256\n\n"), "E0031"),
        (complete.replace("51\n\n", "0x33\n\n"), "E0030"),
        (complete.replace("eth0", "eth0123456789012"), "E0035"),
        (complete.replace("VI_1 ", ""), "E0023"),
    ] {
        let loaded = parse(&format!("{text}{}", named("VI_2", 52, "")));
        assert_eq!(codes(&loaded), [code], "{text}");
        assert_eq!(loaded.verdict(), Verdict::WouldRun);
        assert_eq!(loaded.config.unwrap().instances.len(), 1, "{text}");
    }
}

/// keepalived does not start when a value is missing altogether: exit 4, and nothing to run.
#[test]
fn missing_values() {
    for keyword in
        ["state", "interface", "priority", "advert_int", "version", "garp_master_delay", "debug"]
    {
        let loaded = parse(&instance(keyword));
        assert!(codes(&loaded).contains(&"E0003"), "{keyword}");
        assert_eq!(loaded.verdict(), Verdict::CannotRun);
        assert_eq!(loaded.config, None);
    }
}

/// R-5.2.4-02, R-6.1-02, keywords `state` and `priority`: 0 and 256 are nobody's; each gives the other
/// where it is missing; wrong ones have defaults.
#[test]
fn state_and_priority() {
    let both = |text: &str| {
        let instance = one(&instance(text));
        (instance.state, instance.priority.get())
    };
    assert_eq!(both("state MASTER"), (InitialState::Master, 255));
    assert_eq!(both("priority 255"), (InitialState::Master, 255));
    assert_eq!(both("state BACKUP\npriority 255"), (InitialState::Backup, 255));
    assert_eq!(both("state MASTER\npriority 1"), (InitialState::Master, 1));
    for priority in ["0", "256", "abc", "1e2", "-5"] {
        let (codes, instance) = repaired(&instance(&format!("state MASTER\npriority {priority}")));
        assert_eq!(codes.len(), 1);
        assert_eq!(instance.priority.get(), 100, "{priority}");
    }
    let (codes, instance) = repaired(&instance("state Master"));
    assert_eq!((codes, instance.state), (vec!["E0032"], InitialState::Backup));
}

/// V-5.3.7-01, keyword `advert_int`, version 2: whole seconds (RFC 3768 5.3.7).
#[test]
fn interval_v2() {
    for (given, used) in [("0.1", 1), ("1.4", 1), ("1.5", 2), ("254.9", 255)] {
        let (codes, instance) = repaired(&instance(&format!("advert_int {given}")));
        assert_eq!((codes, instance.interval.seconds()), (vec!["E0036"], used), "{given}");
    }
    assert_eq!(one(&instance("advert_int 255")).interval.seconds(), 255);
    for bad in ["0", "0.005", "255.5", "256", "abc", "-1", "1.x"] {
        let (codes, instance) = repaired(&instance(&format!("advert_int {bad}")));
        assert_eq!(codes.len(), 1);
        assert_eq!(instance.interval, AdverInterval::DEFAULT, "{bad}");
    }
}

/// R-5.2.7-01, R-6.1-03, keyword `advert_int`, version 3: steps of 10 ms, at most 40.95 s (RFC 9568 5.2.7).
#[test]
fn interval_v3() {
    let v3 = |interval: &str| instance(&format!("version 3\nadvert_int {interval}"));
    for (given, used) in [("0.1", 10), ("0.01", 1), ("40.95", 4095), ("1", 100)] {
        assert_eq!(one(&v3(given)).interval.centiseconds(), used);
    }
    for (given, used) in [("0.125", 13), ("0.014", 1), ("0.015", 2), ("40.96", 4095), ("100", 4095)]
    {
        let (codes, instance) = repaired(&v3(given));
        assert_eq!((codes, instance.interval.centiseconds()), (vec!["E0036"], used), "{given}");
    }
}

/// R-9-01, V-5.3.10-01, keyword `authentication`: PASS of version 2, at most 8 octets (RFC 2338 5.3.10); otherwise dropped with a
/// report.
#[test]
fn authentication() {
    let auth = |lines: &str| instance(&format!("authentication {{\n{lines}\n}}"));
    let pass = one(&auth("auth_type PASS\nauth_pass 1234")).authentication;
    assert_eq!(pass, Some(Authentication::Pass(*b"1234\0\0\0\0")));
    let (codes, long) = repaired(&auth("auth_type PASS\nauth_pass 123456789"));
    assert_eq!(
        (codes, long.authentication),
        (vec!["E0038"], Some(Authentication::Pass(*b"12345678")))
    );
    for (lines, expected) in [
        ("auth_type PASS", "E0054"),
        ("auth_type pass\nauth_pass a", "E0032"),
        ("auth_type FOO\nauth_pass a", "E0032"),
    ] {
        let (codes, instance) = repaired(&auth(lines));
        assert_eq!((codes, instance.authentication), (vec![expected], None), "{lines}");
    }
    let (codes, v3) =
        repaired(&instance("version 3\nauthentication {\nauth_type PASS\nauth_pass a\n}"));
    assert_eq!((codes, v3.authentication), (vec!["E0054"], None));
    assert_eq!(codes_of(&auth("auth_pass a")), ["W0060"]);
}

fn codes_of(text: &str) -> Vec<&'static str> {
    codes(&parse(text))
}

/// `nopreempt`, `preempt_delay` and what they do not go with.
#[test]
fn preemption() {
    let waiting = one(&instance("preempt_delay 1.5"));
    assert_eq!((waiting.preempt, waiting.preempt_delay), (true, Duration::from_millis(1500)));
    assert!(!one(&instance("nopreempt")).preempt);
    assert!(one(&instance("nopreempt\npreempt")).preempt);
    let (codes, master) = repaired(&instance("state MASTER\npriority 100\nnopreempt"));
    assert_eq!((codes, master.preempt), (vec!["E0056"], true));
    let (codes, owner) = repaired(&instance("state BACKUP\npriority 255\nnopreempt"));
    assert_eq!((codes, owner.preempt), (vec!["E0056"], true));
    for lines in ["state MASTER\npriority 100\npreempt_delay 10", "nopreempt\npreempt_delay 10"] {
        let (codes, instance) = repaired(&instance(lines));
        assert_eq!((codes, instance.preempt_delay), (vec!["E0057"], Duration::ZERO), "{lines}");
    }
    assert_eq!(repaired(&instance("preempt_delay 1001")).0, ["E0031"]);
    assert_eq!(repaired(&instance("preempt_delay -5")).0, ["E0031"]);
}

/// Names and numbers that are taken: the second one is left out.
#[test]
fn duplicates() {
    let loaded = parse(&format!("{}{}", instance(""), named("VI_1", 52, "")));
    assert_eq!(codes(&loaded), ["E0052"]);
    assert_eq!(loaded.config.unwrap().instances[0].vrid.get(), 51);
    let loaded = parse(&format!("{}{}", instance(""), named("VI_2", 51, "")));
    assert_eq!(codes(&loaded), ["E0053"]);
    assert_eq!(loaded.config.unwrap().instances.len(), 1);
    let other = named("VI_2", 51, "").replace("eth0", "eth1");
    assert_eq!(codes_of(&format!("{}{other}", instance(""))), [""; 0]);
}

/// `virtual_ipaddress`: mask, dev, label, scope, brd.
#[test]
fn addresses() {
    let line = |line: &str| instance(&format!("virtual_ipaddress_excluded {{\n{line}\n}}"));
    let full = &one(&line("10.1.0.1/24 brd + dev eth1 scope link label eth1:1")).excluded[0];
    assert_eq!((full.prefix, full.broadcast, full.scope), (24, Some(Broadcast::HostBitsSet), 253));
    assert_eq!((full.device.as_deref(), full.label.as_deref()), (Some("eth1"), Some("eth1:1")));
    let plain = &one(&line("10.1.0.1")).excluded[0];
    assert_eq!((plain.prefix, plain.broadcast, plain.scope), (32, None, 0));
    let given = &one(&line("10.1.0.1/24 brd 10.1.0.255 scope 77")).excluded[0];
    assert_eq!(given.broadcast, Some(Broadcast::Address("10.1.0.255".parse().unwrap())));
    assert_eq!(given.scope, 77);
    assert_eq!(
        one(&line("10.1.0.1/24 brd -")).excluded[0].broadcast,
        Some(Broadcast::HostBitsClear)
    );
    for (name, number) in
        [("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)]
    {
        assert_eq!(one(&line(&format!("10.1.0.1 scope {name}"))).excluded[0].scope, number);
    }
}

/// Mistakes in address lines, and whether the address survives them in keepalived.
#[test]
fn address_mistakes() {
    for (line, code, survives) in [
        ("10.1.0.256", "E0033", false),
        ("10.1.0.1-5", "E0033", false),
        ("priority 100", "E0033", false),
        ("10.1.0.1/33", "E0040", true),
        ("10.1.0.1/255.255.255.0", "E0040", true),
        ("10.1.0.1 scope foo", "E0032", true),
        ("10.1.0.1 scope 300", "E0032", true),
        ("10.1.0.1/31 brd +", "E0041", true),
        ("10.1.0.1/24 brd foo", "E0041", false),
        ("10.1.0.1 dev", "E0022", false),
        ("10.1.0.1 label", "E0022", false),
        ("10.1.0.1 label eth0:abcdefghij", "E0035", true),
        ("10.1.0.1 label eth0:abcdefghijk", "E0035", false),
        ("10.1.0.1 10.1.0.2", "E0042", true),
    ] {
        let loaded = parse(&instance(&format!("virtual_ipaddress_excluded {{\n{line}\n}}")));
        let fits = line.ends_with("abcdefghij");
        let expected: &[&str] = if fits { &[] } else { &[code] };
        assert_eq!(codes(&loaded), expected, "{line}");
        assert_eq!(
            loaded.config.unwrap().instances[0].excluded.len(),
            usize::from(survives),
            "{line}"
        );
    }
    let loaded = parse(&instance("virtual_ipaddress_excluded {\n10.1.0.1/255.255.255.0\n}"));
    assert_eq!(loaded.diagnostics[0].help.as_deref(), Some("write `10.1.0.1/24`"));
}

/// The other words of an address line are no matter for remarks.
#[test]
fn other_address_words() {
    for words in ["peer 10.2.0.1", "home", "noprefixroute", "no_track", "preferred_lft 0"] {
        let loaded =
            parse(&instance(&format!("virtual_ipaddress_excluded {{\n10.1.0.1 {words}\n}}")));
        assert_eq!(codes(&loaded), [] as [&str; 0], "{words}");
        assert_eq!(loaded.config.unwrap().instances[0].excluded.len(), 1);
    }
}

/// RFC 9568 5.2.5: one octet counts the addresses; the excess is moved without being advertised.
#[test]
fn too_many_addresses() {
    let lines: String = (0..300).map(|n| format!("10.1.{}.{}\n", n / 200, n % 200 + 1)).collect();
    let (codes, many) = repaired(&instance(&format!("virtual_ipaddress {{\n{lines}}}")));
    assert_eq!(codes, ["E0044"]);
    assert_eq!((many.addresses.len(), many.excluded.len()), (255, 46));
    let twice = instance("virtual_ipaddress_excluded {\n10.0.0.51\n}");
    assert_eq!(codes_of(&twice), ["W0046"]);
}

/// No virtual address: version 2 runs, version 3 does not.
#[test]
fn no_address() {
    let without = |lines: &str| instance(lines).replace("10.0.0.51\n", "");
    assert_eq!(repaired(&without("")).0, ["E0045"]);
    let loaded = parse(&without("version 3"));
    assert_eq!(codes(&loaded), ["E0045"]);
    assert!(loaded.config.unwrap().instances.is_empty());
    assert!(one(&without("version 3\nno_virtual_ipaddress")).addresses.is_empty());
}

/// Timing and switches of an instance.
#[test]
fn switches() {
    let full = one(&instance(
        "version 3\ndown_timer_adverts 5\nlower_prio_no_advert\nhigher_prio_send_advert yes\n\
         skip_check_adv_addr on\nv3_checksum_as_v2 true\nmcast_src_ip 10.0.0.9\nmcast_dst_ip 224.0.0.99\n\
         xdp_mode generic",
    ));
    assert_eq!(full.down_timer_adverts, 5);
    assert!(full.lower_prio_no_advert && full.higher_prio_send_advert && full.skip_check_adv_addr);
    assert_eq!(full.checksum, ChecksumForm::MessageOnly);
    assert_eq!(full.source, Some("10.0.0.9".parse().unwrap()));
    assert_eq!(full.group.to_string(), "224.0.0.99");
    assert_eq!(full.xdp_mode, XdpMode::Generic);
    for (line, code) in [
        ("down_timer_adverts 0", "E0031"),
        ("down_timer_adverts 101", "E0031"),
        ("lower_prio_no_advert maybe", "E0032"),
        ("mcast_dst_ip 10.0.0.9", "E0034"),
        ("mcast_src_ip here", "E0033"),
        ("version 4", "E0032"),
        ("xdp_mode natve", "E0032"),
        ("garp_interval 1", "E0021"),
    ] {
        assert_eq!(repaired(&instance(line)).0, [code], "{line}");
    }
}

/// Gratuitous ARP: defaults, inheritance, and repairs.
#[test]
fn gratuitous_arp() {
    let own =
        one(&instance("garp_master_delay 7\ngarp_master_repeat 2\ngarp_master_refresh 60")).garp;
    assert_eq!((own.delay, own.repeat, own.refresh), (seconds(7), 2, seconds(60)));
    assert_eq!((own.lower_prio_delay, own.lower_prio_repeat), (seconds(7), 2));
    let inherited = one(&global(
        "vrrp_garp_master_repeat 3\nvrrp_garp_lower_prio_repeat 0\nvrrp_garp_interval 0.01",
    ))
    .garp;
    assert_eq!((inherited.repeat, inherited.lower_prio_repeat), (3, 0));
    assert_eq!(inherited.interval, Duration::from_millis(10));
    assert_eq!(repaired(&instance("garp_master_repeat 0")).1.garp.repeat, 1);
    assert_eq!(repaired(&instance("garp_master_refresh_repeat 0")).1.garp.refresh_repeat, 1);
    for bad in ["5000", "0.5", "-1"] {
        assert_eq!(
            repaired(&instance(&format!("garp_master_delay {bad}"))).1.garp.delay,
            seconds(5)
        );
    }
    assert_eq!(one(&global("vrrp_min_garp")).garp.repeat, 1);
}

/// Section 8: `vrrp_garp_interval 0` of every copied default file is accepted, and reported as
/// keepalived reports it.
#[test]
fn zero_spacing() {
    let (codes, instance) = repaired(&global("vrrp_garp_interval 0\nvrrp_gna_interval 0"));
    assert_eq!(codes, ["E0037", "E0037"]);
    assert_eq!(instance.garp.interval, Duration::ZERO);
}

/// global_defs gives defaults, wherever it stands, and instances override them.
#[test]
fn inheritance() {
    let lines = "vrrp_version 3\nvrrp_mcast_group4 224.0.0.77\nvrrp_down_timer_adverts 4\n\
                 vrrp_skip_check_adv_addr\nvrrp_lower_prio_no_advert\nxdp_mode none";
    let inherited = one(&global(lines));
    assert_eq!(inherited.version, Version::V3);
    assert_eq!(inherited.group.to_string(), "224.0.0.77");
    assert_eq!((inherited.down_timer_adverts, inherited.xdp_mode), (4, XdpMode::None));
    assert!(inherited.skip_check_adv_addr && inherited.lower_prio_no_advert);
    let own = instance("version 2\nskip_check_adv_addr off\nxdp_mode native");
    let own = one(&format!("{own}global_defs {{\n{lines}\n}}\n"));
    assert_eq!((own.version, own.xdp_mode), (Version::V2, XdpMode::Native));
    assert!(!own.skip_check_adv_addr);
    let config = support::clean(&global("router_id node1\nxdp_drop_foreign"));
    assert_eq!(config.global.router_id.as_deref(), Some("node1"));
    assert!(config.global.drop_foreign && !config.global.pass_on);
    for (line, pass_on) in
        [("xdp_absorb", false), ("xdp_absorb on", false), ("xdp_absorb off", true)]
    {
        assert_eq!(support::clean(&global(line)).global.pass_on, pass_on, "{line}");
    }
}

/// `vrrp_strict`: what it takes back, each with a report.
#[test]
fn strict() {
    for (lines, code) in [
        ("authentication {\nauth_type PASS\nauth_pass a\n}", "E0054"),
        ("state MASTER", "E0058"),
        ("priority 255\nstate BACKUP", "E0058"),
        ("preempt_delay 5", "E0057"),
        ("accept", "E0058"),
        ("lower_prio_no_advert false", "E0058"),
        ("higher_prio_send_advert", "E0058"),
        ("down_timer_adverts 5", "E0058"),
        ("garp_lower_prio_repeat 3", "E0058"),
    ] {
        let (codes, strict) = repaired(&strict_with(lines));
        assert_eq!(codes, [code], "{lines}");
        assert_eq!((strict.down_timer_adverts, strict.garp.lower_prio_repeat), (3, 0));
        assert!(strict.lower_prio_no_advert && !strict.higher_prio_send_advert);
        assert!(strict.owner_ignores);
        assert_eq!(strict.accept, strict.priority.is_owner(), "{lines}");
    }
    assert!(one(&strict_with("strict_mode off\naccept")).accept);
    assert!(!one(&instance("strict_mode")).accept);
}

fn strict_with(lines: &str) -> String {
    format!("global_defs {{\nvrrp_strict\n}}\n{}", instance(lines))
}

/// Keywords `accept`, `no_accept`, `xdp_no_accept`: accepting is the default, strict mode
/// turns it round, version 3 leaves the choice, and the owner always accepts.
#[test]
fn accept() {
    let accepts = |text: &str| one(text).accept;
    assert!(accepts(&instance("")) && accepts(&instance("no_accept\naccept")));
    assert!(!accepts(&instance("no_accept")) && !accepts(&instance("accept\nno_accept")));
    assert!(!accepts(&strict_with("")) && !accepts(&strict_with("no_accept")));
    assert!(accepts(&strict_with("priority 255")) && accepts(&strict_with("version 3\naccept")));
    for lines in ["priority 255\nno_accept", "no_accept\nstate MASTER"] {
        let (codes, owner) = hinted(&instance(lines));
        assert_eq!((codes, owner.accept), (vec!["H0027"], true), "{lines}");
    }

    assert!(!one(&instance("no_accept")).accept_in_program);
    assert!(one(&instance("no_accept\nxdp_no_accept")).accept_in_program);
    assert!(one(&global("xdp_no_accept on")).accept_in_program);
    let lines = "xdp_no_accept off\nno_accept";
    let off = format!("global_defs {{\nxdp_no_accept\n}}\n{}", instance(lines));
    assert!(!one(&off).accept_in_program);
    assert_eq!(hinted(&instance("xdp_no_accept")).0, ["H0027"]);
    assert_eq!(repaired(&instance("xdp_no_accept maybe")).0, ["E0032"]);
}

/// The only instance of a file that is worth a hint.
fn hinted(text: &str) -> (Vec<&'static str>, Instance) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
    let codes = codes(&loaded);
    (codes, loaded.config.unwrap().instances.remove(0))
}

/// Keywords `owner_ignore_adverts`, `vrrp_owner_ignore_adverts`; strict mode implies it.
#[test]
fn owner() {
    assert!(!one(&instance("")).owner_ignores);
    assert!(one(&instance("owner_ignore_adverts")).owner_ignores);
    assert!(one(&global("vrrp_owner_ignore_adverts yes")).owner_ignores);
    assert!(one(&strict_with("owner_ignore_adverts off")).owner_ignores);
    let own = instance("owner_ignore_adverts off");
    let own = one(&format!("global_defs {{\nvrrp_owner_ignore_adverts\n}}\n{own}"));
    assert!(!own.owner_ignores);
    assert_eq!(repaired(&instance("owner_ignore_adverts foo")).0, ["E0032"]);
}

/// Keyword `xdp_believe_checksum`.
#[test]
fn believed_checksums() {
    assert_eq!(one(&instance("")).believe, Believe::Either);
    for (word, believe) in [
        ("either", Believe::Either),
        ("message", Believe::Message),
        ("pseudo_header", Believe::PseudoHeader),
    ] {
        let line = format!("xdp_believe_checksum {word}");
        assert_eq!(one(&instance(&line)).believe, believe);
        assert_eq!(one(&global(&line)).believe, believe);
    }
    let (codes, wrong) = repaired(&instance("xdp_believe_checksum both"));
    assert_eq!((codes, wrong.believe), (vec!["E0032"], Believe::Either));
}

/// Keywords `xdp_gna_pacing`, `xdp_mode tcx`.
#[test]
fn extensions() {
    assert!(!one(&instance("")).garp.rfc4861_pacing);
    assert!(one(&instance("xdp_gna_pacing")).garp.rfc4861_pacing);
    assert!(one(&global("xdp_gna_pacing")).garp.rfc4861_pacing);
    let own = instance("xdp_gna_pacing off");
    let own = one(&format!("global_defs {{\nxdp_gna_pacing\n}}\n{own}"));
    assert!(!own.garp.rfc4861_pacing);
    assert_eq!(one(&instance("xdp_mode tcx")).xdp_mode, XdpMode::Tcx);
    assert_eq!(one(&global("xdp_mode tcx")).xdp_mode, XdpMode::Tcx);
}

/// Keyword `vrrp_startup_delay`: 1 ms to 4294.967295 s.
#[test]
fn startup_delay() {
    let delay = |text: &str| support::clean(&global(text)).global.startup_delay;
    assert_eq!(support::clean(&instance("")).global.startup_delay, Duration::ZERO);
    assert_eq!(delay("vrrp_startup_delay 5.5"), Duration::from_millis(5500));
    assert_eq!(delay("vrrp_startup_delay 0.001"), Duration::from_millis(1));
    assert_eq!(delay("vrrp_startup_delay 4294.9"), Duration::from_millis(4_294_900));
    for (bad, code) in
        [("0", "E0031"), ("0.0005", "E0031"), ("5000", "E0031"), ("-1", "E0031"), ("abc", "E0030")]
    {
        let loaded = parse(&global(&format!("vrrp_startup_delay {bad}")));
        assert_eq!(codes(&loaded), [code], "{bad}");
        assert_eq!(loaded.verdict(), Verdict::WouldRun);
        assert_eq!(loaded.config.unwrap().global.startup_delay, Duration::ZERO);
    }
}

/// What would change the virtual router on the wire is not left away: the router is left out.
#[test]
fn left_out() {
    for (line, more) in [("use_ipvlan 10.0.0.9/24", None), ("vrf red", Some("E0214"))] {
        let loaded = parse(&instance(line));
        let expected: Vec<&str> = ["N0029"].into_iter().chain(more).collect();
        assert_eq!(codes(&loaded), expected, "{line}");
        assert_eq!(loaded.diagnostics[0].severity, Severity::NotYet);
        assert!(loaded.config.unwrap().instances.is_empty(), "{line}");
    }
}

/// References between blocks, as far as the file tells.
#[test]
fn references() {
    let script = "vrrp_script chk {\nscript /a/b\n}\n";
    let track = instance("track_script {\nchk\n}");
    assert_eq!(codes_of(&format!("{script}{track}")), [] as [&str; 0]);
    assert_eq!(codes_of(&track), ["E0070"]);
    assert_eq!(codes_of(&instance("track_interface {\neth0\n}")), ["E0071"]);
    let group = |members: &str| {
        format!("{}vrrp_sync_group G {{\ngroup {{\n{members}\n}}\n}}\n", instance(""))
    };
    assert_eq!(codes_of(&group("VI_1")), ["E0073"]);
    assert_eq!(codes_of(&group("")), ["E0072"]);
    assert_eq!(codes_of(&group("VI_1 VI_9")), ["E0070"]);
    assert_eq!(codes_of(&format!("vrrp_script chk {{\n}}\n{track}")), ["E0022"]);
}

/// keepalived runs no shell.
#[test]
fn shell_language() {
    let script = |command: &str| format!("vrrp_script chk {{\nscript {command}\n}}\n");
    assert_eq!(codes_of(&script("\"[[ -f /a ]] && exit 1\"")), ["E0074"]);
    assert_eq!(codes_of(&script("\"/a/b | grep x\"")), ["W0075"]);
    assert_eq!(codes_of(&script("\"/bin/sh -c 'a | b'\"")), [] as [&str; 0]);
    assert_eq!(codes_of(&script("\"/usr/bin/killall -0 nginx\"")), [] as [&str; 0]);
}

/// Keyword `advert_int` and other times: one that is too large is a number, outside its range.
#[test]
fn large_times() {
    for seconds in ["4294967296", "18446744073709551616.999999999", "99999999999999999999999"] {
        let loaded = parse(&instance(&format!("advert_int {seconds}")));
        assert!(codes(&loaded).contains(&"E0031"), "{}", loaded.render(false));
    }
}

/// Keywords `native_ipv6`, `vrf`, `use_ipvlan`, `unicast_ttl`, `kernel_rx_buf_size`, `snmp_socket`,
/// `vrrp_rx_bufs_multiplier`: what does not go with the rest is an error, as with keepalived 2.2.7.
#[test]
fn not_together() {
    for (text, code) in [
        (instance("native_ipv6"), "E0214"),
        (instance("vrf vrf0"), "E0214"),
        (instance("use_ipvlan"), "E0214"),
        (instance("use_ipvlan 2001:db8::1"), "E0214"),
        (instance("unicast_ttl 0"), "E0065"),
        (instance("kernel_rx_buf_size 1 2"), "E0211"),
        (global("snmp_socket a b"), "E0211"),
        (global("vrrp_rx_bufs_multiplier 1 2"), "E0211"),
    ] {
        let loaded = parse(&text);
        assert!(codes(&loaded).contains(&code), "{text}{}", loaded.render(false));
        assert_eq!(loaded.verdict().exit_code(), 5, "{text}");
    }
    for text in [instance("use_ipvlan 10.0.0.9"), instance("kernel_rx_buf_size 1")] {
        let loaded = parse(&text);
        assert_eq!(loaded.verdict().exit_code(), 0, "{}", loaded.render(false));
    }
}
