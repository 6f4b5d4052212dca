//! Containers that come below another branch: one at a time in the whole namespace, and never below themselves.
//!
//! A branch, or the root, with all that is below it at its partition is a *trunk*. Within one, a partition sees by itself that no directory
//! comes below itself. Trunks hang on each other by links; of these, the only ones that come to hang on another trunk are those that are moved there, or that are
//! below what is. So it is enough that this is done by one at a time: it asks partition 0 for that turn ([`Errand::Lock`]), and then has
//! the way from its new place up to the root looked at, partition by partition ([`Trace`]). While that goes on, the container that moves is a trunk
//! of its own: what would come below it changes its trunk, too, and waits for its turn.

use super::branches::Link;
use super::command::Failure;
use super::errands::{Errand, Trace};
use super::moves::Stage;
use super::namespace::{Namespace, ROOT};

/// Longer ways are not looked at: a path that leads along one would be longer than paths may be.
const HOPS_MAX: u32 = 4096;

/// One step of a trace.
enum Step {
    /// Why the container must not be there, if so.
    Ended(Option<Failure>),
    /// From the entry of this branch, which is at that partition.
    On(u16, Link),
}

impl Namespace {
    /// Whether a container would come to lie below another branch.
    pub(super) fn changes_trunk(&self, index: u32, parent: u32) -> bool {
        if self.is_alone() || !self.kind(index).is_container() {
            return false;
        }
        let from = self.nodes.records.at(index).parent;
        self.trunk(from) != self.trunk(parent)
    }

    /// What a container hangs on here: a branch, or the root.
    fn trunk(&self, mut index: u32) -> u32 {
        while index != ROOT && !self.branches.is_branch(index) {
            index = self.nodes.records.at(index).parent;
        }
        index
    }

    // Turns.

    /// A container that is about to move waits for its turn.
    pub(super) fn ask_for_lock(&mut self, entry: u32) {
        let own = self.config.partition;
        let Some((_, known)) = self.moves.container().filter(|(moving, _)| *moving == entry) else {
            return;
        };
        known.stage = Stage::Locking;
        let number = known.number;
        match own {
            0 => {
                let refused = self.take_lock(own, number).err();
                self.locked(number, refused);
            }
            _ => self.errands.send(0, Errand::Lock { number }),
        }
    }

    /// At partition 0: it is the turn of a partition, if it is no other's. A partition has one move at a time.
    pub(super) fn take_lock(&mut self, partition: u16, number: u64) -> Result<(), Failure> {
        match self.moves.lock {
            Some((holder, _)) if holder != partition => Err(Failure::Busy),
            _ => {
                self.moves.lock = Some((partition, number));
                Ok(())
            }
        }
    }

    /// At partition 0: a partition's turn is over, if it was for this move, or one before.
    pub(super) fn leave_lock(&mut self, partition: u16, number: u64) {
        let is_held = |(holder, held): (u16, u64)| holder == partition && held <= number;
        if self.moves.lock.is_some_and(is_held) {
            self.moves.lock = None;
        }
    }

    pub(super) fn give_up_lock(&mut self, number: u64) {
        match self.config.partition {
            0 => self.leave_lock(0, number),
            _ => self.errands.send(0, Errand::Unlock { number }),
        }
    }

    /// Some of the log may be missing, and a turn with it that was taken.
    pub(super) fn give_up_lost_lock(&mut self) {
        if !self.is_alone() && self.moves.container().is_none() {
            self.give_up_lock(u64::MAX);
        }
    }

    /// It is a move's turn, or is not.
    pub(super) fn locked(&mut self, number: u64, refused: Option<Failure>) {
        let Some(entry) = self.container_at(Stage::Locking, number) else {
            return;
        };
        match refused {
            None => self.begin_trace(entry),
            Some(_) => self.end_move(entry, refused),
        }
    }

    /// The entry of the container that moves, if it is this move and so far.
    fn container_at(&mut self, stage: Stage, number: u64) -> Option<u32> {
        let (entry, known) = self.moves.container()?;
        (known.number == number && known.stage == stage).then_some(entry)
    }

    // The way upwards.

    fn begin_trace(&mut self, entry: u32) {
        let origin = self.config.partition;
        let link = self.branches.link_at(entry).expect("it moves");
        let Some((_, known)) = self.moves.container() else {
            return;
        };
        known.stage = Stage::Tracing;
        let to = known.destination.partition;
        let trace = Trace {
            origin,
            number: known.number,
            home: link.partition,
            node: link.branch,
            link_of: None,
            from: known.destination.directory,
            hops: 0,
        };
        match to == origin {
            true => self.trace_on(trace),
            false => self.errands.send(to, Errand::Trace(trace)),
        }
    }

    /// Looks further upwards from what is here, and has others go on.
    pub(super) fn trace_on(&mut self, mut trace: Trace) {
        loop {
            match self.trace_step(&trace) {
                Step::Ended(refused) => return self.tell_traced(&trace, refused),
                Step::On(partition, link) => {
                    trace.link_of = Some(link.partition);
                    trace.from = link.branch;
                    trace.hops += 1;
                    if partition != self.config.partition {
                        return self.errands.send(partition, Errand::Trace(trace));
                    }
                }
            }
        }
    }

    fn trace_step(&self, trace: &Trace) -> Step {
        let own = self.config.partition;
        let index = match trace.link_of {
            None => self.directory_here(trace.from).map_err(|_| Failure::NotFound),
            // It is being made, or is gone with its branch: who asks again finds out.
            Some(partition) => self
                .branches
                .entry_of(Link {
                    partition,
                    branch: trace.from,
                })
                .ok_or(Failure::Busy),
        };
        let index = match index {
            Ok(_) if trace.hops >= HOPS_MAX => return Step::Ended(Some(Failure::TooLong)),
            Ok(index) => index,
            Err(failure) => return Step::Ended(Some(failure)),
        };
        let top = self.trunk(index);
        if top == ROOT {
            // No other has the root: what ends there is being removed.
            let refused = (own != 0).then_some(Failure::NotFound);
            return Step::Ended(refused);
        }
        let branch = self.nodes.id(top);
        if (own, branch) == (trace.home, trace.node) {
            return Step::Ended(Some(Failure::Cycle));
        }
        let known = self
            .branches
            .branch_at(top)
            .expect("a trunk is a branch, or the root");
        let link = Link {
            partition: own,
            branch,
        };
        Step::On(known.partition, link)
    }

    pub(super) fn tell_traced(&mut self, trace: &Trace, refused: Option<Failure>) {
        let Trace { origin, number, .. } = *trace;
        match origin == self.config.partition {
            true => self.traced(number, refused),
            false => self.errands.send(origin, Errand::Traced { number, refused }),
        }
    }

    /// What the partitions above its new place say of a container.
    pub(super) fn traced(&mut self, number: u64, refused: Option<Failure>) {
        let Some(entry) = self.container_at(Stage::Tracing, number) else {
            return;
        };
        match refused {
            None => self.ask_for_entry(entry),
            Some(_) => self.end_move(entry, refused),
        }
    }

    /// Another life of a partition has begun: it may have had the turn, or been on the way.
    pub(super) fn lose_trunks(&mut self, partition: u16) {
        if self.moves.lock.is_some_and(|(holder, _)| holder == partition) {
            self.moves.lock = None;
        }
        let lost = self.moves.container().filter(|(_, known)| match known.stage {
            Stage::Locking => partition == 0,
            Stage::Tracing => true,
            Stage::Asking => false,
        });
        if let Some((entry, _)) = lost {
            self.end_move(entry, Some(Failure::Busy));
        }
    }
}
