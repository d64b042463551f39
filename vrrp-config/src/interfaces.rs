//! What is said about interfaces: `garp_group`, `linkbeat_interfaces`, `interface_up_down_delays`,
//! and `garp_extra_if`.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    time::Duration,
};

use super::{
    Instance, address, code,
    diagnostic::Findings,
    format::{Seconds, Text},
    lexer::Word,
    parser::{Statement, span_of},
    source::Place,
    suggest, values,
};

/// Longest delay of an interface.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(255);

/// What holds for interfaces, whichever virtual routers use them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interfaces {
    /// `garp_group`; no interface is in two of them.
    pub garp_groups: Vec<GarpGroup>,
    /// `linkbeat_interfaces`, each interface once.
    pub linkbeat: Vec<Linkbeat>,
    /// `interface_up_down_delays`, each interface once.
    pub delays: Vec<UpDownDelay>,
}

/// `garp_group`: interfaces that share their spacing, because they lead to one switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GarpGroup {
    /// `garp_interval`: spacing of gratuitous ARP, zero for none.
    pub garp_interval: Duration,
    /// `gna_interval`: spacing of Neighbor Advertisements, zero for none.
    pub gna_interval: Duration,
    /// `interface` or `interfaces`, at least one.
    pub interfaces: Vec<String>,
    /// Where the block begins.
    pub span: Place,
}

/// One line of `linkbeat_interfaces`: the interface is asked whether it has carrier, instead of
/// believing the kernel's notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linkbeat {
    /// Its name.
    pub interface: String,
    /// How; `None` for the first of the three that it supports.
    pub method: Option<LinkbeatMethod>,
    /// Where the line stands.
    pub span: Place,
}

/// How an interface is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkbeatMethod {
    /// `MII`: the registers of the transceiver.
    Mii,
    /// `ETHTOOL`.
    Ethtool,
    /// `IOCTL`: the flags of the interface.
    Ioctl,
}

impl LinkbeatMethod {
    pub(super) const WORDS: [(&'static str, Self); 3] =
        [("MII", Self::Mii), ("ETHTOOL", Self::Ethtool), ("IOCTL", Self::Ioctl)];
}

/// One line of `interface_up_down_delays`: for so long an interface has to stay down or up before
/// that counts. Shorter than it takes a Backup to notice a dead master, or two would be Active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpDownDelay {
    /// Its name.
    pub interface: String,
    /// Before a lost carrier leads to FAULT, 0-255 s.
    pub down: Duration,
    /// Before its return ends that, 0-255 s.
    pub up: Duration,
    /// Where the line stands.
    pub span: Place,
}

/// `garp_extra_if` and `vrrp_garp_extra_if`: gratuitous ARP on interfaces other than that of the
/// virtual router, where no adverts keep switches informed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraGarp {
    /// How often, 1-86400 s.
    pub interval: Duration,
    /// `all`: on all these interfaces, not only on those with a virtual MAC.
    pub all: bool,
}

/// Reads everything about interfaces that stands outside of instances.
pub(super) fn interfaces(tree: &[Statement], findings: &mut Findings) -> Interfaces {
    let blocks = |keyword| tree.iter().filter(move |block| block.keyword() == keyword);
    let mut interfaces = Interfaces::default();
    let mut taken = HashSet::new();
    for block in blocks("garp_group") {
        interfaces.garp_groups.extend(garp_group(block, &mut taken, findings));
    }
    let mut places = HashMap::new();
    for line in blocks("linkbeat_interfaces").flat_map(Statement::inner) {
        if let Some(linkbeat) = linkbeat(line, findings) {
            put(&mut interfaces.linkbeat, linkbeat, &mut places, line, findings);
        }
    }
    places.clear();
    for line in blocks("interface_up_down_delays").flat_map(Statement::inner) {
        if let Some(delay) = delay(line, findings) {
            put(&mut interfaces.delays, delay, &mut places, line, findings);
        }
    }
    interfaces
}

