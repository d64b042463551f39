//! From tokens to a tree of statements, each with its block.
//!
//! The tree is complete whatever the braces do: a missing one is reported at the block that it
//! belongs to and then read as if it stood there. Nothing here recurses and the depth is limited,
//! so any input is done with in linear time.

use super::{
    code,
    diagnostic::Findings,
    keywords::{self, Block},
    lexer::{Token, Word},
    source::{Sources, Span},
    values::Value,
};

/// Deeper than any block of keepalived (virtual_server, real_server, HTTP_GET, url).
const MAX_DEPTH: usize = 12;

/// A line, or what stands on it between braces.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// At least one; the first is the keyword.
    pub(super) words: Vec<Word>,
    /// The keyword as the table spells it, whatever the file does: the audit fills it in. `""` in lists.
    pub(super) name: &'static str,
    /// `{ … }` behind it.
    pub(super) block: Option<Vec<Statement>>,
    /// What the words behind the keyword say, one for each: the audit fills it in; `None` for what it
    /// has reported.
    pub(super) values: Vec<Option<Value>>,
    /// The audit has taken lines out of the block, and said why.
    pub(super) lacks_lines: bool,
    /// Contains something that changes a virtual router and cannot be done yet: the router must not
    /// run without it.
    pub(super) left_out: bool,
}

impl Statement {
    fn new(words: Vec<Word>) -> Self {
        Self {
            words,
            name: "",
            block: None,
            values: Vec::new(),
            lacks_lines: false,
            left_out: false,
        }
    }

    /// The first word.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// Place of the first word.
    pub(super) fn keyword_span(&self) -> Span {
        self.words.first().map(|word| word.span).unwrap_or_default()
    }

    /// The words behind the keyword.
    pub(super) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or(&[])
    }

    /// Place of all words.
    pub(super) fn span(&self) -> Span {
        span_of(&self.words)
    }

    /// The statements of the block, none without one.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or(&[])
    }
}

/// From the first to the last of some words.
pub(super) fn span_of(words: &[Word]) -> Span {
    match words {
        [first, .., last] => first.span.to(last.span),
        [only] => only.span,
        [] => Span::default(),
    }
}

/// Builds the tree.
pub(super) fn parse(
    tokens: Vec<Token>,
    sources: &Sources,
    findings: &mut Findings,
) -> Vec<Statement> {
    let (mut opened, mut closed) = (0_usize, 0_usize);
    for token in &tokens {
        match token {
            Token::Open(_) => opened += 1,
            Token::Close(_) => closed += 1,
            Token::Word(_) | Token::End => {}
        }
    }
    let mut parser = Parser {
        sources,
        findings,
        root: Vec::new(),
        frames: Vec::new(),
        line: Vec::new(),
        attachable: false,
        missing: opened.saturating_sub(closed),
        extra: closed.saturating_sub(opened),
        suspect: None,
    };
    let mut starts_line = true;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let ends_line = token == Token::End;
        match token {
            Token::Word(word) => parser.word(word),
            Token::Open(span) => parser.open(span),
            Token::Close(span) => parser.close(span, starts_line),
            Token::End => parser.end_line(matches!(tokens.peek(), Some(Token::Open(_)))),
        }
        starts_line = ends_line;
    }
    parser.finish()
}

/// A block that is open.
struct Frame {
    statement: Statement,
    /// What stands in it; `None` when the keyword is unknown.
    kind: Option<Block>,
    children: Vec<Statement>,
}

struct Parser<'a> {
    sources: &'a Sources,
    findings: &'a mut Findings,
    root: Vec<Statement>,
    frames: Vec<Frame>,
    /// Words of the statement that is being read.
    line: Vec<Word>,
    /// The last statement ended with its line: a `{` that comes next is its.
    attachable: bool,
    /// So many `}` are missing in the file and not yet reported.
    missing: usize,
    /// So many `{` are missing in the file and not yet reported.
    extra: usize,
    /// A block whose `}` stands under the block around it.
    suspect: Option<Suspect>,
}

/// Judging by the indentation, `block` was left open and `close` was meant for the block around it.
struct Suspect {
    block: Vec<Word>,
    close: Span,
}

