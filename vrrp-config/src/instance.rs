//! `vrrp_instance`: what the file says, before defaults and repairs.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use vrrp_common::{Family, Priority, Version, Vrid, ladder::Believe};

use super::{
    ExtraGarp, InitialState, Places, Route, Rule, TimerExpired, VirtualAddress, XdpMode, address,
    auth::Auth,
    code,
    diagnostic::Findings,
    global::{self, CHECKSUMS, ORPHANS, VERSIONS, XDP_MODES},
    interfaces,
    lexer::Word,
    notify,
    parser::Statement,
    routing,
    source::{Sources, Span},
    tracking::{self, Context},
    unicast, values, vmac,
};

/// A value and the line that gives it.
pub(super) type Given<T> = Option<(T, Span)>;

/// One instance as it is written. What was wrong has been reported and is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) places: Places,
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
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    /// `no_virtual_ipaddress`.
    pub(super) wants_no_address: bool,
    /// The first address of any line but `virtual_ipaddress_excluded` fixes the family; others have
    /// been reported and are absent.
    pub(super) family: Option<Family>,
    pub(super) source: Given<IpAddr>,
    pub(super) group: Given<IpAddr>,
    pub(super) unicast: unicast::Draft,
    pub(super) virtual_mac: vmac::Draft,
    /// `use_ipvlan`, and whether it has an address of IPv4.
    pub(super) ipvlan: Given<bool>,
    pub(super) nopreempt: Given<()>,
    pub(super) preempt_delay: Given<Duration>,
    pub(super) down_timer_adverts: Given<u8>,
    pub(super) lower_prio_no_advert: Given<bool>,
    pub(super) higher_prio_send_advert: Given<bool>,
    pub(super) skip_check_adv_addr: Option<bool>,
    pub(super) checksum_as_v2: Given<bool>,
    pub(super) strict: Option<bool>,
    /// `accept` or `no_accept`.
    pub(super) accept: Given<bool>,
    /// `xdp_no_accept`.
    pub(super) accept_in_program: Given<bool>,
    pub(super) owner_ignores: Option<bool>,
    pub(super) believe: Option<Believe>,
    pub(super) garp: GarpDraft,
    /// `garp_extra_if`.
    pub(super) extra_garp: Option<ExtraGarp>,
    /// `xdp_orphan`.
    pub(super) serves_on: Option<bool>,
    pub(super) xdp_mode: Option<XdpMode>,
    pub(super) tracking: tracking::Draft,
    /// `dont_track_primary`.
    pub(super) ignores_interface: bool,
    /// `track_src_ip`.
    pub(super) tracks_source: bool,
    pub(super) timer_expired: TimerExpired,
    pub(super) promote_secondaries: bool,
    pub(super) notify: notify::Draft,
    /// Something that cannot be left away is not implemented; it has been reported.
    pub(super) left_out: bool,
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
    pub(super) rfc4861_pacing: Option<bool>,
}

/// Reads one block.
pub(super) fn draft(
    block: &Statement,
    context: Context<'_>,
    sources: &Sources,
    findings: &mut Findings,
) -> Draft {
    let name = values::argument(block);
    let mut draft = Draft {
        name: name.map(|word| word.text.clone()).unwrap_or_default(),
        span: name.map(|word| word.span).unwrap_or_default(),
        left_out: block.left_out,
        ..Draft::default()
    };
    for statement in block.inner() {
        draft.places.note(statement);
        draft.apply(statement, sources, findings);
        draft.apply_surroundings(statement);
        tracking::read(statement, &mut draft.tracking, context, findings);
        draft.notify.read(statement, findings);
    }
    draft
}

const IGNORED: &str = "the line is ignored";

impl Draft {
    fn apply(&mut self, statement: &Statement, sources: &Sources, findings: &mut Findings) {
        let span = statement.span();
        match statement.name {
            "state" => self.state = Some((state(statement), span)),
            "interface" => {
                let name = values::text(statement);
                self.unusable |= name.is_none();
                self.interface = name.map(|name| (name.to_owned(), span));
            }
            "virtual_router_id" => {
                let vrid = values::number(statement).and_then(Vrid::new);
                self.unusable |= vrid.is_none();
                self.vrid = vrid.map(|vrid| (vrid, span));
            }
            "priority" => self.priority = Some((priority(statement), span)),
            "advert_int" => {
                self.interval = values::seconds(statement).map(|value| (value, span));
            }
            "version" => {
                let version = values::choice(statement, &VERSIONS);
                self.version = version.map(|version| (version, span)).or(self.version);
            }
            "authentication" => self.auth.read(statement, sources, findings),
            "auth_hmac" => self.auth.read_hmac(statement, sources, findings),
            "virtual_ipaddress" => {
                self.virtual_mac.read_addresses(statement);
                let mut addresses = addresses(statement, findings);
                addresses.retain(|line| {
                    let help = "it is ignored; virtual_ipaddress_excluded takes both families";
                    self.fits(line.address, line.span.into(), help, findings)
                });
                self.addresses.append(&mut addresses);
            }
            "virtual_ipaddress_excluded" => {
                self.virtual_mac.read_addresses(statement);
                self.excluded.extend(addresses(statement, findings));
            }
            "virtual_routes" => self.routes.extend(routing::virtual_routes(statement, findings)),
            "virtual_rules" => self.rules.extend(routing::virtual_rules(statement, findings)),
            "no_virtual_ipaddress" => self.wants_no_address = true,
            "mcast_src_ip" | "unicast_src_ip" => {
                if statement.keyword() == "unicast_src_ip" {
                    self.unicast.asked = Some(span);
                }
                let source = values::address(statement)
                    .filter(|source| self.fits(*source, span, IGNORED, findings));
                self.source = source.map(|source| (source, span)).or(self.source);
            }
            "mcast_dst_ip" => {
                let group = values::address(statement)
                    .filter(|group| self.fits(*group, span, IGNORED, findings));
                self.group = group.map(|group| (group, span)).or(self.group);
            }
            "nopreempt" => self.nopreempt = Some(((), span)),
            "preempt" => self.nopreempt = None,
            "preempt_delay" => {
                let delay = values::seconds(statement);
                self.preempt_delay = delay.map(|delay| (delay, span));
            }
            "accept" => self.accept = Some((true, span)),
            "no_accept" => self.accept = Some((false, span)),
            "owner_ignore_adverts" => self.owner_ignores = values::switch(statement),
            "strict_mode" => self.strict = values::switch(statement),
            _ => self.apply_extension(statement, findings),
        }
    }

