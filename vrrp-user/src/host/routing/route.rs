//! A route in the kernel's form, as iproute2 says it: `linux/rtnetlink.h`, `linux/lwtunnel.h`.

use std::time::Duration;

use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use vrrp_common::Family;

use super::{
    Attributes, Directive, Header, Numbers, RoutingPlace, Sort, Unready, family_number,
    names::resolve, realms, split_table,
};
use crate::config::{
    Encap, IpEncap, Lockable, Metrics, NextHop, Preference, Route, RouteKind, RoutePosition,
};

/// `RTA_` numbers that libc lacks.
const EXPIRES: u16 = 23;

/// `RTNH_F_ONLINK`.
const ONLINK: u8 = 4;

/// Octets of `struct rtnexthop`.
const HOP_HEADER: usize = 8;

impl Directive {
    /// A route as the kernel is told of it on a host with these interfaces.
    pub fn route(route: &Route, numbers: &Numbers) -> Result<Self, Unready> {
        let table = match &route.vrf {
            Some(vrf) => *numbers.vrfs.get(vrf).ok_or_else(|| Unready::Vrf(vrf.clone()))?,
            None => resolve(&route.table, "rt_tables")?,
        };
        let (destination, from) = (route.destination, route.from);
        let mut header = Header {
            family: family_number(route.family()),
            destination_length: destination.length,
            source_length: from.map_or(0, |from| from.length),
            tos: resolve(&route.tos, "rt_dsfield")?,
            protocol: resolve(&route.protocol, "rt_protos")?,
            scope: match &route.scope {
                Some(scope) => resolve(scope, "rt_scopes")?,
                None => default_scope(route),
            },
            kind: kind_number(route.kind),
            ..Header::default()
        };
        let mut attributes = Attributes::default();
        if destination.length > 0 {
            attributes.put_address(libc::RTA_DST, destination.address);
        }
        if let Some(from) = from.filter(|from| from.length > 0) {
            attributes.put_address(libc::RTA_SRC, from.address);
        }
        if let Some(source) = route.source {
            attributes.put_address(libc::RTA_PREFSRC, source);
        }
        header.table = split_table(table, libc::RTA_TABLE, &mut attributes);
        if let Some(metric) = route.metric {
            attributes.put_u32(libc::RTA_PRIORITY, metric);
        }
        put_hops(&route.hops, numbers, &mut header, &mut attributes)?;
        let metrics = metrics(&route.metrics);
        if !metrics.is_empty() {
            attributes.put(libc::RTA_METRICS, metrics.to_bytes());
        }
        if let Some(expires) = route.expires {
            let seconds = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
            attributes.put_u32(EXPIRES, seconds);
        }
        if let Some(preference) = route.preference {
            attributes.put_u8(libc::RTA_PREF, preference_number(preference));
        }
        if let Some(on) = route.ttl_propagate {
            attributes.put_u8(libc::RTA_TTL_PROPAGATE, on.into());
        }
        let devices = route.hops.iter().filter_map(|hop| hop.device.clone());
        Ok(Self {
            sort: Sort::Route,
            line: route.to_string(),
            place: RoutingPlace::Route {
                table,
                destination: (destination.address, destination.length),
            },
            interfaces: devices.chain(route.vrf.clone()).collect(),
            header,
            attributes,
            flags: NLM_F_CREATE
                | match route.position {
                    RoutePosition::Prepend => 0,
                    RoutePosition::Append => NLM_F_APPEND,
                    RoutePosition::Alone => NLM_F_EXCL,
                },
        })
    }
}

/// What iproute2 and keepalived take a route for that says nothing about it.
fn default_scope(route: &Route) -> u8 {
    match route.kind {
        RouteKind::Local => libc::RT_SCOPE_HOST,
        RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => libc::RT_SCOPE_LINK,
        RouteKind::Unicast if matches!(&route.hops[..], [hop] if hop.gateway.is_none()) => {
            libc::RT_SCOPE_LINK
        }
        _ => libc::RT_SCOPE_UNIVERSE,
    }
}

const fn kind_number(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => libc::RTN_UNICAST,
        RouteKind::Local => libc::RTN_LOCAL,
        RouteKind::Broadcast => libc::RTN_BROADCAST,
        RouteKind::Anycast => libc::RTN_ANYCAST,
        RouteKind::Multicast => libc::RTN_MULTICAST,
        RouteKind::Blackhole => libc::RTN_BLACKHOLE,
        RouteKind::Unreachable => libc::RTN_UNREACHABLE,
        RouteKind::Prohibit => libc::RTN_PROHIBIT,
        RouteKind::Throw => libc::RTN_THROW,
    }
}

/// RFC 4191 2.1.
const fn preference_number(preference: Preference) -> u8 {
    match preference {
        Preference::Medium => 0,
        Preference::High => 1,
        Preference::Low => 3,
    }
}

