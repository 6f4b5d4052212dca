//! One client: a series of lives, each of which ends with the plan's operations or with a crash.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::sim::NodeId;
use crake_datapath::{Runtime, Time};
use crake_store::{ConnectOptions, Error, Store, Table};

use crate::keys::Keys;
use crate::model::Tree;
use crate::readers::Kept;
use crate::timed::TimedNodes;
use crate::watchers::Mirror;
use crate::world::World;

/// The table that all clients write.
pub const SHARED_TABLE: &str = "/shared";
/// The directory in which all clients write.
pub const SHARED_DIRECTORY: &str = "/together";
/// The directory of files that are read while they are written, each by who wrote it.
pub const GROWING_DIRECTORY: &str = "/growing";

/// What a client is, beyond its lives.
pub struct Client {
    /// Counted from 0.
    pub number: u32,
    /// Where it runs.
    pub node: NodeId,
    /// What it knows of its own directory.
    pub tree: RefCell<Tree>,
    /// What it knows of its own table.
    pub keys: RefCell<Keys>,
    /// Its names are numbered, so that a tainted one is never used again.
    pub names: Cell<u32>,
    /// What it made that ends by itself.
    pub timed: TimedNodes,
    /// A directory of its own that gets another name now and then.
    pub moving: RefCell<Option<String>>,
    operations_left: Cell<u32>,
    doing: RefCell<String>,
    verbose: bool,
    runtime: RefCell<Option<Runtime>>,
    store: RefCell<Option<Store>>,
}

/// What an operation of a living client needs.
pub struct Life {
    /// The cluster and the faults.
    pub world: Rc<World>,
    /// Who lives.
    pub client: Rc<Client>,
    /// Its connection to the cluster.
    pub store: Store,
    /// Its own table.
    pub own: Table,
    /// Everybody's table.
    pub shared: Table,
    /// Files that it has opened and goes on reading, whatever becomes of them.
    pub kept: RefCell<Vec<Kept>>,
    /// The names of its own directory as it is told of them.
    pub mirror: RefCell<Option<Mirror>>,
}

impl Client {
    /// A client that has not lived yet.
    pub fn new(world: &World, number: u32) -> Rc<Client> {
        Rc::new(Client {
            number,
            node: world.client_node(number),
            tree: RefCell::default(),
            keys: RefCell::default(),
            names: Cell::new(0),
            timed: TimedNodes::default(),
            moving: RefCell::default(),
            operations_left: Cell::new(world.plan.operations),
            doing: RefCell::new("nothing".to_owned()),
            verbose: world.is_verbose(),
            runtime: RefCell::new(None),
            store: RefCell::new(None),
        })
    }

    /// Its directory.
    pub fn directory(&self) -> String {
        format!("/client-{}", self.number)
    }

    /// The path of its table.
    pub fn table(&self) -> String {
        format!("/table-{}", self.number)
    }

    /// The whole path of a name in its directory; empty: the directory.
    pub fn path(&self, name: &str) -> String {
        match name {
            "" => self.directory(),
            name => format!("{}/{name}", self.directory()),
        }
    }

    /// Whether it has done all that it was to do.
    pub fn is_done(&self) -> bool {
        self.operations_left.get() == 0
    }

    /// What it does, for the message that says that it hangs.
    pub fn doing(&self) -> String {
        self.doing.borrow().clone()
    }

    /// Notes what it is about to do.
    pub fn does(&self, what: impl Into<String>) {
        let what = what.into();
        self.notes(&what);
        *self.doing.borrow_mut() = what;
    }

    /// Says what happens, if somebody wants to read it.
    pub fn notes(&self, what: impl fmt::Display) {
        if let Some(runtime) = self.runtime.borrow().as_ref().filter(|_| self.verbose) {
            eprintln!(
                "{:>14.6?} client {}: {what}",
                runtime.now() - Time(0),
                self.number
            );
        }
    }

    /// A number that changes whenever it has ended an operation.
    pub fn operations_left(&self) -> u32 {
        self.operations_left.get()
    }

    /// Its runtime, while it lives.
    pub fn runtime(&self) -> Option<Runtime> {
        self.runtime.borrow().clone()
    }

    /// Its connection, while it lives and has one: others have it look at things.
    pub fn store(&self) -> Option<Store> {
        self.store.borrow().clone()
    }

    /// Begins a life.
    pub fn start(self: &Rc<Client>, world: &Rc<World>) {
        let runtime = world.network.runtime(self.node);
        *self.runtime.borrow_mut() = Some(runtime.clone());
        runtime
            .spawn(live(world.clone(), self.clone(), runtime.clone()))
            .detach();
    }

