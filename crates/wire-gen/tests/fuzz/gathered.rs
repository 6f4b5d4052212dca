//! Views over a message, and what was gathered of it in buffers that end anywhere.
//!
//! Input: a byte that chooses a type; two bytes, where the message ends; two bytes, how long the buffers are that follow it; message and
//! what was gathered, one after the other.

use crake_mem::{Buf, Sga};
use crake_wire::{Encode, Gathered, Gatherer, Limits, Payload, Text, View, WireError};

use crate::bulk::{Meta, Object, ObjectBody, ObjectBodyView, ObjectView};
use crate::walk::{Frame, Walk};
use crate::{every, example};

/// Reads all that there is: it is the same however it arrives.
pub fn run(input: &[u8]) {
    let Some((&[which, low, high, first, second], bytes)) = input.split_first_chunk() else {
        return;
    };
    let (message, beside) = bytes.split_at(usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1));
    let pieces = cut(beside, [first, second]);
    let whole = [Buf::copy_from_slice(beside)];
    match which % 4 {
        0 => {
            same::<ObjectView<'_, _>>(message, &whole, &pieces);
            parts_of_the_whole(bytes, message, &pieces);
            passed_on(message, &pieces);
        }
        1 => same::<every::EveryView<'_, _>>(message, &whole, &pieces),
        2 => same::<example::LookupReplyView<'_, _>>(message, &whole, &pieces),
        _ => same::<every::TreeView<'_, _>>(message, &whole, &pieces),
    }
    if beside.is_empty() {
        match which % 4 {
            0 => as_a_slice::<ObjectView<'_, _>, ObjectView<'_>>(message),
            1 => as_a_slice::<every::EveryView<'_, _>, every::EveryView<'_>>(message),
            2 => as_a_slice::<example::LookupReplyView<'_, _>, example::LookupReplyView<'_>>(message),
            _ => as_a_slice::<every::TreeView<'_, _>, every::TreeView<'_>>(message),
        }
    }
}

/// The bytes in buffers of these lengths, in turn; the shortest are empty.
fn cut(mut bytes: &[u8], lens: [u8; 2]) -> Vec<Buf> {
    let mut bufs = Vec::new();
    // Both may be 0.
    for len in lens.into_iter().chain([1]).cycle() {
        if bytes.is_empty() {
            return bufs;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(len.into()));
        bufs.push(Buf::copy_from_slice(piece));
        bytes = rest;
    }
    unreachable!("the last length is not 0")
}

fn same<'a, V: View<'a, Frame = Gathered<'a>> + Walk>(
    message: &'a [u8],
    whole: &'a [Buf],
    pieces: &'a [Buf],
) {
    let read = walked::<V>(message, whole).read();
    assert_eq!(
        walked::<V>(message, pieces).read(),
        read,
        "it depends on where buffers end"
    );
}

fn walked<'a, V: View<'a, Frame = Gathered<'a>> + Walk>(message: &'a [u8], beside: &'a [Buf]) -> Frame {
    let frame = Frame::new([message].into_iter().chain(beside.iter().map(|buf| &buf[..])));
    match V::parse(Gathered::new(message, beside)) {
        Ok(view) => view.walk(&frame),
        Err(error) => Err::<u32, _>(error).walk(&frame),
    }
    frame
}

/// A message with nothing beside it is one in one piece. Errors may be of other values: a text that is none is one where it is looked at, not where it is
/// asked for, and what points behind a message of a circle may have been gathered.
fn as_a_slice<'a, G, S>(message: &'a [u8])
where
    G: View<'a, Frame = Gathered<'a>> + Walk,
    S: View<'a, Frame = &'a [u8]> + Walk,
{
    let frame = Frame::new([message]);
    match S::parse(message) {
        Ok(view) => view.walk(&frame),
        Err(error) => Err::<u32, _>(error).walk(&frame),
    }
    if frame.errors() == 0 {
        assert_eq!(walked::<G>(message, &[]).read(), frame.read());
    }
}

