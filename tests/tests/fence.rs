//! A daemon that hangs: the kernel alone keeps the host from answering for the addresses and from
//! speaking in their name, and what was heard meanwhile counts before anything leaves again.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Config, Daemon, Lab, Node, Process, Router, Seen, Signal, tcp, wait_until,
    wire::{self, What},
};

const SETTLING: Duration = Duration::from_secs(15);
/// How long something is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(500);
/// A connection to somebody who listens comes about in much less.
const NO_CONNECTION: Duration = Duration::from_millis(500);
const PORT: u16 = 8080;
const ADVERT_INT: Duration = Duration::from_millis(200);
/// A refresh of the announcements is always due.
const REFRESHING: &str = "garp_master_refresh 1";
const GENERIC: &str = "garp_master_refresh 1\n    xdp_mode generic";

/// Node 0 is master, and its host speaks in the name of the address without pause. The switch shows
/// the client everything.
struct Talkative {
    master: Router,
    talkers: Vec<Process>,
    _server: tcp::Server,
    capture: Capture,
    config: Config,
    lab: Lab,
}

impl Talkative {
    fn start(config: Config, priority: u8) -> Self {
        let config = Config { version: 3, advert_int: ADVERT_INT, priority, ..config };
        let lab = config.lab(2).unwrap();
        lab.make_hub().unwrap();
        let capture = Capture::start(lab.client()).unwrap();
        let (node, vip) = (lab.node(0), config.vip);
        let master = Router::start(node, Daemon::Xvrrp, &config.to_string()).unwrap();
        lab.wait_for_answerer(&capture, vip, 0, SETTLING).unwrap();
        let server = tcp::Server::start(node, vip, PORT).unwrap();
        // The kernel is to ask in the name of the address, as it does by default.
        let switch = format!("ipv4/conf/{}/arp_announce", Node::INTERFACE);
        node.set_sysctl(&switch, "0").unwrap();
        let nobody: IpAddr = match vip {
            IpAddr::V4(_) => Lab::address(77).into(),
            IpAddr::V6(_) => Lab::address_v6(77).into(),
        };
        let listener: IpAddr = match vip {
            IpAddr::V4(_) => lab.client().address().into(),
            IpAddr::V6(_) => lab.client().address_v6().into(),
        };
        let talkers = [listener, nobody].map(|to| {
            let mut ping = node.command("ping");
            ping.args(["-q", "-i", "0.05", "-I", &vip.to_string(), &to.to_string()]);
            node.spawn("a talker", ping).unwrap()
        });
        let talkative =
            Self { master, talkers: talkers.into(), _server: server, capture, config, lab };
        for (what, is_resolving) in [("traffic", false), ("questions", true)] {
            let leaves = || {
                let said = talkative.said(SystemTime::UNIX_EPOCH).into_iter();
                Ok(said.filter(|frame| is_resolution(frame) == is_resolving).count() > 0)
            };
            wait_until(&format!("{what} from the address"), SETTLING, leaves).unwrap();
        }
        assert!(talkative.takes_connections());
        talkative
    }

    /// Starts the daemon of node 1.
    fn start_peer(&self, priority: u8) -> Router {
        let config = Config { priority, ..self.config.clone() };
        Router::start(self.lab.node(1), Daemon::Xvrrp, &config.to_string()).unwrap()
    }

    fn signal(&mut self, signal: Signal) -> SystemTime {
        let at = SystemTime::now();
        self.master.process().signal_group(signal).unwrap();
        at
    }

    /// What node 0 sent in the name of the address, adverts apart.
    fn said(&self, since: SystemTime) -> Vec<Vec<u8>> {
        let frames = self.capture.frames_since(since).into_iter().map(|(_, frame)| frame);
        frames.filter(|frame| speaks(frame, self.lab.node(0), self.config.vip)).collect()
    }

    /// Whether a connection to the address, at the MAC of node 0, comes about.
    fn takes_connections(&self) -> bool {
        let (client, vip) = (self.lab.client(), self.config.vip);
        let (address, mac) = (vip.to_string(), self.lab.node(0).mac().to_string());
        let entry = ["dev", Node::INTERFACE, "lladdr", &mac, "nud", "permanent"];
        client.run(&[&["ip", "neigh", "replace", &address], &entry[..]].concat()).unwrap();
        tcp::connect_within(client, SocketAddr::new(vip, PORT), NO_CONNECTION).is_ok()
    }

    /// Neither answers nor speaks, for a while.
    fn expect_silence(&self, since: SystemTime) {
        let answerers = self.lab.answerers(&self.capture, self.config.vip).unwrap();
        assert!(!answerers.contains(&0), "{answerers:?}");
        assert!(!self.takes_connections());
        assert_eq!(self.said(since), Vec::<Vec<u8>>::new());
    }

    /// Node 0 speaks of no transition since then.
    fn expect_no_transition(&mut self, since: SystemTime) {
        let lines = self.master.process().lines();
        let mut lines = lines.iter().filter(|line| line.at >= since);
        let transition = lines.find(|line| line.text.contains("Entering"));
        assert!(transition.is_none(), "{transition:?}");
    }

