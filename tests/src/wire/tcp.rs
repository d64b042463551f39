//! The first two messages of a TCP connection over IPv4.

use std::net::Ipv4Addr;

use super::{ArpParty, Mac, What, at, internet_checksum, ipv4};

/// The protocol's number.
pub(super) const PROTOCOL: u8 = 6;
const HEADER: usize = 20;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
/// Where the one comes from whom the rig makes up.
const SOURCE_PORT: u16 = 40_000;

/// The frame with which `sender` begins a connection to a port of `target`, sent to the MAC `to`.
pub fn syn(to: Mac, sender: ArpParty, target: (Ipv4Addr, u16)) -> Vec<u8> {
    let ((mac, address), (target, port)) = (sender, target);
    let ports = [SOURCE_PORT.to_be_bytes(), port.to_be_bytes()].concat();
    let words = (HEADER / 4) as u8;
    // Sequence and acknowledgement; length of the header and flags; window, checksum, urgent pointer.
    let rest = [&[0; 8][..], &[words << 4, SYN], &[0xff, 0xff, 0, 0, 0, 0]].concat();
    let mut message = [ports, rest].concat();
    let length = (HEADER as u16).to_be_bytes();
    let ends = [address.octets(), target.octets()].concat();
    let pseudo = [&ends[..], &[0, PROTOCOL], &length].concat();
    let checksum = internet_checksum(&[pseudo, message.clone()].concat());
    message[16..18].copy_from_slice(&checksum.to_be_bytes());
    ipv4((to, mac), (address, target), 64, PROTOCOL, &message)
}

/// An answer to [`syn`], from the packet and its message.
pub(super) fn decode(ip: &[u8], message: &[u8]) -> Option<What> {
    let [_, flags] = at(message, 12)?;
    let accepted = What::Accepted {
        source: (at::<4>(ip, 12)?.into(), u16::from_be_bytes(at(message, 0)?)),
        target: at::<4>(ip, 16)?.into(),
    };
    (flags == SYN_ACK).then_some(accepted)
}

#[cfg(test)]
mod tests {
    use super::{super::decode, *};

    /// Issue 4 row 10: a request is no acceptance, and the answer to it is one.
    #[test]
    fn an_answer_is_told_from_a_request() {
        let (client, server) = (Ipv4Addr::new(192, 0, 2, 201), Ipv4Addr::new(192, 0, 2, 129));
        let request = syn(Mac::local(11), (Mac::local(201), client), (server, 80));
        assert_eq!((request.len(), decode(&request)), (54, None));
        let message = &request[34..];
        let pseudo = [&client.octets()[..], &server.octets(), &[0, PROTOCOL, 0, 20]].concat();
        assert_eq!(internet_checksum(&[&pseudo, message].concat()), 0);

        let mut answer = message.to_vec();
        answer[..2].copy_from_slice(&80_u16.to_be_bytes());
        answer[13] = SYN_ACK;
        let link = (Mac::local(201), Mac::local(11));
        let frame = ipv4(link, (server, client), 64, PROTOCOL, &answer);
        let accepted = What::Accepted { source: (server, 80), target: client };
        assert_eq!(decode(&frame), Some(accepted));
        for length in 0..frame.len() - 6 {
            assert_eq!(decode(&frame[..length]), None, "{length} octets");
        }
    }
}
