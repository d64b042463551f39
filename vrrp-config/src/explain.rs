//! `xvrrp explain` and docs/keywords.md: the table of keywords and the codes of diagnostics as text.

use std::{
    error::Error,
    fmt::{self, Write},
};

use super::{
    code::{self, Explanation},
    diagnostic::{Severity, Verdict},
    keywords::{self, Argument, Block, Keyword, LISTS, Row, Section, Support},
    suggest,
};

/// Neither a keyword nor a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What was asked for.
    pub word: String,
    /// What was probably meant.
    pub meant: Option<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is neither a keyword nor a code", self.word)?;
        match self.meant {
            Some(meant) => write!(f, ": did you mean `{meant}`?"),
            None => f.write_str(": `xvrrp explain` lists the keywords"),
        }
    }
}

impl Error for Unknown {}

/// Everything about a keyword, in all places where it is one, or about a code such as `E0031`. Lines of
/// text, each with its end.
pub fn explain(word: &str) -> Result<String, Unknown> {
    if let Some(explanation) = code::all().find(|e| e.kind.code.eq_ignore_ascii_case(word)) {
        return Ok(explain_code(explanation));
    }
    let named = |keyword: &Keyword| keyword.row.spellings().any(|name| name == word);
    let homes: Vec<String> =
        all_keywords().filter(named).map(|keyword| explain_keyword(keyword, word)).collect();
    if homes.is_empty() {
        let names = all_keywords().flat_map(|keyword| keyword.row.spellings());
        let codes = code::all().map(|explanation| explanation.kind.code);
        let meant = suggest::nearest(word, names.chain(codes));
        return Err(Unknown { word: word.to_owned(), meant });
    }
    Ok(homes.join("\n"))
}

/// All keywords, a line each, by block.
pub fn list() -> String {
    let mut text = String::new();
    for section in keywords::sections() {
        let blank = if text.is_empty() { "" } else { "\n" };
        line(&mut text, format_args!("{blank}{}:", section.title));
        for row in section.rows {
            line(&mut text, format_args!("  {:<36} {}", row.name, row.help));
        }
    }
    text
}

/// The page of the documentation.
pub fn markdown() -> String {
    let mut text = String::from(PAGE_HEAD);
    for section in keywords::sections() {
        line(&mut text, format_args!("\n## {}\n", section.title));
        if section.inside.iter().any(|block| block.is_list()) {
            for list in LISTS.iter().filter(|list| section.inside.contains(&list.block)) {
                let names = keywords::openers(list.block).join("`, `");
                line(&mut text, format_args!("`{names}`: {}.\n", list.help));
            }
        }
        line(
            &mut text,
            format_args!("| keyword | default | support | meaning |\n|---|---|---|---|"),
        );
        for keyword in keywords::keywords(section) {
            let row = keyword.row;
            let cell = |text: &str| text.replace('|', "\\|").replace('*', "\\*");
            line(
                &mut text,
                format_args!(
                    "| `{}` | {} | {} | {} |",
                    row.usage_line().replace('|', "\\|"),
                    cell(row.default),
                    cell(&support(keyword)),
                    cell(&meaning(row)),
                ),
            );
        }
    }
    line(&mut text, format_args!("\n## Codes\n\n| code | meaning |\n|---|---|"));
    for Explanation { kind, meaning, .. } in code::all() {
        let meaning = meaning.replace('|', "\\|").replace('<', "\\<");
        line(&mut text, format_args!("| {} | {meaning} |", kind.code));
    }
    text
}

const PAGE_HEAD: &str = "# Keywords of keepalived.conf

Made from the table in `vrrp-config/src/keywords/`, which the parser and the checks use, too.
`xvrrp explain KEYWORD` says the same on the command line, with the range of each value, and
`xvrrp explain CODE` what a diagnostic means. Support: *yes*; *not yet*: the virtual router runs without
it; *not yet, left out*: the virtual router does not run with it; *no effect*, because of what is said.
";

