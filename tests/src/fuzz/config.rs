//! The configuration: any bytes, with all that they include and produce, have an end, and each
//! diagnostic has a place in one of the files.

use std::{path::PathBuf, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use xvrrp::config::{self, Memory, Surroundings, Verdict};

use super::Seeds;

/// What a mebibyte may take of a processor, and what any file may, on a machine that does other
/// things, too.
const PER_MEBIBYTE: Duration = Duration::from_secs(1);
const AT_LEAST: Duration = Duration::from_secs(1);
/// One in how many inputs has its diagnostics drawn.
const DRAWN: u8 = 64;
/// Stands between the files of an input: UTF-8 has no such byte.
const BETWEEN: u8 = 0xff;
/// The files behind the first, which it may include.
const OTHERS: [&str; 3] = ["a.conf", "parts/b.conf", "parts/c.conf"];
/// Longer files are slow to read, and contain nothing that short ones do not.
const LONGEST_SEED: usize = 1500;

pub(super) fn check(input: &[u8]) {
    let mut files = input.split(|octet| *octet == BETWEEN);
    let text = files.next().unwrap_or_default();
    let others = OTHERS.iter().map(PathBuf::from).zip(files.map(<[u8]>::to_vec));
    let host = Memory { files: others.collect(), ..Memory::default() };

    let begin = processor_time();
    let loaded = config::parse_in("fuzz.conf", text, Surroundings { id: "one", host: &host });
    let taken = processor_time() - begin;
    let allowed = AT_LEAST + PER_MEBIBYTE.mul_f64(input.len() as f64 / f64::from(1 << 20));
    assert!(taken < allowed, "{taken:?} for {} bytes", input.len());

    assert_eq!(loaded.config.is_none(), loaded.verdict() == Verdict::CannotRun);
    for diagnostic in &loaded.diagnostics {
        let length = loaded.sources.text(diagnostic.span.file).len();
        let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
        assert!(start <= end && end <= length, "{diagnostic:?}");
    }
    // Drawing takes most of the time, and is another's work.
    if input.iter().fold(0, |sum: u8, octet| sum.wrapping_add(*octet)).is_multiple_of(DRAWN) {
        let drawn = loaded.render(false);
        assert!(loaded.diagnostics.iter().all(|diagnostic| drawn.contains(diagnostic.code)));
    }
}

/// What this thread has had of its processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// The shorter ones of the files that the tests of the configuration use, and some that consist of
/// several.
pub(super) fn seeds(seeds: &Seeds) -> Vec<Vec<u8>> {
    let short = seeds.configurations.iter().filter(|text| text.len() <= LONGEST_SEED);
    short.cloned().chain(SEVERAL.map(|files| files.join(&BETWEEN))).collect()
}

const SEVERAL: [&[&[u8]]; 3] = [
    &[
        b"include a.conf\ninclude parts/*.conf\n",
        b"global_defs {\n    router_id a\n    include parts/b.conf\n}\n",
        b"vrrp_version 3\n",
        b"vrrp_instance C {\n    interface eth0\n    virtual_router_id 1\n}\n",
    ],
    &[
        b"include_check +readable match\n@one includem {a,parts/{b,c}}.conf\n@^one include x\n",
        b"include fuzz.conf\ninclude a.conf\ninclude ../a.conf\n",
        b"includeb c.conf\n",
        b"include [bc].conf\n",
    ],
    &[
        b"$A=1\n$B=\\\nvrrp_instance V${A} {\\\n    priority ${A}0\\\n}\ninclude a.conf\n",
        b"~SEQ(I, 1, 3) ~LST((J, K), (1, 2), (3, 4)) a$B ${I} ${J} ${K}\n$B\n",
    ],
];
