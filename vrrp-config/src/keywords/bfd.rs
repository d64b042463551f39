//! `bfd_instance` (RFC 5880 and 5881).

use std::time::Duration;

use super::{
    Argument, Block, Kind, NEWER, SWITCH, Section, Support::NotYet, keyword, one, secs, word,
};
use crate::trackers::MAX_WEIGHT;

const ADDRESS: &[Argument] = &[one("ADDRESS", Kind::Address)];
/// Microseconds of 32 bits, in whole milliseconds.
const LONGEST: Duration = Duration::from_millis(4_294_967);
const INTERVAL: &[Argument] =
    &[one("MILLISECONDS", Kind::Milliseconds(Duration::from_millis(1), LONGEST))];
const IDLE: &[Argument] = &[one("MILLISECONDS", Kind::Milliseconds(secs(1), LONGEST))];
const HOPS: &[Argument] = &[one("HOPS", Kind::Number(1, 255))];

pub(super) static SECTIONS: &[Section] = &[Section {
    title: "bfd_instance",
    inside: &[Block::Bfd],
    support: NotYet,
    rows: &[
        keyword("neighbor_ip", "the other host")
            .takes(ADDRESS)
            .default("none: it is needed")
            .also("neighbour_ip"),
        keyword("source_ip", "our address").takes(ADDRESS).default("as the kernel chooses"),
        keyword("min_rx", "no packets are wanted more often than that")
            .takes(INTERVAL)
            .default("10"),
        keyword("min_tx", "time between our packets").takes(INTERVAL).default("10"),
        keyword("idle_tx", "time between our packets while the session is down")
            .takes(IDLE)
            .default("1000"),
        keyword("multiplier", "so many packets missing, and the session is down")
            .takes(&[one("NUMBER", Kind::Number(1, 255))])
            .default("5"),
        keyword("passive", "waits for the other host to begin").default("off"),
        keyword("ttl", "TTL of our packets, IPv4").takes(HOPS).default("255"),
        keyword("hoplimit", "hop limit of our packets, IPv6").takes(HOPS).default("64"),
        keyword("max_hops", "so many hops may be in between; 255: any")
            .takes(&[one("HOPS", Kind::Number(-1, 255))])
            .default("0"),
        keyword("multihop", "uses port 4784 instead of 3784")
            .takes(SWITCH)
            .default("off")
            .since(NEWER),
        keyword("weight", "is added to the priority while the session is up, if below 0 while it is down; 0: down is FAULT")
            .takes(&[one("WEIGHT", Kind::Number(-MAX_WEIGHT, MAX_WEIGHT)), word("reverse")])
            .default("0"),
        keyword("vrrp", "only virtual routers are told").default("both are told"),
        keyword("checker", "only LVS is told").default("both are told"),
    ],
}];
