//! Both daemons on the same work in turn.

use anyhow::Result;
use rig::{Daemon, Times};

use crate::result::{Row, Table};

/// In the order of the columns.
const DAEMONS: [Daemon; 2] = [Daemon::Xvrrp, Daemon::Keepalived];

/// What one run of one daemon gives; nothing where the daemon cannot do the work.
pub(crate) type Figures<const N: usize> = [Option<f64>; N];

/// Name and unit of a figure.
pub(crate) type Figure = (&'static str, &'static str);

/// Tables of these figures, without rows yet.
pub(crate) fn tables<const N: usize>(figures: [Figure; N], logarithmic: bool) -> [Table; N] {
    figures.map(|(title, unit)| Table {
        title: title.into(),
        unit,
        subjects: ["xvrrp", "keepalived"],
        ratio: true,
        logarithmic,
        rows: Vec::new(),
    })
}

/// Runs `one` with each daemon, `runs` times, numbered from 1, and appends a row for `work` to each
/// table. `one` gives its figures and the foreign load while they were taken.
///
/// # Errors
/// Those of `one`.
pub(crate) fn measure<const N: usize>(
    tables: &mut [Table; N],
    (section, work): (&str, &str),
    runs: u16,
    mut one: impl FnMut(Daemon, u16) -> Result<(Figures<N>, f64)>,
) -> Result<()> {
    let mut samples: [Vec<Figures<N>>; 2] = Default::default();
    let mut foreign: f64 = 0.0;
    for run in 1..=runs {
        for (samples, daemon) in samples.iter_mut().zip(DAEMONS) {
            let (figures, load) = one(daemon, run)?;
            let shown = figures.map(|it| it.map_or_else(|| "-".into(), |it| format!("{it:.2}")));
            eprintln!("{section}, {work}, run {run} of {runs}, {daemon}: {}", shown.join(", "));
            samples.push(figures);
            foreign = foreign.max(load);
        }
    }
    for (index, table) in tables.iter_mut().enumerate() {
        let figures = samples.each_ref().map(|runs| {
            let values: Vec<_> = runs.iter().filter_map(|figures| figures[index]).collect();
            (!values.is_empty()).then(|| Times::new(values.into_iter()))
        });
        table.rows.push(Row { work: work.into(), figures, foreign });
    }
    Ok(())
}
