//! What the two sides of a pipe tell each other: how far they got, how it ended, and who sleeps.
//!
//! Nobody sleeps through news: who is about to sleep asks first and looks again after that; who has news publishes it first
//! and then looks whether anyone asked. Between the two steps of either stands a full fence, so that at least one of them
//! sees what the other did (Dekker's algorithm). Loom tries every interleaving below.

use sync::{AtomicU32, AtomicU64, Ordering, fence};

/// How a writer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has nothing more to write.
    Finished,
    /// It went away in the middle.
    Broken,
}

/// Shared by two processes: any bits are valid in it.
#[repr(C)]
pub(super) struct Control {
    /// Written by the writer, but for the reader's asking.
    pub(super) writer: Side,
    /// Written by the reader, but for the writer's asking.
    pub(super) reader: Side,
}

/// What one side publishes. Two cache lines, because processors fetch them in pairs.
#[repr(C, align(128))]
pub(super) struct Side {
    index: AtomicU64,
    /// Set by the other side when it is about to sleep. Here, and not in the other side's line, since this side looks at it
    /// whenever it publishes, and the other side writes it rarely.
    asked: AtomicU32,
    ended: AtomicU32,
}

const OPEN: u32 = 0;
const FINISHED: u32 = 1;
const BROKEN: u32 = 2;

impl Side {
    #[inline]
    pub(super) fn index(&self) -> u64 {
        self.index.load(Ordering::Acquire)
    }

    /// Publishes how far this side got; true if the other one must be woken.
    #[inline]
    pub(super) fn advance(&self, index: u64) -> bool {
        self.index.store(index, Ordering::Release);
        self.has_news()
    }

    /// Publishes that this side has ended, unless it had; true if the other one must be woken.
    pub(super) fn end(&self, end: End) -> bool {
        if self.ended.load(Ordering::Relaxed) == OPEN {
            let code = match end {
                End::Finished => FINISHED,
                End::Broken => BROKEN,
            };
            self.ended.store(code, Ordering::Release);
        }
        self.has_news()
    }

    #[inline]
    fn has_news(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asked.load(Ordering::Relaxed) != 0 && self.asked.swap(0, Ordering::Relaxed) != 0
    }

    #[inline]
    pub(super) fn ended(&self) -> Option<End> {
        match self.ended.load(Ordering::Acquire) {
            OPEN => None,
            FINISHED => Some(End::Finished),
            _ => Some(End::Broken),
        }
    }

    /// The other side is about to sleep. It must look once more after this.
    pub(super) fn ask(&self) {
        self.asked.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn scribble(&self, index: u64, asked: u32, ended: u32) {
        self.index.store(index, Ordering::Relaxed);
        self.asked.store(asked, Ordering::Relaxed);
        self.ended.store(ended, Ordering::Relaxed);
    }
}

/// The standard library's types, or loom's, which try every interleaving.
mod sync {
    #[cfg(loom)]
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    #[cfg(not(loom))]
    pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

/// Every interleaving of small programs: `RUSTFLAGS="--cfg loom" cargo test -p crake-mem --release loom`.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    /// Stands for the kernel: wakes are counted, so none that is sent is lost.
    struct Bell(Mutex<u32>, Condvar);

    impl Bell {
        fn new() -> Self {
            Self(Mutex::new(0), Condvar::new())
        }

        fn ring(&self) {
            *self.0.lock().unwrap() += 1;
            self.1.notify_one();
        }

        /// If nobody ever rings, loom finds the deadlock.
        fn sleep(&self) {
            let mut rung = self.0.lock().unwrap();
            while *rung == 0 {
                rung = self.1.wait(rung).unwrap();
            }
            *rung -= 1;
        }
    }

    fn side() -> Side {
        Side {
            index: AtomicU64::new(0),
            asked: AtomicU32::new(0),
            ended: AtomicU32::new(OPEN),
        }
    }

    /// Sleeps until `is_there`, as a stream does.
    fn wait(side: &Side, bell: &Bell, is_there: impl Fn() -> bool) {
        while !is_there() {
            side.ask();
            if is_there() {
                return;
            }
            bell.sleep();
        }
    }

    #[test]
    fn a_sleeper_is_woken_by_news() {
        loom::model(|| {
            let shared = Arc::new((side(), Bell::new()));
            let writer = shared.clone();
            let thread = thread::spawn(move || {
                let (side, bell) = &*writer;
                for index in 1..=2 {
                    if side.advance(index) {
                        bell.ring();
                    }
                }
            });
            let (side, bell) = &*shared;
            wait(side, bell, || side.index() >= 1);
            wait(side, bell, || side.index() == 2);
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_sleeper_is_woken_by_the_end_and_sees_what_came_before() {
        loom::model(|| {
            let shared = Arc::new((side(), Bell::new()));
            let writer = shared.clone();
            let thread = thread::spawn(move || {
                let (side, bell) = &*writer;
                let woken_by_bytes = side.advance(1);
                if woken_by_bytes {
                    bell.ring();
                }
                if side.end(End::Finished) {
                    bell.ring();
                }
            });
            let (side, bell) = &*shared;
            wait(side, bell, || side.ended().is_some());
            assert_eq!(side.index(), 1);
            thread.join().unwrap();
        });
    }

    /// Both directions of one pipe of one byte: the writer waits for room, the reader for bytes. Every interleaving with at
    /// most two switches where nobody waits: all of them take minutes.
    #[test]
    fn two_sleepers_wake_each_other() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let shared = Arc::new((side(), side(), Bell::new(), Bell::new()));
            let other = shared.clone();
            let thread = thread::spawn(move || {
                let (writer, reader, for_reader, for_writer) = &*other;
                for index in 0..2 {
                    wait(reader, for_writer, || index - reader.index() < 1);
                    if writer.advance(index + 1) {
                        for_reader.ring();
                    }
                }
            });
            let (writer, reader, for_reader, for_writer) = &*shared;
            for index in 0..2 {
                wait(writer, for_reader, || writer.index() > index);
                if reader.advance(index + 1) {
                    for_writer.ring();
                }
            }
            thread.join().unwrap();
        });
    }
}
