//! Addresses that cannot be virtual ones, or belong to somebody already.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use crate::{Config, Instance, VirtualAddress, code, diagnostic::Findings, source::Span};

pub(super) fn check(config: &Config, findings: &mut Findings) {
    report_shared(config, findings);
    let taken = taken(config);
    for instance in &config.instances {
        for own in instance.all_addresses() {
            report_no_host(own, findings);
            report_taken(instance, own, &taken, findings);
        }
    }
}

/// Two virtual routers with one address: whichever leaves Active removes it from under the other. A
/// link-local address is another one on each link.
fn report_shared(config: &Config, findings: &mut Findings) {
    let mut first: HashMap<(IpAddr, Option<&str>), (&Instance, &VirtualAddress)> = HashMap::new();
    for instance in &config.instances {
        for own in instance.all_addresses() {
            let device = own.device.as_ref().unwrap_or(&instance.interface);
            let link = is_link_local(own.address).then_some(device.as_str());
            let (other, theirs) = *first.entry((own.address, link)).or_insert((instance, own));
            if std::ptr::eq(theirs, own) {
                continue;
            }
            let message = format!(
                "`{}` is an address of both `{}` and `{}`",
                own.address, other.name, instance.name
            );
            findings
                .report(code::SHARED_ADDRESS, own.span, message)
                .also(theirs.span, format!("`{}` has it here", other.name))
                .help("give it to one of them: the first to become BACKUP takes it from the other");
        }
    }
}

/// What makes an address somebody's own.
#[derive(Clone, Copy)]
enum Owner {
    /// `unicast_src_ip` or `mcast_src_ip` of this host.
    Us,
    /// A line of `unicast_peer`.
    Peer,
    /// A line of `static_ipaddress`.
    Static,
}

/// Addresses that the file itself says are a host's own.
fn taken(config: &Config) -> HashMap<IpAddr, (Owner, Span)> {
    let statics = config.statics.addresses.iter();
    let mut taken: HashMap<IpAddr, (Owner, Span)> =
        statics.map(|own| (own.address, (Owner::Static, own.span.into()))).collect();
    for Instance { unicast, source, places, span, .. } in &config.instances {
        let peers = places.of("unicast_peer").unwrap_or((*span).into());
        for peer in unicast.iter().flat_map(|unicast| &unicast.peers) {
            taken.insert(peer.address, (Owner::Peer, peers));
        }
        let line = ["unicast_src_ip", "mcast_src_ip"].into_iter().find_map(|name| places.of(name));
        if let (Some(source), Some(line)) = (*source, line) {
            taken.insert(source, (Owner::Us, line));
        }
    }
    taken
}

/// Only the owner, of priority 255, has a virtual address of its own.
fn report_taken(
    instance: &Instance,
    own: &VirtualAddress,
    taken: &HashMap<IpAddr, (Owner, Span)>,
    findings: &mut Findings,
) {
    let address = own.address;
    let Some(&(owner, span)) = taken.get(&address) else {
        return;
    };
    let (message, text, help) = match owner {
        Owner::Us | Owner::Static if instance.priority.is_owner() => return,
        Owner::Us => (
            format!("`{address}` is to move, but adverts of this host come from it"),
            "source of adverts",
            "as BACKUP this host would not have it: another one, or `priority 255` if it stays here",
        ),
        Owner::Static => (
            format!("`{address}` is to move, but `static_ipaddress` keeps it here"),
            "this host has it from start to end",
            "two hosts would have it: remove it there, unless this host owns it, with `priority 255`",
        ),
        Owner::Peer => (
            format!("`{address}` is to move, but it is the address of a peer"),
            "a peer has it",
            "two hosts would have it, unless that peer is the owner, with priority 255",
        ),
    };
    findings.report(code::OWN_ADDRESS, own.span, message).also(span, text).help(help);
}

/// Multicast, loopback, the numbers at both ends of a subnet: keepalived takes them all.
fn report_no_host(own: &VirtualAddress, findings: &mut Findings) {
    let VirtualAddress { address, prefix, .. } = *own;
    let what = match address {
        _ if address.is_unspecified() => "no address at all",
        _ if address.is_multicast() => "a multicast address",
        _ if address.is_loopback() => "a loopback address, which no other host can reach",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "the broadcast address",
        IpAddr::V4(address) if prefix <= 30 => {
            let hosts = u32::MAX >> prefix;
            match u32::from(address) & hosts {
                0 => "the number of the subnet itself",
                host if host == hosts => "the broadcast address of its subnet",
                _ => return,
            }
        }
        _ => return,
    };
    let message = format!("`{address}/{prefix}` is {what}");
    findings
        .report(code::NO_HOST_ADDRESS, own.span, message)
        .help("a virtual address is one that a host could have; it is used as it is");
}

/// Whether an address is one of its link only.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
