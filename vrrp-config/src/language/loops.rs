//! `~SEQ(NAME, start, step, end)`, `~SEQx` and `~LST(NAME, value, …)`: the rest of the line once for
//! each value.

use super::{Reader, Text, is_blank};
use crate::{code, oddities::is_name, source::Span};

/// The values of a loop: one by one, or groups of them.
enum Values<'a> {
    Sequence { next: i64, step: i64, end: i64, hexadecimal: bool },
    List(std::vec::IntoIter<Vec<&'a str>>),
}

/// A loop: its variables and the values that these take together.
struct Loop<'a> {
    names: Vec<&'a str>,
    values: Values<'a>,
}

/// What is wrong with a loop, and what to write instead.
type Mistake = (String, &'static str);

const SEQUENCE: &str = "write `~SEQ(NAME, start, step, end)`; `start` and `step` may be left out";
const LIST: &str = "write `~LST(NAME, value, value)` or `~LST({A, B}, {1, 2}, {3, 4})`";

/// A line begins with a word of capitals and a parenthesis behind `~`.
pub(super) fn begins(line: &str) -> bool {
    head(line).is_some()
}

/// The word behind `~` and the length up to behind the parenthesis. 2.2.7 takes blanks between them.
fn head(line: &str) -> Option<(&str, usize)> {
    let rest = line.strip_prefix('~')?;
    let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let behind = rest[length..].trim_start_matches(is_blank);
    (length > 0 && behind.starts_with('('))
        .then(|| (&rest[..length], line.len() - behind.len() + "(".len()))
}

impl Reader<'_> {
    /// The loop at `at` and all that stands behind it.
    pub(super) fn repeat(&mut self, line: &Text<'_>, at: usize) {
        let text = line.as_str();
        let Some((kind, open)) = head(&text[at..]) else {
            return;
        };
        let inside = at + open;
        let Some(length) = text[inside..].find(')') else {
            let span = line.span(at..text.len(), self.sources);
            let message = format!("the parenthesis behind `~{kind}` is never closed");
            self.findings.report(code::BAD_LOOP, span, message).help("the line is ignored");
            return;
        };
        let behind = inside + length + ")".len();
        let span = line.span(at..behind, self.sources);
        let Some(arguments) = self.arguments(&line.slice(inside..inside + length)) else {
            return;
        };
        let body = line.slice(behind..text.len());
        if body.is_blank() {
            let message = format!("`{}` has nothing behind it to repeat", &text[at..behind]);
            let help = "what is to be repeated stands on the same line";
            self.findings.report(code::EMPTY_LOOP, span, message).help(help);
            return;
        }
        match parse(kind, &arguments) {
            Ok(repeated) => self.run(repeated, &body, span),
            Err((message, help)) => {
                let diagnostic = self.findings.report(code::BAD_LOOP, span, message);
                diagnostic.help(format!("{help}; the line is ignored"));
            }
        }
    }

    /// What stands between the parentheses, with variables replaced.
    fn arguments(&mut self, inside: &Text<'_>) -> Option<String> {
        use super::variables::Replaced;
        Some(match self.replace(inside, false)? {
            Replaced::Line(text) => text.as_str().to_owned(),
            _ => inside.as_str().to_owned(),
        })
    }

    fn run(&mut self, Loop { names, mut values }: Loop<'_>, body: &Text<'_>, span: Span) {
        let written = Span { origin: 0, ..span };
        while let Some(group) = values.next() {
            if !self.produce(body.as_str().len(), span) {
                return;
            }
            for (index, name) in names.iter().enumerate() {
                let value = group.get(index).cloned().unwrap_or_default();
                if !self.define(name, vec![Text::made(value, written)], span) {
                    return;
                }
            }
            self.line(body);
            self.end_line();
        }
    }
}

impl Values<'_> {
    fn next(&mut self) -> Option<Vec<String>> {
        match self {
            Self::List(groups) => Some(groups.next()?.into_iter().map(str::to_owned).collect()),
            Self::Sequence { next, step, end, hexadecimal } => {
                let value = *next;
                if (*step > 0 && value > *end) || (*step < 0 && value < *end) {
                    return None;
                }
                match value.checked_add(*step) {
                    Some(following) => *next = following,
                    // The last one that there is.
                    None => (*next, *end) = if *step > 0 { (1, 0) } else { (0, 1) },
                }
                Some(vec![if *hexadecimal { format!("{value:x}") } else { value.to_string() }])
            }
        }
    }
}

