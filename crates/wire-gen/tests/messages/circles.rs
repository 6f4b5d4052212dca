//! Messages that contain themselves: how deep they may be, and that hostile ones cannot make who walks them go in circles.

use std::cell::Cell;
use std::thread;

use bumpalo::Bump;
use crake_wire::well_known::{
    ListValue, ListValueView, Struct, StructView, Value, ValueKind, ValueKindView, ValueView,
};
use crake_wire::{Encode, Map, NESTING_MAX, WireError};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::every::{Branch, BranchView, Tree, TreeNext, TreeNextView, TreeView};
use crate::hostile::{Random, mutate};
use crate::{read, sample};

/// The messages of the circle that a walk of everything meets, errors being passed over, and the bytes of what they hold.
#[derive(Default)]
struct Steps {
    messages: Cell<usize>,
    bytes: Cell<usize>,
    errors: Cell<usize>,
}

impl Steps {
    fn ok<T>(&self, read: Result<T, WireError>) -> Option<T> {
        self.errors.update(|errors| errors + usize::from(read.is_err()));
        read.ok()
    }

    fn hold(&self, bytes: usize) {
        self.bytes.update(|sum| sum + bytes);
    }

    fn tree(&self, view: TreeView<'_>) {
        self.messages.update(|messages| messages + 1);
        self.hold(self.ok(view.name_bytes()).map_or(0, <[u8]>::len));
        self.hold(self.ok(view.data()).map_or(0, <[u8]>::len));
        self.hold(self.ok(view.numbers()).map_or(0, |list| 4 * list.len()));
        self.hold(self.ok(view.flags()).map_or(0, |list| list.len()));
        for label in self.ok(view.labels()).into_iter().flatten() {
            self.hold(8 + self.ok(label).map_or(0, str::len));
        }
        for part in self.ok(view.parts()).into_iter().flatten() {
            self.hold(16 + self.ok(part).map_or(0, |(_, part)| part.len()));
        }
        self.ok(view.first())
            .flatten()
            .into_iter()
            .for_each(|tree| self.tree(tree));
        for child in self.ok(view.children()).into_iter().flatten() {
            self.ok(child).into_iter().for_each(|tree| self.tree(tree));
        }
        for named in self.ok(view.named()).into_iter().flatten() {
            self.ok(named).into_iter().for_each(|(_, tree)| self.tree(tree));
        }
        match self.ok(view.next()).flatten() {
            Some(TreeNextView::Left(tree)) => self.tree(tree),
            Some(TreeNextView::Branch(branch)) => self.branch(branch),
            Some(TreeNextView::Leaf(_)) | None => {}
        }
    }

    fn branch(&self, view: BranchView<'_>) {
        self.messages.update(|messages| messages + 1);
        self.ok(view.tree())
            .flatten()
            .into_iter()
            .for_each(|tree| self.tree(tree));
        self.ok(view.other())
            .flatten()
            .into_iter()
            .for_each(|branch| self.branch(branch));
        self.hold(self.ok(view.colours()).map_or(0, |map| 16 * map.len()));
        self.values(self.ok(view.values()));
        for list in self.ok(view.lists()).into_iter().flatten() {
            self.ok(list).into_iter().for_each(|list| self.list(list));
        }
        self.ok(view.object())
            .flatten()
            .into_iter()
            .for_each(|object| self.object(object));
    }

    fn values<'a>(&self, values: Option<Map<'a, &'a str, ValueView<'a>>>) {
        for entry in values.into_iter().flatten() {
            self.hold(16);
            if let Some((key, value)) = self.ok(entry) {
                self.hold(key.len());
                self.value(value);
            }
        }
    }

    fn object(&self, view: StructView<'_>) {
        self.messages.update(|messages| messages + 1);
        self.values(self.ok(view.fields()));
    }

    fn list(&self, view: ListValueView<'_>) {
        self.messages.update(|messages| messages + 1);
        for value in self.ok(view.values()).into_iter().flatten() {
            self.ok(value).into_iter().for_each(|value| self.value(value));
        }
    }

    fn value(&self, view: ValueView<'_>) {
        self.messages.update(|messages| messages + 1);
        match self.ok(view.kind()).flatten() {
            Some(ValueKindView::StringValue(text)) => self.hold(text.len()),
            Some(ValueKindView::StructValue(object)) => self.object(object),
            Some(ValueKindView::ListValue(list)) => self.list(list),
            _ => {}
        }
    }
}

