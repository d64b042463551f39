//! Every keyword of keepalived and of ours: where it may stand, what follows it, what holds without
//! it, and what this version does with it. One table: the parser, the checks, the readers of values,
//! the suggestions, `xvrrp explain` and docs/keywords.md take what they know from here.

mod argument;
mod bfd;
mod block;
mod checkers;
mod global;
mod groups;
mod instance;
mod lists;
mod lvs;
mod processes;
mod root;
mod routes;
mod trackers;

use std::{collections::HashMap, sync::LazyLock};

pub(super) use argument::{Argument, Kind, Range};
pub(super) use block::Block;
pub(super) use lists::LISTS;

/// What this version does with a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// All of it.
    Done,
    /// Nothing yet; the virtual router runs without it.
    NotYet,
    /// Nothing yet, and it changes what the virtual router is on the wire or on the host so much
    /// that the router is left out rather than run without.
    LeavesOut,
    /// Nothing, and that is right, because …
    NoEffect(&'static str),
    /// keepalived reports it itself as out of use; use … instead.
    Deprecated(&'static str),
}

/// What keepalived does when the words behind a keyword are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It does not start.
    Fatal,
    /// It reports and ignores the line.
    Reported,
}

/// Keywords that belong together.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    /// Where they may stand.
    pub(super) inside: &'static [Block],
    /// What is done with those that do not say otherwise.
    pub(super) support: Support,
    pub(super) rows: &'static [Row],
}

/// What is said about one keyword.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Other spellings, separated by blanks: as good as `name`.
    pub(super) also: &'static str,
    /// Old spellings: keepalived takes them silently.
    pub(super) old: &'static str,
    /// Old spellings that keepalived reports.
    pub(super) outdated: &'static str,
    pub(super) arguments: &'static [Argument],
    /// So many words are needed at least, whichever.
    pub(super) at_least: usize,
    /// In place of the usage line that `arguments` give.
    usage: &'static str,
    /// The block that has to follow.
    pub(super) opens: Option<Block>,
    /// What holds without the keyword; `""`: nothing needs to be said.
    pub(super) default: &'static str,
    pub(super) missing: Missing,
    /// What holds when the value is wrong.
    pub(super) otherwise: &'static str,
    /// Who knows it, if that is not keepalived 2.2.7.
    pub(super) since: &'static str,
    /// Each of several lines counts.
    pub(super) repeats: bool,
    /// Of several lines the first one counts, which keepalived reports; else the last one.
    pub(super) first_counts: bool,
    /// keepalived reports words that are too many, and ignores the line; else it ignores them silently,
    /// unless a list follows.
    pub(super) exact: bool,
    support: Option<Support>,
    pub(super) help: &'static str,
}

/// A keyword; what it is in one sentence.
const fn keyword(name: &'static str, help: &'static str) -> Row {
    Row {
        name,
        also: "",
        old: "",
        outdated: "",
        arguments: &[],
        at_least: 0,
        usage: "",
        opens: None,
        default: "",
        missing: Missing::Fatal,
        otherwise: "the line is ignored",
        since: "",
        repeats: false,
        first_counts: false,
        exact: false,
        support: None,
        help,
    }
}

impl Row {
    const fn takes(self, arguments: &'static [Argument]) -> Self {
        Self { arguments, ..self }
    }

    const fn at_least(self, at_least: usize) -> Self {
        Self { at_least, ..self }
    }

    const fn usage(self, usage: &'static str) -> Self {
        Self { usage, ..self }
    }

