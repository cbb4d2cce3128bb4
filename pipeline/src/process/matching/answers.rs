//! Likes, passes, blocks, ends of matches, ratings.

use super::{Guest, Pipeline, STALE_TRIES, contended, created, ended};
use crate::{
    error::PipelineError,
    item::{MatchId, ProfileId, TenantId, check_name},
    matching::{
        behaviour::observe,
        compatibility::{Reason, reasons},
        meeting::{Change, Ended, Match, Origin, Tie, TieKind},
    },
    store::{News, Recorded},
};

/// Matches of two people that are looked at to find the open one.
const MATCHES: usize = 50;
/// Longest reason for an end, in bytes.
const MAX_REASON_BYTES: usize = 64;

/// What became of a like or a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Both like each other: their match.
    pub matched: Option<Match>,
    /// The same answer was there before: nothing was changed.
    pub repeated: bool,
}

/// What somebody says of a match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Feedback {
    /// 1 to 5.
    pub rating: Option<u8>,
    /// The other answered the first message.
    pub replied: Option<bool>,
}

impl Pipeline {
    /// Somebody likes somebody, or passes. The newest answer stands; the first one teaches. Errors: `NotFound`, also for somebody who is
    /// out; `Conflict` (`blocked`).
    pub async fn answer(
        &self,
        tenant: &TenantId,
        from: &ProfileId,
        to: &ProfileId,
        like: bool,
    ) -> Result<Answered, PipelineError> {
        check_name("from", from.as_str())?;
        check_name("to", to.as_str())?;
        if from == to {
            return Err(PipelineError::invalid("answer_to_oneself", "`from` and `to` are the same person: send two"));
        }
        for _ in 0..STALE_TRIES {
            let viewer = self.guest(tenant, from).await?;
            let candidate = self.guest(tenant, to).await?;
            let now = self.clock.now();
            if let Some(out) = [&viewer, &candidate].into_iter().find(|guest| guest.is_out(now)) {
                // No more is said of somebody who is out than of somebody who was never there.
                return Err(PipelineError::NotFound { what: "profile", id: out.id().to_string() });
            }
            let ties = self.store.ties_with(tenant, from, std::slice::from_ref(to)).await?;
            if ties.iter().any(|tie| tie.kind == TieKind::Block) {
                let message = "one of them blocked the other: they cannot meet".to_owned();
                return Err(PipelineError::Conflict { code: "blocked", message });
            }
            let said = |by: &ProfileId| ties.iter().find(|tie| tie.from == *by).map(|tie| tie.kind);
            let kind = if like { TieKind::Like } else { TieKind::Pass };
            let open = self.open_match(tenant, from, to, Origin::Mutual).await?;
            if said(from) == Some(kind) {
                return Ok(Answered { matched: open, repeated: true });
            }
            let mut change = Change::default();
            let first = said(from).is_none();
            let (mut own, mut theirs) = (viewer.remembered.record.clone(), candidate.remembered.record.clone());
            let (model, _) = self.score_model(tenant).await?;
            if first {
                observe(&mut own.behaviour, &mut theirs.behaviour, like, &model.expected);
            }
            own.active_at = Some(now);
            // Both records are written even when nothing is learned: of two likes at the same moment the later one must see the other.
            change.people = vec![
                (from.clone(), own, viewer.remembered.version),
                (to.clone(), theirs, candidate.remembered.version),
            ];
            // In one order for everybody, so that two writers never wait for each other.
            change.people.sort_by(|one, other| one.0.cmp(&other.0));
            change.ties.push(Tie { from: from.clone(), to: to.clone(), kind, at: now });
            let matched = match (like && said(to) == Some(TieKind::Like), open) {
                (true, Some(open)) => Some(open),
                (true, None) => {
                    let mut participants = [from.clone(), to.clone()];
                    participants.sort();
                    let made = Match {
                        id: MatchId::new(),
                        tenant: tenant.clone(),
                        participants,
                        origin: Origin::Mutual,
                        score: model.score(&viewer.someone, &candidate.someone).total,
                        reasons: codes(&viewer, &candidate),
                        created_at: now,
                        ended: None,
                        ratings: Default::default(),
                    };
                    change.matches.push(made.clone());
                    Some(made)
                }
                (false, _) => None,
            };
            let news = self.news(change.matches.iter().map(created).collect());
            if self.store.put_change(tenant, change, news).await? == Recorded::Stale {
                continue;
            }
            if first {
                self.teach(tenant, &viewer, &candidate, like).await?;
            }
            let answer = kind.as_str();
            metrics::counter!("chaperone_match_answers_total", "answer" => answer, "mutual" => if matched.is_some() { "yes" } else { "no" })
                .increment(1);
            return Ok(Answered { matched, repeated: false });
        }
        Err(contended())
    }

