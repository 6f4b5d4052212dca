//! Connecting, sending again, giving up, and what is told about it.

mod fake;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_store::protocol::Code;
use crake_store::protocol::namenode::namenode as method;
use crake_store::{Error, Node, OperationKind, Store};
use fake::{Asked, Fake, Instead, Role, pattern};

fn connect(url: &str) -> Error {
    let runtime = Runtime::new(RuntimeConfig::default()).expect("a runtime");
    runtime
        .block_on(Store::connect(&runtime, url))
        .expect_err("it cannot be used")
}

#[test]
fn nothing_that_listens_is_told_at_once_with_the_address() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = connect(&format!("crake://127.0.0.1:{port}"));
    assert!(
        matches!(
            error,
            Error::Unavailable {
                may_have_run: false,
                ..
            }
        ),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("namenode tcp://127.0.0.1:{port} is not available: ")),
        "{text}"
    );
    let error = connect("unix:///nowhere/crake.sock");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[test]
fn a_server_of_another_kind_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .unwrap();
    });
    let error = connect(&format!("crake://{address}"));
    server.join().unwrap();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("not a Crake server"), "{error}");
}

#[test]
fn a_server_that_never_answers_ends_the_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error = connect(&format!("crake://{address}?connect_deadline=100ms"));
    assert!(
        matches!(
            error,
            Error::TimedOut {
                may_have_run: false,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_datanode_is_not_taken_for_a_namenode() {
    let fake = Fake::new(100);
    let error = fake
        .runtime
        .block_on(Store::connect(&fake.runtime, "local://datanode"))
        .unwrap_err();
    assert!(error.to_string().contains("not a namenode"), "{error}");
}

#[test]
fn the_first_server_that_answers_is_used() {
    let fake = Fake::new(100);
    let mut options = fake.options();
    options.servers.insert(0, "local://nobody".into());
    fake.run_with(options, async |store| {
        assert_eq!(store.namenode().to_string(), "local://namenode");
    });
}

#[test]
fn what_may_be_done_twice_is_sent_again_after_a_lost_connection() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    fake.instead(Role::Namenode, method::LOOKUP, Instead::Hold);
    fake.run(async |store| {
        let lookup = store.lookup("/f");
        fake.until("the lookup arrives", |state| !state.held.is_empty())
            .await;
        fake.cut_off(&fake.namenode);
        assert_eq!(lookup.await.unwrap().size, 10);
        assert_eq!(store.stats().connects, 2);
        assert_eq!(store.stats().repeats, 1);
    });
    assert_eq!(fake.count(&Asked::Namenode(method::LOOKUP)), 2);
}

#[test]
fn what_may_not_be_done_twice_is_not_sent_again_and_the_doubt_is_told() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    fake.instead(Role::Namenode, method::DELETE, Instead::ActAndHold);
    fake.run(async |store| {
        let delete = store.delete("/f", false);
        fake.until("the deletion arrives", |state| !state.held.is_empty())
            .await;
        fake.cut_off(&fake.namenode);
        let error = delete.await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Unavailable {
                    may_have_run: true,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error.to_string().ends_with("the operation may have happened"),
            "{error}"
        );
        // The store goes on with a new connection.
        assert!(matches!(store.lookup("/f").await, Err(Error::NotFound { .. })));
    });
    assert_eq!(fake.count(&Asked::Namenode(method::DELETE)), 1);
}

#[test]
fn a_busy_server_is_asked_again_whatever_the_method() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    for _ in 0..3 {
        fake.instead(Role::Namenode, method::DELETE, Instead::Overloaded);
    }
    fake.run(async |store| assert_eq!(store.delete("/f", false).await.unwrap(), 1));
    assert_eq!(fake.count(&Asked::Namenode(method::DELETE)), 4);
}

#[test]
fn what_another_change_holds_up_is_asked_again_until_the_deadline_and_called_busy() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    for _ in 0..3 {
        fake.instead(Role::Namenode, method::DELETE, Instead::Fail(Code::Busy));
    }
    for _ in 0..100 {
        fake.instead(Role::Namenode, method::LOOKUP, Instead::Fail(Code::Busy));
    }
    let mut options = fake.options();
    options.deadline = Duration::from_millis(300);
    fake.run_with(options, async |store| {
        let before = fake.runtime.now_exact();
        let error = store.lookup("/f").await.unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error:?}");
        assert!(error.is_retryable() && !error.may_have_run());
        let waited = fake.runtime.now_exact() - before;
        assert!((40..1000).contains(&waited.as_millis()), "{waited:?}");
        // What ends in time is not told.
        assert_eq!(store.delete("/f", false).await.unwrap(), 1);
    });
    let lookups = fake.count(&Asked::Namenode(method::LOOKUP));
    assert!(
        (4..20).contains(&lookups),
        "{lookups} attempts, each later than the last"
    );
    assert_eq!(fake.count(&Asked::Namenode(method::DELETE)), 4);
}

