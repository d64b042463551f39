//! `virtual_server`, `real_server`, and `SSL`.

use super::{
    Argument, Block, COMMAND, Kind, LVS, MAX_SECONDS, NEWER, PATH, PORT, SWITCH, Section, TEXT,
    keyword, one, option, optional, word,
};
use std::time::Duration;

const VIRTUAL: &[Block] = &[Block::VirtualServer];
const REAL: &[Block] = &[Block::RealServer];
const SERVERS: &[Block] = &[Block::VirtualServer, Block::RealServer];

const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos",
];
const FORWARDING: &[Argument] = &[
    one("METHOD", Kind::Choice(&["NAT", "DR", "TUN"])),
    option("type", "TUNNEL", Kind::Choice(&["ipip", "gue", "gre"])),
    option("port", "PORT", PORT),
    word("nocsum"),
    word("csum"),
    word("remcsum"),
];
/// Without a port, or with 0: all ports.
const SERVER: &[Argument] =
    &[one("ADDRESS", Kind::Address), optional("PORT", Kind::Number(0, 65535))];
const COUNT: &[Argument] = &[one("NUMBER", Kind::Number(0, u32::MAX as i64))];
pub(super) const TIME: &[Argument] = &[one("SECONDS", Kind::Seconds(Duration::ZERO, MAX_SECONDS))];
pub(super) const POSITIVE_TIME: &[Argument] =
    &[one("SECONDS", Kind::Seconds(Duration::from_micros(1), MAX_SECONDS))];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "virtual_server",
        inside: VIRTUAL,
        support: LVS,
        rows: &[
            keyword("lvs_sched", "how connections are spread")
                .takes(&[one("SCHEDULER", Kind::Choice(SCHEDULERS))])
                .default("wlc, which is reported")
                .also("lb_algo"),
            keyword("protocol", "the protocol")
                .takes(&[one("PROTOCOL", Kind::AnyCase(&["TCP", "UDP", "SCTP"]))])
                .default("TCP; of keepalived 2.2.7 UDP, which is reported"),
            keyword("persistence_timeout", "a client stays with its server for so long")
                .takes(&[optional("SECONDS", Kind::Number(1, 31 * 86400))])
                .default("off; 360 without a number"),
            keyword("persistence_granularity", "clients of one network stay together")
                .takes(&[one("MASK", Kind::Netmask)]),
            keyword("persistence_engine", "what makes a client")
                .takes(&[one("NAME", Kind::Free("the name of a kernel module, such as sip"))]),
            keyword("real_server", "a server").takes(SERVER).opens(Block::RealServer),
            keyword("backup_real_server", "a server that serves while too many others are down")
                .takes(SERVER)
                .opens(Block::RealServer)
                .since(NEWER),
            keyword("failover_threshold", "when the backup real servers serve, in percent")
                .takes(&[one("PERCENT", Kind::Number(0, 100))])
                .default("as keepalived has it")
                .since(NEWER),
            keyword("failover_up", "is run when they begin to serve").takes(COMMAND).since(NEWER),
            keyword("failover_down", "is run when they end").takes(COMMAND).since(NEWER),
            keyword("sorry_server", "serves while there are too few others").takes(SERVER),
            keyword("sorry_server_inhibit", "it is kept with weight 0 otherwise").default("off"),
            keyword("sorry_server_lvs_method", "how packets get to it")
                .takes(FORWARDING)
                .usage("NAT|DR|TUN [type ipip|gue port PORT|gre] [nocsum|csum|remcsum]")
                .default("as lvs_method"),
            keyword("quorum", "so much weight has to be there")
                .takes(&[one("WEIGHT", Kind::Number(1, u32::MAX as i64))])
                .default("1"),
            keyword("hysteresis", "so much more or less than the quorum changes the state")
                .takes(COUNT)
                .default("0"),
            keyword("quorum_up", "is run when there is enough weight")
                .first_counts()
                .takes(COMMAND),
            keyword("quorum_down", "is run when there is not").first_counts().takes(COMMAND),
            keyword("inhibit_on_failure", "servers that are down stay, with weight 0")
                .default("off"),
            keyword("alpha", "servers are down until their first check succeeds").default("off"),
            keyword("omega", "the end runs the commands for down, too").default("off"),
            keyword("ha_suspend", "no checks while the address is not here").default("off"),
            keyword("ip_family", "family of a service that is a mark")
                .takes(&[one("FAMILY", Kind::Choice(&["inet", "inet6"]))])
                .default("that of the real servers"),
            keyword("hashed", "the scheduler's flag of this name").default("off"),
            keyword("ops", "each packet is a connection (UDP)").default("off"),
            keyword("flag-1", "the scheduler's first flag").default("off"),
            keyword("flag-2", "the scheduler's second flag").default("off"),
            keyword("flag-3", "the scheduler's third flag").default("off"),
            keyword("sh-port", "the port counts (sh)").default("off"),
            keyword("sh-fallback", "another server instead of one that is down (sh)")
                .default("off"),
            keyword("mh-port", "the port counts (mh)").default("off"),
            keyword("mh-fallback", "another server instead of one that is down (mh)")
                .default("off"),
            keyword("weight", "weight of real servers without one")
                .takes(&[one("WEIGHT", Kind::Number(1, i32::MAX as i64))])
                .default("1"),
        ],
    },
    Section {
        title: "virtual_server and real_server",
        inside: SERVERS,
        support: LVS,
        rows: &[
            keyword("retry", "so many more failures are needed")
                .takes(&[one("TIMES", Kind::Number(1, u32::MAX as i64))])
                .default("1; MISC_CHECK 0, DNS_CHECK 3"),
            keyword("lvs_method", "how packets get to the servers")
                .takes(FORWARDING)
                .usage("NAT|DR|TUN [type ipip|gue port PORT|gre] [nocsum|csum|remcsum]")
                .default("NAT, which is reported")
                .also("lb_kind"),
            keyword("virtualhost", "name that is asked for by HTTP_GET and SSL_GET")
                .takes(TEXT)
                .missing_is_reported(),
            keyword("snmp_name", "name in SNMP").takes(TEXT).missing_is_reported().exact(),
            keyword("smtp_alert", "mails about changes")
                .takes(SWITCH)
                .default("as smtp_alert_checker"),
            keyword("connect_timeout", "a connection has to be there after so long")
                .takes(POSITIVE_TIME)
                .default("5"),
        ],
    },
    Section {
        title: "real_server",
        inside: REAL,
        support: LVS,
        rows: &[
            keyword("weight", "share of the connections; 0: no new ones")
                .takes(&[one("WEIGHT", Kind::Number(0, i32::MAX as i64))])
                .default("1"),
            keyword("inhibit_on_failure", "a server that is down stays, with weight 0")
                .takes(SWITCH)
                .default("off"),
            keyword("alpha", "down until the first check succeeds").takes(SWITCH).default("off"),
            keyword("uthreshold", "no more connections than that").takes(COUNT).default("no limit"),
            keyword("lthreshold", "new connections again below that")
                .takes(COUNT)
                .default("no limit"),
            keyword("notify_up", "is run when it is up").first_counts().takes(COMMAND),
            keyword("notify_down", "is run when it is down").first_counts().takes(COMMAND),
            keyword("TCP_CHECK", "up while it takes connections").opens(Block::PlainCheck),
            keyword("PING_CHECK", "up while it answers pings").opens(Block::PlainCheck),
            keyword("HTTP_GET", "up while its pages are right").opens(Block::HttpCheck),
            keyword("SSL_GET", "up while its pages are right, over TLS").opens(Block::HttpCheck),
            keyword("SMTP_CHECK", "up while it greets as a mail server").opens(Block::SmtpCheck),
            keyword("MISC_CHECK", "up while a command succeeds").opens(Block::MiscCheck),
            keyword("DNS_CHECK", "up while it answers questions").opens(Block::DnsCheck),
            keyword("UDP_CHECK", "up while it does not refuse packets").opens(Block::UdpCheck),
            keyword("BFD_CHECK", "up while the BFD session is").opens(Block::BfdCheck),
            keyword("FILE_CHECK", "the number in a file changes its weight")
                .opens(Block::FileCheck),
        ],
    },
    Section {
        title: "SSL",
        inside: &[Block::Ssl],
        support: LVS,
        rows: &[
            keyword("password", "the password of the key").takes(TEXT).missing_is_reported(),
            keyword("ca", "file of the authorities").takes(PATH).missing_is_reported(),
            keyword("certificate", "file of our certificate").takes(PATH).missing_is_reported(),
            keyword("key", "file of our key").takes(PATH).missing_is_reported(),
        ],
    },
];
