//! `xvrrp events`: what a follower is told while things happen. And `xdp_absorb off`, for those who
//! would rather see the adverts themselves.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{thread, time::SystemTime};

use rig::{
    Bench, Capture, Process, Subject,
    wire::{Advert, What},
};
use serde_json::{Value, json};

/// How a router hears adverts, each in another way.
const MODES: [&str; 3] = ["xdp_mode tcx", "xdp_mode generic", "xdp_mode none"];

/// The next event of a kind.
fn next_event(follower: &Process, since: SystemTime, kind: &str) -> Value {
    let kind = format!(r#""event":"{kind}""#);
    let line = follower.wait_for_line(since, &kind, Bench::SETTLING).unwrap();
    serde_json::from_str(&line.text).unwrap()
}

/// All events of a kind so far. What is no event is a last word on standard error.
fn events(follower: &Process, kind: &str) -> Vec<Value> {
    let lines = follower.lines().into_iter().filter(|line| line.text.starts_with('{'));
    let events = lines.map(|line| serde_json::from_str::<Value>(&line.text).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

fn wait_for_events(follower: &Process, kind: &str, count: usize) -> Vec<Value> {
    let what = format!("{count} events `{kind}`");
    rig::wait_until(&what, Bench::SETTLING, || Ok(events(follower, kind).len() >= count)).unwrap();
    events(follower, kind)
}

/// `fields` of an event, which has its time besides.
fn assert_event(mut event: Value, fields: Value) {
    assert!(event["at"].take().as_str().unwrap().ends_with('Z'));
    let mut expected = fields;
    expected["at"] = Value::Null;
    assert_eq!(event, expected);
}

/// `xvrrp events`, issue 2: transitions and rejected adverts with their reasons, in every mode, for
/// programs and, in the words of the log, for people; at last the end of the daemon.
#[test]
fn transitions_and_rejected_adverts() {
    for extra in MODES {
        let subject = Subject { extra, ..Subject::new(1) };
        let mut bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
        let mut follower = bench.router.follow(&["--json"]).unwrap();
        let reader = bench.router.follow(&[]).unwrap();
        let peer = subject.peer();
        let transition = |state: &str, reason: &str| json!({"event": "transition", "router": "V4_1", "state": state, "reason": reason});

        // Whatever it was before, the peer is MASTER now, and then silent.
        let since = bench.send(&peer.frame()).unwrap();
        let is_over = || {
            let last = events(&follower, "transition").pop();
            Ok(last.is_some_and(|event| event["state"] == "MASTER"))
        };
        rig::wait_until("the takeover", Bench::SETTLING, is_over).unwrap();
        let last = events(&follower, "transition").pop().unwrap();
        assert_event(last, transition("MASTER", "no advert in time"));
        let line = "(V4_1) Entering MASTER STATE (no advert in time)";
        reader.wait_for_line(since, line, Bench::SETTLING).unwrap();

        let since = bench.send(&peer.frame()).unwrap();
        assert_event(
            next_event(&follower, since, "transition"),
            transition("BACKUP", "an advert with a higher priority was heard"),
        );
        let since = bench.send(&Advert { hop_limit: 254, ..peer.clone() }.frame()).unwrap();
        let rejected = next_event(&follower, since, "rejected");
        let reason = rejected["reason"].clone();
        let source = peer.source.to_string();
        assert_event(
            rejected,
            json!({"event": "rejected", "router": "V4_1", "source": source, "code": "ttl", "reason": reason}),
        );
        let logged = format!("(V4_1) advert from {source} dropped: {}", reason.as_str().unwrap());
        bench.router.wait_for_line(&logged, Bench::SETTLING).unwrap();
        reader.wait_for_line(since, &logged, Bench::SETTLING).unwrap();
        assert_eq!(bench.router.status().unwrap()[0].counter("rejected_ttl"), 1, "{extra}");

        let stopped = SystemTime::now();
        bench.router.stop().unwrap();
        assert!(!follower.wait_exit(Bench::SETTLING).unwrap().success());
        let line = follower.wait_for_line(stopped, r#""state":"INIT""#, Bench::SETTLING).unwrap();
        assert_event(serde_json::from_str(&line.text).unwrap(), transition("INIT", "stopped"));
        follower.wait_for_line(stopped, "has ended", Bench::SETTLING).unwrap();
    }
}

/// Issue 4, `xvrrp events --adverts`: every advert, the absorbed ones too, with what it says and
/// what became of it; and none for those who did not ask.
#[test]
fn every_advert() {
    const ADVERTS: usize = 5;
    for extra in MODES {
        let subject = Subject { extra, ..Subject::new(1) };
        let bench = Bench::with(std::slice::from_ref(&subject)).unwrap();
        let [follower, other] = [&["--json", "--adverts"][..], &["--json"]]
            .map(|args| bench.router.follow(args).unwrap());
        let peer = subject.peer();
        for _ in 0..ADVERTS {
            bench.send(&peer.frame()).unwrap();
            thread::sleep(subject.interval / 4);
        }
        let adverts = wait_for_events(&follower, "advert", ADVERTS);
        assert_eq!(adverts.len(), ADVERTS, "{extra}");
        let heard_by = if extra == "xdp_mode none" { "socket" } else { "program" };
        for (number, advert) in adverts.into_iter().enumerate() {
            let fate = if number == 0 { "news" } else { "absorbed" };
            assert_event(
                advert,
                json!({"event": "advert", "router": "V4_1", "vrid": 1, "source": peer.source.to_string(),
                    "priority": 200, "interval_ms": 400, "fate": fate, "heard_by": heard_by}),
            );
        }
        // What comes later comes after all of them.
        let since = bench.send(&Advert { hop_limit: 254, ..peer }.frame()).unwrap();
        next_event(&other, since, "rejected");
        assert_eq!(events(&other, "advert"), [] as [Value; 0]);
        assert_eq!(bench.router.status().unwrap()[0].counter("advert_reports_lost"), 0);
    }
}

/// Issue 4, keyword `xdp_absorb`: off, tcpdump on a Backup sees each advert with XDP, too; and each
/// is counted once although the raw sockets get it as well. On, it sees none that is repeated.
#[test]
fn adverts_that_are_not_absorbed() {
    const ADVERTS: u64 = 8;
    for (absorb, extra) in [("off", MODES[0]), ("off", MODES[1]), ("on", MODES[1])] {
        let subject = Subject { extra, ..Subject::new(1) };
        let lab = Bench::lab(false).unwrap();
        let tcpdump = Capture::start(lab.node(0)).unwrap();
        let config = format!("global_defs {{\n xdp_absorb {absorb}\n}}\n{subject}");
        let bench = Bench::start(lab, &config).unwrap();
        bench.wait_for_state(&subject, bench.router.started(), "BACKUP").unwrap();
        let peer = subject.peer();
        for _ in 0..ADVERTS {
            bench.send(&peer.frame()).unwrap();
            thread::sleep(subject.interval / 4);
        }
        let counter = |name| bench.router.status().unwrap()[0].counter(name);
        rig::wait_until("the adverts", Bench::SETTLING, || {
            Ok(counter("adverts_received") >= ADVERTS)
        })
        .unwrap();
        // A second count would have come by now: the takeover does, which is later.
        let silent = SystemTime::now();
        bench.wait_for_state(&subject, silent, "MASTER").unwrap();
        assert_eq!(counter("adverts_received"), ADVERTS, "{extra}");
        assert_eq!(counter("adverts_absorbed"), ADVERTS - 1, "{extra}");
        let is_peers =
            |what: &What| matches!(what, What::Advert { source, .. } if peer.source == *source);
        let seen = tcpdump.seen().iter().filter(|seen| is_peers(&seen.what)).count() as u64;
        assert_eq!(seen, if absorb == "off" { ADVERTS } else { 0 }, "{extra}");
        let transitions =
            bench.router.log().iter().filter(|line| line.contains("Entering")).count();
        assert_eq!(transitions, 2, "{:?}", bench.router.log());
    }
}

/// Issue 4, keyword `xdp_absorb`: off, a Backup hears its master although somebody takes the kernel
/// program off the interface, and each advert once.
#[test]
fn adverts_without_the_program() {
    const BEFORE: u64 = 4;
    const AFTER: u64 = 12;
    let subject = Subject { extra: "xdp_mode generic", ..Subject::new(1) };
    let config = format!("global_defs {{\n xdp_absorb off\n}}\n{subject}");
    let bench = Bench::start(Bench::lab(false).unwrap(), &config).unwrap();
    bench.wait_for_state(&subject, bench.router.started(), "BACKUP").unwrap();
    let hear = |count: u64| {
        for _ in 0..count {
            bench.send(&subject.peer().frame()).unwrap();
            thread::sleep(subject.interval / 2);
        }
        let row = bench.router.status().unwrap().remove(0);
        (row.state, row.counters["adverts_received"])
    };
    assert_eq!(hear(BEFORE), ("BACKUP".to_owned(), BEFORE));
    let off = ["ip", "link", "set", "dev", rig::Node::INTERFACE, "xdpgeneric", "off"];
    bench.node().run(&off).unwrap();
    let (state, count) = hear(AFTER);
    assert_eq!(state, "BACKUP");
    // The first may be taken for one that the program has dealt with.
    let all = BEFORE + AFTER;
    assert!((all - 1..=all).contains(&count), "{count} of {all}");
    let masters = bench.router.log().iter().filter(|line| line.contains("MASTER STATE")).count();
    assert_eq!(masters, 0, "{:?}", bench.router.log());
}
