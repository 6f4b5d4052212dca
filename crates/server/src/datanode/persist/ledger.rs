//! The ledger: in which life of the datanode the table was written, and whether what it says is whole.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use crake_datapath::KeptMemory;
use crake_mem::Region;
use crake_store::protocol::tier::{Layout, Span};

use super::layout::{LIFE_AT, LIFE_WORDS, Places, STEP_AT, STEP_WORDS, check_of, slot_check, unit_check};
use super::ranges::Slots;

/// A life of a datanode: what its blocks are to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// That of handles.
    pub(crate) incarnation: u64,
    /// The incarnation of the namenode that the blocks belong to.
    pub(crate) namenode: u64,
    /// The number that this namenode has given to the datanode.
    pub(crate) datanode: u32,
    /// In which life of the machine; 0 is unknown.
    pub(crate) boot: u64,
}

impl Life {
    fn words(&self) -> [u64; LIFE_WORDS] {
        [
            self.incarnation,
            self.namenode,
            u64::from(self.datanode),
            self.boot,
        ]
    }

    fn of_words(words: [u64; LIFE_WORDS]) -> Option<Life> {
        let [incarnation, namenode, datanode, boot] = words;
        Some(Life {
            incarnation,
            namenode,
            datanode: u32::try_from(datanode).ok()?,
            boot,
        })
    }
}

/// A change of what the table and the ledger say of a unit, or of a range of a fragmented block. Doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These units are in another generation, and nothing is written there.
    Raise { units: Range<usize>, generation: u32 },
    /// So much is written of the block that begins with this unit.
    Span { unit: usize, span: Span },
    /// A range of the block that begins with `head`; none if the span is empty.
    Slot { slot: usize, head: u32, span: Span },
}

const RAISE: u64 = 1;
const SPAN: u64 = 2;
const SLOT: u64 = 3;

impl Step {
    fn words(&self) -> [u64; STEP_WORDS] {
        match self {
            Step::Raise { units, generation } => [
                RAISE,
                units.start as u64,
                units.end as u64,
                u64::from(*generation),
            ],
            Step::Span { unit, span } => [SPAN, *unit as u64, span.0, 0],
            Step::Slot { slot, head, span } => [SLOT, *slot as u64, u64::from(*head), span.0],
        }
    }

    /// Nothing if the words are no step of a ledger with these places.
    fn of_words(words: [u64; STEP_WORDS], places: &Places) -> Option<Step> {
        let unit = |word: u64| usize::try_from(word).ok().filter(|unit| *unit < places.units);
        match words {
            [RAISE, start, end, generation] => {
                let (start, last) = (unit(start)?, unit(end.checked_sub(1)?)?);
                Some(Step::Raise {
                    units: start..last + 1,
                    generation: u32::try_from(generation).ok()?,
                })
            }
            [SPAN, at, span, 0] => Some(Step::Span {
                unit: unit(at)?,
                span: Span(span),
            }),
            [SLOT, slot, head, span] => Some(Step::Slot {
                slot: usize::try_from(slot).ok().filter(|slot| *slot < places.slots)?,
                head: unit(head)? as u32,
                span: Span(span),
            }),
            _ => None,
        }
    }
}

/// The ledger of a directory, with the table beside it, as this process writes them.
pub(crate) struct Ledger {
    pub(super) ledger: Rc<Region>,
    pub(super) table: Rc<Region>,
    pub(super) places: Places,
    pub(super) layout: Layout,
    /// In which life of the machine this is.
    boot: u64,
    pub(super) slots: RefCell<Slots>,
    #[cfg(test)]
    pub(super) stores_left: std::cell::Cell<u64>,
    /// Others have no use of the files as long as this lives.
    _directory: Option<Rc<dyn KeptMemory>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    pub(super) fn new(
        ledger: Rc<Region>,
        table: Rc<Region>,
        units: usize,
        boot: u64,
        directory: Option<Rc<dyn KeptMemory>>,
    ) -> Ledger {
        let places = Places::new(units);
        Ledger {
            ledger,
            table,
            places,
            layout: Layout::new(units),
            boot,
            slots: RefCell::new(Slots::new(places.slots)),
            #[cfg(test)]
            stores_left: std::cell::Cell::new(u64::MAX),
            _directory: directory,
        }
    }

    /// The life that the table was written in. `Ok(None)`: none, or one that had not begun yet; `Err`: what is there was not written.
    pub(super) fn life(&self) -> Result<Option<Life>, ()> {
        let words = self.words::<LIFE_WORDS>(LIFE_AT);
        match self.ledger.load_u64(LIFE_AT + 8 * LIFE_WORDS) {
            0 => Ok(None),
            check if check == check_of(&words) => Life::of_words(words).map(Some).ok_or(()),
            _ => Err(()),
        }
    }

