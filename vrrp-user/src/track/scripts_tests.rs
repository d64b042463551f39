use std::collections::VecDeque;

use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    config,
    exec::{Found, Message},
    track::{BACKLOG, Value},
};

const SECOND: Duration = Duration::from_secs(1);

/// A configuration with a `vrrp_script` `s` that has these lines, and an instance that tracks it.
fn config(lines: &str) -> Config {
    named(&[("s", lines)])
}

fn named(scripts: &[(&str, &str)]) -> Config {
    let blocks = scripts.iter().map(|(name, lines)| {
        format!("vrrp_script {name} {{\nscript /bin/true\nuser root\n{lines}\n}}\n")
    });
    let tracked = scripts.iter().map(|(name, _)| format!("{name}\n"));
    let text = format!(
        "{}vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 100\n\
         virtual_ipaddress {{\n192.0.2.1\n}}\ntrack_script {{\n{}}}\n}}\n",
        blocks.collect::<String>(),
        tracked.collect::<String>()
    );
    config::parse("test.conf", text.as_bytes()).config.unwrap()
}

/// What takes the place of the runner, and of who is told.
struct Stage {
    scripts: Scripts,
    programs: Programs,
    asked: mpsc::UnboundedReceiver<Message>,
    told: mpsc::Receiver<Observation>,
    /// When the test began.
    begin: Instant,
}

/// A run that has begun.
struct Started {
    id: u64,
    at: Duration,
    ended: oneshot::Sender<Outcome>,
}

impl Started {
    /// It has ended like that.
    fn ends(self, end: End) {
        let _ = self.ended.send(Outcome { end, stderr: "a line\n\n".to_owned() });
    }
}

impl Stage {
    fn new(config: &Config) -> Self {
        Self::with(config, false)
    }

    /// All of them were up when the last daemon died, or nobody knows.
    fn with(config: &Config, trusted: bool) -> Self {
        let (runner, asked) = Runner::staged();
        let mut programs = Programs::new(runner.clone());
        programs.replan(config);
        Self::begin(config, trusted, programs, runner, asked)
    }

    /// All is looked up before anything runs: programs begin in their order.
    async fn known(config: &Config) -> Self {
        let (runner, asked) = Runner::staged();
        let mut programs = Programs::new(runner.clone());
        programs.replan(config);
        for script in &config.scripts {
            programs.of(&script.command).program().await.unwrap();
        }
        Self::begin(config, false, programs, runner, asked)
    }

    fn begin(
        config: &Config,
        trusted: bool,
        mut programs: Programs,
        runner: Runner,
        asked: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let (observer, told) = mpsc::channel(BACKLOG);
        let mut scripts = Scripts::new(runner);
        scripts.replan(config, &mut programs, &observer, |_| trusted);
        Self { scripts, programs, asked, told, begin: Instant::now() }
    }

    /// The next run.
    async fn run(&mut self) -> Started {
        loop {
            if let Message::Run { id, began, ended, .. } = self.asked.recv().await.unwrap() {
                began.send(()).unwrap();
                return Started { id, at: self.begin.elapsed(), ended };
            }
        }
    }

    /// The next thing that is told, and when.
    async fn news(&mut self) -> (Duration, Value) {
        let observation = self.told.recv().await.unwrap();
        assert_eq!(observation.tracker, TrackerId::Script(0));
        (self.begin.elapsed(), observation.value)
    }

    /// What has been told by now, if anything has.
    async fn by_now(&mut self) -> Option<Value> {
        for _ in 0..10 {
            yield_now().await;
        }
        self.told.try_recv().ok().map(|observation| observation.value)
    }

    /// Runs end at once with these statuses; what has been told after each.
    async fn statuses(&mut self, statuses: &[i32]) -> Vec<Option<Value>> {
        let mut told = Vec::new();
        for status in statuses {
            self.run().await.ends(End::Exited(*status));
            told.push(self.by_now().await);
        }
        told
    }
}

