//! The kinds of diagnostics, each with its explanation. A code never changes its meaning; a retired
//! one is not given again.

use super::diagnostic::{Kind, Severity, Verdict};

/// What `xvrrp explain CODE` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Explanation {
    pub(super) kind: Kind,
    /// What it means and what happens now.
    pub(super) meaning: &'static str,
    /// Lines that lead to it.
    pub(super) cause: &'static str,
    /// The same, mended.
    pub(super) cure: &'static str,
}

/// Every code.
pub(super) fn all() -> impl Iterator<Item = &'static Explanation> {
    EXPLANATIONS.iter().copied().flatten()
}

/// Said by `check --together` only.
pub(super) fn is_about_several_files(kind: Kind) -> bool {
    TOGETHER.iter().any(|explanation| explanation.kind.code == kind.code)
}

/// Reported by keepalived as a configuration error; it repairs or ignores the place and runs.
const fn error(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Error, verdict: Verdict::WouldRun }
}

/// keepalived does not start.
const fn fatal(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Error, verdict: Verdict::CannotRun }
}

/// Hardly meant so, but keepalived says nothing.
const fn warning(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Warning, verdict: Verdict::Clean }
}

const fn not_yet(code: &'static str) -> Kind {
    Kind { code, severity: Severity::NotYet, verdict: Verdict::Clean }
}

const fn hint(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Hint, verdict: Verdict::Clean }
}

/// keepalived runs with it, and has an exit code of its own for it.
const fn script_security(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Warning, verdict: Verdict::ScriptSecurity }
}

/// `NAME = severity(CODE): meaning, cause => cure;`
macro_rules! codes {
    ($table:ident; $($name:ident = $severity:ident($code:literal):
        $meaning:literal, $cause:literal => $cure:literal;)*) => {
        $(pub(crate) const $name: Kind = $severity($code);)*

        pub(super) static $table: &[Explanation] = &[
            $(Explanation { kind: $name, meaning: $meaning, cause: $cause, cure: $cure }),*
        ];
    };
}

mod checks;

pub(super) use checks::*;

static EXPLANATIONS: &[&[Explanation]] = &[
    STRUCTURE, WORDS, VALUES, ADDRESSES, INSTANCES, REFERENCES, TABLE, ROUTES, LANGUAGE, TRACKERS,
    CROSS, TOGETHER, HOST,
];

// The file and its structure.
codes! { STRUCTURE;
    UNREADABLE = fatal("E0001"):
        "The file cannot be read.",
        "xvrrp check -f /etc/keepalived/keepalivd.conf" =>
        "xvrrp check -f /etc/keepalived/keepalived.conf";
    TOO_LARGE = fatal("E0002"):
        "The file is larger than any configuration. It is not read.",
        "xvrrp check -f /var/log/syslog" => "xvrrp check -f /etc/keepalived/keepalived.conf";
    MISSING_PARAMETER = fatal("E0003"):
        "A keyword stands alone that needs a value. keepalived stops there.",
        "debug" => "debug 0";
    OPEN_STRING = error("E0010"):
        "A quote is opened and never closed in its line. The statement is ignored.",
        "notify_master \"/etc/notify.sh master" => "notify_master \"/etc/notify.sh master\"";
    OPEN_BLOCK = error("E0011"):
        "A } is missing: the block is still open where the next one begins or the file ends. It is \
         read as if it ended there.",
        "vrrp_instance VI_1 {\n    virtual_ipaddress {\n        10.0.0.1\n}" =>
        "vrrp_instance VI_1 {\n    virtual_ipaddress {\n        10.0.0.1\n    }\n}";
    EXTRA_CLOSE = error("E0012"):
        "A } closes nothing: there is one too many, or a block above was closed too early.",
        "global_defs {\n}\n}" => "global_defs {\n}";
    MISSING_OPEN = error("E0013"):
        "A keyword that has a block stands without its {.",
        "virtual_ipaddress\n    10.0.0.1\n}" => "virtual_ipaddress {\n    10.0.0.1\n}";
    STRAY_BLOCK = error("E0014"):
        "Braces without a keyword, or behind one that has no block. What is in them is ignored.",
        "nopreempt {\n}" => "nopreempt";
    TOO_DEEP = error("E0015"):
        "More blocks are open in each other than any keyword has. Most likely a } is missing.",
        "a { a { a { a { a { a { a { a { a { a { a { a { a {" => "a { }";
    TYPOGRAPHIC = error("E0016"):
        "A quote or a blank was copied from a text and is a letter for keepalived. The statement is \
         ignored.",
        "notify_master “/etc/notify.sh master”" => "notify_master \"/etc/notify.sh master\"";
    PLACEHOLDER = error("E0017"):
        "A line of a manual was copied as it is. The statement is ignored.",
        "state MASTER|BACKUP" => "state BACKUP";
    UNDEFINED_VARIABLE = error("E0018"):
        "Nothing defines the variable, so that its name stands where its value should. The statement \
         is ignored.",
        "priority $PRIO" => "$PRIO=100\npriority $PRIO";
    BYTE_ORDER_MARK = warning("W0019"):
        "The file begins with three bytes that some editors write. keepalived takes them for a part \
         of the first word.",
        "<U+FEFF>global_defs {" => "global_defs {";
}

