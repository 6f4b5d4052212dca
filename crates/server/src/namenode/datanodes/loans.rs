//! The registries of several partitions: what partition 0 lends and tells, and what others have of it.

use super::{Member, Registry, fits};
use crate::namenode::blocks::{LOAN_GENERATIONS, Slots};
use crate::namenode::command::{ENDPOINTS_MAX, Failure, Loan, MemberNews};
use crate::namenode::names::NAME_BYTES_MAX;

impl Registry {
    /// Whether all that it knows of datanodes is what partition 0 tells it.
    pub(in crate::namenode) fn is_told(&self) -> bool {
        self.limits.partition != 0
    }

    /// What others are told of a member has changed.
    pub(super) fn touch(&mut self, id: u32) {
        self.version += 1;
        let version = self.version;
        if let Some(member) = self.member_mut(id) {
            member.changed = version;
        }
    }

    /// Of the latest change that others are told of.
    pub(in crate::namenode) fn version(&self) -> u64 {
        self.version
    }

    /// Members that have changed since this version, the one that changed first before the others.
    pub(in crate::namenode) fn changed_since(&self, version: u64) -> Vec<u32> {
        let numbered = self.members.iter().zip(1..);
        let changed = numbered.filter(|(member, _)| member.changed > version);
        let mut changed: Vec<(u64, u32)> = changed.map(|(member, id)| (member.changed, id)).collect();
        changed.sort_unstable();
        changed.into_iter().map(|(_, id)| id).collect()
    }

    /// When a member changed, and what others are told of it.
    pub(in crate::namenode) fn news(&self, id: u32) -> Option<(u64, MemberNews<'_>)> {
        let member = self.member(id)?;
        let mut endpoints = [""; ENDPOINTS_MAX];
        for (place, endpoint) in endpoints.iter_mut().zip(&member.endpoints) {
            *place = endpoint;
        }
        let news = MemberNews {
            id,
            name: &member.name,
            incarnation: member.incarnation,
            epoch: member.epoch,
            capacity: member.claimed_bytes,
            endpoints,
            host: &member.host,
            location_class: member.location_class,
            storage_class: member.storage_class,
            secret: member.secret,
            alive: member.alive,
        };
        Some((member.changed, news))
    }

    /// Whole slots that are free, of live datanodes.
    pub(in crate::namenode) fn free_slots(&self) -> u64 {
        let live = self.members.iter().filter(|member| member.alive);
        live.map(|member| u64::from(member.slots.free())).sum()
    }

    /// Raised with each block that is issued.
    pub(in crate::namenode) fn turn(&self) -> usize {
        self.turn
    }

    /// Slots of live datanodes that others have.
    pub(in crate::namenode) fn slots_away(&self) -> u64 {
        let live = self.members.iter().filter(|member| member.alive);
        live.map(|member| u64::from(member.slots.away())).sum()
    }

    /// For each storage class in which there are live datanodes, whole slots that are free.
    pub(in crate::namenode) fn free_by_class(&self) -> Vec<(u32, u64)> {
        let mut classes: Vec<(u32, u64)> = Vec::new();
        for &(class, id) in &self.tiers {
            let free = self.member(id).map_or(0, |member| member.slots.free());
            match classes.last_mut() {
                Some(last) if last.0 == class => last.1 += u64::from(free),
                _ => classes.push((class, u64::from(free))),
            }
        }
        classes
    }

    /// Lends up to `count` slots, the asked storage class first, then slower ones, then faster ones; within one, datanodes take turns. Only of
    /// members that the borrower knows as they are.
    pub(in crate::namenode) fn lend(
        &mut self,
        partition: u16,
        (storage_class, only): (u32, bool),
        known: u64,
        count: usize,
    ) -> Vec<Loan> {
        let split = self.tiers.partition_point(|&(class, _)| class < storage_class);
        let (faster, rest) = self.tiers.split_at(split);
        let order: Vec<(u32, u32)> = rest.iter().chain(faster).copied().collect();
        let order = order.chunk_by(|one, other| one.0 == other.0);
        let tiers = order.filter(|tier| !only || tier[0].0 == storage_class);
        let mut loans = Vec::new();
        for tier in tiers {
            let known = |&(_, id): &(u32, u32)| {
                let member = self.member(id)?;
                (member.changed <= known).then_some(id)
            };
            let ids: Vec<u32> = tier.iter().filter_map(known).collect();
            self.lend_of(partition, &ids, count, &mut loans);
        }
        loans
    }

    /// Goes round until there are enough, or nobody has any.
    fn lend_of(&mut self, partition: u16, ids: &[u32], count: usize, loans: &mut Vec<Loan>) {
        if ids.is_empty() {
            return;
        }
        let (before, mut idle, mut at) = (loans.len(), 0, self.turn);
        while loans.len() < count && idle < ids.len() {
            let id = ids[at % ids.len()];
            at = at.wrapping_add(1);
            idle += 1;
            let Some(member) = self.member_mut(id) else {
                continue;
            };
            if let Some((slot, generation)) = member.slots.lend(partition) {
                loans.push(Loan {
                    datanode: id,
                    epoch: member.epoch,
                    slot,
                    generation,
                });
                idle = 0;
            }
        }
        // A command that lends nothing is no record: it changes nothing.
        if loans.len() > before {
            self.turn = at;
        }
    }

    /// Takes back what a partition gives back. False if it has no such loan.
    pub(in crate::namenode) fn take_back(&mut self, partition: u16, loan: &Loan) -> bool {
        let member = self.member_mut(loan.datanode);
        let member = member.filter(|member| member.epoch == loan.epoch);
        member.is_some_and(|member| member.slots.take_back(partition, loan.slot, loan.generation))
    }

