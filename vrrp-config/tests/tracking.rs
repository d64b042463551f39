//! `vrrp_script`, `vrrp_track_process`, `track_file`, and the lists that name them. What is reported
//! and repaired is what keepalived 2.2.7 reports and repairs (`keepalived -t` and its dump).
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::{num::NonZeroU32, path::Path, time::Duration};

use support::{accepted, instance, mended, named, parse, reported};
use vrrp_common::Priority;
use vrrp_config::{
    Account, Config, InitFile, Instance, Parameters, Script, TimerExpired, TrackFile, TrackProcess,
    Tracked, User, Verdict, Weight,
};

fn weight(points: i16) -> Weight {
    Weight::new(points, false).unwrap()
}

fn reversed(points: i16) -> Weight {
    Weight::new(points, true).unwrap()
}

/// A script of these lines in front of an instance.
fn script_text(lines: &str) -> String {
    format!("vrrp_script s {{\n{lines}\n}}\n{}", instance(""))
}

fn script(lines: &str) -> Script {
    accepted(&script_text(lines)).scripts.remove(0)
}

fn process(lines: &str) -> TrackProcess {
    let text = format!("vrrp_track_process p {{\n{lines}\n}}\n{}", instance(""));
    accepted(&text).track_processes.remove(0)
}

/// Everything that can be tracked, and an instance with these lines below it.
fn tracking_text(lines: &str) -> String {
    format!(
        "vrrp_script s {{\nscript /bin/s\nweight -20\n}}\n\
         vrrp_script r {{\nscript /bin/r\nweight 5 reverse\n}}\n\
         vrrp_track_process p {{\nprocess nginx\nweight 7\n}}\n\
         track_file f {{\nfile /tmp/f\n}}\n\
         bfd_instance b {{\nneighbor_ip 10.0.0.9\n}}\n{}",
        instance(lines)
    )
}

fn only(mut config: Config) -> Instance {
    assert_eq!(config.instances.len(), 1);
    config.instances.remove(0)
}

fn names(list: &[Tracked]) -> Vec<(&str, Weight)> {
    list.iter().map(|tracked| (tracked.name.as_str(), tracked.weight)).collect()
}

