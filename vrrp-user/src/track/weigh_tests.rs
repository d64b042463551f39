use super::*;
use crate::config;

const OK: &Value = &Value::Up;

fn down() -> Value {
    Value::Down("exited with status 1".to_owned())
}

/// A configuration with one instance, `priority` and these lists, and with these groups.
fn config(priority: u8, lists: &str, more: &str) -> Config {
    let text = format!(
        "vrrp_script s {{\nscript /bin/true\n}}\nvrrp_script t {{\nscript /bin/true\n}}\n\
         track_file f {{\nfile /run/number\n}}\nvrrp_track_process p {{\nprocess haproxy\n}}\n\
         vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\n\
         virtual_ipaddress {{\n192.0.2.1\n}}\n{lists}\n}}\n{more}"
    );
    config::parse("test.conf", text.as_bytes()).config.unwrap()
}

fn scales(config: &Config) -> Scales {
    let group = config.sync_groups.first().map(|group| &group.tracking);
    Scales::new(&config.instances[0], group, &Names::new(config))
}

/// What follows if all that is tracked has this value.
fn verdict(priority: u8, lists: &str, value: &Value) -> Verdict {
    scales(&config(priority, lists, "")).weigh(|_| value)
}

fn priority(lists: &str, value: &Value) -> u8 {
    let verdict = verdict(100, lists, value);
    assert_eq!((verdict.fault, verdict.wait), (None, None), "{lists}");
    verdict.priority.get()
}

fn tracked(list: &str, line: &str) -> String {
    format!("{list} {{\n{line}\n}}")
}

/// keywords `track_script`, `track_process`, `track_interface`, `weight`: above 0 it is added while
/// up, below 0 taken away while down, and `reverse` changes the sign. The numbers are those that
/// keepalived 2.2.7 logs for the same lines.
#[test]
fn weights() {
    for (list, name) in [("track_script", "s"), ("track_process", "p"), ("track_interface", "eth1")]
    {
        for (weight, up, down_to) in
            [("10", 110, 100), ("-10", 100, 90), ("10 reverse", 90, 100), ("-10 reverse", 100, 110)]
        {
            let line = tracked(list, &format!("{name} weight {weight}"));
            assert_eq!((priority(&line, OK), priority(&line, &down())), (up, down_to), "{line}");
        }
    }
}

/// keyword `weight`: with 0, its default, down is FAULT; with `reverse`, up is.
#[test]
fn no_weight_is_fault() {
    for (list, name, said) in [
        ("track_script", "s", "script s failed: exited with status 1"),
        ("track_process", "p", "process p: exited with status 1"),
        ("track_interface", "eth1", "interface eth1 exited with status 1"),
    ] {
        let line = tracked(list, name);
        assert_eq!(priority(&line, OK), 100);
        let fault = verdict(100, &line, &down());
        assert_eq!((fault.fault.as_deref(), fault.priority.get()), (Some(said), 100));
        let reverse = tracked(list, &format!("{name} weight 0 reverse"));
        assert_eq!(priority(&reverse, &down()), 100);
        assert!(verdict(100, &reverse, OK).fault.is_some());
    }
}

/// R-5.2.4-02, keywords `track_file`, `weight`: the number times the weight is added; -254 and less is FAULT,
/// and so is any number but 0 with weight 0. As keepalived 2.2.7 has it.
#[test]
fn numbers_of_files() {
    let line = |weight: &str| tracked("track_file", &format!("f{weight}"));
    for (weight, number, effective) in [
        ("", 3, 103),
        ("", -3, 97),
        (" weight 2", 5, 110),
        (" weight -2 reverse", 3, 106),
        (" weight -2", 3, 94),
        ("", 300, 254),
        ("", -253, 1),
        (" weight 1 reverse", -254, 254),
        (" weight 254", i32::MAX, 254),
        (" weight 0", 0, 100),
        (" weight 0 reverse", 3, 100),
    ] {
        assert_eq!(priority(&line(weight), &Value::Number(number)), effective, "{weight} {number}");
    }
    for (weight, number) in [
        ("", -254),
        (" weight 254", i32::MIN),
        (" weight -254", 1),
        (" weight 0", 3),
        (" weight 0", -1),
        (" weight 0 reverse", 0),
    ] {
        let fault = verdict(100, &line(weight), &Value::Number(number)).fault;
        assert_eq!(fault, Some(format!("file f has the value {number}")), "{weight}");
    }
}

