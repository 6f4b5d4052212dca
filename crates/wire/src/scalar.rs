//! Values that fit into a slot, and how they lie there and in packed lists.

use crate::WireError;

/// A value that lies inline in its slot, and packed in a list.
///
/// Zero is always the default, and always reads as `Ok` where reading can fail: this is what stands for an absent field.
pub trait Scalar: Copy {
    /// The bytes of one element of a packed list.
    type Raw: Raw;
    /// What reading gives: the value itself, or a `Result` where not every pattern of bits is a value.
    type Read;

    /// The value, widened to a slot.
    fn to_slot(self) -> u64;
    /// The value in a slot. Bits above the value's own width are ignored, except by `bool`.
    fn from_slot(slot: u64) -> Self::Read;
    /// The value as an element of a packed list.
    fn to_raw(self) -> Self::Raw;
    /// The value of an element of a packed list.
    fn from_raw(raw: Self::Raw) -> Self::Read;
}

/// One element of a list as it lies in the frame: an array of bytes, of any alignment.
pub trait Raw: Copy + 'static {
    /// As many whole elements as `bytes` holds.
    fn chunks(bytes: &[u8]) -> &[Self]
    where
        Self: Sized;
    /// As many whole elements as `bytes` holds, writable.
    fn chunks_mut(bytes: &mut [u8]) -> &mut [Self]
    where
        Self: Sized;
}

impl<const N: usize> Raw for [u8; N] {
    #[inline]
    fn chunks(bytes: &[u8]) -> &[Self] {
        bytes.as_chunks().0
    }

    #[inline]
    fn chunks_mut(bytes: &mut [u8]) -> &mut [Self] {
        bytes.as_chunks_mut().0
    }
}

/// `$slot` widens the value, `$value` narrows the slot.
macro_rules! number {
    ($type:ty, $width:literal, |$value:ident| $slot:expr, |$bits:ident| $narrow:expr) => {
        impl Scalar for $type {
            type Raw = [u8; $width];
            type Read = $type;

            #[inline]
            fn to_slot(self) -> u64 {
                let $value = self;
                $slot
            }

            #[inline]
            fn from_slot($bits: u64) -> $type {
                $narrow
            }

            #[inline]
            fn to_raw(self) -> [u8; $width] {
                self.to_le_bytes()
            }

            #[inline]
            fn from_raw(raw: [u8; $width]) -> $type {
                <$type>::from_le_bytes(raw)
            }
        }
    };
}

number!(u64, 8, |value| value, |slot| slot);
number!(i64, 8, |value| value.cast_unsigned(), |slot| slot.cast_signed());
number!(f64, 8, |value| value.to_bits(), |slot| f64::from_bits(slot));
number!(u32, 4, |value| u64::from(value), |slot| slot as u32);
number!(i32, 4, |value| i64::from(value).cast_unsigned(), |slot| slot
    as i32);
number!(f32, 4, |value| u64::from(value.to_bits()), |slot| f32::from_bits(
    slot as u32
));

impl Scalar for bool {
    type Raw = [u8; 1];
    type Read = Result<bool, WireError>;

    #[inline]
    fn to_slot(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn from_slot(slot: u64) -> Result<bool, WireError> {
        match slot {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::NotBool),
        }
    }

    #[inline]
    fn to_raw(self) -> [u8; 1] {
        [u8::from(self)]
    }

    #[inline]
    fn from_raw([byte]: [u8; 1]) -> Result<bool, WireError> {
        Self::from_slot(u64::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_sign_or_zero_extended() {
        assert_eq!((-1i32).to_slot(), u64::MAX);
        assert_eq!(u32::MAX.to_slot(), 0xffff_ffff);
        assert_eq!((-2i64).to_slot(), u64::MAX - 1);
        assert_eq!((-1f32).to_slot(), 0xbf80_0000);
    }

    #[test]
    fn bits_above_the_width_are_ignored_except_by_bool() {
        assert_eq!(u32::from_slot(0xdead_beef_0000_0007), 7);
        assert_eq!(i32::from_slot(0xdead_beef_ffff_ffff), -1);
        assert_eq!(f32::from_slot(0xdead_beef_bf80_0000), -1.0);
        assert_eq!(bool::from_slot(1 << 32), Err(WireError::NotBool));
        assert_eq!(bool::from_slot(2), Err(WireError::NotBool));
        assert_eq!(bool::from_raw([0xff]), Err(WireError::NotBool));
    }
}
