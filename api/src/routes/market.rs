//! How matching does as a whole: how attention is spread, and what was learned.

use axum::{Json, extract::State};
use pipeline::matching::{
    exposure::gini,
    feature::{FEATURES, Part},
    score::ScoreModel,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::ToSearch,
    error::{ApiError, ErrorBody},
    seat::{Either, ToViewStats},
};

/// People whose exposure is read for a summary.
const READ: usize = 200_000;
/// Bars of the histogram.
const BARS: usize = 10;

/// How attention was spread over people this week.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttentionSpread {
    /// People who were on somebody's list.
    people: usize,
    /// Gini coefficient: 0 when all got the same, towards 1 when one got everything.
    gini: f64,
    /// Share of all attention that each tenth of these people got, from the least shown to the most shown.
    deciles: Vec<f64>,
    /// How many got how much: ten bars of the same width, from 0 to the most that anybody got.
    histogram: Vec<AttentionBar>,
}

/// One bar.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct AttentionBar {
    /// More attention than this (the first bar: or none). A first place on a list counts 1, later ones less.
    above: f64,
    /// And at most this.
    up_to: f64,
    /// How many people.
    people: usize,
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// `shown` in order, least first.
fn histogram(shown: &[f64]) -> Vec<AttentionBar> {
    let most = shown.last().copied().unwrap_or_default();
    let edge = |bar: usize| most * bar as f64 / BARS as f64;
    let below = |bar: usize| match bar {
        0 => 0,
        BARS => shown.len(),
        _ => shown.partition_point(|value| *value <= edge(bar)),
    };
    let bar = |bar: usize| AttentionBar {
        above: rounded(edge(bar)),
        up_to: rounded(edge(bar + 1)),
        people: below(bar + 1) - below(bar),
    };
    (0..BARS).map(bar).collect()
}

/// Show how attention is spread
///
/// Over the people on this week's lists, each place weighed by how much it is looked at.
#[utoipa::path(
    get, path = "/v1/exposure", tag = "matching", operation_id = "show_exposure",
    responses(
        (status = 200, description = "This week's lists", body = AttentionSpread),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn exposure(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToViewStats>,
) -> Result<Json<AttentionSpread>, ApiError> {
    let mut shown = app.services.pipeline.exposures(&caller.tenant, READ).await?;
    shown.sort_by(f64::total_cmp);
    let sum: f64 = shown.iter().sum();
    let count = shown.len();
    // The sum of nothing is -0.0, which nobody wants to read.
    let tenth = |n: usize| 0.0 + shown[n * count / 10..(n + 1) * count / 10].iter().sum::<f64>();
    let deciles = (0..10).map(|n| if sum > 0.0 { rounded(tenth(n) / sum) } else { 0.0 }).collect();
    let histogram = histogram(&shown);
    Ok(Json(AttentionSpread { people: count, gini: rounded(gini(&shown)), deciles, histogram }))
}

/// What scores are made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreModelView {
    /// Likes and passes that it learned from; 0: nothing yet, the weights are those it comes with.
    version: u64,
    /// One for each feature.
    weights: Vec<WeightView>,
}

/// What one feature counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScoreWeight)]
pub struct WeightView {
    /// Its name.
    feature: &'static str,
    /// The part that it is explained under; absent for the constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
    /// Log odds per unit.
    weight: f64,
    /// Standard deviation of that belief.
    doubt: f64,
    /// What it was before anybody answered.
    prior: f64,
}

fn weights(model: &ScoreModel) -> Vec<WeightView> {
    let learned = model.learner.mean.iter().zip(&model.learner.precision);
    let rows = FEATURES.iter().zip(learned);
    rows.map(|(feature, (mean, precision))| WeightView {
        feature: feature.name,
        part: feature.part.map(Part::as_str),
        weight: rounded(*mean),
        doubt: rounded(1.0 / precision.sqrt()),
        prior: feature.prior,
    })
    .collect()
}

/// Show what scores are made of
///
/// The weights that your people's likes and passes have taught.
#[utoipa::path(
    get, path = "/v1/score-model", tag = "matching", operation_id = "show_score_model",
    responses(
        (status = 200, description = "The learned model", body = ScoreModelView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn score_model(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToViewStats>,
) -> Result<Json<ScoreModelView>, ApiError> {
    let model = app.services.pipeline.learned(&caller.tenant).await?;
    Ok(Json(ScoreModelView { version: model.version(), weights: weights(&model) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x7_every_person_is_in_one_bar() {
        for shown in [vec![], vec![0.0, 0.0], vec![0.1, 0.5, 0.5, 1.0], (0..1_000).map(f64::from).collect()] {
            let bars = histogram(&shown);
            assert_eq!((bars.len(), bars.iter().map(|bar| bar.people).sum::<usize>()), (BARS, shown.len()));
            assert!(bars.windows(2).all(|pair| pair[0].up_to == pair[1].above));
        }
        let bars = histogram(&[0.1, 0.5, 0.5, 1.0]);
        let people: Vec<usize> = bars.iter().map(|bar| bar.people).collect();
        assert_eq!(people, [1, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn x2_a_new_model_has_the_weights_it_comes_with() {
        let weights = weights(&ScoreModel::default());
        assert_eq!(weights.len(), FEATURES.len());
        assert!(weights.iter().all(|weight| (weight.weight - weight.prior).abs() < 1e-9 && weight.doubt > 0.0));
    }
}
