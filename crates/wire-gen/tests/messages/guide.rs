//! What `docs/wire.md` shows.

use crake_mem::{Buf, Sga};
use crake_wire::{Encode, Gathered, Gatherer, WireError};

use crate::bulk::{Meta, Object, ObjectView};
use crate::every::{Mesh, MeshView, Point};

#[test]
fn a_message_is_written_and_read() -> Result<(), WireError> {
    let image = Buf::from_vec(vec![7; 100_000]);
    let metas = [1, 2].map(|id| Meta {
        id,
        data: b"small".into(),
    });
    let object = Object {
        key: "picture".into(),
        value: (&image).into(),
        metas: &metas,
        ..Object::default()
    };

    // In one piece.
    let bytes = object.encode_to_vec();
    let view = ObjectView::parse(&bytes)?;
    assert_eq!(view.key()?, "picture");
    assert_eq!(view.value()?.len(), 100_000);

    // The image goes out from where it lies.
    let mut gatherer = Gatherer::default();
    let plan = gatherer.plan(&object);
    let mut message = vec![0; plan.message_len()];
    let mut beside = Sga::new();
    object.encode_gathered(&mut message, plan, &mut beside);
    assert_eq!(beside.segments()[0].as_ptr(), image.as_ptr());

    // And is read where it arrives.
    let arrived: Vec<Buf> = beside.segments().iter().map(|segment| segment.to_buf()).collect();
    let view = ObjectView::parse_gathered(Gathered::new(&message, &arrived))?;
    assert_eq!(view.value()?.as_slice(), Some(&image[..]));
    for meta in view.metas()? {
        assert_eq!(meta?.data()?, b"small"[..]);
    }
    Ok(())
}

#[test]
fn a_list_of_structs_is_written_and_read() -> Result<(), WireError> {
    let points = [
        Point {
            x: 1.0,
            y: 2.0,
            z: 0.5,
        },
        Point::default(),
    ];
    let bytes = Mesh {
        name: "sail",
        points: &points,
    }
    .encode_to_vec();

    let mesh = MeshView::parse(&bytes)?;
    assert_eq!(mesh.points()?.len(), 2);
    for point in mesh.points()? {
        assert!(point.z <= 0.5);
    }
    // Bitmap, two slots, the name and twelve bytes a point.
    assert_eq!(bytes.len(), 8 + 16 + 4 + 24);
    Ok(())
}
