//! Adverts: accepted, rejected for a reason, or foreign; by the codec and by the kernel
//! program.

use anyhow::{Context as _, Result, bail, ensure};
use vrrp_common::{
    Family, Version, Vrid,
    abi::{self, Kind},
    ladder::{Believe, Envelope, Heard, Reject, Rules, address_set},
    wire::{
        ethernet::{self, Link, Vlan},
        ipv4, ipv6, vrrp,
    },
};
use xvrrp::auth::ah::{Association, Dialect};

use super::{
    Vector, addresses,
    bench::{Bench, DROP, IFINDEX, PASS, SLOT},
    octets,
};

/// What an advert is to a virtual router.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Accepted(Heard),
    Rejected(Reject),
    Foreign,
}

pub(super) fn run(vector: &Vector) -> Result<()> {
    let setting = Setting::of(vector)?;
    let frame = vector.frame()?;
    let demanded = demanded(vector)?;

    let judged = setting.judge(&frame);
    match (judged, demanded) {
        (Verdict::Accepted(_), None) => {}
        (Verdict::Rejected(reject), Some(Verdict::Rejected(reason))) if reject == reason => {}
        (Verdict::Foreign, Some(Verdict::Foreign)) => {}
        _ => bail!("codec: {judged:?}"),
    }
    setting.run_program(&frame, &judged).context("kernel program")
}

/// The verdict that the vector demands; `None` for "accepted".
fn demanded(vector: &Vector) -> Result<Option<Verdict>> {
    let reject = match vector.reason_code.as_str() {
        "ok" => {
            ensure!(vector.valid, "neither valid nor is there a reason");
            return Ok(None);
        }
        "vrid" => return Ok(Some(Verdict::Foreign)),
        "ip-header" => Reject::IpHeader,
        "fragment" => Reject::Fragment,
        "policy-source" => Reject::Source,
        "policy-own-source" => Reject::OwnSource,
        "policy-destination" => Reject::Destination,
        "ttl" => Reject::Ttl,
        "version" => Reject::Version,
        "type" => Reject::Type,
        "length" => Reject::Length,
        "checksum" => Reject::Checksum,
        "count-zero" => Reject::CountZero,
        "first-not-link-local" => Reject::FirstNotLinkLocal,
        "interval-zero" => Reject::IntervalZero,
        "local-owner" => Reject::LocalOwner,
        "auth-type" => Reject::AuthType,
        "auth-data" => Reject::AuthData,
        "v2-interval" => Reject::Interval,
        "v2-addr-list" => Reject::AddressList,
        other => bail!("unknown reason {other}"),
    };
    Ok(Some(Verdict::Rejected(reject)))
}

/// The virtual router of a vector's context.
pub(super) struct Setting {
    pub(super) family: Family,
    vrid: Vrid,
    pub(super) vlan: Vlan,
    pub(super) rules: Rules,
    ah_key: Vec<u8>,
    ah_dialect: Dialect,
}

impl Setting {
    pub(super) fn of(vector: &Vector) -> Result<Self> {
        let vrids =
            vector.context.get("vrids").and_then(|vrids| vrids.as_array()).context("no vrids")?;
        let vrid =
            vrids.first().and_then(|vrid| Vrid::new(vrid.as_u64()? as u8)).context("no VRID")?;
        let local_ip: std::net::IpAddr =
            vector.string("local_ip").and_then(|ip| ip.parse().ok()).context("no local_ip")?;
        let own_priority = vector.number("local_priority").context("no local_priority")? as u8;
        let key = octets(vector.string("auth_data").unwrap_or_default())?;
        let mut password = [0; vrrp::AUTH_DATA];
        for (to, from) in password.iter_mut().zip(&key) {
            *to = *from;
        }
        let vips = vector.context.get("vips").map(addresses).unwrap_or_default();
        let family = Family::from(local_ip);
        Ok(Self {
            family,
            vrid,
            vlan: Vlan::from_tags(vector.number("vlan").unwrap_or(0) as u16, 0),
            rules: Rules {
                version: match vector.number("configured_version") {
                    Some(2) => Version::V2,
                    Some(3) => Version::V3,
                    other => bail!("configured_version is {other:?}"),
                },
                destination: match family {
                    Family::V4 => ipv4::VRRP_GROUP.into(),
                    Family::V6 => ipv6::VRRP_GROUP.into(),
                },
                own: local_ip.into(),
                own_priority,
                auth: match vector.number("auth_type").unwrap_or(0) {
                    0 => vrrp::Auth::None,
                    1 => vrrp::Auth::Pass(password),
                    2 => vrrp::Auth::Header,
                    other => bail!("auth_type is {other}"),
                },
                adver_int: vector.number("adver_int_s").unwrap_or(1) as u8,
                believe: match vector.string("checksum_mode") {
                    Some("rfc9568") => Believe::Message,
                    Some("rfc5798") => Believe::PseudoHeader,
                    _ => Believe::Either,
                },
                addresses: address_set_of(&vips),
                // keepalived's case; the vectors speak of virtual routers as they should be.
                link_local_first: true,
                check_addresses: vector.flag("addr_list_check"),
                owner_ignores: own_priority == 255
                    && vector.string("owner_rule") != Some("erratum-8298"),
                unicast: false,
                deferred: false,
            },
            ah_key: key,
            ah_dialect: match vector.string("ah_dialect") {
                Some("keepalived") => Dialect::Keepalived,
                _ => Dialect::Rfc2402,
            },
        })
    }

