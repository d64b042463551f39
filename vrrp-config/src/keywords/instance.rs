//! `vrrp_instance`, and what stands in its blocks.

use super::{
    Argument, Block, COMMAND, GROUP, INTERFACE, Kind, NEWER, OURS, SWITCH, Section, Support,
    Support::{Deprecated, Done, LeavesOut, NoEffect, NotYet},
    USER, any,
    global::{
        CHECKSUM, DELAY, DOWN_TIMER, LOWER_ROUNDS, ORPHAN, REFRESH, ROUNDS, VERSION_NAMES, XDP_MODE,
    },
    keyword, names, one, optional, secs, word,
};
use crate::{
    auth::{ANTI_REPLAY, KINDS, LEFT_OUT, MODES},
    instance::STATES,
};
use std::time::Duration;

const INSTANCE: &[Block] = &[Block::Instance];

const STATE_NAMES: [&str; 2] = names(&STATES);
const AUTH_NAMES: [&str; 2] = names(&KINDS);
const ANTI_REPLAY_NAMES: [&str; 2] = names(&ANTI_REPLAY);
const MODE_NAMES: [&str; 3] = names(&MODES);

const ADDRESS: &[Argument] = &[one("ADDRESS", Kind::Address)];
const KEY_ID: Kind = Kind::Number(1, 255);
const HMAC: &str = "keepalived 2.4 and later";

