//! Reading one line of `static_rules` or `virtual_rules`.

use std::{fmt, ops::RangeInclusive};

use vrrp_common::Family;

use super::{
    line::{Line, List, TrackWords, any_base},
    names::{GROUPS, KEEPALIVED, NO_NAMES, Named, TABLES, Tracking},
    rule::{Action, Mark, Rule},
};
use crate::{
    code,
    diagnostic::Findings,
    keywords::{self, Block},
    lexer::Word,
    parser::Statement,
};

/// Protocols above IP by name (IANA); keepalived looks others up on the host.
const IP_PROTOCOLS: [(&str, u8); 14] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Reads one line. `None`: it has a mistake, which has been reported.
pub(super) fn read<'a>(
    statement: &'a Statement,
    list: List<'a>,
    findings: &'a mut Findings,
) -> Option<Rule> {
    let line = Line::new("rule", statement, findings);
    let mut reader = Reader {
        rule: Rule::new(Family::V4, Action::Nop, line.span().into()),
        line,
        list,
        action: None,
        protocol: None,
        realms: None,
        suppressor: None,
        track: TrackWords::default(),
    };
    while let Some(word) = reader.line.next() {
        reader.word(word);
    }
    reader.finish()
}

struct Reader<'a> {
    line: Line<'a>,
    list: List<'a>,
    rule: Rule,
    action: Option<Action>,
    protocol: Option<&'a Word>,
    realms: Option<&'a Word>,
    suppressor: Option<&'a Word>,
    track: TrackWords<'a>,
}

impl<'a> Reader<'a> {
    /// One word, and those behind it that belong to it.
    fn word(&mut self, word: &'a Word) {
        if let Some(option) = option_of(&word.text) {
            self.line.once(option, word);
        }
        let line = &mut self.line;
        match word.text.as_str() {
            "inet" | "inet6" => line.family_word(word),
            "not" => self.rule.inverted = true,
            "from" => {
                self.rule.from = line.value(word).and_then(|value| line.prefix(value)).flatten();
            }
            "to" => self.rule.to = line.value(word).and_then(|value| line.prefix(value)).flatten(),
            "preference" | "priority" | "order" => {
                self.rule.preference = Some(line.number(word, 0..=u32::MAX).unwrap_or(0));
            }
            "tos" | "dsfield" => {
                let tos = line.named(word, NO_NAMES, u8::MAX);
                self.rule.tos = tos.unwrap_or(Named::Number(0));
            }
            "fwmark" => self.rule.mark = mark(line, word),
            "iif" | "dev" => self.rule.input = line.device(word),
            "oif" => self.rule.output = line.device(word),
            "uidrange" => self.rule.users = range(line, word, false),
            "sport" => self.rule.source_ports = range(line, word, true),
            "dport" => self.rule.destination_ports = range(line, word, true),
            "ipproto" | "ip_proto" => {
                read_otherwise(line, word, "ip_proto", "ipproto");
                self.rule.ip_protocol = ip_protocol(line, word);
            }
            "tunnel-id" | "tun_id" => {
                read_otherwise(line, word, "tun_id", "tunnel-id");
                self.rule.tunnel = line.number(word, 0..=u64::MAX);
            }
            "realms" => {
                self.realms = Some(word);
                self.rule.realms = line.realms(word);
            }
            "suppress_prefixlength" | "sup_pl" => {
                self.suppressor = Some(word);
                self.rule.suppress_prefix_length = line.number(word, 0..=128);
            }
            "suppress_ifgroup" | "sup_group" => {
                self.suppressor = Some(word);
                self.rule.suppress_group = line.named(word, GROUPS, u32::MAX);
            }
            "protocol" => {
                self.protocol = Some(word);
                self.rule.protocol = line.number(word, 0..=u8::MAX).unwrap_or(KEEPALIVED);
            }
            "track_group" | "no_track" => line.track_word(word, self.list, &mut self.track),
            "type" => {
                if let Some(value) = line.value(word) {
                    self.action(value);
                }
            }
            _ => self.action(word),
        }
    }

