//! Memory of a simulated node that outlives its processes.
//!
//! It is the same memory in the next life of the node, as a file that was mapped is: who has mapped it before sees what is
//! written there after.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crake_mem::{HugePages, Region, RegionError};

use super::state::{Place, State, is_alive};
use crate::error::Error;
use crate::kept::KeptMemory;
use crate::random::Random;

/// What a device takes at once.
const PAGE_BYTES: usize = 4096;

/// All memory that a node keeps, by directory and name.
#[derive(Default)]
pub(super) struct Kept {
    regions: BTreeMap<(String, String), Rc<Region>>,
    locked: Vec<String>,
}

impl Kept {
    /// The process has ended: nobody has a directory any more.
    pub(super) fn crash_process(&mut self) {
        self.locked.clear();
    }

    /// Of what the processes wrote some pages have reached the device, and some have not.
    pub(super) fn crash_machine(&mut self, random: &Random) {
        self.crash_process();
        for region in self.regions.values_mut() {
            *region = with_some_pages(region, random);
        }
    }
}

fn with_some_pages(region: &Rc<Region>, random: &Random) -> Rc<Region> {
    let len_bytes = region.len_bytes();
    let copy = Region::anonymous(len_bytes, HugePages::Never).expect("as much as there was before");
    for start in (0..len_bytes).step_by(PAGE_BYTES) {
        let page = start..len_bytes.min(start + PAGE_BYTES);
        if random.below(2) == 0 {
            copy.extent(page.clone()).write(0, &region.extent(page).to_vec());
        }
    }
    copy
}

/// A directory of a node, in one of its lives.
pub(super) struct SimKept {
    state: Rc<RefCell<State>>,
    place: Place,
    directory: String,
}

impl SimKept {
    pub(super) fn open(
        state: &Rc<RefCell<State>>,
        place: Place,
        directory: String,
    ) -> Result<SimKept, Error> {
        let opened = SimKept {
            state: state.clone(),
            place,
            directory,
        };
        opened.with(|kept| {
            if kept.locked.contains(&opened.directory) {
                return Err(Error::Locked);
            }
            kept.locked.push(opened.directory.clone());
            Ok(())
        })??;
        Ok(opened)
    }

    /// Fails if the node has died since.
    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> Result<T, Error> {
        let mut state = self.state.borrow_mut();
        if !is_alive(&state.nodes, self.place) {
            return Err(Error::Closed);
        }
        Ok(act(state.kept(self.place.node)))
    }

    fn key(&self, name: &str) -> (String, String) {
        (self.directory.clone(), name.into())
    }
}

impl Drop for SimKept {
    fn drop(&mut self) {
        // In a later life of the node it is somebody else's.
        let _ = self.with(|kept| kept.locked.retain(|locked| *locked != self.directory));
    }
}

impl KeptMemory for SimKept {
    fn len_bytes(&self, name: &str) -> Result<Option<u64>, Error> {
        self.with(|kept| {
            let region = kept.regions.get(&self.key(name));
            region.map(|region| region.len_bytes() as u64)
        })
    }

    fn region(&self, name: &str, len_bytes: usize) -> Result<Rc<Region>, RegionError> {
        let refused = |error: Error| RegionError::Refused {
            call: "open",
            source: error.into(),
        };
        let there = self.with(|kept| kept.regions.get(&self.key(name)).cloned());
        if let Some(region) = there.map_err(refused)? {
            let fits = region.len_bytes() == len_bytes;
            return fits
                .then_some(region)
                .ok_or(refused(Error::Invalid("another length")));
        }
        let region = Region::anonymous(len_bytes, HugePages::Never)?;
        let added = self.with(|kept| kept.regions.insert(self.key(name), region.clone()));
        added.map_err(refused)?;
        Ok(region)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.with(|kept| kept.regions.remove(&self.key(name)).map(drop))?
            .ok_or(Error::Os(libc::ENOENT))
    }
}
