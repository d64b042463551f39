//! `encap`: what packets of a route are wrapped in.

use std::{fmt, net::IpAddr};

use vrrp_common::Family;

use super::{
    line::Line,
    names::{NO_NAMES, Named},
};
use crate::{code, lexer::Word};

/// Largest label of MPLS, 20 bits.
const MAX_LABEL: u32 = 0xf_ffff;

/// Argument of `encap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encap {
    /// `mpls LABEL[/LABEL…]`, outermost first.
    Mpls(Vec<u32>),
    /// `ip` and `ip6`: a tunnel without an interface of its own, for VXLAN and the like.
    Ip(IpEncap),
    /// `ila LOCATOR`: the upper 64 bits of an identifier-locator address.
    Ila(u64),
}

/// `encap ip` and `encap ip6`. There is a destination or a key at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpEncap {
    /// Family of the outer header.
    pub family: Family,
    /// `id`: the key of the tunnel.
    pub id: Option<u64>,
    /// `dst` of the outer header.
    pub destination: Option<IpAddr>,
    /// `src` of the outer header.
    pub source: Option<IpAddr>,
    /// `tos` of ip, `tc` of ip6.
    pub tos: Option<Named<u8>>,
    /// `ttl` of ip, `hoplimit` of ip6.
    pub ttl: Option<u8>,
    /// `flags` of the tunnel, as the kernel has them.
    pub flags: Option<u16>,
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mpls(labels) => {
                let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
                write!(f, "encap mpls {}", labels.join("/"))
            }
            Self::Ila(locator) => {
                let group = |at: u32| (locator >> at) & 0xffff;
                write!(
                    f,
                    "encap ila {:x}:{:x}:{:x}:{:x}",
                    group(48),
                    group(32),
                    group(16),
                    group(0)
                )
            }
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl fmt::Display for IpEncap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, tos, ttl) = words_of(self.family);
        write!(f, "encap {kind}")?;
        write_option(f, "id", self.id.as_ref())?;
        write_option(f, "dst", self.destination.as_ref())?;
        write_option(f, "src", self.source.as_ref())?;
        write_option(f, tos, self.tos.as_ref())?;
        write_option(f, ttl, self.ttl.as_ref())?;
        write_option(f, "flags", self.flags.as_ref())
    }
}

/// What the kind, `tos` and `ttl` are called.
const fn words_of(family: Family) -> (&'static str, &'static str, &'static str) {
    match family {
        Family::V4 => ("ip", "tos", "ttl"),
        Family::V6 => ("ip6", "tc", "hoplimit"),
    }
}

/// ` WORD VALUE`, if there is a value.
pub(super) fn write_option<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    value: Option<&T>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {word} {value}"))
}

/// Reads what stands behind `option`, the word `encap`, and ends before the first word that is none
/// of its own.
pub(super) fn read(line: &mut Line<'_>, option: &Word) -> Option<Encap> {
    let Some(kind) = line.next() else {
        line.fail(code::BAD_ENCAP, option.span, "`encap` has no kind behind it")
            .help("mpls, ip, ip6 or ila");
        return None;
    };
    match kind.text.as_str() {
        "mpls" => {
            let word = argument(line, kind, "labels, `100/200`")?;
            let labels: Option<Vec<u32>> = word.text.split('/').map(label).collect();
            let span = word.span;
            labels.map(Encap::Mpls).or_else(|| {
                let message = format!("`encap mpls {}`: these are no labels", word.text);
                line.fail(code::BAD_ENCAP, span, message)
                    .help(format!("numbers of 0-{MAX_LABEL}, with / between them"));
                None
            })
        }
        "ila" => {
            let word = argument(line, kind, "a locator, `2001:db8:0:1`")?;
            let locator = locator(&word.text);
            if locator.is_none() {
                let message = format!("`encap ila {}`: this is no locator", word.text);
                line.fail(code::BAD_ENCAP, word.span, message)
                    .help("four groups of hexadecimal digits with : between them");
            }
            locator.map(Encap::Ila)
        }
        "ip" => ip(line, kind, Family::V4),
        "ip6" => ip(line, kind, Family::V6),
        _ => {
            let message = format!("`encap {}`: there is no such encapsulation", kind.text);
            line.fail(code::BAD_ENCAP, kind.span, message).help("mpls, ip, ip6 or ila");
            None
        }
    }
}

/// The word behind a kind, without which keepalived leaves the encapsulation away.
fn argument<'a>(line: &mut Line<'a>, kind: &Word, what: &str) -> Option<&'a Word> {
    let word = line.next();
    if word.is_none() {
        let message = format!("`encap {}` lacks {what}", kind.text);
        line.fail(code::BAD_ENCAP, kind.span, message);
    }
    word
}

fn label(text: &str) -> Option<u32> {
    text.parse().ok().filter(|label| *label <= MAX_LABEL)
}

fn locator(text: &str) -> Option<u64> {
    let groups: Vec<u16> =
        text.split(':').map(|group| u16::from_str_radix(group, 16).ok()).collect::<Option<_>>()?;
    let [a, b, c, d] = groups.try_into().ok()?;
    Some([a, b, c, d].iter().fold(0, |locator: u64, group| locator << 16 | u64::from(*group)))
}

fn ip(line: &mut Line<'_>, kind: &Word, family: Family) -> Option<Encap> {
    let mut encap = IpEncap {
        family,
        id: None,
        destination: None,
        source: None,
        tos: None,
        ttl: None,
        flags: None,
    };
    let (_, tos, ttl) = words_of(family);
    while let Some(text) = line.peek() {
        if !["id", "dst", "src", "flags", tos, ttl].contains(&text) {
            break;
        }
        let option = line.next()?;
        if line.peek().is_none() {
            let message = format!("`{text}` of `encap {}` has no value behind it", kind.text);
            line.fail(code::BAD_ENCAP, option.span, message);
            return None;
        }
        match text {
            "id" => encap.id = line.number(option, 0..=u64::MAX),
            "dst" => encap.destination = outer(line, option, family),
            "src" => encap.source = outer(line, option, family),
            "flags" => encap.flags = line.number(option, 0..=u16::MAX),
            text if text == tos => encap.tos = line.named(option, NO_NAMES, u8::MAX),
            _ => encap.ttl = line.number(option, 0..=u8::MAX),
        }
    }
    if !line.has_failed() && encap.id.is_none() && encap.destination.is_none() {
        let message = format!("`encap {}` needs `id` or `dst`", kind.text);
        line.fail(code::BAD_ENCAP, kind.span, message);
    }
    Some(Encap::Ip(encap))
}

/// An address of the outer header. Its family is not that of the route.
fn outer(line: &mut Line<'_>, option: &Word, family: Family) -> Option<IpAddr> {
    let word = line.value(option)?;
    let address =
        word.text.parse().ok().filter(|address: &IpAddr| Family::from(*address) == family);
    if address.is_none() {
        let message = format!(
            "`{} {}`: this is not an IPv{} address",
            option.text,
            word.text,
            family.number()
        );
        line.fail(code::BAD_ENCAP, word.span, message);
    }
    address
}
