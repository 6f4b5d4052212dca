//! The parts of a multifile as one sequence of bytes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crake_datapath::Task;
use crake_mem::Extent;

use super::{ListParts, Multifile, Part};
use crate::Error;
use crate::file::FileCore;
use crate::operation::Lookup;
use crate::pending::Pending;
use crate::reader::Read;
use crate::session::Session;
use crate::signal::OnceAtATime;
use crate::watch::{Happened, Watch};

/// Which parts of a multifile are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parts {
    /// Those that are complete when the reader comes to their names: nothing is waited for.
    SealedSoFar,
    /// All: it waits until the multifile is sealed, and until each part is complete.
    All,
}

/// Reads any range of the bytes of all parts, in the order of the parts' names; any number of reads in flight. Clones share what they know.
///
/// Parts are looked up by pages of hundreds, ahead of who reads. What is known of each takes some hundred bytes here.
#[derive(Clone)]
pub struct MultifileReader {
    shared: Rc<Shared>,
}

/// What clones share.
struct Shared {
    core: Rc<Core>,
    /// Looks parts up that will be read next, and ends with the last clone: it may wait for parts that are still written.
    ahead: Cell<Option<Task<()>>>,
}

struct Core {
    multifile: Multifile,
    parts: Parts,
    known: RefCell<Known>,
    fetching: OnceAtATime,
}

/// The parts up to some name, without empty ones.
#[derive(Default)]
struct Known {
    files: Vec<Rc<FileCore>>,
    /// Behind the last byte of each.
    ends: Vec<u64>,
    /// The last name that was looked at.
    after: String,
    is_complete: bool,
    /// Of who waits for all parts, from before the first was looked up.
    watch: Option<Watch>,
}

impl Known {
    fn size(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn push(&mut self, session: &Rc<Session>, multifile: &Multifile, part: Part) {
        let Part { entry, blocks } = part;
        if entry.attributes.size > 0 {
            let end = self.size() + entry.attributes.size;
            let path = format!("{}/{}", multifile.path().trim_end_matches('/'), entry.name);
            self.files
                .push(FileCore::new(session, &path, entry.attributes, blocks));
            self.ends.push(end);
        }
        self.after = entry.name;
    }

    /// The part that holds a byte, where it begins, and where it ends.
    fn find(&self, offset: u64) -> Option<(&Rc<FileCore>, u64, u64)> {
        let at = self.ends.partition_point(|end| *end <= offset);
        let file = self.files.get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        Some((file, start, self.ends[at]))
    }
}

/// So far ahead of a reader its parts are to be known.
const LOOK_AHEAD_BYTES: u64 = 32 << 20;

impl MultifileReader {
    pub(super) fn new(multifile: &Multifile, parts: Parts) -> MultifileReader {
        let core = Rc::new(Core {
            multifile: multifile.clone(),
            parts,
            known: RefCell::default(),
            fetching: OnceAtATime::default(),
        });
        let ahead = Cell::new(None);
        MultifileReader {
            shared: Rc::new(Shared { core, ahead }),
        }
    }

    fn core(&self) -> &Rc<Core> {
        &self.shared.core
    }

    pub(crate) fn session(&self) -> &Rc<Session> {
        self.core().multifile.session()
    }

    pub(crate) fn path(&self) -> &Rc<str> {
        self.core().multifile.shared_path()
    }

    /// Bytes of the parts that are known here.
    pub fn known_size(&self) -> u64 {
        self.core().known.borrow().size()
    }

    /// Whether there may be more parts than are known here.
    pub fn is_growing(&self) -> bool {
        !self.core().known.borrow().is_complete
    }

    /// Bytes of all parts: looks all of them up, and waits for those that are to be waited for.
    pub async fn size(&self) -> Result<u64, Error> {
        while self.is_growing() {
            self.core().learn_more().await?;
        }
        Ok(self.known_size())
    }

    /// Reads from byte `offset` on until `target` is full or the last part ends; gives the number of bytes read. Starts at once.
    pub fn read(&self, offset: u64, target: impl Into<Extent>) -> Read {
        let target = target.into();
        let mut read = Read::nothing();
        let done = self.core().start_known(&mut read, offset, &target);
        if done < target.len() && self.is_growing() {
            let (core, rest) = (self.core().clone(), target.slice(done..));
            let rest = async move { core.read_rest(offset + done as u64, rest).await };
            read.add_rest(self.session().runtime(), rest);
        } else {
            self.look_ahead(offset + done as u64);
        }
        read
    }

