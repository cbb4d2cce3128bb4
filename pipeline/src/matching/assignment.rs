//! Weighted matching in a general graph: every person in at most one pair, much weight in all.
//!
//! Greedy by weight (at least half of the best possible), then local exchanges: a pair that is not taken replaces the pairs it touches when
//! it is worth more than they are, less what the people left alone find elsewhere (Drake and Hougardy 2003; Pettie and Sanders 2004: at
//! least two thirds where no exchange is left). An exact matching costs n·m; ten thousand people wait for an answer within a tick.

/// A possible pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// One person.
    pub a: u32,
    /// Another.
    pub b: u32,
    /// Above 0: what it is worth.
    pub weight: f32,
}

/// Rounds of exchanges at most: mostly the second finds little.
const ROUNDS: usize = 3;

/// Picks edges so that nobody is in two. `people`: one more than the highest number of a person.
pub fn assign(people: usize, mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.retain(|edge| edge.a != edge.b && edge.weight > 0.0 && edge.weight.is_finite());
    edges.sort_by(|x, y| y.weight.total_cmp(&x.weight).then((x.a, x.b).cmp(&(y.a, y.b))));
    let mut of: Vec<Option<Edge>> = vec![None; people];
    for edge in &edges {
        if of[edge.a as usize].is_none() && of[edge.b as usize].is_none() {
            take(&mut of, *edge);
        }
    }
    let near = Neighbours::new(people, &edges);
    for _ in 0..ROUNDS {
        let mut changed = false;
        for edge in &edges {
            changed |= exchange(&mut of, &near, *edge);
        }
        if !changed {
            break;
        }
    }
    of.into_iter().enumerate().filter_map(|(person, edge)| edge.filter(|edge| edge.a as usize == person)).collect()
}

fn take(of: &mut [Option<Edge>], edge: Edge) {
    of[edge.a as usize] = Some(edge);
    of[edge.b as usize] = Some(edge);
}

/// Every person's edges, heaviest first, in one list.
struct Neighbours {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Neighbours {
    fn new(people: usize, edges: &[Edge]) -> Self {
        let mut starts = vec![0_u32; people + 1];
        for edge in edges {
            starts[edge.a as usize + 1] += 1;
            starts[edge.b as usize + 1] += 1;
        }
        for person in 0..people {
            starts[person + 1] += starts[person];
        }
        let mut next = starts.clone();
        let mut sorted = vec![Edge { a: 0, b: 0, weight: 0.0 }; edges.len() * 2];
        for edge in edges {
            for person in [edge.a, edge.b] {
                sorted[next[person as usize] as usize] = *edge;
                next[person as usize] += 1;
            }
        }
        Self { starts, edges: sorted }
    }

    fn of(&self, person: u32) -> &[Edge] {
        &self.edges[self.starts[person as usize] as usize..self.starts[person as usize + 1] as usize]
    }
}

fn other(edge: &Edge, person: u32) -> u32 {
    if edge.a == person { edge.b } else { edge.a }
}

/// Takes `edge` in place of the pairs it touches, if that is worth more.
fn exchange(of: &mut [Option<Edge>], near: &Neighbours, edge: Edge) -> bool {
    let old = [of[edge.a as usize], of[edge.b as usize]];
    // They are a pair already.
    if old[0].is_some_and(|old| [(edge.a, edge.b), (edge.b, edge.a)].contains(&(old.a, old.b))) {
        return false;
    }
    let lost: f32 = old.iter().flatten().map(|old| old.weight).sum();
    // Nobody alone can bring back more than was lost: most edges end here.
    if lost == 0.0 {
        take(of, edge);
        return true;
    }
    if edge.weight * 3.0 <= lost {
        return false;
    }
    let mut taken = [None; 2];
    let mut gain = edge.weight - lost;
    for (place, person) in [edge.a, edge.b].into_iter().enumerate() {
        let Some(left) = old[place].map(|old| other(&old, person)) else { continue };
        let elsewhere = near.of(left).iter().find(|next| {
            let partner = other(next, left);
            let free = of[partner as usize].is_none() && ![edge.a, edge.b].contains(&partner);
            // Both people left alone must not choose the same third.
            free && taken[0].is_none_or(|first: Edge| ![first.a, first.b].contains(&partner))
        });
        // They may also find each other, but then the greedy order had its reasons.
        if let Some(next) = elsewhere {
            gain += next.weight;
            taken[place] = Some(*next);
        }
    }
    if gain <= 1e-6 {
        return false;
    }
    for old in old.into_iter().flatten() {
        of[old.a as usize] = None;
        of[old.b as usize] = None;
    }
    take(of, edge);
    for next in taken.into_iter().flatten() {
        take(of, next);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::dice::Dice;

    /// The most that is possible, by trying everything.
    fn best(people: usize, edges: &[Edge], used: u32) -> f32 {
        let Some(first) = (0..people as u32).find(|person| used & (1 << person) == 0) else { return 0.0 };
        let alone = best(people, edges, used | 1 << first);
        let with =
            edges.iter().filter(|edge| (edge.a == first || edge.b == first) && used & (1 << other(edge, first)) == 0);
        with.map(|edge| edge.weight + best(people, edges, used | 1 << edge.a | 1 << edge.b)).fold(alone, f32::max)
    }

    fn graph(dice: &mut Dice, people: usize) -> Vec<Edge> {
        let pairs = (0..people as u32).flat_map(|a| (a + 1..people as u32).map(move |b| (a, b)));
        let some: Vec<_> = pairs.filter(|_| dice.chance(0.4)).collect();
        some.into_iter().map(|(a, b)| Edge { a, b, weight: 0.05 + dice.unit() as f32 }).collect()
    }

    #[test]
    fn x4_nobody_is_in_two_pairs_and_little_weight_is_lost() {
        let mut dice = Dice::seeded(11);
        let (mut found, mut possible) = (0.0, 0.0);
        for _ in 0..200 {
            let edges = graph(&mut dice, 9);
            let pairs = assign(9, edges.clone());
            let mut people: Vec<u32> = pairs.iter().flat_map(|edge| [edge.a, edge.b]).collect();
            people.sort_unstable();
            people.dedup();
            assert_eq!(people.len(), pairs.len() * 2);
            assert!(pairs.iter().all(|pair| edges.contains(pair)));
            let (weight, most) = (pairs.iter().map(|pair| pair.weight).sum::<f32>(), best(9, &edges, 0));
            assert!(weight >= most / 1.5 - 1e-4, "{weight} of {most}");
            (found, possible) = (found + weight, possible + most);
        }
        assert!(found / possible > 0.96, "{}", found / possible);
    }

    #[test]
    fn x4_a_heavy_middle_does_not_leave_two_alone() {
        let edge = |a, b, weight| Edge { a, b, weight };
        let pairs = assign(4, vec![edge(0, 1, 1.0), edge(1, 2, 1.1), edge(2, 3, 1.0)]);
        assert_eq!(pairs.len(), 2, "{pairs:?}");
        assert!(assign(2, vec![edge(0, 0, 1.0), edge(0, 1, 0.0), edge(0, 1, f32::NAN)]).is_empty());
        assert!(assign(0, vec![]).is_empty());
    }
}
