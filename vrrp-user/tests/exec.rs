//! The runner of programs, as a process of its own.

#![expect(clippy::unwrap_used, reason = "test helpers are not #[test] functions")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{sleep, timeout};
use xvrrp::{
    config::{self, Account, Place, ScriptRules},
    exec::{End, Found, Job, Outcome, Program, Refusal, Runner},
};

/// How long something may take that takes no time.
const SOON: Duration = Duration::from_secs(10);

fn runner() -> Runner {
    Runner::spawn_program(Path::new(env!("CARGO_BIN_EXE_xvrrp"))).unwrap()
}

fn command(argv: &[&str], user: Option<&str>) -> config::Command {
    let user = user.map(|name| config::User { user: Account::Name(name.to_owned()), group: None });
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    config::Command { argv, user, span: Place::default() }
}

fn program(argv: &[&str], user: Option<&str>) -> Program {
    Program::new(&command(argv, user), &ScriptRules::default()).unwrap()
}

/// Runs shell language as root.
fn shell(script: &str) -> Job {
    Job::new(program(&["/bin/sh", "-c", script], Some("root")))
}

async fn run(job: Job) -> Outcome {
    timeout(SOON, runner().run(job)).await.unwrap()
}

/// A directory for one test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xvrrp-exec-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// What a program has written to it, once there is a whole line.
    async fn line(&self, name: &str) -> String {
        let file = self.file(name);
        let wait = async {
            loop {
                match fs::read_to_string(&file) {
                    Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                    _ => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        timeout(SOON, wait).await.unwrap()
    }

    /// The number of a process that wrote it.
    async fn pid(&self, name: &str) -> Pid {
        Pid::from_raw(self.line(name).await.parse().unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Waits for the end of a process that is not ours to wait for.
async fn is_gone(pid: Pid) {
    let gone = async {
        while is_alive(pid) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
}

fn is_alive(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(pid).is_ok() && !status.contains(") Z ")
}

/// issue 6: exit status, signal and the end of standard error are those of the program; arguments and
/// environment are added to what it has.
#[tokio::test]
async fn outcomes() {
    let outcome = run(shell("echo first >&2; echo last >&2; echo >&2; exit 3")).await;
    assert_eq!(outcome.end, End::Exited(3));
    assert_eq!(outcome.last_line(), Some("last"));
    assert_eq!(run(shell("kill -9 $$")).await.end, End::Killed(9));
    assert!(run(shell("exit 0")).await.is_success());

    let mut job = shell("echo \"$0 $1 $COLOUR\" >&2");
    job.arguments = vec!["an argument".to_owned(), "another".to_owned()];
    job.environment = vec![("COLOUR".to_owned(), "red".to_owned())];
    assert_eq!(run(job).await.stderr, "an argument another red\n");

    let much = run(shell("yes | head -c 1000000 >&2; echo end >&2")).await;
    assert_eq!((much.stderr.len(), much.last_line()), (4096, Some("end")));
}

/// issue 6: a program gets nothing of ours but the environment: null devices, the root directory, no
/// further file, a process group of its own, signals as they are by default.
#[tokio::test]
async fn surroundings() {
    let inherited = fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let files = run(shell("(readlink /proc/$$/fd/0 /proc/$$/fd/1; ls /proc/$$/fd) >&2")).await;
    assert_eq!(files.stderr, "/dev/null\n/dev/null\n0\n1\n2\n");

    let status = "pwd >&2; ulimit -n >&2; grep -E '^Sig(Blk|Ign)' /proc/self/status >&2;
        cut -d' ' -f1,5,18,19,41 /proc/$$/stat >&2; echo $$ >&2";
    let status = run(shell(status)).await.stderr;
    let lines: Vec<&str> = status.lines().collect();
    assert_eq!(lines[0], "/");
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert_eq!(lines[1], own.current.unwrap().to_string());
    for (line, name) in lines[2..4].iter().zip(["SigBlk", "SigIgn"]) {
        let signals = line.strip_prefix(name).unwrap().trim_start_matches(":\t");
        let known = (1 << libc::SIGSYS) - 1;
        assert_eq!(u64::from_str_radix(signals, 16).unwrap() & known, 0, "{line}");
    }
    let pid = lines[5];
    assert_eq!(lines[4], format!("{pid} {pid} 20 0 0"), "{status}");
}

/// issue 6: rights are those of the user, also to its own standard error by name, and only those.
#[tokio::test]
async fn users() {
    let script = "id -u >/dev/stderr; id -G >&2; [ $(id -u) = 0 ] || exit 9";
    let outcome = run(Job::new(program(&["/bin/sh", "-c", script], Some("nobody")))).await;
    assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exited(9), "65534\n65534\n"));
    let outcome = run(shell(script)).await;
    assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exited(0), "0\n0\n"));
}

/// issue 6, pain 11: a program that takes too long is told to end with all that it has started, and
/// killed two seconds later if it does not.
#[tokio::test]
async fn timeouts() {
    let scratch = Scratch::new("timeouts");
    let mut obedient = shell(&format!("sleep 60 & echo $! > {}; wait", scratch.file("child")));
    obedient.timeout = Some(Duration::from_millis(200));
    let begin = Instant::now();
    assert_eq!(run(obedient).await.end, End::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    is_gone(scratch.pid("child").await).await;

    let mut stubborn = shell("trap '' TERM; echo complaint >&2; while :; do sleep 60; done");
    stubborn.timeout = Some(Duration::from_millis(200));
    let begin = Instant::now();
    let outcome = run(stubborn).await;
    assert_eq!((outcome.end, outcome.stderr.as_str()), (End::TimedOut, "complaint\n"));
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(2200) && took < Duration::from_secs(4), "{took:?}");
}

/// issue 6: 255 programs that hang and do not heed SIGTERM are all gone in time: 200 ms, two seconds,
/// and what a busy machine takes.
#[tokio::test]
async fn many_hang() {
    let scratch = Scratch::new("hang");
    let runner = runner();
    let begin = Instant::now();
    let runs = (0..255).map(|number| {
        let file = scratch.file(&number.to_string());
        let mut job = shell(&format!("trap '' TERM; echo $$ > {file}; exec sleep 60"));
        job.timeout = Some(Duration::from_millis(200));
        let runner = runner.clone();
        tokio::spawn(async move { runner.run(job).await.end })
    });
    for run in runs.collect::<Vec<_>>() {
        assert_eq!(run.await.unwrap(), End::TimedOut);
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    for number in 0..255 {
        // Some had not come to write it.
        if let Ok(pid) = fs::read_to_string(scratch.file(&number.to_string())) {
            let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
            assert!(pid.is_none_or(|pid| !is_alive(pid)));
        }
    }
}

/// issue 6: who does not wait any more ends the program, unless it is to outlive that; the same when the
/// worker has gone.
#[tokio::test]
async fn nobody_waits() {
    let scratch = Scratch::new("nobody");
    let begin = |runner: &Runner, name: &str, outlives| {
        let script = format!(
            "echo $$ > {}; sleep 1; echo $$ > {}",
            scratch.file(name),
            scratch.file(&(name.to_owned() + "-end"))
        );
        let job = Job { outlives, ..shell(&script) };
        let runner = runner.clone();
        tokio::spawn(async move { runner.run(job).await })
    };
    let runner = runner();
    let (leashed, free) = (begin(&runner, "a", false), begin(&runner, "b", true));
    let (a, b) = (scratch.pid("a").await, scratch.pid("b").await);
    leashed.abort();
    free.abort();
    is_gone(a).await;
    assert!(is_alive(b));
    assert_eq!(scratch.pid("b-end").await, b);

    let (leashed, free) = (begin(&runner, "c", false), begin(&runner, "d", true));
    let (c, d) = (scratch.pid("c").await, scratch.pid("d").await);
    leashed.abort();
    free.abort();
    drop(runner);
    is_gone(c).await;
    assert!(is_alive(d));
    assert_eq!(scratch.pid("d-end").await, d);
    assert!(!fs::exists(scratch.file("a-end")).unwrap());
    assert!(!fs::exists(scratch.file("c-end")).unwrap());
}

/// issue 6: what a program leaves behind does not keep it from having ended, and may go on writing to
/// its standard error.
#[tokio::test]
async fn left_behind() {
    let scratch = Scratch::new("behind");
    let script = format!(
        "(sleep 5; echo late >&2; sleep 0.1; echo $$ > {}) & echo early >&2",
        scratch.file("end")
    );
    let runner = runner();
    let begin = Instant::now();
    let outcome = timeout(SOON, runner.run(shell(&script))).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exited(0), "early\n"));
    scratch.line("end").await;
}

/// issue 6: a runner that dies takes what it runs with it, also what does not listen to SIGTERM and what
/// that has started; it is started again, and says so.
#[tokio::test]
async fn runner_dies() {
    let scratch = Scratch::new("dies");
    let runner = runner();
    let script = format!(
        "trap : TERM; sleep 60 & echo $! > {}; echo $$ > {}; echo $PPID > {}; wait; wait",
        scratch.file("child"),
        scratch.file("program"),
        scratch.file("runner")
    );
    let running = tokio::spawn({
        let runner = runner.clone();
        async move { runner.run(shell(&script)).await }
    });
    let program = scratch.pid("program").await;
    kill_process(scratch.pid("runner").await, Signal::KILL).unwrap();
    let outcome = timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!(outcome.end, End::NotStarted("the runner died".to_owned()));
    is_gone(program).await;
    is_gone(scratch.pid("child").await).await;
    assert!(timeout(SOON, runner.run(shell("exit 0"))).await.unwrap().is_success());
}

/// issue 6: a runner that nobody needs any more ends, and leaves no zombie.
#[tokio::test]
async fn runner_ends() {
    let scratch = Scratch::new("ends");
    let runner = runner();
    let script = format!("echo $PPID > {}", scratch.file("runner"));
    assert!(timeout(SOON, runner.run(shell(&script))).await.unwrap().is_success());
    let process = format!("/proc/{}", scratch.line("runner").await);
    assert!(fs::exists(&process).unwrap());
    drop(runner);
    let gone = async {
        while fs::exists(&process).unwrap() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
}

/// issue 6: what cannot be started says why. A text without `#!` is read by a shell, as by execvp(3).
#[tokio::test]
async fn starts() {
    let scratch = Scratch::new("starts");
    let write = |name: &str, text: &str| {
        fs::write(scratch.file(name), text).unwrap();
        fs::set_permissions(scratch.file(name), fs::Permissions::from_mode(0o755)).unwrap();
        Job::new(program(&[&scratch.file(name), "7"], Some("root")))
    };
    assert_eq!(run(write("text", "exit $1")).await.end, End::Exited(7));
    let broken = run(write("broken", "#!/no/such/interpreter\n")).await.end;
    assert!(matches!(&broken, End::NotStarted(why) if why.contains("No such file")), "{broken:?}");
    let opens = format!("</{}", scratch.file("text"));
    assert!(run(Job::new(program(&[&opens], Some("root")))).await.is_success());
    let absent = format!("</{}", scratch.file("absent"));
    assert!(!run(Job::new(program(&[&absent], Some("root")))).await.is_success());
}

/// Issue 6: what the runner finds is what is there, and so is why something is not run.
#[tokio::test]
async fn look_ups() {
    let scratch = Scratch::new("look-ups");
    let open = scratch.file("open");
    fs::write(&open, "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o757)).unwrap();
    let runner = runner();
    let rules = [false, true].map(|security| ScriptRules { security, ..ScriptRules::default() });
    for argv in [&["/bin/sh", "a b"][..], &["true"], &[&open], &["/no/such/file"], &["/bin"]] {
        for user in [Some("root"), Some("nobody"), Some("no-such-user"), None] {
            for rules in &rules {
                let command = command(argv, user);
                let found = timeout(SOON, runner.find(&command, rules)).await.unwrap();
                assert_eq!(found, Found::new(&command, rules), "{command:?} {rules:?}");
            }
        }
    }

    // The runner cannot say what it is, and goes on.
    let odd = scratch.0.join("directory").join(OsStr::from_bytes(b"\xff"));
    fs::create_dir_all(odd.parent().unwrap()).unwrap();
    fs::copy("/bin/true", &odd).unwrap();
    let link = scratch.file("link");
    symlink(&odd, &link).unwrap();
    let command = command(&[&link], Some("root"));
    let found = timeout(SOON, runner.find(&command, &ScriptRules::default())).await.unwrap();
    assert!(matches!(found, Err(Refusal::Inaccessible { .. })), "{found:?}");
    let run = runner.run(Job::new(program(&["/bin/true"], Some("root"))));
    assert!(timeout(SOON, run).await.unwrap().is_success());
}
