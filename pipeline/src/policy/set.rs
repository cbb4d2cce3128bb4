//! The policies in force, per tenant, replaceable while running.

use std::{
    collections::HashMap,
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use super::{
    Policy, PolicyError,
    rollout::{Side, Tally},
    share,
};
use crate::item::{ActorId, TenantId};

/// One default policy and what single tenants have instead. A lookup holds the lock for a pointer's copy.
pub struct PolicySet {
    table: RwLock<Table>,
    /// What was judged since the last [`PolicySet::take_tallies`].
    tallies: Mutex<HashMap<(TenantId, u64, Side), Tally>>,
}

struct Table {
    default: Arc<Policy>,
    tenants: HashMap<TenantId, Own>,
}

/// What a tenant has of its own.
#[derive(Clone)]
struct Own {
    revision: u64,
    /// `None`: the default.
    live: Option<Arc<Policy>>,
    canary: Option<(Arc<Policy>, u8)>,
}

/// The policy that judges somebody's items, and as which side of which revision.
#[derive(Debug, Clone)]
pub struct InForce {
    policy: Arc<Policy>,
    /// Of the tenant's rollout; 0 when it has none.
    pub revision: u64,
    /// Which of the two.
    pub side: Side,
}

impl Deref for InForce {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "PolicySet({}, {} tenants)", table.default.version(), table.tenants.len())
    }
}

impl PolicySet {
    /// Everybody has `default`.
    pub fn new(default: Arc<Policy>) -> Self {
        Self { table: RwLock::new(Table { default, tenants: HashMap::new() }), tallies: Mutex::default() }
    }

    /// Everybody has the built-in policy.
    pub fn builtin() -> Self {
        Self::new(Policy::builtin())
    }

