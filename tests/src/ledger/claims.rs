//! The rows that doc comments name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use syn::{Attribute, Expr, ExprLit, ItemFn, ItemMod, Lit, Meta, visit::Visit};

/// The crates whose sources are read.
const CRATES: [&str; 6] =
    ["vrrp-common", "vrrp-config", "vrrp-ebpf", "vrrp-user", "tests", "xtask"];

/// What a test works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A daemon in network namespaces.
    Namespace,
    /// All vectors, through codec and kernel program.
    Vectors,
    /// The kernel program, through `BPF_PROG_TEST_RUN`.
    Program,
    /// The state machine, alone or many of them.
    Election,
    /// The reader of configuration files.
    Config,
    /// A part of any of these.
    Unit,
}

impl Place {
    /// By the path of the source file.
    fn of(file: &str) -> Self {
        let is_in = |places: &[&str]| places.iter().any(|place| file.starts_with(place));
        if file == "tests/tests/vectors.rs" {
            Self::Vectors
        } else if is_in(&["tests/tests/lab.rs", "tests/tests/ledger.rs", "tests/tests/verifier.rs"])
        {
            Self::Unit
        } else if is_in(&["tests/tests/"]) {
            Self::Namespace
        } else if is_in(&["vrrp-user/tests/datapath_"]) {
            Self::Program
        } else if is_in(&[
            "vrrp-user/src/election/",
            "vrrp-user/tests/election_",
            "vrrp-user/src/pulse/",
        ]) {
            Self::Election
        } else if is_in(&["vrrp-config/"]) {
            Self::Config
        } else {
            Self::Unit
        }
    }
}

/// A test function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// What it works on.
    pub place: Place,
    /// Source file within the repository.
    file: String,
    /// Modules within the file and the function, separated by `::`.
    name: String,
}

/// As `crate::file::test`.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.file.trim_end_matches(".rs").split('/');
        let mut parts: Vec<_> = parts.collect();
        // The folder of a crate that all its sources or tests are in says nothing.
        parts.remove(1);
        parts.retain(|part| !["mod", "lib", "main"].contains(part));
        write!(f, "{}::{}", parts.join("::"), self.name)
    }
}

/// What the doc comments of all sources say about rows.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    by_row: BTreeMap<String, Vec<Test>>,
    tests: Vec<Test>,
    /// Every row that any doc comment names, and the file.
    mentioned: BTreeSet<(String, String)>,
}

impl Claims {
    /// Of all sources below `root`.
    ///
    /// # Errors
    /// A file cannot be read, is no Rust, or has a doc comment with a range of rows that ends before
    /// it begins.
    pub fn of_sources(root: &Path) -> Result<Self> {
        let mut claims = Self::default();
        for name in CRATES {
            claims.read_dir(root, &root.join(name))?;
        }
        for tests in claims.by_row.values_mut() {
            tests.sort();
            tests.dedup();
        }
        Ok(claims)
    }

    /// The tests that name the row, the strongest first.
    pub fn of(&self, id: &str) -> &[Test] {
        self.by_row.get(id).map_or(&[], Vec::as_slice)
    }

    /// Everything that is named like a row, each with the file in which it is named.
    pub fn mentioned(&self) -> impl Iterator<Item = (&String, &String)> {
        self.mentioned.iter().map(|(id, file)| (id, file))
    }

    /// Lets the only test of `file` prove the row `id` as well.
    ///
    /// # Errors
    /// There is none in `file`, or several.
    pub fn add(&mut self, file: &str, id: &str) -> Result<()> {
        let mut tests = self.tests.iter().filter(|test| test.file == file);
        let (Some(test), None) = (tests.next(), tests.next()) else {
            bail!("{file} has no test, or several");
        };
        let test = test.clone();
        self.mentioned.insert((id.to_owned(), file.to_owned()));
        self.claim(id, test);
        Ok(())
    }

    /// Takes in one source, `file` within the repository.
    pub(super) fn read(&mut self, file: &str, source: &str) -> Result<()> {
        let parsed = syn::parse_file(source).with_context(|| format!("{file} is no Rust"))?;
        let mut reader = Reader::default();
        reader.visit_file(&parsed);
        for Found { test, doc } in reader.found {
            let rows = rows_in(&doc).with_context(|| format!("{file}: in `{}`", doc.trim()))?;
            self.mentioned.extend(rows.iter().map(|id| (id.clone(), file.to_owned())));
            if let Some(name) = test {
                let test = Test { place: Place::of(file), file: file.to_owned(), name };
                for id in rows {
                    self.claim(&id, test.clone());
                }
                self.tests.push(test);
            }
        }
        Ok(())
    }

    fn claim(&mut self, id: &str, test: Test) {
        let tests = self.by_row.entry(id.to_owned()).or_default();
        if !tests.contains(&test) {
            tests.push(test);
            tests.sort();
        }
    }

    fn read_dir(&mut self, root: &Path, dir: &Path) -> Result<()> {
        let entries =
            fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                self.read_dir(root, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let file = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                self.read(&file, &source)?;
            }
        }
        Ok(())
    }
}

