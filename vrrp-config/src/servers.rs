//! `virtual_server`: what keepalived says about the blocks of LVS as a whole. They are not run here,
//! but a file is checked as `keepalived -t` checks it.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use super::{
    code,
    diagnostic::{Findings, Kind},
    lexer::Word,
    parser::Statement,
    source::Span,
    values::{self, Value},
};

const SCHEDULER: [&str; 1] = ["lvs_sched"];
const METHOD: [&str; 1] = ["lvs_method"];
const REAL: [&str; 2] = ["real_server", "backup_real_server"];

/// The schedulers that choose by a hash, and options that are for either of them.
const HASHING: [&str; 2] = ["sh", "mh"];
const OF_HASHING: [&str; 5] = ["hashed", "sh-port", "sh-fallback", "mh-port", "mh-fallback"];

/// Checks all blocks, of which the audit has let through what can be used.
pub(super) fn check(tree: &[Statement], findings: &mut Findings) {
    let known = Known::collect(tree);
    for (index, block) in tree.iter().enumerate() {
        match block.name {
            "virtual_server" => {
                let service = Service::read(block, &known);
                if service.has_entries(&known, findings) {
                    service.check(findings);
                }
                service.check_servers(&known, index, findings);
            }
            "virtual_server_group" if block.inner().is_empty() => {
                let message = format!("`{}` has no entries and is removed", name(block));
                findings.report(code::SERVER, block.span(), message);
            }
            _ => {}
        }
    }
}

/// What virtual and real servers refer to, by name; of several with one name the first counts.
#[derive(Default)]
struct Known<'a> {
    groups: HashMap<&'a str, Entries>,
    /// Which block of the configuration defines it, for what has to stand above its use.
    sessions: HashMap<&'a str, usize>,
    files: HashMap<&'a str, usize>,
}

/// What packets are recognised by.
#[derive(Clone, Debug, Default)]
struct Entries {
    /// The ports of all addresses; one without a port has 0.
    ports: BTreeSet<u16>,
    /// There is a mark.
    marked: bool,
}

impl<'a> Known<'a> {
    fn collect(tree: &'a [Statement]) -> Self {
        let mut known = Self::default();
        for (index, block) in tree.iter().enumerate() {
            match block.name {
                "virtual_server_group" => {
                    known.groups.entry(name(block)).or_insert_with(|| Entries::of_group(block));
                }
                // One that is for VRRP only is not for checks.
                "bfd_instance"
                    if last(block, &["vrrp"]).is_none() || last(block, &["checker"]).is_some() =>
                {
                    known.sessions.entry(name(block)).or_insert(index);
                }
                "track_file" => {
                    known.files.entry(name(block)).or_insert(index);
                }
                _ => {}
            }
        }
        known
    }
}

impl Entries {
    fn of_group(group: &Statement) -> Self {
        let mut entries = Self::default();
        for entry in group.inner() {
            if entry.keyword() == "fwmark" {
                entries.marked = true;
            } else {
                let port = entry.arguments().first().and_then(|word| word.text.parse().ok());
                entries.ports.insert(port.unwrap_or(0));
            }
        }
        entries
    }
}

/// A `virtual_server` block.
struct Service<'a> {
    block: &'a Statement,
    /// Not of a mark or a group.
    address: Option<IpAddr>,
    entries: Cow<'a, Entries>,
    /// NAT, DR or TUN.
    method: &'a str,
    servers: Vec<&'a Statement>,
}

impl<'a> Service<'a> {
    fn read(block: &'a Statement, known: &'a Known<'_>) -> Self {
        let address = values::address(block);
        let own = Entries {
            ports: address.map(|_| port(block).unwrap_or(0)).into_iter().collect(),
            marked: name(block) == "fwmark",
        };
        let group = group_of(block).and_then(|group| known.groups.get(group.text.as_str()));
        Self {
            block,
            address,
            entries: group.map_or(Cow::Owned(own), Cow::Borrowed),
            method: last(block, &METHOD).and_then(values::text).unwrap_or("NAT"),
            servers: all(block, &REAL).collect(),
        }
    }

    /// False, and reported, for a group that nobody defines. keepalived asks no more of such a service.
    fn has_entries(&self, known: &Known<'_>, findings: &mut Findings) -> bool {
        let group = group_of(self.block);
        let Some(group) = group.filter(|group| !known.groups.contains_key(group.text.as_str()))
        else {
            return true;
        };
        let message = format!("there is no `virtual_server_group {}` in this file", group.text);
        findings
            .report(code::NO_GROUP, group.span, message)
            .help("keepalived drops the virtual_server without a word");
        false
    }

