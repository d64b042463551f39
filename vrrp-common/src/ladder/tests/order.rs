//! The order of the rungs: of several faults the first is counted.

use super::*;

/// One fault of an advert, for one rung.
type Fault = (Reject, fn(&mut Advert));

/// The faults that both versions share, in the order of the rungs.
const ENVELOPE_FAULTS: [Fault; 10] = [
    (Reject::IpHeader, |it| it.packet[10] ^= 1),
    (Reject::Fragment, |it| it.packet[6] = 0x20),
    (Reject::Source, |it| it.packet[12..16].fill(0)),
    (Reject::OwnSource, |it| it.rules.own = (*it.packet[12..].first_chunk::<4>().unwrap()).into()),
    (Reject::Destination, |it| it.packet[16..20].fill(9)),
    (Reject::Ttl, |it| it.packet[8] = 64),
    (Reject::Version, |it| it.packet[MESSAGE] ^= 0x40),
    (Reject::Type, |it| it.packet[MESSAGE] ^= 0x02),
    (Reject::Length, |it| it.packet[3] = 27),
    (Reject::Checksum, |it| it.packet[MESSAGE + 6] ^= 1),
];
const V3_FAULTS: [Fault; 3] = [
    (Reject::CountZero, |it| it.packet[MESSAGE + 3] = 0),
    (Reject::IntervalZero, |it| it.packet[MESSAGE + 4..MESSAGE + 6].fill(0)),
    (Reject::LocalOwner, |it| it.rules.owner_ignores = true),
];
const V2_FAULTS: [Fault; 5] = [
    (Reject::LocalOwner, |it| it.rules.owner_ignores = true),
    (Reject::AuthType, |it| it.packet[MESSAGE + 4] = 0),
    (Reject::AuthData, |it| it.packet[MESSAGE + 12] ^= 1),
    (Reject::AddressList, |it| {
        it.rules.addresses = 0;
        it.rules.check_addresses = true;
    }),
    (Reject::Interval, |it| it.packet[MESSAGE + 5] = 2),
];

/// R-7.1-15, V-7.1-07: an advert with any two faults is counted under the rung that comes first in
/// RFC 9568 7.1 and RFC 3768 7.1, the IP layer's before both.
#[test]
fn first_fault_counts() {
    for (advert, faults) in
        [(Advert::v3(&[VIP]), &V3_FAULTS[..]), (Advert::v2(&[VIP]), &V2_FAULTS[..])]
    {
        let faults: Vec<&Fault> = ENVELOPE_FAULTS.iter().chain(faults).collect();
        for (i, first) in faults.iter().enumerate() {
            for second in &faults[i..] {
                let mut pair = vec![*first, *second];
                pair.dedup_by_key(|fault| fault.0);
                // A checksum is spoilt last, after the seal.
                let (spoilt, changed): (Vec<&Fault>, Vec<&Fault>) = pair
                    .into_iter()
                    .partition(|fault| matches!(fault.0, Reject::IpHeader | Reject::Checksum));
                let mut other = advert.clone();
                changed.iter().for_each(|fault| fault.1(&mut other));
                other.seal();
                spoilt.iter().for_each(|fault| fault.1(&mut other));
                assert_eq!(other.rejected(), Some(first.0), "{:?} and {:?}", first.0, second.0);
            }
        }
    }
}

/// The documentation of [`Reject`]: the order of its values is the order of the checks, which the
/// tables of faults above state for each version.
#[test]
fn rejects_are_in_order() {
    for faults in [&V3_FAULTS[..], &V2_FAULTS[..]] {
        let order: Vec<Reject> = ENVELOPE_FAULTS.iter().chain(faults).map(|it| it.0).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
    assert!(Reject::ALL.is_sorted());
    for (index, reject) in Reject::ALL.iter().enumerate() {
        assert_eq!(*reject as usize, index);
    }
}
