//! Scheduling classes of threads.
#![expect(unsafe_code, reason = "no crate wraps sched_setattr")]

use std::{io, mem::size_of, time::Duration};

/// How the kernel schedules a thread (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// SCHED_DEADLINE: at least `runtime` in every `period`, before all other classes, and more of
    /// what no other such thread has reserved (SCHED_FLAG_RECLAIM, Linux 4.13).
    Deadline {
        /// At least 1024 ns, at most `period`.
        runtime: Duration,
        /// At most four seconds (`sched_deadline_period_max_us`).
        period: Duration,
    },
    /// SCHED_FIFO, priority 1-99.
    Fifo {
        /// Higher ones go first.
        priority: u8,
    },
    /// SCHED_OTHER, nice -20 to 19.
    Normal {
        /// Lower ones get more.
        nice: i8,
    },
}

/// Moves the calling thread into `class`. What it creates does not inherit a class above normal.
///
/// EPERM without CAP_SYS_NICE, and for a deadline also when the thread may not run on all processors
/// of its root domain; EBUSY when others have reserved too much; EINVAL where the kernel does not
/// know the class.
pub fn set_class(class: Class) -> io::Result<()> {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let mut attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: 0,
        sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    let policy = match class {
        Class::Deadline { runtime, period } => {
            attributes.sched_flags |= libc::SCHED_FLAG_RECLAIM as u64;
            attributes.sched_runtime = nanos(runtime);
            attributes.sched_deadline = nanos(period);
            attributes.sched_period = nanos(period);
            libc::SCHED_DEADLINE
        }
        Class::Fifo { priority } => {
            attributes.sched_priority = priority.into();
            libc::SCHED_FIFO
        }
        Class::Normal { nice } => {
            attributes.sched_nice = nice.into();
            libc::SCHED_OTHER
        }
    };
    attributes.sched_policy = policy.cast_unsigned();
    // SAFETY: the kernel reads one sched_attr, whose size is in it; thread 0 is the calling one, and
    // 0 the only value for the flags.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
