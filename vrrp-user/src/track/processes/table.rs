//! Processes as /proc shows them.

use std::fs;

use crate::config::{Parameters, TrackProcess};

/// Longest name that the kernel keeps of a process (TASK_COMM_LEN without its NUL).
const NAME: usize = 15;

/// A process that runs.
pub(super) struct Process {
    pid: u32,
    /// Its name, cut by the kernel.
    name: Vec<u8>,
}

impl Process {
    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it is one of those that count.
    pub(super) fn matches(&self, wanted: &TrackProcess) -> bool {
        if wanted.full_command {
            return arguments(self.pid).is_some_and(|argv| is_command(&argv, wanted));
        }
        let name = wanted.process.as_bytes();
        self.name == name[..name.len().min(NAME)]
    }
}

/// All that are running.
pub(super) fn running() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
}

/// One of them. `None` if it is over, and only its parent has not asked for it yet.
pub(super) fn process(pid: u32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let (name, state) = name_and_state(&stat)?;
    (!matches!(state, b'Z' | b'X')).then(|| Process { pid, name: name.to_vec() })
}

/// `1234 (name) S …`; the name may have any character in it.
fn name_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let start = stat.iter().position(|byte| *byte == b'(')? + 1;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some((stat.get(start..end)?, *stat.get(end + 2)?))
}

/// The command line, which ends each word with a NUL. A process may have written there what it likes.
fn arguments(pid: u32) -> Option<Vec<Vec<u8>>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    Some(line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

fn is_command(argv: &[Vec<u8>], wanted: &TrackProcess) -> bool {
    let Some((command, given)) = argv.split_first() else { return false };
    if command != wanted.process.as_bytes() {
        return false;
    }
    let same = |given: &Vec<u8>, wanted: &String| given == wanted.as_bytes();
    let begins_with = |wanted: &[String]| {
        given.len() >= wanted.len() && given.iter().zip(wanted).all(|(own, word)| same(own, word))
    };
    match &wanted.parameters {
        Parameters::Any => true,
        Parameters::Exact(words) => given.len() == words.len() && begins_with(words),
        Parameters::First(words) => begins_with(words),
        Parameters::Initial(words) => words.split_last().is_none_or(|(last, before)| {
            begins_with(before)
                && given.get(before.len()).is_some_and(|own| own.starts_with(last.as_bytes()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Place, Weight};

    fn wanted(parameters: Parameters) -> TrackProcess {
        TrackProcess {
            name: "p".to_owned(),
            span: Place::default(),
            process: "/usr/sbin/haproxy".to_owned(),
            full_command: true,
            parameters,
            weight: Weight::default(),
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    /// keywords `full_command`, `param_match`: which command lines are meant.
    #[test]
    fn command_lines() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let is = |parameters: Parameters, line: &[&str]| {
            let argv: Vec<_> = line.iter().map(|word| word.as_bytes().to_vec()).collect();
            is_command(&argv, &wanted(parameters))
        };
        let haproxy = |more: &[&'static str]| [&["/usr/sbin/haproxy"], more].concat();
        let ab = || words(&["-a", "-b"]);
        for (line, exact, first, initial) in [
            (haproxy(&["-a", "-b"]), true, true, true),
            (haproxy(&["-a", "-b", "-c"]), false, true, true),
            (haproxy(&["-a", "-bc"]), false, false, true),
            (haproxy(&["-a", "-bc", "-d"]), false, false, true),
            (haproxy(&["-a"]), false, false, false),
            (haproxy(&["-ax", "-b"]), false, false, false),
            (haproxy(&[]), false, false, false),
            (vec!["haproxy", "-a", "-b"], false, false, false),
        ] {
            assert_eq!(is(Parameters::Exact(ab()), &line), exact, "{line:?}");
            assert_eq!(is(Parameters::First(ab()), &line), first, "{line:?}");
            assert_eq!(is(Parameters::Initial(ab()), &line), initial, "{line:?}");
        }
        assert!(is(Parameters::Any, &haproxy(&["-a"])));
        assert!(is(Parameters::Exact(Vec::new()), &haproxy(&[])));
        assert!(!is(Parameters::Exact(Vec::new()), &haproxy(&["-a"])));
        assert!(!is(Parameters::Any, &[]));
    }

    /// keyword `process`: names may look like the rest of the line; whoever has ended does not run.
    #[test]
    fn lines_of_the_kernel() {
        let line = name_and_state(b"12 (a) R (b) S 1 2");
        assert_eq!(line, Some((b"a) R (b".as_slice(), b'S')));
        assert_eq!(name_and_state(b"12 (a"), None);
        assert_eq!(name_and_state(b"12 (a)"), None);
    }
}
