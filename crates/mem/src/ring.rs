//! A queue from one thread to one other.
//!
//! The only part of this crate that crosses threads, and so the only one with atomics. Bounded, lock-free and
//! wait-free on both sides: single producer, single consumer (Lamport's ring with cached indices, as in FastForward and
//! the rings of DPDK and io_uring). It does not wake anyone: who waits, polls, or is woken by other means.
//!
//! ```
//! let (requests, inbox) = crake_mem::ring::channel::<u64>(128);
//! let sender = std::thread::spawn(move || (0..100).for_each(|n| requests.push(n).expect("there is room")));
//! sender.join().expect("the sender ran");
//! assert_eq!(std::iter::from_fn(|| inbox.pop()).sum::<u64>(), 4950);
//! assert!(inbox.is_closed());
//! ```
//!
//! Items cross threads, so what is bound to one cannot be an item:
//!
//! ```compile_fail
//! crake_mem::ring::channel::<std::rc::Rc<u8>>(1);
//! ```

use std::cell::Cell;
use std::fmt;
use std::mem::MaybeUninit;

use sync::{Arc, AtomicBool, AtomicUsize, Ordering, Slot};

/// Makes a ring that holds at least `capacity` items: the next power of two. All its memory is allocated here.
///
/// # Panics
///
/// If `capacity` is zero or no power of two that large exists.
pub fn channel<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    channel_from(capacity, 0)
}

/// The end that items go into. May move to another thread, but is used by one at a time (`Send`, not `Sync`).
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// Our own index, of which `shared.tail` is the published copy.
    tail: Cell<usize>,
    /// The consumer's index when we last had to look: reading it costs a cache miss, so it is read only when the ring seems full.
    head_seen: Cell<usize>,
}

/// The end that items come out of. May move to another thread, but is used by one at a time (`Send`, not `Sync`).
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// Our own index, of which `shared.head` is the published copy.
    head: Cell<usize>,
    /// The producer's index when we last had to look: read only when the ring seems empty.
    tail_seen: Cell<usize>,
}

/// Indices count items since the start and wrap around; `index % capacity` is the slot. The slots `head..tail` hold items.
struct Shared<T> {
    /// Written by the consumer only.
    consumer: CachePadded<Side>,
    /// Written by the producer only.
    producer: CachePadded<Side>,
    slots: Box<[Slot<T>]>,
}

/// What one side publishes.
struct Side {
    index: AtomicUsize,
    gone: AtomicBool,
}

/// Two cache lines, because processors fetch them in pairs.
#[repr(align(128))]
struct CachePadded<T>(T);

// SAFETY: a slot is touched by one side at a time: the release store of an index hands it over, and the other
// side's acquire load takes it. Items are moved between threads, never shared, so `T: Send` is enough.
unsafe impl<T: Send> Sync for Shared<T> {}

// SAFETY: it owns its items and nothing else that is bound to a thread.
unsafe impl<T: Send> Send for Shared<T> {}

fn channel_from<T: Send>(capacity: usize, first: usize) -> (Producer<T>, Consumer<T>) {
    assert!(capacity > 0, "a ring without room");
    let capacity = capacity
        .checked_next_power_of_two()
        .expect("the ring fits the address space");
    let shared = Arc::new(Shared {
        consumer: CachePadded(Side::new(first)),
        producer: CachePadded(Side::new(first)),
        slots: (0..capacity).map(|_| Slot::new(MaybeUninit::uninit())).collect(),
    });
    let producer = Producer {
        shared: shared.clone(),
        tail: Cell::new(first),
        head_seen: Cell::new(first),
    };
    let consumer = Consumer {
        shared,
        head: Cell::new(first),
        tail_seen: Cell::new(first),
    };
    (producer, consumer)
}