/// keyword `priority`: whatever is tracked, it stays in 1 to 254, and the owner's stays 255.
#[test]
fn limits() {
    let lists = tracked("track_script", "s weight 253\nt weight 253");
    assert_eq!(priority(&lists, OK), 254);
    let lists = tracked("track_script", "s weight -253\nt weight -253");
    assert_eq!(priority(&lists, &down()), 1);
    let owner = verdict(255, &tracked("track_process", "p weight -20"), &down());
    assert_eq!((owner.priority.get(), owner.fault), (255, None));
    let owner = verdict(255, &tracked("track_process", "p"), &down());
    assert!(owner.fault.is_some(), "FAULT is for owners, too");
}

/// keyword `track_script`: as long as a script without a weight has not ended for the first time, the
/// virtual router is neither in FAULT nor may it take part; one with a weight changes nothing. It does not
/// wait for a script when it takes long to find out what to run.
#[test]
fn not_known_yet() {
    let unknown = verdict(100, &tracked("track_script", "s\nt weight 20"), &Value::Unknown);
    assert_eq!(unknown.wait.as_deref(), Some("script s has not run yet"));
    assert_eq!((unknown.fault, unknown.priority.get()), (None, 100));
    let late = verdict(100, &tracked("track_script", "s\nt weight 20"), &Value::Late);
    assert_eq!((late.wait, late.fault, late.priority.get()), (None, None, 100));
}

/// Contributions add up, and each reason for FAULT is told.
#[test]
fn several_at_once() {
    let lists = tracked("track_script", "s weight 10\nt")
        + "\n"
        + &tracked("track_file", "f")
        + "\n"
        + &tracked("track_interface", "eth1 weight -30");
    let scales = scales(&config(100, &lists, ""));
    let (five, link) = (Value::Number(5), Value::Down("is down".to_owned()));
    let weigh = |script: &Value, link: &Value| {
        scales.weigh(|subject| match subject {
            Subject::Interface(name) if name == "eth1" => link,
            Subject::Tracker(TrackerId::Script(_)) => script,
            Subject::Tracker(TrackerId::File(0)) => &five,
            other => panic!("{other:?} is not tracked"),
        })
    };
    assert_eq!(weigh(OK, OK).priority.get(), 115);
    assert_eq!(weigh(OK, &link).priority.get(), 85);
    let failed = down();
    let last = weigh(&failed, &link);
    assert_eq!(last.priority.get(), 75);
    assert_eq!(last.fault.as_deref(), Some("script t failed: exited with status 1"));
}

/// The log says which of the lines has changed a priority.
#[test]
fn reasons() {
    let lists = tracked("track_script", "s weight 10\nt weight 10")
        + "\n"
        + &tracked("track_interface", "eth1 weight -30");
    let scales = scales(&config(100, &lists, ""));
    let (failed, link) = (down(), Value::Down("is down".to_owned()));
    let of = |subject: &Subject, changed: bool| match subject {
        Subject::Tracker(TrackerId::Script(0)) if changed => &failed,
        Subject::Interface(_) if changed => &link,
        _ => OK,
    };
    let before = scales.weigh(|subject| of(subject, false));
    let after = scales.weigh(|subject| of(subject, true));
    let said = "interface eth1 is down, script s failed: exited with status 1";
    assert_eq!(scales.reason(&before, &after, |subject| of(subject, true)), said);
    let said = "interface eth1 is up, script s succeeded";
    assert_eq!(scales.reason(&after, &before, |subject| of(subject, false)), said);
}

/// keywords `vrrp_sync_group`, `track_script`: what the group tracks counts for its members.
#[test]
fn of_a_group() {
    let group = "vrrp_sync_group G {\ngroup {\nVI_1\n}\ntrack_script {\ns weight 10\nt\n}\n}\n";
    let scales = scales(&config(100, "", group));
    assert_eq!(scales.weigh(|_| OK).priority.get(), 110);
    assert!(scales.weigh(|_| &Value::Unknown).wait.is_some());
}

/// keyword `sync_group_tracking_weight`: a member's own line without a weight takes the place of the
/// group's.
#[test]
fn own_line_before_the_groups() {
    let group = "vrrp_sync_group G {\ngroup {\nVI_1\n}\nsync_group_tracking_weight\n\
                 track_script {\ns weight 10\n}\n}\n";
    let scales = scales(&config(100, &tracked("track_script", "s"), group));
    let failed = down();
    let verdict = scales.weigh(|_| &failed);
    assert_eq!((verdict.priority.get(), verdict.fault.is_some()), (100, true));
    assert_eq!(scales.weigh(|_| OK).priority.get(), 100);
}
