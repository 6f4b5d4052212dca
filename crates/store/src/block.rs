//! Blocks of files, as a client remembers them.

use std::ops::Range;

use smallvec::SmallVec;

use crake_wire::{List, WireError};

use crate::protocol::Handle;
use crate::protocol::namenode::BlockView;

/// A block of a file or value, with a handle for each replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// First byte of the file that it holds.
    pub offset: u64,
    /// Bytes that it can hold, above 0.
    pub len_bytes: u32,
    /// Whether its datanodes are gone.
    pub lost: bool,
    /// One per replica. Only a lost block may have none.
    pub handles: SmallVec<[Handle; 1]>,
}

impl Block {
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.len_bytes)
    }

    pub(crate) fn contains(&self, offset: u64) -> bool {
        (self.offset..self.end()).contains(&offset)
    }

    fn read(view: BlockView<'_>) -> Result<Block, WireError> {
        let handles = Handle::parse_all(view.handles()?).ok_or(WireError::Truncated)?;
        let block = Block {
            offset: view.offset(),
            len_bytes: view.length(),
            lost: view.lost()?,
            handles: handles.into(),
        };
        let sound = block.len_bytes > 0
            && block.offset.checked_add(u64::from(block.len_bytes)).is_some()
            && (block.lost || !block.handles.is_empty());
        if sound {
            Ok(block)
        } else {
            Err(WireError::OutOfFrame)
        }
    }
}

/// Blocks as a reply lists them.
pub type Blocks = SmallVec<[Block; 1]>;

/// Reads the blocks of a reply, which must be in ascending order.
pub(crate) fn read_blocks<'a>(views: List<'a, BlockView<'a>>) -> Result<Blocks, WireError> {
    let mut blocks = Blocks::with_capacity(views.len());
    for view in views {
        let block = Block::read(view?)?;
        if blocks.last().is_some_and(|last| last.end() > block.offset) {
            return Err(WireError::OutOfFrame);
        }
        blocks.push(block);
    }
    Ok(blocks)
}

/// The blocks of a file that are known here.
#[derive(Default)]
pub(crate) struct BlockMap {
    /// By offset.
    blocks: Vec<Block>,
    /// Bytes without a gap between known blocks: the run that was added to last. Each read asks how far it goes.
    run: Range<u64>,
}

/// More are forgotten, and asked for again when needed: 16 GiB of a file in blocks of 1 MiB take about 2 MB.
const BLOCKS_MAX: usize = 16 * 1024;

impl BlockMap {
    /// The block that holds a byte.
    #[inline]
    pub(crate) fn find(&self, offset: u64) -> Option<&Block> {
        self.index(offset).map(|index| &self.blocks[index])
    }

    #[inline]
    fn index(&self, offset: u64) -> Option<usize> {
        // Most files have blocks of one length, and are known from their beginning.
        let first = self.blocks.first()?;
        let guess = (offset.checked_sub(first.offset)? / u64::from(first.len_bytes)) as usize;
        match self.blocks.get(guess) {
            Some(block) if block.contains(offset) => Some(guess),
            _ => self.search(offset),
        }
    }

    fn search(&self, offset: u64) -> Option<usize> {
        let index = self.starts_before(offset.saturating_add(1)).checked_sub(1)?;
        self.blocks[index].contains(offset).then_some(index)
    }

    /// How many begin before `offset`.
    fn starts_before(&self, offset: u64) -> usize {
        self.blocks.partition_point(|block| block.offset < offset)
    }

    /// Where the run of known blocks that holds `offset` ends, looking no further than `limit`.
    #[inline]
    pub(crate) fn known_until(&self, offset: u64, limit: u64) -> u64 {
        if self.run.contains(&offset) && self.run.end >= limit {
            return limit;
        }
        self.walk(offset, limit)
    }

    /// The same block by block; may give the end of the block with the limit.
    fn walk(&self, offset: u64, limit: u64) -> u64 {
        let from = self.index(offset).unwrap_or(self.blocks.len());
        let mut end = offset;
        for block in &self.blocks[from..] {
            if end >= limit || !block.contains(end) {
                break;
            }
            end = block.end();
        }
        end
    }