    /// Has more parts looked up in the background before somebody comes to where none is known.
    fn look_ahead(&self, at: u64) {
        if self.core().is_needed_ahead(at) {
            let core = self.core().clone();
            let looking = async move {
                // Whoever needs the parts meets the error again.
                let _ = core.learn_more().await;
            };
            self.shared
                .ahead
                .set(Some(self.session().runtime().spawn(looking)));
        }
    }
}

impl Core {
    /// Starts what lies in known parts; gives the number of bytes.
    fn start_known(&self, read: &mut Read, offset: u64, target: &Extent) -> usize {
        let known = self.known.borrow();
        let mut done = 0;
        while done < target.len() {
            let at = offset + done as u64;
            let Some((file, start, end)) = known.find(at) else {
                break;
            };
            let len = (end - at).min((target.len() - done) as u64) as usize;
            read.add(file, at - start, target.slice(done..done + len));
            done += len;
        }
        done
    }

    async fn read_rest(self: Rc<Self>, offset: u64, target: Extent) -> Result<usize, Error> {
        let end = offset.saturating_add(target.len() as u64);
        while !self.known.borrow().is_complete && self.known.borrow().size() < end {
            self.learn_more().await?;
        }
        let mut read = Read::nothing();
        self.start_known(&mut read, offset, &target);
        read.await
    }

    /// Whether parts are to be looked up now for who reads at `at`.
    fn is_needed_ahead(&self, at: u64) -> bool {
        let known = self.known.borrow();
        let is_near = known.size() < at.saturating_add(LOOK_AHEAD_BYTES);
        is_near && !known.is_complete && !self.fetching.is_under_way()
    }

    /// Knows more parts when it returns, or that there are no more. One page is looked up at a time.
    async fn learn_more(&self) -> Result<(), Error> {
        if self.fetching.is_under_way() {
            self.fetching.ended().await;
            return Ok(());
        }
        let _under_way = self.fetching.begin();
        if self.parts == Parts::All && self.known.borrow().watch.is_none() {
            let watch = self.wait_for_seal().await?;
            self.known.borrow_mut().watch = Some(watch);
        }
        while let Some(open) = self.learn_page().await? {
            self.wait_for_part(&open).await?;
        }
        Ok(())
    }

    /// Looks up a page of parts; gives the name of the first that is to be waited for, if that is all there is.
    async fn learn_page(&self) -> Result<Option<String>, Error> {
        let session = self.multifile.session();
        let after = self.known.borrow().after.clone();
        let page = Pending::start(session, ListParts::after(&self.multifile, &after)).await?;
        let mut known = self.known.borrow_mut();
        let files_before = known.files.len();
        for part in page.entries {
            match part.entry.attributes.open {
                true if self.parts == Parts::SealedSoFar => known.after = part.entry.name,
                true => {
                    let is_first = known.files.len() == files_before;
                    return Ok(is_first.then_some(part.entry.name));
                }
                false => known.push(session, &self.multifile, part),
            }
        }
        known.is_complete = !page.more;
        Ok(None)
    }

    /// Waits until no more parts come. The watch that was used for it knows of each part that is completed from now on.
    async fn wait_for_seal(&self) -> Result<Watch, Error> {
        let (session, id) = (self.multifile.session(), self.multifile.id());
        let watch = Watch::begin(session, id, "").await;
        let mut watch = watch.map_err(|error| error.about(self.multifile.path()))?;
        let mut is_open = watch.attributes().open;
        while is_open {
            is_open = match watch.next().await {
                Some(event) if event.happened == Happened::Sealed && event.name.is_empty() => false,
                Some(event) if event.happened == Happened::Lost => self.is_open().await?,
                Some(_) => true,
                None => return Err(Error::not_found(self.multifile.path())),
            };
        }
        Ok(watch)
    }

    async fn is_open(&self) -> Result<bool, Error> {
        let request = Lookup {
            base: self.multifile.id(),
            path: "",
        };
        let attributes = Pending::start(self.multifile.session(), request).await;
        attributes
            .map(|attributes| attributes.open)
            .map_err(|error| error.about(self.multifile.path()))
    }

    /// Waits until a part may be complete, or gone.
    async fn wait_for_part(&self, name: &str) -> Result<(), Error> {
        let watch = self.known.borrow_mut().watch.take();
        let mut watch = watch.expect("who waits for parts watches them");
        let outcome = loop {
            match watch.next().await {
                None => break Err(Error::not_found(self.multifile.path())),
                Some(event) if event.happened == Happened::Lost => break Ok(()),
                Some(event) if event.name == name.as_bytes() && event.happened != Happened::Grew => {
                    break Ok(());
                }
                Some(_) => {}
            }
        };
        self.known.borrow_mut().watch = Some(watch);
        outcome
    }
}
