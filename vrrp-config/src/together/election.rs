//! What two nodes have to have in common so that they hear each other.

use vrrp_common::{Family, Version, ladder::Believe};

use super::Member;
use crate::{
    AuthHmac, Authentication, ChecksumForm, HmacMode, Instance, code, diagnostic::Findings,
};

const BOTH_MASTER: &str = "each drops the other's adverts, and both become MASTER";

/// Reports at `other` what it has otherwise than `first`.
pub(super) fn compare(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let (a, b) = (first.instance, other.instance);
    if a.version != b.version {
        let lines = ["version", "vrrp_version"];
        let number = |instance: &Instance| instance.version.number();
        let message = message(first, other, "speaks VRRP version", number);
        findings
            .report(code::VERSIONS_DIFFER, other.line(&lines), message)
            .also(first.line(&lines), format!("version {} here", a.version.number()))
            .help(format!("{BOTH_MASTER}: write the same `version` into all files"));
        // The rest follows from it.
        return;
    }
    compare_intervals(first, other, findings);
    compare_destinations(first, other, findings);
    compare_authentication(first, other, findings);
    compare_checksums(first, other, findings);
}

/// `VI_1` of b.conf VERB VALUE, that of a.conf VALUE.
fn message<T: std::fmt::Display>(
    first: &Member<'_>,
    other: &Member<'_>,
    verb: &str,
    value: impl Fn(&Instance) -> T,
) -> String {
    format!(
        "`{}` of {} {verb} {}, that of {} {}",
        other.instance.name,
        other.node.name,
        value(other.instance),
        first.node.name,
        value(first.instance)
    )
}

/// v2 compares the interval (RFC 3768 7.1), v3 learns that of the Active router.
fn compare_intervals(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let (a, b) = (first.instance, other.instance);
    if a.interval == b.interval {
        return;
    }
    let (kind, help) = match a.version {
        Version::V2 => (
            code::INTERVALS_DIFFER,
            format!("with version 2 {BOTH_MASTER}: write the same `advert_int` into all files"),
        ),
        Version::V3 => (
            code::NODES_DIFFER,
            "version 3 goes by the MASTER's: a failover takes as long as that one has it"
                .to_owned(),
        ),
    };
    let message = message(first, other, "sends an advert every", |instance| instance.interval);
    findings
        .report(kind, other.line(&["advert_int"]), message)
        .also(first.line(&["advert_int"]), format!("every {} here", a.interval))
        .help(help);
}

/// Multicast or unicast, and the group. Peers are looked at elsewhere.
fn compare_destinations(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let (a, b) = (first.instance, other.instance);
    if a.unicast.is_some() && b.unicast.is_some() || a.unicast == b.unicast && a.group == b.group {
        return;
    }
    let to = |instance: &Instance| match instance.unicast {
        Some(_) => "unicast peers".to_owned(),
        None => instance.group.to_string(),
    };
    let lines = |member: &Member<'_>| {
        let global = match member.instance.family() {
            Family::V4 => "vrrp_mcast_group4",
            Family::V6 => "vrrp_mcast_group6",
        };
        member.line(&["unicast_peer", "mcast_dst_ip", global])
    };
    let message = message(first, other, "sends adverts to", to);
    findings
        .report(code::DESTINATIONS_DIFFER, lines(other), message)
        .also(lines(first), format!("to {} here", to(a)))
        .help("they do not hear each other, and both become MASTER");
}

fn compare_authentication(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let (a, b) = (&first.instance.authentication, &other.instance.authentication);
    let what = match (a, b) {
        (Some(Authentication::Hmac(a)), Some(Authentication::Hmac(b))) => {
            if accepts(a, b) && accepts(b, a) {
                return;
            }
            "the keys of auth_hmac do not fit"
        }
        // Signs nothing, and takes what is not signed.
        (Some(Authentication::Hmac(one)), None) | (None, Some(Authentication::Hmac(one)))
            if one.mode == HmacMode::ReceiveOnly =>
        {
            return;
        }
        _ if a == b => return,
        (Some(Authentication::Pass(_)), Some(Authentication::Pass(_)))
        | (Some(Authentication::Ah(_)), Some(Authentication::Ah(_))) => "the passwords differ",
        (None, Some(_)) | (Some(_), None) => "only one has authentication",
        _ => "the kinds of authentication differ",
    };
    let lines = ["authentication", "auth_hmac"];
    let message = format!("{}: {what}", both(first, other));
    findings
        .report(code::AUTH_DIFFERS, other.line(&lines), message)
        .also(first.line(&lines), format!("that of {}", first.node.name))
        .help(format!("{BOTH_MASTER}: write the same block into all files"));
}

/// `VI_1` of a.conf and b.conf.
fn both(first: &Member<'_>, other: &Member<'_>) -> String {
    let (a, b) = (first.instance, other.instance);
    if a.name == b.name {
        format!("`{}` of {} and {}", a.name, first.node.name, other.node.name)
    } else {
        format!("`{}` of {} and `{}` of {}", a.name, first.node.name, b.name, other.node.name)
    }
}

/// Whether one who has `own` takes what one who has `theirs` sends.
fn accepts(own: &AuthHmac, theirs: &AuthHmac) -> bool {
    own.mode != HmacMode::Enforce
        || theirs.mode != HmacMode::ReceiveOnly
            && own.keys.get(&theirs.active) == theirs.keys.get(&theirs.active)
}

/// Of v3 over IPv4. We believe either form unless told otherwise; keepalived believes the one with
/// the pseudo-header, and with `v3_checksum_as_v2` anything.
fn compare_checksums(first: &Member<'_>, other: &Member<'_>, findings: &mut Findings) {
    let (a, b) = (first.instance, other.instance);
    if a.version == Version::V2 || a.family() == Family::V6 {
        return;
    }
    let lines = ["v3_checksum_as_v2", "xdp_believe_checksum"];
    if !believes(a, b) || !believes(b, a) {
        let message = format!("{}: one refuses the other's checksums", both(first, other));
        findings
            .report(code::CHECKSUMS_DIFFER, other.line(&lines), message)
            .also(first.line(&lines), format!("that of {}", first.node.name))
            .help("both become MASTER: write the same `v3_checksum_as_v2` into all files");
    } else if a.checksum != b.checksum {
        let message = format!("{}: one has `v3_checksum_as_v2`", both(first, other));
        findings
            .report(code::NODES_DIFFER, other.line(&lines), message)
            .also(first.line(&lines), format!("that of {}", first.node.name))
            .help(
                "here either form is believed, but keepalived without it would refuse the other's",
            );
    }
}

fn believes(own: &Instance, theirs: &Instance) -> bool {
    match own.believe {
        Believe::Either => true,
        Believe::Message => theirs.checksum == ChecksumForm::MessageOnly,
        Believe::PseudoHeader => theirs.checksum == ChecksumForm::PseudoHeader,
    }
}
