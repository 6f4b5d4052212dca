//! Whether the bytes of files and values are where the namenode says: what `crake fsck` asks.
//!
//! Nothing is read. Datanodes are asked whether they have the published bytes of blocks, by the handles of these blocks. A file may
//! change meanwhile: what does not look right is asked for again from the namenode, and looked at once more.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use crake_rpc::Client;
use crake_wire::WireError;
use zerocopy::IntoBytes;

use crate::Error;
use crate::block::{Block, Blocks};
use crate::datanodes::{Datanodes, peer};
use crate::failure;
use crate::file::File;
use crate::node::Attributes;
use crate::operation::FetchBlocks;
use crate::pending::Pending;
use crate::protocol::datanode::{CheckReplyView, CheckRequest, datanode as method};
use crate::protocol::{CHECK_HANDLES_MAX, Handle};
use crate::session::Session;

/// Why bytes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Their datanode has begun anew without them: they are gone for good.
    Lost,
    /// Their datanode is silent, or cannot be reached from here. It may come back with them.
    Away,
    /// Their datanode is there and does not have them.
    Missing,
}

/// Bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which bytes of the file or value.
    pub bytes: Range<u64>,
    /// Who should have them; `None` if the namenode does not know any more.
    pub datanode: Option<u32>,
    /// Why not.
    pub trouble: Trouble,
}

/// A file, or the value of a key, that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Its node id.
    pub node: u64,
    /// Of a key's value; 0 of a file.
    pub version: u64,
    /// Whether somebody is writing it.
    pub open: bool,
    /// Blocks that it has.
    pub blocks: u64,
    /// Bytes of these, used or not.
    pub allotted: u64,
    /// What cannot be read, in order; neighbours are joined.
    pub damages: Vec<Damage>,
}

impl Checked {
    /// Notes what is wrong with some of its blocks.
    pub(crate) fn add(&mut self, damages: Vec<Damage>) {
        for damage in damages {
            let joins = |last: &&mut Damage| {
                last.bytes.end == damage.bytes.start
                    && (last.datanode, last.trouble) == (damage.datanode, damage.trouble)
            };
            match self.damages.last_mut().filter(joins) {
                Some(last) => last.bytes.end = damage.bytes.end,
                None => self.damages.push(damage),
            }
        }
    }

    pub(crate) fn count(&mut self, blocks: &[Block]) {
        self.blocks += blocks.len() as u64;
    }
}

impl File {
    /// Asks who has the bytes of the file whether that is so.
    ///
    /// # Errors
    /// The file is not there any more, or the namenode does not answer. What is wrong with datanodes is in the result.
    pub async fn check(&self) -> Result<Checked, Error> {
        let mut checked = Checked::default();
        let mut offset = 0;
        loop {
            let (attributes, blocks) = self.blocks_from(offset).await?;
            checked.node = attributes.id;
            checked.open = attributes.open;
            checked.allotted = attributes.capacity;
            let Some(last) = blocks.last() else {
                return Ok(checked);
            };
            let end = last.offset + u64::from(last.len_bytes);
            checked.count(&blocks);
            checked.add(self.look_at(offset, attributes, blocks).await?);
            offset = end;
            if offset >= attributes.capacity {
                return Ok(checked);
            }
        }
    }

    async fn blocks_from(&self, offset: u64) -> Result<(Attributes, Blocks), Error> {
        let request = FetchBlocks {
            path: self.path().into(),
            node: self.attributes().id,
            offset,
            limit: 0,
        };
        Pending::start(self.session(), request).await
    }

    async fn look_at(
        &self,
        offset: u64,
        attributes: Attributes,
        blocks: Blocks,
    ) -> Result<Vec<Damage>, Error> {
        let first = damages(self.session(), &blocks, attributes.size).await;
        if first.is_empty() {
            return Ok(first);
        }
        let (attributes, again) = self.blocks_from(offset).await?;
        let end = blocks
            .last()
            .map_or(0, |last| last.offset + u64::from(last.len_bytes));
        let same = again.iter().take_while(|block| block.offset < end);
        let same = same.cloned().collect::<Blocks>();
        Ok(damages(self.session(), &same, attributes.size).await)
    }
}

