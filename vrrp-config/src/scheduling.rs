//! How the daemon's thread of deadlines is scheduled: keepalived's keywords and ours.

use std::{ops::RangeInclusive, time::Duration};

use super::{Policy, Scheduling, diagnostic::Findings, parser::Statement, values};

/// The choices of `xdp_pulse_policy`.
pub(super) const POLICIES: [(&str, Policy); 3] =
    [("deadline", Policy::Deadline), ("fifo", Policy::Fifo), ("nice", Policy::Nice)];

/// More processors than that no mask of the kernel's has room for.
const CPUS: i64 = 1024;

/// One line of `global_defs`, if it is about scheduling.
pub(super) fn apply(statement: &Statement, scheduling: &mut Scheduling, findings: &mut Findings) {
    match statement.keyword() {
        "xdp_pulse_policy" => {
            let policy = values::choice(statement, &POLICIES, "the line is ignored", findings);
            scheduling.policy = policy.unwrap_or(scheduling.policy);
        }
        "xdp_pulse_budget" => {
            scheduling.budget = number(statement, 1..=95, findings).or(scheduling.budget);
        }
        "vrrp_rt_priority" => {
            scheduling.priority = number(statement, 1..=99, findings).or(scheduling.priority);
        }
        "vrrp_priority" => {
            scheduling.nice = number(statement, -20..=19, findings).or(scheduling.nice);
        }
        "vrrp_rlimit_rttime" | "vrrp_rlimit_rtime" => {
            let micros = number(statement, 1..=i64::from(u32::MAX), findings);
            scheduling.rttime = micros.map(Duration::from_micros).or(scheduling.rttime);
        }
        "vrrp_cpu_affinity" => {
            let keyword = statement.keyword();
            let cpus = statement.arguments().iter().filter_map(|word| {
                values::integer(word, keyword, 0..=CPUS - 1, "it is left out", findings)
            });
            scheduling.cpus = cpus.filter_map(|cpu| u16::try_from(cpu).ok()).collect();
        }
        "vrrp_no_swap" => scheduling.no_swap = true,
        _ => {}
    }
}

fn number<T: TryFrom<i64>>(
    statement: &Statement,
    range: RangeInclusive<i64>,
    findings: &mut Findings,
) -> Option<T> {
    let word = values::argument(statement)?;
    let value = values::integer(word, statement.keyword(), range, "the line is ignored", findings)?;
    T::try_from(value).ok()
}
