//! Crake: what need not be copied goes out from where it lies, and is read where it arrived.

use crake_mem::{Buf, Sga};
use crake_wire::{Encode, Gathered, Gatherer, Text, WireError};

use crate::case::{Case, bits, case, sum};
use crate::data::{Payload, Record, Set, Shape, Triangle};
use crate::rivals::BUILT_HERE;

use messages::{
    Address, Blob, BlobView, Coordinates, CoordinatesView, Log, LogView, Mesh, MeshView, Pair, PairView,
    Point, PointView, Row, RowView, Values, ValuesView,
};

#[allow(dead_code, missing_docs)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/crake/messages.rs"));
}

/// What a datapath's receive buffers hold, unless it is told otherwise.
const RECEIVE_BYTES: usize = 64 << 10;

pub fn case_of(set: &Set) -> Box<dyn Case + '_> {
    match &set.shape {
        Shape::Log(logs) => over(logs, with_log, read_log),
        Shape::Mesh(meshes) => over(meshes, with_mesh, read_mesh),
        Shape::Coordinates(lists) => over(lists, with_coordinates, read_coordinates),
        Shape::Values(values) => over(values, with_values, read_values),
        Shape::Pair(pairs) => over(pairs, with_pair, read_pair),
        Shape::Row(rows) => over(rows, with_row, read_row),
        Shape::Blob(blobs) if set.first_only => over(blobs, with_blob, first_of_blob),
        Shape::Blob(blobs) => over(blobs, with_blob, read_blob),
    }
}

/// What makes messages for one queue.
#[derive(Default)]
struct Maker {
    gatherer: Gatherer,
    /// Stands for the queue's buffer.
    out: Vec<u8>,
    beside: Sga,
}

impl Maker {
    /// As a connection does it: plan, then write into a place of that length.
    fn make(&mut self, message: &impl Encode) -> usize {
        self.beside.clear();
        let plan = self.gatherer.plan(message);
        let len = message.encoded_len() - plan.gathered_len();
        if self.out.len() < len {
            self.out.resize(len, 0);
        }
        message.encode_gathered(&mut self.out[..len], plan, &mut self.beside);
        len + self.beside.len_bytes()
    }
}

/// What arrived: the message, and buffers with what was gathered.
struct Received {
    message: Vec<u8>,
    beside: Vec<Buf>,
}

impl Received {
    fn of(maker: &Maker, len: usize) -> Self {
        let message = maker.out[..len - maker.beside.len_bytes()].to_vec();
        let gathered = maker.beside.concat();
        let beside = gathered.chunks(RECEIVE_BYTES).map(Buf::copy_from_slice).collect();
        Self { message, beside }
    }

    fn frame(&self) -> Gathered<'_> {
        Gathered::new(&self.message, &self.beside)
    }
}

fn over<'a, M>(
    messages: &'a [M],
    make: fn(&mut Maker, &M) -> usize,
    read: for<'r> fn(Gathered<'r>) -> Result<u64, WireError>,
) -> Box<dyn Case + 'a> {
    let mut maker = Maker::default();
    case(
        messages,
        move |message| make(&mut maker, message),
        move |message| {
            let mut maker = Maker::default();
            let len = make(&mut maker, message);
            Received::of(&maker, len)
        },
        move |received| read(received.frame()).expect(BUILT_HERE),
    )
}

fn with_log(maker: &mut Maker, records: &Vec<Record>) -> usize {
    let records: Vec<messages::Record<'_>> = records
        .iter()
        .map(|record| messages::Record {
            address: Some(Address {
                x0: record.address[0].into(),
                x1: record.address[1].into(),
                x2: record.address[2].into(),
                x3: record.address[3].into(),
            }),
            identity: record.identity.as_str().into(),
            userid: record.userid.as_str().into(),
            date: record.date.as_str().into(),
            request: record.request.as_str().into(),
            code: record.code.into(),
            size: record.size,
        })
        .collect();
    maker.make(&Log { records: &records })
}

fn read_log(frame: Gathered<'_>) -> Result<u64, WireError> {
    let text = |text: Result<Text<'_>, WireError>| Ok(sum(text?.to_str()?.as_bytes()));
    let mut total = 0;
    for record in LogView::parse_gathered(frame)?.records()? {
        let record = record?;
        if let Some(address) = record.address()? {
            total += u64::from(address.x0())
                + u64::from(address.x1())
                + u64::from(address.x2())
                + u64::from(address.x3());
        }
        total += text(record.identity())?
            + text(record.userid())?
            + text(record.date())?
            + text(record.request())?;
        total += u64::from(record.code()) + record.size();
    }
    Ok(total)
}

fn with_mesh(maker: &mut Maker, triangles: &Vec<Triangle>) -> usize {
    let point = |point: crate::data::Point| {
        Some(Point {
            x: point.x,
            y: point.y,
            z: point.z,
        })
    };
    let triangles: Vec<messages::Triangle> = triangles
        .iter()
        .map(|triangle| messages::Triangle {
            a: point(triangle.a),
            b: point(triangle.b),
            c: point(triangle.c),
            normal: point(triangle.normal),
        })
        .collect();
    maker.make(&Mesh {
        triangles: &triangles,
    })
}

fn read_mesh(frame: Gathered<'_>) -> Result<u64, WireError> {
    let mut total = 0;
    for triangle in MeshView::parse_gathered(frame)?.triangles()? {
        let triangle = triangle?;
        total +=
            point(triangle.a()?) + point(triangle.b()?) + point(triangle.c()?) + point(triangle.normal()?);
    }
    Ok(total)
}

fn point<'a>(point: Option<PointView<'a, Gathered<'a>>>) -> u64 {
    point.map_or(0, |point| bits(point.x()) + bits(point.y()) + bits(point.z()))
}

fn with_coordinates(maker: &mut Maker, numbers: &Vec<f32>) -> usize {
    maker.make(&Coordinates { numbers })
}

fn read_coordinates(frame: Gathered<'_>) -> Result<u64, WireError> {
    Ok(CoordinatesView::parse_gathered(frame)?.numbers()?.map(bits).sum())
}

fn with_values(maker: &mut Maker, values: &Vec<Payload>) -> usize {
    // As many as a message has here: no allocation.
    let mut list = [crake_wire::Payload::default(); 16];
    for (place, value) in list.iter_mut().zip(values) {
        *place = (&value.buf).into();
    }
    maker.make(&Values {
        values: &list[..values.len()],
    })
}

fn read_values(frame: Gathered<'_>) -> Result<u64, WireError> {
    let mut total = 0;
    for value in ValuesView::parse_gathered(frame)?.values()? {
        total += look(value?);
    }
    Ok(total)
}

fn with_pair(maker: &mut Maker, [key, value]: &[Payload; 2]) -> usize {
    maker.make(&Pair {
        key: (&key.buf).into(),
        value: (&value.buf).into(),
    })
}

fn read_pair(frame: Gathered<'_>) -> Result<u64, WireError> {
    let view = PairView::parse_gathered(frame)?;
    Ok(look(view.key()?) + look(view.value()?))
}

fn with_row(maker: &mut Maker, row: &[Payload; 10]) -> usize {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row.each_ref().map(|field| (&field.buf).into());
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
    let row = RowView::parse_gathered(frame)?;
    let first = look(row.f0()?) + look(row.f1()?) + look(row.f2()?) + look(row.f3()?) + look(row.f4()?);
    Ok(first + look(row.f5()?) + look(row.f6()?) + look(row.f7()?) + look(row.f8()?) + look(row.f9()?))
}

fn with_blob(maker: &mut Maker, blob: &Payload) -> usize {
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
