//! A namespace whose soundness is checked after each command, with short forms of the commands.

use crake_server::namenode::command::{
    Attributes, Block, Condition, Create, Entry, Kind, LeaseId, NodeId, Now, PendingId, Put, Register,
    SessionId,
};
use crake_server::namenode::{Command, Config, Failure, Namespace, Reply};

pub const ROOT: NodeId = NodeId::ROOT;
pub const A: SessionId = SessionId(0xa);
pub const B: SessionId = SessionId(0xb);
pub const SECOND: u64 = 1_000_000_000;
pub const MIB: u64 = 1 << 20;

pub struct World {
    pub namespace: Namespace,
    pub now: Now,
}

/// An open file, as its writer knows it.
#[derive(Clone, Debug)]
pub struct Opened {
    pub node: Attributes,
    pub lease: LeaseId,
    pub blocks: Vec<Block>,
}

impl World {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let now = Now {
            mono_ns: 0,
            wall_ns: 1_000 * SECOND,
        };
        Self {
            namespace: Namespace::new(config),
            now,
        }
    }

    /// With a datanode of so many MiB.
    pub fn with_memory(mib: u64) -> Self {
        let mut world = Self::new();
        world.register("datanode", 1, mib * MIB);
        world
    }

    /// Runs a command, hands the reply over, and checks the namespace; one that is refused must not have changed it.
    pub fn run<T>(
        &mut self,
        session: SessionId,
        command: Command<'_>,
        take: impl FnOnce(Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        self.namespace.apply(self.now, session, &Command::Renew).unwrap();
        let before = self.namespace.fingerprint();
        let result = self.namespace.apply(self.now, session, &command).map(take);
        if let Err(failure) = &result {
            assert_eq!(
                self.namespace.fingerprint(),
                before,
                "{command:?} failed with {failure:?} and changed something"
            );
        }
        self.check();
        result
    }

    pub fn check(&self) {
        self.namespace.check().unwrap();
    }

    pub fn pass(&mut self, nanoseconds: u64) {
        self.now.mono_ns += nanoseconds;
        self.now.wall_ns += nanoseconds;
        self.namespace.advance(self.now);
        self.check();
    }

    pub fn create(&mut self, request: Create<'_>) -> Result<Opened, Failure> {
        self.open(A, Command::Create(request))
    }

    pub fn open(&mut self, session: SessionId, command: Command<'_>) -> Result<Opened, Failure> {
        self.run(session, command, |reply| match reply {
            Reply::Opened { node, lease, blocks } => Opened {
                node,
                lease,
                blocks: blocks.to_vec(),
            },
            other => panic!("{other:?}"),
        })
    }

    pub fn make(&mut self, path: &str, kind: Kind) -> Result<Opened, Failure> {
        self.create(Create {
            path,
            kind,
            ..Create::default()
        })
    }

    pub fn directory(&mut self, path: &str) -> Attributes {
        self.make(path, Kind::Directory).unwrap().node
    }

    pub fn file(&mut self, path: &str) -> Opened {
        self.make(path, Kind::File).unwrap()
    }

    /// A sealed file of this size.
    pub fn written(&mut self, path: &str, size: u64) -> Attributes {
        let file = self.file(path);
        if size > 0 {
            let mut capacity = 0;
            while capacity < size {
                let blocks = self.allocate(&file, capacity, size - capacity).unwrap();
                capacity += blocks.iter().map(|block| u64::from(block.length)).sum::<u64>();
            }
        }
        self.publish(&file, size, true).unwrap()
    }

    pub fn append(&mut self, session: SessionId, path: &str) -> Result<Opened, Failure> {
        self.open(session, Command::Append { base: ROOT, path })
    }

    pub fn allocate(&mut self, file: &Opened, offset: u64, want: u64) -> Result<Vec<Block>, Failure> {
        let command = Command::Allocate {
            node: file.node.id,
            lease: file.lease,
            offset,
            want,
        };
        self.run(A, command, blocks_of)
    }

    pub fn blocks(&mut self, node: NodeId, offset: u64, limit: u32) -> Result<Vec<Block>, Failure> {
        self.run(A, Command::Blocks { node, offset, limit }, blocks_of)
    }

    pub fn publish(&mut self, file: &Opened, size: u64, seal: bool) -> Result<Attributes, Failure> {
        self.publish_as(A, file, size, seal)
    }

    pub fn publish_as(
        &mut self,
        session: SessionId,
        file: &Opened,
        size: u64,
        seal: bool,
    ) -> Result<Attributes, Failure> {
        let command = Command::Publish {
            node: file.node.id,
            lease: file.lease,
            size,
            seal,
        };
        self.run(session, command, node_of)
    }

    pub fn lookup(&mut self, path: &str) -> Result<Attributes, Failure> {
        self.lookup_from(ROOT, path)
    }

    pub fn lookup_from(&mut self, base: NodeId, path: &str) -> Result<Attributes, Failure> {
        self.run(
            A,
            Command::Lookup {
                base,
                path,
                blocks: false,
            },
            node_of,
        )
    }

    pub fn first_blocks(&mut self, path: &str) -> Vec<Block> {
        let command = Command::Lookup {
            base: ROOT,
            path,
            blocks: true,
        };
        let take = |reply: Reply<'_>| match reply {
            Reply::Node { blocks, .. } => blocks.to_vec(),
            other => panic!("{other:?}"),
        };
        self.run(A, command, take).unwrap()
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Result<Attributes, Failure> {
        self.rename_with(from, to, false)
    }

    pub fn rename_with(&mut self, from: &str, to: &str, no_replace: bool) -> Result<Attributes, Failure> {
        self.run(
            A,
            Command::Rename {
                from_base: ROOT,
                from,
                to_base: ROOT,
                to,
                no_replace,
            },
            node_of,
        )
    }

    pub fn delete(&mut self, path: &str, recursive: bool) -> Result<u64, Failure> {
        self.run(
            A,
            Command::Delete {
                base: ROOT,
                path,
                recursive,
            },
            |reply| match reply {
                Reply::Deleted { nodes } => nodes,
                other => panic!("{other:?}"),
            },
        )
    }

    /// A page: names, and whether there are more.
    pub fn page(
        &mut self,
        path: &str,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<(Vec<String>, bool), Failure> {
        let (prefix, after) = (prefix.as_bytes(), after.as_bytes());
        self.run(
            A,
            Command::List {
                base: ROOT,
                path,
                prefix,
                after,
                limit,
                blocks: false,
            },
            |reply| match reply {
                Reply::List { entries, more, .. } => (entries.map(|entry| name_of(&entry)).collect(), more),
                other => panic!("{other:?}"),
            },
        )
    }

    /// All names.
    pub fn names(&mut self, path: &str) -> Vec<String> {
        let (names, more) = self.page(path, "", "", 0).unwrap();
        assert!(!more);
        names
    }

    pub fn put(&mut self, key: &[u8], value: &[u8], condition: Condition) -> Result<u64, Failure> {
        let put = Put {
            path: "/t",
            key,
            value,
            condition,
            ..Put::default()
        };
        self.run(A, Command::Put(put), |reply| match reply {
            Reply::Put {
                version,
                pending: PendingId(0),
                blocks: [],
            } => version,
            other => panic!("{other:?}"),
        })
    }

    pub fn put_large(
        &mut self,
        key: &[u8],
        size: u64,
        condition: Condition,
    ) -> Result<(PendingId, Vec<Block>), Failure> {
        let put = Put {
            path: "/t",
            key,
            size,
            condition,
            large: true,
            ..Put::default()
        };
        self.run(A, Command::Put(put), |reply| match reply {
            Reply::Put {
                version: 0,
                pending,
                blocks,
            } => (pending, blocks.to_vec()),
            other => panic!("{other:?}"),
        })
    }

    pub fn commit(&mut self, pending: PendingId, abort: bool) -> Result<u64, Failure> {
        self.run(A, Command::PutCommit { pending, abort }, |reply| match reply {
            Reply::Put { version, .. } => version,
            other => panic!("{other:?}"),
        })
    }

    pub fn get(&mut self, key: &[u8]) -> Result<Got, Failure> {
        self.run(
            A,
            Command::Get {
                table: ROOT,
                path: "/t",
                key,
            },
            |reply| match reply {
                Reply::Value(value) => Got::new(&value),
                other => panic!("{other:?}"),
            },
        )
    }

    pub fn remove(&mut self, key: &[u8], condition: Condition) -> Result<bool, Failure> {
        self.run(
            A,
            Command::Remove {
                table: ROOT,
                path: "/t",
                key,
                condition,
            },
            |reply| match reply {
                Reply::Removed { removed } => removed,
                other => panic!("{other:?}"),
            },
        )
    }

    pub fn register(&mut self, name: &str, incarnation: u64, capacity: u64) -> u32 {
        let endpoints = &["tcp://10.0.0.1:50020"][..];
        self.register_with(Register {
            name,
            incarnation,
            capacity,
            endpoints,
            ..Register::default()
        })
    }

    pub fn register_with(&mut self, request: Register<'_>) -> u32 {
        self.run(A, Command::Register(request), |reply| match reply {
            Reply::Registered {
                datanode,
                reset: false,
                ..
            } => datanode,
            other => panic!("{other:?}"),
        })
        .unwrap()
    }

    pub fn heartbeat(&mut self, datanode: u32, incarnation: u64) -> bool {
        self.run(
            A,
            Command::Heartbeat {
                datanode,
                incarnation,
            },
            |reply| match reply {
                Reply::Heartbeat { known } => known,
                other => panic!("{other:?}"),
            },
        )
        .unwrap()
    }

    /// Capacity and use of live datanodes, in bytes.
    pub fn space(&mut self) -> (u64, u64) {
        self.usage(|usage| (usage.capacity, usage.used))
    }

    pub fn used(&mut self) -> u64 {
        self.space().1
    }

    pub fn usage<T>(&mut self, take: impl FnOnce(crake_server::namenode::command::Usage) -> T) -> T {
        self.run(A, Command::Usage, |reply| match reply {
            Reply::Usage { usage, .. } => take(usage),
            other => panic!("{other:?}"),
        })
        .unwrap()
    }
}

/// A value that owns its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Got {
    pub found: bool,
    pub version: u64,
    pub size: u64,
    pub inline: Vec<u8>,
    pub blocks: Vec<Block>,
    pub node: NodeId,
}

impl Got {
    pub fn new(value: &crake_server::namenode::command::Value<'_>) -> Self {
        Self {
            found: value.found,
            version: value.version,
            size: value.size,
            inline: value.inline_value.to_vec(),
            blocks: value.blocks.to_vec(),
            node: value.node,
        }
    }
}

fn node_of(reply: Reply<'_>) -> Attributes {
    match reply {
        Reply::Node { node, .. } => node,
        other => panic!("{other:?}"),
    }
}

fn blocks_of(reply: Reply<'_>) -> Vec<Block> {
    match reply {
        Reply::Blocks { blocks, .. } => blocks.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn name_of(entry: &Entry<'_>) -> String {
    String::from_utf8(entry.name.to_vec()).unwrap()
}

pub fn lengths(blocks: &[Block]) -> Vec<u64> {
    blocks.iter().map(|block| u64::from(block.length)).collect()
}
