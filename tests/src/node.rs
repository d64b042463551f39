//! A host of the lab.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketType, netdevice::name_to_index, socket};
use serde::Deserialize;

use crate::{Lab, Launch, Mac, Namespace, Process, output_of};

/// A host with one interface, `eth0`, on the lab's bridge. Dropping it changes nothing; the lab
/// owns the namespace.
#[derive(Clone, Debug)]
pub struct Node {
    namespace: Namespace,
    switch: Namespace,
    port: String,
    host: u8,
    dir: PathBuf,
}

impl Node {
    /// Name of the interface inside every node.
    pub const INTERFACE: &'static str = "eth0";

    /// Name of the second one, see [`Node::join`] and [`Lab::add_network`].
    pub const SECOND_INTERFACE: &'static str = "eth1";

    /// Connects `namespace` to the bridge.
    pub(crate) fn plug(
        namespace: Namespace,
        switch: &Namespace,
        bridge: &str,
        host: u8,
        dir: PathBuf,
    ) -> Result<Self> {
        let port = format!("port{host}");
        let node = Self { namespace, switch: switch.clone(), port, host, dir };
        let (port, inside) = (node.port.as_str(), node.namespace.name());
        let (mac, address) = (node.mac().to_string(), format!("{}/24", node.address()));
        let peer = ["name", Self::INTERFACE, "netns", inside, "address", &mac];
        switch.ip(&[&["link", "add", port, "type", "veth", "peer"], &peer[..]].concat())?;
        switch.ip(&["link", "set", port, "master", bridge, "up"])?;
        node.namespace.ip(&["addr", "add", &address, "dev", Self::INTERFACE])?;
        node.namespace.ip(&["link", "set", Self::INTERFACE, "up"])?;
        Ok(node)
    }

    /// Connects the second interface to another bridge.
    pub(crate) fn plug_second(&self, bridge: &str) -> Result<()> {
        let (name, inside) = (Self::SECOND_INTERFACE, self.namespace.name());
        let (port, address) = (self.second_port(), format!("198.51.100.{}/24", self.host));
        let peer = ["name", name, "netns", inside, "address", &self.mac().to_string()];
        self.switch.ip(&[&["link", "add", &port, "type", "veth", "peer"], &peer[..]].concat())?;
        self.switch.ip(&["link", "set", &port, "master", bridge, "up"])?;
        self.namespace.ip(&["addr", "add", &address, "dev", name])?;
        self.namespace.ip(&["link", "set", name, "up"]).map(drop)
    }

    fn second_port(&self) -> String {
        format!("second{}", self.host)
    }

    /// The node's network namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The namespace of the bridge.
    pub(crate) fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// The node's port at the bridge.
    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    /// MAC of the interface.
    pub const fn mac(&self) -> Mac {
        Mac::local(self.host)
    }

    /// Primary address of the interface.
    pub const fn address(&self) -> Ipv4Addr {
        Lab::address(self.host)
    }

    /// Its address in the lab's network of IPv6.
    pub const fn address_v6(&self) -> Ipv6Addr {
        Lab::address_v6(self.host)
    }

    /// The link-local address of the interface, made from its MAC (RFC 4291 appendix A).
    pub const fn link_local(&self) -> Ipv6Addr {
        let Mac([a, b, c, d, e, f]) = self.mac();
        let id = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
        Ipv6Addr::from_bits(0xfe80 << 112 | u64::from_be_bytes(id) as u128)
    }

    /// Whether `source` is where the adverts of this node come from: its primary IPv4 address or
    /// its link-local address (RFC 9568 7.2), or, to an IPv6 peer of its own, the other address.
    pub fn speaks_from(&self, source: IpAddr) -> bool {
        source == self.address() || source == self.link_local() || source == self.address_v6()
    }

    /// Adds [`Node::address_v6`] to the interface.
    pub(crate) fn add_address_v6(&self) -> Result<()> {
        let address = format!("{}/64", self.address_v6());
        self.namespace.ip(&["addr", "add", &address, "dev", Self::INTERFACE, "nodad"]).map(drop)
    }