// Words.
codes! { WORDS;
    UNKNOWN_KEYWORD = error("E0020"):
        "No block has this keyword. The statement is ignored, and so is its block.",
        "virtual_routerid 51" => "virtual_router_id 51";
    WRONG_BLOCK = error("E0021"):
        "The keyword belongs into another block. Here it is ignored.",
        "vrrp_instance VI_1 {\n    router_id lb1\n}" => "global_defs {\n    router_id lb1\n}";
    MISSING_VALUE = error("E0022"):
        "A value is missing. The line is ignored.",
        "virtual_ipaddress {\n    10.0.0.1 dev\n}" =>
        "virtual_ipaddress {\n    10.0.0.1 dev eth0\n}";
    MISSING_NAME = error("E0023"):
        "A block has no name, or several: a name has no blanks. It is ignored.",
        "vrrp_instance {" => "vrrp_instance VI_1 {";
    DEPRECATED = error("E0024"):
        "The keyword or its spelling is out of use, and keepalived says so.",
        "vrrp_track_file name {" => "track_file name {";
    EXTRA_WORDS = warning("W0025"):
        "There are more words on the line than the keyword takes. A statement ends with its line; \
         the words are ignored.",
        "priority 100 advert_int 1" => "priority 100\nadvert_int 1";
    GIVEN_TWICE = warning("W0026"):
        "The value is given twice. The last one counts.",
        "priority 100\npriority 90" => "priority 90";
    NO_EFFECT = hint("H0027"):
        "Valid, and without an effect here, for the reason that is given.",
        "vrrp_iptables" => "# vrrp_iptables";
    NOT_YET = not_yet("N0028"):
        "Valid for keepalived; this version of xvrrp does not have it. Everything else runs.",
        "track_script {\n    chk\n}" => "# use keepalived, or do without";
    LEFT_OUT = not_yet("N0029"):
        "Valid for keepalived; this version of xvrrp does not have it, and without it the virtual \
         router would be another one. It does not run.",
        "use_ipvlan" => "# use keepalived, or do without";
}

