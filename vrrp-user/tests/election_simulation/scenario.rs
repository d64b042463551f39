//! What a seed makes of the routers and their network.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use vrrp_common::{AdverInterval, Priority, Version};
use xvrrp::election::Parameters;

use crate::{mutation::Mutation, network::Network, random::Random, router::Router};

/// Routers that are down, and the network between them.
pub(crate) struct Scenario {
    pub(crate) routers: Vec<Router>,
    pub(crate) network: Network,
    /// All routers advertise as often.
    pub(crate) same_interval: bool,
    /// Delays in a congested network: adverts overtake those of an interval later.
    pub(crate) congested_delay: Duration,
}

impl Scenario {
    /// Two to seven routers, alike or not, in a network that is fast or slow.
    pub(crate) fn new(mutation: Option<Mutation>, random: &mut Random) -> Self {
        let version = random.pick(&[Version::V2, Version::V3, Version::V3]);
        let base: u16 = match version {
            Version::V2 => random.pick(&[100, 200, 300]),
            Version::V3 => random.pick(&[10, 20, 50, 100]),
        };
        let shortest = centiseconds(base).duration();
        // V-7.1-10: in v2 an advert with another interval is not valid.
        let same_interval = version == Version::V2 || random.one_in(2);
        let same_priority = random.one_in(3);
        let everybody_preempts = random.one_in(2);
        let is_ipv6 = version == Version::V3 && random.one_in(2);
        let count = 2 + random.below(6);
        let routers: Vec<_> = (0..count)
            .map(|n| {
                let factor = if same_interval { 1 } else { random.pick(&[1, 2, 8]) };
                let priority =
                    if same_priority { 100 } else { random.pick(&[1, 50, 99, 100, 200, 254, 255]) };
                let parameters = Parameters {
                    version,
                    priority: Priority::new(priority),
                    interval: centiseconds(base * factor),
                    preempt: everybody_preempts || random.one_in(2),
                    preempt_delay: if random.one_in(4) { shortest * 20 } else { Duration::ZERO },
                    down_timer_adverts: random.pick(&[2, 3, 3, 3, 5]),
                    source: source(n, is_ipv6),
                    // Without answers a slow Active needs its own interval to convince a fast
                    // Backup, and RFC 5798 promises nothing.
                    lower_prio_no_advert: same_interval && random.one_in(4),
                    higher_prio_send_advert: random.one_in(4),
                    other_priority: None,
                    grouped: false,
                };
                let ahead = Duration::from_secs(1_000_000) + random.span(shortest);
                Router::new(parameters, mutation, n % 2 == 1, random.one_in(2), ahead)
            })
            .collect();
        let delay = shortest / random.pick(&[4, 20, 500]);
        Self {
            network: Network::new(routers.len(), delay, random),
            routers,
            same_interval,
            congested_delay: shortest * 2,
        }
    }
}

fn centiseconds(number: u16) -> AdverInterval {
    AdverInterval::from_centiseconds(number).expect("an interval")
}

/// Addresses whose order a signed or little-endian comparison gets wrong (R-6.4.3-13).
fn source(n: u64, is_ipv6: bool) -> IpAddr {
    let n = u32::try_from(n).expect("one of seven");
    if is_ipv6 {
        let [high, low] = [(n % 3) << 14, n];
        let words = [high, low].map(|word| u16::try_from(word).expect("a small number"));
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, words[0], words[1]).into()
    } else {
        Ipv4Addr::from(((n % 3) << 30) + 0x0a00_0001 + n * 0x81).into()
    }
}
