//! keepalived's language around the statements: files that include others, lines for some nodes only,
//! variables and loops (keepalived.conf(5), "ADVANCED CONFIGURATION").
//!
//! As in keepalived, all of it works on lines. A line is cut from its file, loses its comment, and is
//! then asked in this order: a condition (`@id`), a loop (`~SEQ`), a definition (`$NAME=`), another
//! file (`include`)? If none of these, variables are replaced, and what then stands there is asked
//! again. The rest of a line behind a brace is treated as a line of its own.
//!
//! Whatever a text says, reading ends: depth, text produced, words and files are limited, and what
//! goes beyond is an error at its place.

mod condition;
mod include;
mod loops;
pub(super) mod text;
mod variables;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    MAX_SIZE, code,
    diagnostic::{Findings, Kind},
    host::Host,
    lexer::{self, Token},
    source::{FileId, Sources, Span},
};
use include::Checks;
pub(super) use include::is_check;
use text::{Text, is_blank};
use variables::{Lines, Random, Replaced, Variables};

/// Lines inside of lines: definitions that use each other, loops in loops, files in files.
const MAX_DEPTH: usize = 48;
/// Words of all files together. 1,000 virtual routers with 100 addresses each have 115,000. Large files
/// may have more: a word for each [`BYTES_OF_WORD`].
const MAX_WORDS: usize = 200_000;
/// So many bytes of its files does a sound configuration have for each word, or more.
const BYTES_OF_WORD: usize = 5;
/// Bytes that variables and loops may produce. A step counts like a short line, even if it is empty.
const MAX_PRODUCED: usize = 8 << 20;
const STEP: usize = 64;
/// Bytes of a line that goes on in others.
const MAX_JOINED: usize = 64 << 10;
/// Lines of all definitions together.
const MAX_DEFINED: usize = 50_000;
/// keepalived 2.2.7 reads this many bytes of a line and takes the rest for another one.
const MAX_LINE: usize = 1023;

/// Who reads, and on what machine.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The config id, which `@id` lines and `${_INSTANCE}` refer to.
    pub id: &'a str,
    /// Everything else.
    pub host: &'a dyn Host,
}

/// All tokens of a configuration, in the order in which they count.
pub(super) fn read(
    name: &str,
    bytes: &[u8],
    surroundings: Surroundings<'_>,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Vec<Token> {
    let host = surroundings.host;
    let mut reader = Reader {
        id: surroundings.id,
        host,
        sources,
        findings,
        tokens: Vec::new(),
        line_start: 0,
        words: 0,
        produced: 0,
        read: bytes.len(),
        depth: 0,
        stopped: false,
        joined: false,
        variables: Variables::default(),
        random: Random::from(host.seed()),
        checks: Checks::default(),
        open: Vec::new(),
        known: HashMap::new(),
    };
    let id = reader.sources.add(name, bytes);
    let identity = host.identity(Path::new(name));
    reader.file(id, Path::new(name), identity);
    reader.tokens
}

struct Reader<'a> {
    id: &'a str,
    host: &'a dyn Host,
    sources: &'a mut Sources,
    findings: &'a mut Findings,
    tokens: Vec<Token>,
    /// Index of the first token of this line.
    line_start: usize,
    words: usize,
    /// Bytes that variables and loops have produced.
    produced: usize,
    /// Bytes of all files.
    read: usize,
    depth: usize,
    /// A limit was exceeded, which has been reported: nothing more is read.
    stopped: bool,
    /// Joined lines have been remarked on.
    joined: bool,
    variables: Variables,
    random: Random,
    /// What `include` insists on.
    checks: Checks,
    /// The files that are being read, each included by the one before.
    open: Vec<OpenFile>,
    /// All files by their [`Host::identity`], so that one that is included again is kept once.
    known: HashMap<PathBuf, FileId>,
}

struct OpenFile {
    identity: PathBuf,
    /// Where it is, as its includer found it, and by its one name.
    directory: PathBuf,
    absolute: PathBuf,
}

