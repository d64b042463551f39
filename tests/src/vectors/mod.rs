//! Test vectors: whole frames with the verdict that a standard, or good sense, demands. Each runs
//! through the codec and through the kernel program itself.
//!
//! The kernel program runs under `BPF_PROG_TEST_RUN` with the slot set up as the vector's `context`
//! says. An advert counts as *accepted* when news of the right kind were stored, its repetition was
//! stamped, and no reject counter moved; as *rejected* when exactly the counter of its reason moved
//! and nothing else; as *foreign* when it passes. Whether a host takes packets in is seen from outside,
//! on a node of a lab.

mod accept;
mod advert;
mod arp;
mod bench;
mod flips;
mod ndp;

use std::{fs, net::IpAddr, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};
use vrrp_common::wire::arp::gratuitous;

pub use flips::Fate;

/// One vector, as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// Unique name.
    pub name: String,
    /// `vrrp-advert`, `arp`, `ndp`, `emit` or `accept`.
    pub kind: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// The frame, without FCS, in hexadecimal.
    pub hex: String,
    /// Whether the frame is as it should be.
    pub valid: bool,
    /// What is wrong with it; `ok` otherwise.
    pub reason_code: String,
    /// The rows of data/requirements.toml that it is about.
    #[serde(rename = "ref", default)]
    pub rows: Vec<String>,
    /// The configuration that the verdict assumes.
    pub context: Map<String, Value>,
    /// What the frame says, by layer.
    #[serde(default)]
    pub decoded: Value,
    /// What must come of it, where that is more than a verdict.
    #[serde(default)]
    pub expect: Map<String, Value>,
}

/// What became of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As demanded, in each layer.
    Passed,
    /// Otherwise, and how.
    Failed(String),
}

/// Reads a file of vectors.
///
/// # Errors
/// The file cannot be read, or is not an array of vectors.
pub fn read(path: &Path) -> Result<Vec<Vector>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no file of vectors", path.display()))
}

impl Vector {
    /// Runs the vector. Needs root, for the kernel program and for network namespaces.
    pub fn run(&self) -> Outcome {
        let outcome = match (self.kind.as_str(), self.family.as_str()) {
            ("vrrp-advert", "ipv4" | "ipv6") => advert::run(self),
            ("arp", "ipv4") => arp::run(self),
            ("ndp", "ipv6") => ndp::run(self),
            ("emit", "ipv4") => self.run_emit(),
            ("emit", "ipv6") => ndp::run_emit(self),
            ("accept", "ipv4" | "ipv6") => accept::run(self),
            (kind, family) => Err(anyhow::anyhow!("unknown kind {kind}/{family}")),
        };
        match outcome {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    }

    /// The rows that are about the verdict on the frame, or the answer to it. What an election makes
    /// of the frame, and what a host does besides, is not shown by running it.
    pub fn verdict_rows(&self) -> impl Iterator<Item = &str> {
        let asks_program = ["vrrp-advert", "arp", "ndp"].contains(&self.kind.as_str());
        let rows = self.rows.iter().filter(move |row| {
            let of_others = ["R-6", "R-8.3", "V-6"].iter().any(|section| row.starts_with(section));
            asks_program && !of_others
        });
        rows.map(String::as_str)
    }

    /// The frame's octets.
    ///
    /// # Errors
    /// They are not written in hexadecimal.
    pub fn frame(&self) -> Result<Vec<u8>> {
        octets(&self.hex)
    }

    fn string(&self, key: &str) -> Option<&str> {
        self.context.get(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.context.get(key)?.as_u64()
    }

    fn flag(&self, key: &str) -> bool {
        self.context.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A gratuitous ARP that we send must be one of the forms that the vector lists.
    fn run_emit(&self) -> Result<()> {
        let demanded = self.frame()?;
        let mac =
            demanded.get(22..28).and_then(|mac| mac.first_chunk()).context("no sender MAC")?;
        let address =
            demanded.get(28..32).and_then(|ip| ip.first_chunk()).context("no sender address")?;
        let sent = gratuitous(*mac, *address);
        let others = self.expect.get("also_conformant_hex").and_then(Value::as_array);
        let mut forms = vec![demanded];
        for form in others.into_iter().flatten() {
            forms
                .push(octets(form.as_str().context("also_conformant_hex is no list of strings")?)?);
        }
        ensure!(forms.iter().any(|form| form == &sent), "sent {sent:02x?}");
        Ok(())
    }
}

/// A frame that is not answered passes as it is, but for its destination when that is a virtual MAC
/// of ours. What nobody may answer may be dropped; what is sent to the virtual MAC of a router that
/// is not Active must be.
fn ensure_left_alone(
    effect: &bench::Effect,
    frame: &[u8],
    valid: bool,
    active: bool,
) -> Result<()> {
    let to_virtual = matches!(frame, [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _, ..]);
    let dropped = effect.action == bench::DROP;
    if to_virtual && !active {
        ensure!(dropped, "action {}, though no virtual router is here", effect.action);
        ensure!(effect.moved.contains_key("virtual_mac_dropped"), "moved: {:?}", effect.moved);
        return Ok(());
    }
    ensure!(effect.action == bench::PASS || (dropped && !valid), "action {}", effect.action);
    let kept = if to_virtual { 6 } else { 0 };
    ensure!(effect.frame.get(kept..) == frame.get(kept..), "the frame was changed");
    Ok(())
}

/// The octets of a hexadecimal string.
fn octets(hex: &str) -> Result<Vec<u8>> {
    ensure!(hex.is_ascii() && hex.len().is_multiple_of(2), "not hexadecimal: {hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| {
            u8::from_str_radix(&hex[at..at + 2], 16)
                .with_context(|| format!("not hexadecimal: {hex}"))
        })
        .collect()
}

/// The addresses of a JSON list.
fn addresses(list: &Value) -> Vec<IpAddr> {
    let strings = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    strings.filter_map(|address| address.parse().ok()).collect()
}

/// Six octets as `02:00:00:00:00:02`.
fn mac(text: &str) -> Result<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    let octets: Vec<u8> =
        octets.collect::<Result<_, _>>().with_context(|| format!("no MAC: {text}"))?;
    octets.try_into().ok().with_context(|| format!("no MAC: {text}"))
}
