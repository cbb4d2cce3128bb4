//! What reviewing costs the reviewer: how much harm somebody has looked at today. Pure.

use serde::{Deserialize, Serialize};

use super::routing::ExposureBudget;

/// What somebody has looked at today (by UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Graphic cases that were decided.
    pub items: u64,
    /// Seconds on them.
    pub seconds: u64,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Nothing.
    Fine,
    /// Most of the budget is used.
    Near,
    /// It is used up: other work for today.
    Over,
}

/// Share of the budget from which on it is nearly used, in percent.
const NEAR_PERCENT: u64 = 80;

impl Exposure {
    /// Held against a budget; the worse of items and time counts.
    pub fn advice(&self, budget: &ExposureBudget) -> Advice {
        let used = |done: u64, most: u64| done.saturating_mul(100).checked_div(most).unwrap_or_default();
        let worst = used(self.items, budget.items.into()).max(used(self.seconds, u64::from(budget.minutes) * 60));
        match worst {
            100.. => Advice::Over,
            NEAR_PERCENT.. => Advice::Near,
            _ => Advice::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_the_worse_of_items_and_time_counts() {
        let budget = ExposureBudget { items: 10, minutes: 10 };
        for (items, seconds, expected) in [
            (0, 0, Advice::Fine),
            (7, 0, Advice::Fine),
            (8, 0, Advice::Near),
            (0, 480, Advice::Near),
            (10, 0, Advice::Over),
            (1, 601, Advice::Over),
        ] {
            assert_eq!(Exposure { items, seconds }.advice(&budget), expected, "{items} {seconds}");
        }
        let none = ExposureBudget { items: 0, minutes: 0 };
        assert_eq!(Exposure { items: 99, seconds: 9999 }.advice(&none), Advice::Fine, "no budget, no advice");
    }
}