// Values.
codes! { VALUES;
    BAD_NUMBER = error("E0030"):
        "A number or a time is none.",
        "priority high" => "priority 200";
    OUT_OF_RANGE = error("E0031"):
        "A number or a time is outside the range that the keyword has.",
        "virtual_router_id 256" => "virtual_router_id 255";
    BAD_CHOICE = error("E0032"):
        "The keyword takes one of some words, and this is none of them.",
        "state SLAVE" => "state BACKUP";
    BAD_ADDRESS = error("E0033"):
        "This is no IP address.",
        "unicast_src_ip 10.0.0.256" => "unicast_src_ip 10.0.0.25";
    NOT_MULTICAST = error("E0034"):
        "A group is needed: an address of 224.0.0.0/4, or of ff02::/16.",
        "mcast_dst_ip 10.0.0.18" => "mcast_dst_ip 224.0.0.18";
    NAME_TOO_LONG = error("E0035"):
        "Linux takes 15 characters for the name of an interface or a label, and in that of an \
         interface neither / nor :, which is for aliases.",
        "interface enp1s0f0np0.1234" => "interface vlan1234";
    ROUNDED = error("E0036"):
        "The interval cannot stand in an advert of this version: version 2 has whole seconds, version \
         3 steps of 10 ms. The nearest one is used.",
        "advert_int 0.5" => "version 3\nadvert_int 0.5";
    ZERO_INTERVAL = error("E0037"):
        "keepalived's parser rejects the 0 that its own default file contains. It means what the \
         absence of the line means: no spacing.",
        "vrrp_garp_interval 0" => "# no line at all";
    PASSWORD_TOO_LONG = error("E0038"):
        "An advert has room for 8 octets of a password. The first 8 are used, on the other hosts, \
         too.",
        "auth_pass correct-horse" => "auth_pass correcth";
}

// Virtual addresses.
codes! { ADDRESSES;
    BAD_PREFIX = error("E0040"):
        "Behind the / of an address stands a number of bits. All bits are used instead.",
        "10.0.0.1/255.255.255.0" => "10.0.0.1/24";
    BAD_BROADCAST = error("E0041"):
        "This is no broadcast address, or the address cannot have one.",
        "10.0.0.1/24 brd 10.0.0.256" => "10.0.0.1/24 brd +";
    UNKNOWN_ADDRESS_WORD = error("E0042"):
        "An address line has no such word. It is ignored; each address has a line of its own.",
        "10.0.0.1 10.0.0.2" => "10.0.0.1\n10.0.0.2";
    FAMILY_MISMATCH = error("E0043"):
        "Adverts carry addresses of one family, which the first address decides. The other one is \
         ignored.",
        "virtual_ipaddress {\n    10.0.0.1\n    2001:db8::1\n}" =>
        "virtual_ipaddress {\n    10.0.0.1\n}\nvirtual_ipaddress_excluded {\n    2001:db8::1\n}";
    TOO_MANY_ADDRESSES = error("E0044"):
        "An advert carries 255 addresses, of IPv6 89. The others become excluded ones.",
        "virtual_ipaddress { # 300 addresses" => "virtual_ipaddress_excluded { # most of them";
    NO_ADDRESS = error("E0045"):
        "A virtual router without addresses has nothing to do.",
        "virtual_ipaddress {\n}" => "virtual_ipaddress {\n    10.0.0.1\n}";
    ADDRESS_TWICE = warning("W0046"):
        "The address stands there twice. It is added once.",
        "10.0.0.1\n10.0.0.1/24" => "10.0.0.1/24";
    NOT_FOR_IPV6 = error("E0047"):
        "IPv6 does not have this. It is ignored.",
        "2001:db8::1 label eth0:1" => "2001:db8::1";
    NOT_LINK_LOCAL = warning("W0048"):
        "RFC 9568 wants a link-local address as the first one of IPv6, and as the source of adverts. \
         Other routers may reject adverts without.",
        "virtual_ipaddress {\n    2001:db8::1\n}" =>
        "virtual_ipaddress {\n    fe80::1\n    2001:db8::1\n}";
    UNKNOWN_PEER_WORD = error("E0049"):
        "A peer has `min_ttl` and `max_ttl` only. Each peer has a line of its own.",
        "unicast_peer {\n    10.0.0.2 10.0.0.3\n}" =>
        "unicast_peer {\n    10.0.0.2\n    10.0.0.3\n}";
}

