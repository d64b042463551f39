//! The clock that pulse, kernel program and timer share, and that of the world.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::election::Instant;

/// CLOCK_MONOTONIC, which is what `bpf_ktime_get_ns` reads.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is ever negative on this clock.
    Instant::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// Time since 1970, which other hosts know, too; zero before.
pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
