//! What the daemon does when others change the interfaces under it. Each test runs `xvrrp` in a
//! network namespace of its own. Needs root.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod host_support;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::IpAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use host_support::{in_namespace, ip, running};
use xvrrp::{
    api,
    host::{Host, watch},
};

const ADDRESS: &str = "192.0.2.254";
/// The slowest way is a second look after a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// When addresses are announced once more in any case, `garp_master_delay`.
const SECOND_BURST: Duration = Duration::from_secs(5);

/// A running daemon, which is stopped in good order at the end of the test.
struct Daemon {
    child: Child,
    dir: PathBuf,
    /// Its lines, as they come.
    log: Receiver<String>,
}

impl Daemon {
    /// The owner of the addresses, version 3, which becomes Active at once.
    fn start(name: &str, addresses: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("xvrrp-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let config = dir.join("keepalived.conf");
        let text = format!(
            "vrrp_instance VI_1 {{\n interface a\n virtual_router_id 51\n priority 255\n \
             version 3\n advert_int 0.1\n virtual_ipaddress {{\n {addresses}\n }}\n}}\n"
        );
        fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_xvrrp"))
            .args(["run", "-f"])
            .arg(&config)
            .arg("--runtime-dir")
            .arg(&dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (line, log) = channel();
        // Ends with the daemon; nobody may be listening any more.
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|text| line.send(text)));
        Self { child, dir, log }
    }

    /// Reads the log up to a line with `words`.
    fn wait_for(&self, words: &str) {
        let mut seen = Vec::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            seen.push(line);
            if seen.last().unwrap().contains(words) {
                return;
            }
        }
        panic!("no {words:?} in the log: {seen:#?}");
    }

    fn status(&self) -> api::RouterStatus {
        api::status(&self.dir).unwrap().remove(0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let stopped = api::stop(&self.dir);
        let _ = self.child.wait();
        let left = fs::read_dir(&self.dir)
            .map(|dir| dir.flatten().map(|entry| entry.file_name()).collect::<Vec<_>>());
        let _ = fs::remove_dir_all(&self.dir);
        if !thread::panicking() {
            stopped.unwrap();
            let named = left.unwrap();
            assert!(
                !named.iter().any(|name| name.to_string_lossy().starts_with("owned")),
                "{named:?}"
            );
        }
    }
}

/// Addresses of `interface` with their prefix lengths.
async fn addresses(interface: &str) -> Vec<String> {
    let link = Host::new().unwrap().link(interface).await.unwrap();
    let addresses = link.map(|link| link.addresses).unwrap_or_default();
    let ipv4 = addresses.iter().filter(|own| own.address.is_ipv4());
    ipv4.map(|own| format!("{}/{}", own.address, own.prefix)).collect()
}

