//! buffa: read by views. Payload is written from views that borrow it, into a buffer that is used again; where a field is large, from
//! counted buffers into a `Rope`, which does not copy it. Logs and meshes are kept in buffa's own structs, as prost's are. For a queue, messages
//! are written where they are sent from; what a `Rope` did not copy is sent from the queue's own buffer with the same bytes.

use buffa::{HasMessageView, Message, Rope, SizeCache, ViewEncode};

use crate::data::{Kind, Payload, Record, Room, Set, Shape, Triangle};
use crate::memory::case::{Case, bits, case, glance, sum};
use crate::queue::{Build, Outbox, Reading};
use crate::rivals::BUILT_HERE;

use messages::__buffa::view::{
    BlobView, CoordinatesView, LogView, MeshView, PairView, PointView, RecordView, RowView, TriangleView,
    ValuesView,
};
use messages::{Address, Blob, Coordinates, Log, Mesh, Pair, Point, Row, Values};

#[allow(clippy::all, dead_code, missing_docs, unused_imports)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/buffa/messages.rs"));
}

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => kept(logs.iter().map(log), read_log),
        Shape::Mesh(meshes) => kept(meshes.iter().map(mesh), read_mesh),
        Shape::Coordinates(lists) => kept(lists.iter().map(coordinates), read_coordinates),
        Shape::Values(values) => viewed(values, build_values, read_values),
        Shape::Pair(pairs) => viewed(pairs, build_pair, read_pair),
        Shape::Row(rows) => viewed(rows, build_row, read_row),
        Shape::Blob(blobs) => viewed(
            blobs,
            build_blob,
            if set.first_only {
                |bytes| glance(decoded::<Blob>(bytes).data)
            } else {
                read_blob
            },
        ),
    }
}

pub fn build(set: &Set, _: usize) -> Build<'_> {
    match &set.shape {
        Shape::Log(logs) => kept_into_queue(logs.iter().map(log)),
        Shape::Mesh(meshes) => kept_into_queue(meshes.iter().map(mesh)),
        Shape::Coordinates(lists) => kept_into_queue(lists.iter().map(coordinates)),
        Shape::Values(values) => into_queue(values, |out, data| build_values(out, data)),
        Shape::Pair(pairs) => into_queue(pairs, |out, data| build_pair(out, data)),
        Shape::Row(rows) => into_queue(rows, |out, data| build_row(out, data)),
        Shape::Blob(blobs) => into_queue(blobs, |out, data| build_blob(out, data)),
    }
}

pub fn reading(kind: Kind) -> Reading {
    Reading::Whole(match kind {
        Kind::Log => read_log,
        Kind::Mesh => read_mesh,
        Kind::Coordinates => read_coordinates,
        Kind::Values => read_values,
        Kind::Pair => read_pair,
        Kind::Row => read_row,
        Kind::Blob => read_blob,
    })
}

fn kept_into_queue<'a, M: Message + 'a>(messages: impl Iterator<Item = M>) -> Build<'a> {
    let messages: Vec<(M, usize)> = messages
        .map(|message| {
            let len = message.encoded_len() as usize;
            (message, len)
        })
        .collect();
    let mut cache = SizeCache::default();
    Box::new(move |message, outbox| {
        let (message, len) = &messages[message];
        outbox.frame(*len, |mut out| {
            message.encode_with_cache(&mut cache, &mut out);
            *len
        });
    })
}

fn into_queue<'a, D: Room>(data: &'a [D], build: for<'q> fn(&mut Queued<'q>, &D) -> usize) -> Build<'a> {
    let mut cache = SizeCache::default();
    Box::new(move |message, outbox| {
        let data = &data[message];
        let mut queued = Queued {
            cache: &mut cache,
            outbox,
            bytes_max: data.bytes_max(),
        };
        build(&mut queued, data);
    })
}

