//! The struct of a message, and its encoder.

use super::survey;
use super::text::Text;
use crate::schema::{Field, Item, Kind, Label, Message, Oneof};

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

pub(super) fn lifetime_of(path: &str, borrows: bool, lifetime: &str) -> String {
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
    for item in message.items() {
        match item {
            Item::Field(field) => {
                text.docs(&field.docs, &format!("Field {}.", field.number));
                text.line(format!("pub {}: {},", field.name, field_type(message, field)));
            }
            Item::Oneof(oneof) => {
                text.docs(&oneof.docs, &format!("One of `{}`, or none.", oneof.proto_name));
                let value = lifetime_of(&oneof.type_name, oneof.borrows, "'a");
                text.line(format!("pub {}: Option<{value}>,", oneof.name));
            }
        }
    }
    text.line("}");
}

fn field_type(message: &Message, field: &Field) -> String {
    let value = || value_type(message, &field.kind);
    match (field.label, &field.kind) {
        (Label::Repeated, kind) => format!("&'a [{}]", element_type(message, kind)),
        (Label::Optional, _) | (_, Kind::Message { .. } | Kind::Fixed { .. }) => {
            format!("Option<{}>", value())
        }
        (Label::Singular, _) => value(),
    }
}

/// The type of one value. One that can contain the message that it lies in has to lie elsewhere.
pub(super) fn value_type(message: &Message, kind: &Kind) -> String {
    match kind {
        Kind::Message { in_circle: true, .. } => format!("&'a {}", element_type(message, kind)),
        _ => element_type(message, kind),
    }
}

/// The type of an element of a slice.
fn element_type(message: &Message, kind: &Kind) -> String {
    match kind {
        Kind::Integer(name) | Kind::Float(name) => (*name).to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Enum(path) => path.clone(),
        Kind::String if message.gathers => "::crake_wire::Text<'a>".to_owned(),
        Kind::Bytes if message.gathers => "::crake_wire::Payload<'a>".to_owned(),
        Kind::String => "&'a str".to_owned(),
        Kind::Bytes => "&'a [u8]".to_owned(),
        Kind::Message { path, borrows, .. } => lifetime_of(path, *borrows, "'a"),
        Kind::Fixed { path, .. } => path.clone(),
        Kind::Map { key, value } => {
            let [key, value] = [key, value].map(|kind| element_type(message, kind));
            format!("({key}, {value})")
        }
    }
}

/// Whether its values are messages, fixed or not.
pub(super) fn is_message(field: &Field) -> bool {
    matches!(field.kind, Kind::Message { .. } | Kind::Fixed { .. })
}

pub(super) fn inline(is_inlined: bool) -> &'static str {
    match is_inlined {
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
    text.line(inline(message.is_inlined));
    text.line(format!(
        "fn present(&self) -> ::crake_wire::Present<{}> {{",
        message.words()
    ));
    text.line("::crake_wire::Present::none()");
    for field in &message.fields {
        let is_present = match message.oneof_of(field) {
            None => is_present(field),
            Some(oneof) => format!("matches!(self.{}, {})", oneof.name, pattern(oneof, field, "_")),
        };
        text.line(format!("    .with::<{}>({is_present})", field.number));
    }
    text.lines(["}", "}"]);
}

/// What the member of a oneof is when it is there.
pub(super) fn pattern(oneof: &Oneof, member: &Field, value: &str) -> String {
    format!("Some({}::{}({value}))", oneof.type_name, member.variant())
}

/// A condition on a field of `self`.
fn is_present(field: &Field) -> String {
    let name = &field.name;
    match (field.label, &field.kind) {
        (Label::Repeated, _) => format!("!self.{name}.is_empty()"),
        (Label::Optional, _) | (_, Kind::Message { .. } | Kind::Fixed { .. }) => {
            format!("self.{name}.is_some()")
        }
        (_, Kind::String | Kind::Bytes | Kind::Map { .. }) => format!("!self.{name}.is_empty()"),
        (_, Kind::Integer(_)) => format!("self.{name} != 0"),
        (_, Kind::Float(_)) => format!("self.{name}.to_bits() != 0"),
        (_, Kind::Bool) => format!("self.{name}"),
        (_, Kind::Enum(_)) => format!("self.{name} as i32 != 0"),
    }
}

