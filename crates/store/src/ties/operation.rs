//! What a partition is asked of what it has of the others.

use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use super::Partner;
use crate::census::operation::further;
use crate::node::Node;
use crate::pending::{Operation, Subject};
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;

/// What of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Branches,
    Links,
    Tables,
    Shards,
    /// Only how the partition knows the others.
    Nothing,
}

/// Those from this one on.
#[derive(Debug, Clone, Copy)]
pub struct AskTies {
    pub(super) of: Of,
    pub(super) from: Spot,
}

/// A record, and of its ties the one with this partition.
pub(super) type Spot = (u32, u32);

/// Something at a partition that hangs on something at another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) node: u64,
    pub(super) kind: Node,
    pub(super) name: Vec<u8>,
    /// The other one.
    pub(super) partition: u16,
    /// What it hangs on there, 0 if that is not known.
    pub(super) other: u64,
    pub(super) changing: bool,
}

#[derive(Debug)]
pub struct TiesPage {
    pub(super) incarnation: u64,
    /// Other partitions by their numbers.
    pub(super) partners: Vec<(u16, Partner)>,
    pub(super) ties: Vec<Tie>,
    pub(super) next: Option<Spot>,
}

impl Operation for AskTies {
    const METHOD: u16 = method::TIES;
    const KIND: OperationKind = OperationKind::Other;
    const REPEATABLE: bool = true;
    type Request<'r> = namenode::TiesRequest;
    type Output = TiesPage;

    fn request(&self) -> Self::Request<'_> {
        namenode::TiesRequest {
            of: self.of.message(),
            from: self.from.0,
            partition: self.from.1,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<TiesPage, WireError> {
        let view = namenode::TiesReplyView::parse(message)?;
        let ties = view.ties()?.map(|tie| read_tie(&tie?));
        let partners = view.partners()?.map(|partner| {
            let partner = partner?;
            let known = Partner {
                incarnation: partner.incarnation(),
                first: partner.first(),
                last: partner.last(),
            };
            Ok((partition(partner.partition())?, known))
        });
        Ok(TiesPage {
            incarnation: view.incarnation(),
            partners: partners.collect::<Result<_, WireError>>()?,
            ties: ties.collect::<Result<_, _>>()?,
            next: further(view.more()?, (view.from(), view.partition()), self.from)?,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// Removes one of these, with all that is in it. Gives how many nodes were removed.
#[derive(Debug, Clone, Copy)]
pub struct RemoveTie {
    pub(super) of: Of,
    pub(super) node: u64,
}

impl Operation for RemoveTie {
    const METHOD: u16 = method::REMOVE_TIE;
    const KIND: OperationKind = OperationKind::Other;
    const REPEATABLE: bool = false;
    type Request<'r> = namenode::RemoveTieRequest;
    type Output = u64;

    fn request(&self) -> Self::Request<'_> {
        namenode::RemoveTieRequest {
            of: self.of.message(),
            node: self.node,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<u64, WireError> {
        Ok(namenode::RemoveTieReplyView::parse(message)?.nodes())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path("")
    }
}

impl Of {
    fn message(self) -> namenode::Ties {
        match self {
            Of::Branches => namenode::Ties::Branches,
            Of::Links => namenode::Ties::Links,
            Of::Tables => namenode::Ties::Tables,
            Of::Shards => namenode::Ties::Shards,
            Of::Nothing => namenode::Ties::NoneOfThese,
        }
    }
}

fn read_tie(view: &namenode::TieView<'_>) -> Result<Tie, WireError> {
    Ok(Tie {
        node: view.node(),
        kind: Node::from_wire(view.kind()?).ok_or(WireError::UnknownEnum(0))?,
        name: view.name()?.into(),
        partition: partition(view.partition())?,
        other: view.other(),
        changing: view.changing()?,
    })
}

fn partition(number: u32) -> Result<u16, WireError> {
    u16::try_from(number).map_err(|_| WireError::OutOfFrame)
}
