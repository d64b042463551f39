//! `notify_*`, `smtp_alert` and what `global_defs` says about scripts, FIFOs, mail and the daemon. What
//! is reported and repaired is what keepalived 2.2.7 reports and repairs.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::{path::PathBuf, time::Duration};

use support::{accepted, global, instance, mended, parse, reported};
use vrrp_config::{
    Account, Command, Dbus, Dumps, DynamicInterfaces, Fifo, Global, Hook, JsonVersion, Mail,
    Notify, Place, Process, Reload, ReloadCheck, ScriptRules, User, Verdict,
};

fn command(argv: &[&str], user: Option<User>) -> Command {
    Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        user,
        span: Place::default(),
    }
}

fn user(name: &str, group: Option<&str>) -> User {
    let account = |name: &str| Account::Name(name.to_owned());
    User { user: account(name), group: group.map(account) }
}

fn notify_of(lines: &str) -> Notify {
    accepted(&instance(lines)).instances.remove(0).notify
}

fn global_of(lines: &str) -> Global {
    accepted(&global(lines)).global
}

/// Keywords `notify_master`, `notify_backup`, `notify_fault`, `notify_stop`, `notify`,
/// `notify_deleted`, `notify_master_rx_lower_pri`: a command, a user, a group.
#[test]
fn commands() {
    assert_eq!(notify_of(""), Notify::default());
    let notify = notify_of(
        "notify_master \"/bin/m 'a b'\" nobody nogroup\nnotify_backup /bin/b nobody\nnotify_fault /bin/f\n\
         notify_stop /bin/s\nnotify /bin/n\nnotify_deleted /bin/d\nnotify_master_rx_lower_pri /bin/r",
    );
    let master = command(&["/bin/m", "a b"], Some(user("nobody", Some("nogroup"))));
    assert_eq!(notify.master, Some(master));
    assert_eq!(notify.backup, Some(command(&["/bin/b"], Some(user("nobody", None)))));
    assert_eq!(notify.fault, Some(command(&["/bin/f"], None)));
    assert_eq!(notify.stop, Some(command(&["/bin/s"], None)));
    assert_eq!(notify.any, Some(command(&["/bin/n"], None)));
    assert_eq!(notify.deleted, Some(command(&["/bin/d"], None)));
    assert_eq!(notify.master_rx_lower_pri, Some(command(&["/bin/r"], None)));
    assert!(notify.says_deleted);
    let bare = notify_of("notify_deleted");
    assert_eq!((bare.deleted, bare.says_deleted), (None, true));
}

/// The same keywords: keepalived keeps the first of two; of a bad command nothing is left.
#[test]
fn wrong_commands() {
    let (codes, config) = mended(&instance("notify_master /bin/a\nnotify_master /bin/b"));
    assert_eq!(codes, ["E0212"]);
    assert_eq!(config.instances[0].notify.master, Some(command(&["/bin/a"], None)));
    let (codes, config) = mended(&instance("notify \"/bin/a 'b\""));
    assert_eq!((codes, &config.instances[0].notify.any), (vec!["E0120"], &None));
    let (codes, _) = mended(&instance("notify \"if true; then x; fi\""));
    assert_eq!(codes, ["E0074"]);
    let loaded = parse(&instance("notify \"/bin/a && /bin/b\""));
    assert_eq!((reported(&loaded), loaded.verdict()), (vec!["W0075"], Verdict::Clean));
}

/// Keywords `smtp_alert`, `smtp_alert_vrrp`: the instance outweighs the latter, and that the former.
#[test]
fn alerts() {
    for (defaults, own, mail) in [
        ("", "", false),
        ("", "smtp_alert", true),
        ("smtp_alert", "", true),
        ("smtp_alert\nsmtp_alert_vrrp off", "", false),
        ("smtp_alert_vrrp on\nsmtp_alert off", "", true),
        ("smtp_alert_vrrp on", "smtp_alert off", false),
    ] {
        let text = format!("global_defs {{\n{defaults}\n}}\n{}", instance(own));
        assert_eq!(accepted(&text).instances[0].notify.mail, mail, "{defaults} / {own}");
    }
    let (codes, config) = mended(&instance("smtp_alert maybe"));
    assert_eq!((codes, config.instances[0].notify.mail), (vec!["E0032"], false));
}

