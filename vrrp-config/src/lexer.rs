//! From a line to words and braces.
//!
//! Comments are gone and variables are replaced already. Braces stand for themselves even when they
//! touch a word. A word ends at a blank that does not stand in quotes.

use super::{
    code,
    diagnostic::Findings,
    language::text::{Text, is_blank},
    oddities::TEMPLATES,
    source::{Sources, Span},
};

/// Longest name that is looked for between `${` and `}`, or part of a template.
const MAX_NAME: usize = 128;

/// A word, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The value: quotes removed, escapes resolved.
    pub(super) text: String,
    /// The place, quotes included.
    pub(super) span: Span,
    /// Some of it stood in quotes, so that nothing in it is syntax.
    pub(super) quoted: bool,
    /// A quote that never ends, which has been reported.
    pub(super) open: bool,
}

/// What a configuration consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
    /// End of a line that had something on it.
    End,
}

/// Adds the words and braces of a line, until there are more than `limit` in all.
pub(super) fn tokens(
    line: &Text<'_>,
    limit: usize,
    sources: &mut Sources,
    findings: &mut Findings,
    tokens: &mut Vec<Token>,
) {
    let mut lexer = Lexer { line, at: 0, tokens, sources, findings };
    while let Some(c) = lexer.peek()
        && lexer.tokens.len() <= limit
    {
        lexer.token(c);
    }
}

/// Length of the first statement in a line: up to the next brace or the end of the line.
pub(super) fn statement_length(line: &str) -> usize {
    scan(line, |_, c| matches!(c, '{' | '}')).unwrap_or(line.len())
}

/// Length of what stands in front of a comment. `#` and `!` begin one anywhere outside quotes, even
/// inside a word.
pub(super) fn code_length(line: &str) -> usize {
    scan(line, |_, c| matches!(c, '#' | '!')).unwrap_or(line.len())
}

/// Place of the first character outside quotes, `${…}` and `{{…}}` that is wanted.
fn scan(line: &str, wanted: impl Fn(usize, char) -> bool) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    let mut behind = 0;
    let mut characters = line.char_indices();
    while let Some((at, c)) = characters.next() {
        if at < behind {
            continue;
        }
        match (quote, c) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '{') if before == '$' => behind = at + variable_length(&line[at..]),
            (None, _) if wanted(at, c) => {
                behind = at + template_length(&line[at..]);
                if behind == at {
                    return Some(at);
                }
            }
            (None, _) if opens_quote(c, is_blank(before) || matches!(before, '{' | '}')) => {
                quote = Some(c);
            }
            (None, _) => {}
        }
        before = c;
    }
    None
}

/// keepalived 2.2 has no single quotes, so an apostrophe inside a word stays one.
fn opens_quote(c: char, at_begin: bool) -> bool {
    c == '"' || (c == '\'' && at_begin)
}

/// Length of `{NAME}` at the begin of a text, 1 if it is nothing like it.
fn variable_length(text: &str) -> usize {
    let mut name = text.bytes().take(MAX_NAME);
    name.position(|byte| byte == b'}').map_or(1, |at| at + 1)
}

/// Length of `{{ … }}` or `{% … %}` at the begin of a text, 0 if there is none.
fn template_length(text: &str) -> usize {
    let end = match TEMPLATES.iter().position(|begin| text.starts_with(begin)) {
        Some(0) => *b"}}",
        Some(_) => *b"%}",
        None => return 0,
    };
    if text[2..].starts_with(['{', '}']) {
        return 0;
    }
    let mut pairs = text.as_bytes().windows(end.len()).take(MAX_NAME);
    pairs.position(|pair| pair == end).map_or(0, |at| at + end.len())
}

struct Lexer<'a> {
    line: &'a Text<'a>,
    /// Offset of the next character.
    at: usize,
    tokens: &'a mut Vec<Token>,
    sources: &'a mut Sources,
    findings: &'a mut Findings,
}