/// Waits until `interface` has exactly these IPv4 addresses, in any order.
async fn wait_for_addresses(interface: &str, expected: &[&str]) {
    let mut changes = watch().unwrap();
    let wait = async {
        loop {
            let mut present = addresses(interface).await;
            present.sort_unstable();
            if present == expected {
                return;
            }
            changes.next().await.expect("the watch goes on");
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("{interface} has {:?}, not {expected:?}", addresses(interface).await);
    }
}

async fn host() {
    ip(&["address add 192.0.2.1/24 dev a"]);
    running("a").await;
}

/// Issue 2 (another manager removes the address): it is added again, at once and more than once,
/// and the router stays Active.
#[test]
fn removed_address_comes_back() {
    in_namespace(|| async {
        host().await;
        let daemon = Daemon::start("mend", ADDRESS);
        daemon.wait_for("Entering MASTER STATE");
        for _ in 0..2 {
            wait_for_addresses("a", &["192.0.2.1/24", "192.0.2.254/32"]).await;
            ip(&["address del 192.0.2.254/32 dev a"]);
            daemon.wait_for("adding it again");
        }
        wait_for_addresses("a", &["192.0.2.1/24", "192.0.2.254/32"]).await;
        assert_eq!(daemon.status().counters["became_master"], 1);
        assert_eq!(daemon.status().counters["garp_errors"], 0);
    });
}

/// Issue 2: the interface of an address, though not that of the adverts, is deleted and made anew.
#[test]
fn interface_of_an_address_is_replaced() {
    in_namespace(|| async {
        host().await;
        ip(&["link add name d type bridge", "link set dev d up"]);
        let daemon = Daemon::start("replace", "192.0.2.254 dev d");
        daemon.wait_for("Entering MASTER STATE");
        wait_for_addresses("d", &["192.0.2.254/32"]).await;
        ip(&["link del dev d", "link add name d type bridge", "link set dev d up"]);
        wait_for_addresses("d", &["192.0.2.254/32"]).await;
        assert_eq!(daemon.status().counters["became_master"], 1);
    });
}

/// Issue 2: an interface that comes after the router became Active gets its addresses.
#[test]
fn interface_of_an_address_comes_late() {
    in_namespace(|| async {
        host().await;
        let daemon = Daemon::start("late", "192.0.2.254 dev d");
        daemon.wait_for("Entering MASTER STATE");
        ip(&["link add name d type bridge", "link set dev d up"]);
        wait_for_addresses("d", &["192.0.2.254/32"]).await;
    });
}

/// Issue 2: an address that was there before us, with another prefix length, is neither doubled nor
/// removed.
#[test]
fn address_of_the_administrator_stays() {
    in_namespace(|| async {
        host().await;
        ip(&["address add 192.0.2.254/24 dev a"]);
        let daemon = Daemon::start("other", ADDRESS);
        daemon.wait_for("Entering MASTER STATE");
        let mut changes = watch().unwrap();
        drop(daemon);
        assert_eq!(addresses("a").await, ["192.0.2.1/24", "192.0.2.254/24"]);
        let all: Vec<_> = std::iter::from_fn(|| changes.next().now_or_never().flatten()).collect();
        let address: IpAddr = ADDRESS.parse().unwrap();
        assert!(!format!("{all:?}").contains(&address.to_string()), "{all:?}");
    });
}

/// Issue 2: all addresses are flushed, which is a FAULT; when the primary address is back, so are
/// the others.
#[test]
fn flushed_interface() {
    in_namespace(|| async {
        host().await;
        let daemon = Daemon::start("flush", "192.0.2.254/24");
        daemon.wait_for("Entering MASTER STATE");
        wait_for_addresses("a", &["192.0.2.1/24", "192.0.2.254/24"]).await;
        ip(&["address flush dev a"]);
        daemon.wait_for("Entering FAULT STATE");
        wait_for_addresses("a", &[]).await;
        ip(&["address add 192.0.2.7/24 dev a"]);
        daemon.wait_for("Entering MASTER STATE");
        wait_for_addresses("a", &["192.0.2.254/24", "192.0.2.7/24"]).await;
    });
}

/// Issue 2: the primary address is replaced in one go and takes its secondaries with it.
#[test]
fn primary_address_is_replaced() {
    in_namespace(|| async {
        host().await;
        let daemon = Daemon::start("primary", "192.0.2.254/24");
        daemon.wait_for("Entering MASTER STATE");
        wait_for_addresses("a", &["192.0.2.1/24", "192.0.2.254/24"]).await;
        ip(&["address add 192.0.2.7/25 dev a", "address del 192.0.2.1/24 dev a"]);
        wait_for_addresses("a", &["192.0.2.254/24", "192.0.2.7/25"]).await;
        assert_eq!(daemon.status().counters["became_master"], 1);
    });
}

/// Issue 2: an interface that is renamed is gone, and back when it has its name again.
#[test]
fn renamed_interface() {
    in_namespace(|| async {
        host().await;
        let daemon = Daemon::start("rename", ADDRESS);
        daemon.wait_for("Entering MASTER STATE");
        ip(&["link set dev a down", "link set dev a name other", "link set dev other up"]);
        daemon.wait_for("Entering FAULT STATE");
        ip(&["link set dev other down", "link set dev other name a", "link set dev a up"]);
        daemon.wait_for("Entering MASTER STATE");
        wait_for_addresses("a", &["192.0.2.1/24", "192.0.2.254/32"]).await;
    });
}

/// Issue 2: another MAC is announced, and is the source of the adverts.
#[test]
fn another_mac() {
    in_namespace(|| async {
        host().await;
        let daemon = Daemon::start("mac", ADDRESS);
        daemon.wait_for("Entering MASTER STATE");
        wait_for_addresses("a", &["192.0.2.1/24", "192.0.2.254/32"]).await;
        let sent = |daemon: &Daemon| daemon.status().counters["garp_sent"];
        let before = sent(&daemon);
        ip(&["link set dev a address 02:00:00:00:00:07"]);
        let wait = async {
            while sent(&daemon) < before + 5 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SECOND_BURST / 2, wait).await.unwrap();
        assert_eq!(daemon.status().counters["became_master"], 1);
    });
}
