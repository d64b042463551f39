//! Reading one line of `static_routes` or `virtual_routes`: iproute2's words, which keepalived wants
//! in full.

use std::time::Duration;

use vrrp_common::Family;

use super::{
    encap,
    line::{Line, List, TrackWords},
    names::{KEEPALIVED, NO_NAMES, Named, PROTOCOLS, Prefix, SCOPES, TABLES, Tracking},
    route::{Lockable, NextHop, Position, Preference, Route, RouteKind},
};
use crate::{
    code,
    diagnostic::Findings,
    keywords::{self, Block},
    lexer::Word,
    parser::Statement,
};

/// Words behind `nexthop`.
const HOP_WORDS: [&str; 8] =
    ["via", "dev", "oif", "weight", "onlink", "encap", "realms", "nexthop"];

/// Kinds that iproute2 knows and Linux does not.
const NO_KINDS: [&str; 2] = ["nat", "xresolve"];

/// keepalived 2.2 raises shorter times to this one.
const SHORTEST: Duration = Duration::from_millis(200);

/// Reads one line. `None`: it has a mistake, which has been reported.
pub(super) fn read<'a>(
    statement: &'a Statement,
    list: List<'a>,
    findings: &'a mut Findings,
) -> Option<Route> {
    let line = Line::new("route", statement, findings);
    let mut reader = Reader {
        route: Route::new(Prefix::everything(Family::V4), line.span().into()),
        line,
        list,
        destination: None,
        hop: NextHop::default(),
        hops: Vec::new(),
        way: None,
        or: None,
        protocol: None,
        track: TrackWords::default(),
        ipv4_words: Vec::new(),
        ipv6_words: Vec::new(),
    };
    while let Some(word) = reader.line.next() {
        reader.word(word);
    }
    reader.finish()
}

struct Reader<'a> {
    line: Line<'a>,
    list: List<'a>,
    route: Route,
    /// What the line gives. The inner `None` is everything, of whatever family.
    destination: Option<(Option<Prefix>, &'a Word)>,
    /// `via` and what goes with it, in front of any `nexthop`.
    hop: NextHop,
    hops: Vec<NextHop>,
    /// Where `via` or `dev` stands.
    way: Option<&'a Word>,
    /// `or`: a second gateway.
    or: Option<NextHop>,
    protocol: Option<&'a Word>,
    track: TrackWords<'a>,
    /// Words that one family alone has.
    ipv4_words: Vec<&'a Word>,
    ipv6_words: Vec<&'a Word>,
}

impl<'a> Reader<'a> {
    /// One word, and those behind it that belong to it.
    fn word(&mut self, word: &'a Word) {
        if let Some(option) = option_of(&word.text) {
            self.line.once(option, word);
        }
        match word.text.as_str() {
            "inet" | "inet6" => self.line.family_word(word),
            "to" => {
                if let Some(value) = self.line.value(word) {
                    self.set_destination(value);
                }
            }
            "from" => {
                self.ipv6_words.push(word);
                let value = self.line.value(word);
                self.route.from = value.and_then(|value| self.line.prefix(value)).flatten();
            }
            "src" => self.route.source = self.line.address(word),
            "or" => self.or(word),
            "table" => {
                let table = self.line.named(word, TABLES, u32::MAX);
                self.route.table = table.unwrap_or(Named::Number(0));
            }
            "tos" | "dsfield" => {
                let tos = self.line.named(word, NO_NAMES, u8::MAX);
                self.route.tos = tos.unwrap_or(Named::Number(0));
            }
            "protocol" => {
                self.protocol = Some(word);
                let protocol = self.line.named(word, PROTOCOLS, u8::MAX);
                self.route.protocol = protocol.unwrap_or(Named::Number(KEEPALIVED));
            }
            "scope" => self.route.scope = self.line.named(word, SCOPES, u8::MAX),
            "metric" | "priority" | "preference" => {
                self.route.metric = self.line.number(word, 0..=u32::MAX);
            }
            "expires" => {
                self.ipv6_words.push(word);
                let seconds = self.line.number(word, 0..=u32::MAX);
                self.route.expires = seconds.map(|seconds| Duration::from_secs(seconds.into()));
            }
            "pref" => self.preference(word),
            "ttl-propagate" => {
                let choices = [("enabled", true), ("disabled", false)];
                self.route.ttl_propagate = self.choice(word, &choices);
            }
            "vrf" => self.route.vrf = self.line.device(word),
            "append" => self.route.position = Position::Append,
            "prepend" => self.route.position = Position::Prepend,
            "add" => self.route.position = Position::Alone,
            "track_group" | "no_track" => self.line.track_word(word, self.list, &mut self.track),
            "nexthop" => self.read_hops(word),
            _ => self.metric_or_way(word),
        }
    }

