//! What is written is what is read, and is written the same again.

use bumpalo::Bump;
use crake_wire::{Encode, WireError};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::every::{
    Colour, Empty, EmptyView, Every, EveryView, Flat, FlatView, Inner, Many, Names, NamesView, One, OneView,
    Sparse, SparseView, questions,
};
use crate::{read, sample};

proptest! {
    #[test]
    fn every_message_comes_back(message in sample::every()) {
        let frame = message.encode_to_vec();
        prop_assert_eq!(frame.len(), message.encoded_len());
        let arena = Bump::new();
        let again = read::every(&EveryView::parse(&frame).unwrap(), &arena).unwrap();
        prop_assert_eq!(&again, &message);
        // This also tells apart what compares equal but is not, such as the two zeros.
        prop_assert_eq!(again.encode_to_vec(), frame);
    }

    /// The last byte of a frame belongs to something, so a frame that was cut short never reads to the end.
    #[test]
    fn a_frame_that_was_cut_is_never_whole(message in sample::every()) {
        let frame = message.encode_to_vec();
        for len in 0..frame.len() {
            let arena = Bump::new();
            let whole = EveryView::parse(&frame[..len]).and_then(|view| read::every(&view, &arena));
            prop_assert!(whole.is_err(), "cut to {} of {}", len, frame.len());
        }
    }

    /// Payload that follows a message does not change it.
    #[test]
    fn what_follows_is_not_read(message in sample::every(), tail in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut frame = message.encode_to_vec();
        frame.extend(tail);
        let arena = Bump::new();
        prop_assert_eq!(read::every(&EveryView::parse(&frame).unwrap(), &arena).unwrap(), message);
    }
}

#[test]
fn defaults_take_no_slot() {
    assert_eq!(One::default().encode_to_vec(), [0; 8]);
    assert_eq!(Empty {}.encode_to_vec(), [0; 8]);
    assert!(EmptyView::parse(&[0; 8]).is_ok());
    assert_eq!(
        One {
            single: 0.0,
            twice: 0.0,
            ..One::default()
        }
        .encoded_len(),
        8
    );
}

#[test]
fn floats_keep_their_bits() {
    let nan = f32::from_bits(0x7fa0_1234);
    let frame = One {
        single: nan,
        twice: -0.0,
        ..One::default()
    }
    .encode_to_vec();
    let view = OneView::parse(&frame).unwrap();
    assert_eq!(view.single().to_bits(), 0x7fa0_1234);
    assert_eq!(view.twice().to_bits(), 1 << 63);
}

#[test]
fn the_edges_of_the_bitmaps_words() {
    let message = Sparse {
        last: true,
        first: 1,
        end_of_one: 63,
        start_of_two: "64",
        end_of_two: 126,
        start_of_three: &[127, 128],
        end: "",
    };
    let frame = message.encode_to_vec();
    // Four words, six slots, then "64" and two numbers.
    assert_eq!(frame.len(), 4 * 8 + 6 * 8 + 2 + 2 * 8);
    let view = SparseView::parse(&frame).unwrap();
    assert_eq!((view.first(), view.end_of_one(), view.end_of_two()), (1, 63, 126));
    assert_eq!((view.last(), view.start_of_two()), (Ok(true), Ok("64")));
    assert_eq!(view.start_of_three().unwrap().collect::<Vec<_>>(), [127, 128]);
    let end = Sparse {
        end: "1008",
        ..message
    }
    .encode_to_vec();
    assert_eq!(end.len(), 16 * 8 + 7 * 8 + 2 + 2 * 8 + 4);
    assert_eq!(SparseView::parse(&end).unwrap().end(), Ok("1008"));
    assert_eq!(SparseView::parse(&end).unwrap().last(), Ok(true));
    // A field in the second word alone brings the first with it, and not the third.
    assert_eq!(
        Sparse {
            end_of_two: 1,
            ..Sparse::default()
        }
        .encoded_len(),
        2 * 8 + 8
    );
}

