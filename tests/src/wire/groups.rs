//! Membership reports: which groups a host says that it listens in.

use std::net::{IpAddr, Ipv6Addr};

use super::{
    ETHERNET_HEADER, ETHERTYPE_IPV4, Mac, NdParty, at, icmpv6, message_of, with_router_alert,
};

const PROTOCOL_IGMP: u8 = 2;
/// RFC 3376 4.2 and RFC 3810 5.2.
const IGMPV3_REPORT: u8 = 0x22;
const MLDV2_REPORT: u8 = 143;
const MLD_QUERY: u8 = 130;
const RECORDS: usize = 8;
/// Kinds of records that say that a group is listened in: its filter excludes nobody.
const EXCLUDES: [u8; 2] = [2, 4];
/// The one that says that it is not any more.
const INCLUDES_NOBODY: u8 = 3;

/// The groups that an IGMPv3 or MLDv2 report says its sender is in.
pub fn joined_groups(frame: &[u8]) -> Vec<IpAddr> {
    records(frame).into_iter().filter(|(kind, _)| EXCLUDES.contains(kind)).map(|(_, g)| g).collect()
}

/// The groups that an IGMPv3 or MLDv2 report says its sender has left.
pub fn left_groups(frame: &[u8]) -> Vec<IpAddr> {
    records(frame)
        .into_iter()
        .filter(|(kind, _)| *kind == INCLUDES_NOBODY)
        .map(|(_, g)| g)
        .collect()
}

/// A query to all nodes for all groups, to be answered within a tenth of a second (RFC 3810 5.1).
pub fn mld_query(from: NdParty) -> Vec<u8> {
    let mut message = [0; 28];
    message[0] = MLD_QUERY;
    message[4..6].copy_from_slice(&100_u16.to_be_bytes());
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // A query without the option would be ignored.
    with_router_alert(&icmpv6(from, (None::<Mac>, all_nodes), 1, &message))
}

fn records(frame: &[u8]) -> Vec<(u8, IpAddr)> {
    let version_6 = message_of(frame).filter(|message| message.first() == Some(&MLDV2_REPORT));
    let found = version_6.map_or_else(
        || igmp_of(frame).and_then(|report| parse(report, |octets: [u8; 4]| octets.into())),
        |report| parse(report, |octets: [u8; 16]| octets.into()),
    );
    found.unwrap_or_default()
}

fn igmp_of(frame: &[u8]) -> Option<&[u8]> {
    let (link, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
    let is_ipv4 = u16::from_be_bytes(at(link, 12)?) == ETHERTYPE_IPV4;
    let [protocol] = at(packet, 9)?;
    let report = packet.get(usize::from(packet.first()? & 0x0f) * 4..)?;
    (is_ipv4 && protocol == PROTOCOL_IGMP && report.first() == Some(&IGMPV3_REPORT))
        .then_some(report)
}

/// The records of a report, whose addresses have `N` octets; both protocols are alike else.
fn parse<const N: usize>(
    report: &[u8],
    address: fn([u8; N]) -> IpAddr,
) -> Option<Vec<(u8, IpAddr)>> {
    let count = u16::from_be_bytes(at(report, 6)?);
    let mut rest = report.get(RECORDS..)?;
    let mut records = Vec::new();
    for _ in 0..count {
        let [kind, auxiliary, high, low] = at(rest, 0)?;
        records.push((kind, address(at(rest, 4)?)));
        let sources = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(4 + N + sources * N + usize::from(auxiliary) * 4..)?;
    }
    Some(records)
}
