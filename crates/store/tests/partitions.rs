//! Several partitions of a namespace: where paths are led, what is remembered of that, and what is not believed.
//!
//! The partitions are fakes that say what a test has them say. How clients and real ones get on is tested in
//! `crates/server/tests`.

#![allow(
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in functions marked as tests"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_rpc::{Peer, Replies, Request, Server, ServerConfig, Service, Status};
use crake_store::protocol::Code;
use crake_store::protocol::namenode::{self, Kind, namenode as method};
use crake_store::protocol::scan::{Entry, HEAD_BYTES};
use crake_store::protocol::shards::shard_of;
use crake_store::{ConnectOptions, CreateOptions, Error, KeyRange, Node, Store, Table};

/// What is asked: of which partition, by which method, from which base on, and which path.
type Question = (u16, u16, u64, String);

#[derive(Clone)]
enum Say {
    Node(u64, Kind),
    Refer(String),
    Fail(Code),
    /// Entries: name, id, and the other partition's number if it is there. And whether there are more.
    Entries(Vec<(&'static str, u64, Option<u16>)>, bool),
    /// A table: its id, and those of its shards.
    Table(u64, Vec<u64>),
    /// Keys of a scan, and whether there are more.
    Keys(Vec<&'static str>, bool),
    /// The value of a key.
    Value(&'static str),
}

#[derive(Default)]
struct Script {
    says: BTreeMap<Question, Say>,
    asked: Vec<Question>,
    /// Of creates: `branch_of`, `level` and kind.
    branches: Vec<(u32, u32, Kind)>,
    /// Where the partitions say that they are.
    map: Vec<String>,
}

struct Fake {
    number: u16,
    script: Rc<RefCell<Script>>,
}

struct World {
    runtime: Runtime,
    script: Rc<RefCell<Script>>,
    servers: RefCell<Vec<Option<Server>>>,
}

fn at(name: &str) -> Address {
    Address::Local(name.into())
}

impl World {
    fn new(count: u16) -> World {
        let world = World {
            runtime: Runtime::new(RuntimeConfig::default()).unwrap(),
            script: Rc::default(),
            servers: RefCell::default(),
        };
        for number in 0..count {
            let name = format!("partition{number}");
            world.script.borrow_mut().map.push(at(&name).to_string());
            let server = world.serve(number, &name);
            world.servers.borrow_mut().push(Some(server));
        }
        world
    }

    fn serve(&self, number: u16, name: &str) -> Server {
        let fake = Rc::new(RefCell::new(Fake {
            number,
            script: self.script.clone(),
        }));
        Server::bind(&self.runtime, &at(name), ServerConfig::default(), fake).unwrap()
    }

    /// The partition has gone.
    fn stop(&self, number: u16) {
        self.servers.borrow_mut()[usize::from(number)] = None;
    }

    fn say(&self, partition: u16, method: u16, base: u64, path: &str, say: Say) {
        let question = (partition, method, base, path.to_owned());
        self.script.borrow_mut().says.insert(question, say);
    }

    fn refer(&self, partition: u16, method: u16, base: u64, path: &str, referral: &str) {
        self.say(partition, method, base, path, Say::Refer(referral.into()));
    }

    /// What was asked since the last time, without what only keeps leases.
    fn asked(&self) -> Vec<(u16, u64, String)> {
        let asked = std::mem::take(&mut self.script.borrow_mut().asked);
        let asked = asked.into_iter().filter(|question| question.1 != method::RENEW);
        asked
            .map(|(partition, _, base, path)| (partition, base, path))
            .collect()
    }

    fn options(&self, partition: u16) -> ConnectOptions {
        ConnectOptions {
            deadline: Duration::from_millis(1500),
            ..ConnectOptions::to(&at(&format!("partition{partition}")))
        }
    }

    fn run<T>(&self, test: impl AsyncFnOnce(Store) -> T) -> T {
        self.run_with(self.options(0), test)
    }

    fn run_with<T>(&self, options: ConnectOptions, test: impl AsyncFnOnce(Store) -> T) -> T {
        self.runtime.block_on(async {
            let store = Store::connect_with(&self.runtime, options).await.unwrap();
            self.asked();
            let deadline = self.runtime.now_exact() + Duration::from_secs(20);
            let ended = self.runtime.timeout(deadline, test(store)).await;
            ended.expect("the test ends in time")
        })
    }

    async fn sleep(&self, ms: u64) {
        self.runtime.sleep(Duration::from_millis(ms)).await;
    }
}

fn asked(questions: &[(u16, u64, &str)]) -> Vec<(u16, u64, String)> {
    let owned = |&(partition, base, path): &(u16, u64, &str)| (partition, base, path.to_owned());
    questions.iter().map(owned).collect()
}

impl Service for Fake {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            self.answer(request, replies);
        }
    }
}

impl Fake {
    fn answer(&self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let mut script = self.script.borrow_mut();
        let (method, message) = (request.head.method, request.message);
        let (base, path) = match method {
            method::RENEW => {
                let map = script.map.iter().map(String::as_str).collect::<Vec<_>>();
                let reply = namenode::RenewReply {
                    lease_ms: 10_000,
                    incarnation: 100 + u64::from(self.number),
                    partition: self.number.into(),
                    partitions: &map,
                    ..Default::default()
                };
                return replies.send(request, &reply);
            }
            method::USAGE => {
                let one = u64::from(self.number) + 1;
                let datanode = namenode::Datanode {
                    id: 1,
                    used: one,
                    capacity: 10 * one,
                    ..Default::default()
                };
                let reply = namenode::UsageReply {
                    nodes: one,
                    capacity: 10 * one,
                    used: one,
                    datanodes: &[datanode],
                    incarnation: 100 + u64::from(self.number),
                    sessions: 1,
                    leases: 2,
                };
                return replies.send(request, &reply);
            }
            method::CREATE => {
                let view = namenode::CreateRequestView::parse(message).unwrap();
                let branch = (view.branch_of(), view.level(), view.kind().unwrap());
                script.branches.push(branch);
                (view.base(), view.path().unwrap().to_owned())
            }
            method::LIST => {
                let view = namenode::ListRequestView::parse(message).unwrap();
                let after = str::from_utf8(view.after().unwrap()).unwrap();
                (view.base(), format!("{}>{after}", view.path().unwrap()))
            }
            method::RENAME => {
                let view = namenode::RenameRequestView::parse(message).unwrap();
                let (from, to) = (view.from().unwrap(), view.to().unwrap());
                let at = match view.to_partition() {
                    0 => String::new(),
                    number => format!(" at {}", number - 1),
                };
                (view.from_base(), format!("{from} -> {}/{to}{at}", view.to_base()))
            }
            method::DELETE => {
                let view = namenode::DeleteRequestView::parse(message).unwrap();
                (view.base(), view.path().unwrap().to_owned())
            }
            method::OPEN_TABLE => {
                let view = namenode::OpenTableRequestView::parse(message).unwrap();
                (view.base(), view.path().unwrap().to_owned())
            }
            method::GET => {
                let view = namenode::GetRequestView::parse(message).unwrap();
                let key = str::from_utf8(view.key().unwrap()).unwrap();
                (view.table(), key.to_owned())
            }
            method::SCAN => {
                let view = namenode::ScanRequestView::parse(message).unwrap();
                let bound = |bytes| str::from_utf8(bytes).unwrap().to_owned();
                let (after, until) = (bound(view.after().unwrap()), bound(view.until().unwrap()));
                (view.table(), format!(">{after}<{until}"))
            }
            method::BLOCKS => (
                namenode::BlocksRequestView::parse(message).unwrap().node(),
                String::new(),
            ),
            _ => {
                let view = namenode::LookupRequestView::parse(message).unwrap();
                (view.base(), view.path().unwrap().to_owned())
            }
        };
        let question = (self.number, method, base, path);
        let say = script
            .says
            .get(&question)
            .cloned()
            .unwrap_or(Say::Fail(Code::NotFound));
        script.asked.push(question);
        send(request, replies, &say);
    }
}

fn send(request: &Request<'_>, replies: &mut Replies<'_>, say: &Say) {
    let node_of = |id, kind| {
        Some(namenode::Attributes {
            id,
            kind,
            ..Default::default()
        })
    };
    match say {
        Say::Fail(code) => replies.fail(request, Status((*code).into()), ""),
        Say::Refer(referral) => replies.fail(request, Status(Code::Elsewhere.into()), referral),
        Say::Entries(entries, more) => {
            let entry = |&(name, id, elsewhere): &(&'static str, u64, Option<u16>)| namenode::Entry {
                name: name.as_bytes(),
                node: node_of(id, Kind::Directory),
                elsewhere: elsewhere.map_or(0, |partition| u32::from(partition) + 1),
                ..Default::default()
            };
            let entries = entries.iter().map(entry).collect::<Vec<_>>();
            let reply = namenode::ListReply {
                entries: &entries,
                more: *more,
                ..Default::default()
            };
            replies.send(request, &reply);
        }
        Say::Table(id, shards) => {
            let reply = namenode::OpenTableReply {
                node: node_of(*id, Kind::Table),
                shards,
            };
            replies.send(request, &reply);
        }
        Say::Keys(keys, more) => {
            let entries = packed(keys);
            let reply = namenode::ScanReply {
                more: *more,
                entries: &entries,
                ..Default::default()
            };
            replies.send(request, &reply);
        }
        Say::Value(value) => {
            let reply = namenode::Value {
                found: true,
                version: 1,
                inline_value: value.as_bytes(),
                ..Default::default()
            };
            replies.send(request, &reply);
        }
        Say::Node(id, kind) => {
            let node = node_of(*id, *kind);
            match request.head.method {
                method::CREATE => replies.send(
                    request,
                    &namenode::CreateReply {
                        node,
                        ..Default::default()
                    },
                ),
                // A node with such a number is at the partition of its last digit.
                method::RENAME => replies.send(
                    request,
                    &namenode::RenameReply {
                        node,
                        elsewhere: u32::try_from(id.saturating_sub(1_000)).unwrap().min(1)
                            * (*id as u32 % 10 + 1),
                    },
                ),
                method::DELETE => replies.send(request, &namenode::DeleteReply { nodes: 1 }),
                method::BLOCKS => replies.send(
                    request,
                    &namenode::BlocksReply {
                        node,
                        ..Default::default()
                    },
                ),
                _ => replies.send(
                    request,
                    &namenode::LookupReply {
                        node,
                        ..Default::default()
                    },
                ),
            }
        }
    }
}

/// A page of a scan.
fn packed(keys: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for key in keys {
        let entry = Entry {
            key: key.as_bytes(),
            version: 1,
            ..Entry::default()
        };
        let start = bytes.len();
        bytes.resize(start + HEAD_BYTES + key.len(), 0);
        entry.write(&mut bytes[start..]);
    }
    bytes
}

/// `/a` is node 10 of partition 1, `/a/b` node 20 of partition 2, in which there is a file `c`.
fn chain(world: &World, leases: (u32, u32)) {
    world.refer(0, method::LOOKUP, 0, "a/b/c", &format!("0 1 10 1 {} 0", leases.0));
    world.refer(1, method::LOOKUP, 10, "b/c", &format!("0 2 20 1 {} 0", leases.1));
    world.say(2, method::LOOKUP, 20, "c", Say::Node(30, Kind::File));
}

const WHOLE_WAY: [(u16, u64, &str); 3] = [(0, 0, "a/b/c"), (1, 10, "b/c"), (2, 20, "c")];

#[test]
fn a_path_is_followed_and_the_way_remembered_for_its_lease() {
    let world = World::new(3);
    chain(&world, (300, 300));
    world.run(async |store| {
        let found = store.lookup("/a/b/c").await.unwrap();
        assert_eq!((found.id, found.partition, found.kind), (30, 2, Node::File));
        assert_eq!(world.asked(), asked(&WHOLE_WAY));
        for path in ["/a/b/c", "a/b/c"] {
            store.lookup(path).await.unwrap();
            assert_eq!(world.asked(), asked(&WHOLE_WAY[2..]), "{path}");
        }
        // Other paths with the same beginning, and none that only looks like it.
        assert!(!store.exists("/a/x").await.unwrap());
        assert_eq!(world.asked(), asked(&[(1, 10, "x"), (0, 0, "a/x")]));
        assert!(!store.exists("/ab").await.unwrap());
        assert_eq!(world.asked(), asked(&[(0, 0, "ab")]));
        world.sleep(320).await;
        store.lookup("/a/b/c").await.unwrap();
        assert_eq!(world.asked(), asked(&WHOLE_WAY));
    });
}

#[test]
fn what_is_learnt_under_a_lease_is_believed_no_longer_than_that() {
    let world = World::new(3);
    chain(&world, (60, u32::MAX));
    world.run(async |store| {
        store.lookup("/a/b/c").await.unwrap();
        world.asked();
        world.sleep(80).await;
        store.lookup("/a/b/c").await.unwrap();
        assert_eq!(world.asked(), asked(&WHOLE_WAY));
        // Neither is what was learnt by a remembered referral.
        chain(&world, (u32::MAX, 0));
        world.sleep(80).await;
        for _ in 0..2 {
            store.lookup("/a/b/c").await.unwrap();
        }
        let expected = [&WHOLE_WAY[..], &WHOLE_WAY[1..]].concat();
        assert_eq!(
            world.asked(),
            asked(&expected),
            "a lease of 0 holds for one request"
        );
    });
}

#[test]
fn what_is_not_there_by_a_remembered_way_is_looked_for_from_the_start() {
    let world = World::new(4);
    chain(&world, (10_000, 10_000));
    world.run(async |store| {
        store.lookup("/a/b/c").await.unwrap();
        world.asked();
        // Somebody has moved /a/b, and made another one.
        world.say(2, method::LOOKUP, 20, "c", Say::Fail(Code::NotFound));
        world.refer(1, method::LOOKUP, 10, "b/c", "0 3 40 1 10000 0");
        world.say(3, method::LOOKUP, 40, "c", Say::Node(50, Kind::Table));
        let found = store.lookup("/a/b/c").await.unwrap();
        assert_eq!((found.id, found.partition), (50, 3));
        let again = [(2, 20, "c"), (0, 0, "a/b/c"), (1, 10, "b/c"), (3, 40, "c")];
        assert_eq!(world.asked(), asked(&again));
        // Now it is gone for good.
        world.say(3, method::LOOKUP, 40, "c", Say::Fail(Code::NotADirectory));
        world.say(0, method::LOOKUP, 0, "a/b/c", Say::Fail(Code::NotFound));
        let error = store.lookup("/a/b/c").await.unwrap_err();
        assert_eq!(error.to_string(), "/a/b/c: not found");
        assert_eq!(world.asked(), asked(&[(3, 40, "c"), (0, 0, "a/b/c")]));
    });
}

#[test]
fn a_circle_of_referrals_ends() {
    let world = World::new(2);
    world.refer(0, method::LOOKUP, 0, "a", "0 1 10 1 1000 0");
    world.refer(1, method::LOOKUP, 10, "", "0 0 10 0 1000 0");
    world.run(async |store| {
        // A referral that does not go forward is none.
        let error = store.lookup("/a").await.unwrap_err();
        assert!(
            matches!(
                &error,
                Error::Protocol {
                    may_have_run: false,
                    ..
                }
            ),
            "{error}"
        );
        // One that names ever more of a long path goes on until it is too much.
        let long = "x/".repeat(200);
        let mut rest = long.as_str();
        let mut partition = 0;
        while let Some(next) = rest.strip_prefix("x/") {
            let base = if partition == 0 && rest.len() == long.len() {
                0
            } else {
                7
            };
            world.refer(
                partition,
                method::LOOKUP,
                base,
                rest,
                &format!("0 {} 7 1 0 0", 1 - partition),
            );
            (rest, partition) = (next, 1 - partition);
        }
        world.asked();
        let error = store.lookup(&long).await.unwrap_err();
        assert!(
            error.to_string().contains("one partition after another"),
            "{error}"
        );
        assert!(!error.may_have_run());
        assert_eq!(world.asked().len(), 65);
    });
}

#[test]
fn referrals_that_make_no_sense_are_refused_with_the_name_of_who_gave_them() {
    let world = World::new(2);
    world.say(0, method::LOOKUP, 0, "good", Say::Node(3, Kind::File));
    world.run(async |store| {
        for lie in [
            "0 7 10 1 1000 0",
            "0 65535 10 1 1000 0",
            // Beyond the path, within a name, within a letter.
            "0 1 10 9 1000 0",
            "0 1 10 4294967295 1000 0",
            "0 1 10 3 1000 0",
            "0 1 10 4 1000 0",
            "0 1 10 0 1000 0",
            // What is not there is not made by who asks for it.
            "0 1 10 1 1000 1",
            "somewhere",
            "",
        ] {
            world.refer(0, method::LOOKUP, 0, "a/äb/", lie);
            let error = store.lookup("/a/äb/").await.unwrap_err();
            let is_refused = matches!(
                &error,
                Error::Protocol {
                    may_have_run: false,
                    ..
                }
            );
            assert!(is_refused, "{lie}: {error}");
            assert!(
                error
                    .to_string()
                    .starts_with("namenode local://partition0 (partition 0) failed: it "),
                "{error}"
            );
            assert_eq!(store.lookup("good").await.unwrap().id, 3);
        }
    });
}

#[test]
fn a_node_that_is_gone_from_where_a_fresh_referral_led_is_not_there() {
    let world = World::new(2);
    world.refer(0, method::LOOKUP, 0, "a/b", "0 1 10 1 0 0");
    world.run(async |store| {
        let error = store.lookup("/a/b").await.unwrap_err();
        assert_eq!(error.to_string(), "/a/b: not found");
        assert_eq!(world.asked(), asked(&[(0, 0, "a/b"), (1, 10, "b")]));
    });
}

#[test]
fn missing_branches_are_made_at_their_homes() {
    let world = World::new(3);
    let path = "a/b/f";
    // /a is to be at partition 1, /a/b at partition 2, the file in that.
    world.refer(0, method::CREATE, 0, path, "0 1 0 2 0 1");
    world.say(1, method::CREATE, 0, "a", Say::Node(10, Kind::Directory));
    world.refer(1, method::CREATE, 10, "b/f", "0 2 10 1 0 2");
    world.say(2, method::CREATE, 10, "b", Say::Node(20, Kind::Directory));
    world.say(2, method::CREATE, 20, "f", Say::Node(30, Kind::File));
    world.run(async |store| {
        let options = CreateOptions::from(Node::File).parents();
        let made = store.create("/a/b/f", options).await.unwrap();
        assert_eq!((made.attributes().id, made.attributes().partition), (30, 2));
        let expected = [
            (0, 0, path),
            (1, 0, "a"),
            (1, 10, "b/f"),
            (2, 10, "b"),
            (2, 20, "f"),
        ];
        assert_eq!(world.asked(), asked(&expected));
        let branches = std::mem::take(&mut world.script.borrow_mut().branches);
        let (directory, file) = (Kind::Directory, Kind::File);
        let expected = [
            (0, 0, file),
            (1, 1, directory),
            (0, 0, file),
            (2, 2, directory),
            (0, 0, file),
        ];
        assert_eq!(branches, expected);
        // What is made itself has its own kind, and a slash behind it is none of its name.
        world.refer(0, method::CREATE, 0, "t/", "0 2 0 2 0 1");
        world.say(2, method::CREATE, 0, "t", Say::Node(40, Kind::Table));
        let made = store.create("/t/", Node::Table).await.unwrap();
        assert_eq!((made.attributes().id, made.path()), (40, "/t/"));
        assert_eq!(world.script.borrow().branches[1], (1, 1, Kind::Table));
        // Who does not make what is missing is not sent to make it.
        world.refer(0, method::CREATE, 0, "x/f", "0 1 0 1 0 1");
        let error = store.create("/x/f", Node::File).await.err().unwrap();
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
    });
}

#[test]
fn who_is_second_to_make_a_branch_takes_what_is_there() {
    let world = World::new(2);
    world.refer(0, method::CREATE, 0, "a", "0 1 0 1 0 1");
    world.say(1, method::CREATE, 0, "a", Say::Fail(Code::AlreadyExists));
    world.run(async |store| {
        let error = store.make_dir("/a", false).await.unwrap_err();
        assert_eq!(error.to_string(), "/a: already exists");
        world.asked();
        let making = world.runtime.spawn({
            let store = store.clone();
            async move { store.make_dir("/a", true).await }
        });
        while !world.script.borrow().asked.iter().any(|question| question.0 == 1) {
            world.sleep(1).await;
        }
        // Who was first has linked it.
        world.refer(0, method::CREATE, 0, "a", "0 1 10 1 1000 0");
        world.say(1, method::CREATE, 10, "", Say::Node(10, Kind::Directory));
        assert_eq!(making.await.unwrap().id, 10);
        assert_eq!(world.asked().last(), Some(&(1, 10, String::new())));
    });
}

#[test]
fn a_rename_goes_to_where_the_old_name_is() {
    let world = World::new(3);
    for path in ["a", "a/x", "a/y"] {
        world.refer(0, method::LOOKUP, 0, path, "0 1 10 1 10000 0");
    }
    world.say(1, method::LOOKUP, 10, "", Say::Node(10, Kind::Directory));
    world.refer(0, method::LOOKUP, 0, "b", "0 2 20 1 10000 0");
    world.say(2, method::LOOKUP, 20, "", Say::Node(20, Kind::Directory));
    world.refer(0, method::RENAME, 0, "a/x -> 0/a/y", "0 1 10 1 10000 0");
    world.say(1, method::RENAME, 10, "x -> 10/y", Say::Node(11, Kind::File));
    world.refer(0, method::RENAME, 0, "a/x -> 0/b/y", "1 2 20 1 10000 0");
    world.say(0, method::RENAME, 0, "a -> 0/c", Say::Node(1002, Kind::Directory));
    world.say(2, method::LOOKUP, 1002, "", Say::Node(1002, Kind::Table));
    world.run(async |store| {
        let moved = store.rename("/a/x", "/a/y").await.unwrap();
        assert_eq!((moved.id, moved.partition), (11, 1));
        let asked_at = |world: &World| world.asked().iter().map(|asked| asked.0).collect::<Vec<_>>();
        let first = asked_at(&world);
        assert_eq!((first[0], *first.last().unwrap()), (0, 1), "{first:?}");
        // By what is remembered of both directories.
        store.rename("/a/x", "/a/y").await.unwrap();
        assert_eq!(world.asked(), asked(&[(1, 10, "x -> 10/y")]));
        // The partition of the old name is told where the directory of the new one is; the attributes are asked for where the node is.
        world.say(1, method::RENAME, 10, "x -> 20/y at 2", Say::Fail(Code::Busy));
        let renaming = world.runtime.spawn({
            let store = store.clone();
            async move { store.rename("/a/x", "/b/y").await }
        });
        world.sleep(20).await;
        let moves = asked(&[(1, 10, "x -> 20/y at 2")]);
        let busy = world
            .asked()
            .into_iter()
            .filter(|asked| asked == &moves[0])
            .count();
        assert!(busy >= 2, "who is told to come again asks the same: {busy}");
        world.say(1, method::RENAME, 10, "x -> 20/y at 2", Say::Node(11, Kind::File));
        let moved = renaming.await.unwrap();
        assert_eq!((moved.id, moved.partition), (11, 1));
        world.say(
            1,
            method::RENAME,
            10,
            "x -> 20/y at 2",
            Say::Fail(Code::CrossPartition),
        );
        let error = store.rename("/a/x", "/b/y").await.unwrap_err();
        assert!(matches!(error, Error::CrossPartition { .. }), "{error}");
        world.asked();
        // A link has its name in its directory, wherever it leads.
        let moved = store.rename("/a", "/c").await.unwrap();
        assert_eq!((moved.partition, moved.kind), (2, Node::Table));
        assert_eq!(world.asked(), asked(&[(0, 0, "a -> 0/c"), (2, 1002, "")]));
        // A directory that is gone, or none.
        world.refer(0, method::RENAME, 0, "a/x -> 0/n/y", "0 1 10 1 10000 0");
        let error = store.rename("/a/x", "/n/y").await.unwrap_err();
        assert_eq!(error.to_string(), "/a/x -> /n/y: not found");
        world.say(0, method::LOOKUP, 0, "n", Say::Node(5, Kind::File));
        let error = store.rename("/a/x", "/n/y").await.unwrap_err();
        assert_eq!(error.to_string(), "/a/x -> /n/y: not a directory");
    });
}

#[test]
fn entries_of_a_listing_that_are_elsewhere_are_looked_up_there() {
    let world = World::new(3);
    let page = vec![
        ("a", 10, Some(1)),
        ("b", 2, None),
        ("c", 20, Some(2)),
        ("d", 21, Some(2)),
    ];
    world.say(0, method::LIST, 0, ">", Say::Entries(page, true));
    world.say(
        0,
        method::LIST,
        0,
        ">d",
        Say::Entries(vec![("e", 22, Some(2)), ("f", 11, Some(1))], false),
    );
    world.say(1, method::LOOKUP, 10, "", Say::Node(10, Kind::Table));
    world.say(1, method::LOOKUP, 11, "", Say::Node(11, Kind::Multifile));
    world.run(async |store| {
        let page = store.list_page("/", "", "", 0).await.unwrap();
        let seen = page.entries.iter().map(|entry| {
            let attributes = entry.attributes;
            (
                entry.name.as_str(),
                attributes.id,
                attributes.partition,
                attributes.kind,
            )
        });
        // Those of partition 2 are gone: the page goes on to one that is there.
        let expected = [
            ("a", 10, 1, Node::Table),
            ("b", 2, 0, Node::Directory),
            ("f", 11, 1, Node::Multifile),
        ];
        assert_eq!((seen.collect::<Vec<_>>(), page.more), (expected.to_vec(), false));
        let mut listing = store.list("/");
        let mut names = Vec::new();
        while let Some(entry) = listing.next().await.unwrap() {
            names.push(entry.name);
        }
        assert_eq!(names, ["a", "b", "f"]);
        world.say(
            0,
            method::LIST,
            0,
            ">",
            Say::Entries(vec![("a", 10, Some(9))], false),
        );
        let error = store.list_page("/", "", "", 0).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
        world.say(
            0,
            method::LIST,
            0,
            ">",
            Say::Entries(vec![("a", 10, Some(1))], false),
        );
        world.say(1, method::LOOKUP, 10, "", Say::Fail(Code::Full));
        let error = store.list_page("/", "", "", 0).await.unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
    });
}

#[test]
fn what_all_partitions_have_adds_up() {
    let world = World::new(3);
    world.run(async |store| {
        let usage = store.usage().await.unwrap();
        assert_eq!((usage.nodes, usage.capacity, usage.used), (6, 60, 6));
        assert_eq!((usage.sessions, usage.leases, usage.incarnation), (3, 6, 100));
        let datanodes = usage.datanodes.iter().map(|it| (it.id, it.used, it.capacity));
        assert_eq!(datanodes.collect::<Vec<_>>(), [(1, 6, 60)]);
        let paths = store.paths().iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = [
            "namenode in process",
            "namenode (partition 1) in process",
            "namenode (partition 2) in process",
        ];
        assert_eq!(paths, expected);
    });
}

#[test]
fn paths_start_at_the_root_whichever_partition_the_url_leads_to() {
    let world = World::new(3);
    chain(&world, (1000, 1000));
    world.run_with(world.options(2), async |store| {
        assert_eq!(store.namenode(), at("partition0"));
        assert_eq!(store.lookup("/a/b/c").await.unwrap().partition, 2);
        assert_eq!(world.asked(), asked(&WHOLE_WAY));
    });
}

#[test]
fn a_base_may_be_at_another_partition() {
    let world = World::new(2);
    world.refer(0, method::LOOKUP, 0, "home", "0 1 10 4 10000 0");
    world.say(1, method::LOOKUP, 10, "", Say::Node(10, Kind::Directory));
    world.say(1, method::LOOKUP, 10, "f", Say::Node(11, Kind::File));
    let options = ConnectOptions {
        base: "home".into(),
        ..world.options(0)
    };
    world.run_with(options, async |store| {
        assert_eq!(store.namenode(), at("partition1"));
        let found = store.lookup("f").await.unwrap();
        assert_eq!((found.id, found.partition), (11, 1));
        assert_eq!(world.asked(), asked(&[(1, 10, "f")]));
    });
}

#[test]
fn a_file_goes_on_when_all_stores_are_gone() {
    let world = World::new(3);
    chain(&world, (1000, 1000));
    world.say(2, method::BLOCKS, 30, "", Say::Node(30, Kind::File));
    world.run(async |store| {
        let file = store.open("/a/b/c").await.unwrap();
        drop(store);
        assert_eq!(file.refresh().await.unwrap().partition, 2);
    });
}

#[test]
fn a_partition_that_is_away_is_named_and_the_others_go_on() {
    let world = World::new(2);
    world.refer(0, method::LOOKUP, 0, "a/b", "0 1 10 1 10000 0");
    world.say(0, method::LOOKUP, 0, "c", Say::Node(3, Kind::File));
    world.say(1, method::LOOKUP, 10, "b", Say::Node(11, Kind::File));
    world.run(async |store| {
        store.lookup("/a/b").await.unwrap();
        world.stop(1);
        let error = store.lookup("/a/b").await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("namenode local://partition1 (partition 1) "),
            "{text}"
        );
        assert!(
            matches!(error, Error::Unavailable { .. } | Error::TimedOut { .. }),
            "{error:?}"
        );
        store.lookup("/c").await.unwrap();
        // It begins again elsewhere, and the others hear of it.
        let elsewhere = world.serve(1, "elsewhere");
        world.script.borrow_mut().map[1] = at("elsewhere").to_string();
        assert_eq!(store.lookup("/a/b").await.unwrap().id, 11);
        drop(elsewhere);
    });
}

#[test]
fn at_an_address_of_another_partition_the_one_that_is_meant_is_not_taken_to_be() {
    let world = World::new(2);
    world.say(0, method::LOOKUP, 0, "c", Say::Node(3, Kind::File));
    world.refer(0, method::LOOKUP, 0, "a", "0 1 10 1 0 0");
    // Both say that partition 1 is where partition 0 is.
    world.script.borrow_mut().map[1] = at("partition0").to_string();
    world.run(async |store| {
        let error = store.lookup("/a").await.unwrap_err();
        assert!(
            error.to_string().contains("another partition answers there"),
            "{error}"
        );
        store.lookup("/c").await.unwrap();
    });
}

#[test]
fn a_map_that_cannot_be_is_refused() {
    let world = World::new(2);
    let connect = |partition: u16| {
        let options = world.options(partition);
        world
            .runtime
            .block_on(Store::connect_with(&world.runtime, options))
    };
    assert!(connect(1).is_ok());
    world.script.borrow_mut().map = vec![String::new(); 5000];
    assert!(matches!(connect(0), Err(Error::Protocol { .. })));
    // Partition 1 of one: there is one.
    world.script.borrow_mut().map = vec![at("partition1").to_string()];
    assert!(connect(1).is_ok());
}

/// `/t` is at partition 1; its shards are the nodes 100, 101 and 102.
async fn spread(world: &World, store: &Store) -> Table {
    world.refer(0, method::OPEN_TABLE, 0, "t", "0 1 101 1 0 0");
    let shards = vec![100, 101, 102];
    world.say(1, method::OPEN_TABLE, 101, "", Say::Table(101, shards));
    let table = store.table("/t").await.unwrap();
    assert_eq!(world.asked(), asked(&[(0, 0, "t"), (1, 101, "")]));
    table
}

fn is_protocol<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    assert!(matches!(outcome, Err(Error::Protocol { .. })), "{outcome:?}");
}

