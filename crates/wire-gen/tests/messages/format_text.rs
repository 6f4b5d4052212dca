//! `docs/format/wire.md` is true: its declarations are those of `tests/proto/example.proto`, its bytes are what the
//! compiled messages write, and what they read.

use std::fs;
use std::path::Path;

use crake_wire::Encode;

use crate::example::{
    Attributes, Block, Folder, FolderOwner, FolderOwnerView, FolderView, Kind, LookupReply, LookupReplyView,
    LookupRequest, LookupRequestView, Outline, OutlineView, Point, Span,
};

const REQUEST: LookupRequest<'_> = LookupRequest {
    base: 7,
    path: "a/b",
    blocks: true,
};

const REPLY: LookupReply<'_> = LookupReply {
    node: Some(Attributes {
        id: 7,
        kind: Kind::File,
        size: 5000,
        modified_ns: -2,
        storage_class: Some(0),
    }),
    blocks: &[
        Block {
            offset: 0,
            length: 4096,
            handle: &[0xaa, 0xbb, 0xcc, 0xdd],
        },
        Block {
            offset: 4096,
            length: 4096,
            handle: &[],
        },
    ],
    inline_value: &[],
    replicas: &[1, 2],
    hosts: &["a", "b2"],
};

const FOLDER: Folder<'_> = Folder {
    sizes: &[("a", 5), ("", 0)],
    owner: Some(FolderOwner::Job(0)),
    below: &[Folder {
        sizes: &[],
        owner: Some(FolderOwner::User("u")),
        below: &[],
    }],
};

const FROM: Point = Point { x: 1.0, y: 2.0 };
const TO: Point = Point { x: 0.5, y: -1.0 };

const OUTLINE: Outline<'_> = Outline {
    points: &[FROM, TO],
    longest: Some(Span {
        from: FROM,
        id: 7,
        to: TO,
    }),
};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .expect("the file is in the repository")
}

/// The blocks of the text that are fenced as `kind`.
fn fenced(kind: &str) -> Vec<String> {
    let text = file("../../docs/format/wire.md");
    let opening = format!("```{kind}\n");
    let blocks = text.split(&opening).skip(1);
    blocks
        .map(|block| {
            block
                .split("```")
                .next()
                .expect("split gives one part")
                .to_owned()
        })
        .collect()
}

/// The bytes of a block whose lines are `offset | bytes | meaning`.
fn bytes(block: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in block.lines() {
        let [offset, hex, _meaning] = line.splitn(3, '|').collect::<Vec<_>>()[..] else {
            panic!("three columns in {line:?}");
        };
        assert_eq!(
            usize::from_str_radix(offset.trim(), 16),
            Ok(bytes.len()),
            "the offset of {line:?}"
        );
        bytes.extend(
            hex.split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).expect("hex")),
        );
    }
    bytes
}

#[test]
fn the_declarations_are_those_that_are_compiled() {
    let [declarations] = &fenced("proto")[..] else {
        panic!("one block of declarations")
    };
    let compiled = file("tests/proto/example.proto");
    let (_, compiled) = compiled
        .split_once("package example;\n\n")
        .expect("the file has a package");
    assert_eq!(declarations, compiled);
}

#[test]
fn the_bytes_are_what_is_written() {
    let [request, reply, folder, outline] = &fenced("hex")[..] else {
        panic!("four blocks of bytes")
    };
    assert_eq!(bytes(request), REQUEST.encode_to_vec());
    assert_eq!(bytes(reply), REPLY.encode_to_vec());
    assert_eq!(bytes(folder), FOLDER.encode_to_vec());
    assert_eq!(bytes(outline), OUTLINE.encode_to_vec());
    let text = file("../../docs/format/wire.md");
    for (what, message) in [
        ("request", REQUEST.encoded_len()),
        ("reply", REPLY.encoded_len()),
        ("folder", FOLDER.encoded_len()),
        ("outline", OUTLINE.encoded_len()),
    ] {
        let (_, after) = text
            .split_once(&format!("The {what} `{{"))
            .expect("the text introduces each example");
        let (_, size) = after.split_once("}` is ").expect("and says its size");
        assert!(
            size.starts_with(&format!("{message} bytes:")),
            "the size of the {what}"
        );
    }
}

#[test]
fn the_bytes_are_read_as_the_text_says() {
    let [request, reply, folder, outline] = &fenced("hex")[..] else {
        panic!("four blocks of bytes")
    };
    let [request, reply, folder, outline] = [request, reply, folder, outline].map(|block| bytes(block));
    let view = LookupRequestView::parse(&request).unwrap();
    assert_eq!(
        (view.base(), view.path(), view.blocks()),
        (7, Ok("a/b"), Ok(true))
    );

    let view = LookupReplyView::parse(&reply).unwrap();
    let node = view.node().unwrap().unwrap();
    assert_eq!((node.id(), node.kind(), node.size()), (7, Ok(Kind::File), 5000));
    assert_eq!((node.modified_ns(), node.storage_class()), (-2, Some(0)));
    let blocks: Vec<_> = view.blocks().unwrap().map(Result::unwrap).collect();
    let read = blocks
        .iter()
        .map(|block| (block.offset(), block.length(), block.handle().unwrap()));
    assert_eq!(
        read.collect::<Vec<_>>(),
        [(0, 4096, &[0xaa, 0xbb, 0xcc, 0xdd][..]), (4096, 4096, &[])]
    );
    assert_eq!(view.inline_value(), Ok(&[][..]));
    assert_eq!(view.replicas().unwrap().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        view.hosts().unwrap().map(Result::unwrap).collect::<Vec<_>>(),
        ["a", "b2"]
    );

    let view = FolderView::parse(&folder).unwrap();
    let sizes = view.sizes().unwrap();
    assert_eq!(
        (sizes.len(), sizes.get("a"), sizes.get("")),
        (2, Ok(Some(5)), Ok(Some(0)))
    );
    assert!(matches!(view.owner(), Ok(Some(FolderOwnerView::Job(0)))));
    let below = view.below().unwrap().get(0).unwrap().unwrap();
    assert!(matches!(below.owner(), Ok(Some(FolderOwnerView::User("u")))));
    assert!(below.below().unwrap().is_empty());

    let view = OutlineView::parse(&outline).unwrap();
    assert!(view.points().unwrap().eq([FROM, TO]));
    assert_eq!(view.longest(), Ok(OUTLINE.longest));
}
