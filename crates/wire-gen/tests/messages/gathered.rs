//! Messages whose bytes go out from where they lie, and are read where they arrive.

#![allow(clippy::unwrap_used)]

use crake_mem::{Buf, Sga};
use crake_wire::{Encode, Gathered, Gatherer, Limits, Payload, Text, WireError};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::bulk::{Meta, MetaView, Node, NodeView, Object, ObjectBody, ObjectBodyView, ObjectView, Place};
use crate::walk::{Frame, Walk};

/// Bytes, and how a message is given them.
#[derive(Clone, Debug)]
enum Source {
    Slice(Vec<u8>),
    Held(Buf),
    Part(Buf, usize, usize),
}

impl Source {
    fn payload(&self) -> Payload<'_> {
        match self {
            Source::Slice(bytes) => bytes.into(),
            Source::Held(buf) => buf.into(),
            Source::Part(buf, start, end) => Payload::part(buf, *start..*end),
        }
    }
}

/// Printable, so that it can be a text as well.
fn source() -> impl Strategy<Value = Source> {
    let bytes = vec(b' '..b'~', 0..200);
    (bytes, 0..3, any::<(u8, u8)>()).prop_map(|(bytes, way, (from, to))| match way {
        0 => Source::Slice(bytes),
        1 => Source::Held(Buf::from_vec(bytes)),
        _ => {
            let (from, to) = (
                usize::from(from) % (bytes.len() + 1),
                usize::from(to) % (bytes.len() + 1),
            );
            Source::Part(Buf::from_vec(bytes), from.min(to), from.max(to))
        }
    })
}

#[derive(Clone, Debug)]
struct Sources {
    key: Source,
    value: Source,
    extra: Option<Source>,
    note: Option<Source>,
    parts: Vec<Source>,
    labels: Vec<Source>,
    metas: Vec<Source>,
    version: u64,
    named: Vec<(Source, Source)>,
    body: (Source, u32),
    tree: Vec<Source>,
}

prop_compose! {
    fn sources()(
        key in source(),
        value in source(),
        extra in option::of(source()),
        note in option::of(source()),
        parts in vec(source(), 0..6),
        labels in vec(source(), 0..4),
        metas in vec(source(), 0..4),
        version in 0u64..3,
        named in vec((source(), source()), 0..4),
        body in (source(), 0u32..5),
        tree in vec(source(), 0..5),
    ) -> Sources {
        Sources { key, value, extra, note, parts, labels, metas, version, named, body, tree }
    }
}

prop_compose! {
    fn limits()(
        gather_min in prop_oneof![Just(0), Just(1), 2usize..150],
        segments_max in 0usize..12,
        message_max in prop_oneof![Just(usize::MAX), 0usize..1500],
    ) -> Limits {
        Limits { gather_min, segments_max, message_max }
    }
}

