//! ARP requests for a virtual address: how many are answered, and how soon.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rig::{Daemon, Lab, Mac, Node, PacketSocket, Router, Times, wire};
use serde::Deserialize;

use crate::{
    SETTLING, Scale,
    hogs::{Hogs, be_urgent},
    live,
    quiet::watched,
    result::{Row, Section, Table},
};

const TEXT: &str = "A client asks a host for a virtual address through one cable (veth, with GRO and so \
with NAPI at both ends, which live frames need). keepalived's host answers with the kernel's own ARP. \
The flood comes from one processor, in the same way for both: live frames of BPF_PROG_TEST_RUN, \
whose program writes each frame anew, and a packet socket with a system call for each frame; counted \
is what the client's interface receives. Then one request each millisecond: how long until the \
client's program has the answer, once undisturbed, and once while a loop of SCHED_FIFO 50 keeps each \
processor busy and the client's program runs at 99. In native mode the client's end has an XDP program, \
too, which lets everything through: without one veth does not deliver what a native program answers.";

/// The last octet of the address.
const VIP: [u8; 4] = [198, 51, 100, 200];
const CLIENT: [u8; 4] = [198, 51, 100, 201];
/// The least length of a frame, with what would be its checksum: a whole number of words.
const FRAME: usize = 64;
const PERIOD: Duration = Duration::from_millis(1);
/// Who has had no answer for so long gets none.
const PATIENCE: Duration = Duration::from_millis(50);
/// After a flood, until the last frame has come through.
const DRAIN: Duration = Duration::from_millis(100);

/// How our program is attached; `auto` first.
const MODES: [&str; 5] = ["auto", "tcx", "generic", "native", "none"];

/// Names and units of the figures, in the order of [`Figures`].
const FIGURES: [(&str, &str); 7] = [
    ("Answers to a flood of live frames", "1/s"),
    ("Answered of the requests that arrived, live frames", "%"),
    ("Answers to a flood from a packet socket", "1/s"),
    ("Time to an answer, median", "us"),
    ("Time to an answer, 99 of 100", "us"),
    ("Time to an answer while SCHED_FIFO loops run, 99 of 100", "us"),
    ("Answered while SCHED_FIFO loops run", "%"),
];
type Figures = [f64; FIGURES.len()];

/// Answers of both hosts, and of ours in every mode.
///
/// # Errors
/// A lab cannot be made, or the address is not answered for.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (rounds, time) = scale.pick((1, Duration::from_secs(1)), (5, Duration::from_secs(2)));
    let mut ours: [Vec<Figures>; MODES.len()] = Default::default();
    let mut theirs: Vec<Figures> = Vec::new();
    let mut foreign: f64 = 0.0;
    for round in 1..=rounds {
        let mut one = |daemon, mode: &str| {
            let (figures, share) = watched(|| one(daemon, mode, time))?;
            eprintln!("arp, round {round} of {rounds}, {daemon} {mode}: {figures:.1?}");
            foreign = foreign.max(share);
            anyhow::Ok(figures)
        };
        theirs.push(one(Daemon::Keepalived, "none")?);
        for (mode, samples) in MODES.into_iter().zip(&mut ours) {
            samples.push(one(Daemon::Xvrrp, mode)?);
        }
    }
    let table = |figure: usize| {
        let times = |samples: &[Figures]| Some(Times::new(samples.iter().map(|it| it[figure])));
        let (title, unit) = FIGURES[figure];
        let rows = MODES.iter().zip(&ours).map(|(mode, samples)| Row {
            work: (*mode).into(),
            figures: [times(samples), times(&theirs)],
            foreign,
        });
        Table {
            title: title.into(),
            unit,
            subjects: ["xvrrp", "keepalived"],
            ratio: true,
            logarithmic: false,
            rows: rows.collect(),
        }
    };
    Ok(Section {
        name: "arp",
        title: "ARP",
        text: TEXT.into(),
        tables: (0..FIGURES.len()).map(table).collect(),
    })
}

