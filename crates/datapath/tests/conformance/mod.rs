//! What every backend must do, as tests over a [`World`].
//!
//! `conformance!(make)` makes the tests of this suite for the world that `make` builds.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::{Address, Error, Intake, Op, Runtime, RuntimeConfig, Stream, Time, Usage};
use crake_mem::{Buf, BufMut, HugePages, Region, Sga};

/// Two runtimes that can reach each other, or one twice.
pub trait World {
    fn client(&self) -> &Runtime;
    fn server(&self) -> &Runtime;
    /// An address of the server that nobody has listened at.
    fn address(&self) -> Address;
    /// Drives both runtimes until `future`, which runs on the client's, is done.
    fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T;
}

/// Makes the tests of this suite for one kind of world.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!(@ $make;
            echo
            answers_while_it_still_receives
            sends_many_segments
            sends_nothing_for_an_empty_list
            sends_64_mib_to_a_slow_reader
            keeps_order_and_bytes_in_any_mixture
            an_intake_and_pops_share_what_comes
            an_intake_that_is_dropped_is_shown_nothing
            an_intake_may_close_its_stream
            serves_several_pops_in_order
            pops_into_an_extent_across_arrivals
            pops_into_a_buffer
            pop_into_ends_short_at_the_end
            tells_the_end_again_and_again
            half_closed_streams_still_receive
            refuses_a_push_after_finish
            close_ends_what_waits_to_be_received
            sends_what_was_pushed_before_the_stream_was_dropped
            abort_lets_go_of_what_was_pushed
            cancelled_pops_lose_nothing
            dropped_pops_lose_nothing
            a_cancelled_pop_into_gives_its_bytes_to_the_next
            cancels_accept
            dropped_accepts_lose_no_stream
            cancels_a_push_of_which_nothing_has_left
            dropping_a_push_lets_its_bytes_go_on
            deadlines_pass
            operations_done_in_time_do_not_time_out
            a_peer_that_breaks_off_fails_pushes_and_pops
            refuses_to_connect_where_nobody_listens
            listens_once_at_an_address
            listens_again_after_the_listener_is_dropped
            accepts_many
            an_empty_pool_holds_back_the_sender
            idle_streams_hold_no_buffers
            addresses_of_both_ends_agree
            leaves_nothing_behind
            timers_fire_in_order
            timeouts_drop_what_is_late
            dropped_tasks_are_cancelled
            shutdown_drops_tasks_that_hold_their_runtime
            wakes_tasks_in_order
        );
    };
    (@ $make:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let make: fn(::crake_datapath::RuntimeConfig) -> _ = $make;
                $crate::conformance::$name(&make);
            }
        )*
    };
}

type Make<W> = fn(RuntimeConfig) -> W;

fn world<W: World>(make: &Make<W>) -> W {
    make(RuntimeConfig {
        seed: Some(7),
        ..RuntimeConfig::default()
    })
}

/// A stream at either end.
fn connected<W: World>(world: &W) -> (Rc<Stream>, Rc<Stream>) {
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    let accepted = world.server().spawn(async move { listener.accept().await });
    let client = world.client().clone();
    world.run(async move {
        let near = client.connect(&address).await.expect("connect");
        let far = accepted.await.expect("accept");
        (Rc::new(near), Rc::new(far))
    })
}

/// Lets everything happen that is under way.
fn settle<W: World>(world: &W) {
    let client = world.client().clone();
    world.run(async move { client.sleep(Duration::from_millis(30)).await });
}

fn pattern(start: usize, len_bytes: usize) -> Vec<u8> {
    (start..start + len_bytes)
        .map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7])
        .collect()
}

fn sga(bytes: Vec<u8>) -> Sga {
    Sga::from(Buf::from_vec(bytes))
}

/// Pops until `len_bytes` have come.
async fn pop_exactly(stream: &Stream, len_bytes: usize) -> Result<Vec<u8>, Error> {
    let mut received = Vec::new();
    while received.len() < len_bytes {
        let bytes = stream.pop().await?;
        assert!(
            !bytes.is_empty(),
            "an end after {} of {len_bytes} bytes",
            received.len()
        );
        received.extend_from_slice(&bytes);
    }
    assert_eq!(received.len(), len_bytes, "more than was asked for");
    Ok(received)
}

/// Pops until the end.
async fn pop_all(stream: &Stream) -> Result<Vec<u8>, Error> {
    let mut received = Vec::new();
    loop {
        let bytes = stream.pop().await?;
        if bytes.is_empty() {
            return Ok(received);
        }
        received.extend_from_slice(&bytes);
    }
}

