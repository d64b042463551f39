//! What is said about a configuration, and how it is drawn.

use std::{collections::HashSet, fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{
    Command, Config, code,
    source::{FileId, Sources, Span},
};

/// More than this is not reported about one file: nobody reads it, and any file must be done with
/// in bounded time.
const MAX_DIAGNOSTICS: usize = 1000;

/// Longer lines, in bytes, are not drawn: keepalived reads 1024 characters of a line.
const MAX_EXCERPT: usize = 4096;

/// Longer sentences, in characters, are cut in the middle: a word of a megabyte says nothing.
const MAX_SENTENCE: usize = 600;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// keepalived reports it, too: it repairs or ignores the place, or does not start.
    Error,
    /// Hardly meant as it stands, though keepalived is silent.
    Warning,
    /// Valid for keepalived; this program does not have it yet.
    NotYet,
    /// Valid, and worth knowing.
    Hint,
}

impl Severity {
    /// One word for output, stable: `error`, `warning`, `not-yet`, `hint`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::NotYet => "not-yet",
            Self::Hint => "hint",
        }
    }
}

/// One remark about one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Stable name of its kind, a letter and four digits.
    pub code: &'static str,
    /// What is wrong, in one sentence that quotes the file.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to write instead, or what happens now.
    pub help: Option<String>,
    /// Other places that it is about, perhaps in another file, each with what is to be seen there.
    pub related: Vec<(Span, String)>,
    verdict: Verdict,
}

impl Diagnostic {
    pub(super) fn new(kind: Kind, span: impl Into<Span>, message: impl Into<String>) -> Self {
        let Kind { code, severity, verdict } = kind;
        let (message, span) = (shortened(message.into()), span.into());
        Self { severity, code, message, span, help: None, related: Vec::new(), verdict }
    }

    /// What it alone makes of the file.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Adds another place, and what is to be seen there.
    pub(super) fn also(&mut self, span: impl Into<Span>, text: impl Into<String>) -> &mut Self {
        self.related.push((span.into(), text.into()));
        self
    }

    /// Adds what to write instead.
    pub(super) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(shortened(help.into()));
    }
}

/// The answer of `check`. Ordered: a later one outweighs an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing that keepalived would report.
    Clean,
    /// Errors, but keepalived would run.
    WouldRun,
    /// A script would run as root although nobody said that this is meant.
    ScriptSecurity,
    /// The file cannot be read, or keepalived does not start with it.
    CannotRun,
}

impl Verdict {
    /// Exit code as `keepalived -t` has it: 0, 5, 6, 4.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::WouldRun => 5,
            Self::ScriptSecurity => 6,
            Self::CannotRun => 4,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "clean",
            Self::WouldRun => "would run",
            Self::ScriptSecurity => "script security",
            Self::CannotRun => "cannot run",
        })
    }
}

/// Kind of a diagnostic: what all of its sort have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) verdict: Verdict,
}

/// Collects diagnostics while a file is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Diagnostic>,
    /// Takes the place of everything beyond the limit.
    last: Option<Diagnostic>,
    /// What has been said. A loop makes the same mistake many times.
    said: HashSet<(&'static str, Span, String)>,
    /// Takes the place of what has been said already.
    repeated: Option<Diagnostic>,
}

impl Findings {
    /// Reports something. The result takes a help text.
    pub(super) fn report(
        &mut self,
        kind: Kind,
        span: impl Into<Span>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = Diagnostic::new(kind, span, message);
        let said = (kind.code, diagnostic.span, diagnostic.message.clone());
        if !self.is_full() && !self.said.insert(said) {
            return self.repeated.insert(diagnostic);
        }
        if self.is_full() {
            // The worst counts.
            let worst =
                self.last.take().map_or(kind.verdict, |last| last.verdict.max(kind.verdict));
            return self.last.insert(Diagnostic { verdict: worst, ..diagnostic });
        }
        let index = self.list.len();
        self.list.push(diagnostic);
        &mut self.list[index]
    }

    /// The same has been reported at the same place.
    pub(super) fn has_said(&self, kind: Kind, span: Span, message: &str) -> bool {
        self.said.contains(&(kind.code, span, message.to_owned()))
    }

    /// Nothing more will be shown.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_DIAGNOSTICS
    }

    /// Everything, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(place);
        if let Some(Diagnostic { span, verdict, .. }) = self.last {
            self.list.push(too_many(span, verdict));
        }
        self.list
    }
}

/// Stands for all beyond the limit, of which this is the worst.
fn too_many(span: Span, verdict: Verdict) -> Diagnostic {
    let message = format!("there is more, only {MAX_DIAGNOSTICS} remarks are shown");
    Diagnostic::new(Kind { verdict, ..code::TOO_MANY }, span, message)
}

