//! A web server on two nodes behind the virtual address of the seed, killed and started again.

use std::{
    fmt,
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};

use super::{Curl, Server};
use crate::{Config, Daemon, Lab, Node, Process, Router, seed, skew_time};

/// How long anything may take that has no time limit.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between adverts, and between runs of the script.
const SECOND: Duration = Duration::from_secs(1);
/// Priorities of the preferred node and of its heir.
const PRIORITIES: [u8; 2] = [100, 90];
/// What the seed lets its script track.
const SCRIPT: &str = "vrrp_script monitor_nginx {";

/// Who takes over from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The better one always.
    Preempt,
    /// The preferred node waits until its heir is gone: `state BACKUP` and `nopreempt` on it alone.
    Stay,
    /// Both wait: `nopreempt` on both, where no weight moves anything, so there is none.
    StayBoth,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Preempt, Self::Stay, Self::StayBoth];

    /// Whether the address comes back with the server.
    pub const fn returns(self) -> bool {
        matches!(self, Self::Preempt)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preempt => "preempt",
            Self::Stay => "nopreempt on the preferred node",
            Self::StayBoth => "nopreempt on both, weight 0",
        })
    }
}

/// The servers, the daemons that track them, and a client with curl.
#[derive(Debug)]
pub struct Service {
    /// The preferred one is the first.
    pub routers: [Router; 2],
    servers: [Process; 2],
    server: Server,
    curl: Curl,
    lab: Lab,
}

impl Service {
    /// The first address of the seed.
    const VIP: Ipv4Addr = Lab::address(16);

    /// Starts all of it, and waits until the preferred node is MASTER and curl has its page.
    ///
    /// # Errors
    /// Something does not start, or does not get into its state.
    pub fn start(daemon: Daemon, server: Server, policy: Policy) -> Result<Self> {
        let lab = Lab::new(2)?;
        let (first, second) = (lab.node(0), lab.node(1));
        let servers = [server.start(first)?, server.start(second)?];
        // One after the other: so the first is master with nopreempt, too.
        let start = |node: usize, state| {
            let config = config(&lab, node, server, policy)?;
            let router = Router::start(lab.node(node), daemon, &config)?;
            router.wait_for_state(router.started(), Config::INSTANCE, state, PATIENCE)?;
            anyhow::Ok(router)
        };
        let routers = [start(0, "MASTER")?, start(1, "BACKUP")?];
        let curl = Curl::start(lab.client(), Self::VIP);
        curl.wait_for_page_of(first, SystemTime::now(), PATIENCE)?;
        Ok(Self { routers, servers, server, curl, lab })
    }

    /// How long curl may have no page after the server was killed: interval x fall of the script, none
    /// for a process, 3 x advert_int, skew and 100 ms.
    pub fn limit(server: Server) -> Duration {
        let noticed = match server {
            Server::Nginx => SECOND,
            Server::Haproxy => Duration::ZERO,
        };
        noticed + 3 * SECOND + skew_time(2, SECOND, PRIORITIES[1]) + Duration::from_millis(100)
    }

    /// Kills the server on the preferred node, waits for the page of its heir, and returns how long curl
    /// had none.
    ///
    /// # Errors
    /// Curl does not get the heir's page.
    pub fn fail(&mut self) -> Result<Duration> {
        let killed = SystemTime::now();
        self.servers[0].kill()?;
        self.curl.wait_for_page_of(self.lab.node(1), killed, PATIENCE)?;
        Ok(self.curl.longest_gap(killed))
    }

    /// Starts the server on the preferred node again, and waits until the address is back there, or for
    /// longer than that would take. Returns how long curl had no page meanwhile.
    ///
    /// # Errors
    /// The address does not come back where it should, or moves where it should not.
    pub fn mend(&mut self, policy: Policy) -> Result<Duration> {
        let mended = SystemTime::now();
        self.servers[0] = self.server.start(self.lab.node(0))?;
        if policy.returns() {
            self.curl.wait_for_page_of(self.lab.node(0), mended, PATIENCE)?;
        } else {
            std::thread::sleep(5 * SECOND);
            ensure!(self.curl.is_served_by(self.lab.node(1), mended), "the address has moved");
        }
        Ok(self.curl.longest_gap(mended))
    }
}

/// The seed for a node, with something that tests the server itself.
///
/// # Errors
/// There is no seed, or it has become another one, or the server's files cannot be written.
pub fn config(lab: &Lab, node: usize, server: Server, policy: Policy) -> Result<String> {
    let seed = seed("nginx-failover.conf")?;
    let (head, rest) = seed.split_once(SCRIPT).context("the seed has no script")?;
    let (_, tail) = rest.split_once("}\n").context("the script of the seed has no end")?;
    let weight = if policy == Policy::StayBoth { 0 } else { -15 };
    let tracker = tracker(server, lab.node(node))?;
    let text = format!("{head}{tracker}  weight {weight}\n}}\n{tail}");
    let text = match server {
        Server::Nginx => text,
        Server::Haproxy => text.replace("track_script {", "track_process {"),
    };
    let state = match (policy, node) {
        (Policy::Stay, 0) | (Policy::StayBoth, _) => "state BACKUP\n    nopreempt",
        (_, 0) => "state MASTER",
        _ => "state BACKUP",
    };
    let priority = format!("priority {}", PRIORITIES[node]);
    Ok(text.replace("state MASTER", state).replace("priority 100", &priority))
}

/// The beginning of the block that replaces the script of the seed, under its name.
fn tracker(server: Server, node: &Node) -> Result<String> {
    Ok(match server {
        Server::Nginx => format!(
            "{SCRIPT}\n  \
             script \"/usr/bin/curl --silent --fail --output /dev/null http://127.0.0.1/\"\n  \
             interval {}\n",
            SECOND.as_secs()
        ),
        Server::Haproxy => {
            let words = server.command_line(node)?.join(" ");
            format!("vrrp_track_process monitor_nginx {{\n  process {words}\n")
        }
    })
}
