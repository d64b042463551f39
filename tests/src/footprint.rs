//! What a daemon changes on a host, so that a test can see whether it is all undone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Node, command::run, output_of, wait_until};

/// Configuration of a node as seen from outside the daemon: each entry has the command or file it
/// comes from and its contents. Two footprints are compared with [`Footprint::difference`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint(BTreeMap<String, String>);

/// Links with attached programs and flags, addresses, groups joined, routes, rules, neighbours that
/// somebody entered, MAC filters, traffic control, firewall.
const COMMANDS: [&[&str]; 11] = [
    &["ip", "-d", "-j", "link"],
    &["ip", "-j", "addr"],
    &["ip", "-j", "maddr"],
    &["ip", "-j", "route", "show", "table", "all"],
    &["ip", "-j", "rule"],
    &["ip", "-j", "neigh", "show", "nud", "permanent"],
    &["ip", "-j", "neigh", "show", "proxy"],
    &["bridge", "-j", "fdb"],
    &["tc", "-j", "qdisc"],
    &["bpftool", "-j", "net"],
    &["nft", "-s", "list", "ruleset"],
];
/// How long the kernel may take to notice that a link is there; usually less than a second.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);
/// Every sysctl below these directories.
const SYSCTLS: [&str; 2] = ["/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv4/neigh"];

impl Footprint {
    /// Looks at everything in the node's namespace, once the kernel says that the interface is up: it
    /// does so some time after the link is there.
    ///
    /// # Errors
    /// One of the commands failed, or the interface does not come up.
    pub fn of(node: &Node) -> Result<Self> {
        let is_up = || Ok(node.run(&["ip", "link", "show", Node::INTERFACE])?.contains("state UP"));
        wait_until("the link", LINK_TIMEOUT, is_up)?;
        let mut entries = BTreeMap::new();
        for command in COMMANDS {
            entries.insert(command.join(" "), node.run(command)?);
        }
        node.namespace().enter(|| {
            for dir in SYSCTLS {
                read_tree(Path::new(dir), &mut entries)?;
            }
            Ok(())
        })?;
        Ok(Self(entries))
    }

    /// What differs between this and `other`, one line each; empty when nothing does.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name));
        differs
            .map(|name| format!("{name}: {:?}, then {:?}", self.0.get(name), other.0.get(name)))
            .collect()
    }
}

/// Files that can be read below `dir`, with their contents. Some sysctls can only be written.
fn read_tree(dir: &Path, entries: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read_tree(&path, entries)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            entries.insert(path.display().to_string(), text);
        }
    }
    Ok(())
}

/// Identifiers of BPF objects; the kernel never gives them out twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BpfObjects(BTreeSet<(&'static str, u32)>);

/// bpftool's word for a kind of object, and the line of /proc/PID/fdinfo that has its identifier.
const KINDS: [(&str, &str); 3] = [("prog", "prog_id:"), ("map", "map_id:"), ("link", "link_id:")];

impl BpfObjects {
    /// The programs, maps and links that the processes in the node's namespace hold.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn held_in(node: &Node) -> Result<Self> {
        let mut objects = BTreeSet::new();
        for pid in run("ip", &["netns", "pids", node.namespace().name()])?.lines() {
            // A process or descriptor that has gone meanwhile holds nothing.
            let Ok(files) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { continue };
            for file in files.flatten() {
                let text = fs::read_to_string(file.path()).unwrap_or_default();
                objects.extend(KINDS.iter().filter_map(|(kind, field)| {
                    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
                    Some((*kind, line.trim().parse().ok()?))
                }));
            }
        }
        Ok(Self(objects))
    }

    /// The programs among them.
    pub fn programs(&self) -> Self {
        self.of_kind("prog")
    }

    /// The maps among them.
    pub fn maps(&self) -> Self {
        self.of_kind("map")
    }

    fn of_kind(&self, wanted: &str) -> Self {
        Self(self.0.iter().filter(|(kind, _)| *kind == wanted).copied().collect())
    }

    /// The identifier of the map `name` among them.
    ///
    /// # Errors
    /// There is no such map, or bpftool failed.
    pub fn map(&self, name: &str) -> Result<u32> {
        let maps: Vec<serde_json::Value> = serde_json::from_str(&list("map")?)?;
        let id = maps.iter().find_map(|map| {
            let id = u32::try_from(map["id"].as_u64()?).ok()?;
            (map["name"] == name && self.0.contains(&("map", id))).then_some(id)
        });
        id.with_context(|| format!("no map {name} here"))
    }

    /// Writes a number into the map `name` among them, an array of numbers of 8 octets.
    ///
    /// # Errors
    /// There is no such map, or bpftool failed.
    pub fn write(&self, name: &str, index: u32, value: u64) -> Result<()> {
        let id = self.map(name)?;
        let octets = |octets: &[u8]| octets.iter().map(u8::to_string).collect::<Vec<_>>();
        let mut bpftool = Command::new("bpftool");
        bpftool.args(["map", "update", "id", &id.to_string(), "key"]);
        bpftool.args(octets(&index.to_ne_bytes())).arg("value").args(octets(&value.to_ne_bytes()));
        output_of(&mut bpftool).map(drop)
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// No object at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that the kernel still has, whoever holds them.
    ///
    /// # Errors
    /// bpftool is missing or failed.
    pub fn still_there(&self) -> Result<Self> {
        let mut there = BTreeSet::new();
        for (kind, _) in KINDS {
            let known: Vec<serde_json::Value> = serde_json::from_str(&list(kind)?)?;
            let ids = known.iter().filter_map(|object| object["id"].as_u64());
            there.extend(ids.filter_map(|id| Some((kind, u32::try_from(id).ok()?))));
        }
        Ok(Self(self.0.intersection(&there).copied().collect()))
    }
}

/// bpftool gives up when an object that it is about to show goes away, such as another lab's.
fn list(kind: &str) -> Result<String> {
    const ATTEMPTS: usize = 10;
    let attempt = || output_of(Command::new("bpftool").args(["-j", kind]));
    (1..ATTEMPTS).find_map(|_| attempt().ok()).map_or_else(attempt, Ok)
}
