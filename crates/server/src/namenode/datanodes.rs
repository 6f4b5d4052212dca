//! The datanodes: who is there, who is silent, and whose turn it is to give a block.

use std::collections::BTreeMap;
use std::hash::Hasher;

use crake_store::protocol::Handle;
use siphasher::sip128::SipHasher24;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::answers::Changes;
use super::blocks::{Class, Extent, Issued, Slots, UNIT_BYTES};
use super::census::{IssuedSlot, SlotSpot};
use super::command::{Block, Datanode, ENDPOINTS_MAX, Failure, Register, Reply};
use super::names::NAME_BYTES_MAX;
use super::state::{Input, Malformed, State};
use crate::mac::{SECRET_BYTES, Signer};

mod loans;

/// What a handle allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    Read,
    ReadWrite,
}

/// What kind of block is wanted, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) class: Class,
    pub(super) storage_class: u32,
    pub(super) location_class: u64,
    /// No larger block is given in the place of one that has run out.
    pub(super) bytes_max: u64,
}

/// All datanodes. A number is that of a name; another life under that name is another epoch.
pub(super) struct Registry {
    limits: Limits,
    members: Vec<Member>,
    by_name: BTreeMap<Box<str>, u32>,
    /// Live ones as (storage class, number), in this order.
    tiers: Vec<(u32, u32)>,
    /// Raised with each block, so that datanodes take turns.
    turn: usize,
    /// Nobody falls silent before this.
    quiet_until_ns: u64,
    /// Raised with each change of what other partitions are told of a member.
    version: u64,
    /// Told when what is said of blocks may be otherwise.
    pub(super) changes: Changes,
}

/// What a registry is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) datanodes_max: u32,
    pub(super) heartbeat_timeout_ns: u64,
    pub(super) namenode: u64,
    pub(super) seed: u128,
    /// Datanodes register with partition 0; others know what that one tells them.
    pub(super) partition: u16,
}

