//! `global_defs`, and what stands outside all blocks, about the daemon itself: mail, FIFOs, scripts,
//! files, reloads.

use std::{path::PathBuf, time::Duration};

use super::{
    Command, DynamicInterfaces, Fifo, Global, Hook, JsonVersion, Mail, ReloadCheck, User, code,
    diagnostic::Findings, notify, parser::Statement, scripts, values,
};

/// When `startup_script` and `shutdown_script` are killed.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// keepalived's `reload_file` without a name.
const RELOAD_FILE: &str = "/run/keepalived.reload";

/// The choices of `json_version`.
pub(super) const JSON_VERSIONS: [(&str, JsonVersion); 2] =
    [("1", JsonVersion::Array), ("2", JsonVersion::Object)];

/// The lines that belong together only when all are read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) notify: notify::Defaults,
    fifo: FifoDraft,
    vrrp_fifo: FifoDraft,
    startup: HookDraft,
    shutdown: HookDraft,
}

#[derive(Debug, Default)]
struct FifoDraft {
    file: Option<(PathBuf, Option<User>)>,
    script: Option<Command>,
}

#[derive(Debug, Default)]
struct HookDraft {
    command: Option<Command>,
    timeout: Option<Duration>,
}

impl Draft {
    /// One line of `global_defs`.
    pub(super) fn apply(&mut self, line: &Statement, global: &mut Global, findings: &mut Findings) {
        let set_switch = |place: &mut bool| *place = values::switch(line).unwrap_or(*place);
        match line.name {
            "notify_fifo" => self.fifo.set(line),
            "notify_fifo_script" => self.fifo.script = scripts::command(line, findings),
            "vrrp_notify_fifo" => self.vrrp_fifo.set(line),
            "vrrp_notify_fifo_script" => self.vrrp_fifo.script = scripts::command(line, findings),
            "fifo_write_vrrp_states_on_reload" => set_switch(&mut global.fifo_on_reload),
            "startup_script" => self.startup.command = scripts::command(line, findings),
            "shutdown_script" => self.shutdown.command = scripts::command(line, findings),
            "startup_script_timeout" => self.startup.set_timeout(line),
            "shutdown_script_timeout" => self.shutdown.set_timeout(line),
            "smtp_alert" => {
                self.notify.mail = values::switch(line).or(self.notify.mail);
            }
            "smtp_alert_vrrp" => {
                let on = values::switch(line);
                self.notify.mail_of_routers = on.or(self.notify.mail_of_routers);
            }
            "vrrp_notify_priority_changes" => {
                set_switch(&mut self.notify.priority_changes);
            }
            "script_user" => {
                global.scripts.user =
                    scripts::user(line.arguments()).or(global.scripts.user.take());
            }
            "enable_script_security" => set_switch(&mut global.scripts.security),
            "use_symlink_paths" => set_switch(&mut global.scripts.keep_symlinks),
            "set_supplementary_groups" => {
                set_switch(&mut global.scripts.supplementary_groups);
            }
            "log_unknown_vrids" => set_switch(&mut global.log_unknown_vrids),
            "enable_dbus" => set_switch(&mut global.dbus.enabled),
            "dbus_service_name" => global.dbus.service_name = text(line),
            "dbus_no_interface_name" => global.dbus.no_interface_name = text(line),
            "default_interface" => global.default_interface = text(line),
            "dynamic_interfaces" => global.dynamic_interfaces = dynamic_interfaces(line),
            _ => {
                apply_mail(line, &mut global.mail, findings);
                apply_files(line, global);
            }
        }
    }

    /// Puts together what was read.
    pub(super) fn complete(self, global: &mut Global) {
        global.fifo = self.fifo.complete();
        global.vrrp_fifo = self.vrrp_fifo.complete();
        global.startup = self.startup.complete();
        global.shutdown = self.shutdown.complete();
    }
}

impl FifoDraft {
    fn set(&mut self, line: &Statement) {
        let file = line.arguments().split_first();
        self.file = file.map(|(path, user)| (PathBuf::from(&path.text), scripts::user(user)));
    }

