//! Opening: what the URL says, what the server must be, migrations.

use std::{str::FromStr, time::Duration};

use sqlx::{ConnectOptions, Connection, migrate::Migrator, postgres::PgConnectOptions};
use url::Url;

use crate::{error::PipelineError, store::row::migration};

/// Connections of one process for statements, unless the URL says otherwise.
const CONNECTIONS: u32 = 8;
/// How long to wait for the first connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// An older process may meet migrations that it does not know: those only add (docs/migrations.md), and `schema_floor` says
/// when that has ended.
static MIGRATIONS: Migrator = {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.ignore_missing = true;
    migrations
};

/// What the URL asks for, with our settings, and the number of connections.
pub(super) fn options(url: &str) -> Result<(PgConnectOptions, u32), PipelineError> {
    // The URL may hold a password: no message quotes it.
    let wrong = |what: &str| {
        let message = format!(
            "store.url cannot be read ({what}): use `postgres://user:password@host:port/database?connections={CONNECTIONS}`"
        );
        PipelineError::invalid("store_url", message)
    };
    let mut parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    let mut connections = CONNECTIONS;
    let mut kept = Vec::new();
    for (name, value) in parsed.query_pairs() {
        match &*name {
            "connections" => {
                let given = value.parse().ok().filter(|count| (2..=1000).contains(count));
                connections = given.ok_or_else(|| wrong("`connections` is 2 to 1000"))?;
            }
            _ => kept.push((name.into_owned(), value.into_owned())),
        }
    }
    parsed.set_query(None);
    if !kept.is_empty() {
        parsed.query_pairs_mut().extend_pairs(kept);
    }
    let options = PgConnectOptions::from_str(parsed.as_str()).map_err(|_| wrong("a parameter is not PostgreSQL's"))?;
    let options =
        options.application_name("chaperone").disable_statement_logging().statement_cache_capacity(128).options([
            // A statement that hangs must not hang its callers for ever.
            ("statement_timeout", "30s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
            // Every statement here has its index. Left to guess, the planner reads young tables whole, and keeps that plan
            // while they grow.
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
        ]);
    Ok((options, connections))
}

/// Checks the server and brings its tables up to date. Several processes may do so at once: one does it, the others wait.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<(), PipelineError> {
    // A migration takes the time that it takes.
    let patient = options.clone().options([("statement_timeout", "0"), ("lock_timeout", "0")]);
    let late = |_| {
        let message = format!("no connection within {} s", PATIENCE.as_secs());
        PipelineError::Unavailable { part: "store", message }
    };
    let mut connection = tokio::time::timeout(PATIENCE, patient.connect()).await.map_err(late)??;
    let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut connection).await?;
    if encoding != "UTF8" {
        return Err(PipelineError::Conflict {
            code: "store_encoding",
            message: format!(
                "the database has the encoding {encoding}: create one with UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)"
            ),
        });
    }
    let durable: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut connection).await?;
    if durable == "off" {
        tracing::warn!("the server commits with synchronous_commit = off: a power cut loses what was acknowledged");
    }
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(migration)?;
    let floor: i64 = sqlx::query_scalar("SELECT version FROM schema_floor").fetch_one(&mut connection).await?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    connection.close().await?;
    if floor > newest {
        return Err(PipelineError::Conflict {
            code: "store_newer",
            message: format!(
                "the database was changed by a newer version of this program (it needs migration {floor}, this one knows {newest}): \
                 start that version, or point store.url at another database"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_taken_out_of_the_url() {
        let (options, connections) = options("postgresql://ann@db:7000/x?connections=12&sslmode=disable").unwrap();
        assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db", 7000, Some("x")));
        assert_eq!(connections, 12);
        assert_eq!(super::options("postgres://h/x").unwrap().1, CONNECTIONS);
    }

    #[test]
    fn wrong_urls_are_told_without_their_password() {
        for url in [
            "postgres://u:secret@h:99999/x",
            "postgres://u:secret@h/x?connections=1",
            "postgres://u:secret@h/x?connections=x",
        ] {
            let error = options(url).unwrap_err();
            assert!(matches!(&error, PipelineError::Invalid { code: "store_url", .. }), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
