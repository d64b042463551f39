//! Neighbor Solicitations against a plain reading of RFC 4861 7.1.1, and the answers.

use vrrp_common::{
    Addr, FrameMut,
    wire::{
        Mac, ethernet,
        ipv6::{self, Payload},
        ndp::{self, Fault, Outgoing, Question},
    },
};

use super::{
    Seeds,
    naive::{behind_options, is_intact, pseudo_header, seal, word},
};

/// From whom the frame came.
const SENDER: Mac = [2, 0, 0, 0, 0, 0x64];
const ANSWERING: Mac = [0, 0, 0x5e, 0, 2, 0x33];
/// Octets of options that are read at all.
const MOST_OPTIONS: usize = 128;

/// The first octet: where the packet begins, and whether its checksum is made right.
const SEAL: u8 = 1;

pub(super) fn check(data: &[u8]) {
    let Some((setting, packet)) = data.split_first() else { return };
    let mut packet = packet.to_vec();
    let Some((ipv6::ICMP, extensions)) = behind_options(&packet) else { return };
    if setting & SEAL != 0 {
        seal_message(&mut packet, 40 + extensions);
    }
    let front = [0, 14, 18, 22][usize::from(setting >> 1 & 3)];
    let mut frame = vec![0xa5; front];
    frame.extend(&packet);
    let Some(payload) = Payload::find(&frame[..], front) else { return };

    check_outgoing(&packet, 40 + extensions);
    let (faults, expected) = read(&packet, extensions);
    match Question::examine(&frame[..], &payload, SENDER) {
        Err(fault) => assert!(faults.contains(&fault), "{fault:?} is none of {faults:?}"),
        Ok(question) => {
            assert_eq!(faults, []);
            assert_eq!(Some(question), expected);
            check_answer(&question);
        }
    }
}

/// All that is wrong with a solicitation, and what it asks if it has its fixed part.
fn read(packet: &[u8], extensions: usize) -> (Vec<Fault>, Option<Question>) {
    let mut faults = Vec::new();
    let mut demand = |holds: bool, otherwise| {
        if !holds {
            faults.push(otherwise);
        }
    };
    let (source, destination) = (&packet[8..24], &packet[24..40]);
    let length = word(&packet[4..]) as usize;
    demand(packet[7] == 255, Fault::HopLimit);
    let end = 40 + length;
    let message = packet.get(40 + extensions..end).filter(|message| message.len() >= 24);
    // Any other message has not the right length for this one.
    let Some(message) = message.filter(|message| message[0] == 135) else {
        demand(false, Fault::Length);
        // More options than are read, or half of one, need not have come in to be wrong.
        let options = length.checked_sub(extensions + 24);
        demand(
            options.is_none_or(|options| options <= MOST_OPTIONS && options % 8 == 0),
            Fault::Option,
        );
        return (faults, None);
    };
    let addresses = &packet[8..40];
    let sealed = [&pseudo_header(addresses, ipv6::ICMP, message.len())[..], message].concat();
    demand(is_intact(&sealed), Fault::Checksum);
    demand(message[1] == 0, Fault::Code);
    let target = &message[8..24];
    demand(target[0] != 0xff, Fault::Target);

    let options = split_options(&message[24..]);
    demand(options.is_some() && message.len() - 24 <= MOST_OPTIONS, Fault::Option);
    let options = options.unwrap_or_default();
    let link_layer = options.iter().rfind(|option| option[..2] == [1, 1]);
    if source == [0; 16] {
        let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        demand(destination.starts_with(&group), Fault::UnspecifiedToOther);
        demand(link_layer.is_none(), Fault::UnspecifiedWithLinkLayer);
    }
    let mac = link_layer.map_or(&SENDER[..], |option| &option[2..]);
    demand(mac[0] % 2 == 0 && source[0] != 0xff, Fault::Sender);
    let question = Question {
        source: address(source),
        mac: mac.try_into().unwrap_or_default(),
        target: address(target),
        introduces: link_layer.is_some(),
    };
    (faults, Some(question))
}

/// The options one by one; `None` when one is empty, or longer than what is left.
fn split_options(mut octets: &[u8]) -> Option<Vec<&[u8]>> {
    let mut options = Vec::new();
    while !octets.is_empty() {
        let length = 8 * usize::from(*octets.get(1)?);
        if length == 0 {
            return None;
        }
        let (option, rest) = octets.split_at_checked(length)?;
        options.push(option);
        octets = rest;
    }
    Some(options)
}