fn parse<'a>(kind: &str, arguments: &'a str) -> Result<Loop<'a>, Mistake> {
    match kind {
        "SEQ" => sequence(arguments, false),
        "SEQx" => sequence(arguments, true),
        "LST" => list(arguments),
        _ => Err((format!("there is no loop `~{kind}`"), "there are `~SEQ`, `~SEQx` and `~LST`")),
    }
}

fn sequence(arguments: &str, hexadecimal: bool) -> Result<Loop<'_>, Mistake> {
    let parts: Vec<&str> = arguments.split(',').map(trim).collect();
    let numbers = parts[1..].iter().map(|part| {
        number(part).ok_or_else(|| (format!("`{part}` is no number in a loop"), SEQUENCE))
    });
    let numbers: Vec<i64> = numbers.collect::<Result<_, _>>()?;
    let (start, step, end) = match numbers[..] {
        [end] => (if end < 0 { -1 } else { 1 }, None, end),
        [start, end] => (start, None, end),
        [start, step, end] => (start, Some(step), end),
        _ => return Err((format!("a sequence has 2 to 4 values, not {}", parts.len()), SEQUENCE)),
    };
    let step = step.unwrap_or(if end < start { -1 } else { 1 });
    if step == 0 || (end > start && step < 0) || (end < start && step > 0) {
        let message = format!("steps of {step} never lead from {start} to {end}");
        return Err((message, "a step leads from the start to the end"));
    }
    if hexadecimal && (start < 0 || end < 0) {
        return Err(("`~SEQx` has no negative numbers".to_owned(), "use ~SEQ"));
    }
    let names = vec![name(parts[0], SEQUENCE)?];
    Ok(Loop { names, values: Values::Sequence { next: start, step, end, hexadecimal } })
}

fn list(arguments: &str) -> Result<Loop<'_>, Mistake> {
    let mut groups = groups(arguments)?.into_iter();
    let names = groups.next().unwrap_or_default();
    for part in &names {
        name(part, LIST)?;
    }
    if groups.len() == 0 {
        return Err(("the list has no values".to_owned(), LIST));
    }
    for group in groups.as_slice() {
        if let Some(part) = group.iter().find(|part| part.contains(is_blank)) {
            return Err((format!("`{part}`: values of a list have no blanks"), LIST));
        }
        if group.len() != names.len() {
            let values = group.len();
            let message =
                format!("{values} values, `{}`, for {} variables", group.join(", "), names.len());
            return Err((message, LIST));
        }
    }
    Ok(Loop { names, values: Values::List(groups) })
}

/// `{a, b}, c` is two groups, one with two parts and one with one.
fn groups(arguments: &str) -> Result<Vec<Vec<&str>>, Mistake> {
    let mut groups = Vec::new();
    let mut rest = Some(arguments);
    while let Some(text) = rest {
        let text = text.trim_start_matches(is_blank);
        let (group, behind) = match text.strip_prefix('{') {
            Some(inner) => {
                let end =
                    inner.find('}').ok_or_else(|| ("a `{` is not closed".to_owned(), LIST))?;
                let behind = inner[end + 1..].trim_start_matches(is_blank);
                (inner[..end].split(',').map(trim).collect(), behind)
            }
            None => {
                let end = text.find(',').unwrap_or(text.len());
                (vec![trim(&text[..end])], &text[end..])
            }
        };
        groups.push(group);
        rest = behind.strip_prefix(',');
        if rest.is_none() && !behind.is_empty() {
            return Err((format!("`{behind}` behind a group of values"), LIST));
        }
    }
    Ok(groups)
}

fn name<'a>(part: &'a str, help: &'static str) -> Result<&'a str, Mistake> {
    is_name(part)
        .then_some(part)
        .ok_or_else(|| (format!("`{part}` is no name of a variable"), help))
}

fn trim(part: &str) -> &str {
    part.trim_matches(is_blank)
}

/// As C reads them: `0x1f`, `017`, `-3`.
fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}