    /// The lines of the service itself.
    fn check(&self, findings: &mut Findings) {
        let block = self.block;
        let mut say = |span: Span, message: String, help: &str| {
            findings.report(code::SERVER, span, message).help(help);
        };
        let lacks = |keywords: &[&str]| !block.lacks_lines && last(block, keywords).is_none();
        if lacks(&REAL) {
            say(block.span(), "a virtual_server without a real_server".to_owned(), "it is ignored");
            return;
        }
        if lacks(&SCHEDULER) {
            let message = "a virtual_server without `lvs_sched`".to_owned();
            say(block.span(), message, "wlc is used: write `lvs_sched wlc`");
        }
        let has_method = |server: &&Statement| last(server, &METHOD).is_some();
        if lacks(&METHOD) && !self.servers.iter().all(has_method) {
            let message = "a virtual_server without `lvs_method`".to_owned();
            say(block.span(), message, "NAT is used: write `lvs_method NAT`");
        }
        let protocol = last(block, &["protocol"]);
        match protocol {
            None if !self.entries.ports.is_empty() && !block.lacks_lines => {
                let help = "keepalived 2.2.7 takes UDP, later ones TCP: write which";
                say(block.span(), "a virtual_server without `protocol`".to_owned(), help);
            }
            Some(line) if self.entries.marked && self.entries.ports.is_empty() => {
                say(line.span(), "a mark has no `protocol`".to_owned(), "it is ignored");
            }
            _ => {}
        }
        let persistent = last(block, &["persistence_timeout"]).is_some();
        if self.entries.ports.contains(&0) && !persistent {
            let message = "all ports of an address need `persistence_timeout`".to_owned();
            say(block.span(), message, "it is switched on: give the port if you mean one");
        }
        let is_udp = |line: &Statement| name(line).eq_ignore_ascii_case("UDP");
        if let Some(line) = last(block, &["ops"])
            && protocol.is_some_and(|protocol| !is_udp(protocol))
        {
            say(line.span(), "`ops` is for `protocol UDP`".to_owned(), "it is ignored");
        }
        let mut hashing = block.lacks_lines;
        for line in block.inner() {
            if SCHEDULER.contains(&line.name) {
                hashing |= HASHING.contains(&name(line));
            } else if OF_HASHING.contains(&line.name) && !hashing {
                let message = format!("`{}` needs `lvs_sched sh` or `mh` above it", line.keyword());
                say(line.span(), message, "it is ignored");
            }
        }
        let mut lines = block.inner().iter();
        let before = lines.by_ref().take_while(|line| line.name != "sorry_server");
        for line in before.filter(|line| line.name.starts_with("sorry_server_")) {
            let message = format!("`{}` without a sorry_server above it", line.keyword());
            say(line.span(), message, "it is ignored");
        }
        for line in all(block, &METHOD).chain(all(block, &["sorry_server_lvs_method"])) {
            if let Some(wrong) = wrong_tunnel(line) {
                say(line.span(), wrong.to_owned(), "the line is ignored");
            }
        }
        if !block.lacks_lines {
            self.check_quorum(findings);
        }
    }

    /// The weights that have to be there, and those that are.
    fn check_quorum(&self, findings: &mut Findings) {
        let number = |block, keyword: &str| last(block, &[keyword]).and_then(values::number::<u64>);
        let default = number(self.block, "weight").unwrap_or(1);
        let weights = self.servers.iter().map(|server| number(server, "weight").unwrap_or(default));
        let weight: u64 = weights.sum();
        let quorum = number(self.block, "quorum").unwrap_or(1);
        let place = |keyword: &str| last(self.block, &[keyword]).unwrap_or(self.block).span();
        if quorum > weight {
            let message = format!("the quorum {quorum} is more than all weights, {weight}");
            let help = format!("{weight} is used");
            findings.report(code::SERVER, place("quorum"), message).help(help);
        }
        let hysteresis = number(self.block, "hysteresis");
        if let Some(hysteresis) = hysteresis.filter(|hysteresis| *hysteresis >= quorum.min(weight))
        {
            let message = format!("the hysteresis {hysteresis} is not less than the quorum");
            findings.report(code::SERVER, place("hysteresis"), message).help("0 is used");
        }
    }

    /// The real servers and their checks; `index` is that of the block in the configuration.
    fn check_servers(&self, known: &Known<'_>, index: usize, findings: &mut Findings) {
        let mut seen = HashSet::new();
        let sorry = all(self.block, &["sorry_server"]);
        for server in self.servers.iter().copied().chain(sorry) {
            let method = last(server, &METHOD).and_then(values::text).unwrap_or(self.method);
            let (address, port) = (values::address(server), port(server));
            let is_real = server.name != "sorry_server";
            let other_family = |address: IpAddr| {
                self.address.is_some_and(|own| own.is_ipv4() != address.is_ipv4())
            };
            let (wrong, help) = if is_real && address.is_some() && !seen.insert((address, port)) {
                ("stands above already", "this one is ignored")
            } else if method != "TUN" && address.is_some_and(other_family) {
                ("is of another family than its virtual_server", "it is ignored")
            } else if method != "NAT" && self.entries.marked && port.is_some() {
                ("has a port, and its virtual_server is a mark", "the port is ignored")
            } else if method != "NAT"
                && port.is_some_and(|port| {
                    self.entries.ports.iter().any(|own| ![0, port].contains(own))
                })
            {
                (
                    "has another port than its virtual_server, which only NAT can do",
                    "that one is used",
                )
            } else {
                ("", "")
            };
            if !wrong.is_empty() {
                let message = format!("`{}` {wrong}", name(server));
                findings.report(code::SERVER, server.span(), message).help(help);
            }
            for line in server.inner() {
                check_line(line, known, index, findings);
                check_source(line, address, findings);
            }
        }
    }
}