pub fn echo<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let echo = world.server().spawn(async move {
        loop {
            let bytes = far.pop().await?;
            if bytes.is_empty() {
                return Ok::<(), Error>(());
            }
            far.push(Sga::from(bytes)).await?;
        }
    });
    world.run(async move {
        for round in 0..100 {
            let sent = pattern(round, 64);
            near.push(sga(sent.clone())).await.expect("push");
            assert_eq!(pop_exactly(&near, 64).await.expect("pop"), sent);
        }
        near.finish().expect("finish");
        echo.await.expect("the echo ends when the client has finished");
        assert!(near.pop().await.expect("pop").is_empty());
    });
}

pub fn answers_while_it_still_receives<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    const LEN: usize = 3 << 20;
    let both_ways = |stream: Rc<Stream>, start: usize| async move {
        let sent = stream.push(sga(pattern(start, LEN)));
        let received = pop_exactly(&stream, LEN).await.expect("pop");
        sent.await.expect("push");
        received
    };
    let there = world.server().spawn(both_ways(far, 1));
    world.run(async move {
        assert!(both_ways(near, 2).await == pattern(1, LEN));
        assert!(there.await == pattern(2, LEN));
    });
}

pub fn sends_many_segments<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let whole = pattern(0, 40_000);
    let shared = Buf::from_vec(whole.clone());
    let mut rest = shared;
    let mut list = Sga::new();
    let mut size = 0;
    while !rest.is_empty() {
        size = (size + 1) % 15;
        list.push(rest.split_to(size.min(rest.len())));
    }
    assert!(list.segments().len() > 5000, "{}", list.segments().len());
    let reader = world
        .server()
        .spawn(async move { pop_exactly(&far, 40_000).await });
    world.run(async move {
        near.push(list).await.expect("push");
        assert!(reader.await.expect("pop") == whole);
    });
}

pub fn sends_nothing_for_an_empty_list<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        near.push(Sga::new()).await.expect("push");
        near.push(sga(vec![1])).await.expect("push");
        assert_eq!(pop_exactly(&far, 1).await.expect("pop"), [1]);
    });
}

pub fn sends_64_mib_to_a_slow_reader<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    const LEN: usize = 64 << 20;
    let server = world.server().clone();
    let reader = world.server().spawn(async move {
        let mut received = 0;
        let mut next_rest = 0;
        while received < LEN {
            let bytes = far.pop().await?;
            assert!(
                bytes.iter().all(|byte| *byte == (received >> 20) as u8)
                    || bytes.len() + received % (1 << 20) > 1 << 20
            );
            received += bytes.len();
            if received > next_rest {
                next_rest += LEN / 16;
                server.sleep(Duration::from_millis(1)).await;
            }
        }
        Ok::<usize, Error>(received)
    });
    world.run(async move {
        let list: Sga = (0..LEN >> 20)
            .map(|n| Buf::from_vec(vec![n as u8; 1 << 20]))
            .collect();
        let mut push = near.push(list);
        assert!(push.try_wait().is_none(), "64 MiB cannot have left at once");
        assert!(near.unsent_bytes() > 0);
        push.await.expect("push");
        assert_eq!(near.unsent_bytes(), 0);
        assert_eq!(reader.await.expect("pop"), LEN);
    });
}

/// Pushes of random sizes, received by pops and pops into places of random sizes.
pub fn keeps_order_and_bytes_in_any_mixture<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    const LEN: usize = 2_000_000;
    let client = world.client().clone();
    let writer = async move {
        let mut sent = 0;
        let mut waiting = Vec::new();
        while sent < LEN {
            let len_bytes = (client.random() as usize % [20, 3000, 200_000][client.random() as usize % 3])
                .min(LEN - sent);
            waiting.push(near.push(sga(pattern(sent, len_bytes))));
            sent += len_bytes;
            if client.random().is_multiple_of(4) {
                client.sleep(Duration::from_micros(client.random() % 100)).await;
            }
        }
        for push in waiting {
            push.await.expect("push");
        }
        near.finish().expect("finish");
        near
    };
    let server = world.server().clone();
    let reader = world.server().spawn(async move {
        let mut received = Vec::new();
        loop {
            let len_bytes = 1 + server.random() as usize % 50_000;
            let before = received.len();
            match server.random() % 3 {
                0 => received.extend_from_slice(&far.pop().await.expect("pop")),
                1 => {
                    let region = Region::anonymous(len_bytes, HugePages::Never).expect("memory");
                    let extent = region.extent(..len_bytes);
                    let count = far.pop_into(extent.clone()).await.expect("pop_into");
                    received.extend_from_slice(&extent.slice(..count).to_vec());
                }
                _ => {
                    let buffer = far
                        .pop_into_buf(BufMut::with_capacity(len_bytes))
                        .await
                        .expect("pop_into_buf");
                    received.extend_from_slice(&buffer);
                }
            }
            if received.len() == before {
                return received;
            }
        }
    });
    world.run(async move {
        let near = writer.await;
        assert!(reader.await == pattern(0, LEN));
        drop(near);
    });
}

