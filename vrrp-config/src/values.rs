//! Numbers, times, switches, choices and addresses: from words to values, each as its row in the table
//! of keywords has it.
//!
//! The audit reads every word once and reports what cannot be read; as in keepalived the line has no
//! effect then, or what the row says. [`number`] and the others take what it has read.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    time::Duration,
};

use super::{
    address::MAX_NAME,
    code,
    diagnostic::{self, Diagnostic, Findings},
    keywords::{Kind, Range},
    lexer::Word,
    parser::Statement,
    slips, suggest,
};

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Number(i64),
    Time(Duration),
    Switch(bool),
    Address(IpAddr),
    /// What the text says.
    Text,
}

/// The first word behind a keyword. The audit has seen to it that there is one where one is needed.
pub(super) fn argument(statement: &Statement) -> Option<&Word> {
    statement.arguments().first()
}

/// The first word behind a keyword if it is as the table wants it.
pub(super) fn text(statement: &Statement) -> Option<&str> {
    value(statement).and(argument(statement)).map(|word| word.text.as_str())
}

/// The same as a whole number.
pub(super) fn number<T: TryFrom<i64>>(statement: &Statement) -> Option<T> {
    match value(statement)? {
        Value::Number(number) => T::try_from(number).ok(),
        _ => None,
    }
}

/// All words behind a keyword that are numbers.
pub(super) fn numbers<T: TryFrom<i64>>(statement: &Statement) -> Vec<T> {
    let numbers = statement.values.iter().filter_map(|value| match value {
        Some(Value::Number(number)) => T::try_from(*number).ok(),
        _ => None,
    });
    numbers.collect()
}

/// The first word as a time, kept to the microsecond as keepalived keeps it.
pub(super) fn seconds(statement: &Statement) -> Option<Duration> {
    match value(statement)? {
        Value::Time(time) => Some(time),
        _ => None,
    }
}

/// The first word as a number of whole seconds.
pub(super) fn whole_seconds(statement: &Statement) -> Option<Duration> {
    number(statement).map(Duration::from_secs)
}

/// A switch: on without a word.
pub(super) fn switch(statement: &Statement) -> Option<bool> {
    match value(statement) {
        Some(Value::Switch(on)) => Some(on),
        // Either no word, or none that the keyword takes: keepalived does not look at that one.
        _ if statement.values.is_empty() => Some(true),
        _ => None,
    }
}

