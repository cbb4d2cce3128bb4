//! A list that is not ten times the same person: maximal marginal relevance (Carbonell and Goldstein 1998).

use super::feature::cosine;

/// The places of the `count` picked, best first: each time the one with the most `(1 − diversity) · relevance − diversity · likeness` to
/// those picked before. `diversity`: 0 (by relevance alone) to 1.
pub fn pick(relevance: &[f32], vectors: &[&[f32]], diversity: f32, count: usize) -> Vec<usize> {
    debug_assert_eq!(relevance.len(), vectors.len());
    let mut left: Vec<usize> = (0..relevance.len()).collect();
    let mut likeness = vec![f32::NEG_INFINITY; relevance.len()];
    let mut picked = Vec::new();
    while picked.len() < count && !left.is_empty() {
        let worth = |place: usize| {
            let alike = if picked.is_empty() { 0.0 } else { likeness[place] };
            (1.0 - diversity) * relevance[place] - diversity * alike
        };
        // The first of equals stays first.
        let best =
            (1..left.len()).fold(0, |best, other| if worth(left[other]) > worth(left[best]) { other } else { best });
        let chosen = left.remove(best);
        for place in &left {
            likeness[*place] = likeness[*place].max(cosine(vectors[*place], vectors[chosen]));
        }
        picked.push(chosen);
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_without_diversity_the_order_stays_and_with_it_twins_part() {
        let (a, twin, other) = ([1.0, 0.0], [0.999, 0.045], [0.0, 1.0]);
        let vectors: [&[f32]; 3] = [&a, &twin, &other];
        assert_eq!(pick(&[0.9, 0.89, 0.5], &vectors, 0.0, 3), [0, 1, 2]);
        assert_eq!(pick(&[0.9, 0.89, 0.5], &vectors, 0.5, 2), [0, 2]);
        assert_eq!(pick(&[0.9], &vectors[..1], 0.5, 9), [0]);
        assert!(pick(&[], &[], 0.5, 3).is_empty());
    }
}
