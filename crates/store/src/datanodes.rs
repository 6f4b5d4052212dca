//! Connections to datanodes: one for each, made when the first block there is touched.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::Time;
use crake_rpc::Client;

use crate::Error;
use crate::in_place::MappedTier;
use crate::link::Link;
use crate::operation::ListDatanodes;
use crate::partitions::Partitions;
use crate::path::{self, Choice, Missed, PeerPath, Site};
use crate::pending::Pending;
use crate::protocol::datanode::{StatusReplyView, StatusRequest, datanode as method};
use crate::session::{Session, missed_failure};

/// A datanode that registers anew learns that it has a little after clients can.
const REGISTRATION_LAG: Duration = Duration::from_millis(20);

/// A datanode as the namenode knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datanode {
    /// Its number in block handles.
    pub id: u32,
    /// Changes each time that its tier starts empty.
    pub incarnation: u64,
    /// Where it listens; among those of a kind best first.
    pub endpoints: Vec<String>,
    /// Its host, as far as placement is concerned.
    pub location_class: u64,
    /// Bytes of its tier.
    pub capacity: u64,
    /// Bytes in blocks that are in use.
    pub used: u64,
    /// Whether its heartbeat arrives.
    pub alive: bool,
    /// The name that it gave itself.
    pub name: String,
    /// The identity of its host ([`crate::this_host`]); empty if it did not say.
    pub host: String,
}

/// The datanodes that this store has connections to.
#[derive(Default)]
pub(crate) struct Datanodes {
    links: RefCell<BTreeMap<u32, Rc<Link<MappedTier>>>>,
    /// Where those connections go, or the last ones went.
    paths: RefCell<BTreeMap<u32, PeerPath>>,
    sweeping: Cell<bool>,
}

impl Datanodes {
    /// The connection to a datanode, if there is a live one.
    #[inline]
    pub(crate) fn ready(&self, id: u32, now: Time) -> Option<Client> {
        self.links.borrow().get(&id)?.ready(now)
    }

    /// What a datanode shares with this process, if there is a live connection to it.
    #[inline]
    pub(crate) fn tier(&self, id: u32, now: Time) -> Option<Rc<MappedTier>> {
        self.links.borrow().get(&id)?.mapped(now).as_deref().cloned()
    }

    /// The connection to a datanode; makes one if there is none. One attempt.
    pub(crate) async fn connected(session: &Rc<Session>, id: u32, deadline: Time) -> Result<Client, Error> {
        let datanodes = session.datanodes();
        let link = datanodes.links.borrow_mut().entry(id).or_default().clone();
        datanodes.start_sweeping(session);
        let attempt = link.connected(session.runtime(), || connect(session.clone(), id));
        match session.runtime().timeout(deadline, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::TimedOut {
                peer: peer(id).into(),
                may_have_run: false,
            }),
        }
    }

    /// The ways of all connections that there are.
    pub(crate) fn paths(&self) -> Vec<PeerPath> {
        let (links, paths) = (self.links.borrow(), self.paths.borrow());
        let live = links.iter().filter(|(_, link)| link.is_live());
        live.filter_map(|(id, _)| paths.get(id).cloned()).collect()
    }

    /// The way to a datanode; connects if need be.
    pub(crate) async fn path_to(session: &Rc<Session>, id: u32, deadline: Time) -> Result<PeerPath, Error> {
        Datanodes::connected(session, id, deadline).await?;
        let paths = session.datanodes().paths.borrow();
        let path = paths.get(&id).cloned();
        path.ok_or_else(|| unavailable(id, "the connection was closed at once"))
    }

    /// A call of `started` was not answered in time.
    pub(crate) fn suspect(&self, id: u32, started: Time) {
        if let Some(link) = self.links.borrow().get(&id) {
            link.suspect(started);
        }
    }

    fn start_sweeping(&self, session: &Rc<Session>) {
        if !self.sweeping.replace(true) {
            let partitions = Rc::downgrade(session.partitions());
            session.runtime().spawn(sweep(partitions)).detach();
        }
    }

    /// Closes what was not used for long.
    fn close_idle(&self, since: Time) {
        self.links
            .borrow_mut()
            .retain(|_, link| !link.is_idle_since(since));
        let links = self.links.borrow();
        self.paths.borrow_mut().retain(|id, _| links.contains_key(id));
    }
}

