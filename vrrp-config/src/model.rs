//! The typed configuration. After this module nothing parses strings: every value has its unit and
//! its range in its type, defaults are filled in, and keepalived's repairs have been made.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    time::Duration,
};

use vrrp_common::{AdverInterval, Family, Priority, Version, Vrid, ladder::Believe, wire::Mac};

use super::{Bfd, ExtraGarp, Interfaces, Place, Places, Route, Rule, Span, Statics, Tracking};

mod daemon;
mod notify;
mod tracking;

pub use daemon::{Dbus, Dumps, DynamicInterfaces, JsonVersion, Process, Reload, ReloadCheck};
pub use notify::{Account, Command, Fifo, Hook, Mail, Notify, ScriptRules, User};
pub use tracking::{
    InitFile, Parameters, Script, TrackFile, TrackLists, TrackProcess, Tracked, Weight,
};

/// A whole configuration that can be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What holds for the daemon rather than for one virtual router.
    pub global: Global,
    /// The virtual routers, in the order of the file.
    pub instances: Vec<Instance>,
    /// Virtual routers that change state together, in the order of the file.
    pub sync_groups: Vec<SyncGroup>,
    /// `vrrp_script`, each name once.
    pub scripts: Vec<Script>,
    /// `track_file`, each name once.
    pub track_files: Vec<TrackFile>,
    /// `vrrp_track_process`, each name once.
    pub track_processes: Vec<TrackProcess>,
    /// What is set up at the start, whatever VRRP does.
    pub statics: Statics,
    /// What holds for interfaces rather than for one virtual router.
    pub interfaces: Interfaces,
    /// `bfd_instance`.
    pub bfd: Vec<Bfd>,
    /// Where `virtual_server` blocks stand. They are keepalived's to serve: `run` says so at every
    /// start.
    pub virtual_servers: Vec<Span>,
}

