//! A client's loop over any asynchronous operation: so many in flight, the oldest waited for first.

use std::future::poll_fn;
use std::pin::Pin;

use super::stats::{Run, Stopwatch};

/// Keeps `in_flight` of `operations` under way, times them, and gives what each yields to `end`.
///
/// `issue` makes the operation of a number and must start it: a future that starts only when it is polled would run
/// alone. Answers of one connection come in order, so waiting for the oldest holds nothing up; all that have come when it
/// comes are taken, and replaced, before anything is sent. A future is made where it stays, which the compiler does when
/// `issue` is called in one place only, and `end` is given what it yields where the future returns it: to move either costs
/// as much as a good part of what is measured.
pub async fn keep_in_flight<F, T, E>(
    operations: u64,
    in_flight: u64,
    mut issue: impl FnMut(u64) -> F,
    mut end: impl FnMut(T),
) -> Result<Run, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut watch = Stopwatch::start();
    let window = in_flight.min(operations);
    let mut ring: Vec<Pin<Box<Option<F>>>> = (0..window).map(|_| Box::pin(None)).collect();
    let (mut issued, mut ended, mut oldest) = (0, 0, 0);
    while ended < operations {
        let place = &mut ring[oldest];
        if place.is_some() {
            let ended_well = poll_fn(|context| match place.as_mut().as_pin_mut() {
                Some(operation) => operation.poll(context).map(|result| result.map(&mut end)),
                None => unreachable!("it was there"),
            });
            ended_well.await?;
            ended += 1;
            watch.note(ended, issued);
        }
        if issued < operations {
            place.as_mut().set(Some(issue(issued)));
            issued += 1;
        }
        oldest = if oldest + 1 < ring.len() { oldest + 1 } else { 0 };
    }
    Ok(watch.stop(operations))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use crake_datapath::{Runtime, RuntimeConfig};

    use super::*;

    /// Runs and gives the most that were under way at once.
    fn most_under_way(operations: u64, in_flight: u64) -> (u64, Run) {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let (under_way, most) = (Cell::new(0), Cell::new(0));
        let issue = |_| {
            under_way.set(under_way.get() + 1);
            most.set(most.get().max(under_way.get()));
            async {
                under_way.set(under_way.get() - 1);
                Ok::<_, Infallible>(())
            }
        };
        let run = runtime
            .block_on(keep_in_flight(operations, in_flight, issue, drop))
            .unwrap();
        (most.get(), run)
    }

    #[test]
    fn so_many_are_under_way_and_no_more() {
        assert_eq!(most_under_way(100, 1).0, 1);
        assert_eq!(most_under_way(100, 7).0, 7);
        assert_eq!(most_under_way(3, 7).0, 3);
        assert_eq!(most_under_way(100, 1).1.latencies.len(), 100);
        assert_eq!(most_under_way(100, 7).1.operations, 100);
    }

    #[test]
    fn what_each_yields_comes_in_order() {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let mut yielded = Vec::new();
        let issue = |number| async move { Ok::<_, Infallible>(number) };
        runtime
            .block_on(keep_in_flight(5, 2, issue, |number| yielded.push(number)))
            .unwrap();
        assert_eq!(yielded, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_failure_ends_it() {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let issue = |number| async move { if number == 5 { Err("lost") } else { Ok(()) } };
        assert_eq!(
            runtime.block_on(keep_in_flight(10, 2, issue, drop)).unwrap_err(),
            "lost"
        );
    }
}