#[test]
fn an_answer_that_does_not_come_is_given_up_at_the_deadline() {
    let fake = Fake::new(100);
    fake.instead(Role::Namenode, method::LOOKUP, Instead::Hold);
    let mut options = fake.options();
    options.deadline = Duration::from_millis(100);
    fake.run_with(options, async |store| {
        let before = fake.runtime.now_exact();
        let error = store.lookup("/f").await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::TimedOut {
                    may_have_run: true,
                    ..
                }
            ),
            "{error:?}"
        );
        let waited = fake.runtime.now_exact() - before;
        assert!((90..1000).contains(&waited.as_millis()), "{waited:?}");
        assert_eq!(store.stats().kind(OperationKind::Lookup).failed, 1);
    });
}

#[test]
fn after_a_silence_the_next_operation_takes_another_connection() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    fake.instead(Role::Namenode, method::LOOKUP, Instead::Hold);
    let mut options = fake.options();
    options.deadline = Duration::from_millis(50);
    fake.run_with(options, async |store| {
        assert!(matches!(store.lookup("/f").await, Err(Error::TimedOut { .. })));
        assert_eq!(store.lookup("/f").await.unwrap().size, 10);
        assert_eq!(store.lookup("/f").await.unwrap().size, 10);
        assert_eq!(store.stats().connects, 2);
    });
}

#[test]
fn what_is_larger_than_a_message_is_the_callers_mistake() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let path = "x".repeat(70_000);
        assert!(matches!(
            store.lookup(&path).await,
            Err(Error::InvalidName { .. })
        ));
        assert!(store.echo(b"still there").await.is_ok());
    });
}

#[test]
fn a_namenode_that_is_gone_is_told_by_the_deadline() {
    let fake = Fake::new(100);
    let mut options = fake.options();
    options.deadline = Duration::from_millis(300);
    fake.run_with(options, async |store| {
        fake.namenode.shutdown().await;
        let before = fake.runtime.now_exact();
        let error = store.lookup("/f").await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Unavailable {
                    may_have_run: false,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!((fake.runtime.now_exact() - before).as_millis() < 1000);
    });
}

#[test]
fn each_status_is_the_error_of_its_meaning() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let path = || Box::<str>::from("/f");
        let detail = || Box::<str>::from("");
        for (code, expected) in [
            (Code::NotFound, Error::NotFound { path: path() }),
            (Code::AlreadyExists, Error::AlreadyExists { path: path() }),
            (Code::NotADirectory, Error::NotADirectory { path: path() }),
            (Code::IsADirectory, Error::IsADirectory { path: path() }),
            (Code::NotEmpty, Error::NotEmpty { path: path() }),
            (
                Code::WrongKind,
                Error::WrongKind {
                    path: path(),
                    detail: detail(),
                },
            ),
            (
                Code::InvalidName,
                Error::InvalidName {
                    path: path(),
                    detail: detail(),
                },
            ),
            (
                Code::TooLong,
                Error::InvalidName {
                    path: path(),
                    detail: detail(),
                },
            ),
            (Code::Cycle, Error::Cycle { path: path() }),
            (Code::LeaseHeld, Error::LeaseHeld { path: path() }),
            (Code::LeaseLost, Error::LeaseLost { path: path() }),
            (
                Code::NoSpace,
                Error::NoSpace {
                    path: path(),
                    detail: detail(),
                },
            ),
            (
                Code::Full,
                Error::Full {
                    path: path(),
                    detail: detail(),
                },
            ),
            (Code::RootIsFixed, Error::RootIsFixed),
        ] {
            fake.instead(Role::Namenode, method::DELETE, Instead::Fail(code));
            assert_eq!(store.delete("/f", false).await.unwrap_err(), expected);
        }
    });
}

