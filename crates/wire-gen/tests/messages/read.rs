//! From views back to messages: every field is read, and the first error ends it.

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
use crate::lent::lend;

pub fn every<'a>(view: &EveryView<'a>) -> Result<Every<'a>, WireError> {
    Ok(Every {
        one: view.one()?.map(|view| one(&view)).transpose()?,
        maybe: view.maybe()?.map(|view| maybe(&view)).transpose()?,
        many: view.many()?.map(|view| many(&view)).transpose()?,
        sparse: view.sparse()?.map(|view| sparse(&view)).transpose()?,
        empty: view.empty()?.map(|_| Empty {}),
        maps: view.maps()?.map(|view| maps(&view)).transpose()?,
        choices: each(view.choices()?, choice)?,
        tree: view.tree()?.map(|view| tree(&view)).transpose()?,
        known: view.known()?.map(|view| known(&view)).transpose()?,
        shapes: view.shapes()?.map(|view| shapes(&view)).transpose()?,
    })
}

fn shapes<'a>(view: &ShapesView<'a>) -> Result<Shapes<'a>, WireError> {
    Ok(Shapes {
        point: view.point()?,
        maybe: view.maybe()?,
        points: numbers(view.points()?),
        named: entries(view.named()?)?,
        which: view.which()?.map(|view| match view {
            ShapesWhichView::One(value) => ShapesWhich::One(value),
            ShapesWhichView::Other(value) => ShapesWhich::Other(value),
            ShapesWhichView::Neither(value) => ShapesWhich::Neither(value),
        }),
        numbers: view.numbers()?,
        many: numbers(view.many()?),
        by_number: entries(view.by_number()?)?,
    })
}

fn known<'a>(view: &KnownView<'a>) -> Result<Known<'a>, WireError> {
    Ok(Known {
        at: view.at()?.map(Timestamp::try_from).transpose()?,
        took: each(view.took()?, |view| Duration::try_from(*view))?,
        any: match view.any()? {
            None => None,
            Some(view) => Some(Any {
                type_url: view.type_url()?,
                value: view.value()?,
            }),
        },
        values: entries_of(view.values()?, value)?,
        which: match view.which()? {
            None => None,
            Some(KnownWhichView::Object(view)) => Some(KnownWhich::Object(object(&view)?)),
            Some(KnownWhichView::Nothing(null)) => Some(KnownWhich::Nothing(null)),
            Some(KnownWhichView::Empty(_)) => Some(KnownWhich::Empty(well_known::Empty {})),
        },
        mask: match view.mask()? {
            None => None,
            Some(view) => Some(FieldMask {
                paths: all(view.paths()?)?,
            }),
        },
        text: match view.text()? {
            None => None,
            Some(view) => Some(StringValue { value: view.value()? }),
        },
        numbers: each(view.numbers()?, |view| Int64Value::try_from(*view))?,
    })
}

fn object<'a>(view: &StructView<'a>) -> Result<Struct<'a>, WireError> {
    Ok(Struct {
        fields: entries_of(view.fields()?, value)?,
    })
}

fn array<'a>(view: &ListValueView<'a>) -> Result<ListValue<'a>, WireError> {
    let values = view.values()?.map(|view| value(&view?));
    Ok(ListValue {
        values: lend(values.collect::<Result<Vec<_>, _>>()?),
    })
}

fn value<'a>(view: &ValueView<'a>) -> Result<Value<'a>, WireError> {
    let kind = match view.kind()? {
        None => None,
        Some(ValueKindView::NullValue(null)) => Some(ValueKind::NullValue(null)),
        Some(ValueKindView::NumberValue(number)) => Some(ValueKind::NumberValue(number)),
        Some(ValueKindView::StringValue(text)) => Some(ValueKind::StringValue(text)),
        Some(ValueKindView::BoolValue(is)) => Some(ValueKind::BoolValue(is)),
        Some(ValueKindView::StructValue(view)) => Some(ValueKind::StructValue(lent(object(&view))?)),
        Some(ValueKindView::ListValue(view)) => Some(ValueKind::ListValue(lent(array(&view))?)),
    };
    Ok(Value { kind })
}

