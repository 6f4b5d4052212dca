//! Blocks that outlive the datanode's process: a directory with the tier, the table of what its blocks are, and a ledger
//! (`docs/format/persist.md`).
//!
//! All three are memory that is mapped, so what was stored is there when the process has ended, in whatever way. It may end between any
//! two stores. The table and the ledger say the same of each unit, in different words, and before a pair of stores is begun the ledger has what it
//! is going to be: a pair that was not finished is finished at the next start, and any other two that do not agree are damage.
//!
//! When the machine ends, any part of these stores may be missing on the device. So nothing of an earlier life of the machine is
//! believed: the directory begins anew.

mod error;
mod layout;
mod ledger;
mod ranges;
mod recover;
mod store;
#[cfg(test)]
mod tests;

pub use error::{PersistError, Reason};
pub use store::{Found, PersistConfig};

pub(crate) use ledger::{Ledger, Life};
pub(crate) use recover::Recovered;
pub(crate) use store::open;
