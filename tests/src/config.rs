//! Configuration files for the daemons of a lab.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv6Addr},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Lab, Node};

/// One virtual router; `to_string` is a keepalived.conf, and two of them in a row are another.
#[derive(Clone, Debug)]
pub struct Config {
    /// 2 or 3.
    pub version: u8,
    /// 1 to 255.
    pub priority: u8,
    /// Whole seconds in version 2.
    pub advert_int: Duration,
    /// Password, version 2 only.
    pub password: Option<&'static str>,
    /// The address; its family is that of the virtual router.
    pub vip: IpAddr,
    /// The link-local address that a virtual router of IPv6 has besides, first of all.
    pub link_local: Option<Ipv6Addr>,
    /// `unicast_src_ip`.
    pub source: Option<IpAddr>,
    /// Lines of `unicast_peer`; without any, adverts are multicast.
    pub peers: Vec<String>,
    /// More lines for the instance.
    pub extra: &'static str,
}

impl Config {
    /// Name of the instance.
    pub const INSTANCE: &'static str = "VI_1";
    /// Name of the instance when its addresses are IPv6.
    pub const INSTANCE_V6: &'static str = "VI_6";
    /// Its virtual_router_id.
    pub const VRID: u8 = 51;

    /// An IPv6 virtual router, version 3, with fe80::33 and 2001:db8::fe.
    pub fn ipv6() -> Self {
        Self {
            version: 3,
            vip: Lab::address_v6(254).into(),
            link_local: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x33)),
            ..Self::default()
        }
    }

    /// Its name, which depends on the family.
    pub fn instance(&self) -> &'static str {
        if self.vip.is_ipv6() { Self::INSTANCE_V6 } else { Self::INSTANCE }
    }

    /// All addresses, in the order of the file.
    pub fn vips(&self) -> impl Iterator<Item = IpAddr> {
        self.link_local.map(IpAddr::from).into_iter().chain([self.vip])
    }

    /// A lab in which the daemons can run with it.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn lab(&self, nodes: u8) -> Result<Lab> {
        if self.vip.is_ipv6() { Lab::with_ipv6(nodes) } else { Lab::new(nodes) }
    }

    /// When a backup with this configuration takes over, counted from the last advert.
    pub fn active_down_interval(&self) -> Duration {
        crate::active_down_interval(self.version, self.advert_int, self.priority)
    }

    /// When it takes over after an advert with priority 0.
    pub fn skew_time(&self) -> Duration {
        crate::skew_time(self.version, self.advert_int, self.priority)
    }
}

/// Version 2 without password, priority 100, an advert each second, 192.0.2.129.
impl Default for Config {
    fn default() -> Self {
        Self {
            version: 2,
            priority: 100,
            advert_int: Duration::from_secs(1),
            password: None,
            vip: Lab::address(129).into(),
            link_local: None,
            source: None,
            peers: Vec::new(),
            extra: "",
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vrrp_instance {} {{", self.instance())?;
        writeln!(f, "    state BACKUP\n    interface {}", Node::INTERFACE)?;
        writeln!(f, "    virtual_router_id {}", Self::VRID)?;
        writeln!(f, "    version {}", self.version)?;
        writeln!(f, "    priority {}", self.priority)?;
        writeln!(f, "    advert_int {}", self.advert_int.as_secs_f64())?;
        if let Some(password) = self.password {
            writeln!(f, "    authentication {{\n        auth_type PASS")?;
            writeln!(f, "        auth_pass {password}\n    }}")?;
        }
        if !self.extra.is_empty() {
            writeln!(f, "    {}", self.extra)?;
        }
        if let Some(source) = self.source {
            writeln!(f, "    unicast_src_ip {source}")?;
        }
        if !self.peers.is_empty() {
            writeln!(f, "    unicast_peer {{\n        {}\n    }}", self.peers.join("\n        "))?;
        }
        writeln!(f, "    virtual_ipaddress {{")?;
        for vip in self.vips() {
            // keepalived gives an IPv6 address /128, which is never preferred as a source.
            let prefix = if vip == self.vip && vip.is_ipv6() { "/64" } else { "" };
            writeln!(f, "        {vip}{prefix}")?;
        }
        writeln!(f, "    }}\n}}")
    }
}

/// Networks and interfaces of the files in data/seeds, which a lab does not have.
const SEED_PLACES: [(&str, &str); 5] = [
    ("interface ens33", "interface eth0"),
    ("172.16.60.", "192.0.2."),
    ("192.168.20.", "192.0.2."),
    ("192.168.200.", "192.0.2."),
    ("192.168.248.", "192.0.2."),
];

/// A file of data/seeds, moved into the lab's network: the last octets stay.
///
/// # Errors
/// There is no such file.
pub fn seed(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/seeds").join(name);
    let text = fs::read_to_string(&path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(SEED_PLACES.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours)))
}