    /// A directory for files of this node, removed with the lab.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command that will run inside the node. It keeps the host's mount namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace.path().display())).arg("--").arg(program);
        command
    }

    /// As [`Node::command`], started in the way of `launch`.
    pub fn command_by(&self, launch: Launch, program: impl AsRef<std::ffi::OsStr>) -> Command {
        match launch {
            Launch::Nsenter => self.command(program),
            Launch::NetnsExec => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", self.namespace.name()]).arg(program);
                command
            }
            Launch::PrivateMounts => {
                let mut command = self.command("unshare");
                command.arg("--mount").arg("--").arg(program);
                command
            }
            Launch::Container => {
                let mut command = self.command("unshare");
                command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
                command.arg(program);
                command
            }
        }
    }

    /// Runs a command inside the node to its end and returns its standard output.
    ///
    /// # Errors
    /// It cannot be run, or it failed; the error has its standard error.
    pub fn run(&self, argv: &[&str]) -> Result<String> {
        let (program, args) = argv.split_first().context("no command given")?;
        output_of(self.command(program).args(args))
    }

    /// Starts a daemon from [`Node::command`], see [`Process::spawn`].
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, label: &str, command: Command) -> Result<Process> {
        Process::spawn(label, command)
    }

    /// All addresses of the interface, in the kernel's order.
    ///
    /// # Errors
    /// `ip` failed or its output was not understood.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        #[derive(Deserialize)]
        struct Link {
            addr_info: Vec<Info>,
        }
        #[derive(Deserialize)]
        struct Info {
            local: IpAddr,
        }
        let json = self.namespace.ip(&["-j", "addr", "show", "dev", Self::INTERFACE])?;
        // An interface without addresses is printed as `{}`.
        let links: Vec<serde_json::Value> = serde_json::from_str(&json)?;
        let links = links.into_iter().filter(|link| link.get("addr_info").is_some());
        let links = links.map(serde_json::from_value).collect::<Result<Vec<Link>, _>>()?;
        Ok(links.into_iter().flat_map(|link| link.addr_info).map(|info| info.local).collect())
    }

    /// Writes a switch below /proc/sys/net of the node's own namespace.
    ///
    /// # Errors
    /// There is no such switch, or the kernel refuses the value.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        let file = Path::new("/proc/sys/net").join(name);
        self.namespace.enter(|| {
            std::fs::write(&file, value).with_context(|| format!("cannot write {}", file.display()))
        })
    }

    /// A second cable, from `eth1` of this node to `eth1` of `peer`, in the networks
    /// 198.51.100.0/24 and, where the lab has IPv6, 2001:db8:2::/64, with the last octets that both
    /// have elsewhere.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn join(&self, peer: &Self) -> Result<()> {
        let (name, other) = (Self::SECOND_INTERFACE, peer.namespace.name());
        let veth = ["link", "add", name, "address", &Mac::local(self.host + 1).to_string()];
        let to = ["type", "veth", "peer", "name", name, "netns", other];
        self.namespace.ip(&[&veth[..], &to[..]].concat())?;
        for node in [self, peer] {
            let ipv4 = format!("198.51.100.{}/24", node.host);
            node.namespace.ip(&["addr", "add", &ipv4, "dev", name])?;
            node.namespace.ip(&["link", "set", name, "up"])?;
            if node.addresses()?.contains(&node.link_local().into()) {
                let ipv6 = format!("2001:db8:2::{:x}/64", node.host);
                node.namespace.ip(&["addr", "add", &ipv6, "dev", name, "nodad"])?;
            }
        }
        Ok(())
    }

    /// A guest with `address` on a macvlan of its own, which shares the node's interface. It is removed
    /// with the lab.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn add_guest(&self, address: IpAddr) -> Result<Guest> {
        let namespace = Namespace::add(format!("{}-guest", self.namespace.name()), true)?;
        let mac = Mac::local(self.host + Guest::DISTANCE);
        let name = Guest::INTERFACE;
        let link = ["link", "add", "link", Self::INTERFACE, "name", name];
        let kind = ["netns", namespace.name(), "address", &mac.to_string()];
        let mode = ["type", "macvlan", "mode", "bridge"];
        self.namespace.ip(&[&link[..], &kind, &mode].concat())?;
        let prefix = if address.is_ipv6() { 64 } else { 24 };
        namespace.ip(&["addr", "add", &format!("{address}/{prefix}"), "dev", name])?;
        namespace.ip(&["link", "set", name, "up"])?;
        Ok(Guest { namespace, mac })
    }

    /// Pulls the plug: the port at the bridge goes down, and the node loses its carrier.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn cut(&self) -> Result<()> {
        self.switch.ip(&["link", "set", &self.port, "down"]).map(drop)
    }

    /// Pulls the plug of the second interface at the bridge of [`Lab::add_network`], or puts it back.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn cut_second(&self, is_cut: bool) -> Result<()> {
        let state = if is_cut { "down" } else { "up" };
        self.switch.ip(&["link", "set", &self.second_port(), state]).map(drop)
    }

    /// Runs `work` in the namespace of the switch, with the index of the node's port.
    ///
    /// # Errors
    /// There is no port, or `work` failed.
    pub fn at_switch<T: Send>(&self, work: impl FnOnce(u32) -> Result<T> + Send) -> Result<T> {
        self.switch.enter(|| {
            let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
            work(name_to_index(&socket, &self.port)?)
        })
    }

    /// Keeps all nodes that this is said of from hearing each other; the client and they still hear
    /// each other. Taken back with `false`.
    ///
    /// # Errors
    /// `bridge` failed.
    pub fn isolate(&self, isolated: bool) -> Result<()> {
        self.isolate_port(&self.port, isolated)
    }

    /// The same at the bridge of [`Lab::add_network`].
    ///
    /// # Errors
    /// `bridge` failed.
    pub fn isolate_second(&self, isolated: bool) -> Result<()> {
        self.isolate_port(&self.second_port(), isolated)
    }

    fn isolate_port(&self, port: &str, isolated: bool) -> Result<()> {
        let switch = if isolated { "on" } else { "off" };
        let port = ["link", "set", "dev", port, "isolated", switch];
        let mut bridge = Command::new("bridge");
        output_of(bridge.args(["-n", self.switch.name()]).args(port)).map(drop)
    }

    /// Puts the plug back.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn reconnect(&self) -> Result<()> {
        self.switch.ip(&["link", "set", &self.port, "up"]).map(drop)
    }
}

/// A host of its own behind the interface of a node.
#[derive(Clone, Debug)]
pub struct Guest {
    namespace: Namespace,
    mac: Mac,
}

impl Guest {
    const INTERFACE: &'static str = "guest0";
    /// From the last octet of the node's MAC to that of its guest's.
    const DISTANCE: u8 = 120;

    /// Its network namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// MAC of its interface.
    pub const fn mac(&self) -> Mac {
        self.mac
    }
}
