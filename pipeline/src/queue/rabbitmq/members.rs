//! Which worker serves which partition of the live frames. The broker lets one worker at a time serve a partition; who
//! should is decided here, by every worker for itself, from who is alive. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// Time between two signs of life.
pub(super) const BEAT: Duration = Duration::from_millis(400);
/// Silence after which a member counts as gone.
const SILENCE: Duration = Duration::from_secs(2);

/// Everybody who serves live frames, as this member sees it.
#[derive(Debug)]
pub(super) struct Members {
    own: Uuid,
    heard: BTreeMap<Uuid, Instant>,
    /// Owner of each partition.
    owners: Vec<Uuid>,
}

impl Members {
    pub(super) fn new(own: Uuid, partitions: u32) -> Self {
        Self { own, heard: BTreeMap::new(), owners: vec![own; partitions as usize] }
    }

    pub(super) fn own(&self) -> Uuid {
        self.own
    }

    /// A sign of life.
    pub(super) fn hear(&mut self, member: Uuid, now: Instant) {
        if member != self.own && self.heard.insert(member, now).is_none() {
            self.assign();
        }
    }

    /// A member said goodbye.
    pub(super) fn forget(&mut self, member: Uuid) {
        if self.heard.remove(&member).is_some() {
            self.assign();
        }
    }

    /// Forgets who has been silent for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        let before = self.heard.len();
        self.heard.retain(|_, heard| now.saturating_duration_since(*heard) < SILENCE);
        if self.heard.len() != before {
            self.assign();
        }
    }

    /// Does this member serve the partition?
    pub(super) fn owns(&self, partition: u32) -> bool {
        self.owners.get(partition as usize).is_none_or(|owner| *owner == self.own)
    }

    fn assign(&mut self) {
        let living: Vec<Uuid> = self.heard.keys().copied().chain([self.own]).collect();
        self.owners = owners(self.owners.len(), &living);
    }
}

/// Rendezvous hashing with room for nobody above his share: pairs of partition and member in the order of their weight, each
/// taken when the partition is free and the member has room. The same for everybody who sees the same members.
fn owners(partitions: usize, living: &[Uuid]) -> Vec<Uuid> {
    let room = partitions.div_ceil(living.len().max(1));
    let mut pairs: Vec<(u64, usize, Uuid)> = Vec::with_capacity(partitions * living.len());
    for partition in 0..partitions {
        pairs.extend(living.iter().map(|member| (weight(partition, *member), partition, *member)));
    }
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    let mut owners: Vec<Option<Uuid>> = vec![None; partitions];
    let mut served: BTreeMap<Uuid, usize> = BTreeMap::new();
    for (_, partition, member) in pairs {
        let count = served.entry(member).or_default();
        if owners[partition].is_none() && *count < room {
            owners[partition] = Some(member);
            *count += 1;
        }
    }
    // There is room for all: nobody is left out unless nobody lives.
    owners.into_iter().map(Option::unwrap_or_default).collect()
}

/// Spreads the bits of partition and member (SplitMix64's finaliser, by Steele, Lea and Flood).
fn weight(partition: usize, member: Uuid) -> u64 {
    let (high, low) = member.as_u64_pair();
    let mix = |mut bits: u64| {
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    mix(mix(high ^ mix(low)) ^ (partition as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(n: u128) -> Uuid {
        Uuid::from_u128(n * 0x1234_5678_9ABC_DEF1 + 17)
    }

    fn count(owners: &[Uuid], of: Uuid) -> usize {
        owners.iter().filter(|owner| **owner == of).count()
    }

    #[test]
    fn f5_partitions_are_shared_evenly_and_everybody_agrees() {
        for members in 1..=20 {
            let living: Vec<Uuid> = (0..members).map(member).collect();
            let shared = owners(16, &living);
            let room = 16_usize.div_ceil(living.len());
            assert!(living.iter().all(|who| count(&shared, *who) <= room), "{members}");
            let mut other = living.clone();
            other.reverse();
            assert_eq!(owners(16, &other), shared, "whatever the order in which they were heard");
        }
    }

    #[test]
    fn f5_a_change_of_members_moves_little() {
        let (mut moved, mut fair) = (0, 0);
        for first in 0..50 {
            let living: Vec<Uuid> = (0..3).map(|n| member(first * 10 + n)).collect();
            let before = owners(16, &living);
            let after = owners(16, &living[..2]);
            moved += before.iter().zip(&after).filter(|(was, is)| was != is).count();
            fair += count(&before, living[2]);
            let stayed = before.iter().zip(&after).filter(|(was, is)| **was != living[2] && was == is).count();
            assert!(stayed >= 8, "{stayed} of those that need not move stayed");
        }
        assert!(moved < 2 * fair, "{moved} moved, {fair} had to");
    }

    #[test]
    fn f5_members_come_and_go() {
        let start = Instant::now();
        let mut members = Members::new(member(1), 16);
        assert!((0..16).all(|partition| members.owns(partition)));
        members.hear(member(2), start);
        members.hear(member(1), start);
        let owned = |members: &Members| (0..16).filter(|partition| members.owns(*partition)).count();
        assert_eq!(owned(&members), 8);
        members.expire(start + Duration::from_secs(1));
        assert_eq!(owned(&members), 8, "silent for a second");
        members.expire(start + SILENCE);
        assert_eq!(owned(&members), 16, "gone");
        members.hear(member(3), start);
        members.forget(member(3));
        assert_eq!(owned(&members), 16, "said goodbye");
    }
}
