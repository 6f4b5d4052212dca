//! What partitions have to tell each other about branches, links and shards: kept until it is done, and done once, in order.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use crake_store::canary::{Canary, planted};

use super::branches::Link;
use super::command::{Failure, Kind, NodeId, Reply};
use super::moves::Destination;
use super::names::Name;
use super::namespace::Namespace;
use super::shards::Origin;
use super::state::{Input, Malformed, State, fields};

/// Links that wait for one partition, at most: while it is away, no more branches of its directories are made.
const LINKS_MAX: usize = 64 * 1024;
/// Errands of one request, at most: of so many it is remembered what came of them, in case that they are asked for again.
pub(super) const ERRANDS_MAX: usize = 128;

/// Something that another partition is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// Make a branch of this partition an entry of a directory there.
    Link {
        /// Which directory, and under which name.
        destination: Destination,
        /// What it is.
        kind: Kind,
        /// Its id here.
        branch: NodeId,
    },
    /// That branch is gone: remove its entry.
    Unlink {
        /// Its id here.
        branch: NodeId,
    },
    /// The entry of a branch there is gone: remove it.
    Drop {
        /// Its id there.
        branch: NodeId,
    },
    /// Have a branch there become an entry elsewhere, instead of here. What comes of it is told by [`Errand::Moved`], unless it is refused, or
    /// done at once, because that is there.
    Move {
        /// Its id there.
        branch: NodeId,
        /// Where to.
        destination: Destination,
    },
    /// A branch here whose entry there was to be replaced by one elsewhere.
    Moved {
        /// Its id here.
        branch: NodeId,
        /// Why its entry is where it was; none: it is gone from there.
        refused: Option<Failure>,
    },
    /// To partition 0: a container of this partition moves between branches, if no other does.
    Lock {
        /// Which of the moves of this partition.
        number: u64,
    },
    /// It does not any more, nor does any one before it.
    Unlock {
        /// Which.
        number: u64,
    },
    /// Look whether a directory there is below a container that moves.
    Trace(Trace),
    /// What came of a trace from there.
    Traced {
        /// Of the move that it was for.
        number: u64,
        /// Why the container must not move there, if so.
        refused: Option<Failure>,
    },
    /// Make what has the keys there of a table of this partition.
    Shard {
        /// Its id here.
        table: NodeId,
        /// As the table's.
        storage_class: u32,
        /// As the table's.
        location_class: u64,
    },
    /// That table is gone: remove its keys there.
    DropShard {
        /// Its id here.
        table: NodeId,
    },
}

/// A way from a directory upwards, from partition to partition: whether a container is on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    /// Who wants to know.
    pub origin: u16,
    /// For which of its moves.
    pub number: u64,
    /// The home of the container.
    pub home: u16,
    /// Its id there.
    pub node: NodeId,
    /// If there is one, `from` is the id of a branch of that partition, and the way goes on from its entry; otherwise that of a directory.
    pub link_of: Option<u16>,
    /// Where it goes on.
    pub from: NodeId,
    /// Partitions that it has gone through.
    pub hops: u32,
}

fields!(Trace {
    origin,
    number,
    home,
    node,
    link_of,
    from,
    hops
});

/// A name that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrandName(pub(super) Name);

impl ErrandName {
    /// Of any bytes: who does the errand checks whether they are a name.
    pub fn new(name: &[u8]) -> ErrandName {
        ErrandName(Name::new(name))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Which of the errands to a partition.
pub(super) type ErrandId = u64;

/// All errands of a partition, and what it has done of those of others.
#[derive(Debug, Default)]
pub(super) struct Errands {
    partners: BTreeMap<u16, Partner>,
    /// The last one to each partition for which somebody may wait; no part of what outlives a namenode.
    awaited: BTreeMap<u16, ErrandId>,
    /// There are others than when that was asked; neither is this.
    has_news: bool,
}

#[derive(Debug, Default, Hash)]
struct Partner {
    /// The life of it that is known, 0 if none is.
    incarnation: u64,
    /// Of the latest errand to it.
    sent: ErrandId,
    /// What it has yet to do. Numbers follow on each other, but for a gap where some were lost.
    queue: VecDeque<(ErrandId, Errand)>,
    /// The last errand to it of which is known here what came of it.
    done: ErrandId,
    /// The last errand of it that was done, or refused, here.
    heard: ErrandId,
    /// It may have done later ones: the end of this partition's log was lost since, and that is known.
    may_have_forgotten: bool,
    /// Those of the last [`ERRANDS_MAX`] that were refused.
    refused: BTreeMap<ErrandId, Failure>,
}

fields!(Partner {
    incarnation,
    sent,
    queue,
    done,
    heard,
    may_have_forgotten,
    refused
});

impl State for Errands {
    fn save(&self, out: &mut Vec<u8>) {
        self.partners.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            partners: State::load(input)?,
            awaited: BTreeMap::new(),
            has_news: true,
        })
    }
}

