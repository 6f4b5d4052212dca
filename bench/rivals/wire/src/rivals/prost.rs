//! prost: `bytes` fields are counted buffers, and those of a received message share its own. Logs and meshes are kept in prost's own structs,
//! which are not made anew for each message; buffers and lists are used again. For a queue, messages are written where they are sent from.

use bytes::Bytes;
use prost::Message;

use crate::data::{Kind, Payload, Record, Room, Set, Shape, Triangle};
use crate::memory::case::{Case, bits, case, glance, sum};
use crate::queue::{Build, Reading};
use crate::rivals::BUILT_HERE;

use messages::{Address, Blob, Coordinates, Log, Mesh, Pair, Point, Row, Values};

mod messages {
    include!(concat!(env!("OUT_DIR"), "/prost/messages.rs"));
}

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => kept(logs.iter().map(log), read_log),
        Shape::Mesh(meshes) => kept(meshes.iter().map(mesh), read_mesh),
        Shape::Coordinates(lists) => kept(lists.iter().map(coordinates), read_coordinates),
        Shape::Values(values) => filled(values, fill_values, read_values),
        Shape::Pair(pairs) => filled(pairs, fill_pair, read_pair),
        Shape::Row(rows) => filled(rows, fill_row, read_row),
        Shape::Blob(blobs) if set.first_only => {
            filled(blobs, fill_blob, |message: &Blob| glance(&message.data))
        }
        Shape::Blob(blobs) => filled(blobs, fill_blob, read_blob),
    }
}

pub fn build(set: &Set, _: usize) -> Build<'_> {
    match &set.shape {
        Shape::Log(logs) => kept_into_queue(logs.iter().map(log)),
        Shape::Mesh(meshes) => kept_into_queue(meshes.iter().map(mesh)),
        Shape::Coordinates(lists) => kept_into_queue(lists.iter().map(coordinates)),
        Shape::Values(values) => filled_into_queue(values, fill_values),
        Shape::Pair(pairs) => filled_into_queue(pairs, fill_pair),
        Shape::Row(rows) => filled_into_queue(rows, fill_row),
        Shape::Blob(blobs) => filled_into_queue(blobs, fill_blob),
    }
}

pub fn reading(kind: Kind) -> Reading {
    Reading::Shared(match kind {
        Kind::Log => Box::new(decoding(read_log)),
        Kind::Mesh => Box::new(decoding(read_mesh)),
        Kind::Coordinates => Box::new(decoding(read_coordinates)),
        Kind::Values => Box::new(decoding(read_values)),
        Kind::Pair => Box::new(decoding(read_pair)),
        Kind::Row => Box::new(decoding(read_row)),
        Kind::Blob => Box::new(decoding(read_blob)),
    })
}

fn kept_into_queue<'a, M: Message + 'a>(messages: impl Iterator<Item = M>) -> Build<'a> {
    let messages: Vec<(M, usize)> = messages
        .map(|message| {
            let len = message.encoded_len();
            (message, len)
        })
        .collect();
    Box::new(move |message, outbox| {
        let (message, len) = &messages[message];
        outbox.frame(*len, |out| encode_to(message, out));
    })
}

fn filled_into_queue<'a, D: Room, M: Message + Default + 'a>(
    data: &'a [D],
    fill: fn(&mut M, &D),
) -> Build<'a> {
    let mut message = M::default();
    Box::new(move |which, outbox| {
        let data = &data[which];
        fill(&mut message, data);
        outbox.frame(data.bytes_max(), |out| encode_to(&message, out));
    })
}

fn encode_to(message: &impl Message, mut out: &mut [u8]) -> usize {
    let room = out.len();
    message.encode(&mut out).expect("there is room");
    room - out.len()
}

/// Messages that the application has already.
fn kept<'a, M: Message + Default + 'a>(
    messages: impl Iterator<Item = M>,
    read: fn(&M) -> u64,
) -> Box<dyn Case + 'a> {
    let (mut out, mut decode) = (Vec::new(), decoding(read));
    case(
        messages,
        move |message: &M| encode(message, &mut out),
        |message| Bytes::from(message.encode_to_vec()),
        move |received: &Bytes| decode(received.clone()),
    )
}

