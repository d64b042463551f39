//! `include` and its kin: other files in the place of a line.

use std::{
    io,
    path::{Path, PathBuf},
};

use glob::Pattern;

use super::{MAX_SIZE, Reader, STEP, Text, is_blank, variables::Replaced};
use crate::{
    code,
    diagnostic::Kind,
    host::MAX_FILES,
    keywords::{self, Block},
    lexer::Token,
    source::Span,
};

/// Files in files.
const MAX_INCLUDES: usize = 16;
/// Alternatives that braces may stand for.
const MAX_ALTERNATIVES: usize = 1000;
/// Linux knows no longer ones.
const MAX_NAME: usize = 4096;
/// What looking for files, or reading one once more, counts for beside the text.
const VISIT: usize = 32 * STEP;

/// What has to be there. Without any, a file that is missing is no error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checks {
    /// Files that match can be read.
    readable: bool,
    /// There is a file, unless the name has wildcards.
    found: bool,
    /// There is a file even if the name has wildcards.
    wildcard: bool,
    /// Each alternative in braces has a file.
    brace: bool,
}

impl Checks {
    const ALL: Self = Self { readable: true, found: true, wildcard: true, brace: true };

    /// What a keyword insists on, in addition to what is set.
    fn with(self, keyword: &str) -> Self {
        match keyword {
            "includer" => Self { readable: true, ..self },
            "includem" => Self { readable: true, found: true, ..self },
            "includew" => Self { readable: true, wildcard: true, ..self },
            "includeb" => Self { readable: true, brace: true, ..self },
            "includea" => Self::ALL,
            _ => self,
        }
    }

    /// One word of `include_check`, without its sign. `false`: there is no such word.
    fn set(&mut self, option: &str, on: bool) -> bool {
        match option {
            "readable" => self.readable = on,
            "match" => self.found = on,
            "wildcard_match" => self.wildcard = on,
            "brace_match" => self.brace = on,
            _ => return false,
        }
        self.readable |= on;
        true
    }
}

/// True for a word behind `include_check`.
pub(crate) fn is_check(word: &str) -> bool {
    let (on, option) = signed(word);
    Checks::default().set(option, on)
}

/// A word behind `include_check` without its sign, and whether it is to be on.
fn signed(word: &str) -> (bool, &str) {
    match word.strip_prefix('-') {
        Some(option) => (false, option),
        None => (true, word.strip_prefix('+').unwrap_or(word)),
    }
}

/// A line begins with one of the keywords and a blank.
pub(super) fn begins(line: &str) -> bool {
    line.starts_with("include") && keyword(line).is_some()
}

fn keyword(line: &str) -> Option<&'static str> {
    let word = &line[..line.find(is_blank).unwrap_or(line.len())];
    // Outside of all blocks the table has no others that begin so.
    let known = keywords::find(Block::Root, word).map(|keyword| keyword.row.name);
    known.filter(|name| name.starts_with("include"))
}

