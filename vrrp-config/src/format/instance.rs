//! `vrrp_instance`.

use std::{fmt, time::Duration};

use vrrp_common::{Family, ladder::Believe};

use super::{
    Text, Writer, choice,
    daemon::common_group,
    text::{Padded, Seconds},
};
use crate::{
    AntiReplay, AuthHmac, Authentication, ChecksumForm, Config, ExtraGarp, Garp, HmacMode,
    InitialState, Instance, TimerExpired, Unicast, VirtualMac, XdpMode,
    auth::default_window,
    global::{CHECKSUMS, XDP_MODES},
};

impl Writer<'_, '_> {
    pub(super) fn instance(&mut self, instance: &Instance, config: &Config) -> fmt::Result {
        self.block(format_args!("vrrp_instance {}", Text(&instance.name)), |writer| {
            writer.line(match instance.state {
                InitialState::Master => "state MASTER",
                InitialState::Backup => "state BACKUP",
            })?;
            writer.value("interface", Text(&instance.interface))?;
            writer.value("virtual_router_id", instance.vrid.get())?;
            writer.value("priority", instance.priority.get())?;
            writer.value("version", instance.version.number())?;
            writer.value("advert_int", Seconds(instance.interval.duration()))?;
            writer.addresses(instance)?;
            writer.where_to(instance, config)?;
            writer.authentication(instance)?;
            writer.election(instance)?;
            writer.garp(&instance.garp, instance.extra_garp)?;
            writer.virtual_mac(instance)?;
            writer.extensions(instance)?;
            writer.flag("dont_track_primary", instance.ignores_interface)?;
            writer.flag("track_src_ip", instance.tracks_source)?;
            writer.flag("promote_secondaries", instance.promote_secondaries)?;
            writer.tracking(&instance.tracking)?;
            writer.notify(&instance.notify)
        })
    }

    fn addresses(&mut self, instance: &Instance) -> fmt::Result {
        self.flag("no_virtual_ipaddress", instance.addresses.is_empty())?;
        self.list("virtual_ipaddress", &instance.addresses)?;
        self.list("virtual_ipaddress_excluded", &instance.excluded)?;
        self.list("virtual_routes", &instance.routes)?;
        self.list("virtual_rules", &instance.rules)
    }

    /// The group or the peers that adverts go to, and their source.
    fn where_to(&mut self, instance: &Instance, config: &Config) -> fmt::Result {
        let keyword = if instance.unicast.is_some() { "unicast_src_ip" } else { "mcast_src_ip" };
        self.option(keyword, instance.source)?;
        if let Some(unicast) = &instance.unicast {
            self.unicast(unicast)?;
        }
        let common = common_group(config, instance.family());
        let peers = instance.unicast.as_ref().is_some_and(|unicast| !unicast.peers.is_empty());
        let says_family = !instance.addresses.is_empty() || instance.source.is_some() || peers;
        let hidden = instance.family() == Family::V6 && !says_family;
        let own = instance.unicast.is_none() && instance.group != common;
        self.option("mcast_dst_ip", Some(instance.group).filter(|_| own || hidden))
    }

    fn unicast(&mut self, unicast: &Unicast) -> fmt::Result {
        if unicast.peers.is_empty() {
            self.line("unicast_fault_no_peer")?;
        } else {
            self.block("unicast_peer", |writer| {
                unicast.peers.iter().try_for_each(|peer| {
                    let (min, max) = (*peer.ttl.start(), *peer.ttl.end());
                    let mut line = peer.address.to_string();
                    if min > 0 {
                        line += &format!(" min_ttl {min}");
                    }
                    if max < 255 {
                        line += &format!(" max_ttl {max}");
                    }
                    writer.line(line)
                })
            })?;
        }
        self.option("unicast_ttl", unicast.ttl)?;
        self.flag("check_unicast_src", unicast.check_source)
    }

    fn authentication(&mut self, instance: &Instance) -> fmt::Result {
        let (kind, password) = match &instance.authentication {
            None => return Ok(()),
            Some(Authentication::Pass(password)) => ("PASS", password),
            Some(Authentication::Ah(password)) => ("AH", password),
            Some(Authentication::Hmac(hmac)) => {
                let window = default_window(instance.interval.duration());
                return self.block("auth_hmac", |writer| writer.hmac(hmac, window));
            }
        };
        self.block("authentication", |writer| {
            writer.value("auth_type", kind)?;
            writer.value("auth_pass", Padded(password))
        })
    }

