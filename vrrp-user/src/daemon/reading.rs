//! The configuration file, read again while the daemon runs.

use std::path::PathBuf;

use tokio::task::{self, JoinHandle};
use tracing::{error, info, warn};

use crate::config::{self, Diagnostic, Loaded, Severity};

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