impl Reader<'_> {
    /// The `include` at `at`: the rest of the line is one pattern, blanks and braces and all.
    pub(super) fn include(&mut self, line: &Text<'_>, at: usize) {
        let whole = line.slice(at..line.as_str().len());
        let replaced = match self.replace(&whole, false) {
            Some(Replaced::Line(text)) => text,
            Some(_) => whole.into_owned(),
            None => return,
        };
        let text = replaced.as_str();
        let Some(keyword) = keyword(text) else {
            return;
        };
        let name = replaced.slice(keyword.len()..text.len());
        let name = name.trimmed();
        if name.as_str().is_empty() {
            let span = replaced.whole(self.sources);
            let message = format!("`{keyword}` has no file name behind it; the line is ignored");
            self.findings.report(code::MISSING_VALUE, span, message);
            return;
        }
        let span = name.whole(self.sources);
        self.end_line();
        self.read_matches(unquoted(name.as_str()), self.checks.with(keyword), span);
    }

    fn read_matches(&mut self, pattern: &str, checks: Checks, span: Span) {
        if pattern.len() > MAX_NAME {
            let message = format!("a file name of {} bytes", pattern.len());
            self.findings.report(code::NO_FILE, span, message).help("the line is ignored");
            return;
        }
        let Some(alternatives) = alternatives(pattern) else {
            let message = format!("`{pattern}` stands for more than {MAX_ALTERNATIVES} names");
            return self.stop(code::TOO_MUCH, span, &message);
        };
        let directory = self.open.last().map(|file| file.directory.clone()).unwrap_or_default();
        let mut found = 0;
        for alternative in &alternatives {
            if !self.produce(VISIT, span) {
                return;
            }
            let files = match self.matches(&directory, alternative) {
                Ok(Some(files)) => files,
                Ok(None) => {
                    let message = format!(
                        "`{alternative}` stands for more than {MAX_FILES} files, or for too many places to look for them"
                    );
                    return self.stop(code::TOO_MUCH, span, &message);
                }
                Err(reason) => {
                    let message = format!("`{alternative}` is no pattern: {reason}");
                    self.findings.report(code::NO_FILE, span, message).help("no file is read");
                    return;
                }
            };
            let mut any = false;
            for path in files {
                match self.include_file(&path, span) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        any = true;
                        self.report_unreadable(&path, &error, checks, span);
                    }
                    Ok(()) => any = true,
                }
                if self.stopped {
                    return;
                }
            }
            found += usize::from(any);
        }
        if found < alternatives.len() {
            self.report_missing(pattern, &alternatives, found, checks, span);
        }
    }

    /// Files that a pattern without braces stands for; the one that it names, even if it is not there.
    /// `None` if they are too many.
    fn matches(
        &self,
        directory: &Path,
        pattern: &str,
    ) -> Result<Option<Vec<PathBuf>>, &'static str> {
        if !has_wildcard(pattern) {
            return Ok(Some(vec![directory.join(literal(pattern))]));
        }
        let directory = if pattern.starts_with('/') { Path::new("") } else { directory };
        let mut full = Pattern::escape(&directory.display().to_string());
        if !full.is_empty() && !full.ends_with('/') {
            full.push('/');
        }
        let pattern = Pattern::new(&(full + &crate_pattern(pattern))).map_err(|error| error.msg)?;
        Ok(self.host.matches(&pattern))
    }

    /// Reads a file in the place of the line.
    fn include_file(&mut self, path: &Path, span: Span) -> io::Result<()> {
        let identity = self.host.identity(path);
        let name = path.display().to_string();
        if let Some(at) = self.open.iter().position(|file| file.identity == identity) {
            let message = match &self.open[at..] {
                [_] => format!("`{name}` includes itself; it is not read again"),
                _ => format!(
                    "`{name}` is being read already, and has included this file; it is not read again"
                ),
            };
            self.findings.report(code::ENDLESS_INCLUDE, span, message).help("remove this line");
            return Ok(());
        }
        if self.open.len() > MAX_INCLUDES {
            let message = format!("files include files more than {MAX_INCLUDES} deep");
            self.stop(code::EXPANSION_DEPTH, span, &message);
            return Ok(());
        }
        let known = self.known.get(&identity).copied();
        let length = known.map_or(0, |id| self.sources.text(id).len());
        if !self.produce(length + VISIT, span) {
            return Ok(());
        }
        let id = match known {
            Some(id) => id,
            None => {
                let bytes = self.host.read(path)?;
                self.read = self.read.saturating_add(bytes.len());
                if self.read > MAX_SIZE || self.known.len() >= MAX_FILES {
                    let message = format!(
                        "with `{name}` there are more than {MAX_FILES} files or {MAX_SIZE} bytes"
                    );
                    self.stop(code::TOO_LARGE, span, &message);
                    return Ok(());
                }
                self.sources.add(&name, &bytes)
            }
        };
        // What the file sets for itself ends with it.
        let checks = self.checks;
        self.file(id, path, identity);
        self.checks = checks;
        Ok(())
    }

    fn report_unreadable(&mut self, path: &Path, error: &io::Error, checks: Checks, span: Span) {
        let message = format!("`{}` cannot be read: {error}", path.display());
        let kind = if checks.readable { code::FILE_REQUIRED } else { code::NO_FILE };
        self.report_include(kind, span, &message);
    }

    fn report_missing(
        &mut self,
        pattern: &str,
        names: &[String],
        found: usize,
        checks: Checks,
        span: Span,
    ) {
        let wildcard = names.iter().any(|name| has_wildcard(name));
        let (message, required) = if found > 0 {
            (format!("some of the files that `{pattern}` stands for are missing"), checks.brace)
        } else if wildcard {
            (format!("no file matches `{pattern}`"), checks.wildcard)
        } else {
            let required = checks.found || (checks.brace && names.len() > 1);
            (format!("there is no file `{pattern}`"), required)
        };
        let kind = match (required, wildcard) {
            (true, _) => code::FILE_REQUIRED,
            (false, true) => code::NO_MATCH,
            (false, false) => code::NO_FILE,
        };
        self.report_include(kind, span, &message);
    }

    fn report_include(&mut self, kind: Kind, span: Span, message: &str) {
        let help = if kind.code == code::FILE_REQUIRED.code {
            "keepalived does not start: create the file, or use `include`, which does not insist on it"
        } else {
            "the line is ignored; names are relative to the directory of the file that includes"
        };
        self.findings.report(kind, span, message).help(help);
    }

    /// `include_check [+|-]OPTION …`, whose options begin at a token; without any, all are set.
    pub(super) fn change_checks(&mut self, options: usize) {
        let words = self.tokens.get(options..).unwrap_or_default().iter();
        let words = words.map_while(|token| match token {
            Token::Word(word) => Some(word.clone()),
            _ => None,
        });
        let words: Vec<_> = words.collect();
        match words.first() {
            None => return self.checks = Checks::ALL,
            Some(first) if !first.text.starts_with(['+', '-']) => self.checks = Checks::default(),
            Some(_) => {}
        }
        for word in words {
            let (on, option) = signed(&word.text);
            // One that there is not is reported with the keyword.
            self.checks.set(option, on);
        }
    }
}