    /// Takes back all that a partition has.
    pub(in crate::namenode) fn reclaim(&mut self, partition: u16) {
        for member in &mut self.members {
            member.slots.reclaim(Some(partition));
        }
    }

    /// Nobody knows for sure any more what was lent: takes everything back, and leaves a gap for loans that are forgotten.
    pub(in crate::namenode) fn reclaim_all(&mut self) {
        for member in &mut self.members {
            member.slots.reclaim(None);
            member.slots.leave_gap(LOAN_GENERATIONS);
        }
    }

    /// Refuses what partition 0 cannot have said of a member.
    pub(in crate::namenode) fn check_news(&self, news: &MemberNews<'_>) -> Result<(), Failure> {
        if news.id == 0 || news.id > self.limits.datanodes_max {
            return Err(Failure::Full);
        }
        let is_long = news.name.len() > NAME_BYTES_MAX;
        if is_long || !fits(news.host, &news.endpoints) {
            return Err(Failure::TooLong);
        }
        Ok(())
    }

    /// Has a member be as partition 0 says. One in another life than before has lost its blocks, and none of its slots is lent to this partition.
    /// The caller ends with [`Self::told`].
    pub(in crate::namenode) fn mirror(&mut self, news: &MemberNews<'_>) {
        while self.members.len() < news.id as usize {
            self.members.push(Member::vacant());
        }
        let Some(member) = self.member_mut(news.id) else {
            return;
        };
        let life = (news.epoch, news.incarnation, news.capacity);
        if (member.origin_epoch, member.incarnation, member.claimed_bytes) != life {
            member.epoch += 1;
            (member.origin_epoch, member.incarnation, member.claimed_bytes) = life;
            member.slots = Slots::borrowed(news.capacity);
        }
        member.name = news.name.into();
        member.endpoints = news.addresses().map(Into::into).collect();
        member.host = news.host.into();
        member.location_class = news.location_class;
        member.storage_class = news.storage_class;
        member.secret = news.secret;
        member.alive = news.alive;
    }

    /// Partition 0 has told all that [`Self::mirror`] has heard.
    pub(in crate::namenode) fn told(&mut self, now_ns: u64) {
        self.liveness_changed(now_ns);
    }

    /// Forgets partition 0, and with it all that it had lent and told.
    pub(in crate::namenode) fn void(&mut self, now_ns: u64) {
        for member in &mut self.members {
            member.epoch += 1;
            member.origin_epoch = 0;
            member.slots = Slots::borrowed(0);
            member.alive = false;
        }
        self.liveness_changed(now_ns);
    }

    /// Has a slot that partition 0 lends. False if it is of another life of its datanode, or cannot be.
    pub(in crate::namenode) fn borrow(&mut self, loan: &Loan) -> bool {
        let member = self.member_mut(loan.datanode);
        let member = member.filter(|member| member.origin_epoch == loan.epoch && loan.epoch != 0);
        member.is_some_and(|member| member.slots.borrow(loan.slot, loan.generation))
    }

    /// Lets go of slots: first those whose loans are used up and those of silent datanodes, then `wanted` others, as far as `max` allows.
    pub(in crate::namenode) fn give_back(&mut self, wanted: usize, max: usize) -> Vec<Loan> {
        let mut loans = Vec::new();
        self.give_back_by(max, &mut loans, |member| member.slots.give_back_spent());
        self.give_back_by(max, &mut loans, |member| {
            (!member.alive).then(|| member.slots.give_back()).flatten()
        });
        let max = max.min(loans.len() + wanted);
        self.give_back_by(max, &mut loans, |member| {
            member.alive.then(|| member.slots.give_back()).flatten()
        });
        loans
    }

    fn give_back_by(
        &mut self,
        max: usize,
        loans: &mut Vec<Loan>,
        mut give: impl FnMut(&mut Member) -> Option<(u32, u32)>,
    ) {
        for (member, datanode) in self.members.iter_mut().zip(1..) {
            while loans.len() < max
                && let Some((slot, generation)) = give(member)
            {
                loans.push(Loan {
                    datanode,
                    epoch: member.origin_epoch,
                    slot,
                    generation,
                });
            }
        }
    }

    /// The lives of datanodes: number and epoch.
    pub(in crate::namenode) fn lives(&self) -> impl Iterator<Item = (u32, u32)> {
        let numbered = self.members.iter().zip(1..);
        numbered.map(|(member, id)| (id, member.epoch))
    }

    /// Whether partition 0 has told of this life of a datanode.
    pub(in crate::namenode) fn knows(&self, id: u32, origin_epoch: u32) -> bool {
        self.member(id)
            .is_some_and(|member| member.origin_epoch == origin_epoch)
    }

    /// What partition 0 has lent, or another has borrowed, with who has it if it is not this partition. By partition 0's epochs.
    pub(in crate::namenode) fn loans(&self) -> impl Iterator<Item = (Loan, Option<u16>)> {
        let numbered = self.members.iter().zip(1..);
        numbered.flat_map(|(member, datanode)| {
            let epoch = match self.is_told() {
                true => member.origin_epoch,
                false => member.epoch,
            };
            member.slots.loans().map(move |(slot, holder, generation)| {
                let loan = Loan {
                    datanode,
                    epoch,
                    slot,
                    generation,
                };
                (loan, holder)
            })
        })
    }
}