    fn hmac(&mut self, hmac: &AuthHmac, window: Duration) -> fmt::Result {
        for (number, key) in &hmac.keys {
            let digits: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
            self.line(format_args!("key {number} hex:{digits}"))?;
        }
        self.value("active_key", hmac.active)?;
        self.flag("anti_replay monotonic", hmac.anti_replay == AntiReplay::Monotonic)?;
        self.unless(&Seconds(window), "time_window", &Seconds(hmac.window))?;
        match hmac.mode {
            HmacMode::Enforce => Ok(()),
            HmacMode::Permissive => self.line("mode permissive"),
            HmacMode::ReceiveOnly => self.line("mode receive-only"),
        }
    }

    fn election(&mut self, instance: &Instance) -> fmt::Result {
        self.flag("nopreempt", !instance.preempt)?;
        let delay = Seconds(instance.preempt_delay);
        self.unless(&Seconds(Duration::ZERO), "preempt_delay", &delay)?;
        self.unless(&3, "down_timer_adverts", &instance.down_timer_adverts)?;
        self.flag("lower_prio_no_advert", instance.lower_prio_no_advert)?;
        self.flag("higher_prio_send_advert", instance.higher_prio_send_advert)?;
        self.flag("skip_check_adv_addr", instance.skip_check_adv_addr)?;
        self.flag("v3_checksum_as_v2", instance.checksum == ChecksumForm::MessageOnly)?;
        self.flag("owner_ignore_adverts", instance.owner_ignores)?;
        self.flag("no_accept", !instance.accept)?;
        match instance.timer_expired {
            TimerExpired::Ignored => Ok(()),
            TimerExpired::Backup { other } => self.value("timer_expired_backup", other.get()),
        }
    }

    fn garp(&mut self, garp: &Garp, extra: Option<ExtraGarp>) -> fmt::Result {
        let default = Garp::default();
        for (keyword, default, value) in [
            ("garp_master_repeat", default.repeat, garp.repeat),
            ("garp_master_refresh_repeat", default.refresh_repeat, garp.refresh_repeat),
            ("garp_lower_prio_repeat", garp.repeat, garp.lower_prio_repeat),
        ] {
            self.unless(&default, keyword, &value)?;
        }
        for (keyword, default, value) in [
            ("garp_master_delay", default.delay, garp.delay),
            ("garp_master_refresh", default.refresh, garp.refresh),
            ("garp_lower_prio_delay", garp.delay, garp.lower_prio_delay),
        ] {
            self.unless(&Seconds(default), keyword, &Seconds(value))?;
        }
        self.option("garp_extra_if", extra)?;
        self.flag("xdp_gna_pacing", garp.rfc4861_pacing)
    }

    fn virtual_mac(&mut self, instance: &Instance) -> fmt::Result {
        let Some(VirtualMac { mac, name, adverts_from_base }) = &instance.virtual_mac else {
            return Ok(());
        };
        let standard = match instance.family() {
            Family::V4 => instance.vrid.mac_ipv4(),
            Family::V6 => instance.vrid.mac_ipv6(),
        };
        let mut line = "use_vmac".to_owned();
        if let Some(name) = name {
            line += &format!(" name {}", Text(name));
        }
        if *mac != standard {
            let octets: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
            line += &format!(" {}", octets.join(":"));
        }
        self.line(line)?;
        self.flag("vmac_xmit_base", *adverts_from_base)
    }

    fn extensions(&mut self, instance: &Instance) -> fmt::Result {
        let believe = choice(&CHECKSUMS, &instance.believe);
        self.unless(&choice(&CHECKSUMS, &Believe::default()), "xdp_believe_checksum", &believe)?;
        self.flag("xdp_no_accept", instance.accept_in_program)?;
        self.flag("xdp_orphan serve-until-peer", instance.serves_on)?;
        let mode = choice(&XDP_MODES, &instance.xdp_mode);
        self.unless(&choice(&XDP_MODES, &XdpMode::Auto), "xdp_mode", &mode)
    }
}
