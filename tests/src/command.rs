//! Commands of the host, run to their end.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// The program is missing, or it failed: then the error has the command line, the exit status and
/// what it wrote to standard error.
pub fn output_of(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}`: {}: {}", output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `output_of` for a program of the host's own namespace.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String> {
    output_of(Command::new(program).args(args))
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}