impl Hash for Errands {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.partners.hash(state);
    }
}

impl State for Errand {
    fn save(&self, out: &mut Vec<u8>) {
        match self {
            Errand::Link {
                destination,
                kind,
                branch,
            } => {
                0_u8.save(out);
                destination.save(out);
                kind.save(out);
                branch.save(out);
            }
            Errand::Unlink { branch } => {
                1_u8.save(out);
                branch.save(out);
            }
            Errand::Drop { branch } => {
                2_u8.save(out);
                branch.save(out);
            }
            Errand::Move { branch, destination } => {
                3_u8.save(out);
                branch.save(out);
                destination.save(out);
            }
            Errand::Moved { branch, refused } => {
                4_u8.save(out);
                branch.save(out);
                refused.save(out);
            }
            Errand::Lock { number } => {
                5_u8.save(out);
                number.save(out);
            }
            Errand::Unlock { number } => {
                6_u8.save(out);
                number.save(out);
            }
            Errand::Trace(trace) => {
                7_u8.save(out);
                trace.save(out);
            }
            Errand::Traced { number, refused } => {
                8_u8.save(out);
                number.save(out);
                refused.save(out);
            }
            Errand::Shard {
                table,
                storage_class,
                location_class,
            } => {
                9_u8.save(out);
                table.save(out);
                storage_class.save(out);
                location_class.save(out);
            }
            Errand::DropShard { table } => {
                10_u8.save(out);
                table.save(out);
            }
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(match u8::load(input)? {
            0 => Errand::Link {
                destination: State::load(input)?,
                kind: State::load(input)?,
                branch: State::load(input)?,
            },
            1 => Errand::Unlink {
                branch: State::load(input)?,
            },
            2 => Errand::Drop {
                branch: State::load(input)?,
            },
            3 => Errand::Move {
                branch: State::load(input)?,
                destination: State::load(input)?,
            },
            4 => Errand::Moved {
                branch: State::load(input)?,
                refused: State::load(input)?,
            },
            5 => Errand::Lock {
                number: State::load(input)?,
            },
            6 => Errand::Unlock {
                number: State::load(input)?,
            },
            7 => Errand::Trace(State::load(input)?),
            8 => Errand::Traced {
                number: State::load(input)?,
                refused: State::load(input)?,
            },
            9 => Errand::Shard {
                table: State::load(input)?,
                storage_class: State::load(input)?,
                location_class: State::load(input)?,
            },
            10 => Errand::DropShard {
                table: State::load(input)?,
            },
            _ => return Err(Malformed("there is no such errand")),
        })
    }
}

impl State for ErrandName {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        State::load(input).map(ErrandName)
    }
}

impl Partner {
    /// Notes a new errand of it; errands far before are not asked for again.
    fn hear(&mut self, id: ErrandId) {
        self.heard = id;
        self.may_have_forgotten = false;
        self.refused = self.refused.split_off(&id.saturating_sub(ERRANDS_MAX as u64));
    }
}

impl Errands {
    /// Refuses if too much waits for a partition.
    pub(super) fn reserve(&self, to: u16) -> Result<(), Failure> {
        let waiting = self.partners.get(&to).map_or(0, |partner| partner.queue.len());
        (waiting < LINKS_MAX).then_some(()).ok_or(Failure::Busy)
    }

    /// Has another partition do something.
    pub(super) fn send(&mut self, to: u16, errand: Errand) {
        let is_awaited = matches!(
            errand,
            Errand::Link { .. } | Errand::Unlink { .. } | Errand::Shard { .. } | Errand::DropShard { .. }
        );
        self.has_news = true;
        let partner = self.partners.entry(to).or_default();
        partner.sent += 1;
        partner.queue.push_back((partner.sent, errand));
        if is_awaited {
            self.awaited.insert(to, partner.sent);
        }
    }

    /// The errands that the latest command waits for, one to each partition at most: who has done that has done those before it.
    /// Asked a second time, none.
    pub(super) fn take_awaited(&mut self) -> BTreeMap<u16, ErrandId> {
        std::mem::take(&mut self.awaited)
    }

    /// Nobody waits for what was sent so far.
    #[inline]
    pub(super) fn forget_awaited(&mut self) {
        if !self.awaited.is_empty() {
            self.awaited.clear();
        }
    }

    /// Whether there are new ones.
    #[inline]
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// The id of the first errand to a partition, and the first ones.
    pub(super) fn first(&self, to: u16) -> (ErrandId, impl Iterator<Item = &Errand>) {
        let partner = self.partners.get(&to);
        let id = partner.map_or(1, |partner| match partner.queue.front() {
            Some((id, _)) => *id,
            None => partner.sent + 1,
        });
        let waiting = partner.into_iter().flat_map(|partner| &partner.queue).zip(id..);
        let following = waiting.take_while(|((number, _), follows)| number == follows);
        (id, following.map(|((_, errand), _)| errand))
    }