    /// Exactly one of them is needed.
    fn action(&mut self, word: &'a Word) {
        let action = match word.text.as_str() {
            "table" | "lookup" => self.line.named(word, TABLES, u32::MAX).map(Action::Table),
            "goto" => self.line.number(word, 0..=u32::MAX).map(Action::Goto),
            "l3mdev" => Some(Action::L3mdev),
            "nop" => Some(Action::Nop),
            "blackhole" => Some(Action::Blackhole),
            "unreachable" => Some(Action::Unreachable),
            "prohibit" => Some(Action::Prohibit),
            _ => {
                self.line.unknown(word, keywords::words(Block::Rules));
                None
            }
        };
        let Some(action) = action else {
            return;
        };
        if action == Action::Table(Named::Number(0)) {
            self.line.fail(code::RULE_ACTION, word.span, "there is no table 0");
        }
        if self.action.is_some() {
            let message =
                format!("`{}`: a rule has one action, and there is one already", word.text);
            self.line
                .fail(code::RULE_ACTION, word.span, message)
                .help("one of table, l3mdev, goto, nop, blackhole, unreachable, prohibit");
        }
        self.action = Some(action);
    }

    /// What only the whole line tells.
    fn finish(mut self) -> Option<Rule> {
        self.rule.family = self.line.family().unwrap_or(Family::V4);
        self.line.only_for(Family::V4, self.realms, self.rule.family);
        let span = self.rule.span.0;
        if self.action.is_none() && !self.line.has_failed() {
            self.line
                .fail(code::RULE_ACTION, span, "a rule that does nothing")
                .help("name a `table`, or goto, nop, blackhole, unreachable, prohibit or l3mdev");
        }
        let action = self.action.take()?;
        self.check_action(&action);
        if self.line.has_failed() {
            return None;
        }
        self.rule.action = action;
        if self.rule.preference.is_none() {
            let message = "a rule without `preference`: keepalived chooses 16384 and counts down";
            self.line
                .findings
                .report(code::NO_PREFERENCE, span, message)
                .help("add `preference N`: lower numbers are tried first");
        }
        self.check_protocol();
        self.set_tracking();
        Some(self.rule)
    }

    /// What goes with an action.
    fn check_action(&mut self, action: &Action) {
        let with_table = matches!(action, Action::Table(_) | Action::L3mdev);
        if let Some(word) = self.suppressor.or(self.realms).filter(|_| !with_table) {
            let message = format!("`{}` goes with `table` only", word.text);
            self.line.fail(code::RULE_ACTION, word.span, message);
        }
        let Action::Goto(target) = *action else {
            return;
        };
        let span = self.rule.span.0;
        match self.rule.preference {
            None => {
                self.line
                    .fail(code::BAD_GOTO, span, "`goto` without a `preference` of the rule itself")
                    .help(format!("add `preference N`, with N below {target}"));
            }
            Some(own) if own >= target => {
                let message =
                    format!("`goto {target}` leads back: the rule's own preference is {own}");
                self.line.fail(code::BAD_GOTO, span, message).help("rules are tried upwards only");
            }
            Some(_) => {}
        }
    }

    /// keepalived follows rules by their protocol.
    fn check_protocol(&mut self) {
        let foreign = self.rule.protocol != KEEPALIVED && self.track.off.is_none();
        if let Some(word) = self.protocol.filter(|_| foreign) {
            let message = format!(
                "a rule of `protocol {}` cannot be tracked; {KEEPALIVED} is used",
                self.rule.protocol
            );
            self.line
                .findings
                .report(code::UNTRACKED, word.span, message)
                .help("add `no_track` to keep the protocol");
            self.rule.protocol = KEEPALIVED;
        }
    }

