//! From views back to messages: every field is read, and the first error ends it.

use crake_wire::{Element, List, WireError};

use crate::every::{
    Every, EveryView, Inner, InnerLeaf, InnerLeafView, InnerView, Many, ManyView, Maybe, MaybeView, One,
    OneView, Sparse, SparseView,
};

pub fn every<'a>(view: &EveryView<'a>) -> Result<Every<'a>, WireError> {
    Ok(Every {
        one: view.one()?.map(|view| one(&view)).transpose()?,
        maybe: view.maybe()?.map(|view| maybe(&view)).transpose()?,
        many: view.many()?.map(|view| many(&view)).transpose()?,
        sparse: view.sparse()?.map(|view| sparse(&view)).transpose()?,
        empty: view.empty()?.map(|_| crate::every::Empty {}),
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
    })
}

// Lists are leaked: a message borrows the slice of its messages, which borrow theirs. A test can afford it.

fn numbers<'a, T: Element<'a, Item = T>>(list: List<'a, T>) -> &'a [T] {
    let declared = list.len();
    let read: Vec<T> = list.collect();
    assert_eq!(read.len(), declared);
    read.leak()
}

fn all<'a, T: Element<'a, Item = Result<T, WireError>>>(list: List<'a, T>) -> Result<&'a [T], WireError> {
    Ok(list.collect::<Result<Vec<T>, _>>()?.leak())
}

fn each<'a, V: Element<'a, Item = Result<V, WireError>>, M>(
    list: List<'a, V>,
    message: impl Fn(&V) -> Result<M, WireError>,
) -> Result<&'a [M], WireError> {
    Ok(list
        .map(|view| message(&view?))
        .collect::<Result<Vec<M>, _>>()?
        .leak())
}
