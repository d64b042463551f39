//! `vrrp_instance`: what the file says, before defaults and repairs.

use std::{net::IpAddr, time::Duration};

use vrrp_common::{Family, Version, Vrid};

use super::{
    InitialState, VirtualAddress, XdpMode, address, code,
    diagnostic::Findings,
    global::{self, VERSIONS, XDP_MODES},
    lexer::Word,
    parser::Statement,
    source::{Sources, Span},
    values,
};

/// A value and the line that gives it.
pub(super) type Given<T> = Option<(T, Span)>;

/// One instance as it is written. What was wrong has been reported and is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) state: Given<InitialState>,
    pub(super) interface: Given<String>,
    pub(super) vrid: Given<Vrid>,
    /// `interface` or `virtual_router_id` was there and has been reported.
    pub(super) unusable: bool,
    pub(super) priority: Given<u8>,
    pub(super) version: Given<Version>,
    pub(super) interval: Given<Duration>,
    pub(super) auth: Auth,
    pub(super) addresses: Vec<VirtualAddress>,
    pub(super) excluded: Vec<VirtualAddress>,
    /// `no_virtual_ipaddress`.
    pub(super) wants_no_address: bool,
    /// The first address of any line but `virtual_ipaddress_excluded` fixes the family; others have
    /// been reported and are absent.
    pub(super) family: Option<Family>,
    pub(super) source: Given<IpAddr>,
    pub(super) group: Option<IpAddr>,
    pub(super) nopreempt: Given<()>,
    pub(super) preempt_delay: Given<Duration>,
    pub(super) down_timer_adverts: Given<u8>,
    pub(super) lower_prio_no_advert: Given<bool>,
    pub(super) higher_prio_send_advert: Given<bool>,
    pub(super) skip_check_adv_addr: Option<bool>,
    pub(super) checksum_as_v2: Given<bool>,
    pub(super) strict: Option<bool>,
    /// `accept`, not overridden by `no_accept`.
    pub(super) accept: Given<()>,
    pub(super) garp: GarpDraft,
    pub(super) xdp_mode: Option<XdpMode>,
    /// Something that cannot be left away is not implemented; it has been reported.
    pub(super) left_out: bool,
}

/// `authentication` as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    /// The keyword of the block.
    pub(super) span: Option<Span>,
    pub(super) kind: Given<AuthKind>,
    /// `auth_type` has an argument that keepalived does not know, which has been reported.
    pub(super) kind_unknown: bool,
    /// The octets as they stand in the file.
    pub(super) password: Given<Vec<u8>>,
}

/// Argument of `auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthKind {
    Pass,
    Ah,
}

/// The garp keywords of an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct GarpDraft {
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u32>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) lower_prio_repeat: Given<u32>,
}

/// Reads one block.
pub(super) fn draft(block: &Statement, sources: &Sources, findings: &mut Findings) -> Draft {
    let name = values::argument(block);
    let mut draft = Draft {
        name: name.map(|word| word.text.clone()).unwrap_or_default(),
        span: name.map(|word| word.span).unwrap_or_default(),
        left_out: block.left_out,
        ..Draft::default()
    };
    for statement in block.inner() {
        draft.apply(statement, sources, findings);
    }
    draft
}

const IGNORED: &str = "the line is ignored";

impl Draft {
    fn apply(&mut self, statement: &Statement, sources: &Sources, findings: &mut Findings) {
        let span = statement.span();
        match statement.keyword() {
            "state" => self.state = Some((state(statement, findings), span)),
            "interface" => {
                let name =
                    values::argument(statement).and_then(|word| address::interface(word, findings));
                self.unusable |= name.is_none();
                self.interface = name.map(|name| (name, span));
            }
            "virtual_router_id" => {
                let vrid = vrid(statement, findings);
                self.unusable |= vrid.is_none();
                self.vrid = vrid.map(|vrid| (vrid, span));
            }
            "priority" => self.priority = Some((priority(statement, findings), span)),
            "advert_int" => {
                self.interval = interval(statement, findings).map(|value| (value, span));
            }
            "version" => {
                let version = values::choice(statement, &VERSIONS, IGNORED, findings);
                self.version = version.map(|version| (version, span)).or(self.version);
            }
            "authentication" => self.authenticate(statement, sources, findings),
            "virtual_ipaddress" => {
                let mut addresses = addresses(statement, findings);
                addresses.retain(|line| {
                    let help = "it is ignored; virtual_ipaddress_excluded takes both families";
                    self.fits(line.address, line.span, help, findings)
                });
                self.addresses.append(&mut addresses);
            }
            "virtual_ipaddress_excluded" => self.excluded.extend(addresses(statement, findings)),
            "no_virtual_ipaddress" => self.wants_no_address = true,
            "mcast_src_ip" => {
                let source = source(statement, findings)
                    .filter(|source| self.fits(*source, span, IGNORED, findings));
                self.source = source.map(|source| (source, span)).or(self.source);
            }
            "mcast_dst_ip" => {
                let group = global::any_group(statement, findings)
                    .filter(|group| self.fits(*group, span, IGNORED, findings));
                self.group = group.or(self.group);
            }
            "nopreempt" => self.nopreempt = Some(((), span)),
            "preempt" => self.nopreempt = None,
            "preempt_delay" => {
                let range = Duration::ZERO..=Duration::from_secs(1000);
                let delay = values::seconds(statement, range, IGNORED, findings);
                self.preempt_delay = delay.map(|delay| (delay, span));
            }
            "accept" => self.accept = Some(((), span)),
            "no_accept" => self.accept = None,
            "strict_mode" => self.strict = global::strict(statement, findings),
            "xdp_mode" => {
                self.xdp_mode = values::choice(statement, &XDP_MODES, IGNORED, findings);
            }
            _ => self.apply_timing(statement, findings),
        }
    }