/// Walks a frame, and holds the steps to its length: each message has its own head of 8 bytes at least, and all that
/// messages hold lies apart. A message without bytes, the value of an entry, has at least that entry.
fn walk(frame: &[u8]) -> Steps {
    let steps = Steps::default();
    match TreeView::parse(frame) {
        Ok(view) => steps.tree(view),
        Err(_) => steps.errors.set(1),
    }
    assert!(
        steps.messages.get() <= frame.len() / 8,
        "more messages than heads in {} bytes",
        frame.len()
    );
    assert!(steps.bytes.get() <= frame.len(), "more held than there is");
    steps
}

fn word(low: usize, high: usize) -> [u8; 8] {
    (low as u64 | (high as u64) << 32).to_le_bytes()
}

/// A frame of words.
fn frame(words: &[[u8; 8]]) -> Vec<u8> {
    words.concat()
}

fn bits(fields: &[usize]) -> [u8; 8] {
    fields
        .iter()
        .map(|field| 1_u64 << (field - 1))
        .sum::<u64>()
        .to_le_bytes()
}

#[test]
fn trees_of_every_shape_are_walked_once() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..500 {
        let tree = sample::tree().new_tree(&mut runner).unwrap().current();
        let steps = walk(&tree.encode_to_vec());
        assert_eq!(steps.errors.get(), 0);
    }
}

#[test]
fn mutated_trees_are_walked_in_no_more_steps_than_they_have_bytes() {
    let (mut runner, mut random) = (TestRunner::deterministic(), Random(3));
    let (mut refused, mut clean) = (0, 0);
    for _ in 0..300 {
        let valid = sample::tree()
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .encode_to_vec();
        for _ in 0..300 {
            let mut frame = valid.clone();
            for _ in 0..1 + random.below(4) {
                mutate(&mut frame, &mut random);
            }
            match walk(&frame).errors.get() {
                0 => clean += 1,
                _ => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && clean > 1000, "{refused} {clean}");
}

/// Bitmaps of some fields, and pointers that often lead to what follows them.
fn random_words(random: &mut Random, fields: &[usize]) -> Vec<u8> {
    let count = 2 + random.below(24);
    let words: Vec<[u8; 8]> = (0..count)
        .map(|at| match random.below(4) {
            0 if at > 0 => word(random.below(8 * count), 8 * random.below(count)),
            1 | 2 if at > 0 => {
                let (from, to) = (at + 1 + random.below(2), count - random.below(2));
                word([8 * to.saturating_sub(from), 1, 2][random.below(3)], 8 * from)
            }
            _ => bits(&[fields[random.below(fields.len())]]),
        })
        .collect();
    frame(&words)
}

#[test]
fn random_words_are_walked_in_no_more_steps_than_they_have_bytes() {
    let mut random = Random(4);
    let mut deepest = 0;
    for _ in 0..300_000 {
        let frame = random_words(&mut random, &[2, 3, 4, 5, 6]);
        deepest = deepest.max(walk(&frame).messages.get());
    }
    assert!(deepest > 3, "some of it was walked: {deepest}");
}

fn chain(levels: u32) -> Tree<'static> {
    let mut tree = Tree {
        id: 7,
        ..Tree::default()
    };
    for level in 1..=levels {
        let below: &'static Tree<'static> = Box::leak(Box::new(tree));
        // By every kind of field in turn.
        tree = match level % 4 {
            0 => Tree {
                first: Some(below),
                ..Tree::default()
            },
            1 => Tree {
                children: std::slice::from_ref(below),
                ..Tree::default()
            },
            2 => Tree {
                named: Box::leak(Box::new([("", *below)])),
                ..Tree::default()
            },
            _ => Tree {
                next: Some(TreeNext::Left(below)),
                ..Tree::default()
            },
        };
    }
    tree
}

#[test]
fn the_deepest_value_is_written_read_and_shown() {
    let frame = chain(NESTING_MAX).encode_to_vec();
    let steps = walk(&frame);
    assert_eq!(
        (steps.messages.get(), steps.errors.get()),
        (NESTING_MAX as usize + 1, 0)
    );
    // On a stack that is small beside the usual 2 MiB.
    let shown = thread::Builder::new().stack_size(512 * 1024);
    let shown = shown
        .spawn(move || format!("{:#?}", TreeView::parse(&frame)))
        .unwrap()
        .join()
        .unwrap();
    assert!(shown.contains("id: 7,"), "{shown}");
}

#[test]
#[should_panic(expected = "at most 100 levels deep")]
fn a_value_that_is_deeper_is_not_written() {
    chain(NESTING_MAX + 1).encode_to_vec();
}

#[test]
#[should_panic(expected = "at most 100 levels deep")]
fn a_value_that_is_deeper_is_not_written_into_a_place_of_any_length() {
    chain(100_000).encode(&mut vec![0; 8 << 20]);
}

/// An array in an array, and so on: each is two levels, a value and a list.
fn arrays(levels: u32) -> Value<'static> {
    let mut value = Value::default();
    for _ in 0..levels / 2 {
        let values = Box::leak(Box::new([value]));
        let list: &'static ListValue<'static> = Box::leak(Box::new(ListValue { values }));
        value = Value {
            kind: Some(ValueKind::ListValue(list)),
        };
    }
    value
}

