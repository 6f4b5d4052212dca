//! The slow way of an operation: it waits for a connection, is sent again as long as that is allowed, and follows referrals from
//! partition to partition.

use std::rc::Rc;
use std::time::Duration;

use crake_datapath::Time;
use crake_rpc::{CallError, Reply};

use super::{Operation, Pending, send, send_at};
use crate::Error;
use crate::failure::{self, Pause};
use crate::node::{Attributes, CreateOptions, Node};
use crate::operation::{Create, Lookup, relative};
use crate::partitions::{Branch, Partitions, Spot, Way, directory_of, has_names_behind, name_until};
use crate::protocol::{Code, Referral, Which};
use crate::session::Session;

/// What came of it, and who said so.
pub(super) struct Answer {
    pub(super) session: Rc<Session>,
    pub(super) outcome: Result<Reply, Error>,
}

/// More referrals in one operation are a circle: a path has links at its first two names, and where somebody has asked for one.
const HOPS_MAX: u32 = 64;

/// Where remembered referrals lead an operation that is to start, and the session there; `None` if they lead nowhere.
///
/// What gives another name is led if both directories are at the same partition as far as is known here.
pub(super) fn lead<O: Operation>(session: &Rc<Session>, operation: &O) -> Option<(Rc<Session>, Way)> {
    let partitions = session.partitions();
    let mut way = Way::from_start(partitions.start().base);
    let first = operation.path(Which::First)?;
    let partition = match operation.path(Which::Second) {
        // A file is made, or replaced, in its directory, wherever the one is that is there.
        None if operation
            .creates()
            .is_some_and(|options| options.kind == Node::File) =>
        {
            let (directory, _) = directory_of(first)?;
            lead_to(partitions, first, directory, &mut way.first)?
        }
        None => lead_to(partitions, first, first, &mut way.first)?,
        Some(second) => {
            let (from, _) = directory_of(first)?;
            let (to, _) = directory_of(second)?;
            let start = partitions.start().partition;
            let from = lead_to(partitions, first, from, &mut way.first).unwrap_or(start);
            let to = lead_to(partitions, second, to, &mut way.second).unwrap_or(start);
            (from == to).then_some(from)?
        }
    };
    Some((partitions.session(partition)?, way))
}

/// Where a path is led of which only the beginning `known` may have been; gives the partition.
fn lead_to(partitions: &Partitions, path: &str, known: &str, spot: &mut Spot) -> Option<u16> {
    let led = partitions.lead(relative(known))?;
    spot.base = led.node;
    spot.end = path.len() - relative(path).len() + led.len;
    Some(led.partition)
}

/// Waits for a connection and sends, again and again, wherever the path leads, as long as that is allowed and the deadline is not over.
/// `failed` is what came of a first call.
pub(super) async fn repeat<O: Operation>(
    session: Rc<Session>,
    operation: O,
    way: Way,
    (started, deadline): (Time, Time),
    failed: Option<CallError>,
) -> Answer {
    let until = believed_until(&session, &operation, &way, started);
    let mut trip = Trip {
        pause: session.pause(),
        sent: started,
        deadline,
        hops: 0,
        until: until.unwrap_or(Time::NEVER),
        by_memory: until.is_some(),
        operation,
        way,
        session,
    };
    let outcome = trip.run(failed).await;
    Answer {
        session: trip.session,
        outcome,
    }
}

/// Until when is believed what has led an operation where it starts; `None` if nothing has.
fn believed_until<O: Operation>(
    session: &Rc<Session>,
    operation: &O,
    way: &Way,
    started: Time,
) -> Option<Time> {
    let spots = [(Which::First, way.first), (Which::Second, way.second)];
    let led = spots.into_iter().filter(|(_, spot)| spot.end > 0);
    let believed = led.map(|(which, spot)| {
        let prefix = spot.led(operation.path(which).unwrap_or_default());
        // What was forgotten since is not believed for any longer.
        session.partitions().believed_until(prefix).unwrap_or(started)
    });
    believed.min()
}

