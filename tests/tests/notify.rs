//! Who is told of transitions: scripts, in order and one at a time; FIFOs; people with mail.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rig::{Bench, Capture, Daemon, Lab, Node, PacketSocket, Process, Router, Subject, wait_until};

/// A short stop of everything that is global.
const GLOBAL: &str = "script_user root";

/// A script of a test, in the node's directory.
fn script(node: &Node, name: &str, body: &str) -> PathBuf {
    let path = node.dir().join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A subject of 100 ms, which resigns its place within some 60 ms.
fn subject(vrid: u8) -> Subject {
    Subject { interval: Duration::from_millis(100), ..Subject::new(vrid) }
}

/// Lines for the instance of a subject.
fn with_lines(subject: &Subject, lines: &str) -> String {
    subject.to_string().replacen("virtual_ipaddress", &format!("{lines}\n    virtual_ipaddress"), 1)
}

/// What a log of runs says: lines `begin NAME STATE` and `end NAME STATE`.
#[derive(Debug, Default, PartialEq)]
struct Runs {
    count: usize,
    /// Runs that began while another of the same instance went on.
    overlaps: usize,
    /// Instances whose last line is not about the state that they are in.
    wrong_at_the_end: usize,
}

impl Runs {
    fn of(log: &[String], states: &BTreeMap<String, String>) -> Self {
        let mut runs = Self::default();
        let (mut open, mut last) = (BTreeMap::<&str, usize>::new(), BTreeMap::new());
        for line in log {
            let words: Vec<_> = line.split(' ').collect();
            let [what, name, state] = words[..] else { panic!("{line}") };
            let open = open.entry(name).or_default();
            if what == "begin" {
                runs.count += 1;
                runs.overlaps += usize::from(*open > 0);
                *open += 1;
            } else {
                *open -= 1;
            }
            last.insert(name, state);
        }
        let is_wrong =
            |(name, state): &(&String, &String)| last.get(name.as_str()) != Some(&state.as_str());
        runs.wrong_at_the_end = states.iter().filter(is_wrong).count();
        runs
    }

    fn is_quiet(log: &[String]) -> bool {
        let count = |what: &str| log.iter().filter(|line| line.starts_with(what)).count();
        !log.is_empty() && count("begin") == count("end")
    }
}

/// Five virtual routers of a daemon are made BACKUP and, while the script of that still runs, MASTER
/// again, twenty times each: 200 transitions in 20 s.
fn force_transitions(daemon: Daemon) -> Runs {
    const ROUNDS: u32 = 20;
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let log = node.dir().join("runs");
    // The script of BACKUP takes longer than the one of MASTER.
    let body = format!(
        "echo \"begin $2 $3\" >> {0}\n[ $3 = BACKUP ] && sleep 0.3\nsleep 0.05\necho \"end $2 $3\" >> {0}",
        log.display()
    );
    let notify = format!("notify {}", script(node, "notify.sh", &body).display());
    let subjects: Vec<_> = (1..=5).map(subject).collect();
    let instances = subjects.iter().map(|subject| with_lines(subject, &notify));
    let config = format!("global_defs {{\n    {GLOBAL}\n}}\n{}", instances.collect::<String>());
    let peer = PacketSocket::open(lab.client()).unwrap();
    let router = Router::start(node, daemon, &config).unwrap();
    for subject in &subjects {
        router
            .wait_for_state(router.started(), &subject.instance(), "MASTER", Bench::SETTLING)
            .unwrap();
    }
    let transitions = || router.log().iter().filter(|line| line.contains(") Entering ")).count();
    let before = transitions();
    let begin = Instant::now();
    for round in 1..=ROUNDS {
        for subject in &subjects {
            let advert = subject.peer();
            peer.send(&advert.frame()).unwrap();
            peer.send(&rig::wire::Advert { priority: 0, ..advert }.frame()).unwrap();
        }
        thread::sleep((begin + Duration::from_secs(1) * round).duration_since(Instant::now()));
    }
    let forced = transitions() - before;
    assert!((195..=205).contains(&forced), "{forced} transitions were forced");
    wait_until("the end of all scripts", Bench::SETTLING, || {
        let log = lines(&log);
        Ok(Runs::is_quiet(&log) && log.len() >= 2 * subjects.len())
    })
    .unwrap();
    // What began since is one more run for each at most.
    wait_until("the last word", Duration::from_secs(3), || {
        Ok(Runs::of(&lines(&log), &states(&router, &subjects)).wrong_at_the_end == 0)
    })
    .unwrap_or_default();
    let runs = Runs::of(&lines(&log), &states(&router, &subjects));
    println!("{daemon}: {forced} transitions, {runs:?}");
    runs
}

fn states(router: &Router, subjects: &[Subject]) -> BTreeMap<String, String> {
    let state =
        |subject: &Subject| (subject.instance(), router.last_state(&subject.instance()).unwrap());
    subjects.iter().map(state).collect()
}

/// Issue 6, test 3, pain 12: no two runs of one instance overlap, and the last one is about the state
/// that the instance is in.
#[test]
fn two_hundred_transitions() {
    let Runs { count, overlaps, wrong_at_the_end } = force_transitions(Daemon::Xvrrp);
    assert_eq!((overlaps, wrong_at_the_end), (0, 0));
    assert!(count >= 100, "{count} runs");
}

/// The same with keepalived 2.2.7, whose runs do overlap: the log shows it.
#[test]
fn two_hundred_transitions_of_keepalived() {
    let runs = force_transitions(Daemon::Keepalived);
    assert!(runs.overlaps > 0, "{runs:?}");
}

/// Keyword `notify_stop`, pain 12: the stop waits for its script, whose addresses are still there,
/// before it resigns. A script that hangs holds it up for child_wait_time, and no longer.
#[test]
fn a_stop_waits_for_its_script() {
    for (hangs, wait) in [(false, 5), (true, 2)] {
        let lab = Lab::new(1).unwrap();
        let node = lab.node(0);
        let log = node.dir().join("log");
        let subject = subject(1);
        let vip = subject.vips()[0];
        let rest = if hangs { "exec sleep 30" } else { "sleep 1" };
        let body = format!(
            "{rest}\nip -o address show dev {} | grep -q {vip} && echo \"$* has it\" >> {}",
            Node::INTERFACE,
            log.display()
        );
        let stop = script(node, "stop.sh", &body);
        let notify = format!("notify_stop \"{} 'a b'\"", stop.display());
        let config = format!(
            "child_wait_time {wait}\nglobal_defs {{\n    {GLOBAL}\n}}\n{}",
            with_lines(&subject, &notify)
        );
        let capture = Capture::start(lab.client()).unwrap();
        let mut router = Router::start(node, Daemon::Xvrrp, &config).unwrap();
        router
            .wait_for_state(router.started(), &subject.instance(), "MASTER", Bench::SETTLING)
            .unwrap();
        let begin = SystemTime::now();
        assert!(router.stop().unwrap().success());
        let adverts = capture.adverts_of(node, begin).unwrap();
        let (resigned, last) = adverts.last().unwrap();
        assert_eq!(last.priority, 0);
        let waited = resigned.duration_since(begin).unwrap();
        // A busy machine may add something.
        let allowed = if hangs { wait..wait + 5 } else { 1..wait };
        let allowed = Duration::from_secs(allowed.start)..Duration::from_secs(allowed.end);
        assert!(allowed.contains(&waited), "{waited:?} until it resigned");
        assert_eq!(lines(&log), if hangs { vec![] } else { vec!["a b has it".to_owned()] });
        // It was Active all the time.
        assert!(adverts.len() as u128 >= waited.as_millis() / 100 - 2, "{}", adverts.len());
    }
}

/// Keywords `notify_master` and its relatives: FAULT from the start and after the loss of the link, a
/// script that is not there, and one that fails, with its last words in the log.
#[test]
fn states_and_failures() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let log = node.dir().join("log");
    let record = script(node, "record.sh", &format!("echo \"$*\" >> {}", log.display()));
    let fails = script(node, "fails.sh", "echo first >&2\necho the reason >&2\nexit 3");
    let subject = subject(1);
    let record = record.display();
    let notify = format!(
        "notify_master {}\n    notify_backup /nonexistent/script\n    notify_fault \"{record} fault\"\n    notify \"{record} any\"",
        fails.display()
    );
    let config = format!("global_defs {{\n    {GLOBAL}\n}}\n{}", with_lines(&subject, &notify));
    node.run(&["ip", "link", "set", "dev", Node::INTERFACE, "down"]).unwrap();
    let mut router = Router::start(node, Daemon::Xvrrp, &config).unwrap();
    let name = subject.instance();
    let expect = |text: &[&str]| {
        let expected: Vec<_> = text.iter().map(|line| line.replace("NAME", &name)).collect();
        wait_until(&format!("{expected:?}"), Bench::SETTLING, || Ok(lines(&log) == expected))
            .unwrap_or_else(|error| panic!("{error}: {:?}", lines(&log)));
    };
    let mut all = vec!["fault", "any INSTANCE NAME FAULT 100"];
    expect(&all);
    node.run(&["ip", "link", "set", "dev", Node::INTERFACE, "up"]).unwrap();
    all.extend(["any INSTANCE NAME BACKUP 100", "any INSTANCE NAME MASTER 100"]);
    expect(&all);
    node.run(&["ip", "link", "set", "dev", Node::INTERFACE, "down"]).unwrap();
    all.extend(["fault", "any INSTANCE NAME FAULT 100"]);
    expect(&all);
    router
        .wait_for_line("notify_backup is not run: `/nonexistent/script`", Bench::SETTLING)
        .unwrap();
    let failure = format!("({name}) notify_master exited with status 3: the reason");
    router.wait_for_line(&failure, Bench::SETTLING).unwrap();
    assert!(router.stop().unwrap().success());
    all.push("any INSTANCE NAME STOP 100");
    expect(&all);
}

