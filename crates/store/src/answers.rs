//! Answers of a namenode on this machine, found in its memory without a request.
//!
//! `docs/format/answers.md` says what is there and in which order it is looked at. Whatever is not found, or may have changed, is asked
//! for in the ordinary way.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::{Deref, Range};
use std::rc::Rc;

use crake_datapath::{Memory, Runtime};
use crake_mem::Window;
use crake_rpc::Client;
use zerocopy::FromBytes;

use crate::canary::{Canary, planted};
use crate::link::Mapped;
use crate::protocol::answers::{
    ANSWERS, ENTRY_BYTES_MAX, ENTRY_HEAD_BYTES, EPOCH_AT, Entry, EntryHead, HEAD_AT, Key, LINES_AT, Layout,
    MAGIC, MAGIC_AT, VERSION, VERSION_AT, has_names,
};

/// So much is copied at first: most answers about a node, with their keys, are not larger.
const FIRST_BYTES: usize = 192;

/// What is found once pays for so many times that it is looked for in vain.
const LUCK_OF_A_FIND: u32 = 8;
const LUCK_MAX: u32 = 256;
/// Without luck, one in so many is looked for all the same.
const TRY_EVERY: u32 = 16;

/// What a namenode of this machine shares.
pub(crate) struct MappedAnswers {
    memory: Memory,
    window: Rc<Window>,
    layout: Layout,
    /// The last answer that was looked at.
    copy: RefCell<Box<[u8; ENTRY_BYTES_MAX]>>,
    /// Whether to look at all: among more nodes than there is room for answers it would be in vain nearly always.
    luck: Cell<u32>,
    untried: Cell<u32>,
}

/// An answer as it was when it was copied.
struct Copied {
    position: u64,
    epoch: u64,
    change: u64,
    node: u32,
    message: Range<usize>,
}

impl Mapped for MappedAnswers {
    fn of(client: &Client) -> Option<MappedAnswers> {
        MappedAnswers::new(&client.memory()?)
    }
}

impl MappedAnswers {
    fn new(memory: &Memory) -> Option<MappedAnswers> {
        let window = memory.window(ANSWERS)?.clone();
        if window.len_bytes() < Layout::of_bytes(0).len_bytes() {
            return None;
        }
        let is_known = window.load_u64(MAGIC_AT) == MAGIC && window.load_u32(VERSION_AT) == VERSION;
        let layout = Layout::of_lines(window.load_u64(LINES_AT)).filter(|_| is_known)?;
        (layout.len_bytes() <= window.len_bytes()).then(|| MappedAnswers {
            memory: memory.clone(),
            window,
            layout,
            copy: RefCell::new(Box::new([0; ENTRY_BYTES_MAX])),
            luck: Cell::new(LUCK_MAX),
            untried: Cell::new(0),
        })
    }

    /// Whether others act between the steps of a look only while it waits: then
    /// [`find_stepwise`](Self::find_stepwise) is to be used.
    #[inline]
    pub(crate) fn is_stepwise(&self) -> bool {
        self.memory.step_max().is_some()
    }

