//! What a fuzzer runs: for each parser of outside input a function that takes any octets and panics
//! where the parser does not do as its specification says, read a second time and as plainly as
//! possible.
//!
//! The package `tests/fuzz` puts them under libFuzzer, for `cargo xtask fuzz`; here they only need
//! the standard library, so that every test run knows them and their seeds.

mod ah;
mod arp;
mod config;
mod ethernet;
mod hmac;
mod ipv6;
mod ladder;
mod naive;
mod ndp;
mod oracle;
mod vrrp;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use vrrp_common::wire::ethernet::{IPV4, IPV6, Link};

use crate::vectors;

/// A parser, and how it is held against its specification.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Panics when the parser is wrong about these octets.
    pub check: fn(&[u8]),
    /// Inputs that are worth being changed.
    pub seeds: fn(&Seeds) -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target { name: "ethernet", check: ethernet::check, seeds: ethernet::seeds },
    Target { name: "arp", check: arp::check, seeds: arp::seeds },
    Target { name: "ipv6", check: ipv6::check, seeds: ipv6::seeds },
    Target { name: "ndp", check: ndp::check, seeds: ndp::seeds },
    Target { name: "vrrp", check: vrrp::check, seeds: vrrp::seeds },
    Target { name: "ladder", check: ladder::check, seeds: ladder::seeds },
    Target { name: "ah", check: ah::check, seeds: ah::seeds },
    Target { name: "hmac", check: hmac::check, seeds: hmac::seeds },
    Target { name: "config", check: config::check, seeds: config::seeds },
];

/// What seeds are made of.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// The frames of all vectors.
    frames: Vec<Vec<u8>>,
    /// The IP packets of those that are adverts, or should be.
    adverts: Vec<Vec<u8>>,
    /// Configurations.
    configurations: Vec<Vec<u8>>,
}

impl Seeds {
    /// Reads the vectors and configurations in the folder `data`.
    ///
    /// # Errors
    /// One of its files cannot be read, or is not what it should be.
    pub fn read(data: &Path) -> Result<Self> {
        let vectors = vectors::read(&data.join("vectors.json"))?;
        let frames: Vec<_> = vectors.iter().map(vectors::Vector::frame).collect::<Result<_>>()?;
        let adverts = vectors.iter().zip(&frames).filter(|(it, _)| it.kind == "vrrp-advert");
        let adverts = adverts.filter_map(|(_, frame)| payload(frame, &[IPV4, IPV6])).collect();
        let mut configurations = Vec::new();
        for folder in ["seeds", "configs", "configs/parts"].map(|name| data.join(name)) {
            for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "conf") {
                    configurations.push(fs::read(path)?);
                }
            }
        }
        Ok(Self { frames, adverts, configurations })
    }

    /// What stands behind the Ethernet headers of frames of one type.
    fn payloads(&self, ethertype: u16) -> Vec<Vec<u8>> {
        self.frames.iter().filter_map(|frame| payload(frame, &[ethertype])).collect()
    }
}

fn payload(frame: &[u8], ethertypes: &[u16]) -> Option<Vec<u8>> {
    let link = Link::parse(frame).filter(|link| ethertypes.contains(&link.ethertype))?;
    Some(frame[link.payload..].to_vec()).filter(|payload| !payload.is_empty())
}
