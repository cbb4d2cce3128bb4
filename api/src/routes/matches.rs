//! Who is recommended to whom, likes and passes, matches, blocks.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{
    item::{MatchId, ProfileId},
    matching::{
        compatibility::Reason,
        icebreaker::Icebreaker,
        meeting::{Match, Origin},
        score::MatchScore,
    },
    process::matching::{Compared, Feedback, Recommended},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    auth::{Allowed, ToProfiles, ToSearch},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query, name},
    seat::{Either, ToView},
};

/// Rows of a list when the caller does not say.
const DEFAULT_LIMIT: usize = 20;
/// Most.
const MAX_LIMIT: usize = 100;

/// How many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct RecommendOptions {
    /// Most people, 1 to 100; 20 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// Today's list.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendationsView {
    /// Best first; the same all day, less those who may not be met any more.
    recommendations: Vec<RecommendationView>,
}

/// One person of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendationView {
    /// Your id of the person.
    id: String,
    /// How well both fit.
    score: ScoreView,
    /// What speaks for them: `code` and what it rests on.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Value>,
    /// What to say first.
    #[serde(skip_serializing_if = "Option::is_none")]
    icebreaker: Option<IcebreakerView>,
}

/// How well two people fit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MatchScore)]
pub struct ScoreView {
    /// 0 to 1, the same from both sides.
    total: f64,
    /// Chance that the first says yes to the second.
    forward: f64,
    /// Chance that the second says yes to the first.
    backward: f64,
    /// What each part adds, in log odds.
    parts: Vec<PartView>,
}

/// What one part adds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MatchScorePart)]
pub struct PartView {
    /// `interests`, `demographics`, `behaviour`, `reputation`, `past_compatibility`.
    part: &'static str,
    /// Above 0: speaks for the two.
    log_odds: f64,
}

