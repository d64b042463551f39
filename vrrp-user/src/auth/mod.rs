//! Authentication that only user space can check: the IP authentication header of VRRPv2 ([`ah`])
//! and the signature that keepalived 2.4 puts behind adverts, `auth_hmac` ([`trailer`]). Plain
//! passwords are the ladder's.
//!
//! Both have a number in each advert that only grows, so that an advert that was recorded is refused
//! when it is sent again. What has been heard is remembered for each sender, and only senders that
//! know the key are remembered. Nothing is allocated after the start.

use std::time::Duration;

use vrrp_common::{
    Family, Frame,
    ladder::{Envelope, Heard, PackedRules, Reject},
    wire::{ipv4, ipv6},
};

pub mod ah;
mod sequence;
pub mod trailer;

pub use sequence::Sequence;

use crate::config::Authentication;
use ah::{Association, Dialect};
use trailer::{Parts, Signatures, Subject};

/// What one virtual router has to do with authentication besides the ladder's part.
#[derive(Clone, Debug)]
pub enum Authenticator {
    /// Nothing.
    None,
    /// `auth_type AH`.
    Header(Association),
    /// `auth_hmac`.
    Trailer(Signatures),
}

/// How one advert is to be sent. All its copies are sealed with the same number.
#[derive(Clone, Copy, Debug)]
pub enum Seal<'a> {
    /// As it is.
    None,
    /// Behind an authentication header with this number.
    Header(&'a Association, u32),
    /// With a trailer behind it.
    Trailer(&'a Signatures, Sequence),
}

/// An advert that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What it says.
    pub heard: Heard,
    /// Why it would have been refused, were authentication enforced.
    pub tolerated: Option<Reject>,
}

impl Authenticator {
    /// As the configuration has it.
    pub fn new(config: Option<&Authentication>) -> Self {
        match config {
            None | Some(Authentication::Pass(_)) => Self::None,
            Some(Authentication::Ah(key)) => {
                Self::Header(Association::new(key, Dialect::Keepalived))
            }
            Some(Authentication::Hmac(config)) => Self::Trailer(Signatures::new(config)),
        }
    }

    /// True when the kernel program cannot judge the adverts.
    pub const fn is_needed(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// How the next advert is to be sent, when `clock` has passed since 1970.
    pub fn seal(&mut self, clock: Duration) -> Seal<'_> {
        match self {
            Self::None => Seal::None,
            Self::Header(association) => {
                let number = association.next(clock);
                Seal::Header(association, number)
            }
            Self::Trailer(signatures) if signatures.signs() => {
                let number = signatures.next(clock);
                Seal::Trailer(signatures, number)
            }
            Self::Trailer(_) => Seal::None,
        }
    }

    /// Puts an IP packet of protocol 112 or 51 through the ladder and checks who it is from, when
    /// `clock` has passed since 1970. The authentication header comes before the ladder, as it does
    /// in the packet, the trailer after it.
    ///
    /// # Errors
    /// The first check that failed. [`Reject::AuthType`] for an authentication header that is not
    /// expected; where one is, the ladder says what it thinks of an advert without it.
    pub fn judge(
        &mut self,
        family: Family,
        packet: &[u8],
        rules: &PackedRules,
        clock: Duration,
    ) -> Result<Judged, Reject> {
        let has_header = family == Family::V4 && protocol(packet) == Some(ipv4::AH);
        let envelope = match self {
            Self::Header(association) if has_header => association.open(packet)?,
            _ if has_header => return Err(Reject::AuthType),
            _ => open(family, packet)?,
        };
        let Self::Trailer(signatures) = self else {
            return Ok(Judged { heard: envelope.judge(packet, rules)?, tolerated: None });
        };
        let parts = envelope.payload(packet).and_then(|payload| Parts::of(payload, family));
        let envelope = match (family, parts) {
            (Family::V6, Some(Parts { trailer: Some(trailer), .. })) => envelope.covering(trailer),
            _ => envelope,
        };
        let heard = envelope.judge(packet, rules)?;
        let parts = parts.ok_or(Reject::Length)?;
        let verdict = signatures.verify(&Subject { family, source: heard.source }, &parts, clock);
        match verdict {
            Err(reject) if !signatures.tolerates() => Err(reject),
            verdict => Ok(Judged { heard, tolerated: verdict.err() }),
        }
    }
}

/// Protocol of an IPv4 packet.
fn protocol(packet: &[u8]) -> Option<u8> {
    packet.octets(0).map(|header| ipv4::Header(header).protocol())
}

fn open(family: Family, packet: &[u8]) -> Result<Envelope, Reject> {
    match family {
        Family::V4 => Envelope::open(packet, 0),
        Family::V6 => {
            let payload = ipv6::Payload::find(packet, 0).ok_or(Reject::Length)?;
            Envelope::open_ipv6(packet, &payload)
        }
    }
}

#[cfg(test)]
mod tests;
