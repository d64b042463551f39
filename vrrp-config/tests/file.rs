//! Files that are none: pipes, devices, directories in the place of a configuration.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use vrrp_config::{self as config, Loaded, Verdict};

const CONFIG: &str = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n\
                      192.0.2.1\n}\n}\n";

/// A directory of a test, which goes with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("vrrp-config-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn fifo(&self) -> PathBuf {
        let path = self.0.join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// Panics where somebody is waited for, also on a busy machine.
fn load(path: &Path) -> Loaded {
    let (done, loaded) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || done.send(Box::new(config::load(&path))));
    *loaded.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn message(loaded: &Loaded) -> (&str, &str) {
    let [diagnostic, ..] = &loaded.diagnostics[..] else { panic!("nothing is said") };
    (diagnostic.code, &diagnostic.message)
}

/// Issue 2: a configuration may come through a pipe, as from `<(command)`, also from one who takes his
/// time; a pipe that nobody writes to is named, and not waited for. keepalived skips all pipes, and
/// then has no configuration.
#[test]
fn pipes() {
    let dir = Dir::new("pipe");
    let fifo = dir.fifo();
    let loaded = load(&fifo);
    let (code, message) = message(&loaded);
    let expected =
        format!("cannot read {}: nobody has written to this pipe for 5s", fifo.display());
    assert_eq!((code, message, loaded.verdict()), ("E0001", &*expected, Verdict::CannotRun));
    let path = fifo.clone();
    let writer = thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
        for part in CONFIG.split_inclusive('\n') {
            std::io::Write::write_all(&mut pipe, part.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(load(&fifo).config.unwrap().instances.len(), 1);
    writer.join().unwrap();
}

/// The same: what is neither a file nor a pipe is named for what it is.
#[test]
fn devices_and_directories() {
    let dir = Dir::new("device");
    for (path, reason) in
        [(Path::new("/dev/zero"), "it is a device, not a regular file"), (&dir.0, "is a directory")]
    {
        let loaded = load(path);
        let expected = format!("cannot read {}: {reason}", path.display());
        assert_eq!(message(&loaded), ("E0001", &*expected));
    }
}

/// Issue 5, keyword `include`: an included file is a regular one, and what is not is reported at the
/// line, as keepalived does; the rest counts.
#[test]
fn included_pipes_and_devices() {
    let dir = Dir::new("include");
    let fifo = dir.fifo();
    let file = dir.0.join("test.conf");
    for (included, reason) in [(&*fifo, "a FIFO"), (Path::new("/dev/zero"), "a device")] {
        let included = included.display();
        fs::write(&file, format!("{CONFIG}include {included}\n")).unwrap();
        let loaded = load(&file);
        let expected = format!("`{included}` cannot be read: it is {reason}, not a regular file");
        assert_eq!(message(&loaded).1, expected);
        let place = loaded.sources.positions(loaded.diagnostics[0].span).0;
        assert_eq!((place.line, loaded.config.unwrap().instances.len()), (8, 1));
    }
}
