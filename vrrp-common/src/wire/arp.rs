//! ARP for IPv4 over Ethernet (RFC 826), as far as a virtual router needs it: requests for its
//! addresses, their answers, and gratuitous ARP.

use super::{
    Mac, be16,
    ethernet::{self, BROADCAST, is_group},
};

/// Octets of the ARP packet; whatever follows is padding (A-826-01).
pub const LENGTH: usize = 28;
/// Where the sender's hardware address stands in it.
pub const SENDER_MAC: usize = 8;
/// Where an answer begins to differ from its request, but for two octets: the rest is whole words.
pub const ANSWER: usize = 4;

const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// Hardware Ethernet, protocol IPv4, lengths 6 and 4: the only combination that we speak.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// Hardware IEEE 802. Linux takes it for Ethernet; we only need to know it.
const IEEE_802: u8 = 6;

/// View on an ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a>(&'a [u8; LENGTH]);

impl<'a> Packet<'a> {
    /// `None` for any other hardware or protocol, or other lengths (A-826-02).
    #[inline(always)]
    pub fn parse(octets: &'a [u8; LENGTH]) -> Option<Self> {
        let [h0, h1, p0, p1, hln, pln, ..] = *octets;
        let hardware = if h1 == IEEE_802 { ETHERNET_IPV4[1] } else { h1 };
        ([h0, hardware, p0, p1, hln, pln] == ETHERNET_IPV4).then_some(Self(octets))
    }

    /// True for opcode 1.
    #[inline(always)]
    pub const fn is_request(&self) -> bool {
        be16(self.0[6], self.0[7]) == REQUEST
    }

    /// True for opcode 2.
    pub const fn is_reply(&self) -> bool {
        be16(self.0[6], self.0[7]) == REPLY
    }

    /// Who asks: hardware address.
    #[inline(always)]
    pub const fn sender_mac(&self) -> Mac {
        let o = self.0;
        [o[8], o[9], o[10], o[11], o[12], o[13]]
    }

    /// Who asks: protocol address; 0.0.0.0 in a probe (RFC 5227 2.1.1).
    #[inline(always)]
    pub const fn sender_ip(&self) -> [u8; 4] {
        let o = self.0;
        [o[14], o[15], o[16], o[17]]
    }

    /// Which address is asked for.
    #[inline(always)]
    pub const fn target_ip(&self) -> [u8; 4] {
        let o = self.0;
        [o[24], o[25], o[26], o[27]]
    }

    /// True where the sender speaks of the target address as its own: an announcement, or another
    /// host that uses the address.
    #[inline(always)]
    pub fn is_gratuitous(&self) -> bool {
        self.sender_ip() == self.target_ip()
    }

    /// True for a question, not an announcement: the kernel would answer it.
    #[inline(always)]
    pub fn is_question(&self) -> bool {
        self.is_request() && !self.is_gratuitous()
    }

    /// True for a question that may be answered: on Ethernet (A-826-02), from a station and not from
    /// a group address, which would make the answer a broadcast (A-1812-01).
    #[inline(always)]
    pub fn is_answerable(&self) -> bool {
        self.0[1] != IEEE_802 && !is_group(&self.sender_mac())
    }
}

/// The answer to a request, from [`ANSWER`] on: the two ends swap, `mac` is where the target lives
/// (RFC 826 "Packet Reception"; A-826-05, A-5227-01). What stands before stays as it is.
#[inline(always)]
pub const fn answer(request: &[u8; LENGTH], mac: Mac) -> [u64; 3] {
    let [
        _,
        _,
        _,
        _,
        hln,
        pln,
        _,
        _, // the opcode
        h0,
        h1,
        h2,
        h3,
        h4,
        h5,
        i0,
        i1,
        i2,
        i3, // who asks
        _,
        _,
        _,
        _,
        _,
        _,
        t0,
        t1,
        t2,
        t3, // for what
    ] = *request;
    let [m0, m1, m2, m3, m4, m5] = mac;
    let [o0, o1] = REPLY.to_be_bytes();
    [
        u64::from_be_bytes([hln, pln, o0, o1, m0, m1, m2, m3]),
        u64::from_be_bytes([m4, m5, t0, t1, t2, t3, h0, h1]),
        u64::from_be_bytes([h2, h3, h4, h5, i0, i1, i2, i3]),
    ]
}

