//! rkyv: the application's structs are what is archived, payload is borrowed, the aligned buffer is used again, access is checked. For a queue,
//! messages are archived where they are sent from.

use std::mem;

use rkyv::api::high::{HighSerializer, HighValidator, to_bytes_in};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::ser::writer::Buffer;
use rkyv::util::AlignedVec;
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Portable, Serialize, access};

use crate::data::{ArchivedPoint, ArchivedRecord, ArchivedTriangle, Kind, Payload, Room, Set, Shape};
use crate::memory::case::{Case, bits, case, glance, sum};
use crate::queue::{Build, Outbox, Reading};
use crate::rivals::BUILT_HERE;

#[derive(Archive, Serialize)]
struct Values<'a> {
    #[rkyv(with = Map<InlineAsBox>)]
    values: Vec<&'a [u8]>,
}

#[derive(Archive, Serialize)]
struct Pair<'a> {
    #[rkyv(with = InlineAsBox)]
    key: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    value: &'a [u8],
}

#[derive(Archive, Serialize)]
struct Blob<'a> {
    #[rkyv(with = InlineAsBox)]
    data: &'a [u8],
}

#[derive(Archive, Serialize)]
struct Row<'a> {
    #[rkyv(with = InlineAsBox)]
    f0: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f1: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f2: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f3: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f4: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f5: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f6: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f7: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f8: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    f9: &'a [u8],
}

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => over(logs, archive, read_log),
        Shape::Mesh(meshes) => over(meshes, archive, read_mesh),
        Shape::Coordinates(lists) => over(lists, archive, read_coordinates),
        Shape::Values(values) => over(values, build_values, read_values),
        Shape::Pair(pairs) => over(pairs, build_pair, read_pair),
        Shape::Row(rows) => over(rows, build_row, read_row),
        Shape::Blob(blobs) if set.first_only => over(blobs, build_blob, |bytes| {
            glance(&checked::<ArchivedBlob<'_>>(bytes).data)
        }),
        Shape::Blob(blobs) => over(blobs, build_blob, read_blob),
    }
}

pub fn build(set: &Set, _: usize) -> Build<'_> {
    match &set.shape {
        Shape::Log(logs) => into_queue(logs, |out, message| archive(out, message)),
        Shape::Mesh(meshes) => into_queue(meshes, |out, message| archive(out, message)),
        Shape::Coordinates(lists) => into_queue(lists, |out, message| archive(out, message)),
        Shape::Values(values) => into_queue(values, |out, message| build_values(out, message)),
        Shape::Pair(pairs) => into_queue(pairs, |out, message| build_pair(out, message)),
        Shape::Row(rows) => into_queue(rows, |out, message| build_row(out, message)),
        Shape::Blob(blobs) => into_queue(blobs, |out, message| build_blob(out, message)),
    }
}

pub fn reading(kind: Kind) -> Reading {
    Reading::Aligned(match kind {
        Kind::Log => read_log,
        Kind::Mesh => read_mesh,
        Kind::Coordinates => read_coordinates,
        Kind::Values => read_values,
        Kind::Pair => read_pair,
        Kind::Row => read_row,
        Kind::Blob => read_blob,
    })
}

fn over<'a, M>(
    messages: &'a [M],
    build: fn(&mut AlignedVec, &M),
    read: fn(&[u8]) -> u64,
) -> Box<dyn Case + 'a> {
    let mut out = AlignedVec::new();
    case(
        messages,
        move |message| {
            build(&mut out, message);
            out.len()
        },
        move |message| {
            let mut out = AlignedVec::new();
            build(&mut out, message);
            out
        },
        move |received: &AlignedVec| read(received),
    )
}

fn into_queue<'a, M: Room>(messages: &'a [M], build: for<'q> fn(&mut Queued<'q>, &M)) -> Build<'a> {
    Box::new(move |message, outbox| {
        let message = &messages[message];
        let bytes_max = message.bytes_max();
        build(&mut Queued { outbox, bytes_max }, message);
    })
}

/// What can be archived in memory and for a queue.
trait Message:
    for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>
    + for<'a, 'b> Serialize<HighSerializer<Buffer<'b>, ArenaHandle<'a>, Error>>
{
}

