//! The journals: which addresses this daemon has put on interfaces, and what else it has changed on
//! the host.
//!
//! After `kill -9` all that stays. The next start reads here what of it was the daemon's and removes
//! it; everything else is the administrator's. An entry is written down before the change is made and
//! crossed out after it was undone, so the file may name too many, never too few. Where there is
//! nothing to name there is no file.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Error, Fixture, Owned, Result, Trace};

/// What a journal lists.
pub trait Entry: Clone + Ord + Serialize + DeserializeOwned {
    /// Name of its file in the runtime directory, which ends in `.json`.
    const FILE: &'static str;
}

impl Entry for Owned {
    const FILE: &'static str = "owned.json";
}

impl Entry for Fixture {
    const FILE: &'static str = "fixtures.json";
}

impl Entry for Trace {
    const FILE: &'static str = "traces.json";
}

/// An open journal of a runtime directory that this process has claimed.
///
/// Methods write a small file and block as long as that takes; the directory is meant to be on
/// tmpfs.
#[derive(Debug)]
pub struct Journal<E = Owned> {
    path: PathBuf,
    contents: Contents<E>,
    /// The file says what `contents` says.
    written: bool,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "E: Ord + DeserializeOwned"))]
struct Contents<E> {
    place: Place,
    entries: BTreeSet<E>,
}

/// Where interface numbers mean something: one network namespace, until the machine restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    boot: String,
    namespace: u64,
}

impl<E: Entry> Journal<E> {
    /// Opens the journal in the runtime directory `dir` for the network namespace of the calling
    /// thread, and tells what the last daemon left behind. That stays in the journal until it is
    /// [forgotten](Self::forget).
    ///
    /// A file that cannot be understood, or that is about another namespace or an earlier boot, is
    /// renamed to `….json.rejected` with a warning; then nothing is left behind.
    pub fn open(dir: &Path) -> Result<(Self, Vec<E>)> {
        let path = dir.join(E::FILE);
        let place = Place::here()?;
        let entries = match read(&path, &place) {
            Ok(entries) => entries,
            Err(reason) => {
                set_aside(&path, &reason);
                BTreeSet::new()
            }
        };
        let leftovers = entries.iter().cloned().collect();
        let mut journal = Self { path, contents: Contents { place, entries }, written: true };
        if journal.contents.entries.is_empty() {
            journal.written = false;
            journal.write()?;
        }
        Ok((journal, leftovers))
    }

    /// Writes down `entries`, which are about to be made. After an error they are known to this
    /// process only, and the next call tries again to write everything.
    pub fn record(&mut self, entries: impl IntoIterator<Item = E>) -> Result<()> {
        let before = self.contents.entries.len();
        self.contents.entries.extend(entries);
        self.written &= self.contents.entries.len() == before;
        self.write()
    }

    /// Crosses out `entries`, which are gone or turned out not to be ours.
    pub fn forget<'a>(&mut self, entries: impl IntoIterator<Item = &'a E>) -> Result<()>
    where
        E: 'a,
    {
        for entry in entries {
            self.written &= !self.contents.entries.remove(entry);
        }
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        if self.written {
            return Ok(());
        }
        if self.contents.entries.is_empty() {
            remove(&self.path).map_err(Error::file("remove", &self.path))?;
        } else {
            replace(&self.path, &self.contents).map_err(Error::file("write", &self.path))?;
        }
        self.written = true;
        Ok(())
    }
}

impl Place {
    /// Of the calling thread, which may have left the namespace of the process.
    fn here() -> Result<Self> {
        let namespace = "/proc/thread-self/ns/net";
        let boot = "/proc/sys/kernel/random/boot_id";
        Ok(Self {
            namespace: fs::metadata(namespace).map_err(Error::file("read", namespace))?.ino(),
            boot: fs::read_to_string(boot).map_err(Error::file("read", boot))?.trim().to_owned(),
        })
    }
}

/// The entries in the file, or why they are not to be believed.
fn read<E: Entry>(path: &Path, place: &Place) -> std::result::Result<BTreeSet<E>, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.to_string()),
    };
    let contents: Contents<E> = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    if contents.entries.is_empty() {
        return Ok(BTreeSet::new());
    }
    if contents.place.boot != place.boot {
        return Err("written before the machine restarted".to_owned());
    }
    if contents.place.namespace != place.namespace {
        return Err("written in another network namespace".to_owned());
    }
    Ok(contents.entries)
}