#[test]
fn a_key_is_asked_for_where_it_is_and_nowhere_else() {
    let world = World::new(3);
    world.run(async |store| {
        let table = spread(&world, &store).await;
        for key in ["alice", "bob", "carol", "dave", "eve", "a"] {
            let owner = shard_of(key.as_bytes(), 3);
            let shard = 100 + u64::from(owner);
            world.say(owner, method::GET, shard, key, Say::Value("value"));
            let value = table.get(key.as_bytes()).await.unwrap().unwrap();
            assert_eq!(value[..], *b"value");
            assert_eq!(world.asked(), asked(&[(owner, shard, key)]));
        }
    });
}

#[test]
fn a_shard_that_says_that_a_key_is_not_its_is_not_believed() {
    let world = World::new(3);
    world.run(async |store| {
        let table = spread(&world, &store).await;
        let owner = shard_of(b"key", 3);
        let shard = 100 + u64::from(owner);
        world.refer(owner, method::GET, shard, "key", "0 2 102 0 0 0");
        is_protocol(table.get(b"key").await);
        assert_eq!(world.asked(), asked(&[(owner, shard, "key")]));
    });
}

#[test]
fn shards_that_cannot_be_are_refused() {
    let world = World::new(3);
    world.run(async |store| {
        for shards in [vec![7], vec![7, 8], vec![8, 7, 9], vec![7, 8, 9, 10]] {
            world.say(0, method::OPEN_TABLE, 0, "t", Say::Table(7, shards));
            let opened = store.table("/t").await;
            assert!(matches!(opened.err(), Some(Error::Protocol { .. })));
        }
        world.say(0, method::OPEN_TABLE, 0, "t", Say::Table(7, Vec::new()));
        let whole = store.table("/t").await.unwrap();
        world.asked();
        world.say(0, method::GET, 7, "key", Say::Value("value"));
        assert!(whole.get(b"key").await.unwrap().is_some());
        assert_eq!(world.asked(), asked(&[(0, 7, "key")]));
    });
}

