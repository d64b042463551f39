//! What happens between fork and exec, and after the end.
#![expect(unsafe_code, reason = "code that runs between fork and exec is unsafe, as is waitid(2)")]

use std::{io, os::unix::process::CommandExt, process::Command};

use nix::unistd::{Gid, Uid, getegid, geteuid, setgid, setgroups, setuid};
use rustix::process::{Pid, Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};

/// Whose rights a process has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Numbers of further groups.
    pub groups: Vec<u32>,
}

/// Gives what `command` starts the rights of `identity`, all of its groups and no others, which needs
/// CAP_SETUID and CAP_SETGID unless it is the caller's own. It may have so many files open; with
/// `leashed` it gets SIGTERM when the thread that started it ends.
pub fn become_other(command: &mut Command, identity: &Identity, open_files: Rlimit, leashed: bool) {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let own_group = [gid];
    let others = identity.groups.iter().copied().map(Gid::from_raw);
    let groups: Vec<Gid> = own_group.into_iter().chain(others).collect();
    let change = move || -> io::Result<()> {
        setrlimit(Resource::Nofile, open_files)?;
        // Who is not root can be nobody else, and need not.
        if geteuid().is_root() || geteuid() != uid || getegid() != gid {
            setgroups(&groups)?;
            setgid(gid)?;
            setuid(uid)?;
        }
        if leashed {
            // A change of user clears it.
            set_parent_process_death_signal(Some(Signal::TERM))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls only; it neither allocates nor locks.
    unsafe { command.pre_exec(change) };
}

/// A child that has ended, which it stays. `None` where there is none. Whatever signal has ended it: the
/// libraries know no real-time signals.
pub fn first_dead() -> Option<Pid> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: a siginfo_t of zeros is one.
    let mut ended: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes a siginfo_t, and there is one.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut ended, flags) };
    if result != 0 {
        return None;
    }
    // SAFETY: waitid(2) has filled it in as that of a child, or left the zeros.
    Pid::from_raw(unsafe { ended.si_pid() })
}

/// Closes what whoever started this process left open, standard input, output and error apart.
///
/// Has to be called before this process opens anything. Before Linux 5.9 it does nothing.
pub fn close_inherited() {
    // SAFETY: no descriptor above 2 belongs to anybody in this process yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}

/// Has signals do what they do by default: who started this process may have had them ignored.
pub fn forget_ignored_signals() {
    for signal in 1..=libc::SIGSYS {
        // Ours is that of all Rust programs; those that they start get the default.
        if signal != libc::SIGPIPE {
            // SAFETY: no handler is installed, and none is lost. SIGKILL and SIGSTOP are refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}
