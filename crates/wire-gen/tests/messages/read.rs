//! From views back to messages, whose lists lie in an arena: every field is read, and the first error ends it.

use bumpalo::Bump;
use crake_wire::well_known::{
    self, Any, Duration, FieldMask, Int64Value, ListValue, ListValueView, StringValue, Struct, StructView,
    Timestamp, Value, ValueKind, ValueKindView, ValueView,
};
use crake_wire::{Element, InEntry, Key, List, Map, NestedList, WireError};

use crate::every::{
    Branch, BranchView, Choice, ChoiceBody, ChoiceBodyView, ChoiceType, ChoiceTypeView, ChoiceView, Empty,
    Every, EveryView, Inner, InnerLeaf, InnerLeafView, InnerView, Known, KnownView, KnownWhich,
    KnownWhichView, Many, ManyView, Maps, MapsView, Maybe, MaybeView, One, OneView, Shapes, ShapesView,
    ShapesWhich, ShapesWhichView, Sparse, SparseView, Tree, TreeNext, TreeNextView, TreeView,
};

pub fn every<'a>(view: &EveryView<'a>, arena: &'a Bump) -> Result<Every<'a>, WireError> {
    Ok(Every {
        one: view.one()?.map(|view| one(&view, arena)).transpose()?,
        maybe: view.maybe()?.map(|view| maybe(&view, arena)).transpose()?,
        many: view.many()?.map(|view| many(&view, arena)).transpose()?,
        sparse: view.sparse()?.map(|view| sparse(&view, arena)).transpose()?,
        empty: view.empty()?.map(|_| Empty {}),
        maps: view.maps()?.map(|view| maps(&view, arena)).transpose()?,
        choices: each(arena, view.choices()?, |view| choice(view, arena))?,
        tree: view.tree()?.map(|view| tree(&view, arena)).transpose()?,
        known: view.known()?.map(|view| known(&view, arena)).transpose()?,
        shapes: view.shapes()?.map(|view| shapes(&view, arena)).transpose()?,
    })
}

fn shapes<'a>(view: &ShapesView<'a>, arena: &'a Bump) -> Result<Shapes<'a>, WireError> {
    Ok(Shapes {
        point: view.point()?,
        maybe: view.maybe()?,
        points: numbers(arena, view.points()?),
        named: entries(arena, view.named()?)?,
        which: view.which()?.map(|view| match view {
            ShapesWhichView::One(value) => ShapesWhich::One(value),
            ShapesWhichView::Other(value) => ShapesWhich::Other(value),
            ShapesWhichView::Neither(value) => ShapesWhich::Neither(value),
        }),
        numbers: view.numbers()?,
        many: numbers(arena, view.many()?),
        by_number: entries(arena, view.by_number()?)?,
    })
}

fn known<'a>(view: &KnownView<'a>, arena: &'a Bump) -> Result<Known<'a>, WireError> {
    Ok(Known {
        at: view.at()?.map(Timestamp::try_from).transpose()?,
        took: each(arena, view.took()?, |view| Duration::try_from(*view))?,
        any: match view.any()? {
            None => None,
            Some(view) => Some(Any {
                type_url: view.type_url()?,
                value: view.value()?,
            }),
        },
        values: entries_of(arena, view.values()?, |view| value(view, arena))?,
        which: match view.which()? {
            None => None,
            Some(KnownWhichView::Object(view)) => Some(KnownWhich::Object(object(&view, arena)?)),
            Some(KnownWhichView::Nothing(null)) => Some(KnownWhich::Nothing(null)),
            Some(KnownWhichView::Empty(_)) => Some(KnownWhich::Empty(well_known::Empty {})),
        },
        mask: match view.mask()? {
            None => None,
            Some(view) => Some(FieldMask {
                paths: all(arena, view.paths()?)?,
            }),
        },
        text: match view.text()? {
            None => None,
            Some(view) => Some(StringValue { value: view.value()? }),
        },
        numbers: each(arena, view.numbers()?, |view| Int64Value::try_from(*view))?,
    })
}

fn object<'a>(view: &StructView<'a>, arena: &'a Bump) -> Result<Struct<'a>, WireError> {
    Ok(Struct {
        fields: entries_of(arena, view.fields()?, |view| value(view, arena))?,
    })
}

