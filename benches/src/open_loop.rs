//! Open-loop HTTP load: requests come when they come, whether the last ones were answered or not, as they do from many callers.
//!
//! A closed loop waits with its next request while the service is slow, and so forgets to measure just then (coordinated omission). Here
//! the times are drawn beforehand, and a request's latency counts from the moment at which it should have been sent.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{task::JoinSet, time::Instant};

use crate::load::{Request, Seen};

/// Draws of a number above 0 and at most 1, the same in every run.
struct Draws(u64);

impl Draws {
    /// SplitMix64.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// The moments of Poisson arrivals at `rate` per second within `length`: the gaps are exponential.
pub fn arrivals(rate: f64, length: Duration, seed: u64) -> Vec<Duration> {
    let (mut draws, mut at, mut moments) = (Draws(seed), 0.0, Vec::new());
    loop {
        at -= draws.next().ln() / rate;
        if at >= length.as_secs_f64() {
            return moments;
        }
        moments.push(Duration::from_secs_f64(at));
    }
}

/// Sends `requests` in turn, one at each of `moments`. Any other status than 2xx and 429 is an error.
pub async fn run(base: &str, requests: &Arc<Vec<Request>>, moments: &[Duration]) -> anyhow::Result<Seen> {
    let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (index, moment) in moments.iter().enumerate() {
        let due = start + *moment;
        tokio::time::sleep_until(due).await;
        let (client, base, requests) = (client.clone(), base.to_owned(), Arc::clone(requests));
        tasks.spawn(async move {
            let request = &requests[index % requests.len()];
            let response = client
                .post(format!("{base}{}", request.path))
                .header("content-type", request.content_type)
                .body(request.body.clone())
                .send()
                .await
                .context("the service did not answer")?;
            let status = response.status();
            let body = response.bytes().await?;
            match status.as_u16() {
                200..300 => Ok(Some(due.elapsed())),
                429 => Ok(None),
                _ => anyhow::bail!("{} answered {status}: {}", request.path, String::from_utf8_lossy(&body)),
            }
        });
    }
    let mut seen = Seen { answered: 0, refused: 0, elapsed: Duration::ZERO, latencies: Vec::new() };
    while let Some(answered) = tasks.join_next().await {
        match answered?? {
            Some(latency) => seen.latencies.push(latency),
            None => seen.refused += 1,
        }
    }
    seen.answered = seen.latencies.len();
    seen.elapsed = start.elapsed();
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i6_arrivals_are_as_many_and_as_irregular_as_poissons() {
        let moments = arrivals(20.0, Duration::from_secs(1000), 7);
        assert!((19_000..21_000).contains(&moments.len()), "{}", moments.len());
        assert!(moments.is_sorted());
        // Of exponential gaps, 1 − 1/e are shorter than their mean.
        let short = moments.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(50)).count();
        let share = short as f64 / moments.len() as f64;
        assert!((share - 0.632).abs() < 0.02, "{share}");
        assert_eq!(moments, arrivals(20.0, Duration::from_secs(1000), 7), "the same in every run");
    }
}
