//! The values of an enum.

use prost_reflect::{EnumDescriptor, EnumValueDescriptor};

use super::{Comparison, Rule};

impl Comparison<'_> {
    /// A value that has another name and the same number is renamed.
    pub(super) fn enumeration(&mut self, old: &EnumDescriptor, new: &EnumDescriptor) {
        for value in old.values() {
            match new.get_value_by_name(value.name()) {
                Some(other) if other.number() != value.number() => self.value_renumbered(&value, &other),
                None if new.get_value(value.number()).is_none() => self.value_removed(&value),
                _ => {}
            }
        }
    }

    fn value_renumbered(&mut self, old: &EnumValueDescriptor, new: &EnumValueDescriptor) {
        self.tell_new(
            (&new.parent_file(), new.path()),
            Rule::EnumValueRenumbered,
            format!("{} was {} and is {}", shown(new), old.number(), new.number()),
            "what one side writes is another value, or none, for the other",
        );
    }

    fn value_removed(&mut self, old: &EnumValueDescriptor) {
        self.tell_old(
            (&old.parent_file(), old.path()),
            Rule::EnumValueRemoved,
            format!(
                "{} is removed, and no other has its number {}",
                shown(old),
                old.number()
            ),
            "new programs refuse it where old ones wrote it",
        );
    }
}

fn shown(value: &EnumValueDescriptor) -> String {
    format!(
        "value `{}` of enum `{}`",
        value.name(),
        value.parent_enum().full_name()
    )
}
