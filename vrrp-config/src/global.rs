//! `global_defs`: settings of the daemon, and defaults for the virtual routers.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use vrrp_common::{Family, Version, ladder::Believe};

use super::{
    ExtraGarp, Garp, Global, Places, XdpMode, code, daemon,
    diagnostic::Findings,
    interfaces, notify,
    parser::{Statement, span_of},
    scheduling, umask, values,
};

/// The choices of `xdp_orphan`.
pub(super) const ORPHANS: [(&str, bool); 2] = [("close", false), ("serve-until-peer", true)];

/// The choices of `xdp_mode`.
pub(super) const XDP_MODES: [(&str, XdpMode); 5] = [
    ("auto", XdpMode::Auto),
    ("native", XdpMode::Native),
    ("generic", XdpMode::Generic),
    ("tcx", XdpMode::Tcx),
    ("none", XdpMode::None),
];

/// The choices of `xdp_believe_checksum`.
pub(super) const CHECKSUMS: [(&str, Believe); 3] = [
    ("either", Believe::Either),
    ("message", Believe::Message),
    ("pseudo_header", Believe::PseudoHeader),
];

/// The choices of `version` and `vrrp_version`.
pub(super) const VERSIONS: [(&str, Version); 2] = [("2", Version::V2), ("3", Version::V3)];

/// The group of VRRP for IPv4 (RFC 9568 5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The group of VRRP for IPv6 (RFC 9568 5.1.2.2).
const GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// What an instance takes when it does not say otherwise.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) version: Option<Version>,
    pub(super) group: Ipv4Addr,
    pub(super) group_ipv6: Ipv6Addr,
    pub(super) garp: Garp,
    /// `vrrp_garp_extra_if`.
    pub(super) extra_garp: Option<ExtraGarp>,
    /// `None`: as the instance's `garp_master_repeat`.
    pub(super) lower_prio_repeat: Option<u32>,
    /// `None`: as the instance's `garp_master_delay`.
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) down_timer_adverts: u8,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) checksum_as_v2: bool,
    pub(super) believe: Believe,
    pub(super) owner_ignores: bool,
    pub(super) accept_in_program: bool,
    pub(super) check_unicast_source: bool,
    pub(super) strict: bool,
    /// `xdp_orphan`.
    pub(super) serves_on: bool,
    pub(super) xdp_mode: XdpMode,
    pub(super) notify: notify::Defaults,
    /// Where the lines of `global_defs` stand.
    pub(super) lines: Places,
    /// Something in global_defs could not be evaluated, so no instance can be trusted.
    pub(super) left_out: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            version: None,
            group: GROUP,
            group_ipv6: GROUP_IPV6,
            garp: Garp::default(),
            extra_garp: None,
            lower_prio_repeat: None,
            lower_prio_delay: None,
            down_timer_adverts: 3,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            skip_check_adv_addr: false,
            checksum_as_v2: false,
            believe: Believe::default(),
            owner_ignores: false,
            accept_in_program: false,
            check_unicast_source: false,
            strict: false,
            serves_on: false,
            xdp_mode: XdpMode::Auto,
            notify: notify::Defaults::default(),
            lines: Places::default(),
            left_out: false,
        }
    }
}

impl Defaults {
    /// The group of adverts of a family.
    pub(super) fn group_of(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.group.into(),
            Family::V6 => self.group_ipv6.into(),
        }
    }
}

/// Reads every `global_defs` of the file, wherever it stands, and what stands outside all blocks.
pub(super) fn build(tree: &[Statement], findings: &mut Findings) -> (Global, Defaults) {
    let (mut global, mut defaults) = (Global::default(), Defaults::default());
    let mut daemon = daemon::Draft::default();
    for block in tree {
        if block.keyword() != "global_defs" {
            daemon::apply_root(block, &mut global);
            continue;
        }
        defaults.left_out |= block.left_out;
        for statement in block.inner() {
            global.places.note(statement);
            apply(statement, &mut global, &mut defaults, findings);
            daemon.apply(statement, &mut global, findings);
        }
    }
    defaults.notify = daemon.notify;
    daemon.complete(&mut global);
    defaults.lines = global.places.clone();
    (global, defaults)
}

