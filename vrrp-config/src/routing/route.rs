//! A route, as `static_routes` and `virtual_routes` describe it, and as keepalived writes it.

use std::{fmt, net::IpAddr, time::Duration};

use vrrp_common::Family;

use super::{
    encap::{Encap, write_option},
    names::{KEEPALIVED, Named, Prefix, Realms, Tracking},
};
use crate::{
    Place,
    format::{Text, choice},
};

/// One line of `static_routes` or `virtual_routes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What becomes of the packets.
    pub kind: RouteKind,
    /// Where they go to; no host bits are set. Its family is that of the whole route.
    pub destination: Prefix,
    /// `from`: where they come from, IPv6 only.
    pub from: Option<Prefix>,
    /// `src`: the address that this host prefers for packets of its own.
    pub source: Option<IpAddr>,
    /// `via`, `dev`, `nexthop`: none for a route that forwards nothing, one as a rule, several for a
    /// route of several paths.
    pub hops: Vec<NextHop>,
    /// `table`, else main.
    pub table: Named<u32>,
    /// `tos`, 0 for any.
    pub tos: Named<u8>,
    /// `protocol`, else keepalived's own, 18.
    pub protocol: Named<u8>,
    /// `scope`; `None` for the one that goes with the kind and the hops.
    pub scope: Option<Named<u8>>,
    /// `metric`; `None` for the kernel's choice.
    pub metric: Option<u32>,
    /// How it is put beside others of the same destination.
    pub position: Position,
    /// `expires`, IPv6 only.
    pub expires: Option<Duration>,
    /// `pref`, IPv6 only (RFC 4191).
    pub preference: Option<Preference>,
    /// `ttl-propagate`, for MPLS.
    pub ttl_propagate: Option<bool>,
    /// `vrf`: the VRF whose table it goes into.
    pub vrf: Option<String>,
    /// `mtu` and what else TCP and IP take from it.
    pub metrics: Metrics,
    /// What happens when somebody deletes it.
    pub tracking: Tracking,
    /// Where the line stands.
    pub span: Place,
}

impl Route {
    /// A route to `destination`, for which nothing else is said.
    pub fn new(destination: Prefix, span: Place) -> Self {
        Self {
            kind: RouteKind::Unicast,
            destination,
            from: None,
            source: None,
            hops: Vec::new(),
            table: Named::Number(MAIN),
            tos: Named::Number(0),
            protocol: Named::Number(KEEPALIVED),
            scope: None,
            metric: None,
            position: Position::Prepend,
            expires: None,
            preference: None,
            ttl_propagate: None,
            vrf: None,
            metrics: Metrics::default(),
            tracking: Tracking::On,
            span,
        }
    }

    /// Family of all its addresses but those of an encapsulation.
    pub fn family(&self) -> Family {
        self.destination.family()
    }
}

/// The main routing table.
pub(super) const MAIN: u32 = 254;

/// What becomes of the packets of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// Forwarded.
    #[default]
    Unicast,
    /// Delivered here.
    Local,
    /// Delivered here, sent as broadcasts.
    Broadcast,
    /// Delivered here, never used as a source.
    Anycast,
    /// Forwarded to a group.
    Multicast,
    /// Dropped.
    Blackhole,
    /// Refused: host unreachable.
    Unreachable,
    /// Refused: administratively prohibited.
    Prohibit,
    /// The search goes on in the next rule's table.
    Throw,
}

impl RouteKind {
    /// All of them with their words.
    pub(super) const WORDS: [(&'static str, Self); 9] = [
        ("unicast", Self::Unicast),
        ("local", Self::Local),
        ("broadcast", Self::Broadcast),
        ("anycast", Self::Anycast),
        ("multicast", Self::Multicast),
        ("blackhole", Self::Blackhole),
        ("unreachable", Self::Unreachable),
        ("prohibit", Self::Prohibit),
        ("throw", Self::Throw),
    ];

    /// Packets go nowhere, so there is no way to give.
    pub const fn forwards_nothing(self) -> bool {
        matches!(self, Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw)
    }

    /// Where keepalived puts it unless the line says so.
    pub(super) const fn position(self) -> Position {
        if matches!(self, Self::Unicast) { Position::Prepend } else { Position::Alone }
    }
}

/// How a route is put beside others of the same destination and metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// In front of them.
    #[default]
    Prepend,
    /// `append`: behind them.
    Append,
    /// `add`, and of every kind but the plain one: only if there are none.
    Alone,
}

impl Position {
    pub(super) const WORDS: [(&'static str, Self); 3] =
        [("prepend", Self::Prepend), ("append", Self::Append), ("add", Self::Alone)];
}

/// `pref` of an IPv6 route (RFC 4191 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
}

impl Preference {
    pub(super) const WORDS: [(&'static str, Self); 3] =
        [("low", Self::Low), ("medium", Self::Medium), ("high", Self::High)];
}

/// One way for the packets of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// `via`: the next router, of the family of the route.
    pub gateway: Option<IpAddr>,
    /// `dev`.
    pub device: Option<String>,
    /// `onlink`: the gateway is reached directly, whatever the addresses say.
    pub onlink: bool,
    /// `weight`, 1-256: its share among several.
    pub weight: u16,
    /// `realms`, IPv4 only.
    pub realms: Option<Realms>,
    /// `encap`.
    pub encap: Option<Encap>,
}

impl Default for NextHop {
    fn default() -> Self {
        Self { gateway: None, device: None, onlink: false, weight: 1, realms: None, encap: None }
    }
}

/// A value that path MTU discovery and TCP may change, unless it is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockable<T> {
    /// The value.
    pub value: T,
    /// `lock` stands in front of it.
    pub locked: bool,
}

impl<T: fmt::Display> fmt::Display for Lockable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lock = if self.locked { "lock " } else { "" };
        write!(f, "{lock}{}", self.value)
    }
}