    const fn opens(self, block: Block) -> Self {
        Self { opens: Some(block), ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn also(self, also: &'static str) -> Self {
        Self { also, ..self }
    }

    const fn old(self, old: &'static str) -> Self {
        Self { old, ..self }
    }

    const fn outdated(self, outdated: &'static str) -> Self {
        Self { outdated, ..self }
    }

    /// Without its words keepalived goes on.
    const fn missing_is_reported(self) -> Self {
        Self { missing: Missing::Reported, ..self }
    }

    const fn otherwise(self, otherwise: &'static str) -> Self {
        Self { otherwise, ..self }
    }

    const fn since(self, since: &'static str) -> Self {
        Self { since, ..self }
    }

    const fn repeats(self) -> Self {
        Self { repeats: true, ..self }
    }

    const fn first_counts(self) -> Self {
        Self { first_counts: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { exact: true, ..self }
    }

    const fn support(self, support: Support) -> Self {
        Self { support: Some(support), ..self }
    }

    /// `NAME ARGUMENTS {`, as a line of the file.
    pub(super) fn usage_line(&self) -> String {
        let mut line = self.name.to_owned();
        if self.usage.is_empty() {
            for argument in self.arguments {
                line = format!("{line} {argument}");
            }
        } else {
            line = format!("{line} {}", self.usage);
        }
        if self.opens.is_some() { line + " { ... }" } else { line }
    }

    /// All spellings, the proper one first.
    pub(super) fn spellings(&self) -> impl Iterator<Item = &'static str> {
        let others = [self.also, self.old, self.outdated];
        std::iter::once(self.name).chain(others.into_iter().flat_map(str::split_whitespace))
    }
}

/// What is known about a keyword in one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyword {
    pub(super) row: &'static Row,
    pub(super) section: &'static Section,
    /// The block that has to follow.
    pub(super) opens: Option<Block>,
    pub(super) support: Support,
}

/// All sections, in the order of the documentation.
pub(super) fn sections() -> impl Iterator<Item = &'static Section> {
    let files = [
        root::SECTIONS,
        global::SECTIONS,
        processes::SECTIONS,
        instance::SECTIONS,
        groups::SECTIONS,
        trackers::SECTIONS,
        lists::SECTIONS,
        routes::SECTIONS,
        bfd::SECTIONS,
        lvs::SECTIONS,
        checkers::SECTIONS,
    ];
    files.into_iter().flatten()
}

/// All keywords of a section.
pub(super) fn keywords(section: &'static Section) -> impl Iterator<Item = Keyword> {
    section.rows.iter().map(move |row| Keyword {
        row,
        section,
        opens: row.opens,
        support: row.support.unwrap_or(section.support),
    })
}

/// The keyword `name` of `block`, which begins a statement there.
pub(super) fn find(block: Block, name: &str) -> Option<Keyword> {
    INDEX.get(&block)?.get(name).copied()
}

/// All keywords of a block.
pub(super) fn of(block: Block) -> impl Iterator<Item = &'static str> {
    INDEX.get(&block).into_iter().flat_map(|names| names.keys().copied())
}

/// All words of the lines of a list, which begin no statement.
pub(super) fn words(list: Block) -> impl Iterator<Item = &'static str> {
    let rows = sections().filter(move |section| section.inside.contains(&list)).flat_map(keywords);
    rows.flat_map(|keyword| keyword.row.spellings())
}

/// The keywords that have this block behind them; outside all blocks, how users know that.
pub(super) fn openers(block: Block) -> Vec<&'static str> {
    let all = sections().flat_map(keywords).filter(|keyword| keyword.opens == Some(block));
    let mut names: Vec<&str> = Vec::new();
    for keyword in all {
        if !names.contains(&keyword.row.name) {
            names.push(keyword.row.name);
        }
    }
    if names.is_empty() { vec![block.name()] } else { names }
}

/// The blocks in which `name` is a keyword, outermost first.
pub(super) fn homes(name: &str) -> Vec<Block> {
    let mut homes: Vec<Block> = INDEX
        .iter()
        .filter(|(_, names)| names.contains_key(name))
        .map(|(&block, _)| block)
        .collect();
    homes.sort_unstable();
    homes
}

/// All keywords of all blocks.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    INDEX.values().flat_map(|names| names.keys().copied())
}

/// The words of lists are not among them: they begin no statement.
static INDEX: LazyLock<HashMap<Block, HashMap<&'static str, Keyword>>> = LazyLock::new(|| {
    let mut index: HashMap<Block, HashMap<&'static str, Keyword>> = HashMap::new();
    for keyword in sections().flat_map(keywords) {
        for &block in keyword.section.inside.iter().filter(|block| !block.is_list()) {
            let names = keyword.row.spellings().map(|name| (name, keyword));
            index.entry(block).or_default().extend(names);
        }
    }
    index
});

/// The words of typed choices, for rows of the table.
pub(super) const fn names<T: Copy, const N: usize>(
    choices: &[(&'static str, T); N],
) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = choices[at].0;
        at += 1;
    }
    names
}

