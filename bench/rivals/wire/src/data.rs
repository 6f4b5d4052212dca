//! What is sent: made from a seed, the same on every machine, in the proportions that have been published of such data.

use bytes::Bytes;
use crake_mem::Buf;
use rkyv::{Archive, Serialize};

/// Messages of one kind.
pub enum Shape {
    Log(Vec<Vec<Record>>),
    Mesh(Vec<Vec<Triangle>>),
    Coordinates(Vec<Vec<f32>>),
    Values(Vec<Vec<Payload>>),
    Pair(Vec<[Payload; 2]>),
    Blob(Vec<Payload>),
    Row(Vec<[Payload; 10]>),
}

/// Which messages they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Log,
    Mesh,
    Coordinates,
    Values,
    Pair,
    Blob,
    Row,
}

impl Shape {
    pub fn kind(&self) -> Kind {
        match self {
            Shape::Log(_) => Kind::Log,
            Shape::Mesh(_) => Kind::Mesh,
            Shape::Coordinates(_) => Kind::Coordinates,
            Shape::Values(_) => Kind::Values,
            Shape::Pair(_) => Kind::Pair,
            Shape::Blob(_) => Kind::Blob,
            Shape::Row(_) => Kind::Row,
        }
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        match self {
            Shape::Log(messages) => messages.len(),
            Shape::Mesh(messages) => messages.len(),
            Shape::Coordinates(messages) => messages.len(),
            Shape::Values(messages) => messages.len(),
            Shape::Pair(messages) => messages.len(),
            Shape::Blob(messages) => messages.len(),
            Shape::Row(messages) => messages.len(),
        }
    }
}

/// A shape under the name that it has in the table.
pub struct Set {
    pub name: String,
    pub shape: Shape,
    /// Only the first field of a message is read, and not its payload.
    pub first_only: bool,
}

/// A line of a web server's log.
#[derive(Archive, Serialize)]
pub struct Record {
    pub address: [u8; 4],
    pub identity: String,
    pub userid: String,
    pub date: String,
    pub request: String,
    pub code: u16,
    pub size: u64,
}

/// A triangle of a mesh.
#[derive(Archive, Serialize, Clone, Copy)]
pub struct Triangle {
    pub a: Point,
    pub b: Point,
    pub c: Point,
    pub normal: Point,
}

#[derive(Archive, Serialize, Clone, Copy)]
pub struct Point {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

/// The same bytes in a counted buffer of Crake's and in one of the crate `bytes`.
pub struct Payload {
    pub buf: Buf,
    pub bytes: Bytes,
}

/// A message of which can be said how much room is enough for it in any format.
pub trait Room {
    fn bytes_max(&self) -> usize;
}

/// What a field takes beside its bytes, and what a message does.
const FIELD_BYTES: usize = 64;

impl Room for Payload {
    fn bytes_max(&self) -> usize {
        self.bytes.len() + 2 * FIELD_BYTES
    }
}

impl<const N: usize> Room for [Payload; N] {
    fn bytes_max(&self) -> usize {
        self.iter().map(Room::bytes_max).sum()
    }
}

impl Room for Vec<Payload> {
    fn bytes_max(&self) -> usize {
        FIELD_BYTES + self.iter().map(Room::bytes_max).sum::<usize>()
    }
}

impl Room for Vec<Record> {
    fn bytes_max(&self) -> usize {
        let texts = |record: &Record| {
            record.identity.len() + record.userid.len() + record.date.len() + record.request.len()
        };
        FIELD_BYTES
            + self
                .iter()
                .map(|record| texts(record) + 3 * FIELD_BYTES)
                .sum::<usize>()
    }
}

impl Room for Vec<Triangle> {
    fn bytes_max(&self) -> usize {
        FIELD_BYTES + self.len() * 3 * FIELD_BYTES
    }
}

impl Room for Vec<f32> {
    fn bytes_max(&self) -> usize {
        FIELD_BYTES + size_of_val(&self[..])
    }
}

/// All that is measured.
pub fn sets(seed: u64) -> Vec<Set> {
    let mut random = Random(seed);
    let all = |name: &str, shape| Set {
        name: name.to_owned(),
        shape,
        first_only: false,
    };
    let mut sets = vec![
        all(
            "log, 1,000 records",
            Shape::Log(random.times(4, |random| random.times(1000, Random::record))),
        ),
        all(
            "mesh, 5,000 triangles",
            Shape::Mesh(random.times(2, |random| random.times(5000, Random::triangle))),
        ),
        all(
            "the same in one list",
            Shape::Coordinates(random.times(2, |random| random.times(60_000, Random::coordinate))),
        ),
    ];
    for most in [1, 4, 8, 16] {
        let name = if most == 1 {
            "Google, 1 value".to_owned()
        } else {
            format!("Google, 1 to {most} values")
        };
        let values = random.times(512, |random| {
            let count = random.between(1, most);
            random.times(count, Random::google_field)
        });
        sets.push(all(&name, Shape::Values(values)));
    }
    sets.extend([
        all(
            "Twitter, key and value",
            Shape::Pair(random.times(512, Random::twitter_pair)),
        ),
        all("CDN, an image", Shape::Blob(random.times(64, Random::image))),
        all(
            "YCSB, 10 fields of 100 B",
            Shape::Row(random.times(512, |random| [(); 10].map(|()| random.payload(100)))),
        ),
        all(
            "YCSB, 1 field of 1 KiB",
            Shape::Blob(random.times(512, |random| random.payload(1024))),
        ),
    ]);
    for (name, len_bytes) in [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        sets.push(Set {
            name: format!("first field, {name}"),
            shape: Shape::Blob(random.times(8, |random| random.payload(len_bytes))),
            first_only: true,
        });
    }
    sets
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Both ends included.
    fn between(&mut self, least: usize, most: usize) -> usize {
        least + (self.next() % (most - least + 1) as u64) as usize
    }

    /// Both ends included; as many below the geometric middle as above it.
    fn sized(&mut self, least: usize, most: usize) -> usize {
        let spread = (most as f64 / least as f64).ln();
        ((least as f64 * (self.unit() * spread).exp()).round() as usize).clamp(least, most)
    }

    fn times<T>(&mut self, count: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| make(self)).collect()
    }