fn maps<'a>(view: &MapsView<'a>) -> Result<Maps<'a>, WireError> {
    Ok(Maps {
        unsigned32: entries(view.unsigned32()?)?,
        unsigned64: entries(view.unsigned64()?)?,
        signed32: entries(view.signed32()?)?,
        signed64: entries(view.signed64()?)?,
        zigzag32: entries(view.zigzag32()?)?,
        zigzag64: entries(view.zigzag64()?)?,
        fixed_unsigned32: entries(view.fixed_unsigned32()?)?,
        fixed_unsigned64: entries(view.fixed_unsigned64()?)?,
        fixed_signed32: entries(view.fixed_signed32()?)?,
        fixed_signed64: entries(view.fixed_signed64()?)?,
        single: entries(view.single()?)?,
        twice: entries(view.twice()?)?,
        flag: entries(view.flag()?)?,
        colour: entries(view.colour()?)?,
        text: entries(view.text()?)?,
        data: entries(view.data()?)?,
        inner: entries_of(view.inner()?, inner)?,
    })
}

fn choice<'a>(view: &ChoiceView<'a>) -> Result<Choice<'a>, WireError> {
    Ok(Choice {
        before: view.before(),
        body: view.body()?.map(body).transpose()?,
        between: view.between()?,
        r#type: view.r#type()?.map(|view| match view {
            ChoiceTypeView::Yes(value) => ChoiceType::Yes(value),
            ChoiceTypeView::SoMany(value) => ChoiceType::SoMany(value),
        }),
        after: view.after(),
    })
}

fn body(view: ChoiceBodyView<'_>) -> Result<ChoiceBody<'_>, WireError> {
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
        ChoiceBodyView::Inner(value) => ChoiceBody::Inner(inner(&value)?),
        ChoiceBodyView::Self_(_) => ChoiceBody::Self_(Empty {}),
    })
}

pub fn tree<'a>(view: &TreeView<'a>) -> Result<Tree<'a>, WireError> {
    Ok(Tree {
        name: view.name()?,
        first: view.first()?.map(|view| lent(tree(&view))).transpose()?,
        children: nodes(view.children()?)?,
        named: entries_of(view.named()?, tree)?,
        next: match view.next()? {
            None => None,
            Some(TreeNextView::Left(view)) => Some(TreeNext::Left(lent(tree(&view))?)),
            Some(TreeNextView::Branch(view)) => Some(TreeNext::Branch(lent(branch(&view))?)),
            Some(TreeNextView::Leaf(value)) => Some(TreeNext::Leaf(value)),
        },
        numbers: numbers(view.numbers()?),
        labels: all(view.labels()?)?,
        data: view.data()?,
        inner: view.inner()?.map(|view| inner(&view)).transpose()?,
        parts: entries(view.parts()?)?,
        flags: all(view.flags()?)?,
        id: view.id(),
        place: view.place()?,
        outline: numbers(view.outline()?),
        corners: entries(view.corners()?)?,
    })
}

fn nodes<'a>(list: NestedList<'a, TreeView<'a>>) -> Result<&'a [Tree<'a>], WireError> {
    let declared = list.len();
    let read = list.map(|view| tree(&view?)).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(read.len(), declared);
    Ok(lend(read))
}

fn branch<'a>(view: &BranchView<'a>) -> Result<Branch<'a>, WireError> {
    Ok(Branch {
        tree: view.tree()?.map(|view| lent(tree(&view))).transpose()?,
        other: view.other()?.map(|view| lent(branch(&view))).transpose()?,
        colours: entries(view.colours()?)?,
        values: entries_of(view.values()?, value)?,
        lists: each(view.lists()?, array)?,
        object: view.object()?.map(|view| object(&view)).transpose()?,
    })
}

fn one<'a>(view: &OneView<'a>) -> Result<One<'a>, WireError> {
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
        inner: view.inner()?.map(|view| inner(&view)).transpose()?,
    })
}

