//! Every keyword of keepalived and of ours: where it may stand, what follows it, and what this
//! version does with it. One table; the parser, the checks and the suggestions read it.

use std::{collections::HashMap, sync::LazyLock};

/// What a pair of braces contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Block {
    /// Outside all braces.
    Root,
    GlobalDefs,
    Instance,
    Authentication,
    AuthHmac,
    /// Lists of words, addresses, routes, trackers: what stands in it are no keywords.
    List,
    SyncGroup,
    TrackGroup,
    GarpGroup,
    Script,
    TrackProcess,
    TrackFile,
    Bfd,
    Ssl,
    VirtualServer,
    RealServer,
    /// TCP_CHECK and PING_CHECK.
    PlainCheck,
    HttpCheck,
    Url,
    SmtpCheck,
    SmtpHost,
    MiscCheck,
    DnsCheck,
    UdpCheck,
    BfdCheck,
    FileCheck,
}

impl Block {
    /// How users know it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "the file outside all blocks",
            Self::GlobalDefs => "global_defs",
            Self::Instance => "vrrp_instance",
            Self::Authentication => "authentication",
            Self::AuthHmac => "auth_hmac",
            Self::List => "a list",
            Self::SyncGroup => "vrrp_sync_group",
            Self::TrackGroup => "track_group",
            Self::GarpGroup => "garp_group",
            Self::Script => "vrrp_script",
            Self::TrackProcess => "vrrp_track_process",
            Self::TrackFile => "track_file",
            Self::Bfd => "bfd_instance",
            Self::Ssl => "SSL",
            Self::VirtualServer => "virtual_server",
            Self::RealServer => "real_server",
            Self::PlainCheck => "TCP_CHECK",
            Self::HttpCheck => "HTTP_GET",
            Self::Url => "url",
            Self::SmtpCheck => "SMTP_CHECK",
            Self::SmtpHost => "host",
            Self::MiscCheck => "MISC_CHECK",
            Self::DnsCheck => "DNS_CHECK",
            Self::UdpCheck => "UDP_CHECK",
            Self::BfdCheck => "BFD_CHECK",
            Self::FileCheck => "FILE_CHECK",
        }
    }
}

/// What this version does with a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// All of it.
    Done,
    /// Nothing yet; the virtual router runs without it.
    NotYet,
    /// Nothing yet, and it changes what the virtual router is on the wire or on the host so much
    /// that the router is left out rather than run without.
    LeavesOut,
    /// Nothing, and that is right, because …
    NoEffect(&'static str),
    /// keepalived reports it itself as out of use; use … instead.
    Deprecated(&'static str),
}

/// What keepalived does when the words behind a keyword are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It does not start.
    Fatal,
    /// It reports and ignores the line.
    Reported,
}

/// The words behind a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) missing: Missing,
}

/// What is known about a keyword in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keyword {
    pub(super) words: Words,
    /// The block that has to follow.
    pub(super) opens: Option<Block>,
    pub(super) support: Support,
}

/// The keyword `name` of `block`.
pub(super) fn find(block: Block, name: &str) -> Option<Keyword> {
    INDEX.get(&block)?.get(name).copied()
}

/// All keywords of a block.
pub(super) fn of(block: Block) -> impl Iterator<Item = &'static str> {
    INDEX.get(&block).into_iter().flat_map(|names| names.keys().copied())
}

/// The blocks in which `name` is a keyword, outermost first.
pub(super) fn homes(name: &str) -> Vec<Block> {
    let mut homes: Vec<Block> = INDEX
        .iter()
        .filter(|(_, names)| names.contains_key(name))
        .map(|(&block, _)| block)
        .collect();
    homes.sort_unstable();
    homes
}

/// All keywords of all blocks.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    INDEX.values().flat_map(|names| names.keys().copied())
}

static INDEX: LazyLock<HashMap<Block, HashMap<&'static str, Keyword>>> = LazyLock::new(|| {
    let mut index: HashMap<Block, HashMap<&'static str, Keyword>> = HashMap::new();
    for row in ROWS {
        for &block in row.inside {
            let Row { words, opens, support, .. } = *row;
            let names = row.names.split_whitespace();
            let keywords = names.map(|name| (name, Keyword { words, opens, support }));
            index.entry(block).or_default().extend(keywords);
        }
    }
    index
});

/// Keywords that behave alike, separated by blanks.
struct Row {
    names: &'static str,
    inside: &'static [Block],
    words: Words,
    opens: Option<Block>,
    support: Support,
}

