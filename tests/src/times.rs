//! Measured times of several runs.

/// Milliseconds, one value per run, sorted.
#[derive(Clone, Debug)]
pub struct Times(Vec<f64>);

impl Times {
    /// From the values in any order.
    pub fn new(times: impl Iterator<Item = f64>) -> Self {
        let mut times: Vec<_> = times.collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// From the smallest to the largest.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    /// The smallest; NaN of nothing.
    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The middle value, of an even number the mean of the two in the middle, of nothing NaN.
    pub fn median(&self) -> f64 {
        let (lower, upper) = (self.0.len().saturating_sub(1) / 2, self.0.len() / 2);
        let at = |index: usize| self.0.get(index).copied().unwrap_or(f64::NAN);
        f64::midpoint(at(lower), at(upper))
    }

    /// The largest; NaN of nothing.
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// How many are at most `limit`.
    pub fn within(&self, limit: f64) -> usize {
        self.iter().filter(|time| *time <= limit).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(values: &[f64]) -> Times {
        Times::new(values.iter().copied())
    }

    /// Issue 2: minimum, median and maximum of the runs.
    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(times(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(times(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        let one = times(&[7.0]);
        assert_eq!((one.min(), one.median(), one.max()), (7.0, 7.0, 7.0));
    }

    /// Issue 2: a run exactly at the limit is within it.
    #[test]
    fn the_limit_is_included() {
        assert_eq!(times(&[1.0, 2.0, 2.5]).within(2.0), 2);
    }
}
