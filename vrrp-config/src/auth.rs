//! `authentication` of version 2 and `auth_hmac`: the blocks as they are written, and what holds
//! with the rest of the virtual router.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use vrrp_common::Version;

use super::{
    AntiReplay, AuthHmac, Authentication, HmacMode, code,
    diagnostic::Findings,
    file,
    instance::Given,
    lexer::Word,
    parser::Statement,
    source::{Sources, Span},
    values,
};

/// Octets of a key of `auth_hmac`.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 32..=64;

/// A file with a key is not read further than this: `hex:`, 64 octets, blanks around them.
const MAX_KEY_FILE: u64 = 1024;

pub(super) const LEFT_OUT: &str =
    "the virtual router is left out: it must not run without its authentication";

/// The choices of `auth_type`.
pub(super) const KINDS: [(&str, Kind); 2] = [("PASS", Kind::Pass), ("AH", Kind::Ah)];

/// The choices of `anti_replay`.
pub(super) const ANTI_REPLAY: [(&str, AntiReplay); 2] =
    [("time", AntiReplay::Time), ("monotonic", AntiReplay::Monotonic)];

/// The choices of `mode`.
pub(super) const MODES: [(&str, HmacMode); 3] = [
    ("enforce", HmacMode::Enforce),
    ("permissive", HmacMode::Permissive),
    ("receive-only", HmacMode::ReceiveOnly),
];

/// Both blocks as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    /// The keyword `authentication`.
    span: Option<Span>,
    kind: Given<Kind>,
    /// `auth_type` has an argument that keepalived does not know, which has been reported.
    kind_unknown: bool,
    /// The octets as they stand in the file.
    password: Given<Vec<u8>>,
    hmac: Option<Hmac>,
}

/// Argument of `auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pass,
    Ah,
}

/// `auth_hmac` as it is written.
#[derive(Clone, Debug, Default)]
struct Hmac {
    /// The keyword of the block.
    span: Span,
    keys: BTreeMap<u8, Vec<u8>>,
    active: Given<u8>,
    anti_replay: AntiReplay,
    window: Option<Duration>,
    mode: Given<HmacMode>,
    /// A line could not be understood, which has been reported.
    unusable: bool,
}

/// What authentication depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) version: Version,
    /// `version 2` was given and is not used, because the addresses are of IPv6.
    pub(super) was_v2: bool,
    pub(super) strict: bool,
    pub(super) interval: Duration,
}

/// The authentication cannot be understood, which has been reported: the virtual router must not run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unusable;

impl Auth {
    /// Reads an `authentication` block.
    pub(super) fn read(&mut self, block: &Statement, sources: &Sources, findings: &mut Findings) {
        self.span = Some(block.keyword_span());
        for statement in block.inner() {
            let span = statement.span();
            match (statement.keyword(), values::argument(statement)) {
                ("auth_type", _) => {
                    let kind = values::choice(statement, &KINDS);
                    self.kind_unknown = kind.is_none();
                    self.kind = kind.map(|kind| (kind, span));
                }
                ("auth_pass", Some(word)) => {
                    self.password = Some((password(word, sources, findings), word.span));
                }
                _ => {}
            }
        }
    }

    /// Reads an `auth_hmac` block.
    pub(super) fn read_hmac(
        &mut self,
        block: &Statement,
        sources: &Sources,
        findings: &mut Findings,
    ) {
        let hmac = self.hmac.get_or_insert_default();
        hmac.span = block.keyword_span();
        for statement in block.inner() {
            hmac.unusable |= hmac.apply(statement, sources, findings).is_none();
        }
    }

    /// Brings both blocks together with the rest.
    pub(super) fn complete(
        mut self,
        context: Context,
        findings: &mut Findings,
    ) -> Result<Option<Authentication>, Unusable> {
        let Some(hmac) = self.hmac.take() else {
            return Ok(self.plain(context, findings));
        };
        if let Some(span) = self.span {
            let message = "`authentication` and `auth_hmac` exclude each other";
            findings.report(code::AUTH_DROPPED, span, message).help("auth_hmac is used");
        }
        Ok(Some(Authentication::Hmac(hmac.complete(context, findings)?)))
    }

    /// `authentication`: dropped with a report where there is none, as in keepalived.
    fn plain(self, context: Context, findings: &mut Findings) -> Option<Authentication> {
        let block = self.span?;
        let password = self.password.filter(|(password, _)| !password.is_empty());
        let Some((kind, span)) = self.kind else {
            if password.is_some() && !self.kind_unknown {
                let message = "a password without auth_type has no effect";
                findings
                    .report(code::AUTH_WITHOUT_TYPE, block, message)
                    .help("add `auth_type PASS`");
            }
            return None;
        };
        // The version 2 that keepalived speaks for IPv6 would have it.
        let keepalived_has_it = context.was_v2 && !context.strict && kind == Kind::Pass;
        let (drop, help) = match password {
            _ if context.version == Version::V3 => (
                "VRRP version 3 has no authentication",
                "the virtual router runs without; `auth_hmac` is for both versions",
            ),
            _ if context.strict => (
                "strict mode has no authentication",
                "the virtual router runs without: RFC 3768 has removed it",
            ),
            None => (
                "authentication without a password",
                "the virtual router runs without authentication",
            ),
            Some((password, _)) => {
                let mut octets = [0; 8];
                octets.iter_mut().zip(password).for_each(|(octet, byte)| *octet = byte);
                return Some(match kind {
                    Kind::Pass => Authentication::Pass(octets),
                    Kind::Ah => Authentication::Ah(octets),
                });
            }
        };
        let kind = if keepalived_has_it { code::IPV6_AUTH } else { code::AUTH_DROPPED };
        findings.report(kind, span, drop).help(help);
        None
    }
}