const CHECKSUM_FORM: Support = NoEffect(
    "unicast adverts have the checksum of keepalived 1.4 and later, with each peer's address",
);

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "vrrp_instance: who and when",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("state", "how it starts; MASTER with a priority below 255 waits as BACKUP does").first_counts()
                .takes(&[one("STATE", Kind::Choice(&STATE_NAMES))])
                .default("BACKUP; MASTER with priority 255")
                .otherwise("BACKUP is used"),
            keyword("interface", "where adverts are sent and heard, and where the addresses are")
                .takes(INTERFACE)
                .default("none: it is needed, unless there is unicast_src_ip")
                .otherwise("the virtual router is left out"),
            keyword("virtual_router_id", "number of the virtual router, the same on all its hosts")
                .takes(&[one("VRID", Kind::Number(1, 255))])
                .default("none: it is needed")
                .otherwise("the virtual router is left out"),
            keyword("priority", "the highest one is master; 255: the owner of the addresses")
                .takes(&[one("PRIORITY", Kind::Number(1, 255))])
                .default("100; 255 with state MASTER")
                .otherwise("100 is used"),
            keyword("advert_int", "time between adverts: whole seconds in version 2, steps of 10 ms to 40.95 s in version 3")
                .takes(&[one("SECONDS", Kind::Seconds(Duration::from_millis(10), secs(255)))])
                .default("1")
                .otherwise("1 s is used"),
            keyword("version", "version of VRRP")
                .takes(&[one("VERSION", Kind::Choice(&VERSION_NAMES))])
                .default("as vrrp_version"),
            keyword("authentication", "a password in adverts of version 2")
                .opens(Block::Authentication),
            keyword("auth_hmac", "adverts are signed").opens(Block::AuthHmac).since(HMAC),
            keyword("nopreempt", "a running master of lower priority stays; not with state MASTER")
                .default("off"),
            keyword("preempt", "a higher priority takes over").default("on"),
            keyword("preempt_delay", "waits so long before it takes over from a lower priority")
                .takes(&[one("SECONDS", Kind::Seconds(Duration::ZERO, secs(1000)))])
                .default("0"),
            keyword("down_timer_adverts", "so many intervals without an advert, and a Backup takes over")
                .takes(DOWN_TIMER)
                .default("as vrrp_down_timer_adverts"),
            keyword("timer_expired_backup", "with nopreempt: goes to BACKUP when it was so late that another must be master")
                .takes(&[optional("PRIORITY", Kind::Number(1, 254))])
                .default("off")
                .old("thread_timer_expired")
                .since(NEWER),
            keyword("lower_prio_no_advert", "an advert of a lower priority is not answered at once")
                .takes(SWITCH)
                .default("as vrrp_lower_prio_no_advert"),
            keyword("higher_prio_send_advert", "a master that yields sends a last advert")
                .takes(SWITCH)
                .default("as vrrp_higher_prio_send_advert"),
            keyword("owner_ignore_adverts", "the owner of the addresses drops adverts")
                .takes(SWITCH)
                .default("as vrrp_owner_ignore_adverts")
                .since(NEWER),
            keyword("skip_check_adv_addr", "the addresses in the adverts of the same master are not compared again")
                .takes(SWITCH)
                .default("as vrrp_skip_check_adv_addr"),
            keyword("strict_mode", "what the RFCs do not have is taken back or refused")
                .takes(SWITCH)
                .default("as vrrp_strict"),
            keyword("v3_checksum_as_v2", "VRRPv3 over IPv4 without the pseudo-header in the checksum (RFC 9568)")
                .takes(SWITCH)
                .default("as in global_defs")
                .since(NEWER),
            keyword("debug", "level of debugging")
                .takes(&[one("LEVEL", Kind::Number(0, 4))])
                .default("0")
                .support(NoEffect("keepalived does not implement it either")),
        ],
    },
    Section {
        title: "vrrp_instance: addresses and routes",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("virtual_ipaddress", "addresses that the master has, in its adverts; the first one decides the family")
                .opens(Block::Addresses),
            keyword("virtual_ipaddress_excluded", "addresses that the master has, not in its adverts, of any family")
                .opens(Block::Addresses),
            keyword("no_virtual_ipaddress", "there are no addresses, which is meant so")
                .since(NEWER),
            keyword("accept", "packets to the addresses are taken in").default("on; in strict mode only of the owner"),
            keyword("no_accept", "packets to the addresses are dropped, except by their owner"),
            keyword("promote_secondaries", "an address does not go with the first one of its network"),
            keyword("virtual_routes", "routes that the master has; it stays master when somebody removes one, and adds it again")
                .opens(Block::Routes),
            keyword("virtual_rules", "policy rules that the master has, likewise")
                .opens(Block::Rules),
        ],
    },
    Section {
        title: "vrrp_instance: how adverts travel",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("mcast_src_ip", "source address of adverts to the group")
                .takes(ADDRESS)
                .default("the first of the interface"),
            keyword("mcast_dst_ip", "group that adverts are sent to")
                .takes(&[one("ADDRESS", Kind::Group)])
                .default("vrrp_mcast_group4 or 6"),
            keyword("unicast_src_ip", "source address of adverts to the peers")
                .takes(ADDRESS)
                .default("the first of the interface"),
            keyword("unicast_peer", "adverts are sent to these hosts instead of a group")
                .opens(Block::Peers),
            keyword("unicast_ttl", "TTL or hop limit of unicast adverts")
                .takes(&[one("TTL", Kind::Number(0, 255))])
                .default("255; of IPv6 that of the kernel")
                .otherwise("255 is used"),
            keyword("unicast_fault_no_peer", "stays in FAULT without peers, instead of using the group")
                .takes(SWITCH)
                .default("off"),
            keyword("check_unicast_src", "adverts of hosts that are no peers are dropped")
                .takes(SWITCH)
                .default("as vrrp_check_unicast_src"),
            keyword("old_unicast_checksum", "the checksum of keepalived 1.3.6 and before")
                .takes(&[optional("never", Kind::Choice(&["never"]))])
                .default("as the peer does")
                .support(CHECKSUM_FORM),
            keyword("kernel_rx_buf_size", "receive buffer of the sockets")
                .takes(super::SIZE)
                .default("as vrrp_rx_bufs_policy")
                .missing_is_reported()
                .exact()
                .support(NoEffect("adverts do not queue in sockets")),
        ],
    },
    Section {
        title: "vrrp_instance: virtual MAC and interface",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("use_vmac", "the addresses have a MAC of their own, 00:00:5e:00:01:VRID or 02")
                .takes(&[any("WORD", Kind::Free("see the usage line; a MAC has 6 octets, or 5, then the VRID follows"))])
                .usage("[[name] INTERFACE] [MAC] [netlink_notify_msg] [group GROUP]")
                .repeats(),
            keyword("use_vmac_addr", "also the addresses on other interfaces"),
            keyword("vmac_xmit_base", "adverts have the MAC of the interface"),
            keyword("use_ipvlan", "the addresses are on an interface of type ipvlan")
                .takes(&[any("WORD", Kind::Free("see the usage line"))])
                .usage("[[name] INTERFACE] [ADDRESS] [bridge|private|vepa] [group GROUP]")
                .support(LeavesOut),
            keyword("vrf", "the VRF of unicast without an interface")
                .takes(INTERFACE)
                .support(LeavesOut),
            keyword("dont_track_primary", "an interface that is down is no FAULT"),
            keyword("track_src_ip", "FAULT while the source address is not there"),
        ],
    },
    Section {
        title: "vrrp_instance: gratuitous ARP",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("garp_master_delay", "seconds until the second burst of gratuitous ARP, 0: none")
                .takes(DELAY)
                .default("as vrrp_garp_master_delay"),
            keyword("garp_master_repeat", "gratuitous ARPs of a burst for each address; 0 is raised to 1")
                .takes(ROUNDS)
                .default("as vrrp_garp_master_repeat"),
            keyword("garp_master_refresh", "a master repeats gratuitous ARP so often, 0: never")
                .takes(REFRESH)
                .default("as vrrp_garp_master_refresh"),
            keyword("garp_master_refresh_repeat", "gratuitous ARPs of such a repetition")
                .takes(ROUNDS)
                .default("as vrrp_garp_master_refresh_repeat"),
            keyword("garp_lower_prio_delay", "as garp_master_delay, after an advert of a lower priority")
                .takes(DELAY)
                .default("as vrrp_garp_lower_prio_delay"),
            keyword("garp_lower_prio_repeat", "as garp_master_repeat, after an advert of a lower priority")
                .takes(LOWER_ROUNDS)
                .default("as vrrp_garp_lower_prio_repeat"),
            keyword("garp_extra_if", "repeats gratuitous ARP on the other interfaces of the addresses, 0: never")
                .takes(&[word("all"), one("SECONDS", Kind::Number(0, 86400))])
                .default("as vrrp_garp_extra_if")
                .outdated("vmac_garp_intvl")
                .missing_is_reported(),
        ],
    },
    Section {
        title: "vrrp_instance: keywords of xvrrp",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("xdp_mode", "how the kernel program is attached")
                .takes(XDP_MODE)
                .default("as in global_defs")
                .since(OURS),
            keyword("xdp_orphan", "what the kernel program does when the daemon is gone")
                .takes(ORPHAN)
                .default("as in global_defs")
                .since(OURS),
            keyword("xdp_believe_checksum", "which checksum of VRRPv3 over IPv4 is accepted")
                .takes(CHECKSUM)
                .default("as in global_defs")
                .since(OURS),
            keyword("xdp_no_accept", "no_accept is done by the kernel program")
                .takes(SWITCH)
                .default("as in global_defs")
                .since(OURS),
            keyword("xdp_gna_pacing", "Neighbor Advertisements keep the pauses of RFC 4861")
                .takes(SWITCH)
                .default("as in global_defs")
                .since(OURS),
        ],
    },
    Section {
        title: "vrrp_instance: out of use",
        inside: INSTANCE,
        support: NotYet,
        rows: &[
            keyword("linkbeat_use_polling", "the link of the interface is polled")
                .support(Deprecated("a linkbeat_interfaces block")),
            keyword("native_ipv6", "the virtual router is of IPv6")
                .support(NoEffect("the addresses decide the family")),
            keyword("lvs_sync_daemon_interface", "LVS tells its connections on this interface")
                .takes(INTERFACE)
                .support(Deprecated("lvs_sync_daemon in global_defs")),
        ],
    },
    Section {
        title: "vrrp_instance and vrrp_sync_group: notification and tracking",
        inside: &[Block::Instance, Block::SyncGroup],
        support: NotYet,
        rows: &[
            keyword("notify_master", "is run on becoming master").first_counts().takes(COMMAND).support(Done),
            keyword("notify_backup", "is run on becoming backup").first_counts().takes(COMMAND).support(Done),
            keyword("notify_fault", "is run on FAULT").first_counts().takes(COMMAND).support(Done),
            keyword("notify_stop", "is run at the end").first_counts().takes(COMMAND).support(Done),
            keyword("notify", "is run on every change, with INSTANCE|GROUP NAME STATE PRIORITY behind its arguments").first_counts()
                .takes(COMMAND).support(Done),
            keyword("notify_priority_changes", "changes of the priority are written to FIFOs")
                .takes(SWITCH)
                .default("as vrrp_notify_priority_changes").support(Done),
            keyword("smtp_alert", "mails about changes").takes(SWITCH).default("as smtp_alert_vrrp").support(Done),
            keyword("track_interface", "interfaces that have to be up")
                .opens(Block::TrackedInterfaces)
                .support(Done),
            keyword("track_script", "vrrp_scripts that have to succeed")
                .opens(Block::Tracked)
                .support(Done),
            keyword("track_file", "track_files whose number counts")
                .opens(Block::TrackedFiles)
                .support(Done),
            keyword("track_process", "vrrp_track_processes that have to run")
                .opens(Block::TrackedFiles)
                .support(Done),
            keyword("track_bfd", "bfd_instances that have to be up").opens(Block::Tracked),
        ],
    },
    Section {
        title: "vrrp_instance: notification",
        inside: INSTANCE,
        support: Done,
        rows: &[
            keyword("notify_deleted", "a reload that removes the virtual router says DELETED, not FAULT").first_counts()
                .takes(&[
                    optional("COMMAND", Kind::Command),
                    optional("USER", USER),
                    optional("GROUP", GROUP),
                ])
                .default("off"),
            keyword("notify_master_rx_lower_pri", "is run when a master hears a lower priority").first_counts()
                .takes(COMMAND),
        ],
    },
    Section {
        title: "authentication",
        inside: &[Block::Authentication],
        support: Done,
        rows: &[
            keyword("auth_type", "a password, or the Authentication Header of IPsec")
                .takes(&[one("TYPE", Kind::Choice(&AUTH_NAMES))]).default("none")
                .otherwise("the virtual router runs without authentication"),
            keyword("auth_pass", "the password, the same on all hosts; 8 octets count")
                .takes(&[one("PASSWORD", Kind::Free("up to 8 octets"))]),
        ],
    },
    Section {
        title: "auth_hmac",
        inside: &[Block::AuthHmac],
        support: Done,
        rows: &[
            keyword("key", "a key and its number, the same on all hosts")
                .takes(&[
                    one("ID", KEY_ID),
                    one("KEY", Kind::Free("32-64 octets: text, hex:DIGITS or file:PATH")),
                ]).default("none: at least one is needed")
                .otherwise(LEFT_OUT)
                .since(HMAC)
                .repeats(),
            keyword("active_key", "the number of the key that signs")
                .takes(&[one("ID", KEY_ID)])
                .default("none: it is needed, except in mode receive-only")
                .otherwise(LEFT_OUT)
                .since(HMAC),
            keyword("anti_replay", "what makes adverts differ, so that a recorded one is refused")
                .takes(&[one("CLOCK", Kind::Choice(&ANTI_REPLAY_NAMES))])
                .default("time")
                .otherwise(LEFT_OUT)
                .since(HMAC),
            keyword("time_window", "so far may the clocks be apart")
                .takes(&[one("SECONDS", Kind::Number(1, 300))])
                .default("3 intervals, at least 5")
                .otherwise(LEFT_OUT)
                .since(HMAC),
            keyword("mode", "whether adverts without a signature are accepted, and ours are signed")
                .takes(&[one("MODE", Kind::Choice(&MODE_NAMES))])
                .default("enforce")
                .otherwise(LEFT_OUT)
                .since(HMAC),
        ],
    },
];