/// What it is, with its range and its other names.
fn meaning(row: &Row) -> String {
    let mut text = row.help.to_owned();
    for (name, kind) in values(row) {
        let _ = write!(text, "; {name}: {kind}");
    }
    for (what, names) in [("also", row.also), ("old", row.old), ("out of use", row.outdated)] {
        if !names.is_empty() {
            let _ = write!(text, "; {what}: `{}`", names.replace(' ', "`, `"));
        }
    }
    if !row.since.is_empty() {
        let _ = write!(text, " ({})", row.since);
    }
    text
}

/// The values behind a keyword, with what each has to be. One that stands for the same as the one before
/// it is not repeated.
fn values(row: &Row) -> Vec<(&'static str, String)> {
    let kinds = row.arguments.iter().filter_map(|argument| Some((argument, argument.kind?)));
    let mut values: Vec<_> =
        kinds.map(|(argument, kind)| (argument.name, kind.to_string())).collect();
    values.retain(|(_, kind)| !kind.is_empty());
    values.dedup();
    values
}

fn support(Keyword { support, .. }: Keyword) -> String {
    match support {
        Support::Done => "yes".to_owned(),
        Support::NotYet => "not yet".to_owned(),
        Support::LeavesOut => "not yet, left out".to_owned(),
        Support::NoEffect(because) => format!("no effect: {because}"),
        Support::Deprecated(instead) => format!("out of use: {instead}"),
    }
}

fn explain_keyword(keyword: Keyword, word: &str) -> String {
    let Keyword { row, section, .. } = keyword;
    let mut text = format!("{}\n    {}\n\n", row.usage_line(), row.help);
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            line(&mut text, format_args!("    {name:<13} {value}"));
        }
    };
    fact("where", &places(section));
    for (name, kind) in values(row) {
        fact(name, &kind);
    }
    fact("default", row.default);
    fact("support", &support(keyword));
    fact("known to", row.since);
    fact("also", row.also);
    fact("old spelling", row.old);
    fact("out of use", row.outdated);
    if [row.old, row.outdated].iter().any(|names| names.split_whitespace().any(|n| n == word)) {
        fact("", &format!("`{word}` is an old spelling: write `{}`", row.name));
    }
    if let Some(block) = keyword.opens {
        fact("block", &contents(block));
    }
    text
}

/// Blocks in which the keywords of a section may stand.
fn places(section: &Section) -> String {
    let names: Vec<&str> =
        section.inside.iter().flat_map(|block| keywords::openers(*block)).collect();
    let list = if section.inside.iter().any(|block| block.is_list()) { "an entry of " } else { "" };
    format!("{list}{}", names.join(", "))
}

/// What may stand in a block.
fn contents(block: Block) -> String {
    let names: Vec<&str> = keywords::sections()
        .filter(|section| section.inside.contains(&block))
        .flat_map(|section| section.rows.iter().map(|row| row.name))
        .collect();
    let Some(list) = LISTS.iter().find(|list| list.block == block) else {
        return names.join(" ");
    };
    let entry: Vec<String> = list.entry.iter().map(Argument::to_string).collect();
    let words = if names.is_empty() { "" } else { "; words: " };
    format!("{}; one a line: {}{words}{}", list.help, entry.join(" "), names.join(" "))
}

fn explain_code(Explanation { kind, meaning, cause, cure }: &Explanation) -> String {
    let severity = match kind.severity {
        Severity::NotYet => "not yet implemented",
        severity => severity.name(),
    };
    let keepalived = match kind.verdict {
        _ if code::is_about_several_files(*kind) => {
            "looks at one file only, `check --together` at all"
        }
        Verdict::CannotRun => "does not start",
        Verdict::WouldRun => "reports it too, and runs",
        Verdict::ScriptSecurity => "reports it too, and does not run the script",
        Verdict::Clean => "is silent, and runs",
    };
    let indented = |lines: &str| lines.replace('\n', "\n        ");
    format!(
        "{}: {severity}\n    {meaning}\n\n    cause:\n        {}\n    cure:\n        {}\n    \
         keepalived {keepalived}: exit status {}\n",
        kind.code,
        indented(cause),
        indented(cure),
        kind.verdict.exit_code()
    )
}

fn all_keywords() -> impl Iterator<Item = Keyword> {
    keywords::sections().flat_map(keywords::keywords)
}

/// Appends a line; writing to a string does not fail.
fn line(text: &mut String, arguments: fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
    text.push('\n');
}
