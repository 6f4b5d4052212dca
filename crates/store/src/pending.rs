//! One request to the namenode, from call to answer.
//!
//! A request is sent in the call that makes it, so any number can be in flight without a task for each: a
//! [`Pending`] is a few words beside the slot that the RPC layer keeps anyway. Only what goes wrong takes the slow
//! way, an ordinary `async` function in a box: waiting for a connection, sending again, and following referrals to other
//! partitions. What is remembered of those is looked at before anything is sent.

mod repeat;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use crake_datapath::Time;
use crake_mem::Buf;
use crake_rpc::{Call, CallError, Client, Payload, Reply};
use crake_wire::{Encode, WireError};

use crate::Error;
use crate::answers::MappedAnswers;
use crate::node::CreateOptions;
use crate::partitions::Way;
use crate::protocol::Which;
use crate::protocol::answers::Key;
use crate::session::Session;
use crate::stats::OperationKind;

use repeat::{Answer, repeat};

/// A method of the namenode with its arguments. Cheap to clone: it borrows, or holds numbers.
pub trait Operation: Clone + Unpin {
    /// Its number.
    const METHOD: u16;
    /// What it counts as.
    const KIND: OperationKind;
    /// Whether doing it twice is as good as doing it once. If not, it is not sent again when it may have run.
    const REPEATABLE: bool;
    /// The request's message.
    type Request<'r>: Encode
    where
        Self: 'r;
    /// What the caller gets.
    type Output;

    /// Makes the message.
    fn request(&self) -> Self::Request<'_>;
    /// Reads the answer's message. No answer of the namenode has a payload.
    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Self::Output, WireError>;
    /// What it is about, for errors.
    fn subject(&self) -> Subject<'_>;

    /// By what the answer is found among those that a namenode of this machine shares, if it is one of these.
    #[inline]
    fn key(&self) -> Option<Key<'_>> {
        None
    }

    /// Reads an answer's message that was found there.
    #[inline]
    fn read_found(&self, session: &Rc<Session>, message: &[u8]) -> Result<Self::Output, WireError> {
        self.read(session, &Buf::copy_from_slice(message))
    }

    /// Whether it has paths that partitions may refer to other ones with.
    const IS_LED: bool = false;

    /// One of its paths, from where the store's paths start; only what gives another name has a second one.
    fn path(&self, _: Which) -> Option<&str> {
        None
    }

    /// The message when its paths go on somewhere.
    fn request_at(&self, _: &Way) -> Self::Request<'_> {
        self.request()
    }

    /// By what the answer is found then.
    fn key_at(&self, _: &Way) -> Option<Key<'_>> {
        None
    }

    /// How it makes something, if it does.
    fn creates(&self) -> Option<&CreateOptions> {
        None
    }
}

/// What an operation is about, as its errors name it.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A path.
    Path(&'a str),
    /// One path that becomes another.
    Move(&'a str, &'a str),
    /// A key of the table with this path.
    Key(&'a str, &'a [u8]),
    /// The job with this id.
    Job(u64),
    /// The cluster as a whole.
    Cluster,
}

impl Subject<'_> {
    pub(crate) fn to_text(self) -> Box<str> {
        match self {
            Subject::Path(path) => path.into(),
            Subject::Move(from, to) => format!("{from} -> {to}").into(),
            Subject::Key(table, key) => format!("{table}[{}]", key.escape_ascii()).into(),
            Subject::Job(id) => format!("job {id}").into(),
            Subject::Cluster => "cluster".into(),
        }
    }
}

/// An operation in flight: a future of its result.
///
/// It was sent when it was made; without a connection at that time, it is when it is polled. Dropping it cancels it,
/// with the usual doubt: it may have run.
#[must_use = "an operation that is dropped is cancelled"]
pub struct Pending<'a, O: Operation + 'a> {
    session: Rc<Session>,
    operation: O,
    started: Time,
    deadline: Time,
    state: State<'a, O::Output>,
}

enum State<'a, T> {
    Calling(Call),
    /// The same of a path that other operations were led along.
    CallingAt(Call, Way),
    /// Found in the namenode's memory, and counted.
    Found(Option<T>),
    /// The same, and the runtime is to turn before the caller goes on.
    FoundAndRest(Option<T>),
    Repeating(Repeating<'a>),
    Done,
}

// A result is moved out of it and never pinned.
impl<T> Unpin for State<'_, T> {}

type Repeating<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