fn set_aside(path: &Path, reason: &str) {
    let aside = path.with_extension("json.rejected");
    let outcome = match fs::rename(path, &aside) {
        Ok(()) => format!("kept as {}", aside.display()),
        Err(error) => format!("cannot be renamed: {error}"),
    };
    tracing::warn!("ignoring {}: {reason}; {outcome}", path.display());
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Readers, and a crash of ours, see the old file or the new one. No fsync: a machine that loses
/// power loses the addresses, too.
fn replace(path: &Path, contents: &Contents<impl Serialize>) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let written = fs::write(&new, serde_json::to_vec(contents)?);
    written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        // The half of it is of no use to anybody. The first error is the one to tell.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::host::testing::TempDir;

    fn owned(last: u8) -> Owned {
        Owned {
            index: 2,
            interface: "eth0".to_owned(),
            address: [192, 0, 2, last].into(),
            prefix: 24,
            label: None,
            peer: None,
        }
    }

    fn reopen(dir: &Path) -> Vec<Owned> {
        Journal::open(dir).unwrap().1
    }

    /// issue 2: after kill -9 the next start knows which addresses were the daemon's.
    #[test]
    fn leftovers_of_a_killed_daemon() {
        let temp = TempDir::new("journal");
        let (mut journal, leftovers) = Journal::open(temp.path()).unwrap();
        assert_eq!(leftovers, []);
        journal.record([owned(1), owned(2), owned(3)]).unwrap();
        journal.forget(&[owned(2)]).unwrap();
        drop(journal);
        assert_eq!(reopen(temp.path()), [owned(1), owned(3)]);
        // Until they are forgotten, a second crash changes nothing.
        assert_eq!(reopen(temp.path()), [owned(1), owned(3)]);
    }

    /// issue 2: a damaged journal is set aside and never keeps the daemon from starting.
    #[test]
    fn damaged_file_is_set_aside() {
        let temp = TempDir::new("journal-damaged");
        let path = temp.path().join("owned.json");
        for damage in ["", "{\"place\":", "\u{0}\u{0}\u{0}", "[1,2]"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(reopen(temp.path()), []);
            assert!(!path.exists());
            let aside = temp.path().join("owned.json.rejected");
            assert_eq!(fs::read_to_string(aside).unwrap(), damage);
        }
    }

    /// issue 2: interface numbers of another namespace or boot mean nothing here.
    #[test]
    fn foreign_file_is_set_aside() {
        let temp = TempDir::new("journal-foreign");
        let path = temp.path().join("owned.json");
        let here = Place::here().unwrap();
        let elsewhere = Place { namespace: here.namespace + 1, ..here.clone() };
        let earlier = Place { boot: "earlier".to_owned(), ..here };
        let aside = temp.path().join("owned.json.rejected");
        for place in [elsewhere, earlier] {
            let entries = BTreeSet::from([owned(1)]);
            replace(&path, &Contents { place: place.clone(), entries }).unwrap();
            assert_eq!(reopen(temp.path()), []);
            assert!(!path.exists());
            fs::remove_file(&aside).unwrap();

            // One that names nothing is not worth a word.
            replace(&path, &Contents { place, entries: BTreeSet::<Owned>::new() }).unwrap();
            assert_eq!(reopen(temp.path()), []);
            assert!(!path.exists() && !aside.exists());
        }
    }

    /// issue 2: a clean stop leaves no file behind.
    #[test]
    fn nothing_to_name_is_no_file() {
        let temp = TempDir::new("journal-empty");
        let (mut journal, _) = Journal::open(temp.path()).unwrap();
        journal.record([owned(1)]).unwrap();
        assert!(temp.path().join("owned.json").exists());
        journal.forget(&[owned(1)]).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    /// issue 2: a disk that takes no file is reported, and the next success writes everything.
    #[test]
    fn failed_write_is_made_up_for() {
        let temp = TempDir::new("journal-full");
        let (mut journal, _) = Journal::open(temp.path()).unwrap();
        let blocker = temp.path().join("owned.json.new");
        fs::create_dir(&blocker).unwrap();
        let error = journal.record([owned(1)]).unwrap_err();
        let path = temp.path().join("owned.json");
        let errno = Errno::ISDIR;
        assert_eq!(error, Error::File { action: "write", path, errno });

        fs::remove_dir(&blocker).unwrap();
        journal.record([owned(2)]).unwrap();
        assert_eq!(reopen(temp.path()), [owned(1), owned(2)]);
    }
}