/// Messages of one circle in those of another: each counts its own levels, in whatever kind of field it begins.
#[test]
fn a_circle_within_another_begins_at_level_0() {
    let deepest = arrays(NESTING_MAX);
    let list = ListValue {
        values: Box::leak(Box::new([arrays(NESTING_MAX - 2)])),
    };
    let branch: &'static Branch<'static> = Box::leak(Box::new(Branch {
        values: Box::leak(Box::new([("a", deepest)])),
        lists: Box::leak(Box::new([list])),
        object: Some(Struct {
            fields: Box::leak(Box::new([("b", arrays(NESTING_MAX - 2))])),
        }),
        ..Branch::default()
    }));
    let tree = Tree {
        next: Some(TreeNext::Branch(branch)),
        ..Tree::default()
    };
    let frame = tree.encode_to_vec();
    let steps = walk(&frame);
    let max = NESTING_MAX as usize;
    assert_eq!(
        (steps.messages.get(), steps.errors.get()),
        (2 + (max + 1) + max + max, 0)
    );
    let arena = Bump::new();
    assert_eq!(read::tree(&TreeView::parse(&frame).unwrap(), &arena), Ok(tree));
}

/// What is shown of a message of a circle grows with its bytes: not with the ways that lead through them.
#[test]
fn what_is_shown_of_hostile_bytes_is_bounded() {
    let mut random = Random(5);
    let mut longest = 0;
    for _ in 0..20_000 {
        let frame = random_words(&mut random, &[1, 4, 5, 6]);
        let shown = format!("{:?}", ValueView::parse(&frame).and_then(|view| view.kind()));
        // A head of 8 bytes is shown as `ValueView { kind: Ok(Some(NumberValue(..))) }`, with a key and a `Result` around it.
        assert!(
            shown.len() <= 64 + 16 * frame.len(),
            "{} of {}: {shown}",
            shown.len(),
            frame.len()
        );
        longest = longest.max(shown.len());
    }
    assert!(longest > 100, "{longest}");
}

/// Levels of one field each, written by hand.
fn deep_frame(levels: usize) -> Vec<u8> {
    let size = |level: usize| 16 * (levels - level) + 8;
    let mut words = Vec::new();
    for level in 1..=levels {
        words.extend([bits(&[2]), word(size(level), 16 * level)]);
    }
    words.push([0; 8]);
    frame(&words)
}