impl<'a, O: Operation + 'a> Pending<'a, O> {
    // Always, like `start_until`, so that the operation is put together where its caller keeps it: to move it costs more
    // than to make it.
    #[inline(always)]
    pub(crate) fn start(session: &Rc<Session>, operation: O) -> Pending<'a, O> {
        let started = session.runtime().now();
        Pending::start_until(session, operation, started, session.deadline_of(started))
    }

    pub(crate) fn start_within(session: &Rc<Session>, operation: O, limit: Duration) -> Pending<'a, O> {
        let started = session.runtime().now();
        Pending::start_until(session, operation, started, started + limit)
    }

    #[inline(always)]
    fn start_until(session: &Rc<Session>, operation: O, started: Time, deadline: Time) -> Pending<'a, O> {
        if O::IS_LED
            && session.is_one_of_many()
            && let Some((session, state)) = lead(session, &operation, (started, deadline))
        {
            return Pending {
                session,
                operation,
                started,
                deadline,
                state,
            };
        }
        Pending::start_at(session, operation, started, deadline)
    }

    /// Starts on a way, with nothing remembered.
    pub(crate) fn start_on(
        session: &Rc<Session>,
        operation: O,
        way: Way,
        (started, deadline): (Time, Time),
    ) -> Pending<'a, O> {
        let repeating = repeating_at(session, operation.clone(), way, (started, deadline), None);
        Pending {
            session: session.clone(),
            operation,
            started,
            deadline,
            state: State::Repeating(repeating),
        }
    }

    #[inline(always)]
    fn start_at(session: &Rc<Session>, operation: O, started: Time, deadline: Time) -> Pending<'a, O> {
        // Two ways to the end, each of which puts everything into its place at once.
        if let Some(key) = operation.key()
            && let Some(answers) = session.answers(started)
            && let Some(state) = find(session, &operation, &key, &answers, (started, deadline))
        {
            return Pending {
                session: session.clone(),
                operation,
                started,
                deadline,
                state,
            };
        }
        // A call on a connection that has ended fails at once, and then goes the slow way.
        let state = match session.client_now().as_deref() {
            Some(client) => State::Calling(send(client, &operation, deadline)),
            None => State::Repeating(repeating(session, operation.clone(), (started, deadline), None)),
        };
        Pending {
            session: session.clone(),
            operation,
            started,
            deadline,
            state,
        }
    }

    /// The result if it is there; does not wait. The runtime must be turned for it to arrive.
    ///
    /// # Panics
    ///
    /// If the result was taken before.
    pub fn try_wait(&mut self) -> Option<Result<O::Output, Error>> {
        match Pin::new(self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// What was asked.
    #[inline]
    pub(crate) fn operation(&self) -> &O {
        &self.operation
    }

    /// With whom it is; when it has ended, with whom it was.
    pub(crate) fn session(&self) -> &Rc<Session> {
        &self.session
    }

    #[inline(always)]
    fn read(&self, message: &Buf) -> Result<O::Output, Error> {
        match self.operation.read(&self.session, message) {
            Ok(output) => {
                self.session.count(O::KIND, 0, self.started);
                Ok(output)
            }
            Err(error) => Err(self.failed(Error::protocol(self.session.peer(), error))),
        }
    }

    #[cold]
    fn failed(&self, error: Error) -> Error {
        self.session.count_failure(O::KIND);
        if matches!(error, Error::TimedOut { .. }) {
            self.session.suspect(self.started);
        }
        error
    }

    /// As `poll`, when it was not found.
    #[inline]
    fn poll_called(&mut self, context: &mut Context<'_>) -> Poll<Result<O::Output, Error>> {
        if let State::Calling(call) | State::CallingAt(call, _) = &mut self.state
            && let Some(message) = call.try_message()
        {
            return Poll::Ready(self.read(&message));
        }
        if let State::Calling(call) = &mut self.state {
            match ready!(Pin::new(call).poll(context)) {
                Ok(reply) => {
                    self.state = State::Done;
                    return Poll::Ready(self.read(&reply.message));
                }
                Err(failed) => {
                    let (session, operation) = (&self.session, &self.operation);
                    let (operation, times) = (operation.clone(), (self.started, self.deadline));
                    self.state = State::Repeating(repeating(session, operation, times, Some(failed)));
                }
            }
        }
        self.poll_repeating(context)
    }

    /// As `poll`, when the first call has failed or was not made.
    #[cold]
    fn poll_repeating(&mut self, context: &mut Context<'_>) -> Poll<Result<O::Output, Error>> {
        if let State::CallingAt(call, way) = &mut self.state {
            let failed = match ready!(Pin::new(call).poll(context)) {
                Ok(reply) => {
                    self.state = State::Done;
                    return Poll::Ready(self.read(&reply.message));
                }
                Err(failed) => failed,
            };
            let (operation, way) = (self.operation.clone(), way.clone());
            let times = (self.started, self.deadline);
            self.state = State::Repeating(repeating_at(&self.session, operation, way, times, Some(failed)));
        }
        let State::Repeating(repeating) = &mut self.state else {
            return self.rest(context);
        };
        let answer = ready!(repeating.as_mut().poll(context));
        self.state = State::Done;
        self.session = answer.session;
        Poll::Ready(match answer.outcome {
            Ok(reply) => self.read(&reply.message),
            Err(error) => Err(self.failed(error)),
        })
    }

    /// Has the runtime turn before what was found is given.
    fn rest(&mut self, context: &mut Context<'_>) -> Poll<Result<O::Output, Error>> {
        let State::FoundAndRest(found) = &mut self.state else {
            panic!("the result of this operation was taken before");
        };
        self.state = State::Found(found.take());
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<'a, O: Operation + 'a> Future for Pending<'a, O> {
    type Output = Result<O::Output, Error>;

    // Always, so that what was found is not moved through a place for what is called.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Found(found) = &mut self.state
            && let Some(found) = found.take()
        {
            return Poll::Ready(Ok(found));
        }
        self.poll_called(context)
    }
}

/// Starts where remembered referrals lead.
// Gives what the operation is made of, not the operation: what is handed out whole by a function is moved to where it is kept.
#[cold]
fn lead<'a, O: Operation + 'a>(
    session: &Rc<Session>,
    operation: &O,
    times: (Time, Time),
) -> Option<(Rc<Session>, State<'a, O::Output>)> {
    let (started, deadline) = times;
    let (session, way) = repeat::lead(session, operation)?;
    let found = operation.key_at(&way).and_then(|key| {
        let answers = session
            .answers(started)
            .filter(|answers| !answers.is_stepwise())?;
        find(&session, operation, &key, &answers, times)
    });
    let state = found.unwrap_or_else(|| match session.client_now().as_deref() {
        Some(client) => State::CallingAt(send_at(client, operation, &way, deadline), way),
        None => State::Repeating(repeating_at(&session, operation.clone(), way, times, None)),
    });
    Some((session, state))
}

/// Looks for the answer in the memory of a namenode on this machine.
// Always, so that what is found is put together where it is kept.
#[inline(always)]
fn find<'a, O: Operation + 'a>(
    session: &Rc<Session>,
    operation: &O,
    key: &Key<'_>,
    answers: &Rc<MappedAnswers>,
    (started, deadline): (Time, Time),
) -> Option<State<'a, O::Output>> {
    if answers.is_stepwise() {
        let found = find_stepwise(
            session.clone(),
            operation.clone(),
            (started, deadline),
            answers.clone(),
        );
        return Some(State::Repeating(Box::pin(found)));
    }
    let begun = session.time_in_place(O::KIND, 0);
    let found = operation.read_found(session, &answers.find(key)?).ok()?;
    Some(match session.note_in_place(O::KIND, 0, begun) {
        true => State::FoundAndRest(Some(found)),
        false => State::Found(Some(found)),
    })
}

