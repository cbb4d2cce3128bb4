//! How long to wait before the next try. Pure: the random part is passed in.

use std::time::Duration;

/// Doubles from `first` up to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait after the first failure.
    pub first: Duration,
    /// Longest wait ever.
    pub most: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 for the first). `jitter` in 0..1 spreads callers that failed together over the upper
    /// half of the wait, so that they do not come back together.
    pub fn wait(self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.most);
        full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

/// Randomness for jitter, injected: a test passes a constant.
#[derive(Clone)]
pub struct Jitter(std::sync::Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// From the thread's random generator.
    pub fn random() -> Self {
        Self::from_fn(fastrand::f64)
    }

    /// From `draw`, which answers numbers in 0..1.
    pub fn from_fn(draw: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(draw))
    }

    /// The next number in 0..1.
    pub fn draw(&self) -> f64 {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(3600) };
        for (failures, jitter, seconds) in [
            (0, 1.0, 1.0),
            (1, 1.0, 1.0),
            (1, 0.0, 0.5),
            (2, 1.0, 2.0),
            (3, 0.5, 3.0),
            (11, 1.0, 1024.0),
            (12, 1.0, 2048.0),
            (13, 1.0, 3600.0),
            (u32::MAX, 1.0, 3600.0),
            (1, 7.0, 1.0),
        ] {
            let wait = backoff.wait(failures, jitter);
            assert_eq!(wait, Duration::from_secs_f64(seconds), "after {failures} failures, jitter {jitter}");
        }
    }

    #[test]
    fn random_jitter_is_in_range_and_varies() {
        let jitter = Jitter::random();
        let draws: Vec<f64> = (0..100).map(|_| jitter.draw()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!(draws.iter().any(|draw| (draw - draws[0]).abs() > 1e-6));
    }
}
