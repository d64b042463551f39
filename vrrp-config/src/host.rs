//! What a configuration can see of the machine that it is read on: other files, the environment.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Component, Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use glob::{MatchOptions, Pattern};

use super::{MAX_SIZE, file};

/// Different files of a configuration.
pub(super) const MAX_FILES: usize = 1000;

/// Entries of directories that a pattern is compared with.
const MAX_ENTRIES: usize = 100_000;

/// As `glob(3)` without flags: `*` crosses no `/` and finds no hidden files.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The files and variables that a configuration may refer to.
pub trait Host {
    /// Contents of a regular file, up to one byte more than a configuration may have. Errors are those
    /// of the file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Files that match a pattern without `**`, in the order of their names. `None` if there are more
    /// than 1000, or if it takes too long to look for them.
    fn matches(&self, pattern: &Pattern) -> Option<Vec<PathBuf>>;

    /// The one name that a file or directory has whatever way led to it.
    fn identity(&self, path: &Path) -> PathBuf;

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;

    /// Where random numbers begin.
    fn seed(&self) -> u64;
}

/// The machine itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Disk {
    /// First part of the name of this host, the default of the config id as `keepalived -i` has it.
    pub fn name() -> String {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim().split('.').next().unwrap_or("").to_owned()
    }
}

impl Host for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(file::read(path, MAX_SIZE as u64 + 1)?.0)
    }

    fn matches(&self, pattern: &Pattern) -> Option<Vec<PathBuf>> {
        let pattern = pattern.as_str();
        let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
        let mut left = MAX_ENTRIES;
        for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
            let mut next = Vec::new();
            for directory in &found {
                next.append(&mut entries(directory, part, &mut left)?);
            }
            found = next;
        }
        Some(found).filter(|found| found.len() <= MAX_FILES)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn seed(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(since.subsec_nanos()) ^ since.as_secs().rotate_left(32)
    }
}

/// What is in a directory and matches one part of a pattern, in the order of the names. Each entry that
/// has been looked at is taken from `left`; `None` if nothing is left.
fn entries(directory: &Path, part: &str, left: &mut usize) -> Option<Vec<PathBuf>> {
    if !part.contains(['*', '?', '[']) {
        *left = left.checked_sub(1)?;
        let path = directory.join(part);
        return Some(if path.symlink_metadata().is_ok() { vec![path] } else { Vec::new() });
    }
    let shown = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let (Ok(pattern), Ok(entries)) = (Pattern::new(part), fs::read_dir(shown)) else {
        return Some(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        *left = left.checked_sub(1)?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| pattern.matches_with(name, OPTIONS)) {
            found.push(directory.join(name));
        }
    }
    found.sort_unstable();
    Some(found)
}

/// Files in memory, for tests: no machine at all. Random numbers are the same each time.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Contents by path, without `.` and `..`.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl Host for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = self.identity(path);
        match self.files.get(&path) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.files.keys().any(|file| file.starts_with(&path)) => {
                Err(io::Error::from(io::ErrorKind::IsADirectory))
            }
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn matches(&self, pattern: &Pattern) -> Option<Vec<PathBuf>> {
        let paths = self.files.keys().filter(|path| pattern.matches_path_with(path, OPTIONS));
        let found: Vec<PathBuf> = paths.take(MAX_FILES + 1).cloned().collect();
        Some(found).filter(|found| found.len() <= MAX_FILES)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        let mut plain = PathBuf::new();
        for component in path.components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => drop(plain.pop()),
                other => plain.push(other),
            }
        }
        plain
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn seed(&self) -> u64 {
        1
    }
}
