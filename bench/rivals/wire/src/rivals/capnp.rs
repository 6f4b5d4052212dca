//! Cap'n Proto: one scratch space that every message fits in, so one segment; what is received is aligned and in one piece. In memory messages
//! are handed out as segments, without their table; for a queue both are copied to where they are sent from, because a builder clears the
//! place that it was given when it is done. The reader's limits are the library's own.

use capnp::message::{Builder, HeapAllocator, ReaderOptions, ScratchSpaceHeapAllocator};
use capnp::serialize::{read_message_from_flat_slice_no_alloc, write_message_to_words};
use capnp::{Result, Word};

use crate::data::{Kind, Payload, Record, Set, Shape, Triangle};
use crate::memory::case::{Case, bits, case, glance, sum};
use crate::queue::{Build as QueueBuild, Reading};
use crate::rivals::BUILT_HERE;

use messages_capnp::{blob, coordinates, log, mesh, pair, point, row, values};

#[allow(clippy::all, dead_code, missing_docs)]
mod messages_capnp {
    include!(concat!(env!("OUT_DIR"), "/messages_capnp.rs"));
}

/// Room for the largest message.
const SCRATCH_WORDS: usize = 512 << 10;

type Scratch = ScratchSpaceHeapAllocator<'static>;

/// What makes a message of `M`: by whichever allocator.
trait Build<M> {
    fn build<A: capnp::message::Allocator>(message: &M, builder: &mut Builder<A>);
}

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => over::<_, Log>(logs, read_log),
        Shape::Mesh(meshes) => over::<_, Mesh>(meshes, read_mesh),
        Shape::Coordinates(lists) => over::<_, Coordinates>(lists, read_coordinates),
        Shape::Values(values) => over::<_, Values>(values, read_values),
        Shape::Pair(pairs) => over::<_, Pair>(pairs, read_pair),
        Shape::Row(rows) => over::<_, Row>(rows, read_row),
        Shape::Blob(blobs) if set.first_only => over::<_, Blob>(blobs, |bytes| with_blob(bytes, glance)),
        Shape::Blob(blobs) => over::<_, Blob>(blobs, |bytes| with_blob(bytes, sum)),
    }
}

pub fn build(set: &Set, _: usize) -> QueueBuild<'_> {
    match &set.shape {
        Shape::Log(logs) => into_queue::<_, Log>(logs),
        Shape::Mesh(meshes) => into_queue::<_, Mesh>(meshes),
        Shape::Coordinates(lists) => into_queue::<_, Coordinates>(lists),
        Shape::Values(values) => into_queue::<_, Values>(values),
        Shape::Pair(pairs) => into_queue::<_, Pair>(pairs),
        Shape::Row(rows) => into_queue::<_, Row>(rows),
        Shape::Blob(blobs) => into_queue::<_, Blob>(blobs),
    }
}

pub fn reading(kind: Kind) -> Reading {
    Reading::Aligned(match kind {
        Kind::Log => |bytes| read_log(bytes).expect(BUILT_HERE),
        Kind::Mesh => |bytes| read_mesh(bytes).expect(BUILT_HERE),
        Kind::Coordinates => |bytes| read_coordinates(bytes).expect(BUILT_HERE),
        Kind::Values => |bytes| read_values(bytes).expect(BUILT_HERE),
        Kind::Pair => |bytes| read_pair(bytes).expect(BUILT_HERE),
        Kind::Row => |bytes| read_row(bytes).expect(BUILT_HERE),
        Kind::Blob => |bytes| with_blob(bytes, sum).expect(BUILT_HERE),
    })
}

fn into_queue<M, B: Build<M>>(messages: &[M]) -> QueueBuild<'_> {
    let mut allocator = scratch();
    Box::new(move |message, outbox| {
        let mut builder = Builder::new(&mut allocator);
        B::build(&messages[message], &mut builder);
        let segments = builder.get_segments_for_output();
        let [segment] = segments[..] else {
            panic!("the scratch space has room for every message");
        };
        let words = u32::try_from(segment.len() / size_of::<Word>()).expect("it is short");
        outbox.aligned_frame(size_of::<Word>() + segment.len(), |out| {
            // The table of a single segment: u32 segments but one, u32 words.
            let (table, place) = out.split_at_mut(size_of::<Word>());
            table[..4].fill(0);
            table[4..].copy_from_slice(&words.to_le_bytes());
            place.copy_from_slice(segment);
            out.len()
        });
    })
}

