//! The tree against the table of keywords: what is unknown, misplaced, incomplete or not
//! implemented. What the model can be built from goes on; the rest has been reported.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
};

use super::{
    code,
    diagnostic::Findings,
    keywords::{self, Block, Keyword, Missing, Support},
    lexer::Word,
    oddities,
    parser::{Statement, span_of},
    source::Sources,
    suggest, values,
};

// Values of keywords that are only recognised, not used: a wrong one is still reported.
const SWITCHES: [&str; 2] = ["smtp_alert", "notify_priority_changes"];
const NUMBERS: [(&str, RangeInclusive<u32>); 1] = [("debug", 0..=4)];
const CHOICES: [(&str, &[&str]); 6] = [
    ("old_unicast_checksum", &["never"]),
    ("lb_algo", SCHEDULERS),
    ("lvs_sched", SCHEDULERS),
    ("lb_kind", FORWARDING),
    ("lvs_method", FORWARDING),
    ("protocol", &["TCP", "UDP", "SCTP"]),
];
const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos",
];
const FORWARDING: &[&str] = &["NAT", "DR", "TUN"];

// Lines that may be given more than once, each of which counts.
const REPEATABLE: [&str; 2] = ["key", "use_vmac"];

/// Checks all statements and keeps those that can be used.
pub(super) fn audit(
    tree: Vec<Statement>,
    sources: &Sources,
    findings: &mut Findings,
) -> Vec<Statement> {
    let mut names = Names::default();
    names.collect(&tree);
    let mut audit = Audit { sources, findings, names };
    audit.block(tree, Block::Root, false).0
}

/// What the file defines for itself.
#[derive(Default)]
struct Names {
    variables: HashSet<String>,
    /// There may be more definitions in files that are not read.
    includes: bool,
}

impl Names {
    /// Depth is limited by the parser.
    fn collect(&mut self, statements: &[Statement]) {
        for statement in statements {
            if let Some(name) = oddities::definition(statement.keyword()) {
                self.variables.insert(name.to_owned());
            }
            self.includes |= statement.keyword().starts_with("include");
            self.collect(statement.inner());
        }
    }
}

/// What becomes of a statement.
enum Fate {
    Keep,
    /// Reported, cannot be used.
    Drop,
    /// Cannot be used, and the virtual router around it must not run without it.
    LeaveOut,
}