    fn complete(self) -> Option<Fifo> {
        let (path, user) = self.file?;
        Some(Fifo { path, user, script: self.script })
    }
}

impl HookDraft {
    fn set_timeout(&mut self, line: &Statement) {
        self.timeout = values::whole_seconds(line).or(self.timeout);
    }

    fn complete(self) -> Option<Hook> {
        Some(Hook { command: self.command?, timeout: self.timeout.unwrap_or(HOOK_TIMEOUT) })
    }
}

fn apply_mail(line: &Statement, mail: &mut Mail, findings: &mut Findings) {
    match line.name {
        "notification_email" => {
            let words = line.inner().iter().flat_map(|line| &line.words);
            mail.recipients.extend(words.map(|word| word.text.clone()));
        }
        "notification_email_from" => mail.from = text(line),
        "smtp_server" => set_server(line, mail),
        "smtp_helo_name" => mail.helo = text(line),
        "smtp_connect_timeout" => {
            let mut timeout = values::whole_seconds(line).unwrap_or(mail.timeout);
            if timeout.is_zero() {
                let message = "`smtp_connect_timeout 0`: a connection needs some time";
                findings.report(code::ZERO_INTERVAL, line.span(), message).help("1 s is used");
                timeout = Duration::from_secs(1);
            }
            mail.timeout = timeout;
        }
        "no_email_faults" => {
            mail.without_faults = values::switch(line).unwrap_or(mail.without_faults);
        }
        _ => {}
    }
}

/// `smtp_server HOST [PORT]`; with a bad port the line has no effect.
fn set_server(line: &Statement, mail: &mut Mail) {
    let port = match line.arguments().len() {
        1 => Some(25),
        _ => values::numbers(line).first().copied(),
    };
    if let (Some(host), Some(port)) = (text(line), port) {
        (mail.server, mail.port) = (host, port);
    }
}

/// What is written, and when the configuration is read again.
fn apply_files(line: &Statement, global: &mut Global) {
    let set_switch = |place: &mut bool| *place = values::switch(line).unwrap_or(*place);
    let path = values::argument(line).map(|word| PathBuf::from(&word.text));
    match line.name {
        "state_dump_file" => global.dumps.state = path,
        "stats_dump_file" => global.dumps.stats = path,
        "json_dump_file" => global.dumps.json = path,
        "json_version" => {
            let version = values::choice(line, &JSON_VERSIONS);
            global.dumps.json_version = version.unwrap_or(global.dumps.json_version);
        }
        "data_use_instance" => set_switch(&mut global.dumps.named_by_instance),
        "reload_check_config" => {
            global.reload.check = path.map_or(ReloadCheck::On, ReloadCheck::Log);
        }
        "reload_time_file" => global.reload.time_file = path,
        "reload_repeat" => global.reload.repeat = true,
        "reload_file" => global.reload.file = path.or_else(|| Some(PathBuf::from(RELOAD_FILE))),
        _ => {}
    }
}

/// `dynamic_interfaces [allow_if_changes]`.
fn dynamic_interfaces(line: &Statement) -> DynamicInterfaces {
    match values::argument(line) {
        Some(word) if word.text == "allow_if_changes" => DynamicInterfaces::AllowChanges,
        _ => DynamicInterfaces::Allowed,
    }
}

/// One line outside all blocks.
pub(super) fn apply_root(line: &Statement, global: &mut Global) {
    let process = &mut global.process;
    match line.name {
        "net_namespace" => process.net_namespace = text(line),
        "instance" => process.instance = text(line),
        "use_pid_dir" => process.use_pid_dir = true,
        "child_wait_time" => {
            process.child_wait_time =
                values::whole_seconds(line).unwrap_or(process.child_wait_time);
        }
        _ => {}
    }
}

fn text(line: &Statement) -> Option<String> {
    values::argument(line).map(|word| word.text.clone())
}