fn array<'a>(view: &ListValueView<'a>, arena: &'a Bump) -> Result<ListValue<'a>, WireError> {
    let values = view.values()?.map(|view| value(&view?, arena));
    Ok(ListValue {
        values: arena.alloc_slice_copy(&values.collect::<Result<Vec<_>, _>>()?),
    })
}

fn value<'a>(view: &ValueView<'a>, arena: &'a Bump) -> Result<Value<'a>, WireError> {
    let kind = match view.kind()? {
        None => None,
        Some(ValueKindView::NullValue(null)) => Some(ValueKind::NullValue(null)),
        Some(ValueKindView::NumberValue(number)) => Some(ValueKind::NumberValue(number)),
        Some(ValueKindView::StringValue(text)) => Some(ValueKind::StringValue(text)),
        Some(ValueKindView::BoolValue(is)) => Some(ValueKind::BoolValue(is)),
        Some(ValueKindView::StructValue(view)) => {
            Some(ValueKind::StructValue(lent(arena, object(&view, arena))?))
        }
        Some(ValueKindView::ListValue(view)) => Some(ValueKind::ListValue(lent(arena, array(&view, arena))?)),
    };
    Ok(Value { kind })
}

fn maps<'a>(view: &MapsView<'a>, arena: &'a Bump) -> Result<Maps<'a>, WireError> {
    Ok(Maps {
        unsigned32: entries(arena, view.unsigned32()?)?,
        unsigned64: entries(arena, view.unsigned64()?)?,
        signed32: entries(arena, view.signed32()?)?,
        signed64: entries(arena, view.signed64()?)?,
        zigzag32: entries(arena, view.zigzag32()?)?,
        zigzag64: entries(arena, view.zigzag64()?)?,
        fixed_unsigned32: entries(arena, view.fixed_unsigned32()?)?,
        fixed_unsigned64: entries(arena, view.fixed_unsigned64()?)?,
        fixed_signed32: entries(arena, view.fixed_signed32()?)?,
        fixed_signed64: entries(arena, view.fixed_signed64()?)?,
        single: entries(arena, view.single()?)?,
        twice: entries(arena, view.twice()?)?,
        flag: entries(arena, view.flag()?)?,
        colour: entries(arena, view.colour()?)?,
        text: entries(arena, view.text()?)?,
        data: entries(arena, view.data()?)?,
        inner: entries_of(arena, view.inner()?, |view| inner(view, arena))?,
    })
}

fn choice<'a>(view: &ChoiceView<'a>, arena: &'a Bump) -> Result<Choice<'a>, WireError> {
    Ok(Choice {
        before: view.before(),
        body: view.body()?.map(|view| body(view, arena)).transpose()?,
        between: view.between()?,
        r#type: view.r#type()?.map(|view| match view {
            ChoiceTypeView::Yes(value) => ChoiceType::Yes(value),
            ChoiceTypeView::SoMany(value) => ChoiceType::SoMany(value),
        }),
        after: view.after(),
    })
}

fn body<'a>(view: ChoiceBodyView<'a>, arena: &'a Bump) -> Result<ChoiceBody<'a>, WireError> {
    Ok(match view {
        ChoiceBodyView::Unsigned32(value) => ChoiceBody::Unsigned32(value),
        ChoiceBodyView::Unsigned64(value) => ChoiceBody::Unsigned64(value),
        ChoiceBodyView::Signed32(value) => ChoiceBody::Signed32(value),
        ChoiceBodyView::Signed64(value) => ChoiceBody::Signed64(value),
        ChoiceBodyView::Zigzag32(value) => ChoiceBody::Zigzag32(value),
        ChoiceBodyView::Zigzag64(value) => ChoiceBody::Zigzag64(value),
        ChoiceBodyView::FixedUnsigned32(value) => ChoiceBody::FixedUnsigned32(value),
        ChoiceBodyView::FixedUnsigned64(value) => ChoiceBody::FixedUnsigned64(value),
        ChoiceBodyView::FixedSigned32(value) => ChoiceBody::FixedSigned32(value),
        ChoiceBodyView::FixedSigned64(value) => ChoiceBody::FixedSigned64(value),
        ChoiceBodyView::Single(value) => ChoiceBody::Single(value),
        ChoiceBodyView::Twice(value) => ChoiceBody::Twice(value),
        ChoiceBodyView::Flag(value) => ChoiceBody::Flag(value),
        ChoiceBodyView::Colour(value) => ChoiceBody::Colour(value),
        ChoiceBodyView::Text(value) => ChoiceBody::Text(value),
        ChoiceBodyView::Data(value) => ChoiceBody::Data(value),
        ChoiceBodyView::Inner(value) => ChoiceBody::Inner(inner(&value, arena)?),
        ChoiceBodyView::Self_(_) => ChoiceBody::Self_(Empty {}),
    })
}

