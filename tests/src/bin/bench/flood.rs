//! Adverts that are worth nothing, at line rate.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use rig::{
    Config, Daemon, Flood, Lab, Mac, Node, Router,
    wire::{self, Advert, GROUP},
};

use crate::{
    Scale,
    cost::Cost,
    in_turn::{self, Figure, Figures},
    pair::Pair,
    quiet::watched,
    result::Section,
};

const TEXT: &str = "One processor sends adverts to MASTER and BACKUP (an advert each 10 ms), as many as \
it can, past its queueing discipline; those marked BACKUP only go to its MAC. On a veth pair the \
receivers' share of the work is done in the sender's context, so daemons that waste less are sent \
more. keepalived writes its log (-D) to a pipe.";
const INTERVAL: Duration = Duration::from_millis(10);
/// Before and after the flood.
const CALM: Duration = Duration::from_millis(500);
/// The flood's sender, which has no host.
const SENDER: (Mac, Ipv4Addr) = (Mac::local(110), Lab::address(110));
const FIGURES: [Figure; 5] = [
    ("False failovers", ""),
    ("BACKUP: processor", "% of one"),
    ("MASTER: processor", "% of one"),
    ("Log of both", "KB"),
    ("Adverts sent", "1000/s"),
];
/// Behind Ethernet and IPv4.
const MESSAGE: usize = 34;
const VRRP: u8 = 112;

/// What is wrong with the adverts.
#[derive(Clone, Copy)]
enum Kind {
    Foreign,
    Checksum,
    Ttl,
    Version,
    Version2,
    Truncated,
    Count,
    Mix,
    /// Valid, and loses against everybody.
    Low,
    /// The same with two priorities in turn, so each is news.
    Alternating,
    /// The same with every virtual_router_id.
    Every,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Foreign,
        Self::Checksum,
        Self::Ttl,
        Self::Version,
        Self::Version2,
        Self::Truncated,
        Self::Count,
        Self::Mix,
        Self::Low,
        Self::Alternating,
        Self::Every,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Foreign => "foreign VRIDs",
            Self::Checksum => "checksum",
            Self::Ttl => "TTL 64",
            Self::Version => "version 4",
            Self::Version2 => "version 2",
            Self::Truncated => "truncated",
            Self::Count => "count 9",
            Self::Mix => "mix",
            Self::Low => "priority 1",
            Self::Alternating => "priorities 1 and 2",
            Self::Every => "255 VRIDs",
        }
    }

    fn frames(self) -> Vec<Vec<u8>> {
        match self {
            Self::Foreign => (100..200).map(|vrid| advert(vrid, 250).frame()).collect(),
            Self::Checksum => {
                let mut frame = best().frame();
                frame[MESSAGE + 6] ^= 0x55;
                vec![frame]
            }
            Self::Ttl => vec![Advert { hop_limit: 64, ..best() }.frame()],
            Self::Version => vec![Advert { version: 4, ..best() }.frame()],
            Self::Version2 => {
                let interval = Duration::from_secs(1);
                vec![Advert { version: 2, interval, reserved: 0, ..best() }.frame()]
            }
            Self::Truncated => {
                let message = &best().frame()[MESSAGE..MESSAGE + 6];
                let (link, ends) = ((best().to, SENDER.0), (SENDER.1, GROUP));
                vec![wire::ipv4(link, ends, 255, VRRP, message)]
            }
            Self::Count => vec![miscounted(best().frame())],
            Self::Mix => {
                let kinds =
                    [Self::Ttl, Self::Checksum, Self::Version, Self::Truncated, Self::Count];
                let foreign = Self::Foreign.frames().into_iter().take(20);
                kinds.into_iter().flat_map(Self::frames).chain(foreign).collect()
            }
            Self::Low => vec![advert(Config::VRID, 1).frame()],
            Self::Alternating => [1, 2].map(|low| advert(Config::VRID, low).frame()).into(),
            Self::Every => (1..=255).map(|vrid| advert(vrid, 1).frame()).collect(),
        }
    }
}

