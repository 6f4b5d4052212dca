//! Answers that wait at a gate.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_rpc::{
    CallError, CallOptions, Client, ClientConfig, Gate, Peer, Replies, Request, Responder, Server,
    ServerConfig, Service, Violation,
};
use support::{Bytes, FrameStream, frame, hello, push};

const READ: u16 = 1;
const WRITE: u16 = 2;
/// Answered by the test.
const LATER: u16 = 3;

/// Each write has the next number, and no answer leaves before that is reached.
struct Writes {
    gate: Rc<Gate>,
    writes: u64,
    served: u64,
    later: Vec<Responder>,
}

impl Service for Writes {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            self.served += 1;
            if request.head.method == WRITE {
                self.writes += 1;
                self.gate.need(self.writes);
            }
            match request.head.method {
                LATER => self.later.push(replies.later(request)),
                _ => replies.send(request, &Bytes(request.message)),
            }
        }
    }

    fn gate(&self) -> Option<Rc<Gate>> {
        Some(self.gate.clone())
    }
}

struct World {
    runtime: Runtime,
    service: Rc<RefCell<Writes>>,
    gate: Rc<Gate>,
    server: Server,
}

fn over_each_transport(test: impl Fn(&World)) {
    for address in ["tcp://127.0.0.1:0", "local://gate"] {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let gate = Gate::new();
        let service = Rc::new(RefCell::new(Writes {
            gate: gate.clone(),
            writes: 0,
            served: 0,
            later: Vec::new(),
        }));
        let address = address.parse::<Address>().unwrap();
        let server = Server::bind(&runtime, &address, ServerConfig::default(), service.clone()).unwrap();
        test(&World {
            runtime,
            service,
            gate,
            server,
        });
    }
}

impl World {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let deadline = self.runtime.now_exact() + Duration::from_secs(20);
        self.runtime
            .block_on(self.runtime.timeout(deadline, future))
            .unwrap()
    }

    fn client(&self) -> Client {
        self.run(Client::connect(
            &self.runtime,
            self.server.local_address(),
            ClientConfig {
                queue_max: 4096,
                ..ClientConfig::default()
            },
        ))
        .unwrap()
    }

    /// So long that what can come has come.
    fn pause(&self) {
        self.run(self.runtime.sleep(Duration::from_millis(20)));
    }

    fn served(&self) -> u64 {
        self.service.borrow().served
    }
}

#[test]
fn nothing_leaves_before_what_it_shows_is_reached_and_all_is_served() {
    over_each_transport(|world| {
        let (first, second) = (world.client(), world.client());
        let at_once = world.run(first.call(READ, &Bytes(b"a"), CallOptions::new()));
        assert_eq!(&at_once.unwrap().message[..], b"a");
        let mut write = first.call(WRITE, &Bytes(b"b"), CallOptions::new());
        let mut read = second.call(READ, &Bytes(b"c"), CallOptions::new());
        let mut again = first.call(WRITE, &Bytes(b"d"), CallOptions::new());
        world.pause();
        assert_eq!(world.served(), 4, "it goes on serving");
        assert!(write.try_wait().is_none() && read.try_wait().is_none() && again.try_wait().is_none());
        // Whichever of the two connections was served first, what waits for the second write waits still.
        world.gate.reach(1);
        world.pause();
        assert!(again.try_wait().is_none());
        world.gate.reach(2);
        for (call, answer) in [(write, b"b"), (read, b"c"), (again, b"d")] {
            assert_eq!(&world.run(call).unwrap().message[..], answer);
        }
        let open = world.run(second.call(READ, &Bytes(b"e"), CallOptions::new()));
        assert_eq!(&open.unwrap().message[..], b"e");
    });
}

#[test]
fn answers_keep_their_order_however_many_wait() {
    over_each_transport(|world| {
        let client = world.client();
        let message = |number: u32| number.to_le_bytes().repeat(100);
        let calls = (0..2000_u32).map(|number| {
            let method = if number % 3 == 0 { WRITE } else { READ };
            client.call(method, &Bytes(&message(number)), CallOptions::new())
        });
        let calls = calls.collect::<Vec<_>>();
        // A number at a time, as if each had been waited for.
        let (gate, runtime) = (world.gate.clone(), world.runtime.clone());
        let opening = world.runtime.spawn(async move {
            for number in 1..=667 {
                gate.reach(number);
                if number % 20 == 0 {
                    runtime.sleep(Duration::from_micros(100)).await;
                }
            }
        });
        for (call, number) in calls.into_iter().zip(0..) {
            assert!(
                world.run(call).unwrap().message[..] == message(number),
                "answer {number}"
            );
        }
        world.run(opening);
    });
}

#[test]
fn a_server_ends_in_good_order_when_the_gate_opens() {
    over_each_transport(|world| {
        let client = world.client();
        let write = client.call(WRITE, &Bytes(b"b"), CallOptions::new());
        world.pause();
        let (gate, runtime) = (world.gate.clone(), world.runtime.clone());
        let opening = world.runtime.spawn(async move {
            runtime.sleep(Duration::from_millis(50)).await;
            gate.reach(1);
        });
        world.run(world.server.shutdown());
        assert!(opening.is_finished(), "it waited for that");
        assert_eq!(&world.run(write).unwrap().message[..], b"b");
    });
}

#[test]
fn a_gate_that_never_opens_holds_everything_back() {
    over_each_transport(|world| {
        let client = world.client();
        world.gate.need(u64::MAX);
        let options = CallOptions::new().timeout(Duration::from_millis(50));
        let answer = world.run(client.call(READ, &Bytes(b"b"), options));
        assert!(matches!(answer, Err(CallError::TimedOut { .. })), "{answer:?}");
    });
}

/// The last frame is a goodbye, behind the answers that are owed, even if it has to wait and an answer is given meanwhile.
#[test]
fn a_client_that_breaks_a_rule_has_its_answers_and_is_told_which_when_the_gate_opens() {
    const REQUEST: u8 = 3;
    const GOODBYE: u8 = 6;
    over_each_transport(|world| {
        world.run(async {
            let stream = world.runtime.connect(world.server.local_address()).await.unwrap();
            let requests = [LATER, WRITE].map(|method| frame(REQUEST, method.into(), method, b"b", b""));
            let bytes = [hello(), requests.concat(), frame(99, 0, 0, b"", b"")].concat();
            push(&stream, bytes).await.unwrap();
            world.runtime.sleep(Duration::from_millis(20)).await;
            // Too late: nothing may follow on the goodbye.
            let later = world.service.borrow_mut().later.pop().unwrap();
            later.send(&Bytes(b"later"));
            world.gate.reach(1);
            let mut frames = FrameStream::new(&stream);
            frames.next().await.expect("it is welcome");
            let answer = frames.next().await.expect("the write was served");
            assert_eq!((answer.id, &answer.message[..]), (WRITE.into(), &b"b"[..]));
            let goodbye = frames.next().await.expect("it is told");
            assert_eq!(
                (goodbye.kind, goodbye.code, goodbye.id),
                (GOODBYE, Violation::UnknownKind as u16, 2)
            );
            assert_eq!(frames.next().await, None);
        });
    });
}
