//! A FIFO with a line for each notice, and the script that reads it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use tokio::{
    net::unix::pipe::Sender,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{error, info, warn};

use super::{Notice, Run, queue::Queue};
use crate::{
    config::{Fifo, ScriptRules, User},
    exec::{self, Job, Lookup, Program},
    sys::process::Identity,
};

/// Lines that wait for a reader, besides the 64 KiB that the FIFO itself holds.
const ROOM: usize = 4096;

/// How long it takes until a FIFO that could not be made is tried again, or a script started again
/// that has ended.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest of these times, each of which is twice the last one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// As keepalived makes it.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Writes one FIFO.
pub(super) struct Feeder {
    fifo: Fifo,
    script: Option<Lookup>,
    shared: Arc<Shared>,
    writing: JoinHandle<()>,
    reading: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Queue<Notice>,
    /// Lines that were lost.
    lost: AtomicU64,
    /// The file was not there before, and nobody has put another one in its place.
    is_ours: AtomicBool,
    /// The script runs.
    is_read: AtomicBool,
    /// The script may end.
    is_over: AtomicBool,
}

impl Shared {
    fn new() -> Self {
        Self {
            queue: Queue::new(ROOM),
            lost: AtomicU64::new(0),
            is_ours: AtomicBool::new(false),
            is_read: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }
}

impl Feeder {
    /// Makes the FIFO where there is none, and starts its script once that is known.
    pub(super) fn start(fifo: Fifo, script: Option<Lookup>, runner: &impl Run) -> Self {
        let shared = Arc::new(Shared::new());
        let writing = tokio::spawn(write(fifo.clone(), Arc::clone(&shared)));
        let reading = script.clone().map(|script| {
            let path = fifo.path.display().to_string();
            tokio::spawn(keep_running(script, path, runner.clone(), Arc::clone(&shared)))
        });
        Self { fifo, script, shared, writing, reading }
    }

