//! The words behind a keyword: what each has to be.

use std::{fmt, time::Duration};

/// What a word has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A whole number.
    Number(i64, i64),
    /// A number of seconds, also with a fraction.
    Seconds(Duration, Duration),
    /// A number of milliseconds, also with a fraction.
    Milliseconds(Duration, Duration),
    /// `on`, `off`, `true`, `false`, `yes` or `no`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The same, in capitals or not.
    AnyCase(&'static [&'static str]),
    /// An address of a host.
    Address,
    /// The same, or several: `10.0.0.1-9`, `10.0.0.1-10.0.1.9`, `10.0.0.0/29`.
    AddressRange,
    /// A group: of IPv4, of IPv6, or of either, of IPv6 a link-local one.
    Group4,
    Group6,
    Group,
    /// `255.255.255.0`, or 1-128.
    Netmask,
    /// An interface of Linux.
    Interface,
    /// What the function takes; what that is is said.
    Checked(fn(&str) -> bool, &'static str),
    /// A program and its arguments, in quotes or not.
    Command,
    /// Anything; what it means is said, `""` where the name of the argument says it.
    Free(&'static str),
}

/// How often a word may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    One,
    Optional,
    OneOrMore,
    Any,
}

/// A word behind a keyword, or a pair of a name and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    /// The word itself has to stand there, in any order among its kind; `""`: none, the place decides.
    pub(crate) word: &'static str,
    /// What stands for the value in usage lines.
    pub(crate) name: &'static str,
    /// What the value has to be; `None`: there is none behind `word`.
    pub(crate) kind: Option<Kind>,
    pub(crate) count: Count,
}

/// `NAME`
pub(super) const fn one(name: &'static str, kind: Kind) -> Argument {
    Argument { word: "", name, kind: Some(kind), count: Count::One }
}

/// `[NAME]`
pub(super) const fn optional(name: &'static str, kind: Kind) -> Argument {
    Argument { word: "", name, kind: Some(kind), count: Count::Optional }
}

/// `NAME...`
pub(super) const fn one_or_more(name: &'static str, kind: Kind) -> Argument {
    Argument { word: "", name, kind: Some(kind), count: Count::OneOrMore }
}

/// `[NAME...]`
pub(super) const fn any(name: &'static str, kind: Kind) -> Argument {
    Argument { word: "", name, kind: Some(kind), count: Count::Any }
}

/// `[WORD NAME]`
pub(super) const fn option(word: &'static str, name: &'static str, kind: Kind) -> Argument {
    Argument { word, name, kind: Some(kind), count: Count::Optional }
}

/// `[WORD]`
pub(super) const fn word(word: &'static str) -> Argument {
    Argument { word, name: "", kind: None, count: Count::Optional }
}

impl Argument {
    /// True if the place decides what the word is.
    pub(crate) const fn is_positional(&self) -> bool {
        self.word.is_empty()
    }

    /// True if it has to be there.
    pub(crate) const fn is_needed(&self) -> bool {
        matches!(self.count, Count::One | Count::OneOrMore)
    }

    /// True if there may be more than one.
    pub(crate) const fn repeats(&self) -> bool {
        matches!(self.count, Count::OneOrMore | Count::Any)
    }
}

/// As in a usage line: `SECONDS`, `[reverse]`, `[port PORT]`, `CPU...`.
impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { word, name, .. } = self;
        let blank = if word.is_empty() || name.is_empty() { "" } else { " " };
        match self.count {
            Count::One => write!(f, "{word}{blank}{name}"),
            Count::Optional => write!(f, "[{word}{blank}{name}]"),
            Count::OneOrMore => write!(f, "{word}{blank}{name}..."),
            Count::Any => write!(f, "[{word}{blank}{name}...]"),
        }
    }
}

/// The type with its range, for people.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(least, most) => write!(f, "a number, {}", Range(least, most)),
            Self::Seconds(least, Duration::MAX) => {
                write!(f, "{} s or more, fractions allowed", least.as_secs_f64())
            }
            Self::Seconds(least, most) => {
                let (least, most) = (least.as_secs_f64(), most.as_secs_f64());
                write!(f, "{least}-{most} s, fractions allowed")
            }
            Self::Milliseconds(least, most) => {
                let (least, most) = (least.as_secs_f64() * 1e3, most.as_secs_f64() * 1e3);
                write!(f, "{least}-{most} ms, fractions allowed")
            }
            Self::Switch => f.write_str("on, off, true, false, yes or no"),
            Self::Choice(choices) | Self::AnyCase(choices) => f.write_str(&choices.join(", ")),
            Self::Address => f.write_str("an IPv4 or IPv6 address"),
            Self::AddressRange => {
                f.write_str("an IPv4 or IPv6 address, A-B for a range, or A/LENGTH")
            }
            Self::Group4 => f.write_str("a multicast address of IPv4"),
            Self::Group6 => f.write_str("a multicast address of IPv6, link-local (ffx2::)"),
            Self::Group => f.write_str("a multicast address, of IPv6 a link-local one (ffx2::)"),
            Self::Netmask => f.write_str("a mask such as 255.255.255.0, or for IPv6 1-128"),
            Self::Interface => f.write_str("an interface, 1-15 characters"),
            Self::Command => {
                f.write_str("a program and its arguments, in quotes if there are several words")
            }
            Self::Checked(_, meaning) | Self::Free(meaning) => f.write_str(meaning),
        }
    }
}

/// A range of whole numbers: `0-255`, `-20 to 19`.
pub(crate) struct Range<'a>(pub(crate) &'a i64, pub(crate) &'a i64);

impl fmt::Display for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(least, most) = self;
        if **least < 0 { write!(f, "{least} to {most}") } else { write!(f, "{least}-{most}") }
    }
}
