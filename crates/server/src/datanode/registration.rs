//! Keeps a datanode registered with its namenode, whichever of the two restarts.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crake_datapath::{Address, Runtime};
use crake_rpc::{CallError, CallOptions, Client, ClientConfig, ClientId, ConnectError};
use crake_store::protocol::namenode::{
    HeartbeatReplyView, HeartbeatRequest, RegisterReplyView, RegisterRequest, namenode as method,
};
use crake_store::protocol::role;
use crake_wire::WireError;

use super::blocks::Identity;
use super::service::DatanodeService;
use crate::mac::Signer;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REGISTER_TIMEOUT: Duration = Duration::from_secs(3);
/// Between attempts: doubles from the first to the longest, with up to half as much again at random, so that the
/// datanodes of a cluster do not come back all at once.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A namenode answers a new incarnation at once. One that does not is broken, and must not be asked in a loop.
const RESETS_MAX: usize = 3;

/// What a datanode says of itself.
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) capacity_bytes: u64,
    pub(crate) endpoints: Vec<String>,
    pub(crate) host: String,
    pub(crate) location_class: u64,
    pub(crate) storage_class: u32,
}

/// How a datanode stands with its namenode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// It is looking for the namenode. Blocks of before are served meanwhile.
    Searching {
        /// Why the last attempt failed; empty before the first one has.
        error: String,
    },
    /// The namenode knows it.
    Registered {
        /// The number in its handles.
        datanode: u32,
        /// The incarnation in its handles.
        incarnation: u64,
        /// Incarnation of the namenode.
        namenode: u64,
    },
}

/// A [`Registration`] that can be waited for.
pub(crate) struct Standing {
    registration: RefCell<Registration>,
    waiting: RefCell<Vec<Waker>>,
}

impl Standing {
    pub(crate) fn new() -> Rc<Standing> {
        Rc::new(Standing {
            registration: RefCell::new(Registration::Searching { error: String::new() }),
            waiting: RefCell::default(),
        })
    }

    pub(crate) fn registration(&self) -> Registration {
        self.registration.borrow().clone()
    }