    /// Adds blocks of a file of `size` bytes: all that there are from the first to the last of them.
    ///
    /// What lies beyond the size is not known by this: when a writer falls silent its last block ends where the
    /// published bytes do, and later bytes go elsewhere.
    pub(crate) fn insert(&mut self, mut blocks: Blocks, size: u64) {
        if self.blocks.len() + blocks.len() > BLOCKS_MAX {
            self.blocks.clear();
            self.run = 0..0;
        }
        blocks.retain(|block| block.offset < size);
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return;
        };
        let (start, end) = (first.offset, last.end());
        let known_before = self.starts_before(start);
        let replaced = known_before..self.starts_before(end);
        // What was added last is so.
        if let Some(before) = self.blocks[..known_before].last_mut() {
            before.len_bytes = before
                .len_bytes
                .min(u32::try_from(start - before.offset).unwrap_or(u32::MAX));
        }
        let within_size = blocks.into_iter().map(|mut block| {
            block.len_bytes = block
                .len_bytes
                .min(u32::try_from(size - block.offset).unwrap_or(u32::MAX));
            block
        });
        self.blocks.splice(replaced, within_size);
        let goes_on = (self.run.start..=self.run.end).contains(&start);
        let first = if goes_on { self.run.start } else { start };
        self.run = first..self.walk(start, u64::MAX);
    }

    /// Forgets the block that holds a byte.
    pub(crate) fn forget(&mut self, offset: u64) {
        if let Some(index) = self.index(offset) {
            let start = self.blocks.remove(index).offset;
            if self.run.contains(&start) {
                self.run.end = start;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(offset: u64, len_bytes: u32) -> Block {
        Block {
            offset,
            len_bytes,
            lost: true,
            handles: SmallVec::new(),
        }
    }

    #[test]
    fn finds_the_block_of_a_byte_and_the_end_of_what_is_known() {
        let mut map = BlockMap::default();
        map.insert(
            Blocks::from_vec(vec![block(0, 100), block(100, 50), block(200, 10)]),
            1 << 40,
        );
        assert_eq!(map.find(99), Some(&block(0, 100)));
        assert_eq!(map.find(100), Some(&block(100, 50)));
        assert_eq!(map.find(150), None);
        assert_eq!(map.known_until(0, 1000), 150);
        assert_eq!(map.known_until(0, 100), 100);
        assert_eq!(map.known_until(160, 1000), 160);
        map.forget(120);
        assert_eq!(map.known_until(0, 1000), 100);
    }

    #[test]
    fn what_is_known_is_the_same_block_by_block_whatever_was_added_and_forgotten() {
        let mut map = BlockMap::default();
        let mut number = 1u64;
        for _ in 0..2000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let first = (number >> 33) % 40;
            match number >> 62 {
                0 => map.forget(first * 10 + 5),
                count => map.insert((first..first + count).map(|at| block(at * 10, 10)).collect(), 395),
            }
            for at in (0..400).step_by(5) {
                assert_eq!(
                    map.known_until(at, 300).min(300),
                    map.walk(at, 300).min(300),
                    "{at}"
                );
            }
        }
    }

    #[test]
    fn beyond_the_published_size_nothing_is_known() {
        let mut map = BlockMap::default();
        map.insert(Blocks::from_vec(vec![block(0, 100), block(100, 100)]), 60);
        assert_eq!(map.known_until(0, 1000), 60);
        // The writer was cut off, and another one went on in a new block.
        map.insert(Blocks::from_vec(vec![block(0, 60), block(60, 100)]), 90);
        assert_eq!(map.find(59), Some(&block(0, 60)));
        assert_eq!(map.find(60), Some(&block(60, 30)));
        assert_eq!(map.find(90), None);
    }

    #[test]
    fn what_was_added_last_takes_the_place_of_what_it_overlaps() {
        let mut map = BlockMap::default();
        let mut add = |blocks: &[(u64, u32)]| {
            let blocks = blocks.iter().map(|&(offset, len)| block(offset, len)).collect();
            map.insert(blocks, 1 << 40);
            let known = map.blocks.iter().map(|block| (block.offset, block.len_bytes));
            known.collect::<Vec<_>>()
        };
        add(&[(0, 100), (100, 100), (200, 100)]);
        assert_eq!(add(&[(50, 100)]), [(0, 50), (50, 100), (200, 100)]);
        assert_eq!(add(&[(150, 60)]), [(0, 50), (50, 100), (150, 60)]);
        assert_eq!(add(&[(0, 10), (10, 300)]), [(0, 10), (10, 300)]);
    }

    #[test]
    fn never_grows_above_its_limit() {
        let mut map = BlockMap::default();
        for at in 0..2 * BLOCKS_MAX as u64 {
            map.insert(Blocks::from_vec(vec![block(at, 1)]), 1 << 40);
            assert!(map.blocks.len() <= BLOCKS_MAX && map.find(at).is_some());
        }
    }
}