// Values that many keywords share.

use std::time::Duration;

use argument::{any, one, one_or_more, option, optional, word};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The longest time that keepalived reads, in microseconds of 32 bits.
pub(super) const MAX_SECONDS: Duration = Duration::from_micros(u32::MAX as u64);

const SWITCH: &[Argument] = &[optional("on|off", Kind::Switch)];
const NAME: &[Argument] = &[one("NAME", Kind::Free(""))];
const TEXT: &[Argument] = &[one("TEXT", Kind::Free("text, in quotes if there are blanks in it"))];
const PATH: &[Argument] = &[one("PATH", Kind::Free(""))];
const SIZE: &[Argument] = &[one("BYTES", Kind::Number(0, u32::MAX as i64))];
const INTERFACE: &[Argument] = &[one("INTERFACE", Kind::Interface)];
const PORT: Kind = Kind::Number(1, 65535);
const USER: Kind = Kind::Free("a user of this host");
const GROUP: Kind = Kind::Free("a group of this host");
/// `"COMMAND ARGUMENTS" [USER [GROUP]]`
const COMMAND: &[Argument] =
    &[one("COMMAND", Kind::Command), optional("USER", USER), optional("GROUP", GROUP)];

/// In place of a version: keywords of ours.
pub(super) const OURS: &str = "xvrrp only: keepalived reports and ignores it";
const NEWER: &str = "keepalived after 2.2.7";

const LVS: Support = Support::NoEffect("LVS is keepalived's to serve");
const SCHEDULING: Support =
    Support::NoEffect("scheduling and memory are set by this program itself");
const FIREWALL: Support = Support::NoEffect("no firewall rules are needed");

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Kind, all, argument::Count, keywords, sections};

    /// Issue 5, the table: every keyword has one line of help, which is no sentence of several and fits
    /// on a line of a terminal beside its name, and a usage line that begins with it.
    #[test]
    fn help_and_usage() {
        for keyword in sections().flat_map(keywords) {
            let row = keyword.row;
            assert!((3..=110).contains(&row.help.chars().count()), "{}: {}", row.name, row.help);
            assert!(!row.help.contains('\n') && !row.help.ends_with('.'), "{}", row.name);
            let usage = row.usage_line();
            let shown = usage.strip_prefix(row.name).unwrap_or_default();
            assert!(shown.is_empty() || shown.starts_with(' '), "{usage}");
            assert_eq!(usage.ends_with("{ ... }"), row.opens.is_some(), "{usage}");
        }
    }

    /// Issue 5, the table: what holds without the keyword is said wherever it takes a number, a time, a
    /// switch or one of some words.
    #[test]
    fn defaults() {
        let typed = |kind| {
            matches!(kind, Kind::Number(..) | Kind::Seconds(..) | Kind::Switch | Kind::Choice(_))
        };
        for keyword in
            sections().filter(|s| !s.inside.iter().any(|b| b.is_list())).flat_map(keywords)
        {
            let row = keyword.row;
            let takes_value = row.arguments.first().is_some_and(|argument| {
                argument.is_positional() && argument.kind.is_some_and(typed)
            });
            assert!(!takes_value || !row.default.is_empty(), "{} has no default", row.name);
        }
    }

    /// Issue 5, the table: no block has two rows for one spelling, and the words of a row that may be
    /// left away stand behind those that may not.
    #[test]
    fn rows_do_not_contradict_each_other() {
        let mut seen = HashSet::new();
        for keyword in sections().flat_map(keywords) {
            for name in keyword.row.spellings() {
                for block in keyword.section.inside {
                    assert!(seen.insert((*block, name)), "{name} in {}", block.name());
                }
            }
            let places = keyword.row.arguments.iter().filter(|a| a.is_positional());
            let counts: Vec<Count> = places.map(|argument| argument.count).collect();
            let needed = counts.iter().take_while(|c| matches!(c, Count::One)).count();
            let rest = counts.get(needed..).unwrap_or_default();
            assert!(
                !rest.contains(&Count::One)
                    && rest.iter().filter(|c| **c == Count::OneOrMore).count() <= 1,
                "{}",
                keyword.row.name
            );
        }
        assert!(all().count() > 400, "the table has shrunk");
    }
}
