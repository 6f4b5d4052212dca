//! flatbuffers: one builder for all messages; points and addresses are structs; what is received is verified as a whole. For a queue, a long
//! message is built where it is sent from, which the builder fills from its end on; a short one is copied there.

use std::convert::Infallible;
use std::ops::{Deref, DerefMut};

use crake_mem::BufMut;
use flatbuffers::{
    Allocator, DefaultAllocator, FlatBufferBuilder, Follow, InvalidFlatbuffer, Verifiable, WIPOffset, root,
};

use crate::data::{Kind, Payload, Record, Room, Set, Shape, Triangle};
use crate::memory::case::{Case, bits, case, glance, sum};
use crate::queue::{Build as QueueBuild, Reading};
use crate::rivals::BUILT_HERE;

use messages::{
    Address, Blob, BlobArgs, Coordinates, CoordinatesArgs, Log, LogArgs, Mesh, MeshArgs, Pair, PairArgs,
    Point, RecordArgs, Row, RowArgs, Value, ValueArgs, Values, ValuesArgs,
};

#[path = "messages_flatbuffers.rs"]
#[allow(clippy::all, missing_docs)]
#[rustfmt::skip]
mod generated;
use generated::messages;

type Builder<A = DefaultAllocator> = FlatBufferBuilder<'static, A>;

/// A message of so many bytes or more is built where it is sent from: that place has to be cleared first.
const IN_PLACE_MIN: usize = 16 << 10;

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => over(logs, build_log, read_log),
        Shape::Mesh(meshes) => over(meshes, build_mesh, read_mesh),
        Shape::Coordinates(lists) => over(lists, build_coordinates, read_coordinates),
        Shape::Values(values) => over(values, build_values, read_values),
        Shape::Pair(pairs) => over(pairs, build_pair, read_pair),
        Shape::Row(rows) => over(rows, build_row, read_row),
        Shape::Blob(blobs) if set.first_only => over(blobs, build_blob, |bytes| {
            verified::<Blob<'_>>(bytes)
                .data()
                .map_or(0, |data| glance(data.bytes()))
        }),
        Shape::Blob(blobs) => over(blobs, build_blob, read_blob),
    }
}

pub fn build(set: &Set, _: usize) -> QueueBuild<'_> {
    match &set.shape {
        Shape::Log(logs) => into_queue(logs, build_log, build_log),
        Shape::Mesh(meshes) => into_queue(meshes, build_mesh, build_mesh),
        Shape::Coordinates(lists) => into_queue(lists, build_coordinates, build_coordinates),
        Shape::Values(values) => into_queue(values, build_values, build_values),
        Shape::Pair(pairs) => into_queue(pairs, build_pair, build_pair),
        Shape::Row(rows) => into_queue(rows, build_row, build_row),
        Shape::Blob(blobs) => into_queue(blobs, build_blob, build_blob),
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

fn into_queue<'a, M: Room>(
    messages: &'a [M],
    build: fn(&mut Builder, &M),
    build_in_place: fn(&mut Builder<Place>, &M),
) -> QueueBuild<'a> {
    let mut builder = Builder::new();
    Box::new(move |message, outbox| {
        let message = &messages[message];
        let bytes_max = message.bytes_max();
        if bytes_max >= IN_PLACE_MIN {
            let mut in_place = Builder::new_in(Place::of(outbox.buffer(bytes_max), bytes_max));
            build_in_place(&mut in_place, message);
            let (Place(place), start) = in_place.collapse_in();
            outbox.header(place.len() - start);
            return outbox.beside(place.freeze().slice(start..).into());
        }
        builder.reset();
        build(&mut builder, message);
        let bytes = builder.finished_data();
        outbox.frame(bytes.len(), |out| {
            out.copy_from_slice(bytes);
            bytes.len()
        });
    })
}

/// A buffer of the queue that a message is built in.
struct Place(BufMut);

impl Place {
    /// So many cleared bytes: a builder expects that.
    fn of(mut buffer: BufMut, len_bytes: usize) -> Self {
        buffer.put(len_bytes).fill(0);
        Self(buffer)
    }
}

impl Deref for Place {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Place {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

// SAFETY: its bytes stay where they are, `len` of them, and it does not say that it grew.
unsafe impl Allocator for Place {
    type Error = Infallible;

    fn grow_downwards(&mut self) -> Result<(), Infallible> {
        panic!("there is room for every message")
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

fn over<'a, M>(messages: &'a [M], build: fn(&mut Builder, &M), read: fn(&[u8]) -> u64) -> Box<dyn Case + 'a> {
    let mut builder = Builder::new();
    case(
        messages,
        move |message| {
            builder.reset();
            build(&mut builder, message);
            builder.finished_data().len()
        },
        move |message| {
            let mut builder = Builder::new();
            build(&mut builder, message);
            builder.finished_data().to_vec()
        },
        move |received| read(received),
    )
}

fn verified<'b, T: Follow<'b, Inner = T> + Verifiable + 'b>(bytes: &'b [u8]) -> T {
    let message: Result<T, InvalidFlatbuffer> = root::<T>(bytes);
    message.expect(BUILT_HERE)
}

fn field(bytes: Option<flatbuffers::Vector<'_, u8>>) -> u64 {
    bytes.map_or(0, |bytes| sum(bytes.bytes()))
}

fn build_log<A: Allocator + 'static>(builder: &mut Builder<A>, records: &Vec<Record>) {
    let records: Vec<_> = records
        .iter()
        .map(|record| {
            let [x0, x1, x2, x3] = record.address;
            let args = RecordArgs {
                address: Some(&Address::new(x0, x1, x2, x3)),
                identity: Some(builder.create_string(&record.identity)),
                userid: Some(builder.create_string(&record.userid)),
                date: Some(builder.create_string(&record.date)),
                request: Some(builder.create_string(&record.request)),
                code: record.code,
                size: record.size,
            };
            messages::Record::create(builder, &args)
        })
        .collect();
    let records = Some(builder.create_vector(&records));
    let log = Log::create(builder, &LogArgs { records });
    builder.finish_minimal(log);
}

