//! Attributes of a netlink message, as octets.

use std::net::IpAddr;

use rtnetlink::packet_core::{DefaultNla, Emitable};
use serde::{Deserialize, Serialize};

/// `NLA_F_NESTED`: the value consists of attributes.
const NESTED: u16 = 0x8000;

/// Attributes in the order of the message, each with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Attributes(Vec<(u16, Vec<u8>)>);

impl Attributes {
    /// Adds one. Numbers are in the order of the host unless the kernel's headers say otherwise.
    pub(super) fn put(&mut self, kind: u16, value: impl Into<Vec<u8>>) {
        self.0.push((kind, value.into()));
    }

    pub(super) fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, [value]);
    }

    pub(super) fn put_u16(&mut self, kind: u16, value: u16) {
        self.put(kind, value.to_ne_bytes());
    }

    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, value.to_ne_bytes());
    }

    pub(super) fn put_address(&mut self, kind: u16, address: IpAddr) {
        self.put(kind, octets(address));
    }

    /// Text with the zero that ends it in C.
    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        self.put(kind, [text.as_bytes(), b"\0"].concat());
    }

    /// Attributes within an attribute, and so marked.
    pub(super) fn put_nested(&mut self, kind: u16, inner: &Self) {
        self.put(kind | NESTED, inner.to_bytes());
    }

    pub(super) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its length and number in front of it and padding behind.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let attributes: Vec<_> = self.to_nlas().collect();
        let mut bytes = vec![0; attributes.as_slice().buffer_len()];
        attributes.as_slice().emit(&mut bytes);
        bytes
    }

    pub(super) fn to_nlas(&self) -> impl Iterator<Item = DefaultNla> {
        self.0.iter().map(|(kind, value)| DefaultNla::new(*kind, value.clone()))
    }
}

/// The octets of an address.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// keyword `virtual_routes`: attributes are padded to four octets, and their lengths do not count
    /// the padding (netlink(7)).
    #[test]
    fn as_octets() {
        let mut inner = Attributes::default();
        inner.put(2, [7]);
        let mut attributes = Attributes::default();
        attributes.put_nested(1, &inner);
        let length = |n: u16| n.to_ne_bytes();
        let expected = [
            &length(12)[..],
            &0x8001_u16.to_ne_bytes(),
            &length(5),
            &2_u16.to_ne_bytes(),
            &[7, 0, 0, 0],
        ];
        assert_eq!(attributes.to_bytes(), expected.concat());
    }
}
