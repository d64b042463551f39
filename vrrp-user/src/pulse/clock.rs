//! The clock that pulse, kernel program and timer share.

use rustix::time::{ClockId, clock_gettime};

use crate::election::Instant;

/// CLOCK_MONOTONIC, which is what `bpf_ktime_get_ns` reads.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is ever negative on this clock.
    Instant::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}