/// A solicitation or advertisement that this host sends gets another link-layer address, and stays
/// intact if it was.
fn check_outgoing(packet: &[u8], start: usize) {
    let end = 40 + word(&packet[4..]) as usize;
    let Some(message) = packet.get(start..end) else { return };
    let Some((fixed, rest)) = message.split_first_chunk::<{ ndp::SOLICITATION }>() else { return };
    let kind = match fixed[0] {
        135 => 1,
        136 => 2,
        _ => {
            assert!(Outgoing::parse(fixed).is_none());
            return;
        }
    };
    let source = address(&packet[8..24]);
    let subject = if kind == 1 { source } else { address(&fixed[8..24]) };
    let outgoing = Outgoing::parse(fixed);
    assert_eq!(outgoing.map(|it| it.subject(source)), Some(subject));
    let (Some(outgoing), Some((option, rest))) = (outgoing, rest.split_first_chunk::<8>()) else {
        return;
    };
    let says = |mac: &[u8]| option[..2] == [kind, 1] && option[2..] == *mac;
    let old: Mac = option[2..].try_into().unwrap_or_default();
    assert_eq!(outgoing.replace(option, SENDER, ANSWERING).is_some(), says(&SENDER));
    let replaced = outgoing.replace(option, old, ANSWERING);
    assert_eq!(replaced.is_some(), says(&old));
    let Some((head, option)) =
        replaced.map(|(head, option)| (head.to_be_bytes(), option.to_be_bytes()))
    else {
        return;
    };
    assert_eq!(option[2..], ANSWERING);
    let pseudo = pseudo_header(&packet[8..40], ipv6::ICMP, message.len());
    if is_intact(&[&pseudo, message].concat()) {
        assert_eq!((&head[..2], &head[4..]), (&fixed[..2], &fixed[4..8]));
        let fixed = [&head, &fixed[8..]].concat();
        assert!(is_intact(&[&pseudo[..], &fixed, &option, rest].concat()));
    }
}

/// RFC 4861 4.4, 7.1.2 and 7.2.4: the answer is valid, and goes to the one who asked.
fn check_answer(question: &Question) {
    let mut out = [0xa5; 4 + ndp::ANSWER];
    let answer = question.answer(ANSWERING);
    assert_eq!(out.put(4, &answer), Some(()));
    assert_eq!(out.put(5, &answer), None);
    let answer: Vec<u8> = answer.iter().flat_map(|word| word.to_be_bytes()).collect();
    let is_probe = question.source == Addr::UNSPECIFIED;
    let all_nodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let destination = if is_probe { all_nodes } else { question.source.octets_v6() };
    check_advertisement(&answer, question.target, &destination, if is_probe { 0xa0 } else { 0xe0 });
    let to = if is_probe { [0x33, 0x33, 0, 0, 0, 1] } else { question.mac };
    assert_eq!(question.answer_to(), to);

    let frame = ndp::unsolicited(ANSWERING, question.target.octets_v6());
    let header = [&[0x33, 0x33, 0, 0, 0, 1], &ANSWERING[..], &[0x86, 0xdd]].concat();
    assert_eq!(frame[..ethernet::HEADER], header);
    check_advertisement(&frame[ethernet::HEADER..], question.target, &all_nodes, 0xa0);
}

fn check_advertisement(packet: &[u8], target: Addr, destination: &[u8; 16], flags: u8) {
    let target = target.octets_v6();
    assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 32, ipv6::ICMP, 255]);
    assert_eq!(packet[8..40], [target, *destination].concat());
    let message = &packet[40..];
    assert_eq!((message.len(), &message[..2]), (32, &[136, 0][..]));
    assert_eq!(message[4..8], [flags, 0, 0, 0]);
    assert_eq!(message[8..24], target);
    assert_eq!(message[24..], [&[2, 1], &ANSWERING[..]].concat());
    let pseudo = pseudo_header(&packet[8..40], ipv6::ICMP, 32);
    assert!(is_intact(&[&pseudo, message].concat()));
}

fn address(octets: &[u8]) -> Addr {
    octets.first_chunk::<16>().map_or(Addr::UNSPECIFIED, |octets| Addr::v6(*octets))
}

/// Makes the checksum of the message at `start` right, if it is all there.
fn seal_message(packet: &mut [u8], start: usize) {
    let end = 40 + word(&packet[4..]) as usize;
    let addresses = packet[8..40].to_vec();
    if let Some(message) = packet.get_mut(start..end).filter(|message| message.len() >= 24) {
        seal(&pseudo_header(&addresses, ipv6::ICMP, message.len()), message, 2);
    }
}

/// All IPv6 packets, as they are and sealed.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let packets = seeds.payloads(ethernet::IPV6);
    packets
        .iter()
        .flat_map(|packet| [0, SEAL].map(|seal| [&[seal], &packet[..]].concat()))
        .collect()
}