fn down(reason: &str) -> Value {
    Value::Down(reason.to_owned())
}

/// What is told of a program that exits with status 1.
fn failed() -> Option<Value> {
    Some(down("exited with status 1: a line"))
}

/// keywords `script`, `interval`: it is run every interval from start to start, however long it takes.
/// The first result decides, and only changes are told, with the last line of standard error.
#[tokio::test(start_paused = true)]
async fn beat() {
    let mut stage = Stage::new(&config("interval 2"));
    for (number, (took, status, told)) in [
        (0, 0, Some(Value::Up)),
        (1500, 0, None),
        (10, 1, failed()),
        (0, 1, None),
        (1999, 0, Some(Value::Up)),
    ]
    .into_iter()
    .enumerate()
    {
        let run = stage.run().await;
        assert_eq!(run.at, 2 * SECOND * u32::try_from(number).unwrap());
        sleep(Duration::from_millis(took)).await;
        run.ends(End::Exited(status));
        assert_eq!(stage.by_now().await, told, "{number}");
    }
}

/// keywords `rise`, `fall`: so many in succession. The first result decides alone, as with keepalived.
#[tokio::test(start_paused = true)]
async fn rise_and_fall() {
    let mut stage = Stage::new(&config("rise 3\nfall 2"));
    let up = || Some(Value::Up);
    let told = stage.statuses(&[0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1]).await;
    let expected = [up(), None, None, None, failed(), None, None, None, None, None, up(), None];
    assert_eq!(told, expected);
    let mut stage = Stage::new(&config("rise 3\nfall 2"));
    assert_eq!(stage.statuses(&[1, 0, 0, 0]).await, [failed(), None, None, up()]);
}

/// keyword `init_fail`: down until so many successes as `rise` says.
#[tokio::test(start_paused = true)]
async fn init_fail() {
    let mut stage = Stage::new(&config("init_fail\nrise 2"));
    let presumed = || Some(Value::Presumed("it has not succeeded yet".to_owned()));
    assert_eq!(stage.by_now().await, presumed());
    assert_eq!(stage.statuses(&[0, 0]).await, [None, Some(Value::Up)]);
    let mut stage = Stage::new(&config("init_fail\nrise 2\nfall 3"));
    assert_eq!(stage.by_now().await, presumed());
    assert_eq!(stage.statuses(&[0, 1, 0, 0]).await, [None, failed(), None, Some(Value::Up)]);
}

/// issue 6: what was up when the last daemon died is down after as many failures as `fall` says, not
/// after one; with `init_fail` it is up after as many successes as `rise` says.
#[tokio::test(start_paused = true)]
async fn trusted() {
    let mut stage = Stage::with(&config("fall 3"), true);
    let told = stage.statuses(&[1, 1, 1, 0]).await;
    assert_eq!(told, [None, None, failed(), Some(Value::Up)]);
    let mut stage = Stage::with(&config("fall 3"), true);
    assert_eq!(stage.statuses(&[1, 0, 1, 1]).await, [None, Some(Value::Up), None, None]);
    let mut stage = Stage::with(&config("init_fail\nrise 2\nfall 2"), true);
    assert!(matches!(stage.by_now().await, Some(Value::Presumed(_))));
    assert_eq!(stage.statuses(&[1, 0, 1, 1]).await, [None, None, None, failed()]);
    let mut stage = Stage::with(&config("init_fail\nrise 2\nfall 2"), true);
    stage.by_now().await;
    assert_eq!(stage.statuses(&[1, 0, 0]).await, [None, None, Some(Value::Up)]);
}