/// One way stands in the message itself, several in an attribute of their own.
fn put_hops(
    hops: &[NextHop],
    numbers: &Numbers,
    header: &mut Header,
    attributes: &mut Attributes,
) -> Result<(), Unready> {
    if let [hop] = hops {
        header.flags = onlink(hop).into();
        if let Some(index) = index(hop, numbers)? {
            attributes.put_u32(libc::RTA_OIF, index);
        }
        attributes.append(way(hop)?);
        return Ok(());
    }
    let mut list = Vec::new();
    for hop in hops {
        let way = way(hop)?.to_bytes();
        let length = u16::try_from(HOP_HEADER + way.len()).unwrap_or(u16::MAX);
        let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        list.extend(length.to_ne_bytes());
        list.extend([onlink(hop), weight]);
        list.extend(index(hop, numbers)?.unwrap_or(0).to_ne_bytes());
        list.extend(way);
    }
    if !list.is_empty() {
        attributes.put(libc::RTA_MULTIPATH, list);
    }
    Ok(())
}

const fn onlink(hop: &NextHop) -> u8 {
    if hop.onlink { ONLINK } else { 0 }
}

fn index(hop: &NextHop, numbers: &Numbers) -> Result<Option<u32>, Unready> {
    let Some(device) = &hop.device else { return Ok(None) };
    let index = numbers.interfaces.get(device).copied();
    index.ok_or_else(|| Unready::Interface(device.clone())).map(Some)
}

/// All of a way but the interface.
fn way(hop: &NextHop) -> Result<Attributes, Unready> {
    let mut attributes = Attributes::default();
    if let Some(gateway) = hop.gateway {
        attributes.put_address(libc::RTA_GATEWAY, gateway);
    }
    if let Some(given) = &hop.realms {
        attributes.put_u32(libc::RTA_FLOW, realms(given)?);
    }
    if let Some(encap) = &hop.encap {
        let (kind, inner) = encapsulation(encap)?;
        attributes.put_nested(libc::RTA_ENCAP, &inner);
        attributes.put_u16(libc::RTA_ENCAP_TYPE, kind);
    }
    Ok(attributes)
}

/// `enum lwtunnel_encap_types` and what each type has.
fn encapsulation(encap: &Encap) -> Result<(u16, Attributes), Unready> {
    const MPLS: u16 = 1;
    const IP: u16 = 2;
    const ILA: u16 = 3;
    const IP6: u16 = 4;
    /// `MPLS_IPTUNNEL_DST`, and `ILA_ATTR_LOCATOR` the same.
    const FIRST: u16 = 1;
    let mut inner = Attributes::default();
    let kind = match encap {
        Encap::Mpls(labels) => {
            inner.put(FIRST, label_stack(labels));
            MPLS
        }
        Encap::Ila(locator) => {
            inner.put(FIRST, locator.to_be_bytes());
            ILA
        }
        Encap::Ip(ip) => {
            inner = tunnel(ip)?;
            match ip.family {
                Family::V4 => IP,
                Family::V6 => IP6,
            }
        }
    };
    Ok((kind, inner))
}

/// RFC 3032 2.1: 20 bits of label, and the last one is marked as such.
fn label_stack(labels: &[u32]) -> Vec<u8> {
    const BOTTOM: u32 = 1 << 8;
    let last = labels.len().saturating_sub(1);
    let entry = |(at, label): (usize, &u32)| label << 12 | if at == last { BOTTOM } else { 0 };
    labels.iter().enumerate().map(entry).flat_map(u32::to_be_bytes).collect()
}

/// `enum lwtunnel_ip_t` and `enum lwtunnel_ip6_t`, which differ in the order of TTL and TOS.
fn tunnel(ip: &IpEncap) -> Result<Attributes, Unready> {
    const ID: u16 = 1;
    const DESTINATION: u16 = 2;
    const SOURCE: u16 = 3;
    const TTL: u16 = 4;
    const TOS: u16 = 5;
    const FLAGS: u16 = 6;
    let mut inner = Attributes::default();
    if let Some(id) = ip.id {
        inner.put(ID, id.to_be_bytes());
    }
    if let Some(destination) = ip.destination {
        inner.put_address(DESTINATION, destination);
    }
    if let Some(source) = ip.source {
        inner.put_address(SOURCE, source);
    }
    if let Some(ttl) = ip.ttl {
        inner.put_u8(TTL, ttl);
    }
    if let Some(tos) = &ip.tos {
        inner.put_u8(TOS, resolve(tos, "rt_dsfield")?);
    }
    if let Some(flags) = ip.flags {
        inner.put(FLAGS, flags.to_be_bytes());
    }
    Ok(inner)
}

