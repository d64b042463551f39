//! The configuration file, read again while the daemon runs.

use std::path::{Path, PathBuf};

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

/// What is wrong with a configuration, a line each.
pub(super) fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
    errors.map(|error| describe(loaded, error)).collect()
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
        running.keep(&source.load().config.unwrap());
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
}
