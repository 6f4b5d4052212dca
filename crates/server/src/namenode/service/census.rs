//! The requests of who looks whether each block has an owner and partitions agree, and has blocks freed that have no owner.

use crake_rpc::{Replies, Request};
use crake_store::protocol::namenode as wire;

use crake_wire::{Encode, WireError};

use super::caller::{Caller, collect};
use super::{Answered, wrong_reply};
use crate::namenode::census::{OwnerSpot, Owners, SlotSpot};
use crate::namenode::command::{Command, Failure, FreedLeaks, IssuedSlot, NodeId, Reply, SLOTS_MAX};
use crate::namenode::ties::{TieSpot, Ties};
use crate::namenode::translate;

impl Caller<'_, '_> {
    pub(super) fn issued(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::IssuedRequestView::parse(request.message)?;
        let from = SlotSpot {
            datanode: asked.datanode(),
            slot: asked.slot(),
        };
        let (slots, next) = self.namespace.issued(from);
        let slots = slots.iter().map(|slot| wire::IssuedSlot {
            datanode: slot.datanode,
            epoch: slot.epoch,
            slot: slot.slot,
            generation: slot.generation,
            block_bytes: slot.block_bytes,
            taken: &slot.taken,
        });
        let SlotSpot { datanode, slot } = next.unwrap_or_default();
        let message = wire::IssuedReply {
            incarnation: self.namespace.config.incarnation,
            slots: &slots.collect::<Vec<_>>(),
            more: next.is_some(),
            datanode,
            slot,
        };
        replies.send(request, &message);
        Ok(())
    }

    pub(super) fn owners(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::OwnersRequestView::parse(request.message)?;
        let of = match asked.of()? {
            wire::Owners::Nodes => Owners::Nodes,
            wire::Owners::Puts => Owners::Puts,
            wire::Owners::Views => Owners::Views,
        };
        let from = OwnerSpot {
            owner: asked.from(),
            block: asked.block(),
        };
        let (owners, next) = self.namespace.owners(of, from);
        let owners = owners.iter().map(|owner| wire::Owner {
            node: owner.node.0,
            going: owner.is_going,
            name: owner.name,
            blocks: &owner.blocks,
        });
        let message = wire::OwnersReply {
            owners: &owners.collect::<Vec<_>>(),
            more: next.is_some(),
            from: next.unwrap_or_default().owner,
            block: next.unwrap_or_default().block,
        };
        replies.send(request, &message);
        Ok(())
    }

    pub(super) fn ties(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::TiesRequestView::parse(request.message)?;
        let Some(of) = read_ties(asked.of()?) else {
            self.partners(request, replies);
            return Ok(());
        };
        let from = TieSpot {
            record: asked.from(),
            partition: u16::try_from(asked.partition()).unwrap_or(u16::MAX),
        };
        let (ties, next) = self.namespace.ties(of, from);
        let ties = ties.iter().map(|tie| wire::Tie {
            node: tie.node.0,
            kind: translate::kind(tie.kind),
            name: tie.name,
            partition: tie.partition.into(),
            other: tie.other.map_or(0, |other| other.0),
            changing: tie.is_changing,
        });
        let TieSpot { record, partition } = next.unwrap_or_default();
        let message = wire::TiesReply {
            incarnation: self.namespace.config.incarnation,
            partners: &[],
            ties: &ties.collect::<Vec<_>>(),
            more: next.is_some(),
            from: record,
            partition: partition.into(),
        };
        replies.send(request, &message);
        Ok(())
    }

    pub(super) fn remove_tie(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::RemoveTieRequestView::parse(request.message)?;
        let reply = self.apply(&Command::RemoveTie {
            of: read_ties(asked.of()?).ok_or(Failure::WrongKind)?,
            node: NodeId(asked.node()),
        })?;
        let Reply::Deleted { nodes } = reply else {
            wrong_reply()
        };
        let message = wire::RemoveTieReply { nodes }.encode_to_vec();
        self.send_or_park(request, replies, message, None);
        Ok(())
    }

    fn partners(&self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let partners = self.namespace.partners().map(|partner| wire::Partner {
            partition: partner.partition.into(),
            incarnation: partner.incarnation,
            first: partner.first,
            last: partner.last,
        });
        let message = wire::TiesReply {
            incarnation: self.namespace.config.incarnation,
            partners: &partners.collect::<Vec<_>>(),
            ..wire::TiesReply::default()
        };
        replies.send(request, &message);
    }

    pub(super) fn free_leaked(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::FreeLeakedRequestView::parse(request.message)?;
        let slots = asked.slots()?.map(|slot| slot.and_then(|slot| read_slot(&slot)));
        let command = Command::FreeLeaked {
            incarnation: asked.incarnation(),
            slots: &collect(slots, SLOTS_MAX)?,
        };
        let Reply::FreedLeaks(FreedLeaks {
            freed,
            freed_bytes,
            absent,
            changed,
            owned,
        }) = self.apply(&command)?
        else {
            wrong_reply()
        };
        let message = wire::FreeLeakedReply {
            freed,
            freed_bytes,
            absent,
            changed,
            owned,
        };
        replies.send(request, &message);
        Ok(())
    }
}

fn read_slot(asked: &wire::IssuedSlotView<'_>) -> Result<IssuedSlot, WireError> {
    let mut taken = [0; 4];
    let mut words = asked.taken()?;
    taken.fill_with(|| words.next().unwrap_or(0));
    Ok(IssuedSlot {
        datanode: asked.datanode(),
        epoch: asked.epoch(),
        slot: asked.slot(),
        generation: asked.generation(),
        block_bytes: asked.block_bytes(),
        taken,
    })
}

/// None: of none of them.
fn read_ties(of: wire::Ties) -> Option<Ties> {
    Some(match of {
        wire::Ties::Branches => Ties::Branches,
        wire::Ties::Links => Ties::Links,
        wire::Ties::Tables => Ties::Tables,
        wire::Ties::Shards => Ties::Shards,
        wire::Ties::NoneOfThese => return None,
    })
}