impl Parser<'_> {
    fn word(&mut self, word: Word) {
        self.attachable = false;
        self.line.push(word);
    }

    /// A `{`: belongs to the words on this line, else to the statement on the line before.
    fn open(&mut self, span: Span) {
        let attachable = std::mem::take(&mut self.attachable);
        let words = std::mem::take(&mut self.line);
        let statement = if !words.is_empty() {
            Statement::new(words)
        } else if attachable && let Some(previous) = self.siblings().pop() {
            previous
        } else {
            self.findings
                .report(code::STRAY_BLOCK, span, "a block without a keyword in front of it")
                .help("the block is ignored");
            let word = Word { text: "{".to_owned(), span, quoted: true, open: false };
            Statement::new(vec![word])
        };
        self.open_block(statement);
    }

    fn open_block(&mut self, statement: Statement) {
        self.close_forgotten(&statement);
        if self.frames.len() >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} blocks are open here");
            self.findings.report(code::TOO_DEEP, statement.span(), message);
            // Its statements become siblings and its `}` closes the block around it.
            self.siblings().push(statement);
            return;
        }
        let keyword = self.kind().and_then(|kind| keywords::find(kind, statement.keyword()));
        let kind = keyword.and_then(|keyword| keyword.opens);
        self.frames.push(Frame { statement, kind, children: Vec::new() });
    }

    /// A block that may stand only outside all others begins: the ones around it were left open,
    /// if the file lacks a `}` at all.
    fn close_forgotten(&mut self, statement: &Statement) {
        let outermost =
            keywords::find(Block::Root, statement.keyword()).is_some_and(|k| k.opens.is_some());
        let here =
            self.kind().is_some_and(|kind| keywords::find(kind, statement.keyword()).is_some());
        if !outermost || here {
            return;
        }
        while self.missing > 0 && !self.frames.is_empty() {
            let before = format!("it should end before `{}`", text_of(&statement.words));
            self.report_open_block(&before);
            self.missing -= 1;
            self.pop();
        }
    }

    fn close(&mut self, span: Span, starts_line: bool) {
        self.end_statement();
        self.attachable = false;
        if self.frames.is_empty() {
            let help =
                "remove it, or look above for a block that was closed too early or never opened";
            self.findings.report(code::EXTRA_CLOSE, span, "this } closes nothing").help(help);
            self.extra = self.extra.saturating_sub(1);
            return;
        }
        if starts_line && self.missing > 0 && self.suspect.is_none() {
            self.compare_indentation(span);
        }
        self.pop();
    }

    /// End of a line. `open_follows`: the next line begins with `{`.
    fn end_line(&mut self, open_follows: bool) {
        if self.line.is_empty() {
            return;
        }
        self.end_statement();
        self.attachable = true;
        if !open_follows && self.extra > 0 {
            self.open_forgotten();
        }
    }

    /// The line that has just ended wants a block and has none, and the file lacks a `{`: it was
    /// forgotten here. (`SMTP_CHECK` and on the next line `host {`.)
    fn open_forgotten(&mut self) {
        let Some(statement) = self.siblings().last() else {
            return;
        };
        let name = statement.keyword().to_owned();
        let span = statement.span();
        if self
            .kind()
            .and_then(|kind| keywords::find(kind, &name))
            .is_none_or(|k| k.opens.is_none())
        {
            return;
        }
        self.extra -= 1;
        self.findings
            .report(code::MISSING_OPEN, span, format!("`{name}` has no {{ behind it"))
            .help(format!(
                "write `{} {{`; the lines below are read as its block",
                self.sources.excerpt(span)
            ));
        if let Some(statement) = self.siblings().pop() {
            self.open_block(statement);
        }
    }

    fn end_statement(&mut self) {
        let mut words = std::mem::take(&mut self.line);
        if !words.is_empty() {
            words.shrink_to_fit();
            self.siblings().push(Statement::new(words));
        }
    }

    /// Closes the innermost block.
    fn pop(&mut self) {
        if let Some(Frame { mut statement, children, .. }) = self.frames.pop() {
            statement.block = Some(children);
            self.siblings().push(statement);
        }
    }

    fn finish(mut self) -> Vec<Statement> {
        self.end_statement();
        while !self.frames.is_empty() {
            self.report_open_block("the file ends before it does");
            self.pop();
        }
        self.root
    }

    fn report_open_block(&mut self, until: &str) {
        let (words, help) = match (self.suspect.take(), self.frames.last()) {
            (Some(Suspect { block, close }), _) => {
                let line = self.sources.line(close);
                let help = format!(
                    "judging by its indentation, the }} in line {line} closes the block around it"
                );
                (block, help)
            }
            (None, Some(frame)) => (frame.statement.words.clone(), until.to_owned()),
            (None, None) => return,
        };
        let span = span_of(&words);
        let line = self.sources.line(span);
        let message = format!("`{}`, opened in line {line}, is never closed", text_of(&words));
        self.findings.report(code::OPEN_BLOCK, span, message).help(help);
    }

    /// Remembers the first block whose `}` is indented as the block around it.
    fn compare_indentation(&mut self, close: Span) {
        let [.., outer, inner] = self.frames.as_slice() else {
            return;
        };
        let opened = inner.statement.keyword_span();
        if opened.file == close.file && self.sources.line(opened) == self.sources.line(close) {
            return;
        }
        let places = [close, outer.statement.keyword_span(), opened];
        if let [Some(column), Some(around), Some(own)] = places.map(|place| self.indentation(place))
            && column == around
            && column != own
        {
            self.suspect = Some(Suspect { block: inner.statement.words.clone(), close });
        }
    }

    /// How many blanks the line of a place begins with; `None` if the place is far from there.
    fn indentation(&self, span: Span) -> Option<usize> {
        let before = self.sources.before(span)?;
        Some(before.chars().take_while(|c| c.is_whitespace()).count())
    }

    fn kind(&self) -> Option<Block> {
        self.frames.last().map_or(Some(Block::Root), |frame| frame.kind)
    }

    fn siblings(&mut self) -> &mut Vec<Statement> {
        self.frames.last_mut().map_or(&mut self.root, |frame| &mut frame.children)
    }
}

/// Words as they are quoted in messages: at most three.
fn text_of(words: &[Word]) -> String {
    let shown: Vec<&str> = words.iter().take(3).map(|word| word.text.as_str()).collect();
    shown.join(" ")
}