/// Adds what the line says, or puts it in the place of an earlier one about the same interface.
fn put<'a, T>(
    list: &mut Vec<T>,
    item: T,
    places: &mut HashMap<&'a str, usize>,
    line: &'a Statement,
    findings: &mut Findings,
) {
    let name = line.keyword();
    let place = *places.entry(name).or_insert(list.len());
    match list.get_mut(place) {
        None => list.push(item),
        Some(earlier) => {
            *earlier = item;
            let message = format!("`{name}` stands above already; the last line counts");
            findings.report(code::GIVEN_TWICE, line.keyword_span(), message);
        }
    }
}

/// One `garp_group`; `taken` are the interfaces of earlier ones.
fn garp_group(
    block: &Statement,
    taken: &mut HashSet<String>,
    findings: &mut Findings,
) -> Option<GarpGroup> {
    let mut group = GarpGroup { span: block.span().into(), ..GarpGroup::default() };
    let (mut named, mut unreadable) = (false, false);
    for line in block.inner() {
        let names: Vec<&Word> = match line.keyword() {
            "interface" => values::argument(line).into_iter().collect(),
            "interfaces" => line.inner().iter().flat_map(|line| &line.words).collect(),
            "garp_interval" => {
                let time = values::seconds(line);
                unreadable |= time.is_none();
                group.garp_interval = time.unwrap_or_default();
                continue;
            }
            "gna_interval" => {
                let time = values::seconds(line);
                unreadable |= time.is_none();
                group.gna_interval = time.unwrap_or_default();
                continue;
            }
            _ => continue,
        };
        named = true;
        if names.is_empty() {
            let message = "`interfaces` is empty";
            findings
                .report(code::GARP_GROUP, line.span(), message)
                .help("name them: `interfaces { eth0 eth1 }`");
        }
        for name in names {
            let Some(interface) = address::interface(name, findings) else {
                continue;
            };
            if taken.insert(interface.clone()) {
                group.interfaces.push(interface);
                continue;
            }
            let message = format!("`{interface}` is in a garp_group already; it stays in that one");
            findings.report(code::GARP_GROUP, name.span, message);
        }
    }
    if group.garp_interval.is_zero() && group.gna_interval.is_zero() {
        if !unreadable {
            findings
                .report(code::GARP_GROUP, group.span, "a garp_group without a spacing does nothing")
                .help("give it a `garp_interval` or `gna_interval`");
        }
        return None;
    }
    if group.interfaces.is_empty() {
        if !named {
            findings
                .report(code::DOES_NOTHING, group.span, "a garp_group without interfaces")
                .help("name them: `interfaces { eth0 eth1 }`");
        }
        return None;
    }
    Some(group)
}

/// `IF [MII|ETHTOOL|IOCTL]`.
fn linkbeat(line: &Statement, findings: &mut Findings) -> Option<Linkbeat> {
    let interface = address::interface(line.words.first()?, findings)?;
    let mut method = None;
    if let Some((word, extra)) = line.arguments().split_first() {
        let words = LinkbeatMethod::WORDS;
        method = words.iter().find(|(name, _)| *name == word.text).map(|(_, method)| *method);
        if method.is_none() {
            let message = format!("`{}` is no way to ask an interface", word.text);
            let names = words.map(|(name, _)| name);
            let help = match suggest::nearest(&word.text, names.into_iter()) {
                Some(meant) => format!("did you mean `{meant}`? The first that works is used"),
                None => format!("one of {}; the first that works is used", names.join(", ")),
            };
            findings.report(code::BAD_CHOICE, word.span, message).help(help);
        }
        if !extra.is_empty() {
            findings
                .report(code::EXTRA_LINKBEAT, span_of(extra), "these words are ignored")
                .help("each interface has a line of its own");
        }
    }
    Some(Linkbeat { interface, method, span: line.span().into() })
}

