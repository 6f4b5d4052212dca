//! Views over a message in one piece.
//!
//! Input: a byte that chooses a type, and the frame.

use std::time::{Duration, SystemTime};

use crake_wire::View;
use crake_wire::well_known::{self, Timestamp, ValueView};

use crate::walk::{Frame, Walk};
use crate::{bulk, checks, counting, every, example, schema};

/// Reads all that there is, and compares it with what is read by descriptors.
pub fn run(input: &[u8]) {
    let Some((which, frame)) = input.split_first() else {
        return;
    };
    match which % 10 {
        0 => every(frame),
        1 => read::<every::ManyView<'_>>(frame),
        2 => read::<every::MapsView<'_>>(frame),
        3 => read::<every::SparseView<'_>>(frame),
        4 => read::<example::LookupReplyView<'_>>(frame),
        5 => read::<bulk::ObjectView<'_>>(frame),
        6 => times(frame),
        7 => circular::<every::TreeView<'_>>(frame),
        8 => circular::<ValueView<'_>>(frame),
        _ => circular::<example::FolderView<'_>>(frame),
    }
}

/// Reading allocates nothing.
fn read<'a, V: View<'a, Frame = &'a [u8]> + Walk>(bytes: &'a [u8]) {
    walked::<V>(bytes);
}

/// Messages that can contain themselves lie apart from each other, in whatever way they are reached.
fn circular<'a, V: View<'a, Frame = &'a [u8]> + Walk>(bytes: &'a [u8]) {
    let frame = walked::<V>(bytes);
    assert!(
        frame.circular() <= bytes.len() / 8,
        "more messages than bytes for them"
    );
}

fn walked<'a, V: View<'a, Frame = &'a [u8]> + Walk>(bytes: &'a [u8]) -> Frame {
    let frame = Frame::new([bytes]);
    let before = counting::allocations();
    if let Ok(view) = V::parse(bytes) {
        view.walk(&frame);
    }
    assert_eq!(counting::allocations(), before, "reading has taken memory");
    frame
}

/// What generated code reads and writes is what is read and written by descriptors.
fn every(bytes: &[u8]) {
    read::<every::EveryView<'_>>(bytes);
    checks::assert_agree(&schema::EVERY, bytes);
}

/// Times of any number, and those of Rust.
fn times(bytes: &[u8]) {
    read::<every::KnownView<'_>>(bytes);
    let Ok(view) = every::KnownView::parse(bytes) else {
        return;
    };
    let at = view.at().ok().flatten().map(Timestamp::try_from);
    if let Some(Ok(at)) = at
        && let Ok(time) = SystemTime::try_from(at)
    {
        assert_eq!(Timestamp::try_from(time), Ok(at));
    }
    for took in view.took().into_iter().flatten().flatten() {
        if let Ok(took) = well_known::Duration::try_from(took)
            && let Ok(duration) = Duration::try_from(took)
        {
            assert_eq!(well_known::Duration::try_from(duration), Ok(took));
        }
    }
}
