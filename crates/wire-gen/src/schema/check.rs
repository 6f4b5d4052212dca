//! From descriptors to a schema, refusing what the format does not carry.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

use super::source::{Source, tag, within};
use super::types::{Types, is_map_entry};
use super::{
    Alias, Enum, Message, Method, MethodMessage, Schema, Service, Settings, Value, fixed, well_known,
};
use crate::resolve::WIRE_PROTO;
use crate::{Error, name};

/// The packages of the `given` files, in the order of their names; `pool` is what else is known of all `files`. A file that is
/// only imported is part of the output when its package is.
pub(crate) fn check(
    files: &FileDescriptorSet,
    pool: &DescriptorPool,
    given: &[&str],
    settings: Settings<'_>,
) -> Result<Vec<Schema>, Error> {
    let types = Types::new(files, fixed::layouts(files, pool)?, settings.paths);
    if let Some(unknown) = settings.inlined.iter().find(|name| !types.has_message(name)) {
        let message = format!("`{unknown}` is to be inlined, and no message has this name");
        return Err(Error::new(message));
    }
    let packages: BTreeSet<&str> = files
        .file
        .iter()
        .filter(|file| given.contains(&file.name()))
        .map(|file| file.package())
        .collect();
    packages
        .into_iter()
        .map(|package| check_package(files, package, &types, settings))
        .collect()
}

fn check_package(
    files: &FileDescriptorSet,
    package: &str,
    types: &Types<'_>,
    settings: Settings<'_>,
) -> Result<Schema, Error> {
    let mut schema = Schema {
        package: package.to_owned(),
        files: Vec::new(),
        enums: Vec::new(),
        fixed: Vec::new(),
        messages: Vec::new(),
        services: Vec::new(),
    };
    let mut names = BTreeSet::new();
    // Ours declares an option, and nothing that is Rust.
    let files = files.file.iter().filter(|file| file.name() != WIRE_PROTO);
    for file in files.filter(|file| file.package() == package) {
        schema.files.push(file.name().to_owned());
        FileCheck {
            source: &Source::new(file),
            types,
            settings,
            schema: &mut schema,
            names: &mut names,
        }
        .run()?;
    }
    Ok(schema)
}

/// The check of one file, and what it adds to its package.
pub(super) struct FileCheck<'c, 'd> {
    pub(super) source: &'c Source<'d>,
    pub(super) types: &'c Types<'d>,
    settings: Settings<'c>,
    schema: &'c mut Schema,
    /// Rust names of the package's types and modules.
    names: &'c mut BTreeSet<String>,
}