const fn words(least: usize, most: usize, missing: Missing) -> Words {
    Words { least, most, missing }
}

/// A statement of its own.
const fn line(
    inside: &'static [Block],
    names: &'static str,
    words: Words,
    support: Support,
) -> Row {
    Row { names, inside, words, opens: None, support }
}

/// A statement with a block behind it.
const fn block(
    inside: &'static [Block],
    names: &'static str,
    words: Words,
    opens: Block,
    support: Support,
) -> Row {
    Row { names, inside, words, opens: Some(opens), support }
}

const FLAG: Words = words(0, 0, Missing::Fatal);
const BOOL: Words = words(0, 1, Missing::Fatal);
const ONE: Words = words(1, 1, Missing::Fatal);
const SOME: Words = words(1, usize::MAX, Missing::Fatal);
/// One that keepalived can do without, though it says so.
const REPORTED: Words = words(1, usize::MAX, Missing::Reported);
const ANY: Words = words(0, usize::MAX, Missing::Fatal);

const ROOT: &[Block] = &[Block::Root];
const GLOBAL: &[Block] = &[Block::GlobalDefs];
const INSTANCE: &[Block] = &[Block::Instance];
const GROUP: &[Block] = &[Block::SyncGroup];
const BOTH_VRRP: &[Block] = &[Block::Instance, Block::SyncGroup];
const VIRTUAL: &[Block] = &[Block::VirtualServer];
const REAL: &[Block] = &[Block::RealServer];
const SERVERS: &[Block] = &[Block::VirtualServer, Block::RealServer];
const RETRYING: &[Block] = &[
    Block::VirtualServer,
    Block::RealServer,
    Block::PlainCheck,
    Block::HttpCheck,
    Block::SmtpCheck,
    Block::DnsCheck,
    Block::UdpCheck,
    Block::MiscCheck,
];
const CONNECTING: &[Block] = &[
    Block::PlainCheck,
    Block::HttpCheck,
    Block::SmtpCheck,
    Block::SmtpHost,
    Block::DnsCheck,
    Block::UdpCheck,
];

use Support::{Deprecated, Done, LeavesOut, NoEffect, NotYet};

const LVS: Support = NoEffect("LVS is keepalived's to serve");
const SNMP: Support = NoEffect("there is no SNMP agent; see the metrics instead");
const SCHEDULING: Support = NoEffect("scheduling and memory are set by this program itself");
const FIREWALL: Support = NoEffect("no firewall rules are needed");
const VMAC_NAME: Support = NoEffect("a virtual MAC needs no interface of its own");
const CHECKSUM: Support = NoEffect(
    "unicast adverts have the checksum of keepalived 1.4 and later, with each peer's address",
);
const PROCESSES: Support = NoEffect("there are no keepalived processes to name or to watch");

