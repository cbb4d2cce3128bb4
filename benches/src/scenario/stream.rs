//! A stream of chat as people write it: most of it clean, some of it sent before. What does judging it cost, against sending
//! every text through an encoder?

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{EMBED_ONLY, ENCODER, Setting, check_requests, embed_requests};
use crate::{
    load::{self, Request},
    report::Report,
    service::{Service, Setup},
    workload::texts,
};

const CONNECTIONS: usize = 32;

/// CPU time per text of the service with its default text models, and of the encoder alone.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("stream");
    let texts = texts::messages(&setting.datasets)?;
    let different: HashSet<&String> = texts.iter().collect();
    report.figure("texts", vec![texts.len() as f64]);
    report.figure("of them sent before, %", vec![100.0 * (1.0 - different.len() as f64 / texts.len() as f64)]);
    // A dry run, so that neither side writes: what is compared is judging. Pictures play no part.
    let judged = Arc::new(check_requests("/v1/check?dry_run=true", &texts));
    let encoded = Arc::new(embed_requests(&texts, "base64"));
    let defaults = [("CHAPERONE_PIPELINE__PICTURE_MODELS", "[]")];
    let models = setting.text_models()?;
    let models: Vec<&str> = models.iter().map(String::as_str).chain([ENCODER]).collect();
    let (mut ours, mut encoder) = (Vec::new(), Vec::new());
    for _ in 0..setting.rounds {
        // A new process each time: what it remembers of the stream is only what the stream itself repeats.
        let setup = Setup { binary: &setting.binary, models: &models, core: Some(0), environment: &defaults };
        ours.push(cost(&setup, &judged, None).await?);
        let setup = Setup { binary: &setting.binary, models: &[ENCODER], core: Some(0), environment: &EMBED_ONLY };
        // One pass of the encoder would take minutes.
        encoder.push(cost(&setup, &encoded, Some(Duration::from_secs(2 * setting.seconds))).await?);
    }
    let ours = report.figure("the default text models and policy over HTTP: CPU µs per text", ours);
    let encoder = report.figure("every text through the encoder over HTTP: CPU µs per text", encoder);
    report.goal("at least 10 × the encoder-only path", encoder / ours, encoder / ours >= 10.0);
    Ok(report)
}

async fn cost(setup: &Setup<'_>, requests: &Arc<Vec<Request>>, length: Option<Duration>) -> anyhow::Result<f64> {
    let service = Service::start(setup)?;
    let cpu = service.cpu_time()?;
    let seen = load::run(service.url(), requests, CONNECTIONS, length).await?;
    Ok((service.cpu_time()? - cpu).as_secs_f64() * 1e6 / seen.answered as f64)
}