// Instances as a whole.
codes! { INSTANCES;
    NO_VRID = error("E0050"):
        "Every virtual router needs its number. It is left out.",
        "vrrp_instance VI_1 {\n    interface eth0\n}" =>
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n}";
    NO_INTERFACE = error("E0051"):
        "A virtual router needs an interface. It is left out.",
        "vrrp_instance VI_1 {\n    virtual_router_id 51\n}" =>
        "vrrp_instance VI_1 {\n    virtual_router_id 51\n    interface eth0\n}";
    DUPLICATE_NAME = error("E0052"):
        "There are two blocks of this name. The second one is ignored.",
        "vrrp_instance VI_1 { ... }\nvrrp_instance VI_1 { ... }" =>
        "vrrp_instance VI_1 { ... }\nvrrp_instance VI_2 { ... }";
    DUPLICATE_VRID = error("E0053"):
        "Two virtual routers of one family have one number on one interface and would hear each \
         other's adverts. The second one is left out.",
        "virtual_router_id 51 # and 51 again" => "virtual_router_id 52";
    AUTH_DROPPED = error("E0054"):
        "The authentication is dropped: version 3 and strict mode have none, and without a password \
         there is none. auth_hmac signs adverts of every version.",
        "version 3\nauthentication {\n    auth_type PASS\n    auth_pass secret\n}" => "version 3";
    NOPREEMPT_DROPPED = error("E0056"):
        "`nopreempt` goes with `state BACKUP` and a priority below 255 only. It is dropped, and the \
         router preempts.",
        "state MASTER\nnopreempt" => "state BACKUP\nnopreempt";
    PREEMPT_DELAY_DROPPED = error("E0057"):
        "`preempt_delay` goes neither with `state MASTER` nor with `nopreempt` nor with strict mode. \
         It is dropped.",
        "state MASTER\npreempt_delay 60" => "state BACKUP\npreempt_delay 60";
    STRICT_REPAIR = error("E0058"):
        "Strict mode takes back what the RFCs do not have.",
        "vrrp_strict\nstate MASTER\npriority 100" => "vrrp_strict\nstate BACKUP\npriority 100";
    VERSION_CONFLICT = error("E0059"):
        "The version does not go with the addresses or with strict mode.",
        "version 2\nvirtual_ipaddress {\n    fe80::1\n}" =>
        "version 3\nvirtual_ipaddress {\n    fe80::1\n}";
    AUTH_WITHOUT_TYPE = warning("W0060"):
        "A password without `auth_type` has no effect.",
        "authentication {\n    auth_pass secret\n}" =>
        "authentication {\n    auth_type PASS\n    auth_pass secret\n}";
    IPV6_ON_V2 = warning("W0061"):
        "VRRP has IPv6 since version 3, which is used.",
        "version 2 # and addresses of IPv6" => "version 3";
    IPV6_AUTH = warning("W0062"):
        "keepalived's version 2 over IPv6 has passwords, version 3 has none. auth_hmac has both.",
        "authentication { ... } # and addresses of IPv6" => "auth_hmac { ... }";
    VMAC = error("E0063"):
        "Something about the virtual MAC does not fit and is ignored or repaired, as the help says.",
        "use_vmac 01:00:5e:00:00:01" => "use_vmac 02:00:5e:00:00:01";
    CANNOT_WORK = warning("W0064"):
        "keepalived takes it, but it cannot work.",
        "unicast_ttl 0" => "unicast_ttl 1";
    UNICAST = error("E0065"):
        "Keywords of unicast without peers, or of multicast with peers.",
        "unicast_src_ip 10.0.0.1" =>
        "unicast_src_ip 10.0.0.1\nunicast_peer {\n    10.0.0.2\n}";
    AH_MASTER = error("E0066"):
        "With `auth_type AH` a router has to hear the sequence number of the one before it, so that \
         it starts as BACKUP.",
        "state MASTER\nauthentication {\n    auth_type AH\n" =>
        "state BACKUP\nauthentication {\n    auth_type AH\n";
    AUTH_HMAC = error("E0067"):
        "The keys of auth_hmac cannot be used. The virtual router is left out: it must not run \
         without its authentication.",
        "auth_hmac {\n    key 1 short\n}" =>
        "auth_hmac {\n    key 1 file:/etc/keepalived/key1\n    active_key 1\n}";
    STRICT_UNICAST = warning("W0216"):
        "Strict mode is the VRRP of the RFCs, which has no unicast. It is used all the same, as by \
         keepalived 2.2.7; later versions leave the virtual router out.",
        "vrrp_strict\nunicast_peer {\n    10.0.0.2\n}" => "unicast_peer {\n    10.0.0.2\n}";
    PASSWORD_CUT = warning("W0217"):
        "A # or ! begins a comment, also within a word: the password ends there.",
        "auth_pass ab#cd" => "auth_pass \"ab#cd\"";
    KEY_READABLE = warning("W0069"):
        "Others on this host may read the key.",
        "-rw-r--r-- root root key1" => "chmod 600 key1";
}

