//! Command lines. keepalived splits them itself and runs no shell.

use std::path::PathBuf;

use super::{
    code,
    diagnostic::Findings,
    parser::{Statement, span_of},
    source::Span,
};

/// Keywords of an instance or group that run something.
pub(super) const NOTIFY: [&str; 6] = [
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_master_rx_lower_pri",
];

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Words that only a shell understands, at the beginning of a command.
const SHELL_WORDS: [&str; 10] = ["[[", "((", "if", "for", "while", "until", "case", "!", "{", "("];

const OPERATORS: [&str; 11] =
    ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "&>", "2>/dev/null"];

/// Reports shell language in the command behind a keyword.
pub(super) fn check(line: &Statement, findings: &mut Findings) {
    let text: Vec<&str> = line.arguments().iter().map(|word| word.text.as_str()).collect();
    let text = text.join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some(program) = words.first() else {
        return;
    };
    let span = span_of(line.arguments());
    let help = "put the test into an executable file, or write `/bin/sh -c '…'` inside the quotes";
    if SHELL_WORDS.contains(program) {
        let message =
            format!("`{program}` is no program but shell language, and keepalived runs no shell");
        findings.report(code::SHELL_SYNTAX, span, message).help(help);
        return;
    }
    let is_shell = program.rsplit('/').next().is_some_and(|name| SHELLS.contains(&name));
    if let Some(operator) = words.iter().find(|word| !is_shell && OPERATORS.contains(word)) {
        let message = format!(
            "`{operator}` is handed to `{program}` as an argument: keepalived runs no shell"
        );
        findings.report(code::SHELL_OPERATOR, span, message).help(help);
    }
}

/// Programs that keepalived would run as root: nothing in the file names another user for them or
/// switches script security on.
pub(super) fn unguarded(tree: &[Statement]) -> Vec<(PathBuf, Span)> {
    let guards = ["enable_script_security", "script_user"];
    let mut globals =
        tree.iter().filter(|block| block.keyword() == "global_defs").flat_map(Statement::inner);
    if globals.any(|line| guards.contains(&line.keyword())) {
        return Vec::new();
    }
    let commands = tree.iter().flat_map(|block| {
        let has_user = block.inner().iter().any(|line| line.keyword() == "user");
        block.inner().iter().filter(move |line| match block.keyword() {
            "vrrp_script" => line.keyword() == "script" && !has_user,
            // The user of a notify script stands behind it.
            "vrrp_instance" | "vrrp_sync_group" => {
                NOTIFY.contains(&line.keyword()) && line.words.len() == 2
            }
            _ => false,
        })
    });
    let program = |line: &Statement| {
        let word = line.arguments().first()?;
        let path = word
            .text
            .split_whitespace()
            .next()
            .filter(|path| path.starts_with('/') && !word.open)?;
        Some((PathBuf::from(path), word.span))
    };
    commands.filter_map(program).collect()
}