/// Takes two of three that it is shown.
#[derive(Default)]
struct Taster {
    received: RefCell<Vec<u8>>,
    shown: Cell<usize>,
}

impl Intake for Taster {
    fn take(&self, bytes: Buf) -> Option<Buf> {
        assert!(!bytes.is_empty(), "an intake was shown the end");
        self.shown.set(self.shown.get() + 1);
        if self.shown.get().is_multiple_of(3) {
            return Some(bytes);
        }
        self.received.borrow_mut().extend_from_slice(&bytes);
        None
    }
}

/// What the intake takes, what pops receive and what goes straight to its place is everything, in order, whatever the most
/// is that a receive takes, and whether it was pushed or sent at once.
pub fn an_intake_and_pops_share_what_comes<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    const LEN: usize = 1_000_000;
    let client = world.client().clone();
    let writer = async move {
        // Until the first pop waits.
        client.sleep(Duration::from_millis(1)).await;
        let mut sent = 0;
        while sent < LEN {
            let len_bytes = (1 + client.random() as usize % 5000).min(LEN - sent);
            let bytes = pattern(sent, len_bytes);
            let count = near.push_now(&bytes).expect("push_now");
            assert!(count <= len_bytes);
            if count < len_bytes {
                near.push(sga(bytes[count..].to_vec())).await.expect("push");
            }
            sent += len_bytes;
            if client.random().is_multiple_of(4) {
                client.sleep(Duration::from_micros(client.random() % 100)).await;
            }
        }
        near.finish().expect("finish");
        near
    };
    let taster = Rc::new(Taster::default());
    far.set_intake(Rc::downgrade(&taster) as Weak<dyn Intake>);
    let (server, received) = (world.server().clone(), taster.clone());
    let reader = world.server().spawn(async move {
        loop {
            far.set_receive_max([1, 100, usize::MAX][server.random() as usize % 3]);
            let bytes = far.pop().await.expect("pop");
            received.received.borrow_mut().extend_from_slice(&bytes);
            let region = Region::anonymous(3000, HugePages::Never).expect("memory");
            let extent = region.extent(..1 + server.random() as usize % 3000);
            let count = far.pop_into(extent.clone()).await.expect("pop_into");
            let placed = extent.slice(..count).to_vec();
            received.received.borrow_mut().extend_from_slice(&placed);
            if bytes.is_empty() && count == 0 {
                return;
            }
        }
    });
    world.run(async move {
        let near = writer.await;
        reader.await;
        drop(near);
    });
    assert!(taster.received.take() == pattern(0, LEN));
    assert!(taster.shown.get() > 0, "the intake was shown nothing");
}

pub fn an_intake_that_is_dropped_is_shown_nothing<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let taster = Rc::new(Taster::default());
    far.set_intake(Rc::downgrade(&taster) as Weak<dyn Intake>);
    assert_eq!(Rc::strong_count(&taster), 1, "the stream keeps its intake");
    drop(taster);
    world.run(async move {
        near.push(sga(vec![7; 10])).await.expect("push");
        assert_eq!(pop_exactly(&far, 10).await.expect("pop"), [7; 10]);
    });
}

/// Closes its stream with the first bytes.
struct Closer {
    stream: Rc<Stream>,
    gives_back: bool,
}

impl Intake for Closer {
    fn take(&self, bytes: Buf) -> Option<Buf> {
        self.stream.close();
        self.gives_back.then_some(bytes)
    }
}

pub fn an_intake_may_close_its_stream<W: World>(make: &Make<W>) {
    for gives_back in [false, true] {
        let world = world(make);
        let (near, far) = connected(&world);
        let closer = Rc::new(Closer {
            stream: far.clone(),
            gives_back,
        });
        far.set_intake(Rc::downgrade(&closer) as Weak<dyn Intake>);
        world.run(async move {
            let pop = far.pop();
            near.push(sga(vec![7; 10])).await.expect("push");
            assert_eq!(pop.await.expect_err("closed"), Error::Closed);
            assert_eq!(far.pop().await.expect_err("closed"), Error::Closed);
            drop(closer);
        });
    }
}

