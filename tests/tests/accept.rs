//! Accept_Mode: whether the host that has the virtual addresses takes what is sent to them.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, SocketAddr},
    process::{Child, Stdio},
    time::Duration,
};

use rig::{
    Capture, Config, Daemon, Footprint, Lab, Node, Router, VirtualRouter,
    tcp::{self, Server},
    wait_until,
};

const SETTLING: Duration = Duration::from_secs(15);
/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(700);
const PORT: u16 = 7000;

/// A node that is MASTER, with a server on it, and what it was before.
struct Master {
    router: Router,
    capture: Capture,
    config: Config,
    before: Footprint,
    _server: Server,
    lab: Lab,
}

impl Master {
    fn start(config: Config) -> Self {
        Self::start_in(config.lab(1).unwrap(), config)
    }

    fn start_in(lab: Lab, config: Config) -> Self {
        let capture = Capture::start(lab.client()).unwrap();
        let node = lab.node(0);
        let server = Server::start(node, config.vip, PORT).unwrap();
        // The kernel notices some time after its start that a link has a carrier.
        let link = ["ip", "link", "show", "dev", Node::INTERFACE];
        wait_until("the link", SETTLING, || Ok(node.run(&link)?.contains("state UP"))).unwrap();
        let before = Footprint::of(node).unwrap();
        let router = Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap();
        let master = Self { router, capture, config, before, _server: server, lab };
        master.expect_master();
        master
    }

    /// MASTER, and the addresses are on the interface.
    fn expect_master(&self) {
        let (started, instance) = (self.router.started(), self.config.instance());
        self.router.wait_for_state(started, instance, "MASTER", SETTLING).unwrap();
        let held = || {
            let addresses = self.node().addresses()?;
            Ok(self.config.vips().all(|vip| addresses.contains(&vip)))
        };
        wait_until("the addresses", SETTLING, held).unwrap();
        for vip in self.config.vips() {
            self.lab.wait_for_answerer(&self.capture, vip, 0, SETTLING).unwrap();
        }
    }

    fn node(&self) -> &Node {
        self.lab.node(0)
    }

    fn status(&self) -> VirtualRouter {
        self.router.status().unwrap().remove(0)
    }

    fn own_address(&self) -> IpAddr {
        match self.config.vip {
            IpAddr::V4(_) => self.node().address().into(),
            IpAddr::V6(_) => self.node().address_v6().into(),
        }
    }

    fn pings(&self, address: IpAddr) -> bool {
        let address = address.to_string();
        let ping = ["ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", Node::INTERFACE, &address];
        self.lab.client().run(&ping).is_ok()
    }

    /// The addresses answer to a ping and to TCP.
    fn expect_accepted(&self) {
        for vip in self.config.vips() {
            assert!(self.pings(vip), "{vip} does not answer to a ping");
        }
        tcp::connect(self.lab.client(), (self.config.vip, PORT).into()).unwrap();
    }

    /// The addresses resolve, but answer to nothing; the node's own address answers.
    fn expect_not_accepted(&self) {
        for vip in self.config.vips() {
            assert!(!self.pings(vip), "{vip} answers to a ping");
            self.lab.wait_for_answerer(&self.capture, vip, 0, SETTLING).unwrap();
        }
        for port in [PORT, PORT + 1] {
            let to = SocketAddr::new(self.config.vip, port);
            let error = tcp::connect_within(self.lab.client(), to, SILENCE).unwrap_err();
            let error = error.downcast::<std::io::Error>().unwrap();
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "port {port} answers: {error}");
        }
        assert!(self.pings(self.own_address()), "the node's own address does not answer");
        tcp::connect(self.lab.client(), (self.own_address(), PORT).into()).unwrap();
    }

    fn ruleset(&self) -> String {
        self.node().run(&["nft", "list", "ruleset"]).unwrap()
    }

    /// Stops the daemon; then all is as it was.
    fn stop(mut self) {
        assert!(self.router.stop().unwrap().success());
        let after = Footprint::of(self.node()).unwrap();
        assert_eq!(self.before.difference(&after), Vec::<String>::new());
    }
}

fn config(extra: &'static str) -> Config {
    Config { version: 3, advert_int: Duration::from_millis(200), extra, ..Config::default() }
}

fn config_ipv6(extra: &'static str) -> Config {
    Config { advert_int: Duration::from_millis(200), extra, ..Config::ipv6() }
}

/// R-6.4.3-05: without a word about it, packets to the addresses are accepted, as by keepalived.
#[test]
fn accepted_by_default() {
    for config in [config(""), config("accept"), config_ipv6("")] {
        let master = Master::start(config);
        master.expect_accepted();
        assert_eq!(master.status().acceptance, "accept");
        assert_eq!(master.ruleset(), "");
        master.stop();
    }
}

/// R-6.4.3-06, R-6.4.3-01: with `no_accept` nothing is accepted at the address, and ARP for it is
/// answered; nothing stays behind.
#[test]
fn not_accepted() {
    for extra in ["no_accept\nxdp_mode generic", "no_accept\nxdp_mode none"] {
        let master = Master::start(config(extra));
        assert_eq!(master.status().acceptance, "no_accept (nftables)");
        master.expect_not_accepted();
        master.stop();
    }
}

/// V-6.4.3-03: the same in version 2.
#[test]
fn not_accepted_in_version_2() {
    let second = Duration::from_secs(1);
    let master =
        Master::start(Config { extra: "no_accept", advert_int: second, ..Config::default() });
    master.expect_not_accepted();
    master.stop();
}