    fn dropped(&self) -> u64 {
        self.master.status().unwrap()[0].counter("outgoing_dropped")
    }
}

/// True for what `node` sends in the name of `vip`: ARP or an advertisement for it, or from it.
fn speaks(frame: &[u8], node: &Node, vip: IpAddr) -> bool {
    const VRRP: u8 = 112;
    let octets = |range| frame.get::<std::ops::Range<usize>>(range).unwrap_or_default();
    let named = match (vip, octets(12..14)) {
        (IpAddr::V4(vip), [8, 6]) => octets(28..32) == vip.octets(),
        (IpAddr::V4(vip), [8, 0]) => octets(26..30) == vip.octets() && frame[23] != VRRP,
        (IpAddr::V6(vip), [0x86, 0xdd]) => {
            let advertised = octets(20..21) == [58] && octets(54..55) == [136];
            octets(22..38) == vip.octets() && frame[20] != VRRP
                || advertised && octets(62..78) == vip.octets()
        }
        _ => false,
    };
    named && octets(6..12) == node.mac().0
}

/// True for ARP and Neighbor Discovery.
fn is_resolution(frame: &[u8]) -> bool {
    frame[12..14] == [8, 6] || frame[12..14] == [0x86, 0xdd] && matches!(frame[54], 135 | 136)
}

/// The better router hangs, its peer takes over; when it goes on, it makes itself heard by an advert
/// before anything else.
fn hung_master_of_higher_priority(config: Config) {
    let mut talkative = Talkative::start(config, 200);
    let instance = talkative.config.instance();
    let peer = talkative.start_peer(100);
    peer.wait_for_state(peer.started(), instance, "BACKUP", SETTLING).unwrap();
    let stopped = talkative.signal(Signal::STOP);
    peer.wait_for_state(stopped, instance, "MASTER", SETTLING).unwrap();
    let taken = SystemTime::now();
    talkative.expect_silence(taken);
    talkative.capture.wait_for(taken, SILENCE, |_| false);
    talkative.expect_silence(taken);

    let resumed = talkative.signal(Signal::CONT);
    peer.wait_for_state(resumed, instance, "BACKUP", SETTLING).unwrap();
    let (capture, vip) = (&talkative.capture, talkative.config.vip);
    talkative.lab.wait_for_answerer(capture, vip, 0, SETTLING).unwrap();
    let node = talkative.lab.node(0);
    let is_advert = |frame: &[u8]| matches!(wire::decode(frame), Some(What::Advert { source, .. }) if node.speaks_from(source));
    let frames = talkative.capture.frames_since(taken);
    let advert = frames.iter().position(|(at, frame)| *at >= resumed && is_advert(frame));
    let said = frames.iter().position(|(_, frame)| speaks(frame, node, vip));
    assert!(advert.unwrap() < said.unwrap(), "frame {said:?} before the advert, frame {advert:?}");
    // The caches point to the peer, so the network is told.
    let announced = |seen: &Seen| seen.from == node.mac() && seen.announces(vip);
    talkative.capture.expect("an announcement", resumed, SETTLING, announced).unwrap();
    assert!(talkative.takes_connections());
    assert!(talkative.dropped() > 0);
    talkative.expect_no_transition(stopped);
}

/// issue 4, "a fenced host is silent outwards too", X-12: a master that hangs answers nothing once
/// its lease is over, takes no connections, and nothing leaves in the name of the address, whoever
/// makes it.
#[test]
fn a_hung_master_is_fenced_with_tcx() {
    hung_master_of_higher_priority(Config { extra: REFRESHING, ..Config::default() });
}

/// issue 4, X-12: the same with generic XDP.
#[test]
fn a_hung_master_is_fenced_with_generic_xdp() {
    hung_master_of_higher_priority(Config { extra: GENERIC, ..Config::default() });
}

/// issue 4, X-12: the same with IPv6.
#[test]
fn a_hung_master_is_fenced_with_ipv6() {
    hung_master_of_higher_priority(Config { extra: REFRESHING, ..Config::ipv6() });
}