// References between blocks, and scripts.
codes! { REFERENCES;
    UNKNOWN_REFERENCE = error("E0070"):
        "The name is that of no block in the file. The line is ignored.",
        "track_script {\n    chk_ngnix\n}" => "track_script {\n    chk_nginx\n}";
    OWN_INTERFACE = error("E0071"):
        "A virtual router tracks its own interface anyway. The line is ignored.",
        "interface eth0\ntrack_interface {\n    eth0\n}" => "interface eth0";
    EMPTY_GROUP = error("E0072"):
        "A group without members is removed.",
        "vrrp_sync_group G {\n}" => "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}";
    SMALL_GROUP = error("E0073"):
        "A group keeps several virtual routers together; this one has one.",
        "group {\n    VI_1\n}" => "group {\n    VI_1\n    VI_2\n}";
    SHELL_SYNTAX = error("E0074"):
        "A command begins with a word that only a shell understands, and no shell runs it.",
        "script \"[[ -f /run/ok ]]\"" => "script \"/bin/bash -c '[[ -f /run/ok ]]'\"";
    SHELL_OPERATOR = warning("W0075"):
        "No shell runs the command: the operator becomes an argument of the program.",
        "script \"/usr/bin/pgrep nginx || exit 1\"" => "script \"/usr/bin/pgrep nginx\"";
    SCRIPT_SECURITY = script_security("S0076"):
        "A script would run as root, and nobody has said that this is meant.",
        "notify_master /etc/notify.sh" =>
        "global_defs {\n    enable_script_security\n    script_user keepalived_script\n}";
    TOO_MANY = warning("W0099"):
        "There is more to say than anybody reads. Mend what is shown and check again.",
        "xvrrp check -f /bin/sh" => "xvrrp check -f /etc/keepalived/keepalived.conf";
}

// The table of keywords.
codes! { TABLE;
    OLD_SPELLING = hint("H0210"):
        "An old spelling of a keyword, which counts all the same.",
        "vrrp_rlimit_rtime 10000" => "vrrp_rlimit_rttime 10000";
    UNKNOWN_WORD = error("E0211"):
        "The keyword takes words with names, and this is none of them. It is ignored, with what \
         follows.",
        "weight 10 revers" => "weight 10 reverse";
    FIRST_COUNTS = error("E0212"):
        "The value was given before. keepalived does not replace this one: the first one counts.",
        "notify_master /etc/a.sh\nnotify_master /etc/b.sh" => "notify_master /etc/a.sh";
    SERVER = error("E0213"):
        "Something about a virtual_server does not fit together. keepalived repairs it as the help \
         says.",
        "virtual_server 10.0.0.1 80 {\n    real_server 10.0.0.2 80 {\n    }\n}" =>
        "virtual_server 10.0.0.1 80 {\n    lvs_sched wrr\n    lvs_method NAT\n    protocol TCP\n    \
         real_server 10.0.0.2 80 {\n    }\n}";
    NO_GROUP = warning("W0215"):
        "A virtual_server is that of a virtual_server_group that is not there.",
        "virtual_server group WEB {\n}" =>
        "virtual_server_group WEB {\n    10.0.0.1 80\n}\nvirtual_server group WEB {\n}";
    NOT_TOGETHER = error("E0214"):
        "A keyword does not go with the interface or the addresses of the virtual router. keepalived \
         does as the help says.",
        "native_ipv6\nvirtual_ipaddress {\n    10.0.0.1\n}" => "virtual_ipaddress {\n    10.0.0.1\n}";
}

