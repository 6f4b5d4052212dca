//! All types of all files: what a name in one package is in Rust, seen from another.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use super::well_known;
use crate::fixed::Layout;
use crate::name;

/// Full names, `.crake.namenode.Block`, to types.
pub(super) struct Types<'d> {
    types: BTreeMap<String, Declared<'d>>,
    /// The messages that each message can contain, however deep.
    within: BTreeMap<String, BTreeSet<&'d str>>,
    fixed: BTreeMap<String, Layout>,
    /// Packages to Rust paths, as the user gave them, and that of the well-known types.
    paths: &'d BTreeMap<String, String>,
}

struct Declared<'d> {
    package: &'d str,
    rust_name: String,
    /// None for an enum.
    message: Option<&'d DescriptorProto>,
}

impl<'d> Types<'d> {
    pub(super) fn new(
        files: &'d FileDescriptorSet,
        fixed: BTreeMap<String, Layout>,
        paths: &'d BTreeMap<String, String>,
    ) -> Self {
        let mut types = Self {
            types: BTreeMap::new(),
            within: BTreeMap::new(),
            fixed,
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
        let within = types.types.keys().map(|name| (name.clone(), types.within(name)));
        types.within = within.collect();
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

    /// How a message lies that is fixed.
    pub(super) fn layout(&self, full_name: &str) -> Option<&Layout> {
        self.fixed.get(full_name)
    }

    /// Whether the types of Protobuf's own files are those of `crake-wire`.
    pub(super) fn finds_well_known(&self) -> bool {
        self.paths
            .get(well_known::PACKAGE)
            .is_some_and(|path| path == well_known::RUST_PATH)
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

    /// Whether the struct of a message has a lifetime: it, or something within it, borrows.
    pub(super) fn borrows(&self, full_name: &str) -> bool {
        let within = self.within.get(full_name).into_iter().flatten().copied();
        within.chain([full_name]).any(|name| {
            let mut fields = self.fields(name);
            self.is_in_circle(name, name)
                || fields
                    .any(|field| is_repeated(field) || matches!(field.r#type(), Type::String | Type::Bytes))
        })
    }

    /// Whether two messages, or one, can contain each other.
    pub(super) fn is_in_circle(&self, one: &str, other: &str) -> bool {
        let contains = |outer, inner| {
            self.within
                .get(outer)
                .is_some_and(|within| within.contains(inner))
        };
        contains(one, other) && contains(other, one)
    }

    /// The messages that a message can contain, however deep.
    fn within(&self, full_name: &str) -> BTreeSet<&'d str> {
        let mut within = BTreeSet::new();
        let mut open: Vec<&'d str> = self.messages(full_name).collect();
        while let Some(name) = open.pop() {
            if within.insert(name) {
                open.extend(self.messages(name));
            }
        }
        within
    }

    /// The messages that the fields of a message are, or are lists of.
    fn messages(&self, full_name: &str) -> impl Iterator<Item = &'d str> + use<'d> {
        let fields = self.fields(full_name);
        fields
            .filter(|field| field.r#type() == Type::Message)
            .map(|field| field.type_name())
    }

    /// The entry of a map, if that is what a field is a list of.
    pub(super) fn map_entry(&self, field: &FieldDescriptorProto) -> Option<&'d DescriptorProto> {
        let entry = self.types.get(field.type_name())?.message?;
        is_map_entry(entry).then_some(entry)
    }

    fn fields(&self, full_name: &str) -> impl Iterator<Item = &'d FieldDescriptorProto> + use<'d> {
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

/// Whether a message was made by the parser for a map.
pub(super) fn is_map_entry(message: &DescriptorProto) -> bool {
    message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry())
}
