//! What one connection may hold, agreed in the handshake and enforced by both sides.

use crate::header::{HEADER_BYTES, Header};
use crate::violation::Violation;

/// The limits of a connection. Each side offers its own; the smaller of the two holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message in bytes, from [`Limits::MESSAGE_MIN`] to [`Limits::MESSAGE_MAX`].
    pub message_max: u32,
    /// Longest payload in bytes.
    pub payload_max: u32,
    /// Requests that a client may have outstanding, at least 1 and at most [`Limits::CREDITS_MAX`].
    pub credits: u32,
}

impl Limits {
    /// The smallest limit on messages that a peer may offer: room for the text of an error.
    pub const MESSAGE_MIN: u32 = 1024;
    /// The largest: header and message together fit a receive buffer of 64 KiB.
    pub const MESSAGE_MAX: u32 = (64 * 1024 - HEADER_BYTES) as u32;
    /// The most credits: a request's slot number is 16 bits of its id.
    pub const CREDITS_MAX: u32 = 1 << 15;

    /// Whether a peer may offer these.
    pub(crate) fn are_sound(&self) -> bool {
        (Limits::MESSAGE_MIN..=Limits::MESSAGE_MAX).contains(&self.message_max)
            && (1..=Limits::CREDITS_MAX).contains(&self.credits)
    }

    /// What holds between a side with these limits and one with `other`.
    pub(crate) fn agree(&self, other: &Limits) -> Limits {
        Limits {
            message_max: self.message_max.min(other.message_max),
            payload_max: self.payload_max.min(other.payload_max),
            credits: self.credits.min(other.credits),
        }
    }

    /// The nearest limits that may be offered.
    pub(crate) fn clamped(&self) -> Limits {
        Limits {
            message_max: self.message_max.clamp(Limits::MESSAGE_MIN, Limits::MESSAGE_MAX),
            payload_max: self.payload_max,
            credits: self.credits.clamp(1, Limits::CREDITS_MAX),
        }
    }
}

impl Default for Limits {
    /// 64 KiB less a header, 4 MiB, 256 credits.
    fn default() -> Limits {
        Limits {
            message_max: Limits::MESSAGE_MAX,
            payload_max: 4 << 20,
            credits: 256,
        }
    }
}

/// The lengths that a received frame may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameLimits {
    pub message_max: u32,
    pub payload_max: u32,
}

impl FrameLimits {
    /// What may come before the limits are agreed: a handshake frame.
    pub(crate) const HANDSHAKE: FrameLimits = FrameLimits {
        message_max: Limits::MESSAGE_MIN,
        payload_max: 0,
    };

    #[inline]
    pub(crate) fn check(&self, header: &Header) -> Result<(), Violation> {
        if header.message_len > self.message_max {
            return Err(Violation::MessageTooLong);
        }
        if header.payload_len > self.payload_max {
            return Err(Violation::PayloadTooLong);
        }
        Ok(())
    }
}

impl From<Limits> for FrameLimits {
    fn from(limits: Limits) -> FrameLimits {
        FrameLimits {
            message_max: limits.message_max,
            payload_max: limits.payload_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_holds() {
        let ours = Limits {
            message_max: 2048,
            payload_max: 1 << 20,
            credits: 64,
        };
        let agreed = ours.agree(&Limits::default());
        assert_eq!(agreed, ours);
        assert_eq!(Limits::default().agree(&ours), ours);
    }

    #[test]
    fn limits_that_nobody_can_keep_are_not_sound() {
        let with = |message_max, credits| Limits {
            message_max,
            credits,
            payload_max: 0,
        };
        assert!(with(1024, 1).are_sound());
        assert!(!with(1023, 1).are_sound());
        assert!(!with(65_536, 1).are_sound());
        assert!(!with(1024, 0).are_sound());
        assert!(!with(1024, 32_769).are_sound());
        assert!(with(0, 0).clamped().are_sound());
        assert!(with(u32::MAX, u32::MAX).clamped().are_sound());
    }
}