    fn payload(&mut self, len_bytes: usize) -> Payload {
        let bytes: Vec<u8> = self.times(len_bytes, |random| random.next() as u8);
        Payload {
            buf: Buf::copy_from_slice(&bytes),
            bytes: bytes.into(),
        }
    }

    /// Of Google's `bytes` fields 94.9 % have at most 512 bytes; the others here up to 8 KiB.
    fn google_field(&mut self) -> Payload {
        let len_bytes = if self.unit() < 0.949 {
            self.sized(1, 512)
        } else {
            self.sized(513, 8192)
        };
        self.payload(len_bytes)
    }

    /// Of Twitter's values 32 % have more than 512 bytes.
    fn twitter_pair(&mut self) -> [Payload; 2] {
        let key = self.payload(40);
        let len_bytes = if self.unit() < 0.68 {
            self.sized(16, 512)
        } else {
            self.sized(513, 4096)
        };
        [key, self.payload(len_bytes)]
    }

    fn image(&mut self) -> Payload {
        let len_bytes = self.sized(1 << 10, 1 << 20);
        self.payload(len_bytes)
    }

    fn record(&mut self) -> Record {
        let methods = ["GET", "POST", "PUT", "DELETE"];
        let depth = self.between(1, 4);
        let path: String = self.times(depth, |random| format!("/{}", random.word())).concat();
        Record {
            address: [(); 4].map(|()| self.next() as u8),
            identity: "-".to_owned(),
            userid: self.word(),
            date: format!(
                "{:02}/Nov/2026:{:02}:{:02}:{:02} +0000",
                self.between(1, 30),
                self.between(0, 23),
                self.between(0, 59),
                self.between(0, 59)
            ),
            request: format!("{} {path} HTTP/1.1", methods[self.between(0, 3)]),
            code: [200, 204, 301, 304, 404, 500][self.between(0, 5)],
            size: self.sized(1, 1 << 20) as u64,
        }
    }

    fn word(&mut self) -> String {
        let letters = self.between(3, 12);
        self.times(letters, |random| char::from(b'a' + random.between(0, 25) as u8))
            .into_iter()
            .collect()
    }

    fn triangle(&mut self) -> Triangle {
        let [a, b, c, normal] = [(); 4].map(|()| Point {
            x: self.coordinate(),
            y: self.coordinate(),
            z: self.coordinate(),
        });
        Triangle { a, b, c, normal }
    }

    fn coordinate(&mut self) -> f32 {
        self.unit() as f32 * 2.0 - 1.0
    }
}
