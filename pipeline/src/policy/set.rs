//! The policies in force, per tenant, replaceable while running.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Policy, PolicyError};
use crate::{config::PipelineConfig, item::TenantId};

/// One default policy and what single tenants have instead. A lookup holds the lock for a pointer's copy.
pub struct PolicySet {
    table: RwLock<Table>,
}

struct Table {
    default: Arc<Policy>,
    tenants: HashMap<TenantId, Arc<Policy>>,
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
        Self { table: RwLock::new(Table { default, tenants: HashMap::new() }) }
    }

    /// Everybody has the built-in policy.
    pub fn builtin() -> Self {
        Self::new(Policy::builtin())
    }

    /// Everybody has the policy in `file`; `None` means the built-in one. Reads the file: call it at start.
    pub fn load(file: Option<&Path>) -> Result<Self, PolicyError> {
        let Some(file) = file else { return Ok(Self::builtin()) };
        Ok(Self::new(read(file, "pipeline.policy")?))
    }

    /// [`Self::load`] with the policies that single tenants have instead.
    pub fn load_all(config: &PipelineConfig) -> Result<Self, PolicyError> {
        let set = Self::load(config.policy.as_deref())?;
        for (tenant, file) in &config.tenant_policies {
            set.replace(tenant.clone(), Some(read(file, "pipeline.tenant_policies")?));
        }
        Ok(set)
    }

    /// The policy of `tenant`.
    pub fn of(&self, tenant: &TenantId) -> Arc<Policy> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.tenants.get(tenant).unwrap_or(&table.default).clone()
    }

    /// Puts another default into force; items that are being judged finish with the one they started with.
    pub fn replace_default(&self, policy: Arc<Policy>) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).default = policy;
    }

    /// Gives `tenant` a policy of its own, or with `None` the default again.
    pub fn replace(&self, tenant: TenantId, policy: Option<Arc<Policy>>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        match policy {
            Some(policy) => table.tenants.insert(tenant, policy),
            None => table.tenants.remove(&tenant),
        };
    }
}

fn read(file: &Path, key: &str) -> Result<Arc<Policy>, PolicyError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| PolicyError {
        file: name.clone(),
        line: 1,
        column: 1,
        message: format!("cannot be read ({error}): check `{key}` in the configuration"),
    })?;
    Ok(Arc::new(Policy::parse(&name, &text)?))
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
    fn p2_tenants_have_policy_files_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("acme.toml");
        std::fs::write(&file, "name = \"theirs\"").unwrap();
        let mut config = PipelineConfig::default();
        config.tenant_policies.insert("acme".into(), file);
        let set = PolicySet::load_all(&config).unwrap();
        assert_eq!(set.of(&"acme".into()).name(), "theirs");
        assert_eq!(set.of(&"other".into()).version(), Policy::builtin().version());
        config.tenant_policies.insert("gone".into(), folder.path().join("gone.toml"));
        let error = PolicySet::load_all(&config).unwrap_err().to_string();
        assert!(error.contains("gone.toml") && error.contains("pipeline.tenant_policies"), "{error}");
    }

    #[test]
    fn p2_a_missing_file_is_named() {
        let error = PolicySet::load(Some(Path::new("no/such/policy.toml"))).unwrap_err();
        assert!(error.to_string().starts_with("no/such/policy.toml:1:1: cannot be read"), "{error}");
    }
}
