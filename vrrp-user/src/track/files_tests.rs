use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use tokio::sync::mpsc::{self, Receiver};

use super::*;
use crate::config;

/// How long an observation may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xvrrp-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn track(path: &Path, more: &str) -> Vec<TrackFile> {
    let text = format!(
        "track_file f {{\nfile {}\n{more}\n}}\nvrrp_instance V {{\ninterface eth0\n\
         virtual_router_id 1\nvirtual_ipaddress {{\n192.0.2.1\n}}\ntrack_file {{\nf\n}}\n}}\n",
        path.display()
    );
    config::parse("test.conf", text.as_bytes()).config.unwrap().track_files
}

/// Watches one file.
struct Bench {
    observed: Receiver<Observation>,
    _files: Files,
}

impl Bench {
    fn watch(path: &Path) -> Self {
        let (observer, observed) = mpsc::channel(16);
        let files = vec![(path.to_owned(), None)];
        Self { observed, _files: Files::watch(files, observer).unwrap() }
    }

    fn next(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.observed.try_recv() {
                Ok(Observation { tracker: TrackerId::File(0), value: Value::Number(number) }) => {
                    return Some(number);
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
        None
    }
}

/// keyword `file`: what keepalived 2.2.7 makes of the same text.
#[test]
fn numbers() {
    for (text, number) in [
        ("5\n", Some(5)),
        ("-254", Some(-254)),
        (" +7 ", Some(7)),
        ("5x", Some(5)),
        ("garbage", Some(0)),
        ("", Some(0)),
        ("-", Some(0)),
        ("2147483647", Some(i32::MAX)),
        ("-2147483648", Some(i32::MIN)),
        ("2147483648", None),
        ("99999999999999999999999", None),
    ] {
        assert_eq!(number_in(text.as_bytes()), number, "{text:?}");
    }
}

/// keyword `track_file`: a file that is written, replaced by a rename, removed and made again.
#[test]
fn changes_of_a_file() {
    let dir = Dir::new();
    let path = dir.file("number");
    let mut bench = Bench::watch(&path);
    assert_eq!(bench.next(), Some(0), "there is none");
    fs::write(&path, "5\n").unwrap();
    assert_eq!(bench.next(), Some(5));
    fs::write(dir.file("new"), "-6").unwrap();
    fs::rename(dir.file("new"), &path).unwrap();
    assert_eq!(bench.next(), Some(-6), "replaced");
    for number in ["99999999999", "7"] {
        fs::write(dir.file("new"), number).unwrap();
        fs::rename(dir.file("new"), &path).unwrap();
    }
    assert_eq!(bench.next(), Some(7), "what is no number of 32 bits is passed over");
    fs::remove_file(&path).unwrap();
    assert_eq!(bench.next(), Some(0), "removed");
    fs::write(&path, "8").unwrap();
    assert_eq!(bench.next(), Some(8), "made again");
}

/// keyword `track_file`: the directory is made later, and goes.
#[test]
fn changes_of_a_directory() {
    let dir = Dir::new();
    let path = dir.file("a").join("b").join("number");
    let mut bench = Bench::watch(&path);
    assert_eq!(bench.next(), Some(0));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "3").unwrap();
    assert_eq!(bench.next(), Some(3), "made");
    fs::rename(dir.file("a"), dir.file("c")).unwrap();
    assert_eq!(bench.next(), Some(0), "moved away");
    fs::rename(dir.file("c"), dir.file("a")).unwrap();
    assert_eq!(bench.next(), Some(3), "and back");
    fs::remove_dir_all(dir.file("a")).unwrap();
    assert_eq!(bench.next(), Some(0), "removed");
}

/// keyword `track_file`: a symbolic link whose target is written, and another one in its place.
#[test]
fn symbolic_links() {
    let dir = Dir::new();
    for (target, number) in [("one", "1"), ("two", "2")] {
        fs::create_dir(dir.file(target)).unwrap();
        fs::write(dir.file(target).join("number"), number).unwrap();
    }
    symlink("one", dir.file("now")).unwrap();
    let mut bench = Bench::watch(&dir.file("now").join("number"));
    assert_eq!(bench.next(), Some(1));
    fs::write(dir.file("one").join("number"), "11").unwrap();
    assert_eq!(bench.next(), Some(11), "behind the link");
    symlink("two", dir.file("next")).unwrap();
    fs::rename(dir.file("next"), dir.file("now")).unwrap();
    assert_eq!(bench.next(), Some(2), "another target");
}

/// keyword `init_file`: the file is made with its number, and overwritten only on request.
#[test]
fn initial_numbers() {
    let dir = Dir::new();
    let path = dir.file("number");
    let initialize = |more: &str| {
        write_initial(&track(&path, more), false);
        read(&path)
    };
    assert_eq!(initialize(""), Some(0));
    assert!(!path.exists());
    assert_eq!(initialize("init_file 5"), Some(5));
    assert_eq!(initialize("init_file 6"), Some(5));
    assert_eq!(initialize("init_file 6 overwrite"), Some(6));
    fs::remove_file(&path).unwrap();
    assert_eq!(initialize("init_file"), Some(0));
    assert!(path.exists());
}

/// keyword `init_file`, issue 6: who goes on after a daemon that died leaves the number that is there,
/// and makes a file where there is none.
#[test]
fn initial_numbers_once() {
    let dir = Dir::new();
    let path = dir.file("number");
    let go_on = || {
        write_initial(&track(&path, "init_file 6 overwrite"), true);
        read(&path)
    };
    assert_eq!(go_on(), Some(6));
    fs::write(&path, "7").unwrap();
    assert_eq!(go_on(), Some(7));
}

/// keyword `file`: a pipe has no end and nothing to read; it keeps nobody waiting.
#[test]
fn not_a_file() {
    let dir = Dir::new();
    let path = dir.file("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(read(&path), Some(0));
    write(&path, 5).unwrap_err();
}

/// Issue 6: a start or a reload has the numbers of all files that are there, new ones included.
#[test]
fn beginning() {
    let dir = Dir::new();
    let [first, second] = ["first", "second"].map(|name| dir.file(name));
    fs::write(&first, "7").unwrap();
    let files = [track(&first, ""), track(&second, "init_file 8")].concat();
    assert_eq!(begin(files, false), [Some(7), Some(8)]);
    assert_eq!(begin(Vec::new(), false), []);
}
