//! What was measured, before it is written down.

use rig::Times;

/// One kind of work with all its figures.
pub(crate) struct Section {
    /// File name of its plots, and its name on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What is done and what the figures are.
    pub(crate) text: String,
    pub(crate) tables: Vec<Table>,
}

/// One figure, for several amounts of work.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    /// Who or what is compared, a column each.
    pub(crate) subjects: [&'static str; 2],
    /// Whether the first divided by the second says something.
    pub(crate) ratio: bool,
    /// Whether the figures are of so many magnitudes that the plot needs a logarithmic axis.
    pub(crate) logarithmic: bool,
    pub(crate) rows: Vec<Row>,
}

/// One amount of work.
pub(crate) struct Row {
    pub(crate) work: String,
    /// What each subject needed; nothing where it was not measured.
    pub(crate) figures: [Option<Times>; 2],
    /// Share of the processors that others used meanwhile, at worst.
    pub(crate) foreign: f64,
}

/// A machine with more foreign load than this was not quiet.
const QUIET: f64 = 0.15;

impl Row {
    pub(crate) fn is_quiet(&self) -> bool {
        self.foreign <= QUIET
    }

    /// Median of the first subject divided by that of the second, where both are positive.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let [Some(first), Some(second)] = &self.figures else { return None };
        let (first, second) = (first.median(), second.median());
        (first >= 0.0 && second > 0.0).then(|| first / second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figures: [Option<f64>; 2], foreign: f64) -> Row {
        let figures = figures.map(|value| value.map(|value| Times::new([value].into_iter())));
        Row { work: String::new(), figures, foreign }
    }

    /// Issue 4, bench: a row is marked when the machine was not quiet.
    #[test]
    fn more_than_fifteen_percent_of_foreign_load_are_not_quiet() {
        assert!(row([None, None], 0.15).is_quiet());
        assert!(!row([None, None], 0.151).is_quiet());
    }

    /// Issue 4, bench: ratios are ours divided by keepalived's, and none where one is missing.
    #[test]
    fn a_ratio_needs_two_figures() {
        assert_eq!(row([Some(1.0), Some(4.0)], 0.0).ratio(), Some(0.25));
        assert_eq!(row([Some(1.0), None], 0.0).ratio(), None);
        assert_eq!(row([Some(1.0), Some(0.0)], 0.0).ratio(), None);
        assert_eq!(row([Some(-1.0), Some(-4.0)], 0.0).ratio(), None);
    }
}
