//! Network namespaces that are found again by their names.
//!
//! Everything of the rig is named `xv<pid>-<lab>-<role>` after the process that made it, so that
//! what a killed process left behind can be told from what is in use.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command::run;

const NETNS_DIR: &str = "/run/netns";
const PREFIX: &str = "xv";

/// Shared while namespaces or processes are made or removed, so that the removal on a signal does not
/// miss what is just being made.
static CHANGES: RwLock<()> = RwLock::new(());

/// A named network namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace, with the loopback device up. Without `ipv6` there is none, not even on
    /// interfaces that come; with it, addresses are used at once, and nobody looks for routers.
    pub(crate) fn add(name: String, ipv6: bool) -> Result<Self> {
        let namespace = Self { name };
        run("ip", &["netns", "add", namespace.name()])?;
        namespace.enter(|| {
            let switches: &[(&str, &str)] = if ipv6 {
                &[("accept_dad", "0"), ("accept_ra", "0"), ("router_solicitations", "0")]
            } else {
                &[("disable_ipv6", "1")]
            };
            for device in ["all", "default"] {
                for (switch, value) in switches {
                    let switch = format!("/proc/sys/net/ipv6/conf/{device}/{switch}");
                    fs::write(&switch, value).with_context(|| format!("cannot write {switch}"))?;
                }
            }
            Ok(())
        })?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Name under /run/netns.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// File that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new(NETNS_DIR).join(&self.name)
    }

    /// `ip -n NAMESPACE ARGS`.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn ip(&self, args: &[&str]) -> Result<String> {
        run("ip", &[&["-n", self.name()], args].concat())
    }

    /// Runs `work` on a thread of its own inside the namespace. Sockets that it opens stay there;
    /// `/proc/sys/net` is the namespace's.
    ///
    /// # Errors
    /// The namespace cannot be entered, or `work` failed or panicked.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            let namespace = File::open(self.path())?;
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network)
                .with_context(|| format!("cannot enter {}", self.name))?;
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .map_err(|_| anyhow!("panic inside {}", self.name))?
    }
}

/// To be held while namespaces or processes are made or removed. Nobody waits for another one who does.
pub(crate) fn changing() -> RwLockReadGuard<'static, ()> {
    CHANGES.read().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps others from making or removing anything while it lives.
pub(crate) fn exclusive() -> RwLockWriteGuard<'static, ()> {
    CHANGES.write().unwrap_or_else(PoisonError::into_inner)
}

/// Start of all names of lab number `lab` of this process.
pub(crate) fn lab_prefix(lab: usize) -> String {
    format!("{PREFIX}{}-{lab}-", std::process::id())
}

/// Directory for the files of the lab.
pub(crate) fn lab_dir(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(prefix.trim_end_matches('-'))
}

/// Whether `name` was made by the rig in a process that is gone.
pub(crate) fn is_orphan(name: &str) -> bool {
    owner(name).is_some_and(|pid| !is_alive(pid))
}

/// Whether `name` was made by the rig in this process.
pub(crate) fn is_own(name: &str) -> bool {
    owner(name) == Some(std::process::id())
}

/// Ends the processes in the namespaces whose names `doomed` selects, then removes these namespaces
/// and the directories selected likewise. What cannot be removed is reported, and the rest is still
/// done.
pub(crate) fn remove(doomed: impl Fn(&str) -> bool) {
    for name in names_in(Path::new(NETNS_DIR)).filter(|name| doomed(name)) {
        report(end_processes(&name));
        report(run("ip", &["netns", "del", &name]).map(drop));
    }
    let files = std::env::temp_dir();
    for name in names_in(&files).filter(|name| doomed(name)) {
        report(fs::remove_dir_all(files.join(&name)).with_context(|| format!("removing {name}")));
    }
}

/// SIGKILL for every process that is still in the namespace: daemons whose parents are gone.
fn end_processes(namespace: &str) -> Result<()> {
    let pids = run("ip", &["netns", "pids", namespace])?;
    for pid in pids.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)) {
        // It may have ended by itself meanwhile, which is as good.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    Ok(())
}

/// Whether the process exists and is no zombie: that is a dead one whose parent does not care.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state is in brackets and may contain some.
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// The process that made `name`, if the rig made it.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
}

fn names_in(dir: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn report(result: Result<()>) {
    if let Err(error) = result {
        eprintln!("rig: clean-up: {error:#}");
    }
}
