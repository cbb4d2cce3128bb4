//! People who wait for a partner now: tickets, and the tick that pairs them.
//!
//! Any number of processes may tick: a pair is written only if both tickets are still there, in the same transaction that takes them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::{Guest, Pipeline, STALE_TRIES, answers::codes, contended, created};
use crate::{
    error::PipelineError,
    item::{ActorId, MatchId, ProfileId, TenantId, check_name},
    matching::{
        feature::Someone,
        filter,
        meeting::{Change, Match, Origin, Ticket, TieKind},
        pairing::{Rules, Waiting, tick},
    },
    store::Recorded,
};

/// Tickets that one tick looks at: more people wait for the next one.
const MOST: usize = 20_000;
/// People who are loaded at once.
const PAGE: usize = 500;
/// Pairs that are checked and written at once.
const IN_FLIGHT: usize = 16;
/// Live matches that the cool-down looks back at.
const COOLING: usize = 100_000;
/// Newest matches among which an open one is looked for.
const MATCHES: usize = 20;
/// A person who waits is read again after so long: what they changed meanwhile counts.
const FRESH: TimeDelta = TimeDelta::seconds(20);

/// Where somebody is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// They wait.
    Waiting(Ticket),
    /// They were paired, and the match is open.
    Matched(Box<Match>),
}

/// What this process remembers of those who wait. All of it can be read again.
#[derive(Default)]
pub struct Pool {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    people: HashMap<Uuid, (Someone, DateTime<Utc>)>,
    /// Their vectors are those of the embedding model to come.
    of_next: bool,
    /// Tickets that were tried together and may not meet.
    refused: HashSet<(Uuid, Uuid)>,
    ticks: u64,
}

impl Pool {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipeline {
    /// Somebody waits for a partner, or goes on waiting: a ticket that is not asked for again ends by itself. Who is in an open live match
    /// gets that. Errors: `NotFound`; `Conflict` (`not_admitted` for whom moderation keeps out, `in_call`).
    pub async fn wait(&self, tenant: &TenantId, person: &ProfileId, tier: u8) -> Result<Place, PipelineError> {
        check_name("person", person.as_str())?;
        let guest = self.guest(tenant, person).await?;
        for _ in 0..STALE_TRIES {
            let now = self.clock.now();
            if let Some(place) = self.matched(tenant, person).await? {
                return Ok(place);
            }
            if !guest.remembered.record.standing.may_pair(now) {
                let message = "moderation keeps this person out of live pairing for now".to_owned();
                return Err(PipelineError::Conflict { code: "not_admitted", message });
            }
            if self.in_call(tenant, person).await? {
                let message = "this person is in a call: end it first".to_owned();
                return Err(PipelineError::Conflict { code: "in_call", message });
            }
            let until = now + TimeDelta::seconds(i64::from(self.config.matching.ticket_seconds));
            let (tenant, person) = (tenant.clone(), person.clone());
            let ticket = Ticket { id: Uuid::now_v7(), tenant, person, tier, since: now, until };
            let (tenant, person) = (ticket.tenant.clone(), ticket.person.clone());
            let change = Change { waiting: vec![ticket], ..Change::default() };
            self.store.put_change(&tenant, change, Default::default()).await?;
            // Paired between the two: look again.
            if let Some(ticket) = self.store.load_ticket(&tenant, &person).await? {
                return Ok(Place::Waiting(ticket));
            }
        }
        Err(contended())
    }

    /// Does somebody wait, or are they matched? Errors: `NotFound`.
    pub async fn place(&self, tenant: &TenantId, person: &ProfileId) -> Result<Place, PipelineError> {
        if let Some(ticket) = self.store.load_ticket(tenant, person).await?.filter(|it| it.until > self.clock.now()) {
            return Ok(Place::Waiting(ticket));
        }
        let matched = self.matched(tenant, person).await?;
        matched.ok_or_else(|| PipelineError::NotFound { what: "ticket", id: person.to_string() })
    }

    /// Somebody waits no more. `false`: they did not.
    pub async fn leave(&self, tenant: &TenantId, person: &ProfileId) -> Result<bool, PipelineError> {
        let Some(ticket) = self.store.load_ticket(tenant, person).await? else { return Ok(false) };
        let change = Change { taken: vec![ticket.id], ..Change::default() };
        Ok(self.store.put_change(tenant, change, Default::default()).await? == Recorded::New)
    }

