//! `track_file`: numbers in files.
//!
//! A thread of its own watches them, since a file system may keep whoever reads waiting. It looks at a
//! file when somebody has closed it after writing, has put another one in its place, or has removed
//! it, and when a directory or a symbolic link on the way to it has changed. A file that is not there
//! counts as 0, as with keepalived.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    fs::{Mode, OFlags, inotify},
    io::Errno,
};
use tracing::warn;

use super::{Observation, Observer, TrackerId, Value};
use crate::config::{InitFile, TrackFile};

/// How often files are read where the kernel does not tell of changes.
const PERIOD: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Whoever writes a file anew empties it first: what has become 0 is read again after this time.
const MOMENT: Duration = Duration::from_millis(10);

/// So long a file system may keep a start or a reload waiting. It is much for a local one, and little for
/// a lease.
const PATIENCE: Duration = Duration::from_millis(50);

/// No number is longer.
const LONGEST: u64 = 128;

/// Watches files until it is dropped.
pub struct Files {
    stop: Arc<OwnedFd>,
}

impl Files {
    /// Reads all files and watches them from now on. Of each with what is `known` of it, only something
    /// else is told.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn watch(files: Vec<(PathBuf, Option<i32>)>, observer: Observer) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = inotify::init(flags).inspect_err(|error| {
            warn!("changes of files are seen within a second, not at once: inotify: {error}");
        });
        let watcher = Watcher { files, observer, inotify: inotify.ok(), watches: BTreeSet::new() };
        let until = Arc::clone(&stop);
        thread::Builder::new().name("track-files".to_owned()).spawn(move || watcher.run(&until))?;
        Ok(Self { stop })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // The counter cannot overflow, so this cannot fail. The thread is not waited for: its file
        // system may not answer.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

/// Carries out `init_file` of these files and reads them: what is known of each within a moment. The rest
/// whoever watches them tells later. After a daemon that died, who `goes_on` writes no other number than
/// there is, which may be newer than the start.
pub fn begin(files: Vec<TrackFile>, goes_on: bool) -> Vec<Option<i32>> {
    let mut numbers = vec![None; files.len()];
    if files.is_empty() {
        return numbers;
    }
    let (teller, told) = mpsc::channel();
    let work = move || {
        write_initial(&files, goes_on);
        for (index, file) in files.iter().enumerate() {
            // Where nobody waits any longer, somebody watches.
            let _ = teller.send((index, read(&file.path)));
        }
    };
    if let Err(error) = thread::Builder::new().name("track-begin".to_owned()).spawn(work) {
        warn!("files are read later, and not written at first: {error}");
        return numbers;
    }
    let end = Instant::now() + PATIENCE;
    while let Ok((index, number)) = told.recv_timeout(end.saturating_duration_since(Instant::now()))
    {
        numbers[index] = number;
    }
    numbers
}

fn write_initial(files: &[TrackFile], goes_on: bool) {
    for file in files {
        let Some(InitFile { value, overwrite }) = file.init else { continue };
        if (goes_on || !overwrite) && fs::symlink_metadata(&file.path).is_ok() {
            continue;
        }
        if let Err(error) = write(&file.path, value) {
            let path = file.path.display();
            warn!("track_file {}: {path} cannot be made: {error}", file.name);
        }
    }
}

/// A FIFO that nobody reads is an error, not somebody to wait for.
fn write(path: &Path, value: i32) -> io::Result<()> {
    let flags =
        OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?;
    writeln!(fs::File::from(file), "{value}")
}

/// What the number in a file is now: 0 where there is no file or no number; `None` for one that
/// has no place in 32 bits, which is ignored as in keepalived.
fn read(path: &Path) -> Option<i32> {
    let text = match text_of(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(0),
        Err(error) => {
            warn!("{} cannot be read and counts as 0: {error}", path.display());
            return Some(0);
        }
    };
    let number = number_in(&text);
    if number.is_none() {
        warn!("{}: the number in it is too large and ignored", path.display());
    }
    number
}