/// Settings of `global_defs` that have an effect as such. Defaults of instances are not kept here:
/// they have been copied into each [`Instance`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Global {
    /// `router_id`, a name for mails and logs; never on the wire.
    pub router_id: Option<String>,
    /// `xdp_drop_foreign`: multicast adverts of virtual routers that are not ours are dropped, not
    /// passed.
    pub drop_foreign: bool,
    /// `xdp_absorb off`: the kernel program passes adverts on when it has dealt with them.
    pub pass_on: bool,
    /// `vrrp_startup_delay`: for this long after the start no virtual router takes part.
    pub startup_delay: Duration,
    /// How the thread that sends adverts and notices a dead master is scheduled.
    pub scheduling: Scheduling,
    /// `vrrp_delay_after_boot`: no virtual router takes part before the host is up for so long.
    pub delay_after_boot: Duration,
    /// `dynamic_interfaces`.
    pub dynamic_interfaces: DynamicInterfaces,
    /// `default_interface`: has the static addresses that name none; `None` for eth0.
    pub default_interface: Option<String>,
    /// `log_unknown_vrids`: adverts of virtual routers that are not ours are logged.
    pub log_unknown_vrids: bool,
    /// `notification_email` and the keywords around it.
    pub mail: Mail,
    /// `notify_fifo`.
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`.
    pub vrrp_fifo: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_on_reload: bool,
    /// `script_user`, `enable_script_security` and the like.
    pub scripts: ScriptRules,
    /// `startup_script`: before anything else.
    pub startup: Option<Hook>,
    /// `shutdown_script`: after everything else.
    pub shutdown: Option<Hook>,
    /// What stands outside all blocks.
    pub process: Process,
    /// `state_dump_file` and the like.
    pub dumps: Dumps,
    /// `reload_time_file` and the like.
    pub reload: Reload,
    /// `enable_dbus` and the like.
    pub dbus: Dbus,
    /// Where the lines of `global_defs` stand.
    pub places: Places,
}

/// Scheduling and memory of the pulse. What cannot be had is replaced by the next best.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `xdp_pulse_policy`, an extension of ours.
    pub policy: Policy,
    /// `xdp_pulse_budget`, an extension of ours: the share of a processor that SCHED_DEADLINE
    /// reserves, 1-95 percent; `None` for one that fits the virtual routers.
    pub budget: Option<u8>,
    /// `vrrp_rt_priority`, 1-99, which with keepalived is one of SCHED_RR: the priority of SCHED_FIFO.
    pub priority: Option<u8>,
    /// `vrrp_priority`: nice, -20 to 19, where there is no better class.
    pub nice: Option<i8>,
    /// `vrrp_rlimit_rttime`: how long SCHED_FIFO may compute without waiting for anything; whoever
    /// does is killed. keepalived's default of 10 ms is not ours.
    pub rttime: Option<Duration>,
    /// `vrrp_cpu_affinity`: the processors that it may run on, empty for all. Unless it is all,
    /// the kernel grants no SCHED_DEADLINE.
    pub cpus: Vec<u16>,
    /// `vrrp_no_swap`: all memory is made resident at once. What is in use is locked without it.
    pub no_swap: bool,
}

/// The best scheduling class that is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// SCHED_DEADLINE, else as [`Policy::Fifo`].
    #[default]
    Deadline,
    /// SCHED_FIFO, else as [`Policy::Nice`].
    Fifo,
    /// Normal, with a nice value.
    Nice,
}

/// One `vrrp_instance`: a virtual router on an interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The name behind `vrrp_instance`.
    pub name: String,
    /// The name's place in the file, for messages about the instance.
    pub span: Place,
    /// Where its lines stand.
    pub places: Places,
    /// `state`. keepalived does not start as master because of it, see section 1.5 of its reference;
    /// it only rules out nopreempt and preempt_delay, which has been applied already.
    pub state: InitialState,
    /// `interface`.
    pub interface: String,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `priority`, 1-255.
    pub priority: Priority,
    /// `version`, else `vrrp_version`, else 2; always 3 for IPv6.
    pub version: Version,
    /// `advert_int`, rounded as the version demands.
    pub interval: AdverInterval,
    /// `authentication` of v2 or `auth_hmac`, `None` without.
    pub authentication: Option<Authentication>,
    /// `virtual_ipaddress`: advertised, in this order, all of the instance's family.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: moved with the others, not advertised, of any family.
    pub excluded: Vec<VirtualAddress>,
    /// `virtual_routes`: added when it becomes Active, none tied to a group.
    pub routes: Vec<Route>,
    /// `virtual_rules`, likewise.
    pub rules: Vec<Rule>,
    /// `mcast_src_ip`: source of adverts instead of the interface's primary address.
    pub source: Option<IpAddr>,
    /// `mcast_dst_ip`, else `vrrp_mcast_group4` or `vrrp_mcast_group6`. Its family is that of the
    /// virtual router.
    pub group: IpAddr,
    /// `false` for `nopreempt`.
    pub preempt: bool,
    /// `preempt_delay`, counted from the first lower-priority advert heard as Backup.
    pub preempt_delay: Duration,
    /// `down_timer_adverts`, 1-100.
    pub down_timer_adverts: u8,
    /// `lower_prio_no_advert`: as Active, do not answer a losing advert at once.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: send one more advert before yielding to a better one.
    pub higher_prio_send_advert: bool,
    /// `skip_check_adv_addr`: do not compare the address list of the master that is known already.
    pub skip_check_adv_addr: bool,
    /// Form of the v3/IPv4 checksum on send, `v3_checksum_as_v2`.
    pub checksum: ChecksumForm,
    /// Forms of the v3/IPv4 checksum that are believed, `xdp_believe_checksum`, an extension of ours.
    pub believe: Believe,
    /// `owner_ignore_adverts`, which strict mode implies: an owner discards what others say. In v2
    /// it always does (RFC 3768 7.1).
    pub owner_ignores: bool,
    /// `accept`, keepalived's default; `false` for `no_accept`: packets to the addresses are not for
    /// this host, Neighbor Discovery apart (RFC 9568 6.1, Accept_Mode). The owner always accepts.
    pub accept: bool,
    /// `xdp_no_accept`, an extension of ours: `no_accept` is enforced by the kernel program, before
    /// connection tracking. Not for hosts that translate addresses to or from the virtual ones.
    pub accept_in_program: bool,
    /// `use_vmac`, `None` without.
    pub virtual_mac: Option<VirtualMac>,
    /// `unicast_peer`, `None` for multicast.
    pub unicast: Option<Unicast>,
    /// Gratuitous ARP and unsolicited Neighbor Advertisements.
    pub garp: Garp,
    /// `garp_extra_if`, else `vrrp_garp_extra_if`: more of them on other interfaces of its addresses.
    pub extra_garp: Option<ExtraGarp>,
    /// `xdp_orphan serve-until-peer`, an extension of ours: should the adverts stop, this host goes on
    /// answering until it hears another router. `false` for `close`.
    pub serves_on: bool,
    /// `xdp_mode`, an extension of ours.
    pub xdp_mode: XdpMode,
    /// What it depends on, besides its own interface.
    pub tracking: TrackLists,
    /// `dont_track_primary`: it does not depend on its own interface.
    pub ignores_interface: bool,
    /// `track_src_ip`: FAULT while the source of the adverts is no address of this host.
    pub tracks_source: bool,
    /// `timer_expired_backup`.
    pub timer_expired: TimerExpired,
    /// `promote_secondaries`: set on the interface, so that the removal of an address leaves the
    /// others of its subnet.
    pub promote_secondaries: bool,
    /// Who is told of its transitions.
    pub notify: Notify,
}

impl Instance {
    /// What the virtual router has its addresses of.
    pub fn family(&self) -> Family {
        self.group.into()
    }

    /// Everything that moves: what is advertised, and then what is not.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded)
    }
}

/// `vrrp_sync_group`: virtual routers that are Active on one host, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncGroup {
    /// The name behind `vrrp_sync_group`.
    pub name: String,
    /// Where that stands.
    pub span: Place,
    /// `group`: names of [`Config::instances`], at least one. None is in two groups.
    pub members: Vec<String>,
    /// What all members depend on, besides what each has for itself.
    pub tracking: TrackLists,
    /// `sync_group_tracking_weight`: members may have weights of their own.
    pub member_weights: bool,
    /// Who is told of its transitions.
    pub notify: Notify,
}

/// `timer_expired_backup`: what becomes of a virtual router with nopreempt whose own timer was so
/// late that another one must have taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerExpired {
    /// It stays Active.
    #[default]
    Ignored,
    /// Backup.
    Backup {
        /// The highest priority of the others, 1-254: it says how long they wait at least.
        other: Priority,
    },
}

/// Argument of `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// `MASTER`.
    Master,
    /// `BACKUP`.
    Backup,
}