/// `IF DOWN [UP]`.
fn delay(line: &Statement, findings: &mut Findings) -> Option<UpDownDelay> {
    let name = line.words.first()?;
    let interface = address::interface(name, findings)?;
    let Some(down) = line.arguments().first() else {
        let message = format!("`{interface}` has no delay behind it");
        findings.report(code::DOES_NOTHING, name.span, message).help("`IF DOWN [UP]`, in seconds");
        return None;
    };
    let mut seconds = |word: &Word| {
        let range = Duration::ZERO..=MAX_DELAY;
        values::seconds_of(word, &interface, range, "the line is ignored", findings)
    };
    let down = seconds(down)?;
    let up = match line.arguments().get(1) {
        Some(up) => seconds(up)?,
        None => down,
    };
    if let Some(extra @ [_, ..]) = line.arguments().get(2..) {
        findings.report(code::EXTRA_WORDS, span_of(extra), "the words behind `UP` are ignored");
    }
    Some(UpDownDelay { interface, down, up, span: line.span().into() })
}

/// Shortens delays to less than it takes a Backup to notice that its master is gone, without the
/// skew: a virtual router that waits longer is Active beside another one.
pub(super) fn limit_delays(
    delays: &mut [UpDownDelay],
    instances: &[Instance],
    findings: &mut Findings,
) {
    let mut strictest: HashMap<&str, (Duration, &str)> = HashMap::new();
    for instance in instances {
        let adverts = u32::from(instance.down_timer_adverts.saturating_sub(1));
        let patience = instance.interval.duration() * adverts;
        let entry = strictest.entry(&instance.interface).or_insert((patience, &instance.name));
        if patience < entry.0 {
            *entry = (patience, &instance.name);
        }
    }
    for delay in delays {
        let Some(&(patience, name)) = strictest.get(delay.interface.as_str()) else {
            continue;
        };
        let longest = patience.saturating_sub(Duration::from_micros(1));
        if delay.down.max(delay.up) <= longest {
            continue;
        }
        let message = format!(
            "the delay of `{}` has to be below {} s, (down_timer_adverts - 1) x advert_int of `{name}`",
            delay.interface,
            patience.as_secs_f64(),
        );
        findings
            .report(code::DELAY_TOO_LONG, delay.span, message)
            .help(format!("it is shortened to {} s", longest.as_secs_f64()));
        delay.down = delay.down.min(longest);
        delay.up = delay.up.min(longest);
    }
}

/// `[all] SECONDS`; an interval of zero switches it off.
pub(super) fn extra_garp(line: &Statement, findings: &mut Findings) -> Option<ExtraGarp> {
    let mut words = line.arguments().iter().map(|word| word.text == "all");
    let all = words.clone().any(|is_all| is_all);
    if words.all(|is_all| is_all) {
        let message = format!("`{}` has no time; the line is ignored", line.keyword());
        findings.report(code::MISSING_VALUE, line.span(), message);
        return None;
    }
    let seconds = values::numbers(line).first().copied()?;
    Some(ExtraGarp { interval: Duration::from_secs(seconds), all })
}

impl fmt::Display for GarpGroup {
    /// The block, as keepalived reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "garp_group {{")?;
        let times = [("garp_interval", self.garp_interval), ("gna_interval", self.gna_interval)];
        for (word, time) in times.into_iter().filter(|(_, time)| !time.is_zero()) {
            writeln!(f, "    {word} {}", Seconds(time))?;
        }
        writeln!(f, "    interfaces {{")?;
        for interface in &self.interfaces {
            writeln!(f, "        {}", Text(interface))?;
        }
        write!(f, "    }}\n}}")
    }
}

impl fmt::Display for Linkbeat {
    /// The line, as keepalived reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = LinkbeatMethod::WORDS;
        let method = words.iter().find(|(_, method)| Some(*method) == self.method);
        Text(&self.interface).fmt(f)?;
        method.map_or(Ok(()), |(word, _)| write!(f, " {word}"))
    }
}

impl fmt::Display for UpDownDelay {
    /// The line, as keepalived reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", Text(&self.interface), Seconds(self.down), Seconds(self.up))
    }
}

impl fmt::Display for ExtraGarp {
    /// What stands behind `garp_extra_if`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.all { "all " } else { "" }, Seconds(self.interval))
    }
}
