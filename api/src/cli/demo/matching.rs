//! People found by their interests, with the reason in words.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{
    bundle::{Bundle, Person},
    client::Client,
};

/// Two interests closer than this are called shared.
const SHARED: f32 = 0.5;

/// Who is looked up, and what the found person must be like.
pub(super) struct Question {
    pub(super) who: &'static str,
    /// In words, for the summary.
    pub(super) wish: &'static str,
    filter: fn() -> Value,
}

/// Three people; one of them only wants people of a certain age, one only those who speak German or English.
pub(super) const QUESTIONS: [Question; 3] = [
    Question { who: "ana", wish: "", filter: || json!([]) },
    Question {
        who: "yusuf",
        wish: ", 25 to 40 years old",
        filter: || json!([{ "op": "range", "attribute": "age", "min": 25, "max": 40 }]),
    },
    Question {
        who: "kofi",
        wish: ", speaking German or English",
        filter: || json!([{ "op": "any", "attribute": "languages", "values": ["de", "en"] }]),
    },
];

/// One found person.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Match {
    pub(super) id: String,
    pub(super) score: f32,
    /// `wild camping ~ camping in the wild`.
    pub(super) reason: String,
}

/// The best `limit` people for a question.
pub(super) async fn ask(bundle: &Bundle, client: &Client, question: &Question, limit: usize) -> Result<Vec<Match>> {
    let asker = bundle.person(question.who).context("the question names a bundled person")?;
    let found = client.similar(question.who, &(question.filter)(), limit).await?;
    let mut matches = Vec::new();
    for found in found {
        let other = bundle
            .person(&found.id)
            .with_context(|| format!("/v1/similar found `{}`, who is not bundled", found.id))?;
        matches.push(Match { id: found.id, score: found.score, reason: reason(client, asker, other).await? });
    }
    Ok(matches)
}

/// The closest pairs of interests, judged by the same model that found the person.
async fn reason(client: &Client, asker: &Person, other: &Person) -> Result<String> {
    let texts: Vec<String> = asker.interests.iter().chain(&other.interests).cloned().collect();
    let vectors = client.embed(&texts).await?;
    let (ours, theirs) = vectors.split_at_checked(asker.interests.len()).context("one vector per text")?;
    Ok(closest_pairs(&asker.interests, ours, &other.interests, theirs).join("; "))
}

/// Every interest in at most one pair, closest pairs first, at most two; the very closest even when it is not close.
fn closest_pairs(
    ours: &[String],
    our_vectors: &[Vec<f32>],
    theirs: &[String],
    their_vectors: &[Vec<f32>],
) -> Vec<String> {
    let mut pairs = Vec::new();
    for (our, a) in ours.iter().zip(our_vectors) {
        for (their, b) in theirs.iter().zip(their_vectors) {
            let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            pairs.push((cosine, our, their));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut chosen: Vec<(f32, &String, &String)> = Vec::new();
    for pair in pairs {
        let free = chosen.iter().all(|(_, our, their)| *our != pair.1 && *their != pair.2);
        if free && chosen.len() < 2 && (chosen.is_empty() || pair.0 > SHARED) {
            chosen.push(pair);
        }
    }
    let words =
        |(_, our, their): (f32, &String, &String)| if our == their { our.clone() } else { format!("{our} ~ {their}") };
    chosen.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_closest_pairs_once() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let (ours, theirs) = (words(&["hiking", "chess"]), words(&["walking", "chess"]));
        let (a, b) = (vec![vec![1.0, 0.0], vec![0.0, 1.0]], vec![vec![0.8, 0.6], vec![0.0, 1.0]]);
        assert_eq!(closest_pairs(&ours, &a, &theirs, &b), ["chess", "hiking ~ walking"]);
        let far = vec![vec![0.1, 0.0], vec![0.0, 0.2]];
        assert_eq!(
            closest_pairs(&ours, &a, &theirs, &far),
            ["chess"],
            "one reason at least, but no far-fetched second"
        );
    }

    #[test]
    fn every_question_is_about_a_bundled_person() {
        let bundle = Bundle::load().unwrap();
        assert!(QUESTIONS.iter().all(|question| bundle.person(question.who).is_some()));
    }
}