#[test]
fn a_frame_that_is_deeper_is_too_deep_where_it_is() {
    let deepest = |frame: &[u8]| {
        let mut view = TreeView::parse(frame).unwrap();
        for level in 0.. {
            match view.first() {
                Ok(Some(below)) => view = below,
                end => return (level, end.map(|end| end.is_some())),
            }
        }
        unreachable!("it ends")
    };
    let max = NESTING_MAX as usize;
    assert_eq!(deepest(&deep_frame(max)), (max, Ok(false)));
    assert_eq!(deepest(&deep_frame(max + 1)), (max, Err(WireError::TooDeep)));
    assert_eq!(deepest(&deep_frame(100_000)), (max, Err(WireError::TooDeep)));
    let shown = format!("{:?}", TreeView::parse(&deep_frame(100_000)));
    assert_eq!(shown.matches("TooDeep").count(), 1);
}

#[test]
fn levels_count_through_all_messages_of_the_circle() {
    let mut words = Vec::new();
    // Branches within a tree, each in field 2 of the one before.
    let levels = 101;
    let size = |level: usize| 16 * (levels - level) + 8;
    words.extend([bits(&[6]), word(size(1), 16)]);
    for level in 2..=levels {
        words.extend([bits(&[2]), word(size(level), 16 * level)]);
    }
    words.push([0; 8]);
    let steps = walk(&frame(&words));
    assert_eq!((steps.messages.get(), steps.errors.get()), (101, 1));
}

#[test]
fn a_message_that_points_at_itself_or_up_is_refused() {
    let parse = |words: &[[u8; 8]]| TreeView::parse(&frame(words)).map(|_| ());
    // Itself, its own slot, and what lies behind its head.
    assert_eq!(parse(&[bits(&[2]), word(16, 0)]), Err(WireError::NotNested));
    assert_eq!(parse(&[bits(&[2]), word(8, 8)]), Err(WireError::NotNested));
    assert_eq!(parse(&[bits(&[2]), word(8, 16), [0; 8]]), Ok(()));
    assert_eq!(
        parse(&[bits(&[2]), word(9, 16), [0; 8]]),
        Err(WireError::OutOfFrame)
    );
    // The first child points at its parent, and at what lies behind itself.
    for (size, offset) in [(48, 0), (8, 32), (8, 40)] {
        let words = [
            bits(&[2, 14]),
            word(16, 24),
            word(0, 0),
            bits(&[2]),
            word(size, offset),
            [0; 8],
        ];
        let view = frame(&words);
        let view = TreeView::parse(&view).unwrap();
        assert_eq!(view.first().unwrap_err(), WireError::NotNested, "{size} {offset}");
    }
}

#[test]
fn what_lies_over_something_else_is_refused() {
    let parse = |words: &[[u8; 8]]| TreeView::parse(&frame(words)).map(|_| ());
    let head = [bits(&[2, 11]), word(8, 24)];
    let two = |second: [u8; 8]| parse(&[head[0], head[1], second, [0; 8], [0; 8], [0; 8]]);
    assert_eq!(two(word(8, 32)), Ok(()));
    assert_eq!(two(word(8, 40)), Ok(()), "with a gap");
    assert_eq!(two(word(0, 7)), Ok(()), "what is empty lies nowhere");
    assert_eq!(two(word(8, 24)), Err(WireError::NotNested));
    assert_eq!(two(word(8, 31)), Err(WireError::NotNested));
    assert_eq!(two(word(0, u32::MAX as usize)), Ok(()));
    assert_eq!(
        two(word(u32::MAX as usize, u32::MAX as usize)),
        Err(WireError::OutOfFrame)
    );
    // Fields of every shape twice at one place.
    for (field, count) in [
        (1, 8),
        (3, 1),
        (4, 1),
        (5, 8),
        (6, 8),
        (8, 2),
        (9, 1),
        (10, 8),
        (12, 1),
        (13, 8),
    ] {
        let order = [2, field];
        let (first, second) = match field < 2 {
            true => (word(count, 24), word(8, 24)),
            false => (word(8, 24), word(count, 24)),
        };
        let words = [bits(&order), first, second, [0; 8], [0; 8], [0; 8]];
        assert_eq!(parse(&words), Err(WireError::NotNested), "field {field}");
    }
}

