//! `global_defs`: firewall, scheduling, notifications, monitoring, files, LVS.

use std::time::Duration;

use super::{
    Argument, Block, COMMAND, FIREWALL, GROUP, Kind, LVS, NAME, NEWER, OURS, PATH, PORT,
    SCHEDULING, SIZE, SWITCH, Section, Support,
    Support::{Done, NoEffect, NotYet},
    USER, any, keyword, names, one, one_or_more, option, optional, secs, word,
};
use crate::{daemon::JSON_VERSIONS, language::is_check, scheduling::POLICIES};

const GLOBAL: &[Block] = &[Block::GlobalDefs];

const POLICY_NAMES: [&str; 3] = names(&POLICIES);
const JSON_NAMES: [&str; 2] = names(&JSON_VERSIONS);
const PROCESS_NAME: &[Argument] =
    &[one("NAME", Kind::Checked(|name| (1..=15).contains(&name.len()), "1-15 characters"))];
const NICE: &[Argument] = &[one("NICE", Kind::Number(-20, 19))];
const REAL_TIME: &[Argument] = &[one("PRIORITY", Kind::Number(1, 99))];
const MICROSECONDS: &[Argument] = &[one("MICROSECONDS", Kind::Number(1, u32::MAX as i64))];
/// The kernel's masks have no room for more processors.
const CPUS: &[Argument] = &[one_or_more("CPU", Kind::Number(0, 1023))];
const FIFO: &[Argument] =
    &[one("PATH", Kind::Free("")), optional("USER", USER), optional("GROUP", GROUP)];
const TABLE: &[Argument] = &[optional("TABLE", Kind::Free("the name of a table"))];
const CHAIN_PRIORITY: &[Argument] =
    &[one("PRIORITY", Kind::Number(i32::MIN as i64, i32::MAX as i64))];
const UPDATE: &[Argument] = &[one("SECONDS", Kind::Seconds(Duration::from_millis(1), secs(30)))];