    /// What goes into `RTA_METRICS`.
    fn metric_or_way(&mut self, word: &'a Word) {
        let line = &mut self.line;
        let metrics = &mut self.route.metrics;
        match word.text.as_str() {
            "mtu" => metrics.mtu = lockable(line, word),
            "advmss" => metrics.advmss = lockable(line, word),
            "reordering" => metrics.reordering = lockable(line, word),
            "cwnd" => metrics.cwnd = lockable(line, word),
            "ssthresh" => metrics.ssthresh = lockable(line, word),
            "window" => metrics.window = line.number(word, 0..=u32::MAX),
            "initcwnd" => metrics.initcwnd = line.number(word, 0..=u32::MAX),
            "initrwnd" => metrics.initrwnd = line.number(word, 0..=u32::MAX),
            "hoplimit" => metrics.hoplimit = line.number(word, 0..=u8::MAX),
            "rtt" => metrics.rtt = time(line, word, 960),
            "rttvar" => metrics.rttvar = time(line, word, 480),
            "rto_min" => metrics.rto_min = time(line, word, 120),
            "quickack" => metrics.quickack = line.number(word, 0..=1).map(|on: u8| on == 1),
            "fastopen_no_cookie" => {
                metrics.fastopen_no_cookie = line.number(word, 0..=1).map(|on: u8| on == 1);
            }
            "congctl" => {
                let locked = line.take("lock");
                let name = line.value(word).map(|name| name.text.clone());
                metrics.congestion_control = name.map(|value| Lockable { value, locked });
            }
            "features" => {
                let ecn = self.choice(word, &[("ecn", true)]);
                self.route.metrics.ecn = ecn == Some(true);
            }
            _ => {
                if !self.way_word(word) {
                    self.kind_or_destination(word);
                }
            }
        }
    }

    /// `via`, `dev` and what else `nexthop` has, too, in front of it.
    fn way_word(&mut self, word: &'a Word) -> bool {
        match word.text.as_str() {
            "gw" => {
                let message = "`gw` is out of use in a route";
                self.line
                    .findings
                    .report(code::DEPRECATED, word.span, message)
                    .help("use `via`, as which it is read");
                self.hop.gateway = self.line.address(word);
            }
            "weight" => return false,
            "realms" => self.ipv4_words.push(word),
            _ => {}
        }
        if ["via", "gw", "dev", "oif"].contains(&word.text.as_str()) {
            self.way = Some(word);
        }
        word.text == "gw" || hop_word(&mut self.line, word, &mut self.hop)
    }

    fn kind_or_destination(&mut self, word: &'a Word) {
        let text = word.text.as_str();
        if let Some(&(_, kind)) = RouteKind::WORDS.iter().find(|(name, _)| *name == text) {
            self.route.kind = kind;
            self.route.position = kind.position();
            // `blackhole 10.0.0.0/8`, and keepalived insists on that order.
            if let Some(value) = self.line.value(word) {
                self.set_destination(value);
            }
        } else if NO_KINDS.contains(&text) {
            let message = format!("Linux has no `{text}` routes");
            self.line.fail(code::KERNEL_REFUSES, word.span, message);
            self.line.next();
        } else if is_destination(text) {
            self.set_destination(word);
        } else {
            self.line.unknown(word, keywords::words(Block::Routes));
        }
    }

    fn set_destination(&mut self, word: &'a Word) {
        if self.destination.is_some() && self.line.has_failed() {
            // A value of something that could not be read.
            return;
        }
        if self.destination.is_some() {
            let message = "there is a destination already; the last one counts";
            self.line.findings.report(code::GIVEN_TWICE, word.span, message);
        }
        self.destination = self.line.prefix(word).map(|prefix| (prefix, word));
    }

    fn or(&mut self, word: &Word) {
        let message = "`or` is out of use in a route";
        self.line
            .findings
            .report(code::DEPRECATED, word.span, message)
            .help("use `nexthop via … nexthop via …`, as which it is read");
        let gateway = self.line.address(word);
        if self.or.is_some() {
            let message = "there is an `or` already; this one is ignored";
            self.line.findings.report(code::READ_OTHERWISE, word.span, message);
            return;
        }
        self.or = Some(NextHop { gateway, ..NextHop::default() });
    }

