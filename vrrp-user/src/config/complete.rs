//! From what a `vrrp_instance` says to what runs: defaults, and keepalived's repairs in its order
//! (strict, version, priority from state, state from priority, authentication, nopreempt and
//! preempt_delay, accept, gratuitous ARP, interval). Each repair is reported.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use vrrp_common::{AdverInterval, Family, Priority, Version, ladder::Believe};

use super::{
    Authentication, ChecksumForm, Garp, InitialState, Instance, VirtualAddress, code,
    diagnostic::Findings,
    global::Defaults,
    instance::{AuthKind, Draft},
};

/// An advert counts its addresses in one octet (RFC 9568 5.2.5).
const MAX_ADDRESSES: usize = 255;

/// As many IPv6 addresses keepalived puts into a packet of 1500 octets. A peer does the same.
const MAX_ADDRESSES_IPV6: usize = 89;

/// The virtual router, or `None` when keepalived would not run it or we cannot yet.
pub(super) fn complete(
    draft: Draft,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<Instance> {
    Completion { strict: draft.strict.unwrap_or(defaults.strict), draft, defaults, findings }.run()
}

struct Completion<'a> {
    draft: Draft,
    defaults: &'a Defaults,
    strict: bool,
    findings: &'a mut Findings,
}

impl Completion<'_> {
    fn run(mut self) -> Option<Instance> {
        let runnable = self.check_required();
        let ipv6 = self.draft.family == Some(Family::V6);
        self.limit_addresses(if ipv6 { MAX_ADDRESSES_IPV6 } else { MAX_ADDRESSES });
        let version = self.version(ipv6);
        let has_addresses = self.check_addresses(version);
        if ipv6 {
            self.check_link_local();
        }
        let (priority, state) = self.priority_and_state();
        let authentication = self.authentication(version);
        self.check_preemption(priority, state);
        self.repair_for_strict(priority);
        let interval = self.interval(version);
        let checksum = self.checksum(ipv6);
        let garp = self.garp();
        let (draft, defaults) = (self.draft, self.defaults);
        if !runnable || !has_addresses || draft.left_out || defaults.left_out {
            return None;
        }
        let group = if ipv6 { defaults.group_ipv6.into() } else { defaults.group.into() };
        let or = |given: Option<(bool, _)>, default| given.map_or(default, |(on, _)| on);
        Some(Instance {
            name: draft.name,
            span: draft.span,
            state,
            interface: draft.interface?.0,
            vrid: draft.vrid?.0,
            priority,
            version,
            interval,
            authentication,
            addresses: draft.addresses,
            excluded: draft.excluded,
            source: draft.source.map(|(source, _)| source),
            group: draft.group.unwrap_or(group),
            preempt: draft.nopreempt.is_none(),
            preempt_delay: draft.preempt_delay.map_or(Duration::ZERO, |(delay, _)| delay),
            down_timer_adverts: draft
                .down_timer_adverts
                .map_or(defaults.down_timer_adverts, |(adverts, _)| adverts),
            lower_prio_no_advert: self.strict
                || or(draft.lower_prio_no_advert, defaults.lower_prio_no_advert),
            higher_prio_send_advert: !self.strict
                && or(draft.higher_prio_send_advert, defaults.higher_prio_send_advert),
            skip_check_adv_addr: draft.skip_check_adv_addr.unwrap_or(defaults.skip_check_adv_addr),
            checksum,
            believe: Believe::default(),
            owner_ignores: self.strict,
            accept: true,
            accept_in_program: false,
            virtual_mac: None,
            unicast: None,
            garp,
            xdp_mode: draft.xdp_mode.unwrap_or(defaults.xdp_mode),
        })
    }

    /// What every virtual router needs.
    fn check_required(&mut self) -> bool {
        let Draft { name, span, .. } = &self.draft;
        if self.draft.left_out || self.draft.unusable {
            return false;
        }
        if self.draft.vrid.is_none() {
            let message = format!("`{name}` has no virtual_router_id");
            self.findings
                .report(code::NO_VRID, *span, message)
                .help("the virtual router is left out");
        }
        if self.draft.interface.is_none() {
            let message = format!("`{name}` has no interface");
            self.findings
                .report(code::NO_INTERFACE, *span, message)
                .help("the virtual router is left out");
        }
        self.draft.vrid.is_some() && self.draft.interface.is_some()
    }

    /// No address twice, and no more than an advert can carry: the others become excluded ones.
    fn limit_addresses(&mut self, most: usize) {
        let findings = &mut *self.findings;
        let mut seen: HashSet<IpAddr> = HashSet::new();
        let mut once = |address: &VirtualAddress| {
            let new = seen.insert(address.address);
            if !new {
                let message = format!("`{}` stands above already", address.address);
                findings
                    .report(code::ADDRESS_TWICE, address.span, message)
                    .help("it is added once");
            }
            new
        };
        self.draft.addresses.retain(&mut once);
        self.draft.excluded.retain(&mut once);
        let count = self.draft.addresses.len();
        if count > most {
            let excess = self.draft.addresses.split_off(most);
            if let Some(first) = excess.first() {
                let message = format!("{count} addresses: an advert carries {most}");
                self.findings
                    .report(code::TOO_MANY_ADDRESSES, first.span, message)
                    .help("from here on they are treated as virtual_ipaddress_excluded");
            }
            self.draft.excluded.splice(..0, excess);
        }
    }

    fn version(&mut self, ipv6: bool) -> Version {
        let given = self.draft.version;
        match given {
            Some((Version::V2, span)) if ipv6 => {
                let (kind, help) = if self.strict {
                    (code::VERSION_CONFLICT, "as keepalived does in strict mode")
                } else {
                    (
                        code::IPV6_ON_V2,
                        "keepalived speaks a version of its own here: give `version 3` to all routers",
                    )
                };
                let message = "version 2 has no IPv6; version 3 is used";
                self.findings.report(kind, span, message).help(help);
                Version::V3
            }
            Some((version, _)) => version,
            None if ipv6 => Version::V3,
            None => self.defaults.version.unwrap_or(Version::V2),
        }
    }

    /// v2 can do without an address, v3 and strict mode cannot.
    fn check_addresses(&mut self, version: Version) -> bool {
        if !self.draft.addresses.is_empty() || self.draft.wants_no_address {
            return true;
        }
        let required = version == Version::V3 || self.strict;
        let help = if required {
            "the virtual router is left out"
        } else {
            "it runs without, which moves nothing"
        };
        let message = format!("`{}` has no virtual address", self.draft.name);
        self.findings.report(code::NO_ADDRESS, self.draft.span, message).help(help);
        !required
    }

    /// Addresses of IPv6 that have to be link-local: the first virtual one (RFC 9568 5.2.9), and the
    /// source of adverts (5.1.2.1). keepalived demands the former in strict mode only.
    fn check_link_local(&mut self) {
        if let Some(first) = self.draft.addresses.first().filter(|own| !is_link_local(own.address))
        {
            let kind = if self.strict { code::STRICT_REPAIR } else { code::NOT_LINK_LOCAL };
            let message =
                format!("`{}`: the first IPv6 address should be a link-local one", first.address);
            self.findings
                .report(kind, first.span, message)
                .help("put one of fe80::/10 in front: routers may reject adverts without it");
        }
        if let Some((source, span)) = self.draft.source.filter(|(own, _)| !is_link_local(*own)) {
            let message = format!("`{source}`: adverts over IPv6 come from a link-local address");
            self.findings
                .report(code::NOT_LINK_LOCAL, span, message)
                .help("remove the line: the interface has one, and others may refuse this one");
        }
    }

    /// Each gives the other where only one is there.
    fn priority_and_state(&mut self) -> (Priority, InitialState) {
        let priority = match (self.draft.priority, self.draft.state) {
            (Some((priority, _)), _) => Priority::new(priority),
            (None, Some((InitialState::Master, _))) if !self.strict => Priority::OWNER,
            (None, _) => Priority::DEFAULT,
        };
        let by_priority =
            if priority.is_owner() { InitialState::Master } else { InitialState::Backup };
        let Some((state, span)) = self.draft.state else {
            return (priority, by_priority);
        };
        if self.strict && state != by_priority {
            let message = "strict mode: `state MASTER` goes with priority 255, and only with it";
            self.findings
                .report(code::STRICT_REPAIR, span, message)
                .help("the state follows the priority");
            return (priority, by_priority);
        }
        (priority, state)
    }

    fn authentication(&mut self, version: Version) -> Option<Authentication> {
        let auth = std::mem::take(&mut self.draft.auth);
        let block = auth.span?;
        let password = auth.password.filter(|(password, _)| !password.is_empty());
        let Some((kind, span)) = auth.kind else {
            if password.is_some() && !auth.kind_unknown {
                let message = "a password without auth_type has no effect";
                self.findings
                    .report(code::AUTH_WITHOUT_TYPE, block, message)
                    .help("add `auth_type PASS`");
            }
            return None;
        };
        // The version 2 that keepalived speaks for IPv6 would have it.
        let given_v2 = self.draft.version.is_some_and(|(given, _)| given != version);
        let kind_of_drop = if given_v2 && !self.strict && kind == AuthKind::Pass {
            code::IPV6_AUTH
        } else {
            code::AUTH_DROPPED
        };
        let mut drop = |message: &str| {
            let help = "the virtual router runs without authentication";
            self.findings.report(kind_of_drop, span, message).help(help);
        };
        if version == Version::V3 {
            drop("VRRP version 3 has no authentication");
            return None;
        }
        if self.strict {
            drop("strict mode has no authentication");
            return None;
        }
        let Some((password, _)) = password else {
            drop("authentication without a password");
            return None;
        };
        if kind == AuthKind::Ah {
            let message = "auth_type AH is not implemented yet; the next version has it";
            let help = "the virtual router is left out: it must not run without its authentication";
            self.findings.report(code::AUTH_NOT_YET, span, message).help(help);
            self.draft.left_out = true;
            return None;
        }
        let mut octets = [0; 8];
        octets.iter_mut().zip(password).for_each(|(octet, byte)| *octet = byte);
        Some(Authentication::Pass(octets))
    }

    /// nopreempt and preempt_delay are for routers that start as Backup and may wait.
    fn check_preemption(&mut self, priority: Priority, state: InitialState) {
        let master = state == InitialState::Master;
        if let Some(((), span)) = self.draft.nopreempt
            && (priority.is_owner() || master)
        {
            let cause = if priority.is_owner() { "priority 255" } else { "`state MASTER`" };
            let message = format!("`nopreempt` does not go with {cause} and is ignored");
            self.draft.nopreempt = None;
            self.findings
                .report(code::NOPREEMPT_DROPPED, span, message)
                .help("use `state BACKUP` on all routers, with different priorities");
        }
        let cause = if self.strict {
            "strict mode"
        } else if master {
            "`state MASTER`"
        } else if self.draft.nopreempt.is_some() {
            "`nopreempt`"
        } else {
            return;
        };
        if let Some((_, span)) = self.draft.preempt_delay.filter(|(delay, _)| !delay.is_zero()) {
            let message = format!("`preempt_delay` does not go with {cause} and is ignored");
            self.draft.preempt_delay = None;
            self.findings.report(code::PREEMPT_DELAY_DROPPED, span, message);
        }
    }

    /// What strict mode takes back.
    fn repair_for_strict(&mut self, priority: Priority) {
        if !self.strict {
            return;
        }
        let draft = &mut self.draft;
        let accept = draft.accept.filter(|_| !priority.is_owner()).map(|((), span)| span);
        let answer = draft.lower_prio_no_advert.filter(|(on, _)| !on).map(|(_, span)| span);
        let last_advert = draft.higher_prio_send_advert.filter(|(on, _)| *on).map(|(_, span)| span);
        let adverts = draft.down_timer_adverts.filter(|(adverts, _)| *adverts != 3);
        let repeats = draft.garp.lower_prio_repeat.filter(|(rounds, _)| *rounds > 0);
        draft.down_timer_adverts = Some((3, draft.span));
        draft.garp.lower_prio_repeat = Some((0, draft.span));
        let repairs = [
            (accept, "only the owner of the addresses may `accept`"),
            (answer, "`lower_prio_no_advert` is on"),
            (last_advert, "`higher_prio_send_advert` is off"),
            (adverts.map(|(_, span)| span), "`down_timer_adverts` is 3"),
            (repeats.map(|(_, span)| span), "no gratuitous ARP answers a lower priority"),
        ];
        for (span, rule) in repairs {
            if let Some(span) = span {
                self.findings.report(code::STRICT_REPAIR, span, format!("strict mode: {rule}"));
            }
        }
    }

    fn garp(&self) -> Garp {
        let (draft, defaults) = (&self.draft.garp, self.defaults);
        let repeat = draft.repeat.unwrap_or(defaults.garp.repeat);
        let delay = draft.delay.unwrap_or(defaults.garp.delay);
        let lower_prio_repeat = draft.lower_prio_repeat.map(|(rounds, _)| rounds);
        Garp {
            repeat,
            delay,
            refresh: draft.refresh.unwrap_or(defaults.garp.refresh),
            refresh_repeat: draft.refresh_repeat.unwrap_or(defaults.garp.refresh_repeat),
            lower_prio_repeat: lower_prio_repeat.or(defaults.lower_prio_repeat).unwrap_or(repeat),
            lower_prio_delay: draft.lower_prio_delay.or(defaults.lower_prio_delay).unwrap_or(delay),
            interval: defaults.garp.interval,
            gna_interval: defaults.garp.gna_interval,
        }
    }

    /// Whole seconds in v2 (RFC 3768 5.3.7); steps of 10 ms up to 40.95 s in v3 (RFC 9568 5.2.7).
    fn interval(&mut self, version: Version) -> AdverInterval {
        let Some((given, span)) = self.draft.interval else {
            return AdverInterval::DEFAULT;
        };
        let (step, unit) = match version {
            Version::V2 => (100_u128, "whole seconds"),
            Version::V3 => (1, "steps of 10 ms"),
        };
        let micros_per_step = step * 10_000;
        let steps = ((given.as_micros() + micros_per_step / 2) / micros_per_step).max(1);
        let centiseconds = u16::try_from(steps * step).unwrap_or(u16::MAX);
        let interval =
            AdverInterval::from_centiseconds(centiseconds).unwrap_or(AdverInterval::MAX_V2);
        let interval =
            if version == Version::V3 { interval.min(AdverInterval::MAX_V3) } else { interval };
        if interval.duration() != given {
            let limit = if version == Version::V3 { ", at most 40.95 s" } else { "" };
            let message = format!("version {} has intervals in {unit}{limit}", version.number());
            let help = format!("{interval} is used");
            let diagnostic = self.findings.report(code::ROUNDED, span, message);
            match version {
                Version::V2 => diagnostic.help(format!("{help}; `version 3` has steps of 10 ms")),
                Version::V3 => diagnostic.help(help),
            }
        }
        interval
    }

    /// With IPv6 the pseudo-header is always part of it (RFC 9568 5.2.8).
    fn checksum(&mut self, ipv6: bool) -> ChecksumForm {
        let given = self.draft.checksum_as_v2;
        if let Some((true, span)) = given.filter(|_| ipv6) {
            let message = "`v3_checksum_as_v2` has no effect: it is about IPv4";
            self.findings.report(code::NO_EFFECT, span, message);
        }
        let as_v2 = given.map_or(self.defaults.checksum_as_v2, |(on, _)| on);
        if as_v2 && !ipv6 { ChecksumForm::MessageOnly } else { ChecksumForm::PseudoHeader }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
