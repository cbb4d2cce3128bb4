//! What somebody likes beyond what everybody likes: a direction in the space of profiles, learned from their likes and passes.
//!
//! Of each answer counts what was surprising: the viewer's own leaning and the candidate's appeal are taken off, so that liking whom
//! everybody likes says nothing of a taste. The direction is the mean of what it may be after those answers (ridge regression, Hoerl and
//! Kennard 1970; a Gaussian process with a linear kernel): its length says how sure it is, and of few answers it is short.

use super::{
    behaviour::{Behaviour, Expected},
    feature::cosine,
};

/// Answers that a taste is made of, the newest.
pub const ANSWERS: usize = 100;
/// Variance of a yes or no about its chance, by the variance of chances that tastes make: answers that weigh as much as knowing nothing. On
/// the public speed-dating evenings 0.154 and 0.0039 are the most likely (what people said of themselves as vectors).
const WEIGHT: f32 = 40.0;

/// One answer of the viewer.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Of the profile that they answered, of unit length.
    pub vector: &'a [f32],
    /// Yes?
    pub yes: bool,
    /// How much oftener than others the candidate is liked.
    pub appeal: f64,
}

/// The direction; empty when nothing is known. Its product with the vector of a profile is how much more likely than otherwise the viewer
/// says yes to it, as a share. Answers whose vectors are of another length are left out.
pub fn learned(answers: &[Answered<'_>], own: &Behaviour, expected: &Expected) -> Vec<f32> {
    let length = answers.first().map_or(0, |answer| answer.vector.len());
    let answers: Vec<&Answered<'_>> =
        answers.iter().filter(|answer| answer.vector.len() == length).take(ANSWERS).collect();
    if length == 0 {
        return Vec::new();
    }
    let chance = |answer: &Answered<'_>| (expected.likes + own.leaning + answer.appeal).clamp(0.0, 1.0);
    let surprises: Vec<f32> =
        answers.iter().map(|answer| (f64::from(u8::from(answer.yes)) - chance(answer)) as f32).collect();
    // The same direction by the smaller system of equations.
    if answers.len() < length { by_answers(&answers, surprises) } else { by_numbers(&answers, &surprises, length) }
}

/// One equation for each answer.
fn by_answers(answers: &[&Answered<'_>], mut surprises: Vec<f32>) -> Vec<f32> {
    let row = |place: usize| {
        let vector = answers[place].vector;
        let mut row: Vec<f32> = answers[..=place].iter().map(|other| cosine(vector, other.vector)).collect();
        row[place] += WEIGHT;
        row
    };
    let products: Vec<Vec<f32>> = (0..answers.len()).map(row).collect();
    solve(products, &mut surprises);
    sum(answers, &surprises)
}

/// One equation for each number of a vector.
fn by_numbers(answers: &[&Answered<'_>], surprises: &[f32], length: usize) -> Vec<f32> {
    let mut products: Vec<Vec<f32>> = (0..length).map(|place| vec![0.0; place + 1]).collect();
    for answer in answers {
        for (row, value) in products.iter_mut().zip(answer.vector) {
            row.iter_mut().zip(answer.vector).for_each(|(sum, other)| *sum += value * other);
        }
    }
    for (place, row) in products.iter_mut().enumerate() {
        row[place] += WEIGHT;
    }
    let mut taste = sum(answers, surprises);
    solve(products, &mut taste);
    taste
}

/// The vectors of answers, each so many times.
fn sum(answers: &[&Answered<'_>], shares: &[f32]) -> Vec<f32> {
    let mut sum = vec![0.0; answers.first().map_or(0, |answer| answer.vector.len())];
    for (answer, share) in answers.iter().zip(shares) {
        sum.iter_mut().zip(answer.vector).for_each(|(sum, value)| *sum += share * value);
    }
    sum
}

/// Solves `matrix · x = values` into `values` (Cholesky); of the matrix, which is symmetric, the lower half is given, row by row. What [`WEIGHT`]
/// adds keeps every pivot above 0.
fn solve(mut matrix: Vec<Vec<f32>>, values: &mut [f32]) {
    for place in 0..matrix.len() {
        let (above, rest) = matrix.split_at_mut(place);
        let Some(row) = rest.first_mut() else { break };
        for (column, known) in above.iter().enumerate() {
            row[column] = (row[column] - cosine(&row[..column], &known[..column])) / known[column];
        }
        row[place] = (row[place] - cosine(&row[..place], &row[..place])).max(f32::MIN_POSITIVE).sqrt();
    }
    for (place, row) in matrix.iter().enumerate() {
        values[place] = (values[place] - cosine(&row[..place], &values[..place])) / row[place];
    }
    for (place, row) in matrix.iter().enumerate().rev() {
        values[place] /= row[place];
        let value = values[place];
        values[..place].iter_mut().zip(row).for_each(|(left, factor)| *left -= factor * value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::dice::Dice;

    fn unit(dice: &mut Dice) -> Vec<f32> {
        let raw: Vec<f32> = (0..12).map(|_| dice.normal() as f32).collect();
        let norm = cosine(&raw, &raw).sqrt();
        raw.iter().map(|value| value / norm).collect()
    }

    /// Somebody whose chances follow a hidden direction: `0.42 + 0.4 · hidden · vector`.
    fn taught(count: usize) -> (Vec<f32>, Vec<f32>) {
        let mut dice = Dice::seeded(3);
        let hidden = unit(&mut dice);
        let seen: Vec<Vec<f32>> = (0..count).map(|_| unit(&mut dice)).collect();
        let chance = |vector: &[f32]| 0.42 + 0.4 * f64::from(cosine(&hidden, vector));
        let yes: Vec<bool> = seen.iter().map(|vector| dice.chance(chance(vector))).collect();
        let answers: Vec<Answered<'_>> =
            seen.iter().zip(yes).map(|(vector, yes)| Answered { vector, yes, appeal: 0.0 }).collect();
        (learned(&answers, &Behaviour::default(), &Expected::default()), hidden)
    }

    #[test]
    fn x2_a_taste_is_found_and_is_the_surer_the_more_was_seen() {
        let length = |taste: &[f32]| cosine(taste, taste).sqrt();
        let ((few, _), (many, hidden)) = (taught(5), taught(100));
        assert!(length(&few) < 0.5 * length(&many), "{} {}", length(&few), length(&many));
        let likeness = cosine(&many, &hidden) / length(&many);
        assert!(likeness > 0.6, "{likeness}");
        assert!(length(&many) < 0.5, "no surer than the truth, by much: {}", length(&many));
    }

    #[test]
    fn x2_liking_whom_everybody_likes_is_no_taste() {
        let vector = [1.0, 0.0];
        let taste = |appeal| {
            let answers = [Answered { vector: &vector, yes: true, appeal }; 20];
            learned(&answers, &Behaviour::default(), &Expected::default())[0]
        };
        assert!(taste(0.5) < 0.2 * taste(0.0) && taste(0.0) > 0.15, "{} {}", taste(0.5), taste(0.0));
    }

    #[test]
    fn x2_nothing_answered_is_no_taste_and_other_lengths_are_left_out() {
        let none = learned(&[], &Behaviour::default(), &Expected::default());
        assert!(none.is_empty());
        let (long, short) = ([1.0, 0.0], [1.0]);
        let answers =
            [Answered { vector: &long, yes: true, appeal: 0.0 }, Answered { vector: &short, yes: false, appeal: 0.0 }];
        let of_both = learned(&answers, &Behaviour::default(), &Expected::default());
        assert_eq!(of_both, learned(&answers[..1], &Behaviour::default(), &Expected::default()));
    }

    #[test]
    fn x2_both_systems_of_equations_give_the_same_taste() {
        let mut dice = Dice::seeded(8);
        let vectors: Vec<Vec<f32>> = (0..20).map(|_| unit(&mut dice)).collect();
        let answers: Vec<Answered<'_>> = vectors
            .iter()
            .enumerate()
            .map(|(place, vector)| Answered { vector, yes: place % 3 == 0, appeal: 0.0 })
            .collect();
        let answers: Vec<&Answered<'_>> = answers.iter().collect();
        let surprises: Vec<f32> = (0..20).map(|place| if place % 3 == 0 { 0.6 } else { -0.4 }).collect();
        let (one, other) = (by_answers(&answers, surprises.clone()), by_numbers(&answers, &surprises, 12));
        assert!(one.iter().zip(&other).all(|(one, other)| (one - other).abs() < 1e-5), "{one:?} {other:?}");
    }

    #[test]
    fn x2_the_equations_are_solved() {
        let matrix = vec![vec![4.0], vec![2.0, 5.0], vec![0.5, 1.0, 3.0]];
        let mut values = [1.0, 2.0, 3.0];
        solve(matrix.clone(), &mut values);
        for row in 0..3 {
            let at = |column: usize| if column <= row { matrix[row][column] } else { matrix[column][row] };
            let sum: f32 = (0..3).map(|column| at(column) * values[column]).sum();
            assert!((sum - [1.0, 2.0, 3.0][row]).abs() < 1e-5, "{values:?}");
        }
    }
}
