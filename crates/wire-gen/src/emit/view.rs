//! The view of a message: a getter for each field.

use super::message::lifetime_of;
use super::oneof;
use super::text::Text;
use crate::schema::{Field, Item, Kind, Label, Message};

pub(super) fn emit(text: &mut Text, message: &Message) {
    declaration(text, message);
    parsers(text, message);
    getters(text, message);
    as_view(text, message);
    into_message(text, message);
    debug(text, message);
    message_type(text, message);
}

/// A view without getters holds its reader only so that all views are alike.
fn reader(message: &Message) -> &'static str {
    if message.fields.is_empty() {
        "_reader"
    } else {
        "reader"
    }
}

fn reader_type(message: &Message) -> &'static str {
    if message.in_circle {
        "StrictReader"
    } else {
        "Reader"
    }
}

fn declaration(text: &mut Text, message: &Message) {
    text.blank();
    text.doc(&format!("Reads the message [`{}`] where it lies.", message.name));
    text.line("#[derive(Clone, Copy)]");
    text.line(format!(
        "pub struct {}View<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {{",
        message.name
    ));
    text.line(format!(
        "{}: ::crake_wire::{}<'a, {}, F>,",
        reader(message),
        reader_type(message),
        message.words()
    ));
    text.line("}");
}

fn parsers(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!("impl<'a> {}View<'a> {{", message.name));
    text.doc(match message.in_circle {
        true => {
            "Checks the head of the message that `frame` starts with, and that all it points at lies in order."
        }
        false => "Checks the head of the message that `frame` starts with. Each getter checks what it reads.",
    });
    text.line("#[inline]");
    text.line("pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {");
    text.line("::crake_wire::View::parse(frame)");
    text.lines(["}", "}"]);
    text.blank();
    text.line(format!(
        "impl<'a> {}View<'a, ::crake_wire::Gathered<'a>> {{",
        message.name
    ));
    text.doc("The same of a message that was received with bytes beside it.");
    text.line("#[inline]");
    text.line(
        "pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {",
    );
    text.line("::crake_wire::View::parse(frame)");
    text.lines(["}", "}"]);
}

fn getters(text: &mut Text, message: &Message) {
    if message.fields.is_empty() {
        return;
    }
    text.blank();
    text.line(format!(
        "impl<'a, F: ::crake_wire::Frame<'a>> {}View<'a, F> {{",
        message.name
    ));
    if message.in_circle {
        pointers(text, message);
    }
    for (index, item) in message.items().enumerate() {
        if index > 0 {
            text.blank();
        }
        match item {
            Item::Field(field) => getter(text, field),
            Item::Oneof(oneof) => oneof::getter(text, message, oneof),
        }
    }
    text.line("}");
}

/// What the fields of a message of a circle point at.
fn pointers(text: &mut Text, message: &Message) {
    text.doc("The fields that are pointers, and at what.");
    text.line("const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[");
    for field in &message.fields {
        if let Some(shape) = shape(field) {
            text.line(format!("    ({}, ::crake_wire::Shape::{shape}),", field.number));
        }
    }
    text.line("];");
    text.blank();
}

fn shape(field: &Field) -> Option<String> {
    let is_blob = |kind: &Kind| matches!(kind, Kind::String | Kind::Bytes | Kind::Message { .. });
    let is_pointer = |kind: &Kind| is_blob(kind) || matches!(kind, Kind::Fixed { .. });
    match (field.label, &field.kind) {
        (_, Kind::Map { key, value }) => Some(format!(
            "Map {{ key: {}, value: {} }}",
            is_pointer(key),
            is_pointer(value)
        )),
        (Label::Repeated, kind) if is_blob(kind) => Some("Table".to_owned()),
        (Label::Repeated, kind) => Some(format!("Packed({})", element_bytes(kind))),
        (_, kind) => is_pointer(kind).then(|| "Packed(1)".to_owned()),
    }
}

/// Of an element of a packed list.
fn element_bytes(kind: &Kind) -> usize {
    match kind {
        Kind::Bool => 1,
        Kind::Integer("u64" | "i64") | Kind::Float("f64") => 8,
        Kind::Fixed { bytes, .. } => *bytes,
        _ => 4,
    }
}

