//! `global_defs`: who we are, and defaults of the virtual routers.

use super::{
    Argument, Block, COMMAND, GROUP, INTERFACE, Kind, LVS, MAX_SECONDS, NAME, NEWER, OURS, PORT,
    SWITCH, Section, Support,
    Support::{Done, NoEffect, NotYet},
    TEXT, USER, keyword, names, one, one_or_more, optional, word,
};
use crate::global::{CHECKSUMS, ORPHANS, VERSIONS, XDP_MODES};
use std::{net::IpAddr, time::Duration};

const GLOBAL: &[Block] = &[Block::GlobalDefs];

pub(super) const VERSION_NAMES: [&str; 2] = names(&VERSIONS);
pub(super) const CHECKSUM_NAMES: [&str; 3] = names(&CHECKSUMS);
pub(super) const ORPHAN_NAMES: [&str; 2] = names(&ORPHANS);
pub(super) const XDP_MODE_NAMES: [&str; 5] = names(&XDP_MODES);

/// Whole seconds of the gratuitous ARP keywords.
pub(super) const DELAY: &[Argument] = &[one("SECONDS", Kind::Number(0, 4294))];
pub(super) const REFRESH: &[Argument] = &[one("SECONDS", Kind::Number(0, u32::MAX as i64))];
pub(super) const ROUNDS: &[Argument] = &[one("ROUNDS", Kind::Number(0, u32::MAX as i64))];
pub(super) const LOWER_ROUNDS: &[Argument] = &[one("ROUNDS", Kind::Number(0, i32::MAX as i64))];
pub(super) const DOWN_TIMER: &[Argument] = &[one("ADVERTS", Kind::Number(1, 100))];
/// 0, which keepalived's own default file contains and its parser rejects, has a report of its own.
pub(super) const SPACING: &[Argument] =
    &[one("SECONDS", Kind::Seconds(Duration::ZERO, MAX_SECONDS))];
const STARTUP: &[Argument] =
    &[one("SECONDS", Kind::Seconds(Duration::from_millis(1), MAX_SECONDS))];
const TIMEOUT: &[Argument] = &[one("SECONDS", Kind::Number(1, 1000))];