#[test]
fn a_shard_that_does_not_answer_is_named_and_the_others_go_on() {
    let world = World::new(3);
    world.run(async |store| {
        let table = spread(&world, &store).await;
        let keys = ["alice", "bob", "carol", "dave", "eve", "a"];
        world.stop(2);
        for key in keys {
            let owner = shard_of(key.as_bytes(), 3);
            world.say(
                owner,
                method::GET,
                100 + u64::from(owner),
                key,
                Say::Value("value"),
            );
            let found = table.get(key.as_bytes()).await;
            match owner {
                2 => assert!(found.unwrap_err().to_string().contains("partition 2")),
                _ => assert!(found.unwrap().is_some()),
            }
        }
        for partition in 0..2 {
            world.say(
                partition,
                method::SCAN,
                100 + u64::from(partition),
                "><",
                Say::Keys(vec![], false),
            );
        }
        let missing = table.scan_page(KeyRange::ALL, 0).await.unwrap_err();
        assert!(missing.to_string().contains("partition 2"), "{missing}");
        let mut scan = table.scan(KeyRange::ALL);
        let missing = scan.next().await.unwrap_err();
        assert!(missing.to_string().contains("partition 2"), "{missing}");
        assert!(scan.next().await.unwrap().is_none(), "it has ended");
    });
}