/// Keywords `vrrp_notify_priority_changes`, `notify_priority_changes`.
#[test]
fn priority_changes() {
    assert!(notify_of("notify_priority_changes on").priority_changes);
    let text = global("vrrp_notify_priority_changes on");
    assert!(accepted(&text).instances[0].notify.priority_changes);
    let text = text.replace("interface", "notify_priority_changes off\ninterface");
    assert!(!accepted(&text).instances[0].notify.priority_changes);
    let (codes, config) = mended(&instance("notify_priority_changes perhaps"));
    assert_eq!((codes, config.instances[0].notify.priority_changes), (vec!["E0032"], false));
}

/// Keywords `notification_email`, `notification_email_from`, `smtp_server`, `smtp_helo_name`,
/// `smtp_connect_timeout`, `no_email_faults`.
#[test]
fn mail() {
    assert_eq!(global_of("").mail, Mail::default());
    let lines = "notification_email {\na@example.com b@example.com\nc@example.com\n}\n\
                 notification_email_from vrrp@example.com\nsmtp_server mail.example.com 587\n\
                 smtp_helo_name node1\nsmtp_connect_timeout 5\nno_email_faults";
    let expected = Mail {
        recipients: ["a", "b", "c"].map(|name| format!("{name}@example.com")).to_vec(),
        from: Some("vrrp@example.com".to_owned()),
        server: "mail.example.com".to_owned(),
        port: 587,
        helo: Some("node1".to_owned()),
        timeout: Duration::from_secs(5),
        without_faults: true,
    };
    assert_eq!(global_of(lines).mail, expected);
    assert_eq!(global_of("smtp_server ::1").mail.port, 25);
    let (codes, config) = mended(&global("smtp_server mail.example.com 70000"));
    assert_eq!((codes, config.global.mail), (vec!["E0031"], Mail::default()));
    let (codes, config) = mended(&global("smtp_connect_timeout 0"));
    assert_eq!((codes, config.global.mail.timeout), (vec!["E0037"], Duration::from_secs(1)));
}

/// Keywords `notify_fifo`, `notify_fifo_script`, `vrrp_notify_fifo`, `vrrp_notify_fifo_script`,
/// `fifo_write_vrrp_states_on_reload`.
#[test]
fn fifos() {
    let lines = "notify_fifo /run/all keepalived adm\nvrrp_notify_fifo /run/vrrp\n\
                 vrrp_notify_fifo_script \"/bin/read -x\" nobody\nfifo_write_vrrp_states_on_reload";
    let found = global_of(lines);
    let all = Fifo {
        path: PathBuf::from("/run/all"),
        user: Some(user("keepalived", Some("adm"))),
        script: None,
    };
    let vrrp = Fifo {
        path: PathBuf::from("/run/vrrp"),
        user: None,
        script: Some(command(&["/bin/read", "-x"], Some(user("nobody", None)))),
    };
    assert_eq!((found.fifo, found.vrrp_fifo, found.fifo_on_reload), (Some(all), Some(vrrp), true));
    let lines = "notify_fifo /run/a\nnotify_fifo /run/b\nnotify_fifo_script /bin/a\nnotify_fifo_script /bin/b";
    let (codes, config) = mended(&global(lines));
    assert_eq!(codes, ["E0212"; 2]);
    let fifo = config.global.fifo.unwrap();
    assert_eq!(
        (fifo.path, fifo.script),
        (PathBuf::from("/run/a"), Some(command(&["/bin/a"], None)))
    );
}

