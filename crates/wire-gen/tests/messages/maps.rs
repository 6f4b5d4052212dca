//! Maps: their bytes, how they are looked into, and what is wrong with hostile ones.

use crake_wire::{Encode, WireError};

use crate::every::{Colour, Inner, Maps, MapsView};

#[test]
fn a_map_is_a_table_of_slots_and_their_payload_in_order() {
    let message = Maps {
        colour: &[("", Colour::DeepGreen), ("ab", Colour::None)],
        text: &[("k", "v"), ("", ""), ("l", "")],
        ..Maps::default()
    };
    let mut expected = Vec::new();
    let mut word = |low: u32, high: u32| {
        expected.extend(low.to_le_bytes());
        expected.extend(high.to_le_bytes());
    };
    word(1 << 13 | 1 << 14, 0);
    word(2, 24); // colour
    word(3, 58); // text
    word(0, 0); // "", no payload
    word(-7_i32 as u32, u32::MAX); // sign-extended
    word(2, 56); // "ab"
    word(0, 0);
    expected.extend(b"ab");
    let mut word = |low: u32, high: u32| {
        expected.extend(low.to_le_bytes());
        expected.extend(high.to_le_bytes());
    };
    word(1, 106); // "k"
    word(1, 107); // "v"
    word(0, 0);
    word(0, 0);
    word(1, 108); // "l"
    word(0, 0);
    expected.extend(b"kvl");
    assert_eq!(message.encode_to_vec(), expected);
    assert_eq!(message.encoded_len(), expected.len());
}

#[test]
fn entries_are_found_by_their_key_and_the_last_one_counts() {
    let frame = Maps {
        unsigned32: &[(7, 1), (8, 2), (7, 3)],
        single: &[(true, 1.5)],
        text: &[("a", "x"), ("", "empty"), ("b", "y")],
        ..Maps::default()
    }
    .encode_to_vec();
    let view = MapsView::parse(&frame).unwrap();
    let numbers = view.unsigned32().unwrap();
    assert_eq!((numbers.len(), numbers.is_empty()), (3, false));
    assert_eq!(numbers.get(&7), Ok(Some(3)));
    assert_eq!(numbers.get(&8), Ok(Some(2)));
    assert_eq!(numbers.get(&9), Ok(None));
    // Only what is left is looked at.
    let mut rest = numbers.clone();
    assert_eq!(rest.next_back(), Some(Ok((7, 3))));
    assert_eq!((rest.get(&7), rest.len()), (Ok(Some(1)), 2));
    assert_eq!(rest.collect::<Result<Vec<_>, _>>(), Ok(vec![(7, 1), (8, 2)]));
    assert_eq!(format!("{numbers:?}"), "{7: 1, 8: 2, 7: 3}");

    assert_eq!(view.single().unwrap().get(&true), Ok(Some(1.5)));
    let texts = view.text().unwrap();
    let key = String::from("b"); // which need not live as long as what is found
    assert_eq!(texts.get(&key), Ok(Some("y")));
    assert_eq!((texts.get(""), texts.get("c")), (Ok(Some("empty")), Ok(None)));
    assert!(view.inner().unwrap().is_empty());
}

#[test]
fn a_message_of_an_entry_that_is_a_slot_of_zeros_is_empty() {
    let message = Maps {
        inner: &[
            (
                1,
                Inner {
                    name: "n",
                    leaf: None,
                    leaves: &[],
                    parts: &[],
                },
            ),
            (2, Inner::default()),
        ],
        ..Maps::default()
    };
    let mut frame = message.encode_to_vec();
    let read = |frame: &[u8], key| {
        let inner = MapsView::parse(frame).unwrap().inner().unwrap().get(&key)?;
        inner.map(|inner| inner.name().map(str::to_owned)).transpose()
    };
    assert_eq!(read(&frame, 1), Ok(Some("n".to_owned())));
    assert_eq!(read(&frame, 2), Ok(Some(String::new())));
    // Bitmap and slot of the field, an entry, the key of the second: its value.
    frame[40..48].fill(0);
    assert_eq!(read(&frame, 2), Ok(Some(String::new())));
    // A size of 0 somewhere else is no message, as in any field.
    frame[44] = 16;
    assert_eq!(read(&frame, 2), Err(WireError::Truncated));
    assert_eq!(read(&frame, 1), Ok(Some("n".to_owned())));
}

#[test]
fn an_error_is_of_the_entry_that_has_it() {
    let mut frame = Maps {
        flag: &[(1, true), (2, true)],
        text: &[("a", "x"), ("b", "y")],
        ..Maps::default()
    }
    .encode_to_vec();
    // The flag of entry 2, behind the bitmap, two slots, an entry and a key.
    frame[24 + 24] = 2;
    // The size of the last value.
    let table = 24 + 32;
    frame[table + 24..table + 28].copy_from_slice(&9_u32.to_le_bytes());
    let view = MapsView::parse(&frame).unwrap();
    let flags = view.flag().unwrap();
    assert_eq!(flags.get(&1), Ok(Some(true)));
    assert_eq!(flags.get(&2), Err(WireError::NotBool));
    assert_eq!(format!("{flags:?}"), "{1: true, _: NotBool}");
    let texts = view.text().unwrap();
    assert_eq!(texts.get("a"), Ok(Some("x")));
    assert_eq!(texts.get("b"), Err(WireError::OutOfFrame));
    assert_eq!(
        texts.collect::<Vec<_>>(),
        [Ok(("a", "x")), Err(WireError::OutOfFrame)]
    );
    // A key that cannot be read may be the one that is sought.
    frame[table + 16..table + 20].copy_from_slice(&9_u32.to_le_bytes());
    let texts = MapsView::parse(&frame).unwrap().text().unwrap();
    assert_eq!(texts.get("a"), Err(WireError::OutOfFrame));
}

#[test]
fn a_table_beyond_the_frame_is_refused_at_once() {
    let message = Maps {
        unsigned64: &[(1, 1), (2, 2)],
        ..Maps::default()
    };
    let whole = message.encode_to_vec();
    let len = |frame: &[u8]| MapsView::parse(frame).unwrap().unsigned64().map(|map| map.len());
    assert_eq!(len(&whole), Ok(2));
    assert_eq!(len(&whole[..whole.len() - 1]), Err(WireError::OutOfFrame));
    for count in [3, 1 << 28, u32::MAX] {
        let mut frame = whole.clone();
        frame[8..12].copy_from_slice(&count.to_le_bytes());
        assert_eq!(len(&frame), Err(WireError::OutOfFrame), "{count}");
    }
    for offset in [17, whole.len() as u32, u32::MAX] {
        let mut frame = whole.clone();
        frame[12..16].copy_from_slice(&offset.to_le_bytes());
        assert_eq!(len(&frame), Err(WireError::OutOfFrame), "{offset}");
    }
}
