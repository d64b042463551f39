//! Numbers, times, switches and choices: from words to values, each with its unit and range.
//!
//! As in keepalived a value that cannot be read is reported and the line has no effect; what comes
//! instead is said in the help.

use std::{ops::RangeInclusive, time::Duration};

use super::{code, diagnostic::Findings, lexer::Word, parser::Statement, suggest};

/// The first word behind a keyword. The audit has seen to it that there is one where one is needed.
pub(super) fn argument(statement: &Statement) -> Option<&Word> {
    statement.arguments().first()
}

/// A whole decimal number; `otherwise` says what holds when it is none.
pub(super) fn number(
    statement: &Statement,
    range: RangeInclusive<u32>,
    otherwise: &str,
    findings: &mut Findings,
) -> Option<u32> {
    let range = i64::from(*range.start())..=i64::from(*range.end());
    let value = integer(argument(statement)?, statement.keyword(), range, otherwise, findings)?;
    u32::try_from(value).ok()
}

/// The same of any `word` behind `keyword`, also below zero.
pub(super) fn integer(
    word: &Word,
    keyword: &str,
    range: RangeInclusive<i64>,
    otherwise: &str,
    findings: &mut Findings,
) -> Option<i64> {
    let digits = word.text.strip_prefix('+').unwrap_or(&word.text);
    if !is_digits(digits.strip_prefix('-').unwrap_or(digits)) {
        let message = format!("`{}` is not a whole number", word.text);
        findings.report(code::BAD_NUMBER, word.span, message).help(otherwise);
        return None;
    }
    let value = digits.parse().ok().filter(|value| range.contains(value));
    if value.is_none() {
        let (least, most) = (range.start(), range.end());
        let message = if *least < 0 {
            format!("`{keyword} {}` is outside {least} to {most}", word.text)
        } else {
            format!("`{keyword} {}` is outside {least}-{most}", word.text)
        };
        findings.report(code::OUT_OF_RANGE, word.span, message).help(otherwise);
    }
    value
}

/// A decimal number of seconds, kept to the microsecond as keepalived keeps it.
pub(super) fn seconds(
    statement: &Statement,
    range: RangeInclusive<Duration>,
    otherwise: &str,
    findings: &mut Findings,
) -> Option<Duration> {
    let word = argument(statement)?;
    let text = word.text.strip_prefix('+').unwrap_or(&word.text);
    let Some(value) = decimal(text.strip_prefix('-').unwrap_or(text)) else {
        let message = format!("`{}` is not a number of seconds", word.text);
        findings.report(code::BAD_NUMBER, word.span, message).help(otherwise);
        return None;
    };
    if text.starts_with('-') || !range.contains(&value) {
        let (least, most) = (range.start().as_secs_f64(), range.end().as_secs_f64());
        let message =
            format!("`{} {}` is outside {least}-{most} s", statement.keyword(), word.text);
        findings.report(code::OUT_OF_RANGE, word.span, message).help(otherwise);
        return None;
    }
    Some(value)
}

/// Whole seconds, 0-4294, as the gratuitous ARP delays are given.
pub(super) fn whole_seconds(statement: &Statement, findings: &mut Findings) -> Option<Duration> {
    let value = number(statement, 0..=4294, "the line is ignored", findings)?;
    Some(Duration::from_secs(u64::from(value)))
}

/// A switch: on without a word, else `on`, `off`, `true`, `false`, `yes` or `no`.
pub(super) fn switch(statement: &Statement, findings: &mut Findings) -> Option<bool> {
    let Some(word) = argument(statement) else {
        return Some(true);
    };
    match word.text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => {
            let message = format!("`{}` is neither on nor off", word.text);
            findings
                .report(code::BAD_CHOICE, word.span, message)
                .help("write on, off, true, false, yes or no; the line is ignored");
            None
        }
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(
    statement: &Statement,
    choices: &[(&str, T)],
    otherwise: &str,
    findings: &mut Findings,
) -> Option<T> {
    let word = argument(statement)?;
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word.text) {
        return Some(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let meant = suggest::nearest(&word.text, names.iter().copied());
    let message = format!("`{} {}`: no such value", statement.keyword(), word.text);
    let help = match meant {
        Some(meant) => format!("did you mean `{meant}`? {otherwise}"),
        None => format!("one of {}; {otherwise}", names.join(", ")),
    };
    findings.report(code::BAD_CHOICE, word.span, message).help(help);
    None
}

/// `1`, `0.5`, `.5`: digits behind the sixth are cut off.
fn decimal(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !is_digits(&format!("{whole}{fraction}")) {
        return None;
    }
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(Duration::from_secs(u64::from(whole)) + Duration::from_micros(micros))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