#[test]
fn many_operations_are_in_flight_on_one_connection() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    fake.run(async |store| {
        let pending: Vec<_> = (0..1000).map(|_| store.lookup("/f")).collect();
        for lookup in pending.into_iter().rev() {
            assert_eq!(lookup.await.unwrap().size, 10);
        }
        assert_eq!(store.stats().kind(OperationKind::Lookup).done, 1000);
        assert_eq!(store.stats().connects, 1);
    });
}

#[test]
fn an_operation_can_be_looked_at_without_waiting() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let mut echo = store.echo(b"hello");
        assert!(echo.try_wait().is_none());
        fake.settle().await;
        assert_eq!(&echo.try_wait().unwrap().unwrap()[..], b"hello");
    });
}

#[test]
fn kept_answers_do_not_starve_the_connection_of_buffers() {
    let runtime = RuntimeConfig::default();
    let fake = Fake::new(100);
    fake.run(async |store| {
        let mut kept = Vec::new();
        for number in 0..runtime.buffers_max as u32 * 2 {
            kept.push(store.echo(&number.to_le_bytes()).await.unwrap());
        }
        for (number, echo) in kept.iter().enumerate() {
            assert_eq!(echo[..], (number as u32).to_le_bytes());
        }
    });
}

#[test]
fn idle_connections_to_datanodes_are_closed_and_opened_again() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(10));
    let mut options = fake.options();
    options.idle_close = Duration::from_millis(50);
    fake.run_with(options, async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        reader.read_to_vec(0, 10).await.unwrap();
        assert_eq!(fake.datanode.connections(), 1);
        fake.runtime.sleep(Duration::from_millis(200)).await;
        assert_eq!(fake.datanode.connections(), 0);
        assert_eq!(reader.read_to_vec(0, 10).await.unwrap(), pattern(10));
    });
}

#[test]
fn values_are_put_and_got_in_one_round_trip_when_small() {
    let fake = Fake::new(100);
    let table_id = 7;
    fake.run(async |store| {
        let table = store.make_table("/t", true).await.unwrap();
        assert_eq!(table.id(), table_id);
        fake.state().asked.clear();
        assert_eq!(table.put(b"k", b"v1").await.unwrap(), 1);
        assert_eq!(table.put(b"k", b"v2").await.unwrap(), 2);
        let value = table.get(b"k").await.unwrap().unwrap();
        assert_eq!((&value[..], value.version), (&b"v2"[..], 2));
        assert!(table.get(b"other").await.unwrap().is_none());
        assert_eq!(fake.asked().len(), 4);
    });
}

#[test]
fn a_large_value_appears_when_all_its_bytes_are_there() {
    let fake = Fake::new(1000);
    let bytes = pattern(2500);
    fake.run(async |store| {
        let table = store.make_table("/t", true).await.unwrap();
        fake.state().hold_writes = true;
        let mut put = std::pin::pin!(table.put(b"k", &bytes));
        let deadline = fake.runtime.now_exact() + Duration::from_millis(30);
        assert!(fake.runtime.timeout(deadline, put.as_mut()).await.is_err());
        assert_eq!(fake.state().held.len(), 3, "all blocks are written side by side");
        assert!(table.get(b"k").await.unwrap().is_none());
        fake.release();
        put.await.unwrap();
        assert_eq!(table.get(b"k").await.unwrap().unwrap()[..], bytes[..]);
    });
}

#[test]
fn a_large_value_that_cannot_be_written_is_given_back() {
    let fake = Fake::new(1000);
    fake.instead(Role::Datanode, 1, Instead::Fail(Code::NoRight));
    fake.run(async |store| {
        let table = store.make_table("/t", true).await.unwrap();
        assert!(table.put(b"k", &pattern(1500)).await.is_err());
        assert!(fake.state().pending.is_empty());
        assert!(table.get(b"k").await.unwrap().is_none());
    });
}

#[test]
fn a_failed_put_names_table_and_key() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let table = store.make_table("/t", true).await.unwrap();
        fake.instead(Role::Namenode, method::PUT, Instead::Fail(Code::AlreadyExists));
        let error = table.put_if_absent(b"k\xff", b"v").await.unwrap_err();
        assert_eq!(error.to_string(), "/t[k\\xff]: already exists");
    });
}

#[test]
fn a_file_is_not_a_table_and_a_table_not_a_file() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(1));
    fake.run(async |store| {
        let error = store.table("/f").await.err().unwrap();
        assert_eq!(error.to_string(), "/f: wrong kind of node (a file, not a table)");
        assert_eq!(Node::Table.name(), "table");
    });
}