/// Messages that the application has already.
fn kept<'a, M: Message + 'a>(
    messages: impl Iterator<Item = M>,
    read: fn(&[u8]) -> u64,
) -> Box<dyn Case + 'a> {
    let mut maker = Maker::default();
    case(
        messages,
        move |message: &M| {
            maker.out.clear();
            message.encode_with_cache(&mut maker.cache, &mut maker.out);
            maker.out.len()
        },
        |message| message.encode_to_vec(),
        move |received| read(received),
    )
}

/// Messages that are put together of payload.
fn viewed<'a, D>(
    data: &'a [D],
    build: fn(&mut Maker, &D) -> usize,
    read: fn(&[u8]) -> u64,
) -> Box<dyn Case + 'a> {
    let mut maker = Maker::default();
    case(
        data,
        move |data| build(&mut maker, data),
        move |data| {
            let mut maker = Maker::default();
            build(&mut maker, data);
            match maker.segments.is_empty() {
                true => maker.out,
                false => maker.segments.concat(),
            }
        },
        move |received| read(received),
    )
}

/// What makes messages: says how long one is.
trait Make {
    fn make<'v>(&mut self, view: &impl ViewEncode<'v>) -> usize;

    /// Without copying `payload`, which is part of it.
    fn gather(&mut self, message: &impl Message, payload: &Payload) -> usize;
}

/// In memory, with what is used again from message to message.
#[derive(Default)]
struct Maker {
    cache: SizeCache,
    out: Vec<u8>,
    segments: Vec<bytes::Bytes>,
}

impl Make for Maker {
    fn make<'v>(&mut self, view: &impl ViewEncode<'v>) -> usize {
        self.out.clear();
        view.encode_with_cache(&mut self.cache, &mut self.out);
        self.out.len()
    }

    fn gather(&mut self, message: &impl Message, _: &Payload) -> usize {
        let mut rope = Rope::new();
        message.encode_with_cache(&mut self.cache, &mut rope);
        self.segments = rope.into_segments();
        self.segments.iter().map(bytes::Bytes::len).sum()
    }
}

/// For a queue.
struct Queued<'q> {
    cache: &'q mut SizeCache,
    outbox: &'q mut Outbox,
    /// Enough for the message.
    bytes_max: usize,
}

impl Make for Queued<'_> {
    fn make<'v>(&mut self, view: &impl ViewEncode<'v>) -> usize {
        let mut len = 0;
        self.outbox.frame(self.bytes_max, |mut out| {
            let room = out.len();
            view.encode_with_cache(self.cache, &mut out);
            len = room - out.len();
            len
        });
        len
    }

    fn gather(&mut self, message: &impl Message, payload: &Payload) -> usize {
        let mut rope = Rope::new();
        message.encode_with_cache(self.cache, &mut rope);
        let segments = rope.into_segments();
        let len = segments.iter().map(bytes::Bytes::len).sum();
        self.outbox.header(len);
        for segment in segments {
            match segment.as_ptr() == payload.bytes.as_ptr() {
                true => self.outbox.beside(payload.buf.clone().into()),
                false => self.outbox.copy(&segment),
            }
        }
        len
    }
}

fn decoded<M: HasMessageView>(bytes: &[u8]) -> M::View<'_> {
    M::decode_view(bytes).expect(BUILT_HERE)
}

fn log(records: &Vec<Record>) -> Log {
    let record = |record: &Record| messages::Record {
        address: Address {
            x0: record.address[0].into(),
            x1: record.address[1].into(),
            x2: record.address[2].into(),
            x3: record.address[3].into(),
        }
        .into(),
        identity: record.identity.clone(),
        userid: record.userid.clone(),
        date: record.date.clone(),
        request: record.request.clone(),
        code: record.code.into(),
        size: record.size,
    };
    Log {
        records: records.iter().map(record).collect(),
    }
}

