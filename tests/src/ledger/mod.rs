//! Which test proves which requirement: the rows of data/requirements.toml against the doc comments
//! of all tests. `cargo xtask ledger` writes the result to docs/conformance.md.
//!
//! A test proves the rows that its doc comment names (`R-6.4.2-01`, `R-7.1-01 to R-7.1-05`,
//! `R-6.4.1-01, -04`); the test that runs the vectors also those that the vectors name, as far as
//! they are about a verdict, see [`vectors::Vector::verdict_rows`].

mod claims;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

pub use self::claims::{Claims, Place, Test};
use crate::vectors;

/// The tests that run the vectors: each proves the rows of those that ask for a verdict, besides
/// what its doc comment names.
const VECTOR_TESTS: [&str; 1] = ["tests/tests/vectors.rs"];

/// How strong a proof must be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Real frames between a daemon and others, or a verdict of the kernel program on a vector.
    Wire,
    /// Frames through the kernel program.
    Program,
    /// The real state machine.
    Election,
    /// The real reader of configuration files.
    Config,
    /// Nothing that a test shows.
    Reading,
}

impl Proof {
    /// True when a test at `place` is proof enough.
    fn accepts(self, place: Place) -> bool {
        match self {
            Self::Wire => matches!(place, Place::Namespace | Place::Vectors),
            Self::Program => {
                matches!(place, Place::Namespace | Place::Vectors | Place::Program)
            }
            Self::Election => matches!(place, Place::Namespace | Place::Election),
            Self::Config => matches!(place, Place::Namespace | Place::Config),
            Self::Reading => true,
        }
    }
}

/// A requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `R-`, `V-`, `A-`, `N-`, `D-`, `G-` or `X-`, section and number.
    pub id: String,
    /// Where it stands.
    pub source: String,
    /// MUST, SHOULD, MAY and their negations as the text has them, or another word where the
    /// requirement is no normative sentence.
    pub level: String,
    /// Which tests count.
    pub proof: Proof,
    /// What is demanded, in short.
    pub text: String,
    /// Why it is not fulfilled, or only in part.
    pub not_met: Option<String>,
    /// Why it does not apply to this program.
    pub not_applicable: Option<String>,
    /// What is to be known of the proof.
    pub note: Option<String>,
}

/// Rows that belong together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// In the order of the RFC.
    pub rows: Vec<Row>,
}

/// What is known about a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// By these tests.
    Proved(Vec<String>),
    /// With the reason.
    NotApplicable(String),
    /// With the reason, and the tests that show a part of it.
    NotMet(String, Vec<String>),
}

/// All rows with what proves them.
#[derive(Clone, Debug)]
pub struct Ledger {
    sections: Vec<Section>,
    status: BTreeMap<String, Status>,
    complaints: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirements {
    section: Vec<Section>,
}

impl Ledger {
    /// Of the repository that this crate is built from.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub fn of_repository() -> Result<Self> {
        let root = root();
        let rows = root.join("tests/data/requirements.toml");
        let text =
            fs::read_to_string(&rows).with_context(|| format!("cannot read {}", rows.display()))?;
        let Requirements { section } =
            toml::from_str(&text).with_context(|| format!("{}", rows.display()))?;
        let mut claims = Claims::of_sources(&root)?;
        let vectors = vectors::read(&root.join("tests/data/vectors.json"))?;
        for file in VECTOR_TESTS {
            for id in vectors.iter().flat_map(vectors::Vector::verdict_rows) {
                claims.add(file, id)?;
            }
        }
        Ok(Self::new(section, &claims))
    }

    /// Of these rows and claims.
    pub fn new(sections: Vec<Section>, claims: &Claims) -> Self {
        let mut status = BTreeMap::new();
        let mut complaints = Vec::new();
        for row in sections.iter().flat_map(|section| &section.rows) {
            match status_of(row, claims.of(&row.id)) {
                Ok(found) => {
                    if status.insert(row.id.clone(), found).is_some() {
                        complaints.push(format!("{} stands there twice", row.id));
                    }
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        let known: BTreeSet<_> =
            sections.iter().flat_map(|section| &section.rows).map(|row| &row.id).collect();
        for (id, place) in claims.mentioned() {
            if !known.contains(id) {
                complaints.push(format!("{place}: there is no row {id}"));
            }
        }
        Self { sections, status, complaints }
    }

    /// What is wrong: rows without a status, or with two, and names of rows that do not exist.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.sections.iter().map(|section| section.rows.len()).sum()
    }

    /// True without any row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows are proved.
    pub fn proved(&self) -> usize {
        self.status.values().filter(|status| matches!(status, Status::Proved(_))).count()
    }

    /// What is known about a row.
    pub fn status(&self, id: &str) -> Option<&Status> {
        self.status.get(id)
    }
}

/// The table as docs/conformance.md has it.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(self, f)
    }
}