/// A field that can be read where it was gathered is the one that is read from one piece.
fn parts_of_the_whole(bytes: &[u8], message: &[u8], pieces: &[Buf]) {
    let Ok(gathered) = ObjectView::parse_gathered(Gathered::new(message, pieces)) else {
        return;
    };
    let whole = ObjectView::parse(bytes).expect("its head lies in the message");
    assert_part(gathered.key_bytes(), whole.key_bytes());
    assert_part(gathered.value(), whole.value());
    assert_part(
        gathered.note_bytes().map(Option::unwrap_or_default),
        whole.note_bytes().map(Option::unwrap_or_default),
    );
}

fn assert_part(gathered: Result<Payload<'_>, WireError>, whole: Result<&[u8], WireError>) {
    match (gathered, whole) {
        (Ok(gathered), Ok(whole)) => assert_eq!(&*gathered.to_slice(), whole),
        (Err(WireError::OutOfFrame), _) => {}
        (gathered, whole) => panic!("{gathered:?} and {whole:?}"),
    }
}

/// What was read is sent on, from where it lies or copied, and is the same where it arrives.
fn passed_on(message: &[u8], pieces: &[Buf]) {
    let Ok(view) = ObjectView::parse_gathered(Gathered::new(message, pieces)) else {
        return;
    };
    // Lists can overlap: of a long one, what comes first.
    let parts: Vec<Payload<'_>> = view.parts().into_iter().flatten().flatten().take(8).collect();
    let labels: Vec<Text<'_>> = view.labels().into_iter().flatten().flatten().take(8).collect();
    let object = Object {
        key: view.key().unwrap_or_default(),
        value: view.value().unwrap_or_default(),
        extra: view.extra().ok().flatten(),
        note: view.note().ok().flatten(),
        parts: &parts,
        labels: &labels,
        version: view.version(),
        body: view.body().ok().flatten().and_then(body),
        ..Object::default()
    };
    let copied = object.encode_to_vec();
    let frame = Gathered::from(copied.as_slice());
    assert_is(
        ObjectView::parse_gathered(frame).expect("it was just written"),
        &object,
    );
    for gather_min in [1, 16, 200] {
        let limits = Limits {
            gather_min,
            segments_max: 6,
            message_max: 1 << 16,
        };
        let plan = Gatherer::new(limits).plan(&object);
        let (mut message, mut beside) = (vec![0; plan.message_len()], Sga::new());
        object.encode_gathered(&mut message, plan, &mut beside);
        assert_eq!(beside.len_bytes(), plan.gathered_len());
        let arrived = cut(&beside.concat(), [7, 64]);
        let frame = Gathered::new(&message, &arrived);
        assert_is(
            ObjectView::parse_gathered(frame).expect("it was just written"),
            &object,
        );
    }
}

fn body<'a>(view: ObjectBodyView<'a, Gathered<'a>>) -> Option<ObjectBody<'a>> {
    Some(match view {
        ObjectBodyView::Image(bytes) => ObjectBody::Image(bytes),
        ObjectBodyView::Text(text) => ObjectBody::Text(text),
        ObjectBodyView::Number(number) => ObjectBody::Number(number),
        ObjectBodyView::Other(meta) => ObjectBody::Other(Meta {
            id: meta.id(),
            data: meta.data().ok()?,
        }),
    })
}

fn assert_is<'a>(view: ObjectView<'a, Gathered<'a>>, object: &Object<'a>) {
    assert_eq!(view.key(), Ok(object.key));
    assert_eq!(view.value(), Ok(object.value));
    assert_eq!(view.extra(), Ok(object.extra));
    assert_eq!(view.note(), Ok(object.note));
    assert!(view.parts().unwrap().flatten().eq(object.parts.iter().copied()));
    assert!(view.labels().unwrap().flatten().eq(object.labels.iter().copied()));
    assert_eq!(view.version(), object.version);
    assert_eq!(view.body().unwrap().and_then(body), object.body);
}