struct Audit<'a> {
    sources: &'a Sources,
    findings: &'a mut Findings,
    names: Names,
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
                Fate::Keep => {
                    self.check_repetition(&statement, kind, &mut seen);
                    left_out |= statement.left_out && kind != Block::Root;
                    kept.push(statement);
                }
                Fate::Drop => {}
                Fate::LeaveOut => left_out = true,
            }
        }
        (kept, left_out)
    }

    fn statement(&mut self, statement: &mut Statement, kind: Block, quiet: bool) -> Fate {
        if let Some(fate) = self.extended_syntax(statement) {
            return fate;
        }
        if kind == Block::List {
            return self.item(statement);
        }
        let Some(keyword) = keywords::find(kind, statement.keyword()) else {
            if !oddities::report_characters(&statement.words, self.sources, self.findings) {
                suggest::report_unknown(statement, kind, self.findings);
            }
            return Fate::Drop;
        };
        let fate = self.line(statement, keyword, kind);
        if matches!(fate, Fate::Keep) {
            self.report_support(statement, keyword.support, quiet);
            statement.left_out = keyword.support == Support::LeavesOut;
        }
        // A block is looked through even if its first line cannot be used.
        if let (Some(children), Some(inner)) = (statement.block.take(), keyword.opens) {
            let (kept, left_out) =
                self.block(children, inner, quiet || keyword.support != Support::Done);
            statement.block = Some(kept);
            statement.left_out |= left_out;
        }
        fate
    }

    /// The keyword and what stands on its line.
    fn line(&mut self, statement: &Statement, keyword: Keyword, kind: Block) -> Fate {
        let open_string = statement.words.iter().any(|word| word.open);
        if open_string
            || oddities::report_characters(&statement.words, self.sources, self.findings)
            || oddities::report_placeholders(statement, self.findings)
        {
            return Fate::Drop;
        }
        if let Some(fate) = self.variables(statement) {
            return fate;
        }
        if !self.check_words(statement, keyword, kind) || !self.check_block(statement, keyword) {
            return Fate::Drop;
        }
        self.check_value(statement);
        Fate::Keep
    }

    /// A line of a list: an address, a route, a name.
    fn item(&mut self, statement: &Statement) -> Fate {
        if oddities::report_characters(&statement.words, self.sources, self.findings)
            || oddities::report_placeholders(statement, self.findings)
        {
            return Fate::Drop;
        }
        self.variables(statement).unwrap_or(Fate::Keep)
    }

    /// `@id`, `$NAME=`, `~SEQ`, `include`: known, and not implemented.
    fn extended_syntax(&mut self, statement: &Statement) -> Option<Fate> {
        let keyword = statement.keyword();
        let span = statement.keyword_span();
        let message = if keyword.starts_with('@') {
            format!("`{keyword}`: conditions are not implemented yet; the line is left out")
        } else if keyword.starts_with('~') {
            format!("`{keyword}`: loops are not implemented yet; the line is left out")
        } else if keyword.starts_with("include") && keywords::find(Block::Root, keyword).is_some() {
            format!("`{keyword}` is not implemented yet; the other file is not read")
        } else if oddities::definition(keyword).is_some() {
            let message = format!("`{keyword}`: variables are not implemented yet");
            self.findings.report(code::NOT_YET, span, message);
            return Some(Fate::Drop);
        } else {
            return None;
        };
        let help = "a virtual router that contains it is left out";
        self.findings.report(code::NOT_YET, span, message).help(help);
        // The name for mails is no reason to stand still.
        let harmless = statement.arguments().first().is_some_and(|word| word.text == "router_id");
        Some(if harmless { Fate::Drop } else { Fate::LeaveOut })
    }

    /// Variables are not implemented. One that nobody defines stays as it is in keepalived, too,
    /// which is a mistake where it is the whole value.
    fn variables(&mut self, statement: &Statement) -> Option<Fate> {
        if statement.keyword() == "auth_pass" {
            return None;
        }
        let mut fate = None;
        for word in &statement.words {
            let Some(name) = oddities::variable(word) else {
                continue;
            };
            if self.names.includes || self.names.variables.contains(name) || name.starts_with('_') {
                let message = format!("the variable `{name}`: variables are not implemented yet");
                let help = "a virtual router that contains it is left out";
                self.findings.report(code::NOT_YET, word.span, message).help(help);
                // The name for mails is no reason to stand still.
                let harmless = statement.keyword() == "router_id";
                return Some(if harmless { Fate::Drop } else { Fate::LeaveOut });
            }
            if word.text.starts_with('$') && !word.quoted {
                let message = format!("nothing in this file defines the variable `{name}`");
                let help = format!("define it above, `${name}=…`, or write the value");
                self.findings.report(code::UNDEFINED_VARIABLE, word.span, message).help(help);
                fate = Some(Fate::Drop);
            }
        }
        fate
    }

    /// The number of words behind the keyword. `false`: unusable.
    fn check_words(&mut self, statement: &Statement, keyword: Keyword, kind: Block) -> bool {
        let name = statement.keyword();
        let arguments = statement.arguments();
        let (least, most) = (keyword.words.least, keyword.words.most);
        if arguments.len() < least {
            let span = statement.span();
            if keyword.opens.is_some() && keyword.words.missing == Missing::Reported {
                let help = format!("write `{name} NAME {{`; without a name the block is ignored");
                let message = format!("`{name}` has no name");
                self.findings.report(code::MISSING_NAME, span, message).help(help);
            } else if keyword.words.missing == Missing::Reported {
                let message = format!("`{name}` has no value; the line is ignored");
                self.findings.report(code::MISSING_VALUE, span, message);
            } else {
                let message = format!("`{name}` has no value behind it");
                self.findings
                    .report(code::MISSING_PARAMETER, span, message)
                    .help("keepalived does not start with this line: complete or remove it");
            }
            return false;
        }
        if let Some(extra @ [first, ..]) = arguments.get(most.min(arguments.len())..) {
            let message = format!(
                "the words behind `{}` are ignored",
                self.sources.excerpt(leading(statement, most))
            );
            let diagnostic = self.findings.report(code::EXTRA_WORDS, span_of(extra), message);
            if keywords::find(kind, &first.text).is_some() {
                diagnostic.help(format!(
                    "a statement ends with its line: give `{}` a line of its own",
                    first.text
                ));
            }
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

    fn check_value(&mut self, statement: &Statement) {
        let name = statement.keyword();
        if SWITCHES.contains(&name) {
            values::switch(statement, self.findings);
        }
        if let Some((_, range)) = NUMBERS.iter().find(|(known, _)| *known == name) {
            values::number(statement, range.clone(), "the line is ignored", self.findings);
        }
        let choices = CHOICES.iter().find(|(known, _)| *known == name);
        let (Some((_, choices)), Some(word)) = (choices, statement.arguments().first()) else {
            return;
        };
        if !choices.contains(&word.text.as_str()) {
            let message = format!("`{}` is no value of `{name}`", word.text);
            let help = format!("one of {}", choices.join(", "));
            self.findings.report(code::BAD_CHOICE, word.span, message).help(help);
        }
    }

    fn report_support(&mut self, statement: &Statement, support: Support, quiet: bool) {
        let name = statement.keyword();
        let span = statement.keyword_span();
        match support {
            Support::Deprecated(instead) => {
                let message = format!("`{name}` is out of use and has no effect");
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

    /// A value that is given twice: the last one counts.
    fn check_repetition(
        &mut self,
        statement: &Statement,
        kind: Block,
        seen: &mut HashMap<String, Word>,
    ) {
        let keyword = keywords::find(kind, statement.keyword());
        let single = keyword.is_some_and(|k| k.opens.is_none() && k.support == Support::Done)
            && !REPEATABLE.contains(&statement.keyword());
        let Some(word) = statement.words.first().filter(|_| single) else {
            return;
        };
        if let Some(first) = seen.insert(word.text.clone(), word.clone()) {
            let line = self.sources.positions(first.span).0.line;
            let message =
                format!("`{}` stands in line {line} already; the last one counts", word.text);
            self.findings.report(code::GIVEN_TWICE, word.span, message);
        }
    }
}

/// The keyword and as many words behind it as it takes.
fn leading(statement: &Statement, most: usize) -> super::Span {
    span_of(&statement.words[..statement.words.len().min(most.saturating_add(1))])
}
