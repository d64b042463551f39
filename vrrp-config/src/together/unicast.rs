//! Unicast peers: each node has to name all others by the addresses from which they send.

use std::{collections::BTreeSet, net::IpAddr};

use vrrp_common::Family;

use super::{Member, Router};
use crate::{Unicast, code, diagnostic::Findings, source::Span};

/// TTL of unicast adverts over IPv4 without `unicast_ttl`.
const TTL: u8 = 255;

/// Looks at a virtual router of which all nodes use unicast.
pub(super) fn check(router: &Router<'_>, findings: &mut Findings) {
    let sender = |member| Some(Sender { member, unicast: member.instance.unicast.as_ref()? });
    let senders: Option<Vec<Sender<'_>>> = router.members.iter().map(sender).collect();
    let Some(senders) = senders.filter(|senders| senders.len() > 1) else {
        return;
    };
    for (index, own) in senders.iter().enumerate() {
        let before = &senders[..index];
        if let Some(other) = before.iter().find(|other| own.has_source_of(other)) {
            report_same_source(other, own, findings);
        }
        if let Some(other) = before.iter().find(|other| own.peers() == other.peers())
            && own.unicast.peers.len() < senders.len()
        {
            report_same_peers(other, own, findings);
        }
        let others = before.iter().chain(&senders[index + 1..]);
        let mut complete = true;
        for other in others.filter(|other| !own.has_source_of(other)) {
            complete &= compare(own, other, findings);
        }
        if complete && own.unicast.peers.len() + 1 < senders.len() {
            report_too_few(own, senders.len(), findings);
        }
    }
}

/// A node and what it sends to.
struct Sender<'a> {
    member: &'a Member<'a>,
    unicast: &'a Unicast,
}

impl Sender<'_> {
    fn peers(&self) -> BTreeSet<IpAddr> {
        self.unicast.peers.iter().map(|peer| peer.address).collect()
    }

    fn peers_line(&self) -> Span {
        self.member.line(&["unicast_peer"])
    }

    fn source_line(&self) -> Span {
        self.member.line(&["unicast_src_ip", "mcast_src_ip"])
    }

    fn has_source_of(&self, other: &Self) -> bool {
        let source = self.member.instance.source;
        source.is_some() && source == other.member.instance.source
    }
}

/// Whether `own` sends to `other`, as far as the files tell, and what it thinks of the other's TTL.
fn compare(own: &Sender<'_>, other: &Sender<'_>, findings: &mut Findings) -> bool {
    let Some(source) = other.member.instance.source else {
        return true;
    };
    let (name, node) = (&own.member.instance.name, own.member.node.name);
    let Some(peer) = own.unicast.peers.iter().find(|peer| peer.address == source) else {
        let message = format!(
            "`{name}` of {node} has no peer `{source}`, from which {} sends",
            other.member.node.name
        );
        findings
            .report(code::PEERS_DIFFER, own.peers_line(), message)
            .also(other.source_line(), "its address")
            .help("it gets no adverts, and becomes MASTER beside any other: add the peer");
        return false;
    };
    let default = (other.member.instance.family() == Family::V4).then_some(TTL);
    if let Some(ttl) = other.unicast.ttl.or(default).filter(|ttl| !peer.ttl.contains(ttl)) {
        let message = format!(
            "`{name}` of {node} takes TTLs {}-{} from `{source}`, which sends {ttl}",
            peer.ttl.start(),
            peer.ttl.end()
        );
        findings
            .report(code::PEERS_DIFFER, own.peers_line(), message)
            .also(other.member.line(&["unicast_ttl", "unicast_peer"]), format!("TTL {ttl}"))
            .help("all of its adverts are dropped, and both become MASTER");
    }
    true
}

fn report_same_source(first: &Sender<'_>, own: &Sender<'_>, findings: &mut Findings) {
    let message = format!(
        "{} and {} both send from `{}`",
        first.member.node.name,
        own.member.node.name,
        own.member.instance.source.map(|source| source.to_string()).unwrap_or_default()
    );
    findings
        .report(code::PEERS_DIFFER, own.source_line(), message)
        .also(first.source_line(), "the same here")
        .help("give each node its own address, and the others' as unicast_peer");
}

/// A list that is right on one node lacks that node, so it is wrong on the other.
fn report_same_peers(first: &Sender<'_>, own: &Sender<'_>, findings: &mut Findings) {
    let message = format!(
        "{} and {} have the same unicast peers, too few for all nodes",
        first.member.node.name, own.member.node.name
    );
    findings
        .report(code::PEERS_DIFFER, own.peers_line(), message)
        .also(first.peers_line(), "the same here")
        .help("each node has to name all others");
}

fn report_too_few(own: &Sender<'_>, nodes: usize, findings: &mut Findings) {
    let message = format!(
        "`{}` of {} names {} of {} other nodes",
        own.member.instance.name,
        own.member.node.name,
        own.unicast.peers.len(),
        nodes - 1
    );
    findings
        .report(code::PEERS_DIFFER, own.peers_line(), message)
        .help("who gets no adverts becomes MASTER beside any other: name all other nodes");
}