impl<T> Producer<T> {
    /// Appends `item`, or gives it back if the ring is full.
    ///
    /// Succeeds while there is room even if the consumer is gone; such items are dropped with the ring.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), T> {
        let tail = self.tail.get();
        if tail.wrapping_sub(self.head_seen.get()) == self.capacity() {
            self.head_seen
                .set(self.shared.consumer.0.index.load(Ordering::Acquire));
            if tail.wrapping_sub(self.head_seen.get()) == self.capacity() {
                return Err(item);
            }
        }
        // SAFETY: the slot is empty and ours: the consumer has passed it, and we have seen that with acquire ordering.
        unsafe {
            self.shared
                .slot(tail)
                .with_mut(|slot| slot.cast::<T>().write(item))
        };
        self.tail.set(tail.wrapping_add(1));
        self.shared
            .producer
            .0
            .index
            .store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Items in the ring now; there may be fewer by the time the caller looks at the number.
    #[inline]
    pub fn len(&self) -> usize {
        self.tail
            .get()
            .wrapping_sub(self.shared.consumer.0.index.load(Ordering::Acquire))
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most items that fit.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Whether the consumer was dropped: nothing that is pushed will be popped.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.shared.consumer.0.gone.load(Ordering::Acquire)
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest item, if there is any.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let head = self.head.get();
        if head == self.tail_seen.get() {
            self.tail_seen
                .set(self.shared.producer.0.index.load(Ordering::Acquire));
            if head == self.tail_seen.get() {
                return None;
            }
        }
        // SAFETY: the slot holds an item and is ours: we have seen the producer pass it, with acquire ordering.
        let item = unsafe { self.shared.slot(head).with_mut(|slot| slot.cast::<T>().read()) };
        self.head.set(head.wrapping_add(1));
        self.shared
            .consumer
            .0
            .index
            .store(head.wrapping_add(1), Ordering::Release);
        Some(item)
    }

    /// Items in the ring now; there may be more by the time the caller looks at the number.
    #[inline]
    pub fn len(&self) -> usize {
        self.shared
            .producer
            .0
            .index
            .load(Ordering::Acquire)
            .wrapping_sub(self.head.get())
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most items that fit.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Whether the producer was dropped. Items that it pushed before are still to be popped: the end
    /// is when `pop` gives `None` *after* this was true.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.shared.producer.0.gone.load(Ordering::Acquire)
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.producer.0.gone.store(true, Ordering::Release);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.consumer.0.gone.store(true, Ordering::Release);
    }
}

impl<T> Drop for Shared<T> {
    /// Drops what was pushed and not popped. Both sides are gone, and `Arc` ordered all they did before this.
    fn drop(&mut self) {
        let mut head = self.consumer.0.index.load(Ordering::Relaxed);
        let tail = self.producer.0.index.load(Ordering::Relaxed);
        while head != tail {
            // SAFETY: slots from head to tail hold items, each is dropped once, and nobody else is left.
            unsafe { self.slot(head).with_mut(|slot| slot.cast::<T>().drop_in_place()) };
            head = head.wrapping_add(1);
        }
    }
}

impl<T> Shared<T> {
    #[inline]
    fn slot(&self, index: usize) -> &Slot<T> {
        // SAFETY: the number of slots is a power of two, so the masked index is less than it.
        unsafe { self.slots.get_unchecked(index & (self.slots.len() - 1)) }
    }
}

impl Side {
    fn new(index: usize) -> Self {
        Self {
            index: AtomicUsize::new(index),
            gone: AtomicBool::new(false),
        }
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({} of {})", self.len(), self.capacity())
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({} of {})", self.len(), self.capacity())
    }
}