impl<M> Message for M where
    M: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>
        + for<'a, 'b> Serialize<HighSerializer<Buffer<'b>, ArenaHandle<'a>, Error>>
{
}

/// What messages are archived to.
trait Make {
    fn make(&mut self, message: &impl Message);
}

impl Make for AlignedVec {
    fn make(&mut self, message: &impl Message) {
        let mut buffer = mem::take(self);
        buffer.clear();
        *self = to_bytes_in::<_, Error>(message, buffer).expect("a vector has room");
    }
}

struct Queued<'q> {
    outbox: &'q mut Outbox,
    /// Enough for the message.
    bytes_max: usize,
}

impl Make for Queued<'_> {
    fn make(&mut self, message: &impl Message) {
        self.outbox.aligned_frame(self.bytes_max, |out| {
            let written = to_bytes_in::<_, Error>(message, Buffer::from(out));
            written.expect("there is room").len()
        });
    }
}

fn archive<M: Message>(out: &mut impl Make, message: &M) {
    out.make(message);
}

fn build_values(out: &mut impl Make, values: &Vec<Payload>) {
    let values = values.iter().map(|value| &value.bytes[..]).collect();
    out.make(&Values { values });
}

fn build_pair(out: &mut impl Make, [key, value]: &[Payload; 2]) {
    out.make(&Pair {
        key: &key.bytes,
        value: &value.bytes,
    });
}

fn build_blob(out: &mut impl Make, blob: &Payload) {
    out.make(&Blob { data: &blob.bytes });
}

fn build_row(out: &mut impl Make, row: &[Payload; 10]) {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row.each_ref().map(|field| &field.bytes[..]);
    out.make(&Row {
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
    });
}

fn checked<T>(bytes: &[u8]) -> &T
where
    T: Portable + for<'a> CheckBytes<HighValidator<'a, Error>>,
{
    access::<T, Error>(bytes).expect(BUILT_HERE)
}

fn read_log(bytes: &[u8]) -> u64 {
    let record = |record: &ArchivedRecord| {
        let address: u64 = record.address.iter().map(|number| u64::from(*number)).sum();
        let texts = [&record.identity, &record.userid, &record.date, &record.request];
        let texts: u64 = texts.map(|text| sum(text.as_bytes())).iter().sum();
        address + texts + u64::from(record.code.to_native()) + record.size.to_native()
    };
    checked::<rkyv::vec::ArchivedVec<ArchivedRecord>>(bytes)
        .iter()
        .map(record)
        .sum()
}

fn read_mesh(bytes: &[u8]) -> u64 {
    let point = |point: &ArchivedPoint| bits(point.x.into()) + bits(point.y.into()) + bits(point.z.into());
    let triangle = |triangle: &ArchivedTriangle| {
        point(&triangle.a) + point(&triangle.b) + point(&triangle.c) + point(&triangle.normal)
    };
    checked::<rkyv::vec::ArchivedVec<ArchivedTriangle>>(bytes)
        .iter()
        .map(triangle)
        .sum()
}

fn read_coordinates(bytes: &[u8]) -> u64 {
    let list = checked::<rkyv::vec::ArchivedVec<rkyv::Archived<f32>>>(bytes);
    list.iter().map(|number| bits(number.to_native())).sum()
}

fn read_values(bytes: &[u8]) -> u64 {
    let values = &checked::<ArchivedValues<'_>>(bytes).values;
    values.iter().map(|value| sum(value)).sum()
}

fn read_pair(bytes: &[u8]) -> u64 {
    let pair = checked::<ArchivedPair<'_>>(bytes);
    sum(&pair.key) + sum(&pair.value)
}

fn read_blob(bytes: &[u8]) -> u64 {
    sum(&checked::<ArchivedBlob<'_>>(bytes).data)
}

fn read_row(bytes: &[u8]) -> u64 {
    let row = checked::<ArchivedRow<'_>>(bytes);
    let fields = [
        &row.f0, &row.f1, &row.f2, &row.f3, &row.f4, &row.f5, &row.f6, &row.f7, &row.f8, &row.f9,
    ];
    fields.map(|field| sum(field)).iter().sum()
}
