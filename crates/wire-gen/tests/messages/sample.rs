//! Messages of any content, for proptest.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crake_wire::well_known::{
    self, Any, Duration, FieldMask, Int64Value, ListValue, NullValue, StringValue, Struct, Timestamp, Value,
    ValueKind,
};

use crate::every::{
    Branch, Choice, ChoiceBody, ChoiceType, Colour, Empty, Every, Inner, InnerLeaf, InnerLeafSide, Known,
    KnownWhich, Many, Maps, Maybe, Numbers, One, Point, Shapes, ShapesWhich, Sparse, Tree, TreeNext,
};

pub fn every() -> impl Strategy<Value = Every<'static>> {
    let before = (
        option::of(one()),
        option::of(maybe()),
        option::of(many()),
        option::of(sparse()),
        any::<bool>(),
    );
    let after = (
        option::of(maps()),
        list(choice(), 3),
        option::of(tree()),
        option::of(known()),
        option::of(shapes()),
    );
    (before, after).prop_map(
        |((one, maybe, many, sparse, empty), (maps, choices, tree, known, shapes))| Every {
            one,
            maybe,
            many,
            sparse,
            empty: empty.then_some(Empty {}),
            maps,
            choices,
            tree,
            known,
            shapes,
        },
    )
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
    (any::<bool>(), numbers, texts(), list(any::<u64>(), 3), texts()).prop_map(
        |(last, numbers, start_of_two, start_of_three, end)| {
            let (first, end_of_one, end_of_two) = numbers;
            Sparse {
                last,
                first,
                end_of_one,
                start_of_two,
                end_of_two,
                start_of_three,
                end,
            }
        },
    )
}

