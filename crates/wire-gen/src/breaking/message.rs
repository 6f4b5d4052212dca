//! The fields of a message.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::kind::{Where, difference, type_name};
use super::{Comparison, Rule};

impl Comparison<'_> {
    pub(super) fn message(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) {
        if self.fixed(old, new) {
            return;
        }
        for field in old.fields() {
            let by_name = new.get_field_by_name(field.name());
            match by_name.filter(|other| other.number() != field.number()) {
                Some(moved) => self.renumbered(&field, &moved),
                None => match new.get_field(field.number()) {
                    Some(other) => self.field(&field, &other),
                    None => self.removed(&field, new),
                },
            }
        }
        self.reused(old, new);
        self.oneofs(old, new);
    }

    fn renumbered(&mut self, old: &FieldDescriptor, new: &FieldDescriptor) {
        self.tell_new(
            (&new.parent_file(), new.path()),
            Rule::FieldRenumbered,
            format!("{} was number {} and is {}", shown(new), old.number(), new.number()),
            "neither side finds what the other wrote, and whatever else has one of the numbers is read in its place",
        );
    }

    fn removed(&mut self, old: &FieldDescriptor, new: &MessageDescriptor) {
        if new.reserved_ranges().any(|range| range.contains(&old.number())) {
            return;
        }
        self.tell_old(
            (&old.parent_file(), old.path()),
            Rule::FieldRemoved,
            format!(
                "{} is removed, and its number {} is not reserved",
                shown(old),
                old.number()
            ),
            "a later field of that number would be read by old programs as this one",
        );
    }

    fn reused(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) {
        for field in new.fields() {
            if old.reserved_ranges().any(|range| range.contains(&field.number())) {
                self.tell_new(
                    (&field.parent_file(), field.path()),
                    Rule::NumberReused,
                    format!(
                        "{} has number {}, which was reserved",
                        shown(&field),
                        field.number()
                    ),
                    "programs from before it was reserved read the field of that time in it",
                );
            }
        }
    }

    fn field(&mut self, old: &FieldDescriptor, new: &FieldDescriptor) {
        let (old_shape, new_shape) = (Shape::of(old), Shape::of(new));
        let changed = match (&old_shape, &new_shape) {
            (Shape::One(old), Shape::One(new)) => self.kinds(old, new, Where::Slot),
            (Shape::List(old), Shape::List(new)) => self.kinds(old, new, Where::List),
            (Shape::Map(old_key, old), Shape::Map(new_key, new)) => {
                let keys = self.kinds(old_key, new_key, Where::Slot);
                keys.or(self.kinds(old, new, Where::Slot))
            }
            _ => {
                let why = "a slot has a value, or a count of elements: each side takes the one for the other";
                self.changed(old, new, Rule::LabelChanged, why);
                return;
            }
        };
        if let Some(why) = changed {
            self.changed(old, new, Rule::TypeChanged, why);
        }
    }

    fn changed(&mut self, old: &FieldDescriptor, new: &FieldDescriptor, rule: Rule, why: &'static str) {
        self.tell_new(
            (&new.parent_file(), new.path()),
            rule,
            format!(
                "{} was `{}` and is `{}`",
                shown(new),
                type_name(old),
                type_name(new)
            ),
            why,
        );
    }

    /// Why one cannot stand for the other. Messages and enums that can are compared in turn.
    pub(super) fn kinds(&mut self, old: &Kind, new: &Kind, lies: Where) -> Option<&'static str> {
        match (old, new) {
            (Kind::Message(old), Kind::Message(new)) => {
                if old.full_name() != new.full_name()
                    && self.new.pool().get_message_by_name(old.full_name()).is_some()
                {
                    return Some("each side reads the fields of one message as those of another");
                }
                self.pair(old, new);
                None
            }
            (Kind::Enum(old), Kind::Enum(new)) => {
                if old.full_name() != new.full_name()
                    && self.new.pool().get_enum_by_name(old.full_name()).is_some()
                {
                    return Some("each side reads the numbers of one enum as those of another");
                }
                self.pair_enums(old, new);
                None
            }
            _ => difference(old, new, lies),
        }
    }

    /// Two fields that exclude each other on one side, and not on the other: a writer that knows of no exclusion writes both, and a reader that
    /// does takes one.
    fn oneofs(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) {
        let kept: Vec<(FieldDescriptor, FieldDescriptor)> = old
            .fields()
            .filter_map(|field| {
                let kept = new.get_field(field.number())?;
                Some((field, kept))
            })
            .collect();
        for (index, (old, new)) in kept.iter().enumerate() {
            let others = kept[..index].iter();
            let apart = others
                .clone()
                .find(|(other, other_new)| excludes(old, other) && !excludes(new, other_new));
            if let Some((_, other)) = apart {
                self.oneof_changed(
                    new,
                    format!(
                        "{} and `{}` were of one oneof and are not any more",
                        shown(new),
                        other.name()
                    ),
                    "a new program may write both, of which an old one reads the one with the lower number",
                );
            }
            let joined = others
                .clone()
                .find(|(other, other_new)| !excludes(old, other) && excludes(new, other_new));
            if let Some((_, other)) = joined {
                self.oneof_changed(
                    new,
                    format!(
                        "{} and `{}` are of one oneof and were not before",
                        shown(new),
                        other.name()
                    ),
                    "an old program may write both, of which a new one reads the one with the lower number",
                );
            }
        }
    }

    fn oneof_changed(&mut self, field: &FieldDescriptor, what: String, why: &'static str) {
        self.tell_new(
            (&field.parent_file(), field.path()),
            Rule::OneofChanged,
            what,
            why,
        );
    }
}

/// How many values a field has.
enum Shape {
    One(Kind),
    List(Kind),
    Map(Kind, Kind),
}

impl Shape {
    fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => Self::Map(
                entry.map_entry_key_field().kind(),
                entry.map_entry_value_field().kind(),
            ),
            kind if field.is_list() => Self::List(kind),
            kind => Self::One(kind),
        }
    }
}

/// Whether two fields of a message are of one oneof.
fn excludes(field: &FieldDescriptor, other: &FieldDescriptor) -> bool {
    let oneof = field.containing_oneof();
    oneof.is_some() && oneof == other.containing_oneof()
}

pub(super) fn shown(field: &FieldDescriptor) -> String {
    format!(
        "field `{}` of `{}`",
        field.name(),
        field.parent_message().full_name()
    )
}
