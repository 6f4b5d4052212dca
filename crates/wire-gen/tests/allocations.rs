//! Messages are planned, written and read without an allocation each, by a counting allocator.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::hint::black_box;

use bumpalo::Bump;
use crake_mem::{Buf, Pool, PoolConfig, Sga};
use crake_wire::{Encode, Gathered, Gatherer, Payload, Text};

use bulk::{Meta, Node, Object, ObjectBody, ObjectView, Place};

/// What need not be copied.
#[allow(dead_code)]
mod bulk {
    include!("golden/bulk.rs");
}

/// Counts what the system allocator is asked for.
#[path = "support/counting.rs"]
mod counting;

#[test]
fn a_message_allocates_nothing() {
    let pool = Pool::new(PoolConfig {
        buffer_bytes: 65_536,
        headroom_bytes: 0,
        buffers_max: 2,
    });
    let (mut gatherer, mut beside) = (Gatherer::default(), Sga::new());
    let large = Buf::from_vec(vec![7; 10_000]);
    let mut message = || {
        // A pool's buffer, and lists on the stack: what a server does for a request.
        let parts = [
            Payload::from(&large),
            Payload::part(&large, 9..9000),
            Payload::from(b"small"),
        ];
        let labels = [Text::from("one"), Text::from("two")];
        let metas = [1, 2, 3].map(|id| Meta {
            id,
            data: Payload::part(&large, 0..5000),
        });
        let named = [(Text::from("name"), Payload::from(&large))];
        let places = [1, 2].map(|level| Place {
            level,
            ..Place::default()
        });
        let object = Object {
            key: "key".into(),
            value: (&large).into(),
            parts: &parts,
            labels: &labels,
            metas: &metas,
            named: &named,
            body: Some(ObjectBody::Image((&large).into())),
            version: 1,
            place: Some(places[0]),
            places: &places,
            placed: &[(Text::from("here"), places[1])],
            ..Object::default()
        };
        let plan = gatherer.plan(&object);
        let mut out = pool.take().unwrap();
        object.encode_gathered(out.put(plan.message_len()), plan, &mut beside);
        assert_eq!(beside.segments().len(), 8);
        beside.clear();
        read(&out);
    };
    message();
    let before = counting::allocations();
    for _ in 0..1000 {
        message();
    }
    assert_eq!(counting::allocations() - before, 0);
    a_batch_allocates_nothing(&pool);
}

/// Lists whose lengths nobody knows beforehand, lists of lists among them, made in an arena that each batch empties.
fn a_batch_allocates_nothing(pool: &Pool) {
    let mut arena = Bump::new();
    let mut batch = |round: usize| {
        for number in 0..10 {
            let object = object_in(&arena, (round * 7 + number) % 20);
            let mut out = pool.take().unwrap();
            object.encode(out.put(object.encoded_len()));
            let view = ObjectView::parse(&out).unwrap();
            assert_eq!(view.metas().unwrap().len(), object.metas.len());
            assert_eq!(
                view.tree().unwrap().unwrap().children().unwrap().len(),
                object.metas.len()
            );
        }
        arena.reset();
    };
    (0..20).for_each(&mut batch);
    let before = counting::allocations();
    (0..1000).for_each(batch);
    assert_eq!(counting::allocations() - before, 0);
}

fn object_in(arena: &Bump, len: usize) -> Object<'_> {
    let label = |at: usize| Text::from(&*arena.alloc_str(["even", "odd"][at % 2]));
    let labels = arena.alloc_slice_fill_with(len, label);
    let metas = (0..len as u32).map(|id| Meta {
        id,
        ..Meta::default()
    });
    let leaf = |_| Node {
        name: "leaf".into(),
        children: &[],
        ..Node::default()
    };
    let tree = Node {
        children: arena.alloc_slice_fill_with(len, leaf),
        ..Node::default()
    };
    Object {
        labels,
        metas: arena.alloc_slice_fill_iter(metas),
        tree: Some(tree),
        ..Object::default()
    }
}

fn read(message: &[u8]) {
    let view = ObjectView::parse_gathered(Gathered::new(message, &[])).unwrap();
    assert_eq!(view.key().unwrap().len(), 3);
    assert!(view.value().is_err(), "it is not beside this message");
    assert_eq!(
        view.parts().unwrap().next_back().unwrap().unwrap(),
        Payload::from(b"small")
    );
    assert_eq!(
        view.labels()
            .unwrap()
            .map(Result::unwrap)
            .map(|label| label.len())
            .sum::<usize>(),
        6
    );
    assert_eq!(
        view.metas().unwrap().map(|meta| meta.unwrap().id()).sum::<u32>(),
        6
    );
    let level = |place: Option<Place>| place.map_or(0, |place| place.level);
    assert_eq!(level(view.place().unwrap()), 1);
    assert_eq!(view.places().unwrap().map(|place| place.level).sum::<u32>(), 3);
    assert_eq!(level(view.placed().unwrap().get("here").unwrap()), 2);
    black_box(view.version());
}
