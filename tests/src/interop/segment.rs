//! Two routers on one segment, and what a third host sees of them.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    Row,
    script::{Failure, Step},
};
use crate::{
    Capture, Daemon, Lab, Mac, Router, Seen, add_frr_interface, ms_between, wait_until, wire::What,
};

/// What a busy machine may add to a limit, ms. It tells right from wrong; how good it is, the demo
/// measures.
const TOLERANCE_MS: f64 = 200.0;
/// FRR and keepalived round their timers down to centiseconds, ms.
const ROUNDING_MS: f64 = 11.0;
/// Until the routers agree: three times what the slowest protocol needs, and the start of programs
/// on a busy machine.
const SETTLING: Duration = Duration::from_secs(15);
/// From the agreement to a network that has heard of it.
const FOLLOWING: Duration = Duration::from_secs(5);
/// Words in the complaints of the peers about what they hear.
const COMPLAINTS: [&str; 9] = [
    "bogus", "checksum", "nvalid", "ncorrect", "ismatch", "expected", "dropped", "error", "differ",
];
/// What the peers say in the best of worlds: FRR, because its debug messages are on, about every
/// advert; keepalived about every announcement.
const CHATTER: [&str; 8] = [
    // Packets, byte by byte.
    "[Q79JG-SJBP4]",
    "Datagram rx",
    "Datagram tx",
    "Adver_Timer",
    "Received VRRP Advertisement",
    "Refusing to start",
    "Sending gratuitous",
    "Sending unsolicited",
];
/// Lines of each log in a reason.
const QUOTED_LINES: usize = 10;

/// Node 0 with the higher priority, node 1 with the lower one.
pub(super) struct Segment<'a> {
    // In the order in which they must go: the daemons before their namespaces.
    routers: [Router; 2],
    capture: Capture,
    lab: Lab,
    row: &'a Row,
    daemons: [Daemon; 2],
}

impl<'a> Segment<'a> {
    /// Starts both daemons and waits until node 0 is MASTER in every respect.
    pub(super) fn start(row: &'a Row, daemons: [Daemon; 2]) -> Result<Self, Failure> {
        let segment = Self::set_up(row, daemons);
        let mut segment = segment.map_err(|error| Failure::Broken(format!("{error:#}")))?;
        let settled = segment.expect_master(0, segment.routers[0].started());
        settled.map_err(|error| segment.failure(&error, &[0, 1]))?;
        Ok(segment)
    }

    fn set_up(row: &'a Row, daemons: [Daemon; 2]) -> Result<Self> {
        let lab = row.config.lab(2)?;
        if row.unicast {
            lab.make_hub()?;
        }
        let capture = Capture::start(lab.client())?;
        for (node, daemon) in daemons.into_iter().enumerate() {
            if daemon == Daemon::Frr {
                add_frr_interface(lab.node(node), &row.config_of(node))?;
            }
        }
        let start = |node| start(&lab, row, node, daemons[node]);
        let routers = [start(0)?, start(1)?];
        Ok(Self { routers, capture, lab, row, daemons })
    }

    /// SIGTERM to node 0: it resigns, and node 1 follows after its Skew_Time.
    pub(super) fn stop_master(&mut self) -> Step {
        let stopped = SystemTime::now();
        let status = self.routers[0].stop();
        let check = || {
            let status = status?;
            ensure!(status.success(), "the stopped daemon ended with {status}");
            let (last, first) = self.handover(stopped)?;
            ensure!(resigns(&last), "the last advert was not one of priority 0: {last:?}");
            self.expect_after(&last, &first, self.row.config_of(1).skew_time())?;
            self.expect_master(1, first.at)
        };
        check().map_err(|error| self.failure(&error, &[1]))
    }

    /// The host of node 0 dies: node 1 follows after its Active_Down_Interval.
    pub(super) fn crash_master(&mut self) -> Step {
        let killed = SystemTime::now();
        let crash = self.routers[0].crash();
        let check = || {
            crash?;
            let (last, first) = self.handover(killed)?;
            self.expect_after(&last, &first, self.row.config_of(1).active_down_interval())?;
            self.expect_master(1, first.at)
        };
        check().map_err(|error| self.failure(&error, &[1]))
    }

