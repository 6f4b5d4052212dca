//! How the parts of a namespace are written down, in a log and in its snapshots, and read again.
//!
//! Numbers are little-endian; what is variable begins with its count. What is read may be anything: each length is checked before it is
//! used. The layout of each part is the order of its fields; `docs/format/log.md` has it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use smallvec::{Array, SmallVec};

use super::command::{Condition, JobId, Kind, LeaseId, NodeId, PendingId, SessionId};
use super::names::{NAME_BYTES_MAX, Name};

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(super) &'static str);

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// So many bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (front, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(front)
    }

    /// Bytes behind their count.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = u32::load(self)?;
        self.take(len as usize)
    }

    /// The same, and text.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        let is_over = self.rest.is_empty();
        is_over
            .then_some(())
            .ok_or(Malformed("there is more than was written"))
    }
}

/// Bytes with their count, as [`Input::bytes`] reads them.
pub(super) fn save_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // Names, keys, values: nothing of a namespace comes near 4 GiB.
    (bytes.len() as u32).save(out);
    out.extend_from_slice(bytes);
}

/// Something that can be written down and read again.
pub(super) trait State: Sized {
    /// Adds it to the end of `out`.
    fn save(&self, out: &mut Vec<u8>);
    /// Reads what [`Self::save`] wrote.
    fn load(input: &mut Input<'_>) -> Result<Self, Malformed>;
}

/// Of a struct: its fields in this order.
macro_rules! fields {
    ($name:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::namenode::state::State for $name {
            fn save(&self, out: &mut Vec<u8>) {
                $($crate::namenode::state::State::save(&self.$field, out);)+
            }

            fn load(
                input: &mut $crate::namenode::state::Input<'_>,
            ) -> Result<Self, $crate::namenode::state::Malformed> {
                Ok(Self { $($field: $crate::namenode::state::State::load(input)?),+ })
            }
        }
    };
}

pub(super) use fields;

/// Of an enum without values whose numbers begin at 0, in this order.
macro_rules! choices {
    ($name:ty { $($choice:ident),+ $(,)? }) => {
        impl $crate::namenode::state::State for $name {
            fn save(&self, out: &mut Vec<u8>) {
                // So that none is forgotten.
                match self {
                    $(Self::$choice => {})+
                }
                $crate::namenode::state::State::save(&(*self as u8), out);
            }

            fn load(
                input: &mut $crate::namenode::state::Input<'_>,
            ) -> Result<Self, $crate::namenode::state::Malformed> {
                let number: u8 = $crate::namenode::state::State::load(input)?;
                let known = [$(Self::$choice),+].into_iter().find(|choice| *choice as u8 == number);
                known.ok_or($crate::namenode::state::Malformed("a choice that is none"))
            }
        }
    };
}

pub(super) use choices;

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl State for $number {
            fn save(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
                let bytes = input.take(size_of::<Self>())?;
                Ok(Self::from_le_bytes(bytes.try_into().expect("so many were taken")))
            }
        })+
    };
}

numbers!(u8, u16, u32, u64, u128, i64);

macro_rules! newtypes {
    ($($name:ident),+) => {
        $(impl State for $name {
            fn save(&self, out: &mut Vec<u8>) {
                self.0.save(out);
            }

            fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
                State::load(input).map($name)
            }
        })+
    };
}

newtypes!(SessionId, NodeId, LeaseId, PendingId, JobId);

impl State for bool {
    fn save(&self, out: &mut Vec<u8>) {
        u8::from(*self).save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match u8::load(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag is neither set nor not")),
        }
    }
}

impl State for usize {
    fn save(&self, out: &mut Vec<u8>) {
        (*self as u64).save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        usize::try_from(u64::load(input)?).map_err(|_| Malformed("a number is too large"))
    }
}

impl State for Kind {
    fn save(&self, out: &mut Vec<u8>) {
        (*self as u8).save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let number = u8::load(input)?;
        Kind::try_from(i32::from(number)).map_err(|_| Malformed("there is no such kind of node"))
    }
}