/// Has `use_it` see the message of these sources: its first nested message is apart, the others are a list.
fn with_object<R>(sources: &Sources, use_it: impl FnOnce(&Object<'_>) -> R) -> R {
    let parts: Vec<Payload<'_>> = sources.parts.iter().map(Source::payload).collect();
    let labels: Vec<Text<'_>> = sources
        .labels
        .iter()
        .map(|label| label.payload().into())
        .collect();
    let metas: Vec<Meta<'_>> = sources
        .metas
        .iter()
        .zip(0..)
        .map(|(data, id)| Meta {
            id,
            data: data.payload(),
        })
        .collect();
    let named: Vec<(Text<'_>, Payload<'_>)> = sources
        .named
        .iter()
        .map(|(key, value)| (key.payload().into(), value.payload()))
        .collect();
    let numbered: Vec<(u32, Meta<'_>)> = metas.iter().map(|meta| (meta.id, *meta)).collect();
    let places: Vec<Place> = (0..sources.version)
        .map(|level| Place {
            longitude: 9.18,
            latitude: 48.78,
            level: level as u32,
        })
        .collect();
    let placed: Vec<(Text<'_>, Place)> = labels.iter().copied().zip(places.iter().copied()).collect();
    let payload = sources.body.0.payload();
    let meta = Meta { id: 7, data: payload };
    let body = [
        ObjectBody::Image(payload),
        ObjectBody::Text(payload.into()),
        ObjectBody::Other(meta),
        ObjectBody::Number(7),
    ];
    // Each but the last has the next within it, beside a leaf.
    let leaf = Node {
        value: payload,
        ..Node::default()
    };
    let mut levels = sources.tree.iter();
    let third = levels.next().map(|value| [node(value, &[]), leaf]);
    let second = levels
        .next()
        .map(|value| [leaf, node(value, third.as_ref().map_or(&[], |nodes| nodes))]);
    let first = levels
        .next()
        .map(|value| node(value, second.as_ref().map_or(&[], |nodes| nodes)));
    use_it(&Object {
        key: sources.key.payload().into(),
        value: sources.value.payload(),
        extra: sources.extra.as_ref().map(Source::payload),
        note: sources.note.as_ref().map(|note| note.payload().into()),
        parts: &parts,
        labels: &labels,
        meta: metas.first().copied(),
        metas: metas.get(1..).unwrap_or_default(),
        version: sources.version,
        named: &named,
        numbered: &numbered,
        body: body.get(sources.body.1 as usize).copied(),
        tree: first,
        place: places.first().copied(),
        places: &places,
        placed: &placed,
    })
}

fn node<'a>(value: &'a Source, children: &'a [Node<'a>]) -> Node<'a> {
    Node {
        name: value.payload().into(),
        value: value.payload(),
        children,
    }
}

fn gather(object: &Object<'_>, limits: Limits) -> (Vec<u8>, Sga) {
    let plan = Gatherer::new(limits).plan(object);
    let mut message = vec![0; plan.message_len()];
    let mut beside = Sga::new();
    object.encode_gathered(&mut message, plan, &mut beside);
    assert_eq!(beside.len_bytes(), plan.gathered_len());
    (message, beside)
}

/// The bytes as they arrive: in buffers that end where these lengths say.
fn arrive(mut beside: Sga, lens: &[usize]) -> Vec<Buf> {
    let mut bufs = Vec::new();
    for len in lens.iter().cycle() {
        if beside.is_empty() {
            break;
        }
        let taken = beside.split_to((*len).min(beside.len_bytes()));
        bufs.push(Buf::from_vec(taken.concat()));
    }
    bufs
}

fn assert_reads_as<'a>(view: ObjectView<'a, Gathered<'a>>, object: &Object<'_>) {
    let meta = |view: MetaView<'a, Gathered<'a>>| (view.id(), view.data().unwrap().to_vec());
    let of = |meta: &Meta<'_>| (meta.id, meta.data.to_vec());
    assert_eq!(view.key().unwrap(), object.key);
    assert_eq!(
        view.key().unwrap().to_str().unwrap(),
        object.key.to_str().unwrap()
    );
    assert_eq!(view.value().unwrap(), object.value);
    assert_eq!(view.extra().unwrap(), object.extra);
    assert_eq!(view.note().unwrap(), object.note);
    assert!(
        view.parts()
            .unwrap()
            .map(Result::unwrap)
            .eq(object.parts.iter().copied())
    );
    assert!(
        view.labels()
            .unwrap()
            .map(Result::unwrap)
            .eq(object.labels.iter().copied())
    );
    assert_eq!(view.meta().unwrap().map(meta), object.meta.as_ref().map(of));
    assert!(
        view.metas()
            .unwrap()
            .map(Result::unwrap)
            .map(meta)
            .eq(object.metas.iter().map(of))
    );
    assert_eq!(view.version(), object.version);
    let named = view.named().unwrap();
    for (key, value) in object.named {
        let last = object.named.iter().rev().find(|(other, _)| other == key);
        assert_eq!(
            named.get(&key.to_str().unwrap()),
            Ok(last.map(|(_, value)| *value))
        );
        assert!(named.clone().any(|entry| entry == Ok((*key, *value))));
    }
    let numbered = view.numbered().unwrap().map(Result::unwrap);
    assert!(
        numbered
            .map(|(id, view)| (id, meta(view)))
            .eq(object.numbered.iter().map(|(id, meta)| (*id, of(meta))))
    );
    match (view.body().unwrap(), &object.body) {
        (Some(ObjectBodyView::Image(read)), Some(ObjectBody::Image(image))) => assert_eq!(read, *image),
        (Some(ObjectBodyView::Text(read)), Some(ObjectBody::Text(text))) => assert_eq!(read, *text),
        (Some(ObjectBodyView::Other(read)), Some(ObjectBody::Other(other))) => {
            assert_eq!(meta(read), of(other))
        }
        (Some(ObjectBodyView::Number(read)), Some(ObjectBody::Number(number))) => assert_eq!(read, *number),
        (None, None) => {}
        (read, body) => panic!("{body:?} is read as {read:?}"),
    }
    assert_eq!(view.place(), Ok(object.place));
    assert!(view.places().unwrap().eq(object.places.iter().copied()));
    assert!(
        view.placed()
            .unwrap()
            .map(Result::unwrap)
            .eq(object.placed.iter().copied())
    );
    match (view.tree().unwrap(), object.tree) {
        (Some(read), Some(tree)) => assert_is_tree(read, &tree),
        (read, tree) => assert!(read.is_none() && tree.is_none()),
    }
}

