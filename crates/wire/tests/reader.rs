//! The reader against arbitrary bytes, and against a slow description of the format that decides the same.

use crake_wire::{Reader, WireError};
use proptest::collection::vec;
use proptest::prelude::*;

/// The head as the format text tells it: which fields are there, and their slots.
fn slots(frame: &[u8]) -> Option<Vec<(u32, u64)>> {
    let unit = |at: usize| Some(u64::from_le_bytes(*frame.get(at * 8..)?.first_chunk()?));
    let mut fields = Vec::new();
    let mut words = 0;
    loop {
        let word = unit(words)?;
        fields.extend(
            (0..63)
                .filter(|bit| word >> bit & 1 == 1)
                .map(|bit| words as u32 * 63 + bit + 1),
        );
        words += 1;
        if word >> 63 == 0 {
            break;
        }
    }
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| Some((*field, unit(words + index)?)))
        .collect()
}

fn slot_of(slots: &[(u32, u64)], field: u32) -> Option<u64> {
    slots
        .iter()
        .find(|(number, _)| *number == field)
        .map(|(_, slot)| *slot)
}

/// What a pointer tells of, computed where nothing can overflow.
fn pointed(frame: &[u8], slot: u64, element_bytes: u128) -> Result<std::ops::Range<usize>, WireError> {
    let (size, offset) = (u128::from(slot as u32), u128::from(slot >> 32));
    let end = offset + size * element_bytes;
    if end <= frame.len() as u128 {
        Ok(offset as usize..end as usize)
    } else {
        Err(WireError::OutOfFrame)
    }
}

/// Frames whose bitmaps and pointers are often small enough to lead somewhere.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => any::<u64>().prop_map(|bits| bits & bits >> 7 & bits >> 13 & !(1 << 63)),
        2 => any::<u64>().prop_map(|bits| bits & bits >> 7 & bits >> 13 & bits >> 29 | 1 << 63),
        1 => any::<u64>(),
        4 => (0u64..40, 0u64..100).prop_map(|(size, offset)| size | offset << 32),
    ];
    (vec(word, 0..16), vec(any::<u8>(), 0..8)).prop_map(|(words, tail)| {
        words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .chain(tail)
            .collect()
    })
}

/// Frames with a bitmap of up to 18 words, and slots for some of its fields or all.
fn wide_frames() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(0),
        Just(1 << 62),
        Just(1),
        any::<u64>().prop_map(|bits| bits & bits >> 7 & bits >> 13)
    ];
    (vec(word, 1..18), 0..1100_usize, any::<u64>()).prop_map(|(words, slots, seed)| {
        let last = words.len() - 1;
        let bitmap = words.iter().enumerate().map(|(at, word)| match at < last {
            true => word | 1 << 63,
            false => word & !(1 << 63),
        });
        let slots = (0..slots as u64).map(|at| seed.wrapping_mul(at));
        bitmap.chain(slots).flat_map(u64::to_le_bytes).collect()
    })
}

macro_rules! assert_fields {
    ($frame:ident, $reader:ident, $slots:ident: $($field:literal)*) => {{$(
        let slot = slot_of(&$slots, $field);
        prop_assert_eq!($reader.scalar::<u64, $field>(), slot.unwrap_or(0));
        prop_assert_eq!($reader.optional_scalar::<i32, $field>(), slot.map(|slot| slot as i32));
        let bytes = pointed(&$frame, slot.unwrap_or(0), 1).map(|range| &$frame[range]);
        prop_assert_eq!($reader.bytes::<$field>(), bytes);
        let text = bytes.and_then(|bytes| str::from_utf8(bytes).map_err(|_| WireError::NotUtf8));
        prop_assert_eq!($reader.string::<$field>(), text);
        let numbers = pointed(&$frame, slot.unwrap_or(0), 4).map(|range| {
            $frame[range].chunks(4).map(|raw| u32::from_le_bytes(raw.try_into().unwrap())).collect::<Vec<_>>()
        });
        let number = slot.map(|slot| {
            let bytes = pointed(&$frame, slot, 1).map(|range| &$frame[range])?;
            bytes.try_into().map(u32::from_le_bytes).map_err(|_| WireError::WrongSize)
        });
        prop_assert_eq!($reader.fixed::<u32, $field>(), number.transpose());
        prop_assert_eq!($reader.list::<u32, $field>().map(Iterator::collect::<Vec<_>>), numbers);
    )*}};
}

/// The same fields in turn; `$after` is the one before each.
macro_rules! assert_in_turn {
    ($reader:ident, $slots:ident: $($after:literal $field:literal,)*) => {{
        let mut fields = $reader.fields();
        $(prop_assert_eq!(fields.scalar::<u64, $after, $field>(), slot_of(&$slots, $field).unwrap_or(0));)*
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_reader_of_one_word_reads_what_the_format_says(frame in frames()) {
        match (Reader::<1>::parse(&frame), slots(&frame)) {
            (Ok(reader), Some(slots)) => {
                assert_fields!(frame, reader, slots: 1 2 3 4 5 6 8 9 10 31 62 63);
                assert_in_turn!(reader, slots: 0 1, 1 2, 2 3, 3 5, 5 6, 6 31, 31 62, 62 63,);
                assert_in_turn!(reader, slots: 0 2, 2 4, 4 63,);
            }
            (Err(error), None) => prop_assert_eq!(error, WireError::Truncated),
            (reader, slots) => prop_assert!(false, "{:?} but {:?}", reader, slots),
        }
    }

    #[test]
    fn a_reader_of_more_words_reads_what_the_format_says(frame in frames()) {
        match (Reader::<4>::parse(&frame), slots(&frame)) {
            (Ok(reader), Some(slots)) => {
                assert_fields!(frame, reader, slots: 1 7 63 64 65 126 127 189 190 252);
                assert_in_turn!(reader, slots: 0 7, 7 63, 63 64, 64 127, 127 252,);
            }
            (Err(error), None) => prop_assert_eq!(error, WireError::Truncated),
            (reader, slots) => prop_assert!(false, "{:?} but {:?}", reader, slots),
        }
    }

    #[test]
    fn a_reader_of_sixteen_words_reads_what_the_format_says(frame in wide_frames()) {
        match (Reader::<16>::parse(&frame), slots(&frame)) {
            (Ok(reader), Some(slots)) => {
                assert_fields!(frame, reader, slots: 1 63 64 252 253 504 505 945 946 1007 1008);
                assert_in_turn!(reader, slots: 0 1, 1 63, 63 252, 252 253, 253 505, 505 946, 946 1008,);
            }
            (Err(error), None) => prop_assert_eq!(error, WireError::Truncated),
            (reader, slots) => prop_assert!(false, "{:?} but {:?}", reader, slots),
        }
    }
}
