//! Command lines. keepalived splits them itself and runs no shell.

use super::{
    Account, Command, Config, Global, Notify, User, code,
    diagnostic::Findings,
    lexer::Word,
    parser::{Statement, span_of},
    source::Span,
};

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Words that only a shell understands, at the beginning of a command.
const SHELL_WORDS: [&str; 10] = ["[[", "((", "if", "for", "while", "until", "case", "!", "{", "("];

const OPERATORS: [&str; 11] =
    ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "&>", "2>/dev/null"];

/// `KEYWORD COMMAND [USER [GROUP]]`: the command is one word, in quotes when it has arguments.
/// `None`, reported: there is nothing that could be run.
pub(super) fn command(line: &Statement, findings: &mut Findings) -> Option<Command> {
    let (first, behind) = line.arguments().split_first()?;
    let argv = split(first, findings)?;
    check_shell(&argv, first.span, findings);
    Some(Command { argv, user: user(behind), span: first.span.into() })
}

/// `USER [GROUP]`, also `USER :GROUP`.
pub(super) fn user(words: &[Word]) -> Option<User> {
    let user = account(&words.first()?.text);
    let group = words.get(1).map(|word| word.text.strip_prefix(':').unwrap_or(&word.text));
    Some(User { user, group: group.map(account) })
}

fn account(text: &str) -> Account {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.map_or_else(|| Account::Name(text.to_owned()), Account::Id)
}

/// The `script` of a `vrrp_script`, behind which no user stands.
pub(super) fn tracked_command(line: &Statement, findings: &mut Findings) -> Option<Command> {
    if let Some(extra @ [_, ..]) = line.arguments().get(1..) {
        let command: Vec<&str> = line.arguments().iter().map(|word| word.text.as_str()).collect();
        findings
            .report(code::ARGUMENTS_LOST, span_of(extra), "the command ends with its first word")
            .help(format!("put quotes around all of it: \"{}\"", command.join(" ")));
    }
    Some(Command { user: None, ..command(line, findings)? })
}

/// Splits a command as keepalived does: blanks separate words outside quotes of both kinds, which may
/// begin inside a word; a backslash takes the special meaning from what follows it, everywhere.
fn split(word: &Word, findings: &mut Findings) -> Option<Vec<String>> {
    let (mut words, mut current, mut quote) = (Vec::new(), None, None);
    let mut rest = word.text.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                current.get_or_insert_with(String::new);
            }
            (c, None) if c.is_ascii_whitespace() => words.extend(current.take()),
            ('\\', _) => {
                let current = current.get_or_insert_with(String::new);
                current.push(rest.next().map_or('\\', |c| escape(c, &mut rest)));
            }
            _ => current.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(current);
    let message = match quote {
        Some(quote) => format!("the part of the command that begins with {quote} never ends"),
        None if words.is_empty() => "the command is empty".to_owned(),
        None => return Some(words),
    };
    findings.report(code::BAD_COMMAND, word.span, message).help("the line is ignored");
    None
}

/// What `c` behind a backslash stands for; only digits take more than one character.
fn escape(c: char, rest: &mut std::str::Chars<'_>) -> char {
    let mut number = |first: Option<u32>, radix, most| {
        let digits = rest.clone().map_while(|c| c.to_digit(radix)).take(most);
        let (value, used) = digits.fold((first.unwrap_or(0), 0), |(value, used), digit| {
            (value * radix + digit, used + 1)
        });
        *rest = rest.as_str()[used..].chars();
        u8::try_from(value).ok().filter(|_| first.is_some() || used > 0).map_or(c, char::from)
    };
    match c {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '0'..='7' => number(c.to_digit(8), 8, 2),
        'x' => number(None, 16, 2),
        _ => c,
    }
}

/// Reports shell language.
fn check_shell(argv: &[String], span: Span, findings: &mut Findings) {
    let Some(program) = argv.first() else {
        return;
    };
    let help = "put the test into an executable file, or write `/bin/sh -c '…'` inside the quotes";
    if SHELL_WORDS.contains(&program.as_str()) {
        let message =
            format!("`{program}` is no program but shell language, and keepalived runs no shell");
        findings.report(code::SHELL_SYNTAX, span, message).help(help);
        return;
    }
    let is_shell = program.rsplit('/').next().is_some_and(|name| SHELLS.contains(&name));
    let mut words = argv.iter().map(String::as_str);
    if let Some(operator) = words.find(|word| !is_shell && OPERATORS.contains(word)) {
        let message = format!(
            "`{operator}` is handed to `{program}` as an argument: keepalived runs no shell"
        );
        findings.report(code::SHELL_OPERATOR, span, message).help(help);
    }
}

impl Config {
    /// Everything that is run, in the order of the model.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let Global { fifo, vrrp_fifo, startup, shutdown, .. } = &self.global;
        let fifos = [fifo, vrrp_fifo].into_iter().flatten();
        let hooks = [startup, shutdown].into_iter().flatten().map(|hook| &hook.command);
        let instances = self.instances.iter().map(|instance| &instance.notify);
        let notify = instances.chain(self.sync_groups.iter().map(|group| &group.notify));
        let tracked = self.scripts.iter().map(|script| &script.command);
        tracked
            .chain(notify.flat_map(Notify::commands))
            .chain(fifos.filter_map(|fifo| fifo.script.as_ref()))
            .chain(hooks)
    }
}

/// Keywords of virtual servers and the blocks in them that run something.
const OF_SERVERS: [&str; 5] = ["misc_path", "notify_up", "notify_down", "quorum_up", "quorum_down"];

/// What virtual servers run: it is no part of the model.
fn server_commands(tree: &[Statement]) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut blocks: Vec<&Statement> =
        tree.iter().filter(|block| block.name == "virtual_server").collect();
    // keepalived has nothing to say about commands that cannot be run.
    let mut nobody = Findings::default();
    while let Some(block) = blocks.pop() {
        let line = block.inner().iter().rfind(|line| line.name == "user");
        let own = line.and_then(|line| user(line.arguments()));
        for line in block.inner() {
            let command = match line.name {
                "misc_path" => tracked_command(line, &mut nobody)
                    .map(|command| Command { user: own.clone(), ..command }),
                name if OF_SERVERS.contains(&name) => command(line, &mut nobody),
                _ => {
                    blocks.push(line);
                    continue;
                }
            };
            commands.extend(command);
        }
    }
    commands
}

/// What would run as root without script security, in the order of the file.
pub(super) fn unguarded(config: &Config, tree: &[Statement]) -> Vec<Command> {
    let rules = &config.global.scripts;
    if rules.security {
        return Vec::new();
    }
    let of_servers = server_commands(tree);
    let is_root = |command: &&Command| {
        let user = command.user.as_ref().or(rules.user.as_ref());
        user.is_none_or(User::is_root)
    };
    let mut commands: Vec<Command> =
        config.commands().chain(&of_servers).filter(is_root).cloned().collect();
    commands.sort_by_key(|command| (command.span.0.file, command.span.0.start));
    commands
}
