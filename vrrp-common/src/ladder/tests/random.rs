//! Octets that nobody wrote on purpose, and adverts that somebody damaged: the ladder against a
//! plain reading of the rules, which works on slices and knows nothing of rungs.

use super::*;

/// Deterministic and good enough: xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }

    fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 56) as u8).collect()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn rules(&mut self, rules: &mut Rules) {
        rules.version = self.one_of(&[rules.version, rules.version, Version::V2, Version::V3]);
        rules.auth = self.one_of(&[rules.auth, rules.auth, Auth::None, Auth::Pass(PASSWORD)]);
        rules.believe = self.one_of(&[Believe::Either, Believe::Message, Believe::PseudoHeader]);
        rules.own = self.one_of(&[OWN, OWN, OWN, [0; 4], PEER]).into();
        rules.check_addresses = self.below(2) == 0;
        rules.owner_ignores = self.below(8) == 0;
    }
}

/// What must hold of an IPv4 packet before anybody may believe it.
fn holds(packet: &[u8], rules: &Rules) -> bool {
    let Some(first) = packet.first() else { return false };
    let header = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header < 20 || packet.len() < header {
        return false;
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if total < header || packet.len() < total || !intact(&packet[..header], 0) {
        return false;
    }
    let source = &packet[12..16];
    let envelope = packet[6] & 0x3f == 0
        && packet[7] == 0
        && packet[8] == 255
        && source != [0; 4]
        && source[0] < 224
        && source != rules.own.octets_v4()
        && packet[16..20] == rules.destination.octets_v4()
        && !rules.owner_ignores;
    let message = &packet[header..total];
    if !envelope || message.len() < 8 {
        return false;
    }
    let addresses = 8 + usize::from(message[3]) * 4;
    match rules.version {
        Version::V2 => {
            message[0] == 0x21
                && message.len() >= addresses + 8
                && intact(&message[..addresses + 8], 0)
                && message[4] == rules.auth.number()
                && (rules.auth == Auth::None
                    || message[addresses..addresses + 8] == rules.auth.data())
                && message[5] == rules.adver_int
                && (!rules.check_addresses
                    || message[2] == 255
                    || address_set(message[8..addresses].as_chunks::<4>().0) == rules.addresses)
        }
        Version::V3 => {
            let pseudo: u32 = packet[12..20].chunks(2).map(word).sum();
            let pseudo = pseudo + 112 + addresses as u32;
            message[0] == 0x31
                && message.len() >= addresses
                && addresses > 8
                && word(&message[4..6]) & 0xfff != 0
                && (rules.believe != Believe::PseudoHeader && intact(&message[..addresses], 0)
                    || rules.believe != Believe::Message && intact(&message[..addresses], pseudo))
        }
    }
}

fn word(octets: &[u8]) -> u32 {
    u32::from(octets[0]) << 8 | u32::from(octets[1])
}

/// RFC 1071, the slow way: the sum of all words is a multiple of 0xffff and not 0.
fn intact(octets: &[u8], more: u32) -> bool {
    let sum: u32 = octets.chunks(2).map(word).sum::<u32>() + more;
    sum != 0 && sum.is_multiple_of(0xffff)
}

/// R-7.1-13: octets of any length never panic and never pass, wherever the packet begins.
#[test]
fn noise() {
    let mut random = Random(0x9568);
    for _ in 0..20_000 {
        let length = random.below(1201);
        let octets = random.octets(length);
        let mut rules = random.one_of(&[Advert::v3(&[]).rules, Advert::v2(&[]).rules]);
        random.rules(&mut rules);
        let network = random.below(40);
        let heard = Envelope::open(&octets[..], network)
            .and_then(|envelope| envelope.judge(&octets[..], &rules.pack()));
        assert!(heard.is_err() || holds(&octets[network..], &rules), "{octets:x?}");
    }
}

/// R-7.1-01 to R-7.1-05, V-7.1-01 to V-7.1-06: adverts with up to three octets changed, cut or
/// lengthened, mostly sealed again, under changed rules: the ladder accepts exactly what holds.
#[test]
fn damaged() {
    let mut random = Random(0x3768);
    let mut accepted = 0;
    for _ in 0..40_000 {
        let addresses = addresses(random.one_of(&[0, 1, 1, 2, 6, 255]));
        let make = random.one_of(&[Advert::v3, Advert::v3_pseudo, Advert::v2]);
        let mut advert = make(&addresses);
        for _ in 0..random.below(4) {
            // Mostly in the headers, where octets have a meaning.
            let end = random.one_of(&[MESSAGE + 8, MESSAGE + 8, advert.packet.len()]);
            let at = random.below(end);
            advert.packet[at] = random.octets(1)[0];
        }
        random.rules(&mut advert.rules);
        if random.below(4) > 0 {
            advert.seal_header();
        }
        if random.below(4) == 0 {
            advert.seal_message();
        }
        let length = match random.below(4) {
            0 => random.below(advert.packet.len()),
            1 => advert.packet.len() + random.below(64),
            _ => advert.packet.len(),
        };
        advert.packet.resize(length, 0);
        let passes = advert.judge().is_ok();
        accepted += usize::from(passes);
        let (packet, rules) = (&advert.packet, &advert.rules);
        assert_eq!(passes, holds(packet, rules), "{packet:x?} under {rules:?}");
    }
    assert!(accepted > 2_000, "only {accepted} were accepted: the test has lost its point");
}
