//! `auth_hmac` of keepalived 2.4.2 and later: a signature behind the message, HMAC-SHA256 cut to 128
//! bits. It covers a block that names family, version, virtual router and sender, the message with
//! its checksum as zero, and the trailer up to the signature. Destination and TTL are left out, so
//! that copies for several peers have the same one.
//!
//! The IPv4 checksum of VRRP does not cover the trailer. That of IPv6 does: it is the kernel's with
//! keepalived, and the kernel takes the whole payload.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vrrp_common::{
    Addr, Family, Frame,
    ladder::Reject,
    wire::vrrp::{self, AUTH_DATA},
};

use super::{Sequence, sequence::Marks};
use crate::config::{AntiReplay, AuthHmac, HmacMode};

/// Octets of the trailer.
pub const TRAILER: usize = 28;
/// Octets in front of the signature: type, key, two that are zero, and the number.
const FIXED: usize = 12;
/// Octets of the signature.
const SIGNATURE: usize = TRAILER - FIXED;
/// The only type that there is.
const HMAC_SHA256_128: u8 = 1;

/// Whose advert it is. What is signed for one virtual router or sender is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Family of the packet.
    pub family: Family,
    /// Source of the packet.
    pub source: Addr,
}

impl Subject {
    /// The block that stands before `message`: family, version, virtual router, zero, and the
    /// sender's address, to the left of 16 octets.
    fn block(&self, message: &vrrp::Header<'_>) -> [u8; 20] {
        let mut block = [0; 20];
        [block[0], block[1], block[2]] = [self.family.number(), message.version(), message.vrid()];
        match self.family {
            Family::V4 => block[4..8].copy_from_slice(&self.source.octets_v4()),
            Family::V6 => block[4..].copy_from_slice(&self.source.octets_v6()),
        }
        block
    }
}

/// The payload of a packet, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The VRRP message.
    pub message: &'a [u8],
    /// What follows it, if that can be a trailer.
    pub trailer: Option<&'a [u8; TRAILER]>,
}

impl<'a> Parts<'a> {
    /// `None` for a payload that is shorter than its message.
    pub fn of(payload: &'a [u8], family: Family) -> Option<Self> {
        let header = vrrp::Header(payload.octets(0)?);
        let authentication = if header.version() == 2 { AUTH_DATA } else { 0 };
        let length = vrrp::HEADER + header.count() * family.address_length() + authentication;
        let (message, rest) = payload.split_at_checked(length)?;
        Some(Self { message, trailer: rest.try_into().ok() })
    }
}

/// Keys of one virtual router, how far we have counted, and how far the others have.
#[derive(Clone, Debug)]
pub struct Signatures {
    /// By number.
    keys: Vec<(u8, Hmac<Sha256>)>,
    active: u8,
    anti_replay: AntiReplay,
    window: Duration,
    mode: HmacMode,
    /// The last number that was sent.
    last: Option<Sequence>,
    marks: Marks,
}

impl Signatures {
    /// As the configuration has it.
    pub fn new(config: &AuthHmac) -> Self {
        let keyed = |key: &[u8]| {
            Hmac::new_from_slice(key)
                .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
        };
        Self {
            keys: config.keys.iter().map(|(number, key)| (*number, keyed(key))).collect(),
            active: config.active,
            anti_replay: config.anti_replay,
            window: config.window,
            mode: config.mode,
            last: None,
            marks: Marks::default(),
        }
    }

    /// Whether our adverts are signed.
    pub fn signs(&self) -> bool {
        self.mode != HmacMode::ReceiveOnly
    }

    /// Whether adverts that are not signed right are accepted all the same.
    pub fn tolerates(&self) -> bool {
        self.mode != HmacMode::Enforce
    }