/// A first sentence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Icebreaker)]
pub struct IcebreakerView {
    /// The sentence.
    text: String,
    /// What both have in common; empty for an open question.
    about: String,
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl From<MatchScore> for ScoreView {
    fn from(score: MatchScore) -> Self {
        let parts = score.parts.iter();
        Self {
            total: rounded(score.total),
            forward: rounded(score.forward),
            backward: rounded(score.backward),
            parts: parts.map(|part| PartView { part: part.part.as_str(), log_odds: rounded(part.log_odds) }).collect(),
        }
    }
}

impl From<Icebreaker> for IcebreakerView {
    fn from(Icebreaker { text, about }: Icebreaker) -> Self {
        Self { text, about }
    }
}

fn reasons(reasons: &[Reason]) -> Vec<Value> {
    // Plain data: it cannot fail.
    reasons.iter().filter_map(|reason| serde_json::to_value(reason).ok()).collect()
}

impl From<Recommended> for RecommendationView {
    fn from(found: Recommended) -> Self {
        Self {
            id: found.id.0,
            score: found.score.into(),
            reasons: reasons(&found.reasons),
            icebreaker: found.icebreaker.map(IcebreakerView::from),
        }
    }
}

/// Recommend people
///
/// The list is made once a day (UTC): near people who fit both ways, by score, with some exploration, and spread so that everybody is shown.
/// Whom moderation keeps out, whom one blocked or answered meanwhile is left out at once.
#[utoipa::path(
    get, path = "/v1/profiles/{id}/recommendations", tag = "matching",
    params(("id" = String, Path, description = "For whom"), RecommendOptions),
    responses(
        (status = 200, description = "Today's list", body = RecommendationsView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn recommend_people(
    State(app): State<Shared>,
    caller: Allowed<ToSearch>,
    Path(id): Path<String>,
    Query(options): Query<RecommendOptions>,
) -> Result<Json<RecommendationsView>, ApiError> {
    name("id", &id)?;
    let limit = limit(options.limit)?;
    let found = app.services.pipeline.recommend(&caller.tenant, &ProfileId(id), limit).await?;
    Ok(Json(RecommendationsView { recommendations: found.into_iter().map(RecommendationView::from).collect() }))
}

fn limit(given: Option<usize>) -> Result<usize, ApiError> {
    let limit = given.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let message = format!("`limit` is {limit}: send 1 to {MAX_LIMIT}.");
        return Err(ApiError::invalid("limit_out_of_range", message).at("limit"));
    }
    Ok(limit)
}

/// Two people compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompatibilityView {
    /// How well they fit.
    score: ScoreView,
    /// What speaks for them.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Value>,
    /// What the first seeks and the second is not: `gender`, `age`, `distance`, `language`, `region`, `intent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    refused: Option<Value>,
    /// What the second seeks and the first is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    refused_by_other: Option<Value>,
    /// They are shown to each other neither way: a block, or moderation.
    apart: bool,
    /// What to say first.
    icebreakers: Vec<IcebreakerView>,
}

impl From<Compared> for CompatibilityView {
    fn from(compared: Compared) -> Self {
        let found = compared.compatibility;
        let word = |refusal| serde_json::to_value(refusal).ok();
        Self {
            reasons: reasons(&found.reasons),
            refused: found.refused.and_then(word),
            refused_by_other: found.refused_by_other.and_then(word),
            score: found.score.into(),
            apart: compared.apart,
            icebreakers: compared.icebreakers.into_iter().map(IcebreakerView::from).collect(),
        }
    }
}

/// Compare two people
///
/// Score by parts, reasons, what either seeks and the other is not, and what to say first.
#[utoipa::path(
    get, path = "/v1/profiles/{id}/compatibility/{other}", tag = "matching",
    params(("id" = String, Path, description = "One"), ("other" = String, Path, description = "Another")),
    responses(
        (status = 200, description = "The comparison", body = CompatibilityView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn compare_people(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToView>,
    Path((id, other)): Path<(String, String)>,
) -> Result<Json<CompatibilityView>, ApiError> {
    name("id", &id)?;
    name("other", &other)?;
    let found = app.services.pipeline.compare(&caller.tenant, &ProfileId(id), &ProfileId(other)).await?;
    Ok(Json(found.into()))
}

/// What somebody says of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Like,
    /// No.
    Pass,
}

/// A like or a pass.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "from": "ann", "to": "bob", "answer": "like" }))]
pub struct NewAnswer {
    /// Who says it.
    from: String,
    /// Of whom.
    to: String,
    /// What.
    answer: Answer,
}

impl Payload for NewAnswer {}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerView {
    /// Both like each other.
    mutual: bool,
    /// Their match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(rename = "match")]
    r#match: Option<MatchView>,
    /// The same answer was there before: nothing was changed.
    repeated: bool,
}

/// Two people who were brought together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Match)]
pub struct MatchView {
    /// Its id.
    id: Uuid,
    /// Both.
    participants: Vec<String>,
    /// `mutual`: both liked each other; `live`: both waited.
    origin: &'static str,
    /// 0 to 1, when it was made.
    score: f64,
    /// Why, in codes.
    reasons: Vec<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it ended; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<String>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
}

impl From<Match> for MatchView {
    fn from(made: Match) -> Self {
        let (ended_at, end_reason, ended_by) = match made.ended {
            Some(ended) => (Some(ended.at), Some(ended.reason), ended.by.map(|by| by.0)),
            None => (None, None, None),
        };
        Self {
            id: made.id.0,
            participants: made.participants.map(|id| id.0).into(),
            origin: match made.origin {
                Origin::Mutual => "mutual",
                Origin::Live => "live",
            },
            score: rounded(made.score),
            reasons: made.reasons,
            created_at: made.created_at,
            ended_at,
            end_reason,
            ended_by,
        }
    }
}

/// Like or pass
///
/// The newest answer of a person about another stands. When both like each other they are matched (event `match.created`).
#[utoipa::path(
    post, path = "/v1/answers", tag = "matching", request_body = NewAnswer,
    responses(
        (status = 200, description = "Noted", body = AnswerView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = 409, description = "One of them blocked the other", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn give_answer(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Body(new): Body<NewAnswer>,
) -> Result<Json<AnswerView>, ApiError> {
    name("from", &new.from)?;
    name("to", &new.to)?;
    let (from, to, like) = (ProfileId(new.from), ProfileId(new.to), new.answer == Answer::Like);
    let answered = app.services.pipeline.answer(&caller.tenant, &from, &to, like).await?;
    let mutual = answered.matched.is_some();
    Ok(Json(AnswerView { mutual, r#match: answered.matched.map(MatchView::from), repeated: answered.repeated }))
}

/// Which matches.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MatchOptions {
    /// Whose.
    person: String,
    /// Open ones only.
    open: bool,
    /// Most matches, 1 to 100; 20 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// Matches.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchesView {
    /// Newest first.
    matches: Vec<MatchView>,
}

/// List matches
#[utoipa::path(
    get, path = "/v1/matches", tag = "matching", params(MatchOptions),
    responses(
        (status = 200, description = "A person's matches", body = MatchesView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToView>,
    Query(options): Query<MatchOptions>,
) -> Result<Json<MatchesView>, ApiError> {
    name("person", &options.person)?;
    let limit = limit(options.limit)?;
    let person = ProfileId(options.person);
    let found = app.services.pipeline.matches(&caller.tenant, &person, options.open, limit).await?;
    Ok(Json(MatchesView { matches: found.into_iter().map(MatchView::from).collect() }))
}

/// Show a match
#[utoipa::path(
    get, path = "/v1/matches/{id}", tag = "matching", params(("id" = Uuid, Path, description = "The match's id")),
    responses(
        (status = 200, description = "The match", body = MatchView),
        (status = 404, description = "No such match", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show_match(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToView>,
    Path(id): Path<Uuid>,
) -> Result<Json<MatchView>, ApiError> {
    Ok(Json(app.services.pipeline.load_match(&caller.tenant, MatchId(id)).await?.into()))
}

/// The end of a match.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "by": "bob", "reason": "skipped" }))]
pub struct MatchEnd {
    /// Who ends it, if one of the two does.
    by: Option<String>,
    /// `left` when absent; others in small letters, digits, `_`, `.` and `-`.
    reason: Option<String>,
}

impl Payload for MatchEnd {}

/// End a match
///
/// One that is over stays as it is. Both can be paired with others at once, with each other after the cool-down (event `match.ended`).
#[utoipa::path(
    post, path = "/v1/matches/{id}/end", tag = "matching", request_body = MatchEnd,
    params(("id" = Uuid, Path, description = "The match's id")),
    responses(
        (status = 200, description = "Over", body = MatchView),
        (status = 404, description = "No such match", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn end_match(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<Uuid>,
    Body(end): Body<MatchEnd>,
) -> Result<Json<MatchView>, ApiError> {
    let by = end.by.map(ProfileId);
    let reason = end.reason.as_deref().unwrap_or("left");
    let over = app.services.pipeline.end_match(&caller.tenant, MatchId(id), by.as_ref(), reason).await?;
    Ok(Json(over.into()))
}

/// What one of the two says of a match.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "by": "ann", "rating": 5 }))]
pub struct MatchFeedback {
    /// Who says it.
    by: String,
    /// 1 (bad) to 5: how it was with the other. The newest stands.
    rating: Option<u8>,
    /// The other answered the first message, or did not.
    replied: Option<bool>,
}

impl Payload for MatchFeedback {}

/// Rate a match
///
/// Scores of the other learn from it.
#[utoipa::path(
    post, path = "/v1/matches/{id}/feedback", tag = "matching", request_body = MatchFeedback,
    params(("id" = Uuid, Path, description = "The match's id")),
    responses(
        (status = 200, description = "Noted", body = MatchView),
        (status = 404, description = "No such match", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn rate_match(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<Uuid>,
    Body(new): Body<MatchFeedback>,
) -> Result<Json<MatchView>, ApiError> {
    name("by", &new.by)?;
    let feedback = Feedback { rating: new.rating, replied: new.replied };
    let rated = app.services.pipeline.rate_match(&caller.tenant, MatchId(id), &ProfileId(new.by), feedback).await?;
    Ok(Json(rated.into()))
}

/// Block a person
///
/// Neither is shown to the other any more, nobody is told, and their open matches end.
#[utoipa::path(
    put, path = "/v1/profiles/{id}/blocks/{other}", tag = "matching",
    params(("id" = String, Path, description = "Who blocks"), ("other" = String, Path, description = "Whom")),
    responses(
        (status = 204, description = "Blocked"),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn block_person(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path((id, other)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    name("id", &id)?;
    name("other", &other)?;
    app.services.pipeline.block(&caller.tenant, &ProfileId(id), &ProfileId(other)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a block back
#[utoipa::path(
    delete, path = "/v1/profiles/{id}/blocks/{other}", tag = "matching",
    params(("id" = String, Path, description = "Who blocked"), ("other" = String, Path, description = "Whom")),
    responses(
        (status = 204, description = "Not blocked"),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn unblock_person(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path((id, other)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    name("id", &id)?;
    name("other", &other)?;
    app.services.pipeline.unblock(&caller.tenant, &ProfileId(id), &ProfileId(other)).await?;
    Ok(StatusCode::NO_CONTENT)
}