#[derive(Debug, Hash)]
struct Member {
    name: Box<str>,
    incarnation: u64,
    epoch: u32,
    endpoints: Vec<Box<str>>,
    host: Box<str>,
    location_class: u64,
    storage_class: u32,
    secret: [u8; SECRET_BYTES],
    /// Bytes that it said it has; whole slots of these can be issued.
    claimed_bytes: u64,
    slots: Slots,
    heard_ns: u64,
    alive: bool,
    /// The registry's version when this changed.
    changed: u64,
    /// Its epoch at partition 0, if that is another. The one here also changes when partition 0 has lost what it knew.
    origin_epoch: u32,
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            members: Vec::new(),
            by_name: BTreeMap::new(),
            tiers: Vec::new(),
            turn: 0,
            quiet_until_ns: u64::MAX,
            version: 0,
            changes: Changes::default(),
        }
    }

    /// Numbers ever given are below this, from 1.
    pub(super) fn end(&self) -> u32 {
        self.members.len() as u32 + 1
    }

    fn member(&self, id: u32) -> Option<&Member> {
        self.members.get((id as usize).wrapping_sub(1))
    }

    fn member_mut(&mut self, id: u32) -> Option<&mut Member> {
        self.members.get_mut((id as usize).wrapping_sub(1))
    }

    pub(super) fn describe(&self, id: u32) -> Option<Datanode<'_>> {
        let member = self.member(id)?;
        Some(Datanode {
            id,
            incarnation: member.incarnation,
            endpoints: &member.endpoints,
            host: &member.host,
            location_class: member.location_class,
            capacity: member.slots.capacity_bytes(),
            used: member.slots.used_bytes(),
            alive: member.alive,
            name: &member.name,
        })
    }

    /// Bytes of live datanodes, and bytes of these in issued blocks.
    pub(super) fn capacity_and_used(&self) -> (u64, u64) {
        let live = self.members.iter().filter(|member| member.alive);
        live.fold((0, 0), |(capacity, used), member| {
            (
                capacity + member.slots.capacity_bytes(),
                used + member.slots.used_bytes(),
            )
        })
    }

    pub(super) fn register(
        &mut self,
        now_ns: u64,
        request: &Register<'_>,
    ) -> Result<Reply<'static>, Failure> {
        check_registration(request)?;
        let reset = Reply::Registered {
            datanode: 0,
            secret: [0; SECRET_BYTES],
            namenode: 0,
            heartbeat_ms: 0,
            reset: true,
        };
        if request.namenode != 0 && request.namenode != self.limits.namenode {
            return Ok(reset);
        }
        let id = match self.by_name.get(request.name).copied() {
            Some(id) if self.is_same_life(id, request) => id,
            // It has blocks of ours, but not those that are known here.
            _ if request.namenode != 0 => return Ok(reset),
            Some(id) => self.begin_life(id, request),
            None => self.admit(request)?,
        };
        self.hear(id, now_ns, request);
        let secret = self.members[id as usize - 1].secret;
        let heartbeat_ms =
            (self.limits.heartbeat_timeout_ns / 5 / 1_000_000).clamp(1, u64::from(u32::MAX)) as u32;
        Ok(Reply::Registered {
            datanode: id,
            secret,
            namenode: self.limits.namenode,
            heartbeat_ms,
            reset: false,
        })
    }

    fn is_same_life(&self, id: u32, request: &Register<'_>) -> bool {
        let member = self.member(id).expect("a name has a member");
        member.incarnation == request.incarnation && member.claimed_bytes == request.capacity
    }

    /// A new member, or the place of a silent one of which nothing is left.
    fn admit(&mut self, request: &Register<'_>) -> Result<u32, Failure> {
        if (self.members.len() as u32) < self.limits.datanodes_max {
            self.members.push(Member::vacant());
        } else {
            let idle =
                |member: &Member| !member.alive && member.slots.used_bytes() == 0 && member.slots.away() == 0;
            let place = self.members.iter().position(idle).ok_or(Failure::Full)?;
            self.by_name.remove(&self.members[place].name);
            self.members[place].name = request.name.into();
            self.by_name.insert(request.name.into(), place as u32 + 1);
            return Ok(self.begin_life(place as u32 + 1, request));
        }
        let id = self.members.len() as u32;
        self.members[id as usize - 1].name = request.name.into();
        self.by_name.insert(request.name.into(), id);
        Ok(self.begin_life(id, request))
    }

    /// All blocks of earlier lives are lost for good: their epoch is not this one.
    fn begin_life(&mut self, id: u32, request: &Register<'_>) -> u32 {
        let (seed, namenode) = (self.limits.seed, self.limits.namenode);
        let member = self.member_mut(id).expect("the caller found it");
        member.epoch += 1;
        member.incarnation = request.incarnation;
        member.claimed_bytes = request.capacity;
        member.slots = Slots::new(request.capacity);
        // The same in all lives, so that the datanode can tell a handle of an earlier life from a forged one.
        member.secret = derive_secret(seed, namenode, &member.name);
        id
    }

    fn hear(&mut self, id: u32, now_ns: u64, request: &Register<'_>) {
        let member = self.member_mut(id).expect("the caller found it");
        member.endpoints = request
            .endpoints
            .iter()
            .map(|&endpoint| endpoint.into())
            .collect();
        member.host = request.host.into();
        member.location_class = request.location_class;
        member.storage_class = request.storage_class;
        member.heard_ns = now_ns;
        member.alive = true;
        self.touch(id);
        self.liveness_changed(now_ns);
    }

    /// Whether a datanode is known by this number and incarnation; a silent one that is, lives again.
    pub(super) fn heartbeat(&mut self, now_ns: u64, id: u32, incarnation: u64) -> bool {
        let Some(member) = self
            .member_mut(id)
            .filter(|member| member.incarnation == incarnation)
        else {
            return false;
        };
        member.heard_ns = now_ns;
        if !member.alive {
            member.alive = true;
            self.touch(id);
            self.liveness_changed(now_ns);
        }
        true
    }

    /// When to call [`Self::expire`] next; not later than anybody falls silent.
    pub(super) fn quiet_until_ns(&self) -> Option<u64> {
        (self.quiet_until_ns != u64::MAX).then_some(self.quiet_until_ns)
    }

    /// Finds those that have fallen silent. Each counts as such if `may_be` says so.
    pub(super) fn expire(&mut self, now_ns: u64, mut may_be: impl FnMut(u32) -> bool) {
        if now_ns < self.quiet_until_ns {
            return;
        }
        let timeout_ns = self.limits.heartbeat_timeout_ns;
        for (member, id) in self.members.iter_mut().zip(1..) {
            if member.alive && now_ns >= member.heard_ns.saturating_add(timeout_ns) {
                member.alive = !may_be(id);
                if !member.alive {
                    self.version += 1;
                    member.changed = self.version;
                }
            }
        }
        self.liveness_changed(now_ns);
    }

    /// A datanode has fallen silent, or is heard again.
    pub(super) fn set_alive(&mut self, id: u32, alive: bool, now_ns: u64) -> Option<()> {
        self.member_mut(id)?.alive = alive;
        self.touch(id);
        self.liveness_changed(now_ns);
        Some(())
    }

    /// Whether it is known by this number and incarnation, and silent.
    pub(super) fn is_silent(&self, id: u32, incarnation: u64) -> bool {
        self.member(id)
            .is_some_and(|member| member.incarnation == incarnation && !member.alive)
    }

    /// All that are alive were heard of just now.
    pub(super) fn hear_all(&mut self, now_ns: u64) {
        self.members
            .iter_mut()
            .for_each(|member| member.heard_ns = now_ns);
        self.liveness_changed(now_ns);
    }

    /// All blocks issued from now on have generations this much above those before.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        self.members
            .iter_mut()
            .for_each(|member| member.slots.leave_gap(gap));
    }

    /// Other limits from now on. The identity stays.
    pub(super) fn limit(&mut self, datanodes_max: u32, heartbeat_timeout_ns: u64) {
        self.limits.datanodes_max = datanodes_max;
        self.limits.heartbeat_timeout_ns = heartbeat_timeout_ns;
    }

    /// Writes down what outlives a namenode.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.members.save(out);
        self.turn.save(out);
        self.version.save(out);
    }

    /// Reads that again; all that are alive were heard of just now.
    pub(super) fn load(limits: Limits, now_ns: u64, input: &mut Input<'_>) -> Result<Self, Malformed> {
        let mut registry = Self {
            members: State::load(input)?,
            turn: State::load(input)?,
            version: State::load(input)?,
            ..Self::new(limits)
        };
        if !registry.is_told() {
            let names = registry.members.iter().zip(1..);
            registry.by_name = names.map(|(member, id)| (member.name.clone(), id)).collect();
        }
        registry.hear_all(now_ns);
        Ok(registry)
    }

    fn liveness_changed(&mut self, now_ns: u64) {
        self.changes.of_everything();
        let numbered = self.members.iter().zip(1..);
        let live = numbered.filter(|(member, _)| member.alive);
        self.tiers.clear();
        self.tiers
            .extend(live.clone().map(|(member, id)| (member.storage_class, id)));
        self.tiers.sort_unstable();
        if self.is_told() {
            return;
        }
        let silent_at = |member: &Member| member.heard_ns.saturating_add(self.limits.heartbeat_timeout_ns);
        let earliest = live.map(|(member, _)| silent_at(member)).min();
        self.quiet_until_ns = earliest.map_or(u64::MAX, |at| at.max(now_ns + 1));
    }

    /// A block as near to the wish as there is one: first by location, then by storage class (the asked one, slower
    /// ones, faster ones), then by size; among equals it goes round.
    pub(super) fn issue(&mut self, wish: Wish) -> Result<Issued, Failure> {
        if self.tiers.is_empty() {
            return Err(Failure::NoDatanodes);
        }
        let near = (wish.location_class != 0)
            .then(|| self.issue_where(wish, Some(wish.location_class)))
            .flatten();
        near.or_else(|| self.issue_where(wish, None))
            .ok_or(Failure::NoSpace)
    }

    fn issue_where(&mut self, wish: Wish, location_class: Option<u64>) -> Option<Issued> {
        let split = self
            .tiers
            .partition_point(|&(storage_class, _)| storage_class < wish.storage_class);
        self.issue_from(split..self.tiers.len(), wish, location_class)
            .or_else(|| self.issue_from(0..split, wish, location_class))
    }

    /// Goes through the tiers of a part of the list.
    fn issue_from(
        &mut self,
        part: std::ops::Range<usize>,
        wish: Wish,
        location_class: Option<u64>,
    ) -> Option<Issued> {
        let mut start = part.start;
        while start < part.end {
            let storage_class = self.tiers[start].0;
            let len = self.tiers[start..part.end].partition_point(|&(other, _)| other == storage_class);
            let fits = |class: &Class| class.bytes() <= wish.bytes_max;
            for class in wish.class.with_substitutes().into_iter().filter(fits) {
                let found = (0..len).find_map(|step| {
                    let (_, id) = self.tiers[start + (self.turn + step) % len];
                    self.issue_at(id, class, location_class)
                });
                if found.is_some() {
                    self.turn = self.turn.wrapping_add(1);
                    return found;
                }
            }
            start += len;
        }
        None
    }

    fn issue_at(&mut self, id: u32, class: Class, location_class: Option<u64>) -> Option<Issued> {
        let member = self.member_mut(id)?;
        if location_class.is_some_and(|wanted| wanted != member.location_class) {
            return None;
        }
        let (unit, generation) = member.slots.issue(class)?;
        Some(Issued {
            datanode: id,
            epoch: member.epoch,
            unit,
            generation,
            class,
        })
    }

    /// Takes a block back. One of an earlier life is nobody's any more.
    pub(super) fn release(&mut self, block: &Issued) {
        if let Some(member) = self
            .member_mut(block.datanode)
            .filter(|member| member.epoch == block.epoch)
        {
            member.slots.release(block);
        }
    }

    /// Whether a block can be reached now.
    pub(super) fn is_there(&self, block: &Issued) -> bool {
        self.member(block.datanode)
            .is_some_and(|member| member.epoch == block.epoch && member.alive)
    }

    /// Whether a block is of the life of its datanode that is known here.
    pub(super) fn is_of_now(&self, block: &Issued) -> bool {
        self.member(block.datanode)
            .is_some_and(|member| member.epoch == block.epoch)
    }

    /// All slots that were ever used, in order from this one on, and what is given out of each if it is not empty.
    pub(super) fn slots_from(&self, from: SlotSpot) -> impl Iterator<Item = (SlotSpot, Option<IssuedSlot>)> {
        let members = self.members.iter().zip(1..);
        let members = members.filter(move |&(_, datanode)| datanode >= from.datanode);
        members.flat_map(move |(member, datanode)| {
            let first = if datanode == from.datanode { from.slot } else { 0 };
            member.slots.issued_from(first).map(move |(slot, in_use)| {
                let issued = in_use.map(|in_use| IssuedSlot {
                    datanode,
                    epoch: member.epoch,
                    slot,
                    generation: in_use.generation,
                    block_bytes: in_use.class.bytes() as u32,
                    taken: in_use.taken,
                });
                (SlotSpot { datanode, slot }, issued)
            })
        })
    }

    /// A bit for each block that is given out of this slot, if it belongs to the same life of its datanode, has blocks of this class, and none
    /// was given out since the one of this generation.
    pub(super) fn taken_since(&self, slot: &IssuedSlot, class: Class) -> Option<[u64; 4]> {
        let member = self.member(slot.datanode)?;
        let is_same_life = member.epoch == slot.epoch;
        is_same_life
            .then(|| member.slots.taken_since(slot.slot, slot.generation, class))
            .flatten()
    }

    /// What a client needs to use a block.
    pub(super) fn block(&self, extent: &Extent, rights: Rights) -> Block {
        let member = self
            .member(extent.block.datanode)
            .filter(|member| member.epoch == extent.block.epoch);
        Block {
            offset: extent.offset,
            length: extent.length,
            lost: !member.is_some_and(|member| member.alive),
            handle: member.map(|member| member.handle(&extent.block, rights)),
        }
    }

    pub(super) fn fingerprint(&self, state: &mut impl Hasher) {
        use std::hash::Hash;
        self.members.hash(state);
        self.by_name.hash(state);
        self.tiers.hash(state);
        self.turn.hash(state);
        (self.quiet_until_ns, self.version).hash(state);
    }

    /// Checks that exactly the blocks of `owned` are issued, each once.
    pub(super) fn check(&self, owned: &[Issued]) -> Result<(), String> {
        for (member, id) in self.members.iter().zip(1..) {
            let mine = owned
                .iter()
                .filter(|block| block.datanode == id && block.epoch == member.epoch);
            member
                .slots
                .check(&mine.collect::<Vec<_>>())
                .map_err(|what| format!("datanode {id}: {what}"))?;
            if !self.is_told() && self.by_name.get(&member.name) != Some(&id) {
                return Err(format!("datanode {id} is not known by its name"));
            }
            if self.tiers.contains(&(member.storage_class, id)) != member.alive {
                return Err(format!("datanode {id} is in the wrong tier"));
            }
        }
        if !self.is_told() && self.by_name.len() != self.members.len() {
            return Err("a name without a datanode".into());
        }
        Ok(())
    }
}