const SOCKETS: Support = NoEffect("adverts do not queue in sockets");
const VMAC_NAME: Support = NoEffect("a virtual MAC needs no interface of its own");

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "global_defs: identity and mail",
        inside: GLOBAL,
        support: NotYet,
        rows: &[
            keyword("router_id", "name of this host in mails and SNMP; it is not in adverts")
                .takes(TEXT)
                .default("the host name")
                .missing_is_reported()
                .support(Done),
            keyword("notification_email", "who gets mails").opens(Block::Emails).support(Done),
            keyword("notification_email_from", "sender of mails")
                .takes(TEXT)
                .default("keepalived@HOST")
                .missing_is_reported().support(Done),
            keyword("smtp_server", "who takes the mails")
                .takes(&[
                    one("HOST", Kind::Checked(is_host, "an address or a host name")),
                    optional("PORT", PORT),
                ])
                .default("127.0.0.1, port 25").support(Done),
            keyword("smtp_helo_name", "name in the greeting of the mail server")
                .takes(TEXT).missing_is_reported()
                .default("the host name").support(Done),
            // 0 is raised to 1, with a report of its own.
            keyword("smtp_connect_timeout", "time that the mail server has for its answer")
                .takes(&[one("SECONDS", Kind::Number(0, 4294))])
                .default("30").support(Done),
            keyword("smtp_alert", "mails about everything that has no smtp_alert of its own")
                .takes(SWITCH).default("not given: each kind has its own default").support(Done),
            keyword("smtp_alert_vrrp", "the same, for virtual routers and groups").takes(SWITCH).default("as smtp_alert").support(Done),
            keyword("smtp_alert_checker", "the same, for LVS").takes(SWITCH).default("as smtp_alert").support(LVS),
            keyword("no_email_faults", "no mails about FAULT").default("off").support(Done),
            keyword("no_checker_emails", "no mails about single checks of real servers")
                .default("off")
                .support(LVS),
            keyword("checker_log_all_failures", "each failed check is logged")
                .takes(SWITCH)
                .default("off")
                .support(LVS),
        ],
    },
    Section {
        title: "global_defs: scripts",
        inside: GLOBAL,
        support: Done,
        rows: &[
            keyword("enable_script_security", "no script runs as root that others may change")
                .default("off"),
            keyword("script_user", "whose rights scripts have")
                .takes(&[one("USER", USER), optional("GROUP", GROUP)])
                .default("keepalived_script if there is such a user, else that of the daemon")
                .missing_is_reported(),
            keyword("set_supplementary_groups", "scripts have all groups of their user")
                .default("off")
                .since(NEWER),
            keyword("use_symlink_paths", "symbolic links in the paths of scripts are kept")
                .takes(SWITCH)
                .default("off")
                .since(NEWER),
            keyword("startup_script", "is run once before the start").first_counts()
                .takes(COMMAND)
                .missing_is_reported(),
            keyword("startup_script_timeout", "time that it may take").takes(TIMEOUT).missing_is_reported().default("10"),
            keyword("shutdown_script", "is run once after the end").first_counts()
                .takes(COMMAND)
                .missing_is_reported(),
            keyword("shutdown_script_timeout", "time that it may take")
                .takes(TIMEOUT).missing_is_reported()
                .default("10"),
            keyword("umask", "rights that new files do not have")
                .takes(&[one_or_more(
                    "BITS",
                    Kind::Free(
                        "a number up to 0777, or bits such as IRUSR, IWGRP, IXOTH with | between them",
                    ),
                )])
                .default("0177")
                .support(NoEffect("no files are written that others read")),
            keyword("random_seed", "makes ${_RANDOM} give the same numbers each time")
                .takes(&[one("NUMBER", Kind::Number(0, u32::MAX as i64))])
                .default("the time")
                .support(Done),
            keyword("default_interface", "interface of addresses and routes without one")
                .takes(INTERFACE).missing_is_reported()
                .default("eth0"),
        ],
    },
    Section {
        title: "global_defs: defaults of virtual routers",
        inside: GLOBAL,
        support: Done,
        rows: &[
            keyword("vrrp_version", "version of VRRP")
                .takes(&[one("VERSION", Kind::Choice(&VERSION_NAMES))])
                .default("2; of IPv6 3"),
            keyword("vrrp_mcast_group4", "group that adverts over IPv4 are sent to")
                .takes(&[one("ADDRESS", Kind::Group4)])
                .default("224.0.0.18"),
            keyword("vrrp_mcast_group6", "group that adverts over IPv6 are sent to")
                .takes(&[one("ADDRESS", Kind::Group6)])
                .default("ff02::12"),
            keyword(
                "vrrp_garp_master_delay",
                "seconds until the second burst of gratuitous ARP, 0: none",
            )
            .takes(DELAY)
            .default("5"),
            keyword(
                "vrrp_garp_master_repeat",
                "gratuitous ARPs of a burst for each address; 0 is raised to 1",
            )
            .takes(ROUNDS)
            .default("5"),
            keyword(
                "vrrp_garp_master_refresh",
                "a master repeats gratuitous ARP so often, 0: never",
            )
            .takes(REFRESH)
            .default("0"),
            keyword("vrrp_garp_master_refresh_repeat", "gratuitous ARPs of such a repetition")
                .takes(ROUNDS)
                .default("1"),
            keyword(
                "vrrp_garp_lower_prio_delay",
                "as vrrp_garp_master_delay, after an advert of a lower priority",
            )
            .takes(DELAY)
            .default("as garp_master_delay"),
            keyword(
                "vrrp_garp_lower_prio_repeat",
                "as vrrp_garp_master_repeat, after an advert of a lower priority",
            )
            .takes(LOWER_ROUNDS)
            .default("as garp_master_repeat"),
            keyword(
                "vrrp_garp_interval",
                "time between gratuitous ARPs on an interface; an explicit 0 is reported",
            )
            .takes(SPACING)
            .default("none"),
            keyword(
                "vrrp_gna_interval",
                "time between unsolicited Neighbor Advertisements; an explicit 0 is reported",
            )
            .takes(SPACING)
            .default("none"),
            keyword("vrrp_min_garp", "one gratuitous ARP and no second burst")
                .takes(SWITCH)
                .default("off"),
            keyword(
                "vrrp_garp_extra_if",
                "repeats gratuitous ARP on the other interfaces of the addresses",
            )
            .takes(&[word("all"), one("SECONDS", Kind::Number(1, 86400))])
            .missing_is_reported()
            .default("off")
            .outdated("vrrp_vmac_garp_intvl"),
            keyword(
                "vrrp_down_timer_adverts",
                "so many intervals without an advert, and a Backup takes over",
            )
            .takes(DOWN_TIMER)
            .default("3"),
            keyword(
                "vrrp_lower_prio_no_advert",
                "an advert of a lower priority is not answered at once",
            )
            .takes(SWITCH)
            .default("off"),
            keyword("vrrp_higher_prio_send_advert", "a master that yields sends a last advert")
                .takes(SWITCH)
                .default("off"),
            keyword("vrrp_check_unicast_src", "adverts of hosts that are no peers are dropped")
                .default("off"),
            keyword(
                "vrrp_skip_check_adv_addr",
                "the addresses in the adverts of the same master are not compared again",
            )
            .default("off"),
            keyword("vrrp_strict", "what the RFCs do not have is taken back or refused")
                .default("off"),
            keyword("vrrp_owner_ignore_adverts", "the owner of the addresses drops adverts")
                .takes(SWITCH)
                .default("off")
                .since(NEWER),
            keyword("vrrp_notify_priority_changes", "changes of the priority are written to FIFOs")
                .takes(SWITCH)
                .default("off").support(Done),
            keyword(
                "v3_checksum_as_v2",
                "VRRPv3 over IPv4 without the pseudo-header in the checksum (RFC 9568)",
            )
            .takes(SWITCH)
            .default("off")
            .since(NEWER),
            keyword(
                "vrrp_startup_delay",
                "adverts are ignored and nobody becomes master for so long after the start",
            )
            .takes(STARTUP)
            .default("none")
            .otherwise("there is no delay"),
            keyword("vrrp_delay_after_boot", "the same, counted from the start of the machine")
                .takes(STARTUP)
                .default("none")
                .otherwise("there is no delay")
                .since(NEWER)
                .support(NotYet),
            keyword("log_unknown_vrids", "adverts of virtual routers that are not ours are logged")
                .default("off")
                .support(NotYet),
            keyword("dynamic_interfaces", "interfaces may be missing at the start, which they may without it")
                .takes(&[word("allow_if_changes")])
                .default("on"),
            keyword("disable_local_igmp", "the kernel does not announce groups of the link")
                .default("off")
                .support(NoEffect("the group is joined without it")),
            keyword("vmac_prefix", "begin of the names of interfaces with virtual MACs").first_counts()
                .takes(NAME)
                .default("vrrp")
                .support(VMAC_NAME),
            keyword("vmac_addr_prefix", "the same, of those for single addresses").first_counts()
                .takes(NAME)
                .default("as vmac_prefix")
                .support(VMAC_NAME),
            keyword("vrrp_rx_bufs_policy", "size of the receive buffers of sockets")
                .takes(&[one("SIZE", Kind::Checked(is_policy, "MTU, ADVERT, or a number of bytes"))]).missing_is_reported()
                .default("that of the system")
                .support(SOCKETS),
            keyword("vrrp_rx_bufs_multiplier", "so many MTUs or adverts fit")
                .takes(&[one("NUMBER", Kind::Number(1, u32::MAX as i64))]).missing_is_reported()
                .exact()
                .default("3")
                .support(SOCKETS),
        ],
    },
    Section {
        title: "global_defs: keywords of xvrrp",
        inside: GLOBAL,
        support: Done,
        rows: &[
            keyword("xdp_mode", "how the kernel program is attached, of all virtual routers")
                .takes(XDP_MODE)
                .default("auto")
                .since(OURS),
            keyword("xdp_orphan", "what the kernel program does when the daemon is gone")
                .takes(ORPHAN)
                .default("close")
                .since(OURS),
            keyword("xdp_believe_checksum", "which checksum of VRRPv3 over IPv4 is accepted")
                .takes(CHECKSUM)
                .default("either")
                .since(OURS),
            keyword("xdp_absorb", "adverts that bring no news end in the kernel program")
                .takes(SWITCH)
                .default("on")
                .since(OURS),
            keyword("xdp_drop_foreign", "adverts of virtual routers that are not ours are dropped")
                .takes(SWITCH)
                .default("off")
                .since(OURS),
            keyword("xdp_no_accept", "no_accept is done by the kernel program")
                .takes(SWITCH)
                .default("off")
                .since(OURS),
            keyword("xdp_gna_pacing", "Neighbor Advertisements keep the pauses of RFC 4861")
                .takes(SWITCH)
                .default("off")
                .since(OURS),
        ],
    },
];

pub(super) const XDP_MODE: &[Argument] = &[one("MODE", Kind::Choice(&XDP_MODE_NAMES))];
pub(super) const ORPHAN: &[Argument] = &[one("WHAT", Kind::Choice(&ORPHAN_NAMES))];
pub(super) const CHECKSUM: &[Argument] = &[one("FORM", Kind::Choice(&CHECKSUM_NAMES))];

/// An address, or what may be a name.
fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || !text.contains([':', '/', '@', '[', ']', '=', ',', ';'])
}

fn is_policy(text: &str) -> bool {
    matches!(text, "MTU" | "ADVERT") || text.parse::<u32>().is_ok()
}
