//! Lookups and gets: one by one, and many at a time.

use crake_mem::prefetch_read;
use smallvec::SmallVec;

use super::command::{Failure, Kind, NodeId, Now, Reply};
use super::file::FIRST_BLOCKS;
use super::names::{PathNames, check_key};
use super::namespace::Namespace;
use super::slab::NONE;

/// Reads that may go together.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// [`super::Command::Lookup`].
    Lookup {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// Also the first blocks, or the inline value.
        blocks: bool,
    },
    /// [`super::Command::Get`].
    Get {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// 1 to 255 bytes.
        key: &'a [u8],
    },
}

/// Reads whose memory is asked for before any of them waits for it. More than a core has loads in flight gains nothing.
const TOGETHER: usize = 64;

impl Namespace {
    pub(super) fn lookup(&mut self, base: NodeId, path: &str, blocks: bool) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        self.learn(base, path, index);
        Ok(self.found(index, blocks))
    }

    /// A path led to this node.
    #[inline]
    fn learn(&mut self, base: NodeId, path: &str, index: u32) {
        if self.shortcuts.find(base, path).is_none() {
            let directory = self.nodes.records.at(index).parent;
            self.shortcuts.learn(base, path, directory);
        }
    }

    #[inline]
    fn found(&mut self, index: u32, blocks: bool) -> Reply<'_> {
        if !blocks {
            return self.node_reply(index);
        }
        self.blocks.clear();
        self.collect_blocks(index, 0, FIRST_BLOCKS);
        let inline_value = self.nodes.inline_value(index);
        Reply::Node {
            node: self.attributes(index),
            blocks: &self.blocks,
            inline_value,
        }
    }

    /// The same answers as to the single commands, in the order of `reads`; each to `answer` with its place.
    ///
    /// In a large namespace nearly every record is far away in memory. So all reads go one name further at a time: first
    /// the places of all names in the index are asked for, then the records, and when the last is asked for the first has come.
    pub fn read_batch(
        &mut self,
        now: Now,
        reads: &[Read<'_>],
        mut answer: impl FnMut(usize, Result<Reply<'_>, Failure>),
    ) {
        self.advance(now);
        for (part, reads) in reads.chunks(TOGETHER).enumerate() {
            let mut steps: SmallVec<[Step<'_>; TOGETHER]> =
                reads.iter().map(|read| Step::new(self, read)).collect();
            self.walk_together(&mut steps);
            for (index, (step, read)) in steps.iter().zip(reads).enumerate() {
                if step.is_long
                    && let (Ok(Some(at)), Read::Lookup { base, path, .. }) = (step.end, *read)
                {
                    self.learn(base, path, at);
                }
                let reply = step.end.and_then(|at| self.end_reply(at, read));
                answer(part * TOGETHER + index, reply);
            }
        }
    }

    /// Takes all to where their paths end, one name at a time.
    fn walk_together(&self, steps: &mut [Step<'_>]) {
        let mut any = true;
        while any {
            steps.iter_mut().for_each(|step| step.ask_for_record(self));
            any = false;
            for step in steps.iter_mut() {
                step.arrive(self);
                any |= step.ask_for_entry(self);
            }
        }
    }

    fn end_reply(&mut self, at: Option<u32>, read: &Read<'_>) -> Result<Reply<'_>, Failure> {
        match (*read, at) {
            (Read::Lookup { path, blocks, .. }, Some(index)) => {
                self.check_trailing_slash(index, path)?;
                Ok(self.found(index, blocks))
            }
            (Read::Lookup { .. }, None) => Err(Failure::NotFound),
            (Read::Get { .. }, node) => Ok(self.value_reply(node)),
        }
    }
}

/// Where a read is on its way.
#[derive(Clone, Copy, Debug)]
struct Step<'a> {
    /// Where it has come to; no node if that is a key which is not there.
    end: Result<Option<u32>, Failure>,
    names: PathNames<'a>,
    /// Looked for when the names are used up.
    key: Option<&'a [u8]>,
    /// What is being looked for; empty if nothing is.
    name: &'a [u8],
    is_key: bool,
    ends_with_slash: bool,
    /// It has names before the last one to look for.
    is_long: bool,
    tag: u32,
    candidate: u32,
}

impl<'a> Step<'a> {
    #[inline]
    fn new(namespace: &Namespace, read: &Read<'a>) -> Self {
        let (base, path, key) = match *read {
            Read::Lookup { base, path, .. } => (base, path, None),
            Read::Get { table, path, key } => (table, path, Some(key)),
        };
        let (end, names) = match namespace.set_out(base, path) {
            Ok((start, names)) => (Ok(Some(start)), names),
            Err(failure) => (Err(failure), PathNames::default()),
        };
        let mut step = Self {
            end,
            names,
            key,
            is_long: false,
            name: &[],
            is_key: false,
            ends_with_slash: path.ends_with('/'),
            tag: 0,
            candidate: NONE,
        };
        step.ask_for_entry(namespace);
        step.is_long = !step.names.is_empty();
        step
    }

    /// Begins to look for the next name; says whether there is one.
    #[inline]
    fn ask_for_entry(&mut self, namespace: &Namespace) -> bool {
        self.name = &[];
        let Ok(Some(at)) = self.end else { return false };
        if let Some(name) = self.names.next() {
            self.name = name.as_bytes();
        } else if let Some(key) = self.key.take() {
            if let Err(failure) = self.check_table(namespace, at, key) {
                self.end = Err(failure);
                return false;
            }
            self.name = key;
            self.is_key = true;
        } else {
            return false;
        }
        self.tag = namespace.hasher.tag(at, self.name);
        namespace.index.prefetch(self.tag);
        true
    }

    fn check_table(&self, namespace: &Namespace, at: u32, key: &[u8]) -> Result<(), Failure> {
        match namespace.kind(at) {
            Kind::Table => check_key(key),
            kind if self.ends_with_slash && !kind.is_container() => Err(Failure::NotADirectory),
            _ => Err(Failure::WrongKind),
        }
    }

    #[inline]
    fn ask_for_record(&mut self, namespace: &Namespace) {
        if self.name.is_empty() {
            return;
        }
        self.candidate = namespace.index.find(self.tag, |_| true).unwrap_or(NONE);
        if self.candidate != NONE {
            let record = namespace.nodes.records.at(self.candidate);
            prefetch_read(record);
            prefetch_read(&record.tail[16..]);
        }
    }

    #[inline]
    fn arrive(&mut self, namespace: &Namespace) {
        let (Ok(Some(at)), false) = (self.end, self.name.is_empty()) else {
            return;
        };
        let found = if self.candidate != NONE && namespace.nodes.is_entry(self.candidate, at, self.name) {
            Some(self.candidate)
        } else {
            // Another name has the same tag, or there is none.
            namespace.child(at, self.name)
        };
        self.end = match found {
            None if !self.is_key => Err(self.why_missing(namespace, at)),
            found => Ok(found),
        };
    }

    #[cold]
    fn why_missing(&self, namespace: &Namespace, at: u32) -> Failure {
        let name = std::str::from_utf8(self.name).expect("a name of a path");
        namespace.why_missing(at, name)
    }
}