fn read_log(bytes: &[u8]) -> u64 {
    let record = |record: &RecordView<'_>| {
        let address = record.address.as_option().map_or(0, |address| {
            u64::from(address.x0) + u64::from(address.x1) + u64::from(address.x2) + u64::from(address.x3)
        });
        let texts = [record.identity, record.userid, record.date, record.request];
        address
            + texts.map(|text| sum(text.as_bytes())).iter().sum::<u64>()
            + u64::from(record.code)
            + record.size
    };
    let view: LogView<'_> = decoded::<Log>(bytes);
    view.records.iter().map(record).sum()
}

fn mesh(triangles: &Vec<Triangle>) -> Mesh {
    let point = |point: crate::data::Point| {
        Point {
            x: point.x,
            y: point.y,
            z: point.z,
        }
        .into()
    };
    let triangle = |triangle: &Triangle| messages::Triangle {
        a: point(triangle.a),
        b: point(triangle.b),
        c: point(triangle.c),
        normal: point(triangle.normal),
    };
    Mesh {
        triangles: triangles.iter().map(triangle).collect(),
    }
}

fn read_mesh(bytes: &[u8]) -> u64 {
    let point = |point: Option<&PointView<'_>>| {
        point.map_or(0, |point| bits(point.x) + bits(point.y) + bits(point.z))
    };
    let triangle = |triangle: &TriangleView<'_>| {
        let corners =
            point(triangle.a.as_option()) + point(triangle.b.as_option()) + point(triangle.c.as_option());
        corners + point(triangle.normal.as_option())
    };
    let view: MeshView<'_> = decoded::<Mesh>(bytes);
    view.triangles.iter().map(triangle).sum()
}

fn coordinates(numbers: &Vec<f32>) -> Coordinates {
    Coordinates {
        numbers: numbers.clone(),
    }
}

fn read_coordinates(bytes: &[u8]) -> u64 {
    let view: CoordinatesView<'_> = decoded::<Coordinates>(bytes);
    view.numbers.iter().copied().map(bits).sum()
}

fn build_values(maker: &mut impl Make, values: &Vec<Payload>) -> usize {
    let values: Vec<&[u8]> = values.iter().map(|value| &value.bytes[..]).collect();
    maker.make(&ValuesView {
        values: buffa::RepeatedView::new(values),
    })
}

fn read_values(bytes: &[u8]) -> u64 {
    let view: ValuesView<'_> = decoded::<Values>(bytes);
    view.values.iter().map(|value| sum(value)).sum()
}

fn build_pair(maker: &mut impl Make, [key, value]: &[Payload; 2]) -> usize {
    maker.make(&PairView {
        key: &key.bytes,
        value: &value.bytes,
    })
}

fn read_pair(bytes: &[u8]) -> u64 {
    let view: PairView<'_> = decoded::<Pair>(bytes);
    sum(view.key) + sum(view.value)
}

fn build_row(maker: &mut impl Make, row: &[Payload; 10]) -> usize {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row.each_ref().map(|field| &field.bytes[..]);
    maker.make(&RowView {
        f0,
        f1,
        f2,
        f3,
        f4,
        f5,
        f6,
        f7,
        f8,
        f9,
    })
}

fn read_row(bytes: &[u8]) -> u64 {
    let row: RowView<'_> = decoded::<Row>(bytes);
    let fields = [
        row.f0, row.f1, row.f2, row.f3, row.f4, row.f5, row.f6, row.f7, row.f8, row.f9,
    ];
    fields.map(sum).iter().sum()
}

fn build_blob(maker: &mut impl Make, blob: &Payload) -> usize {
    if blob.bytes.len() >= buffa::DEFAULT_MIN_SEGMENT {
        let message = Blob {
            data: blob.bytes.clone(),
        };
        return maker.gather(&message, blob);
    }
    maker.make(&BlobView { data: &blob.bytes })
}

fn read_blob(bytes: &[u8]) -> u64 {
    sum(decoded::<Blob>(bytes).data)
}