fn getter(text: &mut Text, field: &Field) {
    text.docs(&field.docs, &format!("Field {}.", field.number));
    text.line("#[inline]");
    text.line(format!(
        "pub fn {}(&self) -> {} {{",
        field.name,
        getter_type(field)
    ));
    text.line(getter_body(field));
    text.line("}");
    bytes_getter(text, field);
}

/// For a string, so that a reader who compares it with what is known to be UTF-8 need not check it first.
fn bytes_getter(text: &mut Text, field: &Field) {
    let Some(name) = field.bytes_getter() else { return };
    let (number, shown) = (field.number, field.shown_name());
    let (read, optional) = match field.label {
        Label::Optional => ("Option<F::Bytes>", "optional_"),
        _ => ("F::Bytes", ""),
    };
    text.blank();
    text.doc(&format!("The bytes of `{shown}`, which may not be UTF-8."));
    text.line("#[inline]");
    text.line(format!(
        "pub fn {name}(&self) -> Result<{read}, ::crake_wire::WireError> {{"
    ));
    text.line(format!("self.reader.{optional}bytes::<{number}>()"));
    text.line("}");
}

fn getter_type(field: &Field) -> String {
    let one = element(&field.kind);
    let read = match (field.label, &field.kind) {
        (_, Kind::Map { key, value }) => {
            format!("::crake_wire::Map<'a, {}, {}, F>", element(key), element(value))
        }
        (Label::Repeated, Kind::Message { in_circle: true, .. }) => {
            format!("::crake_wire::NestedList<'a, {one}>")
        }
        (Label::Repeated, _) => format!("::crake_wire::List<'a, {one}, F>"),
        (Label::Optional, _) | (_, Kind::Message { .. } | Kind::Fixed { .. }) => format!("Option<{one}>"),
        (Label::Singular, _) => one,
    };
    if may_fail(field) {
        format!("Result<{read}, ::crake_wire::WireError>")
    } else {
        read
    }
}

/// Whether the getter gives a `Result`.
pub(super) fn may_fail(field: &Field) -> bool {
    field.label == Label::Repeated || !matches!(field.kind, Kind::Integer(_) | Kind::Float(_))
}

/// What one value reads as, and what a list is a list of.
pub(super) fn element(kind: &Kind) -> String {
    match kind {
        Kind::Integer(name) | Kind::Float(name) => (*name).to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Enum(path) => path.clone(),
        Kind::String => "F::Text".to_owned(),
        Kind::Bytes => "F::Bytes".to_owned(),
        Kind::Message { path, .. } => format!("{path}View<'a, F>"),
        Kind::Fixed { path, .. } => path.clone(),
        Kind::Map { key, value } => format!("({}, {})", element(key), element(value)),
    }
}

pub(super) fn getter_body(field: &Field) -> String {
    let number = field.number;
    let one = element(&field.kind);
    let read = match (field.label, &field.kind) {
        (_, Kind::Map { key, value }) => {
            let is_nested = matches!(**value, Kind::Message { in_circle: true, .. });
            let map = if is_nested { "nested_map" } else { "map" };
            let (key, value) = (element(key), element(value));
            return format!("self.reader.{map}::<{key}, {value}, {number}>()");
        }
        (Label::Repeated, Kind::Message { in_circle: true, .. }) => {
            return format!("self.reader.nested_list::<{one}, {number}>()");
        }
        (Label::Repeated, _) => return format!("self.reader.list::<{one}, {number}>()"),
        (_, Kind::Message { in_circle: true, .. }) => {
            return format!("self.reader.nested::<{one}, {number}>()");
        }
        (_, Kind::Message { .. }) => return format!("self.reader.message::<{one}, {number}>()"),
        (_, Kind::Fixed { .. }) => return format!("self.reader.fixed::<{one}, {number}>()"),
        (_, Kind::String) => format!("string::<{number}>()"),
        (_, Kind::Bytes) => format!("bytes::<{number}>()"),
        _ => format!("scalar::<{one}, {number}>()"),
    };
    match (field.label, &field.kind) {
        (Label::Optional, Kind::Bool | Kind::Enum(_)) => format!("self.reader.optional_{read}.transpose()"),
        (Label::Optional, _) => format!("self.reader.optional_{read}"),
        _ => format!("self.reader.{read}"),
    }
}

