//! Reading a file while it is written.

use crake_mem::Extent;

use crate::Error;
use crate::node::{Attributes, Node};
use crate::reader::Reader;
use crate::transfer::Holder;
use crate::watch::{Event, Happened, Watch};

/// Reads a file from some byte on, waits for more when it has all that is visible, and ends where the file ends when its writer closes it
/// or is lost.
///
/// It does not poll: the namenode tells when there is more.
pub struct Follower {
    reader: Reader,
    position: u64,
    /// From when it first has to wait.
    watch: Option<Watch>,
}

impl Follower {
    pub(crate) fn new(reader: Reader, position: u64) -> Follower {
        Follower {
            reader,
            position,
            watch: None,
        }
    }

    /// Where the next byte comes from.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What is known of the file.
    pub fn attributes(&self) -> Attributes {
        self.reader.core().attributes()
    }

    /// Reads at least one byte into the front of `target`, and as many as are visible; gives their number. 0 when the file has no
    /// writer any more and all of it was read. What was given up while it waited is not lost.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the file is deleted or replaced, also if not all of it was read.
    pub async fn read(&mut self, target: impl Into<Extent>) -> Result<usize, Error> {
        let target = target.into();
        if target.is_empty() {
            return Ok(0);
        }
        while self.position >= self.reader.size() {
            if !self.reader.is_growing() {
                return Ok(0);
            }
            self.wait().await?;
        }
        let visible = (self.reader.size() - self.position).min(target.len() as u64) as usize;
        let count = self.reader.read(self.position, target.slice(..visible)).await?;
        self.position += count as u64;
        Ok(count)
    }

    /// Waits until more is known of the file than before.
    async fn wait(&mut self) -> Result<(), Error> {
        let core = self.reader.core();
        let Some(watch) = &mut self.watch else {
            let watch = Watch::begin(core.session(), core.id(), "").await;
            let watch = watch.map_err(|error| error.about(core.path()))?;
            self.learn(watch.attributes().size, watch.attributes().open);
            self.watch = Some(watch);
            return Ok(());
        };
        match watch.next().await {
            Some(Event {
                happened: Happened::Lost,
                ..
            }) => self.reader.refresh().await.map(|_| ()),
            Some(event) if event.kind == Node::File && event.happened == Happened::Grew => {
                self.learn(event.size, true);
                Ok(())
            }
            Some(event) if event.happened == Happened::Sealed => {
                self.learn(event.size, false);
                Ok(())
            }
            Some(_) | None => Err(Error::not_found(core.path())),
        }
    }

    fn learn(&self, size: u64, open: bool) {
        let core = self.reader.core();
        let known = core.attributes();
        core.set_attributes(Attributes {
            size: known.size.max(size),
            open,
            ..known
        });
    }
}
