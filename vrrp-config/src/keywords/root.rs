//! Keywords outside all blocks.

use super::{
    Argument, Block, FIREWALL, Kind, LVS, NAME, PORT, Section, Support,
    Support::{Done, NoEffect, NotYet},
    keyword, one, one_or_more, option, optional,
};

const PROCESSES: Support = NoEffect("there are no keepalived processes to name or to watch");
const PATTERN: &[Argument] =
    &[one_or_more("PATTERN", Kind::Free("a path, with *, ?, [...] or {a,b}"))];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "Outside all blocks",
        inside: &[Block::Root],
        support: NotYet,
        rows: &[
            keyword("global_defs", "settings of the daemon, and defaults for the virtual routers")
                .opens(Block::GlobalDefs)
                .support(Done),
            keyword("vrrp_instance", "a virtual router")
                .takes(NAME)
                .opens(Block::Instance)
                .exact()
                .missing_is_reported()
                .support(Done),
            keyword("vrrp_sync_group", "virtual routers that are master together or not at all")
                .takes(NAME)
                .opens(Block::SyncGroup)
                .exact()
                .missing_is_reported()
                .support(Done),
            keyword("vrrp_script", "a command that is run again and again, for track_script")
                .takes(NAME)
                .opens(Block::Script)
                .support(Done),
            keyword("vrrp_track_process", "processes that have to run, for track_process")
                .takes(NAME)
                .opens(Block::TrackProcess)
                .support(Done),
            keyword("track_file", "a file with a number, for track_file and FILE_CHECK")
                .takes(NAME)
                .opens(Block::TrackFile)
                .old("vrrp_track_file")
                .support(Done),
            keyword("bfd_instance", "a BFD session, for track_bfd and BFD_CHECK")
                .takes(NAME)
                .opens(Block::Bfd),
            keyword("static_ipaddress", "addresses that are there as long as the daemon runs")
                .opens(Block::StaticAddresses)
                .support(Done),
            keyword("static_routes", "routes that are there as long as the daemon runs")
                .opens(Block::Routes)
                .support(Done),
            keyword("static_rules", "policy rules that are there as long as the daemon runs")
                .opens(Block::Rules)
                .support(Done),
            keyword("track_group", "virtual routers that fail with static addresses and routes")
                .takes(NAME)
                .missing_is_reported()
                .opens(Block::TrackGroup)
                .exact()
                .support(Done),
            keyword("garp_group", "limits for gratuitous ARP on some interfaces")
                .opens(Block::GarpGroup)
                .support(Done),
            keyword("linkbeat_interfaces", "interfaces whose link is polled")
                .opens(Block::Linkbeat),
            keyword("interface_up_down_delays", "interfaces that may be down for a moment")
                .opens(Block::UpDownDelays)
                .support(Done),
            keyword("linkbeat_use_polling", "the link of all interfaces is polled"),
            keyword("virtual_server", "a service of LVS")
                .takes(&[
                    optional("ADDRESS", Kind::Address),
                    optional("PORT", PORT),
                    option("fwmark", "MARK", Kind::Number(1, u32::MAX as i64)),
                    option("group", "NAME", Kind::Free("the name of a virtual_server_group")),
                ])
                .usage("ADDRESS [PORT] | fwmark MARK | group NAME")
                .at_least(1)
                .opens(Block::VirtualServer)
                .support(LVS),
            keyword("virtual_server_group", "addresses and marks that share their real servers")
                .takes(NAME)
                .opens(Block::ServerGroup)
                .support(LVS),
            keyword("SSL", "the certificate of SSL_GET").opens(Block::Ssl).support(LVS),
        ],
    },
    Section {
        title: "Outside all blocks: the process",
        inside: &[Block::Root],
        support: PROCESSES,
        rows: &[
            keyword("net_namespace", "the network namespace to run in")
                .first_counts()
                .takes(NAME)
                .missing_is_reported()
                .support(NotYet),
            keyword("net_namespace_ipvs", "the network namespace of IPVS")
                .takes(&[optional("NAME", Kind::Free("a network namespace"))])
                .support(LVS),
            keyword("namespace_with_ipsets", "ipsets also in a network namespace")
                .support(FIREWALL),
            keyword("instance", "a name for the files of this keepalived, beside others")
                .first_counts()
                .takes(NAME)
                .missing_is_reported(),
            keyword("use_pid_dir", "the process ids are written to /run/keepalived/"),
            keyword("child_wait_time", "time for the processes to end at a stop")
                .takes(&[one("SECONDS", Kind::Number(0, u32::MAX as i64))])
                .default("5"),
        ],
    },
    Section {
        title: "Other files",
        inside: &[Block::Root],
        support: Done,
        rows: &[
            keyword(
                "include",
                "reads other files at this place; anywhere, one that is missing is no error",
            )
            .takes(PATTERN)
            .missing_is_reported(),
            keyword("includer", "as include; a match that cannot be read is an error")
                .takes(PATTERN)
                .missing_is_reported(),
            keyword("includem", "as include; no match is an error, unless there are wildcards")
                .takes(PATTERN)
                .missing_is_reported(),
            keyword("includew", "as include; no match is an error, also with wildcards")
                .takes(PATTERN)
                .missing_is_reported(),
            keyword("includeb", "as include; a brace expansion without a match is an error")
                .takes(PATTERN)
                .missing_is_reported(),
            keyword("includea", "as include; with all checks").takes(PATTERN).missing_is_reported(),
        ],
    },
];
