//! The stream into a file through slices that are written behind.

use std::rc::Rc;
use std::time::Duration;

use crake_mem::{BufMut, Pool};

use super::{TURN_BYTES, Turn};
use crate::Error;
use crate::node::Attributes;
use crate::session::Session;
use crate::writer::{Write, Writer};

/// Collects small writes in slices and hands full ones to the direct stream; at most [`ConnectOptions::slices`] of
/// them are filled or in flight.
///
/// Dropping it closes it in the background, as it does a [`Writer`]: what was written to it is still written to the file.
///
/// [`ConnectOptions::slices`]: crate::ConnectOptions::slices
pub struct BufferedWriter {
    session: Rc<Session>,
    /// Taken when it is closed.
    writer: Option<Writer>,
    pool: Pool,
    slice: Option<BufMut>,
    /// When the slice holds this much, the runtime is due to turn.
    turn_at: usize,
    /// The last slice that was handed on.
    last: Option<Write>,
}

impl BufferedWriter {
    pub(crate) fn new(session: &Rc<Session>, writer: Writer) -> BufferedWriter {
        BufferedWriter {
            session: session.clone(),
            pool: session.slices().take_pool(session.options().slices),
            writer: Some(writer),
            slice: None,
            turn_at: TURN_BYTES,
            last: None,
        }
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.writer().position() + self.slice.as_ref().map_or(0, |slice| slice.len() as u64)
    }

    /// Takes as many bytes as there is room for without waiting, which may be none.
    #[inline]
    pub fn try_write(&mut self, bytes: &[u8]) -> usize {
        let Some(slice) = &mut self.slice else { return 0 };
        let room = slice.spare().min(self.turn_at.saturating_sub(slice.len()));
        let count = room.min(bytes.len());
        slice.push_slice(&bytes[..count]);
        count
    }

    /// Writes all bytes, waiting for a slice when all are full.
    #[inline]
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut done = self.try_write(bytes);
        while done < bytes.len() {
            self.make_room().await?;
            done += self.try_write(&bytes[done..]);
        }
        Ok(())
    }

    /// Waits until everything written so far is acknowledged.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.hand_on();
        self.writer().flush().await
    }

    /// Flushes, then makes everything written so far visible to readers.
    pub async fn publish(&mut self) -> Result<Attributes, Error> {
        self.hand_on();
        self.writer().publish().await
    }

    /// Flushes, publishes, and gives up the right to write; see [`Writer::close`].
    pub async fn close(mut self) -> Result<Attributes, Error> {
        self.hand_on();
        let writer = self
            .writer
            .take()
            .expect("a stream has its writer until it is closed");
        writer.close().await
    }

    fn writer(&self) -> &Writer {
        self.writer
            .as_ref()
            .expect("a stream has its writer until it is closed")
    }

    /// Hands what is in the slice to the direct stream.
    fn hand_on(&mut self) {
        if let Some(slice) = self.slice.take().filter(|slice| !slice.is_empty()) {
            self.last = Some(self.writer().write(slice.freeze()));
        }
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        if self.slice.as_ref().is_none_or(|slice| slice.spare() == 0) {
            self.turn_at = TURN_BYTES;
            return self.next_slice().await;
        }
        self.turn_at += TURN_BYTES;
        if self.writer().is_busy() {
            Turn::default().await;
        }
        Ok(())
    }

    /// Hands the full slice on and takes an empty one, when there is one.
    async fn next_slice(&mut self) -> Result<(), Error> {
        self.hand_on();
        // Tells of an error that has happened, and does not wait.
        if let Some(Err(error)) = self.last.as_ref().and_then(Write::try_wait) {
            return Err(error);
        }
        loop {
            self.slice = self.pool.take();
            if self.slice.is_some() {
                return Ok(());
            }
            self.one_comes_home().await?;
        }
    }

    /// Waits until the direct stream has got further, and so has probably let a slice go.
    async fn one_comes_home(&self) -> Result<(), Error> {
        let waited = self.writer().progressed().await?;
        if !waited {
            // All is acknowledged, but a connection that was lost still holds a slice, for a moment.
            self.session.runtime().sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

impl Drop for BufferedWriter {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.hand_on();
        }
        self.session.slices().give_back_pool(self.pool.clone());
    }
}
