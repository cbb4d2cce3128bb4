//! Which lane is served next. Pure; every queue uses this one rule.

/// Deliveries that each lane may take in one round while others wait: interactive, live, bulk. An idle lane's turn goes to
/// the others at once, so the shares only count when more comes in than goes out.
const SHARES: [u32; 3] = [8, 4, 1];

/// The turns that are left in this round.
#[derive(Debug)]
pub(super) struct Shares {
    credit: [u32; 3],
}

impl Shares {
    pub(super) fn new() -> Self {
        Self { credit: SHARES }
    }

    /// The most urgent lane that has something and has not used up its share of this round; its turn is used. `ready` and the
    /// answer are in the order of `Lane::ALL`.
    pub(super) fn take(&mut self, ready: [bool; 3]) -> Option<usize> {
        if !ready.contains(&true) {
            return None;
        }
        let next = |credit: &[u32; 3]| (0..3).find(|lane| credit[*lane] > 0 && ready[*lane]);
        let lane = next(&self.credit).or_else(|| {
            self.credit = SHARES;
            next(&self.credit)
        })?;
        self.credit[lane] -= 1;
        Some(lane)
    }
}