#[test]
fn pages_of_shards_are_merged_and_each_is_asked_for_ahead() {
    let world = World::new(3);
    world.run(async |store| {
        let table = spread(&world, &store).await;
        let keys = |partition, question: &str, keys: &[&'static str], more| {
            let say = Say::Keys(keys.to_vec(), more);
            world.say(partition, method::SCAN, 100 + u64::from(partition), question, say);
        };
        keys(0, "><", &["a", "d"], true);
        keys(0, ">d<", &["e", "z"], false);
        keys(1, "><", &["b"], true);
        keys(1, ">b<", &["y"], false);
        keys(2, "><", &[], false);
        let mut scan = table.scan(KeyRange::ALL);
        let mut found = Vec::new();
        while let Some(entry) = scan.next().await.unwrap() {
            found.push(String::from_utf8(entry.key.to_vec()).unwrap());
        }
        assert_eq!(found, ["a", "b", "d", "e", "y", "z"]);
        assert_eq!(world.asked().len(), 5);
        let page = table.scan_page(KeyRange::ALL, 0).await.unwrap();
        // What comes behind b is not known before more of partition 1 is asked for.
        assert_eq!(
            (page.len(), page.more(), page.last_key()),
            (2, true, Some(&b"b"[..]))
        );
    });
}

