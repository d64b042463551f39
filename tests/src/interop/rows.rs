//! The rows: which peers speak what.

use std::{fmt, time::Duration};

use crate::{Config, Daemon, Mac};

/// A peer and a protocol.
#[derive(Clone, Debug)]
pub struct Row {
    /// The other daemon.
    pub peer: Daemon,
    /// What they speak, in the words of the table.
    pub protocol: &'static str,
    /// The virtual router on node 0, whose priority is the higher one.
    pub config: Config,
    /// More lines for the instance on node 0 and node 1; FRR does not get them.
    pub extra: [&'static str; 2],
    /// xvrrp and keepalived use the virtual MAC; FRR always does.
    pub virtual_mac: bool,
    /// The adverts go to the other node alone.
    pub unicast: bool,
}

/// All rows of the matrix.
pub fn rows() -> Vec<Row> {
    let v2 = || Config::default();
    let v3 = || Config { version: 3, advert_int: FAST, ..Config::default() };
    let ipv6 = || Config { advert_int: FAST, ..Config::ipv6() };
    let pass = || Config { password: Some("1111"), ..v2() };
    let (keepalived, frr) = (Daemon::Keepalived, Daemon::Frr);
    vec![
        Row::new(keepalived, "v2", v2()),
        Row::new(keepalived, "v2+PASS", pass()),
        Row::new(keepalived, "v2+AH", v2()).with_extra([AH; 2]),
        Row::new(keepalived, "v3/IPv4", v3()),
        Row::new(keepalived, "v3/IPv6", ipv6()),
        Row::new(keepalived, "v2 unicast", v2()).with_unicast(UNICAST),
        Row::new(keepalived, "v3/IPv4 unicast", v3()).with_unicast(UNICAST),
        Row::new(keepalived, "v3/IPv6 unicast", ipv6()).with_unicast(UNICAST_V6),
        Row::new(keepalived, "v2 vmac", v2()).with_virtual_mac(),
        Row::new(keepalived, "v3/IPv4 vmac", v3()).with_virtual_mac(),
        Row::new(keepalived, "v3/IPv6 vmac", ipv6()).with_virtual_mac(),
        Row::new(frr, "v2", v2()),
        Row::new(frr, "v3/IPv4", v3()),
        Row::new(frr, "v3/IPv6", ipv6()),
        Row::new(frr, "v2 vmac", v2()).with_virtual_mac(),
        Row::new(frr, "v3/IPv4 vmac", v3()).with_virtual_mac(),
        Row::new(frr, "v3/IPv6 vmac", ipv6()).with_virtual_mac(),
    ]
}

const FAST: Duration = Duration::from_millis(200);
const BACKUP_PRIORITY: u8 = 90;
const AH: &str = "authentication {\n        auth_type AH\n        auth_pass 1111\n    }";
const UNICAST: [&str; 2] = [
    "unicast_src_ip 192.0.2.11\n    unicast_peer {\n        192.0.2.12\n    }",
    "unicast_src_ip 192.0.2.12\n    unicast_peer {\n        192.0.2.11\n    }",
];
const UNICAST_V6: [&str; 2] = [
    "unicast_src_ip 2001:db8::b\n    unicast_peer {\n        2001:db8::c\n    }",
    "unicast_src_ip 2001:db8::c\n    unicast_peer {\n        2001:db8::b\n    }",
];
const VIRTUAL_MAC: &str = "use_vmac";

impl Row {
    fn new(peer: Daemon, protocol: &'static str, config: Config) -> Self {
        let (extra, virtual_mac, unicast) = ([""; 2], false, false);
        Self { peer, protocol, config, extra, virtual_mac, unicast }
    }

    fn with_extra(self, extra: [&'static str; 2]) -> Self {
        Self { extra, ..self }
    }

    fn with_unicast(self, extra: [&'static str; 2]) -> Self {
        Self { unicast: true, ..self.with_extra(extra) }
    }

    fn with_virtual_mac(self) -> Self {
        Self { virtual_mac: true, ..self.with_extra([VIRTUAL_MAC; 2]) }
    }

    /// The virtual router as `node` has it.
    pub(super) fn config_of(&self, node: usize) -> Config {
        let config = Config { extra: self.extra[node], ..self.config.clone() };
        if node == 0 { config } else { Config { priority: BACKUP_PRIORITY, ..config } }
    }

    /// The virtual MAC, if `daemon` uses it in this row.
    pub(super) fn virtual_mac_of(&self, daemon: Daemon) -> Option<Mac> {
        let uses_it = self.virtual_mac || daemon == Daemon::Frr;
        uses_it.then(|| Mac::virtual_router(self.config.vip, Config::VRID))
    }
}

/// Peer and protocol, by which `--filter` selects.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peer, self.protocol)
    }
}