fn maps() -> impl Strategy<Value = Maps<'static>> {
    let group0 = (
        entries(any::<u32>(), any::<u32>()),
        entries(any::<u64>(), any::<u64>()),
        entries(any::<i32>(), any::<i32>()),
        entries(any::<i64>(), any::<i64>()),
        entries(any::<i32>(), any::<i32>()),
        entries(any::<i64>(), any::<i64>()),
        entries(any::<u32>(), any::<u32>()),
        entries(any::<u64>(), any::<u64>()),
    );
    let group1 = (
        entries(any::<i32>(), any::<i32>()),
        entries(any::<i64>(), any::<i64>()),
        entries(any::<bool>(), any::<f32>()),
        entries(texts(), any::<f64>()),
        entries(any::<u32>(), any::<bool>()),
        entries(texts(), colours()),
        entries(texts(), texts()),
        entries(texts(), blobs()),
    );
    (group0, group1, entries(any::<i64>(), inner())).prop_map(|(group0, group1, inner)| {
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
        Maps {
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

fn known() -> impl Strategy<Value = Known<'static>> {
    let seconds_and_nanos = || (or_default(any::<i64>()), or_default(any::<i32>()));
    let at = seconds_and_nanos().prop_map(|(seconds, nanos)| Timestamp { seconds, nanos });
    let took = seconds_and_nanos().prop_map(|(seconds, nanos)| Duration { seconds, nanos });
    let any_of = (texts(), blobs()).prop_map(|(type_url, value)| Any { type_url, value });
    let which = prop_oneof![
        entries(texts(), value()).prop_map(|fields| KnownWhich::Object(Struct { fields })),
        Just(KnownWhich::Nothing(NullValue::NullValue)),
        Just(KnownWhich::Empty(well_known::Empty {})),
    ];
    let mask = list(texts(), 3).prop_map(|paths| FieldMask { paths });
    let text = texts().prop_map(|value| StringValue { value });
    let numbers = list(or_default(any::<i64>()).prop_map(|value| Int64Value { value }), 3);
    let first = (
        option::of(at),
        list(took, 3),
        option::of(any_of),
        entries(texts(), value()),
    );
    let last = (option::of(which), option::of(mask), option::of(text), numbers);
    (first, last).prop_map(|((at, took, any, values), (which, mask, text, numbers))| Known {
        at,
        took,
        any,
        values,
        which,
        mask,
        text,
        numbers,
    })
}

fn shapes() -> impl Strategy<Value = Shapes<'static>> {
    let points = (
        option::of(point()),
        option::of(point()),
        list(point(), 3),
        entries(texts(), point()),
    );
    let which = prop_oneof![
        point().prop_map(ShapesWhich::One),
        numbers().prop_map(ShapesWhich::Other),
        or_default(any::<u32>()).prop_map(ShapesWhich::Neither),
    ];
    let all = (
        option::of(numbers()),
        list(numbers(), 2),
        entries(any::<u32>(), numbers()),
    );
    (points, option::of(which), all).prop_map(
        |((point, maybe, points, named), which, (numbers, many, by_number))| Shapes {
            point,
            maybe,
            points,
            named,
            which,
            numbers,
            many,
            by_number,
        },
    )
}

fn point() -> impl Strategy<Value = Point> {
    let axis = || or_default(any::<f32>());
    (axis(), axis(), axis()).prop_map(|(x, y, z)| Point { x, y, z })
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let unsigned = || (or_default(any::<u32>()), or_default(any::<u64>()));
    let signed = || (or_default(any::<i32>()), or_default(any::<i64>()));
    let floats = (or_default(any::<f32>()), or_default(any::<f64>()));
    let all = (
        unsigned(),
        signed(),
        signed(),
        unsigned(),
        signed(),
        floats,
        point(),
    );
    all.prop_map(
        |(unsigned, signed, zigzag, fixed_unsigned, fixed_signed, floats, point)| Numbers {
            unsigned32: unsigned.0,
            unsigned64: unsigned.1,
            signed32: signed.0,
            signed64: signed.1,
            zigzag32: zigzag.0,
            zigzag64: zigzag.1,
            fixed_unsigned32: fixed_unsigned.0,
            fixed_unsigned64: fixed_unsigned.1,
            fixed_signed32: fixed_signed.0,
            fixed_signed64: fixed_signed.1,
            single: floats.0,
            twice: floats.1,
            point,
        },
    )
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(None),
        Just(Some(ValueKind::NullValue(NullValue::NullValue))),
        or_default(any::<f64>()).prop_map(|number| Some(ValueKind::NumberValue(number))),
        texts().prop_map(|text| Some(ValueKind::StringValue(text))),
        any::<bool>().prop_map(|is| Some(ValueKind::BoolValue(is))),
    ];
    leaf.prop_map(|kind| Value { kind })
        .prop_recursive(3, 12, 3, move |value| {
            let object = entries(texts(), value.clone()).prop_map(|fields| Struct { fields });
            let array = list(value, 3).prop_map(|values| ListValue { values });
            prop_oneof![
                leaked(object).prop_map(|object| Value {
                    kind: Some(ValueKind::StructValue(object))
                }),
                leaked(array).prop_map(|array| Value {
                    kind: Some(ValueKind::ListValue(array))
                }),
            ]
        })
}

fn choice() -> impl Strategy<Value = Choice<'static>> {
    let before = or_default(any::<u32>());
    let which = prop_oneof![
        any::<bool>().prop_map(ChoiceType::Yes),
        any::<i32>().prop_map(ChoiceType::SoMany)
    ];
    let after = option::of(any::<u32>());
    (before, option::of(body()), texts(), option::of(which), after).prop_map(
        |(before, body, between, r#type, after)| Choice {
            before,
            body,
            between,
            r#type,
            after,
        },
    )
}

