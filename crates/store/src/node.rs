//! Nodes of the namespace as a client sees them.

use std::time::Duration;

use crate::protocol::namenode;
use crate::protocol::namenode::AttributesView;
use crate::session::Session;

use crake_wire::WireError;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// Ordered names of further nodes.
    Directory,
    /// A growing sequence of bytes.
    File,
    /// Files that are written in parallel and read as one stream, in the order of their names.
    Multifile,
    /// Keys and values.
    Table,
    /// A value of a table.
    KeyValue,
}

impl Node {
    /// Whether nodes of this kind hold other nodes.
    pub fn is_container(self) -> bool {
        matches!(self, Node::Directory | Node::Multifile | Node::Table)
    }

    /// Whether it holds nodes with paths of their own: not the keys of a table.
    pub fn holds_files(self) -> bool {
        matches!(self, Node::Directory | Node::Multifile)
    }

    /// The kind in lower case, as listings show it.
    pub fn name(self) -> &'static str {
        match self {
            Node::Directory => "directory",
            Node::File => "file",
            Node::Multifile => "multifile",
            Node::Table => "table",
            Node::KeyValue => "keyvalue",
        }
    }

    pub(crate) fn to_wire(self) -> namenode::Kind {
        match self {
            Node::Directory => namenode::Kind::Directory,
            Node::File => namenode::Kind::File,
            Node::Multifile => namenode::Kind::Multifile,
            Node::Table => namenode::Kind::Table,
            Node::KeyValue => namenode::Kind::Keyvalue,
        }
    }

    pub(crate) fn from_wire(kind: namenode::Kind) -> Option<Node> {
        match kind {
            namenode::Kind::None => None,
            namenode::Kind::Directory => Some(Node::Directory),
            namenode::Kind::File => Some(Node::File),
            namenode::Kind::Multifile => Some(Node::Multifile),
            namenode::Kind::Table => Some(Node::Table),
            namenode::Kind::Keyvalue => Some(Node::KeyValue),
        }
    }
}

/// What the namenode knows about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Never used for another node of its partition.
    pub id: u64,
    /// What it is.
    pub kind: Node,
    /// Bytes published; of a container, its entries.
    pub size: u64,
    /// Last change, in nanoseconds since the Unix epoch by the namenode's clock.
    pub modified_ns: u64,
    /// Creation, likewise.
    pub created_ns: u64,
    /// Of a value: higher than that of any earlier one of its key.
    pub version: u64,
    /// Tier: 0 is DRAM.
    pub storage_class: u32,
    /// Preferred host: 0 is any.
    pub location_class: u64,
    /// How many datanodes hold each byte.
    pub replicas: u32,
    /// Whether a writer has it; of a multifile, whether it may get more parts.
    pub open: bool,
    /// Bytes in the blocks that it has.
    pub capacity: u64,
    /// When it will be removed, in nanoseconds since the Unix epoch by the namenode's clock; 0 if not by itself. With what it is
    /// below it may go earlier.
    pub expires_ns: u64,
    /// Which partition of the namespace has it; ids are those of one partition. 0 if there is one.
    pub partition: u16,
}

impl Attributes {
    /// Whether it holds other nodes.
    pub fn is_container(&self) -> bool {
        self.kind.is_container()
    }

    #[inline(always)]
    pub(crate) fn read(session: &Session, view: Option<AttributesView<'_>>) -> Result<Attributes, WireError> {
        let node = namenode::Attributes::try_from(view.ok_or(WireError::Truncated)?)?;
        Ok(Attributes {
            id: node.id,
            kind: Node::from_wire(node.kind).ok_or(WireError::UnknownEnum(0))?,
            size: node.size,
            modified_ns: node.modified_ns,
            created_ns: node.created_ns,
            version: node.version,
            storage_class: node.storage_class,
            location_class: node.location_class,
            replicas: node.replicas.max(1),
            open: node.open,
            capacity: node.capacity,
            expires_ns: node.expires_ns,
            partition: session.number(),
        })
    }
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory's path.
    pub name: String,
    /// What has that name.
    pub attributes: Attributes,
}

/// A part of an ordered listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In ascending order of names or keys.
    pub entries: Vec<T>,
    /// Whether there were more when the page was made.
    pub more: bool,
}

/// How [`crate::Store::create`] makes a node. `Node::File.into()` has the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateOptions {
    /// What to make.
    pub kind: Node,
    /// Make missing directories on the way.
    pub parents: bool,
    /// A file may take the place of a file.
    pub replace: bool,
    /// A container of the same kind may be there already.
    pub existing_ok: bool,
    /// Tier: 0 is DRAM.
    pub storage_class: u32,
    /// Preferred host: 0 is any.
    pub location_class: u64,
    /// Bytes that will be written, if known: the first blocks then come with the reply.
    pub size_hint: u64,
    /// After which it is removed, with all below it; not of a container that is there already. It is counted in milliseconds.
    pub ttl: Option<Duration>,
    /// Where the namespace has several partitions, any of them may have a new container, however deep it is; without, it is where its
    /// directory is, below the first two levels.
    pub spread: bool,
}

impl From<Node> for CreateOptions {
    fn from(kind: Node) -> CreateOptions {
        CreateOptions {
            kind,
            parents: false,
            replace: false,
            existing_ok: false,
            storage_class: 0,
            location_class: 0,
            size_hint: 0,
            ttl: None,
            spread: false,
        }
    }
}

impl CreateOptions {
    /// Make missing directories on the way.
    pub fn parents(mut self) -> CreateOptions {
        self.parents = true;
        self
    }

    /// Let a file take the place of a file.
    pub fn replace(mut self) -> CreateOptions {
        self.replace = true;
        self
    }

    /// Take it as success if a container of the same kind is there already.
    pub fn existing_ok(mut self) -> CreateOptions {
        self.existing_ok = true;
        self
    }

    /// Have it removed, with all below it, after some time.
    pub fn ttl(mut self, ttl: Duration) -> CreateOptions {
        self.ttl = Some(ttl);
        self
    }

    /// So many bytes will be written.
    pub fn size_hint(mut self, bytes: u64) -> CreateOptions {
        self.size_hint = bytes;
        self
    }
}

/// A time to live as it goes over the wire: milliseconds, not less than it has; 0 if there is none.
#[inline]
pub(crate) fn ttl_ms(ttl: Option<Duration>) -> u64 {
    ttl.map_or(0, |ttl| {
        let ms = ttl.as_nanos().div_ceil(1_000_000).max(1);
        u64::try_from(ms).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_never_cut_short_to_none() {
        assert_eq!(ttl_ms(None), 0);
        assert_eq!(ttl_ms(Some(Duration::ZERO)), 1);
        assert_eq!(ttl_ms(Some(Duration::from_nanos(1_000_001))), 2);
        assert_eq!(ttl_ms(Some(Duration::from_secs(3))), 3000);
        assert_eq!(ttl_ms(Some(Duration::MAX)), u64::MAX);
    }
}
