//! How every action is taken back.

use crate::action::ActionKind;

/// The word for taking an action back, as the platform is told it; `None` for `allow`, which does nothing.
pub fn inverse(kind: ActionKind) -> Option<&'static str> {
    Some(match kind {
        ActionKind::Allow => return None,
        ActionKind::Warn => "unwarn",
        ActionKind::Blur => "unblur",
        ActionKind::Mute => "unmute",
        ActionKind::Review => "close_review",
        ActionKind::Remove => "restore",
        ActionKind::Disconnect => "readmit",
        ActionKind::Suspend => "unsuspend",
        ActionKind::Ban => "unban",
    })
}

/// Does it keep the person out for a time, or for good?
pub fn restricts(kind: ActionKind) -> bool {
    matches!(kind, ActionKind::Suspend | ActionKind::Ban)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn p5_every_action_that_does_something_has_an_inverse_of_its_own() {
        let inverses: BTreeSet<&str> = ActionKind::ALL.into_iter().filter_map(inverse).collect();
        assert_eq!(inverses.len(), ActionKind::ALL.len() - 1);
        assert!(ActionKind::ALL.iter().all(|kind| !inverses.contains(kind.as_str())), "no inverse is an action's name");
        assert_eq!(inverse(ActionKind::Allow), None);
    }
}