    /// The tenant's model learns from one answer. When others teach it at the same moment again and again, this answer is left out: the
    /// model can do without one.
    async fn teach(
        &self,
        tenant: &TenantId,
        viewer: &Guest,
        candidate: &Guest,
        like: bool,
    ) -> Result<(), PipelineError> {
        let (model, _) = self.score_model(tenant).await?;
        // As they were before this answer: who learns from it must not be told it.
        let viewer = self.with_taste(viewer.clone(), &model.expected, Some(candidate.id())).await?;
        for _ in 0..STALE_TRIES {
            let (mut model, version) = self.score_model(tenant).await?;
            model.learn(&viewer.someone, &candidate.someone, like);
            let body = serde_json::to_string(&model).map_err(|_| PipelineError::Internal {
                part: "matching",
                message: "a model cannot be written".into(),
            })?;
            if self.store.put_score_model(tenant, &body, version).await? {
                break;
            }
        }
        Ok(())
    }

    /// Nobody of the two is shown to the other any more; their open matches end.
    pub async fn block(&self, tenant: &TenantId, from: &ProfileId, to: &ProfileId) -> Result<(), PipelineError> {
        check_name("from", from.as_str())?;
        check_name("to", to.as_str())?;
        let now = self.clock.now();
        for _ in 0..STALE_TRIES {
            let mut change = Change::default();
            change.ties.push(Tie { from: from.clone(), to: to.clone(), kind: TieKind::Block, at: now });
            let matches = self.store.matches_of(tenant, from, MATCHES).await?;
            let open = matches.into_iter().filter(|made| made.ended.is_none() && made.has(to));
            change.changed = open.map(|made| (over(made, now, "blocked", None), true)).collect();
            let news = self.news(change.changed.iter().map(|(over, _)| ended(over, now)).collect());
            if self.store.put_change(tenant, change, news).await? != Recorded::Stale {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Takes a block back.
    pub async fn unblock(&self, tenant: &TenantId, from: &ProfileId, to: &ProfileId) -> Result<(), PipelineError> {
        let change = Change { unblocked: vec![(from.clone(), to.clone())], ..Change::default() };
        self.store.put_change(tenant, change, News::default()).await.map(drop)
    }

    /// One match. Errors: `NotFound`.
    pub async fn load_match(&self, tenant: &TenantId, id: MatchId) -> Result<Match, PipelineError> {
        let found = self.store.load_match(tenant, id).await?;
        found.ok_or_else(|| PipelineError::NotFound { what: "match", id: id.to_string() })
    }

    /// A person's matches, newest first.
    pub async fn matches(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        open: bool,
        limit: usize,
    ) -> Result<Vec<Match>, PipelineError> {
        let mut matches = self.store.matches_of(tenant, person, limit).await?;
        matches.retain(|made| !open || made.ended.is_none());
        Ok(matches)
    }

    /// Ends a match. One that is over stays as it is. Errors: `NotFound`, `Invalid` (`not_in_match`, `reason_invalid`).
    pub async fn end_match(
        &self,
        tenant: &TenantId,
        id: MatchId,
        by: Option<&ProfileId>,
        reason: &str,
    ) -> Result<Match, PipelineError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        if reason.is_empty() || reason.len() > MAX_REASON_BYTES || !reason.bytes().all(plain) {
            let message = format!("`reason` has 1 to {MAX_REASON_BYTES} small letters, digits, `_`, `.` or `-`");
            return Err(PipelineError::invalid("reason_invalid", message));
        }
        for _ in 0..STALE_TRIES {
            let made = self.load_match(tenant, id).await?;
            if made.ended.is_some() {
                return Ok(made);
            }
            in_it(&made, by)?;
            let now = self.clock.now();
            let over = over(made, now, reason, by.cloned());
            let change = Change { changed: vec![(over.clone(), true)], ..Change::default() };
            if self.store.put_change(tenant, change, self.news(vec![ended(&over, now)])).await? != Recorded::Stale {
                return Ok(over);
            }
        }
        Err(contended())
    }

    /// What one of the two says of the other, during the match or after it. The newest rating stands. Errors: `NotFound`, `Invalid`
    /// (`not_in_match`, `rating_out_of_range`).
    pub async fn rate_match(
        &self,
        tenant: &TenantId,
        id: MatchId,
        by: &ProfileId,
        feedback: Feedback,
    ) -> Result<Match, PipelineError> {
        if feedback.rating.is_some_and(|rating| !(1..=5).contains(&rating)) {
            return Err(PipelineError::invalid("rating_out_of_range", "`rating` is 1 to 5"));
        }
        for _ in 0..STALE_TRIES {
            let mut made = self.load_match(tenant, id).await?;
            in_it(&made, Some(by))?;
            let Some(other) = made.other(by).cloned() else { return Ok(made) };
            let remembered = self.store.load_remembered(tenant, std::slice::from_ref(&other)).await?.remove(0);
            let mut record = remembered.record;
            if let Some(rating) = feedback.rating {
                let before = made.ratings.insert(by.clone(), rating);
                record.behaviour.rating_sum += f64::from(rating) - f64::from(before.unwrap_or(0));
                record.behaviour.ratings += if before.is_some() { 0.0 } else { 1.0 };
            }
            if let Some(replied) = feedback.replied {
                record.behaviour.replies.add(replied);
            }
            let open = made.ended.is_none();
            let change = Change {
                people: vec![(other, record, remembered.version)],
                changed: vec![(made.clone(), open)],
                ..Change::default()
            };
            if self.store.put_change(tenant, change, News::default()).await? != Recorded::Stale {
                return Ok(made);
            }
        }
        Err(contended())
    }

    /// A profile is gone: the person's open matches end, and what they said and was said of them goes. Their standing stays.
    pub(in crate::process) async fn forget_person(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
    ) -> Result<(), PipelineError> {
        let now = self.clock.now();
        for made in self.store.matches_of(tenant, person, MATCHES).await?.into_iter().filter(|it| it.ended.is_none()) {
            let over = over(made, now, "erased", None);
            let news = self.news(vec![ended(&over, now)]);
            let change = Change { changed: vec![(over, true)], ..Change::default() };
            // Stale: it was ended meanwhile.
            self.store.put_change(tenant, change, news).await?;
        }
        self.store.forget_person(tenant, person).await.map(drop)
    }

    async fn open_match(
        &self,
        tenant: &TenantId,
        one: &ProfileId,
        other: &ProfileId,
        origin: Origin,
    ) -> Result<Option<Match>, PipelineError> {
        let matches = self.store.matches_of(tenant, one, MATCHES).await?;
        Ok(matches.into_iter().find(|made| made.ended.is_none() && made.origin == origin && made.has(other)))
    }
}

fn in_it(made: &Match, by: Option<&ProfileId>) -> Result<(), PipelineError> {
    match by {
        Some(by) if !made.has(by) => {
            Err(PipelineError::invalid("not_in_match", format!("`{by}` is not in this match: send one of the two")))
        }
        _ => Ok(()),
    }
}

pub(super) fn over(mut made: Match, at: chrono::DateTime<chrono::Utc>, reason: &str, by: Option<ProfileId>) -> Match {
    made.ended = Some(Ended { at, reason: reason.to_owned(), by });
    made
}

/// Why two people fit, in codes.
pub(super) fn codes(one: &Guest, other: &Guest) -> Vec<String> {
    reasons(&one.someone, &other.someone).iter().map(Reason::code).map(str::to_owned).collect()
}
