//! Ethernet headers with their tags.

use vrrp_common::wire::{
    Mac,
    ethernet::{self, Link, Vlan},
};

use super::{Seeds, naive::word};

pub(super) fn check(frame: &[u8]) {
    let link = Link::parse(frame);
    assert_eq!(link, read(frame));

    // The outer tag may be beside the frame instead of in it.
    if let Some(link) = link.filter(|link| link.payload > ethernet::HEADER) {
        let (outer, rest) = frame[ethernet::HEADER..].split_at(2);
        let without = [&frame[..12], rest].concat();
        let behind = Link::parse_behind(&without[..], Some(word(outer) as u16));
        assert_eq!(behind, Some(Link { payload: link.payload - ethernet::TAG, ..link }));
    }

    if let Some((header, _)) = frame.split_first_chunk::<{ ethernet::HEADER }>() {
        let mac = |at: usize| Mac::try_from(&header[at..at + 6]).unwrap_or_default();
        let written = ethernet::header(mac(0), mac(6), word(&header[12..]) as u16);
        assert_eq!(written, *header);
        assert_eq!(ethernet::is_group(&mac(0)), header[0] % 2 == 1);
    }
}

/// Octet by octet: up to two tags, then the EtherType.
fn read(frame: &[u8]) -> Option<Link> {
    let mut tags = [0; 2];
    let mut at = 12;
    for tag in &mut tags {
        let kind = word(frame.get(at..at + 2)?);
        if kind == 0x8100 || kind == 0x88a8 {
            *tag = word(frame.get(at + 2..at + 4)?) as u16;
            at += 4;
        } else {
            break;
        }
    }
    let ethertype = word(frame.get(at..at + 2)?) as u16;
    Some(Link { ethertype, vlan: Vlan::from_tags(tags[0], tags[1]), payload: at + 2 })
}

/// The headers of all frames, and each of them behind one more tag.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for frame in &seeds.frames {
        let frame = &frame[..frame.len().min(26)];
        let tagged = [&frame[..12], &[0x88, 0xa8, 0x60, 7], &frame[12..]].concat();
        inputs.extend([frame.to_vec(), tagged]);
    }
    inputs
}