    /// The first errand and the last that a partition has yet to do, if there are such.
    pub(super) fn untold(&self, to: u16) -> Option<(ErrandId, ErrandId)> {
        let queue = &self.partners.get(&to)?.queue;
        Some((queue.front()?.0, queue.back()?.0))
    }

    /// Errands may have been lost that other partitions have done: new ones have numbers that these cannot have had. So may what was done here for them.
    pub(super) fn leave_gap(&mut self, gap: u32, others: impl Iterator<Item = u16>) {
        for partition in others {
            let partner = self.partners.entry(partition).or_default();
            partner.sent += u64::from(gap);
            partner.may_have_forgotten = true;
        }
    }

    /// The last errand to a partition that there ever was, and the last of which is known what came of it.
    pub(super) fn sent(&self, to: u16) -> (ErrandId, ErrandId) {
        let partner = self.partners.get(&to);
        partner.map_or((0, 0), |partner| (partner.sent, partner.done))
    }

    /// The last errand of a partition that was done here, or refused.
    pub(super) fn heard(&self, from: u16) -> ErrandId {
        self.partners.get(&from).map_or(0, |partner| partner.heard)
    }

    /// Whether a partition has been told that an errand of it was done here, of which nothing is known here, and there is no reason for that but an
    /// older log.
    pub(super) fn is_behind(&self, from: u16, done: ErrandId) -> bool {
        let partner = self.partners.get(&from);
        partner.is_some_and(|partner| done > partner.heard && !partner.may_have_forgotten)
    }

    /// The life of a partition that is known here, 0 if none is.
    pub(super) fn incarnation(&self, partition: u16) -> u64 {
        let partner = self.partners.get(&partition);
        partner.map_or(0, |partner| partner.incarnation)
    }
}

impl Namespace {
    /// What a partition has yet to do, in order, and the id of the first of it.
    pub fn errands_to(&self, partition: u16) -> (u64, impl Iterator<Item = &Errand>) {
        self.errands.first(partition)
    }

