//! The table as Markdown.

use std::{
    collections::BTreeMap,
    fmt::{self, Formatter},
};

use super::{Ledger, Proof, Status};

const OPENING: &str = "\
# Conformance

What the RFCs demand of a VRRP router on a host, row by row, and what proves it. Written by
`cargo xtask ledger` from `tests/data/requirements.toml` and the doc comments of the tests; a test
fails when it is out of date. Rows are named after the section: `R-` RFC 9568 (and RFC 5798),
`V-` RFC 3768 and RFC 2338, `A-` ARP, `N-` Neighbor Discovery, `D-` duplicate address detection,
`G-` RFC 9131, `X-` a data path that sees frames before the kernel.

What has to prove a row stands in the column *proof*; weaker tests are listed but do not count.

| proof | by |
|---|---|
";

/// Counts of one kind of level.
#[derive(Default)]
struct Count {
    proved: usize,
    not_applicable: usize,
    not_met: usize,
}

impl Count {
    fn add(&mut self, status: Option<&Status>) {
        match status {
            Some(Status::Proved(_)) => self.proved += 1,
            Some(Status::NotApplicable(_)) => self.not_applicable += 1,
            Some(Status::NotMet(..)) | None => self.not_met += 1,
        }
    }

    fn write(&self, name: &str, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { proved, not_applicable, not_met } = self;
        let all = proved + not_applicable + not_met;
        writeln!(f, "| {name} | {proved} | {not_applicable} | {not_met} | {all} |")
    }
}

pub(super) fn write(ledger: &Ledger, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(OPENING)?;
    for proof in [Proof::Wire, Proof::Program, Proof::Election, Proof::Config, Proof::Reading] {
        writeln!(f, "| {} | {} |", word(proof), by(proof))?;
    }
    summary(ledger, f)?;
    for section in &ledger.sections {
        writeln!(f, "\n## {}\n", section.title)?;
        writeln!(f, "| row | source | level | requirement | proof | status |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &section.rows {
            let (id, source, level, text) = (&row.id, &row.source, &row.level, &row.text);
            write!(f, "| {id} | {source} | {level} | {text} | {} | ", word(row.proof))?;
            match ledger.status(id) {
                Some(Status::Proved(tests)) => write!(f, "**proved** by {}", names(tests))?,
                Some(Status::NotApplicable(reason)) => write!(f, "not applicable: {reason}")?,
                Some(Status::NotMet(reason, tests)) => {
                    write!(f, "**not met**: {reason}")?;
                    if !tests.is_empty() {
                        write!(f, "; what there is: {}", names(tests))?;
                    }
                }
                None => write!(f, "**unknown**")?,
            }
            if let Some(note) = &row.note {
                write!(f, " ({note})")?;
            }
            writeln!(f, " |")?;
        }
    }
    Ok(())
}

fn summary(ledger: &Ledger, f: &mut Formatter<'_>) -> fmt::Result {
    let mut levels: BTreeMap<_, Count> = BTreeMap::new();
    let mut all = Count::default();
    for row in ledger.sections.iter().flat_map(|section| &section.rows) {
        let status = ledger.status(&row.id);
        levels.entry(level(&row.level)).or_default().add(status);
        all.add(status);
    }
    writeln!(f, "\n| level | proved | not applicable | not met | rows |\n|---|---|---|---|---|")?;
    for ((_, name), count) in levels {
        count.write(name, f)?;
    }
    all.write("all", f)
}

/// The strongest word of a level, with its rank.
fn level(level: &str) -> (usize, &'static str) {
    const WORDS: [&str; 3] = ["MUST", "SHOULD", "MAY"];
    let found = WORDS.into_iter().enumerate().find(|(_, word)| level.contains(word));
    match found {
        Some(found) => found,
        None if level == "RECOMMENDED" => (1, WORDS[1]),
        None => (WORDS.len(), "other"),
    }
}

const fn word(proof: Proof) -> &'static str {
    match proof {
        Proof::Wire => "wire",
        Proof::Program => "program",
        Proof::Election => "election",
        Proof::Config => "config",
        Proof::Reading => "reading",
    }
}

const fn by(proof: Proof) -> &'static str {
    match proof {
        Proof::Wire => {
            "real frames between a daemon and its peers in network namespaces (`tests::*`), or the \
             verdict of the kernel program on a test vector (`tests::vectors`)"
        }
        Proof::Program => {
            "frames through the kernel program (`vrrp-user::datapath_*`, `tests::vectors`), or as above"
        }
        Proof::Election => {
            "the state machine (`vrrp-user::election*`, `vrrp-user::pulse*`), or a daemon"
        }
        Proof::Config => "the reader of configuration files (`vrrp-user::config*`), or a daemon",
        Proof::Reading => "nothing that a test shows",
    }
}

fn names(tests: &[String]) -> String {
    tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ")
}