/// issue 6: a signal, and a program that cannot be run, are failures; a runner that dies is none, unless it
/// does so again.
#[tokio::test(start_paused = true)]
async fn other_ends() {
    for end in [End::Killed(9), End::NotStarted("Permission denied".to_owned())] {
        let mut stage = Stage::new(&config("fall 1"));
        stage.statuses(&[0]).await;
        stage.run().await.ends(end.clone());
        assert_eq!(stage.by_now().await, Some(down(&format!("{end}: a line"))));
    }
    let mut stage = Stage::new(&config("fall 1"));
    stage.statuses(&[0]).await;
    drop(stage.run().await.ended);
    assert_eq!(stage.by_now().await, None);
    drop(stage.run().await.ended);
    assert_eq!(stage.by_now().await, Some(down("was not run: the runner died")));
}

/// keyword `timeout`, pain 11: a program that hangs has failed at that moment, not when it is gone, and
/// once in an interval. It is run again when it is gone, in the rhythm it had.
#[tokio::test(start_paused = true)]
async fn timeout_is_a_failure() {
    let mut stage = Stage::new(&config("interval 5\ntimeout 2\nfall 2"));
    stage.statuses(&[0]).await;
    let run = stage.run().await;
    assert_eq!(run.at, 5 * SECOND);
    sleep(2 * SECOND + Duration::from_millis(5)).await;
    run.ends(End::TimedOut);
    let run = stage.run().await;
    assert_eq!(run.at, 10 * SECOND);
    assert_eq!(stage.news().await, (12 * SECOND, down("timed out after 2s")));
    run.ends(End::TimedOut);
    let run = stage.run().await;
    assert_eq!(run.at, 15 * SECOND);
    run.ends(End::Exited(0));
    assert_eq!(stage.by_now().await, Some(Value::Up));
}

/// keyword `timeout`: as long as the interval unless it is given. Who is gone shortly after that is run
/// again then, so that failures come once in an interval, too.
#[tokio::test(start_paused = true)]
async fn timeout_of_an_interval() {
    let mut stage = Stage::new(&config("interval 1\nfall 3"));
    stage.statuses(&[0]).await;
    for at in [1000, 2010, 3020] {
        let run = stage.run().await;
        assert_eq!(run.at, Duration::from_millis(at));
        sleep(SECOND + Duration::from_millis(10)).await;
        run.ends(End::TimedOut);
    }
    assert_eq!(stage.news().await.1, down("timed out after 1s"));
    let run = stage.run().await;
    assert_eq!(run.at, Duration::from_millis(4030));
    run.ends(End::Exited(0));
    assert_eq!(stage.run().await.at, 5 * SECOND);
}

/// issue 6, pain 11: a run that goes on when the next one is due is a failure with its reason, once for
/// each interval, and what it says later is no success.
#[tokio::test(start_paused = true)]
async fn overrun() {
    let mut stage = Stage::new(&config("interval 1\ntimeout 10\nfall 2"));
    stage.statuses(&[0]).await;
    let run = stage.run().await;
    assert_eq!(run.at, SECOND);
    let reason = "was still running 2s after its start, when it was to run again";
    assert_eq!(stage.news().await, (3 * SECOND, down(reason)));
    sleep(Duration::from_millis(700)).await;
    run.ends(End::Exited(0));
    assert_eq!(stage.by_now().await, None);
    let run = stage.run().await;
    assert_eq!(run.at, 4 * SECOND);
    run.ends(End::Exited(0));
    assert_eq!(stage.by_now().await, Some(Value::Up));
}

