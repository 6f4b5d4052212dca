//! What buffers, lists and rings cost: nanoseconds per operation, the median and the best of many rounds.
//!
//! `cargo bench -p crake-mem`. Absolute figures depend on the machine and its neighbours; the row "empty loop" is what
//! the measurement itself costs.

use std::hint::black_box;
use std::time::Instant;

use crake_mem::{Buf, HugePages, Pool, PoolConfig, Region, Sga, copy_slice, ring};

const ROUNDS: usize = 101;
const OPERATIONS: u32 = 10_000;

fn main() {
    // `cargo test --all-targets` runs benches too, to see that they work: one round is enough for that.
    let rounds = if std::env::args().any(|argument| argument == "--bench") {
        ROUNDS
    } else {
        1
    };
    let bench = Bench { rounds };
    println!("{:<52} {:>9} {:>9}", "ns per operation", "median", "best");
    bench.row("empty loop", || {
        black_box(0);
    });
    buffers(&bench);
    lists(&bench);
    places(&bench);
    copies(&bench);
    rings(&bench);
}

struct Bench {
    rounds: usize,
}

impl Bench {
    fn row(&self, name: &str, mut operation: impl FnMut()) {
        self.rounds_of(name, OPERATIONS, || (0..OPERATIONS).for_each(|_| operation()));
    }

