//! The nftables table of `no_accept`, as `nft` and the kernel see it. Each test has a network
//! namespace of its own. Needs root and nft.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod host_support;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use host_support::in_namespace;
use rustix::io::Errno;
use serde_json::Value;
use xvrrp::host::{Error, Firewall, Guarded};

/// How long the kernel may take to tell of a change.
const PATIENCE: Duration = Duration::from_secs(5);

/// A runtime directory of one test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("xvrrp-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// The table of a daemon with this runtime directory.
    fn table(&self) -> String {
        format!("xvrrp{}", self.0.display())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // One that stays behind spoils no other test.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().expect("`nft` is needed");
    assert!(output.status.success(), "nft {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// All rules and sets of all tables, without counts, a word at a time.
fn ruleset() -> Vec<String> {
    let text = nft(&["--stateless", "list", "ruleset"]);
    text.split_whitespace().map(str::to_owned).collect()
}

/// The elements of a set as numbers of interfaces and addresses, as `nft` prints them.
fn elements(table: &str, set: &str) -> BTreeSet<String> {
    let json = nft(&["--json", "--numeric", "list", "set", "inet", table, set]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let objects = json["nftables"].as_array().unwrap();
    let set = objects.iter().find_map(|object| object.get("set")).unwrap();
    let plain = |element: &Value| match element.get("concat").and_then(Value::as_array) {
        Some(parts) => parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        None => element.as_str().unwrap().to_owned(),
    };
    set.get("elem").and_then(Value::as_array).into_iter().flatten().map(plain).collect()
}

fn guarded(addresses: &[(u32, &str)]) -> BTreeSet<Guarded> {
    let guarded =
        |(index, address): &(u32, &str)| Guarded::new(*index, address.parse::<IpAddr>().unwrap());
    addresses.iter().map(guarded).collect()
}

fn set<const N: usize>(elements: [&str; N]) -> BTreeSet<String> {
    elements.map(str::to_owned).into()
}

/// R-6.4.3-06, R-6.1-10: one table of our own, with a rule for Neighbor Discovery before those that
/// drop; addresses come and go in its sets, and it goes with all that is in it.
#[test]
fn table_and_addresses() {
    in_namespace(async || {
        let dir = Dir::new("firewall");
        let table = dir.table();
        let mut firewall = Firewall::install(&dir.0).unwrap();
        assert_eq!(firewall.table(), table);
        let text = format!(
            "table inet {table} {{ set ipv4 {{ type ipv4_addr }} set ipv6 {{ type ipv6_addr }} \
             set link_local {{ type iface_index . ipv6_addr }} chain input {{ type filter hook \
             input priority 100; policy accept; icmpv6 type 135-136 accept ip daddr @ipv4 counter \
             drop ip6 daddr @ipv6 counter drop iif . ip6 daddr @link_local counter drop }} }}"
        );
        assert_eq!(ruleset(), text.split(' ').collect::<Vec<_>>());

        // The interface matters where the address is of one interface only.
        let first = guarded(&[(7, "192.0.2.1"), (1, "2001:db8::1"), (1, "fe80::33")]);
        firewall.guard(first).unwrap();
        assert_eq!(elements(&table, "ipv4"), set(["192.0.2.1"]));
        assert_eq!(elements(&table, "ipv6"), set(["2001:db8::1"]));
        assert_eq!(elements(&table, "link_local"), set(["lo fe80::33"]));
        let second = guarded(&[(1, "192.0.2.1"), (1, "192.0.2.2"), (9, "2001:db8::1")]);
        firewall.guard(second).unwrap();
        assert_eq!(elements(&table, "ipv4"), set(["192.0.2.1", "192.0.2.2"]));
        assert_eq!(elements(&table, "ipv6"), set(["2001:db8::1"]));
        assert_eq!(elements(&table, "link_local"), set([]));

        firewall.remove().unwrap();
        assert_eq!(ruleset(), Vec::<String>::new());
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
    });
}

/// Issue 3: as many addresses as a large installation has are added and removed in one go.
#[test]
fn many_addresses() {
    in_namespace(async || {
        let dir = Dir::new("firewall-many");
        let mut firewall = Firewall::install(&dir.0).unwrap();
        let many = (0..3000_u16).map(|host| {
            let [high, low] = host.to_be_bytes();
            Guarded::new(1, IpAddr::from([10, 0, high, low]))
        });
        firewall.guard(many.collect()).unwrap();
        assert_eq!(elements(&dir.table(), "ipv4").len(), 3000);
        firewall.guard(BTreeSet::new()).unwrap();
        assert_eq!(elements(&dir.table(), "ipv4").len(), 0);
    });
}

/// Issue 3: what a killed daemon has left is replaced by its successor, or removed if that needs no
/// table; those of others stay as they are.
#[test]
fn left_by_a_killed_daemon() {
    in_namespace(async || {
        let (dir, other) = (Dir::new("firewall-killed"), Dir::new("firewall-other"));
        let mut others = Firewall::install(&other.0).unwrap();
        others.guard(guarded(&[(1, "192.0.2.9")])).unwrap();
        nft(&["add", "table", "inet", "filter"]);
        let before = ruleset();

        // Removing nothing is no failure.
        Firewall::remove_leftover(&dir.0).unwrap();
        for _ in 0..2 {
            let mut killed = Firewall::install(&dir.0).unwrap();
            killed.guard(guarded(&[(1, "192.0.2.1")])).unwrap();
            drop(killed);
            assert_eq!(elements(&dir.table(), "ipv4"), set(["192.0.2.1"]));
        }
        let successor = Firewall::install(&dir.0).unwrap();
        assert_eq!(elements(&dir.table(), "ipv4"), set([]));
        drop(successor);
        Firewall::remove_leftover(&dir.0).unwrap();
        assert_eq!(ruleset(), before);
        Firewall::remove_leftover(&dir.0).unwrap();
    });
}

/// Issue 3: a table that somebody flushed is noticed and made again, with all addresses.
#[test]
fn flushed_by_others() {
    in_namespace(async || {
        let dir = Dir::new("firewall-flushed");
        let mut firewall = Firewall::install(&dir.0).unwrap();
        let mut removals = firewall.removals().unwrap();
        firewall.guard(guarded(&[(1, "192.0.2.1")])).unwrap();
        let before = ruleset();
        assert!(!firewall.mend().unwrap(), "nothing was missing");
        assert_eq!(ruleset(), before);

        nft(&["add", "table", "inet", "filter"]);
        nft(&["delete", "table", "inet", "filter"]);
        nft(&["flush", "ruleset"]);
        tokio::time::timeout(PATIENCE, removals.next()).await.expect("the removal is noticed");
        assert!(firewall.mend().unwrap(), "the table was missing");
        assert_eq!(ruleset(), before);

        // Unnoticed so far, and another address comes.
        nft(&["flush", "ruleset"]);
        firewall.guard(guarded(&[(1, "192.0.2.1"), (1, "192.0.2.2")])).unwrap();
        assert_eq!(elements(&dir.table(), "ipv4"), set(["192.0.2.1", "192.0.2.2"]));
        nft(&["flush", "ruleset"]);
        firewall.remove().unwrap();
    });
}

/// Issue 3: a kernel that does not let us says so.
#[test]
fn refused() {
    in_namespace(async || {
        let dir = Dir::new("firewall-refused");
        // A table that belongs to another process: nobody else may change it.
        let mut nft = Command::new("nft")
            .arg("--interactive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`nft` is needed");
        let mut commands = nft.stdin.take().unwrap();
        writeln!(commands, "add table inet {} {{ flags owner; }}", dir.table()).unwrap();
        writeln!(commands, "list tables").unwrap();
        let mut lines = BufReader::new(nft.stdout.take().unwrap()).lines();
        lines
            .find(|line| line.as_ref().is_ok_and(|line| line.contains(&dir.table())))
            .unwrap()
            .unwrap();

        let error = Firewall::install(&dir.0).err();
        assert_eq!(error, Some(Error::Firewall(Errno::PERM)));
        drop(commands);
        nft.wait().unwrap();
        Firewall::install(&dir.0).unwrap();
    });
}