/// The struct and the view of one message, for code over any message.
fn message_type(text: &mut Text, message: &Message) {
    let Message { name, borrows, .. } = message;
    let frame = if message.gathers {
        ", ::crake_wire::Gathered<'a>"
    } else {
        ""
    };
    text.blank();
    text.line(format!(
        "impl ::crake_wire::MessageType for {} {{",
        lifetime_of(name, *borrows, "'_")
    ));
    text.line(format!("type Value<'a> = {};", lifetime_of(name, *borrows, "'a")));
    text.line(format!("type View<'a> = {name}View<'a{frame}>;"));
    text.line("}");
}

fn as_view(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!(
        "impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for {}View<'a, F> {{",
        message.name
    ));
    text.line("type Frame = F;");
    text.blank();
    text.line("#[inline]");
    text.line("fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {");
    let fields = if message.in_circle { ", Self::POINTERS" } else { "" };
    text.line(format!(
        "Ok(Self {{ {}: ::crake_wire::{}::parse(frame{fields})? }})",
        reader(message),
        reader_type(message)
    ));
    text.line("}");
    text.blank();
    text.line("#[inline]");
    text.line("fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {");
    if message.in_circle {
        text.line("<Self as ::crake_wire::View>::nested_at(frame, pointer, 0)");
        text.line("}");
        text.blank();
        text.line("#[inline]");
        text.line(
            "fn nested_at(frame: F, pointer: u64, depth: u32) -> Result<Self, ::crake_wire::WireError> {",
        );
        text.line(
            "let reader = ::crake_wire::StrictReader::nested_at(frame, pointer, depth, Self::POINTERS)?;",
        );
        text.line("Ok(Self { reader })");
    } else {
        text.line(format!(
            "Ok(Self {{ {}: ::crake_wire::Reader::nested(frame, pointer)? }})",
            reader(message)
        ));
    }
    text.lines(["}", "}"]);
}

/// For a message of nothing but scalars: one pass over its slots instead of a search for each.
fn into_message(text: &mut Text, message: &Message) {
    if message.fields.is_empty() || !message.fields.iter().all(is_one_scalar) {
        return;
    }
    text.blank();
    text.line(format!(
        "impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<{0}View<'a, F>> for {0} {{",
        message.name
    ));
    text.line("type Error = ::crake_wire::WireError;");
    text.blank();
    text.line("/// Reads all fields in one pass: less work than by their getters.");
    // Always, so that the fields go on in registers: who converts them would stall on a message that was just written.
    text.line("#[inline(always)]");
    text.line(format!(
        "fn try_from(view: {}View<'a, F>) -> Result<Self, ::crake_wire::WireError> {{",
        message.name
    ));
    text.line("let mut fields = view.reader.fields();");
    text.line("Ok(Self {");
    let mut after = 0;
    for field in &message.fields {
        let checked = if matches!(field.kind, Kind::Bool | Kind::Enum(_)) {
            "?"
        } else {
            ""
        };
        let (name, number, read) = (&field.name, field.number, element(&field.kind));
        text.line(format!(
            "{name}: fields.scalar::<{read}, {after}, {number}>(){checked},"
        ));
        after = number;
    }
    text.lines(["})", "}", "}"]);
}

fn is_one_scalar(field: &Field) -> bool {
    let is_scalar = matches!(
        field.kind,
        Kind::Integer(_) | Kind::Float(_) | Kind::Bool | Kind::Enum(_)
    );
    is_scalar && field.label == Label::Singular
}

fn debug(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!(
        "impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for {}View<'a, F> {{",
        message.name
    ));
    text.line("fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {");
    text.line(format!("f.debug_struct(\"{}View\")", message.name));
    for item in message.items() {
        let name = match item {
            Item::Field(field) => &field.name,
            Item::Oneof(oneof) => &oneof.name,
        };
        let shown = name.trim_start_matches("r#");
        text.line(format!("    .field(\"{shown}\", &self.{name}())"));
    }
    text.line("    .finish()");
    text.lines(["}", "}"]);
}
