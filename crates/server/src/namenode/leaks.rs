//! Frees blocks that have leaked: that are given out, and nobody's.
//!
//! Who asks for it has compared what is given out with its owners, page by page while both changed (`census`), and may be mistaken. So the namespace looks at all owners by
//! itself, in the step in which it frees. Nothing can change in between, and nothing that is believed can make it free what somebody owns.
//!
//! What has no owner here has none anywhere. A block is owned where it was issued: a partition that lends a slot has nothing given out of it, and who moves a node to
//! another partition leaves it, with its blocks, at its home. There, an extent is in one of the places that [`Namespace::extents`] goes through, and it gets there from another one of them, or
//! by the command that issues it. So a block without an owner stays one until it is freed.

use crake_store::canary::{Canary, planted};

use super::blocks::{Class, Extent, Issued};
use super::census::{IssuedSlot, SLOTS_MAX};
use super::command::{Failure, Reply};
use super::namespace::Namespace;
use super::sessions::Held;

/// What became of the blocks of a [`super::Command::FreeLeaked`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreedLeaks {
    /// Blocks that were nobody's, and are free now.
    pub freed: u64,
    /// Bytes of these.
    pub freed_bytes: u64,
    /// Blocks that were free already.
    pub absent: u64,
    /// Blocks that were not looked at: since their slot was looked at, others were given out of it, or it is of another life of its datanode or of the namenode.
    pub changed: u64,
    /// Blocks that somebody owns.
    pub owned: u64,
}

impl Namespace {
    /// Frees those of the named blocks that nobody owns. Takes time in proportion to all blocks with an owner, see `docs/operating.md`: nothing else is
    /// served meanwhile.
    pub(super) fn free_leaked(
        &mut self,
        incarnation: u64,
        named: &[IssuedSlot],
    ) -> Result<Reply<'_>, Failure> {
        if named.len() > SLOTS_MAX {
            return Err(Failure::TooLong);
        }
        let mut leaks = FreedLeaks::default();
        let mut suspects = self.suspects(incarnation, named, &mut leaks);
        if !suspects.slots.is_empty() && !planted(Canary::FreeOwned) {
            self.extents()
                .for_each(|extent| leaks.owned += u64::from(suspects.acquit(&extent.block)));
        }
        for block in suspects.blocks() {
            self.registry.release(&block);
            leaks.freed += 1;
            leaks.freed_bytes += block.class.bytes();
        }
        Ok(Reply::FreedLeaks(leaks))
    }

    /// The named blocks that are given out, and are those that were given out when somebody looked.
    fn suspects(&self, incarnation: u64, named: &[IssuedSlot], leaks: &mut FreedLeaks) -> Suspects {
        let mut suspects = Vec::new();
        for slot in named {
            let class = Class::of_bytes(slot.block_bytes.into());
            let class = class.filter(|_| incarnation == self.config.incarnation);
            let found = class.and_then(|class| Some((class, self.registry.taken_since(slot, class)?)));
            let Some((class, taken)) = found else {
                leaks.changed += count(&slot.taken);
                continue;
            };
            let blocks = both(&slot.taken, &taken);
            leaks.absent += count(&slot.taken) - count(&blocks);
            if blocks != [0; 4] {
                suspects.push(Suspect {
                    datanode: slot.datanode,
                    slot: slot.slot,
                    epoch: slot.epoch,
                    generation: slot.generation,
                    class,
                    blocks,
                });
            }
        }
        Suspects::new(suspects)
    }

    /// All that is owned of blocks, of whatever lives of datanodes: by files and values, also those that are being removed; by values on their way; by
    /// views of files that are no more; and by the present command.
    fn extents(&self) -> impl Iterator<Item = &Extent> {
        let files = self.nodes.files.iter().flat_map(|(_, file)| &file.extents);
        let puts = self.sessions.iter().flat_map(|(_, held)| match held {
            Held::Put(put) => put.extents.as_slice(),
            Held::Writer(_) | Held::Pin(..) | Held::Job(_) => &[],
        });
        files.chain(puts).chain(self.pins.extents()).chain(&self.taken)
    }
}