fn scratch() -> Scratch {
    let scratch = Box::leak(Word::allocate_zeroed_vec(SCRATCH_WORDS).into_boxed_slice());
    Scratch::new(Word::words_to_bytes_mut(scratch))
}

fn over<'a, M, B: Build<M>>(messages: &'a [M], read: fn(&[u8]) -> Result<u64>) -> Box<dyn Case + 'a> {
    let mut allocator = scratch();
    case(
        messages,
        move |message| {
            let mut builder = Builder::new(&mut allocator);
            B::build(message, &mut builder);
            builder
                .get_segments_for_output()
                .iter()
                .map(|segment| segment.len())
                .sum()
        },
        move |message| {
            let mut builder = Builder::new(HeapAllocator::new().first_segment_words(SCRATCH_WORDS as u32));
            B::build(message, &mut builder);
            aligned(&write_message_to_words(&builder))
        },
        move |received: &Vec<Word>| read(Word::words_to_bytes(received)).expect(BUILT_HERE),
    )
}

fn aligned(bytes: &[u8]) -> Vec<Word> {
    let mut words = Word::allocate_zeroed_vec(bytes.len() / size_of::<Word>());
    Word::words_to_bytes_mut(&mut words).copy_from_slice(bytes);
    words
}

/// Reads the message that `bytes` are; `$reader` is its root.
macro_rules! root {
    ($bytes:expr, $reader:ty, |$root:ident| $read:expr) => {{
        let mut bytes = $bytes;
        let message = read_message_from_flat_slice_no_alloc(&mut bytes, ReaderOptions::new())?;
        let $root = message.get_root::<$reader>()?;
        $read
    }};
}

struct Log;

impl Build<Vec<Record>> for Log {
    fn build<A: capnp::message::Allocator>(records: &Vec<Record>, builder: &mut Builder<A>) {
        let mut list = builder
            .init_root::<log::Builder<'_>>()
            .init_records(records.len() as u32);
        for (record, index) in records.iter().zip(0..) {
            let mut place = list.reborrow().get(index);
            place.set_identity(&record.identity);
            place.set_userid(&record.userid);
            place.set_date(&record.date);
            place.set_request(&record.request);
            place.set_code(record.code);
            place.set_size(record.size);
            let mut address = place.init_address();
            address.set_x0(record.address[0]);
            address.set_x1(record.address[1]);
            address.set_x2(record.address[2]);
            address.set_x3(record.address[3]);
        }
    }
}

fn read_log(bytes: &[u8]) -> Result<u64> {
    // As text, so looked at whether it is UTF-8.
    let text = |text: Result<capnp::text::Reader<'_>>| -> Result<u64> { Ok(sum(text?.to_str()?.as_bytes())) };
    root!(bytes, log::Reader<'_>, |log| {
        let mut total = 0;
        for record in log.get_records()? {
            let address = record.get_address()?;
            total += u64::from(address.get_x0()) + u64::from(address.get_x1());
            total += u64::from(address.get_x2()) + u64::from(address.get_x3());
            total += text(record.get_identity())? + text(record.get_userid())?;
            total += text(record.get_date())? + text(record.get_request())?;
            total += u64::from(record.get_code()) + record.get_size();
        }
        Ok(total)
    })
}

struct Mesh;

impl Build<Vec<Triangle>> for Mesh {
    fn build<A: capnp::message::Allocator>(triangles: &Vec<Triangle>, builder: &mut Builder<A>) {
        let set = |mut place: point::Builder<'_>, point: crate::data::Point| {
            place.set_x(point.x);
            place.set_y(point.y);
            place.set_z(point.z);
        };
        let mut list = builder
            .init_root::<mesh::Builder<'_>>()
            .init_triangles(triangles.len() as u32);
        for (triangle, index) in triangles.iter().zip(0..) {
            let mut place = list.reborrow().get(index);
            set(place.reborrow().init_a(), triangle.a);
            set(place.reborrow().init_b(), triangle.b);
            set(place.reborrow().init_c(), triangle.c);
            set(place.init_normal(), triangle.normal);
        }
    }
}