    /// True if it was started with these.
    pub(super) fn is(&self, fifo: &Fifo, script: Option<&Lookup>) -> bool {
        let is_same = match (&self.script, script) {
            (Some(own), Some(other)) => own.is(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        self.fifo == *fifo && is_same
    }

    /// What it was started with.
    pub(super) const fn fifo(&self) -> &Fifo {
        &self.fifo
    }

    /// Adds a line, and returns the one that is lost by it.
    pub(super) fn write(&self, notice: Notice) -> Option<Notice> {
        let lost = self.shared.queue.push(notice);
        if lost.is_some() && self.shared.lost.fetch_add(1, Relaxed) == 0 {
            let path = self.fifo.path.display();
            warn!("{path}: nobody reads it, or too slowly; lines are lost, the oldest first");
        }
        lost
    }

    /// Ends when all is written, and the script has read it; or by then. The script gets SIGTERM if
    /// it has not ended with the end of the file. A file that was not there before is removed, if it
    /// `goes`.
    pub(super) async fn close(mut self, by: Instant, goes: bool) {
        self.shared.is_over.store(true, Relaxed);
        self.shared.queue.close();
        if timeout_at(by, &mut self.writing).await.is_err() {
            self.writing.abort();
            let (path, lines) = (self.fifo.path.display(), self.shared.queue.len() + 1);
            warn!("{path}: nobody reads it; the last {lines} lines are lost");
        }
        if let Some(reading) = &mut self.reading {
            // A script that was never started has nothing to read to its end.
            let is_read = self.shared.is_read.load(Relaxed);
            if !is_read || timeout_at(by, &mut *reading).await.is_err() {
                reading.abort();
            }
        }
        if goes && self.shared.is_ours.load(Relaxed) {
            // Somebody else may have done so.
            let _ = fs::remove_file(&self.fifo.path);
        }
    }
}

/// Writes what comes, for as long as it takes.
async fn write(fifo: Fifo, shared: Arc<Shared>) {
    let path = fifo.path.as_path();
    let mut pipe = open(&fifo, &shared).await;
    let mut told = 0;
    while let Some(notice) = shared.queue.next().await {
        let line = format!("{notice}\n");
        loop {
            if !is_at(path, &pipe) {
                info!("{}: it is not the file that it was; opening it again", path.display());
                shared.is_ours.store(false, Relaxed);
                pipe = open(&fifo, &shared).await;
            }
            match timeout(PAUSE, write_line(&pipe, line.as_bytes())).await {
                Ok(Ok(())) => break,
                Ok(Err(reason)) => {
                    warn!("{}: {reason}", path.display());
                    sleep(PAUSE).await;
                }
                // It is full; whoever was to read it may have made another one.
                Err(_) => {}
            }
        }
        let lost = shared.lost.load(Relaxed);
        if lost != told && shared.queue.len() == 0 {
            warn!("{}: {} lines were lost before this one: {notice}", path.display(), lost - told);
            told = lost;
        }
    }
}

/// Waits for room. A line is short enough for the kernel to take all of it or nothing.
async fn write_line(pipe: &Sender, line: &[u8]) -> io::Result<()> {
    loop {
        pipe.writable().await?;
        match pipe.try_write(line) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Tries until it works.
async fn open(fifo: &Fifo, shared: &Shared) -> Sender {
    let mut reported = None;
    loop {
        match open_now(fifo, shared).await {
            Ok(pipe) => return pipe,
            Err(error) => {
                let reason = error.to_string();
                if reported.as_ref() != Some(&reason) {
                    error!("{}: no FIFO: {reason}", fifo.path.display());
                }
                reported = Some(reason);
            }
        }
        sleep(PAUSE).await;
    }
}

/// Makes it, if there is nothing of its name.
///
/// Opens it for reading, too, as keepalived does: so a reader need not be there, and what it leaves in
/// the FIFO is there for the next one.
async fn open_now(fifo: &Fifo, shared: &Shared) -> io::Result<Sender> {
    match rustix::fs::mknodat(CWD, &fifo.path, FileType::Fifo, MODE, 0) {
        Ok(()) => shared.is_ours.store(true, Relaxed),
        Err(error) if error == rustix::io::Errno::EXIST => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(&fifo.path, flags, Mode::empty())?);
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is a file of another kind"));
    }
    // Also where that failed the last time.
    if let Some(user) = fifo.user.clone().filter(|_| shared.is_ours.load(Relaxed)) {
        let Identity { uid, gid, .. } = owner(user).await?;
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    Sender::from_file(file)
}

/// Looks a user up beside everything else: a name service may not answer for long.
async fn owner(user: User) -> io::Result<Identity> {
    let look_up = move || exec::identity(Some(&user), &ScriptRules::default());
    let identity = spawn_blocking(look_up).await?;
    identity.map_err(io::Error::other)
}

/// Whether the name still is that of the open file.
fn is_at(path: &Path, pipe: &Sender) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let open = rustix::fs::fstat(pipe).map(|stat| (stat.st_dev, stat.st_ino));
    fs::symlink_metadata(path).is_ok_and(|named| open.is_ok_and(|open| identity(named) == open))
}

/// Starts the script again and again, until that is over; at once where another program is to be run.
async fn keep_running(mut script: Lookup, path: String, runner: impl Run, shared: Arc<Shared>) {
    let mut pause = PAUSE;
    loop {
        let program = match script.program().await {
            Ok(program) => program,
            Err(reason) => {
                error!("{path}: its script is not run: {reason}");
                script.changed().await;
                continue;
            }
        };
        let began = Instant::now();
        let job = Job { arguments: vec![path.clone()], ..Job::new(program.clone()) };
        shared.is_read.store(true, Relaxed);
        let outcome = tokio::select! {
            outcome = runner.run(job) => Some(outcome),
            () = other_than(&program, &mut script) => None,
        };
        shared.is_read.store(false, Relaxed);
        let Some(outcome) = outcome else { continue };
        if shared.is_over.load(Relaxed) {
            return;
        }
        if began.elapsed() > LONGEST_PAUSE {
            pause = PAUSE;
        }
        let last = outcome.last_line().map(|line| format!(": {line}")).unwrap_or_default();
        warn!("{path}: its script {}{last}; starting it again in {pause:?}", outcome.end);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Waits until a script is not that program any more.
async fn other_than(program: &Program, script: &mut Lookup) {
    while script.program().await.is_ok_and(|now| now == *program) {
        script.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::fs::OpenOptionsExt, path::PathBuf};

    use super::{
        super::{News, State, Subject, testing::*},
        *,
    };
    use crate::{config, host::testing::TempDir};

    /// So many lines of the tests are in the FIFO itself when it is full, or one less.
    const IN_KERNEL: usize = 65536 / "INSTANCE \"VI_10000\" MASTER 100\n".len();

    fn notice(number: usize) -> Notice {
        let subject = Subject::Instance(format!("VI_{}", 10000 + number));
        Notice { subject, news: News::Entered(State::Master), priority: 100 }
    }

    fn feeder(path: &Path, stage: &Stage, script: &str) -> Feeder {
        let script = notify(script).any;
        let fifo = Fifo { path: path.to_owned(), user: None, script };
        let script = fifo.script.as_ref().map(|script| programs().of(script));
        Feeder::start(fifo, script, stage)
    }

    async fn open_reader(path: &Path) -> File {
        while !path.exists() {
            sleep(Duration::from_millis(1)).await;
        }
        let mut options = File::options();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path).unwrap()
    }

    /// Reads until `last` is there.
    async fn read_until(reader: &mut File, last: &str) -> Vec<String> {
        let mut text = String::new();
        while !text.ends_with(&format!("{last}\n")) {
            let mut buffer = [0; 4096];
            match reader.read(&mut buffer) {
                // Nobody writes yet.
                Ok(0) => sleep(Duration::from_millis(1)).await,
                Ok(count) => text += std::str::from_utf8(&buffer[..count]).unwrap(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        text.lines().map(str::to_owned).collect()
    }

    fn directory(name: &str) -> (TempDir, PathBuf) {
        let directory = TempDir::new(name);
        let path = directory.path().join("fifo");
        (directory, path)
    }

    /// Pain 12, keyword `notify_fifo`: a reader that stalls loses nothing that the FIFO and the queue
    /// can hold, and what is lost is counted. Nobody waits for it.
    #[tokio::test]
    async fn a_reader_that_stalls() {
        const SURPLUS: usize = 100;
        let (_directory, path) = directory("fifo-stalls");
        let feeder = feeder(&path, &Stage::default(), "");
        let mut reader = open_reader(&path).await;
        // Until the FIFO is full.
        let mut number = 0;
        while feeder.shared.queue.len() < 2 {
            assert_eq!(feeder.write(notice(number)), None);
            number += 1;
            tokio::task::yield_now().await;
            assert!(number < 2 * IN_KERNEL, "nothing stalls");
        }
        let all = number + ROOM + SURPLUS;
        let lost: Vec<_> = (number..all).filter_map(|next| feeder.write(notice(next))).collect();
        let read = read_until(&mut reader, &notice(all - 1).to_string()).await;
        assert_eq!(read.len() + lost.len(), all);
        let is_lost = |line: &String| lost.iter().any(|notice| notice.to_string() == *line);
        let expected: Vec<_> =
            (0..all).map(|next| notice(next).to_string()).filter(|line| !is_lost(line)).collect();
        assert_eq!(read, expected);
        assert_eq!(feeder.shared.lost.load(Relaxed), lost.len() as u64);
        assert!((SURPLUS..SURPLUS + 4).contains(&lost.len()), "{}", lost.len());
    }

    /// Pain 12, keyword `notify_fifo`: a reader that vanishes finds what came meanwhile when it is
    /// back, also if it has made the FIFO anew.
    #[tokio::test]
    async fn a_reader_that_vanishes() {
        let (_directory, path) = directory("fifo-vanishes");
        let feeder = feeder(&path, &Stage::default(), "");
        let mut reader = open_reader(&path).await;
        feeder.write(notice(1));
        assert_eq!(read_until(&mut reader, &notice(1).to_string()).await.len(), 1);
        drop(reader);
        feeder.write(notice(2));
        feeder.write(notice(3));
        let mut reader = open_reader(&path).await;
        let expected = [notice(2), notice(3)].map(|notice| notice.to_string());
        assert_eq!(read_until(&mut reader, &expected[1]).await, expected);
        drop(reader);

        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, MODE, 0).unwrap();
        let mut reader = open_reader(&path).await;
        feeder.write(notice(4));
        assert_eq!(read_until(&mut reader, &notice(4).to_string()).await.len(), 1);
    }

    /// Pain 12, keyword `notify_fifo`: a reader that makes a full FIFO anew is told what comes then, and
    /// the file that it has made stays.
    #[tokio::test]
    async fn a_full_file_made_anew() {
        let (_directory, path) = directory("fifo-full");
        let feeder = feeder(&path, &Stage::default(), "");
        let stalled = open_reader(&path).await;
        let mut number = 0;
        while feeder.shared.queue.len() < 2 {
            feeder.write(notice(number));
            number += 1;
            tokio::task::yield_now().await;
            assert!(number < 2 * IN_KERNEL, "nothing stalls");
        }
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, MODE, 0).unwrap();
        let mut reader = open_reader(&path).await;
        let last = notice(number - 1).to_string();
        let read = timeout(10 * PAUSE, read_until(&mut reader, &last)).await.unwrap();
        assert!(read.len() >= 2, "{}", read.len());
        drop(stalled);
        feeder.close(Instant::now() + PAUSE, true).await;
        assert!(path.exists());
    }

    /// Keyword `notify_fifo`: as long as the user is not known whose it is to be, it is not taken for
    /// done.
    #[tokio::test]
    async fn a_user_that_is_not_there() {
        let (_directory, path) = directory("fifo-user");
        let user = config::Account::Name("no-such-user".to_owned());
        let user = Some(User { user, group: None });
        let shared = Shared::new();
        let stranger = Fifo { path: path.clone(), user, script: None };
        for _ in 0..2 {
            let error = open_now(&stranger, &shared).await.unwrap_err();
            assert!(error.to_string().contains("no user"), "{error}");
        }
        open_now(&Fifo { path, user: rules().user, script: None }, &shared).await.unwrap();
    }

    /// Keyword `notify_fifo`: made for us alone, as keepalived does, and removed at the end; what was
    /// there before stays.
    #[tokio::test]
    async fn the_file() {
        for was_there in [false, true] {
            let (_directory, path) = directory("fifo-file");
            if was_there {
                rustix::fs::mknodat(CWD, &path, FileType::Fifo, MODE, 0).unwrap();
            }
            let feeder = feeder(&path, &Stage::default(), "");
            let reader = open_reader(&path).await;
            let meta = reader.metadata().unwrap();
            assert!(meta.file_type().is_fifo());
            assert_eq!(meta.mode() & 0o777, 0o600);
            feeder.close(Instant::now() + PAUSE, true).await;
            assert_eq!(path.exists(), was_there);
        }
    }

    /// Keyword `notify_fifo_script`: it gets the path, and is started again when it ends.
    #[tokio::test(start_paused = true)]
    async fn the_script() {
        let (_directory, path) = directory("fifo-script");
        let stage = Stage::lasting(Duration::from_secs(10));
        let feeder = feeder(&path, &stage, "notify /bin/true");
        stage.wait_for_begins(3).await;
        let runs = stage.runs();
        for run in &runs {
            assert_eq!(run.text, format!("true [{}]", path.display()));
        }
        let pauses = [1, 2].map(|number| runs[number].begin - runs[number - 1].end.unwrap());
        assert!(pauses[0] >= PAUSE && pauses[1] >= 2 * PAUSE, "{pauses:?}");
        feeder.close(Instant::now() + PAUSE, true).await;
    }
}
