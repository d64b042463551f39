//! `global_defs`, and what stands outside all blocks.

use std::{fmt, net::IpAddr};

use vrrp_common::Family;

use super::{
    Text, Writer, choice,
    text::{PathText, Seconds},
};
use crate::{
    Config, DynamicInterfaces, Fifo, Garp, Global, Hook, JsonVersion, Mail, Policy, Process,
    Reload, ReloadCheck, Scheduling, global::Defaults, scheduling::POLICIES,
    values::is_local_group,
};

impl Writer<'_, '_> {
    pub(super) fn daemon(&mut self, config: &Config) -> fmt::Result {
        let Process { net_namespace, instance, use_pid_dir, child_wait_time } =
            &config.global.process;
        self.option("net_namespace", net_namespace.as_deref().map(Text))?;
        self.option("instance", instance.as_deref().map(Text))?;
        self.flag("use_pid_dir", *use_pid_dir)?;
        let wait = Seconds(*child_wait_time);
        self.unless(&Seconds(Process::default().child_wait_time), "child_wait_time", &wait)?;
        self.block("global_defs", |writer| {
            let global = &config.global;
            writer.identity(global)?;
            writer.routers(config)?;
            writer.scheduling(&global.scheduling)?;
            writer.scripts(global)?;
            writer.fifo("", global.fifo.as_ref())?;
            writer.fifo("vrrp_", global.vrrp_fifo.as_ref())?;
            writer.flag("fifo_write_vrrp_states_on_reload", global.fifo_on_reload)?;
            writer.mail(&global.mail)?;
            writer.files(global)
        })
    }

    fn identity(&mut self, global: &Global) -> fmt::Result {
        self.option("router_id", global.router_id.as_deref().map(Text))?;
        self.flag("xdp_drop_foreign", global.drop_foreign)?;
        self.flag("xdp_absorb off", global.pass_on)?;
        for (keyword, delay) in [
            ("vrrp_startup_delay", global.startup_delay),
            ("vrrp_delay_after_boot", global.delay_after_boot),
        ] {
            self.option(keyword, Some(Seconds(delay)).filter(|_| !delay.is_zero()))?;
        }
        match global.dynamic_interfaces {
            DynamicInterfaces::Never => {}
            DynamicInterfaces::Allowed => self.line("dynamic_interfaces")?,
            DynamicInterfaces::AllowChanges => self.line("dynamic_interfaces allow_if_changes")?,
        }
        self.option("default_interface", global.default_interface.as_deref().map(Text))?;
        self.flag("log_unknown_vrids", global.log_unknown_vrids)
    }

    /// What virtual routers cannot say for themselves.
    fn routers(&mut self, config: &Config) -> fmt::Result {
        let garp = config.instances.first().map_or_else(Garp::default, |instance| instance.garp);
        for (keyword, spacing) in
            [("vrrp_garp_interval", garp.interval), ("vrrp_gna_interval", garp.gna_interval)]
        {
            self.option(keyword, Some(Seconds(spacing)).filter(|_| !spacing.is_zero()))?;
        }
        for (keyword, family) in
            [("vrrp_mcast_group4", Family::V4), ("vrrp_mcast_group6", Family::V6)]
        {
            let default = Defaults::default().group_of(family);
            self.unless(&default, keyword, &common_group(config, family))?;
        }
        Ok(())
    }

    fn scheduling(&mut self, scheduling: &Scheduling) -> fmt::Result {
        let policy = choice(&POLICIES, &scheduling.policy);
        self.unless(&choice(&POLICIES, &Policy::default()), "xdp_pulse_policy", &policy)?;
        self.option("xdp_pulse_budget", scheduling.budget)?;
        self.option("vrrp_rt_priority", scheduling.priority)?;
        self.option("vrrp_priority", scheduling.nice)?;
        self.option("vrrp_rlimit_rttime", scheduling.rttime.map(|time| time.as_micros()))?;
        let cpus: Vec<String> = scheduling.cpus.iter().map(u16::to_string).collect();
        self.option("vrrp_cpu_affinity", Some(cpus.join(" ")).filter(|cpus| !cpus.is_empty()))?;
        self.flag("vrrp_no_swap", scheduling.no_swap)
    }

