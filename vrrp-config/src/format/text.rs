//! Words, quoted where they have to be, and units.

use std::{
    fmt::{self, Display, Write},
    path::Path,
    time::Duration,
};

use crate::{Account, Command, User};

/// A word. In quotes if anything in it might be syntax.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        self.0.chars().try_for_each(|c| write_quoted(f, c))?;
        f.write_char('"')
    }
}

/// Eight octets or less, padded with zeros: a password.
pub(super) struct Padded<'a>(pub(super) &'a [u8]);

impl Display for Padded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().rposition(|&octet| octet != 0).map_or(1, |last| last + 1);
        let octets = &self.0[..length.min(self.0.len())];
        if let Ok(text) = str::from_utf8(octets) {
            return Text(text).fmt(f);
        }
        f.write_char('"')?;
        for chunk in octets.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| write_quoted(f, c))?;
            chunk.invalid().iter().try_for_each(|octet| write!(f, "\\x{octet:02x}"))?;
        }
        f.write_char('"')
    }
}

/// A path as a word.
pub(super) struct PathText<'a>(pub(super) &'a Path);

impl Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text(&self.0.to_string_lossy()).fmt(f)
    }
}

/// A time in seconds, to the microsecond.
#[derive(PartialEq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        match self.0.subsec_micros() {
            0 => Ok(()),
            micros => write!(f, ".{}", format!("{micros:06}").trim_end_matches('0')),
        }
    }
}

/// A command as one word, which is split once more, and the user behind it.
impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.argv.iter().map(|word| argument(word)).collect();
        Text(&words.join(" ")).fmt(f)?;
        self.user.as_ref().map_or(Ok(()), |user| write!(f, " {user}"))
    }
}

impl Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, " {group}"))
    }
}

impl Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => Text(name).fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// A word inside a command, where nothing but blanks, quotes and backslashes is special.
fn argument(word: &str) -> String {
    let special = |c: char| c.is_ascii_whitespace() || "'\"\\".contains(c);
    if !word.is_empty() && !word.contains(special) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{escaped}'")
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('@')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c))
}

/// One character inside quotes. A $ might begin a variable.
fn write_quoted(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '"' | '\\' => write!(f, "\\{c}"),
        '$' => f.write_str("\\x24"),
        c if c.is_ascii_control() => write!(f, "\\{:03o}", u32::from(c)),
        c => f.write_char(c),
    }
}
