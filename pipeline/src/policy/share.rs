//! Which share of the people somebody belongs to.

use sha2::{Digest, Sha256};

use crate::item::{ActorId, TenantId};

/// A person's place among a hundred, 0 to 99: the same for ever, whatever the rule or the version, so that one person always has
/// the same side and a growing percentage only adds people. SHA-256 spreads evenly whatever the ids look like.
pub fn share(tenant: &TenantId, actor: &ActorId) -> u8 {
    let mut digest = Sha256::new();
    digest.update((tenant.as_str().len() as u64).to_le_bytes());
    digest.update(tenant.as_str());
    digest.update(actor.as_str());
    let digest = digest.finalize();
    let first = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    // 2⁶⁴ is no multiple of 100: the first 16 places are more likely by one in 10¹⁷.
    u8::try_from(first % 100).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_people_spread_evenly_and_keep_their_place() {
        let tenant = TenantId::from("acme");
        let mut places = [0_u32; 100];
        for n in 0..20_000 {
            let actor = ActorId(format!("user-{n}"));
            let place = share(&tenant, &actor);
            assert_eq!(place, share(&tenant, &actor));
            places[usize::from(place)] += 1;
        }
        // 200 expected; 5 standard deviations are 70.
        assert!(places.iter().all(|count| (130..=270).contains(count)), "{places:?}");
        assert_eq!(share(&tenant, &"ann".into()), 21, "written down: a change would move people between the sides");
    }
}