/// A datanode as errors name it.
pub(crate) fn peer(id: u32) -> String {
    format!("datanode {id}")
}

/// Ends when no connection is left; the next one starts it again.
async fn sweep(partitions: Weak<Partitions>) {
    loop {
        let Some((runtime, idle)) = partitions
            .upgrade()
            .map(|shared| (shared.runtime.clone(), shared.options.idle_close))
        else {
            return;
        };
        runtime.sleep(idle / 2).await;
        let Some(shared) = partitions.upgrade() else {
            return;
        };
        let datanodes = &shared.datanodes;
        let idle_since = Duration::from_nanos(runtime.now().0).saturating_sub(idle);
        datanodes.close_idle(Time(0) + idle_since);
        if datanodes.links.borrow().is_empty() {
            datanodes.sweeping.set(false);
            return;
        }
    }
}

/// Asks the namenode where the datanode is and tries its endpoints in turn.
async fn connect(session: Rc<Session>, id: u32) -> Result<Client, Error> {
    let Some(datanode) = look_up(&session, id).await? else {
        return Err(unavailable(id, "the namenode does not know it"));
    };
    if !datanode.alive {
        return Err(unavailable(id, "the namenode has not heard of it for a while"));
    }
    let site = session.site(&datanode.host);
    let transport = session.options().transport;
    let choice = Choice::of(&datanode.endpoints, site, &session.address(), transport);
    let is_it = async |client: &Client| match site {
        Site::Here => identify(&session, client, datanode.incarnation).await,
        // An address that its owner told for others is believed.
        _ => Ok(()),
    };
    let (found, tried) = session.first_of(&choice.addresses, is_it).await;
    let Some((client, address)) = found else {
        return Err(match tried.last() {
            Some((address, missed)) => missed_failure(missed, &format!("{} {address}", peer(id))),
            None => unavailable(
                id,
                &format!("it has no endpoint that this client may use ({})", choice.lack),
            ),
        });
    };
    if let Some(failed) = path::better_that_failed(&address, &tried) {
        session.tell_fallback(Some(id), &address, &failed);
    }
    let path = PeerPath {
        datanode: Some(id),
        hindrance: choice.hindrance(&address, &tried),
        address,
        partition: 0,
    };
    session.datanodes().paths.borrow_mut().insert(id, path);
    Ok(client)
}

/// What the session's namenode knows of a datanode. They register with partition 0, so that one knows if another does not.
async fn look_up(session: &Rc<Session>, id: u32) -> Result<Option<Datanode>, Error> {
    let ask = async |session: &Rc<Session>| {
        let found = Pending::start(session, ListDatanodes { ids: vec![id] }).await?;
        Ok(found.into_iter().find(|datanode| datanode.id == id))
    };
    let found: Option<Datanode> = ask(session).await?;
    let is_useful = |datanode: &Datanode| datanode.alive && !datanode.endpoints.is_empty();
    match session.partitions().session(0) {
        Some(first) if first.number() != session.number() && !found.as_ref().is_some_and(is_useful) => {
            ask(&first).await
        }
        _ => Ok(found),
    }
}

/// Whether the datanode of this incarnation answers. A path may be that of another container's.
async fn identify(session: &Session, client: &Client, incarnation: u64) -> Result<(), Missed> {
    if status(session, client).await? == incarnation {
        return Ok(());
    }
    session.runtime().sleep(REGISTRATION_LAG).await;
    match status(session, client).await? {
        answered if answered == incarnation => Ok(()),
        _ => Err(Missed::Stranger),
    }
}

/// The incarnation of who answers.
async fn status(session: &Session, client: &Client) -> Result<u64, Missed> {
    let deadline = session.runtime().now() + session.options().connect_deadline;
    let reply = client
        .call_until(method::STATUS, &StatusRequest {}, deadline)
        .await?;
    Ok(StatusReplyView::parse(&reply.message)?.incarnation())
}

fn unavailable(id: u32, detail: &str) -> Error {
    Error::Unavailable {
        peer: peer(id).into(),
        may_have_run: false,
        detail: detail.into(),
    }
}