/// One of some words, whose names the table has from the same list.
pub(super) fn choice<T: Copy>(statement: &Statement, choices: &[(&str, T)]) -> Option<T> {
    let text = text(statement)?;
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

/// The first word as an address.
pub(super) fn address(statement: &Statement) -> Option<IpAddr> {
    match value(statement)? {
        Value::Address(address) => Some(address),
        _ => None,
    }
}

fn value(statement: &Statement) -> Option<Value> {
    statement.values.first().copied().flatten()
}

/// Reads a word. `keyword` stands in front of it, for messages; `otherwise` says what holds when it
/// cannot be read.
pub(super) fn read(
    kind: Kind,
    word: &Word,
    keyword: &str,
    otherwise: &str,
    findings: &mut Findings,
) -> Option<Value> {
    let mut reader = Reader { word, keyword, otherwise, findings };
    match kind {
        Kind::Number(least, most) => {
            integer(word, keyword, least..=most, otherwise, reader.findings).map(Value::Number)
        }
        Kind::Seconds(least, most) => {
            seconds_of(word, keyword, least..=most, otherwise, reader.findings).map(Value::Time)
        }
        Kind::Milliseconds(least, most) => reader.time(least, most, 1000).map(Value::Time),
        Kind::Switch => reader.switch().map(Value::Switch),
        Kind::Choice(choices) => reader.choice(choices, str::eq),
        Kind::AnyCase(choices) => reader.choice(choices, str::eq_ignore_ascii_case),
        Kind::Address => reader.address().map(Value::Address),
        Kind::AddressRange => reader.address_range(),
        Kind::Group4 | Kind::Group6 | Kind::Group => reader.group(kind).map(Value::Address),
        Kind::Netmask => reader.netmask(),
        Kind::Interface => reader.interface(),
        Kind::Checked(fits, meaning) => reader.checked(fits, meaning),
        Kind::Command | Kind::Free(_) => Some(Value::Text),
    }
}

/// Any `word` behind `keyword` as a whole decimal number, for the words of lists.
pub(super) fn integer(
    word: &Word,
    keyword: &str,
    range: RangeInclusive<i64>,
    otherwise: &str,
    findings: &mut Findings,
) -> Option<i64> {
    let text = &word.text;
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !is_digits(digits.strip_prefix('-').unwrap_or(digits)) {
        let message = format!("`{text}` is not a whole number");
        findings.report(code::BAD_NUMBER, word.span, message).help(slips::help(text, otherwise));
        return None;
    }
    let value = digits.parse().ok().filter(|value| range.contains(value));
    if value.is_none() {
        let range = Range(range.start(), range.end());
        let message = format!("`{keyword} {text}` is outside {range}");
        findings.report(code::OUT_OF_RANGE, word.span, message).help(otherwise);
    }
    value
}

/// The same as a decimal number of seconds.
pub(super) fn seconds_of(
    word: &Word,
    keyword: &str,
    range: RangeInclusive<Duration>,
    otherwise: &str,
    findings: &mut Findings,
) -> Option<Duration> {
    Reader { word, keyword, otherwise, findings }.time(*range.start(), *range.end(), 1)
}

struct Reader<'a> {
    word: &'a Word,
    keyword: &'a str,
    otherwise: &'a str,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn report(&mut self, kind: diagnostic::Kind, message: String) -> &mut Diagnostic {
        let help = slips::help(&self.word.text, self.otherwise);
        let diagnostic = self.findings.report(kind, self.word.span, message);
        diagnostic.help(help);
        diagnostic
    }

    /// A decimal number of seconds, or of milliseconds with `per_second` 1000.
    fn time(&mut self, least: Duration, most: Duration, per_second: u32) -> Option<Duration> {
        let unit = if per_second == 1 { "s" } else { "ms" };
        let given = &self.word.text;
        let text = given.strip_prefix('+').unwrap_or(given);
        let Some(value) = decimal(text.strip_prefix('-').unwrap_or(text)) else {
            let unit = if per_second == 1 { "seconds" } else { "milliseconds" };
            let message = format!("`{given}` is not a number of {unit}");
            self.report(code::BAD_NUMBER, message);
            return None;
        };
        let value = value / per_second;
        if text.starts_with('-') || !(least..=most).contains(&value) {
            let in_unit = |time: Duration| time.as_secs_f64() * f64::from(per_second);
            let message = if most == Duration::MAX {
                format!("`{} {given}` is less than {} {unit}", self.keyword, in_unit(least))
            } else {
                let (least, most) = (in_unit(least), in_unit(most));
                format!("`{} {given}` is outside {least}-{most} {unit}", self.keyword)
            };
            self.report(code::OUT_OF_RANGE, message);
            return None;
        }
        Some(value)
    }

    fn switch(&mut self) -> Option<bool> {
        let text = &self.word.text;
        match text.as_str() {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            _ => {
                let help = format!("write on, off, true, false, yes or no; {}", self.otherwise);
                self.report(code::BAD_CHOICE, format!("`{text}` is neither on nor off")).help(help);
                None
            }
        }
    }

    fn choice(&mut self, choices: &[&str], equal: fn(&str, &str) -> bool) -> Option<Value> {
        let text = self.word.text.as_str();
        if choices.iter().any(|choice| equal(choice, text)) {
            return Some(Value::Text);
        }
        let help = match suggest::nearest(text, choices.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`? {}", self.otherwise),
            None => format!("one of {}; {}", choices.join(", "), self.otherwise),
        };
        let message = format!("`{} {text}`: no such value", self.keyword);
        self.report(code::BAD_CHOICE, message).help(help);
        None
    }

    fn checked(&mut self, fits: fn(&str) -> bool, meaning: &str) -> Option<Value> {
        let text = &self.word.text;
        if fits(text) {
            return Some(Value::Text);
        }
        let message = format!("`{} {text}` is not {meaning}", self.keyword);
        self.report(code::BAD_CHOICE, message);
        None
    }

    fn address(&mut self) -> Option<IpAddr> {
        let address = self.word.text.parse().ok();
        if address.is_none() {
            let text = &self.word.text;
            let message = format!("`{text}` is not an IP address");
            self.report(code::BAD_ADDRESS, message);
        }
        address
    }

    /// `ADDRESS`, `ADDRESS/LENGTH`, `ADDRESS-ADDRESS`, or `ADDRESS-LAST` with the last part only, which
    /// is hexadecimal in IPv6.
    fn address_range(&mut self) -> Option<Value> {
        let text = self.word.text.as_str();
        let (first, rest) = match text.find(['-', '/']) {
            Some(at) => (&text[..at], &text[at..]),
            None => (text, ""),
        };
        let fits = first.parse().is_ok_and(|first: IpAddr| match rest.split_at_checked(1) {
            None => true,
            Some(("/", length)) => {
                let longest = if first.is_ipv4() { 32 } else { 128 };
                length.parse().is_ok_and(|length: u8| length <= longest)
            }
            Some((_, last)) => {
                let part = match first {
                    IpAddr::V4(_) => last.parse::<u8>().is_ok(),
                    IpAddr::V6(_) => u16::from_str_radix(last, 16).is_ok(),
                };
                part || last
                    .parse()
                    .is_ok_and(|last: IpAddr| last.is_ipv4() == first.is_ipv4() && last >= first)
            }
        });
        if !fits {
            let message = format!("`{text}` is neither an IP address nor a range of them");
            self.report(code::BAD_ADDRESS, message);
        }
        fits.then_some(Value::Text)
    }

    /// Of IPv6 any group is read: who asks for `Kind::Group6` looks at its scope.
    fn group(&mut self, kind: Kind) -> Option<IpAddr> {
        let (fits, what): (fn(&IpAddr) -> bool, _) = match kind {
            Kind::Group4 => (|group| group.is_ipv4() && group.is_multicast(), "address of IPv4"),
            Kind::Group6 => (|group| group.is_ipv6() && group.is_multicast(), "address of IPv6"),
            _ => (is_local_group, "address of this link"),
        };
        let group = self.word.text.parse().ok().filter(fits);
        if group.is_none() {
            let message = format!("`{}` is no multicast {what}", self.word.text);
            self.report(code::NOT_MULTICAST, message);
        }
        group
    }

    fn netmask(&mut self) -> Option<Value> {
        let text = &self.word.text;
        let is_mask = |mask: Ipv4Addr| {
            let bits = mask.to_bits();
            bits != 0 && bits.leading_ones() == bits.count_ones()
        };
        let fits = text.parse().is_ok_and(is_mask)
            || text.parse().is_ok_and(|length: u8| (1..=128).contains(&length));
        if !fits {
            self.report(code::BAD_ADDRESS, format!("`{text}` is no network mask"));
        }
        fits.then_some(Value::Text)
    }

    fn interface(&mut self) -> Option<Value> {
        let text = &self.word.text;
        if is_interface_name(text) {
            return Some(Value::Text);
        }
        let (message, help) = match text.split_once(':') {
            Some((name, _)) if is_interface_name(name) => (
                format!("`{text}` is no interface, but an alias"),
                format!(
                    "write `{name}`: an alias is the `label` of an address; {}",
                    self.otherwise
                ),
            ),
            _ => (
                format!("`{text}` is no interface name: they have 1-{MAX_NAME} characters"),
                slips::help(text, self.otherwise),
            ),
        };
        self.report(code::NAME_TOO_LONG, message).help(help);
        None
    }
}

/// What Linux takes for one (`dev_valid_name`), and people do, too.
pub(super) fn is_interface_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && !text.contains(['/', ':'])
        && !matches!(text, "." | ".." | "=")
        && !text.ends_with([';', ','])
}

/// True for a group that routers do not forward: of IPv6 ffx2::/16 (RFC 4291 2.7), of IPv4 any.
pub(super) fn is_local_group(group: &IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.is_multicast(),
        IpAddr::V6(group) => group.segments()[0] & 0xff0f == 0xff02,
    }
}

/// `1`, `0.5`, `.5`: digits behind the sixth are cut off.
fn decimal(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !is_digits(&format!("{whole}{fraction}")) {
        return None;
    }
    // More than fits is more than anything may have.
    let whole = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(Duration::from_secs(whole).saturating_add(Duration::from_micros(micros)))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
