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
    /// In the traffic control hook, tcx.
    Tcx,
    /// Not at all: raw sockets hear the adverts, the kernel answers ARP.
    None,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Tcx => "tcx",
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

/// The modes to try on a device, best first, and why. `virtual_mac` says that a virtual router there
/// has one, `strips_tags` that the device moves VLAN tags out of the frame (rx-vlan-offload).
///
/// XDP sees such a frame untagged, tcx sees the tag. An attached program costs the host's other
/// traffic, too, so `auto` follows what was measured on software devices: with tcx TCP through a
/// veth is as fast as without any program, generic XDP costs a tenth and more, and a native program
/// switches off the sender's segmentation offload and loses XDP_TX silently where the peer has no XDP
/// program, too (Linux 6.18; its NAPI by generic receive offload is not enough). tcx came with Linux
/// 6.6.
pub fn choose(
    wanted: XdpMode,
    link: &Link,
    strips_tags: bool,
    virtual_mac: bool,
) -> (&'static [Mode], &'static str) {
    // XDP would take a frame of any VLAN for an untagged one, and answer for addresses of another
    // network. Neither answering nor absorbing leaves nothing to attach a program for.
    let hides_tags = link.vlan_uppers && strips_tags;
    match (wanted, &link.kind) {
        (XdpMode::None, _) => (&[Mode::None], "xdp_mode none"),
        (XdpMode::Tcx, _) => (&[Mode::Tcx], "xdp_mode tcx"),
        (XdpMode::Native | XdpMode::Generic, _) if hides_tags => (
            &[Mode::None],
            "VLAN devices on top, and rx-vlan-offload hides their tags from XDP: use xdp_mode tcx, or `ethtool -K DEVICE rxvlan off`",
        ),
        // The packet is marked as another host's before a native program on veth sees it, and stays
        // so whatever the program writes (veth_xdp_rcv_skb, Linux 6.18).
        (XdpMode::Native, LinkKind::Veth) if virtual_mac => (
            &[Mode::None],
            "xdp_mode native on veth cannot take frames to a virtual MAC, generic and tcx can; use_vmac by macvlan",
        ),
        (XdpMode::Native, _) => (&[Mode::Native], "xdp_mode native"),
        (XdpMode::Generic, _) => (&[Mode::Generic], "xdp_mode generic"),
        (XdpMode::Auto, LinkKind::Loopback) => (&[Mode::None], "loopback"),
        (XdpMode::Auto, _) if hides_tags => {
            (&[Mode::Tcx], "VLAN devices on top, and rx-vlan-offload hides their tags from XDP")
        }
        (XdpMode::Auto, LinkKind::Physical) if strips_tags => (
            &[Mode::Native, Mode::Tcx, Mode::Generic],
            "a network card: its driver, else tcx, else generic",
        ),
        (XdpMode::Auto, LinkKind::Physical) => {
            (&[Mode::Native, Mode::Generic], "a network card: its driver, else generic")
        }
        (XdpMode::Auto, _) => {
            (&[Mode::Tcx, Mode::Generic], "a software device: tcx, which costs least, else generic")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: LinkKind, vlan_uppers: bool) -> Link {
        Link {
            index: 2,
            name: "eth0".to_owned(),
            mac: None,
            up: true,
            carrier: true,
            kind,
            mtu: 1500,
            addresses: Vec::new(),
            vlan_uppers,
            port_of: None,
        }
    }

    fn modes(wanted: XdpMode, kind: LinkKind, vlan_uppers: bool, strips: bool) -> &'static [Mode] {
        choose(wanted, &link(kind, vlan_uppers), strips, false).0
    }

    /// issue 4, keyword `use_vmac`: native on veth is refused where there is a virtual MAC, and says
    /// why; elsewhere it is not.
    #[test]
    fn native_and_virtual_mac() {
        let (modes, reason) = choose(XdpMode::Native, &link(LinkKind::Veth, false), false, true);
        assert_eq!(modes, [Mode::None]);
        assert!(reason.contains("native on veth"), "{reason}");
        for (wanted, kind) in
            [(XdpMode::Native, LinkKind::Physical), (XdpMode::Generic, LinkKind::Veth)]
        {
            let with = choose(wanted, &link(kind.clone(), false), false, true);
            assert_eq!(with, choose(wanted, &link(kind, false), false, false));
        }
    }

    /// X-03, keyword `xdp_mode`: XDP is never chosen where it would take a frame of a VLAN for an
    /// untagged one; tcx sees the tag.
    #[test]
    fn hidden_tags() {
        for kind in [LinkKind::Physical, LinkKind::Veth, LinkKind::Bridge, LinkKind::Bond] {
            for (wanted, expected) in [
                (XdpMode::Auto, Mode::Tcx),
                (XdpMode::Tcx, Mode::Tcx),
                (XdpMode::Native, Mode::None),
                (XdpMode::Generic, Mode::None),
                (XdpMode::None, Mode::None),
            ] {
                assert_eq!(modes(wanted, kind.clone(), true, true), [expected], "{wanted:?}");
            }
        }
    }

    /// keyword `xdp_mode`: a wish is followed or refused, never replaced; `auto` goes by the kind of
    /// device.
    #[test]
    fn kinds() {
        use Mode::{Generic, Native, None, Tcx};
        for (wanted, mode) in [
            (XdpMode::Native, Native),
            (XdpMode::Generic, Generic),
            (XdpMode::Tcx, Tcx),
            (XdpMode::None, None),
        ] {
            assert_eq!(modes(wanted, LinkKind::Veth, false, true), [mode]);
            assert_eq!(modes(wanted, LinkKind::Physical, false, true), [mode]);
        }
        let auto = |kind, strips| modes(XdpMode::Auto, kind, false, strips);
        assert_eq!(auto(LinkKind::Physical, false), [Native, Generic]);
        assert_eq!(auto(LinkKind::Physical, true), [Native, Tcx, Generic]);
        assert_eq!(auto(LinkKind::Loopback, false), [None]);
        for kind in [LinkKind::Veth, LinkKind::Bridge, LinkKind::Macvlan, LinkKind::Vlan] {
            assert_eq!(auto(kind, true), [Tcx, Generic]);
        }
    }
}
