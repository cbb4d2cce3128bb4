//! The contract on a private server, and what only several processes and a server that dies can show.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use models::Lane;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};

use super::PostgresStore;
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{ItemId, ItemKind},
    servers::{self, Kind, Lease, Server},
    store::{
        Recorded, Store, connect,
        contract::{LEASE, change, claim, envelope, noon, record, text},
    },
};

/// A database of one's own on the shared server.
struct Place {
    url: String,
    _lease: Lease,
}

async fn command(url: &str, sql: &str) {
    let options: PgConnectOptions = url.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn place() -> Place {
    let lease = tokio::task::spawn_blocking(|| servers::shared(Kind::Postgres).unwrap()).await.unwrap();
    let name = format!("store_{}", ItemId::new().0.simple());
    command(&lease.url, &format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")).await;
    let url = lease.url.replace("/postgres", &format!("/{name}?connections=6"));
    Place { url, _lease: lease }
}

async fn fresh() -> (Arc<dyn Store>, Place) {
    let place = place().await;
    (connect(&place.url).await.unwrap(), place)
}

mod alone {
    crate::store::desk::contract::desk_contract!(super::fresh);
    crate::store::contract::store_contract!(super::fresh);
    crate::store::contract::store_contract!(super::fresh; i5_feedback_is_kept_and_erased_by_tenant, i5_old_feedback_expires);
    crate::store::contract::matching_contract!(super::fresh);
}

/// Reads all events as they come, until there are `count`; asserts that the numbers rise by one, so that none is missed.
async fn follow(store: Arc<dyn Store>, count: usize) -> Vec<String> {
    let (mut signal, mut last, mut keys) = (store.event_signal(), 0, Vec::new());
    while keys.len() < count {
        signal.mark_unchanged();
        let events = store.events_after(None, last, 64).await.unwrap();
        if events.is_empty() {
            tokio::time::timeout(Duration::from_secs(30), signal.changed()).await.expect("woken").unwrap();
        }
        for event in events {
            assert_eq!(event.sequence, last + 1, "a number was skipped");
            last = event.sequence;
            keys.push(event.key);
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_readers_of_two_processes_miss_no_event() {
    let place = place().await;
    let one = connect(&place.url).await.unwrap();
    let two = connect(&place.url).await.unwrap();
    let readers = [tokio::spawn(follow(Arc::clone(&one), 400)), tokio::spawn(follow(Arc::clone(&two), 400))];
    let writers = (0..16).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        tokio::spawn(async move {
            for _ in 0..25 {
                store.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Warn)).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    let [first, second] = futures::future::try_join_all(readers).await.unwrap().try_into().unwrap();
    assert_eq!(first, second, "both see the same order");
    // An event of the other process alone wakes us.
    let mut signal = two.event_signal();
    signal.mark_unchanged();
    one.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Warn)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), signal.wait_for(|last| *last == 401)).await.expect("told").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_two_processes_record_the_same_items_once() {
    let place = place().await;
    let stores = [connect(&place.url).await.unwrap(), connect(&place.url).await.unwrap()];
    let judged: Vec<_> = (0..200).map(|_| record(envelope("a", ItemKind::Text), ActionKind::Warn)).collect();
    let tasks = (0..8).map(|n| {
        let (store, mut judged) = (Arc::clone(&stores[n % 2]), judged.clone());
        judged.rotate_left(n * 25);
        tokio::spawn(async move {
            let all = judged.into_iter().map(|record| store.record_outcome(record));
            let recorded = futures::future::try_join_all(all).await.unwrap();
            recorded.into_iter().filter(|recorded| *recorded == Recorded::New).count()
        })
    });
    let news: usize = futures::future::try_join_all(tasks).await.unwrap().into_iter().sum();
    assert_eq!(news, 200);
    assert_eq!(stores[0].last_sequence().await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_two_processes_lose_no_change_of_a_participant() {
    let place = place().await;
    let stores = [connect(&place.url).await.unwrap(), connect(&place.url).await.unwrap()];
    let tasks = (0..8).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        tokio::spawn(async move {
            for turn in 0..10 {
                // Many participants in one batch, some of them contended.
                let call = format!("c{}", (n / 4 + turn) % 3);
                loop {
                    let known = store.load_participant(&"a".into(), &call[..].into(), &"ann".into()).await.unwrap();
                    let (frames, seen) = known.map_or((0, 0), |(state, version)| (state.frames, version));
                    let mut judged = record(envelope("a", ItemKind::Frame), ActionKind::Warn);
                    judged.participant = Some(change(&call, frames + 1, seen));
                    if store.record_outcome(judged).await.unwrap() == Recorded::New {
                        break;
                    }
                }
            }
        })
    });
    futures::future::try_join_all(tasks).await.unwrap();
    let mut frames = 0;
    for call in ["c0", "c1", "c2"] {
        let known = stores[0].load_participant(&"a".into(), &call.into(), &"ann".into()).await.unwrap();
        frames += known.map_or(0, |(state, _)| state.frames);
    }
    assert_eq!(frames, 80);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claimants_of_two_processes_get_each_delivery_once() {
    let place = place().await;
    let stores = [connect(&place.url).await.unwrap(), connect(&place.url).await.unwrap()];
    for _ in 0..100 {
        let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        judged.webhooks = vec![(0, "hook".into())];
        stores[0].record_outcome(judged).await.unwrap();
    }
    let claimants = (0..20).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let claimed = claim(&store, noon(), 3).await;
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|due| due.id));
            }
        })
    });
    let mut all = futures::future::try_join_all(claimants).await.unwrap().concat();
    all.extend(claim(&stores[1], noon(), 200).await.into_iter().map(|due| due.id));
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (100, 100));
    assert_eq!(claim(&stores[1], noon() + LEASE, 200).await.len(), 100, "a dead claimant's rows come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_queues_journal_belongs_to_one_process() {
    let place = place().await;
    let one = connect(&place.url).await.unwrap();
    let two = connect(&place.url).await.unwrap();
    one.journal_append(vec![(text("a", "waits"), Lane::Bulk)]).await.unwrap();
    assert_eq!(one.journal_pending().await.unwrap().len(), 1);
    assert_eq!(one.journal_pending().await.unwrap().len(), 1, "once more in the same process");
    let refused = two.journal_pending().await.unwrap_err();
    assert!(matches!(&refused, PipelineError::Conflict { code: "journal_taken", .. }), "{refused:?}");
    assert!(refused.to_string().contains("amqp://"), "{refused}");
    drop(one);
    assert_eq!(two.journal_pending().await.unwrap().len(), 1, "the first one is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_start_at_once_on_an_empty_database() {
    let place = place().await;
    let opening = (0..4).map(|_| {
        let url = place.url.clone();
        tokio::spawn(async move { PostgresStore::open(&url).await.unwrap() })
    });
    let stores = futures::future::try_join_all(opening).await.unwrap();
    let months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'outcomes'::regclass";
    let count: i64 = sqlx::query_scalar(months).fetch_one(&stores[0].database.pool).await.unwrap();
    assert_eq!(count, 5, "this month, three to come, and the default");
    assert_eq!(stores[1].expire(noon()).await.unwrap(), 0);
}

#[tokio::test]
async fn outcomes_lie_in_their_month_and_one_without_a_month_is_kept_too() {
    let place = place().await;
    let store = PostgresStore::open(&place.url).await.unwrap();
    let now: i64 =
        sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(&store.database.pool).await.unwrap();
    let mut ids = Vec::new();
    for days in [0, 40, -4000] {
        let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        judged.outcome.decided_at = chrono::DateTime::from_timestamp(now, 7).unwrap() + TimeDelta::days(days);
        ids.push(judged.outcome.envelope.id);
        assert_eq!(store.record_outcome(judged.clone()).await.unwrap(), Recorded::New);
        assert!(store.load_item(&"a".into(), judged.outcome.envelope.id).await.unwrap().is_some());
    }
    let sql = "SELECT count(DISTINCT tableoid), count(*) FILTER (WHERE tableoid = 'outcomes_default'::regclass) FROM outcomes";
    let lie: (i64, i64) = sqlx::query_as(sql).fetch_one(&store.database.pool).await.unwrap();
    assert_eq!(lie, (3, 1));
    // What docs/migrations.md tells an operator to do: the outcomes go, once-only stays.
    let sql = "DELETE FROM outcomes_default";
    sqlx::query(sql).execute(&store.database.pool).await.unwrap();
    assert!(store.is_judged(ids[2]).await.unwrap());
    assert_eq!(store.load_item(&"a".into(), ids[2]).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_opened_only_while_it_is_compatible() {
    let place = place().await;
    drop(PostgresStore::open(&place.url).await.unwrap());
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', true, '\\x00', 0)";
    command(&place.url, later).await;
    drop(PostgresStore::open(&place.url).await.expect("it only added"));
    command(&place.url, "UPDATE schema_floor SET version = 9999").await;
    let error = PostgresStore::open(&place.url).await.err().expect("refused");
    assert!(matches!(&error, PipelineError::Conflict { code: "store_newer", .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_server_that_dies_and_comes_back_is_used_again() {
    let server = Arc::new(tokio::task::spawn_blocking(|| Server::start(Kind::Postgres).unwrap()).await.unwrap());
    let store = connect(server.url()).await.unwrap();
    let judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    store.record_outcome(judged.clone()).await.unwrap();
    let pending = text("a", "waits");
    store.journal_append(vec![(pending.clone(), Lane::Bulk)]).await.unwrap();
    for hard in [true, false] {
        let hurt = Arc::clone(&server);
        tokio::task::spawn_blocking(move || hurt.stop(hard).unwrap()).await.unwrap();
        let started = Instant::now();
        let next = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        let (written, read, health) = tokio::join!(
            store.record_outcome(next.clone()),
            store.is_judged(judged.outcome.envelope.id),
            store.health()
        );
        for error in [written.err(), read.err(), health.err()] {
            assert!(matches!(error, Some(PipelineError::Unavailable { part: "store", .. })), "{error:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());

        let mut signal = store.event_signal();
        let healed = Arc::clone(&server);
        tokio::task::spawn_blocking(move || healed.start_again().unwrap()).await.unwrap();
        // At once, and everything: not one call has to fail first.
        assert!(store.is_judged(judged.outcome.envelope.id).await.unwrap());
        assert_eq!(store.record_outcome(next).await.unwrap(), Recorded::New);
        assert_eq!(store.journal_load(pending.envelope.id).await.unwrap(), Some(pending.clone()));
        store.health().await.unwrap();
        // Another process's event is heard again.
        let other = connect(server.url()).await.unwrap();
        other.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Warn)).await.unwrap();
        let last = other.last_sequence().await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), signal.wait_for(|seen| *seen >= last))
            .await
            .expect("heard")
            .unwrap();
    }
}

#[tokio::test]
async fn a_place_where_no_server_is_says_so_soon() {
    let started = Instant::now();
    let error = connect("postgres://chaperone@127.0.0.1:1/none").await.err().expect("refused");
    assert!(matches!(&error, PipelineError::Unavailable { part: "store", .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(8));
}

/// Measurement, not a check: what an ordinary text costs the store.
/// `cargo nextest run --release --workspace --run-ignored all -E 'test(postgres::tests::writes_per_second)' --no-capture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measurement"]
async fn writes_per_second() {
    let place = place().await;
    let store = PostgresStore::open(&place.url).await.unwrap();
    let pool = store.database.pool.clone();
    let store: Arc<dyn Store> = Arc::new(store);
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&pool).await.unwrap();
    let committed = async || {
        // The server counts late.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap()
    };
    for callers in [1_u32, 16, 64, 256] {
        let each = if callers == 1 { 300 } else { 20_000 / callers };
        let before = committed().await;
        let started = Instant::now();
        let writers = (0..callers).map(|caller| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..each {
                    let one = Instant::now();
                    let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Allow);
                    let envelope = &mut judged.outcome.envelope;
                    envelope.actor = Some(format!("actor {caller}")[..].into());
                    let (id, actor, at) = (envelope.id, envelope.actor.clone().unwrap(), envelope.occurred_at);
                    judged.context_text = Some("a message of an ordinary length, as people write them".into());
                    assert!(!store.is_judged(id).await.unwrap());
                    store.recent_texts(&"a".into(), &"room".into(), &actor, at, 5).await.unwrap();
                    store.record_outcome(judged).await.unwrap();
                    slowest = slowest.max(one.elapsed());
                }
                slowest
            })
        });
        let slowest = futures::future::try_join_all(writers).await.unwrap().into_iter().max().unwrap();
        let rate = f64::from(callers * each) / started.elapsed().as_secs_f64();
        let each = (committed().await - before) as f64 / f64::from(callers * each);
        println!(
            "fsync {fsync}, {callers} callers: {rate:.0} items/s (judged? + context + outcome), slowest {slowest:?}, \
             {each:.3} transactions per item"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_fifty_thousand_cases_answer_in_time_from_a_server() {
    let (store, _place) = fresh().await;
    crate::store::desk::measure::c1_fifty_thousand_cases_answer_in_time("postgres", &store).await;
}