/// `RTAX_` attributes.
fn metrics(metrics: &Metrics) -> Attributes {
    const LOCK: u16 = 1;
    const HOPLIMIT: u16 = 10;
    const FEATURES: u16 = 12;
    const ECN: u32 = 1;
    const CONGESTION_CONTROL: u16 = 16;
    let millis = |time: Option<Lockable<Duration>>, factor: u32| {
        time.map(|Lockable { value, locked }| Lockable {
            value: u32::try_from(value.as_millis()).unwrap_or(u32::MAX).saturating_mul(factor),
            locked,
        })
    };
    let open = |value: Option<u32>| value.map(|value| Lockable { value, locked: false });
    let numbers = [
        (2, metrics.mtu),
        (3, open(metrics.window)),
        // The kernel's unit is an eighth of a millisecond, of the variance a quarter.
        (4, millis(metrics.rtt, 8)),
        (5, millis(metrics.rttvar, 4)),
        (6, metrics.ssthresh),
        (7, metrics.cwnd),
        (8, metrics.advmss),
        (9, metrics.reordering),
        (HOPLIMIT, open(metrics.hoplimit.map(u32::from))),
        (11, open(metrics.initcwnd)),
        (FEATURES, open(metrics.ecn.then_some(ECN))),
        // Unless it is locked the kernel takes no notice of it.
        (13, millis(metrics.rto_min.map(|own| Lockable { locked: true, ..own }), 1)),
        (14, open(metrics.initrwnd)),
        (15, open(metrics.quickack.map(u32::from))),
        (17, open(metrics.fastopen_no_cookie.map(u32::from))),
    ];
    let mut attributes = Attributes::default();
    let mut locks = 0;
    for (kind, number) in numbers {
        if let Some(Lockable { value, locked }) = number {
            attributes.put_u32(kind, value);
            locks |= u32::from(locked) << kind;
        }
    }
    if let Some(Lockable { value, locked }) = &metrics.congestion_control {
        attributes.put_text(CONGESTION_CONTROL, value);
        locks |= u32::from(*locked) << CONGESTION_CONTROL;
    }
    if locks != 0 {
        attributes.put_u32(LOCK, locks);
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// The only route of a list.
    fn route(line: &str) -> Route {
        let text = format!("static_routes {{\n{line}\n}}\n");
        let statics = config::parse("test.conf", text.as_bytes()).config.unwrap().statics;
        statics.routes.into_iter().next().unwrap()
    }

    fn numbers() -> Numbers {
        let interfaces = [("eth0".to_owned(), 7)].into();
        Numbers { interfaces, vrfs: [("red".to_owned(), 1042)].into() }
    }

    /// What of a kernel that has no such tunnels cannot be seen there.
    fn encap_of(line: &str) -> (u16, Vec<u8>) {
        let hop = route(line).hops.remove(0);
        let (kind, inner) = encapsulation(&hop.encap.unwrap()).unwrap();
        (kind, inner.to_bytes())
    }

    /// keyword `encap`: a stack of MPLS labels, whose last one alone has the bit S (RFC 3032 2.1), and
    /// the locator of ILA, in the order of the network.
    #[test]
    fn encapsulations() {
        let head = |length: u16| [length.to_ne_bytes(), 1_u16.to_ne_bytes()].concat();
        let labels = [&head(12)[..], &[0, 0x06, 0x40, 0], &[0, 0x0c, 0x81, 0]].concat();
        assert_eq!(encap_of("10.0.0.0/8 via 10.0.0.1 encap mpls 100/200"), (1, labels));
        let locator = [&head(12)[..], &[0, 1, 0, 2, 0, 3, 0, 4]].concat();
        assert_eq!(encap_of("2001:db8::/32 via fe80::1 encap ila 1:2:3:4"), (3, locator));
    }

    /// keyword `vrf`: the route is in the VRF's table, 8 bits or more.
    #[test]
    fn table_of_a_vrf() {
        let directive = Directive::route(&route("10.0.0.0/8 dev eth0 vrf red"), &numbers());
        let directive = directive.unwrap();
        let destination = ([10, 0, 0, 0].into(), 8);
        assert_eq!(directive.place, RoutingPlace::Route { table: 1042, destination });
        assert_eq!(directive.header.table, 0);
        assert!(directive.is_about("red") && directive.is_about("eth0"));
        let missing = Directive::route(&route("10.0.0.0/8 dev eth0 vrf blue"), &numbers());
        assert_eq!(missing, Err(Unready::Vrf("blue".to_owned())));
    }

    /// keyword `virtual_routes`: a route to an interface that there is not waits for it.
    #[test]
    fn without_its_interface() {
        for line in ["10.0.0.0/8 dev eth9", "10.0.0.0/8 nexthop dev eth0 nexthop dev eth9"] {
            let unready = Directive::route(&route(line), &numbers());
            assert_eq!(unready, Err(Unready::Interface("eth9".to_owned())), "{line}");
        }
    }
}