/// Where the table stands.
pub fn file() -> PathBuf {
    root().join("docs/conformance.md")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).unwrap_or(Path::new("/")).to_owned()
}

/// The status of a row that these tests name, or what is wrong with it.
fn status_of(row: &Row, tests: &[Test]) -> Result<Status, String> {
    let id = &row.id;
    let names = || tests.iter().map(Test::to_string).collect::<Vec<_>>();
    let is_proved = tests.iter().any(|test| row.proof.accepts(test.place));
    match (&row.not_applicable, &row.not_met) {
        (Some(_), Some(_)) => Err(format!("{id} is both not applicable and not met")),
        (Some(_), None) if !tests.is_empty() => {
            Err(format!("{id} is called not applicable and is named by {}", tests[0]))
        }
        (Some(reason), None) => Ok(Status::NotApplicable(reason.clone())),
        (None, Some(reason)) => Ok(Status::NotMet(reason.clone(), names())),
        (None, None) if is_proved => Ok(Status::Proved(names())),
        (None, None) if tests.is_empty() => Err(format!("{id} ({}) has no status", row.level)),
        (None, None) => {
            Err(format!("{id} demands a test of the kind {:?}; there is {}", row.proof, tests[0]))
        }
    }
}

/// Reads what `file` says now and compares it with `ledger`.
///
/// # Errors
/// It cannot be read, or differs; the error has the first line that does.
pub fn check_file(ledger: &Ledger, file: &Path) -> Result<()> {
    let written =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let wanted = ledger.to_string();
    let pairs = written.lines().map(Some).chain([None]).zip(wanted.lines().map(Some).chain([None]));
    for (number, (written, wanted)) in (1..).zip(pairs) {
        if written != wanted {
            bail!(
                "{} is out of date, run `cargo xtask ledger`; line {number}:\n  there: {}\n  wanted: {}",
                file.display(),
                written.unwrap_or("(end)"),
                wanted.unwrap_or("(end)")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(not_met: Option<&str>, not_applicable: Option<&str>) -> Section {
        let row = Row {
            id: "R-1-01".into(),
            source: "RFC 0 1".into(),
            level: "MUST".into(),
            proof: Proof::Wire,
            text: "Something".into(),
            not_met: not_met.map(Into::into),
            not_applicable: not_applicable.map(Into::into),
            note: None,
        };
        Section { title: "First".into(), rows: vec![row] }
    }

    fn claims(doc: &str, file: &str) -> Claims {
        let mut claims = Claims::default();
        claims.read(file, &format!("/// {doc}\n#[test]\nfn it_does() {{}}")).unwrap();
        claims
    }

    const WIRE: &str = "tests/tests/arp.rs";
    const UNIT: &str = "vrrp-user/src/election/tests/active.rs";

    /// Issue 3, ledger: a row is proved by a test of the right kind, and by nothing less.
    #[test]
    fn a_row_is_proved_by_a_test_of_its_kind() {
        let ledger = Ledger::new(vec![row(None, None)], &claims("R-1-01: it does.", WIRE));
        let names = vec!["tests::arp::it_does".to_owned()];
        assert_eq!(ledger.status("R-1-01"), Some(&Status::Proved(names)));
        assert_eq!(ledger.complaints(), [""; 0]);
        for claims in [claims("R-1-01: it does.", UNIT), claims("It does.", WIRE)] {
            let ledger = Ledger::new(vec![row(None, None)], &claims);
            assert_eq!((ledger.proved(), ledger.complaints().len()), (0, 1));
        }
    }

    /// Issue 3, ledger: names of rows that are none, and rows with two states, are complained about.
    #[test]
    fn contradictions_are_found() {
        let named = claims("R-1-01: it does.", WIRE);
        for (section, claims) in [
            (row(Some("no"), Some("no")), Claims::default()),
            (row(None, Some("no")), named),
            (row(Some("no"), None), claims("R-1-02: it does.", WIRE)),
        ] {
            let ledger = Ledger::new(vec![section], &claims);
            assert_eq!(ledger.complaints().len(), 1, "{:?}", ledger.complaints());
        }
    }
}