#[test]
fn pages_that_are_not_in_order_are_refused() {
    for lie in [vec!["c", "b"], vec!["a"], vec!["b", "b"]] {
        let world = World::new(3);
        world.run(async |store| {
            let table = spread(&world, &store).await;
            for (partition, keys) in [(0, vec!["a"]), (1, lie.clone()), (2, vec![])] {
                let say = Say::Keys(keys, false);
                world.say(partition, method::SCAN, 100 + u64::from(partition), "><", say);
            }
            is_protocol(table.scan_page(KeyRange::ALL, 0).await);
            is_protocol(table.keys_page(KeyRange::ALL, 0).await);
            let mut scan = table.scan(KeyRange::ALL);
            let outcome = loop {
                match scan.next().await {
                    Ok(Some(_)) => {}
                    other => break other.map(drop),
                }
            };
            is_protocol(outcome);
            assert!(scan.next().await.unwrap().is_none(), "it has ended");
        });
    }
    // Nothing, and more behind it, for ever.
    let world = World::new(3);
    world.run(async |store| {
        let table = spread(&world, &store).await;
        for (partition, more) in [(0, true), (1, false), (2, false)] {
            let say = Say::Keys(vec![], more);
            world.say(partition, method::SCAN, 100 + u64::from(partition), "><", say);
        }
        is_protocol(table.scan_page(KeyRange::ALL, 0).await);
        assert!(table.scan(KeyRange::ALL).next().await.unwrap().is_none());
    });
}
