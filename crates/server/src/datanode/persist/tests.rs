//! Processes that end after any store, and ledgers that were changed.

use std::rc::Rc;

use crake_mem::{HugePages, Region};
use crake_store::protocol::tier::Layout;
use proptest::prelude::*;

use super::Reason;
use super::layout::{LIFE_AT, Places, STEP_AT};
use super::ledger::{Ledger, Life};
use super::recover::Recovered;
use crate::datanode::generations::{Age, Generations};
use crate::datanode::published::Published;
use crate::datanode::written::Written;

const UNITS: usize = 512;
const BLOCK: u32 = 64 * 1024;

/// The memory of a directory, without the directory.
struct Memory {
    ledger: Rc<Region>,
    table: Rc<Region>,
}

impl Memory {
    fn new() -> Memory {
        let region = |len_bytes| Region::anonymous(len_bytes, HugePages::Never).unwrap();
        Memory {
            ledger: region(Places::new(UNITS).len_bytes()),
            table: region(Layout::new(UNITS).len_bytes()),
        }
    }

    fn open(&self) -> Ledger {
        Ledger::new(self.ledger.clone(), self.table.clone(), UNITS, 7, None)
    }

    fn recover(&self) -> Result<Recovered, Reason> {
        let ledger = self.open();
        let life = ledger
            .life()
            .map_err(|()| Reason::damaged("ledger", LIFE_AT, ""))?;
        ledger.recover(life.expect("a life has begun"))
    }
}

/// The tables of a datanode, as its `Blocks` has them.
struct Tables {
    published: Published,
    generations: Generations,
    written: Written,
}

impl Tables {
    fn begin(memory: &Memory) -> Tables {
        let published = Published::kept(memory.table.clone(), UNITS, memory.open());
        published.begin(3, 11, 5);
        Tables {
            generations: Generations::new(UNITS, &published),
            written: Written::new(UNITS, &published),
            published,
        }
    }

    fn of(memory: &Memory, recovered: Recovered) -> Tables {
        let ledger = memory.open();
        let again = ledger.recover(recovered.life).unwrap();
        let published = Published::kept(memory.table.clone(), UNITS, ledger);
        Tables {
            generations: Generations::of(again.generations, &published),
            written: Written::of(again.spans, again.fragments, &published),
            published,
        }
    }

    /// As a handle of this generation does that is seen for the first time.
    fn issue(&mut self, head: usize, units: usize, generation: u32) {
        let block = head..head + units;
        if self.generations.age(block.clone(), generation) == Age::New {
            self.written.forget(block.clone());
            self.generations.raise(block, generation);
        }
    }

    fn stop_after(&self, stores: u64) {
        self.published.ledger().unwrap().stores_left.set(stores);
    }
}

fn is_same(tables: &Tables, recovered: &Recovered) -> bool {
    let written = Written::of(
        recovered.spans.clone(),
        recovered.fragments.clone(),
        &Published::new(UNITS, false).unwrap(),
    );
    let same_bytes = (0..UNITS).all(|head| written.ranges(head) == tables.written.ranges(head));
    let same_generations = (0..UNITS).all(|unit| {
        tables
            .generations
            .age(unit..unit + 1, recovered.generations[unit])
            == Age::Current
    });
    same_bytes && same_generations && written.bytes() == tables.written.bytes()
}

fn filled() -> (Memory, Tables) {
    let memory = Memory::new();
    let mut tables = Tables::begin(&memory);
    tables.issue(16, 16, 4);
    tables.written.insert(16, 0..5000).unwrap();
    tables.issue(256, 256, 9);
    for start in [0, 100, 200] {
        tables.written.insert(256, start..start + 50).unwrap();
    }
    (memory, tables)
}

#[test]
fn blocks_are_there_again() {
    let (memory, tables) = filled();
    let recovered = memory.recover().unwrap();
    assert!(is_same(&tables, &recovered));
    let life = Life {
        incarnation: 11,
        namenode: 5,
        datanode: 3,
        boot: 7,
    };
    assert_eq!(recovered.life, life);
    assert_eq!(recovered.fragments[&256].len(), 3);
}

#[test]
fn what_was_going_on_goes_on() {
    let (memory, _) = filled();
    let mut tables = Tables::of(&memory, memory.recover().unwrap());
    tables.written.insert(256, 50..100).unwrap();
    tables.written.insert(256, 300..350).unwrap();
    tables.written.insert(16, 6000..7000).unwrap();
    assert!(is_same(&tables, &memory.recover().unwrap()));
    tables.written.insert(256, 150..200).unwrap();
    tables.written.insert(256, 250..300).unwrap();
    tables.issue(17, 1, 5);
    let recovered = memory.recover().unwrap();
    assert!(is_same(&tables, &recovered) && recovered.fragments.is_empty());
}

