//! Typed services: each kind of method, between sides that gather and sides that do not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::RefCell;
use std::rc::Rc;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::Buf;
use crake_rpc::typed::{Answer, Failure, Outcome, Parts, Responder, View};
use crake_rpc::{
    CallError, CallOptions, Client, ClientConfig, Peer, Refusal, Server, ServerConfig, Service, Status,
};
use crake_wire::Encode;
use crake_wire::well_known::Empty;

#[allow(dead_code, reason = "not all of it is used")]
mod plain {
    include!(concat!(env!("OUT_DIR"), "/every_plain.rs"));
}

#[allow(dead_code, reason = "not all of it is used")]
mod gathered {
    include!(concat!(env!("OUT_DIR"), "/every_gathered.rs"));
}

/// Bytes that are no message.
struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0);
    }
}

/// The same service twice, of messages that differ in their types alone.
macro_rules! service {
    ($service:ident, $messages:ident) => {
        struct $service {
            runtime: Runtime,
            later: Vec<Responder<$messages::Number>>,
        }

        impl $messages::every::Service for $service {
            fn r#type(
                &mut self,
                request: View<'_, $messages::Bulk<'_>>,
                answer: Answer<'_, $messages::Bulk<'static>>,
            ) -> Outcome {
                answer.send(&$messages::Bulk {
                    name: request.name()?,
                    value: request.value()?,
                })
            }

            fn fail(
                &mut self,
                _: View<'_, $messages::Bulk<'_>>,
                _: Answer<'_, $messages::Bulk<'static>>,
            ) -> Outcome {
                Err(Failure::new(Status(100), "as told"))
            }

            fn later(
                &mut self,
                request: View<'_, $messages::Number>,
                answer: Answer<'_, $messages::Number>,
            ) -> Outcome {
                let (responder, answered) = answer.later();
                self.later.push(responder);
                if request.number() == 0 {
                    for responder in self.later.drain(..).rev() {
                        responder.send(&$messages::Number { number: 9 });
                    }
                }
                Ok(answered)
            }

            fn twice(
                &mut self,
                request: View<'_, $messages::Number>,
                answer: Answer<'_, $messages::Number>,
            ) -> Outcome {
                let _ = answer.send(&$messages::Number {
                    number: request.number(),
                });
                Err(Status::INTERNAL.into())
            }

            fn count(
                &mut self,
                request: View<'_, $messages::Number>,
                parts: Parts<'_, $messages::Number>,
            ) -> Outcome {
                let end = request.number();
                let (mut stream, answered) = parts.open();
                let task = async move {
                    for number in 0..end {
                        let room = stream.reserve().await?;
                        room.send(&$messages::Number { number })?;
                    }
                    match end {
                        13 => stream.fail(Failure::new(Status(113), "bad luck")),
                        _ => stream.end(),
                    }
                    Ok::<(), crake_rpc::StreamError>(())
                };
                self.runtime.spawn(task).detach();
                Ok(answered)
            }

            fn repeat(
                &mut self,
                request: View<'_, $messages::Bulk<'_>>,
                parts: Parts<'_, $messages::Bulk<'static>>,
            ) -> Outcome {
                request.name()?;
                let (mut stream, answered) = parts.open();
                let task = async move {
                    let value = value();
                    let part = $messages::Bulk {
                        name: "part".into(),
                        value: (&value[..]).into(),
                    };
                    while stream.send(&part).await.is_ok() {}
                };
                self.runtime.spawn(task).detach();
                Ok(answered)
            }

            fn rest(&mut self, _: View<'_, Empty>, answer: Answer<'_, Empty>) -> Outcome {
                answer.send(&Empty {})
            }

            fn opened(&mut self, peer: &Peer) -> Result<(), Refusal> {
                match peer.role {
                    7 => Err(Refusal::new("not you")),
                    _ => Ok(()),
                }
            }
        }
    };
}

service!(Plain, plain);
service!(Gathering, gathered);

/// As long as a message may be.
fn value() -> Vec<u8> {
    (0..60_000).map(|at| (at % 251) as u8).collect()
}

/// Runs the test against both services.
fn against_each(test: impl AsyncFn(Client)) {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    against(&runtime, &test, {
        let (runtime, later) = (runtime.clone(), Vec::new());
        plain::every::Server(Plain { runtime, later })
    });
    against(&runtime, &test, {
        let (runtime, later) = (runtime.clone(), Vec::new());
        gathered::every::Server(Gathering { runtime, later })
    });
}

fn against<S: Service>(runtime: &Runtime, test: &impl AsyncFn(Client), service: S) {
    let address = "tcp://127.0.0.1:0".parse().unwrap();
    let service = Rc::new(RefCell::new(service));
    let server = Server::bind(runtime, &address, ServerConfig::default(), service).unwrap();
    runtime.block_on(async {
        let address = server.local_address();
        let client = Client::connect(runtime, address, ClientConfig::default())
            .await
            .unwrap();
        test(client).await;
        let config = ClientConfig {
            role: 7,
            ..ClientConfig::default()
        };
        let refused = Client::connect(runtime, address, config).await.unwrap_err();
        assert!(refused.to_string().contains("not you"), "{refused}");
        server.shutdown().await;
    });
}

