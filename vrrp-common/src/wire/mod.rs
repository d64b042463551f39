//! Wire formats, each as a view on the octets of its header and, where we send it, a function that
//! writes it.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub mod vrrp;

/// A MAC address.
pub type Mac = [u8; 6];

/// The 16 bits at the first of two octets in network byte order.
#[inline(always)]
pub(crate) const fn be16(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}
