//! Valid adverts with single bits flipped, as a line or a memory may flip them.

use anyhow::{Context as _, Result, bail, ensure};
use vrrp_common::{
    Family, Vrid,
    ladder::Reject,
    wire::ethernet::{self, Link},
};

use super::{
    Vector,
    advert::{Setting, is_authenticated},
    bench::{Bench, DROP, IFINDEX, PASS, SLOT},
};

/// What becomes of a damaged advert where every VRID is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Dropped and counted.
    Rejected(Reject),
    /// It names another VLAN than ours, or VRID 0.
    Foreign,
    /// Nothing in it says that it is an advert.
    Unknown,
    /// As if nothing had happened.
    Accepted,
}

impl Vector {
    /// Flips each bit of the frame of an advert, in the order in which they stand there: its fate by
    /// the codec. The kernel program comes to the same, or leaves an authentication header to user
    /// space.
    ///
    /// # Errors
    /// The kernel program comes to something else, or does more than that.
    pub fn flip_bits(&self) -> Result<Vec<Fate>> {
        let setting = Setting::of(self)?;
        let mut bench = Bench::of_one_slot()?;
        for vrid in (1..=255).filter_map(Vrid::new) {
            bench.datapath.add_router(IFINDEX, setting.vlan, setting.family, vrid, SLOT)?;
        }
        bench.slot(SLOT).set_rules(&setting.rules);

        let mut frame = self.frame()?;
        let mut fates = Vec::new();
        for bit in 0..frame.len() * 8 {
            let (octet, mask) = (bit / 8, 0x80 >> (bit % 8));
            frame[octet] ^= mask;
            let fate = setting.fate(&frame);
            run_program(&mut bench, &frame, fate)
                .with_context(|| format!("{}, bit {bit}", self.name))?;
            fates.push(fate);
            frame[octet] ^= mask;
        }
        Ok(fates)
    }
}

impl Setting {
    fn fate(&self, frame: &[u8]) -> Fate {
        let Some(link) = Link::parse(frame) else { return Fate::Unknown };
        let packet = &frame[link.payload..];
        let of_family = match self.family {
            Family::V4 => link.ethertype == ethernet::IPV4,
            Family::V6 => link.ethertype == ethernet::IPV6,
        };
        match self.open(packet).filter(|_| of_family) {
            None => Fate::Unknown,
            Some(Err(reject)) => Fate::Rejected(reject),
            Some(Ok(envelope)) if envelope.vrid == 0 || link.vlan != self.vlan => Fate::Foreign,
            Some(Ok(envelope)) => envelope
                .judge(packet, &self.rules.pack())
                .map_or_else(Fate::Rejected, |_| Fate::Accepted),
        }
    }
}

fn run_program(bench: &mut Bench, frame: &[u8], fate: Fate) -> Result<()> {
    let before = bench.news();
    let effect = bench.run(frame)?;
    let moved: Vec<_> = effect.moved.keys().map(String::as_str).collect();
    let is_as = |action, counters: &[&str]| effect.action == action && moved == counters;
    ensure!(effect.frame == frame, "the frame was changed");
    let same = match fate {
        _ if is_authenticated(frame) => is_as(PASS, &[]),
        Fate::Unknown => is_as(PASS, &[]),
        Fate::Foreign => is_as(PASS, &["adverts_foreign"]),
        Fate::Rejected(reject) => is_as(DROP, &[&format!("rejected_{}", reject.name())]),
        Fate::Accepted => {
            let is_news = moved.contains(&"adverts_received") && moved.contains(&"adverts_news");
            ensure!(effect.action == DROP && is_news, "action {}, {moved:?}", effect.action);
            return Ok(());
        }
    };
    if !same {
        bail!("{fate:?}, but action {}, {moved:?}", effect.action);
    }
    ensure!(bench.news() == before, "news were stored");
    ensure!(bench.slot(SLOT).last_seen() == Default::default(), "last_seen was stamped");
    Ok(())
}