    /// From here on the directory has no life, and whatever is in the table is nobody's.
    pub(crate) fn end_life(&self) {
        self.ledger.store_u64(LIFE_AT + 8 * LIFE_WORDS, 0);
        self.ledger.order_stores();
    }

    /// Nothing is written and no unit was issued. To be followed by the same in the table.
    pub(crate) fn clear(&self) {
        let nothing = self.places.check_at(0)..self.places.len_bytes();
        self.ledger.extent(nothing).fill(.., 0);
        self.ledger.store_u64(STEP_AT + 8 * STEP_WORDS, 0);
        self.slots.replace(Slots::new(self.places.slots));
    }

    /// What the table says is of this life from here on.
    pub(crate) fn begin_life(&self, incarnation: u64, namenode: u64, datanode: u32) {
        let life = Life {
            incarnation,
            namenode,
            datanode,
            boot: self.boot,
        };
        self.put_words(LIFE_AT, &life.words());
    }

    /// `units` are in another generation, and nothing is written there.
    pub(crate) fn raise(&self, units: Range<usize>, generation: u32) {
        self.take(&Step::Raise { units, generation });
    }

    /// What is written of the block that begins with `unit`.
    pub(crate) fn set_span(&self, unit: usize, span: Span) {
        self.take(&Step::Span { unit, span });
    }

    /// Takes a step that whoever opens the directory next takes again, if this process ends within it.
    pub(super) fn take(&self, step: &Step) {
        self.put_words(STEP_AT, &step.words());
        self.apply(step);
    }

    /// The step that may not have been finished. What was being noted when the process ended had not been begun.
    pub(super) fn last_step(&self) -> Option<Step> {
        let words = self.words::<STEP_WORDS>(STEP_AT);
        let is_whole = self.ledger.load_u64(STEP_AT + 8 * STEP_WORDS) == check_of(&words);
        Step::of_words(words, &self.places).filter(|_| is_whole)
    }

    pub(super) fn apply(&self, step: &Step) {
        match step {
            Step::Raise { units, generation } => {
                for unit in units.clone() {
                    let at = self.layout.generations_at(unit..unit).start;
                    self.put_u32(&self.table, at, *generation);
                    self.put_u64(&self.table, self.layout.span_at(unit), 0);
                    let check = unit_check(unit, *generation, 0);
                    self.put_u64(&self.ledger, self.places.check_at(unit), check);
                }
            }
            Step::Span { unit, span } => {
                let at = self.layout.generations_at(*unit..*unit).start;
                let check = unit_check(*unit, self.table.load_u32(at), span.0);
                self.put_u64(&self.ledger, self.places.check_at(*unit), check);
                self.put_u64(&self.table, self.layout.span_at(*unit), span.0);
            }
            Step::Slot { slot, head, span } => {
                let at = self.places.slot_at(*slot);
                let head = if *span == Span::EMPTY { 0 } else { *head };
                self.put_u32(&self.ledger, at, head);
                self.put_u32(&self.ledger, at + 4, slot_check(*slot, head, span.0));
                self.put_u64(&self.ledger, at + 8, span.0);
            }
        }
    }

    /// Numbers and their check, so that numbers of which a part is missing have no check that is right.
    fn put_words(&self, at: usize, words: &[u64]) {
        let check_at = at + 8 * words.len();
        self.put_u64(&self.ledger, check_at, 0);
        self.ledger.order_stores();
        for (word, at) in words.iter().zip((at..).step_by(8)) {
            self.put_u64(&self.ledger, at, *word);
        }
        self.put_u64(&self.ledger, check_at, check_of(words));
        self.ledger.order_stores();
    }

    fn words<const N: usize>(&self, at: usize) -> [u64; N] {
        std::array::from_fn(|word| self.ledger.load_u64(at + 8 * word))
    }

    #[inline]
    fn put_u64(&self, region: &Region, at: usize, number: u64) {
        if self.is_alive() {
            region.store_u64(at, number);
        }
    }

    #[inline]
    fn put_u32(&self, region: &Region, at: usize, number: u32) {
        if self.is_alive() {
            region.store_u32(at, number);
        }
    }

    #[cfg(not(test))]
    #[inline(always)]
    fn is_alive(&self) -> bool {
        true
    }

    /// A test may have its process end after any store.
    #[cfg(test)]
    fn is_alive(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }
}
