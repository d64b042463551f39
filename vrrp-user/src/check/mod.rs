//! `xvrrp check`: reads configurations and says what is wrong with them. Needs neither root nor the
//! interfaces of the file.

mod host;
mod pipe;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use pipe::Pipe;
use serde::Serialize;

use crate::config::{self, Diagnostic, Loaded, Severity, Sources, Span, Verdict};

/// What `check` looks at, and how it answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One JSON array of diagnostics instead of drawings for people.
    pub json: bool,
    /// The files are those of one cluster: can its nodes elect?
    pub together: bool,
    /// Look at this host, too: its interfaces and programs.
    pub host: bool,
    /// Drawings have colours.
    pub color: bool,
}

/// Checks every file as the node of the config id beside it would read it and writes the result: drawn
/// diagnostics and a last line for each file, or JSON. Returns the exit code of the worst file, as
/// `keepalived -t` has it: 0 clean, 4 cannot run, 5 has errors but would run, 6 script security. Files
/// that would run, but not together, make 5. Errors are those of `out`, except that whoever reads it
/// may have seen enough: a broken pipe changes nothing about the exit code.
pub fn run(files: &[(PathBuf, String)], options: Options, out: &mut impl Write) -> io::Result<u8> {
    let out = &mut Pipe::new(out);
    let interfaces = if options.host { host::interfaces() } else { None };
    let mut worst = Verdict::Clean;
    let mut entries = Vec::new();
    let mut nodes = Vec::new();
    for (path, id) in files {
        let mut loaded = config::load_as(path, id);
        if options.host {
            host::check(&mut loaded, interfaces.as_ref());
        }
        let verdict = loaded.verdict();
        worst = worst.max(verdict);
        if options.json {
            entries.extend(Entry::all(&loaded.diagnostics, &loaded.sources));
        } else {
            out.write_all(loaded.render(options.color).as_bytes())?;
            let counts = counts(|severity| loaded.count(severity));
            writeln!(out, "{}: {counts}{verdict}", path.display())?;
        }
        if options.together {
            nodes.push(loaded);
        }
    }
    if options.together {
        worst = worst.max(compare(&nodes, options, &mut entries, out)?);
    }
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &entries)?;
        writeln!(out)?;
    }
    Ok(worst.exit_code())
}

/// The part about all files at once.
fn compare(
    nodes: &[Loaded],
    options: Options,
    entries: &mut Vec<Entry>,
    out: &mut impl Write,
) -> io::Result<Verdict> {
    let together = config::together(nodes);
    let verdict = together.verdict();
    if options.json {
        entries.extend(Entry::all(&together.diagnostics, &together.sources));
    } else {
        out.write_all(together.render(options.color).as_bytes())?;
        let counts = counts(|severity| together.count(severity));
        let answer = if verdict == Verdict::Clean { "clean" } else { "would not work together" };
        writeln!(out, "together: {counts}{answer}")?;
    }
    Ok(verdict)
}

/// One diagnostic for programs.
#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    place: Place,
    severity: &'static str,
    code: &'static str,
    message: String,
    help: Option<String>,
    /// Where the text was written that a variable or a loop has brought to this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Place>,
    /// Other places that it is about.
    related: Vec<Related>,
    /// What it alone makes of the file, in the words of the last line.
    verdict: String,
}

#[derive(Serialize)]
struct Related {
    #[serde(flatten)]
    place: Place,
    message: String,
}

/// Lines and columns count from 1, columns count characters; the end is the column behind the last
/// character.
#[derive(Serialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

impl Entry {
    fn all(diagnostics: &[Diagnostic], sources: &Sources) -> impl Iterator<Item = Self> {
        diagnostics.iter().map(|diagnostic| Self {
            place: Place::new(diagnostic.span, sources),
            severity: diagnostic.severity.name(),
            code: diagnostic.code,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            origin: sources.origin(diagnostic.span).map(|origin| Place::new(origin, sources)),
            related: diagnostic
                .related
                .iter()
                .map(|(span, text)| Related {
                    place: Place::new(*span, sources),
                    message: text.clone(),
                })
                .collect(),
            verdict: diagnostic.verdict().to_string(),
        })
    }
}

impl Place {
    fn new(span: Span, sources: &Sources) -> Self {
        let (start, end) = sources.positions(span);
        Self {
            file: sources.name(span.file).to_owned(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    }
}

/// `3 errors, 2 warnings, `, or nothing.
fn counts(count: impl Fn(Severity) -> usize) -> String {
    let plural = |severity, word: &str| match count(severity) {
        0 => String::new(),
        1 => format!("1 {word}, "),
        many => format!("{many} {word}s, "),
    };
    let not_yet = match count(Severity::NotYet) {
        0 => String::new(),
        many => format!("{many} not yet implemented, "),
    };
    plural(Severity::Error, "error")
        + &plural(Severity::Warning, "warning")
        + &not_yet
        + &plural(Severity::Hint, "hint")
}
