//! The segment between the routers: it delays, reorders, loses, duplicates, reflects, and is cut in
//! one direction or both.

use std::{collections::BTreeMap, time::Duration};

use xvrrp::election::{Advert, Instant};

use crate::random::Random;

pub(crate) struct Network {
    /// Adverts on their way to a router, by arrival and order of sending.
    wire: BTreeMap<(Instant, u64), (usize, Advert)>,
    routers: usize,
    sent: u64,
    /// Each copy takes its own time up to this, which is all that reordering needs.
    pub(crate) usual_delay: Duration,
    pub(crate) delay: Duration,
    /// Per mille of the copies.
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    /// Senders hear themselves.
    reflects: bool,
    /// Bit `to` of word `from`: nothing passes.
    cuts: Vec<u64>,
}

impl Network {
    pub(crate) fn new(routers: usize, usual_delay: Duration, random: &mut Random) -> Self {
        Self {
            wire: BTreeMap::new(),
            routers,
            sent: 0,
            usual_delay,
            delay: usual_delay,
            loss: 0,
            duplication: random.pick(&[0, 0, 50, 500]),
            reflects: random.one_in(8),
            cuts: vec![0; routers],
        }
    }

    /// Sends `advert` to everybody.
    pub(crate) fn send(&mut self, from: usize, advert: Advert, now: Instant, random: &mut Random) {
        for to in 0..self.routers {
            let unheard = to == from && !self.reflects;
            if unheard || self.is_cut(from, to) || random.chance(self.loss) {
                continue;
            }
            let copies = if random.chance(self.duplication) { 2 } else { 1 };
            for _ in 0..copies {
                self.sent += 1;
                self.wire.insert((now + random.span(self.delay), self.sent), (to, advert));
            }
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.wire.first_key_value().map(|(&(arrival, _), _)| arrival)
    }

    /// When everything that is on its way now has arrived.
    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.wire.last_key_value().map(|(&(arrival, _), _)| arrival)
    }

    /// The next advert and whom it reaches.
    pub(crate) fn deliver(&mut self) -> Option<(usize, Advert)> {
        self.wire.pop_first().map(|(_, delivery)| delivery)
    }

    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.cuts[from] |= 1 << to;
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts[from] >> to & 1 == 1
    }

    /// Ends loss, cuts and congestion. What is on its way stays late.
    pub(crate) fn heal(&mut self) {
        self.loss = 0;
        self.delay = self.usual_delay;
        self.cuts.fill(0);
    }
}