    async fn matched(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<Place>, PipelineError> {
        let matches = self.store.matches_of(tenant, person, MATCHES).await?;
        let open = matches.into_iter().find(|made| made.ended.is_none() && made.origin == Origin::Live);
        Ok(open.map(|made| Place::Matched(Box::new(made))))
    }

    async fn in_call(&self, tenant: &TenantId, person: &ProfileId) -> Result<bool, PipelineError> {
        let actor = ActorId(person.0.clone());
        Ok(!self.store.open_calls_of(tenant, &actor, 1).await?.is_empty())
    }

    /// One tick: pairs those who wait, of every tenant. Answers how many pairs were made.
    pub async fn pair(&self) -> Result<usize, PipelineError> {
        let now = self.clock.now();
        self.store.drop_tickets(now).await?;
        let tickets = self.store.waiting(MOST).await?;
        metrics::gauge!("chaperone_match_waiting").set(tickets.len() as f64);
        self.forget(&tickets);
        let mut tenants: HashMap<TenantId, Vec<Ticket>> = HashMap::new();
        for ticket in tickets {
            tenants.entry(ticket.tenant.clone()).or_default().push(ticket);
        }
        let mut made = 0;
        for (tenant, tickets) in tenants.into_iter().filter(|(_, tickets)| tickets.len() > 1) {
            made += self.pair_tenant(&tenant, tickets).await?;
        }
        metrics::counter!("chaperone_match_pairs_total").increment(made as u64);
        Ok(made)
    }

    /// Forgets what was remembered of tickets that are gone.
    fn forget(&self, tickets: &[Ticket]) {
        let there: HashSet<Uuid> = tickets.iter().map(|ticket| ticket.id).collect();
        let mut memory = self.pool.memory();
        memory.people.retain(|id, _| there.contains(id));
        memory.refused.retain(|(one, other)| there.contains(one) && there.contains(other));
    }

    async fn pair_tenant(&self, tenant: &TenantId, tickets: Vec<Ticket>) -> Result<usize, PipelineError> {
        let (tickets, waiting) = self.seats(tenant, tickets).await?;
        let avoid = self.avoided(tenant, &tickets).await?;
        let (model, _) = self.score_model(tenant).await?;
        let (rules, now) = (self.config.matching.rules(), self.clock.now());
        let turn = {
            let mut memory = self.pool.memory();
            memory.ticks += 1;
            memory.ticks
        };
        let started = std::time::Instant::now();
        let pairings = tokio::task::spawn_blocking(move || tick(&waiting, &avoid, &model, &rules, now, turn))
            .await
            .map_err(|error| PipelineError::Internal { part: "matching", message: format!("a tick ended: {error}") })?;
        metrics::histogram!("chaperone_match_tick_seconds").record(started.elapsed().as_secs_f64());
        let pairs = pairings.into_iter().map(|pairing| {
            let (one, other) = (tickets[pairing.a].clone(), tickets[pairing.b].clone());
            self.bring_together(tenant, one, other, pairing.score)
        });
        let written = stream::iter(pairs).buffer_unordered(IN_FLIGHT).try_collect::<Vec<bool>>().await?;
        Ok(written.into_iter().filter(|written| *written).count())
    }

    /// Those who wait, with what is known of them; a ticket without a profile is not seated.
    async fn seats(
        &self,
        tenant: &TenantId,
        tickets: Vec<Ticket>,
    ) -> Result<(Vec<Ticket>, Vec<Waiting>), PipelineError> {
        let (now, of_next) = (self.clock.now(), self.answering_next().await?.is_some());
        let unknown: Vec<Ticket> = {
            let mut memory = self.pool.memory();
            if std::mem::replace(&mut memory.of_next, of_next) != of_next {
                // Vectors of two models do not compare.
                memory.people.clear();
            }
            let fresh = |ticket: &Ticket| memory.people.get(&ticket.id).is_some_and(|(_, read)| now - *read < FRESH);
            tickets.iter().filter(|ticket| !fresh(ticket)).cloned().collect()
        };
        for page in unknown.chunks(PAGE) {
            let ids: Vec<ProfileId> = page.iter().map(|ticket| ticket.person.clone()).collect();
            let guests = self.guests(tenant, &ids).await?;
            let mut guests: HashMap<ProfileId, Someone> =
                guests.into_iter().map(|guest| (guest.profile.id.clone(), guest.someone)).collect();
            let mut memory = self.pool.memory();
            for ticket in page {
                match guests.remove(&ticket.person) {
                    Some(someone) => drop(memory.people.insert(ticket.id, (someone, now))),
                    None => drop(memory.people.remove(&ticket.id)),
                }
            }
        }
        let memory = self.pool.memory();
        let seat = |ticket: Ticket| {
            let (person, _) = memory.people.get(&ticket.id)?;
            let waiting = Waiting { person: person.clone(), tier: ticket.tier, since: ticket.since };
            Some((ticket, waiting))
        };
        Ok(tickets.into_iter().filter_map(seat).unzip())
    }

    /// Places of two who met lately, or were found not to fit.
    async fn avoided(&self, tenant: &TenantId, tickets: &[Ticket]) -> Result<HashSet<(usize, usize)>, PipelineError> {
        let since = self.clock.now() - TimeDelta::seconds(i64::from(self.config.matching.cool_down_seconds));
        let people: HashMap<&ProfileId, usize> =
            tickets.iter().enumerate().map(|(place, ticket)| (&ticket.person, place)).collect();
        let ids: HashMap<Uuid, usize> = tickets.iter().enumerate().map(|(place, ticket)| (ticket.id, place)).collect();
        let pairs = self.store.live_pairs(tenant, since, COOLING).await?;
        let met = pairs.iter().filter_map(|[one, other]| Some((*people.get(one)?, *people.get(other)?)));
        let memory = self.pool.memory();
        let refused = memory.refused.iter().filter_map(|(one, other)| Some((*ids.get(one)?, *ids.get(other)?)));
        Ok(met.chain(refused).map(|(a, b)| (a.min(b), a.max(b))).collect())
    }

    /// Checks both once more by what the store says now, and writes their match. `false`: they do not meet.
    async fn bring_together(
        &self,
        tenant: &TenantId,
        one: Ticket,
        other: Ticket,
        score: f64,
    ) -> Result<bool, PipelineError> {
        let mut guests = Vec::with_capacity(2);
        for ticket in [&one, &other] {
            match self.admitted(tenant, ticket).await? {
                Some(guest) => guests.push(guest),
                None => {
                    // Stale: somebody else took it.
                    let change = Change { taken: vec![ticket.id], ..Change::default() };
                    self.store.put_change(tenant, change, Default::default()).await?;
                    return Ok(false);
                }
            }
        }
        let [first, second] = [&guests[0], &guests[1]];
        let ties = self.store.ties_with(tenant, first.id(), std::slice::from_ref(second.id())).await?;
        let fit = filter::mutual(&first.profile.terms, &second.profile.terms).is_ok();
        if !fit || ties.iter().any(|tie| tie.kind != TieKind::Like) {
            self.pool.memory().refused.insert((one.id, other.id));
            return Ok(false);
        }
        let mut participants = [one.person.clone(), other.person.clone()];
        participants.sort();
        let made = Match {
            id: MatchId::new(),
            tenant: tenant.clone(),
            participants,
            origin: Origin::Live,
            score,
            reasons: codes(first, second),
            created_at: self.clock.now(),
            ended: None,
            ratings: Default::default(),
        };
        let news = self.news(vec![created(&made)]);
        let change = Change { matches: vec![made], taken: vec![one.id, other.id], ..Change::default() };
        let written = self.store.put_change(tenant, change, news).await? == Recorded::New;
        if written {
            let now = self.clock.now();
            for ticket in [&one, &other] {
                let waited = (now - ticket.since).num_milliseconds().max(0) as f64 / 1e3;
                metrics::histogram!("chaperone_match_wait_seconds").record(waited);
            }
        }
        Ok(written)
    }

    /// May the ticket's person still be paired? Not who is out or was disconnected, not who is in a call, not who left the platform.
    async fn admitted(&self, tenant: &TenantId, ticket: &Ticket) -> Result<Option<Guest>, PipelineError> {
        let guest = self.guests(tenant, std::slice::from_ref(&ticket.person)).await?.pop();
        let Some(guest) = guest.filter(|guest| guest.remembered.record.standing.may_pair(self.clock.now())) else {
            return Ok(None);
        };
        if self.in_call(tenant, &ticket.person).await? {
            return Ok(None);
        }
        let actor = ActorId(ticket.person.0.clone());
        let gone = self.store.load_presence(tenant, &actor).await?;
        Ok((!gone.is_some_and(|(connected, at)| !connected && at > ticket.since)).then_some(guest))
    }
}

impl crate::config::MatchingConfig {
    /// How people are paired.
    pub fn rules(&self) -> Rules {
        let seconds = |seconds: u32| TimeDelta::seconds(i64::from(seconds));
        Rules {
            patience: seconds(self.patience_seconds),
            least_score: self.least_score,
            aging: seconds(self.aging_seconds),
            head_starts: self.head_start_seconds.iter().copied().map(seconds).collect(),
            ..Rules::default()
        }
    }
}