#[test]
fn lists_are_read_from_both_ends_and_by_index() {
    let parts: &[&[u8]] = &[b"a", b"bc", b"", b"def"];
    let inner = [Inner {
        parts,
        ..Inner::default()
    }];
    let frame = Every {
        many: Some(Many {
            inner: &inner,
            ..Many::default()
        }),
        ..Every::default()
    }
    .encode_to_vec();
    let many = EveryView::parse(&frame).unwrap().many().unwrap().unwrap();
    let read = many.inner().unwrap().get(0).unwrap().unwrap().parts().unwrap();
    assert_eq!((read.len(), read.is_empty()), (4, false));
    assert_eq!(read.get(3), Some(Ok(&b"def"[..])));
    assert_eq!(read.get(4), None);
    assert_eq!(read.clone().nth(1), Some(Ok(&b"bc"[..])));
    assert_eq!(
        read.clone().rev().map(Result::unwrap).collect::<Vec<_>>(),
        [&b"def"[..], b"", b"bc", b"a"]
    );
    assert_eq!(
        format!("{read:?}"),
        "[Ok([97]), Ok([98, 99]), Ok([]), Ok([100, 101, 102])]"
    );
}

#[test]
fn values_that_are_none_are_errors_where_they_are_read() {
    let mut frame = One {
        flag: true,
        colour: Colour::Red,
        text: "ä",
        signed32: 5,
        ..One::default()
    }
    .encode_to_vec();
    // Slots: signed32, flag, colour, text; then the text.
    frame[16] = 2;
    frame[24] = 9;
    *frame.last_mut().unwrap() = 0x20;
    let view = OneView::parse(&frame).unwrap();
    assert_eq!(view.signed32(), 5);
    assert_eq!(view.flag(), Err(WireError::NotBool));
    assert_eq!(view.colour(), Err(WireError::UnknownEnum(9)));
    assert_eq!(view.text(), Err(WireError::NotUtf8));
    assert_eq!(view.data(), Ok(&[][..]));
}

#[test]
fn names_that_rust_keeps_are_usable() {
    let frame = Names {
        r#type: 1,
        self_: 2,
        parse_: 3,
        camel_case: 4,
    }
    .encode_to_vec();
    let view = NamesView::parse(&frame).unwrap();
    assert_eq!(
        [view.r#type(), view.self_(), view.parse_(), view.camel_case()],
        [1, 2, 3, 4]
    );
    assert_eq!(
        format!("{view:?}"),
        "NamesView { type: 1, self_: 2, parse_: 3, camel_case: 4 }"
    );
}

#[test]
fn aliases_are_the_value_that_they_name() {
    assert_eq!((Colour::CRIMSON, Colour::BLACK), (Colour::Red, Colour::None));
    assert_eq!(Colour::try_from(1), Ok(Colour::CRIMSON));
}

#[test]
fn methods_are_numbered_from_one() {
    assert_eq!(
        (questions::ECHO, questions::DO_NOTHING, questions::WHAT_TIME),
        (1, 2, 3)
    );
    assert_eq!(
        [0, 1, 2, 3, 4].map(questions::name),
        ["unknown", "Echo", "DoNothing", "WhatTime", "unknown"]
    );
}

#[test]
#[should_panic(expected = "the place is longer than the message")]
fn a_place_that_is_too_long_is_a_bug_of_the_caller() {
    One::default().encode(&mut [0; 9]);
}

#[test]
#[should_panic(expected = "the place is shorter than the message")]
fn a_place_that_is_too_short_is_a_bug_of_the_caller() {
    One {
        text: "abc",
        ..One::default()
    }
    .encode(&mut [0; 18]);
}

#[test]
fn a_reference_encodes_as_what_it_refers_to() {
    let message = &&One {
        unsigned32: 7,
        ..One::default()
    };
    assert_eq!(Encode::encode_to_vec(message), message.encode_to_vec());
    assert_eq!(Encode::encoded_len(&message), 16);
}

proptest! {
    /// Whatever else the message has: fields that the schema does not know lie between those that it does.
    #[test]
    fn a_message_of_scalars_reads_at_once_as_by_its_getters(
        words in [any::<u64>(), any::<u64>()],
        slots in vec(prop_oneof![0..4_u64, any::<u64>()], 126),
    ) {
        let head = [words[0] | 1 << 63, words[1] & !(1 << 63)];
        let frame: Vec<u8> = head.iter().chain(&slots).flat_map(|word| word.to_le_bytes()).collect();
        let view = FlatView::parse(&frame).unwrap();
        let by_getters = || {
            Ok::<_, WireError>(Flat {
                first: view.first(),
                flag: view.flag()?,
                colour: view.colour()?,
                signed: view.signed(),
                twice: view.twice(),
                last: view.last(),
            })
        };
        // As text, for NaN is no value's equal.
        prop_assert_eq!(format!("{:?}", Flat::try_from(view)), format!("{:?}", by_getters()));
    }
}