// Routes, rules, static addresses, interfaces, BFD.
codes! { ROUTES;
    UNKNOWN_ROUTE_WORD = error("E0140"):
        "A route or a rule has no such word, or not at this place. The line is ignored. keepalived \
         takes no abbreviations.",
        "10.1.0.0/16 dev eth0 proto static" => "10.1.0.0/16 dev eth0 protocol static";
    MIXED_FAMILIES = error("E0141"):
        "All addresses of a route or a rule are of one family. The line is ignored.",
        "10.1.0.0/16 via fe80::1 dev eth0" => "10.1.0.0/16 via 10.0.0.1 dev eth0";
    NO_DESTINATION = error("E0142"):
        "A route leads to somewhere. The line is ignored.",
        "via 10.0.0.1 dev eth0" => "default via 10.0.0.1 dev eth0";
    UNTRACKED = error("E0143"):
        "keepalived follows routes and rules by their interface and by the protocol 18, its own. \
         Others are not restored when somebody deletes them.",
        "10.1.0.0/16 via 10.0.0.1" => "10.1.0.0/16 via 10.0.0.1 dev eth0";
    READ_OTHERWISE = error("E0144"):
        "keepalived 2.2 takes it for something else than its manual says, or than is meant. Here it \
         is read as it is meant, except where the help says that it is ignored.",
        "inet6 default dev eth0" => "default dev eth0 inet6";
    BAD_ENCAP = error("E0145"):
        "The encapsulation cannot be read. The route is ignored: without it, packets would leave as \
         they are.",
        "10.1.0.0/16 dev eth0 encap ip ttl 5" => "10.1.0.0/16 dev eth0 encap ip id 7 dst 10.0.0.9";
    NOT_FOR_FAMILY = error("E0146"):
        "The other family has this word. The line is ignored.",
        "10.1.0.0/16 dev eth0 expires 60" => "10.1.0.0/16 dev eth0";
    RULE_ACTION = error("E0147"):
        "A rule has exactly one action: a table, l3mdev, goto, nop, blackhole, unreachable or \
         prohibit. Some words go with a table only. The rule is ignored.",
        "from 10.1.0.0/16 preference 10" => "from 10.1.0.0/16 table 7 preference 10";
    NO_PREFERENCE = error("E0148"):
        "The order of rules decides, and without a preference keepalived chooses one: 16384, then \
         16383 and so on.",
        "from 10.1.0.0/16 table 7" => "from 10.1.0.0/16 table 7 preference 100";
    BAD_GOTO = error("E0149"):
        "Rules are tried upwards: `goto` needs a preference of the rule itself, below its target. The \
         rule is ignored.",
        "goto 5 preference 10" => "goto 20 preference 10";
    TRACK_GROUP = error("E0150"):
        "The track_group is none of the file, or this line cannot have one.",
        "10.1.0.0/16 dev eth0 track_group G" =>
        "track_group G {\n    group {\n        VI_1\n    }\n}";
    PEER = error("E0151"):
        "The address of the other end cannot be used, or does not go with another word.",
        "10.0.0.1/24 peer 10.0.0.2" => "10.0.0.1 peer 10.0.0.2";
    DEVICE_TWICE = error("E0152"):
        "An address is on one interface. It is ignored.",
        "10.0.0.1 dev eth0 dev eth1" => "10.0.0.1 dev eth1";
    GARP_GROUP = error("E0153"):
        "A garp_group spaces packets on some interfaces, each of which is in one group only.",
        "garp_group {\n    interface eth0\n}" =>
        "garp_group {\n    garp_interval 0.01\n    interface eth0\n}";
    EXTRA_LINKBEAT = error("E0154"):
        "An interface and how it is asked is all that stands on such a line.",
        "eth0 MII eth1 MII" => "eth0 MII\neth1 MII";
    BFD = error("E0155"):
        "The session cannot be: it needs a neighbour, of the family of its source, which no other \
         session has; or a value is repaired, as the help says.",
        "bfd_instance B {\n    source_ip 10.0.0.1\n}" =>
        "bfd_instance B {\n    neighbor_ip 10.0.0.2\n    source_ip 10.0.0.1\n}";
    HOST_BITS = warning("W0156"):
        "A destination has bits behind its length, with which Linux refuses it. They are cleared.",
        "10.1.0.1/16 dev eth0" => "10.1.0.0/16 dev eth0";
    KERNEL_REFUSES = warning("W0157"):
        "keepalived takes it, but Linux would refuse it. What does not fit is left out.",
        "blackhole 10.1.0.0/16 via 10.0.0.1" => "blackhole 10.1.0.0/16";
    SHORT_TIME = warning("W0158"):
        "keepalived 2.2 makes 200 ms of any shorter time. Here it is what is written.",
        "10.1.0.0/16 dev eth0 rto_min 5ms" => "10.1.0.0/16 dev eth0 rto_min 200ms";
    TRACKED_AND_NOT = warning("W0159"):
        "`no_track` and `track_group` contradict each other. It is not tracked.",
        "10.1.0.0/16 dev eth0 track_group G no_track" => "10.1.0.0/16 dev eth0 track_group G";
    TRACK_GROUP_MEMBER = warning("W0160"):
        "A track_group has no virtual router, or one that is not in the file.",
        "track_group G {\n    group {\n        VI_9\n    }\n}" =>
        "track_group G {\n    group {\n        VI_1\n    }\n}";
    DOES_NOTHING = warning("W0161"):
        "Something is missing, and nothing happens.",
        "interface_up_down_delays {\n    eth0\n}" =>
        "interface_up_down_delays {\n    eth0 0.5\n}";
    DELAY_TOO_LONG = warning("W0162"):
        "An interface that may be down for longer than it takes a Backup to notice makes for two \
         masters. The delay is shortened to less than (down_timer_adverts - 1) x advert_int.",
        "eth0 2 # and advert_int 1" => "eth0 1.5";
}