fn read_mesh(bytes: &[u8]) -> Result<u64> {
    let point = |point: point::Reader<'_>| bits(point.get_x()) + bits(point.get_y()) + bits(point.get_z());
    root!(bytes, mesh::Reader<'_>, |mesh| {
        let mut total = 0;
        for triangle in mesh.get_triangles()? {
            total += point(triangle.get_a()?) + point(triangle.get_b()?);
            total += point(triangle.get_c()?) + point(triangle.get_normal()?);
        }
        Ok(total)
    })
}

struct Coordinates;

impl Build<Vec<f32>> for Coordinates {
    fn build<A: capnp::message::Allocator>(numbers: &Vec<f32>, builder: &mut Builder<A>) {
        let mut root = builder.init_root::<coordinates::Builder<'_>>();
        root.set_numbers(&numbers[..])
            .expect("a list of numbers is short enough");
    }
}

fn read_coordinates(bytes: &[u8]) -> Result<u64> {
    root!(bytes, coordinates::Reader<'_>, |coordinates| Ok(coordinates
        .get_numbers()?
        .iter()
        .map(bits)
        .sum()))
}

struct Values;

impl Build<Vec<Payload>> for Values {
    fn build<A: capnp::message::Allocator>(values: &Vec<Payload>, builder: &mut Builder<A>) {
        let mut list = builder
            .init_root::<values::Builder<'_>>()
            .init_values(values.len() as u32);
        for (value, index) in values.iter().zip(0..) {
            list.set(index, &value.bytes);
        }
    }
}

fn read_values(bytes: &[u8]) -> Result<u64> {
    root!(bytes, values::Reader<'_>, |values| {
        let mut total = 0;
        for value in values.get_values()? {
            total += sum(value?);
        }
        Ok(total)
    })
}

struct Pair;

impl Build<[Payload; 2]> for Pair {
    fn build<A: capnp::message::Allocator>([key, value]: &[Payload; 2], builder: &mut Builder<A>) {
        let mut root = builder.init_root::<pair::Builder<'_>>();
        root.set_key(&key.bytes);
        root.set_value(&value.bytes);
    }
}

fn read_pair(bytes: &[u8]) -> Result<u64> {
    root!(bytes, pair::Reader<'_>, |pair| Ok(
        sum(pair.get_key()?) + sum(pair.get_value()?)
    ))
}

struct Row;

impl Build<[Payload; 10]> for Row {
    fn build<A: capnp::message::Allocator>(fields: &[Payload; 10], builder: &mut Builder<A>) {
        let mut root = builder.init_root::<row::Builder<'_>>();
        root.set_f0(&fields[0].bytes);
        root.set_f1(&fields[1].bytes);
        root.set_f2(&fields[2].bytes);
        root.set_f3(&fields[3].bytes);
        root.set_f4(&fields[4].bytes);
        root.set_f5(&fields[5].bytes);
        root.set_f6(&fields[6].bytes);
        root.set_f7(&fields[7].bytes);
        root.set_f8(&fields[8].bytes);
        root.set_f9(&fields[9].bytes);
    }
}

fn read_row(bytes: &[u8]) -> Result<u64> {
    root!(bytes, row::Reader<'_>, |row| {
        let first = sum(row.get_f0()?)
            + sum(row.get_f1()?)
            + sum(row.get_f2()?)
            + sum(row.get_f3()?)
            + sum(row.get_f4()?);
        let second = sum(row.get_f5()?)
            + sum(row.get_f6()?)
            + sum(row.get_f7()?)
            + sum(row.get_f8()?)
            + sum(row.get_f9()?);
        Ok(first + second)
    })
}

struct Blob;

impl Build<Payload> for Blob {
    fn build<A: capnp::message::Allocator>(blob: &Payload, builder: &mut Builder<A>) {
        builder.init_root::<blob::Builder<'_>>().set_data(&blob.bytes);
    }
}

fn with_blob(bytes: &[u8], look: fn(&[u8]) -> u64) -> Result<u64> {
    root!(bytes, blob::Reader<'_>, |blob| Ok(look(blob.get_data()?)))
}
