//! The tree against the table of keywords: what is unknown, misplaced, incomplete or not
//! implemented. What the model can be built from goes on; the rest has been reported.

use std::collections::HashMap;

use super::{
    code,
    diagnostic::Findings,
    keywords::{self, Argument, Block, Keyword, Kind, LISTS, Missing, Support},
    lexer::Word,
    oddities,
    parser::{Statement, span_of},
    source::Sources,
    suggest,
    values::{self, Value},
};

/// Checks all statements and keeps those that can be used.
pub(super) fn audit(
    tree: Vec<Statement>,
    sources: &Sources,
    findings: &mut Findings,
) -> Vec<Statement> {
    let mut audit = Audit { sources, findings };
    audit.block(tree, Block::Root, false).0
}

/// What becomes of a statement.
enum Fate {
    Keep,
    /// Reported, cannot be used.
    Drop,
}

struct Audit<'a> {
    sources: &'a Sources,
    findings: &'a mut Findings,
}

impl Audit<'_> {
    /// The usable statements of a block, and whether the block has to be left out. `quiet`: an
    /// outer block has said already that nothing in here has an effect.
    fn block(
        &mut self,
        statements: Vec<Statement>,
        kind: Block,
        quiet: bool,
    ) -> (Vec<Statement>, bool) {
        let (mut kept, mut left_out) = (Vec::new(), false);
        let mut seen = HashMap::new();
        for mut statement in statements {
            match self.statement(&mut statement, kind, quiet) {
                Fate::Keep if self.counts(&statement, kind, &mut seen) => {
                    left_out |= statement.left_out && kind != Block::Root;
                    kept.push(statement);
                }
                Fate::Keep | Fate::Drop => {}
            }
        }
        (kept, left_out)
    }

    fn statement(&mut self, statement: &mut Statement, kind: Block, quiet: bool) -> Fate {
        if kind.is_list() {
            return self.item(statement, kind);
        }
        let Some(keyword) = keywords::find(kind, statement.keyword()) else {
            if !statement.words.iter().any(|word| word.open)
                && !oddities::report_characters(&statement.words, self.sources, self.findings)
                && !oddities::report_template(&statement.words, self.findings)
                && !oddities::report_undefined(statement, self.findings)
            {
                suggest::report_unknown(statement, kind, self.findings);
            }
            return Fate::Drop;
        };
        statement.name = keyword.row.name;
        let fate = self.line(statement, keyword, kind);
        if matches!(fate, Fate::Keep) {
            self.report_spelling(statement, keyword, quiet);
            self.report_support(statement, keyword.support, quiet);
            statement.left_out = keyword.support == Support::LeavesOut;
        }
        // A block is looked through even if its first line cannot be used.
        if let (Some(children), Some(inner)) = (statement.block.take(), keyword.opens) {
            let count = children.len();
            let (kept, left_out) =
                self.block(children, inner, quiet || keyword.support != Support::Done);
            statement.lacks_lines = kept.len() < count;
            statement.block = Some(kept);
            statement.left_out |= left_out;
        }
        fate
    }

    /// True, and reported, if the words are not what was meant. `runs`: they are a command.
    fn is_unusable(&mut self, statement: &Statement, runs: bool) -> bool {
        statement.words.iter().any(|word| word.open)
            || oddities::report_characters(&statement.words, self.sources, self.findings)
            || oddities::report_template(&statement.words, self.findings)
            || oddities::report_placeholders(statement, runs, self.findings)
            || oddities::report_undefined(statement, self.findings)
    }

    /// The keyword and what stands on its line.
    fn line(&mut self, statement: &mut Statement, keyword: Keyword, kind: Block) -> Fate {
        // What keepalived has of a line with an open string; of a command it takes the string.
        let runs =
            matches!(keyword.row.arguments, [Argument { kind: Some(Kind::Command), .. }, ..]);
        let open = statement.arguments().iter().position(|word| word.open);
        if let Some(closed) = open.filter(|_| keyword.row.missing == Missing::Fatal && !runs) {
            self.lacks_words(statement, closed, keyword);
        }
        let count = statement.arguments().len();
        if self.is_unusable(statement, runs)
            || self.lacks_words(statement, count, keyword)
            || !self.check_block(statement, keyword)
        {
            return Fate::Drop;
        }
        let row = keyword.row;
        let line = Line {
            arguments: row.arguments,
            name: statement.keyword(),
            otherwise: row.otherwise,
            words: statement.arguments(),
        };
        let (values, used) = self.read(&line);
        if used < statement.arguments().len() && !self.report_extra(statement, used, keyword, kind)
        {
            return Fate::Drop;
        }
        statement.values = values;
        Fate::Keep
    }

    /// A line of a list: an address, a route, a name. Most lists have readers of their own.
    fn item(&mut self, statement: &Statement, kind: Block) -> Fate {
        if self.is_unusable(statement, false) {
            return Fate::Drop;
        }
        if let Some(list) = LISTS.iter().find(|list| list.block == kind && list.read_by_audit) {
            let otherwise = "the line is ignored";
            let words = &statement.words;
            let line = Line { arguments: list.entry, name: kind.name(), otherwise, words };
            let (_, used) = self.read(&line);
            if let Some(extra) = words.get(used..).filter(|extra| !extra.is_empty()) {
                let message = format!("`{}` has no more words: these are ignored", kind.name());
                self.findings.report(code::EXTRA_WORDS, span_of(extra), message);
            }
        }
        Fate::Keep
    }

    /// True, and reported, if `count` words behind the keyword are not enough.
    fn lacks_words(&mut self, statement: &Statement, count: usize, keyword: Keyword) -> bool {
        let name = statement.keyword();
        let row = keyword.row;
        let needed = row.arguments.iter().filter(|argument| argument.is_needed()).count();
        if count >= needed.max(row.at_least) {
            return false;
        }
        let span = statement.span();
        let usage = format!("write `{}`", row.usage_line());
        let reported = row.missing == Missing::Reported;
        if keyword.opens.is_some() && reported {
            let help = format!("write `{name} NAME {{`; without a name the block is ignored");
            let message = format!("`{name}` has no name");
            self.findings.report(code::MISSING_NAME, span, message).help(help);
        } else if reported {
            let message = format!("`{name}` has no value; the line is ignored");
            self.findings.report(code::MISSING_VALUE, span, message).help(usage);
        } else {
            let message = format!("`{name}` has no value behind it");
            let help = format!("{usage}: keepalived does not start with this line");
            self.findings.report(code::MISSING_PARAMETER, span, message).help(help);
        }
        true
    }

    /// What the words of a line say, one value for each, and how many of them belong to it.
    fn read(&mut self, line: &Line) -> (Vec<Option<Value>>, usize) {
        let Line { arguments, name, otherwise, words } = *line;
        let mut places = arguments.iter().filter(|argument| argument.is_positional()).peekable();
        let mut values = Vec::with_capacity(words.len());
        while let Some(word) = words.get(values.len()) {
            let named = arguments.iter().find(|argument| {
                !argument.is_positional() && argument.word == word.text && !word.quoted
            });
            match (named, places.peek().copied()) {
                (Some(argument), _) => {
                    values.push(Some(Value::Text));
                    let Some(kind) = argument.kind else { continue };
                    let Some(value) = words.get(values.len()) else {
                        let message = format!("`{}` has no value", argument.word);
                        self.findings
                            .report(code::MISSING_VALUE, word.span, message)
                            .help(otherwise);
                        continue;
                    };
                    let value = values::read(kind, value, argument.word, otherwise, self.findings);
                    values.push(value);
                }
                (None, Some(argument)) => {
                    let kind = argument.kind;
                    let value = kind
                        .and_then(|kind| values::read(kind, word, name, otherwise, self.findings));
                    values.push(value);
                    if !argument.repeats() {
                        places.next();
                    }
                }
                (None, None) => break,
            }
        }
        let used = values.len();
        (values, used)
    }

    /// Words that nobody asks for: only those in front of `used` count. `false`: keepalived ignores the
    /// statement.
    fn report_extra(
        &mut self,
        statement: &Statement,
        used: usize,
        keyword: Keyword,
        kind: Block,
    ) -> bool {
        let extra = &statement.arguments()[used..];
        if keyword.row.exact && keyword.opens.is_some() {
            let names: Vec<&str> = statement.arguments().iter().map(|word| &*word.text).collect();
            let name = statement.keyword();
            let message = format!("`{name}` has several names; the block is ignored");
            let help = format!("a name has no blanks: write `{}`", names.join("_"));
            self.findings.report(code::MISSING_NAME, span_of(extra), message).help(help);
            return false;
        }
        if keyword.opens.is_some_and(Block::is_list) {
            let message = format!("`{}` has no words in front of its {{", statement.keyword());
            self.findings
                .report(code::UNKNOWN_WORD, span_of(extra), message)
                .help("these are ignored: the entries stand in the braces, one on each line");
            return true;
        }
        // Where words are looked for by their names, keepalived reports others.
        let named = keyword.row.arguments.iter().any(|argument| !argument.is_positional());
        if let Some(first) = extra.first().filter(|_| named || keyword.row.exact) {
            let message = format!("`{}` is no word of `{}`", first.text, statement.keyword());
            let help = format!("usage: `{}`", keyword.row.usage_line());
            self.findings.report(code::UNKNOWN_WORD, first.span, message).help(help);
            return true;
        }
        let message = format!(
            "the words behind `{}` are ignored",
            self.sources.excerpt(span_of(&statement.words[..=used]))
        );
        let diagnostic = self.findings.report(code::EXTRA_WORDS, span_of(extra), message);
        if let Some(next) = extra.first().filter(|word| keywords::find(kind, &word.text).is_some())
        {
            diagnostic.help(format!(
                "a statement ends with its line: give `{}` a line of its own",
                next.text
            ));
        }
        true
    }

    /// Braces behind a keyword that wants them, and only there. `false`: unusable.
    fn check_block(&mut self, statement: &Statement, keyword: Keyword) -> bool {
        let name = statement.keyword();
        match (&statement.block, keyword.opens) {
            (Some(_), None) => {
                let message =
                    format!("`{name}` has no block; what stands in the braces is ignored");
                self.findings.report(code::STRAY_BLOCK, statement.span(), message);
                true
            }
            (None, Some(_)) => {
                let message = format!("`{name}` has no {{ behind it");
                let help = format!(
                    "write `{} {{` and close it with }}",
                    self.sources.excerpt(statement.span())
                );
                self.findings.report(code::MISSING_OPEN, statement.span(), message).help(help);
                false
            }
            _ => true,
        }
    }

    /// Old spellings, which count all the same.
    fn report_spelling(&mut self, statement: &Statement, keyword: Keyword, quiet: bool) {
        let (written, row) = (statement.keyword(), keyword.row);
        let is_one_of = |names: &str| names.split_whitespace().any(|name| name == written);
        let kind = if is_one_of(row.outdated) {
            code::DEPRECATED
        } else if is_one_of(row.old) && !quiet {
            code::OLD_SPELLING
        } else {
            return;
        };
        let message = format!("`{written}` is an old spelling of `{}`", row.name);
        let help =
            format!("write `{}`: later versions of keepalived may not know the old one", row.name);
        self.findings.report(kind, statement.keyword_span(), message).help(help);
    }

    fn report_support(&mut self, statement: &Statement, support: Support, quiet: bool) {
        let name = statement.keyword();
        let span = statement.keyword_span();
        match support {
            Support::Deprecated(instead) => {
                let message = format!("`{name}` is out of use");
                self.findings
                    .report(code::DEPRECATED, span, message)
                    .help(format!("use {instead}"));
            }
            Support::NotYet if !quiet => {
                let message = format!("`{name}` is not implemented yet");
                self.findings
                    .report(code::NOT_YET, span, message)
                    .help("everything else runs without it");
            }
            Support::LeavesOut if !quiet => {
                let message = format!("`{name}` is not implemented yet");
                let help = "the virtual router is left out: without it, it would be another one";
                self.findings.report(code::LEFT_OUT, span, message).help(help);
            }
            Support::NoEffect(because) if !quiet => {
                let message = format!("`{name}` has no effect: {because}");
                let diagnostic = self.findings.report(code::NO_EFFECT, span, message);
                if name == "virtual_server" {
                    diagnostic.help(format!(
                        "run `keepalived -C -f {}` beside",
                        self.sources.name(span.file)
                    ));
                }
            }
            _ => {}
        }
    }

    /// False for a value that was given above and cannot be replaced. Most can: the last one counts.
    fn counts(
        &mut self,
        statement: &Statement,
        kind: Block,
        seen: &mut HashMap<&'static str, Vec<Word>>,
    ) -> bool {
        let Some(Keyword { row, opens, support, .. }) = keywords::find(kind, statement.keyword())
        else {
            return true;
        };
        let single = opens.is_none() && support == Support::Done && !row.repeats;
        if !single && !row.first_counts {
            return true;
        }
        let Some(first) = seen.get(row.name) else {
            seen.insert(row.name, statement.words.clone());
            return true;
        };
        let name = statement.keyword();
        let line = self.sources.line(span_of(first));
        let same = first.iter().map(|word| &word.text).eq(statement.words.iter().map(|w| &w.text));
        let (kind, which) = match row.first_counts {
            true if !same => (code::FIRST_COUNTS, "this one is ignored"),
            _ => (code::GIVEN_TWICE, "the last one counts"),
        };
        let message = format!("`{name}` stands in line {line} already; {which}");
        self.findings.report(kind, statement.keyword_span(), message);
        !row.first_counts
    }
}

/// Words, and what the table says about them.
struct Line<'a> {
    arguments: &'a [Argument],
    /// What stands in front of them.
    name: &'a str,
    /// What holds when one cannot be read.
    otherwise: &'a str,
    words: &'a [Word],
}