    /// Dies in the middle of what it does, and begins anew.
    pub fn crash(self: &Rc<Client>, world: &Rc<World>) {
        self.notes("dies");
        self.store.take();
        world.network.crash(self.node, world.any_crash());
        self.start(world);
    }
}

async fn live(world: Rc<World>, client: Rc<Client>, runtime: Runtime) {
    let life = settle_in(&world, &client, &runtime).await;
    *client.store.borrow_mut() = Some(life.store.clone());
    life.look_in_mirror().await;
    while !client.is_done() {
        life.operation().await;
        if client.operations_left.get() == 1 {
            // Before it counts as done: from then on nobody is to change anything.
            life.look_in_mirror().await;
        }
        client.operations_left.set(client.operations_left.get() - 1);
        if world.random.chance(300) {
            client.does("sleeping");
            runtime
                .sleep(world.random.duration(Duration::ZERO, Duration::from_millis(100)))
                .await;
        }
    }
    client.store.take();
    client.does("nothing");
}

/// Connects, however long that takes: faults end at last.
pub async fn connect(world: &World, runtime: &Runtime) -> Store {
    loop {
        let options = ConnectOptions {
            servers: world.servers(),
            deadline: Duration::from_secs(2),
            connect_deadline: Duration::from_millis(500),
            slice_bytes: 64 << 10,
            ..ConnectOptions::default()
        };
        match Store::connect_with(runtime, options).await {
            Ok(store) => return store,
            Err(error) if is_transient(&error) => runtime.sleep(Duration::from_millis(50)).await,
            Err(error) => world.violate(format!("connecting: {error}")),
        }
    }
}

/// Makes, or finds, the directory and the tables. As long as that fails it connects anew: the one that moves may be elsewhere by now.
async fn settle_in(world: &Rc<World>, client: &Rc<Client>, runtime: &Runtime) -> Life {
    loop {
        client.does("connecting");
        let store = connect(world, runtime).await;
        client.does("settling in");
        let made = async {
            store.make_dir(&client.directory(), true).await?;
            store.make_dir(SHARED_DIRECTORY, true).await?;
            store.make_dir(GROWING_DIRECTORY, true).await?;
            store.make_dir(&client.second_moving_directory(), true).await?;
            let own = store.make_table(&client.table(), true).await?;
            Ok((own, store.make_table(SHARED_TABLE, true).await?))
        };
        match made.await {
            Ok((own, shared)) => {
                return Life {
                    world: world.clone(),
                    client: client.clone(),
                    store,
                    own,
                    shared,
                    kept: RefCell::default(),
                    mirror: RefCell::default(),
                };
            }
            Err(error) if is_transient(&error) => runtime.sleep(Duration::from_millis(50)).await,
            Err(error) => {
                world.violate(format!("{}: {error}", client.directory()));
                runtime.sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether an operation may fail like this only because something is broken or full at this moment.
pub fn is_transient(error: &Error) -> bool {
    matches!(
        error,
        Error::Unavailable { .. }
            | Error::TimedOut { .. }
            | Error::NoSpace { .. }
            | Error::Full { .. }
            | Error::Busy { .. }
    )
}

impl Life {
    async fn operation(&self) {
        match self.world.random.below(61) {
            0..=3 => self.write_file().await,
            4 => self.append_file().await,
            5..=8 => self.read_file().await,
            9 => self.make_directory().await,
            10 => self.rename().await,
            11 => self.delete().await,
            12 => self.list().await,
            13 | 14 => self.put().await,
            15 => self.get().await,
            16 => self.remove().await,
            17 => self.scan().await,
            18 => self.put_shared().await,
            19..=20 => self.open_and_keep().await,
            21..=23 => self.read_kept().await,
            24 => self.write_together().await,
            25 => self.read_together().await,
            26 => self.delete_together().await,
            27..=28 | 48..=51 => self.look_together().await,
            29..=30 => self.look_up().await,
            31..=32 | 52..=54 => self.write_over_together().await,
            33..=36 => self.look_in_mirror().await,
            37 => self.write_and_follow().await,
            38 => self.write_parts().await,
            39 | 40 => self.work_in_job().await,
            41 => self.add().await,
            42 => self.look_at_counter().await,
            43 => self.multi_put().await,
            44 => self.make_timed().await,
            45 => self.move_end().await,
            46 | 47 => self.look_at_timed().await,
            55..=57 => self.move_directory().await,
            58 => self.write_alone().await,
            60 => {
                self.accuse_all().await;
                self.look_at_ties().await;
            }
            _ => self.get_shared().await,
        }
    }
}
