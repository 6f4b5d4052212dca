//! Where clients ask for shared memory.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Poll, ready};

use super::handshake::{self, Refusal, Wide};
use super::stream::ShmStream;
use crate::address::Address;
use crate::driver::{ListenerDevice, StreamDevice, Token};
use crate::error::Error;
use crate::kernel::{Poller, SocketListener};
use crate::memory::Shared;

pub(crate) struct ShmListener {
    sockets: SocketListener,
    poller: Rc<Poller>,
    path: PathBuf,
    shared: RefCell<Vec<Shared>>,
    wide: Wide,
}

impl ShmListener {
    pub(crate) fn listen(path: &Path, poller: &Rc<Poller>) -> Result<ShmListener, Error> {
        Ok(ShmListener {
            sockets: SocketListener::listen(&Address::Unix(path.to_owned()), poller)?,
            poller: poller.clone(),
            path: path.to_owned(),
            shared: RefCell::default(),
            wide: Wide::default(),
        })
    }
}

impl ListenerDevice for ShmListener {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.sockets.attach(token)
    }

    /// A client that cannot be served is told why, and the next one looked at.
    fn accept(&self) -> Poll<Result<Box<dyn StreamDevice>, Error>> {
        loop {
            let socket = ready!(self.sockets.accept_socket())?;
            // Nobody but this user may write where this process reads and writes.
            let is_ours = match socket.peer_process() {
                Ok(peer) => peer.uid == rustix::process::geteuid().as_raw(),
                Err(_) => continue,
            };
            if !is_ours {
                tracing::info!(path = %self.path.display(), "another user asked for shared memory, and was refused");
                handshake::refuse(socket.as_fd(), Refusal::OtherUser);
                continue;
            }
            let shared = self.shared.borrow();
            if let Ok(pipes) = handshake::welcome(socket.as_fd(), &shared, &self.wide) {
                let is_writable = shared.iter().any(Shared::is_writable);
                let stream = ShmStream::of_server((socket, pipes), is_writable, &self.poller, &self.path);
                return Poll::Ready(Ok(Box::new(stream)));
            }
        }
    }

    /// Regions that are not files have no way to other processes.
    fn share(&self, regions: &[Shared]) -> bool {
        let are_files = regions.iter().all(|shared| shared.region().as_fd().is_some());
        if are_files {
            self.shared.replace(regions.to_vec());
        }
        are_files
    }

    fn local_address(&self) -> Result<Address, Error> {
        Ok(Address::Shm(self.path.clone()))
    }
}
