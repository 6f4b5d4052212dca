//! The methods of a service, which are numbered in the order of their declaration.

use prost_reflect::{MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use super::{Comparison, Rule};

impl Comparison<'_> {
    pub(super) fn services(&mut self) {
        let services: Vec<ServiceDescriptor> = self
            .old
            .files()
            .flat_map(|file| file.services().collect::<Vec<_>>())
            .collect();
        for old in services {
            match self.new.pool().get_service_by_name(old.full_name()) {
                Some(new) => self.service(&old, &new),
                None => self.tell_old(
                    (&old.parent_file(), old.path()),
                    Rule::ServiceRemoved,
                    format!("service `{}` is removed", old.full_name()),
                    "old clients call methods that no new server has",
                ),
            }
        }
    }

    fn service(&mut self, old: &ServiceDescriptor, new: &ServiceDescriptor) {
        let was_there = |name: &str| old.methods().any(|method| method.name() == name);
        for method in old.methods() {
            let by_name = new.methods().find(|other| other.name() == method.name());
            let in_its_place = new.methods().nth(method.index());
            match (by_name, in_its_place) {
                (Some(other), _) if other.index() != method.index() => {
                    self.method_renumbered(&method, &other)
                }
                (Some(other), _) => self.method(&method, &other),
                // Renamed.
                (None, Some(other)) if !was_there(other.name()) => self.method(&method, &other),
                (None, _) => self.method_removed(&method),
            }
        }
    }

    fn method_renumbered(&mut self, old: &MethodDescriptor, new: &MethodDescriptor) {
        self.tell_new(
            (&new.parent_file(), new.path()),
            Rule::MethodRenumbered,
            format!(
                "{} was method {} and is {} (methods are numbered in the order of their declaration)",
                shown(new),
                old.index() + 1,
                new.index() + 1
            ),
            "a call of one side runs another method, or none, on the other",
        );
    }

    fn method_removed(&mut self, old: &MethodDescriptor) {
        self.tell_old(
            (&old.parent_file(), old.path()),
            Rule::MethodRemoved,
            format!("{} is removed", shown(old)),
            "old clients call a method that no new server has, or another one in its place",
        );
    }

    fn method(&mut self, old: &MethodDescriptor, new: &MethodDescriptor) {
        let streams =
            |method: &MethodDescriptor| (method.is_client_streaming(), method.is_server_streaming());
        if streams(old) != streams(new) {
            self.tell_new(
                (&new.parent_file(), new.path()),
                Rule::MethodChanged,
                format!("{} streams on one side only", shown(new)),
                "each side waits for what the other does not send",
            );
        }
        self.message_of_method("takes", new, &old.input(), &new.input());
        self.message_of_method("gives", new, &old.output(), &new.output());
    }

    /// Another name is another message if the old one is there still.
    fn message_of_method(
        &mut self,
        does: &str,
        method: &MethodDescriptor,
        old: &MessageDescriptor,
        new: &MessageDescriptor,
    ) {
        let is_there = self.new.pool().get_message_by_name(old.full_name()).is_some();
        if old.full_name() == new.full_name() || !is_there {
            self.pair(old, new);
            return;
        }
        self.tell_new(
            (&method.parent_file(), method.path()),
            Rule::MethodChanged,
            format!(
                "{} {does} `{}`, and was declared with `{}`",
                shown(method),
                new.full_name(),
                old.full_name()
            ),
            "each side reads the fields of one message as those of another",
        );
    }
}

fn shown(method: &MethodDescriptor) -> String {
    format!(
        "`{}` of service `{}`",
        method.name(),
        method.parent_service().full_name()
    )
}