// The language: includes, conditions, variables, loops, limits.
codes! { LANGUAGE;
    LONG_LINE = error("E0100"):
        "keepalived 2.2 reads 1023 bytes of a line and takes the rest for another line. Here the line \
         is read as a whole.",
        "# a comment of more than 1023 bytes" => "# two comments\n# on two lines";
    TOO_MUCH = fatal("E0101"):
        "Variables and loops produce more text, or the files have more words, than any configuration.",
        "~SEQ(N, 1, 1000000000) 10.0.0.${N}" => "~SEQ(N, 1, 100) 10.0.0.${N}";
    EXPANSION_DEPTH = fatal("E0102"):
        "Files include files, or variables use variables, deeper than any configuration needs.",
        "$A0=x\n$A1=${A0}\n# and so on to A99" => "$A99=x";
    FILE_REQUIRED = fatal("E0103"):
        "A file is missing or cannot be read, and `include_check` or the letter behind `include` \
         insists on it. keepalived does not start.",
        "includea conf.d/*.conf" => "include conf.d/*.conf";
    NO_FILE = warning("W0104"):
        "A file is missing or cannot be read. The line is ignored.",
        "include /etc/keepalived/instanses.conf" => "include /etc/keepalived/instances.conf";
    NO_MATCH = hint("H0105"):
        "No file matches, which is right while there are none.",
        "include conf.d/*.cnf" => "include conf.d/*.conf";
    ENDLESS_INCLUDE = error("E0106"):
        "A file includes itself, perhaps through others or by another name. It is not read again.",
        "# in a.conf\ninclude a.conf" => "# in a.conf\ninclude b.conf";
    SECOND_CONDITION = error("E0108"):
        "A line has one condition. keepalived takes the second one for a keyword.",
        "@node1 @node2 priority 100" => "@node1 priority 100\n@node2 priority 100";
    EMPTY_CONDITION = warning("W0109"):
        "A condition has no name, so that the line never counts, or with ^ always.",
        "@ node1 priority 100" => "@node1 priority 100";
    ENDLESS_VARIABLE = error("E0110"):
        "The value of a variable contains the variable itself, perhaps through others. The line is \
         ignored.",
        "$PATH=/usr/bin:${PATH}\nrouter_id ${PATH}" => "$MORE=/usr/bin:${PATH}\nrouter_id ${MORE}";
    LINES_WITHIN_LINE = error("E0111"):
        "A variable with several lines has to be the last on its line. The line is ignored.",
        "virtual_ipaddress { $ADDRESSES }" => "virtual_ipaddress {\n    $ADDRESSES\n}";
    UNBRACED_VARIABLE = warning("W0112"):
        "A variable is defined and not replaced, because neither braces are around its name nor a \
         blank stands behind it.",
        "interface eth0.$VLAN.1" => "interface eth0.${VLAN}.1";
    BAD_LOOP = error("E0113"):
        "The parentheses of ~SEQ or ~LST do not say what is to be repeated. The line is ignored.",
        "~SEQ(N, 5, 1, 1) 10.0.0.${N}" => "~SEQ(N, 5, -1, 1) 10.0.0.${N}";
    EMPTY_LOOP = warning("W0114"):
        "A loop repeats what stands behind it on its line, and nothing does.",
        "~SEQ(N, 1, 3)\n10.0.0.${N}" => "~SEQ(N, 1, 3) 10.0.0.${N}";
    JOINED_LINE = warning("W0115"):
        "A \\ at the end joins two lines. keepalived 2.2 knows it in definitions only; elsewhere the \
         line ends there.",
        "track_interface { \\\n    eth1 }" => "track_interface {\n    eth1\n}";
    NUL_BYTE = warning("W0116"):
        "The rest of the line is not read, neither here nor by keepalived.",
        "priority <NUL>100" => "priority 100";
    UTF16 = error("E0117"):
        "The file has two bytes for each letter. Nothing of it can be read.",
        "iconv -t UTF-16 keepalived.conf" => "iconv -t UTF-8 keepalived.conf";
}

