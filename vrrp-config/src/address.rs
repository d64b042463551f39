//! The lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{
    AddressOptions, Broadcast, Tracking, VirtualAddress, code,
    diagnostic::Findings,
    format::Text,
    keywords::{self, Block, Kind},
    lexer::Word,
    parser::Statement,
    routing::SCOPES,
    slips,
    source::Span,
    suggest, values,
};

/// Linux takes 15 characters for a label or an interface (IFNAMSIZ).
pub(super) const MAX_NAME: usize = 15;

/// IPv6 addresses of this length are no source addresses unless the line says so.
const HOST_PREFIX: u8 = 128;

/// Reads one line of an instance. `None`: keepalived skips the address, too; that has been reported.
pub(super) fn parse(line: &Statement, findings: &mut Findings) -> Option<VirtualAddress> {
    Reader { groups: None, given: Given::default(), findings }.read(line)
}

/// Reads one line of `static_ipaddress`; `groups` are the names of all track groups.
pub(super) fn parse_static(
    line: &Statement,
    groups: &HashSet<&str>,
    findings: &mut Findings,
) -> Option<VirtualAddress> {
    Reader { groups: Some(groups), given: Given::default(), findings }.read(line)
}

struct Reader<'a> {
    /// The names of all track groups; `None` for an address of an instance.
    groups: Option<&'a HashSet<&'a str>>,
    given: Given,
    findings: &'a mut Findings,
}

/// Words that keepalived looks at again when it has read the line.
#[derive(Default)]
struct Given {
    /// The address has a prefix length.
    prefix: bool,
    broadcast: Option<Span>,
    no_track: Option<Span>,
    track_group: Option<String>,
}