    /// Done when the datanode is registered.
    pub(crate) async fn registered(&self) {
        poll_fn(|cx| match &*self.registration.borrow() {
            Registration::Registered { .. } => Poll::Ready(()),
            Registration::Searching { .. } => {
                self.waiting.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }

    fn set(&self, registration: Registration) {
        self.registration.replace(registration);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// Why a datanode is not registered.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the namenode's answer: {0}")]
    Answer(#[from] WireError),
    #[error("the namenode's answer has no secret of 16 bytes")]
    NoSecret,
    #[error("the namenode takes no incarnation")]
    NeverTaken,
}

/// Registers, sends heartbeats, and begins anew when either side has restarted.
pub(crate) struct Registrar {
    pub(crate) runtime: Runtime,
    pub(crate) namenode: Vec<Address>,
    pub(crate) profile: Profile,
    pub(crate) service: Rc<RefCell<DatanodeService>>,
    pub(crate) standing: Rc<Standing>,
    life: Life,
}

/// What the memory of the datanode is to whom.
struct Life {
    incarnation: u64,
    /// Incarnation of the namenode that the blocks belong to, 0 if there are none.
    namenode: u64,
}

impl Life {
    fn begin(runtime: &Runtime) -> Life {
        Life {
            incarnation: runtime.random() | 1,
            namenode: 0,
        }
    }
}

impl Registrar {
    /// `life`: an incarnation, and that of the namenode that knows it; `None` begins one.
    pub(crate) fn new(
        runtime: &Runtime,
        namenode: Vec<Address>,
        profile: Profile,
        life: Option<(u64, u64)>,
        service: &Rc<RefCell<DatanodeService>>,
        standing: &Rc<Standing>,
    ) -> Registrar {
        let life = life.map(|(incarnation, namenode)| Life {
            incarnation,
            namenode,
        });
        Registrar {
            runtime: runtime.clone(),
            namenode,
            profile,
            service: service.clone(),
            standing: standing.clone(),
            life: life.unwrap_or_else(|| Life::begin(runtime)),
        }
    }

    /// Goes on until it is dropped. The namenode's addresses are tried in turn.
    pub(crate) async fn run(mut self) {
        let client = ClientId(u128::from(self.runtime.random()) << 64 | u128::from(self.runtime.random()));
        let mut pause = PAUSE_FIRST;
        for at in (0..self.namenode.len()).cycle() {
            let address = self.namenode[at].clone();
            let Err(failure) = self.stay_registered(&address, client).await;
            if let Registration::Registered { .. } = self.standing.registration() {
                pause = PAUSE_FIRST;
            }
            let error = format!("namenode {address}: {failure}");
            tracing::warn!(name = self.profile.name, %error, "not registered");
            self.standing.set(Registration::Searching { error });
            let random = Duration::from_nanos(self.runtime.random() % (pause.as_nanos() as u64 / 2));
            self.runtime.sleep(pause + random).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Connects, registers, and sends heartbeats as long as they are answered.
    async fn stay_registered(&mut self, address: &Address, client: ClientId) -> Result<Infallible, Failure> {
        let config = ClientConfig {
            client,
            role: role::DATANODE,
            connect_timeout: CONNECT_TIMEOUT,
            call_timeout: REGISTER_TIMEOUT,
            ..ClientConfig::default()
        };
        let client = Client::connect(&self.runtime, address, config).await?;
        let mut every = self.register(&client).await?;
        loop {
            self.runtime.sleep(every).await;
            if !self.heartbeat(&client, every).await? {
                every = self.register(&client).await?;
            }
        }
    }

    /// Makes this datanode known, with another incarnation if the namenode does not know its blocks. Gives the time
    /// between heartbeats.
    async fn register(&mut self, client: &Client) -> Result<Duration, Failure> {
        for _ in 0..RESETS_MAX {
            let reply = client
                .call(method::REGISTER, &self.request(), CallOptions::new())
                .await?;
            let reply = RegisterReplyView::parse(&reply.message)?;
            if reply.reset()? {
                self.tell_loss();
                self.life = Life::begin(&self.runtime);
                continue;
            }
            let secret = reply.secret()?.try_into().map_err(|_| Failure::NoSecret)?;
            self.service.borrow_mut().identify(Identity {
                datanode: reply.datanode(),
                incarnation: self.life.incarnation,
                namenode: reply.namenode(),
                signer: Signer::new(secret),
            });
            self.life.namenode = reply.namenode();
            self.standing.set(Registration::Registered {
                datanode: reply.datanode(),
                incarnation: self.life.incarnation,
                namenode: reply.namenode(),
            });
            return Ok(Duration::from_millis(u64::from(reply.heartbeat_ms().max(1))));
        }
        Err(Failure::NeverTaken)
    }

    /// The namenode does not know the blocks, so nobody has any use for them.
    fn tell_loss(&self) {
        let (blocks, bytes) = self.service.borrow_mut().blocks_mut().written();
        if blocks > 0 {
            let name = &self.profile.name;
            tracing::warn!(
                name,
                blocks,
                bytes,
                "the namenode does not know these blocks: they are given up"
            );
        }
    }

    fn request(&self) -> impl crake_wire::Encode + '_ {
        Registering {
            endpoints: self.profile.endpoints.iter().map(String::as_str).collect(),
            profile: &self.profile,
            life: &self.life,
        }
    }

    /// Whether the namenode still knows this datanode.
    async fn heartbeat(&self, client: &Client, every: Duration) -> Result<bool, Failure> {
        let Registration::Registered {
            datanode,
            incarnation,
            ..
        } = self.standing.registration()
        else {
            return Ok(false);
        };
        let request = HeartbeatRequest {
            datanode,
            incarnation,
        };
        // An answer that takes longer than this comes close to the time after which the namenode thinks us dead.
        let options = CallOptions::new().timeout(every * 2);
        let reply = client.call(method::HEARTBEAT, &request, options).await?;
        Ok(HeartbeatReplyView::parse(&reply.message)?.known()?)
    }
}

/// A request with the list that it borrows.
struct Registering<'a> {
    endpoints: Vec<&'a str>,
    profile: &'a Profile,
    life: &'a Life,
}

impl Registering<'_> {
    fn message(&self) -> RegisterRequest<'_> {
        RegisterRequest {
            name: &self.profile.name,
            incarnation: self.life.incarnation,
            capacity: self.profile.capacity_bytes,
            endpoints: &self.endpoints,
            location_class: self.profile.location_class,
            storage_class: self.profile.storage_class,
            namenode: self.life.namenode,
            host: &self.profile.host,
        }
    }
}

impl crake_wire::Encode for Registering<'_> {
    fn encoded_len(&self) -> usize {
        self.message().encoded_len()
    }

    fn encode(&self, out: &mut [u8]) {
        self.message().encode(out);
    }
}