    fn set_tracking(&mut self) {
        let TrackWords { off, group } = std::mem::take(&mut self.track);
        let followed = self.rule.input.is_some();
        if let Some(group) = group.filter(|_| !followed) {
            let message = "a rule without `iif` has no track_group";
            self.line
                .findings
                .report(code::TRACK_GROUP, group.span, message)
                .help("it is restored when it is deleted, and no more");
        } else if let (Some(off), Some(_)) = (off, group) {
            let message = "`no_track` and `track_group` exclude each other; it is not tracked";
            self.line.findings.report(code::TRACKED_AND_NOT, off.span, message);
        }
        self.rule.tracking = match group.filter(|_| followed) {
            _ if off.is_some() => Tracking::Off,
            Some(group) => Tracking::Group(group.text.clone()),
            None => Tracking::On,
        };
    }
}

/// Words of the manual that keepalived 2.2 does not know by that name.
fn read_otherwise(line: &mut Line<'_>, word: &Word, unknown: &str, known: &str) {
    if word.text == unknown {
        let message = format!("keepalived 2.2 knows `{unknown}` only as `{known}`");
        line.findings
            .report(code::READ_OTHERWISE, word.span, message)
            .help(format!("write `{known}`, as which it is read"));
    }
}

/// `MARK[/MASK]`.
fn mark(line: &mut Line<'_>, option: &Word) -> Option<Mark> {
    let word = line.value(option)?;
    let (mark, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xffffffff"));
    let number = |text| any_base(text).and_then(|number| u32::try_from(number).ok());
    let mark = number(mark).zip(number(mask)).map(|(mark, mask)| Mark { mark, mask });
    if mark.is_none() {
        let message = format!("`fwmark {}`: this is no mark", word.text);
        line.fail(code::BAD_NUMBER, word.span, message)
            .help("`fwmark MARK` or `fwmark MARK/MASK`, numbers of 32 bits");
    }
    mark
}

/// `FIRST-LAST`. `single`: one number is meant as both.
fn range<T>(line: &mut Line<'_>, option: &Word, single: bool) -> Option<RangeInclusive<T>>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    let word = line.value(option)?;
    let text = word.text.as_str();
    if single && !text.contains('-') && text.parse::<T>().is_ok() {
        let message = format!("`{} {text}`: keepalived 2.2 wants a range", option.text);
        line.findings
            .report(code::READ_OTHERWISE, word.span, message)
            .help(format!("write `{} {text}-{text}`, as which it is read", option.text));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, if single { text } else { "" }));
    let Some((first, last)) = first.parse::<T>().ok().zip(last.parse::<T>().ok()) else {
        let message = format!("`{} {text}`: this is no range", option.text);
        line.fail(code::OUT_OF_RANGE, word.span, message)
            .help(format!("`{} FIRST-LAST`", option.text));
        return None;
    };
    if first > last {
        let message = format!("`{} {text}`: the range ends before it begins", option.text);
        line.fail(code::KERNEL_REFUSES, word.span, message)
            .help(format!("write `{} {last}-{first}`", option.text));
        return None;
    }
    Some(first..=last)
}

/// By number, or by name in whatever case.
fn ip_protocol(line: &mut Line<'_>, option: &Word) -> Option<u8> {
    let word = line.value(option)?;
    let named = IP_PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
    // 255 is reserved.
    let number = || word.text.parse().ok().filter(|number| *number != u8::MAX);
    let number = named.map(|(_, number)| *number).or_else(number);
    if number.is_none() {
        let message = format!("`{} {}`: this is no protocol", option.text, word.text);
        line.fail(code::BAD_CHOICE, word.span, message).help("a name such as tcp, or 0-254");
    }
    number
}

/// What an option is called when it counts once.
fn option_of(text: &str) -> Option<&'static str> {
    let option = match text {
        "track_group" => return None,
        "priority" | "order" => "preference",
        "dsfield" => "tos",
        "dev" => "iif",
        "sup_pl" => "suppress_prefixlength",
        "sup_group" => "suppress_ifgroup",
        // A second action is a mistake of its own.
        "table" | "lookup" | "goto" | "nop" | "blackhole" | "unreachable" | "prohibit"
        | "l3mdev" | "type" => return None,
        text => keywords::words(Block::Rules).find(|word| *word == text)?,
    };
    Some(option)
}
