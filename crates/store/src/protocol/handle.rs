//! The block handle: 48 bytes that name a block and prove the right to use it (`docs/format/handle.md`).

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Names one life of one block on one life of its datanode, with the rights that its holder has.
///
/// The namenode makes handles and datanodes check them; in between they are opaque, apart from `datanode`, which says
/// whom to ask. All fields are little-endian and unaligned, so a handle is read where it lies in a message.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Handle {
    /// Life of the datanode: raised each time that its tier starts empty.
    pub incarnation: U64,
    /// Number that the namenode gave the datanode.
    pub datanode: U32,
    /// Where the block begins in the tier, in units of [`Handle::UNIT_BYTES`].
    pub unit: U32,
    /// Capacity of the block: 4 KiB, 64 KiB or 1 MiB.
    pub len_bytes: U32,
    /// Raised each time that the block is issued anew.
    pub generation: U32,
    /// [`Handle::READ`] and [`Handle::WRITE`].
    pub rights: U32,
    /// Zero.
    pub reserved: U32,
    /// First half of the keyed hash over the fields above.
    pub mac0: U64,
    /// Second half of it.
    pub mac1: U64,
}

impl Handle {
    /// Size of a handle on the wire.
    pub const BYTES: usize = 48;
    /// The first bytes of a handle, which its MAC covers.
    pub const SIGNED_BYTES: usize = 32;
    /// Blocks begin at multiples of this in their tier.
    pub const UNIT_BYTES: u64 = 4096;
    /// The right to read.
    pub const READ: u32 = 1;
    /// The right to write.
    pub const WRITE: u32 = 2;

    /// Reads one handle where it lies; `None` if `bytes` is not exactly one.
    pub fn parse(bytes: &[u8]) -> Option<&Handle> {
        Handle::ref_from_bytes(bytes).ok()
    }

    /// Reads handles that stand one behind the other, one per replica; `None` if `bytes` is no multiple of one.
    pub fn parse_all(bytes: &[u8]) -> Option<&[Handle]> {
        <[Handle]>::ref_from_bytes(bytes).ok()
    }

    /// What the MAC is computed over.
    pub fn signed(&self) -> &[u8] {
        &self.as_bytes()[..Self::SIGNED_BYTES]
    }

    /// Where the block begins in the tier, in bytes.
    pub fn offset_bytes(&self) -> u64 {
        u64::from(self.unit.get()) * Self::UNIT_BYTES
    }

    /// Whether the holder may do all of `rights`.
    pub fn permits(&self, rights: u32) -> bool {
        self.rights.get() & rights == rights
    }
}

/// Without the MAC: what is printed must not be enough to forge.
impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("datanode", &self.datanode.get())
            .field("incarnation", &self.incarnation.get())
            .field("unit", &self.unit.get())
            .field("len_bytes", &self.len_bytes.get())
            .field("generation", &self.generation.get())
            .field("rights", &self.rights.get())
            .finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Handle>() == Handle::BYTES && align_of::<Handle>() == 1);

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of docs/format/handle.md.
    const GOLDEN: &str = "0807060504030201 02000000 03000000 00000100 07000000 03000000 00000000 \
                          8877665544332211 1032547698badcfe";

    fn golden() -> Vec<u8> {
        let hex: String = GOLDEN.split_whitespace().collect();
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn example() -> Handle {
        Handle {
            incarnation: U64::new(0x0102_0304_0506_0708),
            datanode: U32::new(2),
            unit: U32::new(3),
            len_bytes: U32::new(65536),
            generation: U32::new(7),
            rights: U32::new(Handle::READ | Handle::WRITE),
            reserved: U32::new(0),
            mac0: U64::new(0x1122_3344_5566_7788),
            mac1: U64::new(0xfedc_ba98_7654_3210),
        }
    }

    #[test]
    fn bytes_are_those_of_the_format_text() {
        assert_eq!(example().as_bytes(), golden());
        assert_eq!(*Handle::parse(&golden()).unwrap(), example());
        let text = include_str!("../../../../docs/format/handle.md");
        let in_text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(in_text.contains(&GOLDEN.split_whitespace().collect::<Vec<_>>().join(" ")));
    }

    #[test]
    fn the_mac_covers_everything_in_front_of_it() {
        assert_eq!(example().signed(), &golden()[..32]);
        assert_eq!(example().offset_bytes(), 12288);
    }

    #[test]
    fn only_whole_handles_are_read_at_any_alignment() {
        let two = [vec![0], golden(), golden()].concat();
        assert_eq!(Handle::parse_all(&two[1..]).unwrap(), [example(), example()]);
        assert!(Handle::parse_all(&two).is_none());
        assert!(Handle::parse(&two[1..]).is_none());
        assert_eq!(Handle::parse_all(&[]).unwrap(), []);
    }

    #[test]
    fn rights_are_checked_one_by_one() {
        let mut handle = example();
        assert!(handle.permits(Handle::READ) && handle.permits(Handle::READ | Handle::WRITE));
        handle.rights = U32::new(Handle::READ);
        assert!(!handle.permits(Handle::WRITE) && !handle.permits(Handle::READ | Handle::WRITE));
    }

    #[test]
    fn what_is_printed_does_not_hold_the_mac() {
        let printed = format!("{:?}", example());
        assert!(printed.contains("generation: 7"));
        assert!(!printed.contains(&0x1122_3344_5566_7788_u64.to_string()));
    }
}
