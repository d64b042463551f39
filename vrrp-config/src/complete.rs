//! From what a `vrrp_instance` says to what runs: defaults, and keepalived's repairs in its order
//! (strict, version, priority from state, state from priority, authentication, unicast, nopreempt and
//! preempt_delay, accept, gratuitous ARP, interval, virtual MAC). Each repair is reported.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use vrrp_common::{AdverInterval, Family, Priority, Version};

use super::{
    Authentication, ChecksumForm, Garp, InitialState, Instance, Unicast, VirtualAddress,
    VirtualMac, auth, code, cross::is_link_local, diagnostic::Findings, global::Defaults,
    instance::Draft, vmac,
};

/// An advert counts its addresses in one octet (RFC 9568 5.2.5).
const MAX_ADDRESSES: usize = 255;

/// `down_timer_adverts` in strict mode (RFC 9568 6.1, Active_Down_Interval).
const STRICT_DOWN_TIMER_ADVERTS: u8 = 3;

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
        let unicast = self.unicast();
        self.check_alone();
        let runnable = self.check_required(unicast.as_ref());
        let ipv6 = self.draft.family == Some(Family::V6);
        if ipv6 && unicast.is_none() {
            self.check_link_local();
        }
        self.limit_addresses(if ipv6 { MAX_ADDRESSES_IPV6 } else { MAX_ADDRESSES });
        let version = self.version(ipv6);
        let has_addresses = self.check_addresses(version, runnable);
        let (priority, state) = self.priority_and_state();
        let interval = self.interval(version);
        let authentication = self.authentication(version, interval);
        let state = self.state_with(authentication.as_ref(), priority, state);
        self.check_preemption(priority, state);
        let accept = self.accept(version, priority);
        self.repair_for_strict();
        self.repair_tracking(priority);
        let virtual_mac = self.virtual_mac(unicast.is_some());
        self.check_secondaries(virtual_mac.is_some());
        let checksum = self.checksum(ipv6);
        let garp = self.garp();
        let (draft, defaults) = (self.draft, self.defaults);
        if !runnable || !has_addresses || draft.left_out || defaults.left_out {
            return None;
        }
        let group = defaults.group_of(if ipv6 { Family::V6 } else { Family::V4 });
        let or = |given: Option<(bool, _)>, default| given.map_or(default, |(on, _)| on);
        Some(Instance {
            name: draft.name,
            span: draft.span.into(),
            places: draft.places,
            state,
            interface: draft.interface?.0,
            vrid: draft.vrid?.0,
            priority,
            version,
            interval,
            authentication,
            addresses: draft.addresses,
            excluded: draft.excluded,
            routes: draft.routes,
            rules: draft.rules,
            source: draft.source.map(|(source, _)| source),
            group: draft.group.map_or(group, |(group, _)| group),
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
            believe: draft.believe.unwrap_or(defaults.believe),
            owner_ignores: self.strict || draft.owner_ignores.unwrap_or(defaults.owner_ignores),
            accept,
            accept_in_program: or(draft.accept_in_program, defaults.accept_in_program),
            virtual_mac,
            unicast,
            garp,
            extra_garp: draft
                .extra_garp
                .or(defaults.extra_garp)
                .filter(|extra| !extra.interval.is_zero()),
            serves_on: draft.serves_on.unwrap_or(defaults.serves_on),
            xdp_mode: draft.xdp_mode.unwrap_or(defaults.xdp_mode),
            tracking: draft.tracking.lists,
            ignores_interface: draft.ignores_interface,
            tracks_source: draft.tracks_source,
            timer_expired: draft.timer_expired,
            promote_secondaries: draft.promote_secondaries,
            notify: draft.notify.complete(&defaults.notify),
        })
    }

    /// Keywords that are not done here, and do not go with what else there is.
    fn check_alone(&mut self) {
        let Draft { places, family, interface, ipvlan, .. } = &self.draft;
        let ipv4 = *family == Some(Family::V4);
        let native = places.of("native_ipv6").filter(|_| ipv4);
        let vrf = places.of("vrf").filter(|_| interface.is_some());
        let ipvlan = ipvlan.filter(|(has_address, _)| ipv4 && !has_address).map(|(_, span)| span);
        for (span, message, help) in [
            (
                native,
                "`native_ipv6`, and the addresses are of IPv4",
                "remove it: behind this line keepalived ignores addresses of IPv4",
            ),
            (vrf, "`vrf` is for a virtual router without an interface", "it is ignored"),
            (ipvlan, "`use_ipvlan` without an address of IPv4", "keepalived stays in FAULT"),
        ] {
            if let Some(span) = span {
                self.findings.report(code::NOT_TOGETHER, span, message).help(help);
            }
        }
    }

    /// What every virtual router needs.
    fn check_required(&mut self, unicast: Option<&Unicast>) -> bool {
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
            if unicast.is_some() && self.draft.source.is_some() {
                self.findings
                    .report(code::LEFT_OUT, *span, message + ", which is not implemented yet")
                    .help("the virtual router is left out: name the interface of unicast_src_ip");
            } else {
                self.findings
                    .report(code::NO_INTERFACE, *span, message)
                    .help("the virtual router is left out");
            }
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
                let message = "`version 2` has no IPv6; version 3 is used";
                self.findings.report(kind, span, message).help(help);
                Version::V3
            }
            Some((version, _)) => version,
            None if ipv6 => Version::V3,
            None => self.defaults.version.unwrap_or(Version::V2),
        }
    }

    /// v2 can do without an address, v3 and strict mode cannot.
    fn check_addresses(&mut self, version: Version, runnable: bool) -> bool {
        if !self.draft.addresses.is_empty() || self.draft.wants_no_address {
            return true;
        }
        let required = version == Version::V3 || self.strict;
        let help = if required || !runnable {
            "the virtual router is left out"
        } else {
            "it runs without, which moves nothing"
        };
        let message = format!("`{}` has no virtual address", self.draft.name);
        self.findings.report(code::NO_ADDRESS, self.draft.span, message).help(help);
        !required
    }

    /// Addresses of IPv6 that have to be link-local: the first virtual one (RFC 9568 5.2.9), and the
    /// source of adverts (5.1.2.1). keepalived demands the former in strict mode only, and does not
    /// put it in front.
    fn check_link_local(&mut self) {
        let addresses = &mut self.draft.addresses;
        match (addresses.iter().position(|own| is_link_local(own.address)), addresses.first()) {
            (Some(0), _) | (None, None) => {}
            (Some(index), _) => {
                let first = addresses.remove(index);
                let kind = if self.strict { code::STRICT_REPAIR } else { code::NOT_LINK_LOCAL };
                let message = format!("`{}`: the link-local address goes first", first.address);
                self.findings
                    .report(kind, first.span, message)
                    .help("it is put in front: routers may reject adverts without it there");
                addresses.insert(0, first);
            }
            (None, Some(first)) => {
                let kind = if self.strict { code::STRICT_REPAIR } else { code::NOT_LINK_LOCAL };
                let help = "put one of fe80::/10 in front: routers may reject adverts without it";
                let message = format!(
                    "`{}`: the first IPv6 address should be a link-local one",
                    first.address
                );
                self.findings.report(kind, first.span, message).help(help);
            }
        }
        if let Some((source, span)) = self.draft.source.filter(|(own, _)| !is_link_local(*own)) {
            let message = format!("`{source}`: adverts over IPv6 come from a link-local address");
            self.findings
                .report(code::NOT_LINK_LOCAL, span, message)
                .help("remove the line: the interface has one, and others may refuse this one");
        }
    }

    /// Peers instead of a group. Strict mode does not go with them, but keepalived 2.2.7 runs both.
    fn unicast(&mut self) -> Option<Unicast> {
        let draft = std::mem::take(&mut self.draft.unicast);
        let (asked, source) = (draft.asked, self.draft.source.map(|(source, _)| source));
        let unicast = draft.complete(source, self.defaults.check_unicast_source, self.findings)?;
        if let Some(span) = asked.filter(|_| self.strict) {
            let message = "strict mode has no unicast: the RFC sends adverts to a group";
            self.findings.report(code::STRICT_UNICAST, span, message).help(
                "remove strict mode: keepalived 2.2.7 runs both, later ones leave the virtual \
                 router out",
            );
        }
        if let Some((group, span)) = self.draft.group.take() {
            let message = format!("`{group}` has no effect: adverts are sent to unicast peers");
            self.findings.report(code::UNICAST, span, message);
        }
        Some(unicast)
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
            let (written, used) = match state {
                InitialState::Master => ("MASTER", "BACKUP"),
                InitialState::Backup => ("BACKUP", "MASTER"),
            };
            let message = format!(
                "strict mode: `state {written}` does not go with priority {priority}, {used} is used"
            );
            self.findings
                .report(code::STRICT_REPAIR, span, message)
                .help("priority 255 starts as MASTER, and no other does (RFC 9568 6.4.1)");
            return (priority, by_priority);
        }
        (priority, state)
    }

    fn authentication(
        &mut self,
        version: Version,
        interval: AdverInterval,
    ) -> Option<Authentication> {
        let context = auth::Context {
            version,
            was_v2: self.draft.version.is_some_and(|(given, _)| given != version),
            strict: self.strict,
            interval: interval.duration(),
        };
        let auth = std::mem::take(&mut self.draft.auth).complete(context, self.findings);
        self.draft.left_out |= auth.is_err();
        auth.ok().flatten()
    }

    /// With AH a router has to have heard the sequence number of the one before it, so it starts as
    /// Backup.
    fn state_with(
        &mut self,
        authentication: Option<&Authentication>,
        priority: Priority,
        state: InitialState,
    ) -> InitialState {
        let span = self.draft.state.map_or(self.draft.span, |(_, span)| span);
        if !matches!(authentication, Some(Authentication::Ah(_)))
            || state == InitialState::Backup
            || priority.is_owner()
        {
            return state;
        }
        let message = "`state MASTER` does not go with auth_type AH";
        self.findings
            .report(code::AH_MASTER, span, message)
            .help("BACKUP is used: the sequence number of the master before has to be heard first");
        InitialState::Backup
    }

    /// keepalived's default is to accept; of strict mode, that the owner alone does. VRRPv2 leaves no
    /// choice (RFC 3768 6.4.3).
    fn accept(&mut self, version: Version, priority: Priority) -> bool {
        let given = self.draft.accept;
        let accept = match given {
            Some((false, span)) if priority.is_owner() => {
                let message = "`no_accept` has no effect: the owner of the addresses accepts";
                self.findings.report(code::NO_EFFECT, span, message);
                true
            }
            Some((true, span)) if self.strict && version == Version::V2 && !priority.is_owner() => {
                let message = "strict mode: only the owner of the addresses may `accept`";
                self.findings
                    .report(code::STRICT_REPAIR, span, message)
                    .help("packets to them are dropped now; `version 3` leaves the choice");
                false
            }
            _ if priority.is_owner() => true,
            _ => given.map_or(!self.strict, |(accept, _)| accept),
        };
        if let Some((_, span)) = self.draft.accept_in_program.filter(|(on, _)| *on && accept) {
            let message = "`xdp_no_accept` has no effect without `no_accept`";
            self.findings.report(code::NO_EFFECT, span, message);
        }
        accept
    }

    fn virtual_mac(&mut self, unicast: bool) -> Option<VirtualMac> {
        let context = vmac::Context {
            vrid: self.draft.vrid?.0,
            family: self.draft.family.unwrap_or(Family::V4),
            strict: self.strict,
            unicast,
        };
        std::mem::take(&mut self.draft.virtual_mac).complete(context, self.findings)
    }

    /// The interface of a virtual MAC promotes secondary addresses anyway.
    fn check_secondaries(&mut self, virtual_mac: bool) {
        if !virtual_mac || !self.draft.promote_secondaries {
            return;
        }
        self.draft.promote_secondaries = false;
        let span = self.draft.places.of("promote_secondaries").unwrap_or(self.draft.span);
        let message = "`promote_secondaries` does not go with `use_vmac` and is ignored";
        self.findings
            .report(code::VMAC, span, message)
            .help("remove it: the interface of a virtual MAC has it anyway");
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
        let (cause, help) = if self.strict {
            ("strict mode", "the RFCs have no such delay")
        } else if priority.is_owner() {
            ("priority 255", "the owner takes over at once")
        } else if master {
            ("`state MASTER`", "write `state BACKUP`: priorities decide who becomes MASTER")
        } else if self.draft.nopreempt.is_some() {
            ("`nopreempt`", "without preemption there is nothing to delay: remove one of them")
        } else {
            return;
        };
        if let Some((_, span)) = self.draft.preempt_delay.filter(|(delay, _)| !delay.is_zero()) {
            let message = format!("`preempt_delay` does not go with {cause} and is ignored");
            self.draft.preempt_delay = None;
            self.findings.report(code::PREEMPT_DELAY_DROPPED, span, message).help(help);
        }
    }

    /// What strict mode takes back.
    fn repair_for_strict(&mut self) {
        if !self.strict {
            return;
        }
        let draft = &mut self.draft;
        let answer = draft.lower_prio_no_advert.filter(|(on, _)| !on).map(|(_, span)| span);
        let last_advert = draft.higher_prio_send_advert.filter(|(on, _)| *on).map(|(_, span)| span);
        let repeats = draft.garp.lower_prio_repeat.filter(|(rounds, _)| *rounds > 0);
        let inherited = self.defaults.lines.of("vrrp_down_timer_adverts");
        let adverts = draft
            .down_timer_adverts
            .or(inherited.map(|span| (self.defaults.down_timer_adverts, span)))
            .filter(|(adverts, _)| *adverts != STRICT_DOWN_TIMER_ADVERTS);
        draft.down_timer_adverts = Some((STRICT_DOWN_TIMER_ADVERTS, draft.span));
        draft.garp.lower_prio_repeat = Some((0, draft.span));
        let repairs = [
            (answer, "a lower priority is not answered", "`lower_prio_no_advert` is on"),
            (last_advert, "a higher priority is not answered", "`higher_prio_send_advert` is off"),
            (adverts.map(|(_, span)| span), "a master is down after 3 intervals", "3 is used"),
            (
                repeats.map(|(_, span)| span),
                "no gratuitous ARP answers a lower priority",
                "0 is used",
            ),
        ];
        for (span, rule, help) in repairs {
            if let Some(span) = span {
                let message = format!("strict mode: {rule}");
                self.findings.report(code::STRICT_REPAIR, span, message).help(help);
            }
        }
    }

    fn repair_tracking(&mut self, priority: Priority) {
        let tracking = &mut self.draft.tracking.lists;
        if let Some((interface, _)) = &self.draft.interface {
            tracking.leave_out_own(interface, self.draft.ignores_interface, self.findings);
        }
        if priority.is_owner() {
            tracking.repair_for_owner(self.findings);
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
            rfc4861_pacing: draft.rfc4861_pacing.unwrap_or(defaults.garp.rfc4861_pacing),
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
            let written = given.as_secs_f64();
            let limit = if version == Version::V3 { ", at most 40.95 s" } else { "" };
            let message = format!(
                "`advert_int {written}`: version {} has intervals in {unit}{limit}",
                version.number()
            );
            let help = format!("{interval} is used");
            let diagnostic = self.findings.report(code::ROUNDED, span, message);
            match version {
                Version::V2 => diagnostic
                    .help(format!("{help}; `version 3`, on all routers, has steps of 10 ms")),
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