/// A list whose elements are one, and a map whose values are: refused when the message is parsed, so that nobody who passes
/// over an error gets past it.
#[test]
fn elements_that_lie_over_each_other_are_refused() {
    let list = |first: (usize, usize), second: (usize, usize)| {
        let words = [
            bits(&[3]),
            word(2, 16),
            word(first.0, first.1),
            word(second.0, second.1),
            [0; 8],
            [0; 8],
        ];
        TreeView::parse(&frame(&words)).map(|_| ())
    };
    assert_eq!(list((8, 32), (8, 40)), Ok(()));
    assert_eq!(list((8, 40), (8, 32)), Err(WireError::NotNested), "backwards");
    assert_eq!(list((8, 32), (8, 32)), Err(WireError::NotNested), "the same");
    assert_eq!(list((8, 16), (8, 32)), Err(WireError::NotNested), "the table");
    assert_eq!(list((8, 32), (16, 40)), Err(WireError::OutOfFrame));
    let map = |slots: [(usize, usize); 4]| {
        let mut words = vec![bits(&[4]), word(2, 16)];
        words.extend(slots.map(|(size, offset)| word(size, offset)));
        words.extend([[0; 8]; 3]);
        TreeView::parse(&frame(&words)).map(|view| view.named().unwrap().filter(Result::is_ok).count())
    };
    assert_eq!(map([(1, 48), (8, 49), (0, 0), (8, 57)]), Ok(2));
    assert_eq!(
        map([(0, 0), (0, 0), (0, 0), (0, 0)]),
        Ok(2),
        "messages without fields"
    );
    assert_eq!(
        map([(1, 48), (8, 49), (0, 0), (8, 49)]),
        Err(WireError::NotNested)
    );
    assert_eq!(
        map([(1, 48), (8, 48), (0, 0), (8, 57)]),
        Err(WireError::NotNested),
        "key and value"
    );
    assert_eq!(
        map([(0, 0), (8, 56), (1, 48), (8, 64)]),
        Err(WireError::NotNested),
        "backwards"
    );
}

/// Two at each level that are the same one: 2⁴⁰ ways through a frame of a thousand bytes.
#[test]
fn a_message_that_is_pointed_at_twice_is_refused() {
    let levels = 40;
    let mut words = Vec::new();
    for level in 1..=levels {
        let size = 24 * (levels - level) + 8;
        words.extend([bits(&[1, 2]), word(size, 24 * level), word(size, 24 * level)]);
    }
    words.push([0; 8]);
    assert_eq!(
        BranchView::parse(&frame(&words)).unwrap_err(),
        WireError::NotNested
    );
}

#[test]
fn a_reader_of_another_schema_leaves_room_for_what_it_does_not_know() {
    let branch = Branch {
        colours: &[],
        ..Branch::default()
    };
    let tree = Tree {
        name: "n",
        next: Some(TreeNext::Branch(&branch)),
        id: 9,
        ..Tree::default()
    };
    let known = tree.encode_to_vec();
    // A field 20, with its payload in between, and one of another word.
    let words = [
        (u64::from_le_bytes(known[..8].try_into().unwrap()) | 1 << 19 | 1 << 63).to_le_bytes(),
        bits(&[1]),
        word(1, 56),
        word(8, 60),
        word(9, 0),
        word(3, 57),
        word(u32::MAX as usize, 0),
    ];
    let mut bytes = frame(&words);
    bytes.extend(b"nxyz");
    bytes.extend([0; 8]);
    let view = TreeView::parse(&bytes).unwrap();
    assert_eq!((view.name(), view.id()), (Ok("n"), 9));
    assert!(matches!(view.next(), Ok(Some(TreeNextView::Branch(_)))));
}
