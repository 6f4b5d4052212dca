//! What writing and reading a message costs.
//!
//!     cargo bench -p crake-wire-gen --bench messages                     nanoseconds each, the best of many short runs
//!     cargo bench -p crake-wire-gen --bench messages -- --instructions   instructions each, counted by valgrind's callgrind: these repeat exactly

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, str};

use crake_mem::Buf;
use crake_wire::{Encode, Gathered, Gatherer, WireError};

use bulk::{Object, ObjectView};
use example::{
    Attributes, Block, Kind, LookupReply, LookupReplyView, LookupRequest, LookupRequestView, Outline,
    OutlineView, Point,
};

/// What need not be copied.
#[allow(dead_code)]
mod bulk {
    include!("../tests/golden/bulk.rs");
}

/// The shape of a namenode's lookup.
#[allow(dead_code)]
mod example {
    include!("../tests/golden/example.rs");
}

/// A name, and what does the thing as many times as it is told.
type Case = (&'static str, fn(u64));

const CASES: &[Case] = &[
    ("copy 64 bytes, for scale", copy),
    (
        "request: encoded_len and encode, 3 fields and a text of 26 bytes",
        request_encode,
    ),
    ("request: parse", request_parse),
    ("request: parse and read 3 fields", request_read),
    (
        "reply: encoded_len and encode, a node of 5 fields, a block of 2",
        reply_encode,
    ),
    (
        "reply: parse and read 5 fields of the node, 3 of the block",
        reply_read,
    ),
    ("copy 16,000 bytes, for scale", copy_points),
    ("outline: encode 2,000 points of two numbers", outline_encode),
    ("outline: parse and read 2,000 points", outline_read),
    (
        "object: parse and read 4 small fields, received with buffers beside it",
        object_read,
    ),
    (
        "object: parse and look at a field of 64 KiB in 2 buffers",
        |times| large_read(2, times),
    ),
    (
        "object: parse and look at a field of 4 MiB in 65 buffers",
        |times| large_read(65, times),
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", case, times] => run(case, times),
        [..] if arguments.iter().any(|argument| argument == "--instructions") => instructions(),
        // `cargo test --benches` comes without `--bench`: show that each case works, and measure nothing.
        [..] if !arguments.iter().any(|argument| argument == "--bench") => {
            CASES.iter().for_each(|(_, case)| case(1))
        }
        _ => nanoseconds(),
    }
    ExitCode::SUCCESS
}

fn run(case: &str, times: &str) {
    let (_, case) = CASES[case.parse::<usize>().expect("the number of a case")];
    case(times.parse().expect("how many times"));
}

fn nanoseconds() {
    const TIMES: u64 = 20_000;
    for (name, case) in CASES {
        let best = (0..200).map(|_| {
            let start = Instant::now();
            case(TIMES);
            start.elapsed().as_nanos() as f64 / TIMES as f64
        });
        println!("{:8.2} ns  {name}", best.fold(f64::INFINITY, f64::min));
    }
}

/// The difference of two runs leaves out all that happens once.
fn instructions() {
    const FEW: u64 = 1_000;
    const MANY: u64 = 2_000;
    for (case, (name, _)) in CASES.iter().enumerate() {
        let difference = collected(case, MANY) - collected(case, FEW);
        println!(
            "{:8.1} instructions  {name}",
            difference as f64 / (MANY - FEW) as f64
        );
    }
}

/// All instructions of this program when it does a case some times, as valgrind tells at its end.
fn collected(case: usize, times: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("this program has a path"))
        .args(["--run", &case.to_string(), &times.to_string()])
        .output()
        .expect("valgrind is installed");
    let text = str::from_utf8(&output.stderr).expect("valgrind writes text");
    let count = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("no count in:\n{text}"))
}

fn copy(times: u64) {
    let from = [7u8; 64];
    let mut to = [0u8; 64];
    for _ in 0..times {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
}

const REQUEST: LookupRequest<'_> = LookupRequest {
    base: 7,
    path: "directory-0017/file-000042",
    blocks: true,
};

fn request_encode(times: u64) {
    let mut out = [0; 256];
    for _ in 0..times {
        let request = black_box(&REQUEST);
        let len = request.encoded_len();
        request.encode(&mut out[..len]);
        black_box(&out);
    }
}

fn request_parse(times: u64) {
    let frame = REQUEST.encode_to_vec();
    for _ in 0..times {
        black_box(LookupRequestView::parse(black_box(&frame))).expect("it is valid");
    }
}

fn request_read(times: u64) {
    let frame = REQUEST.encode_to_vec();
    for _ in 0..times {
        black_box(read_request(black_box(&frame))).expect("it is valid");
    }
}

