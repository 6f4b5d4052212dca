//! What partitions have to tell each other about branches and links: kept until it is done, and done once, in order.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use crake_store::canary::{Canary, planted};

use super::branches::Link;
use super::command::{Failure, Kind, NodeId, Reply};
use super::names::Name;
use super::namespace::Namespace;
use super::state::{Input, Malformed, State, fields};

/// Links that wait for one partition, at most: while it is away, no more branches of its directories are made.
const LINKS_MAX: usize = 64 * 1024;

/// Something that another partition is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// Make a branch of this partition the entry `name` of a directory there.
    Link {
        /// Its id there.
        directory: NodeId,
        /// 1 to 255 bytes.
        name: ErrandName,
        /// A container.
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
}

/// A name that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrandName(Name);

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
    /// The last one for which somebody may wait; no part of what outlives a namenode.
    latest: Option<(u16, ErrandId)>,
    /// There are others than when that was asked; neither is this.
    has_news: bool,
}

#[derive(Debug, Default, Hash)]
struct Partner {
    /// The life of it that is known, 0 if none is.
    incarnation: u64,
    /// Of the first errand in the queue, less one.
    done: ErrandId,
    queue: VecDeque<Errand>,
    /// The last errand of it that was done here.
    heard: ErrandId,
}

fields!(Partner {
    incarnation,
    done,
    queue,
    heard
});

impl State for Errands {
    fn save(&self, out: &mut Vec<u8>) {
        self.partners.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            partners: State::load(input)?,
            latest: None,
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
                directory,
                name,
                kind,
                branch,
            } => {
                0_u8.save(out);
                directory.save(out);
                name.0.save(out);
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
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(match u8::load(input)? {
            0 => Errand::Link {
                directory: State::load(input)?,
                name: ErrandName(State::load(input)?),
                kind: State::load(input)?,
                branch: State::load(input)?,
            },
            1 => Errand::Unlink {
                branch: State::load(input)?,
            },
            2 => Errand::Drop {
                branch: State::load(input)?,
            },
            _ => return Err(Malformed("there is no such errand")),
        })
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
        let is_awaited = !matches!(errand, Errand::Drop { .. });
        self.has_news = true;
        let partner = self.partners.entry(to).or_default();
        partner.queue.push_back(errand);
        if is_awaited {
            self.latest = Some((to, partner.done + partner.queue.len() as u64));
        }
    }

    /// The errand that the latest command waits for, if it does for one; asked a second time, none.
    pub(super) fn take_latest(&mut self) -> Option<(u16, ErrandId)> {
        self.latest.take()
    }

    /// Whether there are new ones.
    #[inline]
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// The id of the first errand to a partition, and the first ones.
    pub(super) fn first(&self, to: u16) -> (ErrandId, impl Iterator<Item = &Errand>) {
        let partner = self.partners.get(&to);
        let id = partner.map_or(0, |partner| partner.done) + 1;
        (id, partner.into_iter().flat_map(|partner| &partner.queue))
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

    /// Does an errand of another partition, if it was not done before.
    pub(super) fn do_errand(
        &mut self,
        partition: u16,
        id: ErrandId,
        errand: &Errand,
    ) -> Result<Reply<'_>, Failure> {
        let partner = self.errands.partners.entry(partition).or_default();
        let is_new = id > partner.heard;
        partner.heard = partner.heard.max(id);
        // Also of one that is refused it is known that it came.
        self.journal.stir();
        match *errand {
            Errand::Link {
                directory,
                ref name,
                kind,
                branch,
            } => {
                let link = Link { partition, branch };
                match is_new {
                    true => self.add_link(link, (directory, name.as_bytes(), kind))?,
                    false => self.find_link(link)?,
                }
            }
            Errand::Unlink { branch } if is_new => self.remove_link(Link { partition, branch }),
            Errand::Drop { branch } if is_new => self.drop_branch_of(partition, branch),
            Errand::Unlink { .. } | Errand::Drop { .. } => {}
        }
        Ok(Reply::Done)
    }

    /// Takes note that another partition did the first errand to it, or, with `is_done` false, refused it.
    pub(super) fn errand_done(&mut self, to: u16, id: ErrandId, is_done: bool) -> Reply<'static> {
        let Some(partner) = self.errands.partners.get_mut(&to) else {
            return Reply::Done;
        };
        if id == partner.done + 1
            && let Some(errand) = partner.queue.pop_front()
        {
            partner.done = id;
            if let Errand::Link { branch, .. } = errand {
                self.branch_linked(branch, is_done || planted(Canary::BelieveRefusedErrand));
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
        if known != 0 {
            // What was to be done hung on what is gone.
            partner.done += partner.queue.len() as u64;
            partner.queue.clear();
            partner.heard = 0;
        }
        partner.incarnation = incarnation;
        Reply::Done
    }
}
