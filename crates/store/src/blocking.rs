//! The store for programs without a runtime: each call waits for its result.
//!
//! A [`Store`] here has a runtime of its own, which turns while a call waits. To have many operations in flight, start
//! them on [`Store::asynchronous`] and hand their futures to [`Store::wait`].
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use crake_store::{Node, blocking::Store};
//!
//! let store = Store::connect("crake://localhost:9060")?;
//! let mut out = store.create("/tmp/a", Node::File)?.writer()?;
//! out.write_all(b"hello")?;
//! out.close()?;
//! let mut text = String::new();
//! store.open("/tmp/a")?.reader()?.read_to_string(&mut text)?;
//!
//! // Two lookups in flight.
//! let (a, b) = (store.asynchronous().lookup("/tmp/a"), store.asynchronous().lookup("/tmp"));
//! let (a, b) = (store.wait(a)?, store.wait(b)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod job;
mod multifile;
mod stream;
mod table;

use std::any::Any;
use std::future::Future;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::Extent;

use crate::{
    Attributes, ConnectOptions, CreateOptions, Datanode, Entry, Error, Event, Page, PeerPath, Stats, Usage,
    View,
};

pub use job::Job;
pub use multifile::Multifile;
pub use stream::{BufferedReader, BufferedWriter, Follower};
pub use table::{Scan, Table};

/// A client of one cluster; see [`crate::Store`], whose methods these are.
#[derive(Clone, Debug)]
pub struct Store {
    // Before the runtime, which it needs to say goodbye.
    store: crate::Store,
    waiter: Waiter,
}

/// Turns the runtime while somebody waits, and keeps what the store needs as long as anybody could.
#[derive(Clone)]
struct Waiter {
    runtime: Runtime,
    _kept: Rc<dyn Any>,
}

impl Waiter {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiter")
    }
}

impl Store {
    /// Connects to the cluster of a URL.
    pub fn connect(url: &str) -> Result<Store, Error> {
        Store::connect_with(url.parse()?)
    }

    /// Connects to a cluster.
    pub fn connect_with(options: ConnectOptions) -> Result<Store, Error> {
        let runtime = Runtime::new(RuntimeConfig::default()).map_err(|error| Error::Unavailable {
            peer: "this machine".into(),
            may_have_run: false,
            detail: format!("no runtime could be made: {error}").into(),
        })?;
        let store = runtime.block_on(crate::Store::connect_with(&runtime, options))?;
        Ok(Store::over(store))
    }

    /// Waits for the operations of a store that exists, on its runtime. Not to be used inside that runtime's tasks.
    pub fn over(store: crate::Store) -> Store {
        Store::keeping(store, ())
    }

    /// As [`Store::over`], and drops `kept` after the last handle of this store and its files: for a cluster that lives and
    /// dies with its store.
    pub fn keeping(store: crate::Store, kept: impl Any) -> Store {
        let waiter = Waiter {
            runtime: store.runtime().clone(),
            _kept: Rc::new(kept),
        };
        Store { store, waiter }
    }

    /// The same store, to have operations in flight.
    pub fn asynchronous(&self) -> &crate::Store {
        &self.store
    }

    /// Waits for a future of the asynchronous store.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.waiter.wait(future)
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// See [`crate::Store::paths`].
    pub fn paths(&self) -> Vec<PeerPath> {
        self.store.paths()
    }

    /// See [`crate::Store::path_to`].
    pub fn path_to(&self, datanode: u32) -> Result<PeerPath, Error> {
        self.wait(self.store.path_to(datanode))
    }

    /// See [`crate::Store::lookup`].
    pub fn lookup(&self, path: &str) -> Result<Attributes, Error> {
        self.wait(self.store.lookup(path))
    }

    /// See [`crate::Store::attributes`].
    pub fn attributes(&self, path: &str) -> Result<Attributes, Error> {
        self.wait(self.store.attributes(path))
    }

    /// See [`crate::Store::exists`].
    pub fn exists(&self, path: &str) -> Result<bool, Error> {
        self.wait(self.store.exists(path))
    }

    /// See [`crate::Store::open`].
    pub fn open(&self, path: &str) -> Result<File, Error> {
        self.file(self.wait(self.store.open(path))?)
    }

    /// See [`crate::Store::create`].
    pub fn create(&self, path: &str, options: impl Into<CreateOptions>) -> Result<File, Error> {
        self.file(self.wait(self.store.create(path, options))?)
    }

    /// Opens a file to append to it; see [`crate::Store::append`].
    pub fn append(&self, path: &str) -> Result<BufferedWriter, Error> {
        self.file(self.wait(self.store.append_file(path))?)?.writer()
    }

    fn file(&self, file: crate::File) -> Result<File, Error> {
        Ok(File {
            file,
            waiter: self.waiter.clone(),
        })
    }

    /// See [`crate::Store::make_dir`].
    pub fn make_dir(&self, path: &str, parents: bool) -> Result<Attributes, Error> {
        self.wait(self.store.make_dir(path, parents))
    }

    /// See [`crate::Store::make_table`].
    pub fn make_table(&self, path: &str, parents: bool) -> Result<Table, Error> {
        let table = self.wait(self.store.make_table(path, parents))?;
        Ok(Table::new(table, self.waiter.clone()))
    }

