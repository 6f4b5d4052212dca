//! Lookups and gets: one by one, and many at a time.

use arrayvec::ArrayVec;
use crake_mem::prefetch_read;
use crake_store::protocol::Referral;

use super::command::{Attributes, Block, Failure, Kind, NodeId, Now, Reply, Value};
use super::expiry::Stay;
use super::file::FIRST_BLOCKS;
use super::names::{PathNames, check_key, find_last_slash};
use super::namespace::Namespace;
use super::records::Place;
use super::slab::NONE;

/// Reads that may go together.
///
/// Their paths are bytes: a name that is found needs no check, for all names of nodes are UTF-8. A path that is not
/// leads nowhere.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// [`super::Command::Lookup`].
    Lookup {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a [u8],
        /// Also the first blocks, or the inline value.
        blocks: bool,
    },
    /// [`super::Command::Get`].
    Get {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a [u8],
        /// 1 to 255 bytes.
        key: &'a [u8],
    },
}

impl Read<'_> {
    /// Is refused: stands for what could not be read.
    pub const NOWHERE: Self = Self::Lookup {
        base: NodeId::ROOT,
        path: &[0xff],
        blocks: false,
    };
}

/// Takes the answers to reads, each with what its asker is known by. A method for each kind of answer, so that an answer
/// goes from the record into its message without being put together in between.
pub trait ReadReplies<T> {
    /// [`Reply::Node`].
    fn node(&mut self, asker: T, node: Attributes, blocks: &[Block], inline_value: &[u8], stay: Stay<'_>);
    /// [`Reply::Value`].
    fn value(&mut self, asker: T, value: Value<'_>, stay: Stay<'_>);
    /// It was refused; if that was because another partition goes on, it is said where.
    fn failure(&mut self, asker: T, failure: Failure, referral: Option<Referral>);
}

/// For who takes all kinds alike.
impl<T, F: FnMut(T, Result<Reply<'_>, Failure>)> ReadReplies<T> for F {
    fn node(&mut self, asker: T, node: Attributes, blocks: &[Block], inline_value: &[u8], _: Stay<'_>) {
        let reply = Reply::Node {
            node,
            blocks,
            inline_value,
        };
        self(asker, Ok(reply));
    }

    fn value(&mut self, asker: T, value: Value<'_>, _: Stay<'_>) {
        self(asker, Ok(Reply::Value(value)));
    }

    fn failure(&mut self, asker: T, failure: Failure, _: Option<Referral>) {
        self(asker, Err(failure));
    }
}

/// Reads of one batch, whose memory is asked for before any of them waits for it. More than a core has loads in flight
/// gains nothing.
pub const READS_MAX: usize = 64;

impl Namespace {
    pub(super) fn lookup(&mut self, base: NodeId, path: &str, blocks: bool) -> Result<Reply<'_>, Failure> {
        let index = self.find(base, path)?;
        let count = if blocks { self.first_blocks(index) } else { 0 };
        Ok(Reply::Node {
            node: self.attributes(index),
            blocks: &self.blocks[..count],
            inline_value: if blocks {
                self.nodes.inline_value(index)
            } else {
                &[]
            },
        })
    }

    fn find(&mut self, base: NodeId, path: &str) -> Result<u32, Failure> {
        let index = self.resolve(base, path)?;
        self.learn(base, path.as_bytes(), index);
        Ok(index)
    }

    /// The same answers as to the single commands, in the order of `reads`.
    ///
    /// In a large namespace nearly every record is far away in memory. So all reads go one name further at a time: first
    /// the places of all names in the index are asked for, then the records, and when the last is asked for the first has come.
    ///
    /// # Panics
    /// If there are more than [`READS_MAX`].
    pub fn read_batch<'a, T: Copy>(
        &mut self,
        now: Now,
        reads: impl IntoIterator<Item = (T, Read<'a>)>,
        replies: &mut impl ReadReplies<T>,
    ) {
        self.advance(now);
        // While there are nodes that must not be found, each is answered alone.
        let together = !self.leftovers;
        let mut steps = ArrayVec::<Step<'a, T>, READS_MAX>::new();
        for (asker, read) in reads {
            steps.push(Step::new(asker, read));
            if together {
                steps.last_mut().expect("one was just added").set_out(self);
            }
        }
        self.walk_together(&mut steps);
        steps.iter_mut().for_each(|step| step.ask_for_record(self));
        steps.iter().for_each(|step| self.answer(step, replies));
    }

