//! The Internet checksum (RFC 1071) and the walk over extension headers, as slow and plain as they
//! can be written.

/// The number in the first two octets.
pub(super) fn word(octets: &[u8]) -> u32 {
    u32::from(octets[0]) << 8 | u32::from(octets[1])
}

/// The sum of all 16-bit words, a last odd octet as the high half of one.
fn sum(octets: &[u8]) -> u32 {
    octets
        .chunks(2)
        .map(|pair| if pair.len() == 2 { word(pair) } else { word(&[pair[0], 0]) })
        .sum()
}

/// True when octets with a checksum among them are intact: their sum is a multiple of 0xffff, and
/// they are not all zero.
pub(super) fn is_intact(octets: &[u8]) -> bool {
    sum(octets) != 0 && sum(octets).is_multiple_of(0xffff)
}

/// Puts at `field` the checksum that makes `octets` intact behind `before`.
pub(super) fn seal(before: &[u8], octets: &mut [u8], field: usize) {
    octets[field..field + 2].fill(0);
    let checksum = match sum(before) + sum(octets) {
        0 => 0xffff,
        // Folding carries back in takes multiples of 0xffff to 0xffff, never to 0.
        sum => 0xffff - (1 + (sum - 1) % 0xffff),
    };
    octets[field..field + 2].copy_from_slice(&checksum.to_be_bytes()[2..]);
}

/// The pseudo-header for a payload of `length` octets (RFC 768 with IPv4, RFC 8200 8.1 with IPv6).
/// All fields are in words of their own, so that the two families' orders add up to the same.
pub(super) fn pseudo_header(addresses: &[u8], protocol: u8, length: usize) -> Vec<u8> {
    [addresses, &[0, protocol], &(length as u32).to_be_bytes()].concat()
}

/// What stands behind the hop-by-hop and destination options of an IPv6 packet: its number, and how
/// many octets the options have. After four such headers a fifth stands for itself. `None` for a
/// packet that ends within the options, or has more than 256 octets of them.
pub(super) fn behind_options(packet: &[u8]) -> Option<(u8, usize)> {
    let mut rest = packet.get(40..)?;
    let mut protocol = packet[6];
    let mut octets = 0;
    for _ in 0..4 {
        if protocol == 0 || protocol == 60 {
            protocol = *rest.first()?;
            let length = 8 + 8 * usize::from(*rest.get(1)?);
            octets += length;
            if octets > 256 {
                return None;
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Some((protocol, octets))
}