/// A gratuitous ARP for `address`, as a whole untagged frame: a broadcast request whose sender and
/// target address are the same, target hardware address all ones as keepalived sends it (A-5227-05).
pub fn gratuitous(mac: Mac, address: [u8; 4]) -> [u8; ethernet::HEADER + LENGTH] {
    let mut frame = [0; ethernet::HEADER + LENGTH];
    let (link, packet) = frame.split_at_mut(ethernet::HEADER);
    link.copy_from_slice(&ethernet::header(BROADCAST, mac, ethernet::ARP));
    packet[..6].copy_from_slice(&ETHERNET_IPV4);
    packet[6..8].copy_from_slice(&REQUEST.to_be_bytes());
    packet[8..14].copy_from_slice(&mac);
    packet[14..18].copy_from_slice(&address);
    packet[18..24].copy_from_slice(&BROADCAST);
    packet[24..28].copy_from_slice(&address);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameMut;

    const HOST: Mac = [2, 0, 0, 0, 0, 0x64];
    const ROUTER: Mac = [0, 0, 0x5e, 0, 1, 0x33];
    const VIP: [u8; 4] = [192, 0, 2, 254];
    const REQUEST_OCTETS: [u8; LENGTH] = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0x64, 192, 0, 2, 100, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5,
        0xa5, 192, 0, 2, 254,
    ];

    /// A-826-03, A-826-04: deconstruct a request; the target hardware address does not matter.
    #[test]
    fn deconstruct() {
        let packet = Packet::parse(&REQUEST_OCTETS).unwrap();
        assert!(packet.is_request() && packet.is_question());
        assert_eq!(packet.sender_mac(), HOST);
        assert_eq!(packet.sender_ip(), [192, 0, 2, 100]);
        assert_eq!(packet.target_ip(), VIP);
    }

    /// A-826-05: construct the answer.
    #[test]
    fn construct_answer() {
        let mut octets = REQUEST_OCTETS;
        octets.put(ANSWER, &answer(&REQUEST_OCTETS, ROUTER)).unwrap();
        let packet = Packet::parse(&octets).unwrap();
        assert!(packet.is_reply());
        assert_eq!((packet.sender_mac(), packet.sender_ip()), (ROUTER, VIP));
        assert_eq!(octets[18..24], HOST);
        assert_eq!(packet.target_ip(), [192, 0, 2, 100]);
    }

    /// A-826-02: every octet of the fixed part that is not ours makes it another protocol.
    #[test]
    fn parse_refuses_other_protocols() {
        for i in 0..6 {
            let mut octets = REQUEST_OCTETS;
            octets[i] ^= 0x40;
            assert!(Packet::parse(&octets).is_none(), "octet {i}");
        }
    }

    /// A-826-06, A-5227-02: what is not a question.
    #[test]
    fn not_questions() {
        for (offset, value) in [(7, 2), (7, 0), (7, 3), (6, 1), (17, 254)] {
            let mut octets = REQUEST_OCTETS;
            octets[offset] = value;
            assert!(!Packet::parse(&octets).unwrap().is_question(), "octet {offset} = {value}");
        }
    }

    /// A-1812-01, A-826-02: questions that the kernel would answer and we do not.
    #[test]
    fn not_answerable() {
        assert!(Packet::parse(&REQUEST_OCTETS).unwrap().is_answerable());
        for (offset, value) in [(8, 0xff), (8, 0x01), (1, 6)] {
            let mut octets = REQUEST_OCTETS;
            octets[offset] = value;
            let packet = Packet::parse(&octets).unwrap();
            assert!(packet.is_question() && !packet.is_answerable(), "octet {offset} = {value}");
        }
    }

    /// A-5227-01: a probe is a question.
    #[test]
    fn probe() {
        let mut octets = REQUEST_OCTETS;
        octets[14..18].fill(0);
        assert!(Packet::parse(&octets).unwrap().is_question());
    }

    /// R-6.4.2-07, A-5227-05: emit a gratuitous ARP.
    #[test]
    fn emit_gratuitous() {
        let frame = gratuitous(ROUTER, VIP);
        assert_eq!(frame[..14], ethernet::header(BROADCAST, ROUTER, ethernet::ARP));
        let packet = Packet::parse(frame[14..].try_into().unwrap()).unwrap();
        assert!(packet.is_request() && packet.is_gratuitous() && !packet.is_question());
        assert_eq!((packet.sender_mac(), packet.sender_ip()), (ROUTER, VIP));
    }
}
