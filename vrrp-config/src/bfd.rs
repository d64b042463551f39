//! `bfd_instance`: a session of Bidirectional Forwarding Detection (RFC 5880, 5881, 5883).

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

use super::{
    Weight, code,
    diagnostic::Findings,
    format::Text,
    lexer::Word,
    parser::Statement,
    source::{Place, Span},
    values,
};

/// Longest name of an instance.
const MAX_NAME: usize = 31;

/// Port of sessions over one hop (RFC 5881 4), and over several (RFC 5883 5).
const PORTS: (u16, u16) = (3784, 4784);

/// One `bfd_instance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// The name behind `bfd_instance`.
    pub name: String,
    /// `neighbor_ip`.
    pub neighbor: IpAddr,
    /// `source_ip`, of the same family.
    pub source: Option<IpAddr>,
    /// `min_rx`: how often packets of the neighbour are wanted at most; 1 ms or more.
    pub min_rx: Duration,
    /// `min_tx`: how often ours are sent at most; 1 ms or more.
    pub min_tx: Duration,
    /// `idle_tx`: how often while the session is not up; 1 s or more.
    pub idle_tx: Duration,
    /// `multiplier`: the session is down after so many packets that did not come.
    pub multiplier: u8,
    /// `passive`: the neighbour begins.
    pub passive: bool,
    /// `ttl` or `hoplimit` of what we send, 1-255.
    pub ttl: u8,
    /// `max_hops`: how much less packets of the neighbour may have; `None` for any.
    pub max_hops: Option<u8>,
    /// `multihop`: the neighbour may be several hops away.
    pub multihop: bool,
    /// `weight`, -253 to 253, of whoever tracks it and gives none.
    pub weight: Weight,
    /// Virtual routers hear of it: `vrrp`, or neither `vrrp` nor `checker`.
    pub for_vrrp: bool,
    /// Checkers of virtual servers hear of it: `checker`, or neither.
    pub for_checkers: bool,
    /// The name's place.
    pub span: Place,
}

impl Bfd {
    /// UDP port of the neighbour.
    pub const fn port(&self) -> u16 {
        if self.multihop { PORTS.1 } else { PORTS.0 }
    }
}

/// Reads every `bfd_instance` of a file.
pub(super) fn instances(tree: &[Statement], findings: &mut Findings) -> Vec<Bfd> {
    let mut all: Vec<Bfd> = Vec::new();
    let mut names = HashSet::new();
    let mut neighbors: HashMap<IpAddr, HashSet<Option<IpAddr>>> = HashMap::new();
    for block in tree.iter().filter(|block| block.keyword() == "bfd_instance") {
        let Some(name) = values::argument(block) else {
            continue;
        };
        if name.text.len() > MAX_NAME {
            let message = format!("the name `{}` is longer than {MAX_NAME} characters", name.text);
            findings.report(code::NAME_TOO_LONG, name.span, message).help(IGNORED);
            continue;
        }
        if !names.insert(name.text.as_str()) {
            let message = format!("there is a bfd_instance `{}` already", name.text);
            findings.report(code::DUPLICATE_NAME, name.span, message).help(IGNORED);
            continue;
        }
        let Some(bfd) = Draft::read(block).complete(name, findings) else {
            continue;
        };
        // Two sessions with one neighbour are told apart by their sources alone.
        let sources = neighbors.entry(bfd.neighbor).or_default();
        let taken = match bfd.source {
            None => !sources.is_empty(),
            own => sources.contains(&own) || sources.contains(&None),
        };
        if taken {
            let message =
                format!("there is a bfd_instance with the neighbour {} already", bfd.neighbor);
            findings.report(code::BFD, name.span, message).help(IGNORED);
            continue;
        }
        sources.insert(bfd.source);
        all.push(bfd);
    }
    all
}

const IGNORED: &str = "this bfd_instance is ignored";

/// One block as it is written. What was wrong has been reported and is absent.
#[derive(Default)]
struct Draft {
    neighbor: Option<IpAddr>,
    /// A neighbour was there and has been reported.
    unusable: bool,
    source: Option<IpAddr>,
    min_rx: Option<Duration>,
    min_tx: Option<Duration>,
    idle_tx: Option<Duration>,
    multiplier: Option<u8>,
    passive: bool,
    ttl: Option<u8>,
    max_hops: Option<(u8, Span)>,
    multihop: bool,
    weight: Option<Weight>,
    for_vrrp: bool,
    for_checkers: bool,
}

impl Draft {
    fn read(block: &Statement) -> Self {
        let mut draft = Self::default();
        for line in block.inner() {
            draft.apply(line);
        }
        draft
    }

    fn apply(&mut self, line: &Statement) {
        match line.name {
            "neighbor_ip" => {
                let neighbor = values::address(line);
                self.unusable |= neighbor.is_none();
                self.neighbor = neighbor.or(self.neighbor);
            }
            "source_ip" => self.source = values::address(line).or(self.source),
            "min_rx" => self.min_rx = micros(line).or(self.min_rx),
            "min_tx" => self.min_tx = micros(line).or(self.min_tx),
            "idle_tx" => self.idle_tx = micros(line).or(self.idle_tx),
            "multiplier" => self.multiplier = values::number(line).or(self.multiplier),
            "ttl" | "hoplimit" => self.ttl = values::number(line).or(self.ttl),
            "max_hops" => self.max_hops = max_hops(line).or(self.max_hops),
            "passive" => self.passive = true,
            "multihop" => self.multihop = values::switch(line).unwrap_or(self.multihop),
            "vrrp" => self.for_vrrp = true,
            "checker" => self.for_checkers = true,
            "weight" => self.weight = weight(line).or(self.weight),
            _ => {}
        }
    }

