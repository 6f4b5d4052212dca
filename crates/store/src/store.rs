//! The store: what a program holds to work with a cluster.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Runtime};
use crake_rpc::ClientId;

use crate::cluster::{self, Usage};
use crate::datanodes::{Datanode, Datanodes};
use crate::deleting::Deleting;
use crate::list_page::ListPage;
use crate::multifile::Multifile;
use crate::node::{Attributes, CreateOptions, Entry, Node, Page};
use crate::operation::{
    Append, AskUsage, Create, Delete, Echo, List, ListDatanodes, Lookup, Open, Rename, Renew, SetTtl,
};
use crate::partitions::{Kept, Partitions, Start};
use crate::path::PeerPath;
use crate::pending::Pending;
use crate::renaming::Renaming;
use crate::session::{Session, not_a_namenode};
use crate::stats::Stats;
use crate::table::{self, Table, check_kind};
use crate::watch::Watch;
use crate::writer::Writer;
use crate::{ConnectOptions, Error};

/// A client of one cluster, bound to a thread. Clones share the connections, the identity and the statistics.
///
/// Operations are sent when they are called, and give a future of their result: hold many to have many in flight, or
/// `.await` each. Paths are `/`-separated and start at the base of the store's URL, with or without a leading slash.
#[derive(Clone)]
pub struct Store {
    /// With the partition where paths start, and the directory there.
    session: Rc<Session>,
    base: u64,
    _kept: Rc<Kept>,
}

impl Store {
    /// Connects to the cluster of a URL ([`ConnectOptions`] says what it may hold).
    pub async fn connect(runtime: &Runtime, url: &str) -> Result<Store, Error> {
        Store::connect_with(runtime, url.parse()?).await
    }

    /// Connects to the namenode at an address.
    pub async fn attach(runtime: &Runtime, namenode: &Address) -> Result<Store, Error> {
        Store::connect_with(runtime, ConnectOptions::to(namenode)).await
    }

    /// Connects to a cluster. One attempt for each address: a wrong one is told at once.
    pub async fn connect_with(runtime: &Runtime, options: ConnectOptions) -> Result<Store, Error> {
        let partitions = Partitions::new(runtime, options)?;
        let first = Session::new(&partitions, 0);
        let kept = partitions.keep(&first);
        first.connect_once().await?;
        let renewed = Pending::start(&first, Renew).await.map_err(not_a_namenode)?;
        first.set_lease(renewed.lease_ms);
        partitions.begin(&first, &renewed)?;
        let mut store = Store {
            session: partitions.start_session(),
            base: 0,
            _kept: kept,
        };
        store.find_base().await?;
        Ok(store)
    }

    async fn find_base(&mut self) -> Result<(), Error> {
        let base = &self.session.options().base;
        if !base.is_empty() {
            let attributes = self.lookup(base).await?;
            if attributes.kind != Node::Directory {
                return Err(Error::NotADirectory {
                    path: base.as_str().into(),
                });
            }
            let partitions = self.session.partitions().clone();
            partitions.set_start(Start {
                partition: attributes.partition,
                base: attributes.id,
            });
            self.base = attributes.id;
            self.session = partitions.start_session();
        }
        Ok(())
    }

    /// With partition 0, where jobs and datanodes are.
    pub(crate) fn first_session(&self) -> Result<Rc<Session>, Error> {
        self.session_of(0)
    }

    /// With the partition of a node that was found.
    fn session_of(&self, partition: u16) -> Result<Rc<Session>, Error> {
        if partition == self.session.number() {
            return Ok(self.session.clone());
        }
        let found = self.session.partitions().session(partition);
        found.ok_or_else(|| Error::protocol(self.session.peer(), "it names a partition that does not exist"))
    }

    pub(crate) fn session(&self) -> &Rc<Session> {
        &self.session
    }

    /// The runtime that turns this store.
    pub fn runtime(&self) -> &Runtime {
        self.session.runtime()
    }

    /// Who this store is to the servers.
    pub fn client_id(&self) -> ClientId {
        self.session.client()
    }

    /// Where the namenode is reached, or the partition of it where paths start; without a connection, where it will be looked for first.
    pub fn namenode(&self) -> Address {
        self.session.address()
    }

    /// How each server is reached that there is a connection to: the partitions of the namenode first, then datanodes by their
    /// numbers. The connection to a partition is made when the first path leads there; that to a datanode when the first of its
    /// blocks is touched, or by [`Store::path_to`].
    pub fn paths(&self) -> Vec<PeerPath> {
        let partitions = self.session.partitions();
        let begun = partitions.begun();
        let namenodes = begun.iter().filter_map(|session| session.path());
        namenodes.chain(partitions.datanodes.paths()).collect()
    }

