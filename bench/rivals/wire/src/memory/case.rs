//! One rival with the messages of one shape.

use std::hint::black_box;

/// Both directions, over all messages of the shape.
pub trait Case {
    /// Makes each message once.
    fn build_all(&mut self);

    /// Reads each message once, as it was received; gives the sum of what was read.
    fn read_all(&mut self) -> u64;
}

/// Puts a rival's two functions together to a case. `build` makes a message of what the application has, up to bytes that could be sent, and
/// says how many they are. `receive` is what a message is when it has arrived; it is not measured. `read` looks at each field.
pub fn case<'a, M: 'a, R: 'a>(
    messages: impl IntoIterator<Item = M>,
    build: impl FnMut(&M) -> usize + 'a,
    receive: impl Fn(&M) -> R,
    read: impl FnMut(&R) -> u64 + 'a,
) -> Box<dyn Case + 'a> {
    let messages: Vec<M> = messages.into_iter().collect();
    let received = messages.iter().map(receive).collect();
    Box::new(Passes {
        messages,
        received,
        build,
        read,
    })
}

struct Passes<M, R, B, F> {
    messages: Vec<M>,
    received: Vec<R>,
    build: B,
    read: F,
}

impl<M, R, B: FnMut(&M) -> usize, F: FnMut(&R) -> u64> Case for Passes<M, R, B, F> {
    fn build_all(&mut self) {
        for message in &self.messages {
            black_box((self.build)(black_box(message)));
        }
    }

    fn read_all(&mut self) -> u64 {
        let read = self
            .received
            .iter()
            .map(|received| (self.read)(black_box(received)));
        read.fold(0, u64::wrapping_add)
    }
}

/// What looking at a payload means: a byte of each 64.
pub fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().step_by(64).map(|byte| u64::from(*byte)).sum()
}

/// What looking at the first field means: its length, and its first byte.
pub fn glance(bytes: &[u8]) -> u64 {
    bytes.len() as u64 + u64::from(bytes.first().copied().unwrap_or(0))
}

/// A number of a list or a mesh.
pub fn bits(number: f32) -> u64 {
    u64::from(number.to_bits())
}