/// Without the time when it was heard of, which is no part of what outlives a namenode.
impl State for Member {
    fn save(&self, out: &mut Vec<u8>) {
        self.name.save(out);
        self.incarnation.save(out);
        self.epoch.save(out);
        self.endpoints.save(out);
        self.host.save(out);
        self.location_class.save(out);
        self.storage_class.save(out);
        self.secret.save(out);
        self.claimed_bytes.save(out);
        self.slots.save(out);
        self.alive.save(out);
        self.changed.save(out);
        self.origin_epoch.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            name: State::load(input)?,
            incarnation: State::load(input)?,
            epoch: State::load(input)?,
            endpoints: State::load(input)?,
            host: State::load(input)?,
            location_class: State::load(input)?,
            storage_class: State::load(input)?,
            secret: State::load(input)?,
            claimed_bytes: State::load(input)?,
            slots: State::load(input)?,
            heard_ns: 0,
            alive: State::load(input)?,
            changed: State::load(input)?,
            origin_epoch: State::load(input)?,
        })
    }
}

impl Member {
    fn vacant() -> Self {
        Self {
            name: "".into(),
            incarnation: 0,
            epoch: 0,
            endpoints: Vec::new(),
            host: "".into(),
            location_class: 0,
            storage_class: 0,
            secret: [0; SECRET_BYTES],
            claimed_bytes: 0,
            slots: Slots::new(0),
            heard_ns: 0,
            alive: false,
            changed: 0,
            origin_epoch: 0,
        }
    }