impl Hmac {
    /// One line of the block; `None`: it could not be understood.
    fn apply(
        &mut self,
        statement: &Statement,
        sources: &Sources,
        findings: &mut Findings,
    ) -> Option<()> {
        let span = statement.span();
        match statement.name {
            "key" => {
                let number = values::number(statement)?;
                let key = key(statement.arguments().get(1)?, sources, findings)?;
                if self.keys.insert(number, key).is_some() {
                    let message = format!("there is a key {number} above; this one counts");
                    findings.report(code::GIVEN_TWICE, span, message);
                }
            }
            "active_key" => self.active = Some((values::number(statement)?, span)),
            "anti_replay" => self.anti_replay = values::choice(statement, &ANTI_REPLAY)?,
            "time_window" => self.window = Some(values::whole_seconds(statement)?),
            "mode" => self.mode = Some((values::choice(statement, &MODES)?, span)),
            _ => {}
        }
        Some(())
    }

    fn complete(self, context: Context, findings: &mut Findings) -> Result<AuthHmac, Unusable> {
        if self.unusable {
            return Err(Unusable);
        }
        let mut mode = self.mode.map_or(HmacMode::default(), |(mode, _)| mode);
        if let Some((_, span)) =
            self.mode.filter(|(mode, _)| context.strict && *mode != HmacMode::Enforce)
        {
            let message = "strict mode: `mode` is enforce";
            findings.report(code::STRICT_REPAIR, span, message);
            mode = HmacMode::Enforce;
        }
        let active = match (self.active, self.keys.keys().next()) {
            (Some((active, _)), _) if self.keys.contains_key(&active) => active,
            (None, Some(&any)) if mode == HmacMode::ReceiveOnly => any,
            (Some((active, span)), Some(_)) => {
                return Err(unusable(&format!("there is no key {active}"), span, findings));
            }
            (None, Some(_)) => {
                return Err(unusable("`auth_hmac` has no active_key", self.span, findings));
            }
            (_, None) => return Err(unusable("`auth_hmac` has no key", self.span, findings)),
        };
        let window = self.window.unwrap_or_else(|| default_window(context.interval));
        let Self { keys, anti_replay, .. } = self;
        Ok(AuthHmac { keys, active, anti_replay, window, mode })
    }
}

/// keepalived's `time_window`: three intervals, 5 s at least.
pub(super) fn default_window(interval: Duration) -> Duration {
    (interval * 3).max(Duration::from_secs(5))
}

fn unusable(message: &str, span: Span, findings: &mut Findings) -> Unusable {
    findings.report(code::AUTH_HMAC, span, message).help(LEFT_OUT);
    Unusable
}

/// The octets of a password, at most 8 (RFC 2338 5.3.10).
fn password(word: &Word, sources: &Sources, findings: &mut Findings) -> Vec<u8> {
    let mut octets = sources.encode(word.span, &word.text);
    if octets.len() > 8 {
        let message = "the password is longer than 8 octets";
        findings
            .report(code::PASSWORD_TOO_LONG, word.span, message)
            .help("only the first 8 are used");
        octets.truncate(8);
    }
    let end = word.span.end;
    let behind = Span { start: end, end: end.saturating_add(1), ..word.span };
    if let sign @ ("#" | "!") = sources.excerpt(behind) {
        let message = format!("the `{sign}` in the password begins a comment");
        findings
            .report(code::PASSWORD_CUT, behind, message)
            .help("put the password in quotes, or a blank in front of the comment");
    }
    octets
}

/// `hex:DIGITS`, `file:PATH`, or the key as text. A file has one of the other two forms.
fn key(word: &Word, sources: &Sources, findings: &mut Findings) -> Option<Vec<u8>> {
    let octets = match word.text.strip_prefix("file:") {
        Some(path) => key_from_file(path, word.span, findings)?,
        None => sources.encode(word.span, &word.text),
    };
    let key = match octets.strip_prefix(b"hex:") {
        Some(digits) => hex(digits),
        None => Some(octets),
    };
    let wrong = match &key {
        None => "the key has something else than pairs of hexadecimal digits behind `hex:`".into(),
        Some(key) if !KEY_LENGTH.contains(&key.len()) => {
            format!("the key has {} octets: 32 to 64 are needed", key.len())
        }
        Some(_) => return key,
    };
    unusable(&wrong, word.span, findings);
    None
}

fn key_from_file(path: &str, span: Span, findings: &mut Findings) -> Option<Vec<u8>> {
    match file::read(Path::new(path), MAX_KEY_FILE) {
        Ok((octets, metadata)) => {
            if metadata.permissions().mode() & 0o077 != 0 {
                let message = format!("others may read the key in {path}");
                findings.report(code::KEY_READABLE, span, message).help("chmod 600");
            }
            Some(octets.trim_ascii().to_vec())
        }
        Err(error) => {
            unusable(&format!("cannot read {path}: {error}"), span, findings);
            None
        }
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit =
        |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