pub fn tree<'a>(view: &TreeView<'a>, arena: &'a Bump) -> Result<Tree<'a>, WireError> {
    Ok(Tree {
        name: view.name()?,
        first: view
            .first()?
            .map(|view| lent(arena, tree(&view, arena)))
            .transpose()?,
        children: nodes(arena, view.children()?)?,
        named: entries_of(arena, view.named()?, |view| tree(view, arena))?,
        next: match view.next()? {
            None => None,
            Some(TreeNextView::Left(view)) => Some(TreeNext::Left(lent(arena, tree(&view, arena))?)),
            Some(TreeNextView::Branch(view)) => Some(TreeNext::Branch(lent(arena, branch(&view, arena))?)),
            Some(TreeNextView::Leaf(value)) => Some(TreeNext::Leaf(value)),
        },
        numbers: numbers(arena, view.numbers()?),
        labels: all(arena, view.labels()?)?,
        data: view.data()?,
        inner: view.inner()?.map(|view| inner(&view, arena)).transpose()?,
        parts: entries(arena, view.parts()?)?,
        flags: all(arena, view.flags()?)?,
        id: view.id(),
        place: view.place()?,
        outline: numbers(arena, view.outline()?),
        corners: entries(arena, view.corners()?)?,
    })
}

fn nodes<'a>(arena: &'a Bump, list: NestedList<'a, TreeView<'a>>) -> Result<&'a [Tree<'a>], WireError> {
    let declared = list.len();
    let read = list
        .map(|view| tree(&view?, arena))
        .collect::<Result<Vec<_>, _>>()?;
    assert_eq!(read.len(), declared);
    Ok(arena.alloc_slice_copy(&read))
}

fn branch<'a>(view: &BranchView<'a>, arena: &'a Bump) -> Result<Branch<'a>, WireError> {
    Ok(Branch {
        tree: view
            .tree()?
            .map(|view| lent(arena, tree(&view, arena)))
            .transpose()?,
        other: view
            .other()?
            .map(|view| lent(arena, branch(&view, arena)))
            .transpose()?,
        colours: entries(arena, view.colours()?)?,
        values: entries_of(arena, view.values()?, |view| value(view, arena))?,
        lists: each(arena, view.lists()?, |view| array(view, arena))?,
        object: view.object()?.map(|view| object(&view, arena)).transpose()?,
    })
}

fn one<'a>(view: &OneView<'a>, arena: &'a Bump) -> Result<One<'a>, WireError> {
    Ok(One {
        unsigned32: view.unsigned32(),
        unsigned64: view.unsigned64(),
        signed32: view.signed32(),
        signed64: view.signed64(),
        zigzag32: view.zigzag32(),
        zigzag64: view.zigzag64(),
        fixed_unsigned32: view.fixed_unsigned32(),
        fixed_unsigned64: view.fixed_unsigned64(),
        fixed_signed32: view.fixed_signed32(),
        fixed_signed64: view.fixed_signed64(),
        single: view.single(),
        twice: view.twice(),
        flag: view.flag()?,
        colour: view.colour()?,
        text: view.text()?,
        data: view.data()?,
        inner: view.inner()?.map(|view| inner(&view, arena)).transpose()?,
    })
}

fn maybe<'a>(view: &MaybeView<'a>, arena: &'a Bump) -> Result<Maybe<'a>, WireError> {
    Ok(Maybe {
        unsigned32: view.unsigned32(),
        unsigned64: view.unsigned64(),
        signed32: view.signed32(),
        signed64: view.signed64(),
        zigzag32: view.zigzag32(),
        zigzag64: view.zigzag64(),
        fixed_unsigned32: view.fixed_unsigned32(),
        fixed_unsigned64: view.fixed_unsigned64(),
        fixed_signed32: view.fixed_signed32(),
        fixed_signed64: view.fixed_signed64(),
        single: view.single(),
        twice: view.twice(),
        flag: view.flag()?,
        colour: view.colour()?,
        text: view.text()?,
        data: view.data()?,
        inner: view.inner()?.map(|view| inner(&view, arena)).transpose()?,
    })
}