// Trackers, groups, notification.
codes! { TRACKERS;
    BAD_COMMAND = error("E0120"):
        "A command is empty, or a quote inside it is never closed. The line is ignored.",
        "script \"/bin/sh -c 'test -f /run/ok\"" => "script \"/bin/sh -c 'test -f /run/ok'\"";
    ARGUMENTS_LOST = warning("W0121"):
        "The command of a vrrp_script is one word: without quotes keepalived leaves its arguments \
         away.",
        "script /usr/bin/pgrep -x nginx" => "script \"/usr/bin/pgrep -x nginx\"";
    DEFINED_TWICE = warning("W0122"):
        "Two trackers have the same name: only the first can be tracked.",
        "vrrp_script chk {\n}\nvrrp_script chk {\n}" => "vrrp_script chk_1 {\n}\nvrrp_script chk_2 {\n}";
    TRACKED_TWICE = error("E0124"):
        "A list has the same name twice: the first line counts.",
        "track_script {\n    chk\n    chk weight 5\n}" => "track_script {\n    chk weight 5\n}";
    MEMBER_TWICE = error("E0125"):
        "A virtual router belongs to one group. Where it is named again it is ignored.",
        "vrrp_sync_group G1 {\n    group {\n        VI_1\n        VI_1\n    }\n}" =>
        "vrrp_sync_group G1 {\n    group {\n        VI_1\n        VI_2\n    }\n}";
    TRACKED_BY_GROUP = error("E0126"):
        "A virtual router tracks an interface that its group tracks, too, or the group tracks the own \
         interface of a virtual router. The group's weight counts, unless the virtual router's line \
         has none.",
        "vrrp_instance VI_1 {\n    track_interface {\n        eth1\n    }\n}" =>
        "vrrp_instance VI_1 {\n}";
    WEIGHT_DROPPED = error("E0128"):
        "A weight where priorities cannot change: priority 255 never does, and members of a group \
         would drift apart. Scripts and the like are not tracked then, others count for FAULT.",
        "track_script {\n    chk weight 10\n}" => "track_script {\n    chk weight 0\n}";
    ALSO_TRACKED_BY_GROUP = warning("W0129"):
        "A virtual router tracks what its group tracks, too. The group's weight counts, unless the \
         virtual router's line has none.",
        "vrrp_instance VI_1 {\n    track_script {\n        chk\n    }\n}" => "vrrp_instance VI_1 {\n}";
}