    /// Takes all to the containers of their last names, one name at a time.
    fn walk_together<T>(&self, steps: &mut [Step<'_, T>]) {
        while steps.iter().any(Step::is_walking) {
            for step in steps.iter_mut().filter(|step| step.is_walking()) {
                step.ask_for_record(self);
            }
            for step in steps.iter_mut().filter(|step| step.is_walking()) {
                step.go_on(self);
            }
        }
    }

    #[inline]
    fn answer<T: Copy>(&mut self, step: &Step<'_, T>, replies: &mut impl ReadReplies<T>) {
        let found = match (step.arrive(self), step.way) {
            (Some(index), _) if self.is_link(index) => self.find_alone(&step.read),
            (Some(index), Way::Straight) => Ok(Some(index)),
            (Some(index), _) if self.is_walk_over(&step.read, index) => Ok(Some(index)),
            (None, Way::Last) if matches!(step.read, Read::Get { .. }) => {
                self.find_no_key(&step.read, step.at)
            }
            _ => self.find_alone(&step.read),
        };
        let asker = step.asker;
        match (found, step.read) {
            (Ok(Some(index)), Read::Lookup { blocks, .. }) => {
                let count = if blocks { self.first_blocks(index) } else { 0 };
                let inline_value = if blocks {
                    self.nodes.inline_value(index)
                } else {
                    &[]
                };
                replies.node(
                    asker,
                    self.attributes(index),
                    &self.blocks[..count],
                    inline_value,
                    Stay::of(self, Some(index)),
                );
            }
            (Ok(Some(index)), _) => {
                let count = self.first_blocks(index);
                let value = self.nodes.value(index, &self.blocks[..count]);
                replies.value(asker, value, Stay::of(self, Some(index)));
            }
            (Ok(None), _) => replies.value(asker, Value::default(), Stay::of(self, None)),
            (Err(failure), _) => {
                let referral = self.take_referral().filter(|_| failure == Failure::Elsewhere);
                replies.failure(asker, failure, referral);
            }
        }
    }

    /// There is no such key here; it may be that another partition has it.
    #[cold]
    fn find_no_key(&mut self, read: &Read<'_>, table: u32) -> Result<Option<u32>, Failure> {
        match self.is_spread(table) {
            true => self.find_alone(read),
            false => Ok(None),
        }
    }

    /// Finds what a read means as the single command does: a node, or no value.
    #[cold]
    fn find_alone(&mut self, read: &Read<'_>) -> Result<Option<u32>, Failure> {
        let text = |path| crake_mem::from_utf8(path).map_err(|_| Failure::NotFound);
        match *read {
            Read::Lookup { base, path, .. } => self.find(base, text(path)?).map(Some),
            Read::Get { table, path, key } => self.find_key(table, text(path)?, key),
        }
    }

    /// A path led to this node, name by name. Says whether nothing is left to check: a path of a lookup that ends with a
    /// slash means a container, and keys of a table need not be UTF-8.
    fn is_walk_over(&mut self, read: &Read<'_>, index: u32) -> bool {
        let Read::Lookup { base, path, .. } = *read else {
            return true;
        };
        self.learn(base, path, index);
        path.last() != Some(&b'/') && self.kind(index) != Kind::KeyValue
    }

    /// A path led to this node. Tables are not learnt, so what is found by a shortcut has a name and is no key.
    fn learn(&mut self, base: NodeId, path: &[u8], index: u32) {
        let record = self.nodes.records.at(index);
        if record.kind() != Kind::KeyValue {
            self.shortcuts.learn(base, path, record.parent);
        }
    }

    /// Puts the first blocks of a node at the front of `blocks`, and says how many they are.
    #[inline]
    fn first_blocks(&mut self, index: u32) -> usize {
        if self.nodes.records.at(index).place != Place::Blocks {
            return 0;
        }
        self.blocks.clear();
        self.collect_blocks(index, 0, FIRST_BLOCKS);
        self.blocks.len()
    }

    /// The value at a node, with its first blocks.
    #[inline]
    pub(super) fn value(&mut self, index: Option<u32>) -> Value<'_> {
        let Some(index) = index else {
            return Value::default();
        };
        let count = self.first_blocks(index);
        self.nodes.value(index, &self.blocks[..count])
    }
}

