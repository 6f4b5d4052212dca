//! What arrives may be anything: no bytes make a reader panic, go on without end, take memory, or see bytes that are not in the frame.

use crake_wire::well_known::ValueView;
use crake_wire::{Encode, View, WireError};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::walk::{Frame, Walk};
use crate::{every, example, sample};

/// What became of many frames.
#[derive(Default)]
struct Tally {
    refused: u32,
    with_errors: u32,
    clean: u32,
}

impl Tally {
    fn read<'a, V: View<'a, Frame = &'a [u8]> + Walk>(&mut self, bytes: &'a [u8]) -> Frame {
        let frame = Frame::new([bytes]);
        match V::parse(bytes) {
            Err(_) => self.refused += 1,
            Ok(view) => {
                view.walk(&frame);
                if frame.errors() > 0 {
                    self.with_errors += 1
                } else {
                    self.clean += 1
                }
            }
        }
        frame
    }

    /// The same of a message that can contain itself: those in it lie apart.
    fn read_circular<'a, V: View<'a, Frame = &'a [u8]> + Walk>(&mut self, bytes: &'a [u8]) {
        let frame = self.read::<V>(bytes);
        assert!(
            frame.circular() <= bytes.len() / 8,
            "more messages than bytes for them"
        );
    }

    /// A test that only ever meets one fate tests little.
    fn assert_varied(&self) {
        let Self {
            refused,
            with_errors,
            clean,
        } = self;
        assert!(
            [refused, with_errors, clean].iter().all(|count| **count > 100),
            "{refused} {with_errors} {clean}"
        );
    }
}

/// Splitmix64: a fixed sequence, so a failure repeats.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

pub fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    match random.below(6) {
        0 => {
            let at = random.below(frame.len());
            frame[at] ^= 1 << random.below(8);
        }
        1 => {
            let at = random.below(frame.len());
            frame[at] = random.next() as u8;
        }
        2 => frame.truncate(1 + random.below(frame.len())),
        3 => frame.extend((0..random.below(32)).map(|_| random.next() as u8)),
        // The two halves of a pointer, or of any number: about the frame's length, and at the ends of the range.
        4 => {
            let near = frame.len() as u32;
            let values = [
                0,
                1,
                near - 1,
                near,
                near + 1,
                near / 8,
                u32::MAX,
                u32::MAX - 7,
                1 << 31,
                near.wrapping_neg(),
            ];
            let value = values[random.below(values.len())].to_le_bytes();
            let at = random.below(frame.len().div_ceil(4)) * 4;
            let end = frame.len().min(at + 4);
            frame[at..end].copy_from_slice(&value[..end - at]);
        }
        // One part over another: pointers that meet, heads where text was.
        _ => {
            let len = random.below(frame.len().min(64) + 1);
            let (from, to) = (
                random.below(frame.len() - len + 1),
                random.below(frame.len() - len + 1),
            );
            frame.copy_within(from..from + len, to);
        }
    }
}

#[test]
fn mutated_messages_are_harmless() {
    let mut random = Random(1);
    let mut tally = Tally::default();
    let mut runner = TestRunner::deterministic();
    for _ in 0..400 {
        let valid = sample::every()
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .encode_to_vec();
        for _ in 0..250 {
            let mut frame = valid.clone();
            for _ in 0..1 + random.below(4) {
                mutate(&mut frame, &mut random);
            }
            tally.read::<every::EveryView<'_>>(&frame);
        }
    }
    tally.assert_varied();
}