impl<'d> FileCheck<'_, 'd> {
    fn run(mut self) -> Result<(), Error> {
        let file = self.source.file;
        if file.syntax() != "proto3" {
            let message = "only proto3 is supported: begin the file with `syntax = \"proto3\";`";
            return Err(self.source.error(&[tag::FILE_SYNTAX], message));
        }
        if !file.extension.is_empty() {
            return Err(self.no_extensions(&within(&[], tag::FILE_EXTENSION, 0)));
        }
        self.refuse_files_without_types()?;
        let scope = if file.package().is_empty() {
            String::new()
        } else {
            format!(".{}", file.package())
        };
        for (index, declared) in file.enum_type.iter().enumerate() {
            self.enumeration(&within(&[], tag::FILE_ENUM, index), "", declared)?;
        }
        for (index, declared) in file.message_type.iter().enumerate() {
            self.message(&within(&[], tag::FILE_MESSAGE, index), &scope, "", declared)?;
        }
        for (index, declared) in file.service.iter().enumerate() {
            self.service(&within(&[], tag::FILE_SERVICE, index), declared)?;
        }
        Ok(())
    }

    /// Those of Protobuf's own, unless the user says where their types are.
    fn refuse_files_without_types(&self) -> Result<(), Error> {
        let imports = self.source.file.dependency.iter();
        let missing = imports.enumerate().find(|(_, file)| well_known::is_missing(file));
        match missing {
            Some((index, file)) if self.types.finds_well_known() => {
                let message = format!(
                    "the types of {file} are not supported: `crake_wire::well_known` has those of any, duration, empty, \
                     field_mask, struct, timestamp and wrappers; declare what you need of the others in your own package"
                );
                Err(self
                    .source
                    .error(&within(&[], tag::FILE_DEPENDENCY, index), message))
            }
            _ => Ok(()),
        }
    }

    /// Adds a message and those within it. `outer` is the Rust name of the message that it is declared in.
    fn message(
        &mut self,
        path: &[i32],
        scope: &str,
        outer: &str,
        declared: &DescriptorProto,
    ) -> Result<(), Error> {
        if !declared.extension.is_empty() {
            return Err(self.no_extensions(&within(path, tag::MESSAGE_EXTENSION, 0)));
        }
        if !declared.extension_range.is_empty() {
            return Err(self.no_extensions(&within(path, tag::MESSAGE_EXTENSION_RANGE, 0)));
        }
        let full_name = format!("{scope}.{}", declared.name());
        let rust_name = outer.to_owned() + &name::type_name(declared.name());
        self.claim(path, &rust_name)?;
        if let Some(layout) = self.types.layout(&full_name) {
            let fixed = self.fixed(path, &full_name, &rust_name, declared, layout)?;
            self.schema.fixed.push(fixed);
        } else {
            let message = self.ordinary(path, &full_name, &rust_name, declared)?;
            self.schema.messages.push(message);
        }
        for (index, nested) in declared.enum_type.iter().enumerate() {
            self.enumeration(&within(path, tag::MESSAGE_ENUM, index), &rust_name, nested)?;
        }
        for (index, nested) in declared.nested_type.iter().enumerate() {
            if is_map_entry(nested) {
                continue;
            }
            self.message(
                &within(path, tag::MESSAGE_NESTED, index),
                &full_name,
                &rust_name,
                nested,
            )?;
        }
        Ok(())
    }

    fn ordinary(
        &mut self,
        path: &[i32],
        full_name: &str,
        rust_name: &str,
        declared: &DescriptorProto,
    ) -> Result<Message, Error> {
        self.claim(path, &format!("{rust_name}View"))?;
        let mut fields = self.fields(path, full_name, declared)?;
        let oneofs = self.oneofs(path, rust_name, declared, &fields)?;
        self.refuse_names_that_meet(path, &fields, &oneofs)?;
        fields.sort_by_key(|field| field.number);
        Ok(Message {
            name: rust_name.to_owned(),
            proto_name: declared.name().to_owned(),
            docs: self.source.docs(path),
            fields,
            oneofs,
            borrows: self.types.borrows(full_name),
            is_inlined: self.is_inlined(full_name),
            gathers: self.settings.gathers,
            in_circle: self.types.is_in_circle(full_name, full_name),
        })
    }

    pub(super) fn is_inlined(&self, full_name: &str) -> bool {
        self.settings.inlined.contains(full_name.trim_start_matches('.'))
    }

    fn enumeration(
        &mut self,
        path: &[i32],
        outer: &str,
        declared: &EnumDescriptorProto,
    ) -> Result<(), Error> {
        let rust_name = outer.to_owned() + &name::type_name(declared.name());
        self.claim(path, &rust_name)?;
        let (mut values, mut aliases): (Vec<Value>, Vec<Alias>) = Default::default();
        for (index, value) in declared.value.iter().enumerate() {
            let path = within(path, tag::ENUM_VALUE, index);
            let variant = self.usable(&path, name::variant_name(declared.name(), value.name()))?;
            let first = values.iter().find(|other| other.number == value.number());
            let name = match first {
                Some(_) => name::alias_name(declared.name(), value.name()),
                None => variant,
            };
            let mut taken = values
                .iter()
                .map(|other| &other.name)
                .chain(aliases.iter().map(|other| &other.name));
            if taken.any(|taken| *taken == name) {
                let message = format!("another value of this enum is `{name}` in Rust: rename one");
                return Err(self.source.error(&path, message));
            }
            let docs = self.source.docs(&path);
            match first.map(|first| first.name.clone()) {
                Some(of) => aliases.push(Alias { name, docs, of }),
                None => values.push(Value {
                    name,
                    docs,
                    number: value.number(),
                }),
            }
        }
        self.schema.enums.push(Enum {
            name: rust_name,
            proto_name: declared.name().to_owned(),
            docs: self.source.docs(path),
            values,
            aliases,
        });
        Ok(())
    }

    fn service(&mut self, path: &[i32], declared: &ServiceDescriptorProto) -> Result<(), Error> {
        let module = name::identifier(declared.name());
        self.claim(path, &module)?;
        let mut methods: Vec<Method> = Vec::new();
        for (index, method) in declared.method.iter().enumerate() {
            let path = within(path, tag::SERVICE_METHOD, index);
            let method = self.method(&path, index, method)?;
            if methods.iter().any(|other| other.name == method.name) {
                let message = format!(
                    "another method of this service is `{}` in Rust: rename one",
                    method.name
                );
                return Err(self.source.error(&path, message));
            }
            methods.push(method);
        }
        let docs = self.source.docs(path);
        self.schema.services.push(Service {
            name: module,
            proto_name: declared.name().to_owned(),
            docs,
            methods,
            has_stubs: self.settings.stubs,
        });
        Ok(())
    }

    fn method(&self, path: &[i32], index: usize, declared: &MethodDescriptorProto) -> Result<Method, Error> {
        if declared.client_streaming() {
            let message = "streams of requests are not supported: send them with several calls";
            return Err(self.source.error(path, message));
        }
        let function = name::identifier(declared.name());
        if self.settings.stubs && name::TAKEN_METHODS.contains(&function.as_str()) {
            let message =
                format!("`{function}` is a name that the Rust output itself needs: rename the method");
            return Err(self.source.error(path, message));
        }
        let number = u16::try_from(index + 1).map_err(|_| {
            self.source
                .error(path, "a service has at most 65535 methods: make two of it")
        })?;
        Ok(Method {
            name: self.usable(path, name::constant_name(declared.name()))?,
            proto_name: declared.name().to_owned(),
            docs: self.source.docs(path),
            number,
            function,
            request: self.method_message(path, declared.input_type())?,
            reply: self.method_message(path, declared.output_type())?,
            streams: declared.server_streaming(),
        })
    }

    fn method_message(&self, path: &[i32], full_name: &str) -> Result<MethodMessage, Error> {
        if self.types.layout(full_name).is_some() {
            let message = format!(
                "`{}` is fixed, and lies in another message only: take or give one with a field for it",
                full_name.trim_start_matches('.')
            );
            return Err(self.source.error(path, message));
        }
        Ok(MethodMessage {
            path: self.type_path(path, full_name)?,
            borrows: self.types.borrows(full_name),
        })
    }

    pub(super) fn type_path(&self, path: &[i32], full_name: &str) -> Result<String, Error> {
        self.types
            .path(self.source.file.package(), full_name)
            .map_err(|message| self.source.error(path, message))
    }

    /// Takes a Rust name for a type or module of this package.
    pub(super) fn claim(&mut self, path: &[i32], rust_name: &str) -> Result<(), Error> {
        self.usable(path, rust_name.to_owned())?;
        if name::TAKEN.contains(&rust_name) {
            let message = format!("`{rust_name}` is a name that the Rust output itself needs: rename it");
            return Err(self.source.error(path, message));
        }
        if !self.names.insert(rust_name.to_owned()) {
            let message = format!("another declaration of this package is `{rust_name}` in Rust: rename one");
            return Err(self.source.error(path, message));
        }
        Ok(())
    }

    /// Refuses names that nothing is left of in Rust, such as `_` and, for a type, `_1`.
    pub(super) fn usable(&self, path: &[i32], rust_name: String) -> Result<String, Error> {
        let first = rust_name.chars().find(|letter| *letter != '_');
        if first.is_none() || rust_name.starts_with(|first: char| first.is_ascii_digit()) {
            let message =
                format!("the name becomes `{rust_name}` in Rust, which is not a name there: rename it");
            return Err(self.source.error(path, message));
        }
        Ok(rust_name)
    }

    fn no_extensions(&self, path: &[i32]) -> Error {
        self.source.error(
            path,
            "extensions are not supported: add fields to the message itself",
        )
    }
}