    /// Everybody has the policy in `file`; `None` means the built-in one. Reads the file: call it at start.
    pub fn load(file: Option<&Path>) -> Result<Self, PolicyError> {
        let Some(file) = file else { return Ok(Self::builtin()) };
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| PolicyError {
            file: name.clone(),
            line: 1,
            column: 1,
            message: format!("cannot be read ({error}): check `pipeline.policy` in the configuration"),
        })?;
        Ok(Self::new(Arc::new(Policy::parse(&name, &text)?)))
    }

    /// The policy in force for `tenant`.
    pub fn of(&self, tenant: &TenantId) -> Arc<Policy> {
        self.choose(tenant, None).policy
    }

    /// The installation's own policy, which tenants without another have.
    pub fn installation(&self) -> Arc<Policy> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).default.clone()
    }

    /// The policy that judges what `actor` does: the one on trial for its share of the people, else the one in force.
    pub fn choose(&self, tenant: &TenantId, actor: Option<&ActorId>) -> InForce {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = table.tenants.get(tenant) else {
            return InForce { policy: table.default.clone(), revision: 0, side: Side::Live };
        };
        let revision = own.revision;
        if let (Some((policy, percent)), Some(actor)) = (&own.canary, actor)
            && share(tenant, actor) < *percent
        {
            return InForce { policy: policy.clone(), revision, side: Side::Canary };
        }
        let policy = own.live.as_ref().unwrap_or(&table.default).clone();
        InForce { policy, revision, side: Side::Live }
    }

    /// Puts another default into force; items that are being judged finish with the one they started with.
    pub fn replace_default(&self, policy: Arc<Policy>) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).default = policy;
    }

    /// Gives `tenant` a policy of its own, or with `None` the default again.
    pub fn replace(&self, tenant: TenantId, policy: Option<Arc<Policy>>) {
        match policy {
            Some(policy) => self.roll_out(tenant, 0, Some(policy), None),
            None => drop(self.table.write().unwrap_or_else(PoisonError::into_inner).tenants.remove(&tenant)),
        }
    }

    /// Puts a tenant's revision into force: `live` (`None`: the default), and a policy on trial for a share of the people. An older
    /// revision than the one that is there changes nothing.
    pub fn roll_out(
        &self,
        tenant: TenantId,
        revision: u64,
        live: Option<Arc<Policy>>,
        canary: Option<(Arc<Policy>, u8)>,
    ) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.tenants.get(&tenant).is_some_and(|own| own.revision > revision) {
            return;
        }
        table.tenants.insert(tenant, Own { revision, live, canary });
    }

    /// The revision that is in force here; 0 when the tenant has none.
    pub fn revision(&self, tenant: &TenantId) -> u64 {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.tenants.get(tenant).map_or(0, |own| own.revision)
    }

    /// Counts a judged item for its side. Tenants without a rollout are not counted: there is nothing to compare.
    pub fn count(&self, tenant: &TenantId, by: &InForce, passed: bool) {
        if by.revision == 0 {
            return;
        }
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry((tenant.clone(), by.revision, by.side)).or_default();
        tally.judged += 1;
        tally.passed += u64::from(passed);
    }

    /// What was counted since the last call.
    pub fn take_tallies(&self) -> Vec<(TenantId, u64, Side, Tally)> {
        let taken = std::mem::take(&mut *self.tallies.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().map(|((tenant, revision, side), tally)| (tenant, revision, side, tally)).collect()
    }

    /// Puts back what could not be written down.
    pub fn put_back(&self, counted: Vec<(TenantId, u64, Side, Tally)>) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, revision, side, counted) in counted {
            let tally = tallies.entry((tenant, revision, side)).or_default();
            tally.judged += counted.judged;
            tally.passed += counted.passed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Arc<Policy> {
        Arc::new(Policy::parse("test.toml", &format!("name = \"{name}\"")).unwrap())
    }

    #[test]
    fn p2_a_tenant_has_its_own_policy_and_falls_back_to_the_default() {
        let set = PolicySet::new(named("all"));
        let (one, two) = (TenantId::from("one"), TenantId::from("two"));
        set.replace(one.clone(), Some(named("mine")));
        assert_eq!((set.of(&one).name(), set.of(&two).name()), ("mine", "all"));
        let held = set.of(&two);
        set.replace_default(named("newer"));
        assert_eq!((held.name(), set.of(&two).name()), ("all", "newer"));
        set.replace(one.clone(), None);
        assert_eq!(set.of(&one).name(), "newer");
    }

    #[test]
    fn p2_a_version_on_trial_judges_its_share_of_the_people() {
        let set = PolicySet::new(named("all"));
        let tenant = TenantId::from("acme");
        set.roll_out(tenant.clone(), 3, None, Some((named("trial"), 20)));
        let mut trial = 0;
        for n in 0..1000 {
            let actor = ActorId(format!("user-{n}"));
            let chosen = set.choose(&tenant, Some(&actor));
            assert_eq!(chosen.name() == "trial", share(&tenant, &actor) < 20);
            trial += u32::from(chosen.side == Side::Canary);
        }
        assert!((140..=260).contains(&trial), "{trial}");
        assert_eq!(set.choose(&tenant, None).name(), "all", "what nobody did is judged by the one in force");
        set.roll_out(tenant.clone(), 2, Some(named("older")), None);
        assert_eq!((set.of(&tenant).name(), set.revision(&tenant)), ("all", 3), "an older revision comes too late");
    }

    #[test]
    fn p4_both_sides_are_counted() {
        let set = PolicySet::new(named("all"));
        let tenant = TenantId::from("acme");
        set.count(&tenant, &set.choose(&tenant, None), true);
        assert!(set.take_tallies().is_empty(), "nothing to compare");
        set.roll_out(tenant.clone(), 1, Some(named("mine")), None);
        set.count(&tenant, &set.choose(&tenant, None), true);
        set.count(&tenant, &set.choose(&tenant, None), false);
        let expected = vec![(tenant.clone(), 1, Side::Live, Tally { judged: 2, passed: 1 })];
        let taken = set.take_tallies();
        assert_eq!(taken, expected);
        set.put_back(taken);
        assert_eq!(set.take_tallies(), expected);
    }

    #[test]
    fn p2_a_missing_file_is_named() {
        let error = PolicySet::load(Some(Path::new("no/such/policy.toml"))).unwrap_err();
        assert!(error.to_string().starts_with("no/such/policy.toml:1:1: cannot be read"), "{error}");
    }
}