fn read_request(frame: &[u8]) -> Result<(u64, &str, bool), WireError> {
    let view = LookupRequestView::parse(frame)?;
    Ok((view.base(), view.path()?, view.blocks()?))
}

const REPLY: LookupReply<'_> = LookupReply {
    node: Some(Attributes {
        id: 42,
        kind: Kind::File,
        size: 5000,
        modified_ns: 1_700_000_000_000_000_000,
        storage_class: Some(1),
    }),
    blocks: &[Block {
        offset: 0,
        length: 65_536,
        handle: &[7; 48],
    }],
    inline_value: &[],
    replicas: &[],
    hosts: &[],
};

fn reply_encode(times: u64) {
    let mut out = [0; 256];
    for _ in 0..times {
        let reply = black_box(&REPLY);
        let len = reply.encoded_len();
        reply.encode(&mut out[..len]);
        black_box(&out);
    }
}

fn reply_read(times: u64) {
    let frame = REPLY.encode_to_vec();
    for _ in 0..times {
        read_reply(black_box(&frame)).expect("it is valid");
    }
}

fn read_reply(frame: &[u8]) -> Result<(), WireError> {
    let view = LookupReplyView::parse(frame)?;
    if let Some(node) = view.node()? {
        black_box((
            node.id(),
            node.kind()?,
            node.size(),
            node.modified_ns(),
            node.storage_class(),
        ));
    }
    for block in view.blocks()? {
        let block = block?;
        black_box((block.offset(), block.length(), block.handle()?));
    }
    Ok(())
}

const POINTS: [Point; 2000] = [Point { x: 1.5, y: -0.5 }; 2000];
const OUTLINE: Outline<'_> = Outline {
    points: &POINTS,
    longest: None,
};

fn copy_points(times: u64) {
    let from = [7u8; 16_000];
    let mut to = [0u8; 16_000];
    for _ in 0..times {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
}

fn outline_encode(times: u64) {
    let mut out = vec![0; OUTLINE.encoded_len()];
    for _ in 0..times {
        black_box(&OUTLINE).encode(&mut out);
        black_box(&out);
    }
}

fn outline_read(times: u64) {
    let frame = OUTLINE.encode_to_vec();
    for _ in 0..times {
        black_box(sum_of_points(black_box(&frame))).expect("it is valid");
    }
}

fn sum_of_points(frame: &[u8]) -> Result<u64, WireError> {
    let points = OutlineView::parse(frame)?.points()?;
    Ok(points
        .map(|point| u64::from(point.x.to_bits()) + u64::from(point.y.to_bits()))
        .sum())
}

fn object_read(times: u64) {
    let object = Object {
        key: "directory-0017/file-000042".into(),
        value: (&[7; 100]).into(),
        extra: Some((&[8; 100]).into()),
        note: Some("short".into()),
        ..Object::default()
    };
    let (message, beside) = (object.encode_to_vec(), [Buf::from_vec(vec![7; 5000])]);
    for _ in 0..times {
        black_box(sum_of_object(Gathered::new(
            black_box(&message),
            black_box(&beside),
        )))
        .expect("it is valid");
    }
}

fn sum_of_object(frame: Gathered<'_>) -> Result<usize, WireError> {
    let object = ObjectView::parse_gathered(frame)?;
    let (extra, note) = (
        object.extra()?.unwrap_or_default(),
        object.note()?.unwrap_or_default(),
    );
    Ok(object.key()?.to_str()?.len() + first(object.value()?) + first(extra) + note.to_str()?.len())
}

fn first(bytes: crake_wire::Payload<'_>) -> usize {
    bytes.as_slice().map_or(0, |bytes| bytes[0].into())
}

fn large_read(pieces: usize, times: u64) {
    let value = Buf::from_vec(vec![7; (pieces - 1) << 16]);
    let object = Object {
        value: (&value).into(),
        ..Object::default()
    };
    let (plan, mut beside) = (Gatherer::default().plan(&object), crake_wire::Sga::new());
    let mut message = vec![0; plan.message_len()];
    object.encode_gathered(&mut message, plan, &mut beside);
    let bytes = beside.concat();
    // As it is received behind a header: no piece ends where a buffer would.
    let (start, rest) = bytes.split_at(60_000);
    let received: Vec<Buf> = [start]
        .into_iter()
        .chain(rest.chunks(1 << 16))
        .map(Buf::copy_from_slice)
        .collect();
    assert_eq!(received.len(), pieces);
    for _ in 0..times {
        let frame = Gathered::with_len(black_box(&message), black_box(&received), bytes.len());
        let view = ObjectView::parse_gathered(frame).expect("it is valid");
        black_box(view.value().expect("it is there").pieces().next());
    }
}