fn body() -> impl Strategy<Value = ChoiceBody<'static>> {
    prop_oneof![
        or_default(any::<u32>()).prop_map(ChoiceBody::Unsigned32),
        or_default(any::<u64>()).prop_map(ChoiceBody::Unsigned64),
        or_default(any::<i32>()).prop_map(ChoiceBody::Signed32),
        or_default(any::<i64>()).prop_map(ChoiceBody::Signed64),
        or_default(any::<i32>()).prop_map(ChoiceBody::Zigzag32),
        or_default(any::<i64>()).prop_map(ChoiceBody::Zigzag64),
        or_default(any::<u32>()).prop_map(ChoiceBody::FixedUnsigned32),
        or_default(any::<u64>()).prop_map(ChoiceBody::FixedUnsigned64),
        or_default(any::<i32>()).prop_map(ChoiceBody::FixedSigned32),
        or_default(any::<i64>()).prop_map(ChoiceBody::FixedSigned64),
        or_default(any::<f32>()).prop_map(ChoiceBody::Single),
        or_default(any::<f64>()).prop_map(ChoiceBody::Twice),
        any::<bool>().prop_map(ChoiceBody::Flag),
        colours().prop_map(ChoiceBody::Colour),
        texts().prop_map(ChoiceBody::Text),
        blobs().prop_map(ChoiceBody::Data),
        inner().prop_map(ChoiceBody::Inner),
        Just(ChoiceBody::Self_(Empty {})),
    ]
}

pub fn tree() -> impl Strategy<Value = Tree<'static>> {
    tree_of(Just(Tree::default()).boxed()).prop_recursive(4, 16, 3, |tree| tree_of(tree.boxed()))
}

fn tree_of(tree: BoxedStrategy<Tree<'static>>) -> impl Strategy<Value = Tree<'static>> {
    let trees = (
        option::of(leaked(tree.clone())),
        list(tree.clone(), 2),
        entries(texts(), tree.clone()),
    );
    let next = prop_oneof![
        leaked(tree.clone()).prop_map(TreeNext::Left),
        leaked(branch(tree)).prop_map(TreeNext::Branch),
        or_default(any::<u32>()).prop_map(TreeNext::Leaf),
    ];
    let others = (
        list(any::<u32>(), 3),
        list(texts(), 3),
        blobs(),
        option::of(inner()),
    );
    let last = (
        entries(any::<u32>(), blobs()),
        list(any::<bool>(), 3),
        or_default(any::<u64>()),
    );
    let fixed = (
        option::of(point()),
        list(point(), 3),
        entries(any::<u32>(), point()),
    );
    let other = (others, last, fixed);
    (texts(), trees, option::of(next), other).prop_map(|(name, trees, next, (others, last, fixed))| {
        let (first, children, named) = trees;
        let (numbers, labels, data, inner) = others;
        let (parts, flags, id) = last;
        let (place, outline, corners) = fixed;
        Tree {
            name,
            first,
            children,
            named,
            next,
            numbers,
            labels,
            data,
            inner,
            parts,
            flags,
            id,
            place,
            outline,
            corners,
        }
    })
}

fn branch(tree: BoxedStrategy<Tree<'static>>) -> impl Strategy<Value = Branch<'static>> {
    let other = option::of(leaked(option::of(leaked(tree.clone())).prop_map(|tree| Branch {
        tree,
        ..Branch::default()
    })));
    let lists = list(list(value(), 2).prop_map(|values| ListValue { values }), 2);
    let object = entries(texts(), value()).prop_map(|fields| Struct { fields });
    let values = (entries(texts(), value()), lists, option::of(object));
    (
        option::of(leaked(tree)),
        other,
        entries(any::<u32>(), colours()),
        values,
    )
        .prop_map(|(tree, other, colours, (values, lists, object))| Branch {
            tree,
            other,
            colours,
            values,
            lists,
            object,
        })
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

/// Empty keys and values more often than by chance.
fn entries<K, V>(keys: K, values: V) -> impl Strategy<Value = &'static [(K::Value, V::Value)]>
where
    K: Strategy<Value: Default + 'static>,
    V: Strategy<Value: Default + 'static>,
{
    list((or_default(keys), or_default(values)), 3)
}

fn leaked<S: Strategy<Value: 'static>>(one: S) -> impl Strategy<Value = &'static S::Value> {
    one.prop_map(|value| &*Box::leak(Box::new(value)))
}
