//! Which partition has a key of a table whose keys are spread over all (`docs/format/shards.md`).

use super::words::mix;

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of the partition, of so many, that has a key. The same for everybody, and for ever.
///
/// # Panics
///
/// If there are no partitions.
#[inline]
pub fn shard_of(key: &[u8], partitions: u16) -> u16 {
    let hash = mix(1, key, FACTOR).wrapping_mul(FACTOR);
    ((hash >> 32) % u64::from(partitions)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of `docs/format/shards.md`.
    #[test]
    fn keys_are_where_they_have_always_been() {
        let keys: [&[u8]; 6] = [b"", b"a", b"key", b"alice", b"12345678", b"a key of some length"];
        let shards = |partitions| keys.map(|key| shard_of(key, partitions));
        assert_eq!(shards(1), [0; 6]);
        assert_eq!(shards(3), [0, 0, 0, 2, 2, 2]);
        assert_eq!(shards(1024), [441, 109, 645, 579, 1000, 775]);
    }

    #[test]
    fn each_partition_has_its_share() {
        for partitions in [2, 3, 4, 7, 16] {
            let mut counts = vec![0; usize::from(partitions)];
            let keys = (0..10_000_u32).map(|number| format!("user{number:08}"));
            keys.for_each(|key| counts[usize::from(shard_of(key.as_bytes(), partitions))] += 1);
            let share = 10_000 / usize::from(partitions);
            let is_fair = |&count: &usize| count > share * 8 / 10 && count < share * 12 / 10;
            assert!(counts.iter().all(is_fair), "{counts:?}");
        }
    }
}
