//! What a partition is asked of its blocks and their owners, and to free.

use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use super::{FreedBlocks, IssuedSlot, UNIT_BYTES, UNITS_PER_SLOT};
use crate::pending::{Operation, Subject};
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;

/// The slots with blocks from this one on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskIssued {
    datanode: u32,
    slot: u32,
}

/// A page of slots, by datanode and number.
#[derive(Debug)]
pub struct IssuedPage {
    pub(super) incarnation: u64,
    pub(super) slots: Vec<((u32, u32), IssuedSlot)>,
    pub(super) next: Option<AskIssued>,
}

impl Operation for AskIssued {
    const METHOD: u16 = method::ISSUED;
    const KIND: OperationKind = OperationKind::Other;
    const REPEATABLE: bool = true;
    type Request<'r> = namenode::IssuedRequest;
    type Output = IssuedPage;

    fn request(&self) -> Self::Request<'_> {
        namenode::IssuedRequest {
            datanode: self.datanode,
            slot: self.slot,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<IssuedPage, WireError> {
        let view = namenode::IssuedReplyView::parse(message)?;
        let next = AskIssued {
            datanode: view.datanode(),
            slot: view.slot(),
        };
        let slots = view.slots()?.map(|slot| read_slot(&slot?));
        Ok(IssuedPage {
            incarnation: view.incarnation(),
            slots: slots.collect::<Result<_, _>>()?,
            next: further(view.more()?, next, *self)?,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

fn read_slot(view: &namenode::IssuedSlotView<'_>) -> Result<((u32, u32), IssuedSlot), WireError> {
    let mut taken = [0; 4];
    let mut words = view.taken()?;
    taken.fill_with(|| words.next().unwrap_or(0));
    let units_per_block = view.block_bytes() / UNIT_BYTES;
    let is_size = matches!(units_per_block, 1 | 16 | UNITS_PER_SLOT);
    if !is_size || view.slot() > u32::MAX / UNITS_PER_SLOT {
        return Err(WireError::OutOfFrame);
    }
    let slot = IssuedSlot {
        epoch: view.epoch(),
        generation: view.generation(),
        units_per_block,
        taken,
    };
    Ok(((view.datanode(), view.slot()), slot))
}

/// What may own blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Nodes,
    Puts,
    Views,
}

/// The owners from this one on, and of its blocks those from this one on.
#[derive(Debug, Clone, Copy)]
pub struct AskOwners {
    pub(super) of: Of,
    pub(super) owner: u64,
    pub(super) block: u32,
}

/// Whose some blocks are.
#[derive(Debug)]
pub struct Owner {
    pub(super) node: u64,
    pub(super) going: bool,
    pub(super) name: Vec<u8>,
    /// The datanode in the upper half, the first unit in the lower one.
    pub(super) blocks: Vec<u64>,
}

impl Operation for AskOwners {
    const METHOD: u16 = method::OWNERS;
    const KIND: OperationKind = OperationKind::Other;
    const REPEATABLE: bool = true;
    type Request<'r> = namenode::OwnersRequest;
    type Output = (Vec<Owner>, Option<(u64, u32)>);

    fn request(&self) -> Self::Request<'_> {
        namenode::OwnersRequest {
            of: match self.of {
                Of::Nodes => namenode::Owners::Nodes,
                Of::Puts => namenode::Owners::Puts,
                Of::Views => namenode::Owners::Views,
            },
            from: self.owner,
            block: self.block,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Self::Output, WireError> {
        let view = namenode::OwnersReplyView::parse(message)?;
        let owners = view.owners()?.map(|owner| {
            let owner = owner?;
            Ok(Owner {
                node: owner.node(),
                going: owner.going()?,
                name: owner.name()?.into(),
                blocks: owner.blocks()?.collect(),
            })
        });
        let owners = owners.collect::<Result<_, WireError>>()?;
        let next = (view.from(), view.block());
        Ok((owners, further(view.more()?, next, (self.owner, self.block))?))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// Frees those of these blocks that nobody owns. Asked again, it finds them free.
#[derive(Debug, Clone, Copy)]
pub struct FreeLeaked<'a> {
    pub(super) incarnation: u64,
    /// At most [`super::FREED_SLOTS_MAX`].
    pub(super) slots: &'a [namenode::IssuedSlot<'a>],
}

impl Operation for FreeLeaked<'_> {
    operation!(FREE_LEAKED, Other, repeatable: true, FreeLeakedRequest -> FreedBlocks);

    fn request(&self) -> Self::Request<'_> {
        namenode::FreeLeakedRequest {
            incarnation: self.incarnation,
            slots: self.slots,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<FreedBlocks, WireError> {
        let view = namenode::FreeLeakedReplyView::parse(message)?;
        Ok(FreedBlocks {
            freed: view.freed(),
            freed_bytes: view.freed_bytes(),
            absent: view.absent(),
            changed: view.changed(),
            owned: view.owned(),
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// A slot as it was told, and is told back.
pub(super) fn message_of<'a>(
    (&(datanode, slot), issued): (&(u32, u32), &'a IssuedSlot),
) -> namenode::IssuedSlot<'a> {
    namenode::IssuedSlot {
        datanode,
        epoch: issued.epoch,
        slot,
        generation: issued.generation,
        block_bytes: issued.units_per_block * UNIT_BYTES,
        taken: &issued.taken,
    }
}

/// Where the next page begins, if there is one: behind the beginning of this one, or the pages would never end.
pub(crate) fn further<T: Ord>(more: bool, next: T, this: T) -> Result<Option<T>, WireError> {
    match more {
        true if next <= this => Err(WireError::OutOfFrame),
        more => Ok(more.then_some(next)),
    }
}
