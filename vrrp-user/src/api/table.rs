//! `xvrrp status` for people.

use super::RouterStatus;

const COLUMNS: usize = 9;
const HEADINGS: [&str; COLUMNS] =
    ["NAME", "INTERFACE", "VRID", "VERSION", "STATE", "PRIORITY", "ACTIVE ROUTER", "SINCE", "XDP"];

/// One row per virtual router under a line of headings, in aligned columns. Every line ends in a
/// newline.
pub fn table(routers: &[RouterStatus]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(routers.iter().map(row));

    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }

    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<_> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(router: &RouterStatus) -> [String; COLUMNS] {
    let priority = if router.effective_priority == router.priority {
        router.priority.to_string()
    } else {
        format!("{} of {}", router.effective_priority, router.priority)
    };
    let active_router =
        router.active_router.map_or_else(|| "-".to_owned(), |address| address.to_string());
    [
        router.name.clone(),
        router.interface.clone(),
        router.vrid.to_string(),
        router.version.to_string(),
        router.state.name().to_owned(),
        priority,
        active_router,
        router.since.clone(),
        router.xdp_mode.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{State, status::tests::example};

    /// `xvrrp status`: one row per virtual router.
    #[test]
    fn aligned_columns() {
        let backup = RouterStatus {
            name: "a_longer_name".to_owned(),
            interface: "br0".to_owned(),
            vrid: 7,
            state: State::Backup,
            effective_priority: 90,
            active_router: None,
            xdp_mode: "none".to_owned(),
            ..example()
        };
        assert_eq!(
            table(&[example(), backup]),
            "\
NAME           INTERFACE  VRID  VERSION  STATE   PRIORITY   ACTIVE ROUTER  SINCE                     XDP
VI_1           eth0       51    3        MASTER  150        192.0.2.2      1970-01-01T00:00:00.000Z  generic
a_longer_name  br0        7     3        BACKUP  90 of 150  -              1970-01-01T00:00:00.000Z  none
"
        );
    }

    /// `xvrrp status`: a daemon without virtual routers has headings only.
    #[test]
    fn no_routers() {
        assert_eq!(table(&[]).lines().count(), 1);
    }
}
