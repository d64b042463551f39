//! The lines of `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Broadcast, VirtualAddress, code,
    diagnostic::Findings,
    keywords::{self, Kind},
    lexer::Word,
    parser::Statement,
    values,
};

/// Linux takes 15 characters for a label or an interface (IFNAMSIZ).
pub(super) const MAX_NAME: usize = 15;

/// Words of an address line that are known and have no effect yet, with the number of words that
/// follow each.
const NOT_YET: [(&str, usize); 7] = [
    ("peer", 1),
    ("preferred_lft", 1),
    ("home", 0),
    ("mngtmpaddr", 0),
    ("noprefixroute", 0),
    ("autojoin", 0),
    ("no_track", 0),
];

/// Scopes by name, as rtnetlink counts them.
const SCOPES: [(&str, u8); 5] =
    [("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

/// Reads one line. `None`: keepalived skips the address, too; that has been reported.
pub(super) fn parse(line: &Statement, findings: &mut Findings) -> Option<VirtualAddress> {
    let first = line.words.first()?;
    let (address, prefix) = parse_prefix(first, findings)?;
    let span = line.span().into();
    let mut virtual_address = VirtualAddress {
        address,
        prefix,
        device: None,
        broadcast: None,
        scope: 0,
        label: None,
        detect_duplicates: false,
        span,
    };
    let mut rest = line.arguments();
    while let Some((word, behind)) = rest.split_first() {
        let used = option(&mut virtual_address, word, behind, findings)?;
        rest = behind.get(used..).unwrap_or(&[]);
    }
    Some(virtual_address)
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
        _ => diagnostic.help(format!("0-{longest}")),
    }
    Some((address, longest))
}

/// One option and the words behind it that it uses. `None`: keepalived skips the whole address.
fn option(
    address: &mut VirtualAddress,
    word: &Word,
    behind: &[Word],
    findings: &mut Findings,
) -> Option<usize> {
    let name = word.text.as_str();
    let not_yet = NOT_YET.iter().find(|(known, _)| *known == name);
    if let Some(&(_, used)) = not_yet {
        let message = format!("`{name}` is not implemented yet; the address is used without it");
        findings.report(code::NOT_YET, word.span, message);
        return Some(used);
    }
    if name == "-nodad" {
        address.detect_duplicates = address.address.is_ipv6();
        if address.address.is_ipv4() {
            let message = "`-nodad` has no effect: it is about IPv6";
            findings.report(code::NO_EFFECT, word.span, message);
        }
        return Some(0);
    }
    if name == "use_vmac" {
        // It is looked at with the other keywords about the virtual MAC.
        return Some(0);
    }
    if !["dev", "label", "scope", "brd"].contains(&name) {
        let message = format!("`{name}` is no word of an address line; it is ignored");
        let diagnostic = findings.report(code::UNKNOWN_ADDRESS_WORD, word.span, message);
        if name.split('/').next().is_some_and(|text| text.parse::<IpAddr>().is_ok()) {
            diagnostic.help("one address per line");
        }
        return Some(0);
    }
    let Some(value) = behind.first() else {
        let message = format!("`{name}` has no value; the address is ignored");
        findings.report(code::MISSING_VALUE, word.span, message);
        return None;
    };
    match name {
        "dev" => address.device = Some(interface(value, findings)?),
        "label" => {
            let label = label(value, findings)?;
            address.label = for_ipv4(address, word, label, findings);
        }
        "scope" => {
            let scope = scope(value, findings);
            let scope = scope.and_then(|scope| for_ipv4(address, word, scope, findings));
            address.scope = scope.unwrap_or(address.scope);
        }
        _ => address.broadcast = broadcast(address, value, findings)?,
    }
    Some(1)
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
    let named = SCOPES.iter().find(|(name, _)| *name == word.text).map(|(_, scope)| *scope);
    let scope = named.or_else(|| word.text.parse().ok());
    if scope.is_none() {
        let names = SCOPES.map(|(name, _)| name).join(", ");
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
