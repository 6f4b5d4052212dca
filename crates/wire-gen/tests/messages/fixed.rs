//! Fixed messages: their bytes, and what is wrong with hostile ones.

use crake_mem::Buf;
use crake_wire::{Encode, Fixed, Gathered, WireError};

use crate::bulk::{Object, ObjectView, Place};
use crate::every::{Numbers, Point, Shapes, ShapesView, ShapesWhich, ShapesWhichView, Tree, TreeView};

const POINT: Point = Point {
    x: 1.0,
    y: -0.0,
    z: f32::INFINITY,
};

/// A message with nothing but this slot.
fn frame(field: u32, size_or_count: u32, offset: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (1_u64 << (field - 1)).to_le_bytes().to_vec();
    frame.extend(size_or_count.to_le_bytes());
    frame.extend(offset.to_le_bytes());
    frame.extend(payload);
    frame
}

fn point_bytes(point: Point) -> Vec<u8> {
    [point.x, point.y, point.z]
        .iter()
        .flat_map(|axis| axis.to_le_bytes())
        .collect()
}

#[test]
fn numbers_lie_in_the_order_of_the_field_numbers_without_gaps() {
    let numbers = Numbers {
        unsigned32: 1,
        unsigned64: 2,
        signed32: -3,
        signed64: -4,
        zigzag32: -5,
        zigzag64: -6,
        fixed_unsigned32: 7,
        fixed_unsigned64: 8,
        fixed_signed32: -9,
        fixed_signed64: -10,
        single: 11.0,
        twice: 12.0,
        point: POINT,
    };
    let mut expected = Vec::new();
    for (narrow, wide) in [(1_i32, 2_i64), (-3, -4), (-5, -6), (7, 8), (-9, -10)] {
        expected.extend(narrow.to_le_bytes());
        expected.extend(wide.to_le_bytes());
    }
    expected.extend(11_f32.to_le_bytes());
    expected.extend(12_f64.to_le_bytes());
    expected.extend(point_bytes(POINT));
    let mut raw = [0; 84];
    numbers.write(&mut raw);
    assert_eq!(raw, expected[..]);
    assert_eq!(Numbers::read(&raw), numbers);
    let message = Shapes {
        numbers: Some(numbers),
        ..Shapes::default()
    };
    assert_eq!(message.encoded_len(), 16 + 84);
    assert_eq!(message.encode_to_vec(), frame(8, 84, 16, &expected));
}

#[test]
fn a_list_is_one_after_the_other_and_a_map_points_at_its_values() {
    let points = [POINT, Point::default()];
    let message = Shapes {
        points: &points,
        named: &[("a", POINT), ("", Point::default())],
        ..Shapes::default()
    };
    let bytes = message.encode_to_vec();
    // Two slots, two points; two entries, a key, two points.
    assert_eq!(bytes.len(), 8 + 16 + 24 + 32 + 1 + 24);
    assert_eq!(
        bytes[24..48],
        points.iter().copied().flat_map(point_bytes).collect::<Vec<_>>()
    );
    let view = ShapesView::parse(&bytes).unwrap();
    let list = view.points().unwrap();
    assert_eq!((list.len(), list.get(1), list.get(2)), (2, Some(points[1]), None));
    assert!(list.clone().rev().eq([points[1], points[0]]));
    let named = view.named().unwrap();
    assert_eq!(
        (named.get("a"), named.get("")),
        (Ok(Some(POINT)), Ok(Some(points[1])))
    );
    assert_eq!(named.get("b"), Ok(None));
}

/// They are written several at a time.
#[test]
fn lists_of_every_length_come_back() {
    let points: Vec<Point> = (1..=40)
        .map(|at| Point {
            x: at as f32,
            y: -(at as f32),
            z: 0.5,
        })
        .collect();
    let numbers: Vec<Numbers> = points
        .iter()
        .map(|&point| Numbers {
            point,
            unsigned64: u64::MAX,
            ..Numbers::default()
        })
        .collect();
    for len in 0..=points.len() {
        let message = Shapes {
            points: &points[..len],
            many: &numbers[..len],
            ..Shapes::default()
        };
        let bytes = message.encode_to_vec();
        let view = ShapesView::parse(&bytes).unwrap();
        assert!(view.points().unwrap().eq(points[..len].iter().copied()), "{len}");
        assert!(view.many().unwrap().eq(numbers[..len].iter().copied()), "{len}");
    }
}

/// A field is there when it was set; within a fixed message everything is.
#[test]
fn presence_is_that_of_messages() {
    let zero = Shapes {
        point: Some(Point::default()),
        which: Some(ShapesWhich::Other(Numbers::default())),
        ..Shapes::default()
    };
    let bytes = zero.encode_to_vec();
    assert_eq!(bytes.len(), 8 + 16 + 12 + 84);
    let view = ShapesView::parse(&bytes).unwrap();
    assert_eq!(
        (view.point(), view.maybe()),
        (Ok(Some(Point::default())), Ok(None))
    );
    assert!(
        matches!(view.which(), Ok(Some(ShapesWhichView::Other(numbers))) if numbers == Numbers::default())
    );
    assert_eq!(Shapes::default().encode_to_vec(), [0; 8]);
}