/// issue 6: however many programs are due, few are being started at a time; those that had to wait the first
/// time are due that much later for ever, so that they do not get in each other's way again. The
/// time of a run counts from when it began.
#[tokio::test(start_paused = true)]
async fn many_begin() {
    let names: Vec<String> = (0..100).map(|number| format!("s{number}")).collect();
    let scripts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let mut stage = Stage::new(&named(&scripts));
    let mut asked = VecDeque::new();
    let mut begun = Vec::new();
    for number in 0..100 {
        stage.by_now().await;
        while let Ok(Message::Run { began, ended, .. }) = stage.asked.try_recv() {
            asked.push_back((began, ended));
        }
        assert_eq!(asked.len(), STARTS.min(100 - number));
        sleep(Duration::from_millis(9)).await;
        let (began, ended) = asked.pop_front().unwrap();
        began.send(()).unwrap();
        begun.push(ended);
    }
    // The first has been running for 891 ms.
    for ended in begun {
        ended.send(Outcome { end: End::Exited(0), stderr: String::new() }).unwrap();
    }
    for _ in 0..100 {
        assert_eq!(stage.told.recv().await.unwrap().value, Value::Up);
    }
    let mut at = Vec::new();
    for _ in 0..100 {
        let run = stage.run().await;
        at.push(run.at);
        run.ends(End::Exited(0));
    }
    let least = at.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    assert!(least >= Duration::from_millis(9), "{at:?}");
}

/// issue 6: programs that nobody starts have failed, also those that wait for others to be started.
#[tokio::test(start_paused = true)]
async fn a_runner_that_hangs() {
    let names: Vec<String> = (0..2 * STARTS).map(|number| format!("s{number}")).collect();
    let scripts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let mut stage = Stage::new(&named(&scripts));
    for _ in 0..2 * STARTS {
        let value = stage.told.recv().await.unwrap().value;
        assert_eq!(value, down("could not be started within 15s"));
    }
    assert_eq!(stage.begin.elapsed(), 15 * SECOND);
}

/// issue 6: what nothing depends on is not run.
#[tokio::test(start_paused = true)]
async fn unused() {
    let mut config = config("");
    config.instances[0].tracking.scripts.clear();
    let mut stage = Stage::new(&config);
    assert!(timeout(10 * SECOND, stage.asked.recv()).await.is_err());
}

/// issue 6: a program that cannot be found is not tracked, as with keepalived.
#[tokio::test(start_paused = true)]
async fn refused() {
    let mut config = config("");
    config.scripts[0].command.argv = vec!["/no/such/program".to_owned()];
    let mut stage = Stage::new(&config);
    assert_eq!(stage.by_now().await, Some(Value::Untracked));
    assert!(timeout(10 * SECOND, stage.asked.recv()).await.is_err());
}

/// issue 6: as long as a user is looked up nothing is known of a program, and it is not run; after a while
/// nobody waits for it any more, except with `init_fail`. It is run when its user is known.
#[tokio::test(start_paused = true)]
async fn looked_up_for_long() {
    let presumed = Value::Presumed("it has not succeeded yet".to_owned());
    for (lines, at_first, late) in
        [("", Value::Unknown, Some(Value::Late)), ("init_fail", presumed.clone(), Some(presumed))]
    {
        let (runner, mut asked) = Runner::channel();
        let (observer, mut told) = mpsc::channel(BACKLOG);
        let (config, begin) = (config(lines), Instant::now());
        let mut programs = Programs::new(runner.clone());
        programs.replan(&config);
        let mut scripts = Scripts::new(runner);
        scripts.replan(&config, &mut programs, &observer, |_| false);
        let Some(Message::Find { command, rules, found, .. }) = asked.recv().await else {
            panic!("a run without a look-up");
        };
        assert_eq!(scripts.values().next(), Some((TrackerId::Script(0), at_first.clone())));
        if at_first != Value::Unknown {
            assert_eq!(told.recv().await.unwrap().value, at_first);
        }
        assert_eq!(told.recv().await.map(|told| told.value), late);
        assert_eq!(begin.elapsed(), 15 * SECOND);
        assert!(timeout(60 * SECOND, asked.recv()).await.is_err());
        found.send(Found::new(&command, &rules)).unwrap();
        let Some(Message::Run { began, ended, .. }) = asked.recv().await else {
            panic!("it is not run");
        };
        began.send(()).unwrap();
        ended.send(Outcome { end: End::Exited(0), stderr: String::new() }).unwrap();
        assert_eq!(told.recv().await.unwrap().value, Value::Up);
    }
}

