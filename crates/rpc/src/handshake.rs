//! The bodies of `hello` and `welcome`, and what follows from them.
//!
//! A later version may append fields to either body; a reader takes what it knows and passes over the rest. So the
//! fields here stay where they are in every version.

use std::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::limits::Limits;
use crate::violation::Violation;

const MAGIC: [u8; 8] = *b"CRAKERPC";

/// The versions of the protocol that a side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

impl Versions {
    /// What this build speaks.
    pub const OURS: Versions = Versions { min: 1, max: 1 };

    /// The newest version that both speak.
    fn agree(&self, other: &Versions) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min && newest >= other.min).then_some(newest)
    }
}

/// Who a client says that it is: 16 bytes that it draws once and keeps over reconnects. Not a secret and not proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClientId(pub u128);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a client says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub versions: Versions,
    pub role: u8,
    pub limits: Limits,
    pub client: ClientId,
}

impl Hello {
    pub(crate) const BYTES: usize = size_of::<WireHello>();

    pub(crate) fn encode(&self) -> [u8; Hello::BYTES] {
        let wire = WireHello {
            magic: MAGIC,
            version_min: U16::new(self.versions.min),
            version_max: U16::new(self.versions.max),
            role: self.role,
            reserved: [0; 3],
            limits: WireLimits::from(self.limits),
            client: self.client.0.to_le_bytes(),
        };
        zerocopy::transmute!(wire)
    }

    pub(crate) fn decode(message: &[u8]) -> Result<Hello, Violation> {
        check_magic(message)?;
        let Ok((wire, _)) = WireHello::ref_from_prefix(message) else {
            return Err(Violation::MalformedHandshake);
        };
        Ok(Hello {
            versions: Versions {
                min: wire.version_min.get(),
                max: wire.version_max.get(),
            },
            role: wire.role,
            limits: Limits::from(&wire.limits),
            client: ClientId(u128::from_le_bytes(wire.client)),
        })
    }

    /// What a server that speaks `versions` and offers `limits` answers.
    pub(crate) fn answer(&self, versions: Versions, limits: Limits) -> Result<Welcome, Violation> {
        let version = versions.agree(&self.versions).ok_or(Violation::UnknownVersion)?;
        if !self.limits.are_sound() {
            return Err(Violation::MalformedHandshake);
        }
        Ok(Welcome {
            version,
            limits: limits.agree(&self.limits),
        })
    }
}

/// What a server says when the client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub version: u16,
    pub limits: Limits,
}

impl Welcome {
    pub(crate) const BYTES: usize = size_of::<WireWelcome>();

    pub(crate) fn encode(&self) -> [u8; Welcome::BYTES] {
        let wire = WireWelcome {
            magic: MAGIC,
            version: U16::new(self.version),
            reserved: [0; 2],
            limits: WireLimits::from(self.limits),
        };
        zerocopy::transmute!(wire)
    }

    /// Reads the answer to `hello` and checks that it keeps to what was offered.
    pub(crate) fn decode(message: &[u8], hello: &Hello) -> Result<Welcome, Violation> {
        check_magic(message)?;
        let Ok((wire, _)) = WireWelcome::ref_from_prefix(message) else {
            return Err(Violation::MalformedHandshake);
        };
        let welcome = Welcome {
            version: wire.version.get(),
            limits: Limits::from(&wire.limits),
        };
        if !(hello.versions.min..=hello.versions.max).contains(&welcome.version) {
            return Err(Violation::UnknownVersion);
        }
        let keeps = welcome.limits.are_sound() && welcome.limits.agree(&hello.limits) == welcome.limits;
        if !keeps {
            return Err(Violation::MalformedHandshake);
        }
        Ok(welcome)
    }
}

