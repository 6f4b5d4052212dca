//! Messages of any content, for proptest.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::every::{Colour, Empty, Every, Inner, InnerLeaf, InnerLeafSide, Many, Maybe, One, Sparse};

pub fn every() -> impl Strategy<Value = Every<'static>> {
    (
        option::of(one()),
        option::of(maybe()),
        option::of(many()),
        option::of(sparse()),
        any::<bool>(),
    )
        .prop_map(|(one, maybe, many, sparse, empty)| Every {
            one,
            maybe,
            many,
            sparse,
            empty: empty.then_some(Empty {}),
        })
}

fn one() -> impl Strategy<Value = One<'static>> {
    let group0 = (
        or_default(any::<u32>()),
        or_default(any::<u64>()),
        or_default(any::<i32>()),
        or_default(any::<i64>()),
        or_default(any::<i32>()),
        or_default(any::<i64>()),
        or_default(any::<u32>()),
        or_default(any::<u64>()),
    );
    let group1 = (
        or_default(any::<i32>()),
        or_default(any::<i64>()),
        or_default(any::<f32>()),
        or_default(any::<f64>()),
        or_default(any::<bool>()),
        or_default(colours()),
        or_default(texts()),
        or_default(blobs()),
    );
    (group0, group1, option::of(inner())).prop_map(|(group0, group1, inner)| {
        let (
            unsigned32,
            unsigned64,
            signed32,
            signed64,
            zigzag32,
            zigzag64,
            fixed_unsigned32,
            fixed_unsigned64,
        ) = group0;
        let (fixed_signed32, fixed_signed64, single, twice, flag, colour, text, data) = group1;
        One {
            unsigned32,
            unsigned64,
            signed32,
            signed64,
            zigzag32,
            zigzag64,
            fixed_unsigned32,
            fixed_unsigned64,
            fixed_signed32,
            fixed_signed64,
            single,
            twice,
            flag,
            colour,
            text,
            data,
            inner,
        }
    })
}

fn maybe() -> impl Strategy<Value = Maybe<'static>> {
    let group0 = (
        option::of(any::<u32>()),
        option::of(any::<u64>()),
        option::of(any::<i32>()),
        option::of(any::<i64>()),
        option::of(any::<i32>()),
        option::of(any::<i64>()),
        option::of(any::<u32>()),
        option::of(any::<u64>()),
    );
    let group1 = (
        option::of(any::<i32>()),
        option::of(any::<i64>()),
        option::of(any::<f32>()),
        option::of(any::<f64>()),
        option::of(any::<bool>()),
        option::of(colours()),
        option::of(texts()),
        option::of(blobs()),
    );
    (group0, group1, option::of(inner())).prop_map(|(group0, group1, inner)| {
        let (
            unsigned32,
            unsigned64,
            signed32,
            signed64,
            zigzag32,
            zigzag64,
            fixed_unsigned32,
            fixed_unsigned64,
        ) = group0;
        let (fixed_signed32, fixed_signed64, single, twice, flag, colour, text, data) = group1;
        Maybe {
            unsigned32,
            unsigned64,
            signed32,
            signed64,
            zigzag32,
            zigzag64,
            fixed_unsigned32,
            fixed_unsigned64,
            fixed_signed32,
            fixed_signed64,
            single,
            twice,
            flag,
            colour,
            text,
            data,
            inner,
        }
    })
}

fn many() -> impl Strategy<Value = Many<'static>> {
    let group0 = (
        list(any::<u32>(), 5),
        list(any::<u64>(), 5),
        list(any::<i32>(), 5),
        list(any::<i64>(), 5),
        list(any::<i32>(), 5),
        list(any::<i64>(), 5),
        list(any::<u32>(), 5),
        list(any::<u64>(), 5),
    );
    let group1 = (
        list(any::<i32>(), 5),
        list(any::<i64>(), 5),
        list(any::<f32>(), 5),
        list(any::<f64>(), 5),
        list(any::<bool>(), 5),
        list(colours(), 5),
        list(texts(), 5),
        list(blobs(), 5),
    );
    (group0, group1, list(inner(), 4)).prop_map(|(group0, group1, inner)| {
        let (
            unsigned32,
            unsigned64,
            signed32,
            signed64,
            zigzag32,
            zigzag64,
            fixed_unsigned32,
            fixed_unsigned64,
        ) = group0;
        let (fixed_signed32, fixed_signed64, single, twice, flag, colour, text, data) = group1;
        Many {
            unsigned32,
            unsigned64,
            signed32,
            signed64,
            zigzag32,
            zigzag64,
            fixed_unsigned32,
            fixed_unsigned64,
            fixed_signed32,
            fixed_signed64,
            single,
            twice,
            flag,
            colour,
            text,
            data,
            inner,
        }
    })
}

fn sparse() -> impl Strategy<Value = Sparse<'static>> {
    let numbers = (
        or_default(any::<u32>()),
        or_default(any::<u32>()),
        or_default(any::<u64>()),
    );
    (any::<bool>(), numbers, texts(), list(any::<u64>(), 3)).prop_map(
        |(last, numbers, start_of_two, start_of_three)| {
            let (first, end_of_one, end_of_two) = numbers;
            Sparse {
                last,
                first,
                end_of_one,
                start_of_two,
                end_of_two,
                start_of_three,
            }
        },
    )
}

fn inner() -> impl Strategy<Value = Inner<'static>> {
    (option::of(leaf()), texts(), list(leaf(), 3), list(blobs(), 3)).prop_map(
        |(leaf, name, leaves, parts)| Inner {
            leaf,
            name,
            leaves,
            parts,
        },
    )
}

fn leaf() -> impl Strategy<Value = InnerLeaf<'static>> {
    (or_default(any::<u64>()), blobs(), list(any::<u32>(), 4), sides()).prop_map(
        |(id, data, numbers, side)| InnerLeaf {
            id,
            data,
            numbers,
            side,
        },
    )
}

fn colours() -> impl Strategy<Value = Colour> {
    prop_oneof![
        Just(Colour::None),
        Just(Colour::Red),
        Just(Colour::DeepGreen),
        Just(Colour::Blue)
    ]
}

fn sides() -> impl Strategy<Value = InnerLeafSide> {
    prop_oneof![
        Just(InnerLeafSide::Unknown),
        Just(InnerLeafSide::Left),
        Just(InnerLeafSide::Right)
    ]
}

// What is borrowed is leaked: a message borrows the slice of its messages, which borrow theirs. A test can afford it.

fn texts() -> impl Strategy<Value = &'static str> {
    "\\PC{0,12}".prop_map(|text| &*text.leak())
}

fn blobs() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..20).prop_map(|bytes| &*bytes.leak())
}

fn list<S: Strategy<Value: 'static>>(one: S, len_max: usize) -> impl Strategy<Value = &'static [S::Value]> {
    vec(one, 0..=len_max).prop_map(|list| &*list.leak())
}

fn or_default<S: Strategy<Value: Default>>(any: S) -> impl Strategy<Value = S::Value> {
    option::of(any).prop_map(Option::unwrap_or_default)
}
