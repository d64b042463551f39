//! Becoming MASTER for very many addresses at once, among other virtual routers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use rig::{
    Capture, Daemon, Lab, Node, PacketSocket, Router, Seen, ms_between,
    wire::{self, What},
};

use crate::{
    SETTLING, Scale,
    in_turn::{self, Figure},
    many::{Load, name},
    quiet::watched,
    result::Section,
};

const TEXT: &str = "A host is MASTER of 50 virtual routers with an advert each 100 ms, and BACKUP of \
one more that has 200 addresses; the MASTER of that one is killed. From its heir's first advert on, \
the client sends ARP requests and echo requests to all 200 addresses, at the heir's MAC and again \
each half millisecond while they are not answered. The host forwards, and the addresses are of a \
network that it is in. Measured are the longest time by which an advert of the 50 came late, in the \
second before the takeover and the two after it; the longest time from the first ARP request for \
an address to its answer; when the last of the 200 addresses had its first ARP answer, and its first \
echo reply, after the takeover advert, which contains the client's own 400 system calls; and what was \
forwarded.";
const INSTANCE: &str = "MANY";
const VRID: u8 = 200;
const VIPS: u8 = 200;
const OTHERS: Load = Load { routers: 50, ms: 100 };
/// The network of the 200 addresses, which end with 1 to 200.
const NETWORK: [u8; 3] = [198, 18, 0];
const HEIR_HOST: u8 = 250;
const CLIENT_HOST: u8 = 252;
/// Between two rounds of probes for what has not been answered.
const ROUND: Duration = Duration::from_micros(500);
/// What is looked at before and after the takeover.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(2);

const FIGURES: [Figure; 5] = [
    ("Latest advert of the other virtual routers", "ms"),
    ("First ARP request for an address to its answer, at most", "ms"),
    ("Takeover advert to the last address's ARP answer", "ms"),
    ("Takeover advert to the last address's echo reply", "ms"),
    ("Packets to the addresses that were forwarded", ""),
];
type Figures = in_turn::Figures<{ FIGURES.len() }>;

/// Takeovers by both daemons.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let mut tables = in_turn::tables(FIGURES, false);
    let work = "200 addresses, 50 others";
    in_turn::measure(&mut tables, ("burst", work), scale.pick(1, 10), |daemon, _| {
        watched(|| one(daemon))
    })?;
    Ok(Section {
        name: "burst",
        title: "Many addresses at once",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

/// One takeover.
fn one(daemon: Daemon) -> Result<Figures> {
    let lab = Lab::new(2)?;
    let (heir, client) = (lab.node(0), lab.client());
    for (node, host) in [(heir, HEIR_HOST), (client, CLIENT_HOST)] {
        let address = format!("{}/24", address(host));
        node.namespace().ip(&["addr", "add", &address, "dev", Node::INTERFACE])?;
    }
    heir.set_sysctl("ipv4/ip_forward", "1")?;
    let capture = Capture::start(client)?;
    let start = |node, config: &str, instances: &[(&str, &str)]| {
        let router = Router::start(node, daemon, config)?;
        for (instance, state) in instances {
            router.wait_for_state(router.started(), instance, state, SETTLING)?;
        }
        anyhow::Ok(router)
    };
    let mut master = start(lab.node(1), &config(200), &[(INSTANCE, "MASTER")])?;
    let others =
        OTHERS.config(&[Node::INTERFACE.to_owned()], 200).replace(" 198.18.0.", " 198.18.1.");
    let names: Vec<_> = (0..OTHERS.routers).map(name).collect();
    let states: Vec<_> = names.iter().map(|name| (name.as_str(), "MASTER")).collect();
    let states = [&[(INSTANCE, "BACKUP")][..], &states].concat();
    let _router = start(heir, &(config(100) + &others), &states)?;
    thread::sleep(BEFORE);

    let forwarded = forwarded(heir)?;
    let probes = Probes::open(heir, client)?;
    let killed = SystemTime::now();
    master.process().kill()?;
    let is_takeover = |seen: &Seen| vrid(seen) == Some(VRID) && seen.is_advert_of(heir);
    let takeover = capture.expect("the takeover", killed, SETTLING, is_takeover)?.at;
    let (longest, [resolved, answered]) = probes.run(&capture, takeover)?;
    let end = takeover + AFTER;
    thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default());
    let seen = capture.seen_since(takeover - BEFORE);
    let late = latest(seen.iter().filter(|seen| seen.is_advert_of(heir) && seen.at <= end))?;
    let forwarded = self::forwarded(heir)? - forwarded;
    let [resolved, answered] = [resolved, answered].map(|moment| ms_between(takeover, moment));
    Ok([late, longest, resolved, answered, forwarded as f64].map(Some))
}

/// The virtual router with the many addresses.
fn config(priority: u8) -> String {
    let mut config = format!(
        "vrrp_instance {INSTANCE} {{\n    interface {}\n    state BACKUP\n    version 3\n    \
         virtual_router_id {VRID}\n    priority {priority}\n    advert_int {}\n    \
         virtual_ipaddress {{\n",
        Node::INTERFACE,
        OTHERS.advert_int().as_secs_f64(),
    );
    for host in 1..=VIPS {
        // Writing to a string does not fail.
        let _ = writeln!(config, "        {}", address(host));
    }
    config + "    }\n}\n"
}

const fn address(host: u8) -> Ipv4Addr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, host)
}

