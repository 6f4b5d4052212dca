//! An enum.

use super::text::Text;
use crate::schema::Enum;

pub(super) fn emit(text: &mut Text, enumeration: &Enum) {
    declaration(text, enumeration);
    aliases(text, enumeration);
    from_number(text, enumeration);
    as_scalar(text, &enumeration.name);
    as_element(text, &enumeration.name);
    in_entry(text, &enumeration.name);
}

fn declaration(
    text: &mut Text,
    Enum {
        name,
        proto_name,
        docs,
        values,
        ..
    }: &Enum,
) {
    text.blank();
    text.docs(docs, &format!("The enum `{proto_name}`."));
    text.line("#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]");
    text.line("#[repr(i32)]");
    text.line(format!("pub enum {name} {{"));
    for (index, value) in values.iter().enumerate() {
        text.docs(&value.docs, &format!("Value {}.", value.number));
        if index == 0 {
            text.line("#[default]");
        }
        text.line(format!("{} = {},", value.name, value.number));
    }
    text.line("}");
}

/// A Rust enum has one variant for each number; its other names are constants.
fn aliases(text: &mut Text, Enum { name, aliases, .. }: &Enum) {
    if aliases.is_empty() {
        return;
    }
    text.blank();
    text.line(format!("impl {name} {{"));
    for alias in aliases {
        text.docs(&alias.docs, &format!("Another name of [`{name}::{}`].", alias.of));
        text.line(format!("pub const {}: Self = Self::{};", alias.name, alias.of));
    }
    text.line("}");
}

fn from_number(text: &mut Text, Enum { name, values, .. }: &Enum) {
    text.blank();
    text.line(format!("impl TryFrom<i32> for {name} {{"));
    text.line("type Error = ::crake_wire::WireError;");
    text.blank();
    text.line("#[inline]");
    text.line("fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {");
    text.line("match number {");
    for value in values {
        text.line(format!("{} => Ok(Self::{}),", value.number, value.name));
    }
    text.line("_ => Err(::crake_wire::WireError::UnknownEnum(number)),");
    text.lines(["}", "}", "}"]);
}

fn as_scalar(text: &mut Text, name: &str) {
    text.blank();
    text.line(format!("impl ::crake_wire::Scalar for {name} {{"));
    text.line("type Raw = [u8; 4];");
    text.line("type Read = Result<Self, ::crake_wire::WireError>;");
    for (signature, body) in [
        (
            "fn to_slot(self) -> u64 {",
            "::crake_wire::Scalar::to_slot(self as i32)",
        ),
        (
            "fn from_slot(slot: u64) -> Result<Self, ::crake_wire::WireError> {",
            "<i32 as ::crake_wire::Scalar>::from_slot(slot).try_into()",
        ),
        ("fn to_raw(self) -> [u8; 4] {", "(self as i32).to_le_bytes()"),
        (
            "fn from_raw(raw: [u8; 4]) -> Result<Self, ::crake_wire::WireError> {",
            "i32::from_le_bytes(raw).try_into()",
        ),
    ] {
        text.blank();
        text.lines(["#[inline]", signature, body, "}"]);
    }
    text.line("}");
}

fn as_element(text: &mut Text, name: &str) {
    text.blank();
    text.line(format!("impl<F> ::crake_wire::Element<'_, F> for {name} {{"));
    text.line("type Raw = [u8; 4];");
    text.line("type Item = Result<Self, ::crake_wire::WireError>;");
    text.blank();
    text.line("#[inline]");
    text.line("fn read(_: F, raw: &[u8; 4]) -> Self::Item {");
    text.line("<Self as ::crake_wire::Scalar>::from_raw(*raw)");
    text.lines(["}", "}"]);
}

fn in_entry(text: &mut Text, name: &str) {
    text.blank();
    text.line(format!("impl<F> ::crake_wire::InEntry<'_, F> for {name} {{"));
    text.line("#[inline]");
    text.line("fn read(_: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {");
    text.line("<Self as ::crake_wire::Scalar>::from_slot(slot)");
    text.lines(["}", "}"]);
}
