//! Crake: payload that need not be copied goes out from where it lies, and is read where it arrived; logs, meshes and rows, which have small
//! fields, are compiled without that. A mesh is kept in our own structs, which are fixed messages.

use std::borrow::Borrow;

use crake_mem::{Buf, Sga};
use crake_wire::{Encode, Frame, Gathered, Gatherer, Limits, WireError};

use crate::data::{Kind, Payload, Record, Set, Shape};
use crate::memory::case::{Case, bits, case, sum};
use crate::queue::{Build, Outbox, Reading};
use crate::rivals::BUILT_HERE;

use gathered::{Blob, BlobView};
use plain::{
    Address, Coordinates, CoordinatesView, Log, LogView, Mesh, MeshView, Pair, PairView, Point, Row, RowView,
    Triangle, Values, ValuesView,
};

#[allow(dead_code, missing_docs)]
mod gathered {
    include!(concat!(env!("OUT_DIR"), "/crake/gathered.rs"));
}

#[allow(dead_code, missing_docs)]
mod plain {
    include!(concat!(env!("OUT_DIR"), "/crake/plain.rs"));
}

/// What a datapath's receive buffers hold, unless it is told otherwise.
const RECEIVE_BYTES: usize = 64 << 10;

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => over(logs, with_log, read_log),
        Shape::Mesh(meshes) => over(meshes.iter().map(mesh), with_mesh, read_mesh),
        Shape::Coordinates(lists) => over(lists, with_coordinates, read_coordinates),
        Shape::Values(values) => over(values, with_values, read_values),
        Shape::Pair(pairs) => over(pairs, with_pair, read_pair),
        Shape::Row(rows) => over(rows, with_row, read_row),
        Shape::Blob(blobs) if set.first_only => over(blobs, with_blob, first_of_blob),
        Shape::Blob(blobs) => over(blobs, with_blob, read_blob),
    }
}

pub fn build(set: &Set, gather_min: usize) -> Build<'_> {
    let gatherer = Gatherer::new(Limits {
        gather_min,
        ..Limits::default()
    });
    match &set.shape {
        Shape::Log(logs) => into_queue(gatherer, logs, |out, message| with_log(out, message)),
        Shape::Mesh(meshes) => into_queue(gatherer, meshes.iter().map(mesh), |out, message| {
            with_mesh(out, message)
        }),
        Shape::Coordinates(lists) => {
            into_queue(gatherer, lists, |out, message| with_coordinates(out, message))
        }
        Shape::Values(values) => into_queue(gatherer, values, |out, message| with_values(out, message)),
        Shape::Pair(pairs) => into_queue(gatherer, pairs, |out, message| with_pair(out, message)),
        Shape::Row(rows) => into_queue(gatherer, rows, |out, message| with_row(out, message)),
        Shape::Blob(blobs) => into_queue(gatherer, blobs, |out, message| with_blob(out, message)),
    }
}

pub fn reading(kind: Kind) -> Reading {
    Reading::Gathered(match kind {
        Kind::Log => read_log,
        Kind::Mesh => read_mesh,
        Kind::Coordinates => read_coordinates,
        Kind::Values => read_values,
        Kind::Pair => read_pair,
        Kind::Row => read_row,
        Kind::Blob => read_blob,
    })
}

/// What makes messages: says how long all of one is.
trait Make {
    fn make<M: Encode>(&mut self, message: &M) -> usize;
}

/// In memory.
#[derive(Default)]
struct Maker {
    gatherer: Gatherer,
    /// Stands for the queue's buffer.
    out: Vec<u8>,
    beside: Sga,
}

impl Make for Maker {
    /// As a connection does it: plan where something may be gathered, then write into a place of that length.
    #[inline(always)]
    fn make<M: Encode>(&mut self, message: &M) -> usize {
        self.beside.clear();
        if !M::GATHERS {
            let len = message.encoded_len();
            message.encode(self.place(len));
            return len;
        }
        let plan = self.gatherer.plan(message);
        let len = plan.message_len();
        self.place(len);
        message.encode_gathered(&mut self.out[..len], plan, &mut self.beside);
        len + self.beside.len_bytes()
    }
}

