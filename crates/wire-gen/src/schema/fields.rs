//! The fields of a message: their kinds, and the oneofs that they are members of.

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto};

use super::check::FileCheck;
use super::source::{tag, within};
use super::types::is_repeated;
use super::{FIELD_NUMBER_MAX, Field, Kind, Label, Oneof};
use crate::{Error, name};

impl FileCheck<'_, '_> {
    /// In the order of their declaration.
    pub(super) fn fields(
        &self,
        path: &[i32],
        full_name: &str,
        message: &DescriptorProto,
    ) -> Result<Vec<Field>, Error> {
        let fields = message.field.iter().enumerate();
        fields
            .map(|(index, declared)| {
                self.field(&within(path, tag::MESSAGE_FIELD, index), full_name, declared)
            })
            .collect()
    }

    fn field(&self, path: &[i32], full_name: &str, declared: &FieldDescriptorProto) -> Result<Field, Error> {
        let number = u32::try_from(declared.number()).unwrap_or(0);
        if !(1..=FIELD_NUMBER_MAX).contains(&number) {
            let message = format!(
                "field number {number} is not supported: use 1 to {FIELD_NUMBER_MAX}, so that the bitmap stays short"
            );
            return Err(self.source.error(path, message));
        }
        let oneof = declared.oneof_index.filter(|_| !declared.proto3_optional());
        let label = match declared {
            _ if is_repeated(declared) => Label::Repeated,
            _ if declared.proto3_optional() || oneof.is_some() => Label::Optional,
            _ => Label::Singular,
        };
        let kind = match self.types.map_entry(declared) {
            Some(entry) => self.map(path, full_name, entry)?,
            None => self.kind(path, full_name, declared)?,
        };
        Ok(Field {
            name: self.usable(path, name::identifier(declared.name()))?,
            docs: self.source.docs(path),
            number,
            label,
            kind,
            oneof: oneof.map(|oneof| usize::try_from(oneof).expect("protox counts them from 0")),
        })
    }

    /// The parser makes an entry of two fields, `key` and `value`, in this order.
    fn map(&self, path: &[i32], full_name: &str, entry: &DescriptorProto) -> Result<Kind, Error> {
        Ok(Kind::Map {
            key: Box::new(self.kind(path, full_name, &entry.field[0])?),
            value: Box::new(self.kind(path, full_name, &entry.field[1])?),
        })
    }

    /// `full_name` is the message that the field is declared in.
    fn kind(&self, path: &[i32], full_name: &str, declared: &FieldDescriptorProto) -> Result<Kind, Error> {
        Ok(match declared.r#type() {
            Type::Uint32 | Type::Fixed32 => Kind::Integer("u32"),
            Type::Uint64 | Type::Fixed64 => Kind::Integer("u64"),
            Type::Int32 | Type::Sint32 | Type::Sfixed32 => Kind::Integer("i32"),
            Type::Int64 | Type::Sint64 | Type::Sfixed64 => Kind::Integer("i64"),
            Type::Float => Kind::Float("f32"),
            Type::Double => Kind::Float("f64"),
            Type::Bool => Kind::Bool,
            Type::String => Kind::String,
            Type::Bytes => Kind::Bytes,
            Type::Enum => Kind::Enum(self.type_path(path, declared.type_name())?),
            Type::Message => self.message_kind(path, full_name, declared.type_name())?,
            Type::Group => {
                let message = "groups are not supported: use a message field";
                return Err(self.source.error(path, message));
            }
        })
    }

    fn message_kind(&self, path: &[i32], outer: &str, full_name: &str) -> Result<Kind, Error> {
        let rust_path = self.type_path(path, full_name)?;
        Ok(match self.types.layout(full_name) {
            Some(layout) => Kind::Fixed {
                path: rust_path,
                bytes: layout.bytes,
            },
            None => Kind::Message {
                path: rust_path,
                borrows: self.types.borrows(full_name),
                in_circle: self.types.is_in_circle(outer, full_name),
            },
        })
    }

    /// Those that the file declares: the parser adds one for each `optional` field, after these.
    pub(super) fn oneofs(
        &mut self,
        path: &[i32],
        rust_name: &str,
        message: &DescriptorProto,
        fields: &[Field],
    ) -> Result<Vec<Oneof>, Error> {
        let last = fields.iter().filter_map(|field| field.oneof).max();
        let declared = last.map_or(0, |last| last + 1);
        let mut oneofs = Vec::new();
        for (index, oneof) in message.oneof_decl.iter().take(declared).enumerate() {
            let members = || {
                fields
                    .iter()
                    .enumerate()
                    .filter(|(_, field)| field.oneof == Some(index))
            };
            for (field, member) in members() {
                self.usable(&within(path, tag::MESSAGE_FIELD, field), member.variant())?;
            }
            let path = within(path, tag::MESSAGE_ONEOF, index);
            let type_name = rust_name.to_owned() + &name::type_name(oneof.name());
            self.claim(&path, &type_name)?;
            self.claim(&path, &format!("{type_name}View"))?;
            oneofs.push(Oneof {
                name: self.usable(&path, name::identifier(oneof.name()))?,
                proto_name: oneof.name().to_owned(),
                type_name,
                docs: self.source.docs(&path),
                borrows: members().any(|(_, member)| member.kind.borrows()),
            });
        }
        Ok(oneofs)
    }

    /// Fields among themselves differ: protox refuses names that are one but for case and `_`. `fields` are in the order of
    /// their declaration.
    pub(super) fn refuse_names_that_meet(
        &self,
        path: &[i32],
        fields: &[Field],
        oneofs: &[Oneof],
    ) -> Result<(), Error> {
        let index_of = |name: &str| {
            fields
                .iter()
                .position(|field| field.oneof.is_none() && field.name == name)
        };
        for oneof in oneofs {
            if let Some(index) = index_of(&oneof.name) {
                let message = format!(
                    "oneof `{}` is `{}` in Rust too: use another name",
                    oneof.proto_name, oneof.name
                );
                return Err(self
                    .source
                    .error(&within(path, tag::MESSAGE_FIELD, index), message));
            }
        }
        for string in fields {
            let Some(getter) = string.bytes_getter() else {
                continue;
            };
            let name = string.shown_name();
            if let Some(index) = index_of(&getter) {
                let message =
                    format!("the getter of the bytes of string `{name}` is `{getter}` too: use another name");
                return Err(self
                    .source
                    .error(&within(path, tag::MESSAGE_FIELD, index), message));
            }
            if let Some(index) = oneofs.iter().position(|oneof| oneof.name == getter) {
                let message =
                    format!("the getter of the bytes of string `{name}` is `{getter}` too: use another name");
                return Err(self
                    .source
                    .error(&within(path, tag::MESSAGE_ONEOF, index), message));
            }
        }
        Ok(())
    }
}