fn assert_is_tree<'a>(view: NodeView<'a, Gathered<'a>>, node: &Node<'_>) {
    assert_eq!(view.name().unwrap(), node.name);
    assert_eq!(view.value().unwrap(), node.value);
    let children = view.children().unwrap();
    assert_eq!(children.len(), node.children.len());
    for (read, child) in children.zip(node.children) {
        assert_is_tree(read.unwrap(), child);
    }
}

proptest! {
    #[test]
    fn what_is_gathered_reads_as_what_is_copied(
        sources in sources(),
        limits in limits(),
        lens in vec(1usize..300, 1..5),
    ) {
        with_object(&sources, |object| {
            let (message, beside) = gather(object, limits);
            prop_assert!(beside.segments().len() <= limits.segments_max.max(1));
            let bufs = arrive(beside, &lens);
            assert_reads_as(ObjectView::parse_gathered(Gathered::new(&message, &bufs)).unwrap(), object);

            let copied = object.encode_to_vec();
            prop_assert_eq!(copied.len(), object.encoded_len());
            assert_reads_as(ObjectView::parse_gathered(copied.as_slice().into()).unwrap(), object);
            prop_assert_eq!(ObjectView::parse(&copied).unwrap().value().unwrap(), &object.value.to_vec());
            Ok(())
        })?;
    }

    /// What is read can be sent on as it is, and from where it lies.
    #[test]
    fn what_was_received_is_passed_on(sources in sources(), lens in vec(1usize..300, 1..5)) {
        let all = Limits { gather_min: 1, segments_max: 100, message_max: usize::MAX };
        with_object(&sources, |object| {
            let (message, beside) = gather(object, all);
            let bufs = arrive(beside, &lens);
            let view = ObjectView::parse_gathered(Gathered::new(&message, &bufs)).unwrap();
            let on = Object { key: view.key().unwrap(), value: view.value().unwrap(), ..Object::default() };
            let (message, beside) = gather(&on, all);
            for segment in beside.segments() {
                let start = segment.as_ptr();
                prop_assert!(bufs.iter().any(|buf| buf.as_ptr_range().contains(&start)), "it was copied");
            }
            let bufs = arrive(beside, &[usize::MAX]);
            assert_reads_as(ObjectView::parse_gathered(Gathered::new(&message, &bufs)).unwrap(), &on);
            Ok(())
        })?;
    }

    /// Each field is what was sent, or an error: and some are, if something of a field is missing.
    #[test]
    fn bytes_that_are_not_all_there_are_refused_where_they_are_read(
        sources in sources(),
        missing in 1usize..100,
        lens in vec(1usize..300, 1..5),
    ) {
        let all = Limits { gather_min: 1, segments_max: 100, message_max: usize::MAX };
        with_object(&sources, |object| {
            let object = Object { key: object.key, value: object.value, extra: object.extra, parts: object.parts, ..Object::default() };
            let (message, mut beside) = gather(&object, all);
            let whole = beside.len_bytes();
            let bufs = arrive(beside.split_to(whole.saturating_sub(missing)), &lens);
            let view = ObjectView::parse_gathered(Gathered::new(&message, &bufs)).unwrap();
            let mut read = vec![(view.key_bytes(), object.key.as_payload()), (view.value(), object.value)];
            read.extend(view.extra().transpose().zip(object.extra));
            read.extend(view.parts().unwrap().zip(object.parts.iter().copied()));
            for (read, sent) in &read {
                prop_assert!(read.is_err() || *read == Ok(*sent), "{read:?}");
            }
            let refused = read.iter().filter(|(read, _)| *read == Err(WireError::OutOfFrame));
            prop_assert_eq!(refused.count() > 0, whole > 0);
            Ok(())
        })?;
    }

    #[test]
    fn what_is_damaged_reads_the_same_however_it_arrives(
        sources in sources(),
        missing in 1usize..100,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let all = Limits { gather_min: 1, segments_max: 100, message_max: usize::MAX };
        with_object(&sources, |object| {
            let (mut message, mut beside) = gather(object, all);
            let there = beside.len_bytes().saturating_sub(missing);
            let beside = beside.split_to(there);
            for (at, value) in damage {
                let at = at.index(message.len());
                message[at] = value;
            }
            let whole = [Buf::from_vec(beside.concat())];
            let bufs = arrive(beside, &[64, 1]);
            prop_assert_eq!(read(&message, &bufs), read(&message, &whole));
            Ok(())
        })?;
    }
}

