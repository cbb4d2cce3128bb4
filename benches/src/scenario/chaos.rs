//! Two workers over RabbitMQ and PostgreSQL, one of them killed every two seconds, both servers restarted once: what is lost?

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use pipeline::{Lane, item::Item, queue::Queue};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::Setting;
use crate::{
    cluster::{Cluster, Fleet, pause},
    ledger::{Ledger, Performed, listen},
    mixture,
    report::Report,
};

/// Models of the workers.
pub const FAKES: &[&str] = &["fake:embed-minilm", "fake:toxicity-minilm", "fake:nsfw-mobilenet", "fake:nsfw-inception"];
/// Items in one publish call: as a chat service would send them.
const CHUNK: usize = 100;
/// Texts among them that end the process that judges them.
const POISON: usize = 2;
/// Nothing new for so long: what is missing by then is lost.
const PATIENCE: Duration = Duration::from_secs(90);

/// How hard it is made.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Items published, poison not counted.
    pub items: usize,
    /// Time between two kills.
    pub kill_every: Duration,
    /// Milliseconds that judging a picture takes.
    pub picture_ms: u8,
    /// Restart RabbitMQ and PostgreSQL as well, once each.
    pub restart_servers: bool,
    /// Name of the report.
    pub name: &'static str,
}

/// Runs the experiment.
pub async fn run(setting: &Setting, plan: Plan) -> anyhow::Result<Report> {
    let mut report = Report::new(plan.name);
    let cluster = Arc::new(Cluster::start(setting).await?);
    let queue = cluster.publisher().await?;
    let fleet = Arc::new(Fleet::start(&cluster, 2, FAKES, &[])?);
    fleet.ready().await?;
    let (sender, performed) = watch::channel(Performed::default());
    let exchange = format!("{}.events", cluster.queue_config().prefix);
    let _platform = AbortOnDropHandle::new(tokio::spawn(listen(cluster.rabbitmq.url().to_owned(), exchange, sender)));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let started = Instant::now();
    let publisher = tokio::spawn(publish(queue.clone(), plan));
    let killer = AbortOnDropHandle::new(tokio::spawn(kill(Arc::clone(&fleet), plan.kill_every)));
    let store = cluster.store().await?;
    let mut ledger = Ledger::default();
    let (mut last, mut progress) = (0, Instant::now());
    let (mut rabbitmq_restarted, mut postgres_restarted) = (!plan.restart_servers, !plan.restart_servers);
    let finished = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ledger.read(&*store).await;
        let judged = ledger.judged.len();
        if judged > last {
            (last, progress) = (judged, Instant::now());
        }
        if !rabbitmq_restarted && judged >= plan.items / 3 {
            rabbitmq_restarted = true;
            restart(&cluster, |cluster| &cluster.rabbitmq).await?;
        }
        if !postgres_restarted && judged >= plan.items * 2 / 3 {
            postgres_restarted = true;
            restart(&cluster, |cluster| &cluster.postgres).await?;
        }
        if judged >= plan.items || progress.elapsed() > PATIENCE {
            break started.elapsed();
        }
    };
    let published = publisher.await??;
    drop(killer);
    let dead = await_poison(&*queue, &published.poison).await;
    let performed = settle(&mut ledger, &*store, performed).await;

    tabulate(&mut report, &published, &ledger, &performed, dead);
    report.figure("workers started (kills and poison included)", vec![fleet.starts() as f64]);
    let restarted = if plan.restart_servers { u8::from(rabbitmq_restarted) + u8::from(postgres_restarted) } else { 0 };
    report.figure("servers restarted", vec![f64::from(restarted)]);
    report.figure("milliseconds that a picture takes", vec![f64::from(plan.picture_ms)]);
    report.figure("items/s with all that", vec![plan.items as f64 / finished.as_secs_f64()]);
    Ok(report)
}

/// What was accepted.
struct Published {
    items: Vec<String>,
    poison: Vec<String>,
    refused: u32,
}

