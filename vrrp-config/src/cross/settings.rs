//! Settings that do something else than most who write them expect.

use std::collections::HashMap;

use vrrp_common::wire::Mac;

use crate::{Config, InitialState, Instance, code, diagnostic::Findings, source::Span};

pub(super) fn check(config: &Config, findings: &mut Findings) {
    report_unreachable(config, findings);
    report_shared_macs(config, findings);
    for instance in &config.instances {
        report_owner_by_state(instance, findings);
    }
}

/// Strict mode has the addresses accept no packets, because the RFCs do: hardly anybody who copies
/// `vrrp_strict` from keepalived's example knows. Once for each line that switches it on.
fn report_unreachable(config: &Config, findings: &mut Findings) {
    let mut hit: Vec<(Span, Vec<&Instance>)> = Vec::new();
    let mut places_of_hits = HashMap::new();
    for instance in config.instances.iter().filter(|instance| !instance.accept) {
        let places = &instance.places;
        let strict = places.of("strict_mode").or(config.global.places.of("vrrp_strict"));
        let said = places.of("no_accept").or(places.of("accept")).is_some();
        let Some(span) = strict.filter(|_| !said && !instance.addresses.is_empty()) else {
            continue;
        };
        let place = *places_of_hits.entry(span).or_insert(hit.len());
        match hit.get_mut(place) {
            Some((_, instances)) => instances.push(instance),
            None => hit.push((span, vec![instance])),
        }
    }
    for (span, instances) in hit {
        let others = match instances.len() {
            1 => String::new(),
            count => format!(" and of {} more", count - 1),
        };
        let message = format!(
            "strict mode: the virtual addresses of `{}`{others} accept neither ping nor connections",
            instances[0].name
        );
        findings
            .report(code::UNREACHABLE, span, message)
            .help("remove it if anything is to be reached at them, or write `no_accept` if not");
    }
}

/// `state MASTER` without a priority makes it 255.
fn report_owner_by_state(instance: &Instance, findings: &mut Findings) {
    let Instance { state, priority, places, .. } = instance;
    let line = places.of("state").filter(|_| places.of("priority").is_none());
    let Some(span) = line.filter(|_| *state == InitialState::Master && priority.is_owner()) else {
        return;
    };
    findings
        .report(code::OWNER_BY_STATE, span, "`state MASTER` without `priority` makes it 255")
        .help("255 is for the owner of the addresses, and no tracker lowers it: write a priority");
}

/// The standard virtual MAC has the VRID in it, one that is given need not.
fn report_shared_macs(config: &Config, findings: &mut Findings) {
    let mut first: HashMap<(&str, Mac), &Instance> = HashMap::new();
    for instance in &config.instances {
        let Some(own) = &instance.virtual_mac else {
            continue;
        };
        let other = *first.entry((&instance.interface, own.mac)).or_insert(instance);
        if std::ptr::eq(other, instance) {
            continue;
        }
        let line =
            |instance: &Instance| instance.places.of("use_vmac").unwrap_or(instance.span.into());
        let message = format!(
            "`{}` and `{}` have one virtual MAC on {}",
            other.name, instance.name, instance.interface
        );
        findings
            .report(code::SHARED_MAC, line(instance), message)
            .also(line(other), format!("that of `{}`", other.name))
            .help(
                "two hosts would use it while each is MASTER of one: give five octets, and the \
                 virtual_router_id becomes the sixth",
            );
    }
}