/// issue 6: a program that a reload refuses is not run any more, however long its interval is, and nothing
/// depends on it; one that the next reload allows is run again.
#[tokio::test(start_paused = true)]
async fn refused_meanwhile() {
    let (runner, mut asked) = Runner::channel();
    let (observer, told) = mpsc::channel(BACKLOG);
    let config = config("interval 3600");
    let mut programs = Programs::new(runner.clone());
    let mut scripts = Scripts::new(runner);
    programs.replan(&config);
    scripts.replan(&config, &mut programs, &observer, |_| false);
    let (pass, runs) = mpsc::unbounded_channel();
    let (answers, mut answer) = mpsc::unbounded_channel::<bool>();
    tokio::spawn(async move {
        while let Some(message) = asked.recv().await {
            if let Message::Find { command, rules, found, .. } = message {
                let may = answer.recv().await.unwrap();
                let refused = Err(Refusal::Missing("/bin/true".into()));
                let _ = found.send(if may { Found::new(&command, &rules) } else { refused });
            } else {
                let _ = pass.send(message);
            }
        }
    });
    let mut stage = Stage { scripts, programs, asked: runs, told, begin: Instant::now() };
    answers.send(true).unwrap();
    stage.run().await.ends(End::Exited(0));
    assert_eq!(stage.news().await.1, Value::Up);
    answers.send(false).unwrap();
    stage.programs.replan(&config);
    assert_eq!(stage.news().await.1, Value::Untracked);
    answers.send(true).unwrap();
    stage.programs.replan(&config);
    let run = stage.run().await;
    assert_eq!(run.at, 3600 * SECOND);
    run.ends(End::Exited(0));
    assert_eq!(stage.news().await.1, Value::Up);
}

/// issue 6: over a reload an unchanged program keeps its beat, its standing and its run; a changed one
/// its standing; one that is gone is not run any more. Who is told anew is told everything.
#[tokio::test(start_paused = true)]
async fn replan() {
    let mut stage = Stage::known(&named(&[("a", ""), ("b", "fall 2"), ("c", "")])).await;
    for status in [0, 1, 0] {
        stage.run().await.ends(End::Exited(status));
        assert!(stage.by_now().await.is_some());
    }
    let (a, b, c) = (stage.run().await, stage.run().await, stage.run().await);
    sleep(Duration::from_millis(100)).await;
    let (observer, told) = mpsc::channel(BACKLOG);
    let next = named(&[("b", "fall 2\nweight 7"), ("c", "interval 3")]);
    stage.programs.replan(&next);
    stage.scripts.replan(&next, &mut stage.programs, &observer, |_| false);
    stage.told = told;
    let mut values: Vec<_> = stage.scripts.values().collect();
    values.sort_by_key(|(tracker, _)| *tracker);
    let mut known = [stage.told.recv().await.unwrap(), stage.told.recv().await.unwrap()];
    known.sort_by_key(|observation| observation.tracker);
    assert_eq!(values, known.clone().map(|known| (known.tracker, known.value)));
    let [first, second] = known;
    assert_eq!((first.tracker, Some(first.value)), (TrackerId::Script(0), failed()));
    assert_eq!((second.tracker, second.value), (TrackerId::Script(1), Value::Up));
    for _ in 0..10 {
        yield_now().await;
    }
    let mut cancelled = Vec::new();
    let mut began = Vec::new();
    while let Ok(message) = stage.asked.try_recv() {
        match message {
            Message::Cancel { id } => cancelled.push(id),
            Message::Run { id, .. } => began.push(id),
            Message::Find { .. } => {}
        }
    }
    cancelled.sort_unstable();
    assert_eq!((cancelled, began.len()), (vec![a.id, c.id], 1));
    b.ends(End::Exited(0));
    assert_eq!(stage.by_now().await, Some(Value::Up));
    assert_eq!(stage.run().await.at, 2 * SECOND);
}
