//! A connection through shared memory as a stream device.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use crake_mem::{Buf, Pool, Segment, pipe};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::handshake::{self, MAPPED, Pipes, WAKE};
use crate::address::Address;
use crate::driver::{Event, PeerProcess, StreamDevice, Target, Token};
use crate::error::Error;
use crate::kernel::{Poller, SocketStream};
use crate::memory::{Held, Memory};

/// While it is asked in each turn, every so many times in vain it looks whether the other side still lives: a few microseconds.
const LOOKS_PER_CHECK: u32 = 256;

/// Receives from the socket at once, of 64 bytes each.
const RECEIVES_MAX: usize = 16;

pub(crate) struct ShmStream {
    /// As long as it is open at one side, the other knows that the process there may use memory that is shared for writing: so holds
    /// have it, too.
    socket: Rc<SocketStream>,
    poller: Rc<Poller>,
    path: PathBuf,
    token: Cell<Token>,
    /// None before a client has got them.
    pipes: OnceCell<Pipes>,
    /// What the server shares with a client.
    memory: RefCell<Option<Memory>>,
    /// Whether this is a server that shares memory for writing.
    is_writable: Cell<bool>,
    /// Both sides have mapped the memory.
    is_open: Cell<bool>,
    /// The runtime may sleep: the other side is asked to wake it.
    is_watched: Cell<bool>,
    /// It was told to wait before it sends more.
    is_blocked: Cell<bool>,
    looks_in_vain: Cell<u32>,
    /// Of the core that reads what is sent here.
    distance: pipe::Distance,
    /// The other side has closed its socket, or died.
    is_alone: Cell<bool>,
}

impl ShmStream {
    pub(crate) fn connect(path: &Path, poller: &Rc<Poller>) -> Result<ShmStream, Error> {
        let socket = SocketStream::connect(&Address::Unix(path.to_owned()), poller)?;
        Ok(ShmStream::new(socket, poller, path))
    }

    pub(super) fn of_server(
        (socket, pipes): (SocketStream, Pipes),
        is_writable: bool,
        poller: &Rc<Poller>,
        path: &Path,
    ) -> ShmStream {
        let stream = ShmStream::new(socket, poller, path);
        stream.is_writable.set(is_writable);
        stream.pipes.get_or_init(|| pipes);
        stream
    }

    fn new(socket: SocketStream, poller: &Rc<Poller>, path: &Path) -> ShmStream {
        ShmStream {
            socket: Rc::new(socket),
            poller: poller.clone(),
            path: path.to_owned(),
            token: Cell::new(Token(0)),
            pipes: OnceCell::new(),
            memory: RefCell::default(),
            is_writable: Cell::new(false),
            is_open: Cell::new(false),
            is_watched: Cell::new(true),
            is_blocked: Cell::new(false),
            looks_in_vain: Cell::new(0),
            distance: pipe::Distance::default(),
            is_alone: Cell::new(false),
        }
    }

    /// The pipes, once the other side has them, too.
    #[inline]
    fn pipes(&self) -> Poll<Result<&Pipes, Error>> {
        match self.pipes.get() {
            Some(pipes) if self.is_open.get() => Poll::Ready(Ok(pipes)),
            Some(pipes) => self.opened(pipes),
            None => Poll::Ready(Err(Error::Closed)),
        }
    }