/// The beginning of a file. Something else than a file may have no end, or nothing to read.
fn text_of(path: &Path) -> io::Result<Vec<u8>> {
    let file = rustix::fs::open(path, OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    let mut text = Vec::new();
    fs::File::from(file).take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// As strtol(3) of base 10 does: white space, a sign, digits, whatever follows. No digits are 0.
fn number_in(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    i32::try_from(if negative { -number } else { number }).ok()
}

struct Watcher {
    /// Each with what was told of it last.
    files: Vec<(PathBuf, Option<i32>)>,
    observer: Observer,
    inotify: Option<OwnedFd>,
    watches: BTreeSet<i32>,
}

/// What has happened to directories.
struct Touched {
    names: BTreeSet<Vec<u8>>,
    /// More than what the names say.
    all: bool,
}

impl Watcher {
    fn run(mut self, stop: &OwnedFd) {
        let mut touched = Touched { names: BTreeSet::new(), all: true };
        loop {
            // Whatever changes after this is told by the kernel; what has changed before is seen now.
            self.place_watches();
            for index in 0..self.files.len() {
                if touched.concerns(&self.files[index].0) && !self.look(index) {
                    return;
                }
            }
            match self.wait(stop) {
                Some(news) => touched = news,
                None => return,
            }
        }
    }

    /// Tells what is in a file if that is news. `false` when nobody listens any longer.
    fn look(&mut self, index: usize) -> bool {
        let (path, told) = &mut self.files[index];
        let number = match (read(path), *told) {
            (Some(0), Some(1.. | ..=-1)) => {
                thread::sleep(MOMENT);
                read(path)
            }
            (number, _) => number,
        };
        let number = number.or(*told).unwrap_or(0);
        if told.replace(number) == Some(number) {
            return true;
        }
        let (tracker, value) = (TrackerId::File(index), Value::Number(number));
        self.observer.blocking_send(Observation { tracker, value }).is_ok()
    }

    /// Watches all directories on the way to the files, from the root on: one that is made later is
    /// seen by the watch on the one above.
    fn place_watches(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut wanted = BTreeSet::new();
        for (path, _) in &self.files {
            wanted.extend(path.ancestors().skip(1).map(Path::to_owned));
            if let Ok(real) = path.canonicalize() {
                wanted.extend(real.ancestors().skip(1).map(Path::to_owned));
            }
        }
        let what = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVE
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::ONLYDIR;
        let add = |path: PathBuf| inotify::add_watch(inotify, path, what).ok();
        let watches: BTreeSet<i32> = wanted.into_iter().filter_map(add).collect();
        for gone in self.watches.difference(&watches) {
            // With its directory the watch may be gone, too.
            let _ = inotify::remove_watch(inotify, *gone);
        }
        self.watches = watches;
    }

    /// Waits until something has happened. `None`: until the end.
    fn wait(&self, stop: &OwnedFd) -> Option<Touched> {
        let all = Touched { names: BTreeSet::new(), all: true };
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        fds.extend(self.inotify.iter().map(|inotify| PollFd::new(inotify, PollFlags::IN)));
        let timeout = self.inotify.is_none().then_some(&PERIOD);
        match poll(&mut fds, timeout) {
            Ok(_) if !fds[0].revents().is_empty() => None,
            Ok(_) => Some(self.inotify.as_ref().map_or(all, touched)),
            Err(Errno::INTR) => Some(all),
            Err(error) => {
                warn!("files are no longer watched: {error}");
                None
            }
        }
    }
}

impl Touched {
    /// True if a file may be another one now. Behind a symbolic link anything may have changed.
    fn concerns(&self, path: &Path) -> bool {
        self.all
            || path.iter().any(|part| self.names.contains(part.as_bytes()))
            || path.canonicalize().is_ok_and(|real| real != path)
    }
}

/// Reads all events that wait.
fn touched(inotify: &OwnedFd) -> Touched {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(inotify, &mut buffer);
    let mut touched = Touched { names: BTreeSet::new(), all: false };
    // Its only error is that there are no more.
    while let Ok(event) = events.next() {
        match event.file_name() {
            Some(name) => {
                touched.names.insert(name.to_bytes().to_vec());
            }
            // The queue was too short, or a directory is gone.
            None => touched.all = true,
        }
    }
    touched
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
