//! Programs of before and of after understand each other.

use crake_wire::{Encode, WireError};

use crate::{new, old};

fn new_record<'a>(parts: &'a [new::Part<'a>]) -> new::Record<'a> {
    new::Record {
        kind: "log",
        id: 7,
        size: 4096,
        marks: &[1, 2, 3],
        state: new::State::Open,
        parts,
        tail: b"the end",
        end: Some(new::RecordEnd::Reason("done")),
        index: &[(
            "first",
            new::Part {
                number: 1,
                name: "one",
                labels: &["x"],
                below: &[],
            },
        )],
        main: Some(new::Part {
            number: 9,
            name: "main",
            labels: &[],
            below: &[],
        }),
        note: "far up",
    }
}

#[test]
fn an_old_reader_passes_over_what_is_new() {
    let parts = [
        new::Part {
            number: 1,
            name: "one",
            labels: &["x", "y"],
            below: &[new::Part {
                number: 3,
                name: "below one",
                labels: &[],
                below: &[],
            }],
        },
        new::Part {
            number: 2,
            name: "",
            labels: &[],
            below: &[],
        },
    ];
    let frame = new_record(&parts).encode_to_vec();
    let view = old::RecordView::parse(&frame).unwrap();
    assert_eq!(
        (view.id(), view.size(), view.state()),
        (7, 4096, Ok(old::State::Open))
    );
    assert_eq!(view.tail(), Ok(&b"the end"[..]));
    // Removed since: it reads as its default.
    assert_eq!(view.owner(), Ok(""));
    let names: Vec<_> = view
        .parts()
        .unwrap()
        .map(|part| part.unwrap().name().unwrap())
        .collect();
    assert_eq!(names, ["one", ""]);
    let index = view.index().unwrap();
    assert_eq!(index.get("first").unwrap().unwrap().name(), Ok("one"));
}

/// Two fields that could both be set, and now cannot: who knows only the old schema may set both.
#[test]
fn fields_that_moved_into_a_oneof() {
    let frame = new_record(&[]).encode_to_vec();
    let view = old::RecordView::parse(&frame).unwrap();
    assert_eq!((view.code(), view.reason()), (None, Ok(Some("done"))));
    // A member that is new: old readers find none of those that they know.
    let lost = new::Record {
        end: Some(new::RecordEnd::Lost(true)),
        ..new_record(&[])
    }
    .encode_to_vec();
    let view = old::RecordView::parse(&lost).unwrap();
    assert_eq!((view.code(), view.reason(), view.id()), (None, Ok(None), 7));

    let both = old::Record {
        code: Some(0),
        reason: Some("r"),
        ..old::Record::default()
    }
    .encode_to_vec();
    let view = new::RecordView::parse(&both).unwrap();
    assert!(matches!(view.end(), Ok(Some(new::RecordEndView::Code(0)))));
}

#[test]
fn an_old_reader_names_a_value_that_it_does_not_know() {
    let frame = new::Record {
        state: new::State::Sealed,
        ..new_record(&[])
    }
    .encode_to_vec();
    let view = old::RecordView::parse(&frame).unwrap();
    assert_eq!(view.state(), Err(WireError::UnknownEnum(2)));
    assert_eq!(view.id(), 7);
}

#[test]
fn a_new_reader_takes_what_is_missing_as_default() {
    let parts = [old::Part { name: "one" }];
    let record = old::Record {
        id: 7,
        size: u32::MAX,
        owner: "somebody",
        state: old::State::Open,
        parts: &parts,
        tail: b"the end",
        code: None,
        reason: Some(""),
        index: &[
            ("first", old::Part { name: "one" }),
            ("second", old::Part { name: "" }),
        ],
    };
    let frame = record.encode_to_vec();
    let view = new::RecordView::parse(&frame).unwrap();
    assert_eq!(
        (view.kind(), view.id(), view.size()),
        (Ok(""), 7, u64::from(u32::MAX))
    );
    assert!(view.marks().unwrap().is_empty());
    assert_eq!(
        (view.state(), view.tail()),
        (Ok(new::State::Open), Ok(&b"the end"[..]))
    );
    assert!(view.main().unwrap().is_none());
    assert_eq!(view.note(), Ok(""));
    assert!(matches!(view.end(), Ok(Some(new::RecordEndView::Reason("")))));
    let index: Vec<_> = view.index().unwrap().map(Result::unwrap).collect();
    assert_eq!((index[0].0, index[0].1.name()), ("first", Ok("one")));
    // It contains itself now, and is read strictly: what the old writer wrote is in order.
    assert_eq!((index[1].0, index[1].1.below().unwrap().len()), ("second", 0));
    let part = view.parts().unwrap().next().unwrap().unwrap();
    assert_eq!((part.number(), part.name()), (0, Ok("one")));
}

/// A field that became wider holds what fits; narrower readers see the low bits, as they do with integers anywhere.
#[test]
fn a_wider_value_is_cut_by_a_narrow_reader() {
    let frame = new::Record {
        size: 0x1_0000_0005,
        ..new_record(&[])
    }
    .encode_to_vec();
    assert_eq!(old::RecordView::parse(&frame).unwrap().size(), 5);
}