#[test]
fn random_bytes_are_harmless() {
    let mut random = Random(2);
    let mut tally = Tally::default();
    for _ in 0..100_000 {
        let mut frame = vec![0; random.below(256)];
        // Small numbers in one half of them: pointers that stay within, bitmaps that promise little.
        let small = random.below(2) == 0;
        for byte in &mut frame {
            let any = random.next();
            *byte = if small && any >> 8 & 7 != 0 { 0 } else { any as u8 };
        }
        tally.read::<every::EveryView<'_>>(&frame);
        tally.read::<every::ManyView<'_>>(&frame);
        tally.read::<every::SparseView<'_>>(&frame);
        tally.read::<every::MapsView<'_>>(&frame);
        tally.read::<every::ChoiceView<'_>>(&frame);
        tally.read_circular::<every::TreeView<'_>>(&frame);
        tally.read::<every::KnownView<'_>>(&frame);
        tally.read::<every::ShapesView<'_>>(&frame);
        tally.read::<example::OutlineView<'_>>(&frame);
        tally.read_circular::<ValueView<'_>>(&frame);
        tally.read::<example::LookupReplyView<'_>>(&frame);
        tally.read::<example::LookupRequestView<'_>>(&frame);
    }
    tally.assert_varied();
}

/// One field with each pointer near each edge of what a `u32` can say and of the frame.
#[test]
fn pointers_at_every_edge() {
    let edges = [
        0,
        1,
        7,
        8,
        15,
        16,
        17,
        23,
        24,
        25,
        31,
        32,
        33,
        1 << 31,
        u32::MAX - 16,
        u32::MAX - 1,
        u32::MAX,
    ];
    for field in [15u32, 16, 17, 1, 2, 13, 14] {
        for (size, offset) in edges.iter().flat_map(|size| edges.map(|offset| (*size, offset))) {
            let mut bytes = Vec::new();
            bytes.extend((1u64 << (field - 1)).to_le_bytes());
            bytes.extend(size.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend([0; 16]);
            let frame = Frame::new([bytes.as_slice()]);
            let view = every::ManyView::parse(&bytes).unwrap();
            view.walk(&frame);
            let element_bytes = match field {
                13 => 1,
                1 | 14 => 4,
                _ => 8,
            };
            let fits = u64::from(offset) + u64::from(size) * element_bytes <= bytes.len() as u64;
            let reads = match field {
                1 => view.unsigned32().map(|list| list.len()),
                2 => view.unsigned64().map(|list| list.len()),
                13 => view.flag().map(|list| list.len()),
                14 => view.colour().map(|list| list.len()),
                15 => view.text().map(|list| list.len()),
                16 => view.data().map(|list| list.len()),
                _ => view.inner().map(|list| list.len()),
            };
            assert_eq!(
                reads,
                if fits {
                    Ok(size as usize)
                } else {
                    Err(WireError::OutOfFrame)
                },
                "{field} {size} {offset}"
            );
        }
    }
}

#[test]
fn a_bitmap_without_end_is_refused() {
    let endless = vec![0xff; 64 * 1024];
    assert_eq!(
        every::SparseView::parse(&endless).unwrap_err(),
        WireError::Truncated
    );
    // As many words as fit, and the last one ends it: a message without fields.
    let mut words = [0, 0, 0, 0, 0, 0, 0, 0x80].repeat(8 * 1024);
    let last = words.len() - 1;
    words[last] = 0;
    assert_eq!(every::SparseView::parse(&words).unwrap().first(), 0);
    words[last - 7] = 1;
    assert_eq!(
        every::SparseView::parse(&words).unwrap_err(),
        WireError::Truncated
    );
}

/// A message that points at itself is read one level at a time: the schema says how deep.
#[test]
fn a_message_that_points_at_itself_ends() {
    let mut bytes = Vec::new();
    bytes.extend(0b1_1111u64.to_le_bytes());
    for _ in 0..5 {
        bytes.extend((48u64).to_le_bytes());
    }
    let frame = Frame::new([bytes.as_slice()]);
    every::EveryView::parse(&bytes).unwrap().walk(&frame);
    assert!(frame.is_done());
}

#[test]
#[should_panic(expected = "bytes that are not in the frame")]
fn the_walk_would_notice_foreign_bytes() {
    let bytes = [0; 16];
    Frame::new([&bytes[..8]]).holds(&bytes[4..12]);
}