    /// By word, or by the number that the kernel has for it.
    fn preference(&mut self, word: &'a Word) {
        self.ipv6_words.push(word);
        let [low, medium, high] = Preference::WORDS;
        let numbers = [("0", medium.1), ("1", high.1), ("3", low.1)];
        let choices = [low, medium, high].into_iter().chain(numbers).collect::<Vec<_>>();
        self.route.preference = self.choice(word, &choices);
    }

    fn choice<T: Copy>(&mut self, word: &Word, choices: &[(&str, T)]) -> Option<T> {
        let value = self.line.value(word)?;
        let found = choices.iter().find(|(name, _)| *name == value.text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let message = format!("`{} {}`: no such value", word.text, value.text);
            self.line.fail(code::BAD_CHOICE, value.span, message).help(names.join(", "));
        }
        found.map(|(_, value)| *value)
    }

    /// `nexthop … nexthop …`, to the end of the line.
    fn read_hops(&mut self, first: &'a Word) {
        let mut hop = NextHop::default();
        let mut empty = true;
        while let Some(word) = self.line.next() {
            empty = false;
            match word.text.as_str() {
                "nexthop" => self.hops.push(std::mem::take(&mut hop)),
                "weight" => hop.weight = self.line.number(word, 1..=256).unwrap_or(1),
                "realms" => {
                    self.ipv4_words.push(word);
                    hop_word(&mut self.line, word, &mut hop);
                }
                _ if hop_word(&mut self.line, word, &mut hop) => {}
                text if is_word(text) => {
                    let message = format!("`{text}` stands behind `nexthop`");
                    self.line
                        .fail(code::UNKNOWN_ROUTE_WORD, word.span, message)
                        .help("put it in front of the first `nexthop`");
                    self.line.skip_rest();
                }
                _ => self.line.unknown(word, HOP_WORDS.into_iter()),
            }
        }
        if empty {
            self.line.fail(code::UNKNOWN_ROUTE_WORD, first.span, "`nexthop` has nothing behind it");
        }
        self.hops.push(hop);
    }

    /// What only the whole line tells.
    fn finish(mut self) -> Option<Route> {
        let family = self.line.family().unwrap_or(Family::V4);
        for word in std::mem::take(&mut self.ipv4_words) {
            self.line.only_for(Family::V4, Some(word), family);
        }
        for word in std::mem::take(&mut self.ipv6_words) {
            self.line.only_for(Family::V6, Some(word), family);
        }
        if self.destination.is_none() && !self.line.has_failed() {
            let span = self.line.span();
            self.line.fail(code::NO_DESTINATION, span, "a route without a destination");
        }
        if self.or.is_some() && !self.hops.is_empty() {
            let span = self.line.span();
            self.line.fail(code::READ_OTHERWISE, span, "`or` does not go with `nexthop`");
        }
        let (prefix, word) = self.destination?;
        if self.line.has_failed() {
            return None;
        }
        self.route.destination = self.network(prefix.unwrap_or(Prefix::everything(family)), word);
        self.check_protocol();
        let followed = self.hop.device.is_some();
        self.set_hops();
        self.set_tracking(followed);
        Some(self.route)
    }

    /// The kernel refuses an IPv4 destination with host bits.
    fn network(&mut self, prefix: Prefix, word: &Word) -> Prefix {
        let network = prefix.network();
        if network != prefix {
            let message = format!("`{prefix}` has bits set behind the first {}", prefix.length);
            self.line
                .findings
                .report(code::HOST_BITS, word.span, message)
                .help(format!("{network} is used; as it stands, Linux would refuse it"));
        }
        network
    }

    /// keepalived follows routes by their protocol.
    fn check_protocol(&mut self) {
        let own = Named::Number(KEEPALIVED);
        if let Some(word) = self.protocol.filter(|_| self.track.off.is_none())
            && self.route.protocol != own
        {
            let message = format!(
                "a route of `protocol {}` cannot be tracked; {KEEPALIVED} is used",
                self.route.protocol
            );
            self.line
                .findings
                .report(code::UNTRACKED, word.span, message)
                .help("add `no_track` to keep the protocol");
            self.route.protocol = own;
        }
    }