    fn handle(&self, block: &Issued, rights: Rights) -> [u8; Handle::BYTES] {
        let mut handle = Handle {
            incarnation: U64::new(self.incarnation),
            datanode: U32::new(block.datanode),
            unit: U32::new(block.unit),
            len_bytes: U32::new(block.class.bytes() as u32),
            generation: U32::new(block.generation),
            rights: U32::new(match rights {
                Rights::Read => Handle::READ,
                Rights::ReadWrite => Handle::READ | Handle::WRITE,
            }),
            reserved: U32::new(0),
            mac0: U64::new(0),
            mac1: U64::new(0),
        };
        Signer::new(&self.secret).sign(&mut handle);
        handle.as_bytes().try_into().expect("a handle has its size")
    }
}

const _: () = assert!(Handle::UNIT_BYTES == UNIT_BYTES);
const _: () = assert!(Handle::BYTES == super::command::HANDLE_BYTES);

fn check_registration(request: &Register<'_>) -> Result<(), Failure> {
    if request.name.is_empty() {
        return Err(Failure::InvalidName);
    }
    let fits = request.name.len() <= NAME_BYTES_MAX && fits(request.host, request.endpoints);
    fits.then_some(()).ok_or(Failure::TooLong)
}

fn fits(host: &str, endpoints: &[&str]) -> bool {
    host.len() <= NAME_BYTES_MAX
        && endpoints.len() <= ENDPOINTS_MAX
        && endpoints.iter().all(|endpoint| endpoint.len() <= NAME_BYTES_MAX)
}

/// A secret that only who knows the seed can compute, and that the same commands give again.
fn derive_secret(seed: u128, namenode: u64, name: &str) -> [u8; SECRET_BYTES] {
    let message = [&namenode.to_le_bytes(), name.as_bytes()].concat();
    SipHasher24::new_with_key(&seed.to_le_bytes())
        .hash(&message)
        .as_bytes()
}
