//! `vrrp_sync_group`. What is reported and repaired is what keepalived 2.2.7 reports and repairs
//! (`keepalived -t` and its dump).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{accepted, mended, named, parse, reported};
use vrrp_config::{Config, Instance, SyncGroup, Verdict, Weight};

/// A script with and one without a weight, three instances with more lines in them, and groups.
fn text(lines: [&str; 3], groups: &str) -> String {
    let instances: String =
        (1..).zip(lines).map(|(n, lines)| named(&format!("VI_{n}"), n, lines)).collect();
    format!(
        "vrrp_script s {{\nscript /bin/s\n}}\nvrrp_script w {{\nscript /bin/w\nweight 5\n}}\n\
         track_file f {{\nfile /tmp/f\n}}\nvrrp_track_process p {{\nprocess nginx\nweight 7\n}}\n\
         {instances}{groups}"
    )
}

fn group(name: &str, lines: &str) -> String {
    format!("vrrp_sync_group {name} {{\n{lines}\n}}\n")
}

fn pair(lines: &str) -> String {
    group("G1", &format!("group {{\nVI_1\nVI_2\n}}\n{lines}"))
}

fn member(config: &Config, number: usize) -> &Instance {
    &config.instances[number - 1]
}

/// Keyword `vrrp_sync_group`: names on one line, on several, in quotes; in the order of the file.
#[test]
fn members() {
    for list in ["group { VI_3 VI_1 }", "group {\nVI_3\n\"VI_1\"\n}", "group\n{\nVI_3\n VI_1\n}"] {
        let config = accepted(&text([""; 3], &group("G1", list)));
        let [SyncGroup { name, members, member_weights, .. }] = &config.sync_groups[..] else {
            panic!("one group");
        };
        assert_eq!((name.as_str(), *member_weights), ("G1", false), "{list}");
        assert_eq!(members, &["VI_3", "VI_1"], "{list}");
    }
}

/// Keyword `group`: unknown names, names in two groups, one name, none.
#[test]
fn wrong_members() {
    for (groups, codes, sizes) in [
        (group("G1", "group { VI_1 VI_2 VI_9 }"), &["E0070"][..], &[2][..]),
        (group("G1", "group { VI_8 VI_9 }"), &["E0070", "E0070"], &[]),
        (group("G1", "group { VI_1 VI_2 VI_1 }"), &["E0125"], &[2]),
        (pair("") + &group("G2", "group { VI_2 VI_3 }"), &["E0125"], &[2, 1]),
        (group("G1", "group { VI_1 }"), &["E0073"], &[1]),
        (group("G1", "group { }"), &["E0072"], &[]),
        (group("G1", ""), &["E0072"], &[]),
        (pair("") + &pair(""), &["E0052"], &[2]),
    ] {
        let (reported, config) = mended(&text([""; 3], &groups));
        let found: Vec<_> = config.sync_groups.iter().map(|group| group.members.len()).collect();
        assert_eq!((&reported[..], &found[..]), (codes, sizes), "{groups}");
    }
}

/// A member that is left out for reasons of its own is not reported once more, and is no member.
#[test]
fn members_that_are_left_out() {
    let (codes, config) = mended(&text(
        ["use_ipvlan", "virtual_router_id 0", ""],
        &group("G1", "group { VI_1 VI_2 VI_3 }"),
    ));
    assert_eq!(codes.iter().filter(|code| code.starts_with("E007")).count(), 0, "{codes:?}");
    assert_eq!(config.sync_groups[0].members, ["VI_3"]);
}

/// Members have no weights of their own: interfaces and files of the default weight decide about FAULT
/// instead, scripts and other files are not tracked. `sync_group_tracking_weight` permits them.
#[test]
fn weights_of_members() {
    let lines = "track_interface {\neth1 weight 10\n}\ntrack_script {\nw\ns\n}\ntrack_file {\nf\n}\n\
                 track_process {\np\n}";
    let (codes, config) = mended(&text([lines, "", ""], &pair("")));
    assert_eq!(codes, ["E0128"; 3]);
    let tracking = &member(&config, 1).tracking;
    assert_eq!(tracking.interfaces[0].weight, Weight::default());
    assert_eq!(tracking.scripts.len(), 1);
    assert_eq!(tracking.scripts[0].name, "s");
    assert_eq!(tracking.files[0].weight, Weight::default());
    assert_eq!(tracking.processes[0].weight.points(), 7);
    let heavy = ["track_file {\nf weight 3\n}", "", ""];
    let (codes, config) = mended(&text(heavy, &pair("")));
    assert_eq!((codes, member(&config, 1).tracking.files.len()), (vec!["E0128"], 0));
    let config = accepted(&text([lines, "", ""], &pair("sync_group_tracking_weight")));
    assert!(config.sync_groups[0].member_weights);
    assert_eq!(member(&config, 1).tracking.scripts[0].weight.points(), 5);
    let (codes, config) = mended(&text([lines, "", ""], &pair("global_tracking")));
    assert_eq!((codes, config.sync_groups[0].member_weights), (vec!["E0024"], true));
    assert_eq!(member(&config, 1).tracking.files.len(), 1);
}

