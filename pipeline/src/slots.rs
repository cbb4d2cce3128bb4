//! One lock per key, for keys that come and go: a participant's state, an author's turn.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Locks by key, each with room for a remembered value. Keys that nobody holds are forgotten, the longest unused first,
/// when there are more than `capacity`; what is forgotten has to be loaded again, so a value is only ever a copy of
/// something durable.
pub(crate) struct Slots<K, V> {
    capacity: usize,
    table: Mutex<Table<K, V>>,
}

struct Table<K, V> {
    entries: HashMap<K, Entry<V>>,
    uses: u64,
}

struct Entry<V> {
    slot: Arc<AsyncMutex<Option<V>>>,
    used: u64,
}

impl<K: Hash + Eq, V> Slots<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), table: Mutex::new(Table { entries: HashMap::new(), uses: 0 }) }
    }

    /// Waits for the slot of `key` and holds it. Waiters are served in the order in which they came.
    ///
    /// A holder takes the value out before it changes the durable copy and puts it back afterwards: when it fails or is
    /// cancelled in between, the next one finds nothing and loads.
    pub(crate) async fn hold(&self, key: K) -> OwnedMutexGuard<Option<V>> {
        let slot = self.slot(key);
        slot.lock_owned().await
    }

    fn slot(&self, key: K) -> Arc<AsyncMutex<Option<V>>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.uses += 1;
        let uses = table.uses;
        if table.entries.len() >= self.capacity && !table.entries.contains_key(&key) {
            table.forget(self.capacity / 2);
        }
        let entry = table.entries.entry(key).or_insert_with(|| Entry { slot: Arc::default(), used: uses });
        entry.used = uses;
        Arc::clone(&entry.slot)
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// Forgets slots that nobody holds until about `keep` are left. Costs a pass over all, once per `keep` new keys.
    fn forget(&mut self, keep: usize) {
        let mut uses: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        let excess = uses.len().saturating_sub(keep).min(uses.len().saturating_sub(1));
        let (_, cut, _) = uses.select_nth_unstable(excess);
        let cut = *cut;
        // Nobody can get hold of a slot meanwhile: handing out needs the table's lock, which we have.
        self.entries.retain(|_, entry| entry.used >= cut || Arc::strong_count(&entry.slot) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_values_stay() {
        let slots = Arc::new(Slots::<&str, u32>::new(8));
        let tasks = (0..50).map(|_| {
            let slots = Arc::clone(&slots);
            tokio::spawn(async move {
                let mut held = slots.hold("ann").await;
                let value = held.take().unwrap_or(0);
                tokio::task::yield_now().await;
                *held = Some(value + 1);
            })
        });
        futures::future::join_all(tasks).await;
        assert_eq!(*slots.hold("ann").await, Some(50));
        assert_eq!(*slots.hold("bob").await, None);
    }

    #[tokio::test]
    async fn f3_memory_is_bounded_and_held_slots_stay() {
        let slots = Slots::<u32, u32>::new(10);
        let mut held = slots.hold(0).await;
        *held = Some(7);
        for key in 1..1000 {
            *slots.hold(key).await = Some(key);
        }
        assert!(slots.table.lock().unwrap().entries.len() <= 11);
        assert_eq!(*slots.hold(999).await, Some(999), "recent ones are kept");
        assert_eq!(*slots.hold(1).await, None, "old ones are forgotten");
        drop(held);
        assert_eq!(*slots.hold(0).await, Some(7));
    }
}