/// Keywords `script_user`, `enable_script_security`, `use_symlink_paths`, `set_supplementary_groups`,
/// `startup_script`, `shutdown_script` and their timeouts.
#[test]
fn scripts_of_the_daemon() {
    let found = global_of("");
    assert_eq!(
        (found.scripts, found.startup, found.shutdown),
        (ScriptRules::default(), None, None)
    );
    let lines = "script_user nobody :adm\nenable_script_security\nuse_symlink_paths\nset_supplementary_groups\n\
                 startup_script \"/bin/up x\" root\nstartup_script_timeout 1000\nshutdown_script /bin/down";
    let found = global_of(lines);
    let rules = ScriptRules {
        user: Some(user("nobody", Some("adm"))),
        security: true,
        keep_symlinks: true,
        supplementary_groups: true,
    };
    assert_eq!(found.scripts, rules);
    let up = command(&["/bin/up", "x"], Some(user("root", None)));
    assert_eq!(found.startup, Some(Hook { command: up, timeout: Duration::from_secs(1000) }));
    let down = command(&["/bin/down"], None);
    assert_eq!(found.shutdown, Some(Hook { command: down, timeout: Duration::from_secs(10) }));
    let lines = "startup_script /bin/a\nstartup_script /bin/b\nstartup_script_timeout 0";
    let (codes, config) = mended(&global(lines));
    assert_eq!(codes, ["E0212", "E0031"]);
    assert_eq!(config.global.startup.unwrap().command.argv, ["/bin/a"]);
}

/// Keywords `default_interface`, `dynamic_interfaces`, `log_unknown_vrids`, `vrrp_delay_after_boot`,
/// `enable_dbus`, `dbus_service_name`, `dbus_no_interface_name`, `json_version`, `state_dump_file`,
/// `stats_dump_file`, `json_dump_file`, `data_use_instance`.
#[test]
fn surroundings() {
    let lines = "default_interface eth1\ndynamic_interfaces allow_if_changes\nlog_unknown_vrids\n\
                 vrrp_delay_after_boot 2.5\nenable_dbus\ndbus_service_name org.example\ndbus_no_interface_name no\n\
                 json_version 2\nstate_dump_file /run/d\nstats_dump_file /run/s\njson_dump_file /run/j\n\
                 data_use_instance";
    let found = global_of(lines);
    assert_eq!(found.default_interface.as_deref(), Some("eth1"));
    assert_eq!(found.dynamic_interfaces, DynamicInterfaces::AllowChanges);
    assert!(found.log_unknown_vrids);
    assert_eq!(found.delay_after_boot, Duration::from_millis(2500));
    let dbus = Dbus {
        enabled: true,
        service_name: Some("org.example".to_owned()),
        no_interface_name: Some("no".to_owned()),
    };
    assert_eq!(found.dbus, dbus);
    let dumps = Dumps {
        state: Some(PathBuf::from("/run/d")),
        stats: Some(PathBuf::from("/run/s")),
        json: Some(PathBuf::from("/run/j")),
        json_version: JsonVersion::Object,
        named_by_instance: true,
    };
    assert_eq!(found.dumps, dumps);
    assert_eq!(global_of("dynamic_interfaces").dynamic_interfaces, DynamicInterfaces::Allowed);
    for (line, code) in [("dynamic_interfaces foo", "E0211"), ("json_version 3", "E0032")] {
        assert_eq!(mended(&global(line)).0, [code], "{line}");
    }
}

/// Keywords `reload_check_config`, `reload_time_file`, `reload_repeat`, `reload_file`.
#[test]
fn reloads() {
    assert_eq!(global_of("").reload, Reload::default());
    let lines = "reload_check_config /var/log/check\nreload_time_file /etc/time\nreload_repeat\nreload_file /run/r";
    let expected = Reload {
        check: ReloadCheck::Log(PathBuf::from("/var/log/check")),
        time_file: Some(PathBuf::from("/etc/time")),
        repeat: true,
        file: Some(PathBuf::from("/run/r")),
    };
    assert_eq!(global_of(lines).reload, expected);
    let bare = global_of("reload_check_config\nreload_file").reload;
    assert_eq!(bare.check, ReloadCheck::On);
    assert_eq!(bare.file, Some(PathBuf::from("/run/keepalived.reload")));
}

