//! flatbuffers: one builder for all messages; points and addresses are structs; what is received is verified as a whole.

use flatbuffers::{FlatBufferBuilder, Follow, InvalidFlatbuffer, Verifiable, WIPOffset, root};

use crate::case::{Case, bits, case, glance, sum};
use crate::data::{Payload, Record, Set, Shape, Triangle};
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

type Builder = FlatBufferBuilder<'static>;

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => over(logs, build_log, read_log),
        Shape::Mesh(meshes) => over(meshes, build_mesh, read_mesh),
        Shape::Coordinates(lists) => over(lists, build_coordinates, read_coordinates),
        Shape::Values(values) => over(values, build_values, read_values),
        Shape::Pair(pairs) => over(pairs, build_pair, |bytes| {
            let pair = verified::<Pair<'_>>(bytes);
            field(pair.key()) + field(pair.value())
        }),
        Shape::Row(rows) => over(rows, build_row, read_row),
        Shape::Blob(blobs) if set.first_only => over(blobs, build_blob, |bytes| {
            verified::<Blob<'_>>(bytes)
                .data()
                .map_or(0, |data| glance(data.bytes()))
        }),
        Shape::Blob(blobs) => over(blobs, build_blob, |bytes| {
            field(verified::<Blob<'_>>(bytes).data())
        }),
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

fn build_log(builder: &mut Builder, records: &Vec<Record>) {
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

fn build_mesh(builder: &mut Builder, triangles: &Vec<Triangle>) {
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

fn build_coordinates(builder: &mut Builder, numbers: &Vec<f32>) {
    let numbers = Some(builder.create_vector(numbers));
    let coordinates = Coordinates::create(builder, &CoordinatesArgs { numbers });
    builder.finish_minimal(coordinates);
}

fn read_coordinates(bytes: &[u8]) -> u64 {
    verified::<Coordinates<'_>>(bytes)
        .numbers()
        .map_or(0, |numbers| numbers.iter().map(bits).sum())
}

fn build_values(builder: &mut Builder, values: &Vec<Payload>) {
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

fn build_pair(builder: &mut Builder, [key, value]: &[Payload; 2]) {
    let args = PairArgs {
        key: Some(builder.create_vector(&key.bytes[..])),
        value: Some(builder.create_vector(&value.bytes[..])),
    };
    let pair = Pair::create(builder, &args);
    builder.finish_minimal(pair);
}

fn build_row(builder: &mut Builder, row: &[Payload; 10]) {
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

fn build_blob(builder: &mut Builder, blob: &Payload) {
    let data = Some(builder.create_vector(&blob.bytes[..]));
    let blob = Blob::create(builder, &BlobArgs { data });
    builder.finish_minimal(blob);
}