    /// The codec's verdict, as the raw sockets of the controller come to it.
    fn judge(&self, frame: &[u8]) -> Verdict {
        let Some(link) = Link::parse(frame) else { return Verdict::Foreign };
        let packet = &frame[link.payload..];
        let of_family = match self.family {
            Family::V4 => link.ethertype == ethernet::IPV4,
            Family::V6 => link.ethertype == ethernet::IPV6,
        };
        let outcome = self.open(packet).filter(|_| of_family);
        let Some(outcome) = outcome else { return Verdict::Foreign };
        match outcome {
            Ok(envelope) if envelope.vrid != self.vrid.get() || link.vlan != self.vlan => {
                Verdict::Foreign
            }
            Ok(envelope) => match envelope.judge(packet, &self.rules.pack()) {
                Ok(heard) => Verdict::Accepted(heard),
                Err(reject) => Verdict::Rejected(reject),
            },
            Err(reject) => Verdict::Rejected(reject),
        }
    }

    /// Opens an IP packet of our family; `None` when it carries no advert.
    pub(super) fn open(&self, packet: &[u8]) -> Option<Result<Envelope, Reject>> {
        match self.family {
            Family::V4 => self.open_ipv4(packet),
            Family::V6 => ipv6::Payload::find(packet, 0)
                .filter(|payload| payload.protocol == ipv6::VRRP)
                .map(|payload| Envelope::open_ipv6(packet, &payload)),
        }
    }

    fn open_ipv4(&self, packet: &[u8]) -> Option<Result<Envelope, Reject>> {
        match ipv4::Header(packet.first_chunk()?).protocol() {
            ipv4::VRRP => Some(Envelope::open(packet, 0)),
            ipv4::AH => Some(Association::new(&self.ah_key, self.ah_dialect).open(packet)),
            _ => None,
        }
    }

    /// The kernel program must come to the same verdict, and act on it.
    fn run_program(&self, frame: &[u8], judged: &Verdict) -> Result<()> {
        let mut bench = Bench::new(1, 1)?;
        bench.datapath.add_router(IFINDEX, self.vlan, self.family, self.vrid, SLOT)?;
        bench.slot(SLOT).set_rules(&self.rules);
        let untouched = bench.news();

        let effect = bench.run(frame)?;
        ensure!(effect.frame == frame, "the frame was changed");
        match judged {
            // Only user space can check an authentication header.
            _ if is_authenticated(frame) => {
                ensure!(effect.action == PASS, "action {}", effect.action);
                ensure!(effect.moved.is_empty(), "counters moved: {:?}", effect.moved);
            }
            Verdict::Foreign => {
                ensure!(effect.action == PASS, "action {}", effect.action);
                ensure!(
                    effect.moved.keys().eq(["adverts_foreign"]),
                    "counters moved: {:?}",
                    effect.moved
                );
            }
            Verdict::Rejected(reject) => {
                ensure!(effect.action == DROP, "action {}", effect.action);
                let counter = format!("rejected_{}", reject.name());
                ensure!(effect.moved.keys().eq([&counter]), "counters moved: {:?}", effect.moved);
                ensure!(bench.news() == untouched, "news were stored");
            }
            Verdict::Accepted(heard) => {
                ensure!(effect.action == DROP, "action {}", effect.action);
                accepted(&mut bench, frame, heard, &effect.moved)?;
                return Ok(());
            }
        }
        ensure!(bench.slot(SLOT).last_seen() == Default::default(), "last_seen was stamped");
        Ok(())
    }
}

/// True for an IPv4 packet behind an authentication header.
pub(super) fn is_authenticated(frame: &[u8]) -> bool {
    Link::parse(frame)
        .filter(|link| link.ethertype == ethernet::IPV4)
        .and_then(|link| frame.get(link.payload..)?.first_chunk())
        .is_some_and(|header| ipv4::Header(header).protocol() == ipv4::AH)
}

/// [`address_set`] of addresses whose family is only known here: sets add up.
fn address_set_of(addresses: &[std::net::IpAddr]) -> u64 {
    addresses.iter().fold(0_u64, |set, address| {
        set.wrapping_add(match address {
            std::net::IpAddr::V4(address) => address_set(&[address.octets()]),
            std::net::IpAddr::V6(address) => address_set(&[address.octets()]),
        })
    })
}

/// News of the right kind were stored, no reject counter moved, and once the advert is known its
/// repetition is stamped and no news.
fn accepted(
    bench: &mut Bench,
    frame: &[u8],
    heard: &Heard,
    moved: &std::collections::BTreeMap<String, u64>,
) -> Result<()> {
    let rejects = moved.keys().find(|name| name.starts_with("rejected_"));
    ensure!(rejects.is_none(), "counters moved: {moved:?}");
    ensure!(moved.contains_key("adverts_news"), "counters moved: {moved:?}");
    let own = bench.slot(SLOT).rules().rank();
    let kind = abi::kind(heard, own);
    for (other, news) in Kind::ALL.into_iter().zip(bench.news()) {
        if other == kind {
            ensure!(
                news.heard == Heard::from_word(heard.to_word(), heard.source, heard.digest),
                "news are {news:?}"
            );
            ensure!(news.at > Default::default(), "news have no time");
        } else {
            ensure!(news.at == Default::default(), "news of kind {other:?}, not {kind:?}");
        }
    }
    ensure!(bench.slot(SLOT).last_seen() == Default::default(), "stamped although it was news");

    bench.slot(SLOT).expect(heard.digest, 0);
    let repeated = bench.run(frame)?;
    ensure!(repeated.action == DROP, "repetition: action {}", repeated.action);
    ensure!(repeated.moved.contains_key("adverts_absorbed"), "repetition: {:?}", repeated.moved);
    ensure!(!repeated.moved.contains_key("adverts_news"), "repetition: {:?}", repeated.moved);
    ensure!(bench.slot(SLOT).last_seen() > Default::default(), "the repetition was not stamped");
    Ok(())
}