    fn scripts(&mut self, global: &Global) -> fmt::Result {
        let rules = &global.scripts;
        self.option("script_user", rules.user.as_ref())?;
        self.flag("enable_script_security", rules.security)?;
        self.flag("use_symlink_paths", rules.keep_symlinks)?;
        self.flag("set_supplementary_groups", rules.supplementary_groups)?;
        for (keyword, hook) in
            [("startup_script", &global.startup), ("shutdown_script", &global.shutdown)]
        {
            if let Some(Hook { command, timeout }) = hook {
                self.value(keyword, command)?;
                self.value(&format!("{keyword}_timeout"), Seconds(*timeout))?;
            }
        }
        Ok(())
    }

    fn fifo(&mut self, prefix: &str, fifo: Option<&Fifo>) -> fmt::Result {
        let Some(Fifo { path, user, script }) = fifo else {
            return Ok(());
        };
        let path = PathText(path);
        let user = user.as_ref().map_or(String::new(), |user| format!(" {user}"));
        self.line(format_args!("{prefix}notify_fifo {path}{user}"))?;
        self.option(&format!("{prefix}notify_fifo_script"), script.as_ref())
    }

    fn mail(&mut self, mail: &Mail) -> fmt::Result {
        let default = Mail::default();
        self.words("notification_email", &mail.recipients)?;
        self.option("notification_email_from", mail.from.as_deref().map(Text))?;
        let server = |mail: &Mail| format!("{} {}", Text(&mail.server), mail.port);
        self.unless(&server(&default), "smtp_server", &server(mail))?;
        self.option("smtp_helo_name", mail.helo.as_deref().map(Text))?;
        let timeout = Seconds(mail.timeout);
        self.unless(&Seconds(default.timeout), "smtp_connect_timeout", &timeout)?;
        self.flag("no_email_faults", mail.without_faults)
    }

    fn files(&mut self, global: &Global) -> fmt::Result {
        let Reload { check, time_file, repeat, file } = &global.reload;
        match check {
            ReloadCheck::Off => {}
            ReloadCheck::On => self.line("reload_check_config")?,
            ReloadCheck::Log(path) => self.value("reload_check_config", PathText(path))?,
        }
        self.flag("reload_repeat", *repeat)?;
        for (keyword, path) in [
            ("reload_time_file", time_file),
            ("reload_file", file),
            ("state_dump_file", &global.dumps.state),
            ("stats_dump_file", &global.dumps.stats),
            ("json_dump_file", &global.dumps.json),
        ] {
            self.option(keyword, path.as_deref().map(PathText))?;
        }
        self.flag("json_version 2", global.dumps.json_version == JsonVersion::Object)?;
        self.flag("data_use_instance", global.dumps.named_by_instance)?;
        self.flag("enable_dbus", global.dbus.enabled)?;
        let names = [
            ("dbus_service_name", &global.dbus.service_name),
            ("dbus_no_interface_name", &global.dbus.no_interface_name),
        ];
        names
            .into_iter()
            .try_for_each(|(keyword, name)| self.option(keyword, name.as_deref().map(Text)))
    }
}

/// The group that virtual routers of a family have from `global_defs`: of those that cannot have one
/// of their own, as they use unicast, or as `mcast_dst_ip` takes link-local groups only.
pub(super) fn common_group(config: &Config, family: Family) -> IpAddr {
    let mut own = config.instances.iter().filter(|instance| instance.family() == family);
    let common =
        own.find(|instance| instance.unicast.is_some() || !is_local_group(&instance.group));
    common.map_or_else(|| Defaults::default().group_of(family), |instance| instance.group)
}