fn vrid(seen: &Seen) -> Option<u8> {
    match seen.what {
        What::Advert { vrid, .. } => Some(vrid),
        _ => None,
    }
}

/// By how much an advert of the other virtual routers was late at most, ms.
fn latest<'a>(adverts: impl Iterator<Item = &'a Seen>) -> Result<f64> {
    let mut times: BTreeMap<u8, Vec<SystemTime>> = BTreeMap::new();
    for advert in adverts {
        if let Some(vrid) = vrid(advert).filter(|vrid| *vrid != VRID) {
            times.entry(vrid).or_default().push(advert.at);
        }
    }
    ensure!(times.len() == usize::from(OTHERS.routers), "{} send adverts", times.len());
    let gaps = times.values().flat_map(|times| times.windows(2));
    let longest = gaps.map(|pair| ms_between(pair[0], pair[1])).max_by(f64::total_cmp);
    Ok(longest.context("there are no two adverts")? - OTHERS.ms as f64)
}

/// How many packets the node's kernel has forwarded.
fn forwarded(node: &Node) -> Result<u64> {
    // The namespace of the thread, not of the process.
    let text = node.namespace().enter(|| Ok(fs::read_to_string("/proc/thread-self/net/snmp")?))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let count = pairs.find(|(name, _)| *name == "ForwDatagrams");
    Ok(count.context("the kernel does not count what it forwards")?.1.parse()?)
}

/// Requests to all addresses, at the MAC of their heir.
struct Probes {
    socket: PacketSocket,
    /// ARP request and echo request for each address.
    frames: BTreeMap<Ipv4Addr, [Vec<u8>; 2]>,
}

impl Probes {
    fn open(heir: &Node, client: &Node) -> Result<Self> {
        let sender = (client.mac(), address(CLIENT_HOST));
        let frames = (1..=VIPS).map(|host| {
            let vip = address(host);
            let request = wire::arp_request(heir.mac(), sender, vip);
            (vip, [request, wire::ping(heir.mac(), sender, vip)])
        });
        Ok(Self { socket: PacketSocket::open(client)?, frames: frames.collect() })
    }

    /// Sends until all are answered. The longest time from the first ARP request for an address to
    /// its answer, ms, and when the last address had its first ARP answer, and its first echo reply.
    fn run(&self, capture: &Capture, takeover: SystemTime) -> Result<(f64, [SystemTime; 2])> {
        let mut waiting: [BTreeSet<Ipv4Addr>; 2] =
            [(); 2].map(|()| self.frames.keys().copied().collect());
        let mut last = [takeover; 2];
        let (mut asked, mut longest) = (BTreeMap::new(), 0.0_f64);
        let (mut next, deadline) = (Instant::now(), Instant::now() + SETTLING);
        while waiting.iter().any(|waiting| !waiting.is_empty()) {
            ensure!(Instant::now() < deadline, "not all addresses are answered for: {waiting:?}");
            for (kind, waiting) in waiting.iter().enumerate() {
                for vip in waiting {
                    if kind == 0 {
                        asked.entry(*vip).or_insert_with(SystemTime::now);
                    }
                    self.socket.send(&self.frames[vip][kind])?;
                }
            }
            next += ROUND;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            for seen in capture.seen_since(takeover) {
                let (kind, vip) = match seen.what {
                    What::ArpReply { sender, .. } => (0, sender.1.into()),
                    What::EchoReply { source } => (1, source),
                    _ => continue,
                };
                if let std::net::IpAddr::V4(vip) = vip
                    && waiting[kind].remove(&vip)
                {
                    last[kind] = last[kind].max(seen.at);
                    if kind == 0 {
                        longest = longest.max(ms_between(asked[&vip], seen.at));
                    }
                }
            }
        }
        Ok((longest, last))
    }
}
