//! The benchmark's plumbing; its figures are nobody's concern here.

use std::{env, fs, process::Command};

use rig::output_of;

/// Issue 4, bench: run times of each kind of frame, as the difference to an empty program, go to a page
/// with a plot.
#[test]
fn a_quick_run_writes_a_page_with_a_plot() {
    let dir = env::temp_dir().join(format!("xvrrp-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["--quick", "--only", "runtime", "--out"]).arg(dir.join("page.md"));
    output_of(&mut bench).unwrap();
    let page = fs::read_to_string(dir.join("page.md")).unwrap();
    let plot = fs::read_to_string(dir.join("page/runtime-1.svg")).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    for work in ["unrelated IPv4/TCP", "absorbed advert", "answered Neighbor Solicitation"] {
        let row = page.lines().find(|line| line.starts_with(&format!("| {work}")));
        let row = row.unwrap_or_else(|| panic!("no row for {work}: {page}"));
        // Two figures, each with a median between its ends, and no column of ratios.
        assert_eq!(row.matches(" … ").count(), 2, "{row}");
        assert!(plot.contains(work), "{work} is not in the plot");
    }
    assert!(page.contains("](page/runtime-1.svg)"), "{page}");
    assert!(page.contains("--quick"), "a quick run must say so: {page}");
}
