//! The other thread: receives messages, reads them, and tells how many it has read.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use crake_datapath::{Address, Op, Runtime, RuntimeConfig, Stream, Waiting};
use crake_mem::{Buf, BufMut, Sga};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::frame::HEADER_BYTES;
use super::incoming::{Incoming, Reading};
use super::outbox::Pools;

/// What it is to do next.
pub struct Order {
    /// Makes what reads the messages, on that thread.
    pub reading: Box<dyn FnOnce() -> Reading + Send>,
    pub messages: u64,
}

/// The thread, as the one that sends sees it.
pub struct Sink {
    pub address: Address,
    orders: Sender<Order>,
    answers: Receiver<u64>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Sink {
    /// Listens at an address, on a core of its own.
    pub fn start(address: Address, core: usize) -> Result<Self> {
        let (orders, received) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let (listens, address_of) = mpsc::channel();
        let thread = thread::Builder::new().name("sink".into()).spawn(move || {
            pin(core)?;
            let runtime = busy_runtime()?;
            let listener = runtime.listen(&address)?;
            listens.send(listener.local_address()?)?;
            let stream = runtime.block_on(listener.accept())?;
            serve(&runtime, &stream, &received, &answer)
        })?;
        match address_of.recv() {
            Ok(address) => Ok(Self {
                address,
                orders,
                answers,
                thread,
            }),
            // It ended before it could say where it listens.
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                _ => bail!("the other thread ended"),
            },
        }
    }

    /// Gives an order; it is ready to receive when this returns.
    pub fn order(&self, order: Order) -> Result<()> {
        self.orders
            .send(order)
            .map_err(|_| anyhow!("the other thread ended"))?;
        self.answer().map(|_| ())
    }

    /// The sum of what was read, once all has been.
    pub fn answer(&self) -> Result<u64> {
        self.answers.recv().context("the other thread ended")
    }

    /// Ends it, and gives the error that it ended with before.
    pub fn stop(self) -> Result<()> {
        drop(self.orders);
        self.thread
            .join()
            .map_err(|_| anyhow!("the other thread panicked"))?
    }
}

/// A runtime that never sleeps.
pub fn busy_runtime() -> Result<Runtime> {
    let config = RuntimeConfig {
        waiting: Waiting::Busy,
        ..RuntimeConfig::default()
    };
    Runtime::new(config).context("starting the runtime")
}

pub fn pin(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).with_context(|| format!("binding a thread to core {core}"))
}

fn serve(runtime: &Runtime, stream: &Stream, orders: &Receiver<Order>, answer: &Sender<u64>) -> Result<()> {
    let mut receiving = Receiving {
        stream,
        pop: Pop::Some(stream.pop()),
        receive_max: usize::MAX,
        fills_places: !matches!(stream.local_address()?, Address::Shm(_)),
    };
    let pools = Pools::new(runtime.pool());
    while let Ok(order) = orders.recv() {
        let mut incoming = Incoming::new(pools.clone(), (order.reading)());
        answer.send(0)?;
        let mut told = 0;
        while incoming.messages < order.messages {
            runtime.turn();
            receiving.go_on(&mut incoming)?;
            if incoming.messages > told {
                told = incoming.messages;
                tell(stream, told)?;
            }
        }
        answer.send(incoming.sum)?;
    }
    Ok(())
}

/// Sends how many messages were read so far.
fn tell(stream: &Stream, messages: u64) -> Result<()> {
    let bytes = messages.to_le_bytes();
    let count = stream.push_now(&bytes)?;
    if count < bytes.len() {
        // It goes on by itself.
        drop(stream.push(Sga::from(Buf::copy_from_slice(&bytes[count..]))));
    }
    Ok(())
}

/// What waits to be received.
struct Receiving<'s> {
    stream: &'s Stream,
    pop: Pop,
    receive_max: usize,
    /// Receives to places of their own. Not through shared memory: there that passes the caches, and what is read at once is better copied
    /// once more.
    fills_places: bool,
}

enum Pop {
    Some(Op<Buf>),
    Into(Op<BufMut>),
}

impl Receiving<'_> {
    /// Takes what came, if anything did.
    fn go_on(&mut self, incoming: &mut Incoming) -> Result<()> {
        match &mut self.pop {
            Pop::Some(pop) => {
                let Some(buf) = pop.try_wait() else { return Ok(()) };
                let buf = buf?;
                if buf.is_empty() {
                    bail!("the sender has gone");
                }
                incoming.take(&buf)?;
            }
            Pop::Into(pop) => {
                let Some(place) = pop.try_wait() else {
                    return Ok(());
                };
                incoming.filled(place?)?;
            }
        }
        self.pop_next(incoming);
        Ok(())
    }

    /// After a message that was received to its place, the next header is received alone: as a rule its message is as large, and
    /// then nothing of it has to be copied to its place.
    fn pop_next(&mut self, incoming: &mut Incoming) {
        let was_into = matches!(self.pop, Pop::Into(_));
        if self.fills_places
            && let Some(place) = incoming.vacant()
        {
            self.pop = Pop::Into(self.stream.pop_into_buf(place));
            return;
        }
        let receive_max = if was_into { HEADER_BYTES } else { usize::MAX };
        if receive_max != self.receive_max {
            self.stream.set_receive_max(receive_max);
            self.receive_max = receive_max;
        }
        self.pop = Pop::Some(self.stream.pop());
    }
}
