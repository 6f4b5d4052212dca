//! Waiting for several things at a time.

use std::future::{Future, poll_fn};
use std::task::Poll;

/// What comes of all of these, in their order. They are under way at the same time; there are few.
pub(crate) async fn all<F: Future + Unpin>(futures: Vec<F>) -> Vec<F::Output> {
    let mut under_way: Vec<_> = futures.into_iter().map(Some).collect();
    let mut outcomes: Vec<_> = under_way.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (place, outcome) in under_way.iter_mut().zip(&mut outcomes) {
            if let Some(future) = place
                && let Poll::Ready(output) = std::pin::Pin::new(future).poll(context)
            {
                *outcome = Some(output);
                *place = None;
            }
        }
        match under_way.iter().all(Option::is_none) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    #[test]
    fn outcomes_come_in_the_order_of_what_was_asked() {
        let mut turns = 0;
        let late = poll_fn(move |_| {
            turns += 1;
            match turns {
                3 => Poll::Ready("late"),
                _ => Poll::Pending,
            }
        });
        let futures: Vec<Pin<Box<dyn Future<Output = &str>>>> =
            vec![Box::pin(late), Box::pin(async { "at once" })];
        let mut together = Box::pin(all(futures));
        let mut context = Context::from_waker(Waker::noop());
        assert!(together.as_mut().poll(&mut context).is_pending());
        assert!(together.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(outcomes) = together.as_mut().poll(&mut context) else {
            panic!("both have ended");
        };
        assert_eq!(outcomes, ["late", "at once"]);
    }
}