#[test]
fn another_life_has_no_blocks() {
    let (memory, tables) = filled();
    tables.published.begin(3, 12, 6);
    let recovered = memory.recover().unwrap();
    assert_eq!((recovered.life.incarnation, recovered.life.namenode), (12, 6));
    assert!(recovered.spans.iter().all(|span| *span == 0) && recovered.fragments.is_empty());
}

#[test]
fn a_process_that_ends_while_a_life_begins_leaves_none() {
    let (memory, tables) = filled();
    let before_it_is_noted = 1;
    tables.stop_after(before_it_is_noted);
    tables.published.begin(3, 12, 6);
    assert_eq!(memory.open().life(), Ok(None));
}

/// One bit of what is told of blocks: found, or of no meaning.
#[test]
fn a_flipped_bit_is_never_believed() {
    let (memory, tables) = filled();
    let (places, layout) = (Places::new(UNITS), Layout::new(UNITS));
    let generations = layout.generations_at(0..UNITS);
    let spans = layout.span_at(0)..layout.span_at(UNITS);
    let in_table = generations.chain(spans).map(|at| (&memory.table, at));
    let checks = places.check_at(0)..places.slot_at(16);
    let in_ledger = (LIFE_AT..LIFE_AT + 40).chain(STEP_AT..STEP_AT + 40).chain(checks);
    let mut found = 0;
    for (region, at) in in_table.chain(in_ledger.map(|at| (&memory.ledger, at))) {
        let before = (
            memory.ledger.extent(..).to_vec(),
            memory.table.extent(..).to_vec(),
        );
        let mut byte = region.extent(at..at + 1).to_vec();
        byte[0] ^= 1 << (at % 8);
        region.extent(at..at + 1).write(0, &byte);
        match memory.recover() {
            Ok(recovered) => assert!(is_same(&tables, &recovered), "byte {at} of {region:?}"),
            Err(Reason::Damaged { .. }) => found += 1,
            Err(other) => panic!("{other}"),
        }
        memory.ledger.extent(..).write(0, &before.0);
        memory.table.extent(..).write(0, &before.1);
    }
    assert!(found > 20 * UNITS, "only {found} were found");
}

#[derive(Clone, Debug)]
enum Act {
    Issue { head: usize, units: usize },
    Write { head: usize, start: u32, len: u32 },
}

fn act() -> impl Strategy<Value = Act> {
    let issue = (0..UNITS / 16, 0..3usize).prop_map(|(at, class)| {
        let units = [1, 16, 256][class];
        Act::Issue {
            head: at * 16 / units * units,
            units,
        }
    });
    let write = (0..4usize, 0..BLOCK / 64, 1..30u32).prop_map(|(at, start, len)| Act::Write {
        head: at * 16,
        start: start * 32,
        len: len * 16,
    });
    prop_oneof![1 => issue, 6 => write]
}

fn do_act(tables: &mut Tables, act: &Act, generation: u32) {
    match *act {
        Act::Issue { head, units } => tables.issue(head, units, generation),
        // A block is written after it was issued.
        Act::Write { head, start, len } => {
            tables.issue(head, 16, generation);
            let _ = tables.written.insert(head, start..start + len);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Everything that was done before is there, of what was going on nothing or all of each block, and the next process can go on.
    #[test]
    fn a_process_may_end_after_any_store(acts in prop::collection::vec(act(), 1..40), stores in 0u64..400, more in prop::collection::vec(act(), 1..10)) {
        let memory = Memory::new();
        let mut tables = Tables::begin(&memory);
        let generation = |number: usize| 1 + number as u32 / 12;
        for (number, act) in acts.iter().enumerate().take(acts.len() - 1) {
            do_act(&mut tables, act, generation(number));
        }
        let last = acts.len() - 1;
        let before = (0..UNITS).map(|head| tables.written.ranges(head)).collect::<Vec<_>>();
        let old = memory.recover().unwrap().generations;
        tables.stop_after(stores);
        do_act(&mut tables, &acts[last], generation(last));
        let recovered = memory.recover().unwrap();
        let again = memory.recover().unwrap();
        prop_assert_eq!(&recovered.spans, &again.spans);
        let written = Written::of(recovered.spans.clone(), recovered.fragments.clone(), &tables.published);
        for head in 0..UNITS {
            let (ranges, newest) = (written.ranges(head), recovered.generations[head]);
            let after = tables.written.ranges(head);
            let is_raised = tables.generations.age(head..head + 1, newest) == Age::Current && newest != old[head];
            let is_issued_anew = tables.generations.age(head..head + 1, old[head]) != Age::Current;
            let is_known = ranges == before[head] || ranges == after || is_issued_anew && ranges.is_empty();
            prop_assert!(is_known, "block {} has {:?}", head, ranges);
            prop_assert!(!is_raised || ranges == after || ranges.is_empty());
            prop_assert!(is_raised || newest == old[head]);
        }
        let mut next = Tables::of(&memory, recovered);
        for act in &more {
            do_act(&mut next, act, 100);
        }
        prop_assert!(is_same(&next, &memory.recover().unwrap()));
    }
}