impl Lexer<'_> {
    fn token(&mut self, c: char) {
        let start = self.at;
        match c {
            '{' if template_length(self.rest()) > 0 => self.template(),
            '{' | '}' => {
                self.bump();
                let span = self.span(start);
                self.tokens.push(if c == '{' { Token::Open(span) } else { Token::Close(span) });
            }
            c if is_blank(c) => self.bump(),
            _ => self.word(),
        }
    }

    /// Part of a template that nobody has filled in: one word, so that its braces open nothing.
    fn template(&mut self) {
        let start = self.at;
        self.at += template_length(self.rest());
        let text = self.line.as_str()[start..self.at].to_owned();
        let span = self.span(start);
        self.tokens.push(Token::Word(Word { text, span, quoted: false, open: false }));
    }

    fn word(&mut self) {
        let start = self.at;
        let mut word =
            Word { text: String::new(), span: Span::default(), quoted: false, open: false };
        while let Some(c) = self.peek() {
            match c {
                c if opens_quote(c, self.at == start) => {
                    self.quoted(c, &mut word);
                    continue;
                }
                // A variable that nobody has defined.
                '{' if word.text.ends_with('$') => {
                    let rest = self.rest();
                    let length = variable_length(rest);
                    word.text.push_str(&rest[..length]);
                    self.at += length;
                    continue;
                }
                '{' | '}' => break,
                c if is_blank(c) => break,
                _ => {}
            }
            word.text.push(c);
            self.bump();
        }
        word.span = self.span(start);
        self.tokens.push(Token::Word(word));
    }

    /// A quoted part of a word. A string ends with its line at the latest, as in keepalived.
    fn quoted(&mut self, quote: char, word: &mut Word) {
        let start = self.at;
        self.bump();
        word.quoted = true;
        while let Some(c) = self.peek() {
            match c {
                c if c == quote => {
                    self.bump();
                    return;
                }
                '\\' => self.escape(word),
                _ => {
                    word.text.push(c);
                    self.bump();
                }
            }
        }
        word.open = true;
        let message = format!("the string that begins with {quote} never ends");
        let help = format!("add the closing {quote}: a string cannot go on in the next line");
        let span = self.span(start);
        self.findings.report(code::OPEN_STRING, span, message).help(help);
    }

    /// Escapes of keepalived's quoted strings whose result is ASCII; others stay as they are.
    fn escape(&mut self, word: &mut Word) {
        let rest = &self.rest()[1..];
        let digits = |radix, from: usize, most: usize| {
            let digits = rest.get(from..).unwrap_or("");
            let length = digits.chars().take(most).take_while(|c| c.is_digit(radix)).count();
            let value = u8::from_str_radix(&digits[..length], radix).ok();
            value.filter(u8::is_ascii).map(|value| (char::from(value), from + length))
        };
        let single = |c| Some((c, 1));
        let resolved = match rest.chars().next() {
            Some('a') => single('\x07'),
            Some('b') => single('\x08'),
            Some('E') => single('\x1b'),
            Some('f') => single('\x0c'),
            Some('n') => single('\n'),
            Some('r') => single('\r'),
            Some('t') => single('\t'),
            Some('v') => single('\x0b'),
            Some(c @ ('"' | '\'' | '\\')) => single(c),
            Some('0'..='7') => digits(8, 0, 3),
            Some('x') => digits(16, 1, 2),
            Some('c') => control(rest.as_bytes().get(1)).map(|c| (c, 2)),
            _ => None,
        };
        let (c, length) = resolved.unwrap_or(('\\', 0));
        word.text.push(c);
        self.at += 1 + length;
    }

    fn rest(&self) -> &str {
        &self.line.as_str()[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// From `start` to here.
    fn span(&mut self, start: usize) -> Span {
        self.line.span(start..self.at, self.sources)
    }
}

/// The control character that `\cC` stands for.
fn control(of: Option<&u8>) -> Option<char> {
    match of {
        Some(b'?') => Some('\x7f'),
        Some(letter @ (b'@'..=b'_' | b'a'..=b'z')) => Some(char::from(letter & 0x1f)),
        _ => None,
    }
}