pub fn serves_several_pops_in_order<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let client = world.client().clone();
    world.run(async move {
        let pops: Vec<Op<Buf>> = (0..8).map(|_| far.pop()).collect();
        for n in 0..8u8 {
            near.push(sga(vec![n; 10])).await.expect("push");
            client.sleep(Duration::from_millis(2)).await;
        }
        near.finish().expect("finish");
        let mut received = Vec::new();
        for pop in pops {
            received.extend_from_slice(&pop.await.expect("pop"));
        }
        // What was sent at once may come in pieces, and then there are more of them than pops.
        received.extend_from_slice(&pop_all(&far).await.expect("pop"));
        let expected: Vec<u8> = (0..80).map(|i| i / 10).collect();
        assert_eq!(received, expected);
    });
}

pub fn pops_into_an_extent_across_arrivals<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let client = world.client().clone();
    world.run(async move {
        let region = Region::anonymous(8192, HugePages::Never).expect("memory");
        region.extent(..).fill(.., 0xee);
        let mut pop = far.pop_into(region.extent(1000..6000));
        let after = far.pop();
        for n in 0..11 {
            assert!(pop.try_wait().is_none(), "done before it was full");
            near.push(sga(pattern(n * 500, 500))).await.expect("push");
            client.sleep(Duration::from_millis(1)).await;
            if n == 9 {
                break;
            }
        }
        assert_eq!(pop.await, Ok(5000));
        near.push(sga(vec![9; 3])).await.expect("push");
        assert_eq!(
            after.await.expect("pop")[..],
            [9; 3],
            "what comes next goes to the next"
        );
        assert!(region.extent(1000..6000).to_vec() == pattern(0, 5000));
        assert!(
            region.extent(..1000).to_vec().iter().all(|byte| *byte == 0xee),
            "wrote before the target"
        );
        assert!(
            region.extent(6000..).to_vec()[..2192]
                .iter()
                .all(|byte| *byte == 0xee),
            "wrote behind the target"
        );
    });
}

pub fn pops_into_a_buffer<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        let mut buffer = BufMut::with_capacity(100);
        buffer.push_slice(b"head");
        let room = buffer.spare();
        let pop = far.pop_into_buf(buffer);
        near.push(sga(pattern(0, 50))).await.expect("push");
        near.push(sga(pattern(50, room - 50))).await.expect("push");
        let buffer = pop.await.expect("pop");
        assert_eq!(&buffer[..4], b"head");
        assert_eq!(&buffer[4..], &pattern(0, room)[..]);
    });
}

pub fn pop_into_ends_short_at_the_end<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        let region = Region::anonymous(4096, HugePages::Never).expect("memory");
        near.push(sga(pattern(0, 100))).await.expect("push");
        near.finish().expect("finish");
        assert_eq!(
            far.pop_into(region.extent(..0)).await,
            Ok(0),
            "an empty place is full at once"
        );
        assert_eq!(far.pop_into(region.extent(..4096)).await, Ok(100));
        assert_eq!(region.extent(..100).to_vec(), pattern(0, 100));
        assert_eq!(far.pop_into(region.extent(..4096)).await, Ok(0));
        let buffer = far.pop_into_buf(BufMut::with_capacity(10)).await.expect("pop");
        assert!(buffer.is_empty());
    });
}

pub fn tells_the_end_again_and_again<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        near.push(sga(vec![5; 5])).await.expect("push");
        drop(near);
        assert_eq!(pop_all(&far).await.expect("pop"), [5; 5]);
        for _ in 0..3 {
            assert!(far.pop().await.expect("the end").is_empty());
        }
    });
}

pub fn half_closed_streams_still_receive<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        near.finish().expect("finish");
        near.finish().expect("finishing again changes nothing");
        assert!(far.pop().await.expect("the end").is_empty());
        far.push(sga(pattern(0, 5000))).await.expect("push");
        assert_eq!(pop_exactly(&near, 5000).await.expect("pop"), pattern(0, 5000));
        drop(far);
        assert!(near.pop().await.expect("the end").is_empty());
    });
}

pub fn refuses_a_push_after_finish<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        near.finish().expect("finish");
        assert!(matches!(near.push(sga(vec![1])).await, Err(Error::Invalid(_))));
        drop(far);
    });
}

pub fn close_ends_what_waits_to_be_received<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let listener = world.server().listen(&world.address()).expect("listen");
    world.run(async move {
        let (pop, into) = (near.pop(), near.pop_into_buf(BufMut::with_capacity(10)));
        near.close();
        assert_eq!(pop.await.err(), Some(Error::Closed));
        assert_eq!(into.await.err(), Some(Error::Closed));
        assert_eq!(near.pop().await.err(), Some(Error::Closed));
        assert_eq!(near.push(sga(vec![1])).await, Err(Error::Closed));
        assert!(far.pop().await.expect("the end").is_empty());
        let accept = listener.accept();
        drop(listener);
        assert_eq!(accept.await.err(), Some(Error::Closed));
    });
}

