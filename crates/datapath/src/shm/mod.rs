//! Streams through memory that two processes of one machine share: no byte passes the kernel.
//!
//! A client connects to a Unix socket. The server looks who it is, makes a memfd with a pipe for each direction, and hands it
//! over; from then on the socket only wakes sleepers and tells of death. `docs/format/shm.md` has it byte by byte.
//!
//! Neither side believes what the other writes there: see [`crake_mem::pipe`]. The file is sealed against becoming shorter
//! when it is made, and against losing pages once both have mapped it, so that no access to it can fail.

mod handshake;
mod listener;
mod stream;

pub(crate) use listener::ShmListener;
pub(crate) use stream::ShmStream;
