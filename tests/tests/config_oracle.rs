//! `xvrrp check` beside `keepalived -t`: the same answer about every configuration, or a line in
//! data/disagreements.toml that says why ours is better.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use rig::{Daemon, Lab, Node};
use serde::Deserialize;

/// The version whose answers data/disagreements.toml knows.
const VERSION: &str = "v2.2.7";

/// What the files name beside the interface that a node has already.
const INTERFACES: [&str; 8] =
    ["eth1", "eth2", "eth3", "eth0.1", "bond0", "ens33", "ens192", "vrf-blue"];

/// Runs what follows with a few scripts in /etc/keepalived, and nothing but those; where it writes
/// otherwise is its own, too.
const APART: &str = r#"
set -e
mount -t tmpfs -o mode=755 tmpfs /etc/keepalived
for name in check notify fifo; do
    echo '#!/bin/sh' > /etc/keepalived/$name.sh
    chmod 755 /etc/keepalived/$name.sh
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /var/log
exec timeout 20 "$@"
"#;

/// The folders with configurations: the repository's own, and what Debian's keepalived ships.
fn folders() -> [(&'static str, PathBuf); 3] {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    [
        ("configs", data.join("configs")),
        ("samples", "/usr/share/doc/keepalived/samples".into()),
        ("seeds", data.join("seeds")),
    ]
}

/// The answer of either program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Clean,
    WouldRun,
    ScriptSecurity,
    CannotRun,
}

impl Answer {
    /// From the exit code; keepalived has several for what cannot run, and crashes on occasion.
    const fn of(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::Clean,
            Some(5) => Self::WouldRun,
            Some(6) => Self::ScriptSecurity,
            _ => Self::CannotRun,
        }
    }
}

/// A line of data/disagreements.toml.
#[derive(Debug, Deserialize)]
struct Disagreement {
    /// Exit code of `xvrrp check`.
    ours: i32,
    /// Exit code of `keepalived -t`, -1 when a signal ended it.
    keepalived: i32,
    /// Why ours is better.
    because: String,
}

/// A host that has what the files name.
fn host(lab: &Lab) -> Result<&Node> {
    let node = lab.node(0);
    let namespace = node.namespace();
    for (number, name) in (1..).zip(INTERFACES) {
        let peer = format!("peer{number}");
        namespace.ip(&["link", "add", name, "type", "veth", "peer", "name", &peer])?;
        for device in [name, &peer] {
            namespace.ip(&["link", "set", device, "up"])?;
        }
        namespace.ip(&["addr", "add", &format!("198.18.{number}.1/24"), "dev", name])?;
    }
    Ok(node)
}

fn run(node: &Node, program: &Path, arguments: &[&str], file: &Path) -> Result<Output> {
    let mut command: Command = node.command("unshare");
    command.args(["--mount", "sh", "-c", APART, "sh"]).arg(program).args(arguments).arg(file);
    command.output().with_context(|| format!("cannot run {command:?}"))
}

/// All files of a folder that are configurations.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let is_one = |path: &PathBuf| name(path).ends_with(".conf") || name(path).contains(".conf.");
    Ok(paths.into_iter().filter(is_one).collect())
}

/// Issue 5: on a host that has the interfaces and scripts of the file, both programs agree about
/// every configuration in data/configs and data/seeds, and about every sample that keepalived ships:
/// clean, would run with errors, would run scripts as root, cannot run. Where they do not,
/// data/disagreements.toml says so, and it says nothing else.
#[test]
fn check_answers_as_keepalived_does() {
    let lab = Lab::with_ipv6(1).unwrap();
    let node = host(&lab).unwrap();
    let keepalived = Daemon::Keepalived.program().unwrap();
    let version = Command::new(&keepalived).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stderr).into_owned();
    assert!(version.contains(VERSION), "the answers are those of {VERSION}, this is {version}");
    let ours = Daemon::Xvrrp.program().unwrap();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/disagreements.toml");
    let table = fs::read_to_string(table).unwrap();
    let mut known: BTreeMap<String, Disagreement> = toml::from_str(&table).unwrap();

    let mut wrong = Vec::new();
    for (folder, path) in folders() {
        let files = files(&path).unwrap();
        assert!(files.len() >= 14, "{}: {} files", path.display(), files.len());
        for file in files {
            let compared = compare(node, (&ours, &keepalived), &file, |name| {
                known.remove(&format!("{folder}/{name}"))
            });
            if let Err(why) = compared {
                wrong.push(format!("{folder}/{why:#}"));
            }
        }
    }
    wrong.extend(known.keys().map(|name| format!("{name}: there is no such file")));
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
}

fn compare(
    node: &Node,
    (ours, keepalived): (&Path, &Path),
    file: &Path,
    known: impl FnOnce(&str) -> Option<Disagreement>,
) -> Result<()> {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let theirs = run(node, keepalived, &["--config-test", "--use-file"], file)?;
    let ours = run(node, ours, &["check", "--file"], file)?;
    let codes = [&ours, &theirs].map(|output| output.status.code());
    let said = |output: &Output| {
        let both = [&output.stdout[..], &output.stderr[..]].concat();
        String::from_utf8_lossy(&both).into_owned()
    };
    let [our_code, their_code] = codes.map(|code| code.unwrap_or(-1));
    let agree = Answer::of(codes[0]) == Answer::of(codes[1]);
    match known(&name) {
        Some(line) => {
            ensure!(!agree, "{name}: both say {our_code}, {:?} has no use", line.because);
            let expected = (line.ours, line.keepalived);
            ensure!(
                (our_code, their_code) == expected && !line.because.is_empty(),
                "{name}: (ours, keepalived) should be {expected:?}, is {:?}",
                (our_code, their_code)
            );
        }
        None => ensure!(
            agree,
            "{name}: ours {our_code}, keepalived {their_code}\n--- ours\n{}--- keepalived\n{}",
            said(&ours),
            said(&theirs)
        ),
    }
    Ok(())
}
