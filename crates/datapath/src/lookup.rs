//! Names of hosts, looked up beside the loop: the system's resolver may take as long as it likes.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use crate::{Address, Error, Runtime};

/// Names that a process looks up at once. Each has a thread for as long as the resolver takes, also when nobody waits any more.
const UNDER_WAY_MAX: usize = 32;

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

impl Runtime {
    /// The addresses that an address stands for, in the order in which they are to be tried: of a [`Address::Host`] those that its name has at this
    /// moment, at least one; of any other itself. Dropped, nobody waits for the resolver.
    ///
    /// # Errors
    /// [`Error::NoSuchHost`]: the name has none. [`Error::Exhausted`]: too many are being looked up, or there is no thread for one more.
    pub async fn look_up(&self, address: &Address) -> Result<Vec<Address>, Error> {
        if !matches!(address, Address::Host(_)) {
            return Ok(vec![address.clone()]);
        }
        let answer = Arc::new(Mutex::new(Answer::default()));
        begin(address.to_string(), answer.clone())?;
        poll_fn(|context| {
            let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = answer.found.take() {
                return Poll::Ready(found);
            }
            answer.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// What came of it, and who waits for it.
#[derive(Default)]
struct Answer {
    found: Option<Result<Vec<Address>, Error>>,
    waker: Option<Waker>,
}

fn begin(text: String, answer: Arc<Mutex<Answer>>) -> Result<(), Error> {
    let place = Place::take()?;
    let look = move || {
        let found = Address::resolve(&text).map_err(|error| {
            tracing::debug!(%text, %error, "a host is not found");
            Error::NoSuchHost
        });
        drop(place);
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.found = Some(found);
        if let Some(waker) = answer.waker.take() {
            waker.wake();
        }
    };
    let thread = thread::Builder::new().name("look-up".into());
    thread.spawn(look).map(drop).map_err(|_| Error::Exhausted)
}

/// One of those under way.
struct Place;

impl Place {
    fn take() -> Result<Place, Error> {
        let taken = UNDER_WAY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < UNDER_WAY_MAX).then_some(count + 1)
        });
        taken.map(|_| Place).map_err(|_| Error::Exhausted)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuntimeConfig;

    fn looked_up(text: &str) -> Result<Vec<Address>, Error> {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        runtime.block_on(runtime.look_up(&Address::named(text).unwrap()))
    }

    #[test]
    fn a_name_has_addresses_and_an_address_is_itself() {
        let found = looked_up("tcp://localhost:80").unwrap();
        assert!(!found.is_empty());
        let is_here = |address: &Address| matches!(address, Address::Tcp(it) if it.ip().is_loopback() && it.port() == 80);
        assert!(found.iter().all(is_here), "{found:?}");
        let plain = "tcp://10.0.0.1:80".parse::<Address>().unwrap();
        assert_eq!(looked_up("tcp://10.0.0.1:80"), Ok(vec![plain]));
        assert_eq!(looked_up("tcp://no-such-host.invalid:80"), Err(Error::NoSuchHost));
        // In the same test, for this is counted for the whole process: there are never more under way than there may be.
        let mut places = Vec::new();
        while let Ok(place) = Place::take() {
            places.push(place);
        }
        assert!(places.len() <= UNDER_WAY_MAX);
        assert_eq!(looked_up("tcp://localhost:80"), Err(Error::Exhausted));
        drop(places);
        assert!(Place::take().is_ok());
    }
}