fn status(result: Result<impl Sized, CallError>) -> Option<Status> {
    result.err().and_then(|error| error.status())
}

#[test]
fn what_one_side_gathers_the_other_need_not() {
    against_each(async |client| {
        let (value, options) = (value(), CallOptions::new);
        let plain = plain::every::Client(client.clone());
        let bulk = plain::Bulk {
            name: "plain",
            value: &value,
        };
        let reply = plain.r#type(&bulk, options()).await.unwrap();
        assert_eq!(reply.view().unwrap().name(), Ok("plain"));
        assert_eq!(reply.view().unwrap().value(), Ok(&value[..]));

        let gathering = gathered::every::Client(client);
        let counted = Buf::from_vec(value.clone());
        let bulk = gathered::Bulk {
            name: "gathered".into(),
            value: (&counted).into(),
        };
        let reply = gathering.r#type(&bulk, options()).await.unwrap();
        assert_eq!(
            reply.view().unwrap().name().unwrap().to_str().unwrap(),
            "gathered"
        );
        assert_eq!(reply.view().unwrap().value().unwrap().to_vec(), value);
    });
}

#[test]
fn a_failure_has_the_status_and_text_that_the_method_gave() {
    against_each(async |client| {
        let every = plain::every::Client(client);
        let error = every
            .fail(&plain::Bulk::default(), CallOptions::new())
            .await
            .unwrap_err();
        assert_eq!(
            (error.status(), error.to_string()),
            (Some(Status(100)), "status 100: as told".to_owned())
        );
        let reply = every
            .twice(&plain::Number { number: 2 }, CallOptions::new())
            .await;
        assert_eq!(
            reply.unwrap().view().unwrap().number(),
            2,
            "what was answered first holds"
        );
    });
}

#[test]
fn an_answer_may_come_later() {
    against_each(async |client| {
        let every = plain::every::Client(client);
        let calls = [3, 2, 1, 0].map(|number| every.later(&plain::Number { number }, CallOptions::new()));
        for call in calls {
            assert_eq!(call.await.unwrap().view().unwrap().number(), 9);
        }
        let nothing = every.rest(&Empty {}, CallOptions::new()).await.unwrap();
        assert!(nothing.view().is_ok());
    });
}

#[test]
fn a_stream_gives_each_part_and_then_the_end_or_why() {
    against_each(async |client| {
        let every = plain::every::Client(client);
        for end in [0, 1, 13, 500] {
            let mut stream = every.count(&plain::Number { number: end }, CallOptions::new());
            for number in 0..end {
                let part = stream.next().await.unwrap().unwrap();
                assert_eq!(part.view().unwrap().number(), number);
            }
            match end {
                13 => assert_eq!(status(stream.next().await.unwrap()), Some(Status(113))),
                _ => assert!(stream.next().await.is_none()),
            }
        }
        let mut endless = every.repeat(&plain::Bulk::default(), CallOptions::new());
        for _ in 0..40 {
            let part = endless.next().await.unwrap().unwrap();
            assert_eq!(part.view().unwrap().value(), Ok(&value()[..]));
        }
        drop(endless);
        assert!(every.rest(&Empty {}, CallOptions::new()).await.is_ok());
    });
}

#[test]
fn a_request_that_cannot_be_read_is_its_callers_fault() {
    against_each(async |client| {
        let numbers = [
            plain::every::TYPE,
            plain::every::FAIL,
            plain::every::LATER,
            plain::every::COUNT,
            plain::every::REST,
        ];
        for method in numbers {
            let short = client.call(method, &Raw(&[1, 2, 3]), CallOptions::new()).await;
            assert_eq!(
                status(short),
                Some(Status::BAD_REQUEST),
                "{}",
                plain::every::name(method)
            );
        }
        // A name of five bytes at a place that there is not: the head is fine, and the field is not.
        let head = [1_u64.to_le_bytes(), (5 | 99_u64 << 32).to_le_bytes()].concat();
        for method in [plain::every::TYPE, plain::every::REPEAT] {
            let mut stream = client.stream(method, &Raw(&head), CallOptions::new());
            let error = stream.next().await.unwrap().unwrap_err();
            assert_eq!(error.status(), Some(Status::BAD_REQUEST));
            assert!(error.to_string().contains("beyond the end"), "{error}");
        }
        let unknown = client.call(99, &Empty {}, CallOptions::new()).await;
        assert_eq!(status(unknown), Some(Status::UNKNOWN_METHOD));
        let one = client
            .call(
                plain::every::COUNT,
                &plain::Number { number: 3 },
                CallOptions::new(),
            )
            .await;
        assert_eq!(status(one), Some(Status::BAD_REQUEST), "it asked for one answer");
    });
}
