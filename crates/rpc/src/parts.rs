//! The parts of an answer that is a stream, on the side of who asked: what came and was not taken, and what may come.

use std::collections::VecDeque;
use std::time::Duration;

use crate::call::Reply;
use crate::violation::Violation;

/// As many parts are held as were granted, so a caller that does not take them has the server wait.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What came, in order.
    arrived: VecDeque<Reply>,
    /// How many more the server may begin to send.
    granted: u16,
    /// How many were taken that were not granted again.
    taken: u16,
    /// How many may be granted or held at once.
    window: u16,
    /// How long the caller waits for each, if not for the whole stream until one time.
    pub patience: Option<Duration>,
}

impl Parts {
    /// Of a call whose request grants `window` parts, at least one.
    pub(crate) fn new(window: u8, patience: Option<Duration>) -> Parts {
        Parts {
            arrived: VecDeque::new(),
            granted: window.into(),
            taken: 0,
            window: window.into(),
            patience,
        }
    }

    /// A part begins to arrive.
    pub(crate) fn begin(&mut self) -> Result<(), Violation> {
        self.granted = self.granted.checked_sub(1).ok_or(Violation::UngrantedPart)?;
        Ok(())
    }

    /// A part that began is there.
    pub(crate) fn push(&mut self, part: Reply) {
        self.arrived.push_back(part);
    }

    /// Whether the caller has parts that it has not taken.
    pub(crate) fn is_behind(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Gives the part that came first.
    pub(crate) fn take(&mut self) -> Option<Reply> {
        let part = self.arrived.pop_front()?;
        self.taken += 1;
        Some(part)
    }

    /// How many parts to grant now: none until half of the window was taken, so that there is one frame for many parts.
    pub(crate) fn grant(&mut self) -> Option<u16> {
        if self.taken * 2 < self.window {
            return None;
        }
        self.granted += self.taken;
        Some(std::mem::take(&mut self.taken))
    }
}

#[cfg(test)]
mod tests {
    use crake_mem::Buf;

    use super::*;
    use crate::payload::Payload;

    fn part(number: u8) -> Reply {
        Reply {
            message: Buf::copy_from_slice(&[number]),
            payload: Payload::None,
        }
    }

    fn send(parts: &mut Parts, number: u8) -> Result<(), Violation> {
        parts.begin()?;
        parts.push(part(number));
        Ok(())
    }

    #[test]
    fn parts_come_in_order_and_no_more_than_were_granted() {
        let mut parts = Parts::new(4, None);
        for number in 0..4 {
            assert_eq!(send(&mut parts, number), Ok(()));
        }
        assert_eq!(send(&mut parts, 4), Err(Violation::UngrantedPart));
        assert_eq!(parts.take().unwrap().message[..], [0]);
        assert_eq!(parts.grant(), None, "a frame for each part is too many");
        assert_eq!(parts.take().unwrap().message[..], [1]);
        assert_eq!(parts.grant(), Some(2));
        assert_eq!(parts.grant(), None);
        assert_eq!((send(&mut parts, 4), send(&mut parts, 5)), (Ok(()), Ok(())));
        assert_eq!(send(&mut parts, 6), Err(Violation::UngrantedPart));
        let rest: Vec<u8> = std::iter::from_fn(|| parts.take())
            .map(|part| part.message[0])
            .collect();
        assert_eq!(rest, [2, 3, 4, 5]);
        assert_eq!(parts.grant(), Some(4));
    }

    #[test]
    fn every_window_goes_on_for_ever() {
        for window in 1..=u8::MAX {
            let mut parts = Parts::new(window, None);
            let mut may_send = u32::from(window);
            for number in 0..1000_u32 {
                assert!(may_send > 0, "window {window} stalls at {number}");
                may_send -= 1;
                send(&mut parts, number as u8).unwrap();
                assert_eq!(parts.take().unwrap().message[..], [number as u8]);
                may_send += parts.grant().map_or(0, u32::from);
                assert!(may_send <= u32::from(window));
            }
        }
    }
}