/// A name in quotes, so that it may begin or end with a blank; keepalived 2.2 takes the quotes for a
/// part of the name.
fn unquoted(name: &str) -> &str {
    let inner = ['"', '\''].into_iter().find_map(|c| name.strip_prefix(c)?.strip_suffix(c));
    inner.unwrap_or(name)
}

fn has_wildcard(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|c| {
        let wildcard = !escaped && matches!(c, '*' | '?' | '[');
        escaped = c == '\\' && !escaped;
        wildcard
    })
}

/// A name without its backslashes.
fn literal(name: &str) -> String {
    let mut literal = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(c) = characters.next() {
        literal.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    literal
}

/// `glob(3)` has backslashes, `[^…]`, and no `**`; the crate has none of the first two.
fn crate_pattern(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                let next = characters.next().map(String::from).unwrap_or_default();
                translated.push_str(&Pattern::escape(&next));
            }
            '*' if translated.ends_with('*') => {}
            '[' if characters.next_if_eq(&'^').is_some() => translated.push_str("[!"),
            _ => translated.push(c),
        }
    }
    translated
}

/// All that `a{b,c{d,e}}` stands for, in order; `None` for too many. Braces that are not closed stand
/// for themselves.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    let mut steps = 0;
    while let Some(pattern) = open.pop() {
        steps += 1;
        if done.len() + open.len() >= MAX_ALTERNATIVES || steps > 2 * MAX_ALTERNATIVES {
            return None;
        }
        match braces(&pattern) {
            None => done.push(pattern),
            Some((before, parts, behind)) => {
                open.extend(parts.iter().rev().map(|part| format!("{before}{part}{behind}")));
            }
        }
    }
    Some(done)
}

/// What stands before, in and behind the first pair of braces.
fn braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let start = pattern.find('{')?;
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0_usize, start + 1);
    for (at, byte) in pattern.bytes().enumerate().skip(start + 1) {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 0 => {
                parts.push(&pattern[from..at]);
                from = at + 1;
            }
            b'}' if depth == 0 => {
                parts.push(&pattern[from..at]);
                return Some((&pattern[..start], parts, &pattern[at + 1..]));
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}
