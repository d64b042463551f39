//! Text that was copied from a manual or a web page: typographic quotes, blanks that are none,
//! placeholders; and variables that nobody has defined.

use super::{
    code,
    diagnostic::Findings,
    lexer::Word,
    parser::{Statement, span_of},
    source::{Sources, Span},
};

const QUOTES: [char; 11] = ['‘', '’', '‚', '‛', '“', '”', '„', '‟', '«', '»', '＂'];

/// Look like blanks or like nothing, and are letters for keepalived.
const INVISIBLE: [char; 6] = ['\u{a0}', '\u{2007}', '\u{202f}', '\u{3000}', '\u{200b}', '\u{feff}'];

/// Their values may contain anything.
const FREE_TEXT: [&str; 8] =
    ["auth_pass", "password", "router_id", "regex", "path", "payload", "umask", "process"];

/// What a template begins with: Jinja, Go, Handlebars and their kin.
pub(super) const TEMPLATES: [&str; 2] = ["{{", "{%"];

/// Reports quotes that are none, and invisible characters. `true`: the statement cannot be used.
pub(super) fn report_characters(
    words: &[Word],
    sources: &Sources,
    findings: &mut Findings,
) -> bool {
    let unquoted = || words.iter().filter(|word| !word.quoted);
    let ends = |word: &Word| {
        usize::from(word.text.starts_with(QUOTES)) + usize::from(word.text.ends_with(QUOTES))
    };
    let marked = || unquoted().filter(|word| ends(word) > 0);
    let mark = marked().find_map(|word| place(word, sources, |c| QUOTES.contains(&c)));
    if let Some((mark, span)) = mark {
        let closed = marked().map(ends).sum::<usize>() > 1;
        let open = if closed { "" } else { ", and the string never ends" };
        let message =
            format!("`{mark}` is a typographic quote, which keepalived takes for a letter{open}");
        findings
            .report(code::TYPOGRAPHIC, span, message)
            .help("put \" in front and behind, or no quotes at all");
        return true;
    }
    let invisible = unquoted().find_map(|word| place(word, sources, |c| INVISIBLE.contains(&c)));
    if let Some((c, span)) = invisible {
        let message = format!(
            "an invisible character, U+{:04X}, that is no blank for keepalived",
            u32::from(c)
        );
        findings.report(code::TYPOGRAPHIC, span, message).help("replace it with a blank");
    }
    invisible.is_some()
}

/// The first character of a word that is one of those looked for.
fn place(word: &Word, sources: &Sources, wanted: impl Fn(char) -> bool) -> Option<(char, Span)> {
    let text = sources.excerpt(word.span);
    let Some((at, c)) = text.char_indices().find(|&(_, c)| wanted(c)) else {
        // It comes out of a variable.
        return word.text.chars().find(|&c| wanted(c)).map(|c| (c, word.span));
    };
    let offset = |n: usize| u32::try_from(n).ok();
    let start = word.span.start + offset(at)?;
    Some((c, Span { start, end: start + offset(c.len_utf8())?, ..word.span }))
}

/// Reports `{{ name }}` and `{% if … %}`. `true`: the statement cannot be used.
pub(super) fn report_template(words: &[Word], findings: &mut Findings) -> bool {
    let is_template = |word: &&Word| TEMPLATES.iter().any(|begin| word.text.starts_with(begin));
    let Some(word) = words.iter().filter(|word| !word.quoted).find(is_template) else {
        return false;
    };
    let message = format!("`{}` belongs to a template", word.text);
    findings
        .report(code::PLACEHOLDER, word.span, message)
        .help("check what is made from this file, not the template itself");
    true
}

/// Reports `<IPADDR>` and `rr|wrr|lc`; `runs`: the words are a command, whose arguments may be
/// anything. `true`: the statement cannot be used.
pub(super) fn report_placeholders(
    statement: &Statement,
    runs: bool,
    findings: &mut Findings,
) -> bool {
    if FREE_TEXT.contains(&statement.keyword()) {
        return false;
    }
    let words = &statement.words;
    let looked_at = if runs { 2 } else { words.len() };
    let first = words.iter().take(looked_at).position(opens_placeholder);
    if let Some(first) = first {
        let last = words.iter().rposition(|word| !word.quoted && word.text.ends_with('>'));
        let span = span_of(&words[first..=last.unwrap_or(first).max(first)]);
        let texts: Vec<&str> =
            words[first..=last.unwrap_or(first).max(first)].iter().map(|w| &*w.text).collect();
        let message = format!("`{}` is a placeholder", texts.join(" "));
        findings
            .report(code::PLACEHOLDER, span, message)
            .help("put the value of your network there");
        return true;
    }
    let choice = words.iter().take(looked_at).skip(1).find(|word| is_choice(word));
    if let Some(word) = choice {
        let first = word.text.split('|').next().unwrap_or("");
        let message = format!("`{}` lists what can stand here", word.text);
        let help = format!("choose one, such as `{first}`");
        findings.report(code::PLACEHOLDER, word.span, message).help(help);
        return true;
    }
    false
}

fn opens_placeholder(word: &Word) -> bool {
    let name = word.text.strip_prefix('<');
    // `<root@example.com>` is an address of mail.
    !word.quoted
        && name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        && !word.text.contains('@')
}

/// `A|B`, as manuals write a choice.
fn is_choice(word: &Word) -> bool {
    let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
    !word.quoted && word.text.contains('|') && word.text.split('|').all(part)
}

/// Reports a variable that nothing has defined: it stays as it is, which is a mistake where it is the
/// begin of a value, or stands in braces. `true`: the statement cannot be used.
pub(super) fn report_undefined(statement: &Statement, findings: &mut Findings) -> bool {
    if FREE_TEXT.contains(&statement.keyword()) {
        return false;
    }
    let mut any = false;
    for (index, word) in statement.words.iter().enumerate() {
        let Some(name) = undefined(word) else {
            continue;
        };
        any = true;
        let next = statement.words.get(index + 1);
        let (message, help) = if word.text.starts_with("${_ENV ") {
            let message = format!("`{}` is not in the environment", word.text);
            (message, "set it where the daemon is started".to_owned())
        } else if index == 0 && next.is_some_and(|next| next.text.starts_with('=')) {
            let message = format!("a blank in front of `=`: this does not define `{name}`");
            (message, format!("write `${name}=value`"))
        } else if !is_name(name) {
            let message = format!("`{name}` is no name of a variable");
            (
                message,
                "a name has letters, digits and _, and does not begin with a digit".to_owned(),
            )
        } else {
            let message = format!("nothing above defines the variable `{name}`");
            (message, format!("define it above, `${name}=…`, or write the value"))
        };
        findings.report(code::UNDEFINED_VARIABLE, word.span, message).help(help);
    }
    any
}

/// The first variable that a word still has: `$NAME` at its begin or `${NAME …}` anywhere.
fn undefined(word: &Word) -> Option<&str> {
    let (before, rest) = word.text.split_once('$').filter(|_| !word.quoted)?;
    let rest = match rest.strip_prefix('{') {
        Some(inner) => inner,
        None if before.is_empty() => rest,
        None => return None,
    };
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

/// Letters, digits and `_`, no digit first.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
