//! A rule in the kernel's form, as iproute2 says it: `linux/fib_rules.h`.

use std::ops::RangeInclusive;

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use vrrp_common::Family;

use super::{
    Attributes, Directive, Header, RoutingPlace, Sort, Unready, family_number, names::resolve,
    realms, split_table,
};
use crate::config::{Action, Rule};

const DESTINATION: u16 = 1;
const SOURCE: u16 = 2;
const INPUT: u16 = 3;
const GOTO: u16 = 4;
const PREFERENCE: u16 = 6;
const MARK: u16 = 10;
const REALMS: u16 = 11;
const TUNNEL: u16 = 12;
const SUPPRESS_GROUP: u16 = 13;
const SUPPRESS_PREFIX_LENGTH: u16 = 14;
const TABLE: u16 = 15;
const MASK: u16 = 16;
const OUTPUT: u16 = 17;
const L3MDEV: u16 = 19;
const USERS: u16 = 20;
const PROTOCOL: u16 = 21;
const IP_PROTOCOL: u16 = 22;
const SOURCE_PORTS: u16 = 23;
const DESTINATION_PORTS: u16 = 24;

/// `FIB_RULE_INVERT`.
const INVERTED: u32 = 2;

impl Directive {
    /// A rule as the kernel is told of it.
    pub fn rule(rule: &Rule) -> Result<Self, Unready> {
        let mut attributes = Attributes::default();
        // Every rule of a file that has been read has one.
        let preference = rule.preference.unwrap_or_default();
        attributes.put_u32(PREFERENCE, preference);
        for (kind, prefix) in [(SOURCE, rule.from), (DESTINATION, rule.to)] {
            if let Some(prefix) = prefix.filter(|prefix| prefix.length > 0) {
                attributes.put_address(kind, prefix.address);
            }
        }
        for (kind, interface) in [(INPUT, &rule.input), (OUTPUT, &rule.output)] {
            if let Some(interface) = interface {
                attributes.put_text(kind, interface);
            }
        }
        if let Some(mark) = rule.mark {
            attributes.put_u32(MARK, mark.mark);
            attributes.put_u32(MASK, mark.mask);
        }
        if let Some(users) = &rule.users {
            attributes.put(USERS, range(users, u32::to_ne_bytes));
        }
        if let Some(protocol) = rule.ip_protocol {
            attributes.put_u8(IP_PROTOCOL, protocol);
        }
        let ports =
            [(SOURCE_PORTS, &rule.source_ports), (DESTINATION_PORTS, &rule.destination_ports)];
        for (kind, ports) in ports {
            if let Some(ports) = ports {
                attributes.put(kind, range(ports, u16::to_ne_bytes));
            }
        }
        if let Some(tunnel) = rule.tunnel {
            attributes.put(TUNNEL, tunnel.to_be_bytes());
        }
        if let Some(given) = &rule.realms {
            attributes.put_u32(REALMS, realms(given)?);
        }
        if let Some(length) = rule.suppress_prefix_length {
            attributes.put_u32(SUPPRESS_PREFIX_LENGTH, length.into());
        }
        if let Some(group) = &rule.suppress_group {
            attributes.put_u32(SUPPRESS_GROUP, resolve(group, "group")?);
        }
        attributes.put_u8(PROTOCOL, rule.protocol);
        let mut header = Header {
            family: family_number(rule.family),
            destination_length: rule.to.map_or(0, |to| to.length),
            source_length: rule.from.map_or(0, |from| from.length),
            tos: resolve(&rule.tos, "rt_dsfield")?,
            flags: if rule.inverted { INVERTED } else { 0 },
            ..Header::default()
        };
        put_action(&rule.action, &mut header, &mut attributes)?;
        Ok(Self {
            sort: Sort::Rule,
            line: rule.to_string(),
            place: RoutingPlace::Rule { ipv6: rule.family == Family::V6, preference },
            interfaces: rule.input.iter().chain(&rule.output).cloned().collect(),
            header,
            attributes,
            // Without the latter the kernel takes the same rule many times.
            flags: NLM_F_CREATE | NLM_F_EXCL,
        })
    }
}

/// `FR_ACT_` numbers and what goes with them.
fn put_action(
    action: &Action,
    header: &mut Header,
    attributes: &mut Attributes,
) -> Result<(), Unready> {
    header.kind = match action {
        Action::Table(table) => {
            header.table = split_table(resolve(table, "rt_tables")?, TABLE, attributes);
            1
        }
        Action::L3mdev => {
            attributes.put_u8(L3MDEV, 1);
            1
        }
        Action::Goto(target) => {
            attributes.put_u32(GOTO, *target);
            2
        }
        Action::Nop => 3,
        Action::Blackhole => 6,
        Action::Unreachable => 7,
        Action::Prohibit => 8,
    };
    Ok(())
}

/// The first and the last of a range, behind each other.
fn range<T: Copy, const N: usize>(range: &RangeInclusive<T>, octets: fn(T) -> [u8; N]) -> Vec<u8> {
    [octets(*range.start()), octets(*range.end())].concat()
}
