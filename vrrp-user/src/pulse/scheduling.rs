//! The scheduling class of the pulse. Under two busy SCHED_FIFO tasks a SCHED_DEADLINE thread wakes
//! within a fifth of a millisecond, where SCHED_FIFO, which the kernel throttles as one, is 50 ms
//! late, and a normal thread a second.

use std::{fmt, fs, io, time::Duration};

use rustix::{
    process::{Resource, Rlimit, setrlimit},
    thread::{CapabilitySet, CpuSet, capabilities, sched_getaffinity, sched_setaffinity},
};

use crate::{
    config::{self, Policy},
    sys::sched::{Class, set_class},
};

/// The period of the budget: the shortest interval of adverts, in which each virtual router sends
/// one.
const PERIOD: Duration = Duration::from_millis(10);
/// What the pulse needs in any case.
const BASE: Duration = Duration::from_micros(250);
/// What it may need for an advert: twice the most that was measured, through a bridge with two
/// listeners in the sender's own time. A network card takes a fraction of it.
const PER_ADVERT: Duration = Duration::from_micros(10);
/// The largest share of a processor that is reserved of our own accord.
const MOST: u32 = 80;
/// SCHED_FIFO without `vrrp_rt_priority`.
const FIFO_PRIORITY: u8 = 50;
/// Without `vrrp_priority`, where there is no better class.
const NICE: i8 = -20;

/// The class that the pulse got, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// The class.
    pub class: Class,
    /// What was wished for and could not be had, each with its reason and its consequence.
    pub warnings: Vec<String>,
}

/// As in `sched_deadline, 0.35 of 10 ms`, `sched_fifo, priority 50`, `normal, nice -20`.
impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |span: Duration| span.as_secs_f64() * 1e3;
        match self.class {
            Class::Deadline { runtime, period } => {
                write!(f, "sched_deadline, {:.2} of {:.0} ms", ms(runtime), ms(period))
            }
            Class::Fifo { priority } => write!(f, "sched_fifo, priority {priority}"),
            Class::Normal { nice } => write!(f, "normal, nice {nice}"),
        }
    }
}

/// The processor time that is reserved in each [`PERIOD`] for virtual routers with these intervals,
/// as if all were Active: no more than [`MOST`] percent, a burst of slow routers is not counted.
pub(super) fn budget(intervals: impl Iterator<Item = Duration>) -> Duration {
    let adverts: f64 = intervals.map(|interval| PERIOD.div_duration_f64(interval)).sum();
    (BASE + PER_ADVERT.mul_f64(adverts)).min(PERIOD * MOST / 100)
}

/// Puts the calling thread into the best class that `wish` and the system allow, with `budget` as
/// [`budget()`] has it.
pub(super) fn apply(wish: &config::Scheduling, budget: Duration) -> Scheduling {
    let mut warnings = Vec::new();
    if let Some(error) = bind(&wish.cpus).err() {
        warnings.push(format!("vrrp_cpu_affinity has no effect: {error}"));
    }
    let standing = Standing { may_rise: may_rise(), is_bound: is_bound() };
    let class = choose(wish, budget, set_class, standing, &mut warnings);
    if let (Class::Fifo { .. }, Some(limit)) = (class, wish.rttime) {
        let micros = u64::try_from(limit.as_micros()).ok();
        let limit = Rlimit { current: micros, maximum: micros };
        if let Err(error) = setrlimit(Resource::Rttime, limit) {
            warnings.push(format!("vrrp_rlimit_rttime has no effect: {error}"));
        }
    }
    Scheduling { class, warnings }
}

/// What the kernel looks at besides its own.
#[derive(Clone, Copy)]
struct Standing {
    /// There is CAP_SYS_NICE.
    may_rise: bool,
    /// Some processor is forbidden to the thread.
    is_bound: bool,
}

/// Goes down the classes until `set` accepts one.
fn choose(
    wish: &config::Scheduling,
    budget: Duration,
    set: impl Fn(Class) -> io::Result<()>,
    standing: Standing,
    warnings: &mut Vec<String>,
) -> Class {
    if wish.policy == Policy::Deadline {
        let runtime = wish.budget.map_or(budget, |percent| PERIOD * u32::from(percent) / 100);
        let class = Class::Deadline { runtime, period: PERIOD };
        match set(class) {
            Ok(()) => return class,
            Err(error) => warnings.push(format!(
                "no SCHED_DEADLINE for the pulse, {}: busy SCHED_FIFO tasks can delay adverts and \
                 takeovers by 50 ms and more",
                why(&error, standing),
            )),
        }
    }
    if wish.policy != Policy::Nice {
        let class = Class::Fifo { priority: wish.priority.unwrap_or(FIFO_PRIORITY) };
        match set(class) {
            Ok(()) => return class,
            Err(error) => warnings.push(format!(
                "no SCHED_FIFO for the pulse, {}: any busy task can delay adverts and takeovers",
                why(&error, standing),
            )),
        }
    }
    let nice = wish.nice.unwrap_or(NICE);
    let class = Class::Normal { nice };
    match set(class) {
        Ok(()) => class,
        Err(error) => {
            warnings.push(format!("no nice {nice} for the pulse, {}", why(&error, standing)));
            Class::Normal { nice: 0 }
        }
    }
}

