//! The hosts that the kernel program answered become known to the kernel, which did not see their
//! questions: else it would have to ask for each before it can say anything to it (RFC 826; RFC 4861
//! 7.2.3).
//!
//! The program limits how many there are. A host that goes on within some hundred microseconds of
//! its answer is faster than this; then the kernel asks for it, as it does for hosts that nobody
//! has introduced.

use std::{collections::BTreeSet, net::IpAddr};

use tokio::sync::watch;
use tracing::{debug, warn};
use vrrp_common::{
    Family,
    abi::{self, Requester},
};

use crate::{
    datapath::Requesters,
    host::{Host, Neighbour},
    sys::readiness::Readiness,
};

/// Introduces who comes out of the ring, until the daemon ends. Whoever asks in the name of one of
/// the `virtual_addresses` is not introduced.
pub(super) fn introduce(
    mut requesters: Requesters,
    host: Host,
    virtual_addresses: watch::Receiver<BTreeSet<IpAddr>>,
) {
    let readiness = match Readiness::of(&requesters) {
        Ok(readiness) => readiness,
        Err(error) => {
            warn!("the kernel will not know whom the program answers: {error}");
            return;
        }
    };
    tokio::spawn(async move {
        while readiness.wait().await.is_ok() {
            let strangers: Vec<_> = {
                let ours = virtual_addresses.borrow();
                let is_stranger =
                    |one: &Neighbour| is_host(one.address) && !ours.contains(&one.address);
                requesters.by_ref().map(neighbour).filter(is_stranger).collect()
            };
            for (_, reason) in host.introduce(&strangers).await {
                debug!("{reason}");
            }
        }
    });
}

fn neighbour(requester: Requester) -> Neighbour {
    let is_v6 = requester.family == u32::from(Family::V6.number());
    Neighbour {
        index: requester.ifindex,
        address: requester.address.to_ip(if is_v6 { Family::V6 } else { Family::V4 }),
        mac: abi::word_mac(requester.mac),
    }
}

/// True for an address that a neighbour can have.
const fn is_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(is_broadcast || address.is_multicast() || address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N-4861-18: who says to be nobody or everybody is nobody's neighbour.
    #[test]
    fn hosts() {
        for (address, expected) in [
            ("192.0.2.100", true),
            ("2001:db8::64", true),
            ("fe80::64", true),
            ("0.0.0.0", false),
            ("127.0.0.1", false),
            ("224.0.0.18", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("ff02::12", false),
        ] {
            assert_eq!(is_host(address.parse().unwrap()), expected, "{address}");
        }
    }
}