    /// True if `address` is of the family of this virtual router, which the first one decides.
    fn fits(&mut self, address: IpAddr, span: Span, help: &str, findings: &mut Findings) -> bool {
        let family = address.into();
        let fits = *self.family.get_or_insert(family) == family;
        if !fits {
            let message = format!("`{address}` is of another family than the first address above");
            findings.report(code::FAMILY_MISMATCH, span, message).help(help);
        }
        fits
    }

    /// Switches, and everything about adverts and gratuitous ARP.
    fn apply_timing(&mut self, statement: &Statement, findings: &mut Findings) {
        let span = statement.span();
        match statement.keyword() {
            "down_timer_adverts" => {
                let adverts = global::down_timer_adverts(statement, findings);
                self.down_timer_adverts = adverts.map(|adverts| (adverts, span));
            }
            "lower_prio_no_advert" => {
                self.lower_prio_no_advert =
                    values::switch(statement, findings).map(|on| (on, span));
            }
            "higher_prio_send_advert" => {
                self.higher_prio_send_advert =
                    values::switch(statement, findings).map(|on| (on, span));
            }
            "skip_check_adv_addr" => self.skip_check_adv_addr = values::switch(statement, findings),
            "v3_checksum_as_v2" => {
                self.checksum_as_v2 = values::switch(statement, findings).map(|on| (on, span));
            }
            "garp_master_delay" => self.garp.delay = values::whole_seconds(statement, findings),
            "garp_master_repeat" => self.garp.repeat = global::rounds(statement, findings),
            "garp_master_refresh" => self.garp.refresh = values::whole_seconds(statement, findings),
            "garp_master_refresh_repeat" => {
                self.garp.refresh_repeat = global::rounds(statement, findings);
            }
            "garp_lower_prio_delay" => {
                self.garp.lower_prio_delay = values::whole_seconds(statement, findings);
            }
            "garp_lower_prio_repeat" => {
                let rounds = global::lower_prio_rounds(statement, findings);
                self.garp.lower_prio_repeat = rounds.map(|rounds| (rounds, span));
            }
            // What is known and not implemented has been reported.
            _ => {}
        }
    }

    fn authenticate(&mut self, block: &Statement, sources: &Sources, findings: &mut Findings) {
        self.auth.span = Some(block.keyword_span());
        for statement in block.inner() {
            let span = statement.span();
            match (statement.keyword(), values::argument(statement)) {
                ("auth_type", _) => {
                    let kinds = [("PASS", AuthKind::Pass), ("AH", AuthKind::Ah)];
                    let otherwise = "the virtual router runs without authentication";
                    let kind = values::choice(statement, &kinds, otherwise, findings);
                    self.auth.kind_unknown = kind.is_none();
                    self.auth.kind = kind.map(|kind| (kind, span));
                }
                ("auth_pass", Some(word)) => {
                    self.auth.password = Some((password(word, sources, findings), word.span));
                }
                _ => {}
            }
        }
    }
}

fn state(statement: &Statement, findings: &mut Findings) -> InitialState {
    let states = [("MASTER", InitialState::Master), ("BACKUP", InitialState::Backup)];
    values::choice(statement, &states, "BACKUP is used", findings).unwrap_or(InitialState::Backup)
}

fn vrid(statement: &Statement, findings: &mut Findings) -> Option<Vrid> {
    let vrid = values::number(statement, 1..=255, "the virtual router is left out", findings)?;
    Vrid::new(u8::try_from(vrid).ok()?)
}

fn priority(statement: &Statement, findings: &mut Findings) -> u8 {
    let priority = values::number(statement, 1..=255, "100 is used", findings);
    priority.and_then(|priority| u8::try_from(priority).ok()).unwrap_or(100)
}

fn interval(statement: &Statement, findings: &mut Findings) -> Option<Duration> {
    let range = Duration::from_millis(10)..=Duration::from_secs(255);
    values::seconds(statement, range, "1 s is used", findings)
}

fn source(statement: &Statement, findings: &mut Findings) -> Option<IpAddr> {
    let word = values::argument(statement)?;
    let source = word.text.parse().ok();
    if source.is_none() {
        let message = format!("`{}` is not an IP address", word.text);
        findings.report(code::BAD_ADDRESS, word.span, message).help(IGNORED);
    }
    source
}

/// The octets of a password, at most 8 (RFC 2338 5.3.10).
fn password(word: &Word, sources: &Sources, findings: &mut Findings) -> Vec<u8> {
    let mut octets = sources.encode(word.span.file, &word.text);
    if octets.len() > 8 {
        let message = "the password is longer than 8 octets";
        findings
            .report(code::PASSWORD_TOO_LONG, word.span, message)
            .help("only the first 8 are used");
        octets.truncate(8);
    }
    octets
}

fn addresses(list: &Statement, findings: &mut Findings) -> Vec<VirtualAddress> {
    list.inner().iter().filter_map(|line| address::parse(line, findings)).collect()
}