impl Reader<'_> {
    fn read(mut self, line: &Statement) -> Option<VirtualAddress> {
        let first = line.words.first()?;
        let (address, prefix) = parse_prefix(first, self.findings)?;
        self.given.prefix = first.text.contains('/');
        let mut virtual_address = VirtualAddress {
            address,
            prefix,
            device: None,
            broadcast: None,
            scope: 0,
            label: None,
            detect_duplicates: false,
            options: AddressOptions {
                preferred_lifetime: default_lifetime(address, prefix),
                ..AddressOptions::default()
            },
            span: line.span().into(),
        };
        let mut rest = line.arguments();
        while let Some((word, behind)) = rest.split_first() {
            let used = self.option(&mut virtual_address, word, behind)?;
            rest = behind.get(used..).unwrap_or(&[]);
        }
        self.finish(&mut virtual_address);
        Some(virtual_address)
    }

    /// One option and how many words behind it it uses. `None`: keepalived skips the whole address.
    fn option(
        &mut self,
        address: &mut VirtualAddress,
        word: &Word,
        behind: &[Word],
    ) -> Option<usize> {
        let name = word.text.as_str();
        let options = &mut address.options;
        match name {
            "-nodad" => {
                address.detect_duplicates = address.address.is_ipv6();
                if address.address.is_ipv4() {
                    let message = "`-nodad` has no effect: it is about IPv6";
                    self.findings.report(code::NO_EFFECT, word.span, message);
                }
            }
            "home" => options.home = true,
            "mngtmpaddr" => options.temporary_parent = true,
            "noprefixroute" => options.no_prefix_route = true,
            "autojoin" => options.autojoin = true,
            "no_track" => self.given.no_track = Some(word.span),
            // It is looked at with the other keywords about the virtual MAC.
            "use_vmac" if self.groups.is_none() => options.on_virtual_mac = true,
            "dev" | "label" | "scope" | "brd" | "peer" | "preferred_lft" => {
                return self.valued(address, word, behind);
            }
            "track_group" if self.groups.is_some() => return self.valued(address, word, behind),
            _ => return Some(self.unknown(address.address, word, behind.first())),
        }
        Some(0)
    }

    /// A word that is none, and how many behind it belong to it.
    fn unknown(&mut self, address: IpAddr, word: &Word, behind: Option<&Word>) -> usize {
        let name = &word.text;
        let message = format!("`{name}` is no word of an address line; it is ignored");
        let diagnostic = self.findings.report(code::UNKNOWN_ADDRESS_WORD, word.span, message);
        if name.split('/').next().is_some_and(|text| text.parse::<IpAddr>().is_ok()) {
            diagnostic.help("one address per line");
            return 0;
        }
        // As ifconfig has them.
        let value = behind.and_then(|word| word.text.parse::<Ipv4Addr>().ok());
        match (name.as_str(), value) {
            ("broadcast", Some(value)) => {
                diagnostic.help(format!("write `brd {value}`"));
                return 1;
            }
            ("netmask", Some(mask)) => {
                let length = mask.to_bits().leading_ones();
                diagnostic.help(format!("write `{address}/{length}`"));
                return 1;
            }
            _ => {}
        }
        let list = if self.groups.is_some() { Block::StaticAddresses } else { Block::Addresses };
        if let Some(meant) = suggest::nearest(name, keywords::words(list)) {
            diagnostic.help(format!("did you mean `{meant}`?"));
        }
        0
    }

    /// An option that has a word behind it.
    fn valued(
        &mut self,
        address: &mut VirtualAddress,
        word: &Word,
        behind: &[Word],
    ) -> Option<usize> {
        let findings = &mut *self.findings;
        let name = word.text.as_str();
        let Some(value) = behind.first() else {
            let message = format!("`{name}` has no value; the address is ignored");
            findings.report(code::MISSING_VALUE, word.span, message);
            return None;
        };
        match name {
            "dev" => {
                if address.device.is_some() {
                    let message = "there is a `dev` already; the whole address is ignored";
                    findings.report(code::DEVICE_TWICE, word.span, message);
                    return None;
                }
                address.device = Some(interface(value, findings)?);
            }
            "label" => {
                let label = label(value, findings)?;
                address.label = for_ipv4(address, word, label, findings);
            }
            "scope" => {
                let scope = scope(value, findings);
                let scope = scope.and_then(|scope| for_ipv4(address, word, scope, findings));
                address.scope = scope.unwrap_or(address.scope);
            }
            "brd" => {
                self.given.broadcast = Some(word.span);
                address.broadcast = broadcast(address, value, findings)?;
            }
            "peer" => {
                let peer = peer(address, value, findings);
                address.options.peer = address.options.peer.or(peer);
            }
            "preferred_lft" => self.lifetime(address, word, value),
            _ => self.track_group(value),
        }
        Some(1)
    }

    /// Argument of `preferred_lft`: seconds, or `forever`.
    fn lifetime(&mut self, address: &mut VirtualAddress, option: &Word, word: &Word) {
        let seconds = word.text.parse::<u32>().ok();
        if seconds.is_none() && word.text != "forever" {
            let message = format!("`preferred_lft {}` is no time; it is ignored", word.text);
            self.findings
                .report(code::BAD_NUMBER, word.span, message)
                .help(format!("0-{} s, or `forever`", u32::MAX));
        } else if address.address.is_ipv6() {
            address.options.preferred_lifetime =
                seconds.map(|seconds| Duration::from_secs(seconds.into()));
        } else if self.groups.is_some() {
            let message = "`preferred_lft` has no effect: it is about IPv6";
            self.findings.report(code::NO_EFFECT, option.span, message);
        }
    }

    fn track_group(&mut self, name: &Word) {
        let known = self.groups.is_some_and(|groups| groups.contains(name.text.as_str()));
        let message = if self.given.track_group.is_some() {
            "there is a track_group already; this one is ignored".to_owned()
        } else if known {
            self.given.track_group = Some(name.text.clone());
            return;
        } else {
            format!("there is no `track_group {}` in this file", name.text)
        };
        self.findings
            .report(code::TRACK_GROUP, name.span, message)
            .help("the address is used without");
    }

    /// What only the whole line tells.
    fn finish(self, address: &mut VirtualAddress) {
        let Given { prefix, broadcast, no_track, track_group } = self.given;
        if address.options.peer.is_some() {
            let host = if address.address.is_ipv4() { 32 } else { HOST_PREFIX };
            if prefix && address.prefix != host {
                let message = "an address with a `peer` has no prefix length; it is ignored";
                self.findings.report(code::PEER, address.span, message);
                address.prefix = host;
            }
            if let Some(span) = broadcast {
                let message = "an address with a `peer` has no `brd`; it is ignored";
                self.findings.report(code::PEER, span, message);
                address.broadcast = None;
            }
        }
        if let Some(span) = no_track.filter(|_| track_group.is_some()) {
            let message = "`no_track` and `track_group` exclude each other; it is not tracked";
            self.findings.report(code::TRACKED_AND_NOT, span, message);
        }
        address.options.tracking = match track_group {
            _ if no_track.is_some() => Tracking::Off,
            Some(group) => Tracking::Group(group),
            None => Tracking::On,
        };
    }
}