pub fn sends_what_was_pushed_before_the_stream_was_dropped<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    const LEN: usize = 20 << 20;
    let client = world.client().clone();
    world.run(async move {
        drop(near.push(sga(pattern(0, LEN))));
        assert!(near.unsent_bytes() > 0);
        drop(near);
        assert_eq!(client.usage().operations, 0);
        assert!(pop_all(&far).await.expect("pop") == pattern(0, LEN));
    });
    settle(&world);
    assert_eq!(
        world.client().usage(),
        Usage::default(),
        "nothing lingers once it is sent"
    );
}

pub fn abort_lets_go_of_what_was_pushed<W: World>(make: &Make<W>) {
    const LEN_BYTES: usize = 64 << 20;
    let world = world(make);
    let (near, far) = connected(&world);
    let loan = crake_mem::Loan::new();
    let region = Region::anonymous(LEN_BYTES, HugePages::Never).expect("memory");
    let push = near.push(Sga::from(loan.lend(&region.extent(..))));
    settle(&world);
    assert!(!loan.is_home(), "nobody reads, so not all of it can have left");
    near.abort();
    assert!(loan.is_home());
    assert_eq!(world.run(push), Err(Error::Closed));
    let ended = async move {
        loop {
            match far.pop().await {
                Ok(bytes) if !bytes.is_empty() => {}
                ended => return ended.map(|_| ()),
            }
        }
    };
    // An end or a reset, by what the device can say.
    let _ = world.run(ended);
}

pub fn cancelled_pops_lose_nothing<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        let mut first = far.pop();
        let second = far.pop();
        assert!(first.cancel());
        assert!(!first.cancel(), "it is over");
        assert_eq!(first.await.err(), Some(Error::Cancelled));
        near.push(sga(vec![1; 10])).await.expect("push");
        assert_eq!(second.await.expect("pop")[..], [1; 10]);
    });
}

pub fn dropped_pops_lose_nothing<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let client = world.client().clone();
    world.run(async move {
        let pops: Vec<_> = (0..3).map(|_| far.pop()).collect();
        let into = far.pop_into_buf(BufMut::with_capacity(30));
        for n in 1..=3u8 {
            near.push(sga(vec![n; 100])).await.expect("push");
            client.sleep(Duration::from_millis(2)).await;
        }
        near.push(sga(pattern(0, 100))).await.expect("push");
        client.sleep(Duration::from_millis(2)).await;
        // All of them have received something that nobody has seen, some of them nothing.
        drop(pops);
        drop(into);
        let received = pop_exactly(&far, 400).await.expect("pop");
        let expected = [vec![1; 100], vec![2; 100], vec![3; 100], pattern(0, 100)].concat();
        assert!(received == expected, "order or bytes were lost");
    });
}

pub fn a_cancelled_pop_into_gives_its_bytes_to_the_next<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let client = world.client().clone();
    world.run(async move {
        let region = Region::anonymous(4096, HugePages::Never).expect("memory");
        for into_extent in [true, false] {
            near.push(sga(pattern(0, 1000))).await.expect("push");
            if into_extent {
                let mut pop = far.pop_into(region.extent(..4096));
                client.sleep(Duration::from_millis(2)).await;
                assert!(pop.cancel());
                assert_eq!(pop.await, Err(Error::Cancelled));
                region.extent(..).fill(.., 0);
            } else {
                let pop = far.pop_into_buf(BufMut::with_capacity(4096));
                client.sleep(Duration::from_millis(2)).await;
                drop(pop);
            }
            near.push(sga(pattern(1000, 1000))).await.expect("push");
            assert!(pop_exactly(&far, 2000).await.expect("pop") == pattern(0, 2000));
        }
    });
}

pub fn cancels_accept<W: World>(make: &Make<W>) {
    let world = world(make);
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    let client = world.client().clone();
    world.run(async move {
        let mut accept = listener.accept();
        assert!(accept.cancel());
        assert_eq!(accept.await.err(), Some(Error::Cancelled));
        let connect = client.connect(&address);
        listener.accept().await.expect("the next accept gets it");
        connect.await.expect("connect");
    });
}

