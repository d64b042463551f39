//! Which way the program is attached to a device: decided once, by the device's kind, before a
//! virtual router on it leaves Initialize.

use std::fmt;

use crate::{
    config::XdpMode,
    host::{Link, LinkKind},
};

/// How the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the generic hook.
    Generic,
    /// Not at all: raw sockets hear the adverts, the kernel answers ARP.
    None,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::None => "none",
        })
    }
}

/// The way in use on a device, and why, in words for `status` and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The mode.
    pub mode: Mode,
    /// Why this one.
    pub reason: String,
}

/// The modes to try on a device, best first, and why. `strips_tags` says that the device moves VLAN
/// tags out of the frame (rx-vlan-offload).
///
/// An attached program costs the host's other traffic, so `auto` follows what was measured: on veth
/// a native program switches off the sender's segmentation offload and loses XDP_TX silently where
/// the peer has no NAPI; bridges and most other software devices have the generic hook only.
pub fn choose(wanted: XdpMode, link: &Link, strips_tags: bool) -> (&'static [Mode], &'static str) {
    if wanted == XdpMode::None {
        return (&[Mode::None], "xdp_mode none");
    }
    // XDP would take a frame of any VLAN for an untagged one, and answer for addresses of another
    // network. Neither answering nor absorbing leaves nothing to attach a program for.
    if link.vlan_uppers && strips_tags {
        return (
            &[Mode::None],
            "VLAN devices on top, and rx-vlan-offload hides their tags from XDP: `ethtool -K DEVICE rxvlan off` shows them",
        );
    }
    match (wanted, &link.kind) {
        (XdpMode::Native, _) => (&[Mode::Native], "xdp_mode native"),
        (XdpMode::Generic, _) => (&[Mode::Generic], "xdp_mode generic"),
        (_, LinkKind::Physical) => {
            (&[Mode::Native, Mode::Generic], "a network card: its driver, else generic")
        }
        (_, LinkKind::Veth) => {
            (&[Mode::Generic], "veth: native would slow its other traffic and may lose answers")
        }
        (_, LinkKind::Loopback) => (&[Mode::None], "loopback"),
        _ => (&[Mode::Generic], "a software device"),
    }
}
