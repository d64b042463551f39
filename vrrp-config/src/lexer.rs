//! From text to words, braces and line ends.
//!
//! keepalived reads lines: a statement ends with its line. `#` and `!` begin a comment anywhere
//! outside quotes, even inside a word; braces stand for themselves even when they touch a word; a
//! backslash at the end of a line joins it with the next one (2.4).

use super::{
    code,
    diagnostic::Findings,
    source::{FileId, Span},
};

/// Includes everything up to the end of the line in its words, braces too: `include d/{a,b}.conf`.
const INCLUDES: [&str; 6] = ["include", "includer", "includem", "includew", "includeb", "includea"];

/// Longest name that is looked for between `${` and `}`.
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

/// All tokens of a file.
pub(super) fn tokens(file: FileId, text: &str, findings: &mut Findings) -> Vec<Token> {
    let mut lexer = Lexer { file, text, at: 0, tokens: Vec::new(), line: 0, findings };
    lexer.skip_byte_order_mark();
    while let Some(c) = lexer.peek() {
        lexer.token(c);
    }
    lexer.end_line();
    lexer.tokens
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    /// Offset of the next character.
    at: usize,
    tokens: Vec<Token>,
    /// Index of the first token of this line.
    line: usize,
    findings: &'a mut Findings,
}

impl Lexer<'_> {
    fn skip_byte_order_mark(&mut self) {
        if self.peek() == Some('\u{feff}') {
            self.bump();
            let help = "save the file without it";
            let message = "the file begins with a byte order mark, which keepalived takes for a part of the first word";
            self.findings.report(code::BYTE_ORDER_MARK, self.span(0), message).help(help);
        }
    }

    fn token(&mut self, c: char) {
        let start = self.at;
        match c {
            '\n' => {
                self.bump();
                self.end_line();
            }
            '\\' if self.at_line_end(1) => self.skip_line(),
            '#' | '!' => self.skip_comment(),
            '{' | '}' if !self.on_include_line() => {
                self.bump();
                let span = self.span(start);
                self.tokens.push(if c == '{' { Token::Open(span) } else { Token::Close(span) });
            }
            c if is_blank(c) => self.bump(),
            _ => self.word(),
        }
    }

    fn word(&mut self) {
        let (start, include) = (self.at, self.on_include_line());
        let mut word =
            Word { text: String::new(), span: self.span(start), quoted: false, open: false };
        let mut parentheses = 0_usize;
        while let Some(c) = self.peek() {
            // ~SEQ(…) and ~LST(…) keep blanks and braces, ${…} keeps its braces.
            let macro_open = parentheses > 0 && c != '\n';
            match c {
                '(' if word.text.starts_with('~') => parentheses += 1,
                ')' => parentheses = parentheses.saturating_sub(1),
                // keepalived 2.2 has no single quotes, so an apostrophe inside a word stays one.
                '"' | '\'' if c == '"' || word.text.is_empty() => {
                    self.quoted(c, &mut word);
                    continue;
                }
                '{' if word.text.ends_with('$') => {
                    self.variable(&mut word);
                    continue;
                }
                '\n' | '#' | '!' => break,
                '\\' if self.at_line_end(1) => break,
                '{' | '}' if !macro_open && !include => break,
                c if is_blank(c) && !macro_open => break,
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
                '\n' => break,
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
        while word.text.ends_with('\r') {
            word.text.pop();
        }
        let message = format!("the string that begins with {quote} never ends");
        let help = format!("add the closing {quote}: a string cannot go on in the next line");
        let span = self.span(start);
        self.findings.report(code::OPEN_STRING, span, message).help(help);
    }

    /// Escapes of keepalived's quoted strings whose result is ASCII; others stay as they are.
    fn escape(&mut self, word: &mut Word) {
        let rest = &self.text[self.at + 1..];
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
            _ => None,
        };
        let (c, length) = resolved.unwrap_or(('\\', 0));
        word.text.push(c);
        self.at += 1 + length;
    }

    /// `${NAME}`: the braces belong to the word.
    fn variable(&mut self, word: &mut Word) {
        let rest = &self.text[self.at..];
        let mut name = rest.bytes().take(MAX_NAME).take_while(|&byte| byte != b'\n');
        let length = name.position(|byte| byte == b'}').map_or(1, |at| at + 1);
        word.text.push_str(&rest[..length]);
        self.at += length;
    }

    fn skip_comment(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |at| self.at + at);
    }

    /// Over a line end that a backslash has hidden.
    fn skip_line(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |at| self.at + at + 1);
    }

    fn end_line(&mut self) {
        if self.tokens.len() > self.line {
            self.tokens.push(Token::End);
        }
        self.line = self.tokens.len();
    }

    fn on_include_line(&self) -> bool {
        let first = self.tokens.get(self.line);
        matches!(first, Some(Token::Word(word)) if INCLUDES.contains(&word.text.as_str()))
    }

    fn at_line_end(&self, skip: usize) -> bool {
        let rest = self.text[self.at + skip..].trim_start_matches(is_blank);
        rest.is_empty() || rest.starts_with('\n')
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// From `start` to here. `load` refuses files whose offsets would not fit.
    fn span(&self, start: usize) -> Span {
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: offset(start), end: offset(self.at) }
    }
}

/// Blanks inside a line; NUL and the other control characters separate words, too. Blanks of other
/// scripts do not: keepalived takes them for letters, so they have to be reported.
fn is_blank(c: char) -> bool {
    c != '\n' && (c == ' ' || c.is_ascii_control())
}