/// One line of `global_defs`.
fn apply(
    statement: &Statement,
    global: &mut Global,
    defaults: &mut Defaults,
    findings: &mut Findings,
) {
    let set_switch = |place: &mut bool| *place = values::switch(statement).unwrap_or(*place);
    match statement.name {
        "router_id" => global.router_id = values::argument(statement).map(|word| word.text.clone()),
        "xdp_drop_foreign" => set_switch(&mut global.drop_foreign),
        "xdp_absorb" => {
            let absorb = values::switch(statement).unwrap_or(!global.pass_on);
            global.pass_on = !absorb;
        }
        "vrrp_lower_prio_no_advert" => set_switch(&mut defaults.lower_prio_no_advert),
        "vrrp_higher_prio_send_advert" => set_switch(&mut defaults.higher_prio_send_advert),
        "vrrp_skip_check_adv_addr" => set_switch(&mut defaults.skip_check_adv_addr),
        "v3_checksum_as_v2" => set_switch(&mut defaults.checksum_as_v2),
        "vrrp_strict" => set_switch(&mut defaults.strict),
        "vrrp_owner_ignore_adverts" => set_switch(&mut defaults.owner_ignores),
        "vrrp_check_unicast_src" => set_switch(&mut defaults.check_unicast_source),
        "xdp_no_accept" => set_switch(&mut defaults.accept_in_program),
        "xdp_gna_pacing" => set_switch(&mut defaults.garp.rfc4861_pacing),
        "xdp_believe_checksum" => {
            defaults.believe = values::choice(statement, &CHECKSUMS).unwrap_or(defaults.believe);
        }
        "vrrp_startup_delay" => {
            global.startup_delay = values::seconds(statement).unwrap_or(global.startup_delay);
        }
        "vrrp_delay_after_boot" => {
            let delay = values::seconds(statement);
            global.delay_after_boot = delay.unwrap_or(global.delay_after_boot);
        }
        "vrrp_version" => {
            defaults.version = values::choice(statement, &VERSIONS).or(defaults.version);
        }
        "xdp_orphan" => {
            defaults.serves_on = values::choice(statement, &ORPHANS).unwrap_or(defaults.serves_on);
        }
        "xdp_mode" => {
            defaults.xdp_mode = values::choice(statement, &XDP_MODES).unwrap_or(defaults.xdp_mode);
        }
        "vrrp_mcast_group4" => {
            defaults.group = group(statement).unwrap_or(defaults.group);
        }
        "vrrp_mcast_group6" => {
            defaults.group_ipv6 = group_ipv6(statement, findings).unwrap_or(defaults.group_ipv6);
        }
        "vrrp_down_timer_adverts" => {
            defaults.down_timer_adverts =
                values::number(statement).unwrap_or(defaults.down_timer_adverts);
        }
        "vrrp_gna_interval" => {
            defaults.garp.gna_interval =
                spacing(statement, findings).unwrap_or(defaults.garp.gna_interval);
        }
        "umask" => umask::check(statement, findings),
        "vrrp_garp_interval" => {
            defaults.garp.interval = spacing(statement, findings).unwrap_or(defaults.garp.interval);
        }
        _ => {
            scheduling::apply(statement, &mut global.scheduling);
            apply_garp(statement, defaults, findings);
        }
    }
}

fn apply_garp(statement: &Statement, defaults: &mut Defaults, findings: &mut Findings) {
    let garp = &mut defaults.garp;
    match statement.name {
        "vrrp_garp_extra_if" => {
            defaults.extra_garp =
                interfaces::extra_garp(statement, findings).or(defaults.extra_garp);
        }
        "vrrp_min_garp" if values::switch(statement) == Some(true) => {
            (garp.repeat, garp.delay) = (1, Duration::ZERO);
        }
        "vrrp_garp_master_delay" => {
            garp.delay = values::whole_seconds(statement).unwrap_or(garp.delay);
        }
        "vrrp_garp_master_repeat" => {
            garp.repeat = rounds(statement, findings).unwrap_or(garp.repeat);
        }
        "vrrp_garp_master_refresh" => {
            garp.refresh = values::whole_seconds(statement).unwrap_or(garp.refresh);
        }
        "vrrp_garp_master_refresh_repeat" => {
            garp.refresh_repeat = rounds(statement, findings).unwrap_or(garp.refresh_repeat);
        }
        "vrrp_garp_lower_prio_delay" => {
            defaults.lower_prio_delay =
                values::whole_seconds(statement).or(defaults.lower_prio_delay);
        }
        "vrrp_garp_lower_prio_repeat" => {
            defaults.lower_prio_repeat = values::number(statement).or(defaults.lower_prio_repeat);
        }
        _ => {}
    }
}

/// A number of rounds; 0 is raised to 1 with a report, as keepalived does.
pub(super) fn rounds(statement: &Statement, findings: &mut Findings) -> Option<u32> {
    let rounds = values::number(statement)?;
    if rounds == 0 {
        let message = format!("`{} 0`: at least one round is sent", statement.keyword());
        findings.report(code::OUT_OF_RANGE, statement.span(), message).help("1 is used");
    }
    Some(u32::max(rounds, 1))
}

/// `vrrp_mcast_group4`.
fn group(statement: &Statement) -> Option<Ipv4Addr> {
    match values::address(statement)? {
        IpAddr::V4(group) => Some(group),
        IpAddr::V6(_) => None,
    }
}

/// `vrrp_mcast_group6`. A group of a wider scope is reported and used, as keepalived does.
fn group_ipv6(statement: &Statement, findings: &mut Findings) -> Option<Ipv6Addr> {
    let group = values::address(statement)?;
    if !values::is_local_group(&group) {
        let message = format!("`{group}` is no link-local group");
        findings
            .report(code::NOT_MULTICAST, span_of(statement.arguments()), message)
            .help("it is used; adverts do not leave the link in any case");
    }
    match group {
        IpAddr::V6(group) => Some(group),
        IpAddr::V4(_) => None,
    }
}

/// Spacing of gratuitous ARP and Neighbor Advertisements, 1 us - 4294.967295 s. An explicit 0 is what
/// keepalived's own default file contains and what its parser rejects; both come to "no spacing".
fn spacing(statement: &Statement, findings: &mut Findings) -> Option<Duration> {
    let spacing = values::seconds(statement)?;
    if spacing.is_zero() {
        let name = statement.keyword();
        let message = format!("`{name} 0` is outside 0.000001-4294.967295 s; no spacing is used");
        let help = "remove the line: no spacing is the default";
        findings.report(code::ZERO_INTERVAL, span_of(statement.arguments()), message).help(help);
    }
    Some(spacing)
}