/// Where a read is on its way.
struct Step<'a, T> {
    asker: T,
    read: Read<'a>,
    way: Way,
    /// The container in which `name` is looked for.
    at: u32,
    name: &'a [u8],
    /// Of the path, behind `name`.
    names: PathNames<'a>,
    tag: u32,
    candidate: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The name is the last one of a lookup, and a shortcut led to its directory.
    Straight,
    /// The name is the last one, or the key.
    Last,
    /// There are others behind it.
    Walking,
    /// No name to look for, because there is none or something is wrong: the read is answered alone.
    Ended,
}

impl<'a, T> Step<'a, T> {
    #[inline]
    fn new(asker: T, read: Read<'a>) -> Self {
        Self {
            asker,
            read,
            way: Way::Ended,
            at: NONE,
            name: &[],
            names: PathNames::default(),
            tag: 0,
            candidate: NONE,
        }
    }

    // Apart from `new`, so that a step is made where it stays and not moved there.
    #[inline]
    fn set_out(&mut self, namespace: &Namespace) {
        match self.read {
            Read::Lookup { base, path, .. } => match namespace.shortcuts.find(base, path) {
                Some((directory, name)) => self.look_for(namespace, Way::Straight, directory, name),
                None => self.start_lookup(namespace, base, path),
            },
            Read::Get { table, path, .. } => self.start(namespace, table, path),
        }
    }

    /// As [`Self::start`]. Who was led to a directory asks for one name there, and if that is found nothing is left to check but what is a key.
    fn start_lookup(&mut self, namespace: &Namespace, base: NodeId, path: &'a [u8]) {
        let is_one_name = !path.is_empty() && find_last_slash(path).is_none();
        match namespace.find_node(base).filter(|_| is_one_name) {
            Some(at) if namespace.kind(at) != Kind::Table && !namespace.is_link(at) => {
                self.look_for(namespace, Way::Straight, at, path);
            }
            _ => self.start(namespace, base, path),
        }
    }

    fn start(&mut self, namespace: &Namespace, base: NodeId, path: &'a [u8]) {
        if let (Ok(start), Ok(names)) = (namespace.start(base), PathNames::new(path)) {
            self.names = names;
            self.look_for_next(namespace, start);
        }
    }

    /// Begins to look for the next name in the node `at`.
    fn look_for_next(&mut self, namespace: &Namespace, at: u32) {
        self.way = Way::Ended;
        match (self.names.next(), self.read) {
            (Some(name), Read::Lookup { .. }) if self.names.is_empty() => {
                self.look_for(namespace, Way::Last, at, name);
            }
            (Some(name), _) => self.look_for(namespace, Way::Walking, at, name),
            (None, Read::Get { key, .. }) => {
                if namespace.kind(at) == Kind::Table && !namespace.is_link(at) && check_key(key).is_ok() {
                    self.look_for(namespace, Way::Last, at, key);
                }
            }
            (None, Read::Lookup { .. }) => {}
        }
    }

    #[inline]
    fn look_for(&mut self, namespace: &Namespace, way: Way, at: u32, name: &'a [u8]) {
        self.way = way;
        self.at = at;
        self.name = name;
        self.tag = namespace.hasher.tag(at, name);
        namespace.index.prefetch(self.tag);
    }

    #[inline]
    fn is_walking(&self) -> bool {
        self.way == Way::Walking
    }

    #[inline]
    fn ask_for_record(&mut self, namespace: &Namespace) {
        if self.way == Way::Ended {
            return;
        }
        self.candidate = namespace.index.find(self.tag, |_| true).unwrap_or(NONE);
        if self.candidate != NONE {
            let record = namespace.nodes.records.at(self.candidate);
            prefetch_read(record);
            prefetch_read(&record.tail[16..]);
        }
    }

    fn go_on(&mut self, namespace: &Namespace) {
        match self.arrive(namespace) {
            Some(at) => self.look_for_next(namespace, at),
            None => self.way = Way::Ended,
        }
    }

    /// The node that was looked for, if it is there. Inlined where walks end as well as on their way: see
    /// [`Shortcuts::find`](super::shortcuts::Shortcuts::find).
    #[inline(always)]
    fn arrive(&self, namespace: &Namespace) -> Option<u32> {
        if self.way == Way::Ended || self.candidate == NONE {
            return None;
        }
        if namespace.nodes.is_entry(self.candidate, self.at, self.name) {
            return Some(self.candidate);
        }
        // Another name has the same tag.
        namespace.child(self.at, self.name)
    }
}
