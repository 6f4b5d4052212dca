//! Streams through slices: small reads and writes at the speed of large ones.

mod reader;
mod slices;
mod writer;

use std::pin::Pin;
use std::task::{Context, Poll};

pub use reader::BufferedReader;
pub(crate) use slices::Slices;
pub use writer::BufferedWriter;

/// After so many bytes copied, a stream with slices in flight lets the runtime turn: what a socket holds of them is
/// less than a slice on some transports, and without turns it would run empty, or full, in the meantime.
const TURN_BYTES: usize = 128 << 10;

/// Lets the runtime turn once.
#[derive(Default)]
struct Turn {
    waited: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.waited {
            return Poll::Ready(());
        }
        self.waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
