//! What the desk's routes share in this process: the signer of evidence addresses, who looks at which case, the set-up token.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{
    item::{CaseId, TenantId},
    store::desk::Desk,
};
use subtle::ConstantTimeEq;
use tokio::sync::OnceCell;

use crate::{error::ApiError, password, signed::Signer};

/// Somebody who has not asked for a case again within this time no longer looks at it.
const LOOKING: TimeDelta = TimeDelta::seconds(45);
/// Cases that are remembered as looked at.
const CASES: usize = 10_000;
/// Name of the secret in the store.
const SECRET: &str = "evidence-urls";

type Lookers = HashMap<(TenantId, CaseId), Vec<(String, DateTime<Utc>)>>;

/// Shared by the desk's routes.
#[derive(Default)]
pub struct DeskState {
    signer: OnceCell<Signer>,
    lookers: Mutex<Lookers>,
    setup: Mutex<Option<String>>,
}

impl DeskState {
    /// Signs with the installation's secret, which is made when it is first needed.
    pub async fn signer(&self, desk: &Desk) -> Result<&Signer, ApiError> {
        let load = async || {
            let fresh = password::random::<32>().map_err(|error| ApiError::internal(error.to_string()))?;
            Ok(Signer::new(desk.secret(SECRET, fresh.to_vec()).await?))
        };
        self.signer.get_or_try_init(load).await
    }

    /// `who` looks at a case now; answers who else does.
    pub fn look(&self, tenant: &TenantId, case: CaseId, who: &str, now: DateTime<Utc>) -> Vec<String> {
        let mut lookers = self.lookers.lock().unwrap_or_else(PoisonError::into_inner);
        if lookers.len() >= CASES {
            lookers.retain(|_, people| people.iter().any(|(_, at)| *at > now - LOOKING));
        }
        let people = lookers.entry((tenant.clone(), case)).or_default();
        people.retain(|(name, at)| name != who && *at > now - LOOKING);
        let others = people.iter().map(|(name, _)| name.clone()).collect();
        people.push((who.to_owned(), now));
        others
    }

    /// Makes the token with which the first account may be made, and answers it.
    pub fn make_setup_token(&self) -> anyhow::Result<String> {
        let token = password::token()?;
        *self.setup.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    /// Uses the token up, when it is right.
    pub fn use_setup_token(&self, given: &str) -> bool {
        let mut setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        let right = setup.as_ref().is_some_and(|token| token.as_bytes().ct_eq(given.as_bytes()).into());
        if right {
            *setup = None;
        }
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_who_else_looks_is_told_for_a_while() {
        let (state, tenant, case, now) = (DeskState::default(), "t".into(), CaseId::new(), DateTime::UNIX_EPOCH);
        assert!(state.look(&tenant, case, "mia", now).is_empty());
        assert_eq!(state.look(&tenant, case, "tom", now), ["mia"]);
        assert_eq!(state.look(&tenant, case, "mia", now), ["tom"]);
        assert!(state.look(&tenant, CaseId::new(), "mia", now).is_empty());
        assert!(state.look(&tenant, case, "mia", now + LOOKING).is_empty());
    }

    #[test]
    fn c3_a_set_up_token_works_once() {
        let state = DeskState::default();
        assert!(!state.use_setup_token(""));
        let token = state.make_setup_token().unwrap();
        assert!(!state.use_setup_token("other"));
        assert!(state.use_setup_token(&token) && !state.use_setup_token(&token));
    }
}