    fn rounds_of(&self, name: &str, operations: u32, mut round: impl FnMut()) {
        let mut times: Vec<f64> = (0..self.rounds)
            .map(|_| {
                let start = Instant::now();
                round();
                start.elapsed().as_nanos() as f64 / f64::from(operations)
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<52} {:>9.2} {:>9.2}", times[times.len() / 2], times[0]);
    }
}

fn pool() -> Pool {
    Pool::new(PoolConfig {
        buffer_bytes: 64 << 10,
        headroom_bytes: 64,
        buffers_max: 256,
    })
}

fn filled(pool: &Pool) -> Buf {
    let mut buffer = pool.take().expect("a pool of this bench is large enough");
    buffer.push_slice(&[7; 64]);
    buffer.freeze()
}

fn buffers(bench: &Bench) {
    let pool = pool();
    let buf = filled(&pool);
    bench.row("Pool: take, drop", || drop(black_box(pool.take())));
    bench.row("Pool: take, push 64 B, freeze, drop", || {
        drop(black_box(filled(&pool)))
    });
    bench.row("Buf: clone, drop", || drop(black_box(black_box(&buf).clone())));
    bench.row("Buf: slice, drop", || {
        drop(black_box(black_box(&buf).slice(8..40)))
    });
    bench.row("Buf: deref, read 8 B", || {
        black_box(u64::from_le_bytes(
            black_box(&buf)[..8].try_into().expect("eight bytes"),
        ));
    });
    bench.row("Buf: clone, split_to, drop both", || {
        let mut rest = buf.clone();
        let front = rest.split_to(black_box(16));
        black_box((&front, &rest));
    });
    bench.row("Vec<u8> of 64 B: clone, drop (to compare)", || {
        drop(black_box(black_box(&*buf).to_vec()))
    });
}

fn lists(bench: &Bench) {
    let pool = pool();
    let bufs: Vec<Buf> = (0..4).map(|_| filled(&pool)).collect();
    bench.row("Sga: from 1 clone, drop", || {
        drop(black_box(Sga::from(bufs[0].clone())))
    });
    bench.row("Sga: push 2 clones, drop", || {
        let mut list = Sga::new();
        list.push(bufs[0].clone());
        list.push(bufs[1].clone());
        black_box(&list);
    });
    bench.row("Sga: push 2 clones, advance all", || {
        let mut list = Sga::new();
        list.push(bufs[0].clone());
        list.push(bufs[1].clone());
        list.advance(black_box(128));
        black_box(&list);
    });
    bench.row("Sga: push 4 clones, advance 100, advance the rest", || {
        let mut list = Sga::new();
        bufs.iter().for_each(|buf| list.push(buf.clone()));
        list.advance(black_box(100));
        list.advance(black_box(156));
        black_box(&list);
    });
    let mut queue = Sga::new();
    bench.row("Sga used as a queue: push 1, advance 64 B", || {
        queue.push(bufs[0].clone());
        queue.advance(black_box(64));
    });
    let mut backlog: Sga = (0..1000).map(|_| bufs[0].clone()).collect();
    bench.row("Sga of 1,000 segments: push 1, advance 64 B", || {
        backlog.push(bufs[0].clone());
        backlog.advance(black_box(64));
    });
}

fn places(bench: &Bench) {
    let region = Region::anonymous(4 << 20, HugePages::Try).expect("4 MiB are there");
    let place = region.extent(..1 << 20);
    let mut bytes = vec![1; 4096];
    bench.row("Extent: slice, segment, drop both", || {
        drop(black_box(place.slice(64..128).segment()))
    });
    bench.row("Region: allocated, 2 KiB, drop", || {
        drop(black_box(Region::allocated(2048)))
    });
    bench.row("Region: anonymous, 2 KiB, drop", || {
        drop(black_box(Region::anonymous(2048, HugePages::Never)));
    });
    bench.row("Extent: write 4 KiB", || place.write(black_box(4096), &bytes));
    bench.row("Extent: read 4 KiB", || place.read(black_box(4096), &mut bytes));
}

/// A C library that copies by `rep movsb` shows where the target begins a little behind the source, pages left aside.
fn copies(bench: &Bench) {
    const LEN: usize = 10_000;
    const PAGE_BYTES: usize = 4096;
    let from = vec![7u8; LEN];
    let mut to = vec![0u8; LEN + PAGE_BYTES];
    for behind in [0, 7, 100, 2000] {
        let start = (from.as_ptr().addr() + behind).wrapping_sub(to.as_ptr().addr()) % PAGE_BYTES;
        bench.row(&format!("copy_from_slice 10,000 bytes, {behind} behind"), || {
            black_box(&mut to)[start..][..LEN].copy_from_slice(black_box(&from));
        });
        bench.row(&format!("copy_slice 10,000 bytes, {behind} behind"), || {
            copy_slice(black_box(&from), &mut black_box(&mut to)[start..][..LEN]);
        });
    }
}

fn rings(bench: &Bench) {
    let (producer, consumer) = ring::channel::<u64>(1024);
    bench.row("ring, one thread: push, pop", || {
        let _ = producer.push(black_box(1));
        black_box(consumer.pop());
    });
    bench.row("ring, one thread: pop of nothing", || {
        black_box(consumer.pop());
    });
    streaming(bench);
    round_trips(bench);
}

/// One thread pushes as fast as the other pops.
fn streaming(bench: &Bench) {
    let (producer, consumer) = ring::channel::<u64>(1024);
    let thread = std::thread::spawn(move || {
        while !producer.is_closed() {
            if producer.push(1).is_err() {
                std::hint::spin_loop();
            }
        }
    });
    let count = 100_000;
    bench.rounds_of("ring, two threads: item, as a stream", count, || {
        let mut left = count;
        while left > 0 {
            match consumer.pop() {
                Some(item) => left -= item as u32,
                None => std::hint::spin_loop(),
            }
        }
    });
    drop(consumer);
    thread.join().expect("the producer ran");
}

/// There and back through two rings: two transfers of a cache line at least.
fn round_trips(bench: &Bench) {
    let (requests, inbox) = ring::channel::<u64>(64);
    let (outbox, replies) = ring::channel::<u64>(64);
    let thread = std::thread::spawn(move || {
        while !inbox.is_closed() {
            match inbox.pop() {
                Some(item) => outbox.push(item).expect("one item is in flight"),
                None => std::hint::spin_loop(),
            }
        }
    });
    let count = 10_000;
    bench.rounds_of("ring, two threads: round trip", count, || {
        for n in 0..u64::from(count) {
            requests.push(n).expect("one item is in flight");
            while replies.pop().is_none() {
                std::hint::spin_loop();
            }
        }
    });
    drop(requests);
    thread.join().expect("the echo ran");
}
