//! `$NAME=value`, `$NAME` and `${NAME}`; and those that are there from the begin, such as `${_PWD}`.

use std::{collections::HashMap, rc::Rc};

use super::{MAX_DEFINED, MAX_DEPTH, MAX_LINE, Reader, Text, is_blank};
use crate::{code, lexer::Token, oddities::is_name, source::Span};

/// A statement whose variables are replaced.
pub(super) enum Replaced {
    /// There are none.
    Nothing,
    /// By values of one line.
    Line(Text<'static>),
    /// The last one by several lines: what stands in front of it with the first of them, and all.
    Lines(Text<'static>, Lines),
}

/// The lines of a value, at least one.
type Value = Rc<[Text<'static>]>;

/// What a variable with several lines stands for.
pub(super) struct Lines {
    pub(super) name: Rc<str>,
    pub(super) value: Value,
    /// Where it is used, and where this use was written.
    pub(super) used: (Span, Span),
}

/// All that is defined so far.
#[derive(Default)]
pub(super) struct Variables {
    defined: HashMap<Rc<str>, Value>,
    /// Lines of all values.
    lines: usize,
    /// Those whose values are being read.
    active: Vec<Rc<str>>,
}

impl Variables {
    fn define(&mut self, name: &str, lines: Vec<Text<'static>>) {
        self.lines += lines.len();
        let before = self.defined.insert(name.into(), lines.into());
        self.lines -= before.map_or(0, |lines| lines.len());
    }

    /// The value of a variable is being read from here.
    pub(super) fn enter(&mut self, name: &Rc<str>) {
        self.active.push(Rc::clone(name));
    }

    /// To here.
    pub(super) fn leave(&mut self) {
        self.active.pop();
    }

    fn is_active(&self, name: &str) -> bool {
        self.active.iter().any(|active| **active == *name)
    }
}

/// A line, or what stands behind its condition, begins with `$NAME=`.
pub(super) fn begins_definition(line: &str) -> bool {
    let line = line.trim_start_matches(is_blank);
    if line.starts_with('@') {
        let rest = line.find(is_blank).map_or("", |at| line[at..].trim_start_matches(is_blank));
        return !rest.starts_with('@') && begins_definition(rest);
    }
    let Some(rest) = line.strip_prefix('$') else {
        return false;
    };
    let (name, behind) = rest.split_at(name_length(rest));
    is_name(name) && behind.starts_with('=')
}

/// Length of what may be a name at the begin of a text.
fn name_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// A use of a variable, at the begin of a text.
struct Use<'a> {
    name: &'a str,
    /// What stands behind the name in the braces.
    arguments: &'a str,
    length: usize,
}

/// `${NAME}` anywhere, or `$NAME` in front of a blank.
fn find_use(text: &str) -> Option<Use<'_>> {
    let rest = text.strip_prefix('$')?;
    if let Some(inner) = rest.strip_prefix('{') {
        let inner = &inner[..inner.bytes().position(|b| matches!(b, b'}' | b'$' | b'{'))?];
        let end = inner.find(is_blank).unwrap_or(inner.len());
        let (name, arguments) = inner.split_at(end);
        let closed = rest.as_bytes().get(inner.len() + 1) == Some(&b'}');
        return (closed && is_name(name)).then_some(Use {
            name,
            arguments,
            length: inner.len() + "${}".len(),
        });
    }
    let (name, behind) = rest.split_at(name_length(rest));
    let ends = behind.is_empty() || behind.starts_with(is_blank);
    (ends && is_name(name)).then_some(Use { name, arguments: "", length: name.len() + "$".len() })
}

/// What has been replaced so far.
#[derive(Default)]
struct Output {
    text: Text<'static>,
    changed: bool,
    lines: Option<Lines>,
}

/// The statement cannot be used; why has been reported.
struct Unusable;

impl Reader<'_> {
    /// A definition; all but the first line come from behind a `\`.
    pub(super) fn definition(&mut self, mut lines: Vec<Text<'static>>) {
        let first = std::mem::take(&mut lines[0]);
        let first = first.trimmed();
        let text = first.as_str();
        if text.starts_with('@') {
            if let Some(length) = self.condition(&first, 0, 1) {
                lines[0] = first.slice(length..text.len()).into_owned();
                self.definition(lines);
            }
            return;
        }
        let Some((name, value)) = text.split_once('=') else {
            return;
        };
        let whole = first.whole(self.sources);
        let value = first.slice(text.len() - value.len()..text.len());
        let mut values = Vec::with_capacity(lines.len());
        // `$NAME= \`: the value begins with the next line.
        if lines.len() == 1 || !value.is_blank() {
            values.push(value.trimmed().into_owned());
        }
        values.extend(lines[1..].iter().map(|line| line.trimmed().into_owned()));
        self.define(&name[1..], values, whole);
    }