    /// Node 0 is started again: it takes the addresses back, and node 1 yields without a word.
    pub(super) fn return_of_master(&mut self) -> Step {
        let returned = SystemTime::now();
        let restarted = self.lab.node(0).reconnect().and_then(|()| {
            self.routers[0] = start(&self.lab, self.row, 0, self.daemons[0])?;
            Ok(())
        });
        let check = || {
            restarted?;
            self.expect_master(0, returned)?;
            let seen = self.capture.seen_since(returned);
            let resigned = seen.iter().find(|seen| resigns(seen));
            ensure!(resigned.is_none(), "a router that yields does not resign: {resigned:?}");
            Ok(())
        };
        check().map_err(|error| self.failure(&error, &[0, 1]))
    }

    /// Everything that shows that `node`, and nobody else, is MASTER since `since`: its adverts, the
    /// states by the routers' own account, answers for the addresses, what the switch has learned, a
    /// ping, and no complaint.
    fn expect_master(&self, node: usize, since: SystemTime) -> Result<()> {
        let source = self.answering_mac(node);
        wait_until("adverts of one router alone", SETTLING, || {
            let last = self.last_adverts(since);
            Ok(last.len() == 2 && last.iter().all(|seen| seen.is_advert_of(self.lab.node(node))))
        })
        .with_context(|| format!("node {node} is not the only one that sends adverts"))?;
        for advert in self.last_adverts(since) {
            ensure!(
                advert.from == source,
                "the advert comes from {} instead of {source}",
                advert.from
            );
        }
        self.expect_states(node)?;
        for vip in self.row.config.vips() {
            let mut answers = Vec::new();
            wait_until("one answer, with the right MAC", FOLLOWING, || {
                answers = self.lab.answers(&self.capture, vip)?;
                Ok(answers == [source])
            })
            .with_context(|| format!("asked for {vip} ({source} on node {node}): {answers:?}"))?;
        }
        if self.row.virtual_mac_of(self.daemons[node]).is_some() {
            let behind = self.lab.node_with(source)?;
            ensure!(
                self.row.unicast || behind == Some(node),
                "the switch has {source} behind node {behind:?} instead of {node}"
            );
        }
        let vip = self.row.config.vip.to_string();
        let ping = ["ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", "3", &vip];
        self.lab.client().run(&ping).context("the client gets no answer to its ping")?;
        self.expect_no_complaints(node)
    }

    /// The last two adverts of the two nodes, at most.
    fn last_adverts(&self, since: SystemTime) -> Vec<Seen> {
        let mut adverts = self.capture.seen_since(since);
        adverts.retain(|seen| self.lab.nodes().iter().any(|node| seen.is_advert_of(node)));
        adverts.split_off(adverts.len().saturating_sub(2))
    }

    /// What the routers that run say about themselves.
    fn expect_states(&self, master: usize) -> Result<()> {
        let instance = self.row.config.instance();
        for (node, router) in self.routers.iter().enumerate() {
            let expected = if node == master { "MASTER" } else { "BACKUP" };
            // Node 0 is gone when node 1 is MASTER.
            if node <= master || master == 0 {
                let mut state = None;
                let says_so = || {
                    state = router.last_state(instance);
                    Ok(node < master || state.as_deref() == Some(expected))
                };
                wait_until("the state in the log", SETTLING, says_so).with_context(|| {
                    format!("node {node} calls itself {state:?}, not {expected}")
                })?;
            }
        }
        Ok(())
    }

    /// The MAC that stands for the addresses while `node` is MASTER.
    fn answering_mac(&self, node: usize) -> Mac {
        let virtual_mac = self.row.virtual_mac_of(self.daemons[node]);
        virtual_mac.unwrap_or_else(|| self.lab.node(node).mac())
    }