impl State for Condition {
    fn save(&self, out: &mut Vec<u8>) {
        match *self {
            Condition::Always => 0_u8.save(out),
            Condition::IfAbsent => 1_u8.save(out),
            Condition::IfVersion(version) => {
                2_u8.save(out);
                version.save(out);
            }
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match u8::load(input)? {
            0 => Ok(Condition::Always),
            1 => Ok(Condition::IfAbsent),
            2 => State::load(input).map(Condition::IfVersion),
            _ => Err(Malformed("there is no such condition")),
        }
    }
}

impl State for Name {
    fn save(&self, out: &mut Vec<u8>) {
        save_bytes(self.as_bytes(), out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let bytes = input.bytes()?;
        let fits = bytes.len() <= NAME_BYTES_MAX;
        fits.then(|| Name::new(bytes))
            .ok_or(Malformed("a name is too long"))
    }
}

impl State for Box<[u8]> {
    fn save(&self, out: &mut Vec<u8>) {
        save_bytes(self, out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        input.bytes().map(Into::into)
    }
}

impl State for Box<str> {
    fn save(&self, out: &mut Vec<u8>) {
        save_bytes(self.as_bytes(), out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        input.text().map(Into::into)
    }
}

impl<T: State> State for Box<T> {
    fn save(&self, out: &mut Vec<u8>) {
        T::save(self, out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        T::load(input).map(Box::new)
    }
}

impl<T: State> State for Option<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.is_some().save(out);
        if let Some(value) = self {
            value.save(out);
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        bool::load(input)?.then(|| T::load(input)).transpose()
    }
}

impl<T: State, const N: usize> State for [T; N] {
    fn save(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.save(out));
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let values = (0..N).map(|_| T::load(input)).collect::<Result<Vec<T>, _>>()?;
        Ok(values.try_into().ok().expect("there are N"))
    }
}

impl<A: State, B: State> State for (A, B) {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
        self.1.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok((A::load(input)?, B::load(input)?))
    }
}

fn save_list<'a, T: State + 'a>(values: impl ExactSizeIterator<Item = &'a T>, out: &mut Vec<u8>) {
    values.len().save(out);
    values.for_each(|value| value.save(out));
}

impl<T: State> State for Vec<T> {
    fn save(&self, out: &mut Vec<u8>) {
        save_list(self.iter(), out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = usize::load(input)?;
        // Grows with what is there, not with what it is said to be.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(T::load(input)?);
        }
        Ok(values)
    }
}

impl<A: Array> State for SmallVec<A>
where
    A::Item: State,
{
    fn save(&self, out: &mut Vec<u8>) {
        save_list(self.iter(), out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Vec::load(input).map(SmallVec::from_iter)
    }
}

impl<T: State> State for VecDeque<T> {
    fn save(&self, out: &mut Vec<u8>) {
        save_list(self.iter(), out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Vec::load(input).map(Into::into)
    }
}

impl<T: State + Ord> State for BTreeSet<T> {
    fn save(&self, out: &mut Vec<u8>) {
        save_list(self.iter(), out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Vec::load(input).map(BTreeSet::from_iter)
    }
}

impl<K: State + Ord, V: State> State for BTreeMap<K, V> {
    fn save(&self, out: &mut Vec<u8>) {
        self.len().save(out);
        for (key, value) in self {
            key.save(out);
            value.save(out);
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = usize::load(input)?;
        // In order, as they are, a map is made of them at once.
        (0..count)
            .map(|_| Ok((K::load(input)?, V::load(input)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways<T: State + PartialEq + std::fmt::Debug>(value: &T) {
        let mut bytes = Vec::new();
        value.save(&mut bytes);
        let mut input = Input::new(&bytes);
        assert_eq!(T::load(&mut input).as_ref(), Ok(value));
        input.end().unwrap();
        for len in 0..bytes.len() {
            let mut input = Input::new(&bytes[..len]);
            assert!(T::load(&mut input).is_err(), "{value:?} cut to {len} bytes");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_cut_is_noticed() {
        both_ways(&u128::MAX);
        both_ways(&vec![Some(NodeId(7)), None]);
        both_ways(&Condition::IfVersion(9));
        both_ways(&BTreeMap::from([
            (SessionId(1), Kind::Table),
            (SessionId(2), Kind::File),
        ]));
        both_ways(&Box::<str>::from("grün"));
        both_ways(&Name::new(&[b'n'; 200]));
        both_ways(&[true, false]);
    }

    #[test]
    fn a_count_that_nothing_follows_takes_no_memory() {
        let mut bytes = Vec::new();
        u64::MAX.save(&mut bytes);
        assert!(Vec::<u64>::load(&mut Input::new(&bytes)).is_err());
        assert!(Kind::load(&mut Input::new(&[9])).is_err());
        assert!(bool::load(&mut Input::new(&[2])).is_err());
    }
}