/// What stands behind an error of sched_setattr.
fn why(error: &io::Error, standing: Standing) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if !standing.may_rise => {
            "which needs CAP_SYS_NICE".to_owned()
        }
        Some(libc::EPERM) if standing.is_bound => {
            "which the kernel grants only to who may run on all processors, and vrrp_cpu_affinity \
             or the affinity of whoever started us forbids it"
                .to_owned()
        }
        Some(libc::EBUSY) => {
            "since other tasks have reserved too much, see xdp_pulse_budget".to_owned()
        }
        _ => format!("which the kernel refuses ({error})"),
    }
}

fn may_rise() -> bool {
    // A kernel that does not tell has been asked by doing.
    capabilities(None).map_or(true, |own| own.effective.contains(CapabilitySet::SYS_NICE))
}

/// Restricts the calling thread to these processors, if any are given.
fn bind(cpus: &[u16]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set((*cpu).into());
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Whether the calling thread is kept from some processor that is online.
fn is_bound() -> bool {
    let Ok(own) = sched_getaffinity(None) else { return false };
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    processors(&online).any(|cpu| !own.is_set(cpu))
}

/// The numbers in a list such as `0-3,8`.
fn processors(list: &str) -> impl Iterator<Item = usize> {
    list.trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => first..(last + 1).min(CpuSet::MAX_CPU),
            _ => 0..0,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A kernel that refuses with these errors, in their order, and then accepts.
    fn refusing(errors: &[i32]) -> impl Fn(Class) -> io::Result<()> {
        let errors = RefCell::new(errors.iter().copied());
        move |_| match errors.borrow_mut().next() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }

    const FREE: Standing = Standing { may_rise: true, is_bound: false };

    fn choose_with(
        wish: &config::Scheduling,
        errors: &[i32],
        standing: Standing,
    ) -> (Class, Vec<String>) {
        let mut warnings = Vec::new();
        let class = choose(wish, MS, refusing(errors), standing, &mut warnings);
        (class, warnings)
    }

    /// Issue 4: the budget grows with the adverts per second up to a limit, whoever sends them.
    #[test]
    fn budgets() {
        let of = |count, interval| budget(std::iter::repeat_n(interval, count));
        assert_eq!(of(0, MS), Duration::from_micros(250));
        assert_eq!(of(1, MS * 1000), Duration::from_nanos(250_100));
        assert_eq!(of(255, MS * 10), Duration::from_micros(2800));
        assert_eq!(of(1020, MS * 10), MS * 8);
    }

    /// Issue 4, keywords `xdp_pulse_policy`, `xdp_pulse_budget`, `vrrp_rt_priority`, `vrrp_priority`:
    /// what is wished for is taken without a word.
    #[test]
    fn wishes() {
        let wish = config::Scheduling::default();
        let deadline = |runtime| Class::Deadline { runtime, period: MS * 10 };
        assert_eq!(choose_with(&wish, &[], FREE), (deadline(MS), vec![]));
        let wish = config::Scheduling { budget: Some(30), ..wish };
        assert_eq!(choose_with(&wish, &[], FREE), (deadline(MS * 3), vec![]));
        let wish = config::Scheduling { policy: Policy::Fifo, priority: Some(7), ..wish };
        assert_eq!(choose_with(&wish, &[], FREE), (Class::Fifo { priority: 7 }, vec![]));
        let wish = config::Scheduling { policy: Policy::Nice, nice: Some(-5), ..wish };
        assert_eq!(choose_with(&wish, &[], FREE), (Class::Normal { nice: -5 }, vec![]));
    }

    /// Issue 4: what cannot be had is replaced by the next best, with a warning that says why and
    /// what is lost.
    #[test]
    fn fallbacks() {
        let wish = config::Scheduling::default();
        let (class, warnings) =
            choose_with(&wish, &[libc::EPERM], Standing { is_bound: true, ..FREE });
        assert_eq!(class, Class::Fifo { priority: 50 });
        assert!(warnings[0].contains("vrrp_cpu_affinity") && warnings[0].contains("50 ms"));
        let (class, warnings) = choose_with(&wish, &[libc::EBUSY], FREE);
        assert_eq!(class, Class::Fifo { priority: 50 });
        assert!(warnings[0].contains("xdp_pulse_budget"), "{warnings:?}");
        let (class, warnings) = choose_with(&wish, &[libc::EINVAL, libc::EINVAL], FREE);
        assert_eq!((class, warnings.len()), (Class::Normal { nice: -20 }, 2));
        let all = [libc::EPERM, libc::EPERM, libc::EACCES];
        let (class, warnings) = choose_with(&wish, &all, Standing { may_rise: false, ..FREE });
        assert_eq!((class, warnings.len()), (Class::Normal { nice: 0 }, 3));
        assert!(warnings.iter().all(|warning| warning.contains("CAP_SYS_NICE")), "{warnings:?}");
    }

    /// Issue 4: lists of processors as the kernel writes them.
    #[test]
    fn lists_of_processors() {
        for (list, expected) in
            [("0-1\n", vec![0, 1]), ("0,2-3\n", vec![0, 2, 3]), ("7", vec![7]), ("\n", vec![])]
        {
            assert_eq!(processors(list).collect::<Vec<_>>(), expected);
        }
    }
}