/// What goes into `RTA_METRICS`; `None` for the kernel's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// `mtu`, octets.
    pub mtu: Option<Lockable<u32>>,
    /// `advmss`, octets.
    pub advmss: Option<Lockable<u32>>,
    /// `reordering`, segments.
    pub reordering: Option<Lockable<u32>>,
    /// `cwnd`, segments.
    pub cwnd: Option<Lockable<u32>>,
    /// `ssthresh`, segments.
    pub ssthresh: Option<Lockable<u32>>,
    /// `window`, octets.
    pub window: Option<u32>,
    /// `initcwnd`, segments.
    pub initcwnd: Option<u32>,
    /// `initrwnd`, segments.
    pub initrwnd: Option<u32>,
    /// `hoplimit`; 0 for the kernel's own.
    pub hoplimit: Option<u8>,
    /// `rtt`, whole milliseconds up to 960 s.
    pub rtt: Option<Lockable<Duration>>,
    /// `rttvar`, whole milliseconds up to 480 s.
    pub rttvar: Option<Lockable<Duration>>,
    /// `rto_min`, whole milliseconds up to 120 s.
    pub rto_min: Option<Lockable<Duration>>,
    /// `features ecn`.
    pub ecn: bool,
    /// `quickack`.
    pub quickack: Option<bool>,
    /// `fastopen_no_cookie`.
    pub fastopen_no_cookie: Option<bool>,
    /// `congctl`: the congestion control algorithm, one of the host.
    pub congestion_control: Option<Lockable<String>>,
}

impl fmt::Display for Route {
    /// The line, as keepalived reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", choice(&RouteKind::WORDS, &self.kind))?;
        }
        write!(f, "{}", self.destination)?;
        write_option(f, "from", self.from.as_ref())?;
        write_option(f, "src", self.source.as_ref())?;
        let table = Some(&self.table).filter(|table| **table != Named::Number(MAIN));
        write_option(f, "table", table)?;
        write_option(f, "tos", Some(&self.tos).filter(|tos| **tos != Named::Number(0)))?;
        let protocol = Some(&self.protocol).filter(|own| **own != Named::Number(KEEPALIVED));
        write_option(f, "protocol", protocol)?;
        write_option(f, "scope", self.scope.as_ref())?;
        write_option(f, "metric", self.metric.as_ref())?;
        write_option(f, "expires", self.expires.map(|expires| expires.as_secs()).as_ref())?;
        let preference = self.preference.map(|own| choice(&Preference::WORDS, &own));
        write_option(f, "pref", preference.as_ref())?;
        let propagate = self.ttl_propagate.map(|on| if on { "enabled" } else { "disabled" });
        write_option(f, "ttl-propagate", propagate.as_ref())?;
        write_option(f, "vrf", self.vrf.as_deref().map(Text).as_ref())?;
        self.metrics.fmt(f)?;
        if self.position != self.kind.position() {
            write!(f, " {}", choice(&Position::WORDS, &self.position))?;
        }
        self.tracking.fmt(f)?;
        // At the end, as an encapsulation takes words that a route has, too.
        if let [hop] = &self.hops[..] {
            return hop.write(f);
        }
        self.hops.iter().try_for_each(|hop| {
            f.write_str(" nexthop")?;
            hop.write(f)
        })
    }
}

impl NextHop {
    /// With a blank in front of it.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_option(f, "via", self.gateway.as_ref())?;
        write_option(f, "dev", self.device.as_deref().map(Text).as_ref())?;
        f.write_str(if self.onlink { " onlink" } else { "" })?;
        write_option(f, "weight", Some(&self.weight).filter(|weight| **weight != 1))?;
        write_option(f, "realms", self.realms.as_ref())?;
        self.encap.as_ref().map_or(Ok(()), |encap| write!(f, " {encap}"))
    }
}

impl fmt::Display for Metrics {
    /// With a blank in front of it, if there is anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_option(f, "mtu", self.mtu.as_ref())?;
        write_option(f, "advmss", self.advmss.as_ref())?;
        write_option(f, "reordering", self.reordering.as_ref())?;
        write_option(f, "cwnd", self.cwnd.as_ref())?;
        write_option(f, "ssthresh", self.ssthresh.as_ref())?;
        write_option(f, "window", self.window.as_ref())?;
        write_option(f, "initcwnd", self.initcwnd.as_ref())?;
        write_option(f, "initrwnd", self.initrwnd.as_ref())?;
        write_option(f, "hoplimit", self.hoplimit.as_ref())?;
        let times = [("rtt", &self.rtt), ("rttvar", &self.rttvar), ("rto_min", &self.rto_min)];
        for (word, time) in times {
            let time = time.map(|Lockable { value, locked }| Lockable {
                value: format!("{}ms", value.as_millis()),
                locked,
            });
            write_option(f, word, time.as_ref())?;
        }
        f.write_str(if self.ecn { " features ecn" } else { "" })?;
        write_option(f, "quickack", self.quickack.map(u8::from).as_ref())?;
        write_option(f, "fastopen_no_cookie", self.fastopen_no_cookie.map(u8::from).as_ref())?;
        let control = self.congestion_control.as_ref();
        let control = control
            .map(|Lockable { value, locked }| Lockable { value: Text(value), locked: *locked });
        write_option(f, "congctl", control.as_ref())
    }
}