pub fn dropped_accepts_lose_no_stream<W: World>(make: &Make<W>) {
    let world = world(make);
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    let client = world.client().clone();
    world.run(async move {
        let accept = listener.accept();
        let near = client.connect(&address).await.expect("connect");
        client.sleep(Duration::from_millis(2)).await;
        assert!(accept.is_done());
        drop(accept);
        let far = listener.accept().await.expect("accept");
        far.push(sga(vec![3; 3])).await.expect("push");
        assert_eq!(pop_exactly(&near, 3).await.expect("pop"), [3; 3]);
    });
}

/// Fills the stream until a push has to wait; gives the bytes that are on the way.
fn fill(stream: &Stream) -> (Op<()>, usize) {
    let mut len_bytes = 0;
    loop {
        let mut push = stream.push(sga(pattern(len_bytes, 1 << 20)));
        len_bytes += 1 << 20;
        if !push.is_done() {
            return (push, len_bytes);
        }
        push.try_wait().expect("done").expect("push");
        assert!(len_bytes < 1 << 30, "a stream without back-pressure");
    }
}

pub fn cancels_a_push_of_which_nothing_has_left<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        let (mut started, len_bytes) = fill(&near);
        let mut second = near.push(sga(vec![2; 1000]));
        let third = near.push(sga(pattern(len_bytes, 1000)));
        assert!(second.cancel());
        assert_eq!(second.await, Err(Error::Cancelled));
        let left = started.cancel();
        let start = if left { len_bytes - (1 << 20) } else { len_bytes };
        near.finish().expect("finish");
        let received = pop_all(&far).await.expect("pop");
        assert!(received[..start] == pattern(0, start), "what had left arrives");
        assert!(
            received[start..] == pattern(len_bytes, 1000),
            "what was pushed later arrives behind it"
        );
        third.await.expect("push");
    });
}

pub fn dropping_a_push_lets_its_bytes_go_on<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    world.run(async move {
        let (push, len_bytes) = fill(&near);
        drop(push);
        drop(near.push(sga(pattern(len_bytes, 1000))));
        near.finish().expect("finish");
        assert!(pop_all(&far).await.expect("pop") == pattern(0, len_bytes + 1000));
    });
}

pub fn deadlines_pass<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let listener = world.server().listen(&world.address()).expect("listen");
    let (client, server) = (world.client().clone(), world.server().clone());
    world.run(async move {
        let wait = Duration::from_millis(5);
        let start = server.now_exact();
        assert_eq!(
            far.pop().deadline(server.now_exact() + wait).await.err(),
            Some(Error::TimedOut)
        );
        let waited = server.now_exact() - start;
        assert!(waited >= wait, "{waited:?}");
        assert_eq!(
            listener.accept().deadline(server.now_exact() + wait).await.err(),
            Some(Error::TimedOut)
        );
        let (push, _) = fill(&near);
        let queued = near.push(sga(vec![1])).deadline(client.now_exact() + wait);
        assert_eq!(queued.await, Err(Error::TimedOut));
        assert_eq!(
            push.deadline(client.now_exact() + wait).await,
            Err(Error::TimedOut)
        );
        let late = far.pop_into_buf(BufMut::with_capacity(1 << 30)).deadline(Time(0));
        assert_eq!(late.await.err(), Some(Error::TimedOut));
        assert!(
            !far.pop()
                .await
                .expect("what was received for it is still there")
                .is_empty()
        );
    });
}

pub fn operations_done_in_time_do_not_time_out<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let (client, server) = (world.client().clone(), world.server().clone());
    world.run(async move {
        let pop = far.pop().deadline(server.now_exact() + Duration::from_millis(20));
        near.push(sga(vec![1]))
            .deadline(client.now_exact() + Duration::from_millis(20))
            .await
            .expect("push");
        client.sleep(Duration::from_millis(40)).await;
        assert_eq!(pop.await.expect("pop")[..], [1]);
        assert_eq!(
            client.next_timer(),
            None,
            "the timer of an operation goes with it"
        );
        assert_eq!(
            server.next_timer(),
            None,
            "the timer of an operation goes with it"
        );
    });
}

pub fn a_peer_that_breaks_off_fails_pushes_and_pops<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let client = world.client().clone();
    world.run(async move {
        let (started, _) = fill(&near);
        let queued = near.push(sga(vec![1]));
        let pop = near.pop();
        client.sleep(Duration::from_millis(2)).await;
        // Closing with bytes unread tells the peer that they are lost.
        drop(far);
        assert_eq!(started.await, Err(Error::Reset));
        assert_eq!(queued.await, Err(Error::Reset));
        // A pop may see the end before the break, but nothing else, and never waits.
        assert!(pop.await.is_ok_and(|bytes| bytes.is_empty()) || near.pop().await.is_err());
        assert_eq!(near.push(sga(vec![1])).await, Err(Error::Reset));
        assert_eq!(near.unsent_bytes(), 0, "buffers of failed pushes are free");
    });
}

