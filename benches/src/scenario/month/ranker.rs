//! How lists are made.

use std::{collections::HashSet, sync::Arc};

use pipeline::matching::{
    dice::Dice,
    feature::Someone,
    shortlist::{self, Entry},
};

use super::market::Market;

/// People on a list.
const LENGTH: usize = 10;
/// Candidates that the product takes for each place of a list.
const CANDIDATES: usize = 160;

/// One way of making lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ranker {
    /// The product's.
    Ours(Parts),
    /// The nearest profiles.
    Cosine,
    /// Those who like the viewer, then the nearest profiles: what is easily had.
    LikersThenCosine,
    /// Anybody.
    Random,
    /// Whom most like.
    Popularity,
    /// Among the candidates of ours, by the hidden chances: what no ranker can reach.
    Hidden,
}

/// Parts of ours, to see what each is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parts {
    /// α.
    fairness: f64,
    /// It is told who likes the viewer.
    likes: bool,
    /// It knows tastes.
    tastes: bool,
}

const OURS: Parts = Parts { fairness: 0.5, likes: true, tastes: true };

impl Ranker {
    pub(super) const ALL: [(&str, Self); 9] = [
        ("ours", Self::Ours(OURS)),
        ("ours without fairness", Self::Ours(Parts { fairness: 0.0, ..OURS })),
        ("ours without knowing who likes the viewer", Self::Ours(Parts { likes: false, ..OURS })),
        ("ours without tastes", Self::Ours(Parts { tastes: false, ..OURS })),
        ("who likes the viewer, then cosine", Self::LikersThenCosine),
        ("cosine only", Self::Cosine),
        ("random", Self::Random),
        ("popularity", Self::Popularity),
        ("knows what is hidden", Self::Hidden),
    ];

    /// A list for somebody who came.
    pub(super) fn list(self, market: &mut Market, viewer: usize, dice: &mut Dice) -> Vec<usize> {
        let mut found = Vec::with_capacity(CANDIDATES);
        match self {
            Self::Ours(parts) => {
                candidates(market, viewer, parts, dice, &mut found);
                ours(market, viewer, parts, dice, &found)
            }
            Self::Cosine | Self::LikersThenCosine => {
                if self == Self::LikersThenCosine {
                    market.likers(viewer, LENGTH, &mut found);
                }
                let vector = Arc::clone(&market.people[viewer].someone.vector);
                let rest = LENGTH - found.len();
                market.nearest(viewer, &vector, rest, &mut found);
                found
            }
            Self::Random => {
                market.anybody(viewer, LENGTH, dice, &mut found);
                found
            }
            Self::Popularity => {
                let able = market.popular.iter().copied().filter(|other| market.may_show(viewer, *other));
                able.take(LENGTH).collect()
            }
            Self::Hidden => {
                candidates(market, viewer, OURS, dice, &mut found);
                let own = &market.people[viewer].hidden;
                let worth = |other: &usize| {
                    let hidden = &market.people[*other].hidden;
                    own.likes(hidden) * if market.likes(*other, viewer) { 2.0 } else { hidden.likes(own) }
                };
                let mut ranked: Vec<(f64, usize)> = found.iter().map(|other| (worth(other), *other)).collect();
                ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
                ranked.into_iter().take(LENGTH).map(|(_, other)| other).collect()
            }
        }
    }
}

/// As the product finds them: near to the profile, near to the taste, those who like the viewer, and some others to try out.
fn candidates(market: &mut Market, viewer: usize, parts: Parts, dice: &mut Dice, found: &mut Vec<usize>) {
    market.learn_taste(viewer);
    let own: &Someone = &market.people[viewer].someone;
    let (vector, taste) = (Arc::clone(&own.vector), Arc::clone(&own.taste));
    if parts.likes {
        market.likers(viewer, CANDIDATES / 4, found);
    }
    if parts.tastes && !taste.is_empty() {
        market.nearest(viewer, &taste, CANDIDATES / 4, found);
    }
    market.anybody(viewer, CANDIDATES / 4, dice, found);
    let rest = CANDIDATES.saturating_sub(found.len());
    market.nearest(viewer, &vector, rest, found);
}

fn ours(market: &Market, viewer: usize, parts: Parts, dice: &mut Dice, found: &[usize]) -> Vec<usize> {
    let tasteless = |someone: &Someone| Someone { taste: [].into(), ..someone.clone() };
    let people: Vec<Someone> = match parts.tastes {
        true => Vec::new(),
        false => found.iter().map(|other| tasteless(&market.people[*other].someone)).collect(),
    };
    // Nobody else among the candidates can like them. Somebody new may have come in one's place: that is asked then.
    let likers: HashSet<usize> = market.people[viewer].likers.iter().map(|(who, _)| *who).collect();
    let entry = |(place, other): (usize, &usize)| Entry {
        someone: people.get(place).unwrap_or(&market.people[*other].someone),
        likes_viewer: parts.likes && likers.contains(other) && market.likes(*other, viewer),
        shown: market.people[*other].shown,
    };
    let entries: Vec<Entry<'_>> = found.iter().enumerate().map(entry).collect();
    let own = &market.people[viewer].someone;
    let own = if parts.tastes { own.clone() } else { tasteless(own) };
    let order = shortlist::order(&market.model, &own, &entries, parts.fairness, dice);
    order.into_iter().take(LENGTH).map(|place| found[place]).collect()
}
