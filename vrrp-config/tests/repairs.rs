//! Section 1.5 of keepalived's reference: what `vrrp_complete_instance` repairs, in its order. Each
//! is said at its place: what stands there, what holds now, and why. `keepalived -t` 2.2.7 answers 5
//! to each of these files, unless said otherwise.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{instance, parse};
use vrrp_config::{Diagnostic, Loaded, Severity};

/// The repair that is named first, and what stands at its place.
fn repair(text: &str) -> (Loaded, Diagnostic, String) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict().exit_code(), 5, "{}", loaded.render(false));
    let mut errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
    let error = errors.next().unwrap().clone();
    assert_eq!(errors.next(), None, "{}", loaded.render(false));
    let excerpt = loaded.sources.excerpt(error.span).to_owned();
    (loaded, error, excerpt)
}

/// Lines of the instance, the code, the line it is about, and what the help says that holds now.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn check(rows: &[Row], text: impl Fn(&str) -> String) {
    for (lines, code, place, now) in rows {
        let (_, error, excerpt) = repair(&text(lines));
        assert_eq!((error.code, excerpt.as_str()), (*code, *place), "{lines}");
        let said = format!("{}: {}", error.message, error.help.clone().unwrap_or_default());
        assert!(said.contains(now), "{lines}: {said}");
    }
}

fn ipv6(lines: &str) -> String {
    instance(lines).replace("10.0.0.51", "fe80::1")
}

/// `strict_mode`, every rule of it.
#[test]
fn strict() {
    let rows: [Row; 11] = [
        ("state MASTER\npriority 150", "E0058", "state MASTER", "BACKUP is used"),
        ("state BACKUP\npriority 255", "E0058", "state BACKUP", "MASTER is used"),
        (
            "authentication {\nauth_type PASS\nauth_pass x\n}",
            "E0054",
            "auth_type PASS",
            "runs without",
        ),
        ("preempt_delay 10", "E0057", "preempt_delay 10", "is ignored"),
        ("accept", "E0058", "accept", "dropped now"),
        ("garp_lower_prio_repeat 5", "E0058", "garp_lower_prio_repeat 5", "0 is used"),
        ("lower_prio_no_advert off", "E0058", "lower_prio_no_advert off", "is on"),
        ("higher_prio_send_advert", "E0058", "higher_prio_send_advert", "is off"),
        ("down_timer_adverts 5", "E0058", "down_timer_adverts 5", "3 is used"),
        ("use_vmac\nvmac_xmit_base", "E0058", "vmac_xmit_base", "is ignored"),
        (
            "use_vmac 02:00:00:00:00:01",
            "E0058",
            "02:00:00:00:00:01",
            "00:00:5e:00:01 and the virtual_router_id",
        ),
    ];
    check(&rows, |lines| instance(&format!("strict_mode\n{lines}")));
    let rows: [Row; 1] = [("version 2", "E0059", "version 2", "version 3 is used")];
    check(&rows, |lines| ipv6(&format!("strict_mode\n{lines}")));
    let no_address = instance("strict_mode").replace("10.0.0.51\n", "");
    let (loaded, error, _) = repair(&no_address);
    assert_eq!(error.code, "E0045");
    assert_eq!(loaded.config.unwrap().instances, []);
}

/// `vrrp_strict` takes back `vrrp_down_timer_adverts`, too.
#[test]
fn strict_takes_back_defaults() {
    let text =
        format!("global_defs {{\nvrrp_strict\nvrrp_down_timer_adverts 5\n}}\n{}", instance(""));
    let (loaded, error, excerpt) = repair(&text);
    assert_eq!((error.code, excerpt.as_str()), ("E0058", "vrrp_down_timer_adverts 5"));
    assert_eq!(loaded.config.unwrap().instances[0].down_timer_adverts, 3);
}

/// Version, unicast TTL, authentication, unicast, nopreempt and preempt_delay, interval, virtual MAC.
#[test]
fn without_strict() {
    let auth = "authentication {\nauth_type PASS\nauth_pass x\n}";
    let with_v3 = Box::leak(format!("version 3\n{auth}").into_boxed_str());
    let rows: [Row; 17] = [
        ("unicast_ttl 5", "E0065", "unicast_ttl 5", "has no effect"),
        (with_v3, "E0054", "auth_type PASS", "runs without"),
        ("authentication {\nauth_type PASS\n}", "E0054", "auth_type PASS", "runs without"),
        (
            "state MASTER\npriority 200\nauthentication {\nauth_type AH\nauth_pass x\n}",
            "E0066",
            "state MASTER",
            "BACKUP is used",
        ),
        ("unicast_src_ip 10.0.0.1", "E0065", "unicast_src_ip 10.0.0.1", "multicast group"),
        (
            "unicast_peer {\n10.0.0.2\n}\nmcast_dst_ip 224.0.0.9",
            "E0065",
            "mcast_dst_ip 224.0.0.9",
            "has no effect",
        ),
        ("state MASTER\npriority 150\nnopreempt", "E0056", "nopreempt", "`state MASTER`"),
        ("priority 255\nnopreempt", "E0056", "nopreempt", "priority 255"),
        (
            "state MASTER\npriority 150\npreempt_delay 5",
            "E0057",
            "preempt_delay 5",
            "`state MASTER`",
        ),
        ("priority 255\npreempt_delay 5", "E0057", "preempt_delay 5", "priority 255"),
        ("nopreempt\npreempt_delay 5", "E0057", "preempt_delay 5", "nothing to delay"),
        ("advert_int 0.1", "E0036", "advert_int 0.1", "1.00 s is used"),
        ("advert_int 1.5", "E0036", "advert_int 1.5", "2.00 s is used"),
        ("version 3\nadvert_int 0.015", "E0036", "advert_int 0.015", "0.02 s is used"),
        ("version 3\nadvert_int 50", "E0036", "advert_int 50", "40.95 s is used"),
        ("vmac_xmit_base", "E0063", "vmac_xmit_base", "has no effect"),
        ("use_vmac\nunicast_peer {\n10.0.0.2\n}", "E0063", "use_vmac", "switched on"),
    ];
    check(&rows, instance);
}

/// Families: what is of another one than the first address is left away. AH is for IPv4.
#[test]
fn families() {
    let mixed = instance("").replace("10.0.0.51", "10.0.0.51\nfe80::1");
    let (loaded, error, excerpt) = repair(&mixed);
    assert_eq!((error.code, excerpt.as_str()), ("E0043", "fe80::1"));
    assert_eq!(loaded.config.unwrap().instances[0].addresses.len(), 1);
    let ah = ipv6("version 2\nauthentication {\nauth_type AH\nauth_pass x\n}");
    assert_eq!(repair(&ah).1.code, "E0054");
}