pub fn refuses_to_connect_where_nobody_listens<W: World>(make: &Make<W>) {
    let world = world(make);
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    drop(listener);
    let client = world.client().clone();
    world.run(async move {
        assert_eq!(client.connect(&address).await.err(), Some(Error::Refused));
        assert_eq!(client.usage(), Usage::default());
    });
}

pub fn listens_once_at_an_address<W: World>(make: &Make<W>) {
    let world = world(make);
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    assert_eq!(world.server().listen(&address).err(), Some(Error::AddressInUse));
    let client = world.client().clone();
    world.run(async move {
        let connect = client.connect(&address);
        listener.accept().await.expect("the first one still listens");
        connect.await.expect("connect");
    });
}

pub fn listens_again_after_the_listener_is_dropped<W: World>(make: &Make<W>) {
    let world = world(make);
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    let (client, server) = (world.client().clone(), world.server().clone());
    world.run(async move {
        let connect = client.connect(&address);
        let far = listener.accept().await.expect("accept");
        let near = connect.await.expect("connect");
        drop(listener);
        let listener = server
            .listen(&address)
            .expect("listen again while a stream is open");
        near.push(sga(vec![1])).await.expect("push");
        assert_eq!(pop_exactly(&far, 1).await.expect("pop"), [1]);
        drop(listener);
    });
}

pub fn accepts_many<W: World>(make: &Make<W>) {
    const STREAMS: usize = 200;
    let world = world(make);
    let listener = world.server().listen(&world.address()).expect("listen");
    let address = listener.local_address().expect("address");
    let server = world.server().clone();
    let echoes = world.server().spawn(async move {
        let mut echoes = Vec::new();
        for _ in 0..STREAMS {
            let stream = listener.accept().await.expect("accept");
            echoes.push(server.spawn(async move {
                let number = pop_exactly(&stream, 2).await.expect("pop");
                stream.push(sga(number)).await.expect("push");
            }));
        }
        for echo in echoes {
            echo.await;
        }
    });
    let client = world.client().clone();
    world.run(async move {
        let connects: Vec<_> = (0..STREAMS).map(|_| client.connect(&address)).collect();
        let mut streams = Vec::new();
        for connect in connects {
            streams.push(connect.await.expect("connect"));
        }
        for (n, stream) in streams.iter().enumerate() {
            stream
                .push(sga((n as u16).to_le_bytes().to_vec()))
                .await
                .expect("push");
        }
        for (n, stream) in streams.iter().enumerate() {
            assert_eq!(
                pop_exactly(stream, 2).await.expect("pop"),
                (n as u16).to_le_bytes()
            );
        }
        echoes.await;
    });
}

/// Four buffers for eight streams with data: four pops get one, the others when they are given back.
pub fn an_empty_pool_holds_back_the_sender<W: World>(make: &Make<W>) {
    let world = make(RuntimeConfig {
        buffers_max: 4,
        seed: Some(1),
        ..RuntimeConfig::default()
    });
    let pairs: Vec<_> = (0..8).map(|_| connected(&world)).collect();
    let (client, server) = (world.client().clone(), world.server().clone());
    world.run(async move {
        for (near, _) in &pairs {
            near.push(Sga::from(Buf::from_static(&[7; 100])))
                .await
                .expect("push");
        }
        client.sleep(Duration::from_millis(5)).await;
        let mut held = Vec::new();
        for (_, far) in &pairs {
            let mut pop = far.pop();
            client.sleep(Duration::from_millis(1)).await;
            held.push((pop.is_done().then(|| pop.try_wait()).flatten(), pop));
        }
        let got = held.iter().filter(|(bytes, _)| bytes.is_some()).count();
        assert!(server.pool().in_use() <= 4);
        assert!(got >= 4, "{got} of 8 could be received with 4 buffers");
        let mut waiting = Vec::new();
        for (bytes, pop) in held {
            match bytes {
                Some(bytes) => assert_eq!(bytes.expect("pop")[..], [7; 100]),
                None => waiting.push(pop),
            }
        }
        for pop in waiting {
            assert_eq!(pop.await.expect("pop")[..], [7; 100]);
        }
    });
}

pub fn idle_streams_hold_no_buffers<W: World>(make: &Make<W>) {
    let world = world(make);
    let pairs: Vec<_> = (0..20).map(|_| connected(&world)).collect();
    let pops: Vec<_> = pairs.iter().map(|(_, far)| far.pop()).collect();
    settle(&world);
    assert_eq!(world.server().usage().buffers, 0);
    drop(pops);
}