/// `ADDRESS[/LENGTH]`; without a length all bits count.
fn parse_prefix(word: &Word, findings: &mut Findings) -> Option<(IpAddr, u8)> {
    let (text, length) = match word.text.split_once('/') {
        Some((text, length)) => (text, Some(length)),
        None => (word.text.as_str(), None),
    };
    let Ok(address) = text.parse::<IpAddr>() else {
        let message = format!("`{text}` is not an IP address; the line is ignored");
        let diagnostic = findings.report(code::BAD_ADDRESS, word.span, message);
        if let Some(home) = keywords::homes(text).first() {
            diagnostic.help(format!(
                "it is a keyword of {}: is the }} of this list missing?",
                home.name()
            ));
        } else if let Some(cure) = slips::cure(text) {
            diagnostic.help(cure);
        }
        return None;
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else {
        return Some((address, longest));
    };
    if let Some(prefix) = length.parse().ok().filter(|prefix| *prefix <= longest) {
        return Some((address, prefix));
    }
    let message = format!("`{length}` is no prefix length; {longest} is used");
    let diagnostic = findings.report(code::BAD_PREFIX, word.span, message);
    match length.parse::<Ipv4Addr>().map(u32::from) {
        Ok(mask) if mask.leading_ones() == mask.count_ones() => {
            diagnostic.help(format!("write `{address}/{}`", mask.leading_ones()));
        }
        _ => diagnostic.help(slips::help(length, &format!("0-{longest}"))),
    }
    Some((address, longest))
}

/// The value of an option that an IPv6 address does not have.
fn for_ipv4<T>(
    address: &VirtualAddress,
    word: &Word,
    value: T,
    findings: &mut Findings,
) -> Option<T> {
    if address.address.is_ipv4() {
        return Some(value);
    }
    let message = format!("an IPv6 address has no `{}`; it is ignored", word.text);
    findings.report(code::NOT_FOR_IPV6, word.span, message);
    None
}

/// Name of an interface; `None` when Linux cannot have it.
pub(super) fn interface(word: &Word, findings: &mut Findings) -> Option<String> {
    values::read(Kind::Interface, word, "dev", "the line is ignored", findings)?;
    Some(word.text.clone())
}

fn label(word: &Word, findings: &mut Findings) -> Option<String> {
    if word.text.len() <= MAX_NAME {
        return Some(word.text.clone());
    }
    let message = format!("the label `{}` is longer than {MAX_NAME} characters", word.text);
    findings.report(code::NAME_TOO_LONG, word.span, message).help("the address is ignored");
    None
}

fn scope(word: &Word, findings: &mut Findings) -> Option<u8> {
    let named = SCOPES.iter().find(|(name, _)| *name == word.text);
    let scope = match named {
        Some(&(_, scope)) => u8::try_from(scope).ok(),
        None => word.text.parse().ok(),
    };
    if scope.is_none() {
        let names = SCOPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let message = format!("`{}` is no scope; it is ignored", word.text);
        findings
            .report(code::BAD_CHOICE, word.span, message)
            .help(format!("one of {names}, or 0-255"));
    }
    scope
}

/// The inner `None`: the address is used without a broadcast address, as keepalived does.
fn broadcast(
    address: &VirtualAddress,
    word: &Word,
    findings: &mut Findings,
) -> Option<Option<Broadcast>> {
    if address.address.is_ipv6() {
        let message = "an IPv6 address has no broadcast address; the whole address is ignored";
        findings.report(code::BAD_BROADCAST, word.span, message).help("remove `brd`");
        return None;
    }
    let broadcast = match word.text.as_str() {
        "+" => Broadcast::HostBitsSet,
        "-" => Broadcast::HostBitsClear,
        text => match text.parse() {
            Ok(given) => return Some(Some(Broadcast::Address(given))),
            Err(_) => {
                let message =
                    format!("`{text}` is no broadcast address; the whole address is ignored");
                findings
                    .report(code::BAD_BROADCAST, word.span, message)
                    .help("+, - or an IPv4 address");
                return None;
            }
        },
    };
    if address.prefix > 30 {
        let message = format!("a /{} has no broadcast address; `brd` is ignored", address.prefix);
        findings
            .report(code::BAD_BROADCAST, word.span, message)
            .help("give the prefix length behind the address");
        return Some(None);
    }
    Some(Some(broadcast))
}

/// Argument of `peer`; without a usable one the address is an ordinary one.
fn peer(address: &VirtualAddress, word: &Word, findings: &mut Findings) -> Option<IpAddr> {
    let peer = word.text.parse::<IpAddr>().ok();
    let wrong = match peer {
        None => "is not an IP address",
        Some(peer) if peer.is_ipv4() != address.address.is_ipv4() => {
            "is of another family than the address"
        }
        Some(_) if address.options.peer.is_some() => "is a second peer",
        Some(peer) => return Some(peer),
    };
    let message = format!("`peer {}` {wrong}; it is ignored", word.text);
    findings.report(code::PEER, word.span, message);
    None
}

/// keepalived's own choice: an IPv6 address of full length is deprecated, so that connections from
/// this host do not use it.
fn default_lifetime(address: IpAddr, prefix: u8) -> Option<Duration> {
    (address.is_ipv6() && prefix == HOST_PREFIX).then_some(Duration::ZERO)
}

impl fmt::Display for VirtualAddress {
    /// The line, as keepalived reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AddressOptions { peer, preferred_lifetime, tracking, .. } = &self.options;
        match peer {
            Some(peer) => write!(f, "{} peer {peer}", self.address)?,
            None => write!(f, "{}/{}", self.address, self.prefix)?,
        }
        match self.broadcast {
            None => {}
            Some(Broadcast::HostBitsSet) => f.write_str(" brd +")?,
            Some(Broadcast::HostBitsClear) => f.write_str(" brd -")?,
            Some(Broadcast::Address(address)) => write!(f, " brd {address}")?,
        }
        if let Some(device) = &self.device {
            write!(f, " dev {}", Text(device))?;
        }
        if self.scope != 0 {
            write!(f, " scope {}", self.scope)?;
        }
        if let Some(label) = &self.label {
            write!(f, " label {}", Text(label))?;
        }
        match preferred_lifetime {
            same if *same == default_lifetime(self.address, self.prefix) => {}
            None => f.write_str(" preferred_lft forever")?,
            Some(time) => write!(f, " preferred_lft {}", time.as_secs())?,
        }
        let flags = [
            (self.detect_duplicates, "-nodad"),
            (self.options.home, "home"),
            (self.options.temporary_parent, "mngtmpaddr"),
            (self.options.no_prefix_route, "noprefixroute"),
            (self.options.autojoin, "autojoin"),
            (self.options.on_virtual_mac, "use_vmac"),
        ];
        for (_, word) in flags.iter().filter(|(on, _)| *on) {
            write!(f, " {word}")?;
        }
        tracking.fmt(f)
    }
}
