//! A line of a list, read word by word. Every value has its own place in messages, and a line with a
//! mistake in it is ignored as a whole, as keepalived does with most: half of a route or a rule is
//! another one.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    ops::RangeInclusive,
    time::Duration,
};

use vrrp_common::Family;

use super::names::{Known, Named, Prefix, Realms};
use crate::{
    address::MAX_NAME,
    code,
    diagnostic::{Diagnostic, Findings, Kind},
    keywords,
    lexer::Word,
    parser::Statement,
    source::Span,
    suggest,
    values::is_interface_name,
};

/// Whose words they are.
#[derive(Clone, Copy)]
pub(super) enum List<'a> {
    /// Of static_routes or static_rules, with the names of all track groups.
    Static(&'a HashSet<&'a str>),
    /// Of virtual_routes or virtual_rules.
    Virtual,
}

/// What has been read of `track_group` and `no_track`.
#[derive(Default)]
pub(super) struct TrackWords<'a> {
    pub(super) off: Option<&'a Word>,
    pub(super) group: Option<&'a Word>,
}

/// The words of a line that have not been read yet.
pub(super) struct Line<'a> {
    /// `route` or `rule`.
    what: &'static str,
    span: Span,
    rest: &'a [Word],
    pub(super) findings: &'a mut Findings,
    failed: bool,
    family: Option<Family>,
    /// The options that have been read.
    seen: HashMap<&'static str, Span>,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        what: &'static str,
        statement: &'a Statement,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            what,
            span: statement.span(),
            rest: &statement.words,
            findings,
            failed: false,
            family: None,
            seen: HashMap::new(),
        }
    }

    /// Place of all words.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Something was wrong that makes the line useless.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The family that addresses or words have decided so far.
    pub(super) fn family(&self) -> Option<Family> {
        self.family
    }

    pub(super) fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.rest.first().map(|word| word.text.as_str())
    }

    /// Leaves the rest of the line unread.
    pub(super) fn skip_rest(&mut self) {
        self.rest = &[];
    }

    /// The next word if it is `text`.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.peek() == Some(text);
        if there {
            self.next();
        }
        there
    }

    /// The word behind `option`, with which keepalived does not start when it is missing.
    pub(super) fn value(&mut self, option: &Word) -> Option<&'a Word> {
        let value = self.next();
        if value.is_none() {
            self.failed = true;
            let message = format!("`{}` has no value behind it", option.text);
            self.findings
                .report(code::MISSING_PARAMETER, option.span, message)
                .help("keepalived does not start with this line: complete or remove it");
        }
        value
    }

    /// Reports what makes the line useless.
    pub(super) fn fail(
        &mut self,
        kind: Kind,
        span: Span,
        message: impl AsRef<str>,
    ) -> &mut Diagnostic {
        self.failed = true;
        let message = format!("{}; the {} is ignored", message.as_ref(), self.what);
        self.findings.report(kind, span, message)
    }

    /// A word that is none of `words`, or not here: nothing behind it can be read.
    pub(super) fn unknown(&mut self, word: &Word, words: impl Iterator<Item = &'static str>) {
        self.skip_rest();
        let message = format!("`{}` is no word of a {}", word.text, self.what);
        // Looking for it takes time: not for what nobody will see.
        let help = if self.findings.is_full() { None } else { self.help(word, words) };
        let diagnostic = self.fail(code::UNKNOWN_ROUTE_WORD, word.span, message);
        if let Some(help) = help {
            diagnostic.help(help);
        }
    }

    /// What may be meant by a word that is none of `words`.
    fn help(&self, word: &Word, words: impl Iterator<Item = &'static str>) -> Option<String> {
        let name = word.text.as_str();
        if looks_like_address(name) {
            return Some(format!("each {} has a line of its own", self.what));
        }
        let first = word.span.start == self.span.start;
        if let Some(home) = keywords::homes(name).first().filter(|_| first) {
            let home = home.name();
            return Some(format!("it is a keyword of {home}: is the }} of this list missing?"));
        }
        let words: Vec<&str> = words.collect();
        let abbreviated = words.iter().find(|known| known.starts_with(name)).copied();
        let meant = abbreviated.or_else(|| suggest::nearest(name, words.into_iter()))?;
        Some(format!("did you mean `{meant}`?"))
    }

    /// An option that counts once: keepalived silently takes the last.
    pub(super) fn once(&mut self, option: &'static str, word: &Word) {
        if self.seen.insert(option, word.span).is_some() {
            let message =
                format!("`{}` is given twice in this line; the last one counts", word.text);
            self.findings.report(code::GIVEN_TWICE, word.span, message);
        }
    }

    /// Every address of a line is of one family.
    pub(super) fn set_family(&mut self, family: Family, span: Span) {
        if self.family.is_some_and(|first| first != family) {
            let message = format!("IPv4 and IPv6 in one {}", self.what);
            self.fail(code::MIXED_FAMILIES, span, message);
        }
        self.family = self.family.or(Some(family));
    }

    /// `inet` or `inet6`.
    pub(super) fn family_word(&mut self, word: &Word) {
        let family = if word.text == "inet" { Family::V4 } else { Family::V6 };
        self.set_family(family, word.span);
        if !self.rest.is_empty() {
            let message = format!("keepalived 2.2 swallows the word behind `{}`", word.text);
            let help = format!("put `{}` at the end of the line", word.text);
            self.findings.report(code::READ_OTHERWISE, word.span, message).help(help);
        }
    }

    /// An address without a prefix length.
    pub(super) fn address(&mut self, option: &Word) -> Option<IpAddr> {
        let word = self.value(option)?;
        let Ok(address) = word.text.parse::<IpAddr>() else {
            let message = format!("`{} {}`: this is not an IP address", option.text, word.text);
            let diagnostic = self.fail(code::BAD_ADDRESS, word.span, message);
            if let Some((address, _)) = word.text.split_once('/') {
                diagnostic.help(format!("write `{} {address}`", option.text));
            }
            return None;
        };
        self.set_family(address.into(), word.span);
        Some(address)
    }

    /// `ADDRESS[/LENGTH]`, or `None` in it for `default`, `any` or `all`: everything.
    pub(super) fn prefix(&mut self, word: &Word) -> Option<Option<Prefix>> {
        match word.text.as_str() {
            "default" | "any" | "all" => return Some(None),
            "default6" => {
                self.set_family(Family::V6, word.span);
                return Some(None);
            }
            _ => {}
        }
        let (text, length) = match word.text.split_once('/') {
            Some((text, length)) => (text, Some(length)),
            None => (word.text.as_str(), None),
        };
        let Ok(address) = text.parse::<IpAddr>() else {
            let message = format!("`{text}` is not an IP address");
            self.fail(code::BAD_ADDRESS, word.span, message);
            return None;
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let given = length.map_or(Some(longest), |length| length.parse().ok());
        let Some(length) = given.filter(|given| *given <= longest) else {
            let message = format!("`{}` is no prefix length", length.unwrap_or(""));
            self.fail(code::BAD_PREFIX, word.span, message).help(format!("0-{longest}"));
            return None;
        };
        self.set_family(address.into(), word.span);
        Some(Some(Prefix { address, length }))
    }

    /// Name of an interface.
    pub(super) fn device(&mut self, option: &Word) -> Option<String> {
        let word = self.value(option)?;
        if is_interface_name(&word.text) {
            return Some(word.text.clone());
        }
        let message =
            format!("`{}` is no interface name: they have 1-{MAX_NAME} characters", word.text);
        self.fail(code::NAME_TOO_LONG, word.span, message);
        None
    }

    /// A whole decimal number.
    pub(super) fn number<T>(&mut self, option: &Word, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + std::fmt::Display,
    {
        let word = self.value(option)?;
        if word.text == "lock" {
            let message = format!("`{}` cannot be locked", option.text);
            self.fail(code::BAD_NUMBER, word.span, message).help("remove `lock`");
            self.next();
            return None;
        }
        let digits = word.text.strip_prefix('+').unwrap_or(&word.text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{} {}`: this is not a whole number", option.text, word.text);
            self.fail(code::BAD_NUMBER, word.span, message);
            return None;
        }
        let number = digits.parse().ok().and_then(|number: u64| T::try_from(number).ok());
        self.within(number, option, word, range)
    }

    /// `value`, if it is there and in its range.
    fn within<T: PartialOrd + std::fmt::Display>(
        &mut self,
        value: Option<T>,
        option: &Word,
        word: &Word,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!("`{} {}` is outside {least}-{most}", option.text, word.text);
            self.fail(code::OUT_OF_RANGE, word.span, message);
        }
        value
    }

    /// A number as C writes it (`10`, `0x10`, `010`), or a name: of the kernel, or of the host.
    pub(super) fn named<T>(&mut self, option: &Word, known: Known, most: T) -> Option<Named<T>>
    where
        T: TryFrom<u32> + PartialOrd + std::fmt::Display + Default,
    {
        let word = self.value(option)?;
        self.named_text(&word.text, option, word, known, most)
    }

    /// The same from a part of a word.
    fn named_text<T>(
        &mut self,
        text: &str,
        option: &Word,
        word: &Word,
        known: Known,
        most: T,
    ) -> Option<Named<T>>
    where
        T: TryFrom<u32> + PartialOrd + std::fmt::Display + Default,
    {
        if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let known = known.iter().find(|(name, _)| *name == text);
            let number = known.and_then(|&(_, number)| T::try_from(number).ok());
            return Some(number.map_or_else(|| Named::Name(text.to_owned()), Named::Number));
        }
        let number = any_base(text).and_then(|number| u32::try_from(number).ok());
        let number = number.and_then(|number| T::try_from(number).ok());
        self.within(number, option, word, T::default()..=most).map(Named::Number)
    }

    /// `[FROM/]TO`, IPv4 only.
    pub(super) fn realms(&mut self, option: &Word) -> Option<Realms> {
        let word = self.value(option)?;
        let (from, to) = word.text.split_once('/').unwrap_or(("0", &word.text));
        let from = self.named_text(from, option, word, super::names::NO_NAMES, u8::MAX)?;
        let to = self.named_text(to, option, word, super::names::NO_NAMES, u8::MAX)?;
        Some(Realms { from, to })
    }

    /// `5`, `5ms` or `1.5s`, whole milliseconds.
    pub(super) fn milliseconds(&mut self, option: &Word, most: Duration) -> Option<Duration> {
        let word = self.value(option)?;
        let (text, unit) = match word.text.strip_suffix(['s', 'S']) {
            None => (word.text.as_str(), 1),
            Some(text) => match text.strip_suffix(['m', 'M']) {
                Some(text) => (text, 1),
                None => (text, 1000),
            },
        };
        let decimals = if unit == 1 { 0 } else { 3 };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0
            || !digits(whole)
            || !digits(fraction)
            || fraction.len() > decimals
        {
            let message = format!("`{} {}`: this is no time", option.text, word.text);
            self.fail(code::BAD_NUMBER, word.span, message)
                .help("whole milliseconds, `200ms`, or seconds with up to three decimals, `1.5s`");
            return None;
        }
        let digits = format!("{whole}{fraction:0<decimals$}");
        let time = digits.parse().ok().map(Duration::from_millis).filter(|time| *time <= most);
        if time.is_none() {
            let message =
                format!("`{} {}` is outside 0-{} s", option.text, word.text, most.as_secs());
            self.fail(code::OUT_OF_RANGE, word.span, message);
        }
        time
    }

    /// `word` is about `about` only, which the family of the line, `own`, has to be.
    pub(super) fn only_for(&mut self, about: Family, word: Option<&Word>, own: Family) {
        if let Some(word) = word.filter(|_| about != own) {
            let message = format!("`{}` is about IPv{} only", word.text, about.number());
            self.fail(code::NOT_FOR_FAMILY, word.span, message);
        }
    }

    /// `track_group NAME` or `no_track`.
    pub(super) fn track_word(
        &mut self,
        word: &'a Word,
        list: List<'_>,
        words: &mut TrackWords<'a>,
    ) {
        if word.text == "no_track" {
            words.off = Some(word);
            return;
        }
        let Some(name) = self.value(word) else {
            return;
        };
        match list {
            List::Virtual => {
                let message = format!("a virtual {} has no `track_group`", self.what);
                self.fail(code::TRACK_GROUP, word.span, message)
                    .help("remove it: the virtual router follows its own");
            }
            List::Static(_) if words.group.is_some() => {
                let message = "there is a track_group already";
                self.fail(code::TRACK_GROUP, word.span, message);
            }
            List::Static(groups) if !groups.contains(name.text.as_str()) => {
                let message = format!("there is no `track_group {}` in this file", name.text);
                let help = format!("the {} is used without", self.what);
                self.findings.report(code::TRACK_GROUP, name.span, message).help(help);
            }
            List::Static(_) => words.group = Some(name),
        }
    }
}

/// Whether a word begins as addresses do.
fn looks_like_address(text: &str) -> bool {
    text.split('/').next().is_some_and(|text| text.parse::<IpAddr>().is_ok())
}

/// As C's strtoul with base 0 reads it.
pub(super) fn any_base(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}