impl Reader<'_> {
    /// Reads a file, whose text is known, to its end.
    fn file(&mut self, id: FileId, path: &Path, identity: PathBuf) {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let absolute = self.host.identity(&directory);
        self.known.entry(identity.clone()).or_insert(id);
        self.open.push(OpenFile { identity, directory, absolute });
        let text = self.sources.share(id);
        let mut at = self.skip_encoding(id, &text);
        while at < text.len() && !self.stopped {
            at = self.logical_line(id, &text, at);
        }
        self.open.pop();
    }

    /// Over what an editor puts in front of a text; over all of it if it has two bytes a letter.
    fn skip_encoding(&mut self, id: FileId, text: &str) -> usize {
        if text.starts_with(['\u{ff}', '\u{fe}']) && text.contains('\0') {
            let span = Text::written(id, 0, text).span(0..'\u{ff}'.len_utf8(), self.sources);
            let message =
                format!("`{}` is UTF-16 text; nothing of it is read", self.sources.name(id));
            self.findings.report(code::UTF16, span, message).help("save it as UTF-8");
            return text.len();
        }
        if !text.starts_with('\u{feff}') {
            return 0;
        }
        let length = '\u{feff}'.len_utf8();
        let span = Text::written(id, 0, text).span(0..length, self.sources);
        let message = "the file begins with a byte order mark, which keepalived takes for a part of the first word";
        self.findings.report(code::BYTE_ORDER_MARK, span, message).help("save the file without it");
        length
    }

    /// Reads the line that begins at `at` and those that are joined to it; returns where the next one
    /// begins. A `\` at the end joins lines; in a definition it separates those of the value.
    fn logical_line(&mut self, id: FileId, text: &str, at: usize) -> usize {
        let (mut line, mut next) = self.physical_line(id, text, at);
        let definition = variables::begins_definition(line.code.as_str());
        if definition {
            let mut lines = Vec::new();
            while line.goes_on(true) && next < text.len() {
                lines.push(line.code.into_owned());
                (line, next) = self.physical_line(id, text, next);
                if lines.len() > MAX_DEFINED {
                    break;
                }
            }
            lines.push(line.code.into_owned());
            self.definition(lines);
            return next;
        }
        let mut joined = std::mem::take(&mut line.code);
        while line.goes_on(false) && next < text.len() {
            if !self.joined {
                self.joined = true;
                let backslash = line.backslash.unwrap_or_default();
                let message = "this line goes on in the next one, but not for keepalived 2.2: there it ends here";
                self.findings
                    .report(code::JOINED_LINE, backslash, message)
                    .help("write both on one line if the file is also for keepalived 2.2");
            }
            (line, next) = self.physical_line(id, text, next);
            joined.join(&line.code);
            if joined.as_str().len() > MAX_JOINED {
                let span = joined.whole(self.sources);
                let message = format!("lines of more than {MAX_JOINED} bytes are joined");
                self.stop(code::TOO_MUCH, span, &message);
                break;
            }
        }
        self.line(&joined);
        self.end_line();
        next
    }

    /// One line of a file without its comment and its `\`.
    fn physical_line<'t>(&mut self, id: FileId, text: &'t str, at: usize) -> (Line<'t>, usize) {
        let rest = &text[at..];
        let end = rest.find('\n').unwrap_or(rest.len());
        let mut line = rest[..end].trim_end_matches('\r');
        if let Some(length) = line.find('\0') {
            let span = Text::written(id, at, line).span(length..length + 1, self.sources);
            let message = "a NUL byte: the rest of the line is not read";
            self.findings.report(code::NUL_BYTE, span, message).help("save the file as UTF-8 text");
            line = &line[..length];
        }
        if let Some(limit) = self.sources.behind(id, line, MAX_LINE) {
            let span = Text::written(id, at, line).span(limit..line.len(), self.sources);
            let octets = self.sources.encode(span, line).len();
            self.report_long_line(octets, span, "the line");
        }
        let code = &line[..lexer::code_length(line)];
        let trimmed = line.trim_end_matches(is_blank);
        let backslash = trimmed.ends_with('\\').then(|| trimmed.len() - 1);
        let in_comment = backslash.is_some_and(|at| at >= code.len());
        let code = backslash.map_or(code, |at| &code[..at.min(code.len())]);
        let backslash =
            backslash.map(|offset| Text::written(id, at + offset, "\\").span(0..1, self.sources));
        (Line { code: Text::written(id, at, code), backslash, in_comment }, at + end + 1)
    }

    fn report_long_line(&mut self, length: usize, span: Span, what: &str) {
        let message = format!("{what} has {length} bytes");
        self.findings.report(code::LONG_LINE, span, message).help(format!(
            "keepalived 2.2 reads {MAX_LINE} bytes and takes the rest for another line; here it is read as a whole"
        ));
    }

    /// A line, or the rest of one behind a condition or a loop.
    fn line(&mut self, line: &Text<'_>) {
        if self.stopped {
            return;
        }
        if self.depth >= MAX_DEPTH {
            let message =
                format!("definitions, loops and files are nested more than {MAX_DEPTH} deep");
            let span = line.whole(self.sources);
            self.stop(code::EXPANSION_DEPTH, span, &message);
            return;
        }
        self.depth += 1;
        self.statements(line);
        self.depth -= 1;
    }

    fn statements(&mut self, line: &Text<'_>) {
        let text = line.as_str();
        let mut at = 0;
        let mut conditions = 0;
        while at < text.len() && !self.stopped {
            let rest = &text[at..];
            let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
            if blanks > 0 {
                at += blanks;
            } else if rest.starts_with('@') {
                conditions += 1;
                match self.condition(line, at, conditions) {
                    Some(length) => at += length,
                    None => return,
                }
            } else if loops::begins(rest) {
                return self.repeat(line, at);
            } else if variables::begins_definition(rest) {
                return self.definition(vec![line.slice(at..text.len()).into_owned()]);
            } else if include::begins(rest) {
                return self.include(line, at);
            } else {
                let brace = usize::from(rest.starts_with(['{', '}']));
                let length = lexer::statement_length(rest).max(brace);
                self.statement(&line.slice(at..at + length), at + length == text.len());
                at += length;
                conditions = 0;
            }
        }
    }

    /// A statement, or what follows when its variables are replaced. `last`: nothing stands behind it
    /// on its line.
    fn statement(&mut self, statement: &Text<'_>, last: bool) {
        let Some(replaced) = self.replace(statement, last) else {
            return;
        };
        match replaced {
            Replaced::Nothing => self.tokens(statement),
            Replaced::Line(line) => self.line(&line),
            Replaced::Lines(head, lines) => self.template(&head, &lines),
        }
    }

    /// The lines of a definition, one after the other: each may change what the next one means.
    fn template(&mut self, head: &Text<'_>, Lines { name, value, used }: &Lines) {
        self.variables.enter(name);
        self.line(head);
        for line in value.iter().skip(1) {
            self.end_line();
            if !self.produce(line.as_str().len(), used.0) {
                break;
            }
            let mut text = Text::default();
            text.push(line, Some(*used));
            self.line(&text);
        }
        self.variables.leave();
    }

    fn tokens(&mut self, statement: &Text<'_>) {
        let first = self.tokens.len();
        let most = MAX_WORDS.max(self.read / BYTES_OF_WORD);
        let limit = first + most.saturating_sub(self.words);
        lexer::tokens(statement, limit, self.sources, self.findings, &mut self.tokens);
        self.words += self.tokens.len() - first;
        // Two statements change how the lines below are read.
        match self.tokens.get(first) {
            Some(Token::Word(keyword)) if keyword.text == "random_seed" => self.seed(first + 1),
            Some(Token::Word(keyword)) if keyword.text == "include_check" => {
                self.change_checks(first + 1);
            }
            _ => {}
        }
        if self.words > most {
            let message = format!("the configuration has more than {most} words");
            let span = statement.whole(self.sources);
            self.stop(code::TOO_MUCH, span, &message);
        }
    }

    fn end_line(&mut self) {
        if self.tokens.len() > self.line_start {
            self.tokens.push(Token::End);
        }
        self.line_start = self.tokens.len();
    }

    /// Takes note of text that comes out of a variable or loop; `false` if that is too much.
    fn produce(&mut self, length: usize, span: Span) -> bool {
        self.produced = self.produced.saturating_add(length + STEP);
        if self.produced > MAX_PRODUCED && !self.stopped {
            let message =
                format!("variables and loops produce more than {} MiB of text", MAX_PRODUCED >> 20);
            self.stop(code::TOO_MUCH, span, &message);
        }
        !self.stopped
    }

    fn stop(&mut self, kind: Kind, span: Span, message: &str) {
        self.stopped = true;
        self.findings.report(kind, span, message).help("the rest is not read, and nothing is run");
    }
}

/// A line of a file.
struct Line<'a> {
    code: Text<'a>,
    /// The one at the end of the line.
    backslash: Option<Span>,
    in_comment: bool,
}

impl Line<'_> {
    /// The next line belongs to this one. Definitions may have comments in front of the backslash.
    fn goes_on(&self, definition: bool) -> bool {
        self.backslash.is_some() && (definition || !self.in_comment)
    }
}
