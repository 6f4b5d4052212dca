//! Memory that outlives the process that wrote it, in a directory that has one owner.
//!
//! What was stored there is there when the process has ended, in whatever way, and another one opens the directory. What is left of it
//! when the machine has ended is unknown: who keeps something here notes in which life of the machine that was. `kernel` has
//! it in files of the file system that are mapped, `sim` in the simulated node.

use std::rc::Rc;

use crake_mem::{Region, RegionError};

use crate::error::Error;

/// The memory of a directory. Nobody else has it as long as this lives.
pub trait KeptMemory {
    /// How long the memory of this name is; `None` if there is none.
    ///
    /// # Errors
    /// What the system says.
    fn len_bytes(&self, name: &str) -> Result<Option<u64>, Error>;

    /// The memory of this name, which is made, zeroed, if it is not there. All of it is the machine's to give from here on.
    ///
    /// # Errors
    /// There is no room for it, or it is there and has another length.
    fn region(&self, name: &str, len_bytes: usize) -> Result<Rc<Region>, RegionError>;

    /// Removes the memory of this name. Who has it, keeps it until then.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> Result<(), Error>;
}
