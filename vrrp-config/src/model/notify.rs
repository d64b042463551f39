//! Who is told of transitions: scripts, FIFOs, mail.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Place;

/// A program with its arguments. It is run as it is, without a shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments, at least one word.
    pub argv: Vec<String>,
    /// Whose rights it has; `None` for those of [`ScriptRules::user`].
    pub user: Option<User>,
    /// Where the command stands.
    #[serde(skip)]
    pub span: Place,
}

/// `USER [GROUP]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct User {
    /// The user.
    pub user: Account,
    /// The group; `None` for the user's own.
    pub group: Option<Account>,
}

/// A user or group of the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Account {
    /// Its name.
    Name(String),
    /// Its number.
    Id(u32),
}

impl User {
    /// Whether it is root, by name or number.
    pub fn is_root(&self) -> bool {
        match &self.user {
            Account::Name(name) => name == "root",
            Account::Id(id) => *id == 0,
        }
    }
}

/// What is told of one virtual router or group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify`: for each of them and after them, with four more arguments: INSTANCE or GROUP, the
    /// name, the state, the priority.
    pub any: Option<Command>,
    /// `notify_deleted SCRIPT`, of virtual routers only.
    pub deleted: Option<Command>,
    /// `notify_deleted`: a virtual router that a reload removes is said to be DELETED, not in FAULT.
    pub says_deleted: bool,
    /// `notify_master_rx_lower_pri`, of virtual routers only: as Active, a losing advert was heard.
    pub master_rx_lower_pri: Option<Command>,
    /// `notify_priority_changes`: FIFOs are told of changes of the priority. A group has it for its
    /// members.
    pub priority_changes: bool,
    /// `smtp_alert`: mail at each transition.
    pub mail: bool,
}

impl Notify {
    /// Every command in it.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let Self { master, backup, fault, stop, any, deleted, master_rx_lower_pri, .. } = self;
        [master, backup, fault, stop, any, deleted, master_rx_lower_pri].into_iter().flatten()
    }
}

/// Mail: who gets it, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `notification_email`, empty for no mail.
    pub recipients: Vec<String>,
    /// `notification_email_from`; `None` for keepalived at this host.
    pub from: Option<String>,
    /// `smtp_server`: name or address, 127.0.0.1.
    pub server: String,
    /// Its port, 25.
    pub port: u16,
    /// `smtp_helo_name`; `None` for the name of this host.
    pub helo: Option<String>,
    /// `smtp_connect_timeout`, 30 s.
    pub timeout: Duration,
    /// `no_email_faults`: FAULT is not worth a mail.
    pub without_faults: bool,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            recipients: Vec::new(),
            from: None,
            server: "127.0.0.1".to_owned(),
            port: 25,
            helo: None,
            timeout: Duration::from_secs(30),
            without_faults: false,
        }
    }
}

/// `notify_fifo` or `vrrp_notify_fifo`: each transition is a line in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fifo {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub user: Option<User>,
    /// `notify_fifo_script`: reads it, and has its path as the last argument.
    pub script: Option<Command>,
}

/// Whose rights scripts have, and which are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRules {
    /// `script_user`; `None` for keepalived_script if there is such a user, else our own rights.
    pub user: Option<User>,
    /// `enable_script_security`: nothing is run as root that others may write to.
    pub security: bool,
    /// `use_symlink_paths`: symbolic links are not resolved.
    pub keep_symlinks: bool,
    /// `set_supplementary_groups`: of the user.
    pub supplementary_groups: bool,
}

/// `startup_script` or `shutdown_script`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What is run, and awaited.
    pub command: Command,
    /// When it is killed, 10 s.
    pub timeout: Duration,
}
