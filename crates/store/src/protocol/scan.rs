//! The keys of a page of a scan, one behind the other (`docs/format/scan.md`).

use crake_wire::WireError;

/// Bytes of an entry before what depends on it.
pub const HEAD_BYTES: usize = 24;
/// Bytes of the time when it ends, if it does.
pub const EXPIRES_BYTES: usize = 8;

/// The value has an end.
const EXPIRES: u8 = 1;
/// The value lies in blocks, which the message lists beside the entries.
const IN_BLOCKS: u8 = 2;

/// A key of a page, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry<'a> {
    /// 1 to 255 bytes.
    pub key: &'a [u8],
    /// Empty if it was not asked for, or lies in blocks.
    pub value: &'a [u8],
    /// Of the value.
    pub version: u64,
    /// When it was put, in nanoseconds since the Unix epoch.
    pub modified_ns: u64,
    /// When it will be removed, likewise; 0 if not by itself.
    pub expires_ns: u64,
    /// Whether the value lies in blocks.
    pub in_blocks: bool,
}

/// What is in front of the bytes of a key and its value.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Bytes of the key.
    pub key_len: u8,
    /// Bytes of the value that are here.
    pub value_len: u32,
    /// As that of [`Entry`].
    pub version: u64,
    /// As that of [`Entry`].
    pub modified_ns: u64,
    /// As that of [`Entry`].
    pub expires_ns: u64,
    /// As that of [`Entry`].
    pub in_blocks: bool,
}

impl Head {
    /// Writes it to the front of `out`; gives what is left of that. Key and value follow, with as many bytes as it says.
    ///
    /// # Panics
    ///
    /// If it does not fit.
    #[inline(always)]
    pub fn write<'o>(&self, out: &'o mut [u8]) -> &'o mut [u8] {
        let expires = if self.expires_ns > 0 { EXPIRES } else { 0 };
        let in_blocks = if self.in_blocks { IN_BLOCKS } else { 0 };
        let (head, mut out) = out
            .split_first_chunk_mut::<HEAD_BYTES>()
            .expect("there is room for the entry");
        let flags = u64::from(expires | in_blocks);
        let lengths = u64::from(self.value_len) | u64::from(self.key_len) << 32 | flags << 40;
        head[..8].copy_from_slice(&lengths.to_le_bytes());
        head[8..16].copy_from_slice(&self.version.to_le_bytes());
        head[16..].copy_from_slice(&self.modified_ns.to_le_bytes());
        if self.expires_ns > 0 {
            out = put(out, &self.expires_ns.to_le_bytes());
        }
        out
    }
}

impl<'a> Entry<'a> {
    /// Writes the entry to the front of `out`; gives what is left of that.
    ///
    /// # Panics
    ///
    /// If it does not fit, or if key or value is longer than an entry can say.
    pub fn write<'o>(&self, out: &'o mut [u8]) -> &'o mut [u8] {
        let head = Head {
            key_len: u8::try_from(self.key.len()).expect("a key has at most 255 bytes"),
            value_len: u32::try_from(self.value.len()).expect("a value of a page fits its message"),
            version: self.version,
            modified_ns: self.modified_ns,
            expires_ns: self.expires_ns,
            in_blocks: self.in_blocks,
        };
        put(put(head.write(out), self.key), self.value)
    }

    /// Takes the entry at the front of `rest`; nothing if that is empty.
    ///
    /// # Errors
    ///
    /// If it is cut, or says what this reader does not know.
    #[inline(always)]
    pub fn read(rest: &mut &'a [u8]) -> Result<Option<Entry<'a>>, WireError> {
        let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>() else {
            return if rest.is_empty() {
                Ok(None)
            } else {
                Err(WireError::Truncated)
            };
        };
        let word = |at: usize| {
            let bytes = head[at..].first_chunk::<8>().expect("a head has three words");
            u64::from_le_bytes(*bytes)
        };
        let lengths = word(0);
        let flags = (lengths >> 40) as u32;
        if flags > u32::from(EXPIRES | IN_BLOCKS) {
            return Err(WireError::UnknownEnum(flags as i32));
        }
        let (mut expires_ns, mut behind) = (0, behind);
        if flags & u32::from(EXPIRES) != 0 {
            let (bytes, after) = behind.split_first_chunk().ok_or(WireError::OutOfFrame)?;
            (expires_ns, behind) = (u64::from_le_bytes(*bytes), after);
        }
        let (key, behind) = take(behind, (lengths >> 32) as u8 as usize)?;
        let (value, behind) = take(behind, lengths as u32 as usize)?;
        *rest = behind;
        Ok(Some(Entry {
            key,
            value,
            version: word(8),
            modified_ns: word(16),
            expires_ns,
            in_blocks: flags & u32::from(IN_BLOCKS) != 0,
        }))
    }
}

