//! The word that was probably meant.

use super::{
    code,
    diagnostic::Findings,
    keywords::{self, Block},
    parser::Statement,
};

/// Longer words are no misspelt keywords.
const LONGEST: usize = 64;

/// Reports a statement whose keyword the block does not know.
pub(super) fn report_unknown(statement: &Statement, block: Block, findings: &mut Findings) {
    let name = statement.keyword();
    let span = statement.keyword_span();
    let ignored = if statement.block.is_some() { "; its block is ignored" } else { "" };
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{') {
        let text: Vec<&str> = statement.words.iter().map(|word| word.text.as_str()).collect();
        let message = format!("stray text `{}` in {}{ignored}", text.join(" "), block.name());
        findings
            .report(code::UNKNOWN_KEYWORD, statement.span(), message)
            .help("remove it, or put a # in front");
        return;
    }
    if name == "{" {
        // Reported where it was read.
        return;
    }
    let homes = keywords::homes(name);
    if !homes.is_empty() {
        let message = format!("`{name}` does not belong into {}{ignored}", block.name());
        let names: Vec<&str> = homes.iter().map(|home| home.name()).collect();
        let help = format!("it is a keyword of {}", names.join(", "));
        findings.report(code::WRONG_BLOCK, span, message).help(help);
        return;
    }
    let message = format!("unknown keyword `{name}` in {}{ignored}", block.name());
    // Looking for it takes time: not for what nobody will see.
    let seen = findings.is_full() || findings.has_said(code::UNKNOWN_KEYWORD, span, &message);
    let help = if seen { None } else { help(name, block) };
    let diagnostic = findings.report(code::UNKNOWN_KEYWORD, span, message);
    if let Some(help) = help {
        diagnostic.help(help);
    }
}

fn help(name: &str, block: Block) -> Option<String> {
    if let Some(word) = nearest(name, keywords::of(block)) {
        return Some(format!("did you mean `{word}`?"));
    }
    let word = nearest(name, keywords::all())?;
    let homes: Vec<&str> = keywords::homes(word).iter().map(|home| home.name()).collect();
    Some(format!("did you mean `{word}`? That is a keyword of {}", homes.join(", ")))
}

/// The most similar of some words, if one is similar enough: short words allow one slip, long ones
/// up to three. Of equally similar ones the first by the alphabet.
pub(super) fn nearest<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let length = name.chars().count();
    let limit = match length {
        0..3 => 0,
        length => (length / 4).clamp(1, 3),
    };
    // Most words need no closer look: lengths differ by no more than the words do, and a slip changes
    // at most two letters.
    let own = letters(name);
    let may_be_near = |word: &&str| {
        let differing = (letters(word) ^ own).count_ones() as usize;
        differing <= 2 * limit && word.chars().count().abs_diff(length) <= limit
    };
    let distance = |word: &str| {
        if word.eq_ignore_ascii_case(name) { 0 } else { strsim::damerau_levenshtein(name, word) }
    };
    let near = words.filter(may_be_near).map(|word| (distance(word), word));
    near.filter(|&(distance, _)| distance <= limit).min().map(|(_, word)| word)
}

/// The letters that occur in a word, a bit each; all other characters share the last bits.
fn letters(word: &str) -> u32 {
    let bit = |c: char| match c.to_ascii_lowercase() {
        c @ 'a'..='z' => u32::from(c) - u32::from('a'),
        c => 26 + u32::from(c) % 6,
    };
    word.chars().fold(0, |letters, c| letters | 1 << bit(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same without a look at the letters.
    fn nearest_of_all<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let length = name.chars().count();
        let limit = if length < 3 { 0 } else { (length / 4).clamp(1, 3) };
        let near = words.filter(|word| word.chars().count().abs_diff(length) <= limit);
        let near = near.map(|word| match word.eq_ignore_ascii_case(name) {
            true => (0, word),
            false => (strsim::damerau_levenshtein(name, word), word),
        });
        near.filter(|&(distance, _)| distance <= limit).min().map(|(_, word)| word)
    }

    /// Issue 5, suggestions: the look at the letters leaves out no word that is near, whatever the slip:
    /// a letter too few, too many, another one, or two exchanged.
    #[test]
    fn slips() {
        for (index, word) in keywords::all().enumerate() {
            let at = index % word.len();
            let (before, behind) = word.split_at(at);
            let mut exchanged = word.as_bytes().to_vec();
            exchanged.swap(at, (at + 1) % word.len());
            for slip in [
                format!("{before}{}", &behind[1..]),
                format!("{before}é{behind}"),
                format!("{before}Q{}", &behind[1..]),
                String::from_utf8_lossy(&exchanged).into_owned(),
            ] {
                let found = nearest(&slip, keywords::all());
                assert_eq!(found, nearest_of_all(&slip, keywords::all()), "{slip}");
            }
        }
    }
}
