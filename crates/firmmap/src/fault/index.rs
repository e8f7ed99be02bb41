//! The slots in order of address: a treap, as in Seidel and Aragon, "Randomized Search Trees" (1996).
//!
//! A signal handler looks an address up without a lock, because the thread that it has interrupted may be the one that is changing
//! the tree. So a search takes a bounded number of steps, and may miss a slot while the tree changes; it cannot find a wrong one,
//! because the slot itself confirms the hit. A version that is odd during changes tells a true miss from a spurious one
//! ([`Lookup`]).

use std::cmp::Ordering::Less;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};

use super::slot::Slot;

pub(super) struct Index {
    root: AtomicPtr<Slot>,
    /// Odd while the tree changes.
    version: AtomicUsize,
}

/// The result of a search.
pub(super) enum Lookup {
    Found(&'static Slot),
    /// No slot contains the address.
    Absent,
    /// The tree has changed during the search.
    Unknown,
}

/// A slot's links in the tree.
pub(super) struct Links {
    left: AtomicPtr<Slot>,
    right: AtomicPtr<Slot>,
}

impl Links {
    pub(super) const fn new() -> Self {
        Self { left: AtomicPtr::new(ptr::null_mut()), right: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// More steps than such a tree has levels; the limit for a search during which the tree changes.
const STEPS: usize = 128;

impl Index {
    pub(super) const fn new() -> Self {
        Self { root: AtomicPtr::new(ptr::null_mut()), version: AtomicUsize::new(0) }
    }

    /// Finds the slot that contains `address`. Takes no lock.
    pub(super) fn find(&self, address: usize) -> Lookup {
        let version = self.version.load(Ordering::Acquire);
        let mut node = load(&self.root);
        let mut nearest = None;
        let mut steps = 0;
        while let Some(slot) = node.filter(|_| steps < STEPS) {
            if slot.start() <= address {
                nearest = Some(slot);
                node = load(&slot.links.right);
            } else {
                node = load(&slot.links.left);
            }
            steps += 1;
        }
        if let Some(slot) = nearest.filter(|slot| slot.contains(address)) {
            return Lookup::Found(slot);
        }
        fence(Ordering::Acquire);
        let unchanged = version & 1 == 0 && self.version.load(Ordering::Relaxed) == version;
        if unchanged && steps < STEPS { Lookup::Absent } else { Lookup::Unknown }
    }

    /// Inserts a slot, whose start must not change until [`remove`](Self::remove). Callers take turns.
    pub(super) fn insert(&self, new: &'static Slot) {
        self.changing();
        let mut link = &self.root;
        while let Some(slot) = load(link).filter(|slot| priority(slot) > priority(new)) {
            link = if is_before(new, slot) { &slot.links.left } else { &slot.links.right };
        }
        // The subtree of this link is split into the two subtrees of the new slot.
        let mut rest = load(link);
        let (mut before, mut after) = (&new.links.left, &new.links.right);
        while let Some(slot) = rest {
            if is_before(new, slot) {
                store(after, Some(slot));
                after = &slot.links.left;
                rest = load(after);
            } else {
                store(before, Some(slot));
                before = &slot.links.right;
                rest = load(before);
            }
        }
        store(before, None);
        store(after, None);
        store(link, Some(new));
        self.changed();
    }

    /// Removes a slot that is in the tree. Callers take turns.
    pub(super) fn remove(&self, old: &'static Slot) {
        self.changing();
        let mut link = &self.root;
        while let Some(slot) = load(link).filter(|slot| !ptr::eq(*slot, old)) {
            link = if is_before(old, slot) { &slot.links.left } else { &slot.links.right };
        }
        let (mut before, mut after) = (load(&old.links.left), load(&old.links.right));
        loop {
            match (before, after) {
                (Some(low), Some(high)) if priority(low) > priority(high) => {
                    store(link, Some(low));
                    link = &low.links.right;
                    before = load(link);
                }
                (Some(_), Some(high)) => {
                    store(link, Some(high));
                    link = &high.links.left;
                    after = load(link);
                }
                (rest, None) | (None, rest) => {
                    store(link, rest);
                    break;
                }
            }
        }
        self.changed();
    }

    fn changing(&self) {
        self.next_version(Ordering::Relaxed);
        // Whoever sees a part of what follows sees the odd version too.
        fence(Ordering::Release);
    }

    fn changed(&self) {
        self.next_version(Ordering::Release);
    }

    /// Callers take turns, so that no addition is lost, and the processor need not lock its bus.
    fn next_version(&self, order: Ordering) {
        self.version.store(self.version.load(Ordering::Relaxed).wrapping_add(1), order);
    }
}

fn load(link: &AtomicPtr<Slot>) -> Option<&'static Slot> {
    // SAFETY: links lead to slots, which are never freed.
    unsafe { link.load(Ordering::Acquire).as_ref() }
}

fn store(link: &AtomicPtr<Slot>, slot: Option<&'static Slot>) {
    link.store(slot.map_or(ptr::null_mut(), |slot| ptr::from_ref(slot).cast_mut()), Ordering::Release);
}

/// The order of addresses. A mapping that was unmapped by other code can have the same start as a later one.
fn is_before(slot: &Slot, other: &Slot) -> bool {
    (slot.start(), ptr::from_ref(slot)).cmp(&(other.start(), ptr::from_ref(other))) == Less
}

/// A pseudorandom number, the finaliser of MurmurHash3: a bijection, so that no two slots have the same.
fn priority(slot: &Slot) -> u64 {
    let mut bits = ptr::from_ref(slot).addr() as u64;
    bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;

    use super::*;
    use crate::sys::{FileId, MappingInfo};

    const PAGE: usize = 4096;

    fn slot_at(start: usize, len: usize) -> &'static Slot {
        let slot: &'static Slot = Box::leak(Box::new(Slot::new()));
        describe(slot, start, len);
        slot
    }

    fn describe(slot: &Slot, start: usize, len: usize) {
        let (file_id, origin) = (FileId::default(), start);
        let (protection, flags) = (0, 0);
        slot.describe(&MappingInfo {
            start,
            len,
            fd: -1,
            file_id,
            file_offset: 0,
            protection,
            flags,
            page_size: PAGE,
            origin,
        });
    }

    fn found(index: &Index, address: usize) -> Option<usize> {
        match index.find(address) {
            Lookup::Found(slot) => Some(slot.start()),
            Lookup::Absent => None,
            Lookup::Unknown => panic!("nobody changes the tree"),
        }
    }

    proptest! {
        /// F6: registering and unregistering at random, against a map of the standard library.
        #[test]
        fn finds_what_a_simple_model_finds(changes in prop::collection::vec((0usize..400, 1usize..5), 1..300)) {
            let index = Index::new();
            let mut model = BTreeMap::<usize, (usize, &'static Slot)>::new();
            let mut free = Vec::new();
            for (place, pages) in changes {
                let (start, len) = ((place + 1) * PAGE, pages * PAGE);
                if let Some((_, slot)) = model.remove(&start) {
                    index.remove(slot);
                    free.push(slot);
                } else {
                    let before = model.range(..start).next_back().is_none_or(|(other, (len, _))| other + len <= start);
                    let after = model.range(start..).next().is_none_or(|(&other, _)| start + len <= other);
                    if !(before && after) {
                        continue;
                    }
                    let slot: &'static Slot = free.pop().unwrap_or_else(|| slot_at(start, len));
                    describe(slot, start, len);
                    index.insert(slot);
                    model.insert(start, (len, slot));
                }
                for address in [0, start - 1, start, start + len - 1, start + len, usize::MAX] {
                    let expected = model.range(..=address).next_back();
                    let expected = expected.filter(|(start, (len, _))| address - **start < *len).map(|(&start, _)| start);
                    assert_eq!(found(&index, address), expected);
                }
            }
            for (&start, &(len, _)) in &model {
                assert_eq!(found(&index, start + len - 1), Some(start));
            }
        }
    }

    /// Slots with the same start: one of the mappings was unmapped by other code.
    #[test]
    fn slots_of_the_same_address() {
        let index = Index::new();
        let slots: Vec<_> = (0..20).map(|_| slot_at(PAGE, PAGE)).collect();
        slots.iter().for_each(|slot| index.insert(slot));
        for (removed, slot) in slots.iter().enumerate() {
            assert_eq!(found(&index, PAGE), Some(PAGE), "after {removed}");
            index.remove(slot);
        }
        assert_eq!(found(&index, PAGE), None);
    }

    /// F6: a search takes about as many steps as a balanced tree has levels.
    #[test]
    fn many_slots_make_no_deep_tree() {
        const COUNT: usize = 100_000;
        let slots: &'static [Slot] = Box::leak((0..COUNT).map(|_| Slot::new()).collect());
        let index = Index::new();
        for (place, slot) in slots.iter().enumerate() {
            describe(slot, (COUNT - place) * PAGE, PAGE);
            index.insert(slot);
        }
        let mut deepest = 0;
        let mut nodes = vec![(load(&index.root).unwrap(), 1)];
        while let Some((slot, depth)) = nodes.pop() {
            deepest = deepest.max(depth);
            nodes.extend(
                [&slot.links.left, &slot.links.right].into_iter().filter_map(load).map(|slot| (slot, depth + 1)),
            );
        }
        assert!(deepest < STEPS / 2, "{deepest} levels");
        assert!((1..=COUNT).all(|place| found(&index, place * PAGE + 1) == Some(place * PAGE)));
        slots.iter().step_by(2).for_each(|slot| index.remove(slot));
        assert!((1..=COUNT).all(|place| found(&index, place * PAGE).is_some() == ((COUNT - place) % 2 == 1)));
    }

    /// F5: while another thread changes the tree, a search finds what stays, or returns that it does not know.
    #[test]
    fn searches_beside_changes() {
        let index: &'static Index = Box::leak(Box::new(Index::new()));
        let stays: Vec<_> = (0..50).map(|place| slot_at((2 * place + 2) * PAGE, PAGE)).collect();
        let comes: Vec<_> = (0..50).map(|place| slot_at((2 * place + 1) * PAGE, PAGE)).collect();
        stays.iter().for_each(|slot| index.insert(slot));
        let done = AtomicBool::new(false);
        let sure = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2000 {
                    comes.iter().for_each(|slot| index.insert(slot));
                    comes.iter().rev().for_each(|slot| index.remove(slot));
                }
                done.store(true, Ordering::Release);
            });
            let mut sure = 0;
            while !done.load(Ordering::Acquire) {
                for slot in &stays {
                    match index.find(slot.start() + 5) {
                        Lookup::Found(found) => assert!(ptr::eq(found, *slot)),
                        Lookup::Absent => panic!("it is there"),
                        Lookup::Unknown => continue,
                    }
                    sure += 1;
                }
            }
            sure
        });
        println!("{sure} searches knew");
        assert!(stays.iter().all(|slot| found(index, slot.start()).is_some()));
    }
}
