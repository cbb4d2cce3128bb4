//! What to say first: templates filled with what both wrote themselves. Nothing is made up.

use serde::Serialize;

use super::feature::Someone;

/// A first sentence and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Icebreaker {
    /// The sentence.
    pub text: String,
    /// What both have in common: the interest, the language or the intent.
    pub about: String,
}

/// With `{}` for the interest. The first one to write can send them as they are.
const INTERESTS: [&str; 6] = [
    "We both have “{}” in our profiles. How did you get into it?",
    "I see you like {}, too. What do you enjoy most about it?",
    "Another person with {} on the list! What would you recommend to somebody who starts?",
    "{}: how often do you find the time for it?",
    "What is your best memory of {}?",
    "If we talked about {} for an hour, where would you begin?",
];
const LANGUAGE: &str = "We share a language ({}). Which others would you like to learn?";
const NOTHING: &str = "What made you smile this week?";

/// Up to `count` suggestions for two people: shared interests first, as the first lists them, then a shared language, then an open question.
/// The same for the same people and `turn`; another `turn` words them differently.
pub fn suggest(one: &Someone, other: &Someone, turn: usize, count: usize) -> Vec<Icebreaker> {
    let filled =
        |template: &str, about: &str| Icebreaker { text: template.replace("{}", about), about: about.to_owned() };
    let interests = shared(&one.interests, &other.interests).into_iter().enumerate();
    let mut suggestions: Vec<Icebreaker> =
        interests.map(|(place, interest)| filled(INTERESTS[(place + turn) % INTERESTS.len()], &interest)).collect();
    let languages = shared(&one.terms.about.languages, &other.terms.about.languages);
    suggestions.extend(languages.first().map(|language| filled(LANGUAGE, language)));
    suggestions.push(Icebreaker { text: NOTHING.to_owned(), about: String::new() });
    suggestions.truncate(count);
    suggestions
}

/// What both lists have, in the order and the spelling of the first.
pub fn shared(one: &[String], other: &[String]) -> Vec<String> {
    let plain = |word: &String| word.trim().to_lowercase();
    let others: Vec<String> = other.iter().map(plain).collect();
    let mut seen = std::collections::BTreeSet::new();
    let both = one.iter().filter(|word| others.contains(&plain(word)) && seen.insert(plain(word)));
    both.map(|word| word.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(interests: &[&str]) -> Someone {
        Someone { interests: interests.iter().map(|word| (*word).to_owned()).collect(), ..Someone::default() }
    }

    #[test]
    fn x5_suggestions_rest_on_what_both_have() {
        let (one, other) = (person(&["Chess", "tea", "rugby"]), person(&["TEA ", "chess", "go"]));
        let suggestions = suggest(&one, &other, 0, 9);
        assert_eq!(suggestions.iter().map(|it| it.about.as_str()).collect::<Vec<_>>(), ["Chess", "tea", ""]);
        assert!(suggestions[0].text.contains("Chess") && suggestions.iter().all(|it| !it.text.contains("{}")));
        assert_ne!(suggest(&one, &other, 1, 1), suggest(&one, &other, 0, 1));
        assert_eq!(suggest(&person(&[]), &person(&["go"]), 0, 3).len(), 1);
    }

    proptest! {
        #[test]
        fn x5_no_fact_is_made_up(one in proptest::collection::vec("[a-c]{1,2}", 0..5), other in proptest::collection::vec("[a-c]{1,2}", 0..5)) {
            let person = |interests: &Vec<String>| Someone { interests: interests.clone(), ..Someone::default() };
            for suggestion in suggest(&person(&one), &person(&other), 3, 9) {
                let about = suggestion.about;
                prop_assert!(about.is_empty() || (one.contains(&about) && other.contains(&about)));
            }
        }
    }
}