/// Publishes as fast as is accepted; a refused or failed call is made again with the same ids, as every publisher should.
async fn publish(queue: Arc<dyn Queue>, Plan { items, picture_ms, .. }: Plan) -> anyhow::Result<Published> {
    let mut published = Published { items: Vec::with_capacity(items), poison: Vec::new(), refused: 0 };
    for start in (0..items).step_by(CHUNK) {
        let mut chunk = mixture::items(start..(start + CHUNK).min(items), picture_ms);
        published.items.extend(chunk.iter().map(|(_, item)| item.envelope.id.to_string()));
        if published.poison.len() < POISON && start >= items / 10 * (1 + published.poison.len()) {
            let poison = mixture::poison(items + published.poison.len());
            published.poison.push(poison.1.envelope.id.to_string());
            chunk.insert(CHUNK / 2, poison);
        }
        let mut lanes: HashMap<Lane, Vec<Item>> = HashMap::new();
        for (lane, item) in chunk {
            lanes.entry(lane).or_default().push(item);
        }
        for (lane, items) in lanes {
            while let Err(error) = queue.publish(items.clone(), lane).await {
                anyhow::ensure!(error.kind() != pipeline::Kind::Invalid, "refused for good: {error}");
                published.refused += 1;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    Ok(published)
}

async fn kill(fleet: Arc<Fleet>, every: Duration) {
    for seat in 0.. {
        tokio::time::sleep(every).await;
        fleet.kill(seat);
    }
}

async fn restart(cluster: &Arc<Cluster>, which: fn(&Cluster) -> &pipeline::servers::Server) -> anyhow::Result<()> {
    let cluster = Arc::clone(cluster);
    tokio::task::spawn_blocking(move || {
        let server = which(&cluster);
        server.stop(true)?;
        pause(Duration::from_secs(1));
        server.start_again()
    })
    .await??;
    Ok(())
}

/// How many of the poison items are dead letters, once all are or patience ends.
async fn await_poison(queue: &dyn Queue, poison: &[String]) -> (usize, usize) {
    let started = Instant::now();
    loop {
        let letters = queue.dead_letters(1000).await.unwrap_or_default();
        let found = letters.iter().filter(|letter| poison.contains(&letter.id.to_string())).count();
        if found == poison.len() || started.elapsed() > PATIENCE {
            return (found, letters.len() - found);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until the platform has been told of every action.
async fn settle(
    ledger: &mut Ledger,
    store: &dyn pipeline::store::Store,
    told: watch::Receiver<Performed>,
) -> Performed {
    let started = Instant::now();
    loop {
        ledger.read(store).await;
        let actions: usize = ledger.actions.values().map(Vec::len).sum();
        if told.borrow().told.len() >= actions || started.elapsed() > PATIENCE {
            return told.borrow().clone();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn tabulate(report: &mut Report, published: &Published, ledger: &Ledger, performed: &Performed, dead: (usize, usize)) {
    let count = |number: usize| vec![number as f64];
    let lost = published.items.iter().filter(|id| !ledger.judged.contains_key(*id)).count();
    let twice = ledger.judged.values().filter(|times| **times > 1).count();
    let strangers = ledger.judged.len() + lost - published.items.len();
    let actions: usize = ledger.actions.values().map(Vec::len).sum();
    let two_actions = ledger.actions.values().filter(|ids| ids.len() > 1).count();
    let mut per_item: HashMap<&String, u32> = HashMap::new();
    performed.items.values().for_each(|item| *per_item.entry(item).or_default() += 1);
    let performed_twice = per_item.values().filter(|times| **times > 1).count();
    let untold = actions.saturating_sub(performed.told.len());
    report.figure("items accepted", count(published.items.len()));
    report.figure("publish calls that had to be made again", vec![f64::from(published.refused)]);
    report.figure("items judged", count(ledger.judged.len()));
    report.figure("actions decided", count(actions));
    report.figure("actions performed by the platform", count(performed.told.len()));
    report.figure("stray duplicates of action events, ignored by their id", vec![f64::from(performed.duplicates())]);
    let goals = [
        ("items lost: 0", lost),
        ("items judged that nobody sent: 0", strangers),
        ("items with two outcomes: 0", twice),
        ("items with two actions: 0", two_actions),
        ("items with two actions performed: 0", performed_twice),
        ("actions that the platform was not told of: 0", untold),
        ("neighbours among the dead letters: 0", dead.1),
    ];
    for (goal, reached) in goals {
        report.goal(goal, reached as f64, reached == 0);
    }
    report.goal("poison texts among the dead letters: all", dead.0 as f64, dead.0 == published.poison.len());
}
