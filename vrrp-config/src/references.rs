//! Names that one block uses and another defines, and scripts. All of this concerns parts that are
//! recognised only; keepalived reports it, so `check` does, too.

use std::collections::HashSet;

use super::{code, diagnostic::Findings, lexer::Word, parser::Statement, scripts, values};

/// Lists of an instance or group whose lines name a block, with the keyword of that block.
const LISTS: [(&str, &[&str]); 4] = [
    ("track_script", &["vrrp_script"]),
    ("track_process", &["vrrp_track_process"]),
    ("track_file", &["track_file", "vrrp_track_file"]),
    ("track_bfd", &["bfd_instance"]),
];

/// Checks the whole tree, as it was written: a block counts as defined even if it has mistakes.
pub(super) fn check(tree: &[Statement], findings: &mut Findings) {
    for block in tree {
        match block.keyword() {
            "vrrp_instance" => check_tracker(block, tree, findings),
            "vrrp_sync_group" => {
                check_tracker(block, tree, findings);
                check_members(block, tree, findings);
            }
            "vrrp_script" => check_script(block, findings),
            _ => {}
        }
    }
}

fn check_script(block: &Statement, findings: &mut Findings) {
    let mut commands = block.inner().iter().filter(|line| line.keyword() == "script").peekable();
    if commands.peek().is_none() {
        let message = format!(
            "`{}` has no `script` and is removed",
            values::argument(block).map_or("", |word| &word.text)
        );
        findings.report(code::MISSING_VALUE, block.span(), message);
    }
    commands.for_each(|line| scripts::check(line, findings));
}

/// `track_*` and `notify*` of an instance or group.
fn check_tracker(block: &Statement, tree: &[Statement], findings: &mut Findings) {
    let interface =
        block.inner().iter().rfind(|line| line.keyword() == "interface").and_then(values::argument);
    for line in block.inner() {
        if scripts::NOTIFY.contains(&line.keyword()) {
            scripts::check(line, findings);
        }
        if let Some((list, kinds)) = LISTS.iter().find(|(list, _)| *list == line.keyword()) {
            let known = defined(tree, kinds);
            for name in line.inner().iter().filter_map(|entry| entry.words.first()) {
                report_unknown(name, list, kinds[0], &known, findings);
            }
        }
        if line.keyword() == "track_interface" {
            let tracked = line.inner().iter().filter_map(|entry| entry.words.first());
            for own in tracked.filter(|word| interface.is_some_and(|own| own.text == word.text)) {
                let message =
                    format!("`{}` is the interface of the virtual router itself", own.text);
                let help = "remove the line: it is always tracked";
                findings.report(code::OWN_INTERFACE, own.span, message).help(help);
            }
        }
    }
}

/// `group { … }`: names of instances, one or more per line.
fn check_members(group: &Statement, tree: &[Statement], findings: &mut Findings) {
    let Some(name) = values::argument(group) else {
        return;
    };
    let known = defined(tree, &["vrrp_instance"]);
    let lists = group.inner().iter().filter(|line| line.keyword() == "group");
    let members: Vec<&Word> =
        lists.flat_map(Statement::inner).flat_map(|line| &line.words).collect();
    for member in &members {
        report_unknown(member, "group", "vrrp_instance", &known, findings);
    }
    if members.is_empty() {
        let message = format!("the group `{}` has no members and is removed", name.text);
        findings
            .report(code::EMPTY_GROUP, name.span, message)
            .help("name them: `group { VI_1 VI_2 }`");
    } else if members.len() == 1 {
        let message = format!("the group `{}` has one member only", name.text);
        findings
            .report(code::SMALL_GROUP, name.span, message)
            .help("a group keeps several virtual routers together");
    }
}

/// Names behind some root keywords.
fn defined<'a>(tree: &'a [Statement], kinds: &[&str]) -> HashSet<&'a str> {
    let blocks = tree.iter().filter(|block| kinds.contains(&block.keyword()));
    blocks.filter_map(values::argument).map(|word| word.text.as_str()).collect()
}

fn report_unknown(
    word: &Word,
    list: &str,
    kind: &str,
    known: &HashSet<&str>,
    findings: &mut Findings,
) {
    // Reported as a variable or a placeholder.
    let special = word.text.starts_with(['$', '<']);
    if special || known.contains(word.text.as_str()) {
        return;
    }
    let name = &word.text;
    let message = format!("`{name}` in {list}: there is no `{kind} {name}` in this file");
    findings.report(code::UNKNOWN_REFERENCE, word.span, message).help("the line is ignored");
}
