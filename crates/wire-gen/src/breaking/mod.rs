//! What stops programs of before and of after from understanding each other.

mod enumeration;
mod fixed;
mod kind;
mod message;
mod service;

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor};

use crate::{Place, Protos};

/// What would break if programs with the `old` files and programs with the `new` ones sent each other messages, whichever of them
/// writes, in the order of its places. Empty if nothing would.
///
/// `docs/format/wire.md`, "Changing a schema", says what is fine: that is not told. A message, enum or method that has another name and stands in
/// the same place counts as renamed, which changes no byte.
///
/// What is compared is what the files that were given declare, and what their fields and methods lead to. Names of packages are part of
/// names: a package that was renamed is one that was removed, and another that is new.
#[must_use]
pub fn breaking(old: &Protos, new: &Protos) -> Vec<Break> {
    let mut comparison = Comparison {
        old,
        new,
        messages: Vec::new(),
        seen: HashSet::new(),
        breaks: Vec::new(),
    };
    comparison.run();
    let mut breaks = comparison.breaks;
    breaks.sort_by(|a, b| a.place.cmp(&b.place));
    breaks
}

/// One thing that breaks. Displays as `file:line: what, and why it breaks whom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Where it stands: in the old file if it was removed, else in the new one.
    pub place: Place,
    /// Which rule it is against.
    pub rule: Rule,
    /// What changed.
    pub what: String,
    /// What goes wrong, and for whom.
    pub why: &'static str,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.what, self.why)
    }
}

/// What must not happen to a schema that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A field has another number.
    FieldRenumbered,
    /// A field is gone, and its number may be used again.
    FieldRemoved,
    /// A field has a number that was reserved.
    NumberReused,
    /// A field has a type that lies in bytes in another way.
    TypeChanged,
    /// A field is one value on one side, and a list or map on the other.
    LabelChanged,
    /// Fields exclude each other on one side only.
    OneofChanged,
    /// A fixed message is not what it was, but for names.
    FixedChanged,
    /// An enum does not name a number any more.
    EnumValueRemoved,
    /// A value of an enum has another number.
    EnumValueRenumbered,
    /// A method stands in another place.
    MethodRenumbered,
    /// A method is gone.
    MethodRemoved,
    /// A method takes or gives another message, or a stream of them.
    MethodChanged,
    /// A message is gone.
    MessageRemoved,
    /// A service is gone.
    ServiceRemoved,
}

impl Rule {
    /// A word for programs: `field-renumbered`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FieldRenumbered => "field-renumbered",
            Self::FieldRemoved => "field-removed",
            Self::NumberReused => "number-reused",
            Self::TypeChanged => "type-changed",
            Self::LabelChanged => "label-changed",
            Self::OneofChanged => "oneof-changed",
            Self::FixedChanged => "fixed-changed",
            Self::EnumValueRemoved => "enum-value-removed",
            Self::EnumValueRenumbered => "enum-value-renumbered",
            Self::MethodRenumbered => "method-renumbered",
            Self::MethodRemoved => "method-removed",
            Self::MethodChanged => "method-changed",
            Self::MessageRemoved => "message-removed",
            Self::ServiceRemoved => "service-removed",
        }
    }
}

/// Two versions, and what was found so far.
struct Comparison<'p> {
    old: &'p Protos,
    new: &'p Protos,
    /// Pairs to look at: the old and the new version of what is the same message.
    messages: Vec<(MessageDescriptor, MessageDescriptor)>,
    /// Names of all pairs that were ever made, of messages and of enums.
    seen: HashSet<(String, String)>,
    breaks: Vec<Break>,
}

impl Comparison<'_> {
    fn run(&mut self) {
        for old in self.old.messages() {
            if let Some(new) = self.new.pool().get_message_by_name(old.full_name()) {
                self.pair(&old, &new);
            }
        }
        for old in self.old.enums() {
            if let Some(new) = self.new.pool().get_enum_by_name(old.full_name()) {
                self.pair_enums(&old, &new);
            }
        }
        self.services();
        while let Some((old, new)) = self.messages.pop() {
            self.message(&old, &new);
        }
        self.removed_messages();
    }

    fn pair(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) {
        let names = (old.full_name().to_owned(), new.full_name().to_owned());
        if self.seen.insert(names) {
            self.messages.push((old.clone(), new.clone()));
        }
    }

    fn pair_enums(&mut self, old: &EnumDescriptor, new: &EnumDescriptor) {
        let names = (old.full_name().to_owned(), new.full_name().to_owned());
        if self.seen.insert(names) {
            self.enumeration(old, new);
        }
    }

    /// A message that nothing of the new files stands for. One within another that is removed is not told apart.
    fn removed_messages(&mut self) {
        let kept: BTreeSet<&str> = self.seen.iter().map(|(old, _)| old.as_str()).collect();
        let is_removed = |message: &MessageDescriptor| !kept.contains(message.full_name());
        let removed: Vec<MessageDescriptor> = self
            .old
            .messages()
            .filter(|message| {
                is_removed(message) && !message.parent_message().is_some_and(|outer| is_removed(&outer))
            })
            .collect();
        for message in removed {
            self.tell_old(
                (&message.parent_file(), message.path()),
                Rule::MessageRemoved,
                format!("message `{}` is removed", message.full_name()),
                "new programs can neither read nor write what old ones send and expect by this name",
            );
        }
    }

    fn tell_old(&mut self, at: (&FileDescriptor, &[i32]), rule: Rule, what: String, why: &'static str) {
        let place = self.old.place(at.0, at.1);
        self.breaks.push(Break {
            place,
            rule,
            what,
            why,
        });
    }

    fn tell_new(&mut self, at: (&FileDescriptor, &[i32]), rule: Rule, what: String, why: &'static str) {
        let place = self.new.place(at.0, at.1);
        self.breaks.push(Break {
            place,
            rule,
            what,
            why,
        });
    }
}