fn read_log(bytes: &[u8]) -> u64 {
    let text = |text: Option<&str>| text.map_or(0, |text| sum(text.as_bytes()));
    let record = |record: messages::Record<'_>| {
        let address = record.address().map_or(0, |address| {
            u64::from(address.x0())
                + u64::from(address.x1())
                + u64::from(address.x2())
                + u64::from(address.x3())
        });
        let texts =
            text(record.identity()) + text(record.userid()) + text(record.date()) + text(record.request());
        address + texts + u64::from(record.code()) + record.size()
    };
    verified::<Log<'_>>(bytes)
        .records()
        .map_or(0, |records| records.iter().map(record).sum())
}

fn build_mesh<A: Allocator + 'static>(builder: &mut Builder<A>, triangles: &Vec<Triangle>) {
    let point = |point: crate::data::Point| Point::new(point.x, point.y, point.z);
    let triangles = triangles.iter().map(|triangle| {
        messages::Triangle::new(
            &point(triangle.a),
            &point(triangle.b),
            &point(triangle.c),
            &point(triangle.normal),
        )
    });
    let triangles = Some(builder.create_vector_from_iter(triangles));
    let mesh = Mesh::create(builder, &MeshArgs { triangles });
    builder.finish_minimal(mesh);
}

fn read_mesh(bytes: &[u8]) -> u64 {
    let point = |point: &Point| bits(point.x()) + bits(point.y()) + bits(point.z());
    let triangle = |triangle: &messages::Triangle| {
        point(triangle.a()) + point(triangle.b()) + point(triangle.c()) + point(triangle.normal())
    };
    verified::<Mesh<'_>>(bytes)
        .triangles()
        .map_or(0, |triangles| triangles.iter().map(triangle).sum())
}

fn build_coordinates<A: Allocator + 'static>(builder: &mut Builder<A>, numbers: &Vec<f32>) {
    let numbers = Some(builder.create_vector(numbers));
    let coordinates = Coordinates::create(builder, &CoordinatesArgs { numbers });
    builder.finish_minimal(coordinates);
}

fn read_coordinates(bytes: &[u8]) -> u64 {
    verified::<Coordinates<'_>>(bytes)
        .numbers()
        .map_or(0, |numbers| numbers.iter().map(bits).sum())
}

fn build_values<A: Allocator + 'static>(builder: &mut Builder<A>, values: &Vec<Payload>) {
    // As many as a message has here: no allocation.
    let mut offsets = [WIPOffset::new(0); 16];
    for (offset, value) in offsets.iter_mut().zip(values) {
        let data = Some(builder.create_vector(&value.bytes[..]));
        *offset = Value::create(builder, &ValueArgs { data });
    }
    let values = Some(builder.create_vector(&offsets[..values.len()]));
    let values = Values::create(builder, &ValuesArgs { values });
    builder.finish_minimal(values);
}

fn read_values(bytes: &[u8]) -> u64 {
    verified::<Values<'_>>(bytes)
        .values()
        .map_or(0, |values| values.iter().map(|value| field(value.data())).sum())
}

fn build_pair<A: Allocator + 'static>(builder: &mut Builder<A>, [key, value]: &[Payload; 2]) {
    let args = PairArgs {
        key: Some(builder.create_vector(&key.bytes[..])),
        value: Some(builder.create_vector(&value.bytes[..])),
    };
    let pair = Pair::create(builder, &args);
    builder.finish_minimal(pair);
}

fn read_pair(bytes: &[u8]) -> u64 {
    let pair = verified::<Pair<'_>>(bytes);
    field(pair.key()) + field(pair.value())
}

fn build_row<A: Allocator + 'static>(builder: &mut Builder<A>, row: &[Payload; 10]) {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row
        .each_ref()
        .map(|field| Some(builder.create_vector(&field.bytes[..])));
    let args = RowArgs {
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
    };
    let row = Row::create(builder, &args);
    builder.finish_minimal(row);
}

fn read_row(bytes: &[u8]) -> u64 {
    let row = verified::<Row<'_>>(bytes);
    let fields = [
        row.f0(),
        row.f1(),
        row.f2(),
        row.f3(),
        row.f4(),
        row.f5(),
        row.f6(),
        row.f7(),
        row.f8(),
        row.f9(),
    ];
    fields.map(field).iter().sum()
}

fn build_blob<A: Allocator + 'static>(builder: &mut Builder<A>, blob: &Payload) {
    let data = Some(builder.create_vector(&blob.bytes[..]));
    let blob = Blob::create(builder, &BlobArgs { data });
    builder.finish_minimal(blob);
}

fn read_blob(bytes: &[u8]) -> u64 {
    field(verified::<Blob<'_>>(bytes).data())
}