/// Messages that are put together of counted buffers.
fn filled<'a, D, M: Message + Default + 'a>(
    data: &'a [D],
    fill: fn(&mut M, &D),
    read: fn(&M) -> u64,
) -> Box<dyn Case + 'a> {
    let (mut message, mut out, mut decode) = (M::default(), Vec::new(), decoding(read));
    case(
        data,
        move |data| {
            fill(&mut message, data);
            encode(&message, &mut out)
        },
        move |data| {
            let mut message = M::default();
            fill(&mut message, data);
            Bytes::from(message.encode_to_vec())
        },
        move |received: &Bytes| decode(received.clone()),
    )
}

fn encode(message: &impl Message, out: &mut Vec<u8>) -> usize {
    out.clear();
    message.encode(out).expect("a vector has room");
    out.len()
}

fn decoding<M: Message + Default>(read: fn(&M) -> u64) -> impl FnMut(Bytes) -> u64 {
    let mut message = M::default();
    move |received| {
        message.clear();
        message.merge(received).expect(BUILT_HERE);
        read(&message)
    }
}

fn log(records: &Vec<Record>) -> Log {
    let record = |record: &Record| messages::Record {
        address: Some(Address {
            x0: record.address[0].into(),
            x1: record.address[1].into(),
            x2: record.address[2].into(),
            x3: record.address[3].into(),
        }),
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

fn read_log(log: &Log) -> u64 {
    let record = |record: &messages::Record| {
        let address = record.address.map_or(0, |address| {
            u64::from(address.x0) + u64::from(address.x1) + u64::from(address.x2) + u64::from(address.x3)
        });
        let texts = [&record.identity, &record.userid, &record.date, &record.request];
        address
            + texts.map(|text| sum(text.as_bytes())).iter().sum::<u64>()
            + u64::from(record.code)
            + record.size
    };
    log.records.iter().map(record).sum()
}

fn mesh(triangles: &Vec<Triangle>) -> Mesh {
    let point = |point: crate::data::Point| {
        Some(Point {
            x: point.x,
            y: point.y,
            z: point.z,
        })
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

fn read_mesh(mesh: &Mesh) -> u64 {
    let point = |point: Option<Point>| point.map_or(0, |point| bits(point.x) + bits(point.y) + bits(point.z));
    let triangle = |triangle: &messages::Triangle| {
        point(triangle.a) + point(triangle.b) + point(triangle.c) + point(triangle.normal)
    };
    mesh.triangles.iter().map(triangle).sum()
}

fn coordinates(numbers: &Vec<f32>) -> Coordinates {
    Coordinates {
        numbers: numbers.clone(),
    }
}

fn read_coordinates(coordinates: &Coordinates) -> u64 {
    coordinates.numbers.iter().copied().map(bits).sum()
}

fn fill_values(message: &mut Values, values: &Vec<Payload>) {
    message.values.clear();
    message
        .values
        .extend(values.iter().map(|value| value.bytes.clone()));
}

fn read_values(message: &Values) -> u64 {
    message.values.iter().map(|value| sum(value)).sum()
}

fn fill_pair(message: &mut Pair, [key, value]: &[Payload; 2]) {
    message.key = key.bytes.clone();
    message.value = value.bytes.clone();
}

fn read_pair(message: &Pair) -> u64 {
    sum(&message.key) + sum(&message.value)
}

fn fill_row(message: &mut Row, row: &[Payload; 10]) {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row.each_ref().map(|field| field.bytes.clone());
    *message = Row {
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
}

fn read_row(row: &Row) -> u64 {
    let fields = [
        &row.f0, &row.f1, &row.f2, &row.f3, &row.f4, &row.f5, &row.f6, &row.f7, &row.f8, &row.f9,
    ];
    fields.map(|field| sum(field)).iter().sum()
}

fn fill_blob(message: &mut Blob, blob: &Payload) {
    message.data = blob.bytes.clone();
}

fn read_blob(message: &Blob) -> u64 {
    sum(&message.data)
}