/// Blocks that may be nobody's.
struct Suspects {
    /// In order, each slot once.
    slots: Vec<Suspect>,
    /// A bit for the number of each, so that most blocks of others are passed over without a search.
    numbers: [u64; FILTER_BITS / 64],
}

/// Many more than slots of a request.
const FILTER_BITS: usize = 4096;

/// Blocks of a slot.
struct Suspect {
    datanode: u32,
    slot: u32,
    epoch: u32,
    /// Of the latest block of the slot.
    generation: u32,
    class: Class,
    /// A bit for each block that is meant.
    blocks: [u64; 4],
}

impl Suspects {
    fn new(mut suspects: Vec<Suspect>) -> Suspects {
        suspects.sort_unstable_by_key(Suspect::place);
        suspects.dedup_by(|again, kept| {
            let is_again = again.place() == kept.place();
            if is_again {
                kept.blocks = std::array::from_fn(|word| kept.blocks[word] | again.blocks[word]);
            }
            is_again
        });
        let mut numbers = [0; FILTER_BITS / 64];
        for suspect in &suspects {
            let (word, bit) = filter_bit(suspect.slot);
            numbers[word] |= bit;
        }
        Suspects {
            slots: suspects,
            numbers,
        }
    }

    /// Somebody owns a block: whether it was among these. It is no more.
    fn acquit(&mut self, block: &Issued) -> bool {
        let (word, bit) = filter_bit(block.slot());
        if self.numbers[word] & bit == 0 {
            return false;
        }
        let place = (block.datanode, block.slot());
        let Ok(at) = self.slots.binary_search_by_key(&place, Suspect::place) else {
            return false;
        };
        let suspect = &mut self.slots[at];
        let (word, bit) = (block.number() as usize / 64, 1 << (block.number() % 64));
        // Of an earlier life of the datanode, it is other bytes.
        let is_meant = suspect.epoch == block.epoch && suspect.blocks[word] & bit != 0;
        if is_meant {
            suspect.blocks[word] &= !bit;
        }
        is_meant
    }

    fn blocks(&self) -> impl Iterator<Item = Issued> {
        self.slots.iter().flat_map(Suspect::blocks)
    }
}

impl Suspect {
    fn place(&self) -> (u32, u32) {
        (self.datanode, self.slot)
    }

    fn blocks(&self) -> impl Iterator<Item = Issued> {
        let numbers =
            (0..256_u32).filter(|number| self.blocks[*number as usize / 64] >> (number % 64) & 1 == 1);
        numbers.map(|number| Issued {
            datanode: self.datanode,
            epoch: self.epoch,
            unit: Issued::unit_of(self.slot, number, self.class),
            generation: self.generation,
            class: self.class,
        })
    }
}

fn filter_bit(slot: u32) -> (usize, u64) {
    (slot as usize % FILTER_BITS / 64, 1 << (slot % 64))
}

fn both(one: &[u64; 4], other: &[u64; 4]) -> [u64; 4] {
    std::array::from_fn(|word| one[word] & other[word])
}