/// Keywords `track_script`, `track_interface` of a group: its line counts where a member has one, too.
#[test]
fn tracking_of_groups() {
    let tracks = "track_script {\ns\nw weight 3\n}\ntrack_interface {\neth1\n}";
    let config = accepted(&text([""; 3], &pair(tracks)));
    let tracking = &config.sync_groups[0].tracking;
    assert_eq!(tracking.scripts.len(), 2);
    assert_eq!((tracking.scripts[1].weight.points(), tracking.interfaces.len()), (3, 1));
    let loaded = parse(&text(["track_script {\ns\n}", "", "track_script {\ns\n}"], &pair(tracks)));
    assert_eq!((reported(&loaded), loaded.verdict()), (vec!["W0129"], Verdict::Clean));
    let config = loaded.config.unwrap();
    assert!(member(&config, 1).tracking.scripts.is_empty());
    assert_eq!(member(&config, 3).tracking.scripts.len(), 1);
    let (codes, config) = mended(&text(["track_interface {\neth1\n}", "", ""], &pair(tracks)));
    assert_eq!((codes, member(&config, 1).tracking.interfaces.len()), (vec!["E0126"], 0));
    let (codes, config) = mended(&text(["", "priority 255", ""], &pair("track_script {\nw\n}")));
    assert_eq!(codes, ["E0128"]);
    assert_eq!(config.sync_groups[0].tracking.scripts[0].weight, Weight::default());
    let (codes, _) = mended(&text([""; 3], &pair("track_script {\nnothere\n}")));
    assert_eq!(codes, ["E0070"]);
}

/// The same: a member's line without a weight stays one, whatever the group's line says.
#[test]
fn unweighted_lines_of_members() {
    let loaded =
        parse(&text(["track_script {\ns\n}", "", ""], &pair("track_script {\ns weight 9\n}")));
    assert_eq!((reported(&loaded), loaded.verdict()), (vec!["W0129"], Verdict::Clean));
    let config = loaded.config.unwrap();
    assert_eq!(member(&config, 1).tracking.scripts[0].weight, Weight::default());
    assert_eq!(config.sync_groups[0].tracking.scripts[0].weight.points(), 9);
}

/// Keyword `track_interface` of a group: members track their own interface anyway, unless they have
/// `dont_track_primary`.
#[test]
fn own_interfaces_of_members() {
    let tracks = pair("track_interface {\neth0\n}");
    let (codes, config) = mended(&text([""; 3], &tracks));
    assert_eq!(codes, ["E0126"; 2]);
    assert_eq!(config.sync_groups[0].tracking.interfaces.len(), 1);
    let (codes, _) = mended(&text(["", "dont_track_primary", ""], &tracks));
    assert_eq!(codes, ["E0126"]);
    accepted(&text(["dont_track_primary"; 3], &tracks));
}

/// Keywords `notify_priority_changes`, `smtp_alert` of a group: members have the first from it, and not
/// the second.
#[test]
fn notification_of_groups() {
    let lines = "notify_priority_changes on\nsmtp_alert\nnotify \"/bin/n x\" nobody";
    let config = accepted(&text([""; 3], &pair(lines)));
    let notify = &config.sync_groups[0].notify;
    assert!(notify.priority_changes && notify.mail);
    assert_eq!(notify.any.as_ref().unwrap().argv, ["/bin/n", "x"]);
    assert!(member(&config, 1).notify.priority_changes && !member(&config, 1).notify.mail);
    assert!(!member(&config, 3).notify.priority_changes);
    let loaded = parse(&text([""; 3], &pair("notify_master_rx_lower_pri /bin/n")));
    assert_eq!(reported(&loaded), ["E0021"]);
}