/// The same where others act meanwhile only as long as it waits; asks when there is no answer.
async fn find_stepwise<O: Operation>(
    session: Rc<Session>,
    operation: O,
    times: (Time, Time),
    answers: Rc<MappedAnswers>,
) -> Answer {
    if let Some(key) = operation.key()
        && let Some(message) = answers.find_stepwise(session.runtime(), &key).await
    {
        session.note_found();
        let reply = Reply {
            message: Buf::copy_from_slice(&message),
            payload: Payload::default(),
        };
        return Answer {
            session,
            outcome: Ok(reply),
        };
    }
    let way = Way::from_start(session.partitions().start().base);
    repeat(session, operation, way, times, None).await
}

#[inline(always)]
fn send<O: Operation>(client: &Client, operation: &O, deadline: Time) -> Call {
    client.call_until(O::METHOD, &operation.request(), deadline)
}

fn send_at<O: Operation>(client: &Client, operation: &O, way: &Way, deadline: Time) -> Call {
    client.call_until(O::METHOD, &operation.request_at(way), deadline)
}

/// Goes on from where paths start.
#[cold]
fn repeating<'a, O: Operation + 'a>(
    session: &Rc<Session>,
    operation: O,
    times: (Time, Time),
    failed: Option<CallError>,
) -> Repeating<'a> {
    let way = Way::from_start(session.partitions().start().base);
    repeating_at(session, operation, way, times, failed)
}

fn repeating_at<'a, O: Operation + 'a>(
    session: &Rc<Session>,
    operation: O,
    way: Way,
    times: (Time, Time),
    failed: Option<CallError>,
) -> Repeating<'a> {
    Box::pin(repeat(session.clone(), operation, way, times, failed))
}
