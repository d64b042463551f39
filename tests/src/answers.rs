//! Who answers for an address, asked without pause.

use std::{
    net::Ipv4Addr,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Result, anyhow};

use crate::{
    Capture, Lab, Mac, Node, PacketSocket, tcp,
    wire::{self, ArpParty, What},
};

/// Between two rounds.
const PERIOD: Duration = Duration::from_millis(1);
const PORT: u16 = 8080;
/// Host number of the one who asks node 0; those who ask the others follow. They exist nowhere.
const FIRST_ASKER: u8 = 201;

/// Asks each node at its own MAC, each millisecond, who has an address, and for a connection to it.
/// Each node has a server for the connections, knows the MACs of those who ask, and answers every
/// request on its own (SYN cookies), so an answer says what the node does at that moment.
#[derive(Debug)]
pub struct Questions {
    vip: Ipv4Addr,
    stop: Arc<AtomicBool>,
    /// Returns the times of the rounds.
    thread: JoinHandle<Vec<SystemTime>>,
    servers: Vec<tcp::Server>,
}

/// What a node has answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Answers to who has the address.
    pub arp: Vec<SystemTime>,
    /// Connections that were accepted.
    pub tcp: Vec<SystemTime>,
    /// Times during which no round was without an answer of either kind: from the first to the last.
    pub spans: Vec<RangeInclusive<SystemTime>>,
}

impl Questions {
    /// Starts to ask the nodes of `lab` from its client.
    ///
    /// # Errors
    /// A node cannot be prepared, or the socket cannot be opened.
    pub fn start(lab: &Lab, vip: Ipv4Addr) -> Result<Self> {
        let mut frames = Vec::new();
        let mut servers = Vec::new();
        for (index, node) in lab.nodes().iter().enumerate() {
            let asker = asker(index);
            let (address, mac) = (asker.1.to_string(), asker.0.to_string());
            let entry = ["neigh", "replace", &address, "lladdr", &mac, "nud", "permanent"];
            node.namespace().ip(&[&entry[..], &["dev", Node::INTERFACE]].concat())?;
            node.set_sysctl("ipv4/tcp_syncookies", "2")?;
            servers.push(tcp::Server::start(node, vip.into(), PORT)?);
            frames.push(wire::arp_request(node.mac(), asker, vip));
            frames.push(wire::syn(node.mac(), asker, (vip, PORT)));
        }
        let socket = PacketSocket::open(lab.client())?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || ask(&socket, &frames, &stop)
        });
        Ok(Self { vip, stop, thread, servers })
    }

    /// Ends, and returns what each node has answered as far as `capture`, which is the client's, has
    /// seen it.
    ///
    /// # Errors
    /// The asking thread panicked.
    pub fn end(self, capture: &Capture) -> Result<Vec<Answers>> {
        self.stop.store(true, Ordering::Relaxed);
        let rounds = self.thread.join().map_err(|_| anyhow!("panic in an asking thread"))?;
        let mut nodes = vec![Answers::default(); self.servers.len()];
        let Some(first) = rounds.first() else { return Ok(nodes) };
        for seen in capture.seen_since(*first) {
            let target = match seen.what {
                What::ArpReply { sender, target } if sender.1 == self.vip => target.1,
                What::Accepted { source, target } if source == (self.vip, PORT) => target,
                _ => continue,
            };
            let node = (0..nodes.len()).find(|index| asker(*index).1 == target);
            match (node, &seen.what) {
                (Some(node), What::ArpReply { .. }) => nodes[node].arp.push(seen.at),
                (Some(node), _) => nodes[node].tcp.push(seen.at),
                (None, _) => {}
            }
        }
        for node in &mut nodes {
            let mut answers = [&node.arp[..], &node.tcp[..]].concat();
            answers.sort();
            node.spans = spans(&rounds, &answers);
        }
        Ok(nodes)
    }
}

impl Answers {
    /// How long both have answered at the same time.
    pub fn overlap(&self, other: &Self) -> Duration {
        let common = |one: &RangeInclusive<SystemTime>, two: &RangeInclusive<SystemTime>| {
            let (from, to) = (one.start().max(two.start()), one.end().min(two.end()));
            to.duration_since(*from).unwrap_or_default()
        };
        self.spans.iter().flat_map(|one| other.spans.iter().map(move |two| common(one, two))).sum()
    }
}

/// Who asks a node.
fn asker(node: usize) -> ArpParty {
    let host = FIRST_ASKER + node as u8;
    (Mac::local(host), Lab::address(host))
}

fn ask(socket: &PacketSocket, frames: &[Vec<u8>], stop: &AtomicBool) -> Vec<SystemTime> {
    let mut rounds = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        rounds.push(SystemTime::now());
        for frame in frames {
            // What is not sent (queue full) is not answered: the next round follows at once.
            let _ = socket.send(frame);
        }
        next = (next + PERIOD).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    rounds
}

/// The answers of consecutive rounds, from the first to the last; both are sorted.
fn spans(rounds: &[SystemTime], answers: &[SystemTime]) -> Vec<RangeInclusive<SystemTime>> {
    let mut spans: Vec<RangeInclusive<SystemTime>> = Vec::new();
    let mut last_round = None;
    for answer in answers {
        let round = rounds.partition_point(|round| round <= answer);
        match spans.last_mut() {
            Some(span) if last_round.is_some_and(|last| round <= last + 1) => {
                *span = *span.start()..=*answer;
            }
            _ => spans.push(*answer..=*answer),
        }
        last_round = Some(round);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(us)
    }

    /// Issue 4 row 10: a span ends with the last answer before a round without one.
    #[test]
    fn a_round_without_an_answer_ends_a_span() {
        let rounds = [0, 1000, 2000, 3000, 4000].map(at);
        let answers = [100, 150, 1100, 3100, 4050].map(at);
        let expected = [at(100)..=at(1100), at(3100)..=at(4050)];
        assert_eq!(spans(&rounds, &answers), expected);
        assert_eq!(spans(&rounds, &[]), []);
    }

    /// Issue 4 row 10: one after the other is not both at once.
    #[test]
    fn only_common_time_is_an_overlap() {
        let answers = |spans: &[(u64, u64)]| Answers {
            spans: spans.iter().map(|(from, to)| at(*from)..=at(*to)).collect(),
            ..Answers::default()
        };
        let one = answers(&[(0, 1000), (5000, 9000)]);
        assert_eq!(one.overlap(&answers(&[(1010, 4000)])), Duration::ZERO);
        let two = answers(&[(900, 1200), (8000, 8500)]);
        assert_eq!(one.overlap(&two), Duration::from_micros(600));
    }
}
