//! Running other programs: each command is said before it runs.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, iter};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo puts the host crates: this program is `<target>/<profile>/xtask`, whatever
/// `CARGO_TARGET_DIR` and cargo's configuration say.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let me = env::current_exe().context("cannot find my own executable")?;
    let target = me.ancestors().nth(2);
    target.map(Path::to_owned).ok_or_else(|| anyhow!("{} is not in a target folder", me.display()))
}

/// A command that also finds what lives in the sbin folders, which many users' PATH lacks.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path());
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A cargo command in the root of the workspace, with the target folder that we come from.
pub(crate) fn cargo(subcommand: &str) -> Result<Command> {
    let mut cargo = command(cargo_program());
    cargo.current_dir(root()).arg(subcommand).arg("--target-dir").arg(target_dir()?);
    Ok(cargo)
}

/// Says the command, runs it without standard input, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(command);
    let status = command.stdin(Stdio::null()).status().with_context(|| cannot_start(command))?;
    ensure!(status.success(), "`{}` failed ({status})", line(command));
    Ok(())
}

/// The crates that a plain build leaves out: one is made for the kernel, the other needs a C++
/// compiler.
pub(crate) const ALL_BUT_SPECIAL: [&str; 5] =
    ["--workspace", "--exclude", "vrrp-ebpf", "--exclude", "xvrrp-fuzz"];

/// Says the command and becomes it; returns only the reason why that failed.
pub(crate) fn exec(command: &mut Command) -> Result<()> {
    say(command);
    let reason = command.exec();
    Err(reason).with_context(|| cannot_start(command))
}

/// Standard output of a quick look at something, without saying it; the program's own complaint
/// is the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}", line(command), complaint.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program's full path, if it can be found.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Fails unless we are root; `what` needs it.
pub(crate) fn require_root(what: &str) -> Result<()> {
    ensure!(is_root(), "{what} needs root (network namespaces, BPF): run it as root or with sudo");
    Ok(())
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of /proc/self is the effective user.
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Says the command.
pub(crate) fn say(command: &Command) {
    eprintln!("$ {}", line(command));
}

/// The command as one could type it; PATH is left out, it is ours for every command.
fn line(command: &Command) -> String {
    let changes = command.get_envs().filter(|(name, _)| *name != "PATH");
    let variables = changes.filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{}={}", name.to_string_lossy(), quoted(value)))
    });
    let words = iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 2, set-up from a clean clone: what is said can be typed.
    #[test]
    fn a_command_is_said_as_one_would_type_it() {
        let mut command = command("cargo");
        command.env("RUSTFLAGS", "-C debuginfo=2").arg("build").arg("it's");
        assert_eq!(line(&command), r"RUSTFLAGS='-C debuginfo=2' cargo build 'it'\''s'");
    }

    /// Issue 2, set-up from a clean clone: a failing command is an error that names it.
    #[test]
    fn a_failing_command_is_named() {
        let failure = run(&mut command("false")).map_err(|error| error.to_string());
        assert_eq!(failure, Err("`false` failed (exit status: 1)".to_owned()));
        let complaint = output(command("sh").args(["-c", "echo no >&2; exit 3"]));
        assert!(complaint.is_err_and(|error| error.to_string().ends_with("failed: no")));
    }
}
