//! Which messages contain themselves.

use std::collections::{HashMap, HashSet};

use prost_reflect::{Kind, MessageDescriptor};

/// What was found out about a schema's circles so far.
#[derive(Debug, Default)]
pub(super) struct Circles {
    /// From messages to those that they lead to, themselves only if by others or by a field of their own.
    known: HashMap<String, HashSet<String>>,
}

impl Circles {
    /// Whether a message can contain itself.
    pub(super) fn has(&mut self, message: &MessageDescriptor) -> bool {
        self.lead(message, message)
    }

    /// Whether a field of `outer` that holds an `inner` is part of a circle: an `inner` can hold an `outer`.
    pub(super) fn close(&mut self, outer: &MessageDescriptor, inner: &MessageDescriptor) -> bool {
        outer == inner || self.lead(inner, outer)
    }

    fn lead(&mut self, from: &MessageDescriptor, to: &MessageDescriptor) -> bool {
        if let Some(within) = self.known.get(from.full_name()) {
            return within.contains(to.full_name());
        }
        let within = all_within(from);
        let leads = within.contains(to.full_name());
        self.known.insert(from.full_name().to_owned(), within);
        leads
    }
}

/// Looks at each message once, and keeps those to look at in a list of its own: a schema may be as deep as it likes.
fn all_within(message: &MessageDescriptor) -> HashSet<String> {
    let mut seen = HashSet::new();
    let mut next = vec![message.clone()];
    while let Some(message) = next.pop() {
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind()
                && seen.insert(inner.full_name().to_owned())
            {
                next.push(inner);
            }
        }
    }
    seen
}