    /// With keepalived's defaults.
    fn complete(self, name: &Word, findings: &mut Findings) -> Option<Bfd> {
        let neighbor = match self.neighbor {
            _ if self.unusable => return None,
            Some(neighbor) => neighbor,
            None => {
                let message = format!("`{}` has no neighbor_ip", name.text);
                findings.report(code::BFD, name.span, message).help(IGNORED);
                return None;
            }
        };
        if let Some(source) = self.source.filter(|own| own.is_ipv4() != neighbor.is_ipv4()) {
            let message = format!("source_ip {source} and neighbor_ip {neighbor} differ in family");
            findings.report(code::BFD, name.span, message).help(IGNORED);
            return None;
        }
        let ttl = self.ttl.unwrap_or(default_ttl(neighbor));
        let max_hops = match self.max_hops {
            None => Some(0),
            Some((u8::MAX, _)) => None,
            Some((hops, span)) if hops > ttl => {
                let message = format!("max_hops {hops} is more than the ttl, {ttl}; {ttl} is used");
                findings.report(code::BFD, span, message);
                Some(ttl)
            }
            Some((hops, _)) => Some(hops),
        };
        let weight = self.weight.unwrap_or_default();
        let everyone = !self.for_vrrp && !self.for_checkers;
        Some(Bfd {
            name: name.text.clone(),
            neighbor,
            source: self.source,
            min_rx: self.min_rx.unwrap_or(DEFAULT_INTERVAL),
            min_tx: self.min_tx.unwrap_or(DEFAULT_INTERVAL),
            idle_tx: self.idle_tx.unwrap_or(DEFAULT_IDLE),
            multiplier: self.multiplier.unwrap_or(DEFAULT_MULTIPLIER),
            passive: self.passive,
            ttl,
            max_hops,
            multihop: self.multihop,
            weight,
            for_vrrp: self.for_vrrp || everyone,
            for_checkers: self.for_checkers || everyone,
            span: name.span.into(),
        })
    }
}

const DEFAULT_INTERVAL: Duration = Duration::from_millis(10);
const DEFAULT_IDLE: Duration = Duration::from_secs(1);
const DEFAULT_MULTIPLIER: u8 = 5;

/// 255 with IPv4, 64 with IPv6.
const fn default_ttl(neighbor: IpAddr) -> u8 {
    if neighbor.is_ipv4() { 255 } else { 64 }
}

/// A time, whose clock has microseconds.
fn micros(line: &Statement) -> Option<Duration> {
    let time = values::seconds(line)?;
    Some(Duration::from_micros(u64::try_from(time.as_micros()).ok()?))
}

/// 0-255, of which 255 is for any number, as -1 is in keepalived 2.2.
fn max_hops(line: &Statement) -> Option<(u8, Span)> {
    let hops: i64 = values::number(line)?;
    Some((u8::try_from(hops).unwrap_or(u8::MAX), line.span()))
}

/// `weight N [reverse]`.
fn weight(line: &Statement) -> Option<Weight> {
    let reverse = line.arguments().get(1).is_some_and(|word| word.text == "reverse");
    Weight::new(values::number(line)?, reverse)
}

impl fmt::Display for Bfd {
    /// The block, as keepalived reads it; what is as it would be anyway is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max_hops = self.max_hops.unwrap_or(u8::MAX);
        let lines = [
            (true, format!("neighbor_ip {}", self.neighbor)),
            (
                self.source.is_some(),
                self.source.map(|own| format!("source_ip {own}")).unwrap_or_default(),
            ),
            (self.min_rx != DEFAULT_INTERVAL, format!("min_rx {}", Millis(self.min_rx))),
            (self.min_tx != DEFAULT_INTERVAL, format!("min_tx {}", Millis(self.min_tx))),
            (self.idle_tx != DEFAULT_IDLE, format!("idle_tx {}", Millis(self.idle_tx))),
            (self.multiplier != DEFAULT_MULTIPLIER, format!("multiplier {}", self.multiplier)),
            (self.passive, "passive".to_owned()),
            (self.ttl != default_ttl(self.neighbor), format!("ttl {}", self.ttl)),
            (max_hops != 0, format!("max_hops {max_hops}")),
            (self.multihop, "multihop".to_owned()),
            (self.weight != Weight::default(), format!("weight {}", self.weight)),
            (!self.for_checkers, "vrrp".to_owned()),
            (!self.for_vrrp, "checker".to_owned()),
        ];
        writeln!(f, "bfd_instance {} {{", Text(&self.name))?;
        for (_, line) in lines.iter().filter(|(needed, _)| *needed) {
            writeln!(f, "    {line}")?;
        }
        f.write_str("}")
    }
}

/// A time in milliseconds, to the microsecond.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0.as_millis(), self.0.subsec_micros() % 1000);
        if micros == 0 { write!(f, "{whole}") } else { write!(f, "{whole}.{micros:03}") }
    }
}