/// `authentication` of VRRPv2, or keepalived's `auth_hmac` of both versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// `auth_type PASS`: eight octets, zero padded (RFC 2338 5.3.10).
    Pass([u8; 8]),
    /// `auth_type AH`: the key of HMAC-MD5-96, eight octets, zero padded.
    Ah([u8; 8]),
    /// `auth_hmac`, keepalived 2.4: an HMAC-SHA256/128 behind the message.
    Hmac(AuthHmac),
}

/// `auth_hmac`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHmac {
    /// `key ID VALUE`: numbers 1-255, keys of 32 to 64 octets.
    pub keys: BTreeMap<u8, Vec<u8>>,
    /// `active_key`: which of them signs.
    pub active: u8,
    /// `anti_replay`.
    pub anti_replay: AntiReplay,
    /// `time_window`, 1-300 s; three intervals, but 5 s at least, when it is not given.
    pub window: Duration,
    /// `mode`.
    pub mode: HmacMode,
}

/// `anti_replay` of `auth_hmac`: what the time stamp of an advert is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AntiReplay {
    /// `time`: the clock of the world; adverts older or newer than the window are refused.
    #[default]
    Time,
    /// `monotonic`: adverts are compared with earlier ones of their sender only, not with the clock.
    Monotonic,
}

/// `mode` of `auth_hmac`: what becomes of adverts that are not signed, or not signed right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacMode {
    /// `enforce`: refused.
    #[default]
    Enforce,
    /// `permissive`: accepted and reported.
    Permissive,
    /// `receive-only`: ours are not signed, those of others are looked at.
    ReceiveOnly,
}

/// `use_vmac`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualMac {
    /// The MAC: 00:00:5e:00:01:VRID, of IPv6 00:00:5e:00:02:VRID (RFC 9568 7.3), or the one given.
    pub mac: Mac,
    /// Name of the interface that keepalived would make, where the file gives one. We make one only
    /// where the kernel program cannot be attached.
    pub name: Option<String>,
    /// `vmac_xmit_base`: adverts leave with the interface's own MAC.
    pub adverts_from_base: bool,
}

/// `unicast_peer` and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unicast {
    /// To whom adverts go, each once, of the virtual router's family, none of them ourselves.
    pub peers: Vec<UnicastPeer>,
    /// `unicast_ttl`: TTL or hop limit of what we send, 1-255; `None` for 255 with IPv4, and the
    /// kernel's own with IPv6.
    pub ttl: Option<u8>,
    /// `check_unicast_src`: only peers are heard. `min_ttl` and `max_ttl` imply it.
    pub check_source: bool,
}