#[test]
fn all_bits_are_a_number() {
    let bytes = frame(1, 12, 16, &[0xff; 12]);
    let point = ShapesView::parse(&bytes).unwrap().point().unwrap().unwrap();
    let mut raw = [0; 12];
    point.write(&mut raw);
    assert_eq!(raw, [0xff; 12]);
}

#[test]
fn another_size_is_refused_where_it_is_read() {
    let read = |frame: &[u8]| ShapesView::parse(frame).unwrap().point();
    for size in [0, 1, 8, 11, 13, 24, 28] {
        let bytes = frame(1, size, 16, &[0; 28]);
        assert_eq!(read(&bytes), Err(WireError::WrongSize), "{size}");
        assert_eq!(ShapesView::parse(&bytes).unwrap().maybe(), Ok(None));
    }
    for (size, offset) in [
        (12, 17),
        (12, u32::MAX),
        (29, 16),
        (u32::MAX, 16),
        (u32::MAX, u32::MAX),
    ] {
        let bytes = frame(1, size, offset, &[0; 12]);
        assert_eq!(read(&bytes), Err(WireError::OutOfFrame), "{size} {offset}");
    }
    assert_eq!(
        read(&frame(1, 12, 4, &[])),
        Ok(Some(Point::read(&frame(1, 12, 4, &[])[4..].try_into().unwrap())))
    );
    let bytes = frame(6, 83, 16, &[0; 100]);
    assert!(matches!(
        ShapesView::parse(&bytes).unwrap().which(),
        Err(WireError::WrongSize)
    ));
}

#[test]
fn a_list_is_believed_as_far_as_the_frame_goes() {
    let len = |frame: &[u8]| ShapesView::parse(frame).unwrap().points().map(|list| list.len());
    assert_eq!(len(&frame(3, 2, 16, &[0; 24])), Ok(2));
    assert_eq!(len(&frame(3, 2, 16, &[0; 23])), Err(WireError::OutOfFrame));
    for count in [3, 1 << 28, u32::MAX / 12 + 1, u32::MAX] {
        assert_eq!(
            len(&frame(3, count, 16, &[0; 24])),
            Err(WireError::OutOfFrame),
            "{count}"
        );
    }
    assert_eq!(len(&frame(3, 1, 41, &[0; 24])), Err(WireError::OutOfFrame));
}

#[test]
fn a_value_of_an_entry_that_is_a_slot_of_zeros_is_of_zeros() {
    let mut bytes = Shapes {
        named: &[("", POINT)],
        ..Shapes::default()
    }
    .encode_to_vec();
    let get = |frame: &[u8]| ShapesView::parse(frame).unwrap().named().unwrap().get("");
    assert_eq!(get(&bytes), Ok(Some(POINT)));
    // The value of the entry, behind the bitmap, a slot and its key.
    bytes[24] = 11;
    assert_eq!(get(&bytes), Err(WireError::WrongSize));
    bytes[24..32].fill(0);
    assert_eq!(get(&bytes), Ok(Some(Point::default())));
    bytes[28] = 16;
    assert_eq!(get(&bytes), Err(WireError::WrongSize));
}

/// What a message of a circle points at follows in order: a list of fixed messages with all of its bytes.
#[test]
fn messages_of_a_circle_hold_theirs_to_the_order() {
    let outline = [POINT, POINT];
    let tree = Tree {
        place: Some(POINT),
        outline: &outline,
        corners: &[(1, POINT), (2, POINT)],
        ..Tree::default()
    };
    let whole = tree.encode_to_vec();
    assert!(TreeView::parse(&whole).is_ok());
    // Bitmap, slots of place, outline and corners; then what these point at.
    let payload = 8 + 3 * 8;
    assert_eq!(whole.len(), payload + 12 + 24 + 2 * 16 + 24);
    for (at, wrong, why) in [
        // The list begins in the last byte of the place, the place in the slots.
        (20, payload + 11, WireError::NotNested),
        (12, payload - 1, WireError::NotNested),
        // The value of the second entry is that of the first.
        (
            payload + 12 + 24 + 16 + 12,
            payload + 12 + 24 + 32,
            WireError::NotNested,
        ),
        (20, whole.len() - 1, WireError::OutOfFrame),
    ] {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&(wrong as u32).to_le_bytes());
        assert_eq!(TreeView::parse(&bytes).unwrap_err(), why, "{at}");
    }
    let mut longer = whole.clone();
    longer[16] = 3;
    assert_eq!(TreeView::parse(&longer).unwrap_err(), WireError::NotNested);
}

/// Only bytes and strings are gathered.
#[test]
fn what_lies_beside_a_message_is_not_a_fixed_one() {
    let place = Place {
        longitude: 1.0,
        latitude: 2.0,
        level: 3,
    };
    let whole = Object {
        place: Some(place),
        ..Object::default()
    }
    .encode_to_vec();
    assert_eq!(
        ObjectView::parse_gathered(whole.as_slice().into())
            .unwrap()
            .place(),
        Ok(Some(place))
    );
    let (message, rest) = whole.split_at(whole.len() - 20);
    let bufs = [Buf::copy_from_slice(rest)];
    let view = ObjectView::parse_gathered(Gathered::new(message, &bufs)).unwrap();
    assert_eq!(view.place(), Err(WireError::OutOfFrame));
}
