//! Lists: what one entry is, and the words in it.

use super::{
    Argument, Block, Kind, PORT, Section,
    Support::{Done, NotYet},
    any, keyword, names, one, one_or_more, option, optional, word,
};
use crate::{
    interfaces::{LinkbeatMethod, MAX_DELAY},
    trackers::{MAX_WEIGHT, MAX_WEIGHT_OF_FILES},
};
use std::time::Duration;

/// A list and its entries.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) block: Block,
    /// What an entry begins with; what follows it are the words that have a row each.
    pub(crate) entry: &'static [Argument],
    pub(crate) help: &'static str,
    /// Nobody else reads the entries.
    pub(crate) read_by_audit: bool,
}

const LENGTH: Kind = Kind::Free("an address and the length of its prefix: 10.0.0.1/24");
const METHOD_NAMES: [&str; 3] = names(&LinkbeatMethod::WORDS);
const DELAY: Kind = Kind::Seconds(Duration::ZERO, MAX_DELAY);
const NAME: Kind = Kind::Free("");

/// All lists.
pub(crate) static LISTS: &[List] = &[
    List {
        block: Block::Addresses,
        entry: &[one("ADDRESS[/LENGTH]", LENGTH), any("WORDS", NAME)],
        help: "addresses, without a length /32 or /128",
        read_by_audit: false,
    },
    List {
        block: Block::StaticAddresses,
        entry: &[one("ADDRESS[/LENGTH]", LENGTH), any("WORDS", NAME)],
        help: "addresses, with the words of virtual_ipaddress, on default_interface if there is no dev",
        read_by_audit: false,
    },
    List {
        block: Block::Routes,
        entry: &[one_or_more("WORDS", NAME)],
        help: "routes in the language of `ip route`, with unabbreviated words",
        read_by_audit: false,
    },
    List {
        block: Block::Rules,
        entry: &[one_or_more("WORDS", NAME)],
        help: "policy rules in the language of `ip rule`, with unabbreviated words",
        read_by_audit: false,
    },
    List {
        block: Block::Peers,
        entry: &[one("ADDRESS", Kind::Address), any("WORDS", NAME)],
        help: "the other hosts of the virtual router",
        read_by_audit: false,
    },
    List {
        block: Block::TrackedInterfaces,
        entry: &[one("INTERFACE", Kind::Interface), any("WORDS", NAME)],
        help: "interfaces; without a weight FAULT when one is down",
        read_by_audit: false,
    },
    List {
        block: Block::Tracked,
        entry: &[one("NAME", NAME), any("WORDS", NAME)],
        help: "names of trackers; without a weight that of the tracker counts",
        read_by_audit: false,
    },
    List {
        block: Block::TrackedFiles,
        entry: &[one("NAME", NAME), any("WORDS", NAME)],
        help: "names of trackers; without a weight that of the tracker counts",
        read_by_audit: false,
    },
    List {
        block: Block::Members,
        entry: &[one_or_more("NAME", NAME)],
        help: "names of vrrp_instances",
        read_by_audit: false,
    },
    List {
        block: Block::Interfaces,
        entry: &[one_or_more("INTERFACE", Kind::Interface)],
        help: "interfaces",
        read_by_audit: false,
    },
    List {
        block: Block::Linkbeat,
        entry: &[
            one("INTERFACE", Kind::Interface),
            optional("MII|ETHTOOL|IOCTL", Kind::Choice(&METHOD_NAMES)),
        ],
        help: "interfaces and how their link is asked for",
        read_by_audit: false,
    },
    List {
        block: Block::UpDownDelays,
        entry: &[one("INTERFACE", Kind::Interface), one("DOWN", DELAY), optional("UP", DELAY)],
        help: "interfaces, and how long each has to be down and up before it counts",
        read_by_audit: false,
    },
    List {
        block: Block::Emails,
        entry: &[one_or_more("ADDRESS", Kind::Free("a mail address"))],
        help: "mail addresses",
        read_by_audit: false,
    },
    List {
        block: Block::ServerGroup,
        entry: SERVERS,
        help: "addresses, ranges and marks: `10.0.0.1-9 80`, `fwmark 7`",
        read_by_audit: true,
    },
];

