//! The statements, once for both databases: they speak the same SQL here, and sqlx takes `$1` for both. Times are nanoseconds, texts from
//! outside escaped as PostgreSQL needs it (`store::text`).

/// Makes the functions for one kind of connection.
macro_rules! statements {
    ($connection:ty, $row:ty) => {
        use chrono::{DateTime, NaiveDate, Utc};
        use sqlx::Row;
        use uuid::Uuid;

        use $crate::{
            action::ActionKind,
            enforcement::{
                acknowledge::Acknowledge,
                breaker::{BreakerState, Place},
                entry::{ActionEntry, Enforced, Fate, Receipt},
                person::{Person, PersonChange, PersonFacts, Restriction},
            },
            item::{ActionId, ActorId, TenantId},
            store::{
                row::{carried, decode, encode, limit, stamp, time},
                text::{escape, unescape},
            },
        };

        /// Reads body, receipt, told, due_at, acknowledged_at, reversed_by, expired.
        fn enforced(row: &$row) -> Result<Enforced, sqlx::Error> {
            let body: String = row.try_get(0)?;
            let receipt: i64 = row.try_get(1)?;
            let (told, expired): (i64, i64) = (row.try_get(2)?, row.try_get(6)?);
            let (due_at, acknowledged_at): (Option<i64>, Option<i64>) = (row.try_get(3)?, row.try_get(4)?);
            let reversed_by: Option<Uuid> = row.try_get(5)?;
            let receipt = usize::try_from(receipt).ok().and_then(|index| Receipt::ALL.get(index).copied());
            let fate = Fate {
                receipt: receipt.unwrap_or(Receipt::Unasked),
                told: u32::try_from(told).unwrap_or_default(),
                due_at: due_at.map(time),
                acknowledged_at: acknowledged_at.map(time),
                reversed_by: reversed_by.map(ActionId),
                expired: expired != 0,
            };
            Ok(Enforced { entry: decode(&body).map_err(carried)?, fate })
        }

        /// When an action that was told once is told again.
        fn first_due(entry: &ActionEntry) -> Option<i64> {
            entry.acknowledge.map(|terms: Acknowledge| stamp(terms.due(1, entry.at)))
        }

        fn first_receipt(entry: &ActionEntry) -> Receipt {
            if entry.acknowledge.is_some() { Receipt::Awaited } else { Receipt::Unasked }
        }

        /// `false`: it was there before.
        pub(in crate::store) async fn insert_action(
            connection: &mut $connection,
            entry: &ActionEntry,
        ) -> Result<bool, sqlx::Error> {
            let sql = "INSERT INTO actions (id, tenant, actor, item, kind, at, until, strikes, strikes_until, cause, receipt, told,
                                            due_at, body)
                       VALUES ($1, $2, $3, $13, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12) ON CONFLICT (id) DO NOTHING";
            let done = sqlx::query(sql)
                .bind(entry.id.0)
                .bind(escape(entry.tenant.as_str()).into_owned())
                .bind(entry.actor.as_ref().map(|actor| escape(actor.as_str()).into_owned()))
                .bind(entry.kind.as_str())
                .bind(stamp(entry.at))
                .bind(entry.until.map(stamp))
                .bind(i64::from(entry.strikes))
                .bind(entry.strikes_until.map(stamp))
                .bind(entry.cause.map(|id| id.0))
                .bind(first_receipt(entry) as i64)
                .bind(first_due(entry))
                .bind(encode(entry).map_err(carried)?)
                .bind(entry.item.map(|id| id.0))
                .execute(connection)
                .await?;
            Ok(done.rows_affected() > 0)
        }

        /// `false`: the version is no longer the one that was read.
        pub(super) async fn write_person(
            connection: &mut $connection,
            tenant: &TenantId,
            change: &PersonChange,
            at: DateTime<Utc>,
        ) -> Result<bool, sqlx::Error> {
            let seen = i64::try_from(change.seen).unwrap_or(i64::MAX);
            let (tenant, actor) = (escape(tenant.as_str()).into_owned(), escape(change.actor.as_str()).into_owned());
            let sql = if seen == 0 {
                "INSERT INTO persons (tenant, actor, version, updated_at, state) VALUES ($1, $2, $3 + 1, $4, $5)
                 ON CONFLICT (tenant, actor) DO NOTHING"
            } else {
                "UPDATE persons SET version = version + 1, updated_at = $4, state = $5
                 WHERE tenant = $1 AND actor = $2 AND version = $3"
            };
            let query = sqlx::query(sql).bind(tenant).bind(actor).bind(seen).bind(stamp(at)).bind(encode(&change.state).map_err(carried)?);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }

        pub(in crate::store) async fn read_person(
            connection: &mut $connection,
            tenant: &TenantId,
            actor: &ActorId,
            now: DateTime<Utc>,
        ) -> Result<Person, sqlx::Error> {
            let (tenant, actor) = (escape(tenant.as_str()).into_owned(), escape(actor.as_str()).into_owned());
            let sql = "SELECT version, state FROM persons WHERE tenant = $1 AND actor = $2";
            let row = sqlx::query(sql).bind(&tenant).bind(&actor).fetch_optional(&mut *connection).await?;
            let mut person = Person::default();
            if let Some(row) = row {
                let (version, state): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
                (person.version, person.state) = (u64::try_from(version).unwrap_or_default(), decode(&state).map_err(carried)?);
            }
            let sql = "SELECT CAST(coalesce(sum(CASE WHEN strikes_until > $3 THEN strikes ELSE 0 END), 0) AS bigint),
                              CAST(coalesce(sum(strikes), 0) AS bigint)
                       FROM actions WHERE tenant = $1 AND actor = $2 AND strikes > 0
                       AND (reversed_by IS NULL OR expired = 1)";
            let row = sqlx::query(sql).bind(&tenant).bind(&actor).bind(stamp(now)).fetch_one(&mut *connection).await?;
            let (active, total): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            person.strikes = u32::try_from(active).unwrap_or(u32::MAX);
            person.strikes_total = u32::try_from(total).unwrap_or(u32::MAX);
            let sql = "SELECT id, kind, at, until FROM actions WHERE tenant = $1 AND actor = $2
                       AND kind IN ('suspend', 'ban') AND reversed_by IS NULL AND (until IS NULL OR until > $3) ORDER BY at";
            let rows = sqlx::query(sql).bind(&tenant).bind(&actor).bind(stamp(now)).fetch_all(&mut *connection).await?;
            for row in &rows {
                let (id, kind): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
                let (since, until): (i64, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
                let kind = if kind == "ban" { ActionKind::Ban } else { ActionKind::Suspend };
                person.restrictions.push(Restriction {
                    action: ActionId(id),
                    kind,
                    since: time(since),
                    until: until.map(time),
                });
            }
            let sql = "SELECT body FROM person_facts WHERE tenant = $1 AND actor = $2";
            if let Some(row) = sqlx::query(sql).bind(&tenant).bind(&actor).fetch_optional(&mut *connection).await? {
                let body: String = row.try_get(0)?;
                let facts: PersonFacts = decode(&body).map_err(carried)?;
                person.account_created_at = facts.account_created_at;
                if facts.traces > 0 || facts.circumvention_attempts > 0 {
                    let shared = shared_traces(connection, &tenant, &actor, now).await?;
                    let kinds: std::collections::BTreeSet<_> = shared.iter().map(|(kind, _)| kind).collect();
                    let attempted = u32::from(facts.circumvention_attempts > 0);
                    person.evasion = Some(u32::try_from(kinds.len()).unwrap_or_default() + attempted);
                }
            }
            Ok(person)
        }

        /// Takes escaped names.
        async fn shared_traces(
            connection: &mut $connection,
            tenant: &str,
            actor: &str,
            now: DateTime<Utc>,
        ) -> Result<Vec<(String, ActorId)>, sqlx::Error> {
            let sql = "SELECT DISTINCT other.kind, other.actor FROM traces own
                       JOIN traces other ON other.tenant = own.tenant AND other.kind = own.kind AND other.digest = own.digest
                            AND other.actor <> own.actor
                       WHERE own.tenant = $1 AND own.actor = $2 AND EXISTS (
                           SELECT 1 FROM actions a WHERE a.tenant = other.tenant AND a.actor = other.actor AND a.kind = 'ban'
                           AND a.reversed_by IS NULL AND (a.until IS NULL OR a.until > $3))
                       ORDER BY other.kind, other.actor LIMIT 100";
            let rows =
                sqlx::query(sql).bind(tenant).bind(actor).bind(stamp(now)).fetch_all(&mut *connection).await?;
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, ActorId(unescape(row.try_get(1)?).map_err(carried)?))))
                .collect::<Result<_, sqlx::Error>>()
        }

        pub(super) async fn traces_shared(
            connection: &mut $connection,
            tenant: &TenantId,
            actor: &ActorId,
            now: DateTime<Utc>,
        ) -> Result<Vec<(String, ActorId)>, sqlx::Error> {
            shared_traces(connection, &escape(tenant.as_str()), &escape(actor.as_str()), now).await
        }

        pub(in crate::store) async fn read_action(
            connection: &mut $connection,
            tenant: &TenantId,
            id: ActionId,
        ) -> Result<Option<Enforced>, sqlx::Error> {
            let sql = "SELECT body, receipt, told, due_at, acknowledged_at, reversed_by, expired
                       FROM actions WHERE tenant = $1 AND id = $2";
            let query = sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(id.0);
            query.fetch_optional(connection).await?.as_ref().map(enforced).transpose()
        }

        pub(super) async fn read_actions_of(
            connection: &mut $connection,
            tenant: &TenantId,
            actor: &ActorId,
            before: DateTime<Utc>,
            count: usize,
        ) -> Result<Vec<Enforced>, sqlx::Error> {
            let sql = "SELECT body, receipt, told, due_at, acknowledged_at, reversed_by, expired
                       FROM actions WHERE tenant = $1 AND actor = $2 AND at < $3 ORDER BY at DESC, id DESC LIMIT $4";
            let query = sqlx::query(sql)
                .bind(escape(tenant.as_str()).into_owned())
                .bind(escape(actor.as_str()).into_owned())
                .bind(stamp(before))
                .bind(limit(count));
            query.fetch_all(connection).await?.iter().map(enforced).collect()
        }

        pub(in crate::store) async fn read_caused_by(
            connection: &mut $connection,
            tenant: &TenantId,
            id: ActionId,
        ) -> Result<Vec<Enforced>, sqlx::Error> {
            let sql = "SELECT body, receipt, told, due_at, acknowledged_at, reversed_by, expired
                       FROM actions WHERE tenant = $1 AND cause = $2 ORDER BY at, id";
            let query = sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(id.0);
            query.fetch_all(connection).await?.iter().map(enforced).collect()
        }

        pub(super) async fn read_unacknowledged(
            connection: &mut $connection,
            now: DateTime<Utc>,
            count: usize,
        ) -> Result<Vec<Enforced>, sqlx::Error> {
            let sql = "SELECT body, receipt, told, due_at, acknowledged_at, reversed_by, expired
                       FROM actions WHERE receipt = 1 AND due_at <= $1 ORDER BY due_at LIMIT $2";
            let query = sqlx::query(sql).bind(stamp(now)).bind(limit(count));
            query.fetch_all(connection).await?.iter().map(enforced).collect()
        }

        pub(super) async fn read_expired(
            connection: &mut $connection,
            now: DateTime<Utc>,
            count: usize,
        ) -> Result<Vec<Enforced>, sqlx::Error> {
            let sql = "SELECT body, receipt, told, due_at, acknowledged_at, reversed_by, expired
                       FROM actions WHERE until <= $1 AND reversed_by IS NULL ORDER BY until LIMIT $2";
            let query = sqlx::query(sql).bind(stamp(now)).bind(limit(count));
            query.fetch_all(connection).await?.iter().map(enforced).collect()
        }

        /// `false`: no such action.
        pub(super) async fn mark_acknowledged(
            connection: &mut $connection,
            tenant: &TenantId,
            id: ActionId,
            at: DateTime<Utc>,
        ) -> Result<bool, sqlx::Error> {
            let sql = "UPDATE actions SET receipt = 2, due_at = NULL, acknowledged_at = coalesce(acknowledged_at, $3)
                       WHERE tenant = $1 AND id = $2";
            let query = sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(id.0).bind(stamp(at));
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }

        /// `false`: it was taken back before. Nobody waits for the platform's word about it any more.
        pub(in crate::store) async fn mark_reversed(
            connection: &mut $connection,
            inverse: &ActionEntry,
            expired: bool,
        ) -> Result<bool, sqlx::Error> {
            let sql = "UPDATE actions SET reversed_by = $3, expired = $4, due_at = NULL,
                                          receipt = CASE WHEN receipt = 1 THEN 0 ELSE receipt END
                       WHERE tenant = $1 AND id = $2 AND reversed_by IS NULL";
            let query = sqlx::query(sql)
                .bind(escape(inverse.tenant.as_str()).into_owned())
                .bind(inverse.reverses.map(|id| id.0))
                .bind(inverse.id.0)
                .bind(i64::from(expired));
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }

        /// `false`: it was acknowledged or told meanwhile.
        pub(super) async fn mark_retold(
            connection: &mut $connection,
            id: ActionId,
            seen: u32,
            due: Option<DateTime<Utc>>,
        ) -> Result<bool, sqlx::Error> {
            let sql = if due.is_some() {
                "UPDATE actions SET told = told + 1, due_at = $3 WHERE id = $1 AND told = $2 AND receipt = 1"
            } else {
                "UPDATE actions SET receipt = 3, due_at = $3 WHERE id = $1 AND told = $2 AND receipt = 1"
            };
            let query = sqlx::query(sql).bind(id.0).bind(i64::from(seen)).bind(due.map(stamp));
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }

        fn day_number(day: NaiveDate) -> i64 {
            chrono::Datelike::num_days_from_ce(&day).into()
        }

        pub(super) async fn take_a_place(
            connection: &mut $connection,
            tenant: &TenantId,
            day: NaiveDate,
            kind: ActionKind,
            cap: u32,
            at: DateTime<Utc>,
        ) -> Result<Place, sqlx::Error> {
            let tenant = escape(tenant.as_str()).into_owned();
            let sql = "INSERT INTO breakers (tenant, day, kind, count) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(&tenant).bind(day_number(day)).bind(kind.as_str());
            query.execute(&mut *connection).await?;
            let sql = "UPDATE breakers SET count = count + 1
                       WHERE tenant = $1 AND day = $2 AND kind = $3 AND count < $4 AND opened_at IS NULL";
            let query =
                sqlx::query(sql).bind(&tenant).bind(day_number(day)).bind(kind.as_str()).bind(i64::from(cap));
            if query.execute(&mut *connection).await?.rows_affected() > 0 {
                return Ok(Place::Taken);
            }
            let sql = "UPDATE breakers SET opened_at = $4 WHERE tenant = $1 AND day = $2 AND kind = $3 AND opened_at IS NULL";
            let query = sqlx::query(sql).bind(&tenant).bind(day_number(day)).bind(kind.as_str()).bind(stamp(at));
            Ok(Place::Refused { first: query.execute(&mut *connection).await?.rows_affected() > 0 })
        }

        pub(super) async fn give_a_place_back(
            connection: &mut $connection,
            tenant: &TenantId,
            day: NaiveDate,
            kind: ActionKind,
        ) -> Result<(), sqlx::Error> {
            let sql = "UPDATE breakers SET count = count - 1 WHERE tenant = $1 AND day = $2 AND kind = $3 AND count > 0";
            let query = sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(day_number(day));
            query.bind(kind.as_str()).execute(connection).await?;
            Ok(())
        }

        /// `false`: it is closed.
        pub(super) async fn close_one(
            connection: &mut $connection,
            tenant: &TenantId,
            day: NaiveDate,
            kind: ActionKind,
        ) -> Result<bool, sqlx::Error> {
            let sql = "UPDATE breakers SET count = 0, opened_at = NULL
                       WHERE tenant = $1 AND day = $2 AND kind = $3 AND opened_at IS NOT NULL";
            let query = sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(day_number(day));
            Ok(query.bind(kind.as_str()).execute(connection).await?.rows_affected() > 0)
        }

        pub(super) async fn read_breakers(
            connection: &mut $connection,
            tenant: Option<&TenantId>,
            day: NaiveDate,
        ) -> Result<Vec<BreakerState>, sqlx::Error> {
            let sql = "SELECT tenant, kind, count, opened_at FROM breakers
                       WHERE day = $1 AND ($2 = 0 OR tenant = $3) ORDER BY tenant, kind";
            let rows = sqlx::query(sql)
                .bind(day_number(day))
                .bind(i64::from(tenant.is_some()))
                .bind(tenant.map(|tenant| escape(tenant.as_str()).into_owned()).unwrap_or_default())
                .fetch_all(connection)
                .await?;
            let mut states = Vec::with_capacity(rows.len());
            for row in &rows {
                let (kind, count): (String, i64) = (row.try_get(1)?, row.try_get(2)?);
                let opened_at: Option<i64> = row.try_get(3)?;
                let Some(kind) = ActionKind::ALL.into_iter().find(|known| known.as_str() == kind) else { continue };
                states.push(BreakerState {
                    tenant: TenantId(unescape(row.try_get(0)?).map_err(carried)?),
                    day,
                    kind,
                    count: u32::try_from(count).unwrap_or_default(),
                    opened_at: opened_at.map(time),
                });
            }
            Ok(states)
        }

        pub(super) async fn write_facts(
            connection: &mut $connection,
            tenant: &TenantId,
            actor: &ActorId,
            facts: &PersonFacts,
            traces: &[(String, String)],
        ) -> Result<(), sqlx::Error> {
            let (tenant, actor) = (escape(tenant.as_str()).into_owned(), escape(actor.as_str()).into_owned());
            let sql = "INSERT INTO person_facts (tenant, actor, body) VALUES ($1, $2, $3)
                       ON CONFLICT (tenant, actor) DO UPDATE SET body = excluded.body";
            sqlx::query(sql).bind(&tenant).bind(&actor).bind(encode(facts).map_err(carried)?).execute(&mut *connection).await?;
            for (kind, digest) in traces {
                let sql = "INSERT INTO traces (tenant, kind, digest, actor) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
                let query = sqlx::query(sql).bind(&tenant).bind(kind).bind(digest).bind(&actor);
                query.execute(&mut *connection).await?;
            }
            Ok(())
        }

        pub(super) async fn read_facts(
            connection: &mut $connection,
            tenant: &TenantId,
            actor: &ActorId,
        ) -> Result<Option<PersonFacts>, sqlx::Error> {
            let sql = "SELECT body FROM person_facts WHERE tenant = $1 AND actor = $2";
            let query =
                sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(escape(actor.as_str()).into_owned());
            let row = query.fetch_optional(connection).await?;
            row.map(|row| decode(row.try_get(0)?).map_err(carried)).transpose()
        }

        pub(super) async fn find_or_make_key(
            connection: &mut $connection,
            tenant: &TenantId,
            fresh: &str,
        ) -> Result<String, sqlx::Error> {
            let tenant = escape(tenant.as_str()).into_owned();
            let sql = "INSERT INTO trace_keys (tenant, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            sqlx::query(sql).bind(&tenant).bind(fresh).execute(&mut *connection).await?;
            let sql = "SELECT secret FROM trace_keys WHERE tenant = $1";
            sqlx::query(sql).bind(&tenant).fetch_one(&mut *connection).await?.try_get(0)
        }
    };
}
pub(in crate::store) use statements;
