//! Latencies of a run: collected, then asked for percentiles.

use std::time::Duration;

/// Milliseconds, in the order of arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<f64>);

impl Latencies {
    pub(crate) fn add(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Nearest rank: the smallest value that at least `share` (0..=1) of all values do not exceed. `None` without values.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are small, shares 0..=1"
        )]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    }

    /// `p50 3.1 ms, p99 12 ms`, or a dash.
    pub(crate) fn sentence(&self) -> String {
        match (self.percentile(0.5), self.percentile(0.99)) {
            (Some(p50), Some(p99)) => format!("p50 {}, p99 {}", milliseconds(p50), milliseconds(p99)),
            _ => "no latency measured".to_owned(),
        }
    }
}

/// Three significant places at most: `0.42 ms`, `3.1 ms`, `120 ms`.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        v if v < 1.0 => format!("{v:.2} ms"),
        v if v < 100.0 => format!("{v:.1} ms"),
        v => format!("{v:.0} ms"),
    }
}

/// `count` per second of `elapsed`; 0 when no time went by.
pub(crate) fn rate(count: usize, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    let count = count as f64;
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { count / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(0.5), None);
        for value in [5.0, 1.0, 4.0, 2.0, 3.0] {
            latencies.add(value);
        }
        for (share, expected) in [(0.0, 1.0), (0.2, 1.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)] {
            assert_eq!(latencies.percentile(share), Some(expected), "{share}");
        }
        assert_eq!(latencies.sentence(), "p50 3.0 ms, p99 5.0 ms");
    }

    #[test]
    fn no_time_means_no_rate() {
        assert_eq!(rate(3, Duration::ZERO), 0.0);
        assert_eq!(rate(30, Duration::from_secs(2)), 15.0);
    }
}