/// Reads all that there is, and says what that was.
fn read(message: &[u8], beside: &[Buf]) -> u64 {
    let frame = Frame::new([message].into_iter().chain(beside.iter().map(|buf| &buf[..])));
    if let Ok(view) = ObjectView::parse_gathered(Gathered::new(message, beside)) {
        view.walk(&frame);
    }
    frame.read()
}

#[test]
fn a_field_lies_in_the_message_or_behind_it_and_not_in_both() {
    let object = Object {
        value: Payload::from(&[5; 10]),
        ..Object::default()
    };
    let whole = object.encode_to_vec();
    let (message, rest) = whole.split_at(whole.len() - 4);
    let bufs = [Buf::copy_from_slice(rest)];
    let view = ObjectView::parse_gathered(Gathered::new(message, &bufs)).unwrap();
    assert_eq!(view.value(), Err(WireError::OutOfFrame));
}

/// Joined to one piece, nothing tells where the message ended: what of a circle was gathered lies outside of what points at it.
#[test]
fn what_was_gathered_of_a_circle_is_read_where_it_is_known_where_the_message_ends() {
    let bytes = [5, 6].map(|byte| Buf::copy_from_slice(&[byte; 10]));
    let object = Object {
        value: Payload::from(&bytes[0]),
        tree: Some(Node {
            value: Payload::from(&bytes[1]),
            ..Node::default()
        }),
        ..Object::default()
    };
    let all = Limits {
        gather_min: 1,
        segments_max: 100,
        message_max: usize::MAX,
    };
    let (message, beside) = gather(&object, all);
    let joined = [message.clone(), beside.concat()].concat();
    let view = ObjectView::parse(&joined).unwrap();
    assert_eq!(view.value(), Ok(&[5; 10][..]));
    assert_eq!(view.tree().unwrap_err(), WireError::NotNested);
    let bufs = [Buf::copy_from_slice(&joined[message.len()..])];
    let view = ObjectView::parse_gathered(Gathered::new(&message, &bufs)).unwrap();
    let tree = view.tree().unwrap().unwrap();
    assert_eq!(tree.value().unwrap(), Payload::from(&[6; 10]));
}
