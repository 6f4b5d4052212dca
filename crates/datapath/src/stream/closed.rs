//! What stands in place of a device after it was closed.

use std::task::Poll;

use crake_mem::{Buf, Pool, Segment};

use crate::address::Address;
use crate::driver::{StreamDevice, Target, Token};
use crate::error::Error;

/// What a stream has after it was closed.
pub(super) struct ClosedDevice;

impl StreamDevice for ClosedDevice {
    fn attach(&self, _token: Token) -> Result<(), Error> {
        Err(Error::Closed)
    }

    fn connected(&self) -> Poll<Result<(), Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn send(&self, _segments: &[Segment]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn receive(&self, _pool: &Pool, _bytes_max: usize) -> Poll<Result<Buf, Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn receive_into(&self, _target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn finish(&self) -> Result<(), Error> {
        Err(Error::Closed)
    }

    fn local_address(&self) -> Result<Address, Error> {
        Err(Error::Closed)
    }

    fn peer_address(&self) -> Result<Address, Error> {
        Err(Error::Closed)
    }
}
