//! How the daemon's thread of deadlines is scheduled: keepalived's keywords and ours.

use std::time::Duration;

use super::{Policy, Scheduling, parser::Statement, values};

/// The choices of `xdp_pulse_policy`.
pub(super) const POLICIES: [(&str, Policy); 3] =
    [("deadline", Policy::Deadline), ("fifo", Policy::Fifo), ("nice", Policy::Nice)];

/// One line of `global_defs`, if it is about scheduling.
pub(super) fn apply(statement: &Statement, scheduling: &mut Scheduling) {
    match statement.name {
        "xdp_pulse_policy" => {
            scheduling.policy = values::choice(statement, &POLICIES).unwrap_or(scheduling.policy);
        }
        "xdp_pulse_budget" => {
            scheduling.budget = values::number(statement).or(scheduling.budget);
        }
        "vrrp_rt_priority" => {
            scheduling.priority = values::number(statement).or(scheduling.priority);
        }
        "vrrp_priority" => scheduling.nice = values::number(statement).or(scheduling.nice),
        "vrrp_rlimit_rttime" => {
            let micros = values::number(statement).map(Duration::from_micros);
            scheduling.rttime = micros.or(scheduling.rttime);
        }
        "vrrp_cpu_affinity" => scheduling.cpus = values::numbers(statement),
        "vrrp_no_swap" => scheduling.no_swap = true,
        _ => {}
    }
}