/// issue 4, "if somebody was heard, obey the election", R-6.4.3-12, R-6.4.3-13: a better router came
/// while the master hung. When that goes on, it becomes Backup before it answers or says anything, an
/// advert included; so it does for a router that wins by its address.
#[test]
fn a_hung_master_obeys_who_came_meanwhile() {
    for (config, priority) in [
        (Config { extra: REFRESHING, ..Config::default() }, 200),
        (Config { extra: GENERIC, ..Config::default() }, 100),
        (Config { extra: REFRESHING, ..Config::ipv6() }, 100),
    ] {
        let mut talkative = Talkative::start(config, 100);
        let instance = talkative.config.instance();
        let stopped = talkative.signal(Signal::STOP);
        let peer = talkative.start_peer(priority);
        peer.wait_for_state(stopped, instance, "MASTER", SETTLING).unwrap();
        let taken = SystemTime::now();
        talkative.expect_silence(taken);

        // With IPv6 they would not notice that the address is gone.
        talkative.talkers.clear();
        let resumed = talkative.signal(Signal::CONT);
        let vip = talkative.config.vip;
        let master = &talkative.master;
        master.wait_for_state(resumed, instance, "BACKUP", SETTLING).unwrap();
        let node = talkative.lab.node(0);
        let is_gone = || Ok(!node.addresses()?.contains(&vip));
        wait_until("the address is removed", SETTLING, is_gone).unwrap();
        talkative.capture.wait_for(taken, SILENCE, |_| false);
        talkative.expect_silence(taken);
        let adverts = talkative.capture.adverts_of(node, taken).unwrap();
        assert_eq!(adverts.len(), 0, "{adverts:?}");
        assert_eq!(peer.last_state(instance).unwrap(), "MASTER");
    }
}

/// issue 4, "if nobody else was heard, go on without a transition", X-12: a master without peers that
/// hung is fenced, and answers again when it goes on.
#[test]
fn a_hung_master_without_peers_goes_on() {
    for config in [
        Config { extra: REFRESHING, ..Config::default() },
        Config { extra: GENERIC, ..Config::default() },
        Config { extra: REFRESHING, ..Config::ipv6() },
    ] {
        let mut talkative = Talkative::start(config, 100);
        let stopped = talkative.signal(Signal::STOP);
        let is_over =
            || Ok(talkative.lab.answerers(&talkative.capture, talkative.config.vip)?.is_empty());
        wait_until("the end of the lease", SETTLING, is_over).unwrap();
        let over = SystemTime::now();
        talkative.capture.wait_for(over, SILENCE, |_| false);
        talkative.expect_silence(over);
        let vip = talkative.config.vip;
        assert!(talkative.lab.node(0).addresses().unwrap().contains(&vip));

        let resumed = talkative.signal(Signal::CONT);
        talkative.lab.wait_for_answerer(&talkative.capture, vip, 0, SETTLING).unwrap();
        assert!(talkative.takes_connections());
        let speaks = || Ok(!talkative.said(resumed).is_empty());
        wait_until("traffic from the address", SETTLING, speaks).unwrap();
        talkative.expect_no_transition(stopped);
    }
}

/// Stops a backup for a while, several times, while its master goes on.
fn hung_backup(extra: &'static str, is_unicast: bool) {
    let config = |node: u8| {
        let other = Lab::address(12 - node).to_string();
        Config {
            version: 3,
            advert_int: Duration::from_millis(100),
            priority: 200 - 100 * node,
            peers: if is_unicast { vec![other] } else { Vec::new() },
            extra,
            ..Config::default()
        }
    };
    let lab = Lab::new(2).unwrap();
    let capture = Capture::start(lab.client()).unwrap();
    let vip = config(0).vip;
    let mut routers = [0, 1].map(|node| {
        let config = config(node).to_string();
        Router::start(lab.node(node.into()), Daemon::Xvrrp, &config).unwrap()
    });
    lab.wait_for_answerer(&capture, vip, 0, SETTLING).unwrap();
    let [master, backup] = &mut routers;
    let start = SystemTime::now();
    let received = |backup: &Router| {
        let status = backup.status().unwrap();
        status[0].counter("adverts_received")
    };
    for milliseconds in [50, 100, 200, 300, 400, 600, 1000, 2000, 5000] {
        backup.process().signal_group(Signal::STOP).unwrap();
        let stopped = SystemTime::now();
        // Nothing tells of the time that it is to last.
        capture.wait_for(stopped, Duration::from_millis(milliseconds), |_| false);
        backup.process().signal_group(Signal::CONT).unwrap();
        let before = received(backup);
        let goes_on = || Ok(received(backup) > before + 3);
        wait_until("further adverts", SETTLING, goes_on).unwrap();
    }
    for router in [&mut *master, &mut *backup] {
        let lines = router.process().lines();
        let mut lines = lines.iter().filter(|line| line.at >= start);
        let transition = lines.find(|line| line.text.contains("Entering"));
        assert!(transition.is_none(), "{transition:?}");
    }
    // It would have noticed.
    let crashed = SystemTime::now();
    master.crash().unwrap();
    backup.wait_for_state(crashed, Config::INSTANCE, "MASTER", SETTLING).unwrap();
}

/// issue 4 row 8, "no false failover after a stall": what the kernel program saw counts.
#[test]
fn a_hung_backup_does_not_take_over() {
    hung_backup("", false);
}

/// issue 4 row 8: what waits at the raw sockets counts, too, where they are what hears.
#[test]
fn a_hung_backup_with_raw_sockets_does_not_take_over() {
    hung_backup("xdp_mode none", false);
}

/// issue 4 row 8: the same with unicast.
#[test]
fn a_hung_backup_of_unicast_does_not_take_over() {
    hung_backup("", true);
}