fn encode(text: &mut Text, message: &Message) {
    let name = with_lifetime(message, "'_");
    if message.in_circle {
        text.blank();
        text.line(format!("impl {name} {{"));
        text.doc("The bytes of the message, so many levels within messages that it can lie in.");
        text.line("fn len_at(&self, depth: u32) -> usize {");
        encoded_len(text, message);
        text.lines(["}", "}"]);
    }
    text.blank();
    text.line(format!("impl ::crake_wire::Encode for {name} {{"));
    if message.gathers {
        text.line("const GATHERS: bool = true;");
        text.blank();
    }
    text.line(inline(message.is_inlined));
    text.line("fn encoded_len(&self) -> usize {");
    if message.in_circle {
        text.line("self.len_at(0)");
    } else {
        encoded_len(text, message);
    }
    text.line("}");
    text.blank();
    text.line(inline(message.is_inlined));
    text.line("fn encode(&self, out: &mut [u8]) {");
    text.line("::crake_wire::Writer::frame(out, self);");
    text.line("}");
    if message.gathers {
        survey::emit(text, message);
        encode_gathered(text);
    }
    text.line("}");
}

fn encode_gathered(text: &mut Text) {
    text.blank();
    text.line("#[inline]");
    text.line("fn encode_gathered(&self, out: &mut [u8], plan: ::crake_wire::Plan, beside: &mut ::crake_wire::Sga) {");
    text.line("::crake_wire::Writer::gathered(out, self, plan, beside);");
    text.line("}");
}

fn encoded_len(text: &mut Text, message: &Message) {
    text.line(format!("{}.head_bytes()", present_of(message)));
    for item in message.items() {
        match item {
            Item::Field(field) => {
                if let Some(payload) = payload_bytes(message, field) {
                    text.line(format!("    + {payload}"));
                }
            }
            Item::Oneof(oneof) => oneof_bytes(text, message, oneof),
        }
    }
}

/// The bytes that a oneof takes outside of its slot, if it can take any.
fn oneof_bytes(text: &mut Text, message: &Message, oneof: &Oneof) {
    let payloads: Vec<_> = message
        .members(oneof)
        .filter_map(|member| {
            Some((
                pattern(oneof, member, "value"),
                value_bytes(&member.kind, "value")?,
            ))
        })
        .collect();
    if payloads.is_empty() {
        return;
    }
    text.line(format!("    + match &self.{} {{", oneof.name));
    for (pattern, bytes) in payloads {
        text.line(format!("    {pattern} => {bytes},"));
    }
    text.line("    _ => 0,");
    text.line("    }");
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
fn payload_bytes(message: &Message, field: &Field) -> Option<String> {
    let name = &field.name;
    Some(match (field.label, &field.kind) {
        (Label::Repeated, Kind::String | Kind::Bytes) if message.gathers => {
            format!("::crake_wire::payloads_bytes(self.{name})")
        }
        (Label::Optional, Kind::String | Kind::Bytes) if message.gathers => {
            format!("self.{name}.map_or(0, |value| value.len())")
        }
        (_, Kind::Map { key, value }) => {
            let [key, value] = [key, value].map(|kind| match (&**kind, value_bytes(kind, "value")) {
                (Kind::Message { in_circle: false, .. }, _) => "::crake_wire::Encode::encoded_len".to_owned(),
                (_, Some(bytes)) => format!("|value| {bytes}"),
                (_, None) => "|_| 0".to_owned(),
            });
            format!("::crake_wire::map_bytes(self.{name}, {key}, {value})")
        }
        (Label::Repeated, Kind::String | Kind::Bytes) => format!("::crake_wire::blobs_bytes(self.{name})"),
        (Label::Repeated, kind @ Kind::Message { in_circle: true, .. }) => {
            let bytes = value_bytes(kind, "value")?;
            format!("::crake_wire::table_bytes(self.{name}, |value| {bytes})")
        }
        (Label::Repeated, Kind::Message { .. }) => format!("::crake_wire::messages_bytes(self.{name})"),
        (Label::Repeated, Kind::Fixed { .. }) => format!("::crake_wire::fixed_bytes(self.{name})"),
        (Label::Repeated, _) => format!("::crake_wire::scalars_bytes(self.{name})"),
        (Label::Optional, Kind::String) => format!("self.{name}.map_or(0, str::len)"),
        (Label::Optional, Kind::Bytes) => format!("self.{name}.map_or(0, <[u8]>::len)"),
        (_, kind @ Kind::Message { in_circle: true, .. }) => {
            format!("self.{name}.map_or(0, |value| {})", value_bytes(kind, "value")?)
        }
        (_, Kind::Message { .. }) => {
            format!("self.{name}.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)")
        }
        (_, Kind::Fixed { .. }) => format!("::crake_wire::fixed_bytes(self.{name}.as_slice())"),
        (_, kind) => return value_bytes(kind, &format!("self.{name}")),
    })
}

/// The bytes that one value takes outside of its slot, if it can take any. `value` is a place or a reference.
fn value_bytes(kind: &Kind, value: &str) -> Option<String> {
    match kind {
        Kind::String | Kind::Bytes => Some(format!("{value}.len()")),
        Kind::Message { in_circle: true, .. } => Some(format!("{value}.len_at(::crake_wire::below(depth))")),
        Kind::Message { .. } => Some(format!("::crake_wire::Encode::encoded_len({value})")),
        Kind::Fixed { .. } => Some(format!(
            "::crake_wire::fixed_bytes(::core::slice::from_ref({value}))"
        )),
        _ => None,
    }
}

fn write(text: &mut Text, message: &Message) {
    let name = with_lifetime(message, "'_");
    if message.in_circle {
        text.blank();
        text.line(format!("impl {name} {{"));
        text.doc("Writes the message, so many levels within messages that it can lie in.");
        text.line("fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {");
        write_fields(text, message);
        text.lines(["}", "}"]);
    }
    text.blank();
    text.line(format!("impl ::crake_wire::Message for {name} {{"));
    text.line(inline(message.is_inlined));
    text.line("fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {");
    if message.in_circle {
        text.line("self.write_at(writer, 0);");
    } else {
        write_fields(text, message);
    }
    text.lines(["}", "}"]);
}

fn write_fields(text: &mut Text, message: &Message) {
    if message.fields.is_empty() {
        text.line(format!("writer.head({});", present_of(message)));
        return;
    }
    text.line(format!("let mut head = writer.head({});", present_of(message)));
    for field in &message.fields {
        let in_option = field.label == Label::Optional || field.label == Label::Singular && is_message(field);
        let (condition, value) = match message.oneof_of(field) {
            Some(oneof) => {
                let pattern = pattern(oneof, field, "value");
                (
                    format!("let {pattern} = {}self.{}", borrow(field), oneof.name),
                    "value".to_owned(),
                )
            }
            None if in_option => {
                let condition = format!("let Some(value) = {}self.{}", borrow(field), field.name);
                (condition, "value".to_owned())
            }
            None => (is_present(field), format!("self.{}", field.name)),
        };
        text.line(format!("if {condition} {{"));
        text.line(format!("head.{};", put(message, field, &value)));
        text.line("}");
    }
}

fn borrow(field: &Field) -> &'static str {
    if is_message(field) { "&" } else { "" }
}

