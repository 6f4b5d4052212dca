//! Replies of the namespace as messages. Nothing is copied: messages borrow what replies borrow.

use crake_store::protocol::namenode as wire;
use smallvec::SmallVec;

use super::command::{Attributes, Block, Condition, Datanode, Failure, Kind, Value};

/// Blocks of one reply. Files and values that are looked up mostly have few.
pub(super) type Blocks<'a> = SmallVec<[wire::Block<'a>; 4]>;

#[inline]
pub(super) fn attributes(node: &Attributes) -> wire::Attributes {
    wire::Attributes {
        id: node.id.0,
        kind: kind(node.kind),
        size: node.size,
        modified_ns: node.modified_ns,
        created_ns: node.created_ns,
        version: node.version,
        storage_class: node.storage_class,
        location_class: node.location_class,
        replicas: node.replicas,
        open: node.open,
        capacity: node.capacity,
        expires_ns: node.expires_ns,
    }
}

/// Nanoseconds of a time to live; 0 if there is none.
pub(super) fn ttl_ns(ttl_ms: u64) -> Result<u64, Failure> {
    ttl_ms.checked_mul(1_000_000).ok_or(Failure::TooLong)
}

#[inline]
pub(super) fn kind(kind: Kind) -> wire::Kind {
    match kind {
        Kind::Directory => wire::Kind::Directory,
        Kind::File => wire::Kind::File,
        Kind::Multifile => wire::Kind::Multifile,
        Kind::Table => wire::Kind::Table,
        Kind::KeyValue => wire::Kind::Keyvalue,
    }
}

/// The kind to create.
pub(super) fn kind_of(kind: wire::Kind) -> Result<Kind, Failure> {
    Kind::try_from(kind as i32)
}

pub(super) fn condition(condition: wire::Condition, version: u64) -> Condition {
    match condition {
        wire::Condition::Always => Condition::Always,
        wire::Condition::IfAbsent => Condition::IfAbsent,
        wire::Condition::IfVersion => Condition::IfVersion(version),
    }
}

#[inline]
pub(super) fn blocks(blocks: &[Block]) -> Blocks<'_> {
    if blocks.is_empty() {
        return Blocks::new();
    }
    collect(blocks)
}

fn collect(blocks: &[Block]) -> Blocks<'_> {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> wire::Block<'_> {
    wire::Block {
        offset: block.offset,
        length: block.length,
        handles: block.handles(),
        lost: block.lost,
    }
}

/// The message of a value whose blocks are `blocks`, which were made of the value's own.
#[inline]
pub(super) fn value<'a>(value: &Value<'a>, blocks: &'a [wire::Block<'a>]) -> wire::Value<'a> {
    wire::Value {
        found: value.found,
        version: value.version,
        size: value.size,
        inline_value: value.inline_value,
        blocks,
        modified_ns: value.modified_ns,
        node: value.node.0,
        expires_ns: value.expires_ns,
    }
}

/// What came of one put of several.
pub(super) fn outcome(outcome: &Result<u64, Failure>) -> wire::PutOutcome {
    match *outcome {
        Ok(version) => wire::PutOutcome { version, status: 0 },
        Err(failure) => wire::PutOutcome {
            version: 0,
            status: failure.code().number().into(),
        },
    }
}

/// The blocks of the values of a page, one behind the other. Most pages have none.
pub(super) fn all_blocks<'a>(values: impl Iterator<Item = Value<'a>>) -> Vec<wire::Block<'a>> {
    values.flat_map(|value| value.blocks).map(block).collect()
}

/// The message of a value whose blocks are the first ones of `rest`, which begins with those of the next value afterwards.
pub(super) fn value_with_first<'a>(of: &Value<'a>, rest: &mut &'a [wire::Block<'a>]) -> wire::Value<'a> {
    let (blocks, later) = rest.split_at(of.blocks.len());
    *rest = later;
    value(of, blocks)
}

/// The message of a datanode whose endpoints are `endpoints`.
pub(super) fn datanode<'a>(datanode: &Datanode<'a>, endpoints: &'a [&'a str]) -> wire::Datanode<'a> {
    wire::Datanode {
        id: datanode.id,
        incarnation: datanode.incarnation,
        endpoints,
        location_class: datanode.location_class,
        capacity: datanode.capacity,
        used: datanode.used,
        alive: datanode.alive,
        name: datanode.name,
        host: datanode.host,
    }
}