/// Copies bytes to the front of `out`; gives what is left of that.
///
/// # Panics
///
/// If they do not fit.
#[inline(always)]
pub fn put<'o>(out: &'o mut [u8], bytes: &[u8]) -> &'o mut [u8] {
    let (place, rest) = out.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    rest
}

#[inline(always)]
fn take(bytes: &[u8], len_bytes: usize) -> Result<(&[u8], &[u8]), WireError> {
    bytes.split_at_checked(len_bytes).ok_or(WireError::OutOfFrame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
        let expires = |entry: &Entry<'_>| if entry.expires_ns > 0 { EXPIRES_BYTES } else { 0 };
        let len = |entry: &Entry<'_>| HEAD_BYTES + expires(entry) + entry.key.len() + entry.value.len();
        let mut bytes = vec![0; entries.iter().map(len).sum()];
        let mut out = &mut bytes[..];
        for entry in entries {
            out = entry.write(out);
        }
        assert!(out.is_empty());
        bytes
    }

    /// The example of `docs/format/scan.md`.
    #[test]
    fn an_entry_is_these_bytes() {
        let entry = Entry {
            key: b"ab",
            value: b"xyz",
            version: 7,
            modified_ns: 0x0102_0304,
            expires_ns: 9,
            in_blocks: false,
        };
        let expected = [
            &[3, 0, 0, 0, 2, 1, 0, 0][..],
            &[7, 0, 0, 0, 0, 0, 0, 0],
            &[4, 3, 2, 1, 0, 0, 0, 0],
            &[9, 0, 0, 0, 0, 0, 0, 0],
            b"abxyz",
        ];
        assert_eq!(packed(&[entry]), expected.concat());
    }

    #[test]
    fn what_was_written_is_read() {
        let long = [5; 70_000];
        let entries = [
            Entry {
                key: b"k",
                version: u64::MAX,
                in_blocks: true,
                ..Entry::default()
            },
            Entry {
                key: &long[..255],
                value: &long,
                modified_ns: 1,
                expires_ns: u64::MAX,
                ..Entry::default()
            },
        ];
        let bytes = packed(&entries);
        let mut rest = &bytes[..];
        for entry in entries {
            assert_eq!(Entry::read(&mut rest), Ok(Some(entry)));
        }
        assert_eq!(Entry::read(&mut rest), Ok(None));
    }

    #[test]
    fn what_is_cut_or_not_known_is_refused() {
        let entry = Entry {
            key: b"key",
            value: b"value",
            expires_ns: 1,
            ..Entry::default()
        };
        let mut bytes = packed(&[entry]);
        for len in 1..bytes.len() {
            assert!(Entry::read(&mut &bytes[..len]).is_err(), "{len} bytes");
        }
        bytes[5] = 4;
        assert_eq!(Entry::read(&mut &bytes[..]), Err(WireError::UnknownEnum(4)));
        bytes[5] = 1;
        bytes[7] = 1;
        assert!(Entry::read(&mut &bytes[..]).is_err());
    }
}
