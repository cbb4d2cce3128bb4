//! The story in time: three conversations, a call with two cameras, then as much as one machine takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::item::ItemId;
use tokio::sync::mpsc;

use super::{
    bundle::{Bundle, FrameScript, Line},
    client::Client,
    ledger::{Judged, Ledger},
};
use crate::cli::latency::Latencies;

/// Name of the demo's call.
pub(super) const CALL: &str = "demo-call";
/// What labels begin with whose score is of a message together with its author's last ones.
pub(super) const CONTEXT: &str = "context.";
/// Time between two chat messages when somebody watches.
const TEXT_EVERY: Duration = Duration::from_millis(220);
/// The call begins this long after the chat.
const CALL_AFTER: Duration = Duration::from_secs(2);
/// Texts per request of the burst.
const BURST_BATCH: usize = 16;
/// Requests of the burst in progress at once.
const BURST_REQUESTS: usize = 32;

/// One judged item, as the table shows it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) who: String,
    pub(super) item: String,
    pub(super) judged: Judged,
    /// A harmless photo that the small model is known to suspect.
    pub(super) misjudged: bool,
    /// A harmless picture against the demo's own rule.
    pub(super) forbidden: bool,
}

impl Row {
    /// Flagged for what it says together with the messages before it, not for itself.
    pub(super) fn by_context(&self) -> bool {
        self.judged.flagged && self.judged.scores.first().is_some_and(|(label, _)| label.starts_with(CONTEXT))
    }
}

/// One thing that is sent at its time.
enum Cue {
    Text(Line),
    Frame(FrameScript),
}

/// Plays chat and call; every judged item goes to `rows`. `paced`: slowly enough to be watched.
pub(super) async fn story(
    bundle: &Bundle,
    client: &Client,
    ledger: &Ledger,
    paced: bool,
    rows: mpsc::Sender<Row>,
) -> Result<()> {
    client.start_call(CALL, &bundle.call.participants).await?;
    let began = Instant::now();
    let tracks = tracks(bundle).into_iter().map(|track| {
        let (client, ledger, rows) = (client.clone(), ledger.clone(), rows.clone());
        let pace = paced.then_some(began);
        async move {
            for (at, cue) in track {
                if let Some(began) = pace {
                    tokio::time::sleep_until((began + at).into()).await;
                }
                let (row, disconnected) = perform(&client, &ledger, cue).await?;
                // The table has been closed: the demo has failed elsewhere.
                if rows.send(row).await.is_err() || disconnected {
                    break;
                }
            }
            Ok::<_, anyhow::Error>(())
        }
    });
    futures::future::try_join_all(tracks).await?;
    client.end_call(CALL).await
}

/// One track per conversation and per camera: inside a track, the next item is sent when the last one is judged, as people write
/// and cameras show one thing after another.
fn tracks(bundle: &Bundle) -> Vec<Vec<(Duration, Cue)>> {
    let mut tracks: Vec<(String, Vec<(Duration, Cue)>)> = Vec::new();
    let mut add = |key: String, at: Duration, cue: Cue| match tracks.iter_mut().find(|(known, _)| *known == key) {
        Some((_, track)) => track.push((at, cue)),
        None => tracks.push((key, vec![(at, cue)])),
    };
    for (number, line) in (0..).zip(&bundle.lines) {
        add(format!("chat {}", line.conversation), TEXT_EVERY * number, Cue::Text(line.clone()));
    }
    for frame in &bundle.call.frames {
        add(
            format!("camera {}", frame.actor),
            CALL_AFTER + Duration::from_millis(frame.at_ms),
            Cue::Frame(frame.clone()),
        );
    }
    tracks.into_iter().map(|(_, track)| track).collect()
}

/// Sends one thing and waits for its verdict. The flag says that the person was disconnected: then the platform ends their part
/// of the call.
async fn perform(client: &Client, ledger: &Ledger, cue: Cue) -> Result<(Row, bool)> {
    let id = ItemId::new();
    let waiting = ledger.expect(id);
    match cue {
        Cue::Text(line) => {
            client.text(id, &line).await?;
            let judged = waiting.verdict().await?;
            Ok((
                Row { kind: "text", who: line.actor, item: line.text, judged, misjudged: false, forbidden: false },
                false,
            ))
        }
        Cue::Frame(frame) => {
            client.frame(CALL, &frame.actor, id, &frame.file, frame.photo()).await?;
            let judged = waiting.verdict().await?;
            let disconnected = judged.action == "disconnect";
            if disconnected {
                client.leave_call(CALL, &frame.actor).await?;
            }
            Ok((
                Row {
                    kind: "frame",
                    who: frame.actor,
                    item: frame.file,
                    judged,
                    misjudged: frame.misjudged,
                    forbidden: frame.forbidden,
                },
                disconnected,
            ))
        }
    }
}

/// `count` texts as fast as the service takes them; their latencies and the time for all.
pub(super) async fn burst(
    bundle: &Bundle,
    client: &Client,
    ledger: &Ledger,
    count: usize,
) -> Result<(Latencies, Duration)> {
    let texts: Vec<(ItemId, String)> =
        combinations(&bundle.lines).take(count).map(|text| (ItemId::new(), text)).collect();
    ensure!(texts.len() == count, "a burst holds at most {} texts", texts.len());
    let began = Instant::now();
    let batches = texts.chunks(BURST_BATCH).map(Ok::<_, anyhow::Error>);
    let judged: Vec<Vec<Judged>> = stream::iter(batches)
        .map_ok(|batch| async move {
            let waiting: Vec<_> = batch.iter().map(|(id, _)| ledger.expect(*id)).collect();
            client.texts(batch).await?;
            stream::iter(waiting).then(super::ledger::Waiting::verdict).try_collect().await
        })
        .try_buffer_unordered(BURST_REQUESTS)
        .try_collect()
        .await?;
    let elapsed = began.elapsed();
    let mut latencies = Latencies::default();
    judged.iter().flatten().for_each(|judged| latencies.add(judged.latency_ms));
    Ok((latencies, elapsed))
}

/// Two lines in a row make a text that nobody has sent before: the service cannot answer from its memory of texts.
fn combinations(lines: &[Line]) -> impl Iterator<Item = String> {
    lines.iter().flat_map(move |first| lines.iter().map(move |second| format!("{} {}", first.text, second.text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_keeps_the_order_of_its_conversation_or_camera() {
        let bundle = Bundle::load().unwrap();
        let tracks = tracks(&bundle);
        assert_eq!(tracks.len(), 3 + 2, "three conversations, two cameras");
        assert_eq!(tracks.iter().map(Vec::len).sum::<usize>(), bundle.lines.len() + bundle.call.frames.len());
        for track in &tracks {
            assert!(track.is_sorted_by_key(|(at, _)| *at));
            assert!(track.last().is_some_and(|(at, _)| *at < Duration::from_secs(20)), "a person can watch it");
        }
    }

    #[test]
    fn the_burst_repeats_no_text() {
        let bundle = Bundle::load().unwrap();
        let texts: std::collections::HashSet<String> = combinations(&bundle.lines).collect();
        assert_eq!(texts.len(), 3600);
    }
}
