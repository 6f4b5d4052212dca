//! All types of all files: what a name in one package is in Rust, seen from another.

use std::collections::BTreeMap;

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::name;

/// Full names, `.crake.namenode.Block`, to types.
pub(super) struct Types<'d> {
    types: BTreeMap<String, Declared<'d>>,
    /// Packages to Rust paths, as the user gave them.
    paths: &'d BTreeMap<String, String>,
}

struct Declared<'d> {
    package: &'d str,
    rust_name: String,
    /// None for an enum.
    message: Option<&'d DescriptorProto>,
}

impl<'d> Types<'d> {
    pub(super) fn new(files: &'d FileDescriptorSet, paths: &'d BTreeMap<String, String>) -> Self {
        let mut types = Self {
            types: BTreeMap::new(),
            paths,
        };
        for file in &files.file {
            let package = file.package();
            let scope = if package.is_empty() {
                String::new()
            } else {
                format!(".{package}")
            };
            for message in &file.message_type {
                types.add_message(package, &scope, "", message);
            }
            for enumeration in &file.enum_type {
                types.add(package, &scope, "", enumeration.name(), None);
            }
        }
        types
    }

    /// A type within a message carries the message's name before its own.
    fn add_message(&mut self, package: &'d str, scope: &str, outer: &str, message: &'d DescriptorProto) {
        self.add(package, scope, outer, message.name(), Some(message));
        let scope = format!("{scope}.{}", message.name());
        let outer = outer.to_owned() + &name::type_name(message.name());
        for nested in &message.nested_type {
            self.add_message(package, &scope, &outer, nested);
        }
        for enumeration in &message.enum_type {
            self.add(package, &scope, &outer, enumeration.name(), None);
        }
    }

    fn add(
        &mut self,
        package: &'d str,
        scope: &str,
        outer: &str,
        own: &str,
        message: Option<&'d DescriptorProto>,
    ) {
        let rust_name = outer.to_owned() + &name::type_name(own);
        self.types.insert(
            format!("{scope}.{own}"),
            Declared {
                package,
                rust_name,
                message,
            },
        );
    }

    /// Whether a message has this name, without the point that a full name begins with here.
    pub(super) fn has_message(&self, name: &str) -> bool {
        let declared = self.types.get(&format!(".{name}"));
        declared.is_some_and(|declared| declared.message.is_some())
    }

    /// The Rust path of a type, seen from the module of `package`; or what is missing.
    pub(super) fn path(&self, package: &str, full_name: &str) -> Result<String, String> {
        let declared = self
            .types
            .get(full_name)
            .ok_or_else(|| format!("`{full_name}` is not declared in any of the files"))?;
        if declared.package == package {
            return Ok(declared.rust_name.clone());
        }
        let module = self.paths.get(declared.package).ok_or_else(|| {
            format!(
                "`{full_name}` is of another package: say where its Rust module is with \
                 Config::package_path(\"{}\", ...), or declare the type in this package",
                declared.package
            )
        })?;
        Ok(format!("{module}::{}", declared.rust_name))
    }

    /// Whether the struct of a message has a lifetime. Call it only when [`cycle`](Types::cycle) found none.
    pub(super) fn borrows(&self, full_name: &str) -> bool {
        self.fields(full_name).any(|field| match field.r#type() {
            _ if is_repeated(field) => true,
            Type::String | Type::Bytes => true,
            Type::Message => self.borrows(field.type_name()),
            _ => false,
        })
    }

    /// The way from a message back to itself, if there is one.
    pub(super) fn cycle(&self, full_name: &str) -> Option<Vec<String>> {
        let mut trail = vec![full_name.to_owned()];
        let mut cleared = Vec::new();
        self.cycle_below(&mut trail, &mut cleared).then_some(trail)
    }

    fn cycle_below(&self, trail: &mut Vec<String>, cleared: &mut Vec<String>) -> bool {
        let here = trail[trail.len() - 1].clone();
        for field in self.fields(&here).filter(|field| field.r#type() == Type::Message) {
            let next = field.type_name().to_owned();
            if cleared.contains(&next) {
                continue;
            }
            let closes = next == trail[0];
            // A cycle that does not pass the start is found when its own members are the start.
            let seen = trail.contains(&next);
            if seen && !closes {
                continue;
            }
            trail.push(next);
            if closes || self.cycle_below(trail, cleared) {
                return true;
            }
            trail.pop();
        }
        cleared.push(here);
        false
    }

    fn fields(&self, full_name: &str) -> impl Iterator<Item = &'d FieldDescriptorProto> {
        self.types
            .get(full_name)
            .and_then(|declared| declared.message)
            .into_iter()
            .flat_map(|message| &message.field)
    }
}

pub(super) fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label() == prost_types::field_descriptor_proto::Label::Repeated
}