    /// What the virtual router depends on besides its lists of trackers.
    fn apply_surroundings(&mut self, statement: &Statement) {
        match statement.name {
            "dont_track_primary" => self.ignores_interface = true,
            "track_src_ip" => self.tracks_source = true,
            "promote_secondaries" => self.promote_secondaries = true,
            "timer_expired_backup" => self.timer_expired = timer_expired(statement),
            _ => {}
        }
    }

    /// Unicast, virtual MAC, and keywords of ours.
    fn apply_extension(&mut self, statement: &Statement, findings: &mut Findings) {
        let span = statement.span();
        match statement.name {
            "unicast_peer" => {
                self.unicast.asked = Some(statement.keyword_span());
                let lines = statement.inner().iter();
                let mut peers: Vec<_> =
                    lines.filter_map(|line| unicast::Peer::read(line, findings)).collect();
                peers.retain(|peer| self.fits(peer.address, peer.span, "it is ignored", findings));
                self.unicast.peers.append(&mut peers);
            }
            "unicast_ttl" => self.unicast.read_ttl(statement),
            "check_unicast_src" => {
                self.unicast.asked = Some(span);
                self.unicast.check_source = values::switch(statement);
            }
            "unicast_fault_no_peer" => {
                let on = values::switch(statement);
                self.unicast.fault_without_peers = on.map(|on| (on, span));
            }
            "use_vmac" => self.virtual_mac.read(statement, findings),
            "use_ipvlan" => {
                let is_ipv4 = |word: &Word| {
                    let address = word.text.split('/').next().unwrap_or_default();
                    address.parse::<Ipv4Addr>().is_ok()
                };
                self.ipvlan = Some((statement.arguments().iter().any(is_ipv4), span));
            }
            "use_vmac_addr" => self.virtual_mac.on_others = Some(span),
            "vmac_xmit_base" => self.virtual_mac.from_base = Some(span),
            "xdp_mode" => {
                self.xdp_mode = values::choice(statement, &XDP_MODES);
            }
            "xdp_orphan" => {
                self.serves_on = values::choice(statement, &ORPHANS);
            }
            "xdp_believe_checksum" => {
                self.believe = values::choice(statement, &CHECKSUMS);
            }
            "xdp_no_accept" => {
                self.accept_in_program = values::switch(statement).map(|on| (on, span));
            }
            "xdp_gna_pacing" => self.garp.rfc4861_pacing = values::switch(statement),
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
        match statement.name {
            "down_timer_adverts" => {
                let adverts = values::number(statement);
                self.down_timer_adverts = adverts.map(|adverts| (adverts, span));
            }
            "lower_prio_no_advert" => {
                self.lower_prio_no_advert = values::switch(statement).map(|on| (on, span));
            }
            "higher_prio_send_advert" => {
                self.higher_prio_send_advert = values::switch(statement).map(|on| (on, span));
            }
            "skip_check_adv_addr" => self.skip_check_adv_addr = values::switch(statement),
            "v3_checksum_as_v2" => {
                self.checksum_as_v2 = values::switch(statement).map(|on| (on, span));
            }
            "garp_extra_if" => {
                self.extra_garp = interfaces::extra_garp(statement, findings).or(self.extra_garp);
            }
            "garp_master_delay" => self.garp.delay = values::whole_seconds(statement),
            "garp_master_repeat" => self.garp.repeat = global::rounds(statement, findings),
            "garp_master_refresh" => self.garp.refresh = values::whole_seconds(statement),
            "garp_master_refresh_repeat" => {
                self.garp.refresh_repeat = global::rounds(statement, findings);
            }
            "garp_lower_prio_delay" => {
                self.garp.lower_prio_delay = values::whole_seconds(statement);
            }
            "garp_lower_prio_repeat" => {
                let rounds = values::number(statement);
                self.garp.lower_prio_repeat = rounds.map(|rounds| (rounds, span));
            }
            // What is known and not implemented has been reported.
            _ => {}
        }
    }
}

/// The choices of `state`.
pub(super) const STATES: [(&str, InitialState); 2] =
    [("MASTER", InitialState::Master), ("BACKUP", InitialState::Backup)];

fn state(statement: &Statement) -> InitialState {
    values::choice(statement, &STATES).unwrap_or(InitialState::Backup)
}

fn priority(statement: &Statement) -> u8 {
    values::number(statement).unwrap_or(100)
}

/// `timer_expired_backup [PRIORITY]`. Without the priority of the others they are as quick as can be.
fn timer_expired(statement: &Statement) -> TimerExpired {
    TimerExpired::Backup { other: Priority::new(values::number(statement).unwrap_or(254)) }
}

fn addresses(list: &Statement, findings: &mut Findings) -> Vec<VirtualAddress> {
    list.inner().iter().filter_map(|line| address::parse(line, findings)).collect()
}