/// The entries of virtual_server_group, which nobody else reads.
const SERVERS: &[Argument] = &[
    optional("ADDRESS", Kind::AddressRange),
    optional("PORT", PORT),
    option("fwmark", "MARK", Kind::Number(1, u32::MAX as i64)),
    word("inet"),
    word("inet6"),
];

const IN_ADDRESSES: &[Block] = &[Block::Addresses, Block::StaticAddresses];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "Words of an address",
        inside: IN_ADDRESSES,
        support: Done,
        rows: &[
            keyword("dev", "on this interface")
                .takes(&[one("INTERFACE", Kind::Interface)])
                .default("that of the virtual router"),
            keyword("label", "name of the address in `ip address` (IPv4)")
                .takes(&[one("LABEL", Kind::Free("1-15 characters"))]),
            keyword("scope", "where the address is valid (IPv4)")
                .takes(&[one("SCOPE", Kind::Free("global, site, link, host, nowhere or 0-255"))])
                .default("global"),
            keyword("brd", "broadcast address; +: all bits of the host set, -: none (IPv4)")
                .takes(&[one("ADDRESS|+|-", Kind::Free("an IPv4 address, + or -"))])
                .default("none"),
            keyword("-nodad", "looks for duplicates of the address first (IPv6)"),
            keyword("peer", "address of the other end").takes(&[one("ADDRESS[/LENGTH]", LENGTH)]),
            keyword("home", "the home address of Mobile IPv6"),
            keyword("mngtmpaddr", "the kernel makes temporary addresses from it (IPv6)"),
            keyword("noprefixroute", "without the route to its network"),
            keyword("autojoin", "also joins the group that the address is"),
            keyword("preferred_lft", "source of new connections for so long")
                .takes(&[one("SECONDS|forever", Kind::Free("a number of seconds, or forever"))])
                .default("forever; 0 of an IPv6 /128"),
        ],
    },
    Section {
        title: "Words of a virtual address",
        inside: &[Block::Addresses],
        support: NotYet,
        rows: &[keyword("use_vmac", "with a virtual MAC on its own interface")],
    },
    Section {
        title: "Words of addresses, routes and rules",
        inside: &[Block::Addresses, Block::StaticAddresses, Block::Routes, Block::Rules],
        support: Done,
        rows: &[keyword("no_track", "it is not added again when somebody removes it")],
    },
    Section {
        title: "Words of static addresses, routes and rules",
        inside: &[Block::StaticAddresses, Block::Routes, Block::Rules],
        support: Done,
        rows: &[
            keyword("track_group", "the virtual routers that fail when it cannot be kept")
                .takes(&[one("NAME", Kind::Free("the name of a track_group"))]),
        ],
    },
    Section {
        title: "Words of a unicast peer",
        inside: &[Block::Peers],
        support: Done,
        rows: &[
            keyword("min_ttl", "adverts with less are dropped")
                .takes(&[one("TTL", Kind::Number(0, 255))])
                .default("0"),
            keyword("max_ttl", "adverts with more are dropped")
                .takes(&[one("TTL", Kind::Number(0, 255))])
                .default("255"),
        ],
    },
    Section {
        title: "Words of a tracked interface, script or session",
        inside: &[Block::TrackedInterfaces, Block::Tracked],
        support: Done,
        rows: &[
            keyword("weight", "is added to the priority while it is up, if below 0 while it is down; 0: down is FAULT")
                .takes(&[one("WEIGHT", Kind::Number(-MAX_WEIGHT, MAX_WEIGHT))])
                .default("that of the tracker; of interfaces 0"),
        ],
    },
    Section {
        title: "Words of a tracked file or process",
        inside: &[Block::TrackedFiles],
        support: Done,
        rows: &[
            keyword("weight", "as that of the tracker, for this virtual router alone")
                .takes(&[one("WEIGHT", Kind::Number(-MAX_WEIGHT_OF_FILES, MAX_WEIGHT_OF_FILES))])
                .default("that of the tracker"),
        ],
    },
    Section {
        title: "Words of anything tracked",
        inside: &[Block::TrackedInterfaces, Block::Tracked, Block::TrackedFiles],
        support: Done,
        rows: &[keyword("reverse", "the other way round")],
    },
    Section {
        title: "Words of anything tracked but interfaces",
        inside: &[Block::Tracked, Block::TrackedFiles],
        support: Done,
        rows: &[keyword("noreverse", "not the other way round, although the tracker says so")],
    },
];