/// What of the first `size` bytes of a file cannot be read in these blocks.
pub(crate) async fn damages(session: &Rc<Session>, blocks: &[Block], size: u64) -> Vec<Damage> {
    let mut found = Vec::new();
    let mut to_ask = BTreeMap::<u32, Vec<(Handle, Range<u64>)>>::new();
    for block in blocks.iter().filter(|block| block.offset < size) {
        let bytes = block.offset..size.min(block.offset + u64::from(block.len_bytes));
        match block.handles.first() {
            Some(handle) if !block.lost => {
                let datanode = handle.datanode.get();
                to_ask.entry(datanode).or_default().push((*handle, bytes));
            }
            handle => found.push(Damage {
                bytes,
                datanode: handle.map(|handle| handle.datanode.get()),
                trouble: if handle.is_some() {
                    Trouble::Away
                } else {
                    Trouble::Lost
                },
            }),
        }
    }
    for (datanode, asked) in to_ask {
        for asked in asked.chunks(CHECK_HANDLES_MAX) {
            found.extend(ask(session, datanode, asked).await);
        }
    }
    found.sort_by_key(|damage| damage.bytes.start);
    found
}

async fn ask(session: &Rc<Session>, datanode: u32, asked: &[(Handle, Range<u64>)]) -> Vec<Damage> {
    let damage = |bytes: &Range<u64>, trouble| Damage {
        bytes: bytes.clone(),
        datanode: Some(datanode),
        trouble,
    };
    match codes_of(session, datanode, asked).await {
        Ok(codes) => {
            let asked = asked.iter().zip(codes).filter(|(_, code)| *code != 0);
            asked
                .map(|((_, bytes), _)| damage(bytes, Trouble::Missing))
                .collect()
        }
        Err(error) => {
            tracing::debug!(datanode, %error, "a datanode cannot be asked");
            asked
                .iter()
                .map(|(_, bytes)| damage(bytes, Trouble::Away))
                .collect()
        }
    }
}

/// For each handle 0, or why its bytes are not there.
async fn codes_of(
    session: &Rc<Session>,
    datanode: u32,
    asked: &[(Handle, Range<u64>)],
) -> Result<Vec<u32>, Error> {
    let deadline = session.runtime().now() + session.options().deadline;
    let client: Client = Datanodes::connected(session, datanode, deadline).await?;
    let handles = asked.iter().flat_map(|(handle, _)| handle.as_bytes()).copied();
    let handles = handles.collect::<Vec<_>>();
    let lengths = asked.iter().map(|(_, bytes)| (bytes.end - bytes.start) as u32);
    let lengths = lengths.collect::<Vec<_>>();
    let request = CheckRequest {
        handles: &handles,
        lengths: &lengths,
    };
    let reply = client.call_until(method::CHECK, &request, deadline).await;
    let reply = reply.map_err(|error| failure::of_connection(&error, &peer(datanode)))?;
    let codes = |message: &[u8]| -> Result<Vec<u32>, WireError> {
        Ok(CheckReplyView::parse(message)?.codes()?.collect())
    };
    match codes(&reply.message) {
        Ok(codes) if codes.len() == asked.len() => Ok(codes),
        _ => Err(Error::protocol(
            peer(datanode),
            "it answered a check with nonsense",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_if_the_same_is_wrong_with_them() {
        let damage = |bytes, trouble| Damage {
            bytes,
            datanode: Some(1),
            trouble,
        };
        let mut checked = Checked::default();
        checked.add(vec![damage(0..10, Trouble::Away), damage(10..20, Trouble::Away)]);
        checked.add(vec![
            damage(20..30, Trouble::Missing),
            damage(40..50, Trouble::Missing),
        ]);
        let found = checked.damages.iter().map(|damage| damage.bytes.clone());
        assert_eq!(found.collect::<Vec<_>>(), [0..20, 20..30, 40..50]);
    }
}
