//! What can be tracked, what is tracked, groups, and who is told.

use std::fmt::{self, Display};

use super::{
    Text, Writer,
    text::{PathText, Seconds},
};
use crate::{
    Config, Notify, Parameters, Script, SyncGroup, TrackLists, TrackProcess, Tracked, Weight,
    trackers::DEFAULT_OF_FILES, tracking,
};

impl Writer<'_, '_> {
    pub(super) fn trackers(&mut self, config: &Config) -> fmt::Result {
        config.bfd.iter().try_for_each(|bfd| self.line(bfd))?;
        for script in &config.scripts {
            let head = format_args!("vrrp_script {}", Text(&script.name));
            self.block(head, |writer| writer.script(script))?;
        }
        for process in &config.track_processes {
            let head = format_args!("vrrp_track_process {}", Text(&process.name));
            self.block(head, |writer| writer.process(process))?;
        }
        for file in &config.track_files {
            self.block(format_args!("track_file {}", Text(&file.name)), |writer| {
                writer.value("file", PathText(&file.path))?;
                let default = Weight::new(DEFAULT_OF_FILES, false).unwrap_or_default();
                writer.unless(&default, "weight", &file.weight)?;
                writer.option(
                    "init_file",
                    file.init.map(|init| {
                        format!("{}{}", init.value, if init.overwrite { " overwrite" } else { "" })
                    }),
                )
            })?;
        }
        Ok(())
    }

    fn script(&mut self, script: &Script) -> fmt::Result {
        let mut command = script.command.clone();
        let user = command.user.take();
        self.value("script", command)?;
        self.option("user", user)?;
        self.value("interval", Seconds(script.interval))?;
        self.unless(&Seconds(script.interval), "timeout", &Seconds(script.timeout))?;
        self.unless(&Weight::default(), "weight", &script.weight)?;
        self.unless(&1, "rise", &script.rise.get())?;
        self.unless(&1, "fall", &script.fall.get())?;
        self.flag("init_fail", script.init_fail)
    }

    fn process(&mut self, process: &TrackProcess) -> fmt::Result {
        let none = Vec::new();
        let (matching, parameters) = match &process.parameters {
            Parameters::Any => (None, &none),
            // Without parameters it takes the keyword to say that there must be none.
            Parameters::Exact(parameters) if parameters.is_empty() => (Some("partial"), parameters),
            Parameters::Exact(parameters) => (None, parameters),
            Parameters::First(parameters) => (Some("partial"), parameters),
            Parameters::Initial(parameters) => (Some("initial"), parameters),
        };
        let words = std::iter::once(&process.process).chain(parameters);
        let words: Vec<String> = words.map(|word| Text(word).to_string()).collect();
        self.value("process", words.join(" "))?;
        self.option("param_match", matching)?;
        self.flag("full_command", process.full_command)?;
        self.unless(&Weight::default(), "weight", &process.weight)?;
        self.unless(&1, "quorum", &process.quorum)?;
        self.option("quorum_max", process.quorum_max)?;
        for (keyword, delay) in
            [("fork_delay", process.fork_delay), ("terminate_delay", process.terminate_delay)]
        {
            self.option(keyword, Some(Seconds(delay)).filter(|_| !delay.is_zero()))?;
        }
        Ok(())
    }

    pub(super) fn tracking(&mut self, lists: &TrackLists) -> fmt::Result {
        for (keyword, list) in lists.lists() {
            if list.is_empty() {
                continue;
            }
            self.block(keyword, |writer| {
                list.iter().try_for_each(|tracked| {
                    let kind = tracking::kind_of(keyword);
                    let default = kind.and_then(|kind| writer.weights.of(kind, &tracked.name));
                    writer.tracked(tracked, default.unwrap_or_default())
                })
            })?;
        }
        Ok(())
    }

    fn tracked(&mut self, tracked: &Tracked, default: Weight) -> fmt::Result {
        let (name, weight) = (Text(&tracked.name), tracked.weight);
        if weight == default {
            return self.line(name);
        }
        let no = if default.is_reversed() && !weight.is_reversed() { " noreverse" } else { "" };
        self.line(format_args!("{name} weight {weight}{no}"))
    }

    pub(super) fn sync_group(&mut self, group: &SyncGroup) -> fmt::Result {
        self.block(format_args!("vrrp_sync_group {}", Text(&group.name)), |writer| {
            writer.words("group", &group.members)?;
            writer.flag("sync_group_tracking_weight", group.member_weights)?;
            writer.tracking(&group.tracking)?;
            writer.notify(&group.notify)
        })
    }

    pub(super) fn notify(&mut self, notify: &Notify) -> fmt::Result {
        for (keyword, command) in [
            ("notify_master", &notify.master),
            ("notify_backup", &notify.backup),
            ("notify_fault", &notify.fault),
            ("notify_stop", &notify.stop),
            ("notify", &notify.any),
            ("notify_master_rx_lower_pri", &notify.master_rx_lower_pri),
            ("notify_deleted", &notify.deleted),
        ] {
            self.option(keyword, command.as_ref())?;
        }
        self.flag("notify_deleted", notify.says_deleted && notify.deleted.is_none())?;
        self.flag("notify_priority_changes", notify.priority_changes)?;
        self.flag("smtp_alert", notify.mail)
    }
}

impl Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.points(), if self.is_reversed() { " reverse" } else { "" })
    }
}
