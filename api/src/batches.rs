//! As many items must be in work as two of the largest batches need on every instance: while one batch runs, the next one fills.

use anyhow::{Result, bail};
use models::Lane;
use pipeline::config::QueueConfig;
use workers::minimum_permits;

use crate::{role::is_embedded, services::Services};

/// The fewest items in flight with which the loaded models' batches can fill. Fails when the broker would hand this process fewer.
pub fn minimum(services: &Services) -> Result<usize> {
    let config = &services.config;
    if !is_embedded(&config.queue.url) {
        let texts = minimum_of(services, |name| config.pipeline.text_models.iter().any(|model| model == name))?;
        let pictures = minimum_of(services, |name| config.pipeline.picture_models.iter().any(|model| model == name))?;
        let problems = prefetch_problems(&config.queue, services.role.lanes(), texts, pictures);
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
    }
    minimum_of(services, |_| true)
}

fn minimum_of(services: &Services, wanted: impl Fn(&str) -> bool) -> Result<usize> {
    let mut sizes = Vec::new();
    for model in services.engine.models().iter().filter(|model| wanted(&model.name)) {
        let spec = services.engine.spec(&model.name)?;
        sizes.push((spec.batching.max_inputs, spec.instances));
    }
    Ok(minimum_permits(sizes))
}

/// `texts`, `pictures`: the fewest items in flight of each. Uploads are left out: they are large, memory limits them first.
fn prefetch_problems(queue: &QueueConfig, lanes: &[Lane], texts: usize, pictures: usize) -> Vec<String> {
    let rows = [
        (Lane::Interactive, "queue.prefetch", queue.prefetch, texts),
        (Lane::Live, "queue.live_prefetch", queue.live_prefetch, pictures),
    ];
    let short =
        rows.into_iter().filter(|(lane, _, prefetch, least)| lanes.contains(lane) && usize::from(*prefetch) < *least);
    short
        .map(|(_, key, prefetch, least)| {
            format!("{key} is {prefetch}, below 2 × largest batch × instances, so batches could not fill: set it to {least} or more")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_must_hand_out_enough_to_fill_batches() {
        let queue = QueueConfig { prefetch: 100, live_prefetch: 64, ..QueueConfig::default() };
        let table: [(&[Lane], usize, usize, &[&str]); 6] = [
            (&Lane::ALL, 100, 64, &[]),
            (&Lane::ALL, 101, 64, &["queue.prefetch is 100"]),
            (&Lane::ALL, 101, 65, &["queue.prefetch is 100", "queue.live_prefetch is 64"]),
            (&[Lane::Live], 101, 64, &[]),
            (&[Lane::Interactive], 101, 65, &["queue.prefetch is 100"]),
            (&[], 999, 999, &[]),
        ];
        for (lanes, texts, pictures, expected) in table {
            let problems = prefetch_problems(&queue, lanes, texts, pictures);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            assert!(problems.iter().zip(expected).all(|(problem, part)| problem.contains(part)), "{problems:?}");
        }
    }
}
