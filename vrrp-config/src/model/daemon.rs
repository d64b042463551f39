//! The daemon as a process: its namespace, its files, its reloads.

use std::{path::PathBuf, time::Duration};

/// Keywords outside all blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// `net_namespace`: where everything happens.
    pub net_namespace: Option<String>,
    /// `instance`: tells several daemons of one namespace apart.
    pub instance: Option<String>,
    /// `use_pid_dir`: pid files are in a directory of their own.
    pub use_pid_dir: bool,
    /// `child_wait_time`: how long a stop waits, 5 s.
    pub child_wait_time: Duration,
}

impl Default for Process {
    fn default() -> Self {
        let child_wait_time = Duration::from_secs(5);
        Self { net_namespace: None, instance: None, use_pid_dir: false, child_wait_time }
    }
}

/// `dynamic_interfaces`: whether interfaces may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DynamicInterfaces {
    /// They have to be there.
    #[default]
    Never,
    /// They may come and go.
    Allowed,
    /// `allow_if_changes`: and come back as something else.
    AllowChanges,
}

/// What is written on request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dumps {
    /// `state_dump_file`; `None` for the default.
    pub state: Option<PathBuf>,
    /// `stats_dump_file`; `None` for the default.
    pub stats: Option<PathBuf>,
    /// `json_dump_file`; `None` for the default.
    pub json: Option<PathBuf>,
    /// `json_version`.
    pub json_version: JsonVersion,
    /// `data_use_instance`: names of instance and namespace are part of the file names.
    pub named_by_instance: bool,
}

/// `json_version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonVersion {
    /// 1: an array of virtual routers.
    #[default]
    Array,
    /// 2: an object with the virtual routers and the tracked processes.
    Object,
}

/// When and how the configuration is read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// `reload_check_config`: a bad configuration is not taken over.
    pub check: ReloadCheck,
    /// `reload_time_file`: has the time of the next reload in it.
    pub time_file: Option<PathBuf>,
    /// `reload_repeat`: the file stays when the time has come.
    pub repeat: bool,
    /// `reload_file`: is there while the configuration is being read.
    pub file: Option<PathBuf>,
}

/// `reload_check_config [LOG]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReloadCheck {
    /// Not asked for.
    #[default]
    Off,
    /// Asked for.
    On,
    /// What is found goes into this file.
    Log(PathBuf),
}

/// D-Bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dbus {
    /// `enable_dbus`.
    pub enabled: bool,
    /// `dbus_service_name`; `None` for org.keepalived.Vrrp1.
    pub service_name: Option<String>,
    /// `dbus_no_interface_name`: stands for the interface where there is none.
    pub no_interface_name: Option<String>,
}
