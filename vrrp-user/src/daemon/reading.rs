//! The configuration file, read again while the daemon runs.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use tokio::task::{self, JoinHandle};
use tracing::{error, info, warn};

use super::running;
use crate::config::{self, Config, Diagnostic, Loaded, Severity};

/// Where the configuration is.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// What lines that begin with @ID and ${_INSTANCE} refer to.
    pub id: String,
}

impl Source {
    /// Reads it.
    pub fn load(&self) -> Loaded {
        config::load_as(&self.file, &self.id)
    }

    /// What a worker runs that takes the place of one that died, whose runtime directory this is: the
    /// same as that. What has been written to the file meanwhile waits for a reload.
    pub fn load_for_successor(&self, runtime_dir: &Path) -> Loaded {
        // Who writes to a pipe may be late for a lease.
        if fs::metadata(&self.file).is_ok_and(|file| file.file_type().is_fifo())
            && let Some(last) = running::last(runtime_dir).filter(|last| last.config.is_some())
        {
            return last;
        }
        let file = self.load();
        let text = |loaded: &Loaded| loaded.config.as_ref().map(Config::to_string);
        match running::last(runtime_dir) {
            Some(last) if last.config.is_some() && text(&last) != text(&file) => {
                warn!(
                    "{} is not what was running: going on with that; `xvrrp reload` reads the file",
                    self.file.display()
                );
                last
            }
            _ => file,
        }
    }
}

/// A line for people: place, code, message.
fn describe(loaded: &Loaded, diagnostic: &Diagnostic) -> String {
    let place = loaded.sources.positions(diagnostic.span).0;
    let file = loaded.sources.name(diagnostic.span.file);
    let (line, column) = (place.line, place.column);
    let help = diagnostic.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{file}:{line}:{column}: {}: {}{help}", diagnostic.code, diagnostic.message)
}

/// Logs what there is to say about a configuration.
pub fn log_diagnostics(loaded: &Loaded) {
    for diagnostic in &loaded.diagnostics {
        let text = describe(loaded, diagnostic);
        match diagnostic.severity {
            Severity::Error => error!("{text}"),
            Severity::Warning | Severity::NotYet => warn!("{text}"),
            Severity::Hint => info!("{text}"),
        }
    }
}

/// The errors of a configuration that runs all the same, wherever in the file they are: how often each
/// code comes with each message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws(BTreeMap<(&'static str, String), usize>);

impl Flaws {
    /// Those of `loaded`.
    pub fn of(loaded: &Loaded) -> Self {
        let mut flaws = Self::default();
        for error in errors(loaded) {
            *flaws.0.entry(kind(error)).or_default() += 1;
        }
        flaws
    }

    /// What is wrong with a configuration beyond these, a line each.
    pub(super) fn beyond(&self, loaded: &Loaded) -> Vec<String> {
        let mut known = self.0.clone();
        let is_new = |error: &&Diagnostic| match known.get_mut(&kind(error)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        };
        errors(loaded).filter(is_new).map(|error| describe(loaded, error)).collect()
    }
}

fn errors(loaded: &Loaded) -> impl Iterator<Item = &Diagnostic> {
    loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error)
}

/// Code and message, without the lines that the message speaks of: others may have come before them.
fn kind(error: &Diagnostic) -> (&'static str, String) {
    let mut parts = error.message.split("in line ");
    let mut message = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        message.push_str(part.trim_start_matches(|one: char| one.is_ascii_digit()));
    }
    (error.code, message)
}

/// The file being read, on another thread: a large one takes a while.
#[derive(Default)]
pub(super) struct Reading(Option<JoinHandle<Loaded>>);

impl Reading {
    /// Begins, unless it is being read already. False then: what is read may be older than now.
    pub(super) fn start(&mut self, source: &Source) -> bool {
        let is_free = self.0.is_none();
        if is_free {
            let source = source.clone();
            self.0 = Some(task::spawn_blocking(move || source.load()));
        }
        is_free
    }

    /// Waits until it is read; for ever while it is not.
    pub(super) async fn done(&mut self) -> Option<Loaded> {
        let Some(task) = &mut self.0 else { return std::future::pending().await };
        let outcome = task.await;
        self.0 = None;
        // An error is a panic, which is no reason to take the running daemon down.
        outcome.inspect_err(|error| error!("the configuration was not read: {error}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::running::Running, *};
    use crate::host::testing::TempDir;

    fn text(priority: &str) -> String {
        format!(
            "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\npriority {priority}\n\
             virtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
        )
    }

    /// Issues 4 and 6: a worker that takes the place of another one runs what that ran, whatever has
    /// become of the file; the file itself if that says the same, or if nothing else is known.
    #[test]
    fn successors() {
        let dir = TempDir::new("successor");
        let source = Source { file: dir.path().join("test.conf"), id: String::new() };
        let priority = || {
            let loaded = source.load_for_successor(dir.path());
            loaded.config.map(|config| config.instances[0].priority.get())
        };
        fs::write(&source.file, text("101")).unwrap();
        assert_eq!(priority(), Some(101));
        let running = Running::new(dir.path());
        running.keep(&source.load().config.unwrap()).unwrap();
        let same = source.load_for_successor(dir.path());
        assert_eq!(same.sources.name(config::FileId(0)), source.file.display().to_string());
        fs::write(&source.file, text("102")).unwrap();
        assert_eq!(priority(), Some(101));
        fs::write(&source.file, "vrrp_instance {").unwrap();
        assert_eq!(priority(), Some(101));
        fs::remove_file(&source.file).unwrap();
        assert_eq!(priority(), Some(101));
        running::forget(dir.path());
        assert_eq!(priority(), None);
    }

    /// Issue 6: errors that the running configuration has, too, are no news, wherever they are now; each
    /// further one is.
    #[test]
    fn flaws_that_are_known() {
        let read = |lines: &str| {
            let text = format!("{}{lines}", text("100"));
            config::parse("test.conf", text.as_bytes())
        };
        let (again, wrong) = (text("100"), "vrrp_instance W {\nvirtual_router_id 999\n}\n");
        let known = Flaws::of(&read(&again));
        assert!(read(&again).config.is_some());
        assert!(!Flaws::default().beyond(&read(&again)).is_empty());
        for lines in ["", &again, &format!("\n\n{again}")] {
            assert_eq!(known.beyond(&read(lines)), Vec::<String>::new(), "{lines}");
        }
        for lines in [&format!("{again}{again}"), wrong, &format!("{wrong}{again}")] {
            assert!(!known.beyond(&read(lines)).is_empty(), "{lines}");
        }
        let new = known.beyond(&read(&format!("{wrong}{again}")));
        assert!(
            new.iter().all(|line| line.contains("test.conf:9:") || line.contains("test.conf:10:")),
            "{new:?}"
        );
    }
}