    /// The number of the next advert: the time, `clock` since 1970, or the next number where the
    /// clock has not gone on. A clock that was set back is followed when the others would refuse
    /// what is that far ahead; with `monotonic` they know no time, and would refuse what is lower.
    pub fn next(&mut self, clock: Duration) -> Sequence {
        let now = Sequence::at(clock);
        let next = match self.last {
            Some(last) if !now.is_after(last) => match self.anti_replay {
                AntiReplay::Time if !last.is_within(self.window, now) => now,
                AntiReplay::Time | AntiReplay::Monotonic => last.plus(1),
            },
            _ => now,
        };
        self.last = Some(next);
        next
    }

    /// The trailer of `message`. `None` for what is no message, or without the active key, which the
    /// configuration has made sure of.
    pub fn sign(
        &self,
        subject: &Subject,
        message: &[u8],
        sequence: Sequence,
    ) -> Option<[u8; TRAILER]> {
        let mut trailer = [0; TRAILER];
        [trailer[0], trailer[1]] = [HMAC_SHA256_128, self.active];
        trailer[4..FIXED].copy_from_slice(&sequence.to_bits().to_be_bytes());
        let digest = self.digest(subject, message, &trailer)?.finalize().into_bytes();
        trailer[FIXED..].copy_from_slice(&digest[..SIGNATURE]);
        Some(trailer)
    }

    /// Checks an advert that came in when `clock` had passed since 1970. The time comes before the
    /// digest, which takes longer; what is remembered comes last.
    ///
    /// # Errors
    /// [`Reject::AuthMissing`] without a trailer, [`Reject::AuthType`] for one of another type,
    /// [`Reject::AuthTime`] for one from another time, [`Reject::AuthKey`] for a key that is not
    /// ours, [`Reject::AuthData`] for a wrong signature, and [`Reject::Replay`] for a number that is
    /// not higher than the last one of this sender.
    pub fn verify(
        &mut self,
        subject: &Subject,
        parts: &Parts<'_>,
        clock: Duration,
    ) -> Result<(), Reject> {
        let trailer = parts.trailer.ok_or(Reject::AuthMissing)?;
        let [kind, _, r0, r1, n0, n1, n2, n3, n4, n5, n6, n7, signature @ ..] = trailer;
        if [*kind, *r0, *r1] != [HMAC_SHA256_128, 0, 0] {
            return Err(Reject::AuthType);
        }
        let now = Sequence::at(clock);
        let number = [*n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7];
        let sequence = Sequence::from_bits(u64::from_be_bytes(number));
        if !self.is_timely(sequence, now) {
            return Err(Reject::AuthTime);
        }
        // Compared in constant time.
        self.digest(subject, parts.message, trailer)
            .ok_or(Reject::AuthKey)?
            .verify_truncated_left(signature)
            .map_err(|_| Reject::AuthData)?;
        // A mark outside of the window is not needed, and in the way when a clock was set back.
        let mark = self.marks.of(subject.source).filter(|mark| self.is_timely(*mark, now));
        if mark.is_some_and(|mark| !sequence.is_after(mark)) {
            return Err(Reject::Replay);
        }
        self.marks.set(subject.source, sequence);
        Ok(())
    }

    fn is_timely(&self, sequence: Sequence, now: Sequence) -> bool {
        match self.anti_replay {
            AntiReplay::Time => sequence.is_within(self.window, now),
            AntiReplay::Monotonic => true,
        }
    }

    /// The digest with the key that the trailer names; `None` if it is not ours, or for what is no
    /// message.
    fn digest(
        &self,
        subject: &Subject,
        message: &[u8],
        trailer: &[u8; TRAILER],
    ) -> Option<Hmac<Sha256>> {
        let (header, addresses) = message.split_first_chunk()?;
        let header = vrrp::Header(header);
        let (_, keyed) = self.keys.iter().find(|(number, _)| *number == trailer[1])?;
        let mut mac = keyed.clone();
        mac.update(&subject.block(&header));
        mac.update(&header.without_checksum());
        mac.update(addresses);
        mac.update(&trailer[..FIXED]);
        mac.update(&[0; SIGNATURE]);
        Some(mac)
    }
}

#[cfg(test)]
mod tests;