/// Both daemons and each kind, to both roles and to the BACKUP alone.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (runs, window) = scale.pick((1, Duration::from_secs(1)), (1, Duration::from_secs(10)));
    let mut tables = in_turn::tables(FIGURES, false);
    for kind in Kind::ALL {
        for is_unicast in [false, true] {
            let whom = if is_unicast { ", BACKUP only" } else { "" };
            let work = format!("{}{whom}", kind.name());
            in_turn::measure(&mut tables, ("flood", &work), runs, |daemon, _| {
                watched(|| one(daemon, kind, is_unicast, window))
            })?;
        }
    }
    Ok(Section {
        name: "flood",
        title: "Worthless adverts",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(
    daemon: Daemon,
    kind: Kind,
    is_unicast: bool,
    window: Duration,
) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let pair = Pair::start(&lab, daemon, INTERVAL)?;
    thread::sleep(CALM);
    let nodes = [lab.node(0), lab.node(1)];
    let processor = |node: &Node| anyhow::Ok(Cost::of(node)?.processor_ns);
    let mut frames = kind.frames();
    if is_unicast {
        frames.iter_mut().for_each(|frame| frame[..6].copy_from_slice(&nodes[1].mac().0));
    }
    let logged = log(&pair.master) + log(&pair.backup);
    let before = [processor(nodes[0])?, processor(nodes[1])?];
    let began = Instant::now();
    let flood = Flood::of_frames(lab.client(), frames, 0)?;
    thread::sleep(window);
    let rate = flood.end()?;
    let after = [processor(nodes[0])?, processor(nodes[1])?];
    let seconds = began.elapsed().as_secs_f64();
    thread::sleep(CALM);
    let percent = |node: usize| (after[node] - before[node]) as f64 / seconds / 1e7;
    let logged = log(&pair.master) + log(&pair.backup) - logged;
    let false_failovers = pair.false_failovers() as f64;
    Ok([false_failovers, percent(1), percent(0), logged as f64 / 1e3, rate / 1e3].map(Some))
}

/// Octets of a log.
fn log(router: &Router) -> usize {
    router.log().iter().map(|line| line.len() + 1).sum()
}

/// A valid one.
fn advert(vrid: u8, priority: u8) -> Advert {
    let vip = if vrid == Config::VRID { Pair::VIP } else { Lab::address(vrid) };
    let advert = Advert::new(SENDER.0, SENDER.1.into(), vrid, vec![IpAddr::from(vip)]);
    Advert { priority, interval: INTERVAL, ..advert }
}

/// One that would win.
fn best() -> Advert {
    advert(Config::VRID, 250)
}

/// Says 9 addresses instead of 1, with a checksum to it (RFC 1624 3).
fn miscounted(mut frame: Vec<u8>) -> Vec<u8> {
    let checksum = u16::from_be_bytes([frame[MESSAGE + 6], frame[MESSAGE + 7]]);
    let sum = u32::from(!checksum) + 8;
    let sum = (sum & 0xffff) + (sum >> 16);
    frame[MESSAGE + 3] = 9;
    frame[MESSAGE + 6..MESSAGE + 8].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 4 row 9: a flood is refused for the reason that it is named after.
    #[test]
    fn only_what_is_to_be_wrong_is_wrong() {
        for valid in [Kind::Foreign, Kind::Ttl, Kind::Low, Kind::Alternating, Kind::Every] {
            assert!(valid.frames().iter().all(|frame| Advert::read(frame).is_some()));
        }
        for invalid in [Kind::Checksum, Kind::Truncated, Kind::Count] {
            assert!(invalid.frames().iter().all(|frame| Advert::read(frame).is_none()));
        }
        let [frame] = &Kind::Count.frames()[..] else { panic!("one frame") };
        let message = &frame[MESSAGE..];
        let pseudo = [&SENDER.1.octets()[..], &GROUP.octets(), &[0, VRRP, 0, 12]].concat();
        let words = [&pseudo[..], message].concat();
        let words = words.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let sum: u32 = words.sum();
        assert_eq!((message[3], (sum & 0xffff) + (sum >> 16)), (9, 0xffff));
    }
}