fn count(bits: &[u64; 4]) -> u64 {
    bits.iter().map(|word| u64::from(word.count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::census::SlotSpot;
    use super::super::check::tests::full;
    use super::super::command::{
        Command, Create, Home, JobCreate, JobId, Kind, LeaseId, NodeId, Now, PendingId, Put, SessionId,
    };
    use super::super::datanodes::Wish;
    use super::super::lending::tests::{borrow, partition};
    use super::super::log::{Journal, replay_all};
    use super::*;

    const SESSION: SessionId = SessionId(1);

    fn run(namespace: &mut Namespace, command: Command<'_>) -> Result<(NodeId, u64), Failure> {
        let reply = namespace.apply(Now::default(), SESSION, &command)?;
        Ok(match reply {
            Reply::Opened { node, lease, .. } => (node.id, lease.0),
            Reply::Put { pending, .. } => (NodeId::ROOT, pending.0),
            _ => (NodeId::ROOT, 0),
        })
    }

    /// Gives out a block to nobody.
    fn leak(namespace: &mut Namespace, class: Class) -> Option<Issued> {
        let wish = Wish {
            class,
            storage_class: 0,
            location_class: 0,
            bytes_max: class.bytes(),
        };
        namespace.registry.issue(wish).ok()
    }

    /// All that is given out.
    fn issued(namespace: &Namespace) -> Vec<IssuedSlot> {
        let (slots, next) = namespace.issued(SlotSpot::default());
        assert_eq!(next, None);
        slots
    }

    fn blocks_of(slots: &[IssuedSlot]) -> u64 {
        slots.iter().map(|slot| count(&slot.taken)).sum()
    }

    /// Says of these that they are nobody's.
    fn name(namespace: &mut Namespace, slots: &[IssuedSlot]) -> FreedLeaks {
        let incarnation = namespace.config.incarnation;
        let command = Command::FreeLeaked { incarnation, slots };
        match namespace.apply(Now::default(), SESSION, &command) {
            Ok(Reply::FreedLeaks(leaks)) => leaks,
            other => panic!("{other:?}"),
        }
    }

    fn name_all(namespace: &mut Namespace) -> FreedLeaks {
        let slots = issued(namespace);
        name(namespace, &slots)
    }

    /// The slot of a block as it is now, with that block alone.
    fn only(namespace: &Namespace, block: &Issued) -> IssuedSlot {
        let mut slots = issued(namespace);
        slots.retain(|slot| (slot.datanode, slot.slot) == (block.datanode, block.slot()));
        let mut slot = slots.remove(0);
        slot.taken = [0; 4];
        slot.taken[block.number() as usize / 64] = 1 << (block.number() % 64);
        slot
    }

    fn saved(namespace: &Namespace) -> Vec<u8> {
        let mut bytes = Vec::new();
        namespace.save(&mut bytes);
        bytes
    }

    fn file(namespace: &mut Namespace, path: &str, size: u64) -> Result<(NodeId, u64), Failure> {
        run(
            namespace,
            Command::Create(Create {
                path,
                kind: Kind::File,
                parents: true,
                replace: true,
                size_hint: size,
                ..Create::default()
            }),
        )
    }

    /// A file with a writer, a sealed one, values, one on its way, one of a job; and views of a file that is no more, and a tree that is being removed.
    fn with_all_owners() -> Namespace {
        let mut namespace = full();
        let (node, _) = file(&mut namespace, "/seen", 300_000).unwrap();
        run(&mut namespace, Command::Pin { node }).unwrap();
        let delete = Command::Delete {
            base: NodeId::ROOT,
            path: "/seen",
            recursive: false,
        };
        run(&mut namespace, delete).unwrap();
        // Time stands still, so there is one slice of a removal: the first job goes with it, the others stay.
        for number in 2..4 {
            run(&mut namespace, Command::JobCreate(JobCreate::default())).unwrap();
            file(&mut namespace, &format!("/jobs/{number}/f"), 70_000).unwrap();
        }
        for number in 1..3 {
            let job = JobId(number);
            run(&mut namespace, Command::JobEnd { job, kill: false }).unwrap();
        }
        assert_eq!(namespace.removals.tops(), 1);
        assert_eq!(namespace.check(), Ok(()));
        namespace
    }

    #[test]
    fn what_has_leaked_is_freed_and_nothing_else() {
        let mut namespace = with_all_owners();
        let owned = blocks_of(&issued(&namespace));
        let used = namespace.registry.capacity_and_used().1;
        let state = saved(&namespace);
        let all_owned = FreedLeaks {
            owned,
            ..FreedLeaks::default()
        };
        assert_eq!(name_all(&mut namespace), all_owned);
        assert!(saved(&namespace) == state, "what frees nothing changes nothing");
        let classes = [Class::Small, Class::Small, Class::Medium, Class::Large];
        for class in classes {
            leak(&mut namespace, class).unwrap();
        }
        assert!(namespace.check().is_err());
        let named = issued(&namespace);
        let leaks = name(&mut namespace, &named);
        let bytes = 2 * 4096 + 65536 + (1 << 20);
        let expected = FreedLeaks {
            freed: 4,
            freed_bytes: bytes,
            ..all_owned
        };
        assert_eq!(leaks, expected);
        assert_eq!(namespace.check(), Ok(()));
        assert_eq!(namespace.registry.capacity_and_used().1, used);
        // An answer that was lost is asked for again.
        let again = FreedLeaks {
            absent: 4,
            ..all_owned
        };
        assert_eq!(name(&mut namespace, &named), again);
        assert_eq!(namespace.check(), Ok(()));
    }

    /// Whether it has an owner then, or has leaked anew: it is not the block that was named.
    #[test]
    fn what_was_freed_and_given_out_again_is_not_meant() {
        let mut namespace = full();
        let leaked = leak(&mut namespace, Class::Large).unwrap();
        let named = only(&namespace, &leaked);
        namespace.registry.release(&leaked);
        let (node, _) = file(&mut namespace, "/next", 10 << 20).unwrap();
        let index = namespace.nodes.records.find(node).unwrap();
        let extents = &namespace.nodes.file(index).unwrap().extents;
        assert!(
            extents
                .iter()
                .any(|extent| extent.block.place() == leaked.place())
        );
        let changed = FreedLeaks {
            changed: 1,
            ..FreedLeaks::default()
        };
        assert_eq!(name(&mut namespace, std::slice::from_ref(&named)), changed);
        assert_eq!(namespace.check(), Ok(()));
        let base = NodeId::ROOT;
        let delete = Command::Delete {
            base,
            path: "/next",
            recursive: false,
        };
        run(&mut namespace, delete).unwrap();
        let again = std::iter::from_fn(|| leak(&mut namespace, Class::Large)).collect::<Vec<_>>();
        assert!(again.iter().any(|block| block.place() == leaked.place()));
        assert_eq!(name(&mut namespace, &[named]), changed);
        assert_eq!(name_all(&mut namespace).freed, again.len() as u64);
        assert_eq!(namespace.check(), Ok(()));
    }

    #[test]
    fn what_is_said_is_not_believed() {
        let mut namespace = full();
        let leaked = leak(&mut namespace, Class::Medium).unwrap();
        let right = only(&namespace, &leaked);
        let wrong = [
            IssuedSlot {
                datanode: 0,
                ..right.clone()
            },
            IssuedSlot {
                datanode: u32::MAX,
                ..right.clone()
            },
            IssuedSlot {
                epoch: right.epoch + 1,
                ..right.clone()
            },
            IssuedSlot {
                slot: u32::MAX,
                ..right.clone()
            },
            IssuedSlot {
                generation: right.generation - 1,
                ..right.clone()
            },
            IssuedSlot {
                block_bytes: 4096,
                ..right.clone()
            },
            IssuedSlot {
                block_bytes: 0,
                ..right.clone()
            },
        ];
        let changed = FreedLeaks {
            changed: wrong.len() as u64,
            ..FreedLeaks::default()
        };
        assert_eq!(name(&mut namespace, &wrong), changed);
        let another = Command::FreeLeaked {
            incarnation: namespace.config.incarnation + 1,
            slots: std::slice::from_ref(&right),
        };
        let reply = namespace.apply(Now::default(), SESSION, &another);
        let Ok(Reply::FreedLeaks(leaks)) = reply else {
            panic!("{reply:?}")
        };
        assert_eq!((leaks.freed, leaks.changed), (0, 1));
        let many = vec![right.clone(); SLOTS_MAX + 1];
        let incarnation = namespace.config.incarnation;
        let too_many = Command::FreeLeaked {
            incarnation,
            slots: &many,
        };
        assert_eq!(run(&mut namespace, too_many), Err(Failure::TooLong));
        // Said twice, and with bits of blocks that there cannot be.
        let beyond = IssuedSlot {
            taken: [u64::MAX; 4],
            ..right.clone()
        };
        let leaks = name(&mut namespace, &[right.clone(), beyond, right]);
        assert_eq!((leaks.freed, leaks.freed_bytes, leaks.changed), (1, 65536, 0));
        assert_eq!(namespace.check(), Ok(()));
    }

    /// Of an earlier life of the datanode, somebody may own a block at the same place. It is lost, and no owner of what is there now.
    #[test]
    fn owners_of_an_earlier_life_own_nothing() {
        let mut namespace = full();
        let register = super::super::command::Register {
            name: "d",
            incarnation: 2,
            capacity: 1 << 24,
            ..Default::default()
        };
        run(&mut namespace, Command::Register(register)).unwrap();
        let before = namespace.extents().map(|extent| extent.block.place());
        let before = before.collect::<Vec<_>>();
        let leaked = leak(&mut namespace, Class::Small).unwrap();
        assert!(before.contains(&leaked.place()), "at the same place");
        let named = only(&namespace, &leaked);
        let expected = FreedLeaks {
            freed: 1,
            freed_bytes: 4096,
            ..FreedLeaks::default()
        };
        assert_eq!(name(&mut namespace, &[named]), expected);
        assert_eq!(namespace.check(), Ok(()));
    }

    /// The blocks of what moves to another partition stay where they are, with their owner.
    #[test]
    fn of_two_partitions_each_frees_what_it_has_given_out() {
        let (mut lender, mut borrower) = (partition(0), partition(1));
        assert!(borrow(&mut lender, &mut borrower) > 0);
        let meet = Command::MeetPartner {
            partition: 0,
            incarnation: lender.config.incarnation,
        };
        run(&mut borrower, meet).unwrap();
        let home = Home {
            partition: 0,
            level: 1,
        };
        let branch = Create {
            path: "b",
            kind: Kind::Directory,
            branch: Some(home),
            ..Create::default()
        };
        let (base, _) = run(&mut borrower, Command::Create(branch)).unwrap();
        let moving = Create {
            base,
            path: "f",
            kind: Kind::File,
            size_hint: 20_000,
            ..Create::default()
        };
        run(&mut borrower, Command::Create(moving)).unwrap();
        let rename = Command::RenameTo {
            from_base: base,
            from: "f",
            partition: 0,
            directory: NodeId::ROOT,
            name: "g",
            no_replace: false,
        };
        run(&mut borrower, rename).unwrap();
        let lookup = Command::Lookup {
            base,
            path: "f",
            blocks: false,
        };
        assert_eq!(run(&mut borrower, lookup), Err(Failure::Busy), "it is on its way");
        let owned = blocks_of(&issued(&borrower));
        assert!(owned > 0);
        let leaked = leak(&mut borrower, Class::Small).unwrap();
        let named = issued(&borrower);
        // Who has lent the slot has given out nothing of it, and knows nothing of its owners.
        assert_eq!(name(&mut lender, &named).freed, 0);
        let leaks = name(&mut borrower, &named);
        assert_eq!((leaks.freed, leaks.owned), (1, owned));
        assert!(!issued(&borrower).iter().any(|slot| {
            (slot.datanode, slot.slot) == (leaked.datanode, leaked.slot())
                && slot.taken[leaked.number() as usize / 64] >> (leaked.number() % 64) & 1 == 1
        }));
        borrower.registry.check(&owned_blocks(&borrower)).unwrap();
        super::super::check_loans(&[&lender, &borrower]).unwrap();
    }

    fn owned_blocks(namespace: &Namespace) -> Vec<Issued> {
        namespace.extents().map(|extent| extent.block.clone()).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        File(u8, u64),
        Delete(u8),
        Pin(u8),
        Put(u64),
        Commit(bool),
        Unpin,
        Leak(Class),
        /// Names some blocks, as they are or as they were some steps before.
        Name {
            back: usize,
            taken: u64,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        let class = prop_oneof![Just(Class::Small), Just(Class::Medium), Just(Class::Large)];
        let (number, size) = (0..4_u8, || 1..200_000_u64);
        prop_oneof![
            4 => (number.clone(), size()).prop_map(|(number, size)| Step::File(number, size)),
            2 => number.clone().prop_map(Step::Delete),
            2 => number.prop_map(Step::Pin),
            2 => size().prop_map(Step::Put),
            2 => any::<bool>().prop_map(Step::Commit),
            1 => Just(Step::Unpin),
            3 => class.prop_map(Step::Leak),
            4 => (0..6_usize, any::<u64>()).prop_map(|(back, taken)| Step::Name { back, taken }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever is named: of what is freed nobody had anything, what is left of it leaked, and who does it again from the log has the same state.
        #[test]
        fn whatever_is_named_only_leaks_are_freed(steps in prop::collection::vec(step(), 1..60)) {
            let mut namespace = full();
            let (mut history, mut leaked) = (vec![issued(&namespace)], 0);
            let (mut pins, mut puts) = (Vec::new(), Vec::new());
            for step in steps {
                let base = NodeId::ROOT;
                match step {
                    // Some are refused: nothing is there, or there is no room.
                    Step::File(number, size) => {
                        let _ = file(&mut namespace, &format!("/f{number}"), size);
                    }
                    Step::Delete(number) => {
                        let path = &format!("/f{number}");
                        let _ = run(&mut namespace, Command::Delete { base, path, recursive: false });
                    }
                    Step::Pin(number) => {
                        let found = namespace.resolve(base, &format!("/f{number}"));
                        if let Ok(index) = found {
                            let node = namespace.nodes.id(index);
                            pins.push(run(&mut namespace, Command::Pin { node }).unwrap().1);
                        }
                    }
                    Step::Unpin => {
                        let pin = LeaseId(pins.pop().unwrap_or_default());
                        let _ = run(&mut namespace, Command::Unpin { pin });
                    }
                    Step::Put(size) => {
                        let put = Put { path: "/t", key: b"k", large: true, size, ..Put::default() };
                        puts.extend(run(&mut namespace, Command::Put(put)).map(|(_, pending)| pending));
                    }
                    Step::Commit(abort) => {
                        let pending = PendingId(puts.pop().unwrap_or_default());
                        let _ = run(&mut namespace, Command::PutCommit { pending, abort });
                    }
                    Step::Leak(class) => leaked += u64::from(leak(&mut namespace, class).is_some()),
                    Step::Name { back, taken } => {
                        let mut named = history[history.len().saturating_sub(back + 1)].clone();
                        for slot in &mut named {
                            slot.taken = slot.taken.map(|word| word & taken);
                        }
                        let mut again = Namespace::load(&saved(&namespace), Now::default()).unwrap();
                        let journal = Journal::new(0, usize::MAX);
                        namespace.keep_journal(&journal);
                        let leaks = name(&mut namespace, &named);
                        namespace.keep_journal(&Journal::default());
                        let records = journal.drain(<[u8]>::to_vec).unwrap_or_default();
                        prop_assert_eq!(records.is_empty(), leaks.freed == 0);
                        prop_assert_eq!(replay_all(&mut again, &records), Ok(()));
                        prop_assert!(saved(&again) == saved(&namespace), "another state");
                        prop_assert!(leaks.freed <= leaked);
                        leaked -= leaks.freed;
                    }
                }
                // What is owned is given out, each block once: or there would be less than is counted.
                let owned = namespace.extents().count() as u64;
                prop_assert_eq!(blocks_of(&issued(&namespace)), owned + leaked);
                history.push(issued(&namespace));
            }
            let leaks = name_all(&mut namespace);
            prop_assert_eq!(leaks.freed, leaked);
            prop_assert_eq!(namespace.check(), Ok(()));
        }
    }
}