/// An operation on its way.
struct Trip<O> {
    /// With whom it is.
    session: Rc<Session>,
    operation: O,
    way: Way,
    pause: Pause,
    /// When it was sent last.
    sent: Time,
    deadline: Time,
    hops: u32,
    /// So long is believed what has led it where it is.
    until: Time,
    /// Something of that was remembered from other operations.
    by_memory: bool,
}

impl<O: Operation> Trip<O> {
    async fn run(&mut self, mut failed: Option<CallError>) -> Result<Reply, Error> {
        loop {
            if let Some(error) = failed.take() {
                self.recover(&error).await?;
            }
            let client = self.session.connected(self.deadline).await?;
            self.sent = self.session.runtime().now();
            let call = match self.is_under_way() {
                true => send_at(&client, &self.operation, &self.way, self.deadline),
                false => send(&client, &self.operation, self.deadline),
            };
            match call.await {
                Ok(reply) => return Ok(reply),
                Err(error) => failed = Some(error),
            }
        }
    }

    /// Whether it was led somewhere: otherwise it is as its caller made it.
    fn is_under_way(&self) -> bool {
        self.way.first.end > 0 || self.way.second.end > 0 || self.way.branch.is_some()
    }

    /// Makes ready to send again after an error, or gives it up.
    async fn recover(&mut self, error: &CallError) -> Result<(), Error> {
        if O::IS_LED
            && let CallError::Failed { status, detail } = error
        {
            match Code::from_number(status.0) {
                Some(Code::Elsewhere) => return self.follow(detail).await,
                Some(Code::NotFound | Code::NotADirectory) if self.by_memory => {
                    self.start_anew();
                    return Ok(());
                }
                Some(Code::AlreadyExists) if self.lost_race() => {
                    let error = self.error(error);
                    return self.start_later(error).await;
                }
                _ => {}
            }
        }
        if !failure::may_repeat(error, O::REPEATABLE) || !self.pause.wait(self.deadline).await {
            return Err(self.error(error));
        }
        self.session.count_repeat();
        Ok(())
    }

    fn error(&self, error: &CallError) -> Error {
        failure::of_namenode(error, &self.session.peer(), self.operation.subject())
    }

    /// Goes on where another partition does.
    async fn follow(&mut self, detail: &str) -> Result<(), Error> {
        self.hops += 1;
        if self.hops > HOPS_MAX {
            return Err(self.nonsense("one partition after another says that the next one has it"));
        }
        let Ok(referral) = detail.parse::<Referral>() else {
            return Err(self.nonsense("it refers to another partition, and does not say where"));
        };
        if self.operation.path(Which::Second).is_some() {
            return self.meet().await;
        }
        let partitions = self.session.partitions().clone();
        let home = partitions.session(referral.partition);
        let home = home.ok_or_else(|| self.nonsense("it refers to a partition that does not exist"))?;
        // Of a branch no part of the path is looked at where it is made.
        let path = self
            .operation
            .path(Which::First)
            .filter(|_| self.way.branch.is_none());
        let end = path.and_then(|path| Some((path, self.way.first.end_of(path, referral.consumed)?)));
        let (path, end) =
            end.ok_or_else(|| self.nonsense("it refers to another partition with a part of a name"))?;
        if referral.level > 0 {
            return self.branch(home, &referral, end).await;
        }
        self.until = partitions.remember(relative(&path[..end]), &referral, self.sent, self.until);
        self.go_on(home, referral.node, end);
        Ok(())
    }

    fn go_on(&mut self, session: Rc<Session>, base: u64, end: usize) {
        self.way.first = Spot { base, end };
        self.way.branch = None;
        self.session = session;
    }

    /// The way up to here is not believed any more, and the path is tried from its start.
    fn start_anew(&mut self) {
        let partitions = self.session.partitions().clone();
        for (which, spot) in [(Which::First, self.way.first), (Which::Second, self.way.second)] {
            let path = self.operation.path(which).filter(|_| spot.end > 0);
            partitions.forget(path.map_or("", |path| spot.led(path)));
        }
        self.way = Way::from_start(partitions.start().base);
        self.session = partitions.start_session();
        self.by_memory = false;
        self.until = Time::NEVER;
    }