fn place(diagnostic: &Diagnostic) -> (FileId, u32) {
    (diagnostic.span.file, diagnostic.span.start)
}

/// A sentence that can be read: the beginning and the end of a long one.
fn shortened(sentence: String) -> String {
    if sentence.len() <= MAX_SENTENCE {
        return sentence;
    }
    let mut places = sentence.char_indices().map(|(at, _)| at);
    let half = MAX_SENTENCE / 2;
    match (places.nth(half), places.nth_back(half)) {
        (Some(from), Some(to)) => format!("{} … {}", &sentence[..from], &sentence[to..]),
        _ => sentence,
    }
}

/// The result of reading a configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What can be run; `None` when keepalived would not start either.
    pub config: Option<Config>,
    /// What there is to say, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The text, for [`Span`]s.
    pub sources: Sources,
    /// What would run as root without anybody having said so, as far as the file tells.
    pub(super) unguarded: Vec<Command>,
}

impl Loaded {
    /// The worst that was found.
    pub fn verdict(&self) -> Verdict {
        worst(&self.diagnostics)
    }

    /// Adds what was found later, in the order of the file. As before there is a limit, and something in
    /// place of what is beyond it.
    pub(super) fn add(&mut self, mut more: Vec<Diagnostic>) {
        let last = self.diagnostics.pop_if(|last| last.code == code::TOO_MANY.code);
        more.sort_by_key(place);
        let room = MAX_DIAGNOSTICS.saturating_sub(self.diagnostics.len());
        let beyond = more.split_off(room.min(more.len()));
        self.diagnostics.append(&mut more);
        self.diagnostics.sort_by_key(place);
        let hidden = last.iter().chain(&beyond);
        if let Some(first) = hidden.clone().next() {
            let verdict = hidden.map(Diagnostic::verdict).max().unwrap_or(Verdict::Clean);
            self.diagnostics.push(too_many(first.span, verdict));
        }
    }

    /// How many diagnostics have a severity.
    pub fn count(&self, severity: Severity) -> usize {
        count(&self.diagnostics, severity)
    }

    /// Draws every diagnostic with its line, a caret, other places and its help, each followed by an
    /// empty line. `color` adds ANSI colours.
    pub fn render(&self, color: bool) -> String {
        render(&self.diagnostics, &self.sources, color)
    }
}

/// The worst of some diagnostics.
pub(super) fn worst(diagnostics: &[Diagnostic]) -> Verdict {
    diagnostics.iter().map(Diagnostic::verdict).max().unwrap_or(Verdict::Clean)
}

pub(super) fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

/// Draws diagnostics, each followed by an empty line.
pub(super) fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    diagnostics.iter().map(|diagnostic| draw(diagnostic, sources, &renderer) + "\n\n").collect()
}

fn draw(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::NotYet => Level::INFO.with_name("not yet"),
        Severity::Hint => Level::NOTE.with_name("hint"),
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code);
    let mut group = Group::with_title(title);
    let span = diagnostic.span;
    let origin = sources.origin(span).map(|origin| (origin, Some("it comes from here")));
    match origin {
        Some(origin) if lines_of(sources, origin.0) == lines_of(sources, span) => {
            group = excerpt(sources, group, &[(span, None), origin]);
        }
        _ => {
            group = excerpt(sources, group, &[(span, None)]);
            if let Some(origin) = origin {
                group = excerpt(sources, group, &[origin]);
            }
        }
    }
    for (span, text) in &diagnostic.related {
        group = excerpt(sources, group, &[(*span, Some(text))]);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

fn lines_of(sources: &Sources, span: Span) -> (FileId, Range<usize>) {
    (span.file, sources.lines_of(span))
}

/// Adds the lines of the first place, with all places marked. One with a label comes second.
fn excerpt<'a>(
    sources: &'a Sources,
    group: Group<'a>,
    places: &[(Span, Option<&'a str>)],
) -> Group<'a> {
    let span = places.first().map(|(span, _)| *span).unwrap_or_default();
    let (file, lines) = lines_of(sources, span);
    let excerpt = sources.text(file).get(lines.clone()).unwrap_or("");
    let (start, _) = sources.positions(span);
    let name = sources.name(file);
    if excerpt.len() > MAX_EXCERPT {
        let place = Origin::path(name).line(start.line as usize);
        return group.element(place.char_column(start.column as usize));
    }
    let within = |offset: u32| (offset as usize).saturating_sub(lines.start).min(excerpt.len());
    let annotations = places.iter().map(|(span, label)| {
        let range = within(span.start)..within(span.end);
        match label {
            None => AnnotationKind::Primary.span(range),
            Some(label) => AnnotationKind::Context.span(range).label(*label),
        }
    });
    let snippet = Snippet::source(excerpt).path(name).line_start(start.line as usize);
    group.element(snippet.annotations(annotations))
}
