//! Wakes readers in this process when any process appended events.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;

use super::{
    Database,
    database::raise,
    events::{CHANNEL, last_sequence},
};

/// Pause before another try to listen.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the newest number is read in any case: a listener whose connection died without a word hears nothing.
const LOOK: Duration = Duration::from_secs(5);

/// Never ends; stopped from outside.
pub(super) async fn run(database: Arc<Database>, options: PgConnectOptions, signal: watch::Sender<i64>) {
    let listen = async {
        loop {
            if let Err(error) = follow(&options, &signal).await {
                tracing::warn!(store.error = %error, "cannot listen for new events; trying again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let look = async {
        loop {
            tokio::time::sleep(LOOK).await;
            // Errors are told by whoever needs the database.
            if let Ok(sequence) = last_sequence(&database).await {
                database.raise(sequence);
            }
        }
    };
    tokio::join!(listen, look);
}

/// Listens until the connection is lost.
async fn follow(options: &PgConnectOptions, signal: &watch::Sender<i64>) -> Result<(), sqlx::Error> {
    // Its own connection: it listens for as long as it lives.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(30));
    let pool = pool.max_lifetime(None).idle_timeout(None).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    // What was appended while nobody listened.
    raise(signal, sqlx::query_scalar("SELECT sequence FROM counter").fetch_one(&mut listener).await?);
    while let Some(notification) = listener.try_recv().await? {
        if let Ok(sequence) = notification.payload().parse() {
            raise(signal, sequence);
        }
    }
    Ok(())
}