    /// How the datanode of a number is reached; connects if need be.
    pub async fn path_to(&self, datanode: u32) -> Result<PeerPath, Error> {
        let deadline = self.session.deadline_of(self.runtime().now());
        Datanodes::path_to(&self.session, datanode, deadline).await
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        self.session.stats()
    }

    /// The attributes of a path.
    #[inline]
    pub fn lookup<'a>(&self, path: &'a str) -> Pending<'a, Lookup<'a>> {
        Pending::start(
            &self.session,
            Lookup {
                base: self.base,
                path,
            },
        )
    }

    /// The same, and of a table its size is the number of its keys at all partitions; [`Store::lookup`] knows of one of them only.
    pub async fn attributes(&self, path: &str) -> Result<Attributes, Error> {
        let found = self.lookup(path).await?;
        if found.kind != Node::Table || !self.session.is_one_of_many() {
            return Ok(found);
        }
        let session = self.session_of(found.partition)?;
        let (_, table) = table::open(&session, (found.id, ""), path).await?;
        table.attributes().await
    }

    /// Whether there is something at a path.
    pub async fn exists(&self, path: &str) -> Result<bool, Error> {
        match self.lookup(path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. } | Error::NotADirectory { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a node to read it: one round trip, which brings the first blocks of a file along.
    pub fn open<'a>(&self, path: &'a str) -> Pending<'a, Open<'a>> {
        Pending::start(
            &self.session,
            Open {
                base: self.base,
                path,
            },
        )
    }

    /// Makes a node. Of a file the result can be written; see [`File::writer`](crate::File::writer).
    #[inline]
    pub fn create<'a>(&self, path: &'a str, options: impl Into<CreateOptions>) -> Pending<'a, Create<'a>> {
        let options = options.into();
        Pending::start(
            &self.session,
            Create {
                base: self.base,
                path,
                options,
            },
        )
    }

    /// Opens a file to append to it; [`Error::LeaseHeld`] while another writer has it.
    pub async fn append(&self, path: &str) -> Result<Writer, Error> {
        self.append_file(path).await?.writer()
    }

    /// As [`Store::append`], and gives the file, for a buffered writer or for a reader beside the writer.
    pub fn append_file<'a>(&self, path: &'a str) -> Pending<'a, Append<'a>> {
        Pending::start(
            &self.session,
            Append {
                base: self.base,
                path,
            },
        )
    }

    /// Watches a file as it grows, or what happens in a directory, multifile or table.
    pub async fn watch(&self, path: &str) -> Result<Watch, Error> {
        if !self.session.is_one_of_many() {
            return Watch::begin(&self.session, self.base, path).await;
        }
        // What happens may be told before the answer that names the watch, so it is clear beforehand who tells it.
        let found = self.lookup(path).await?;
        let session = self.session_of(found.partition)?;
        let about = |error: Error| error.about(path);
        if found.kind == Node::Table {
            let (_, table) = table::open(&session, (found.id, ""), path).await?;
            return Watch::of_table(&table).await.map_err(about);
        }
        Watch::begin(&session, found.id, "").await.map_err(about)
    }

    /// Makes a directory; with `parents`, also those above it, and it may be there already.
    pub async fn make_dir(&self, path: &str, parents: bool) -> Result<Attributes, Error> {
        let options = CreateOptions {
            parents,
            existing_ok: parents,
            ..Node::Directory.into()
        };
        Ok(self.create(path, options).await?.attributes())
    }

    /// Makes a table; with `parents`, also directories above it, and it may be there already.
    pub async fn make_table(&self, path: &str, parents: bool) -> Result<Table, Error> {
        let options = CreateOptions {
            parents,
            existing_ok: parents,
            ..Node::Table.into()
        };
        let made = self.create(path, options).await?;
        let (session, id) = (made.session(), made.attributes().id);
        match session.is_one_of_many() {
            true => Ok(table::open(session, (id, ""), path).await?.1),
            false => Ok(Table::new(session, id, path)),
        }
    }

    /// Makes a multifile; with `parents`, also directories above it, and it may be there already.
    pub async fn make_multifile(&self, path: &str, parents: bool) -> Result<Multifile, Error> {
        let options = CreateOptions {
            parents,
            existing_ok: parents,
            ..Node::Multifile.into()
        };
        let made = self.create(path, options).await?;
        Ok(Multifile::new(made.session(), path, made.attributes().id))
    }

    /// Opens a multifile.
    pub async fn multifile(&self, path: &str) -> Result<Multifile, Error> {
        let (session, id) = self.lookup_kind(path, Node::Multifile).await?;
        Ok(Multifile::new(&session, path, id))
    }

    /// Opens a table.
    pub async fn table(&self, path: &str) -> Result<Table, Error> {
        if self.session.is_one_of_many() {
            return Ok(table::open(&self.session, (self.base, path), path).await?.1);
        }
        let (session, id) = self.lookup_kind(path, Node::Table).await?;
        Ok(Table::new(&session, id, path))
    }

    /// The id of a node that is to be of this kind, and the session with whom has it.
    async fn lookup_kind(&self, path: &str, kind: Node) -> Result<(Rc<Session>, u64), Error> {
        let attributes = self.lookup(path).await?;
        check_kind(&attributes, kind, path)?;
        Ok((self.session_of(attributes.partition)?, attributes.id))
    }

    /// One page of a container's entries whose names start with `prefix` and are above `after`; 0 is the largest limit. If there
    /// are more, the last entry's name is where the next page comes after.
    ///
    /// Sent at once.
    pub fn list_page<'a>(&self, path: &'a str, prefix: &'a str, after: &'a str, limit: u32) -> ListPage<'a> {
        let request = List {
            base: self.base,
            path,
            prefix: prefix.as_bytes(),
            after: after.as_bytes(),
            limit,
        };
        ListPage::start(&self.session, request)
    }

    /// A container's entries in order, fetched page by page.
    pub fn list(&self, path: &str) -> Listing {
        Listing {
            store: self.clone(),
            path: path.into(),
            after: String::new(),
            page: Vec::new().into_iter(),
            more: true,
        }
    }

    /// Gives a node another name, in the place of what has it, as far as POSIX allows that.
    pub fn rename<'a>(&self, from: &'a str, to: &'a str) -> Renaming<'a> {
        self.start_rename(from, to, false)
    }

    /// Gives a node a name that nothing has.
    pub fn rename_new<'a>(&self, from: &'a str, to: &'a str) -> Renaming<'a> {
        self.start_rename(from, to, true)
    }

    fn start_rename<'a>(&self, from: &'a str, to: &'a str, no_replace: bool) -> Renaming<'a> {
        let request = Rename {
            base: self.base,
            from,
            to,
            no_replace,
        };
        Renaming::start(&self.session, request)
    }

    /// Removes a node, with all below it if `recursive`; gives how many nodes were removed, without those at other partitions than its own.
    ///
    /// Where the namespace has several partitions, a key that is put just when its table was found to be empty goes with it.
    pub fn delete<'a>(&self, path: &'a str, recursive: bool) -> Deleting<'a> {
        let request = Delete {
            base: self.base,
            path,
            recursive,
        };
        Deleting::start(&self.session, request)
    }

    /// Has a node removed, with all below it, when this time has passed from now on, or not by itself any more. From the
    /// moment that it is due it is not found; who is writing it, or below it, loses the lease.
    pub fn set_ttl<'a>(&self, path: &'a str, ttl: Option<Duration>) -> Pending<'a, SetTtl<'a>> {
        Pending::start(
            &self.session,
            SetTtl {
                base: self.base,
                path,
                key: &[],
                ttl,
            },
        )
    }

    /// How full the cluster is. Sent at once.
    pub fn usage(&self) -> impl Future<Output = Result<Usage, Error>> + use<> {
        let partitions = self.session.partitions().all();
        let asked = partitions.iter().map(|session| Pending::start(session, AskUsage));
        let asked = asked.collect::<Vec<_>>();
        async move {
            let mut told = Vec::with_capacity(asked.len());
            for answer in asked {
                told.push(answer.await?);
            }
            Ok(cluster::sum(told))
        }
    }

    /// The cluster's datanodes.
    pub async fn datanodes(&self) -> Result<Vec<Datanode>, Error> {
        let partitions = self.session.partitions().all();
        let ask = |session| Pending::start(session, ListDatanodes { ids: Vec::new() });
        let asked = partitions.iter().map(ask).collect::<Vec<_>>();
        let mut told = Vec::with_capacity(asked.len());
        for answer in asked {
            told.push(answer.await?);
        }
        Ok(cluster::join(told))
    }

    /// Has the namenode send bytes back.
    #[inline]
    pub fn echo<'a>(&self, data: &'a [u8]) -> Pending<'a, Echo<'a>> {
        Pending::start(&self.session, Echo { data })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("namenode", &self.namenode())
            .field("client", &self.client_id())
            .finish_non_exhaustive()
    }
}

/// A container's entries, in order.
pub struct Listing {
    store: Store,
    path: Box<str>,
    after: String,
    page: std::vec::IntoIter<Entry>,
    more: bool,
}

impl Listing {
    /// The next entry; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if let Some(entry) = self.page.next() {
                return Ok(Some(entry));
            }
            match self.next_page().await? {
                Some(entries) => self.page = entries.into_iter(),
                None => return Ok(None),
            }
        }
    }

    /// The next page, without what [`Listing::next`] gave of the last one; `None` at the end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, Error> {
        if !self.more {
            return Ok(None);
        }
        let Page { entries, more } = self.store.list_page(&self.path, "", &self.after, 0).await?;
        let Some(last) = entries.last() else {
            self.more = false;
            return Ok(None);
        };
        self.after.clone_from(&last.name);
        self.more = more;
        Ok(Some(entries))
    }
}
