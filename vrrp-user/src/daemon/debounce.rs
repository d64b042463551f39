//! `interface_up_down_delays`: interfaces that have to be down or up for a while before that counts.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{config::UpDownDelay, host::Link};

/// What counts of each interface with a delay; none has one before [`Debounce::replan`].
#[derive(Default)]
pub(super) struct Debounce {
    delays: HashMap<String, UpDownDelay>,
    known: HashMap<u32, Known>,
}

/// An interface as it counts.
struct Known {
    up: bool,
    carrier: bool,
    /// Since when it is otherwise.
    since: Option<Instant>,
}

impl Debounce {
    /// These delays hold from now on.
    pub(super) fn replan(&mut self, delays: &[UpDownDelay]) {
        let delays = delays.iter().map(|delay| (delay.interface.clone(), delay.clone()));
        self.delays = delays.collect();
    }

    /// Has `links`, which are as they are at `now`, say what counts. An interface counts as it is when
    /// it is first seen. Returns when something will count that does not yet.
    pub(super) fn steady(&mut self, links: &mut [Link], now: Instant) -> Option<Instant> {
        self.known.retain(|index, _| links.iter().any(|link| link.index == *index));
        let mut next = None;
        for link in links {
            let Some(delay) = self.delays.get(&link.name) else { continue };
            let Link { up, carrier, .. } = *link;
            let known = self.known.entry(link.index).or_insert(Known { up, carrier, since: None });
            if let Some(end) = known.settle((up, carrier), delay, now) {
                (link.up, link.carrier) = (known.up, known.carrier);
                next = next.map_or(Some(end), |next: Instant| Some(next.min(end)));
            }
        }
        next
    }
}

impl Known {
    /// Takes in how the interface is. Returns until when that does not count.
    fn settle(
        &mut self,
        (up, carrier): (bool, bool),
        delay: &UpDownDelay,
        now: Instant,
    ) -> Option<Instant> {
        let is_usable = up && carrier;
        let wait = if is_usable == (self.up && self.carrier) {
            Duration::ZERO
        } else if is_usable {
            delay.up
        } else {
            delay.down
        };
        let end = *self.since.get_or_insert(now) + wait;
        if end > now {
            return Some(end);
        }
        *self = Self { up, carrier, since: None };
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Place, host::LinkKind};

    fn link(carrier: bool) -> Link {
        Link {
            index: 2,
            port_of: None,
            name: "eth0".to_owned(),
            mac: None,
            up: true,
            carrier,
            kind: LinkKind::Veth,
            mtu: 1500,
            addresses: Vec::new(),
            vlan_uppers: false,
        }
    }

    struct Bench {
        debounce: Debounce,
        start: Instant,
    }

    impl Bench {
        /// Down counts after three seconds, up after two.
        fn new() -> Self {
            let (down, up) = (Duration::from_secs(3), Duration::from_secs(2));
            let delay =
                UpDownDelay { interface: "eth0".to_owned(), down, up, span: Place::default() };
            let mut debounce = Debounce::default();
            debounce.replan(&[delay]);
            Self { debounce, start: Instant::now() }
        }

        /// Whether there is carrier as far as it counts, and in which second to look again.
        fn see(&mut self, second: u64, carrier: bool) -> (bool, Option<u64>) {
            let mut links = [link(carrier)];
            let now = self.start + Duration::from_secs(second);
            let next = self.debounce.steady(&mut links, now);
            (links[0].carrier, next.map(|next| next.duration_since(self.start).as_secs()))
        }
    }

    /// keyword `interface_up_down_delays`: a change counts after its delay.
    #[test]
    fn delays() {
        let mut bench = Bench::new();
        for (second, carrier, expected) in [
            (0, true, (true, None)),
            (1, false, (true, Some(4))),
            (3, false, (true, Some(4))),
            (4, false, (false, None)),
            (5, true, (false, Some(7))),
            (7, true, (true, None)),
        ] {
            assert_eq!(bench.see(second, carrier), expected, "second {second}");
        }
    }

    /// keyword `interface_up_down_delays`: what is back in time never was away.
    #[test]
    fn short_losses() {
        let mut bench = Bench::new();
        for (second, carrier, expected) in [
            (0, true, (true, None)),
            (1, false, (true, Some(4))),
            (2, true, (true, None)),
            (3, false, (true, Some(6))),
        ] {
            assert_eq!(bench.see(second, carrier), expected, "second {second}");
        }
    }

    /// keyword `interface_up_down_delays`: no delay at the start, and none for others.
    #[test]
    fn at_once() {
        assert_eq!(Bench::new().see(0, false), (false, None));
        let mut none = Debounce::default();
        let (mut up, mut down) = ([link(true)], [link(false)]);
        let now = Instant::now();
        assert_eq!(none.steady(&mut up, now), None);
        assert_eq!(none.steady(&mut down, now), None);
        assert!(!down[0].carrier);
    }
}