/// The call that fills the slot of a field, and appends its payload.
fn put(message: &Message, field: &Field, value: &str) -> String {
    match (field.label, &field.kind) {
        (_, Kind::Map { key, value: of_key }) => {
            let [key, of_key] = [key, of_key].map(|kind| put_in_entry(message, kind));
            format!("put(writer.map({value}, {key}, {of_key}))")
        }
        (Label::Repeated, Kind::String | Kind::Bytes) if message.gathers => {
            format!("put(writer.payloads({value}))")
        }
        (_, Kind::String | Kind::Bytes) if message.gathers => format!("put(writer.payload({value}))"),
        (Label::Repeated, Kind::String | Kind::Bytes) => format!("put(writer.blobs({value}))"),
        (Label::Repeated, Kind::Message { in_circle: true, .. }) => {
            format!("put(writer.table({value}, |writer, value| {PUT_DEEPER}))")
        }
        (Label::Repeated, Kind::Message { .. }) => format!("put(writer.messages({value}))"),
        (Label::Repeated, Kind::Fixed { .. }) => format!("put(writer.fixed_list({value}))"),
        (Label::Repeated, _) => format!("put(writer.scalars({value}))"),
        (_, Kind::String) => format!("put(writer.bytes({value}.as_bytes()))"),
        (_, Kind::Bytes) => format!("put(writer.bytes({value}))"),
        (_, Kind::Message { in_circle: true, .. }) => format!("put({PUT_DEEPER})"),
        (_, Kind::Message { .. }) => format!("put(writer.message({value}))"),
        (_, Kind::Fixed { .. }) => format!("put(writer.fixed({value}))"),
        _ => format!("put_scalar({value})"),
    }
}

/// Appends `value`, a message that can contain the one that is written.
const PUT_DEEPER: &str = "writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))";

/// What fills the slot of a key or value of a map.
fn put_in_entry(message: &Message, kind: &Kind) -> String {
    match kind {
        Kind::String | Kind::Bytes if message.gathers => {
            "|writer, value| writer.payload_in_entry(*value)".to_owned()
        }
        Kind::String => "|writer, value| writer.blob_in_entry(value.as_bytes())".to_owned(),
        Kind::Bytes => "|writer, value| writer.blob_in_entry(value)".to_owned(),
        Kind::Message { in_circle: true, .. } => format!("|writer, value| {PUT_DEEPER}"),
        Kind::Message { .. } => "|writer, value| writer.message(value)".to_owned(),
        Kind::Fixed { .. } => "|writer, value| writer.fixed(value)".to_owned(),
        _ => "|_, value| ::crake_wire::Scalar::to_slot(*value)".to_owned(),
    }
}