    /// Does an errand of another partition; of one that was done before, or refused, it says that again.
    pub(super) fn do_errand(
        &mut self,
        partition: u16,
        id: ErrandId,
        errand: &Errand,
    ) -> Result<Reply<'_>, Failure> {
        if self.has_heard(partition, id) {
            let refused = self.errands.partners[&partition].refused.get(&id);
            return match (refused, errand) {
                (Some(failure), _) => Err(*failure),
                (None, Errand::Shard { table, .. }) => self.made_shard(partition, *table),
                (None, _) => Ok(Reply::Done),
            };
        }
        self.await_errand(errand)?;
        self.errands.partners.entry(partition).or_default().hear(id);
        // Also of one that is refused it is known that it came.
        self.journal.stir();
        let outcome = self.do_new_errand(partition, errand);
        if let (Err(failure), Some(partner)) = (outcome, self.errands.partners.get_mut(&partition)) {
            partner.refused.insert(id, failure);
        }
        match (outcome, errand) {
            (Ok(()), Errand::Shard { table, .. }) => self.made_shard(partition, *table),
            (outcome, _) => outcome.map(|()| Reply::Done),
        }
    }

    /// Whether an errand of another partition was done here, or refused. One that was refused and not heard is to be asked for again.
    pub fn has_heard(&self, partition: u16, id: u64) -> bool {
        let partner = self.errands.partners.get(&partition);
        partner.is_some_and(|partner| id <= partner.heard)
    }

    /// Refuses, before anything is known of it, what has to wait for the end of leases: these are no part of the state, so what is written down must not
    /// depend on them.
    fn await_errand(&mut self, errand: &Errand) -> Result<(), Failure> {
        match errand {
            Errand::Link { destination, .. } => self.await_place(destination),
            Errand::Move { destination, .. } if destination.partition == self.config.partition => {
                self.await_place(destination)
            }
            _ => Ok(()),
        }
    }

    fn do_new_errand(&mut self, partition: u16, errand: &Errand) -> Result<(), Failure> {
        match *errand {
            Errand::Link {
                ref destination,
                kind,
                branch,
            } => self.add_link(Link { partition, branch }, kind, destination),
            Errand::Unlink { branch } => {
                self.remove_link(Link { partition, branch });
                Ok(())
            }
            Errand::Drop { branch } => {
                self.drop_branch_of(partition, branch);
                Ok(())
            }
            Errand::Move {
                branch,
                ref destination,
            } => self.move_branch(partition, branch, destination),
            Errand::Moved { branch, refused } => {
                self.moved(Link { partition, branch }, refused);
                Ok(())
            }
            Errand::Lock { number } => self.take_lock(partition, number),
            Errand::Unlock { number } => {
                self.leave_lock(partition, number);
                Ok(())
            }
            Errand::Trace(ref trace) => {
                self.trace_on(trace.clone());
                Ok(())
            }
            Errand::Traced { number, refused } => {
                self.traced(number, refused);
                Ok(())
            }
            Errand::Shard {
                table,
                storage_class,
                location_class,
            } => {
                let origin = Origin {
                    home: partition,
                    table,
                };
                self.add_shard(origin, (storage_class, location_class))
            }
            Errand::DropShard { table } => {
                self.drop_shard(Origin {
                    home: partition,
                    table,
                });
                Ok(())
            }
        }
    }

    /// Takes note that another partition did the first errand to it, or why it refused.
    pub(super) fn errand_done(
        &mut self,
        to: u16,
        id: ErrandId,
        refused: Option<Failure>,
        node: NodeId,
    ) -> Reply<'static> {
        let Some(partner) = self.errands.partners.get_mut(&to) else {
            return Reply::Done;
        };
        if let Some((_, errand)) = partner.queue.pop_front_if(|(first, _)| *first == id) {
            partner.done = id;
            match errand {
                Errand::Link { branch, .. } => {
                    let refused = refused.filter(|_| !planted(Canary::BelieveRefusedErrand));
                    self.branch_linked(to, branch, refused);
                }
                Errand::Move { branch, destination } => {
                    let link = Link {
                        partition: to,
                        branch,
                    };
                    if refused.is_some() || destination.partition == to {
                        self.moved(link, refused);
                    }
                }
                Errand::Lock { number } => self.locked(number, refused),
                Errand::Shard { table, .. } => {
                    self.shard_made(table, to, refused.is_none().then_some(node));
                }
                _ => {}
            }
        }
        Reply::Done
    }

    /// Another partition is in this life.
    pub(super) fn meet_partner(&mut self, partition: u16, incarnation: u64) -> Reply<'static> {
        let known = self.errands.incarnation(partition);
        if known == incarnation {
            return Reply::Done;
        }
        if known != 0 {
            self.lose_partner(partition);
        }
        let partner = self.errands.partners.entry(partition).or_default();
        partner.incarnation = incarnation;
        if known != 0 {
            // What was to be done hung on what is gone.
            let lost = std::mem::take(&mut partner.queue);
            partner.done = 0;
            partner.heard = 0;
            partner.may_have_forgotten = false;
            partner.refused.clear();
            lost.into_iter()
                .for_each(|(_, errand)| self.lose_errand(partition, errand));
        }
        Reply::Done
    }

    /// Somebody may wait for what another partition cannot do any more.
    fn lose_errand(&mut self, to: u16, errand: Errand) {
        if let Errand::Trace(trace) = errand
            && trace.origin != to
        {
            self.tell_traced(&trace, Some(Failure::Busy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition that does not know any more what it has sent does not take a new errand for done because a lost one had its number.
    #[test]
    fn after_a_loss_no_number_comes_twice() {
        let mut errands = Errands::default();
        let errand = |id| Errand::Drop { branch: NodeId(id) };
        errands.send(3, errand(1));
        errands.send(3, errand(2));
        errands.leave_gap(1_000, [3].into_iter());
        errands.send(3, errand(3));
        errands.send(3, errand(4));
        let waiting = |errands: &Errands| {
            let (id, waiting) = errands.first(3);
            (id, waiting.cloned().collect::<Vec<_>>())
        };
        assert_eq!(waiting(&errands), (1, vec![errand(1), errand(2)]));
        errands.partners.get_mut(&3).unwrap().queue.drain(..2);
        assert_eq!(waiting(&errands), (1_003, vec![errand(3), errand(4)]));
        errands.partners.get_mut(&3).unwrap().queue.clear();
        assert_eq!(waiting(&errands), (1_005, Vec::new()));
    }

    /// What others were told was done here is known here, unless the end of the log was lost, or the log is an older one.
    #[test]
    fn what_is_not_known_any_more_is_forgotten_or_never_was() {
        let mut errands = Errands::default();
        errands.partners.entry(3).or_default().hear(5);
        assert!(!errands.is_behind(3, 5) && errands.is_behind(3, 6));
        errands.leave_gap(1_000, [2, 3].into_iter());
        assert!(!errands.is_behind(3, 6) && !errands.is_behind(2, 1));
        assert_eq!(errands.sent(2), (1_000, 0));
        // From then on all is known that it was told.
        errands.partners.entry(3).or_default().hear(7);
        assert!(!errands.is_behind(3, 7) && errands.is_behind(3, 8));
    }
}
