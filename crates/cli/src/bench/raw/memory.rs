//! The loop within one thread: a request is copied into a queue, a function takes it off and copies its reply back.

use std::hint::black_box;

use anyhow::{Context, Result};

use super::Shape;
use crate::bench::stats::{Run, Stopwatch};

/// A single exchange takes about as long as reading the clock, so that many are timed together.
const TIMED_TOGETHER: u64 = 16;

/// What one direction may take.
const MEMORY_MAX_BYTES: u64 = 4 << 30;

/// Slots for all that is in flight, in one piece of memory per direction.
pub struct Queue {
    shape: Shape,
    request: Vec<u8>,
    stored: Vec<u8>,
    requests: Vec<u8>,
    replies: Vec<u8>,
}

impl Queue {
    /// Takes the memory for `shape`; the first batches touch it.
    pub fn new(shape: Shape) -> Result<Queue> {
        let bytes = |message: u64, count| {
            let bytes = message
                .checked_mul(count)
                .filter(|&bytes| bytes <= MEMORY_MAX_BYTES);
            bytes
                .map(|bytes| bytes as usize)
                .context("what is in flight takes more than 4GiB")
        };
        // All sizes are known to be bearable before anything is taken.
        let (requests_bytes, replies_bytes) = (
            bytes(shape.request_bytes, shape.in_flight)?,
            bytes(shape.reply_bytes, shape.in_flight)?,
        );
        Ok(Queue {
            shape,
            request: vec![1; shape.request_bytes as usize],
            stored: vec![2; shape.reply_bytes as usize],
            requests: vec![0; requests_bytes],
            replies: vec![0; replies_bytes],
        })
    }

    /// Exchanges `operations` requests and replies: fills the queue, then lets it be served, again and again.
    pub fn run(&mut self, operations: u64) -> Result<Run> {
        let together = if self.shape.in_flight == 1 {
            TIMED_TOGETHER.min(operations)
        } else {
            1
        };
        let mut watch = Stopwatch::start_timing_together(together);
        let mut ended = 0;
        while ended < operations {
            let batch = self.shape.in_flight.min(operations - ended) as usize;
            self.issue(batch);
            self.serve(batch);
            let issued = ended + batch as u64;
            ended = issued;
            watch.note(ended, issued);
        }
        Ok(watch.stop(operations))
    }

    #[inline(never)]
    fn issue(&mut self, batch: usize) {
        for slot in self.requests.chunks_exact_mut(self.request.len()).take(batch) {
            slot.copy_from_slice(black_box(&self.request));
        }
    }

    #[inline(never)]
    fn serve(&mut self, batch: usize) {
        black_box(&self.requests);
        for slot in self.replies.chunks_exact_mut(self.stored.len()).take(batch) {
            slot.copy_from_slice(black_box(&self.stored));
        }
        black_box(&self.replies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_and_reply_is_copied() {
        let mut queue = Queue::new(Shape {
            request_bytes: 64,
            reply_bytes: 100,
            in_flight: 8,
        })
        .unwrap();
        let run = queue.run(1001).unwrap();
        assert_eq!(run.operations, 1001);
        assert!(queue.requests.iter().all(|&byte| byte == 1));
        assert!(queue.replies.iter().all(|&byte| byte == 2));
        assert_eq!(queue.replies.len(), 800);
    }

    #[test]
    fn one_in_flight_is_timed_in_groups() {
        let mut queue = Queue::new(Shape {
            request_bytes: 64,
            reply_bytes: 64,
            in_flight: 1,
        })
        .unwrap();
        assert_eq!(queue.run(1600).unwrap().latencies.len(), 100);
        assert_eq!(queue.run(3).unwrap().latencies.len(), 1);
    }

    #[test]
    fn more_than_memory_is_an_error() {
        assert!(
            Queue::new(Shape {
                request_bytes: 1 << 32,
                reply_bytes: 1,
                in_flight: 2
            })
            .is_err()
        );
    }
}
