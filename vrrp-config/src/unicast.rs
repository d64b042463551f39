//! `unicast_peer` and the keywords around it: as they are written, and what comes of them.

use std::{collections::HashSet, net::IpAddr};

use super::{
    Unicast, UnicastPeer, code, diagnostic::Findings, instance::Given, lexer::Word,
    parser::Statement, slips, source::Span, values,
};

/// The keywords as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// `unicast_src_ip`, an empty `unicast_peer` or another keyword that asks for unicast.
    pub(super) asked: Option<Span>,
    pub(super) peers: Vec<Peer>,
    pub(super) ttl: Given<u8>,
    pub(super) check_source: Option<bool>,
    /// `unicast_fault_no_peer`.
    pub(super) fault_without_peers: Given<bool>,
}

/// One line of `unicast_peer`.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) span: Span,
    min_ttl: Option<u8>,
    max_ttl: Option<u8>,
    /// `min_ttl` or `max_ttl` was there.
    limited: bool,
}

impl Draft {
    /// `unicast_ttl`. Nothing with a TTL of 0 leaves a host, though keepalived takes it.
    pub(super) fn read_ttl(&mut self, statement: &Statement) {
        let ttl = values::number(statement).map(|ttl| (ttl, statement.span()));
        self.ttl = ttl.or(self.ttl);
    }

    /// Unicast, or `None` for multicast. Without peers a virtual router that asks for unicast uses
    /// multicast, as in keepalived, unless `unicast_fault_no_peer` has it stay in FAULT.
    pub(super) fn complete(
        self,
        source: Option<IpAddr>,
        check_source: bool,
        findings: &mut Findings,
    ) -> Option<Unicast> {
        let check_source =
            self.check_source.unwrap_or(check_source) || self.peers.iter().any(|peer| peer.limited);
        let mut seen = HashSet::new();
        let peers = self.peers.iter().filter_map(|peer| peer.complete(source, &mut seen, findings));
        let peers: Vec<UnicastPeer> = peers.collect();
        let ttl = self.ttl.map(|(ttl, _)| ttl).filter(|ttl| *ttl > 0);
        if let Some((0, span)) = self.ttl.filter(|_| !peers.is_empty()) {
            let message = "`unicast_ttl 0`: adverts would not leave this host";
            findings.report(code::CANNOT_WORK, span, message).help("255 is used");
        }
        if !peers.is_empty() {
            return Some(Unicast { peers, ttl, check_source });
        }
        if let Some((_, span)) = self.fault_without_peers.filter(|(on, _)| *on) {
            let message = "there are no unicast peers: the virtual router stays in FAULT";
            findings.report(code::CANNOT_WORK, span, message).help("name them in unicast_peer");
            return Some(Unicast { peers, ttl, check_source });
        }
        if let Some(span) = self.asked {
            let message = "unicast without peers: adverts are sent to the multicast group";
            findings.report(code::UNICAST, span, message).help("name the peers in unicast_peer");
        }
        if let Some((_, span)) = self.ttl {
            let message = "`unicast_ttl` without unicast peers has no effect";
            findings.report(code::UNICAST, span, message).help("multicast adverts have 255");
        }
        None
    }
}

impl Peer {
    /// Reads one line: `ADDRESS [min_ttl N] [max_ttl N]`.
    pub(super) fn read(line: &Statement, findings: &mut Findings) -> Option<Self> {
        let first = line.words.first()?;
        let (text, length) =
            first.text.split_once('/').map_or((&*first.text, false), |(text, _)| (text, true));
        let Ok(address) = text.parse() else {
            let message = format!("`{}` is not an IP address; the peer is ignored", first.text);
            let diagnostic = findings.report(code::BAD_ADDRESS, first.span, message);
            if let Some(cure) = slips::cure(text) {
                diagnostic.help(cure);
            }
            return None;
        };
        if length {
            let message = "a peer has no prefix length; it is ignored";
            findings.report(code::EXTRA_WORDS, first.span, message);
        }
        let mut peer =
            Self { address, span: first.span, min_ttl: None, max_ttl: None, limited: false };
        let mut rest = line.arguments();
        while let [word, behind @ ..] = rest {
            peer.option(word, behind.first(), findings);
            rest = behind.get(1..).unwrap_or_default();
        }
        Some(peer)
    }

    fn option(&mut self, word: &Word, value: Option<&Word>, findings: &mut Findings) {
        let name = word.text.as_str();
        let limit = match name {
            "min_ttl" => &mut self.min_ttl,
            "max_ttl" => &mut self.max_ttl,
            _ => {
                let message = format!("`{name}` is no word of unicast_peer; it is ignored");
                findings
                    .report(code::UNKNOWN_PEER_WORD, word.span, message)
                    .help("min_ttl or max_ttl; each peer has a line of its own");
                return;
            }
        };
        self.limited = true;
        let Some(value) = value else {
            let message = format!("`{name}` has no value; it is ignored");
            findings.report(code::MISSING_VALUE, word.span, message);
            return;
        };
        *limit = value.text.parse().ok();
        if limit.is_none() {
            let message = format!("`{name} {}` is outside 0-255", value.text);
            findings.report(code::OUT_OF_RANGE, value.span, message).help("it is ignored");
        }
    }

    /// `None` for a peer that cannot be one, about which keepalived is silent.
    fn complete(
        &self,
        source: Option<IpAddr>,
        seen: &mut HashSet<IpAddr>,
        findings: &mut Findings,
    ) -> Option<UnicastPeer> {
        let Self { address, span, .. } = *self;
        let wrong = if source == Some(address) {
            "is our own address"
        } else if seen.contains(&address) {
            "stands above already"
        } else if address.is_multicast()
            || address.is_unspecified()
            || address == IpAddr::from([255; 4])
        {
            "is not the address of one host"
        } else {
            let ttl = self.min_ttl.unwrap_or(0)..=self.max_ttl.unwrap_or(255);
            if ttl.is_empty() {
                let message = format!(
                    "min_ttl {} is more than max_ttl {}: nothing from `{address}` is accepted",
                    ttl.start(),
                    ttl.end()
                );
                findings.report(code::UNICAST, span, message).help("exchange them");
            }
            seen.insert(address);
            return Some(UnicastPeer { address, ttl });
        };
        let message = format!("the peer `{address}` {wrong}");
        findings.report(code::CANNOT_WORK, span, message).help("it is ignored");
        None
    }
}
