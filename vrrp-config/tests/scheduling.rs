//! `global_defs`: how the thread that sends adverts is scheduled.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::time::Duration;

use support::{clean, codes, global, parse};
use vrrp_config::{Policy, Scheduling};

/// Keywords `vrrp_rt_priority`, `vrrp_priority`, `vrrp_rlimit_rttime`, `vrrp_cpu_affinity`,
/// `vrrp_no_swap`, `xdp_pulse_policy`, `xdp_pulse_budget`: without them nothing is wished for; the
/// ends of their ranges are in them.
#[test]
fn wishes() {
    assert_eq!(clean(&global("")).global.scheduling, Scheduling::default());
    let lines = "vrrp_rt_priority 99\nvrrp_priority -20\nvrrp_rlimit_rttime 1\nvrrp_cpu_affinity 0 3 1023\n\
                 vrrp_no_swap\nxdp_pulse_policy fifo\nxdp_pulse_budget 95";
    let expected = Scheduling {
        policy: Policy::Fifo,
        budget: Some(95),
        priority: Some(99),
        nice: Some(-20),
        rttime: Some(Duration::from_micros(1)),
        cpus: vec![0, 3, 1023],
        no_swap: true,
    };
    assert_eq!(clean(&global(lines)).global.scheduling, expected);
    for (line, policy) in [
        ("xdp_pulse_policy deadline", Policy::Deadline),
        ("xdp_pulse_policy nice\nvrrp_priority +19", Policy::Nice),
    ] {
        assert_eq!(clean(&global(line)).global.scheduling.policy, policy);
    }
}

/// The same keywords: what is outside the range is reported at its place, and the line has no effect;
/// of a list of processors only the word.
#[test]
fn outside_of_their_ranges() {
    for (line, code) in [
        ("vrrp_rt_priority 0", "E0031"),
        ("vrrp_rt_priority 100", "E0031"),
        ("vrrp_priority -21", "E0031"),
        ("vrrp_priority 20", "E0031"),
        ("vrrp_priority high", "E0030"),
        ("vrrp_rlimit_rttime 0", "E0031"),
        ("vrrp_cpu_affinity 1024", "E0031"),
        ("vrrp_cpu_affinity -1", "E0031"),
        ("xdp_pulse_policy rr", "E0032"),
        ("xdp_pulse_budget 0", "E0031"),
        ("xdp_pulse_budget 96", "E0031"),
    ] {
        let loaded = parse(&global(line));
        assert_eq!(codes(&loaded), [code], "{line}");
        assert_eq!(loaded.config.unwrap().global.scheduling, Scheduling::default(), "{line}");
    }
    let loaded = parse(&global("vrrp_cpu_affinity 0 all 1"));
    assert_eq!(codes(&loaded), ["E0030"]);
    assert_eq!(loaded.config.unwrap().global.scheduling.cpus, [0, 1]);
    let message = &parse(&global("vrrp_priority -21")).diagnostics[0].message;
    assert_eq!(message, "`vrrp_priority -21` is outside -20 to 19");
}