impl Maker {
    #[inline]
    fn place(&mut self, len: usize) -> &mut [u8] {
        if self.out.len() < len {
            self.out.resize(len, 0);
        }
        &mut self.out[..len]
    }
}

/// For a queue.
struct Queued<'q> {
    gatherer: &'q mut Gatherer,
    outbox: &'q mut Outbox,
}

impl Make for Queued<'_> {
    #[inline(always)]
    fn make<M: Encode>(&mut self, message: &M) -> usize {
        if !M::GATHERS {
            let len = message.encoded_len();
            self.outbox.frame(len, |out| {
                message.encode(out);
                len
            });
            return len;
        }
        let plan = self.gatherer.plan(message);
        let (len, beside_len) = (plan.message_len(), plan.gathered_len());
        let mut beside = Sga::new();
        self.outbox.frame_before(beside_len, len, |out| {
            message.encode_gathered(out, plan, &mut beside);
            len
        });
        if beside_len > 0 {
            self.outbox.beside(beside);
        }
        len + beside_len
    }
}

fn into_queue<'a, D: 'a, M: Borrow<D> + 'a>(
    mut gatherer: Gatherer,
    messages: impl IntoIterator<Item = M>,
    make: for<'q> fn(&mut Queued<'q>, &D) -> usize,
) -> Build<'a> {
    let messages: Vec<M> = messages.into_iter().collect();
    Box::new(move |message, outbox| {
        let mut queued = Queued {
            gatherer: &mut gatherer,
            outbox,
        };
        make(&mut queued, messages[message].borrow());
    })
}

/// What arrived: the message, and buffers with what was gathered.
struct Received {
    message: Vec<u8>,
    beside: Vec<Buf>,
    /// Bytes in these, as their header said.
    beside_len: usize,
}

impl Received {
    fn of(maker: &Maker, len: usize) -> Self {
        let message = maker.out[..len - maker.beside.len_bytes()].to_vec();
        let gathered = maker.beside.concat();
        let beside = gathered.chunks(RECEIVE_BYTES).map(Buf::copy_from_slice).collect();
        Self {
            message,
            beside,
            beside_len: gathered.len(),
        }
    }

    fn frame(&self) -> Gathered<'_> {
        Gathered::with_len(&self.message, &self.beside, self.beside_len)
    }
}

fn over<'a, D: 'a, M: Borrow<D> + 'a>(
    messages: impl IntoIterator<Item = M>,
    make: fn(&mut Maker, &D) -> usize,
    read: for<'r> fn(Gathered<'r>) -> Result<u64, WireError>,
) -> Box<dyn Case + 'a> {
    let mut maker = Maker::default();
    case(
        messages,
        move |message| make(&mut maker, message.borrow()),
        move |message| {
            let mut maker = Maker::default();
            let len = make(&mut maker, message.borrow());
            Received::of(&maker, len)
        },
        move |received| read(received.frame()).expect(BUILT_HERE),
    )
}

fn with_log(maker: &mut impl Make, records: &Vec<Record>) -> usize {
    let records: Vec<plain::Record<'_>> = records
        .iter()
        .map(|record| plain::Record {
            address: Some(Address {
                x0: record.address[0].into(),
                x1: record.address[1].into(),
                x2: record.address[2].into(),
                x3: record.address[3].into(),
            }),
            identity: &record.identity,
            userid: &record.userid,
            date: &record.date,
            request: &record.request,
            code: record.code.into(),
            size: record.size,
        })
        .collect();
    maker.make(&Log { records: &records })
}

fn read_log(frame: Gathered<'_>) -> Result<u64, WireError> {
    let text = |text: Result<&str, WireError>| Ok(sum(text?.as_bytes()));
    let mut total = 0;
    for record in LogView::parse(frame.head())?.records()? {
        let record = record?;
        if let Some(address) = record.address()? {
            total +=
                u64::from(address.x0) + u64::from(address.x1) + u64::from(address.x2) + u64::from(address.x3);
        }
        total += text(record.identity())?
            + text(record.userid())?
            + text(record.date())?
            + text(record.request())?;
        total += u64::from(record.code()) + record.size();
    }
    Ok(total)
}