    /// Goes to where the directory of the old name is, and says there where that of the new one is.
    async fn meet(&mut self) -> Result<(), Error> {
        let [from, to] = [Which::First, Which::Second].map(|which| self.operation.path(which));
        let (Some((from, from_end)), Some((to, to_end))) =
            (from.and_then(directory_of), to.and_then(directory_of))
        else {
            return Err(self.nonsense("it refers to another partition with the root"));
        };
        let partitions = self.session.partitions().clone();
        let limit = self.deadline - self.session.runtime().now();
        // Both are under way before either is waited for.
        let (from, to) = (find(&partitions, from, limit), find(&partitions, to, limit));
        let (from, to) = (self.directory(from.await)?, self.directory(to.await)?);
        let session = partitions.session(from.partition);
        let session =
            session.ok_or_else(|| self.nonsense("a directory is at a partition that does not exist"))?;
        self.go_on(session, from.id, from_end);
        self.way.second = Spot {
            base: to.id,
            end: to_end,
        };
        self.way.apart = (from.partition != to.partition).then_some(to.partition);
        self.by_memory = false;
        Ok(())
    }

    /// What was found at a place where a directory is to be; errors are about the whole operation.
    fn directory(&self, found: Result<Attributes, Error>) -> Result<Attributes, Error> {
        let path = || self.operation.subject().to_text();
        match found {
            Ok(found) if found.is_container() => Ok(found),
            Ok(_) | Err(Error::NotADirectory { .. }) => Err(Error::NotADirectory { path: path() }),
            Err(Error::NotFound { .. }) => Err(Error::NotFound { path: path() }),
            Err(error) => Err(error),
        }
    }

    /// Makes the branch that the path leads through, or has it made as the operation says if it leads to it, at its home.
    async fn branch(&mut self, home: Rc<Session>, referral: &Referral, end: usize) -> Result<(), Error> {
        let (path, options) = match (self.operation.path(Which::First), self.operation.creates()) {
            (Some(path), Some(options)) => (path, options),
            _ => return Err(self.nonsense("it refers to another partition with what is not there")),
        };
        let branch = Branch {
            of: self.session.number(),
            directory: referral.node,
            name: name_until(path, end),
            level: referral.level,
        };
        let way = Way {
            branch: Some(Box::new(branch)),
            ..Way::from_start(self.session.partitions().start().base)
        };
        // Nothing that is found by way of it is believed afterwards: nobody has said for how long.
        self.until = self.sent;
        if !has_names_behind(path, end) {
            self.way = way;
            self.session = home;
            return Ok(());
        }
        if !options.parents {
            return Err(self.nonsense("it refers to another partition with what is not there"));
        }
        // It goes no further than the branch, whoever makes that and wherever.
        let above = Create {
            base: way.first.base,
            path: &path[..end],
            options: CreateOptions::from(Node::Directory).existing_ok(),
        };
        let times = (self.session.runtime().now(), self.deadline);
        match Pending::start_on(&home, above, way, times).await {
            Ok(made) => {
                let session = made.session().clone();
                self.go_on(session, made.attributes().id, end);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether somebody else has made the branch meanwhile that this was to make, and that is as well.
    fn lost_race(&self) -> bool {
        let is_content = |options: &CreateOptions| options.existing_ok || options.replace;
        self.way.branch.is_some() && self.operation.creates().is_some_and(is_content)
    }

    /// Tries the path from its start when who was first has had time to link the branch.
    async fn start_later(&mut self, error: Error) -> Result<(), Error> {
        if !self.pause.wait(self.deadline).await {
            return Err(error);
        }
        self.start_anew();
        Ok(())
    }

    /// The namenode has refused, and why makes no sense.
    fn nonsense(&self, detail: &str) -> Error {
        Error::Protocol {
            peer: (*self.session.peer()).into(),
            may_have_run: false,
            detail: detail.into(),
        }
    }
}

/// Looks a directory up from where paths start.
fn find<'a>(partitions: &Rc<Partitions>, directory: &'a str, limit: Duration) -> Pending<'a, Lookup<'a>> {
    let request = Lookup {
        base: partitions.start().base,
        path: directory,
    };
    Pending::start_within(&partitions.start_session(), request, limit)
}