    /// See [`crate::Store::make_multifile`].
    pub fn make_multifile(&self, path: &str, parents: bool) -> Result<Multifile, Error> {
        let multifile = self.wait(self.store.make_multifile(path, parents))?;
        Ok(Multifile::new(multifile, self.waiter.clone()))
    }

    /// See [`crate::Store::multifile`].
    pub fn multifile(&self, path: &str) -> Result<Multifile, Error> {
        let multifile = self.wait(self.store.multifile(path))?;
        Ok(Multifile::new(multifile, self.waiter.clone()))
    }

    /// See [`crate::Store::watch`].
    pub fn watch(&self, path: &str) -> Result<Watch, Error> {
        let watch = self.wait(self.store.watch(path))?;
        Ok(Watch {
            watch,
            waiter: self.waiter.clone(),
        })
    }

    /// See [`crate::Store::table`].
    pub fn table(&self, path: &str) -> Result<Table, Error> {
        let table = self.wait(self.store.table(path))?;
        Ok(Table::new(table, self.waiter.clone()))
    }

    /// A container's entries in order, fetched page by page.
    pub fn list(&self, path: &str) -> Listing {
        Listing {
            listing: self.store.list(path),
            waiter: self.waiter.clone(),
        }
    }

    /// See [`crate::Store::list_page`].
    pub fn list_page(&self, path: &str, prefix: &str, after: &str, limit: u32) -> Result<Page<Entry>, Error> {
        self.wait(self.store.list_page(path, prefix, after, limit))
    }

    /// See [`crate::Store::rename`].
    pub fn rename(&self, from: &str, to: &str) -> Result<Attributes, Error> {
        self.wait(self.store.rename(from, to))
    }

    /// See [`crate::Store::rename_new`].
    pub fn rename_new(&self, from: &str, to: &str) -> Result<Attributes, Error> {
        self.wait(self.store.rename_new(from, to))
    }

    /// See [`crate::Store::delete`].
    pub fn delete(&self, path: &str, recursive: bool) -> Result<u64, Error> {
        self.wait(self.store.delete(path, recursive))
    }

    /// See [`crate::Store::set_ttl`].
    pub fn set_ttl(&self, path: &str, ttl: Option<Duration>) -> Result<Attributes, Error> {
        self.wait(self.store.set_ttl(path, ttl))
    }

    /// See [`crate::Store::usage`].
    pub fn usage(&self) -> Result<Usage, Error> {
        self.wait(self.store.usage())
    }

    /// See [`crate::Store::datanodes`].
    pub fn datanodes(&self) -> Result<Vec<Datanode>, Error> {
        self.wait(self.store.datanodes())
    }
}

/// A node that was opened or created; see [`crate::File`].
#[derive(Debug)]
pub struct File {
    file: crate::File,
    waiter: Waiter,
}

impl File {
    /// See [`crate::File::attributes`].
    pub fn attributes(&self) -> Attributes {
        self.file.attributes()
    }

    /// See [`crate::File::refresh`].
    pub fn refresh(&self) -> Result<Attributes, Error> {
        self.waiter.wait(self.file.refresh())
    }

    /// A buffered stream out of the file.
    pub fn reader(&self) -> Result<BufferedReader, Error> {
        Ok(BufferedReader::new(
            self.file.buffered_reader()?,
            self.waiter.clone(),
        ))
    }

    /// The buffered stream into the file.
    pub fn writer(&self) -> Result<BufferedWriter, Error> {
        Ok(BufferedWriter::new(
            self.file.buffered_writer()?,
            self.waiter.clone(),
        ))
    }

    /// A stream out of the file that waits for what is still to be written, and ends when its writer closes it: see [`crate::Follower`].
    pub fn follow(&self) -> Result<Follower, Error> {
        let follower = self.file.reader()?.follow(0);
        Ok(Follower::new(follower, self.waiter.clone()))
    }

    /// Reads from byte `offset` on straight into `target`; gives the number of bytes, fewer at the end of the file.
    pub fn read_at(&self, offset: u64, target: impl Into<Extent>) -> Result<usize, Error> {
        self.waiter.wait(self.file.reader()?.read(offset, target))
    }

    /// The bytes of a range in place, fewer if the file ends: see [`crate::Reader::view`].
    ///
    /// The namenode is reminded of a view by calls of this store, whichever they are: one that makes none for the time of a lease
    /// (10 s) may lose it, and [`View::is_held`] says so.
    pub fn read_view(&self, range: Range<u64>) -> Result<View, Error> {
        self.waiter.wait(self.file.reader()?.read_view(range))
    }

    /// See [`crate::File::close`].
    pub fn close(self) -> Result<Attributes, Error> {
        self.waiter.wait(self.file.close())
    }

    /// The same file, to have reads and writes in flight.
    pub fn asynchronous(&self) -> &crate::File {
        &self.file
    }
}

/// A node that is watched; see [`crate::Watch`]. An iterator of events, each of which it waits for; it ends when the node is deleted.
#[derive(Debug)]
pub struct Watch {
    watch: crate::Watch,
    waiter: Waiter,
}

impl Watch {
    /// See [`crate::Watch::attributes`].
    pub fn attributes(&self) -> Attributes {
        self.watch.attributes()
    }
}

impl Iterator for Watch {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.waiter.wait(self.watch.next())
    }
}

/// A container's entries, in order. Ends after an error.
pub struct Listing {
    listing: crate::Listing,
    waiter: Waiter,
}

impl Iterator for Listing {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.waiter.wait(self.listing.next()).transpose()
    }
}