/// A line of a real server: a check of it, mostly.
fn check_line(line: &Statement, known: &Known<'_>, index: usize, findings: &mut Findings) {
    let mut say = |kind: Kind, line: &Statement, message: String| {
        findings.report(kind, line.span(), message).help("it is ignored");
    };
    match line.name {
        "HTTP_GET" | "SSL_GET" => {
            let urls = || all(line, &["url"]);
            for url in urls().filter(|url| lacks(url, "path")) {
                say(code::SERVER, url, "a `url` without `path`".to_owned());
            }
            if lacks(line, "url") {
                say(code::SERVER, line, format!("`{}` without a `url`", line.keyword()));
            }
        }
        "MISC_CHECK" if lacks(line, "misc_path") => {
            say(code::SERVER, line, "`MISC_CHECK` without `misc_path`".to_owned());
        }
        "BFD_CHECK" | "FILE_CHECK" => {
            let (keyword, definition, names) = match line.name {
                "BFD_CHECK" => ("name", "bfd_instance", &known.sessions),
                _ => ("track_file", "track_file", &known.files),
            };
            if lacks(line, keyword) {
                say(code::SERVER, line, format!("`{}` without `{keyword}`", line.keyword()));
            }
            let Some(reference) = last(line, &[keyword]) else {
                return;
            };
            let wanted = name(reference);
            if names.get(wanted).is_none_or(|defined| *defined > index) {
                let message = format!("there is no `{definition} {wanted}` for checks above");
                say(code::UNKNOWN_REFERENCE, reference, message);
            }
        }
        "UDP_CHECK" => {
            let length = |keyword| last(line, &[keyword]).and_then(values::number::<u16>);
            let least = length("min_reply_length").unwrap_or(0);
            if least > length("max_reply_length").unwrap_or(255) {
                let message = "`min_reply_length` is more than `max_reply_length`: it always fails";
                say(code::SERVER, line, message.to_owned());
            }
        }
        keyword if METHOD.contains(&keyword) => {
            if let Some(wrong) = wrong_tunnel(line) {
                say(code::SERVER, line, wrong.to_owned());
            }
        }
        _ => {}
    }
}

/// `bindto` of a check: of the family of what is asked, which is `server` unless the check says more.
/// SMTP_CHECK has it in each `host`.
fn check_source(check: &Statement, server: Option<IpAddr>, findings: &mut Findings) {
    all(check, &["host"]).for_each(|host| check_source(host, server, findings));
    let asked = last(check, &["connect_ip"]).and_then(values::address).or(server);
    let Some(line) = last(check, &["bindto"]).filter(|_| check.name != "SMTP_CHECK") else {
        return;
    };
    let families = values::address(line).zip(asked);
    if families.is_some_and(|(own, asked)| own.is_ipv4() != asked.is_ipv4()) {
        let message = format!("`{}` is of another family than what is asked", name(line));
        findings.report(code::SERVER, line.span(), message).help("it is ignored");
    }
}

/// What `TUN type …` cannot have.
fn wrong_tunnel(line: &Statement) -> Option<&'static str> {
    let words: Vec<&str> = line.arguments().iter().map(|word| word.text.as_str()).collect();
    let has = |word: &str| words.contains(&word);
    let kind = words.iter().skip_while(|word| **word != "type").nth(1).copied().unwrap_or("ipip");
    match kind {
        "gue" if !has("port") => Some("a gue tunnel needs `port`"),
        "ipip" | "gre" if has("port") => Some("only a gue tunnel has a port"),
        "ipip" if has("nocsum") || has("csum") || has("remcsum") => {
            Some("an ipip tunnel has no checksum")
        }
        "gre" if has("remcsum") => Some("a gre tunnel has no remcsum"),
        _ => None,
    }
}

/// The first word behind the keyword.
fn name(statement: &Statement) -> &str {
    values::argument(statement).map_or("", |word| &word.text)
}

/// The name in `virtual_server group NAME`.
fn group_of(block: &Statement) -> Option<&Word> {
    block.arguments().get(1).filter(|_| name(block) == "group")
}

/// The port behind an address.
fn port(statement: &Statement) -> Option<u16> {
    match (statement.values.first()?, statement.values.get(1)?) {
        (Some(Value::Address(_)), Some(Value::Number(port))) => u16::try_from(*port).ok(),
        _ => None,
    }
}

/// True if the file has no such line in the block, not even a wrong one.
fn lacks(block: &Statement, keyword: &str) -> bool {
    !block.lacks_lines && last(block, &[keyword]).is_none()
}

fn all<'a>(block: &'a Statement, keywords: &[&str]) -> impl Iterator<Item = &'a Statement> {
    block.inner().iter().filter(move |line| keywords.contains(&line.name))
}

fn last<'a>(block: &'a Statement, keywords: &[&str]) -> Option<&'a Statement> {
    block.inner().iter().rfind(|line| keywords.contains(&line.name))
}