pub fn addresses_of_both_ends_agree<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    assert_eq!(near.local_address(), far.peer_address());
    assert_eq!(near.peer_address(), far.local_address());
}

pub fn leaves_nothing_behind<W: World>(make: &Make<W>) {
    let world = world(make);
    let pairs: Vec<_> = (0..10).map(|_| connected(&world)).collect();
    let listener = world.server().listen(&world.address()).expect("listen");
    let client = world.client().clone();
    world.run(async move {
        let accept = listener.accept();
        for (near, far) in &pairs {
            drop(far.pop());
            let waiting = near.pop();
            drop(near.push(sga(pattern(0, 3000))));
            let received = far.pop().await.expect("pop");
            assert!(!received.is_empty());
            drop((received, waiting));
            // Never received.
            drop(near.push(sga(pattern(0, 3000))));
            drop(far.push(sga(pattern(0, 3000))));
        }
        drop(client.spawn(std::future::pending::<()>()));
        drop((pairs, accept, listener));
    });
    settle(&world);
    for runtime in [world.client(), world.server()] {
        assert_eq!(runtime.usage(), Usage::default());
        assert_eq!(runtime.next_timer(), None);
    }
}

pub fn timers_fire_in_order<W: World>(make: &Make<W>) {
    let world = world(make);
    let client = world.client().clone();
    let fired = Rc::new(RefCell::new(Vec::new()));
    let seen = fired.clone();
    world.run(async move {
        let start = client.now_exact();
        let sleepers: Vec<_> = [5u64, 1, 3, 3, 0, 2, 5]
            .into_iter()
            .enumerate()
            .map(|(n, milliseconds)| {
                let (runtime, fired) = (client.clone(), fired.clone());
                let at = start + Duration::from_millis(milliseconds);
                client.spawn(async move {
                    runtime.sleep_until(at).await;
                    assert!(runtime.now() >= at, "too early");
                    fired.borrow_mut().push(n);
                })
            })
            .collect();
        for sleeper in sleepers {
            sleeper.await;
        }
    });
    assert_eq!(*seen.borrow(), [4, 1, 5, 2, 3, 0, 6]);
}

pub fn timeouts_drop_what_is_late<W: World>(make: &Make<W>) {
    struct Dropped(Rc<Cell<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let world = world(make);
    let client = world.client().clone();
    world.run(async move {
        let dropped = Rc::new(Cell::new(false));
        let guard = Dropped(dropped.clone());
        let never = async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        };
        let deadline = client.now_exact() + Duration::from_millis(1);
        assert!(client.timeout(deadline, never).await.is_err());
        assert!(dropped.get());
        assert_eq!(
            client.timeout(Time(0), async { 5 }).await,
            Ok(5),
            "what is there at once is never late"
        );
        assert_eq!(client.next_timer(), None);
    });
}

pub fn dropped_tasks_are_cancelled<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let (client, server) = (world.client().clone(), world.server().clone());
    let stream = far.clone();
    let task = world.server().spawn(async move { stream.pop().await });
    world.run(async move {
        client.sleep(Duration::from_millis(1)).await;
        drop(task);
        client.sleep(Duration::from_millis(1)).await;
        near.push(sga(vec![1; 4])).await.expect("push");
        assert_eq!(
            pop_exactly(&far, 4).await.expect("pop"),
            [1; 4],
            "the task's pop went with it"
        );
        assert_eq!(server.usage().operations, 0);
    });
}

pub fn shutdown_drops_tasks_that_hold_their_runtime<W: World>(make: &Make<W>) {
    let world = world(make);
    let (near, far) = connected(&world);
    let server = world.server().clone();
    let held = Rc::new(());
    let alive = Rc::downgrade(&held);
    world
        .server()
        .spawn(async move {
            server.sleep(Duration::from_secs(1000)).await;
            drop((held, near.pop().await));
        })
        .detach();
    settle(&world);
    world.server().shutdown();
    assert!(alive.upgrade().is_none());
    assert_eq!(world.server().usage().tasks, 0);
    drop(far);
}

pub fn wakes_tasks_in_order<W: World>(make: &Make<W>) {
    let world = world(make);
    let client = world.client().clone();
    let order = Rc::new(RefCell::new(Vec::new()));
    let seen = order.clone();
    world.run(async move {
        let tasks: Vec<_> = (0..1000)
            .map(|n| {
                let order = order.clone();
                client.spawn(async move { order.borrow_mut().push(n) })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(*seen.borrow(), (0..1000).collect::<Vec<_>>());
}