/// Keywords `net_namespace`, `instance`, `use_pid_dir`, `child_wait_time`, outside all blocks.
#[test]
fn outside_all_blocks() {
    let process =
        |lines: &str| parse(&format!("{lines}\n{}", instance(""))).config.unwrap().global.process;
    assert_eq!(process(""), Process::default());
    let lines = "net_namespace blue\ninstance one\ninstance two\nuse_pid_dir\nchild_wait_time 9";
    let expected = Process {
        net_namespace: Some("blue".to_owned()),
        instance: Some("one".to_owned()),
        use_pid_dir: true,
        child_wait_time: Duration::from_secs(9),
    };
    assert_eq!(process(lines), expected);
    let loaded = parse(&format!("{lines}\n{}", instance("")));
    assert!(reported(&loaded).contains(&"E0212"));
    assert_eq!(loaded.verdict(), Verdict::WouldRun);
}

/// Keywords `enable_script_security`, `script_user`, `user`: a script that would run as root is a matter
/// of script security if it can be run at all, whoever says that it should be root.
#[test]
fn script_security() {
    let refused = |global: &str, lines: &str| {
        let text = format!("global_defs {{\n{global}\n}}\n{}", instance(lines));
        let mut loaded = parse(&text);
        loaded.check_scripts(|command| ["n", "/bin/n"].contains(&command.argv[0].as_str()));
        reported(&loaded).contains(&"S0076")
    };
    for (global, lines, expected) in [
        ("", "notify /bin/n", true),
        ("", "notify n", true),
        ("", "notify /bin/missing", false),
        ("", "notify /bin/n root", true),
        ("", "notify /bin/n 0", true),
        ("", "notify /bin/n 00", true),
        ("", "notify /bin/n 1000", false),
        ("", "notify /bin/n nobody", false),
        ("script_user nobody", "notify /bin/n", false),
        ("script_user root", "notify /bin/n", true),
        ("script_user nobody", "notify /bin/n root", true),
        ("enable_script_security", "notify /bin/n", false),
        ("startup_script /bin/n", "", true),
        ("notify_fifo /run/f\nnotify_fifo_script \"/bin/n x\"", "", true),
    ] {
        assert_eq!(refused(global, lines), expected, "{global} / {lines}");
    }
}

/// Keywords `misc_path`, `notify_up`, `notify_down`, `quorum_up`, `quorum_down`: nobody here runs what
/// virtual servers run, but keepalived asks the same of it.
#[test]
fn script_security_of_virtual_servers() {
    let refused = |global: &str, service: &str, server: &str| {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvirtual_server 10.0.0.1 80 {{\nlvs_sched rr\nlvs_method NAT\n\
             protocol TCP\n{service}\nreal_server 10.0.0.2 80 {{\n{server}\n}}\n}}\n"
        );
        let mut loaded = parse(&text);
        loaded.check_scripts(|command| ["n", "/bin/n"].contains(&command.argv[0].as_str()));
        loaded.verdict() == Verdict::ScriptSecurity
    };
    for (global, service, server, expected) in [
        ("", "quorum_up /bin/n", "", true),
        ("", "quorum_down \"/bin/n x\"", "", true),
        ("", "", "notify_up n", true),
        ("", "", "notify_down /bin/n", true),
        ("", "", "notify_down /bin/n nobody", false),
        ("", "", "notify_down /bin/missing", false),
        ("", "", "MISC_CHECK {\nmisc_path \"/bin/n x\"\n}", true),
        ("", "", "MISC_CHECK {\nmisc_path /bin/n\nuser nobody\n}", false),
        ("", "", "MISC_CHECK {\nmisc_path /bin/n\nuser root\n}", true),
        ("script_user nobody", "", "notify_up /bin/n", false),
        ("enable_script_security", "", "notify_up /bin/n", false),
    ] {
        assert_eq!(refused(global, service, server), expected, "{global} / {service} / {server}");
    }
}
