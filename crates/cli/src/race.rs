//! The first of several futures that is done.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A future that others run against.
pub type Runner<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Done when one of these is; the others are dropped. Of several that are done at once, the first in the list. Never, if there are none.
pub async fn race<T>(mut runners: Vec<Runner<'_, T>>) -> T {
    poll_fn(|context| {
        let mut done = runners.iter_mut().map(|runner| runner.as_mut().poll(context));
        done.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}
