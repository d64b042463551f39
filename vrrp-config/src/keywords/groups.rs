//! `vrrp_sync_group`, `track_group` and `garp_group`.

use super::{
    Argument, Block, INTERFACE, Kind, Section,
    Support::{Deprecated, Done},
    keyword, one,
};
use std::time::Duration;

/// Microseconds of 31 bits.
const SPACING: &[Argument] =
    &[one("SECONDS", Kind::Seconds(Duration::ZERO, Duration::from_micros(i32::MAX as u64)))];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "vrrp_sync_group",
        inside: &[Block::SyncGroup],
        support: Done,
        rows: &[
            keyword("group", "the virtual routers of the group").opens(Block::Members),
            keyword("sync_group_tracking_weight", "the weights of the members' trackers count")
                .default("off"),
            keyword("global_tracking", "the trackers of a member count for all")
                .default("off")
                .support(Deprecated("track_interface, track_script and the like of the group")),
        ],
    },
    Section {
        title: "track_group",
        inside: &[Block::TrackGroup],
        support: Done,
        rows: &[keyword("group", "go to FAULT when a static item of the group cannot be kept")
            .opens(Block::Members)],
    },
    Section {
        title: "garp_group",
        inside: &[Block::GarpGroup],
        support: Done,
        rows: &[
            keyword("garp_interval", "time between gratuitous ARPs")
                .takes(SPACING)
                .default("as vrrp_garp_interval"),
            keyword("gna_interval", "time between unsolicited Neighbor Advertisements")
                .takes(SPACING)
                .default("as vrrp_gna_interval"),
            keyword("interface", "the interface").takes(INTERFACE),
            keyword("interfaces", "interfaces that share the limits").opens(Block::Interfaces),
        ],
    },
];