/// Keyword `vrrp_script`: the defaults, and every line of it.
#[test]
fn scripts() {
    let plain = script("script /bin/true");
    assert_eq!(
        (plain.name.as_str(), plain.command.argv.as_slice()),
        ("s", &["/bin/true".to_owned()][..])
    );
    assert_eq!((plain.interval, plain.timeout), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!((plain.weight, plain.init_fail), (weight(0), false));
    assert_eq!((plain.rise, plain.fall), (NonZeroU32::MIN, NonZeroU32::MIN));
    assert_eq!(plain.command.user, None);
    let full = script(
        "script \"/bin/check -p 80\"\ninterval 0.25\ntimeout 2\nweight -253 reverse\nrise 3\nfall 2147483647\n\
         user www-data :adm\ninit_fail",
    );
    assert_eq!(full.command.argv, ["/bin/check", "-p", "80"]);
    assert_eq!(
        full.command.user,
        Some(User {
            user: Account::Name("www-data".into()),
            group: Some(Account::Name("adm".into()))
        })
    );
    assert_eq!((full.interval, full.timeout), (Duration::from_millis(250), Duration::from_secs(2)));
    assert_eq!((full.weight, full.init_fail), (reversed(-253), true));
    assert_eq!((full.rise.get(), full.fall.get()), (3, 2_147_483_647));
    assert_eq!(script("script /bin/true\ninterval 7").timeout, Duration::from_secs(7));
}

/// Keyword `script`: keepalived splits the command itself, with quotes inside quotes.
#[test]
fn commands_are_split() {
    for (text, argv) in [
        (r#"/bin/"true""#, &["/bin/true"][..]),
        (r#""/bin/echo 'a b' \"c d\" e\\ f""#, &["/bin/echo", "a b", "c d", "e f"]),
        (r#""/bin/echo 'a b'c\"d e\" ''""#, &["/bin/echo", "a bcd e", ""]),
        (r#""/bin/echo g\\\\h i\\qj m'n ''x ''o'p""#, &["/bin/echo", "g\\h", "iqj", "mn x op"]),
        (r#""/bin/echo j\\nk \\x41\\1012""#, &["/bin/echo", "j\nk", "AA2"]),
        (
            r#""/bin/sh -c 'test -f /tmp/a && exit 1'""#,
            &["/bin/sh", "-c", "test -f /tmp/a && exit 1"],
        ),
    ] {
        assert_eq!(script(&format!("script {text}")).command.argv, argv, "{text}");
    }
}

/// Keyword `script`: what follows the first word is lost, about which keepalived is silent.
#[test]
fn arguments_without_quotes() {
    let loaded = parse(&script_text("script /usr/bin/pgrep -x nginx"));
    assert_eq!((reported(&loaded), loaded.verdict()), (vec!["W0121"], Verdict::Clean));
    let help =
        loaded.diagnostics.iter().find_map(|d| d.help.clone().filter(|h| h.contains("pgrep")));
    assert!(help.unwrap().ends_with("\"/usr/bin/pgrep -x nginx\""));
    assert_eq!(loaded.config.unwrap().scripts[0].command.argv, ["/usr/bin/pgrep"]);
}

/// Keyword `vrrp_script`: a wrong line is reported and has no effect, except that 0 is 1 s.
#[test]
fn wrong_lines_of_a_script() {
    let plain = script("script /bin/true");
    for (line, code) in [
        ("interval -1", "E0031"),
        ("interval 4295", "E0031"),
        ("interval often", "E0030"),
        ("timeout 3000000000", "E0031"),
        ("weight 254", "E0031"),
        ("weight heavy", "E0030"),
        ("weight 0 backwards", "E0211"),
        ("rise 0", "E0031"),
        ("fall 2147483648", "E0031"),
        ("interval 0", "E0037"),
    ] {
        let (codes, config) = mended(&script_text(&format!("script /bin/true\n{line}")));
        assert_eq!(codes, [code], "{line}");
        assert_eq!(config.scripts, std::slice::from_ref(&plain), "{line}");
    }
    let (codes, config) = mended(&script_text("script /bin/true\ninterval 2\ntimeout 0"));
    assert_eq!((codes, config.scripts[0].timeout), (vec!["E0037"], Duration::from_secs(1)));
}

/// Keyword `vrrp_script`: without a command it is removed; the second of one name is not used.
#[test]
fn scripts_that_are_none() {
    for (lines, code) in
        [("interval 2", "E0022"), ("script \"\"", "E0120"), ("script \"/bin/true 'x\"", "E0120")]
    {
        let (codes, config) = mended(&script_text(lines));
        assert_eq!((codes, config.scripts.len()), (vec![code], 0), "{lines}");
    }
    let twice = format!("vrrp_script s {{\nscript /bin/a\n}}\n{}", script_text("script /bin/b"));
    let loaded = parse(&twice);
    assert_eq!((reported(&loaded), loaded.verdict()), (vec!["W0122"], Verdict::Clean));
    assert_eq!(loaded.config.unwrap().scripts[0].command.argv, ["/bin/a"]);
}

/// Keyword `vrrp_track_process`: the defaults, and every line of it.
#[test]
fn processes() {
    let plain = process("process nginx");
    assert_eq!((plain.process.as_str(), &plain.parameters), ("nginx", &Parameters::Any));
    assert_eq!((plain.quorum, plain.quorum_max, plain.full_command), (1, None, false));
    assert_eq!((plain.fork_delay, plain.terminate_delay), (Duration::ZERO, Duration::ZERO));
    assert_eq!(plain.weight, weight(0));
    let full = process(
        "process /usr/bin/x -g \"a b\"\nparam_match initial\nweight 254 reverse\nquorum 65535\nquorum_max 65535\n\
         delay 2\nfork_delay 0.000001\nfull_command",
    );
    let parameters = vec!["-g".to_owned(), "a b".to_owned()];
    assert_eq!(full.parameters, Parameters::Initial(parameters.clone()));
    assert_eq!((full.quorum, full.quorum_max, full.full_command), (65535, Some(65535), true));
    assert_eq!(full.fork_delay, Duration::from_micros(1));
    assert_eq!((full.terminate_delay, full.weight), (Duration::from_secs(2), reversed(254)));
    let exact = process("process x -g \"a b\"");
    assert_eq!(
        (exact.parameters, exact.full_command),
        (Parameters::Exact(parameters.clone()), true)
    );
    let first = process("process x -g \"a b\"\nparam_match partial");
    assert_eq!(first.parameters, Parameters::First(parameters));
    let none = process("process x\nparam_match partial");
    assert_eq!(none.parameters, Parameters::Exact(Vec::new()));
    assert_eq!(process("process x\nquorum_max 0").quorum_max, Some(0));
}

/// Keyword `vrrp_track_process`: a wrong line is reported and has no effect; without `process` there
/// is nothing to track.
#[test]
fn wrong_lines_of_a_process() {
    let plain = process("process nginx");
    for (line, code) in [
        ("weight 255", "E0031"),
        ("quorum 0", "E0031"),
        ("quorum_max 65536", "E0031"),
        ("delay 3601", "E0031"),
        ("fork_delay 0", "E0031"),
        ("terminate_delay soon", "E0030"),
        ("param_match fully", "E0032"),
    ] {
        let text = format!("vrrp_track_process p {{\nprocess nginx\n{line}\n}}\n{}", instance(""));
        let (codes, config) = mended(&text);
        assert_eq!((codes, config.track_processes), (vec![code], vec![plain.clone()]), "{line}");
    }
    let text = format!(
        "vrrp_track_process p {{\nprocess nginx\nquorum 5\nquorum_max 3\n}}\nvrrp_track_process q {{\n}}\n{}",
        instance("")
    );
    let (codes, config) = mended(&text);
    assert_eq!(codes, ["E0031", "E0022"]);
    assert_eq!(config.track_processes, [TrackProcess { quorum: 5, ..plain }]);
}

/// Keyword `track_file`, also as `vrrp_track_file`: the defaults, and every line of it.
#[test]
fn files() {
    let text = format!(
        "track_file f {{\nfile /tmp/f\n}}\n\
         vrrp_track_file g {{\nfile \"/tmp/g h\"\nweight -254\ninit_file overwrite -3\n}}\n{}",
        instance("")
    );
    let [plain, full] = <[TrackFile; 2]>::try_from(accepted(&text).track_files).unwrap();
    assert_eq!(
        (plain.path.as_path(), plain.weight, plain.init),
        (Path::new("/tmp/f"), weight(1), None)
    );
    assert_eq!((full.path.as_path(), full.weight), (Path::new("/tmp/g h"), weight(-254)));
    assert_eq!(full.init, Some(InitFile { value: -3, overwrite: true }));
    for (line, code, expected) in [
        ("weight 300", "E0031", plain.clone()),
        ("init_file foo", "E0030", TrackFile { init: Some(InitFile::default()), ..plain.clone() }),
    ] {
        let text = format!("track_file f {{\nfile /tmp/f\n{line}\n}}\n{}", instance(""));
        let (codes, config) = mended(&text);
        assert_eq!((codes, config.track_files), (vec![code], vec![expected]), "{line}");
    }
    let (codes, config) = mended(&format!("track_file f {{\nweight 3\n}}\n{}", instance("")));
    assert_eq!((codes, config.track_files.len()), (vec!["E0022"], 0));
}

/// Keywords `track_interface`, `track_script`, `track_file`, `track_process`, `track_bfd`: weights are
/// those of what is tracked unless the line has one, and so is `reverse`.
#[test]
fn lists() {
    let lines = "track_interface {\neth1\neth2 weight -253 reverse\n}\n\
                 track_script {\ns\nr weight 11\n}\n\
                 track_file {\nf weight 254 noreverse\n}\n\
                 track_process {\np\n}\n\
                 track_bfd {\nb weight 3\n}";
    let tracking = only(accepted(&tracking_text(lines))).tracking;
    assert_eq!(names(&tracking.interfaces), [("eth1", weight(0)), ("eth2", reversed(-253))]);
    assert_eq!(names(&tracking.scripts), [("s", weight(-20)), ("r", reversed(11))]);
    assert_eq!(names(&tracking.files), [("f", weight(254))]);
    assert_eq!(names(&tracking.processes), [("p", weight(7))]);
    assert_eq!(names(&tracking.bfds), [("b", weight(3))]);
    let tracking =
        only(accepted(&tracking_text("track_script {\nr weight 1 noreverse\n}"))).tracking;
    assert_eq!(names(&tracking.scripts), [("r", weight(1))]);
}

/// The same keywords: which lines keepalived ignores, and of which it ignores the weight.
#[test]
fn wrong_lines_of_lists() {
    for (line, code, kept) in [
        ("s weight", "E0022", None),
        ("s wait 3", "E0211", None),
        ("s weight 254", "E0031", Some(weight(253))),
        ("s weight -254", "E0031", Some(weight(-253))),
        ("s weight 255", "E0031", Some(weight(-20))),
        ("s weight 9 no_reverse", "E0211", Some(weight(9))),
        ("s weight 10 forward", "E0211", Some(weight(10))),
        ("s weight 1\ns weight 2", "E0124", Some(weight(1))),
        ("nothere", "E0070", None),
    ] {
        let (codes, config) = mended(&tracking_text(&format!("track_script {{\n{line}\n}}")));
        let expected: Vec<_> = kept.map(|weight| ("s", weight)).into_iter().collect();
        assert_eq!(codes, [code], "{line}");
        assert_eq!(names(&only(config).tracking.scripts), expected, "{line}");
    }
    let (codes, config) = mended(&tracking_text("track_interface {\nan-interface-too-long\n}"));
    assert_eq!((codes, only(config).tracking.interfaces.len()), (vec!["E0035"], 0));
}

/// keepalived reads from top to bottom: what is defined below is not known above.
#[test]
fn order_of_definitions() {
    let text = format!(
        "{}vrrp_script late {{\nscript /bin/true\n}}\n",
        instance("track_script {\nlate\n}")
    );
    let loaded = parse(&text);
    assert_eq!((reported(&loaded), loaded.verdict()), (vec!["E0070"], Verdict::WouldRun));
    let message = &loaded.diagnostics.iter().find(|d| d.code == "E0070").unwrap().message;
    assert!(message.ends_with("`vrrp_script late` stands below"), "{message}");
    assert!(only(loaded.config.unwrap()).tracking.scripts.is_empty());
}

/// A script whose block has mistakes is not reported once more where it is tracked.
#[test]
fn broken_definitions() {
    let text = format!("vrrp_script s {{\n}}\n{}", instance("track_script {\ns\n}"));
    let (codes, config) = mended(&text);
    assert_eq!((codes, only(config).tracking.scripts.len()), (vec!["E0022"], 0));
}

/// Keywords `track_interface`, `track_bfd`: an interface has no `noreverse`; 254 is none of a session.
#[test]
fn weights_of_interfaces_and_sessions() {
    for (list, code, expected) in [
        ("track_interface {\neth1 weight -254\n}", "E0031", -253),
        ("track_interface {\neth1 weight 5 noreverse\n}", "E0211", 5),
        ("track_bfd {\nb weight 254\n}", "E0031", 0),
    ] {
        let (codes, config) = mended(&tracking_text(list));
        let tracking = only(config).tracking;
        let lists = tracking.interfaces.iter().chain(&tracking.bfds);
        let found: Vec<_> = lists.map(|tracked| tracked.weight).collect();
        assert_eq!((codes, found), (vec![code], vec![weight(expected)]), "{list}");
    }
}

/// Keywords `track_file`, `priority`: of the owner, a file of another weight than 1 is not tracked.
#[test]
fn files_of_owners() {
    for (line, expected) in [("f", Some(0)), ("f weight 0", Some(0)), ("f weight 3", None)] {
        let text = tracking_text(&format!("priority 255\ntrack_file {{\n{line}\n}}"));
        let tracking = only(parse(&text).config.unwrap()).tracking;
        let found: Vec<_> = tracking.files.iter().map(|file| file.weight).collect();
        assert_eq!(found, expected.map(weight).into_iter().collect::<Vec<_>>(), "{line}");
    }
}

/// Keywords `dont_track_primary`, `promote_secondaries`: what is said about them is true.
#[test]
fn words_about_the_own_interface() {
    let help = |lines: &str, code: &str| {
        let loaded = parse(&instance(lines));
        assert_eq!(loaded.verdict(), Verdict::WouldRun, "{}", loaded.render(false));
        let found = loaded.diagnostics.iter().find(|own| own.code == code);
        found.and_then(|found| found.help.clone()).unwrap()
    };
    let own = "track_interface {\neth0\n}";
    assert!(help(own, "E0071").contains("always tracked"));
    let ignored = help(&format!("dont_track_primary\n{own}"), "E0071");
    assert!(ignored.contains("remove `dont_track_primary`"), "{ignored}");
    help("use_vmac\npromote_secondaries", "E0063");
    let vmac = parse(&instance("use_vmac\npromote_secondaries")).config.unwrap();
    assert!(!only(vmac).promote_secondaries);
}

/// Keyword `track_interface`: the own interface is tracked anyway, whatever weight is given.
#[test]
fn own_interface() {
    let lines = "track_interface {\neth0 weight 10\neth1\n}";
    let (codes, config) = mended(&instance(lines));
    assert_eq!(codes, ["E0071"]);
    assert_eq!(names(&only(config).tracking.interfaces), [("eth1", weight(0))]);
}

/// The owner's priority does not change: what has a weight is not tracked, files lose theirs.
#[test]
fn owners_have_no_weights() {
    let lines = "priority 255\ntrack_interface {\neth1 weight 10\neth2\n}\ntrack_script {\ns\n}\n\
                 track_file {\nf\n}\ntrack_process {\np\n}";
    let (codes, config) = mended(&tracking_text(lines));
    assert_eq!(codes, ["E0128"; 3]);
    let tracking = only(config).tracking;
    assert_eq!(names(&tracking.interfaces), [("eth2", weight(0))]);
    assert!(tracking.scripts.is_empty());
    assert_eq!(names(&tracking.files), [("f", weight(0))]);
    assert_eq!(names(&tracking.processes), [("p", weight(7))]);
}

/// Keywords `dont_track_primary`, `track_src_ip`, `promote_secondaries`, `timer_expired_backup`.
#[test]
fn surroundings() {
    let plain = only(accepted(&instance("")));
    assert!(!plain.ignores_interface && !plain.tracks_source && !plain.promote_secondaries);
    assert_eq!(plain.timer_expired, TimerExpired::Ignored);
    let lines = "dont_track_primary\ntrack_src_ip\npromote_secondaries\ntimer_expired_backup";
    let full = only(accepted(&instance(lines)));
    assert!(full.ignores_interface && full.tracks_source && full.promote_secondaries);
    let backup = |other| TimerExpired::Backup { other: Priority::new(other) };
    assert_eq!(full.timer_expired, backup(254));
    let old = only(accepted(&instance("thread_timer_expired 20")));
    assert_eq!(old.timer_expired, backup(20));
    let (codes, config) = mended(&instance("timer_expired_backup 255"));
    assert_eq!((codes, only(config).timer_expired), (vec!["E0031"], backup(254)));
}

/// Issue 6: what changes nothing changes nothing in the model either, so that a reload need not look.
#[test]
fn places_do_not_count() {
    let text = named("VI_1", 51, "track_interface {\neth1\n}");
    assert_eq!(accepted(&text), accepted(&format!("# a comment\n\n{text}")));
}
