//! The struct of a message, and its encoder.

use super::text::Text;
use crate::schema::{Field, Kind, Label, Message};

pub(super) fn emit(text: &mut Text, message: &Message) {
    declaration(text, message);
    present(text, message);
    encode(text, message);
    write(text, message);
}

/// `Foo`, with its lifetime when it has one.
fn with_lifetime(message: &Message, lifetime: &str) -> String {
    lifetime_of(&message.name, message.borrows, lifetime)
}

fn lifetime_of(path: &str, borrows: bool, lifetime: &str) -> String {
    if borrows {
        format!("{path}<{lifetime}>")
    } else {
        path.to_owned()
    }
}

fn declaration(text: &mut Text, message: &Message) {
    text.blank();
    text.docs(&message.docs, &format!("The message `{}`.", message.proto_name));
    text.line("#[derive(Debug, Clone, Copy, Default, PartialEq)]");
    if message.fields.is_empty() {
        text.line(format!("pub struct {} {{}}", message.name));
        return;
    }
    text.line(format!("pub struct {} {{", with_lifetime(message, "'a")));
    for field in &message.fields {
        text.docs(&field.docs, &format!("Field {}.", field.number));
        text.line(format!("pub {}: {},", field.name, field_type(field)));
    }
    text.line("}");
}

fn field_type(field: &Field) -> String {
    let one = match &field.kind {
        Kind::Integer(name) | Kind::Float(name) => (*name).to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Enum(path) => path.clone(),
        Kind::String => "&'a str".to_owned(),
        Kind::Bytes => "&'a [u8]".to_owned(),
        Kind::Message { path, borrows } => lifetime_of(path, *borrows, "'a"),
    };
    match field.label {
        Label::Repeated => format!("&'a [{one}]"),
        Label::Optional => format!("Option<{one}>"),
        Label::Singular if is_message(field) => format!("Option<{one}>"),
        Label::Singular => one,
    }
}

fn is_message(field: &Field) -> bool {
    matches!(field.kind, Kind::Message { .. })
}

fn inline(message: &Message) -> &'static str {
    match message.is_inlined {
        true => "#[inline(always)]",
        false => "#[inline]",
    }
}

fn present(text: &mut Text, message: &Message) {
    if message.fields.is_empty() {
        return;
    }
    text.blank();
    text.line(format!("impl {} {{", with_lifetime(message, "'_")));
    text.line("/// The fields that are there: what is default is not.");
    text.line(inline(message));
    text.line(format!(
        "fn present(&self) -> ::crake_wire::Present<{}> {{",
        message.words()
    ));
    text.line("::crake_wire::Present::none()");
    for field in &message.fields {
        text.line(format!("    .with::<{}>({})", field.number, is_present(field)));
    }
    text.lines(["}", "}"]);
}

/// A condition on a field of `self`.
fn is_present(field: &Field) -> String {
    let name = &field.name;
    match (field.label, &field.kind) {
        (Label::Repeated, _) => format!("!self.{name}.is_empty()"),
        (Label::Optional, _) | (_, Kind::Message { .. }) => format!("self.{name}.is_some()"),
        (_, Kind::String | Kind::Bytes) => format!("!self.{name}.is_empty()"),
        (_, Kind::Integer(_)) => format!("self.{name} != 0"),
        (_, Kind::Float(_)) => format!("self.{name}.to_bits() != 0"),
        (_, Kind::Bool) => format!("self.{name}"),
        (_, Kind::Enum(_)) => format!("self.{name} as i32 != 0"),
    }
}

fn encode(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!(
        "impl ::crake_wire::Encode for {} {{",
        with_lifetime(message, "'_")
    ));
    text.line(inline(message));
    text.line("fn encoded_len(&self) -> usize {");
    text.line(format!("{}.head_bytes()", present_of(message)));
    for payload in message.fields.iter().filter_map(payload_bytes) {
        text.line(format!("    + {payload}"));
    }
    text.line("}");
    text.blank();
    text.line(inline(message));
    text.line("fn encode(&self, out: &mut [u8]) {");
    text.line("::crake_wire::Writer::frame(out, self);");
    text.lines(["}", "}"]);
}

/// What says which fields are there. A message without fields has no method for it.
fn present_of(message: &Message) -> &'static str {
    if message.fields.is_empty() {
        "::crake_wire::Present::<1>::none()"
    } else {
        "self.present()"
    }
}

/// The bytes that a field takes outside of its slot, if it can take any.
fn payload_bytes(field: &Field) -> Option<String> {
    let name = &field.name;
    Some(match (field.label, &field.kind) {
        (Label::Repeated, Kind::String | Kind::Bytes) => format!("::crake_wire::blobs_bytes(self.{name})"),
        (Label::Repeated, Kind::Message { .. }) => format!("::crake_wire::messages_bytes(self.{name})"),
        (Label::Repeated, _) => format!("::crake_wire::scalars_bytes(self.{name})"),
        (Label::Optional, Kind::String) => format!("self.{name}.map_or(0, str::len)"),
        (Label::Optional, Kind::Bytes) => format!("self.{name}.map_or(0, <[u8]>::len)"),
        (_, Kind::Message { .. }) => {
            format!("self.{name}.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)")
        }
        (Label::Singular, Kind::String | Kind::Bytes) => format!("self.{name}.len()"),
        _ => return None,
    })
}

fn write(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!(
        "impl ::crake_wire::Message for {} {{",
        with_lifetime(message, "'_")
    ));
    text.line(inline(message));
    text.line("fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {");
    if message.fields.is_empty() {
        text.line(format!("writer.head({});", present_of(message)));
    } else {
        text.line(format!("let mut head = writer.head({});", present_of(message)));
    }
    for field in &message.fields {
        let in_option = field.label == Label::Optional || field.label == Label::Singular && is_message(field);
        if in_option {
            text.line(format!(
                "if let Some(value) = {}self.{} {{",
                borrow(field),
                field.name
            ));
        } else {
            text.line(format!("if {} {{", is_present(field)));
        }
        let value = if in_option {
            "value".to_owned()
        } else {
            format!("self.{}", field.name)
        };
        text.line(format!("head.{};", put(field, &value)));
        text.line("}");
    }
    text.lines(["}", "}"]);
}

fn borrow(field: &Field) -> &'static str {
    if is_message(field) { "&" } else { "" }
}

/// The call that fills the slot of a field, and appends its payload.
fn put(field: &Field, value: &str) -> String {
    match (field.label, &field.kind) {
        (Label::Repeated, Kind::String | Kind::Bytes) => format!("put(writer.blobs({value}))"),
        (Label::Repeated, Kind::Message { .. }) => format!("put(writer.messages({value}))"),
        (Label::Repeated, _) => format!("put(writer.scalars({value}))"),
        (_, Kind::String) => format!("put(writer.bytes({value}.as_bytes()))"),
        (_, Kind::Bytes) => format!("put(writer.bytes({value}))"),
        (_, Kind::Message { .. }) => format!("put(writer.message({value}))"),
        _ => format!("put_scalar({value})"),
    }
}