fn maybe<'a>(view: &MaybeView<'a>) -> Result<Maybe<'a>, WireError> {
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
        inner: view.inner()?.map(|view| inner(&view)).transpose()?,
    })
}

fn many<'a>(view: &ManyView<'a>) -> Result<Many<'a>, WireError> {
    Ok(Many {
        unsigned32: numbers(view.unsigned32()?),
        unsigned64: numbers(view.unsigned64()?),
        signed32: numbers(view.signed32()?),
        signed64: numbers(view.signed64()?),
        zigzag32: numbers(view.zigzag32()?),
        zigzag64: numbers(view.zigzag64()?),
        fixed_unsigned32: numbers(view.fixed_unsigned32()?),
        fixed_unsigned64: numbers(view.fixed_unsigned64()?),
        fixed_signed32: numbers(view.fixed_signed32()?),
        fixed_signed64: numbers(view.fixed_signed64()?),
        single: numbers(view.single()?),
        twice: numbers(view.twice()?),
        flag: all(view.flag()?)?,
        colour: all(view.colour()?)?,
        text: all(view.text()?)?,
        data: all(view.data()?)?,
        inner: each(view.inner()?, inner)?,
    })
}

fn inner<'a>(view: &InnerView<'a>) -> Result<Inner<'a>, WireError> {
    Ok(Inner {
        leaf: view.leaf()?.map(|view| leaf(&view)).transpose()?,
        name: view.name()?,
        leaves: each(view.leaves()?, leaf)?,
        parts: all(view.parts()?)?,
    })
}

fn leaf<'a>(view: &InnerLeafView<'a>) -> Result<InnerLeaf<'a>, WireError> {
    Ok(InnerLeaf {
        id: view.id(),
        data: view.data()?,
        numbers: numbers(view.numbers()?),
        side: view.side()?,
    })
}

fn sparse<'a>(view: &SparseView<'a>) -> Result<Sparse<'a>, WireError> {
    Ok(Sparse {
        last: view.last()?,
        first: view.first(),
        end_of_one: view.end_of_one(),
        start_of_two: view.start_of_two()?,
        end_of_two: view.end_of_two(),
        start_of_three: numbers(view.start_of_three()?),
        end: view.end()?,
    })
}

// A message borrows the slice of its messages, which borrow theirs.

fn numbers<'a, T: Element<'a, Item = T> + Copy>(list: List<'a, T>) -> &'a [T] {
    let declared = list.len();
    let read: Vec<T> = list.collect();
    assert_eq!(read.len(), declared);
    lend(read)
}

fn all<'a, T: Element<'a, Item = Result<T, WireError>> + Copy>(
    list: List<'a, T>,
) -> Result<&'a [T], WireError> {
    Ok(lend(list.collect::<Result<Vec<T>, _>>()?))
}

fn each<'a, V: Element<'a, Item = Result<V, WireError>>, M: Copy>(
    list: List<'a, V>,
    message: impl Fn(&V) -> Result<M, WireError>,
) -> Result<&'a [M], WireError> {
    Ok(lend(
        list.map(|view| message(&view?)).collect::<Result<Vec<M>, _>>()?,
    ))
}

fn entries<'a, K: Key<'a> + Copy, V: InEntry<'a> + Copy>(
    map: Map<'a, K, V>,
) -> Result<&'a [(K, V)], WireError> {
    entries_of(map, |value| Ok(*value))
}

fn entries_of<'a, K: Key<'a> + Copy, V: InEntry<'a>, M: Copy>(
    map: Map<'a, K, V>,
    message: impl Fn(&V) -> Result<M, WireError>,
) -> Result<&'a [(K, M)], WireError> {
    let declared = map.len();
    let read = map.map(|entry| entry.and_then(|(key, value)| Ok((key, message(&value)?))));
    let read = read.collect::<Result<Vec<_>, _>>()?;
    assert_eq!(read.len(), declared);
    Ok(lend(read))
}

fn lent<'a, T: Copy>(value: Result<T, WireError>) -> Result<&'a T, WireError> {
    value.map(|value| &lend(vec![value])[0])
}
