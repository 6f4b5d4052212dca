//! Fixed messages, whose fields never change.

use prost_reflect::{FieldDescriptor, MessageDescriptor};

use super::kind::{Where, type_name};
use super::message::shown;
use super::{Comparison, Rule};
use crate::fixed::is_fixed;

/// What goes wrong, whatever changed.
const WHY: &str =
    "each side takes the numbers of the other for those that lie in their places with it, or refuses them";

impl Comparison<'_> {
    /// Compares two messages of which one at least is fixed; says whether they were.
    pub(super) fn fixed(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) -> bool {
        match (is_fixed(old), is_fixed(new)) {
            (false, false) => return false,
            (true, true) => self.fixed_fields(old, new),
            (was, _) => self.tell_new(
                (&new.parent_file(), new.path()),
                Rule::FixedChanged,
                format!(
                    "message `{}` {}",
                    new.full_name(),
                    if was {
                        "was fixed and is not any more"
                    } else {
                        "is fixed and was not before"
                    }
                ),
                "each side takes the bytes of the other for something else",
            ),
        }
        true
    }

    fn fixed_fields(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) {
        for field in old.fields() {
            let by_name = new.get_field_by_name(field.name());
            match by_name.filter(|other| other.number() != field.number()) {
                Some(moved) => {
                    let what = format!("was number {} and is {}", field.number(), moved.number());
                    self.fixed_changed(&moved, &what);
                }
                None => match new.get_field(field.number()) {
                    Some(other) => self.fixed_field(&field, &other),
                    None => self.tell_old(
                        (&field.parent_file(), field.path()),
                        Rule::FixedChanged,
                        format!("{} is removed, and the message is fixed", shown(&field)),
                        WHY,
                    ),
                },
            }
        }
        for field in new.fields() {
            let was_there =
                old.get_field(field.number()).is_some() || old.get_field_by_name(field.name()).is_some();
            if !was_there {
                self.fixed_changed(&field, "is new");
            }
        }
    }

    /// Numbers lie there as they do in a list.
    fn fixed_field(&mut self, old: &FieldDescriptor, new: &FieldDescriptor) {
        if self.kinds(&old.kind(), &new.kind(), Where::List).is_some() {
            let what = format!("was `{}` and is `{}`", type_name(old), type_name(new));
            self.fixed_changed(new, &what);
        }
    }

    fn fixed_changed(&mut self, field: &FieldDescriptor, what: &str) {
        self.tell_new(
            (&field.parent_file(), field.path()),
            Rule::FixedChanged,
            format!("{} {what}, and the message is fixed", shown(field)),
            WHY,
        );
    }
}
