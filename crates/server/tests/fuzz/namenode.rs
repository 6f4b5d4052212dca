//! A namenode whose clients, datanodes and other partitions ask it for anything.
//!
//! Input: a byte that says whether there is another partition, and a [`Script`] of requests and of time that passes.

use std::path::Path;
use std::time::Duration;

use crake_datapath::Address;
use crake_rpc::{Call, CallError, CallOptions, Client, ClientConfig, ClientId, Status};
use crake_server::namenode::log::{Durability, LogConfig};
use crake_server::{Namenode, NamenodeConfig};
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_store::protocol::role;
use crake_wire::Encode;

use crate::message;
use crate::script::Script;
use crate::world::{ADDRESS, World};

/// Above the highest number of a method.
const METHODS: u16 = 48;
/// Numbers out of answers that are remembered.
const LEARNED_MAX: usize = 64;
/// Who asks: role and identity.
const PEERS: [(u8, u128); 5] = [
    (role::CLIENT, 1),
    (role::CLIENT, 2),
    (role::DATANODE, 3),
    (role::NAMENODE, 4),
    (77, 5),
];

/// Plays a script against a namenode, which must answer each request, contradict itself nowhere, and be the same again when it is
/// started with what it has logged.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let has_partner = script.byte() % 4 == 3;
    let mut play = Play::begin(has_partner);
    while let Some(step) = script.step() {
        play.step(step, &mut script);
    }
    play.end();
}

/// The log of a namenode with a node of each kind, and what to start one with that has it.
pub fn written() -> (NamenodeConfig, Vec<u8>) {
    let mut play = Play::begin(false);
    play.calls.clear();
    play.namenode = None;
    play.world.settle();
    let files = play.world.runtime.files(Path::new("/log")).unwrap();
    let names = files.names().unwrap();
    assert_eq!(names.len(), 1);
    (play.config, files.read(&names[0]).unwrap())
}

struct Play {
    world: World,
    config: NamenodeConfig,
    namenode: Option<Namenode>,
    peers: [Option<Client>; PEERS.len()],
    calls: Vec<Call>,
    learned: Vec<u64>,
}

/// What is done.
impl Play {
    fn begin(has_partner: bool) -> Play {
        let world = World::fresh(256 << 10);
        let partner = Address::Sim { node: 2, port: 7 };
        let partitions = [ADDRESS, partner].map(|address| vec![address]);
        let config = NamenodeConfig {
            listen: vec![ADDRESS],
            host: "here".into(),
            nodes_max: 30,
            sessions_max: 4,
            leases_per_session_max: 4,
            datanodes_max: 3,
            inline_value_max: 64,
            answers_bytes: 64 << 10,
            log: Some(LogConfig::new("/log", Durability::Async)),
            partitions: if has_partner {
                partitions.into()
            } else {
                Vec::new()
            },
            ..NamenodeConfig::default()
        };
        let namenode = Namenode::start(&world.runtime, config.clone()).unwrap();
        let mut play = Play {
            namenode: Some(namenode),
            config,
            peers: Default::default(),
            calls: Vec::new(),
            learned: Vec::new(),
            world,
        };
        play.furnish();
        play
    }

    /// A datanode, and a node of each kind.
    fn furnish(&mut self) {
        let register = wire::RegisterRequest {
            name: "datanode",
            incarnation: 1,
            capacity: 8 << 20,
            endpoints: &["sim://1:8"],
            host: "here",
            ..Default::default()
        };
        self.ask(2, method::REGISTER, &register.encode_to_vec());
        let create = |path, kind, size_hint| wire::CreateRequest {
            path,
            kind,
            size_hint,
            parents: true,
            ..Default::default()
        };
        for (path, kind) in [
            ("a/f", wire::Kind::File),
            ("a/m", wire::Kind::Multifile),
            ("t", wire::Kind::Table),
        ] {
            self.ask(0, method::CREATE, &create(path, kind, 5000).encode_to_vec());
        }
        let put = wire::PutRequest {
            path: "t",
            key: b"k",
            value: b"17",
            ..Default::default()
        };
        self.ask(0, method::PUT, &put.encode_to_vec());
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step {
            240.. => {
                let time = Duration::from_millis(u64::from(script.byte()) * 100);
                self.world.pass(time);
            }
            236..240 => self.peers[usize::from(step) % PEERS.len()] = None,
            _ => {
                let method = u16::from(script.byte()) % METHODS;
                let message = message::make(script, &self.learned);
                self.ask(usize::from(step) % PEERS.len(), method, &message);
            }
        }
        self.hear();
    }

    fn ask(&mut self, peer: usize, method: u16, message: &[u8]) {
        let is_connected = self.peers[peer].as_ref().is_some_and(Client::is_connected);
        if !is_connected {
            self.peers[peer] = Some(self.connect(PEERS[peer]));
        }
        let client = self.peers[peer].as_ref().unwrap();
        self.calls
            .push(client.call(method, &Bytes(message), CallOptions::new()));
        self.world.settle();
        self.hear();
    }

    fn connect(&self, (role, client): (u8, u128)) -> Client {
        let config = ClientConfig {
            client: ClientId(client),
            role,
            // Those that wait for events are not to end.
            call_timeout: Duration::from_secs(1 << 30),
            ..ClientConfig::default()
        };
        let (runtime, (tell, told)) = (self.world.runtime.clone(), std::sync::mpsc::channel());
        let connecting = async move {
            let client = Client::connect(&runtime, &ADDRESS, config).await;
            let _ = tell.send(client);
        };
        self.world.runtime.spawn(connecting).detach();
        self.world.settle();
        told.try_recv().expect("it is not busy").unwrap()
    }

    /// What is answered names what may be asked for next.
    fn hear(&mut self) {
        let learned = &mut self.learned;
        self.calls.retain_mut(|call| match call.try_wait() {
            None => true,
            Some(Ok(reply)) => {
                learned.extend(numbers(&reply.message));
                let excess = learned.len().saturating_sub(LEARNED_MAX);
                learned.drain(..excess);
                false
            }
            Some(Err(CallError::Failed { status, detail })) => {
                assert_ne!(status, Status::INTERNAL, "{detail}");
                false
            }
            Some(Err(CallError::TooLarge)) => false,
            Some(Err(error)) => panic!("the connection ends: {error}"),
        });
    }
}

/// The words of a message that are not small, as ids are.
fn numbers(message: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = message.as_chunks::<8>();
    let words = words.iter().skip(1).map(|word| u64::from_le_bytes(*word));
    words.filter(|word| *word > 255)
}

/// What has to be so.
impl Play {
    fn end(mut self) {
        self.calls.clear();
        self.check();
        let before = self.namenode.as_ref().unwrap().status();
        // It is started again, and may end at once.
        for _ in 0..2 {
            self.namenode = None;
            self.world.settle();
            self.namenode = Some(Namenode::start(&self.world.runtime, self.config.clone()).unwrap());
            self.check();
            let status = self.namenode.as_ref().unwrap().status();
            assert_eq!(
                (before.nodes, before.used_bytes, before.leases),
                (status.nodes, status.used_bytes, status.leases)
            );
        }
    }

    fn check(&self) {
        self.namenode.as_ref().unwrap().check().unwrap();
    }
}

/// A message that is there already.
struct Bytes<'a>(&'a [u8]);

impl Encode for Bytes<'_> {
    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0);
    }
}