/// One line of `unicast_peer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnicastPeer {
    /// Its address.
    pub address: IpAddr,
    /// `min_ttl`, `max_ttl`: what its adverts may have.
    pub ttl: RangeInclusive<u8>,
}

/// What a v3/IPv4 checksum covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumForm {
    /// Pseudo-header and message: RFC 5798 as keepalived, FRR and others read it. Our default, too.
    #[default]
    PseudoHeader,
    /// The message alone: RFC 9568 5.2.8, `v3_checksum_as_v2`.
    MessageOnly,
}

/// Gratuitous ARP of an instance, keepalived's knobs with its defaults. They hold for unsolicited
/// Neighbor Advertisements, too, but for the spacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garp {
    /// Rounds over all addresses when becoming Active (`garp_master_repeat`, 5).
    pub repeat: u32,
    /// When the second burst follows the first (`garp_master_delay`, 5 s); zero means never.
    pub delay: Duration,
    /// Period of the refresh while Active (`garp_master_refresh`, 0 = off).
    pub refresh: Duration,
    /// Rounds of each refresh (`garp_master_refresh_repeat`, 1).
    pub refresh_repeat: u32,
    /// Rounds when a losing advert was heard (`garp_lower_prio_repeat`, as `repeat`).
    pub lower_prio_repeat: u32,
    /// Second burst after a losing advert (`garp_lower_prio_delay`, as `delay`).
    pub lower_prio_delay: Duration,
    /// Spacing of gratuitous ARP on one interface (`vrrp_garp_interval`, 0 = none).
    pub interval: Duration,
    /// Spacing of Neighbor Advertisements on one interface (`vrrp_gna_interval`, 0 = none).
    pub gna_interval: Duration,
    /// `xdp_gna_pacing`, an extension of ours: unsolicited Neighbor Advertisements as RFC 4861 7.2.6
    /// has them, at most three for one event, a second apart. keepalived sends as many as gratuitous
    /// ARP, back to back.
    pub rfc4861_pacing: bool,
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Duration::from_secs(5),
            interval: Duration::ZERO,
            gna_interval: Duration::ZERO,
            rfc4861_pacing: false,
        }
    }
}

/// How the kernel program is attached (`xdp_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// Decided once per device, by its kind.
    #[default]
    Auto,
    /// In the driver.
    Native,
    /// In the kernel's generic hook.
    Generic,
    /// In the traffic control hook, tcx, which sees VLAN tags that the device took off.
    Tcx,
    /// Not at all: raw sockets and the kernel's own ARP.
    None,
}

/// One line of `virtual_ipaddress` or `virtual_ipaddress_excluded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 when the file gives none.
    pub prefix: u8,
    /// `dev`, where it is not the instance's interface.
    pub device: Option<String>,
    /// `brd`.
    pub broadcast: Option<Broadcast>,
    /// `scope` of an IPv4 address as rtnetlink counts it: 0 global, 200 site, 253 link, 254 host,
    /// 255 nowhere.
    pub scope: u8,
    /// `label` of an IPv4 address.
    pub label: Option<String>,
    /// `-nodad` of an IPv6 address: duplicate address detection before it is used, which otherwise
    /// is left out, as in keepalived: the virtual router itself sees to it that one has it.
    pub detect_duplicates: bool,
    /// What else the line says.
    pub options: AddressOptions,
    /// Where the line stands.
    pub span: Place,
}

/// Words of an address line that few use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressOptions {
    /// `peer`: the other end of a point-to-point link, of the family of the address.
    pub peer: Option<IpAddr>,
    /// `preferred_lft` of an IPv6 address: after this time it is deprecated, which means no source of
    /// new connections; `None` for never. One of 128 bits is from the start, unless the line says
    /// `forever`.
    pub preferred_lifetime: Option<Duration>,
    /// `home`: a Mobile IPv6 home address (RFC 6275).
    pub home: bool,
    /// `mngtmpaddr`: the kernel makes temporary addresses like this one (RFC 8981).
    pub temporary_parent: bool,
    /// `noprefixroute`: the kernel adds no route to its subnet.
    pub no_prefix_route: bool,
    /// `autojoin`: a multicast address, which the host joins.
    pub autojoin: bool,
    /// `use_vmac` behind an address on another interface.
    pub on_virtual_mac: bool,
    /// What happens when somebody deletes it; groups are for static ones.
    pub tracking: Tracking,
}

/// Argument of `brd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// `brd +`: all host bits set.
    HostBitsSet,
    /// `brd -`: all host bits clear.
    HostBitsClear,
    /// A given address.
    Address(Ipv4Addr),
}