fn check_magic(message: &[u8]) -> Result<(), Violation> {
    match message.starts_with(&MAGIC) {
        true => Ok(()),
        false => Err(Violation::WrongMagic),
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WireHello {
    magic: [u8; 8],
    version_min: U16,
    version_max: U16,
    role: u8,
    reserved: [u8; 3],
    limits: WireLimits,
    client: [u8; 16],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WireWelcome {
    magic: [u8; 8],
    version: U16,
    reserved: [u8; 2],
    limits: WireLimits,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WireLimits {
    message_max: U32,
    payload_max: U32,
    credits: U32,
}

impl From<Limits> for WireLimits {
    fn from(limits: Limits) -> WireLimits {
        WireLimits {
            message_max: U32::new(limits.message_max),
            payload_max: U32::new(limits.payload_max),
            credits: U32::new(limits.credits),
        }
    }
}

impl From<&WireLimits> for Limits {
    fn from(wire: &WireLimits) -> Limits {
        Limits {
            message_max: wire.message_max.get(),
            payload_max: wire.payload_max.get(),
            credits: wire.credits.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            versions: Versions { min: 1, max: 2 },
            role: 3,
            limits: Limits {
                message_max: 0xfff0,
                payload_max: 0x0040_0000,
                credits: 256,
            },
            client: ClientId(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100),
        }
    }

    /// The examples of `docs/format/rpc.md`, section "Handshake".
    const HELLO: [u8; 44] = [
        b'C', b'R', b'A', b'K', b'E', b'R', b'P', b'C', 1, 0, 2, 0, 3, 0, 0, 0, 0xf0, 0xff, 0, 0, 0, 0, 0x40,
        0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    ];
    const WELCOME: [u8; 24] = [
        b'C', b'R', b'A', b'K', b'E', b'R', b'P', b'C', 1, 0, 0, 0, 0xf0, 0xff, 0, 0, 0, 0, 0x40, 0, 64, 0,
        0, 0,
    ];

    #[test]
    fn bytes_are_those_of_the_format_text() {
        assert_eq!(hello().encode(), HELLO);
        assert_eq!(Hello::decode(&HELLO), Ok(hello()));
        let limits = Limits {
            credits: 64,
            ..hello().limits
        };
        let welcome = hello().answer(Versions { min: 1, max: 1 }, limits).unwrap();
        assert_eq!(welcome.encode(), WELCOME);
        assert_eq!(Welcome::decode(&WELCOME, &hello()), Ok(welcome));
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over() {
        let mut longer = HELLO.to_vec();
        longer.extend([9; 100]);
        assert_eq!(Hello::decode(&longer), Ok(hello()));
    }

    #[test]
    fn truncated_and_foreign_bodies_are_refused() {
        for len in 0..HELLO.len() {
            let expected = match len < 8 {
                true => Violation::WrongMagic,
                false => Violation::MalformedHandshake,
            };
            assert_eq!(Hello::decode(&HELLO[..len]), Err(expected));
        }
        for len in 0..WELCOME.len() {
            assert!(Welcome::decode(&WELCOME[..len], &hello()).is_err());
        }
        assert_eq!(
            Hello::decode(b"GET / HTTP/1.1\r\n\r\n"),
            Err(Violation::WrongMagic)
        );
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        let agree = |a: (u16, u16), b: (u16, u16)| {
            Versions { min: a.0, max: a.1 }.agree(&Versions { min: b.0, max: b.1 })
        };
        assert_eq!(agree((1, 3), (2, 5)), Some(3));
        assert_eq!(agree((1, 1), (1, 1)), Some(1));
        assert_eq!(agree((1, 1), (2, 5)), None);
        assert_eq!(agree((2, 5), (1, 1)), None);
        assert_eq!(agree((1, 3), (5, 2)), None, "an empty range agrees with nobody");
    }

    #[test]
    fn a_server_that_widens_the_offer_is_not_believed() {
        let answer = |change: fn(&mut Welcome)| {
            let mut welcome = Welcome {
                version: 1,
                limits: hello().limits,
            };
            change(&mut welcome);
            Welcome::decode(&welcome.encode(), &hello())
        };
        assert!(answer(|_| ()).is_ok());
        assert_eq!(answer(|w| w.version = 3), Err(Violation::UnknownVersion));
        let malformed = Err(Violation::MalformedHandshake);
        assert_eq!(answer(|w| w.limits.payload_max += 1), malformed);
        assert_eq!(answer(|w| w.limits.credits += 1), malformed);
        assert_eq!(answer(|w| w.limits.credits = 0), malformed);
        assert_eq!(answer(|w| w.limits.message_max = 1), malformed);
    }
}
