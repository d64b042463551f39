//! The configuration: any bytes have an end, and each diagnostic has a place in the file.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use xvrrp::config::{self, Verdict};

use super::Seeds;

/// What a mebibyte may take of a processor, and what any file may, on a machine that does other
/// things, too.
const PER_MEBIBYTE: Duration = Duration::from_secs(1);
const AT_LEAST: Duration = Duration::from_secs(1);
/// One in how many inputs has its diagnostics drawn.
const DRAWN: u8 = 64;

pub(super) fn check(text: &[u8]) {
    let begin = processor_time();
    let loaded = config::parse("fuzz.conf", text);
    let taken = processor_time() - begin;
    let allowed = AT_LEAST + PER_MEBIBYTE.mul_f64(text.len() as f64 / f64::from(1 << 20));
    assert!(taken < allowed, "{taken:?} for {} bytes", text.len());

    assert_eq!(loaded.config.is_none(), loaded.verdict() == Verdict::CannotRun);
    for diagnostic in &loaded.diagnostics {
        let length = loaded.sources.text(diagnostic.span.file).len();
        let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
        assert!(start <= end && end <= length, "{diagnostic:?}");
    }
    // Drawing takes most of the time, and is another's work.
    if text.iter().fold(0, |sum: u8, octet| sum.wrapping_add(*octet)).is_multiple_of(DRAWN) {
        let drawn = loaded.render(false);
        assert!(loaded.diagnostics.iter().all(|diagnostic| drawn.contains(diagnostic.code)));
    }
}

/// What this thread has had of its processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// The files that the tests of the configuration use.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    seeds.configurations.clone()
}
