//! The keyed hash that makes a block handle impossible to invent (`docs/format/handle.md`).
//!
//! The namenode signs the handles that it issues, a datanode checks those that it is shown. Both hold the same secret,
//! which the namenode hands over when the datanode registers.

use std::fmt;

use crake_store::protocol::Handle;
use siphasher::sip128::{Hash128, SipHasher24};

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 16;

/// Signs and checks handles with one secret: SipHash-2-4 with 128 bits of output.
#[derive(Clone)]
pub struct Signer {
    keyed: SipHasher24,
}

impl Signer {
    /// A signer with this secret.
    pub fn new(secret: &[u8; SECRET_BYTES]) -> Signer {
        Signer {
            keyed: SipHasher24::new_with_key(secret),
        }
    }

    /// Puts the MAC of the other fields into `handle`.
    pub fn sign(&self, handle: &mut Handle) {
        let mac = self.mac(handle);
        handle.mac0.set(mac.h1);
        handle.mac1.set(mac.h2);
    }

    /// Whether the MAC fits the other fields. Takes the same time wherever the first difference is, so that an
    /// attacker cannot find a MAC piece by piece.
    #[inline]
    pub fn accepts(&self, handle: &Handle) -> bool {
        let mac = self.mac(handle);
        (mac.h1 ^ handle.mac0.get()) | (mac.h2 ^ handle.mac1.get()) == 0
    }

    #[inline]
    fn mac(&self, handle: &Handle) -> Hash128 {
        self.keyed.hash(handle.signed())
    }
}

/// Without the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, FromZeros, IntoBytes};

    fn signed(secret: &[u8; SECRET_BYTES]) -> Handle {
        let mut handle = Handle::new_zeroed();
        handle.incarnation.set(77);
        handle.unit.set(3);
        handle.len_bytes.set(4096);
        handle.generation.set(9);
        handle.rights.set(Handle::READ);
        Signer::new(secret).sign(&mut handle);
        handle
    }

    #[test]
    fn every_single_bit_counts() {
        let signer = Signer::new(&[7; SECRET_BYTES]);
        let handle = signed(&[7; SECRET_BYTES]);
        assert!(signer.accepts(&handle));
        for bit in 0..Handle::BYTES * 8 {
            let mut bytes: [u8; Handle::BYTES] = handle.as_bytes().try_into().unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !signer.accepts(Handle::ref_from_bytes(&bytes).unwrap()),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn another_secret_signs_differently() {
        assert!(!Signer::new(&[8; SECRET_BYTES]).accepts(&signed(&[7; SECRET_BYTES])));
    }

    #[test]
    fn a_signer_does_not_print_its_secret() {
        assert_eq!(
            format!("{:?}", Signer::new(&[200; SECRET_BYTES])),
            "Signer { .. }"
        );
    }
}
