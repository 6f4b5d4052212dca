//! Connections to datanodes: one for each, made when the first block there is touched.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::{Address, Time};
use crake_rpc::Client;

use crate::in_place::MappedTier;
use crate::link::Link;
use crate::operation::ListDatanodes;
use crate::pending::Pending;
use crate::session::Session;
use crate::{Error, Transport};

/// A datanode as the namenode knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datanode {
    /// Its number in block handles.
    pub id: u32,
    /// Changes each time that its tier starts empty.
    pub incarnation: u64,
    /// Where it listens, best first.
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
}

/// The datanodes that this store has connections to.
#[derive(Default)]
pub(crate) struct Datanodes {
    links: RefCell<BTreeMap<u32, Rc<Link>>>,
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
        self.links.borrow().get(&id)?.tier(now)
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

    /// A call of `started` was not answered in time.
    pub(crate) fn suspect(&self, id: u32, started: Time) {
        if let Some(link) = self.links.borrow().get(&id) {
            link.suspect(started);
        }
    }

    fn start_sweeping(&self, session: &Rc<Session>) {
        if !self.sweeping.replace(true) {
            session.runtime().spawn(sweep(Rc::downgrade(session))).detach();
        }
    }

    /// Closes what was not used for long.
    fn close_idle(&self, since: Time) {
        self.links
            .borrow_mut()
            .retain(|_, link| !link.is_idle_since(since));
    }
}

/// A datanode as errors name it.
pub(crate) fn peer(id: u32) -> String {
    format!("datanode {id}")
}

/// Ends when no connection is left; the next one starts it again.
async fn sweep(session: Weak<Session>) {
    loop {
        let Some((runtime, idle)) = session
            .upgrade()
            .map(|session| (session.runtime().clone(), session.options().idle_close))
        else {
            return;
        };
        runtime.sleep(idle / 2).await;
        let Some(session) = session.upgrade() else { return };
        let datanodes = session.datanodes();
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
    let found = Pending::start(&session, ListDatanodes { ids: vec![id] }).await?;
    let Some(datanode) = found.iter().find(|datanode| datanode.id == id) else {
        return Err(unavailable(id, "the namenode does not know it"));
    };
    if !datanode.alive {
        return Err(unavailable(id, "the namenode has not heard of it for a while"));
    }
    let mut outcome = Err(unavailable(id, "it has no endpoint that this client may use"));
    for address in usable(
        &datanode.endpoints,
        session.address(),
        session.options().transport,
    ) {
        outcome = session
            .connect(&address, &format!("datanode {id} {address}"))
            .await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn unavailable(id: u32, detail: &str) -> Error {
    Error::Unavailable {
        peer: peer(id).into(),
        may_have_run: false,
        detail: detail.into(),
    }
}

/// The endpoints worth trying, best first: those of the same kind as the namenode's connection, then the others in
/// the datanode's order. Sockets of this host only if the namenode is on it too: a path or name
/// means something else on every host.
fn usable(endpoints: &[String], namenode: &Address, transport: Transport) -> Vec<Address> {
    let mut addresses = endpoints
        .iter()
        .filter_map(|endpoint| endpoint.parse::<Address>().ok())
        .filter(|address| permits(transport, address))
        .filter(|address| !is_local(address) || is_local(namenode) || is_loopback(namenode))
        .collect::<Vec<_>>();
    addresses.sort_by_key(|address| !is_same_kind(address, namenode));
    addresses
}

fn permits(transport: Transport, address: &Address) -> bool {
    match transport {
        Transport::Auto => true,
        Transport::Tcp => matches!(address, Address::Tcp(_)),
        Transport::Unix => matches!(address, Address::Unix(_)),
        Transport::Shm => matches!(address, Address::Shm(_)),
    }
}

fn is_local(address: &Address) -> bool {
    matches!(address, Address::Unix(_) | Address::Shm(_) | Address::Local(_))
}

fn is_loopback(address: &Address) -> bool {
    matches!(address, Address::Tcp(socket) if socket.ip().is_loopback())
}

fn is_same_kind(left: &Address, right: &Address) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(endpoints: &[&str], namenode: &str, transport: Transport) -> Vec<String> {
        let endpoints = endpoints.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let found = usable(&endpoints, &namenode.parse().unwrap(), transport);
        found.iter().map(Address::to_string).collect()
    }

    const BOTH: &[&str] = &["unix:///run/d.sock", "tcp://10.0.0.2:50020"];

    #[test]
    fn the_kind_of_the_namenodes_connection_comes_first() {
        assert_eq!(
            order(BOTH, "unix:///run/n.sock", Transport::Auto),
            [BOTH[0], BOTH[1]]
        );
        assert_eq!(
            order(BOTH, "tcp://127.0.0.1:9060", Transport::Auto),
            [BOTH[1], BOTH[0]]
        );
    }

    #[test]
    fn sockets_of_another_host_are_not_tried() {
        assert_eq!(order(BOTH, "tcp://10.0.0.1:9060", Transport::Auto), [BOTH[1]]);
        assert!(order(&["local://d"], "tcp://10.0.0.1:9060", Transport::Auto).is_empty());
    }

    #[test]
    fn the_callers_choice_is_kept_to() {
        assert_eq!(order(BOTH, "tcp://127.0.0.1:9060", Transport::Unix), [BOTH[0]]);
        assert_eq!(order(BOTH, "unix:///run/n.sock", Transport::Tcp), [BOTH[1]]);
        assert!(order(BOTH, "unix:///run/n.sock", Transport::Shm).is_empty());
        assert_eq!(
            order(&["shm:///run/d"], "tcp://127.0.0.1:9060", Transport::Shm),
            ["shm:///run/d"]
        );
        assert!(order(&["shm:///run/d"], "tcp://10.0.0.1:9060", Transport::Auto).is_empty());
    }

    #[test]
    fn endpoints_of_kinds_unknown_here_are_passed_over() {
        assert_eq!(
            order(
                &["rdma://x", "tcp://10.0.0.2:1"],
                "tcp://10.0.0.1:1",
                Transport::Auto
            ),
            ["tcp://10.0.0.2:1"]
        );
    }
}