    /// Gives a variable its value, at least one line. `false`: there are too many of them.
    pub(super) fn define(&mut self, name: &str, lines: Vec<Text<'static>>, span: Span) -> bool {
        self.variables.define(name, lines);
        if self.variables.lines > MAX_DEFINED {
            let message = format!("variables have more than {MAX_DEFINED} lines in all");
            self.stop(code::TOO_MUCH, span, &message);
        }
        !self.stopped
    }

    /// Replaces the variables of a statement. `last`: nothing stands behind it. `None`: it cannot be
    /// used.
    pub(super) fn replace(&mut self, statement: &Text<'_>, last: bool) -> Option<Replaced> {
        if !statement.as_str().contains('$') {
            return Some(Replaced::Nothing);
        }
        let mut output = Output::default();
        let depth = self.variables.active.len();
        let outcome = self.expand(statement, last, &mut output);
        self.variables.active.truncate(depth);
        outcome.ok()?;
        let length = output.text.as_str().len();
        if output.changed && length > MAX_LINE {
            let span = statement.whole(self.sources);
            self.report_long_line(length, span, "with its variables replaced, the line");
        }
        Some(match output {
            Output { changed: false, .. } => Replaced::Nothing,
            Output { text: head, lines: Some(lines), .. } => Replaced::Lines(head, lines),
            Output { text, lines: None, .. } => Replaced::Line(text),
        })
    }

    /// Adds a text with its variables replaced.
    fn expand(&mut self, text: &Text<'_>, last: bool, out: &mut Output) -> Result<(), Unusable> {
        let string = text.as_str();
        let mut done = 0;
        let mut at = 0;
        while let Some(found) = string[at..].find('$') {
            let start = at + found;
            at = start + 1;
            let Some(used) = find_use(&string[start..]) else {
                self.report_unbraced(text, start);
                continue;
            };
            let end = start + used.length;
            let places = text.places(start..end);
            let Some((name, value)) = self.value(&used, places.0) else {
                continue;
            };
            out.text.push(&text.slice(done..start), None);
            out.changed = true;
            (done, at) = (end, end);
            let last = last && string[end..].trim_matches(is_blank).is_empty();
            self.put(&name, &value, places, last, out)?;
            if out.lines.is_some() {
                return Ok(());
            }
        }
        out.text.push(&text.slice(done..string.len()), None);
        Ok(())
    }