/// A doc comment, and the test that it describes, if it describes one.
struct Found {
    test: Option<String>,
    doc: String,
}

/// Collects the doc comments of one file.
#[derive(Default)]
struct Reader {
    modules: Vec<String>,
    found: Vec<Found>,
}

impl Reader {
    fn take(&mut self, attributes: &[Attribute], test: Option<String>) {
        let doc: String = attributes.iter().filter_map(doc_line).collect();
        if !doc.is_empty() || test.is_some() {
            self.found.push(Found { test, doc });
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.modules.push(module.ident.to_string());
        syn::visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let is_test = function.attrs.iter().any(|attribute| {
            attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
        });
        if is_test {
            let name = self.modules.iter().cloned().chain([function.sig.ident.to_string()]);
            let name = name.collect::<Vec<_>>().join("::");
            self.take(&function.attrs, Some(name));
        } else {
            syn::visit::visit_item_fn(self, function);
        }
    }

    /// Whatever is no test: its rows must exist, but it proves nothing.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.take(std::slice::from_ref(attribute), None);
    }
}

/// The text of a line of doc comment.
fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &meta.value else { return None };
    meta.path.is_ident("doc").then(|| line.value() + "\n")
}

/// The rows that a doc comment names: `R-7.1-05`, in a row `R-7.1-05, -06 and -08`, and with all
/// between them `R-7.1-01 to R-7.1-05` or `R-7.1-01 to -05`.
fn rows_in(doc: &str) -> Result<Vec<String>> {
    let mut rows: Vec<String> = Vec::new();
    let mut is_range = false;
    let mut in_list = false;
    for word in doc.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let full = match bare.strip_prefix('-') {
            Some(number) if in_list && is_number(number) => {
                let last = rows.last().and_then(|last| last.rsplit_once('-'));
                last.map(|(section, _)| format!("{section}-{number}"))
            }
            _ => is_row(bare).then(|| bare.to_owned()),
        };
        if let Some(id) = full {
            if is_range {
                let between = between(rows.last(), &id);
                rows.extend(between.with_context(|| format!("no range of rows ends at {id}"))?);
            }
            rows.push(id);
            is_range = false;
            in_list = true;
        } else {
            is_range = in_list && bare == "to";
            in_list = is_range || (in_list && bare == "and");
        }
    }
    Ok(rows)
}

fn is_number(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One of the letters, a dash and a digit: nothing else in a comment looks like that.
fn is_row(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|letter| b"RVANDGX".contains(&letter))
        && bytes.next() == Some(b'-')
        && bytes.next().is_some_and(|digit| digit.is_ascii_digit())
}

/// The rows between two of one section, without them.
fn between(first: Option<&String>, last: &str) -> Option<Vec<String>> {
    let (section, from) = first?.rsplit_once('-')?;
    let (same, to) = last.rsplit_once('-')?;
    let (from, to): (u8, u8) = (from.parse().ok()?, to.parse().ok()?);
    (section == same && from < to)
        .then(|| (from + 1..to).map(|number| format!("{section}-{number:02}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 3, ledger: every way in which comments name rows.
    #[test]
    fn rows_are_read_from_prose() {
        for (doc, rows) in [
            ("Issue 3, N-1-01: all of it.", &["N-1-01"][..]),
            ("N-1-01, -03 and -04, RFC-2: -05 is no row here", &["N-1-01", "N-1-03", "N-1-04"]),
            ("(N-1.2-01 to\nN-1.2-03).", &["N-1.2-01", "N-1.2-02", "N-1.2-03"]),
            ("N-1-09 to -11", &["N-1-09", "N-1-10", "N-1-11"]),
            ("N-1 is named like a row, an X-ray is not", &["N-1"]),
            ("N-1-01: up to -04", &["N-1-01"]),
        ] {
            assert_eq!(rows_in(doc).unwrap(), rows, "{doc}");
        }
        for doc in ["N-1-03 to N-1-01", "N-1-01 to N-2-02"] {
            assert!(rows_in(doc).is_err(), "{doc}");
        }
    }

    /// Issue 3, ledger: tests are told from other functions, and are found within modules.
    #[test]
    fn only_tests_prove() {
        let source = "
            //! N-1-04
            /// N-1-01
            fn helper() {}
            mod tests {
                /// N-1-02
                #[test]
                fn plain() {}
                /// N-1-03
                #[tokio::test(flavor = \"current_thread\")]
                async fn with_runtime() {}
            }";
        let mut claims = Claims::default();
        claims.read("vrrp-user/src/pulse/mod.rs", source).unwrap();
        let names = |id| claims.of(id).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("N-1-01"), [""; 0]);
        assert_eq!(names("N-1-02"), ["vrrp-user::pulse::tests::plain"]);
        assert_eq!(names("N-1-03"), ["vrrp-user::pulse::tests::with_runtime"]);
        assert_eq!(names("N-1-04"), [""; 0]);
        assert_eq!(claims.mentioned().count(), 4);
    }
}
