//! Measurement: `cargo nextest run --release --workspace --run-ignored only --no-capture -E 'test(measure_throughput)'`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use models::Lane;

use super::broker::corner;
use crate::{
    item::Item,
    queue::{Queue, contract::texts},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_throughput() {
    for (name, per_call, calls, publishers) in
        [("one item per call", 1, 4_000, 32), ("256 items per call", 256, 400, 8), ("100 items per call", 100, 600, 16)]
    {
        let mut corner = corner().await;
        corner.config.interactive_capacity = 1_000_000;
        let queue = corner.open_with(&[Lane::Interactive]).await;
        let work: Vec<Vec<Vec<Item>>> =
            (0..publishers).map(|_| (0..calls / publishers).map(|_| texts(per_call)).collect()).collect();
        let total = per_call * (calls / publishers) * publishers;
        let start = Instant::now();
        let publishing = work.into_iter().map(|calls| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                for items in calls {
                    queue.publish(items, Lane::Interactive).await.unwrap();
                }
            })
        });
        let publishing = futures::future::join_all(publishing.collect::<Vec<_>>());
        let consuming = async {
            let mut in_flight = tokio::task::JoinSet::new();
            for _ in 0..total {
                let delivery = queue.receive().await.unwrap();
                in_flight.spawn(delivery.ack());
                while let Some(done) = in_flight.try_join_next() {
                    done.unwrap().unwrap();
                }
            }
            while let Some(done) = in_flight.join_next().await {
                done.unwrap().unwrap();
            }
            start.elapsed()
        };
        let published = async {
            publishing.await;
            start.elapsed()
        };
        let (published, consumed) = tokio::join!(published, consuming);
        let rate = |took: Duration| f64::from(u32::try_from(total).unwrap()) / took.as_secs_f64();
        println!(
            "{name}: published {:.0}/s, published and consumed {:.0}/s ({total} items)",
            rate(published),
            rate(consumed)
        );
        drop(queue);
        corner.sweep().await;
    }
}