    /// Adds the value of a variable.
    fn put(
        &mut self,
        name: &Rc<str>,
        value: &Value,
        places: (Span, Span),
        last: bool,
        out: &mut Output,
    ) -> Result<(), Unusable> {
        let span = self.span_of(places);
        if self.variables.is_active(name) {
            let message = format!("`${name}` is used in its own value; the line is ignored");
            let help =
                "a value is replaced where it is used: give one of the variables another name";
            self.findings.report(code::ENDLESS_VARIABLE, span, message).help(help);
            return Err(Unusable);
        }
        if self.variables.active.len() >= MAX_DEPTH {
            let message = format!("variables use each other more than {MAX_DEPTH} deep");
            self.stop(code::EXPANSION_DEPTH, span, &message);
            return Err(Unusable);
        }
        let first = value.first().cloned().unwrap_or_default();
        if !self.produce(first.as_str().len(), places.0) {
            return Err(Unusable);
        }
        let mut line = Text::default();
        line.push(&first, Some(places));
        if value.len() == 1 {
            self.variables.enter(name);
            let result = self.expand(&line, last, out);
            self.variables.leave();
            return result;
        }
        if !last {
            let count = value.len();
            let message = format!("`${name}` has {count} lines, and something stands behind it");
            let help = "a variable with several lines has to be the last on its line; this line is ignored";
            self.findings.report(code::LINES_WITHIN_LINE, span, message).help(help);
            return Err(Unusable);
        }
        out.text.push(&line, None);
        out.lines = Some(Lines { name: Rc::clone(name), value: Rc::clone(value), used: places });
        Ok(())
    }

    /// The value of a variable, if it has one.
    fn value(&mut self, used: &Use<'_>, place: Span) -> Option<(Rc<str>, Value)> {
        if used.arguments.trim_matches(is_blank).is_empty()
            && let Some((name, lines)) = self.variables.defined.get_key_value(used.name)
        {
            return Some((Rc::clone(name), Rc::clone(lines)));
        }
        let value = self.predefined(used.name, used.arguments.trim_matches(is_blank))?;
        Some((used.name.into(), [Text::made(value, place)].into()))
    }

    /// Variables that need no definition (keepalived.conf(5), "Pre-defined definitions"). 2.2.7 has no
    /// `_ENV`, and takes what comes out of `_HASH` and `_BANG` for the begin of a comment.
    fn predefined(&mut self, name: &str, arguments: &str) -> Option<String> {
        match (name, arguments) {
            ("_PWD", "") => self.open.last().map(|file| file.absolute.display().to_string()),
            ("_INSTANCE", "") => Some(self.id.to_owned()),
            ("_HASH", "") => Some("#".to_owned()),
            ("_BANG", "") => Some("!".to_owned()),
            ("_ENV", name) => self.host.variable(name),
            ("_RANDOM", range) => {
                let mut bounds = range.split(is_blank).filter(|word| !word.is_empty());
                let mut bound = |default| bounds.next().map_or(Some(default), |n| n.parse().ok());
                let (least, most): (u32, u32) = (bound(0)?, bound(32_767)?);
                (bounds.next().is_none() && least <= most)
                    .then(|| self.random.between(least, most).to_string())
            }
            _ => None,
        }
    }

    /// `$NAME.` is no use of a variable, although it looks like one.
    fn report_unbraced(&mut self, text: &Text<'_>, start: usize) {
        let rest = &text.as_str()[start + 1..];
        let length = name_length(rest);
        let name = &rest[..length];
        if self.variables.defined.contains_key(name) {
            let span = text.span(start..start + 1 + length, self.sources);
            let message = format!("`${name}` stays as it is, because no blank stands behind it");
            let help = format!("write `${{{name}}}` to have it replaced");
            self.findings.report(code::UNBRACED_VARIABLE, span, message).help(help);
        }
    }

    fn span_of(&mut self, (used, written): (Span, Span)) -> Span {
        if used == written { used } else { self.sources.with_origin(used, written) }
    }

    /// `random_seed N`, whose arguments begin at a token.
    pub(super) fn seed(&mut self, arguments: usize) {
        if let Some(Token::Word(word)) = self.tokens.get(arguments)
            && let Ok(seed) = word.text.parse::<u32>()
        {
            self.random = Random::from(u64::from(seed));
        }
    }
}

/// xorshift64*: which numbers it gives does not matter, but a seed gives the same each time.
pub(super) struct Random(u64);

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }
}

impl Random {
    fn between(&mut self, least: u32, most: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        let width = u64::from(most - least) + 1;
        u32::try_from(u64::from(least) + high % width).unwrap_or(most)
    }
}
