//! Who is told of transitions: the lines of an instance or group.

use super::{Notify, diagnostic::Findings, parser::Statement, scripts, values};

/// What holds for an instance or group that does not say otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    /// `smtp_alert`.
    pub(super) mail: Option<bool>,
    /// `smtp_alert_vrrp`, which outweighs it.
    pub(super) mail_of_routers: Option<bool>,
    /// `vrrp_notify_priority_changes`.
    pub(super) priority_changes: bool,
}

/// The lines as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    given: Notify,
    mail: Option<bool>,
    priority_changes: Option<bool>,
}

impl Draft {
    /// Reads one line if it is about notification.
    pub(super) fn read(&mut self, line: &Statement, findings: &mut Findings) {
        let place = match line.name {
            "notify_master" => &mut self.given.master,
            "notify_backup" => &mut self.given.backup,
            "notify_fault" => &mut self.given.fault,
            "notify_stop" => &mut self.given.stop,
            "notify" => &mut self.given.any,
            "notify_master_rx_lower_pri" => &mut self.given.master_rx_lower_pri,
            "notify_deleted" => {
                self.given.says_deleted = true;
                &mut self.given.deleted
            }
            "smtp_alert" => {
                self.mail = values::switch(line).or(self.mail);
                return;
            }
            "notify_priority_changes" => {
                self.priority_changes = values::switch(line).or(self.priority_changes);
                return;
            }
            _ => return,
        };
        *place = scripts::command(line, findings);
    }

    pub(super) fn complete(self, defaults: &Defaults) -> Notify {
        let mail = self.mail.or(defaults.mail_of_routers).or(defaults.mail);
        Notify {
            mail: mail.unwrap_or(false),
            priority_changes: self.priority_changes.unwrap_or(defaults.priority_changes),
            ..self.given
        }
    }
}