/// Sections of the reference in their order: root, global_defs, instances, groups, trackers, LVS.
static ROWS: &[Row] = &[
    block(ROOT, "global_defs", FLAG, Block::GlobalDefs, Done),
    block(ROOT, "vrrp_instance", words(1, 1, Missing::Reported), Block::Instance, Done),
    block(ROOT, "vrrp_sync_group", words(1, 1, Missing::Reported), Block::SyncGroup, NotYet),
    block(ROOT, "vrrp_script", ONE, Block::Script, NotYet),
    block(ROOT, "vrrp_track_process", ONE, Block::TrackProcess, NotYet),
    block(ROOT, "track_file vrrp_track_file", ONE, Block::TrackFile, NotYet),
    block(ROOT, "bfd_instance", ONE, Block::Bfd, NotYet),
    block(ROOT, "static_ipaddress static_routes static_rules", FLAG, Block::List, NotYet),
    block(ROOT, "track_group", ONE, Block::TrackGroup, NotYet),
    block(ROOT, "garp_group", FLAG, Block::GarpGroup, NotYet),
    block(ROOT, "linkbeat_interfaces interface_up_down_delays", FLAG, Block::List, NotYet),
    block(ROOT, "virtual_server", SOME, Block::VirtualServer, LVS),
    block(ROOT, "virtual_server_group", ONE, Block::List, LVS),
    block(ROOT, "SSL", FLAG, Block::Ssl, LVS),
    line(ROOT, "net_namespace", ONE, NotYet),
    line(ROOT, "net_namespace_ipvs", BOOL, LVS),
    line(ROOT, "namespace_with_ipsets", FLAG, FIREWALL),
    line(ROOT, "instance child_wait_time", ONE, PROCESSES),
    line(ROOT, "use_pid_dir", FLAG, PROCESSES),
    line(ROOT, "linkbeat_use_polling", FLAG, NotYet),
    line(ROOT, "include includer includem includew includeb includea", SOME, NotYet),
    // global_defs: identity, mail, scripts.
    line(GLOBAL, "router_id", words(1, 1, Missing::Reported), Done),
    block(GLOBAL, "notification_email", FLAG, Block::List, NotYet),
    line(GLOBAL, "notification_email_from", REPORTED, NotYet),
    line(GLOBAL, "smtp_server", words(1, 2, Missing::Fatal), NotYet),
    line(GLOBAL, "smtp_helo_name smtp_connect_timeout", ONE, NotYet),
    line(GLOBAL, "smtp_alert smtp_alert_vrrp no_email_faults", BOOL, NotYet),
    line(GLOBAL, "smtp_alert_checker no_checker_emails checker_log_all_failures", BOOL, LVS),
    line(GLOBAL, "enable_script_security use_symlink_paths set_supplementary_groups", BOOL, NotYet),
    line(GLOBAL, "script_user startup_script shutdown_script", REPORTED, NotYet),
    line(GLOBAL, "startup_script_timeout shutdown_script_timeout", ONE, NotYet),
    line(GLOBAL, "default_interface", ONE, NotYet),
    line(GLOBAL, "random_seed", ONE, NoEffect("it is for ${_RANDOM} only")),
    line(GLOBAL, "umask", SOME, NoEffect("no files are written that others read")),
    // global_defs: defaults of instances.
    line(GLOBAL, "vrrp_version vrrp_mcast_group4 vrrp_mcast_group6", ONE, Done),
    line(GLOBAL, "vrrp_garp_master_delay vrrp_garp_master_repeat", ONE, Done),
    line(GLOBAL, "vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat", ONE, Done),
    line(GLOBAL, "vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat", ONE, Done),
    line(GLOBAL, "vrrp_garp_interval vrrp_gna_interval vrrp_down_timer_adverts", ONE, Done),
    line(GLOBAL, "vrrp_min_garp vrrp_lower_prio_no_advert", BOOL, Done),
    line(GLOBAL, "vrrp_higher_prio_send_advert vrrp_skip_check_adv_addr", BOOL, Done),
    line(GLOBAL, "v3_checksum_as_v2 vrrp_strict", BOOL, Done),
    line(GLOBAL, "vrrp_check_unicast_src vrrp_owner_ignore_adverts", BOOL, Done),
    line(GLOBAL, "vrrp_startup_delay", ONE, Done),
    line(GLOBAL, "xdp_mode xdp_orphan xdp_believe_checksum", ONE, Done),
    line(GLOBAL, "xdp_absorb xdp_drop_foreign xdp_no_accept xdp_gna_pacing", BOOL, Done),
    line(GLOBAL, "vrrp_garp_extra_if vrrp_vmac_garp_intvl", SOME, NotYet),
    line(GLOBAL, "vrrp_notify_priority_changes log_unknown_vrids", BOOL, NotYet),
    line(GLOBAL, "vrrp_delay_after_boot", ONE, NotYet),
    line(GLOBAL, "dynamic_interfaces", BOOL, NotYet),
    line(GLOBAL, "vmac_prefix vmac_addr_prefix", ONE, VMAC_NAME),
    line(GLOBAL, "disable_local_igmp", FLAG, NoEffect("the group is joined without it")),
    line(GLOBAL, "vrrp_rx_bufs_policy", SOME, NoEffect("adverts do not queue in sockets")),
    line(GLOBAL, "vrrp_rx_bufs_multiplier", ONE, NoEffect("adverts do not queue in sockets")),
    // global_defs: firewall, scheduling, netlink.
    line(GLOBAL, "nftables nftables_priority nftables_counters nftables_ifindex", ANY, FIREWALL),
    line(GLOBAL, "vrrp_iptables vrrp_ipsets", ANY, FIREWALL),
    line(GLOBAL, "nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark", ANY, LVS),
    line(GLOBAL, "vrrp_priority vrrp_rt_priority vrrp_rlimit_rttime", REPORTED, Done),
    line(GLOBAL, "vrrp_rlimit_rtime vrrp_cpu_affinity", REPORTED, Done),
    line(GLOBAL, "vrrp_no_swap", FLAG, Done),
    line(GLOBAL, "xdp_pulse_policy xdp_pulse_budget", ONE, Done),
    line(GLOBAL, "max_auto_priority min_auto_priority_delay", ANY, SCHEDULING),
    line(GLOBAL, "checker_priority checker_rt_priority checker_rlimit_rttime", REPORTED, LVS),
    line(GLOBAL, "checker_rlimit_rtime checker_cpu_affinity", REPORTED, LVS),
    line(GLOBAL, "checker_no_swap", FLAG, LVS),
    line(GLOBAL, "bfd_priority bfd_rt_priority bfd_rlimit_rttime", REPORTED, SCHEDULING),
    line(GLOBAL, "bfd_rlimit_rtime bfd_cpu_affinity", REPORTED, SCHEDULING),
    line(GLOBAL, "bfd_no_swap", FLAG, SCHEDULING),
    line(GLOBAL, "vrrp_netlink_cmd_rcv_bufs vrrp_netlink_monitor_rcv_bufs", SOME, SCHEDULING),
    line(GLOBAL, "vrrp_netlink_cmd_rcv_bufs_force", BOOL, SCHEDULING),
    line(
        GLOBAL,
        "vrrp_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs_force",
        BOOL,
        SCHEDULING,
    ),
    line(GLOBAL, "process_monitor_rcv_bufs", SOME, SCHEDULING),
    line(GLOBAL, "lvs_netlink_cmd_rcv_bufs lvs_netlink_monitor_rcv_bufs", SOME, LVS),
    line(GLOBAL, "lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs_force", BOOL, LVS),
    // global_defs: notifications, monitoring, processes, LVS.
    line(GLOBAL, "notify_fifo notify_fifo_script", REPORTED, NotYet),
    line(GLOBAL, "vrrp_notify_fifo vrrp_notify_fifo_script", REPORTED, NotYet),
    line(GLOBAL, "fifo_write_vrrp_states_on_reload", BOOL, NotYet),
    line(GLOBAL, "lvs_notify_fifo lvs_notify_fifo_script", REPORTED, LVS),
    line(
        GLOBAL,
        "enable_snmp_vrrp enable_snmp_keepalived enable_snmp_checker enable_snmp_rfc",
        BOOL,
        SNMP,
    ),
    line(GLOBAL, "enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps", BOOL, SNMP),
    line(
        GLOBAL,
        "snmp_socket snmp_vs_stats_update_interval snmp_rs_stats_update_interval",
        ANY,
        SNMP,
    ),
    line(GLOBAL, "enable_dbus", BOOL, NotYet),
    line(GLOBAL, "dbus_service_name dbus_no_interface_name", ONE, NotYet),
    line(GLOBAL, "rs_init_notifies", BOOL, LVS),
    line(GLOBAL, "json_version state_dump_file stats_dump_file json_dump_file", ONE, NotYet),
    line(GLOBAL, "data_use_instance", BOOL, NotYet),
    line(GLOBAL, "process_names", BOOL, PROCESSES),
    line(GLOBAL, "process_name vrrp_process_name checker_process_name", ONE, PROCESSES),
    line(GLOBAL, "lvs_process_name bfd_process_name", ONE, PROCESSES),
    line(GLOBAL, "reload_check_config reload_repeat reload_file", BOOL, NotYet),
    line(GLOBAL, "reload_time_file", ONE, NotYet),
    line(
        GLOBAL,
        "config_save_dir tmp_config_directory",
        ONE,
        NoEffect("no merged copy is written"),
    ),
    line(GLOBAL, "include_check", ANY, NotYet),
    line(GLOBAL, "iproute_usr_dir iproute_etc_dir", ONE, NotYet),
    line(GLOBAL, "lvs_timeouts lvs_sync_daemon", REPORTED, LVS),
    line(GLOBAL, "lvs_flush lvs_flush_on_stop lvs_flush_onstop", BOOL, LVS),
    // vrrp_instance.
    line(INSTANCE, "state interface virtual_router_id priority advert_int version", ONE, Done),
    block(INSTANCE, "authentication", FLAG, Block::Authentication, Done),
    line(&[Block::Authentication], "auth_type auth_pass", ONE, Done),
    block(INSTANCE, "virtual_ipaddress virtual_ipaddress_excluded", FLAG, Block::List, Done),
    line(INSTANCE, "no_virtual_ipaddress", FLAG, Done),
    line(INSTANCE, "mcast_src_ip mcast_dst_ip preempt_delay down_timer_adverts", ONE, Done),
    line(INSTANCE, "nopreempt preempt accept no_accept", FLAG, Done),
    line(INSTANCE, "owner_ignore_adverts xdp_no_accept xdp_gna_pacing", BOOL, Done),
    line(INSTANCE, "skip_check_adv_addr strict_mode v3_checksum_as_v2", BOOL, Done),
    line(INSTANCE, "lower_prio_no_advert higher_prio_send_advert", BOOL, Done),
    line(INSTANCE, "garp_master_delay garp_master_repeat garp_master_refresh", ONE, Done),
    line(
        INSTANCE,
        "garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat",
        ONE,
        Done,
    ),
    line(INSTANCE, "xdp_mode xdp_orphan xdp_believe_checksum", ONE, Done),
    block(INSTANCE, "auth_hmac", FLAG, Block::AuthHmac, Done),
    line(&[Block::AuthHmac], "key", words(2, 2, Missing::Fatal), Done),
    line(&[Block::AuthHmac], "active_key anti_replay time_window mode", ONE, Done),
    block(INSTANCE, "unicast_peer", FLAG, Block::List, Done),
    line(INSTANCE, "unicast_src_ip unicast_ttl", ONE, Done),
    line(INSTANCE, "unicast_fault_no_peer check_unicast_src", BOOL, Done),
    line(INSTANCE, "old_unicast_checksum", BOOL, CHECKSUM),
    line(INSTANCE, "use_vmac", ANY, Done),
    line(INSTANCE, "use_vmac_addr vmac_xmit_base", FLAG, Done),
    line(INSTANCE, "use_ipvlan", ANY, LeavesOut),
    line(INSTANCE, "vrf", ONE, LeavesOut),
    block(INSTANCE, "virtual_routes virtual_rules", FLAG, Block::List, NotYet),
    line(INSTANCE, "promote_secondaries track_src_ip dont_track_primary", FLAG, NotYet),
    line(INSTANCE, "garp_extra_if vmac_garp_intvl", REPORTED, NotYet),
    line(INSTANCE, "timer_expired_backup thread_timer_expired", BOOL, NotYet),
    line(INSTANCE, "notify_deleted", ANY, NotYet),
    line(INSTANCE, "notify_master_rx_lower_pri", SOME, NotYet),
    line(INSTANCE, "kernel_rx_buf_size", REPORTED, NoEffect("adverts do not queue in sockets")),
    line(INSTANCE, "debug", ONE, NoEffect("keepalived does not implement it either")),
    line(INSTANCE, "linkbeat_use_polling", FLAG, Deprecated("a linkbeat_interfaces block")),
    line(INSTANCE, "native_ipv6", FLAG, Deprecated("the addresses alone: they decide the family")),
    line(INSTANCE, "lvs_sync_daemon_interface", ONE, Deprecated("lvs_sync_daemon in global_defs")),
    line(BOTH_VRRP, "notify_master notify_backup notify_fault notify_stop notify", SOME, NotYet),
    line(BOTH_VRRP, "smtp_alert notify_priority_changes", BOOL, NotYet),
    block(BOTH_VRRP, "track_interface track_script track_file", FLAG, Block::List, NotYet),
    block(BOTH_VRRP, "track_process track_bfd", FLAG, Block::List, NotYet),
    // vrrp_sync_group, trackers, garp_group.
    block(GROUP, "group", FLAG, Block::List, NotYet),
    line(GROUP, "sync_group_tracking_weight global_tracking", FLAG, NotYet),
    block(&[Block::TrackGroup], "group", FLAG, Block::List, NotYet),
    line(&[Block::GarpGroup], "garp_interval gna_interval interface", ONE, NotYet),
    block(&[Block::GarpGroup], "interfaces", FLAG, Block::List, NotYet),
    line(&[Block::Script], "script user", SOME, NotYet),
    line(&[Block::Script], "interval timeout rise fall", ONE, NotYet),
    line(&[Block::Script, Block::TrackProcess, Block::TrackFile], "weight", SOME, NotYet),
    line(&[Block::Script], "init_fail", FLAG, NotYet),
    line(&[Block::TrackProcess], "process", SOME, NotYet),
    line(&[Block::TrackProcess], "param_match quorum quorum_max", ONE, NotYet),
    line(&[Block::TrackProcess], "delay fork_delay terminate_delay", ONE, NotYet),
    line(&[Block::TrackProcess], "full_command", FLAG, NotYet),
    line(&[Block::TrackFile], "file", ONE, NotYet),
    line(&[Block::TrackFile], "init_file", ANY, NotYet),
    line(&[Block::Bfd], "neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx", ONE, NotYet),
    line(&[Block::Bfd], "multiplier ttl hoplimit max_hops", ONE, NotYet),
    line(&[Block::Bfd], "passive vrrp checker multihop", BOOL, NotYet),
    line(&[Block::Bfd], "weight", SOME, NotYet),
    // virtual_server and what is in it.
    line(&[Block::Ssl], "password ca certificate key", ONE, LVS),
    line(
        VIRTUAL,
        "lb_algo lvs_sched protocol persistence_granularity persistence_engine",
        ONE,
        LVS,
    ),
    line(SERVERS, "lb_kind lvs_method", SOME, LVS),
    line(VIRTUAL, "persistence_timeout", BOOL, LVS),
    block(VIRTUAL, "real_server", words(1, 2, Missing::Fatal), Block::RealServer, LVS),
    line(VIRTUAL, "sorry_server", words(1, 2, Missing::Fatal), LVS),
    line(VIRTUAL, "sorry_server_lvs_method", SOME, LVS),
    line(VIRTUAL, "sorry_server_inhibit omega ha_suspend hashed ops", BOOL, LVS),
    line(VIRTUAL, "flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback", FLAG, LVS),
    line(VIRTUAL, "quorum hysteresis ip_family", ONE, LVS),
    line(VIRTUAL, "quorum_up quorum_down", SOME, LVS),
    line(SERVERS, "virtualhost snmp_name weight", ONE, LVS),
    line(SERVERS, "inhibit_on_failure smtp_alert", BOOL, LVS),
    line(REAL, "uthreshold lthreshold", ONE, LVS),
    line(REAL, "notify_up notify_down", SOME, LVS),
    block(REAL, "TCP_CHECK PING_CHECK", FLAG, Block::PlainCheck, LVS),
    block(REAL, "HTTP_GET SSL_GET", FLAG, Block::HttpCheck, LVS),
    block(REAL, "SMTP_CHECK", FLAG, Block::SmtpCheck, LVS),
    block(REAL, "MISC_CHECK", FLAG, Block::MiscCheck, LVS),
    block(REAL, "DNS_CHECK", FLAG, Block::DnsCheck, LVS),
    block(REAL, "UDP_CHECK", FLAG, Block::UdpCheck, LVS),
    block(REAL, "BFD_CHECK", FLAG, Block::BfdCheck, LVS),
    block(REAL, "FILE_CHECK", FLAG, Block::FileCheck, LVS),
    line(RETRYING, "delay_loop retry delay_before_retry warmup", ONE, LVS),
    line(RETRYING, "alpha log_all_failures", BOOL, LVS),
    line(SERVERS, "connect_timeout", ONE, LVS),
    line(
        CONNECTING,
        "connect_ip connect_port bindto bind_port bind_if connect_timeout fwmark",
        ONE,
        LVS,
    ),
    block(&[Block::HttpCheck], "url", FLAG, Block::Url, LVS),
    line(&[Block::HttpCheck], "http_protocol virtualhost sni_name nb_get_retry", ONE, LVS),
    line(&[Block::HttpCheck], "enable_sni fast_recovery tls_compliant", BOOL, LVS),
    line(&[Block::Url], "path digest virtualhost regex_min_offset regex_max_offset", ONE, LVS),
    line(&[Block::Url], "status_code regex regex_options regex_stack", SOME, LVS),
    line(&[Block::Url], "regex_no_match", FLAG, LVS),
    line(&[Block::SmtpCheck], "helo_name", ONE, LVS),
    block(&[Block::SmtpCheck], "host", FLAG, Block::SmtpHost, LVS),
    line(&[Block::MiscCheck], "misc_path user", SOME, LVS),
    line(&[Block::MiscCheck], "misc_timeout", ONE, LVS),
    line(&[Block::MiscCheck], "misc_dynamic", FLAG, LVS),
    line(&[Block::DnsCheck], "type name", ONE, LVS),
    line(&[Block::UdpCheck], "payload min_reply_length max_reply_length", ONE, LVS),
    line(&[Block::UdpCheck], "require_reply", ANY, LVS),
    line(&[Block::BfdCheck], "name", ONE, LVS),
    line(&[Block::FileCheck], "track_file", ONE, LVS),
    line(&[Block::FileCheck], "weight", SOME, LVS),
];