/// The standard library's types, or loom's, which try every interleaving.
mod sync {
    #[cfg(not(loom))]
    pub(super) use standard::*;
    #[cfg(loom)]
    pub(super) use {
        loom::sync::Arc,
        loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    #[cfg(loom)]
    pub(super) type Slot<T> = loom::cell::UnsafeCell<std::mem::MaybeUninit<T>>;

    #[cfg(not(loom))]
    mod standard {
        use std::cell::UnsafeCell;
        use std::mem::MaybeUninit;
        pub(in crate::ring) use std::sync::Arc;
        pub(in crate::ring) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

        /// With the interface of loom's cell.
        pub(in crate::ring) struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

        impl<T> Slot<T> {
            pub(in crate::ring) fn new(item: MaybeUninit<T>) -> Self {
                Self(UnsafeCell::new(item))
            }

            #[inline(always)]
            pub(in crate::ring) fn with_mut<R>(&self, f: impl FnOnce(*mut MaybeUninit<T>) -> R) -> R {
                f(self.0.get())
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_full_ring_gives_the_item_back() {
        let (producer, consumer) = channel(3);
        assert_eq!((producer.capacity(), consumer.capacity()), (4, 4));
        (0..4).for_each(|n| producer.push(n).unwrap());
        assert_eq!((producer.push(4), producer.len(), consumer.len()), (Err(4), 4, 4));
        assert_eq!(consumer.pop(), Some(0));
        assert_eq!(producer.push(4), Ok(()));
        let rest: Vec<i32> = std::iter::from_fn(|| consumer.pop()).collect();
        assert_eq!(rest, [1, 2, 3, 4]);
        assert!(producer.is_empty() && consumer.is_empty());
    }

    #[test]
    fn indices_wrap_around() {
        let (producer, consumer) = channel_from(2, usize::MAX - 2);
        for n in 0..10 {
            producer.push(n).unwrap();
            producer.push(n + 100).unwrap();
            assert_eq!((producer.push(0), producer.len()), (Err(0), 2));
            assert_eq!(
                (consumer.pop(), consumer.pop(), consumer.pop()),
                (Some(n), Some(n + 100), None)
            );
        }
    }

    #[test]
    fn what_was_not_popped_is_dropped_once() {
        let item = Arc::new(());
        let (producer, consumer) = channel_from(4, usize::MAX - 1);
        (0..4).for_each(|_| producer.push(item.clone()).unwrap());
        drop(consumer.pop());
        assert_eq!(Arc::strong_count(&item), 4);
        drop(consumer);
        assert!(producer.is_closed());
        assert_eq!(Arc::strong_count(&item), 4);
        drop(producer);
        assert_eq!(Arc::strong_count(&item), 1);
    }

    #[test]
    fn items_pushed_before_the_end_arrive() {
        let (producer, consumer) = channel(2);
        producer.push(1).unwrap();
        assert!(!consumer.is_closed());
        drop(producer);
        assert!(consumer.is_closed());
        assert_eq!((consumer.pop(), consumer.pop()), (Some(1), None));
    }

    #[test]
    fn the_two_sides_share_no_cache_line() {
        let (producer, _consumer) = channel::<u8>(1);
        let shared = &*producer.shared;
        let address = |side: &Side| std::ptr::from_ref(side).addr();
        assert!(address(&shared.producer.0).abs_diff(address(&shared.consumer.0)) >= 128);
    }

    #[test]
    fn two_threads_see_every_item_in_order() {
        let count: u64 = if cfg!(miri) { 200 } else { 200_000 };
        let (producer, consumer) = channel::<Box<u64>>(64);
        let thread = std::thread::spawn(move || {
            for n in 0..count {
                let mut item = Box::new(n);
                while let Err(back) = producer.push(item) {
                    item = back;
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < count {
            match consumer.pop() {
                Some(item) => {
                    assert_eq!(*item, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        thread.join().unwrap();
        assert_eq!(consumer.pop(), None);
    }
}

/// Every interleaving of small programs: `RUSTFLAGS="--cfg loom" cargo test -p crake-mem --release loom`.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::thread;

    fn push_waiting<T>(producer: &Producer<T>, mut item: T) {
        while let Err(back) = producer.push(item) {
            item = back;
            thread::yield_now();
        }
    }

    /// Pops until the ring ends as its documentation says.
    fn pop_to_the_end<T>(consumer: &Consumer<T>) -> Vec<T> {
        let mut items = Vec::new();
        loop {
            let closed = consumer.is_closed();
            match consumer.pop() {
                Some(item) => items.push(item),
                None if closed => return items,
                None => thread::yield_now(),
            }
        }
    }

    #[test]
    fn a_ring_of_one_hands_over_each_item() {
        loom::model(|| {
            let (producer, consumer) = channel_from(1, usize::MAX);
            let thread = thread::spawn(move || (0..3).for_each(|n| push_waiting(&producer, n)));
            assert_eq!(pop_to_the_end(&consumer), [0, 1, 2]);
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_ring_of_two_hands_over_each_item() {
        loom::model(|| {
            let (producer, consumer) = channel(2);
            let thread = thread::spawn(move || (0..3).for_each(|n| push_waiting(&producer, Box::new(n))));
            let items: Vec<i32> = pop_to_the_end(&consumer).into_iter().map(|item| *item).collect();
            assert_eq!(items, [0, 1, 2]);
            thread.join().unwrap();
        });
    }

    #[test]
    fn items_are_dropped_once_whoever_goes_last() {
        loom::model(|| {
            let item = loom::sync::Arc::new(());
            let (producer, consumer) = channel(2);
            let pushed = item.clone();
            let thread = thread::spawn(move || {
                producer.push(pushed.clone()).unwrap();
                producer.push(pushed).unwrap();
            });
            drop(consumer.pop());
            drop(consumer);
            thread.join().unwrap();
            assert_eq!(loom::sync::Arc::strong_count(&item), 1);
        });
    }

    #[test]
    fn a_length_never_exceeds_the_capacity() {
        loom::model(|| {
            let (producer, consumer) = channel(1);
            let thread = thread::spawn(move || {
                for n in 0..2 {
                    let _ = producer.push(n);
                    assert!(producer.len() <= 1);
                }
            });
            for _ in 0..2 {
                assert!(consumer.len() <= 1);
                let _ = consumer.pop();
            }
            thread.join().unwrap();
        });
    }
}
