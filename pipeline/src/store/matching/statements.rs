//! The statements, once for both databases: they speak the same SQL here but for lists (`$members` makes rows of a JSON list), and sqlx takes
//! `$1` for both. Times are nanoseconds. `escape` and `unescape` are the caller's.

/// Makes the functions for one kind of connection. `$members`: SQL that selects the texts of the JSON list `$2`.
macro_rules! statements {
    ($connection:ty, $row:ty, $members:literal) => {
        use chrono::{DateTime, Datelike, NaiveDate, Utc};
        use sqlx::Row;

        use $crate::{
            error::PipelineError,
            item::{MatchId, ProfileId, TenantId},
            matching::meeting::{Change, DailyList, Match, Origin, Record, Remembered, Ticket, Tie, TieKind},
            pdq::Pdq,
            store::row::{carried, decode, encode, limit, stamp, time, vector, vector_bytes},
        };

        fn list(ids: &[ProfileId]) -> Result<String, sqlx::Error> {
            let ids: Vec<_> = ids.iter().map(|id| escape(id.as_str())).collect();
            encode(&ids).map_err(carried)
        }

        fn name(text: String) -> Result<ProfileId, sqlx::Error> {
            unescape(text).map(ProfileId).map_err(carried)
        }

        fn day_number(day: NaiveDate) -> i64 {
            // 719,163 days lie before 1970.
            i64::from(day.num_days_from_ce()) - 719_163
        }

        async fn read_remembered(
            connection: &mut $connection,
            tenant: &TenantId,
            ids: &[ProfileId],
        ) -> Result<Vec<Remembered>, sqlx::Error> {
            let sql = concat!(
                "SELECT person, version, body FROM match_people WHERE tenant = $1 AND person IN (",
                $members,
                ")"
            );
            let rows = sqlx::query(sql).bind(escape(tenant.as_str())).bind(list(ids)?).fetch_all(connection).await?;
            let mut found = std::collections::HashMap::new();
            for row in rows {
                let (version, body): (i64, String) = (row.try_get(1)?, row.try_get(2)?);
                let record: Record = decode(&body).map_err(carried)?;
                let version = u64::try_from(version).unwrap_or_default();
                found.insert(name(row.try_get(0)?)?, Remembered { record, version });
            }
            Ok(ids.iter().map(|id| found.get(id).cloned().unwrap_or_default()).collect())
        }

        async fn read_marked(
            connection: &mut $connection,
            tenant: &TenantId,
            after: Option<&ProfileId>,
            count: usize,
        ) -> Result<Vec<(ProfileId, Record)>, sqlx::Error> {
            let sql = "SELECT person, body FROM match_people WHERE tenant = $1 AND marked = 1 AND person > $2
                       ORDER BY person LIMIT $3";
            let after = escape(after.map_or("", ProfileId::as_str));
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(after).bind(limit(count));
            let one = |row: &$row| {
                let body: String = row.try_get(1)?;
                Ok((name(row.try_get(0)?)?, decode(&body).map_err(carried)?))
            };
            query.fetch_all(connection).await?.iter().map(one).collect()
        }

        /// `false`: something is not as it was read; the transaction must be undone.
        async fn write_change(
            connection: &mut $connection,
            tenant: &TenantId,
            change: &Change,
        ) -> Result<bool, sqlx::Error> {
            let owner = escape(tenant.as_str());
            for (person, record, seen) in &change.people {
                let body = encode(record).map_err(carried)?;
                let seen = i64::try_from(*seen).unwrap_or(i64::MAX);
                let sql = match seen {
                    0 => {
                        "INSERT INTO match_people (tenant, person, version, body, marked) VALUES ($1, $2, $4 + 1, $3, $5)
                          ON CONFLICT (tenant, person) DO NOTHING"
                    }
                    _ => {
                        "UPDATE match_people SET body = $3, version = version + 1, marked = $5
                          WHERE tenant = $1 AND person = $2 AND version = $4"
                    }
                };
                let query = sqlx::query(sql).bind(&*owner).bind(escape(person.as_str())).bind(body).bind(seen);
                let query = query.bind(i64::from(!record.standing.is_clean()));
                if query.execute(&mut *connection).await?.rows_affected() == 0 {
                    return Ok(false);
                }
            }
            for id in &change.taken {
                let query = sqlx::query("DELETE FROM tickets WHERE id = $1").bind(id);
                if query.execute(&mut *connection).await?.rows_affected() == 0 {
                    return Ok(false);
                }
            }
            for (found, open) in &change.changed {
                let sql = "UPDATE matches SET body = $2, ended_at = $3
                            WHERE id = $1 AND tenant = $4 AND (ended_at IS NULL) = ($5 = 1)";
                let query = sqlx::query(sql)
                    .bind(found.id.0)
                    .bind(encode(found).map_err(carried)?)
                    .bind(found.ended.as_ref().map(|ended| stamp(ended.at)))
                    .bind(&*owner)
                    .bind(i64::from(*open));
                if query.execute(&mut *connection).await?.rows_affected() == 0 {
                    return Ok(false);
                }
            }
            for made in &change.matches {
                let sql = "INSERT INTO matches (id, tenant, one, other, live, created_at, ended_at, body)
                           VALUES ($1, $2, $3, $4, $5, $6, NULL, $7)";
                let [one, other] = &made.participants;
                sqlx::query(sql)
                    .bind(made.id.0)
                    .bind(&*owner)
                    .bind(escape(one.as_str()))
                    .bind(escape(other.as_str()))
                    .bind(i64::from(made.origin == Origin::Live))
                    .bind(stamp(made.created_at))
                    .bind(encode(made).map_err(carried)?)
                    .execute(&mut *connection)
                    .await?;
            }
            for tie in &change.ties {
                let sql = "INSERT INTO ties (tenant, viewer, other, block, kind, at) VALUES ($1, $2, $3, $4, $5, $6)
                           ON CONFLICT (tenant, viewer, other, block) DO UPDATE SET kind = excluded.kind, at = excluded.at";
                sqlx::query(sql)
                    .bind(&*owner)
                    .bind(escape(tie.from.as_str()))
                    .bind(escape(tie.to.as_str()))
                    .bind(i64::from(tie.kind == TieKind::Block))
                    .bind(tie.kind.as_str())
                    .bind(stamp(tie.at))
                    .execute(&mut *connection)
                    .await?;
            }
            for (from, to) in &change.unblocked {
                let sql = "DELETE FROM ties WHERE tenant = $1 AND viewer = $2 AND other = $3 AND block = 1";
                let query = sqlx::query(sql).bind(&*owner).bind(escape(from.as_str())).bind(escape(to.as_str()));
                query.execute(&mut *connection).await?;
            }
            for ticket in &change.waiting {
                let sql = "INSERT INTO tickets (tenant, person, id, tier, since, until) VALUES ($1, $2, $3, $4, $5, $6)
                           ON CONFLICT (tenant, person) DO UPDATE SET until = excluded.until, tier = excluded.tier";
                sqlx::query(sql)
                    .bind(&*owner)
                    .bind(escape(ticket.person.as_str()))
                    .bind(ticket.id)
                    .bind(i64::from(ticket.tier))
                    .bind(stamp(ticket.since))
                    .bind(stamp(ticket.until))
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(true)
        }

        /// Reads viewer, other, kind, at.
        fn tie(row: &$row) -> Result<Tie, sqlx::Error> {
            let kind: String = row.try_get(2)?;
            let kind = TieKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap_or(TieKind::Pass);
            Ok(Tie { from: name(row.try_get(0)?)?, to: name(row.try_get(1)?)?, kind, at: time(row.try_get(3)?) })
        }

        async fn read_ties_of(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            count: usize,
        ) -> Result<Vec<Tie>, sqlx::Error> {
            let sql = "SELECT viewer, other, kind, at FROM ties WHERE tenant = $1 AND viewer = $2
                       ORDER BY at DESC, other LIMIT $3";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str())).bind(limit(count));
            query.fetch_all(connection).await?.iter().map(tie).collect()
        }

        async fn read_ties_with(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            others: &[ProfileId],
        ) -> Result<Vec<Tie>, sqlx::Error> {
            let sql = concat!(
                "SELECT viewer, other, kind, at FROM ties WHERE tenant = $1 AND viewer = $3 AND other IN (",
                $members,
                ") UNION ALL SELECT viewer, other, kind, at FROM ties WHERE tenant = $1 AND other = $3 AND viewer IN (",
                $members,
                ")"
            );
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(list(others)?).bind(escape(person.as_str()));
            query.fetch_all(connection).await?.iter().map(tie).collect()
        }

        async fn read_likes_to(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            count: usize,
        ) -> Result<Vec<Tie>, sqlx::Error> {
            let sql = "SELECT viewer, other, kind, at FROM ties WHERE tenant = $1 AND other = $2 AND kind = 'like'
                           AND NOT EXISTS (SELECT 1 FROM ties own WHERE own.tenant = $1 AND own.viewer = $2 AND own.other = ties.viewer)
                       ORDER BY at DESC, viewer LIMIT $3";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str())).bind(limit(count));
            query.fetch_all(connection).await?.iter().map(tie).collect()
        }

        async fn read_tastes(
            connection: &mut $connection,
            tenant: &TenantId,
            ids: &[ProfileId],
            model: &str,
        ) -> Result<Vec<std::sync::Arc<[f32]>>, sqlx::Error> {
            let sql = concat!(
                "SELECT person, vector FROM tastes WHERE tenant = $1 AND model = $3 AND person IN (",
                $members,
                ")"
            );
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(list(ids)?).bind(model);
            let mut found = std::collections::HashMap::new();
            for row in query.fetch_all(connection).await? {
                let bytes: Vec<u8> = row.try_get(1)?;
                found.insert(name(row.try_get(0)?)?, vector(&bytes));
            }
            Ok(ids.iter().map(|id| found.get(id).cloned().unwrap_or_else(|| [].into())).collect())
        }

        async fn write_taste(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            model: &str,
            taste: &[f32],
        ) -> Result<(), sqlx::Error> {
            let sql = "INSERT INTO tastes (tenant, person, model, vector) VALUES ($1, $2, $3, $4)
                       ON CONFLICT (tenant, person) DO UPDATE SET model = excluded.model, vector = excluded.vector";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str()));
            query.bind(model).bind(vector_bytes(taste)).execute(connection).await?;
            Ok(())
        }

        async fn write_avatar(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            avatar: &Pdq,
        ) -> Result<(), sqlx::Error> {
            let sql = "INSERT INTO avatars (tenant, person, bits) VALUES ($1, $2, $3)
                       ON CONFLICT (tenant, person) DO UPDATE SET bits = excluded.bits";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str()));
            query.bind(avatar.to_bytes()).execute(connection).await?;
            Ok(())
        }

        async fn remove_avatar(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
        ) -> Result<bool, sqlx::Error> {
            let query = sqlx::query("DELETE FROM avatars WHERE tenant = $1 AND person = $2");
            let query = query.bind(escape(tenant.as_str())).bind(escape(person.as_str()));
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }

        async fn read_marked_avatars(
            connection: &mut $connection,
            tenant: &TenantId,
            after: Option<&ProfileId>,
            count: usize,
        ) -> Result<Vec<(ProfileId, Pdq)>, sqlx::Error> {
            let sql = "SELECT avatars.person, avatars.bits FROM match_people
                       JOIN avatars ON avatars.tenant = match_people.tenant AND avatars.person = match_people.person
                       WHERE match_people.tenant = $1 AND match_people.marked = 1 AND match_people.person > $2
                       ORDER BY match_people.person LIMIT $3";
            let after = escape(after.map_or("", ProfileId::as_str));
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(after).bind(limit(count));
            let one = |row: &$row| {
                let bits: Vec<u8> = row.try_get(1)?;
                let avatar = Pdq::from_bytes(&bits).ok_or_else(|| sqlx::Error::Decode("bits of no avatar".into()))?;
                Ok((name(row.try_get(0)?)?, avatar))
            };
            query.fetch_all(connection).await?.iter().map(one).collect()
        }

        /// Reads body.
        fn found_match(row: &$row) -> Result<Match, sqlx::Error> {
            let body: String = row.try_get(0)?;
            decode(&body).map_err(carried)
        }

        async fn read_match(
            connection: &mut $connection,
            tenant: &TenantId,
            id: MatchId,
        ) -> Result<Option<Match>, sqlx::Error> {
            let query = sqlx::query("SELECT body FROM matches WHERE id = $1 AND tenant = $2");
            let row = query.bind(id.0).bind(escape(tenant.as_str())).fetch_optional(connection).await?;
            row.as_ref().map(found_match).transpose()
        }

        async fn read_matches_of(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            count: usize,
        ) -> Result<Vec<Match>, sqlx::Error> {
            let sql = "SELECT body FROM matches WHERE tenant = $1 AND (one = $2 OR other = $2)
                       ORDER BY created_at DESC, id DESC LIMIT $3";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str())).bind(limit(count));
            query.fetch_all(connection).await?.iter().map(found_match).collect()
        }

        async fn read_live_pairs(
            connection: &mut $connection,
            tenant: &TenantId,
            since: DateTime<Utc>,
            count: usize,
        ) -> Result<Vec<[ProfileId; 2]>, sqlx::Error> {
            let sql = "SELECT one, other FROM matches WHERE tenant = $1 AND live = 1 AND created_at > $2
                       ORDER BY created_at DESC LIMIT $3";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(stamp(since)).bind(limit(count));
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(|row| Ok([name(row.try_get(0)?)?, name(row.try_get(1)?)?])).collect()
        }

        /// Reads tenant, person, id, tier, since, until.
        fn ticket(row: &$row) -> Result<Ticket, sqlx::Error> {
            let tier: i64 = row.try_get(3)?;
            Ok(Ticket {
                tenant: unescape(row.try_get(0)?).map(TenantId).map_err(carried)?,
                person: name(row.try_get(1)?)?,
                id: row.try_get(2)?,
                tier: u8::try_from(tier).unwrap_or_default(),
                since: time(row.try_get(4)?),
                until: time(row.try_get(5)?),
            })
        }

        async fn read_waiting(connection: &mut $connection, count: usize) -> Result<Vec<Ticket>, sqlx::Error> {
            let sql = "SELECT tenant, person, id, tier, since, until FROM tickets ORDER BY since, id LIMIT $1";
            sqlx::query(sql).bind(limit(count)).fetch_all(connection).await?.iter().map(ticket).collect()
        }

        async fn read_ticket(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
        ) -> Result<Option<Ticket>, sqlx::Error> {
            let sql = "SELECT tenant, person, id, tier, since, until FROM tickets WHERE tenant = $1 AND person = $2";
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str()));
            query.fetch_optional(connection).await?.as_ref().map(ticket).transpose()
        }

        async fn delete_tickets(connection: &mut $connection, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
            let query = sqlx::query("DELETE FROM tickets WHERE until <= $1").bind(stamp(now));
            Ok(query.execute(connection).await?.rows_affected())
        }

        async fn read_list(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
        ) -> Result<Option<DailyList>, sqlx::Error> {
            let query = sqlx::query("SELECT body FROM daily_lists WHERE tenant = $1 AND person = $2");
            let query = query.bind(escape(tenant.as_str())).bind(escape(person.as_str()));
            let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
            let body: String = row.try_get(0)?;
            decode(&body).map(Some).map_err(carried)
        }

        async fn write_list(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
            list: &DailyList,
            shown: &[(ProfileId, f64)],
            week: i64,
        ) -> Result<bool, sqlx::Error> {
            let sql = "INSERT INTO daily_lists (tenant, person, day, body) VALUES ($1, $2, $3, $4)
                       ON CONFLICT (tenant, person) DO UPDATE SET day = excluded.day, body = excluded.body
                       WHERE daily_lists.day < excluded.day";
            let query = sqlx::query(sql)
                .bind(escape(tenant.as_str()))
                .bind(escape(person.as_str()))
                .bind(day_number(list.day))
                .bind(encode(list).map_err(carried)?);
            let written = query.execute(&mut *connection).await?.rows_affected() > 0;
            if written {
                write_exposures(connection, tenant, shown, week).await?;
            }
            Ok(written)
        }

        async fn read_stale_lists(
            connection: &mut $connection,
            day: NaiveDate,
            oldest: NaiveDate,
            count: usize,
        ) -> Result<Vec<(TenantId, ProfileId)>, sqlx::Error> {
            let sql = "SELECT tenant, person FROM daily_lists WHERE day < $1 AND day >= $2 ORDER BY day DESC LIMIT $3";
            let query = sqlx::query(sql).bind(day_number(day)).bind(day_number(oldest)).bind(limit(count));
            let rows = query.fetch_all(connection).await?;
            let pair = |row: &$row| {
                let tenant = unescape(row.try_get(0)?).map(TenantId).map_err(carried)?;
                Ok((tenant, name(row.try_get(1)?)?))
            };
            rows.iter().map(pair).collect()
        }

        async fn read_exposures(
            connection: &mut $connection,
            tenant: &TenantId,
            ids: &[ProfileId],
            week: i64,
        ) -> Result<Vec<f64>, sqlx::Error> {
            let sql = concat!(
                "SELECT person, shown FROM exposures WHERE tenant = $1 AND week = $3 AND person IN (",
                $members,
                ")"
            );
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(list(ids)?).bind(week);
            let mut found = std::collections::HashMap::new();
            for row in query.fetch_all(connection).await? {
                let shown: f64 = row.try_get(1)?;
                found.insert(name(row.try_get(0)?)?, shown);
            }
            Ok(ids.iter().map(|id| found.get(id).copied().unwrap_or_default()).collect())
        }

        async fn read_all_exposures(
            connection: &mut $connection,
            tenant: &TenantId,
            week: i64,
            count: usize,
        ) -> Result<Vec<f64>, sqlx::Error> {
            let query = sqlx::query("SELECT shown FROM exposures WHERE tenant = $1 AND week = $2 LIMIT $3");
            let query = query.bind(escape(tenant.as_str())).bind(week).bind(limit(count));
            query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
        }

        async fn write_exposures(
            connection: &mut $connection,
            tenant: &TenantId,
            shown: &[(ProfileId, f64)],
            week: i64,
        ) -> Result<(), sqlx::Error> {
            // In one order for everybody, so that two writers never wait for each other.
            let mut shown: Vec<_> = shown.iter().collect();
            shown.sort_by(|one, other| one.0.cmp(&other.0));
            for (person, more) in shown {
                let sql = "INSERT INTO exposures (tenant, person, week, shown) VALUES ($1, $2, $3, $4)
                           ON CONFLICT (tenant, person) DO UPDATE SET week = excluded.week, shown = excluded.shown
                               + CASE WHEN exposures.week = excluded.week THEN exposures.shown ELSE 0 END";
                let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str()));
                query.bind(week).bind(more).execute(&mut *connection).await?;
            }
            Ok(())
        }

        async fn read_model(
            connection: &mut $connection,
            tenant: &TenantId,
        ) -> Result<Option<(String, u64)>, sqlx::Error> {
            let query = sqlx::query("SELECT body, version FROM score_models WHERE tenant = $1");
            let Some(row) = query.bind(escape(tenant.as_str())).fetch_optional(connection).await? else {
                return Ok(None);
            };
            let version: i64 = row.try_get(1)?;
            Ok(Some((row.try_get(0)?, u64::try_from(version).unwrap_or_default())))
        }

        async fn write_model(
            connection: &mut $connection,
            tenant: &TenantId,
            body: &str,
            seen: u64,
        ) -> Result<bool, sqlx::Error> {
            let seen = i64::try_from(seen).unwrap_or(i64::MAX);
            let sql = match seen {
                0 => {
                    "INSERT INTO score_models (tenant, version, body) VALUES ($1, $2 + 1, $3)
                      ON CONFLICT (tenant) DO NOTHING"
                }
                _ => "UPDATE score_models SET version = version + 1, body = $3 WHERE tenant = $1 AND version = $2",
            };
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(seen).bind(body);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }

        async fn delete_person(
            connection: &mut $connection,
            tenant: &TenantId,
            person: &ProfileId,
        ) -> Result<u64, sqlx::Error> {
            let mut rows = 0;
            for sql in [
                "DELETE FROM ties WHERE tenant = $1 AND (viewer = $2 OR other = $2)",
                "DELETE FROM matches WHERE tenant = $1 AND (one = $2 OR other = $2)",
                "DELETE FROM tickets WHERE tenant = $1 AND person = $2",
                "DELETE FROM daily_lists WHERE tenant = $1 AND person = $2",
                "DELETE FROM exposures WHERE tenant = $1 AND person = $2",
                "DELETE FROM tastes WHERE tenant = $1 AND person = $2",
                "DELETE FROM avatars WHERE tenant = $1 AND person = $2",
            ] {
                let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(person.as_str()));
                rows += query.execute(&mut *connection).await?.rows_affected();
            }
            Ok(rows)
        }
    };
}
pub(in crate::store) use statements;
