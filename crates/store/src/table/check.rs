//! Whether the values of a table are where the namenode says.

use super::scan::merge_pages;
use super::shard::Shard;
use super::{KeyRange, Table, all_blocks};
use crate::Error;
use crate::check::{Checked, damages};
use crate::table::operation::{Found, LargeValue, Scanned};

impl Table {
    /// The keys above `after` whose values lie in blocks, and what is wrong with these; with the last key looked at, if there are more.
    ///
    /// # Errors
    /// The table is not there any more, or the namenode does not answer. What is wrong with datanodes is in the result.
    pub async fn check_page(
        &self,
        after: &[u8],
    ) -> Result<(Vec<(Vec<u8>, Checked)>, Option<Vec<u8>>), Error> {
        let range = KeyRange {
            after,
            ..KeyRange::default()
        };
        let Scanned { page, in_blocks } = match &self.shards {
            None => self.first.ask_page(range, 0, false).await?,
            Some(shards) => merge_pages(shards, range, 0, false).await?,
        };
        let last = page.last_key().filter(|_| page.more()).map(Into::into);
        let mut found = Vec::new();
        for (key, value) in page.keys_in_blocks().zip(in_blocks) {
            let Found::Blocks(large) = value else { continue };
            // One that was replaced or removed meanwhile is not looked at.
            if let Some(checked) = self.shard(key).check_value(key, &large).await? {
                found.push((key.into(), checked));
            }
        }
        Ok((found, last))
    }
}

impl Shard {
    async fn check_value(&self, key: &[u8], large: &LargeValue) -> Result<Option<Checked>, Error> {
        let blocks = match all_blocks(self, key, large).await {
            Ok(blocks) => blocks,
            Err(Error::NotFound { .. } | Error::BlockLost { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut checked = Checked {
            node: large.node,
            version: large.version,
            allotted: blocks.iter().map(|block| u64::from(block.len_bytes)).sum(),
            ..Checked::default()
        };
        checked.count(&blocks);
        let mut found = damages(&self.session, &blocks, large.size).await;
        if !found.is_empty() {
            let Some(again) = self.is_still_there(key, large).await? else {
                return Ok(None);
            };
            found = damages(&self.session, &again, large.size).await;
        }
        checked.add(found);
        Ok(Some(checked))
    }

    /// The blocks of the value as they are now, if it is the same one.
    async fn is_still_there(
        &self,
        key: &[u8],
        large: &LargeValue,
    ) -> Result<Option<crate::block::Blocks>, Error> {
        let first = LargeValue {
            blocks: Default::default(),
            ..large.clone()
        };
        match all_blocks(self, key, &first).await {
            Ok(blocks) => Ok(Some(blocks)),
            Err(Error::NotFound { .. } | Error::BlockLost { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