    /// A server waits for its client to map the memory.
    #[cold]
    fn opened<'p>(&self, pipes: &'p Pipes) -> Poll<Result<&'p Pipes, Error>> {
        self.listen_to_peer();
        match (self.is_open.get(), self.is_alone.get()) {
            (true, _) => {
                // Who waited for this, and to receive or to send, may be another than who asks.
                self.report();
                Poll::Ready(Ok(pipes))
            }
            (false, true) => Poll::Ready(Err(Error::Reset)),
            (false, false) => Poll::Pending,
        }
    }

    /// Takes what came over the socket: wakes, which have done their work, and the end. Says whether anything came.
    fn listen_to_peer(&self) -> bool {
        let mut came = false;
        for _ in 0..RECEIVES_MAX {
            let mut bytes = [0; 64];
            match rustix::net::recv(self.socket.as_fd(), &mut bytes, RecvFlags::DONTWAIT) {
                Ok((count, _)) if count > 0 => {
                    came = true;
                    if bytes[0] == MAPPED && !self.is_open.get() {
                        self.open();
                    }
                }
                Err(Errno::AGAIN) => return came,
                Ok(_) | Err(_) => {
                    self.is_alone.set(true);
                    return true;
                }
            }
        }
        // Nobody needs so many wakes; others must not wait for the end of them.
        self.report();
        true
    }

    fn open(&self) {
        match self.pipes.get().map(Pipes::secure) {
            Some(Ok(())) => self.is_open.set(true),
            // It cannot be used in safety.
            _ => self.is_alone.set(true),
        }
    }

    fn wake_peer(&self) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(self.socket.as_fd(), &[WAKE], flags) {
            // A socket that is full of wakes has one for it.
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(_) => self.is_alone.set(true),
        }
    }

    /// How many bytes there are; zero at the end.
    #[inline]
    fn arrived(&self, pipes: &Pipes) -> Poll<Result<usize, Error>> {
        match pipes.reader.available() {
            Ok(0) => self.arrived_meanwhile(pipes),
            available => Poll::Ready(available.map_err(hostile)),
        }
    }

    /// The same after nothing was there: the end is believed only if there is still nothing after it was seen.
    fn arrived_meanwhile(&self, pipes: &Pipes) -> Poll<Result<usize, Error>> {
        if self.is_watched.get() {
            pipes.reader.ask_to_be_woken();
        }
        self.check_peer();
        let (ended, is_alone) = (pipes.reader.ended(), self.is_alone.get());
        match (pipes.reader.available().map_err(hostile)?, ended) {
            (0, Some(pipe::End::Finished)) => Poll::Ready(Ok(0)),
            (0, Some(pipe::End::Broken)) => Poll::Ready(Err(Error::Reset)),
            (0, None) if is_alone => Poll::Ready(Err(Error::Reset)),
            (0, None) => Poll::Pending,
            (count, _) => Poll::Ready(Ok(count)),
        }
    }

    /// Looks at the socket, whenever that may have been what woke the runtime, and now and then while nothing sleeps. Says
    /// whether anything came.
    #[inline]
    fn check_peer(&self) -> bool {
        let looks = self.looks_in_vain.get() + 1;
        let is_due = self.is_watched.get() || looks >= LOOKS_PER_CHECK;
        self.looks_in_vain.set(if is_due { 0 } else { looks });
        is_due && self.listen_to_peer()
    }

    #[inline]
    fn send_by(
        &self,
        write: impl Fn(&pipe::Writer) -> Result<pipe::Progress, pipe::Broken>,
    ) -> Poll<Result<usize, Error>> {
        let pipes = match self.pipes() {
            Poll::Ready(pipes) => pipes?,
            Poll::Pending => {
                self.is_blocked.set(true);
                return Poll::Pending;
            }
        };
        if self.is_alone.get() {
            return Poll::Ready(Err(Error::Reset));
        }
        let mut progress = write(&pipes.writer).map_err(hostile)?;
        if progress.count == 0 {
            if self.is_watched.get() {
                pipes.writer.ask_to_be_woken();
            }
            if self.check_peer() {
                // It may have been meant for who receives, and there will be no other event for it.
                self.report();
            }
            if self.is_alone.get() {
                return Poll::Ready(Err(Error::Reset));
            }
            progress = write(&pipes.writer).map_err(hostile)?;
        }
        self.is_blocked.set(progress.count == 0);
        if progress.wake {
            self.wake_peer();
        }
        match progress.count {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    /// Before much is sent: the two readings of the clock take a hundredth of its time.
    fn measure_distance(&self, writer: &pipe::Writer) {
        if let Some(line) = writer.line_time(Instant::now) {
            self.distance.note(line);
            writer.set_apart_from(self.distance.apart_from(writer.capacity()));
        }
    }

    /// Makes the runtime look at everything.
    fn report(&self) {
        self.poller.report(Event {
            writable: true,
            ..Event::readable(self.token.get())
        });
    }

    /// Whether there is something that the runtime was not told.
    fn has_news(&self, pipes: &Pipes) -> bool {
        pipes.reader.available() != Ok(0)
            || pipes.reader.ended().is_some()
            || (self.is_blocked.get() && pipes.writer.room() != Ok(0))
    }
}

#[cold]
fn hostile(broken: pipe::Broken) -> Error {
    tracing::warn!(error = %broken, "a connection through shared memory is given up");
    Error::Reset
}

impl StreamDevice for ShmStream {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.token.set(token);
        self.socket.attach(token)
    }

    fn connected(&self) -> Poll<Result<(), Error>> {
        ready!(self.socket.connected())?;
        if self.pipes.get().is_none() {
            let welcome = ready!(handshake::accept_welcome(self.socket.as_fd()))?;
            self.pipes.get_or_init(|| welcome.pipes);
            let socket: Rc<dyn Any> = self.socket.clone();
            let memory = welcome
                .memory
                .map(|memory| memory.tied_to(Rc::downgrade(&socket)));
            self.memory.replace(memory);
            self.is_open.set(true);
        }
        Poll::Ready(Ok(()))
    }

    fn retry_after(&self) -> Option<Duration> {
        self.socket.retry_after()
    }

    fn send(&self, segments: &[Segment]) -> Poll<Result<usize, Error>> {
        self.send_by(|writer| {
            if pipe::is_much(segments) {
                self.measure_distance(writer);
            }
            writer.write(segments)
        })
    }

    #[inline]
    fn send_copied(&self, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        self.send_by(|writer| writer.write_slice(bytes))
    }

    #[inline]
    fn receive(&self, pool: &Pool, bytes_max: usize) -> Poll<Result<Buf, Error>> {
        let pipes = ready!(self.pipes())?;
        if ready!(self.arrived(pipes))? == 0 {
            return Poll::Ready(Ok(Buf::from_static(&[])));
        }
        let Some(mut buffer) = pool.take() else {
            return Poll::Ready(Err(Error::Exhausted));
        };
        let progress = pipes.reader.read_buf(&mut buffer, bytes_max).map_err(hostile)?;
        if progress.wake {
            self.wake_peer();
        }
        Poll::Ready(Ok(buffer.freeze()))
    }

    fn receive_into(&self, target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        let pipes = ready!(self.pipes())?;
        if ready!(self.arrived(pipes))? == 0 {
            return Poll::Ready(Ok(0));
        }
        // SAFETY: a target is writable for its length.
        let progress = unsafe { pipes.reader.read_to(target.as_mut_ptr(), target.len()) }.map_err(hostile)?;
        if progress.wake {
            self.wake_peer();
        }
        Poll::Ready(Ok(progress.count))
    }

    fn finish(&self) -> Result<(), Error> {
        if let Some(pipes) = self.pipes.get()
            && pipes.writer.end(pipe::End::Finished)
        {
            self.wake_peer();
        }
        Ok(())
    }

    fn is_polled(&self) -> bool {
        true
    }

    /// The socket stays in the epoll set: nothing comes over it while nobody sleeps.
    fn watch(&self, wanted: bool) -> Result<(), Error> {
        self.is_watched.set(wanted);
        let Some(pipes) = self.pipes.get().filter(|_| wanted) else {
            return Ok(());
        };
        pipes.reader.ask_to_be_woken();
        pipes.writer.ask_to_be_woken();
        if self.has_news(pipes) {
            self.report();
        }
        Ok(())
    }

    fn local_address(&self) -> Result<Address, Error> {
        Ok(Address::Shm(self.path.clone()))
    }

    fn peer_address(&self) -> Result<Address, Error> {
        Ok(Address::Shm(self.path.clone()))
    }

    fn memory(&self) -> Option<Memory> {
        self.memory.borrow().clone()
    }

    fn held(&self) -> Option<Held> {
        self.is_writable.get().then(|| Held::by_process(&self.socket))
    }

    fn peer_process(&self) -> Result<PeerProcess, Error> {
        self.socket.peer_process()
    }
}

impl Drop for ShmStream {
    /// As TCP does: closing finishes, but with bytes unread it breaks the connection. The socket closes after this, which wakes
    /// the other side, unless somebody still needs it.
    fn drop(&mut self) {
        let Some(pipes) = self.pipes.get() else { return };
        let is_unread = pipes.reader.available() != Ok(0);
        pipes.writer.end(match is_unread {
            true => pipe::End::Broken,
            false => pipe::End::Finished,
        });
        if Rc::strong_count(&self.socket) > 1 {
            self.wake_peer();
            // It fails only if it had not been added.
            let _ = self.poller.remove(self.socket.as_fd());
        }
    }
}
