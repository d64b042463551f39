//! One virtual router.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use vrrp_common::{AdverInterval, Family, Priority, Version, Vrid, ladder::Believe};
use vrrp_config::{
    AddressOptions, AntiReplay, AuthHmac, Authentication, Broadcast, ChecksumForm, Config,
    ExtraGarp, Garp, HmacMode, InitialState, Instance, TimerExpired, Tracking, Unicast,
    UnicastPeer, VirtualAddress, VirtualMac, XdpMode,
};

use super::{Generator, sample, unweighted};

const SECOND: Duration = Duration::from_secs(1);

/// Groups of virtual routers that have to take theirs from `global_defs`.
const COMMON: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(224, 0, 0, 99)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x99)),
];

impl Generator {
    pub(super) fn instance(&mut self, number: usize, config: &Config) -> Instance {
        let number_octet = u8::try_from(number).unwrap();
        let family = self.pick(&[Family::V4, Family::V6]);
        let v3 = family == Family::V6 || self.coin();
        let priority = Priority::new(self.pick(&[1, 100, 254, 255]));
        let owner = priority.is_owner();
        let interval =
            if v3 { self.pick(&[1, 25, 100, 4095]) } else { 100 * self.pick(&[1, 2, 255]) };
        let interval = AdverInterval::from_centiseconds(interval).unwrap();
        let authentication = self.authentication(!v3, interval.duration());
        let ah = matches!(authentication, Some(Authentication::Ah(_)));
        let master = (owner || !ah) && self.coin();
        let preempt = owner || master || self.coin();
        let unicast = self.option(|g| g.unicast(family));
        let addresses: Vec<_> = (0..self.below(3)).map(|n| self.address(family, n)).collect();
        let common = COMMON[usize::from(family == Family::V6)];
        let own_group = match family {
            Family::V4 => IpAddr::from([239, 0, 0, number_octet]),
            Family::V6 => IpAddr::from(Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 1, 1)),
        };
        let mut tracking = self.tracking(config);
        if owner {
            tracking.interfaces.retain(|tracked| tracked.weight.points() == 0);
            tracking.scripts.retain(|tracked| tracked.weight.points() == 0);
            tracking.bfds.retain(|tracked| tracked.weight.points() == 0);
            tracking.files.iter_mut().filter(|file| file.weight.points() == 1).for_each(unweighted);
            tracking.files.retain(|tracked| tracked.weight.points() == 0);
        }
        let accept = owner || self.coin();
        let virtual_mac = self.option(|g| g.virtual_mac(unicast.is_some()));
        Instance {
            name: self.name("VI", number),
            span: Default::default(),
            places: Default::default(),
            state: if master { InitialState::Master } else { InitialState::Backup },
            interface: format!("eth{number}"),
            vrid: Vrid::new(self.byte(1, 255)).unwrap(),
            priority,
            version: if v3 { Version::V3 } else { Version::V2 },
            interval,
            authentication,
            addresses,
            excluded: (0..self.below(3))
                .map(|n| {
                    let family = self.pick(&[Family::V4, Family::V6]);
                    self.address(family, n + 100)
                })
                .collect(),
            routes: self.some(&sample().instances[0].routes),
            rules: self.some(&sample().instances[0].rules),
            extra_garp: self
                .option(|g| ExtraGarp { interval: g.seconds(86_399) + SECOND, all: g.coin() }),
            source: self.option(|_| match family {
                Family::V4 => IpAddr::from([10, 9, 9, 9]),
                Family::V6 => IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, 9)),
            }),
            group: if unicast.is_some() || self.coin() { common } else { own_group },
            preempt,
            preempt_delay: if preempt && !master && !owner {
                self.maybe_delay()
            } else {
                Duration::ZERO
            },
            // With 1 no interface may be down for a moment.
            down_timer_adverts: self.byte(2, 100),
            lower_prio_no_advert: self.coin(),
            higher_prio_send_advert: self.coin(),
            skip_check_adv_addr: self.coin(),
            checksum: if family == Family::V4 && self.coin() {
                ChecksumForm::MessageOnly
            } else {
                ChecksumForm::PseudoHeader
            },
            believe: self.pick(&[Believe::Either, Believe::Message, Believe::PseudoHeader]),
            owner_ignores: self.coin(),
            accept,
            accept_in_program: self.coin(),
            promote_secondaries: virtual_mac.is_none() && self.coin(),
            virtual_mac,
            unicast,
            garp: self.garp(),
            serves_on: self.coin(),
            xdp_mode: self.pick(&[
                XdpMode::Auto,
                XdpMode::Native,
                XdpMode::Generic,
                XdpMode::Tcx,
                XdpMode::None,
            ]),
            tracking,
            ignores_interface: self.coin(),
            tracks_source: self.coin(),
            timer_expired: match self.below(2) {
                0 => TimerExpired::Ignored,
                _ => TimerExpired::Backup { other: Priority::new(self.byte(1, 254)) },
            },
            notify: self.notify(),
        }
    }

    fn authentication(&mut self, v2: bool, interval: Duration) -> Option<Authentication> {
        match self.below(4) {
            0 if v2 => Some(Authentication::Pass(self.password())),
            1 if v2 => Some(Authentication::Ah(self.password())),
            2 => {
                let keys: BTreeMap<u8, Vec<u8>> = (0..=self.below(3))
                    .map(|_| {
                        let length = self.pick(&[32, 40, 64]);
                        (self.byte(1, 255), (0..length).map(|_| self.byte(0, 255)).collect())
                    })
                    .collect();
                let given = Duration::from_secs(u64::from(self.number(1, 300)));
                Some(Authentication::Hmac(AuthHmac {
                    active: *keys.keys().next_back().unwrap(),
                    keys,
                    anti_replay: self.pick(&[AntiReplay::Time, AntiReplay::Monotonic]),
                    window: if self.coin() {
                        given
                    } else {
                        (interval * 3).max(Duration::from_secs(5))
                    },
                    mode: self.pick(&[
                        HmacMode::Enforce,
                        HmacMode::Permissive,
                        HmacMode::ReceiveOnly,
                    ]),
                }))
            }
            _ => None,
        }
    }

    /// Octets that are text, with zeros in it.
    fn password(&mut self) -> [u8; 8] {
        let length = self.below(9);
        let mut password = [0; 8];
        password.iter_mut().take(length).for_each(|octet| *octet = self.byte(0, 127));
        password
    }

    fn unicast(&mut self, family: Family) -> Unicast {
        let peers: Vec<UnicastPeer> = (0..self.below(4))
            .map(|n| {
                let last = u8::try_from(n + 1).unwrap();
                let address = match family {
                    Family::V4 => IpAddr::from([10, 8, 8, last]),
                    Family::V6 => {
                        IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 8, last.into()))
                    }
                };
                let ttl =
                    if self.coin() { 0..=255 } else { self.byte(0, 100)..=self.byte(100, 255) };
                UnicastPeer { address, ttl }
            })
            .collect();
        let limited = peers.iter().any(|peer| peer.ttl != (0..=255));
        Unicast {
            peers,
            ttl: self.option(|g| g.byte(1, 255)),
            check_source: limited || self.coin(),
        }
    }

    fn address(&mut self, family: Family, number: usize) -> VirtualAddress {
        let last = u8::try_from(number + 1).unwrap();
        let plain = VirtualAddress {
            address: IpAddr::from([10, 1, 1, last]),
            prefix: self.byte(0, 32),
            device: self.option(|_| "eth7".to_owned()),
            broadcast: None,
            scope: 0,
            label: None,
            detect_duplicates: false,
            options: AddressOptions::default(),
            span: Default::default(),
        };
        if family == Family::V6 {
            let first = if number == 0 { 0xfe80 } else { 0x2001 };
            let address = IpAddr::from(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 1, last.into()));
            return VirtualAddress {
                address,
                prefix: self.byte(0, 128),
                detect_duplicates: self.coin(),
                options: AddressOptions {
                    preferred_lifetime: self.option(|g| g.seconds(u32::MAX)),
                    home: self.coin(),
                    temporary_parent: self.coin(),
                    no_prefix_route: self.coin(),
                    autojoin: self.coin(),
                    tracking: self.pick(&[Tracking::On, Tracking::Off]),
                    ..AddressOptions::default()
                },
                ..plain
            };
        }
        let broadcast = match self.below(4) {
            0 if plain.prefix <= 30 => Some(Broadcast::HostBitsSet),
            1 if plain.prefix <= 30 => Some(Broadcast::HostBitsClear),
            2 => Some(Broadcast::Address(Ipv4Addr::new(10, 1, 1, 255))),
            _ => None,
        };
        let label = self.option(|_| "eth7:1".to_owned());
        VirtualAddress { broadcast, scope: self.pick(&[0, 253, 254, 200, 7]), label, ..plain }
    }

    fn virtual_mac(&mut self, unicast: bool) -> VirtualMac {
        VirtualMac {
            mac: [2, self.byte(0, 255), 0, 0, 0, 1],
            name: self.option(|_| "group".to_owned()),
            adverts_from_base: unicast || self.coin(),
        }
    }

    fn garp(&mut self) -> Garp {
        Garp {
            repeat: self.number(1, 0x7fff_ffff),
            delay: self.seconds(4294),
            refresh: self.seconds(4294),
            refresh_repeat: self.number(1, u32::MAX),
            lower_prio_repeat: self.number(0, 0x7fff_ffff),
            lower_prio_delay: self.seconds(4294),
            rfc4861_pacing: self.coin(),
            ..Garp::default()
        }
    }
}