/// The figures of one daemon; `mode` is for ours.
fn one(daemon: Daemon, mode: &str, time: Duration) -> Result<Figures> {
    let lab = Lab::new(1)?;
    let (node, client, interface) = (lab.node(0), lab.client(), Node::SECOND_INTERFACE);
    node.join(client)?;
    for end in [node, client] {
        end.run(&["ethtool", "-K", interface, "gro", "on"])?;
    }
    // Without one at the other end, veth forgets to deliver what a native program sends back
    // (veth_xdp_flush, Linux 6.18).
    let _at_the_other_end =
        (mode == "native").then(|| live::pass_all(client, interface)).transpose()?;
    let router = Router::start(node, daemon, &config(daemon, mode))?;
    router.wait_for_state(router.started(), "VI", "MASTER", SETTLING)?;
    let mac = Mac::local(0xa1);
    let mut request = wire::arp_request(Mac::BROADCAST, (mac, CLIENT.into()), VIP.into());
    request.resize(FRAME, 0);
    let asker = || Asker::open(client, &request);
    let first = asker()?;
    rig::wait_until("an ARP answer", SETTLING, || Ok(first.ask()?.is_some()))?;
    drop(first);

    let before = [received(node)?, received(client)?];
    let took = live::flood(client, interface, &request, time)?;
    thread::sleep(DRAIN);
    let [requests, answers] = [received(node)? - before[0], received(client)? - before[1]];
    ensure!(requests > 0, "no live frame has arrived");
    let live = [answers as f64 / took.as_secs_f64(), answers as f64 / requests as f64 * 100.0];

    let socket = PacketSocket::to_send_on(client, interface)?;
    let before = received(client)?;
    let began = Instant::now();
    while began.elapsed() < time {
        socket.send(&request)?;
    }
    let took = began.elapsed();
    thread::sleep(DRAIN);
    let socket = (received(client)? - before) as f64 / took.as_secs_f64();

    let asker = asker()?;
    let (_, calm) = asker.ask_for(time)?;
    let hogs = Hogs::Fifo.start(time)?;
    let (answered, busy) = thread::scope(|scope| {
        let work = || {
            be_urgent()?;
            asker.ask_for(time)
        };
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    drop(hogs);
    let [median, calm, busy] =
        [(&calm, 50), (&calm, 99), (&busy, 99)].map(|(times, percent)| at(times, percent));
    Ok([live[0], live[1], socket, median?, calm?, busy?, answered])
}

fn config(daemon: Daemon, mode: &str) -> String {
    let [a, b, c, d] = VIP;
    let mode = match daemon {
        Daemon::Xvrrp => format!("xdp_mode {mode}"),
        Daemon::Keepalived | Daemon::Frr => String::new(),
    };
    format!(
        "vrrp_instance VI {{\n    interface {}\n    state BACKUP\n    version 3\n    \
         virtual_router_id 51\n    priority 200\n    advert_int 0.1\n    {mode}\n    \
         virtual_ipaddress {{\n        {a}.{b}.{c}.{d}\n    }}\n}}\n",
        Node::SECOND_INTERFACE
    )
}

/// How many frames the second interface of a node has received.
fn received(node: &Node) -> Result<u64> {
    #[derive(Deserialize)]
    struct Link {
        stats64: Stats,
    }
    #[derive(Deserialize)]
    struct Stats {
        rx: Received,
    }
    #[derive(Deserialize)]
    struct Received {
        packets: u64,
    }
    let show = ["-s", "-j", "link", "show", "dev", Node::SECOND_INTERFACE];
    let links: Vec<Link> = serde_json::from_str(&node.namespace().ip(&show)?)?;
    Ok(links.first().context("no such interface")?.stats64.rx.packets)
}

/// The time below which so many percent are.
fn at(times: &Times, percent: usize) -> Result<f64> {
    let times: Vec<_> = times.iter().collect();
    let index = times.len().saturating_sub(1) * percent / 100;
    times.get(index).copied().context("nothing was answered")
}

/// Asks, and waits for the answer.
struct Asker {
    socket: PacketSocket,
    request: Vec<u8>,
}

impl Asker {
    fn open(client: &Node, request: &[u8]) -> Result<Self> {
        let socket = PacketSocket::open_on(client, Node::SECOND_INTERFACE)?;
        Ok(Self { socket, request: request.to_vec() })
    }

    /// The time to the answer, us; `None` without one.
    fn ask(&self) -> Result<Option<f64>> {
        let asked = Instant::now();
        self.socket.send(&self.request)?;
        while asked.elapsed() < PATIENCE {
            let Some((_, frame)) = self.socket.receive()? else { continue };
            if matches!(wire::decode(&frame), Some(wire::What::ArpReply { .. })) {
                return Ok(Some(asked.elapsed().as_secs_f64() * 1e6));
            }
        }
        Ok(None)
    }

    /// Asks once each [`PERIOD`]; percentage of answers, and the times to them, us.
    fn ask_for(&self, time: Duration) -> Result<(f64, Times)> {
        let (mut asked, mut times) = (0_u32, Vec::new());
        let began = Instant::now();
        while began.elapsed() < time {
            let next = Instant::now() + PERIOD;
            asked += 1;
            times.extend(self.ask()?);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let answered = times.len() as f64 / f64::from(asked) * 100.0;
        Ok((answered, Times::new(times.into_iter())))
    }
}
