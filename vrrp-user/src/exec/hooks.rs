//! `startup_script` and `shutdown_script`.

use std::time::Instant;

use tracing::{info, warn};

use super::{Found, Job, Runner};
use crate::config::{Global, Hook, ScriptRules};

/// What is run before everything else, and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    startup: Option<Hook>,
    shutdown: Option<Hook>,
    rules: ScriptRules,
}

impl Hooks {
    /// Those of a configuration.
    pub fn of(global: &Global) -> Self {
        let Global { startup, shutdown, scripts, .. } = global;
        Self { startup: startup.clone(), shutdown: shutdown.clone(), rules: scripts.clone() }
    }

    /// Runs `startup_script` and waits until it has ended, or its timeout has. Whatever becomes of it
    /// is said in the log, and keeps nobody from going on.
    pub async fn startup(&self) {
        self.run("startup", self.startup.as_ref()).await;
    }

    /// The same with `shutdown_script`.
    pub async fn shutdown(&self) {
        self.run("shutdown", self.shutdown.as_ref()).await;
    }

    /// Before the start and after the end there is no runner but its own.
    async fn run(&self, which: &str, hook: Option<&Hook>) {
        let Some(Hook { command, timeout }) = hook else { return };
        let runner = match Runner::spawn() {
            Ok(runner) => runner,
            Err(error) => {
                warn!("the {which} script is not run: {error}");
                return;
            }
        };
        let begun = Instant::now();
        let program = match tokio::time::timeout(*timeout, runner.find(command, &self.rules)).await
        {
            Ok(Ok(Found { program, .. })) => program,
            Ok(Err(why)) => {
                warn!("the {which} script is not run: {why}");
                return;
            }
            Err(_) => {
                warn!("the {which} script is not run: it is still looked up after {timeout:?}");
                return;
            }
        };
        info!("Running {which} script {}", program.path().display());
        let left = timeout.saturating_sub(begun.elapsed());
        let outcome = runner.run(Job { timeout: Some(left), ..Job::new(program) }).await;
        let said = outcome.last_line().map(|line| format!(": {line}")).unwrap_or_default();
        if outcome.is_success() {
            info!("{which} script succeeded");
        } else {
            warn!("{which} script {}{said}", outcome.end);
        }
    }
}
