//! FRR's vrrpd as a peer: its configuration, the macvlan that it needs, and zebra.
//!
//! It sends each advert from a macvlan with the virtual MAC, which the administrator makes, with
//! the virtual addresses on it; a Backup holds it down (`protodown`). It has no authentication and
//! no unicast peers.

use std::{
    ffi::OsString,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Config, Mac, Node, Process, output_of, wait_until};

/// Where Debian puts it, outside of `$PATH`.
pub(crate) const VRRPD: &str = "/usr/lib/frr/vrrpd";
const ZEBRA: &str = "/usr/lib/frr/zebra";
/// Found by its MAC; the name is for people.
const INTERFACE: &str = "vrrp0";
const STARTING: Duration = Duration::from_secs(5);

impl Config {
    /// The virtual router for FRR. `password` and `extra` are left out.
    pub fn frr(&self) -> String {
        let mut text = String::from("debug vrrp protocol\n");
        // Without, it is silent about adverts that it rejects.
        text += "debug vrrp packets\n";
        text += &format!("interface {}\n", Node::INTERFACE);
        let interval = self.advert_int.as_millis();
        let mut line = |setting: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, " vrrp {} {setting}", Self::VRID);
        };
        line(&format!("version {}", self.version));
        line(&format!("priority {}", self.priority));
        line(&format!("advertisement-interval {interval}"));
        for vip in self.vips() {
            line(&format!("{} {vip}", if vip.is_ipv6() { "ipv6" } else { "ip" }));
        }
        text
    }
}

/// Makes the macvlan with which FRR runs `config` on `node`; it stays when the daemon ends.
///
/// # Errors
/// `ip` failed.
pub fn add_interface(node: &Node, config: &Config) -> Result<()> {
    let ip = |command: &str| {
        let words: Vec<_> = command.split_whitespace().collect();
        node.namespace().ip(&words)
    };
    let (device, below) = (INTERFACE, Node::INTERFACE);
    let mac = Mac::virtual_router(config.vip, Config::VRID);
    ip(&format!("link add {device} link {below} address {mac} type macvlan mode bridge"))?;
    ip(&format!("link set {device} addrgenmode none"))?;
    for vip in config.vips() {
        let length = if vip.is_ipv6() { 64 } else { 24 };
        ip(&format!("addr add {vip}/{length} dev {device}"))?;
    }
    if config.vip.is_ipv6() {
        // Its adverts come from the latest link-local address of this interface: not from one that
        // both routers have.
        ip(&format!("addr add {}/64 dev {device}", node.link_local()))?;
    }
    node.namespace().enter(|| {
        // Else the kernel answers for the macvlan's addresses on the interface below as well, with
        // its MAC, and even while the macvlan is held down.
        let switch = format!("/proc/sys/net/ipv4/conf/{below}/arp_ignore");
        fs::write(&switch, "1").with_context(|| format!("cannot write {switch}"))
    })?;
    ip(&format!("link set {device} up")).map(drop)
}

/// Starts zebra, with its files in `dir`, and waits until vrrpd can talk to it. It holds vrrpd's
/// macvlan up or down. `config` is the file for vrrpd, which must be able to read it.
pub(crate) fn start_zebra(node: &Node, config: &Path, dir: &Path) -> Result<Process> {
    let own_config = dir.join("zebra.conf");
    fs::write(&own_config, "")?;
    // They give up root for the user of their package.
    for path in [config, dir, &own_config] {
        output_of(Command::new("chown").arg("frr:frr").arg(path))?;
    }
    let socket = zebra_socket(dir);
    fs::remove_file(&socket).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut command = node.command(ZEBRA);
    command.args(arguments(&own_config, dir, "zebra.pid"));
    let process = node.spawn(&format!("zebra on {}", node.address()), command)?;
    wait_until("zebra is there", STARTING, || Ok(socket.exists()))?;
    Ok(process)
}

/// What zebra and vrrpd have in common: in the foreground, all files in `dir`, nothing on a port.
pub(crate) fn arguments(config: &Path, dir: &Path, pid_file: &str) -> Vec<OsString> {
    let files = [
        ("--config_file", config.to_owned()),
        ("--pid_file", dir.join(pid_file)),
        ("--socket", zebra_socket(dir)),
        ("--vty_socket", dir.to_owned()),
    ];
    let files = files.into_iter().flat_map(|(option, file)| [option.into(), file.into()]);
    let rest = ["--vty_port", "0", "--log", "stdout", "--log-level", "debug"];
    files.chain(rest.map(Into::into)).collect()
}

fn zebra_socket(dir: &Path) -> PathBuf {
    dir.join("zserv.api")
}

/// The state that a line of the log announces, in keepalived's words.
pub(crate) fn state_of(line: &str) -> Option<String> {
    let (_, state) = line.split_once(" -> ")?;
    let state = match state {
        "Master" => "MASTER",
        "Backup" => "BACKUP",
        "Initialize" => "INIT",
        _ => return None,
    };
    Some(state.into())
}