const SNMP: Support = NoEffect("there is no SNMP agent; see the metrics instead");
const PROCESSES: Support = NoEffect("there are no keepalived processes to name or to watch");
const COPY: Support = NoEffect("no merged copy is written");

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "global_defs: firewall",
        inside: GLOBAL,
        support: FIREWALL,
        rows: &[
            keyword("nftables", "uses nftables, with a table of this name")
                .first_counts()
                .takes(TABLE)
                .default("keepalived"),
            keyword("nftables_priority", "priority of its chains")
                .takes(CHAIN_PRIORITY)
                .default("-1"),
            keyword("nftables_counters", "its rules count").default("off"),
            keyword("nftables_ifindex", "its sets have numbers of interfaces").default("off"),
            keyword("vrrp_iptables", "uses iptables, with these chains")
                .takes(&[
                    optional("IN", Kind::Free("a chain")),
                    optional("OUT", Kind::Free("a chain")),
                ])
                .default("INPUT OUTPUT"),
            keyword("vrrp_ipsets", "uses ipsets of these names with iptables")
                .takes(&[any("NAME", Kind::Free("the name of an ipset"))])
                .default("keepalived ..."),
            keyword("nftables_ipvs", "marks packets for virtual_server_groups, in this table")
                .takes(TABLE)
                .default("off; keepalived_ipvs")
                .support(LVS),
            keyword("nftables_ipvs_priority", "priority of its chains")
                .takes(CHAIN_PRIORITY)
                .default("-1")
                .support(LVS),
            keyword("nftables_ipvs_start_fwmark", "the first mark that is used")
                .takes(&[one("MARK", Kind::Number(1, u32::MAX as i64))])
                .default("1000")
                .support(LVS),
        ],
    },
    Section {
        title: "global_defs: scheduling and memory",
        inside: GLOBAL,
        support: Done,
        rows: &[
            keyword("vrrp_priority", "nice value of the thread that sends adverts")
                .takes(NICE)
                .default("inherited")
                .missing_is_reported(),
            keyword("vrrp_rt_priority", "real-time priority of the thread that sends adverts")
                .takes(REAL_TIME)
                .default("off")
                .missing_is_reported(),
            keyword("vrrp_rlimit_rttime", "time that it may run without waiting, in real time")
                .takes(MICROSECONDS)
                .default("10000")
                .old("vrrp_rlimit_rtime"),
            keyword("vrrp_cpu_affinity", "processors that it may run on")
                .takes(CPUS)
                .default("all")
                .otherwise("it is left out")
                .missing_is_reported(),
            keyword("vrrp_no_swap", "its memory is never swapped out").default("off"),
            keyword("xdp_pulse_policy", "the best scheduling class that is tried")
                .takes(&[one("POLICY", Kind::Choice(&POLICY_NAMES))])
                .default("deadline")
                .since(OURS),
            keyword("xdp_pulse_budget", "share of a processor that SCHED_DEADLINE reserves")
                .takes(&[one("PERCENT", Kind::Number(1, 95))])
                .default("as the virtual routers need")
                .since(OURS),
            keyword(
                "max_auto_priority",
                "highest real-time priority that lateness leads to; -1: no warning",
            )
            .takes(&[optional("PRIORITY", Kind::Number(-1, 99))])
            .default("0")
            .support(SCHEDULING),
            keyword("min_auto_priority_delay", "lateness that leads to it")
                .takes(&[one("MICROSECONDS", Kind::Number(1, 10_000_000))])
                .missing_is_reported()
                .default("1000000")
                .support(SCHEDULING),
            keyword("checker_priority", "as vrrp_priority, for LVS")
                .takes(NICE)
                .default("inherited")
                .missing_is_reported()
                .support(LVS),
            keyword("checker_rt_priority", "as vrrp_rt_priority, for LVS")
                .takes(REAL_TIME)
                .default("off")
                .missing_is_reported()
                .support(LVS),
            keyword("checker_rlimit_rttime", "as vrrp_rlimit_rttime, for LVS")
                .takes(MICROSECONDS)
                .default("10000")
                .old("checker_rlimit_rtime")
                .support(LVS),
            keyword("checker_cpu_affinity", "as vrrp_cpu_affinity, for LVS")
                .takes(CPUS)
                .default("all")
                .missing_is_reported()
                .support(LVS),
            keyword("checker_no_swap", "as vrrp_no_swap, for LVS").support(LVS),
            keyword("bfd_priority", "as vrrp_priority, for BFD")
                .takes(NICE)
                .default("inherited")
                .missing_is_reported()
                .support(SCHEDULING),
            keyword("bfd_rt_priority", "as vrrp_rt_priority, for BFD")
                .takes(REAL_TIME)
                .default("off")
                .missing_is_reported()
                .support(SCHEDULING),
            keyword("bfd_rlimit_rttime", "as vrrp_rlimit_rttime, for BFD")
                .takes(MICROSECONDS)
                .default("10000")
                .old("bfd_rlimit_rtime")
                .support(SCHEDULING),
            keyword("bfd_cpu_affinity", "as vrrp_cpu_affinity, for BFD")
                .takes(CPUS)
                .default("all")
                .missing_is_reported()
                .support(SCHEDULING),
            keyword("bfd_no_swap", "as vrrp_no_swap, for BFD").support(SCHEDULING),
        ],
    },
    Section {
        title: "global_defs: netlink buffers",
        inside: GLOBAL,
        support: SCHEDULING,
        rows: &[
            keyword("vrrp_netlink_cmd_rcv_bufs", "receive buffer for answers of the kernel")
                .takes(SIZE)
                .missing_is_reported()
                .default("that of the kernel"),
            keyword("vrrp_netlink_cmd_rcv_bufs_force", "also beyond the limit of the system")
                .takes(SWITCH)
                .default("off"),
            keyword("vrrp_netlink_monitor_rcv_bufs", "receive buffer for news of the kernel")
                .takes(SIZE)
                .missing_is_reported()
                .default("that of the kernel"),
            keyword("vrrp_netlink_monitor_rcv_bufs_force", "also beyond the limit of the system")
                .takes(SWITCH)
                .default("off"),
            keyword("process_monitor_rcv_bufs", "receive buffer for news about processes")
                .takes(SIZE)
                .missing_is_reported()
                .default("that of the kernel"),
            keyword("process_monitor_rcv_bufs_force", "also beyond the limit of the system")
                .takes(SWITCH)
                .default("off"),
            keyword("lvs_netlink_cmd_rcv_bufs", "as vrrp_netlink_cmd_rcv_bufs, for LVS")
                .takes(SIZE)
                .missing_is_reported()
                .default("that of the kernel")
                .support(LVS),
            keyword("lvs_netlink_cmd_rcv_bufs_force", "also beyond the limit of the system")
                .takes(SWITCH)
                .default("off")
                .support(LVS),
            keyword("lvs_netlink_monitor_rcv_bufs", "as vrrp_netlink_monitor_rcv_bufs, for LVS")
                .takes(SIZE)
                .missing_is_reported()
                .default("that of the kernel")
                .support(LVS),
            keyword("lvs_netlink_monitor_rcv_bufs_force", "also beyond the limit of the system")
                .takes(SWITCH)
                .default("off")
                .support(LVS),
        ],
    },
    Section {
        title: "global_defs: notification and monitoring",
        inside: GLOBAL,
        support: NotYet,
        rows: &[
            keyword("notify_fifo", "a pipe that all changes are written to")
                .first_counts()
                .takes(FIFO)
                .missing_is_reported()
                .support(Done),
            keyword("notify_fifo_script", "a program that reads it")
                .first_counts()
                .takes(COMMAND)
                .missing_is_reported()
                .support(Done),
            keyword("vrrp_notify_fifo", "a pipe for changes of virtual routers and groups")
                .first_counts()
                .takes(FIFO)
                .missing_is_reported()
                .support(Done),
            keyword("vrrp_notify_fifo_script", "a program that reads it")
                .first_counts()
                .takes(COMMAND)
                .missing_is_reported()
                .support(Done),
            keyword("lvs_notify_fifo", "a pipe for changes of LVS")
                .first_counts()
                .takes(FIFO)
                .missing_is_reported()
                .support(LVS),
            keyword("lvs_notify_fifo_script", "a program that reads it")
                .first_counts()
                .takes(COMMAND)
                .missing_is_reported()
                .support(LVS),
            keyword("fifo_write_vrrp_states_on_reload", "a reload writes all states to the pipes")
                .default("off")
                .support(Done),
            keyword("enable_snmp_vrrp", "SNMP: virtual routers")
                .default("off")
                .old("enable_snmp_keepalived")
                .support(SNMP),
            keyword("enable_snmp_checker", "SNMP: LVS").default("off").support(SNMP),
            keyword("enable_snmp_rfc", "SNMP: RFC 2787 and RFC 6527").default("off").support(SNMP),
            keyword("enable_snmp_rfcv2", "SNMP: RFC 2787").default("off").support(SNMP),
            keyword("enable_snmp_rfcv3", "SNMP: RFC 6527").default("off").support(SNMP),
            keyword("enable_traps", "SNMP: traps").default("off").support(SNMP),
            keyword("snmp_socket", "the socket of the SNMP agent")
                .first_counts()
                .exact()
                .takes(&[one("SOCKET", Kind::Free("such as udp:1.2.3.4:705"))])
                .missing_is_reported()
                .default("unix:/var/agentx/master")
                .support(SNMP),
            keyword(
                "snmp_vs_stats_update_interval",
                "age of the SNMP statistics of virtual servers",
            )
            .takes(UPDATE)
            .default("5")
            .since(NEWER)
            .support(SNMP),
            keyword("snmp_rs_stats_update_interval", "age of the SNMP statistics of real servers")
                .takes(UPDATE)
                .default("5")
                .since(NEWER)
                .support(SNMP),
            keyword("enable_dbus", "serves D-Bus").default("off"),
            keyword("dbus_service_name", "its name there")
                .takes(NAME)
                .missing_is_reported()
                .default("org.keepalived.Vrrp1"),
            keyword("dbus_no_interface_name", "stands for the interface where there is none")
                .takes(NAME)
                .default("none")
                .since(NEWER),
            keyword("rs_init_notifies", "the start notifies of every real server")
                .takes(SWITCH)
                .default("off")
                .support(LVS),
            keyword("json_version", "form of the JSON dump")
                .takes(&[one("VERSION", Kind::Choice(&JSON_NAMES))])
                .default("1")
                .since(NEWER),
            keyword("state_dump_file", "where SIGUSR1 writes to")
                .takes(PATH)
                .default("/tmp/keepalived.data")
                .since(NEWER),
            keyword("stats_dump_file", "where SIGUSR2 writes to")
                .takes(PATH)
                .default("/tmp/keepalived.stats")
                .since(NEWER),
            keyword("json_dump_file", "where the JSON dump is written to")
                .takes(PATH)
                .default("/tmp/keepalived.json")
                .since(NEWER),
            keyword("data_use_instance", "the names of dumps contain instance and namespace")
                .takes(SWITCH)
                .default("off"),
        ],
    },
    Section {
        title: "global_defs: processes, reload, files",
        inside: GLOBAL,
        support: NotYet,
        rows: &[
            keyword("process_names", "each process has a name of its own").support(PROCESSES),
            keyword("process_name", "name of the parent")
                .takes(PROCESS_NAME)
                .otherwise("the first 15 characters are used")
                .support(PROCESSES),
            keyword("vrrp_process_name", "name of the VRRP process")
                .takes(PROCESS_NAME)
                .otherwise("the first 15 characters are used")
                .support(PROCESSES),
            keyword("checker_process_name", "name of the LVS process")
                .takes(PROCESS_NAME)
                .otherwise("the first 15 characters are used")
                .old("lvs_process_name")
                .support(PROCESSES),
            keyword("bfd_process_name", "name of the BFD process")
                .takes(PROCESS_NAME)
                .otherwise("the first 15 characters are used")
                .support(PROCESSES),
            keyword("reload_check_config", "a reload of a file with errors changes nothing")
                .takes(&[optional("PATH", Kind::Free("where the errors are logged"))])
                .default("always so")
                .support(Done),
            keyword("reload_time_file", "contains the time of the next reload")
                .takes(PATH)
                .missing_is_reported(),
            keyword("reload_repeat", "the reload is repeated each day").default("off"),
            keyword("reload_file", "is there while the configuration is read")
                .takes(&[optional("PATH", Kind::Free(""))])
                .default("off")
                .support(Done),
            keyword("config_save_dir", "where each reload keeps the configuration, for debugging")
                .takes(PATH)
                .support(COPY),
            keyword("tmp_config_directory", "where the merged configuration is kept")
                .takes(PATH)
                .missing_is_reported()
                .default("in memory")
                .support(COPY),
            keyword(
                "include_check",
                "which mistakes of `include` are errors; + adds, - takes away",
            )
            .takes(&[any(
                "CHECK",
                Kind::Checked(
                    is_check,
                    "readable, match, wildcard_match or brace_match, perhaps with + or -",
                ),
            )])
            .default("none; all without a word")
            .support(Done),
            keyword("iproute_usr_dir", "directory of rt_tables and the like")
                .takes(PATH)
                .since(NEWER),
            keyword("iproute_etc_dir", "directory of rt_tables and the like")
                .takes(PATH)
                .since(NEWER),
        ],
    },
    Section {
        title: "global_defs: LVS",
        inside: GLOBAL,
        support: LVS,
        rows: &[
            keyword("lvs_timeouts", "how long connections are remembered")
                .takes(&[
                    option("tcp", "SECONDS", IPVS_TIME),
                    option("tcpfin", "SECONDS", IPVS_TIME),
                    option("udp", "SECONDS", IPVS_TIME),
                ])
                .at_least(1)
                .missing_is_reported(),
            keyword("lvs_flush", "the start removes all of LVS").default("off"),
            keyword("lvs_flush_on_stop", "the end removes all of LVS; VS: only what is ours")
                .takes(&[word("VS")])
                .default("off")
                .old("lvs_flush_onstop"),
            keyword("lvs_sync_daemon", "tells the connections of LVS to the other hosts")
                .first_counts()
                .takes(&[
                    one("INTERFACE", Kind::Interface),
                    optional("INSTANCE", Kind::Free("a vrrp_instance")),
                    option("inst", "INSTANCE", Kind::Free("a vrrp_instance")),
                    option("id", "ID", Kind::Number(0, 255)),
                    option("maxlen", "BYTES", Kind::Number(1, 65507)),
                    option("port", "PORT", PORT),
                    option("ttl", "TTL", Kind::Number(1, 255)),
                    option("group", "ADDRESS", Kind::Group),
                ])
                .usage(
                    "INTERFACE [[inst] INSTANCE] [id ID] [maxlen BYTES] [port PORT] [ttl TTL] \
                     [group ADDRESS]",
                )
                .default("id: that of the instance, port 8848, group 224.0.0.81")
                .missing_is_reported(),
        ],
    },
];

/// 31 days.
const IPVS_TIME: Kind = Kind::Number(0, 31 * 86400);