/// R-6.4.3-06, R-6.4.3-08, R-6.1-10: with `no_accept` nothing is accepted at the IPv6 addresses, the
/// link-local one included, while Neighbor Discovery works, by the kernel too.
#[test]
fn not_accepted_with_ipv6() {
    for extra in ["no_accept\nxdp_mode generic", "no_accept\nxdp_mode none"] {
        let master = Master::start(config_ipv6(extra));
        assert_eq!(master.status().acceptance, "no_accept (nftables)");
        master.expect_not_accepted();
        for vip in master.config.vips().map(|vip| vip.to_string()) {
            let client = master.lab.client();
            let resolved = client.run(&["ndisc6", "-q", "-1", &vip, Node::INTERFACE]).unwrap();
            assert_eq!(resolved.trim().to_lowercase(), master.node().mac().to_string());
        }
        master.stop();
    }
}

/// Issue 3, R-6.4.3-06, R-6.1-10: with `xdp_no_accept on` the kernel program does it, for both
/// families, and counts; nftables has nothing to do.
#[test]
fn not_accepted_by_the_program() {
    let generic = "no_accept\nxdp_no_accept on\nxdp_mode generic";
    let tcx = "no_accept\nxdp_no_accept on\nxdp_mode tcx";
    for config in [config(generic), config_ipv6(generic), config(tcx), config_ipv6(tcx)] {
        let master = Master::start(config);
        assert_eq!(master.status().acceptance, "no_accept (kernel program)");
        let before = master.status().counter("not_accepted");
        master.expect_not_accepted();
        // Two pings for each address at the least.
        assert!(master.status().counter("not_accepted") >= before + 2);
        assert_eq!(master.ruleset(), "");
        master.stop();
    }
}

/// Issue 3: `xdp_no_accept on` without the program: nftables does it.
#[test]
fn the_firewall_stands_in_for_the_program() {
    let master = Master::start(config("no_accept\nxdp_no_accept on\nxdp_mode none"));
    assert_eq!(master.status().acceptance, "no_accept (nftables)");
    master.expect_not_accepted();
    master.stop();
}

/// R-6.4.3-05, R-6.1-08, R-6.4.1-01, V-6.4.3-04: the owner accepts whatever is said of it.
#[test]
fn the_owner_accepts() {
    for version in [2, 3] {
        let config = config("no_accept\nxdp_no_accept on\nnopreempt");
        let advert_int = Duration::from_secs(1);
        let master = Master::start(Config { version, priority: 255, advert_int, ..config });
        master.expect_accepted();
        assert_eq!(master.ruleset(), "");
        master.stop();
    }
}

/// Issue 3: a killed daemon's rules are replaced by its successor's, and nothing stays behind.
#[test]
fn killed_and_started_again() {
    let mut master = Master::start(config("no_accept"));
    let rules = master.ruleset();
    master.router.process().kill().unwrap();
    assert_ne!(master.ruleset(), "", "a killed daemon cannot remove its rules");
    let node = master.lab.node(0);
    master.router = Router::start(node, Daemon::Xvrrp, &master.config.to_string()).unwrap();
    master.expect_master();
    master.expect_not_accepted();
    assert_eq!(rules.lines().count(), master.ruleset().lines().count());

    // One that needs no rules.
    master.router.process().kill().unwrap();
    master.config.extra = "accept";
    let node = master.lab.node(0);
    master.router = Router::start(node, Daemon::Xvrrp, &master.config.to_string()).unwrap();
    master.expect_master();
    master.expect_accepted();
    master.stop();
}

/// Issue 3: who flushes all rules, as a reload of a host's own firewall does, does not make the
/// address accept.
#[test]
fn flushed_rules_come_back() {
    let master = Master::start(config("no_accept"));
    let has_address = || Ok(master.ruleset().contains(&master.config.vip.to_string()));
    assert!(has_address().unwrap());
    master.node().run(&["nft", "flush", "ruleset"]).unwrap();
    wait_until("the table", SETTLING, has_address).unwrap();
    master.expect_not_accepted();
    master.stop();
}

/// A table of the daemon's name that belongs to another process for as long as this lives: nobody
/// else may change it.
struct Usurper(Child);

impl Usurper {
    fn start(node: &Node) -> Self {
        let table = format!("xvrrp{}", node.dir().join("xvrrp").display());
        let mut command = node.command("nft");
        let command = command.arg("--interactive").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut nft = command.spawn().unwrap();
        let stdin = nft.stdin.as_mut().unwrap();
        writeln!(stdin, "add table inet {table} {{ flags owner; }}\nlist tables").unwrap();
        let mut lines = BufReader::new(nft.stdout.as_mut().unwrap()).lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(&table))).unwrap().unwrap();
        Self(nft)
    }
}

impl Drop for Usurper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Issue 3, R-6.4.3-06: where nftables does not let us, the kernel program keeps packets away, and
/// without it nobody does. Log and status say so.
#[test]
fn without_the_firewall() {
    let start = |config: Config| {
        let lab = config.lab(1).unwrap();
        let usurper = Usurper::start(lab.node(0));
        (Master::start_in(lab, config), usurper)
    };
    let (master, _usurper) = start(config("no_accept\nxdp_mode generic"));
    assert_eq!(master.status().acceptance, "no_accept (kernel program)");
    master.expect_not_accepted();
    assert!(master.status().counter("not_accepted") > 0);

    let (master, _usurper) = start(config("no_accept\nxdp_mode none"));
    assert_eq!(master.status().acceptance, "no_accept not enforced");
    master.expect_accepted();
    let log = master.router.log().join("\n");
    assert!(log.contains("nftables: ") && log.contains("no_accept is not enforced"), "{log}");
}
