//! `umask`: a number, or bits with `|` between them.

use super::{code, diagnostic::Findings, lexer::Word, parser::Statement};

const MOST: u32 = 0o777;
const HELP: &str = "the line is ignored";

/// Reports the first thing that is wrong with the words of the line.
pub(super) fn check(statement: &Statement, findings: &mut Findings) {
    let words = statement.arguments();
    match words {
        [number, extra @ ..] if number.text.starts_with(|one: char| one.is_ascii_digit()) => {
            if !is_number(&number.text) {
                let message = format!("`{}` is no number up to 0777", number.text);
                findings.report(code::BAD_CHOICE, number.span, message).help(HELP);
            } else if let Some(word) = extra.first() {
                let message = format!("`{}` stands behind a number, which is all", word.text);
                findings.report(code::UNKNOWN_WORD, word.span, message).help(HELP);
            }
        }
        _ => check_bits(words, findings),
    }
}

/// Blanks beside the `|` do not matter.
fn check_bits(words: &[Word], findings: &mut Findings) {
    let mut is_due = true;
    for word in words {
        for (number, bit) in word.text.split('|').enumerate() {
            if number > 0 {
                if is_due {
                    let message = format!("a bit is missing before the | in `{}`", word.text);
                    findings.report(code::BAD_CHOICE, word.span, message).help(HELP);
                    return;
                }
                is_due = true;
            }
            if bit.is_empty() {
                continue;
            }
            if !is_due {
                let message = format!("there is no | before `{bit}`");
                findings.report(code::UNKNOWN_WORD, word.span, message).help(HELP);
                return;
            }
            if !is_bit(bit) {
                let help = if matches!(bit, "IRWXU" | "IRWXG" | "IRWXO") {
                    "the line is ignored: keepalived 2.2 knows no bits for three, write IR… | IW… | IX…"
                } else {
                    HELP
                };
                let message = format!("`{bit}` is no bit such as IRUSR, IWGRP or IXOTH");
                findings.report(code::BAD_CHOICE, word.span, message).help(help);
                return;
            }
            is_due = false;
        }
    }
    if let Some(last) = words.last().filter(|_| is_due) {
        findings.report(code::BAD_CHOICE, last.span, "a bit is missing behind the |").help(HELP);
    }
}

/// As `strtoul(3)` reads it: `077`, `63`, `0x3f`.
fn is_number(text: &str) -> bool {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None if text.starts_with('0') => u32::from_str_radix(text, 8),
        None => text.parse(),
    };
    number.is_ok_and(|number| number <= MOST)
}

fn is_bit(text: &str) -> bool {
    let rest = text.strip_prefix('I').and_then(|rest| rest.split_at_checked(1));
    matches!(rest, Some(("R" | "W" | "X", "USR" | "GRP" | "OTH")))
}
