//! Whatever a configuration contains, there is an end to reading it. How long that takes and how
//! much memory it needs is measured by `cargo xtask bench --only check`.

use rig::configurations::nasty;
use xvrrp::config;

/// More remarks than this are not made about one file, the last of which says that there are more.
const REMARKS: usize = 1001;

/// Issue 5: a mebibyte of the worst comes to an end, with a bounded number of remarks, each of which
/// has its place and can be drawn.
#[test]
fn the_worst_has_an_end() {
    for (name, text) in nasty() {
        let loaded = config::parse("nasty.conf", text.as_bytes());
        assert!(loaded.diagnostics.len() <= REMARKS, "{name}: {}", loaded.diagnostics.len());
        for diagnostic in &loaded.diagnostics {
            let length = loaded.sources.text(diagnostic.span.file).len();
            let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
            assert!(start <= end && end <= length, "{name}: {diagnostic:?}");
        }
        // A line is drawn for each, and long ones are not drawn.
        let drawn = loaded.render(false).len();
        assert!(drawn <= loaded.diagnostics.len() * 16_384, "{name}: {drawn} bytes");
    }
}
