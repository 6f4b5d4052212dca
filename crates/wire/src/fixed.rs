//! Fixed messages: structs of numbers that lie as these numbers, one after the other, with nothing between them.

use crate::encode::pointer;
use crate::reader::pointed;
use crate::{Beside, Frame, Raw, Scalar, WireError, Writer};

/// A number, or a message whose fields are numbers and never change. `wire-gen` writes the implementations for messages.
///
/// Every pattern of bits is a value, so only that there are as many bytes as it takes has to be looked at: once for a
/// field, and once for a list.
pub trait Fixed: Copy + Default {
    /// All of its bytes.
    type Raw: Raw;

    /// Reads the value.
    fn read(raw: &Self::Raw) -> Self;

    /// Writes the value.
    fn write(&self, raw: &mut Self::Raw);

    /// The value that `pointer`, the slot of a message in `frame`, tells of.
    ///
    /// # Errors
    ///
    /// [`WireError::OutOfFrame`]; [`WireError::WrongSize`] when it is of so many bytes as no value of this type has.
    #[inline]
    fn pointed<'a>(frame: impl Frame<'a>, pointer: u64) -> Result<Self, WireError> {
        let bytes = pointed(frame.head(), pointer)?;
        match Self::Raw::chunks(bytes) {
            [raw] if bytes.len() == size_of::<Self::Raw>() => Ok(Self::read(raw)),
            _ => Err(WireError::WrongSize),
        }
    }

    /// The same for a slot of an entry of a map, where one of zeros is the default.
    ///
    /// # Errors
    ///
    /// As [`pointed`](Fixed::pointed).
    #[inline]
    fn in_entry<'a>(frame: impl Frame<'a>, slot: u64) -> Result<Self, WireError> {
        match slot {
            0 => Ok(Self::default()),
            pointer => Self::pointed(frame, pointer),
        }
    }
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl Fixed for $type {
            type Raw = <$type as Scalar>::Raw;

            #[inline]
            fn read(raw: &Self::Raw) -> Self {
                Self::from_raw(*raw)
            }

            #[inline]
            fn write(&self, raw: &mut Self::Raw) {
                *raw = self.to_raw();
            }
        }
    )*};
}

number!(u64 i64 f64 u32 i32 f32);

/// The field that lies from byte `AT` on of a fixed message of `N` bytes.
#[inline(always)]
pub fn fixed_field<T: Fixed, const AT: usize, const N: usize>(raw: &[u8; N]) -> T {
    const { assert!(AT + size_of::<T::Raw>() <= N, "the field lies in the message") };
    T::read(&T::Raw::chunks(&raw[AT..])[0])
}

/// Fills the field that lies from byte `AT` on of a fixed message of `N` bytes.
#[inline(always)]
pub fn put_fixed_field<T: Fixed, const AT: usize, const N: usize>(raw: &mut [u8; N], value: &T) {
    const { assert!(AT + size_of::<T::Raw>() <= N, "the field lies in the message") };
    value.write(&mut T::Raw::chunks_mut(&mut raw[AT..])[0]);
}

/// The payload of so many fixed messages, in bytes.
#[inline]
#[must_use]
pub fn fixed_bytes<T: Fixed>(values: &[T]) -> usize {
    size_of::<T::Raw>() * values.len()
}

impl<B: Beside> Writer<'_, B> {
    /// Appends a fixed message.
    #[inline]
    pub fn fixed<T: Fixed>(&mut self, value: &T) -> u64 {
        let slot = pointer(size_of::<T::Raw>(), self.offset);
        value.write(&mut T::Raw::chunks_mut(self.take(size_of::<T::Raw>()))[0]);
        slot
    }

    /// Appends a list of fixed messages.
    #[inline]
    pub fn fixed_list<T: Fixed>(&mut self, values: &[T]) -> u64 {
        let slot = pointer(values.len(), self.offset);
        let table = T::Raw::chunks_mut(self.take(fixed_bytes(values)));
        // Four at a time, whose bytes are a multiple of 16: what lies in memory as it does here is moved so many at once,
        // and a list of twelve bytes each takes a third of the time.
        let (fours, rest) = table.as_chunks_mut::<4>();
        let (values, last) = values.as_chunks::<4>();
        for (four, values) in fours.iter_mut().zip(values) {
            write_all(four, values);
        }
        write_all(rest, last);
        slot
    }
}

#[inline(always)]
fn write_all<T: Fixed>(elements: &mut [T::Raw], values: &[T]) {
    for (element, value) in elements.iter_mut().zip(values) {
        value.write(element);
    }
}