fn many<'a>(view: &ManyView<'a>, arena: &'a Bump) -> Result<Many<'a>, WireError> {
    Ok(Many {
        unsigned32: numbers(arena, view.unsigned32()?),
        unsigned64: numbers(arena, view.unsigned64()?),
        signed32: numbers(arena, view.signed32()?),
        signed64: numbers(arena, view.signed64()?),
        zigzag32: numbers(arena, view.zigzag32()?),
        zigzag64: numbers(arena, view.zigzag64()?),
        fixed_unsigned32: numbers(arena, view.fixed_unsigned32()?),
        fixed_unsigned64: numbers(arena, view.fixed_unsigned64()?),
        fixed_signed32: numbers(arena, view.fixed_signed32()?),
        fixed_signed64: numbers(arena, view.fixed_signed64()?),
        single: numbers(arena, view.single()?),
        twice: numbers(arena, view.twice()?),
        flag: all(arena, view.flag()?)?,
        colour: all(arena, view.colour()?)?,
        text: all(arena, view.text()?)?,
        data: all(arena, view.data()?)?,
        inner: each(arena, view.inner()?, |view| inner(view, arena))?,
    })
}

fn inner<'a>(view: &InnerView<'a>, arena: &'a Bump) -> Result<Inner<'a>, WireError> {
    Ok(Inner {
        leaf: view.leaf()?.map(|view| leaf(&view, arena)).transpose()?,
        name: view.name()?,
        leaves: each(arena, view.leaves()?, |view| leaf(view, arena))?,
        parts: all(arena, view.parts()?)?,
    })
}

fn leaf<'a>(view: &InnerLeafView<'a>, arena: &'a Bump) -> Result<InnerLeaf<'a>, WireError> {
    Ok(InnerLeaf {
        id: view.id(),
        data: view.data()?,
        numbers: numbers(arena, view.numbers()?),
        side: view.side()?,
    })
}

fn sparse<'a>(view: &SparseView<'a>, arena: &'a Bump) -> Result<Sparse<'a>, WireError> {
    Ok(Sparse {
        last: view.last()?,
        first: view.first(),
        end_of_one: view.end_of_one(),
        start_of_two: view.start_of_two()?,
        end_of_two: view.end_of_two(),
        start_of_three: numbers(arena, view.start_of_three()?),
        end: view.end()?,
    })
}

// A message borrows the slice of its messages, which borrow theirs: they lie in an arena.

fn numbers<'a, T: Element<'a, Item = T> + Copy>(arena: &'a Bump, list: List<'a, T>) -> &'a [T] {
    let declared = list.len();
    let read: Vec<T> = list.collect();
    assert_eq!(read.len(), declared);
    arena.alloc_slice_copy(&read)
}

fn all<'a, T: Element<'a, Item = Result<T, WireError>> + Copy>(
    arena: &'a Bump,
    list: List<'a, T>,
) -> Result<&'a [T], WireError> {
    Ok(arena.alloc_slice_copy(&list.collect::<Result<Vec<T>, _>>()?))
}

fn each<'a, V: Element<'a, Item = Result<V, WireError>>, M: Copy>(
    arena: &'a Bump,
    list: List<'a, V>,
    message: impl Fn(&V) -> Result<M, WireError>,
) -> Result<&'a [M], WireError> {
    Ok(arena.alloc_slice_copy(&list.map(|view| message(&view?)).collect::<Result<Vec<M>, _>>()?))
}

fn entries<'a, K: Key<'a> + Copy, V: InEntry<'a> + Copy>(
    arena: &'a Bump,
    map: Map<'a, K, V>,
) -> Result<&'a [(K, V)], WireError> {
    entries_of(arena, map, |value| Ok(*value))
}

fn entries_of<'a, K: Key<'a> + Copy, V: InEntry<'a>, M: Copy>(
    arena: &'a Bump,
    map: Map<'a, K, V>,
    message: impl Fn(&V) -> Result<M, WireError>,
) -> Result<&'a [(K, M)], WireError> {
    let declared = map.len();
    let read = map.map(|entry| entry.and_then(|(key, value)| Ok((key, message(&value)?))));
    let read = read.collect::<Result<Vec<_>, _>>()?;
    assert_eq!(read.len(), declared);
    Ok(arena.alloc_slice_copy(&read))
}

fn lent<T: Copy>(arena: &Bump, value: Result<T, WireError>) -> Result<&T, WireError> {
    value.map(|value| &*arena.alloc(value))
}