/// Keywords `notify_fifo` and `notify_fifo_script`, `vrrp_notify_fifo`: the lines of instances and
/// groups, the last ones included, for a script of ours and for a reader that nobody waits for.
#[test]
fn fifos() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let (fifo, other, log) =
        (node.dir().join("fifo"), node.dir().join("other"), node.dir().join("log"));
    let body = format!("while read -r line; do echo \"$line\" >> {}; done < $1", log.display());
    let reader = script(node, "reader.sh", &body);
    let subject = subject(1);
    let name = subject.instance();
    let config = format!(
        "global_defs {{\n    {GLOBAL}\n    notify_fifo {}\n    notify_fifo_script {}\n    vrrp_notify_fifo {} nobody\n}}\n\
         vrrp_sync_group G1 {{\n    group {{\n        {name}\n    }}\n}}\n{subject}",
        fifo.display(),
        reader.display(),
        other.display()
    );
    let peer = PacketSocket::open(lab.client()).unwrap();
    let mut router = Router::start(node, Daemon::Xvrrp, &config).unwrap();
    router.wait_for_state(router.started(), &name, "MASTER", Bench::SETTLING).unwrap();
    let losing = rig::wire::Advert { priority: 50, ..subject.peer() };
    peer.send(&losing.frame()).unwrap();
    let is_heard = || Ok(lines(&log).iter().any(|line| line.contains("RX_LOWER")));
    wait_until("the losing advert", Bench::SETTLING, is_heard).unwrap();
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(&other).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (65534, 0o600));
    // It holds what nobody has read.
    let pipe = fs::OpenOptions::new().read(true).write(true).open(&other).unwrap();
    assert!(router.stop().unwrap().success());
    let expected: Vec<_> = [
        "GROUP \"G1\" BACKUP 0",
        "INSTANCE \"NAME\" BACKUP 100",
        "INSTANCE \"NAME\" MASTER 100",
        "GROUP \"G1\" MASTER 0",
        "INSTANCE \"NAME\" MASTER_RX_LOWER_PRI 100",
        "INSTANCE \"NAME\" STOP 100",
        "GROUP \"G1\" STOP 0",
    ]
    .map(|line| line.replace("NAME", &name))
    .into();
    assert_eq!(lines(&log), expected);
    let text = expected.join("\n") + "\n";
    let mut read = vec![0; text.len()];
    std::io::Read::read_exact(&mut &pipe, &mut read).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), text);
    assert!(!fifo.exists() && !other.exists());
}

