//! rkyv: the application's structs are what is archived, payload is borrowed, the aligned buffer is used again, access is checked.

use std::mem;

use rkyv::api::high::{HighSerializer, HighValidator, to_bytes_in};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Portable, Serialize, access};

use crate::case::{Case, bits, case, glance, sum};
use crate::data::{ArchivedPoint, ArchivedRecord, ArchivedTriangle, Record, Set, Shape, Triangle};
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
        Shape::Log(logs) => over(logs, |out, log: &Vec<Record>| archive(out, log), read_log),
        Shape::Mesh(meshes) => over(meshes, |out, mesh: &Vec<Triangle>| archive(out, mesh), read_mesh),
        Shape::Coordinates(lists) => over(lists, |out, list: &Vec<f32>| archive(out, list), read_coordinates),
        Shape::Values(values) => over(
            values,
            |out, values| {
                let values = values.iter().map(|value| &value.bytes[..]).collect();
                archive(out, &Values { values })
            },
            |bytes| {
                checked::<ArchivedValues<'_>>(bytes)
                    .values
                    .iter()
                    .map(|value| sum(value))
                    .sum()
            },
        ),
        Shape::Pair(pairs) => over(
            pairs,
            |out, [key, value]| {
                archive(
                    out,
                    &Pair {
                        key: &key.bytes,
                        value: &value.bytes,
                    },
                )
            },
            |bytes| {
                let pair = checked::<ArchivedPair<'_>>(bytes);
                sum(&pair.key) + sum(&pair.value)
            },
        ),
        Shape::Row(rows) => over(
            rows,
            |out, row| {
                let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = row.each_ref().map(|field| &field.bytes[..]);
                let row = Row {
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
                archive(out, &row)
            },
            read_row,
        ),
        Shape::Blob(blobs) => over(
            blobs,
            |out, blob| archive(out, &Blob { data: &blob.bytes }),
            if set.first_only {
                |bytes| glance(&checked::<ArchivedBlob<'_>>(bytes).data)
            } else {
                |bytes| sum(&checked::<ArchivedBlob<'_>>(bytes).data)
            },
        ),
    }
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

fn archive<M>(out: &mut AlignedVec, message: &M)
where
    M: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>,
{
    let mut buffer = mem::take(out);
    buffer.clear();
    *out = to_bytes_in::<_, Error>(message, buffer).expect("a vector has room");
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
    let list = checked::<rkyv::vec::ArchivedVec<rkyv::rend::f32_le>>(bytes);
    list.iter().map(|number| bits(number.to_native())).sum()
}

fn read_row(bytes: &[u8]) -> u64 {
    let row = checked::<ArchivedRow<'_>>(bytes);
    let fields = [
        &row.f0, &row.f1, &row.f2, &row.f3, &row.f4, &row.f5, &row.f6, &row.f7, &row.f8, &row.f9,
    ];
    fields.map(|field| sum(field)).iter().sum()
}