/// Fixed messages are structs as the application has them.
fn mesh(triangles: &Vec<crate::data::Triangle>) -> Vec<Triangle> {
    let point = |point: crate::data::Point| Point {
        x: point.x,
        y: point.y,
        z: point.z,
    };
    let triangle = |triangle: &crate::data::Triangle| Triangle {
        a: point(triangle.a),
        b: point(triangle.b),
        c: point(triangle.c),
        normal: point(triangle.normal),
    };
    triangles.iter().map(triangle).collect()
}

fn with_mesh(maker: &mut impl Make, triangles: &Vec<Triangle>) -> usize {
    maker.make(&Mesh { triangles })
}

fn read_mesh(frame: Gathered<'_>) -> Result<u64, WireError> {
    let triangles = MeshView::parse(frame.head())?.triangles()?;
    let sum = triangles
        .map(|triangle| point(triangle.a) + point(triangle.b) + point(triangle.c) + point(triangle.normal));
    Ok(sum.sum())
}

fn point(point: Point) -> u64 {
    bits(point.x) + bits(point.y) + bits(point.z)
}

fn with_coordinates(maker: &mut impl Make, numbers: &Vec<f32>) -> usize {
    maker.make(&Coordinates { numbers })
}

fn read_coordinates(frame: Gathered<'_>) -> Result<u64, WireError> {
    Ok(CoordinatesView::parse(frame.head())?.numbers()?.map(bits).sum())
}

fn with_values(maker: &mut impl Make, values: &Vec<Payload>) -> usize {
    // As many as a message has here: no allocation.
    let mut list = [&[][..]; 16];
    for (place, value) in list.iter_mut().zip(values) {
        *place = &value.buf[..];
    }
    maker.make(&Values {
        values: &list[..values.len()],
    })
}

fn read_values(frame: Gathered<'_>) -> Result<u64, WireError> {
    let mut total = 0;
    for value in ValuesView::parse(frame.head())?.values()? {
        total += sum(value?);
    }
    Ok(total)
}

fn with_pair(maker: &mut impl Make, [key, value]: &[Payload; 2]) -> usize {
    maker.make(&Pair {
        key: &key.buf,
        value: &value.buf,
    })
}

fn read_pair(frame: Gathered<'_>) -> Result<u64, WireError> {
    let view = PairView::parse(frame.head())?;
    Ok(sum(view.key()?) + sum(view.value()?))
}

fn with_row(maker: &mut impl Make, row: &[Payload; 10]) -> usize {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row.each_ref().map(|field| &field.buf[..]);
    maker.make(&Row {
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

fn read_row(frame: Gathered<'_>) -> Result<u64, WireError> {
    let row = RowView::parse(frame.head())?;
    let first = sum(row.f0()?) + sum(row.f1()?) + sum(row.f2()?) + sum(row.f3()?) + sum(row.f4()?);
    Ok(first + sum(row.f5()?) + sum(row.f6()?) + sum(row.f7()?) + sum(row.f8()?) + sum(row.f9()?))
}

fn with_blob(maker: &mut impl Make, blob: &Payload) -> usize {
    maker.make(&Blob {
        data: (&blob.buf).into(),
    })
}

fn read_blob(frame: Gathered<'_>) -> Result<u64, WireError> {
    Ok(look(BlobView::parse_gathered(frame)?.data()?))
}

fn first_of_blob(frame: Gathered<'_>) -> Result<u64, WireError> {
    let data = BlobView::parse_gathered(frame)?.data()?;
    let first = data.pieces().next().and_then(|piece| piece.first().copied());
    Ok(data.len() as u64 + u64::from(first.unwrap_or(0)))
}

fn look(payload: crake_wire::Payload<'_>) -> u64 {
    if let Some(bytes) = payload.as_slice() {
        return sum(bytes);
    }
    // Where one piece ends the next goes on: a byte of each 64 of the whole.
    let (mut total, mut skip) = (0, 0);
    for piece in payload.pieces() {
        total += sum(piece.get(skip..).unwrap_or(&[]));
        skip = (skip + 64 - piece.len() % 64) % 64;
    }
    total
}