    /// The message of the answer, if there is one that still holds.
    // Given, not taken by a closure, which the compiler would call: what is read of it is put together where it is kept.
    #[inline(always)]
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<impl Deref<Target = [u8]> + '_> {
        if !self.is_worth_it() {
            return None;
        }
        let hash = key.hash();
        let mut copy = self.copy.borrow_mut();
        let first = self.entry(hash, 0);
        // Most are in the first place.
        let entry = if first.may_be(hash) {
            first
        } else {
            self.entry(hash, 1)
        };
        let found = self
            .copy(entry, hash, key, &mut copy)
            .filter(|copied| self.holds(copied));
        self.note(found.is_some());
        let message = found?.message;
        Some(RefMut::map(copy, |copy| &mut copy[message]))
    }

    /// The same with pauses in which others act.
    pub(crate) async fn find_stepwise(&self, runtime: &Runtime, key: &Key<'_>) -> Option<Vec<u8>> {
        let hash = key.hash();
        for nth in [0, 1] {
            let entry = self.entry(hash, nth);
            self.memory.pause(runtime).await;
            let mut copy = Box::new([0; ENTRY_BYTES_MAX]);
            let copied = self.copy(entry, hash, key, &mut copy);
            self.memory.pause(runtime).await;
            if let Some(copied) = copied.filter(|copied| self.holds(copied)) {
                return Some(copy[copied.message].to_vec());
            }
        }
        None
    }

    /// Where the answer may be: one of two places.
    #[inline]
    fn entry(&self, hash: u64, nth: usize) -> Entry {
        Entry(self.window.load_u64(self.layout.places_at(hash) + 8 * nth))
    }

    /// Copies an entry, if it is the answer to `key`. What was copied may be anything before it is known that it [`holds`](Self::holds).
    #[inline(always)]
    fn copy(
        &self,
        entry: Entry,
        hash: u64,
        key: &Key<'_>,
        copy: &mut [u8; ENTRY_BYTES_MAX],
    ) -> Option<Copied> {
        if !entry.may_be(hash) {
            return None;
        }
        let at = self.layout.ring_at(entry.position());
        self.window.copy_out(at, copy.first_chunk_mut::<FIRST_BYTES>()?);
        let head = EntryHead::ref_from_bytes(&copy[..ENTRY_HEAD_BYTES]).ok()?;
        let message = head.message_of(hash, key)?;
        let copied = Copied {
            position: entry.position(),
            epoch: head.epoch.get(),
            change: head.change.get(),
            node: head.node.get(),
            message,
        };
        let end = copied.message.end;
        if end > FIRST_BYTES {
            self.window
                .copy_out(at + FIRST_BYTES, &mut copy[FIRST_BYTES..end]);
        }
        has_names(copy, key).then_some(copied)
    }

    /// Whether what was copied is whole, and what it says is so now.
    #[inline(always)]
    fn holds(&self, copied: &Copied) -> bool {
        let is_whole = || {
            let head = self.window.load_u64(HEAD_AT);
            head.wrapping_sub(copied.position) <= self.layout.lines()
        };
        let is_current = || {
            self.window.load_u64(EPOCH_AT) == copied.epoch
                && self.window.load_u64(self.layout.change_at(copied.node)) == copied.change
        };
        is_whole() && (is_current() || planted(Canary::SkipAnswerCheck))
    }

    #[inline]
    fn is_worth_it(&self) -> bool {
        if self.luck.get() > 0 {
            return true;
        }
        let untried = self.untried.get() + 1;
        self.untried.set(untried % TRY_EVERY);
        untried == TRY_EVERY
    }

    #[inline]
    fn note(&self, found: bool) {
        let luck = self.luck.get();
        self.luck.set(match found {
            true => (luck + LUCK_OF_A_FIND).min(LUCK_MAX),
            false => luck.saturating_sub(1),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crake_datapath::{Address, RuntimeConfig, Shared};
    use crake_mem::{HugePages, Region};
    use zerocopy::IntoBytes;

    const KEY: Key<'static> = Key {
        method: 2,
        flags: 0,
        base: 7,
        path: b"some/path",
        key: b"",
    };
    const MESSAGE: &[u8] = b"the answer";

    fn layout() -> Layout {
        Layout::of_bytes(64 << 10)
    }

    /// A region as an empty namenode shares it.
    fn region() -> Rc<Region> {
        let region = Region::anonymous(layout().len_bytes(), HugePages::Never).unwrap();
        region.store_u64(MAGIC_AT, MAGIC);
        region.store_u32(VERSION_AT, VERSION);
        region.store_u64(LINES_AT, layout().lines());
        region
    }

    fn mapped(region: &Rc<Region>) -> Option<MappedAnswers> {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let address = Address::Local("answers".into());
        let listener = runtime.listen(&address).unwrap();
        assert!(listener.share(&[Shared::to_read(region)]));
        let stream = runtime.wait(runtime.connect(&address), None).unwrap();
        MappedAnswers::new(&stream.memory().unwrap())
    }

    fn head(message_len: usize) -> EntryHead {
        EntryHead {
            hash: KEY.hash().into(),
            epoch: 0.into(),
            change: 0.into(),
            node: 5.into(),
            method: KEY.method.into(),
            flags: KEY.flags.into(),
            base: KEY.base.into(),
            path_len: (KEY.path.len() as u16).into(),
            key_len: 0.into(),
            message_len: (message_len as u32).into(),
        }
    }

    /// Writes an answer as a namenode does, and says that so much was written.
    fn write(region: &Rc<Region>, position: u64, head: EntryHead, written: u64) {
        let bytes = [head.as_bytes(), KEY.path, MESSAGE].concat();
        region.extent(..).write(layout().ring_at(position), &bytes);
        region.store_u64(HEAD_AT, written);
        let hash = KEY.hash();
        region.store_u64(layout().places_at(hash), Entry::new(position, hash).0);
    }

    fn find(answers: &MappedAnswers) -> Option<Vec<u8>> {
        answers.find(&KEY).map(|message| message.to_vec())
    }

    #[test]
    fn an_answer_is_found_in_either_place_as_long_as_it_holds() {
        let (region, lines) = (region(), layout().lines());
        let answers = mapped(&region).unwrap();
        assert_eq!(find(&answers), None);
        write(&region, 3, head(MESSAGE.len()), 5);
        assert_eq!(find(&answers).as_deref(), Some(MESSAGE));
        let place = layout().places_at(KEY.hash());
        region.store_u64(place + 8, Entry::new(3, KEY.hash()).0);
        region.store_u64(place, 0);
        assert_eq!(find(&answers).as_deref(), Some(MESSAGE));
        for at in [EPOCH_AT, layout().change_at(5)] {
            region.store_u64(at, 1);
            assert_eq!(find(&answers), None);
            region.store_u64(at, 0);
            assert_eq!(find(&answers).as_deref(), Some(MESSAGE));
        }
        region.store_u64(HEAD_AT, 3 + lines);
        assert_eq!(find(&answers).as_deref(), Some(MESSAGE));
        region.store_u64(HEAD_AT, 4 + lines);
        assert_eq!(find(&answers), None, "it may have been written over");
        write(&region, lines - 1, head(ENTRY_BYTES_MAX), lines);
        assert_eq!(find(&answers), None, "longer than any");
        let other = EntryHead {
            base: 8.into(),
            ..head(MESSAGE.len())
        };
        write(&region, 7, other, 9);
        assert_eq!(find(&answers), None);
    }

    #[test]
    fn what_is_in_another_layout_is_not_used() {
        for (at, number) in [(MAGIC_AT, 1), (VERSION_AT, 2), (LINES_AT, 1000), (LINES_AT, 2048)] {
            let region = region();
            region.store_u64(at, number);
            assert!(mapped(&region).is_none(), "{number} at {at}");
        }
        assert!(mapped(&Region::anonymous(4096, HugePages::Never).unwrap()).is_none());
    }

    /// A namenode that has gone mad: its clients must not.
    #[test]
    fn any_bytes_are_survived() {
        let region = region();
        let answers = mapped(&region).unwrap();
        let mut random = 1_u64;
        let mut any = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            random.rotate_right(29)
        };
        for _ in 0..20_000 {
            let mut head = head(MESSAGE.len());
            for byte in head.as_mut_bytes() {
                *byte ^= if any() % 16 == 0 { any() as u8 } else { 0 };
            }
            write(&region, any() >> (16 + any() % 48), head, any() >> (any() % 64));
            // Whatever it is, it lies in an entry.
            assert!(find(&answers).is_none_or(|message| message.len() <= ENTRY_BYTES_MAX));
        }
    }

    #[test]
    fn who_finds_nothing_looks_seldom_until_it_does() {
        let region = region();
        let answers = mapped(&region).unwrap();
        (0..LUCK_MAX).for_each(|_| assert_eq!(find(&answers), None));
        write(&region, 3, head(MESSAGE.len()), 5);
        let tries = (1..).find(|_| find(&answers).is_some());
        assert_eq!(tries, Some(TRY_EVERY));
        assert!(find(&answers).is_some());
    }
}
