//! Words of routes and rules.

use super::{
    Argument, Block, Kind, NEWER, Section, Support::Done, any, keyword, one, one_or_more, word,
};

const ROUTES: &[Block] = &[Block::Routes];
const RULES: &[Block] = &[Block::Rules];

const ADDRESS: &[Argument] = &[one("ADDRESS", Kind::Address)];
const PREFIX: &[Argument] =
    &[one("PREFIX", Kind::Free("an address, one with /LENGTH, or default"))];
const INTERFACE: &[Argument] = &[one("INTERFACE", Kind::Interface)];
const NUMBER: &[Argument] = &[one("NUMBER", Kind::Number(0, u32::MAX as i64))];
/// The kernel may be kept from changing it.
const METRIC: &[Argument] = &[word("lock"), one("NUMBER", Kind::Number(0, u32::MAX as i64))];
const TIME: &[Argument] =
    &[word("lock"), one("TIME", Kind::Free("a number of milliseconds, or 10ms, 1s"))];
const NAMED: &[Argument] = &[one("ID", Kind::Free("a number, or a name from /etc/iproute2"))];
const RANGE: &[Argument] = &[one("FIRST-LAST", Kind::Free("two numbers: 10-20"))];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "Words of a route",
        inside: ROUTES,
        support: Done,
        rows: &[
            keyword("to", "where it leads; the word may be left away").takes(PREFIX),
            keyword("via", "the next router")
                .takes(&[word("inet6"), one("ADDRESS", Kind::Address)])
                .outdated("gw"),
            keyword("or", "a second next router, an old way to write nexthop").takes(ADDRESS),
            keyword("dev", "the interface").takes(INTERFACE).also("oif"),
            keyword("src", "source of our packets").takes(ADDRESS),
            keyword("from", "only for packets from there (IPv6)").takes(PREFIX),
            keyword("table", "the routing table").takes(NAMED).default("main"),
            keyword("tos", "only for packets of this type of service (IPv4)")
                .takes(NAMED)
                .also("dsfield"),
            keyword("protocol", "who has made it").takes(NAMED).default("keepalived"),
            keyword("scope", "where its destination is")
                .takes(NAMED)
                .default("as in `ip route`: link without via (keepalived: global)"),
            keyword("metric", "the lowest one is used").takes(NUMBER).also("priority preference"),
            keyword("mtu", "the largest packet").takes(METRIC),
            keyword("hoplimit", "hop limit of our packets")
                .takes(&[one("HOPS", Kind::Number(0, 255))]),
            keyword("advmss", "the largest segment that TCP announces").takes(METRIC),
            keyword("rtt", "the round trip time that TCP begins with").takes(TIME),
            keyword("rttvar", "how much that varies").takes(TIME),
            keyword("reordering", "so far packets may be out of order").takes(METRIC),
            keyword("window", "the largest window that TCP announces").takes(METRIC),
            keyword("cwnd", "the largest congestion window").takes(METRIC),
            keyword("ssthresh", "the threshold of TCP's slow start").takes(METRIC),
            keyword("realms", "realms for accounting (IPv4)")
                .takes(&[one("[SOURCE/]TARGET", Kind::Free("one or two realms"))]),
            keyword(
                "rto_min",
                "the shortest retransmission timeout of TCP; locked, else Linux takes no notice",
            )
            .takes(TIME),
            keyword("initcwnd", "the congestion window that TCP begins with").takes(NUMBER),
            keyword("initrwnd", "the receive window that TCP begins with").takes(NUMBER),
            keyword("quickack", "TCP acknowledges at once")
                .takes(&[one("0|1", Kind::Number(0, 1))]),
            keyword("congctl", "TCP's congestion control")
                .takes(&[word("lock"), one("NAME", Kind::Free("a name"))]),
            keyword("vrf", "the VRF whose table it is in").takes(INTERFACE),
            keyword("features", "features of TCP")
                .takes(&[one_or_more("FEATURE", Kind::Choice(&["ecn"]))]),
            keyword("fastopen_no_cookie", "TCP Fast Open without a cookie")
                .takes(&[one("0|1", Kind::Number(0, 1))]),
            keyword("ttl-propagate", "MPLS takes the TTL over")
                .takes(&[one("HOW", Kind::Choice(&["enabled", "disabled"]))]),
            keyword("encap", "a tunnel that has no interface").takes(&[
                one("TYPE", Kind::Free("mpls, ip, ip6, ila and so on")),
                any("WORDS", Kind::Free("as `ip route` has them")),
            ]),
            keyword("nexthop", "one of several next routers, with words of its own")
                .takes(&[one_or_more("WORDS", Kind::Free("via, dev, weight, onlink, encap"))]),
            keyword("weight", "share of this next router")
                .takes(&[one("WEIGHT", Kind::Number(1, 256))]),
            keyword("onlink", "the next router is on the interface, whatever its address"),
            keyword("append", "behind routes that are the same"),
            keyword("prepend", "in front of routes that are the same, as without a word"),
            keyword("add", "only if there is no such route"),
            keyword("expires", "the kernel removes it after so long, and it stays away (IPv6)")
                .takes(NUMBER),
            keyword("pref", "preference among the same (IPv6)")
                .takes(&[one("HOW", Kind::Choice(&["low", "medium", "high"]))]),
            keyword("inet6", "the route is of IPv6; 2.2.7 wants it at the end of the line"),
            keyword("inet", "the route is of IPv4; 2.2.7 wants it at the end of the line"),
            keyword("unicast", "packets are forwarded, as without a word").takes(PREFIX),
            keyword("local", "packets are for this host").takes(PREFIX),
            keyword("broadcast", "packets are for this host, and sent as broadcasts").takes(PREFIX),
            keyword("anycast", "packets are for this host, and none are sent from there")
                .takes(PREFIX),
            keyword("multicast", "packets go to a group").takes(PREFIX),
            keyword("blackhole", "packets are dropped silently").takes(PREFIX),
            keyword("unreachable", "packets are answered with host unreachable").takes(PREFIX),
            keyword("prohibit", "packets are answered with prohibited").takes(PREFIX),
            keyword("throw", "the search goes on in the next table").takes(PREFIX),
        ],
    },
    Section {
        title: "Words of a rule",
        inside: RULES,
        support: Done,
        rows: &[
            keyword("not", "packets that all the rest does not fit"),
            keyword("from", "packets from there").takes(PREFIX),
            keyword("to", "packets to there").takes(PREFIX),
            keyword("iif", "packets that came in there").takes(INTERFACE).also("dev"),
            keyword("oif", "packets that are bound to there").takes(INTERFACE),
            keyword("tos", "packets of this type of service").takes(NAMED).also("dsfield"),
            keyword("fwmark", "packets with this mark")
                .takes(&[one("MARK[/MASK]", Kind::Free("one or two numbers"))]),
            keyword("preference", "the lowest one is asked first")
                .takes(NUMBER)
                .default("one that keepalived chooses")
                .also("priority order"),
            keyword("realms", "sets realms for accounting")
                .takes(&[one("[SOURCE/]TARGET", Kind::Free("one or two realms"))]),
            keyword("table", "the routing table that is asked").takes(NAMED).also("lookup"),
            keyword("goto", "goes on at the rule of this preference").takes(NUMBER),
            keyword("suppress_prefixlength", "not for routes of this length or shorter")
                .takes(&[one("LENGTH", Kind::Number(0, 128))])
                .also("sup_pl"),
            keyword("suppress_ifgroup", "not for routes to interfaces of this group")
                .takes(NAMED)
                .also("sup_group"),
            keyword("uidrange", "packets of these users").takes(RANGE),
            keyword("l3mdev", "the table of the packet's VRF"),
            keyword("protocol", "who has made it")
                .takes(&[one("NUMBER", Kind::Number(0, 255))])
                .default("18, keepalived"),
            keyword("ipproto", "packets of this protocol")
                .takes(&[one("PROTOCOL", Kind::Free("0-254, or a name such as tcp"))]),
            keyword("ip_proto", "as ipproto")
                .takes(&[one("PROTOCOL", Kind::Free("0-254, or a name such as tcp"))])
                .since(NEWER),
            keyword("sport", "packets from these ports").takes(RANGE),
            keyword("dport", "packets to these ports").takes(RANGE),
            keyword("tunnel-id", "packets of this tunnel").takes(NUMBER),
            keyword("tun_id", "as tunnel-id").takes(NUMBER).since(NEWER),
            keyword("inet6", "the rule is of IPv6; 2.2.7 wants it at the end of the line"),
            keyword("inet", "the rule is of IPv4; 2.2.7 wants it at the end of the line"),
            keyword("type", "one of the last four words, behind this one")
                .takes(&[one("ACTION", Kind::Choice(&["blackhole", "unreachable", "prohibit"]))]),
            keyword("nop", "does nothing: a place to go to"),
            keyword("blackhole", "packets are dropped silently"),
            keyword("unreachable", "packets are answered with network unreachable"),
            keyword("prohibit", "packets are answered with prohibited"),
        ],
    },
];