    fn set_hops(&mut self) {
        let hop = std::mem::take(&mut self.hop);
        let superfluous = match (self.way, self.route.kind) {
            (Some(way), kind) if kind.forwards_nothing() => {
                Some((way, "a route that forwards nothing has no way"))
            }
            (Some(way), _) if !self.hops.is_empty() => {
                Some((way, "the ways are those behind `nexthop`"))
            }
            _ => None,
        };
        if let Some((way, why)) = superfluous {
            let message = format!("`{}`: {why}; it is ignored", way.text);
            self.line
                .findings
                .report(code::KERNEL_REFUSES, way.span, message)
                .help("as it stands, Linux would refuse the route");
        }
        if self.route.kind.forwards_nothing() {
            return;
        }
        let hops = std::mem::take(&mut self.hops);
        self.route.hops = match self.or.take() {
            Some(or) => vec![hop.clone(), NextHop { gateway: or.gateway, ..hop }],
            None if !hops.is_empty() => hops,
            None if hop == NextHop::default() => Vec::new(),
            None => vec![hop],
        };
        if let [only] = &mut self.route.hops[..] {
            only.weight = 1;
            if *only == NextHop::default() {
                self.route.hops.clear();
            }
        }
    }

    /// `followed`: the route itself, not only its `nexthop`s, names an interface.
    fn set_tracking(&mut self, followed: bool) {
        let TrackWords { off, group } = std::mem::take(&mut self.track);
        if let (Some(off), Some(_)) = (off, group) {
            let message = "`no_track` and `track_group` exclude each other; it is not tracked";
            self.line.findings.report(code::TRACKED_AND_NOT, off.span, message);
        }
        if off.is_none() && !followed {
            let instead = if self.route.kind.forwards_nothing() || self.route.hops.len() > 1 {
                "add `no_track`, which says so"
            } else {
                "add `dev IF`, or `no_track` if that is meant"
            };
            let message = "keepalived cannot track a route without `dev`: it is not tracked";
            self.line.findings.report(code::UNTRACKED, self.route.span, message).help(instead);
        }
        // Without a way of its own there is nothing by which to tell that it is still there.
        let followable = matches!(&self.route.hops[..], [only] if only.device.is_some());
        let trackable = off.is_none() && followed && followable;
        self.route.tracking = match group {
            _ if !trackable => Tracking::Off,
            Some(group) => Tracking::Group(group.text.clone()),
            None => Tracking::On,
        };
    }
}

/// A word of a way, or `false`.
fn hop_word(line: &mut Line<'_>, word: &Word, hop: &mut NextHop) -> bool {
    match word.text.as_str() {
        "via" => {
            // `via inet6 fe80::1`
            if let Some(family @ ("inet" | "inet6")) = line.peek()
                && let Some(name) = line.next()
            {
                let family = if family == "inet" { Family::V4 } else { Family::V6 };
                line.set_family(family, name.span);
            }
            hop.gateway = line.address(word);
        }
        "dev" | "oif" => hop.device = line.device(word),
        "onlink" => hop.onlink = true,
        "realms" => hop.realms = line.realms(word),
        "encap" => hop.encap = encap::read(line, word),
        _ => return false,
    }
    true
}

fn lockable(line: &mut Line<'_>, word: &Word) -> Option<Lockable<u32>> {
    let locked = line.take("lock");
    let value = line.number(word, 0..=u32::MAX)?;
    Some(Lockable { value, locked })
}

fn time(line: &mut Line<'_>, word: &Word, most: u64) -> Option<Lockable<Duration>> {
    let locked = line.take("lock");
    let value = line.milliseconds(word, Duration::from_secs(most))?;
    if value < SHORTEST {
        let message = format!("`{}`: keepalived 2.2 makes 200 ms of anything shorter", word.text);
        line.findings
            .report(code::SHORT_TIME, word.span, message)
            .help(format!("here it is {} ms", value.as_millis()));
    }
    Some(Lockable { value, locked })
}

/// What an option is called when it counts once.
fn option_of(text: &str) -> Option<&'static str> {
    let option = match text {
        "to" | "or" | "nexthop" | "track_group" => return None,
        "gw" => "via",
        "oif" => "dev",
        "dsfield" => "tos",
        "priority" | "preference" => "metric",
        text => keywords::words(Block::Routes).find(|word| *word == text)?,
    };
    Some(option)
}

fn is_word(text: &str) -> bool {
    keywords::words(Block::Routes).any(|word| word == text)
}

/// Whether a word can only be meant as a destination.
fn is_destination(text: &str) -> bool {
    matches!(text, "default" | "default6" | "any" | "all")
        || text.contains(':')
        || text.starts_with(|c: char| c.is_ascii_digit())
}