/// A mail server on a node, which prints what it gets.
fn mail_server(node: &Node, arguments: &[&str]) -> Process {
    let mut command = node.command("aiosmtpd");
    command.args(["--nosetuid", "--listen", "127.0.0.1:2525"]).args(arguments);
    command.env("PYTHONUNBUFFERED", "1");
    node.spawn("aiosmtpd", command).unwrap()
}

/// A certificate that nobody has signed, and its key.
fn certificate(node: &Node) -> [String; 2] {
    let [key, certificate] =
        ["key.pem", "cert.pem"].map(|name| node.dir().join(name).display().to_string());
    node.run(&[
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=mail.invalid",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ])
    .unwrap();
    [certificate, key]
}

/// Issue 6, test 4, keywords `smtp_alert`, `notification_email`: mail for MASTER, BACKUP and FAULT
/// arrives at a real server, in order; also one that insists on STARTTLS, and one that comes late.
#[test]
fn mail() {
    for (tls, late) in [(false, false), (true, false), (false, true)] {
        let lab = Lab::new(1).unwrap();
        let node = lab.node(0);
        let arguments = if tls {
            let [certificate, key] = certificate(node);
            vec!["--tlscert".to_owned(), certificate, "--tlskey".to_owned(), key]
        } else {
            vec![]
        };
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut server = (!late).then(|| mail_server(node, &arguments));
        let subject = subject(1);
        let config = format!(
            "global_defs {{\n    router_id R1\n    notification_email {{\n        one@example.org\n        two@example.org\n    }}\n    \
             notification_email_from us@example.org\n    smtp_server 127.0.0.1 2525\n    smtp_connect_timeout 5\n    smtp_alert\n}}\n{subject}"
        );
        let router = Router::start(node, Daemon::Xvrrp, &config).unwrap();
        let name = subject.instance();
        let begin = router.started();
        router.wait_for_state(begin, &name, "MASTER", Bench::SETTLING).unwrap();
        node.run(&["ip", "link", "set", "dev", Node::INTERFACE, "down"]).unwrap();
        router.wait_for_state(begin, &name, "FAULT", Bench::SETTLING).unwrap();
        if late {
            router.wait_for_line("trying again", Bench::SETTLING).unwrap();
        }
        let server = server.get_or_insert_with(|| mail_server(node, &arguments));
        let fault = format!("Subject: [R1] VRRP Instance {name} - Entering FAULT state");
        server.wait_for_line(begin, &fault, Duration::from_secs(30)).unwrap();
        let got: Vec<_> = server.lines().into_iter().map(|line| line.text).collect();
        let subjects: Vec<_> = got.iter().filter(|line| line.starts_with("Subject: ")).collect();
        let expected = ["BACKUP", "MASTER", "FAULT"].map(|state| fault.replace("FAULT", state));
        assert_eq!(subjects, expected.iter().collect::<Vec<_>>(), "tls {tls}, late {late}");
        for line in [
            "From: us@example.org",
            "To: one@example.org, two@example.org",
            "=> VRRP Instance is now owning VRRP VIPs <=",
            "=> VRRP Instance is no longer owning VRRP VIPs <=",
        ] {
            assert!(got.iter().any(|got| got == line), "no `{line}` in {got:#?}");
        }
    }
}

/// Issue 6, keyword `notify_master`: a script that is missing at the start is said to be, and is run from
/// the reload on that finds it, although the file says what it said before.
#[test]
fn a_script_that_comes_later() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let log = node.dir().join("log");
    let subject = subject(1);
    let name = subject.instance();
    let notify = format!("notify_master {}", node.dir().join("late.sh").display());
    let config = format!("global_defs {{\n    {GLOBAL}\n}}\n{}", with_lines(&subject, &notify));
    let mut router = Router::start(node, Daemon::Xvrrp, &config).unwrap();
    router.wait_for_line(&format!("({name}) notify_master is not run"), Bench::SETTLING).unwrap();
    router.wait_for_state(router.started(), &name, "MASTER", Bench::SETTLING).unwrap();
    script(node, "late.sh", &format!("echo master >> {}", log.display()));
    let flap = |router: &Router| {
        for (state, expected) in [("down", "FAULT"), ("up", "MASTER")] {
            let since = SystemTime::now();
            node.run(&["ip", "link", "set", "dev", Node::INTERFACE, state]).unwrap();
            router.wait_for_state(since, &name, expected, Bench::SETTLING).unwrap();
        }
    };
    let since = SystemTime::now();
    let said = router.reload(&config).unwrap();
    assert!(said.contains("0 added, 0 removed, 0 changed, 1 unchanged"), "{said}");
    for runs in 1..=2 {
        flap(&router);
        let is_run = || Ok(lines(&log).len() == runs);
        wait_until(&format!("run {runs}"), Bench::SETTLING, is_run).unwrap();
    }
    assert!(!router.lines_since(since).iter().any(|line| line.text.contains("is not run")));
    // And the other way round.
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(node.dir().join("late.sh"), mode).unwrap();
    let since = SystemTime::now();
    router.reload(&config).unwrap();
    router.process().wait_for_line(since, "is not run", Bench::SETTLING).unwrap();
    flap(&router);
    assert!(
        !router.lines_since(since).iter().any(|line| line.text.contains("notify_master exited"))
    );
    assert_eq!(lines(&log).len(), 2);
}

/// Issue 6, keywords `notify_deleted`, `fifo_write_vrrp_states_on_reload`: of a reload only those hear
/// that it removes, DELETED or FAULT; FIFOs get the states of all others where that is wanted.
#[test]
fn a_reload() {
    let lab = Lab::new(1).unwrap();
    let node = lab.node(0);
    let (fifo, log) = (node.dir().join("fifo"), node.dir().join("log"));
    let body = format!("while read -r line; do echo \"$line\" >> {}; done < $1", log.display());
    let reader = script(node, "reader.sh", &body);
    let runs = node.dir().join("runs");
    let record = script(node, "record.sh", &format!("echo \"$*\" >> {}", runs.display()));
    let notify = format!("notify {}", record.display());
    let lines_of = |vrid| match vrid {
        2 => format!("{notify}\n    notify_deleted \"{} deleted\"", record.display()),
        _ => notify.clone(),
    };
    let config = |vrids: &[u8]| {
        let instances = vrids.iter().map(|vrid| with_lines(&subject(*vrid), &lines_of(*vrid)));
        format!(
            "global_defs {{\n    {GLOBAL}\n    notify_fifo {}\n    notify_fifo_script {}\n    \
             fifo_write_vrrp_states_on_reload\n}}\n{}",
            fifo.display(),
            reader.display(),
            instances.collect::<String>()
        )
    };
    let mut router = Router::start(node, Daemon::Xvrrp, &config(&[1, 2, 3])).unwrap();
    let has = |file: &Path, line: &str, count: usize| {
        let found = || Ok(lines(file).iter().filter(|found| *found == line).count() == count);
        wait_until(&format!("{count} of `{line}`"), Bench::SETTLING, found)
            .unwrap_or_else(|error| panic!("{error}: {:#?}", lines(file)));
    };
    for vrid in 1..=3 {
        has(&runs, &format!("INSTANCE V4_{vrid} MASTER 100"), 1);
        has(&log, &format!("INSTANCE \"V4_{vrid}\" MASTER 100"), 1);
    }
    router.reload(&config(&[1])).unwrap();
    has(&log, "INSTANCE \"V4_2\" DELETED 100", 1);
    has(&log, "INSTANCE \"V4_3\" FAULT 100", 1);
    has(&log, "INSTANCE \"V4_1\" MASTER 100", 2);
    has(&runs, "deleted", 1);
    has(&runs, "INSTANCE V4_2 DELETED 100", 1);
    has(&runs, "INSTANCE V4_3 FAULT 100", 1);
    assert!(router.stop().unwrap().success());
    has(&log, "INSTANCE \"V4_1\" STOP 100", 1);
    has(&log, "INSTANCE \"V4_1\" MASTER 100", 2);
    has(&runs, "INSTANCE V4_1 MASTER 100", 1);
    assert_eq!(lines(&runs).len(), 10, "{:#?}", lines(&runs));
}
