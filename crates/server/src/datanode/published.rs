//! What clients of this machine see of the blocks' state: a copy, kept up to date (`docs/format/tier.md`).

use std::ops::Range;
use std::rc::Rc;

use crake_mem::{HugePages, Region, RegionError};
use crake_store::protocol::tier::{
    DATANODE_AT, INCARNATION_AT, Layout, MAGIC, MAGIC_AT, Span, UNITS_AT, VERSION, VERSION_AT,
};

use super::persist::Ledger;

/// The table beside a tier. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    table: Rc<Region>,
    layout: Layout,
    /// What a datanode that keeps its blocks notes besides.
    ledger: Option<Rc<Ledger>>,
}

impl Published {
    /// For a tier of `units` units; in a file if other processes are to map it.
    pub(crate) fn new(units: usize, in_file: bool) -> Result<Published, RegionError> {
        let layout = Layout::new(units);
        let table = match in_file {
            true => Region::memfd("crake-table", layout.len_bytes(), HugePages::Try)?,
            false => Region::anonymous(layout.len_bytes(), HugePages::Never)?,
        };
        table.close_file()?;
        table.store_u32(VERSION_AT, VERSION);
        table.store_u64(UNITS_AT, units as u64);
        table.store_u64(MAGIC_AT, MAGIC);
        Ok(Published {
            table,
            layout,
            ledger: None,
        })
    }

    /// One that was there before this process, or will be there after it.
    pub(crate) fn kept(table: Rc<Region>, units: usize, ledger: Ledger) -> Published {
        Published {
            table,
            layout: Layout::new(units),
            ledger: Some(Rc::new(ledger)),
        }
    }

    #[cfg(test)]
    pub(crate) fn ledger(&self) -> Option<&Rc<Ledger>> {
        self.ledger.as_ref()
    }

    pub(crate) fn table(&self) -> &Rc<Region> {
        &self.table
    }

    /// All blocks are new ones, of another life of the datanode. Nobody reads anything until that can be seen.
    pub(crate) fn begin(&self, datanode: u32, incarnation: u64, namenode: u64) {
        if let Some(ledger) = &self.ledger {
            ledger.end_life();
        }
        self.table.store_u64(INCARNATION_AT, 0);
        self.table.order_stores();
        self.table
            .extent(self.layout.generations_at(0..0).start..)
            .fill(.., 0);
        if let Some(ledger) = &self.ledger {
            ledger.clear();
        }
        self.table.store_u32(DATANODE_AT, datanode);
        self.table.store_u64(INCARNATION_AT, incarnation);
        if let Some(ledger) = &self.ledger {
            ledger.begin_life(incarnation, namenode, datanode);
        }
    }

    /// `units` are in another generation: before any of their bytes are written.
    pub(crate) fn raise(&self, units: Range<usize>, generation: u32) {
        if let Some(ledger) = &self.ledger {
            ledger.raise(units, generation);
            return self.table.order_stores();
        }
        for at in self.layout.generations_at(units).step_by(4) {
            self.table.store_u32(at, generation);
        }
        self.table.order_stores();
    }

    /// What is written of the block that begins with `unit`: after its bytes are there.
    #[inline]
    pub(crate) fn set_span(&self, unit: usize, span: Span) {
        if let Some(ledger) = &self.ledger {
            return ledger.set_span(unit, span);
        }
        self.table.store_u64(self.layout.span_at(unit), span.0);
    }

    /// What the table has no room for: all ranges of a block that has several, after their bytes are there; none if it has one, or none.
    pub(crate) fn set_ranges(&self, unit: usize, ranges: &[Span]) {
        if let Some(ledger) = &self.ledger {
            ledger.set_ranges(unit, ranges);
        }
    }
}