    /// The last advert of node 0, and the first one of node 1, which came at `since` or later.
    fn handover(&self, since: SystemTime) -> Result<(Seen, Seen)> {
        let [master, backup] = [self.lab.node(0), self.lab.node(1)];
        let first = |seen: &Seen| seen.is_advert_of(backup);
        let first = self.capture.expect("an advert of the backup", since, SETTLING, first)?;
        let seen = self.capture.seen();
        let last = seen.into_iter().rfind(|seen| seen.is_advert_of(master) && seen.at < first.at);
        Ok((last.context("the master never sent an advert")?, first))
    }

    /// What node 1 adds to its timers. FRR finds no address for its first IPv6 advert, because the
    /// interface for it comes up only then, and sends the next one an interval later.
    fn delay_of_heir(&self) -> Duration {
        let late = self.daemons[1] == Daemon::Frr && self.row.config.vip.is_ipv6();
        if late { self.row.config.advert_int } else { Duration::ZERO }
    }

    /// `first` came `limit` after `last`, not earlier and not much later.
    fn expect_after(&self, last: &Seen, first: &Seen, limit: Duration) -> Result<()> {
        let elapsed = ms_between(last.at, first.at);
        let [limit, delay] = [limit, self.delay_of_heir()].map(|it| it.as_secs_f64() * 1e3);
        let expected = limit - ROUNDING_MS..=limit + delay + TOLERANCE_MS;
        ensure!(
            expected.contains(&elapsed),
            "{} takes over {elapsed:.1} ms after the last advert; the limit is {limit:.1}",
            self.daemons[1]
        );
        Ok(())
    }

    /// The peers complain about nothing, and we have rejected nothing of what we heard.
    fn expect_no_complaints(&self, master: usize) -> Result<()> {
        for (node, router) in self.routers.iter().enumerate() {
            match router.daemon() {
                Daemon::Xvrrp if node >= master => {
                    // It may have been started a moment ago, on a machine that is busy.
                    let heard = || {
                        let rows = router.status()?;
                        Ok(rows.iter().all(|row| row.counter("adverts_received") > 0))
                    };
                    if node != master {
                        wait_until("the backup counts an advert in its status", FOLLOWING, heard)?;
                    }
                    for row in router.status()? {
                        ensure!(row.counters("rejected_") == 0, "we rejected adverts: {row:?}");
                    }
                }
                // Ours with node < master has ended.
                Daemon::Xvrrp => {}
                peer @ (Daemon::Keepalived | Daemon::Frr) => {
                    if let Some(line) = router.log().iter().find(|line| is_complaint(line)) {
                        bail!("{peer} complains: {line}");
                    }
                }
            }
        }
        Ok(())
    }

    /// The error and what the daemons said last; those of the nodes `running` should be there.
    fn failure(&mut self, error: &anyhow::Error, running: &[usize]) -> Failure {
        let mut reason = format!("{error:#}");
        for (node, router) in self.routers.iter().enumerate() {
            let mut log = router.log();
            log.retain(|line| !is_chatter(line));
            let last = log.split_off(log.len().saturating_sub(QUOTED_LINES));
            // Writing to a string cannot fail.
            let _ =
                write!(reason, "\n{} on node {node}:\n  {}", router.daemon(), last.join("\n  "));
        }
        match running.iter().all(|node| self.routers[*node].process().exit_status().is_none()) {
            true => Failure::Wrong(reason),
            false => Failure::Broken(reason),
        }
    }
}

fn start(lab: &Lab, row: &Row, node: usize, daemon: Daemon) -> Result<Router> {
    let config = row.config_of(node);
    let text = match daemon {
        Daemon::Xvrrp | Daemon::Keepalived => config.to_string(),
        Daemon::Frr => config.frr(),
    };
    Router::start(lab.node(node), daemon, &text)
}

fn resigns(seen: &Seen) -> bool {
    matches!(seen.what, What::Advert { priority: 0, .. })
}

fn is_chatter(line: &str) -> bool {
    CHATTER.iter().any(|words| line.contains(words))
}

fn is_complaint(line: &str) -> bool {
    !is_chatter(line) && COMPLAINTS.iter().any(|word| line.contains(word))
}
