//! The view of a message: a getter for each field.

use super::text::Text;
use crate::schema::{Field, Kind, Label, Message};

pub(super) fn emit(text: &mut Text, message: &Message) {
    declaration(text, message);
    getters(text, message);
    as_view(text, message);
    into_message(text, message);
    debug(text, message);
}

/// A view without getters holds its reader only so that all views are alike.
fn reader(message: &Message) -> &'static str {
    if message.fields.is_empty() {
        "_reader"
    } else {
        "reader"
    }
}

fn declaration(text: &mut Text, message: &Message) {
    text.blank();
    text.doc(&format!("Reads the message [`{}`] where it lies.", message.name));
    text.line("#[derive(Clone, Copy)]");
    text.line(format!("pub struct {}View<'a> {{", message.name));
    text.line(format!(
        "{}: ::crake_wire::Reader<'a, {}>,",
        reader(message),
        message.words()
    ));
    text.line("}");
}

fn getters(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!("impl<'a> {}View<'a> {{", message.name));
    text.doc("Checks the head of the message that `frame` starts with. Each getter checks what it reads.");
    text.line("#[inline]");
    text.line("pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {");
    text.line(format!(
        "Ok(Self {{ {}: ::crake_wire::Reader::parse(frame)? }})",
        reader(message)
    ));
    text.line("}");
    for field in &message.fields {
        text.blank();
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
    text.line("}");
}

/// For a string, so that a reader who compares it with what is known to be UTF-8 need not check it first.
fn bytes_getter(text: &mut Text, field: &Field) {
    let Some(name) = field.bytes_getter() else { return };
    let (number, shown) = (field.number, field.shown_name());
    let (read, optional) = match field.label {
        Label::Optional => ("Option<&'a [u8]>", "optional_"),
        _ => ("&'a [u8]", ""),
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
    let read = match field.label {
        Label::Repeated => format!("::crake_wire::List<'a, {one}>"),
        Label::Optional => format!("Option<{one}>"),
        Label::Singular if matches!(field.kind, Kind::Message { .. }) => format!("Option<{one}>"),
        Label::Singular => one,
    };
    if field.label != Label::Repeated && matches!(field.kind, Kind::Integer(_) | Kind::Float(_)) {
        read
    } else {
        format!("Result<{read}, ::crake_wire::WireError>")
    }
}

/// What one value reads as, and what a list is a list of.
fn element(kind: &Kind) -> String {
    match kind {
        Kind::Integer(name) | Kind::Float(name) => (*name).to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Enum(path) => path.clone(),
        Kind::String => "&'a str".to_owned(),
        Kind::Bytes => "&'a [u8]".to_owned(),
        Kind::Message { path, .. } => format!("{path}View<'a>"),
    }
}

fn getter_body(field: &Field) -> String {
    let number = field.number;
    let read = match (field.label, &field.kind) {
        (Label::Repeated, kind) => return format!("self.reader.list::<{}, {number}>()", element(kind)),
        (_, Kind::Message { path, .. }) => {
            return format!("self.reader.message::<{path}View<'a>, {number}>()");
        }
        (_, Kind::String) => format!("string::<{number}>()"),
        (_, Kind::Bytes) => format!("bytes::<{number}>()"),
        (_, kind) => format!("scalar::<{}, {number}>()", element(kind)),
    };
    match (field.label, &field.kind) {
        (Label::Optional, Kind::Bool | Kind::Enum(_)) => format!("self.reader.optional_{read}.transpose()"),
        (Label::Optional, _) => format!("self.reader.optional_{read}"),
        _ => format!("self.reader.{read}"),
    }
}

fn as_view(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!(
        "impl<'a> ::crake_wire::View<'a> for {}View<'a> {{",
        message.name
    ));
    text.line("#[inline]");
    text.line("fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {");
    text.line("Self::parse(frame)");
    text.line("}");
    text.blank();
    text.line("#[inline]");
    text.line("fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {");
    text.line(format!(
        "Ok(Self {{ {}: ::crake_wire::Reader::nested(frame, pointer)? }})",
        reader(message)
    ));
    text.lines(["}", "}"]);
}

/// For a message of nothing but scalars: one pass over its slots instead of a search for each.
fn into_message(text: &mut Text, message: &Message) {
    if message.fields.is_empty() || !message.fields.iter().all(is_one_scalar) {
        return;
    }
    text.blank();
    text.line(format!("impl TryFrom<{0}View<'_>> for {0} {{", message.name));
    text.line("type Error = ::crake_wire::WireError;");
    text.blank();
    text.line("/// Reads all fields in one pass: less work than by their getters.");
    // Always, so that the fields go on in registers: who converts them would stall on a message that was just written.
    text.line("#[inline(always)]");
    text.line(format!(
        "fn try_from(view: {}View<'_>) -> Result<Self, ::crake_wire::WireError> {{",
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
    let is_scalar = !matches!(field.kind, Kind::String | Kind::Bytes | Kind::Message { .. });
    is_scalar && field.label == Label::Singular
}

fn debug(text: &mut Text, message: &Message) {
    text.blank();
    text.line(format!("impl ::core::fmt::Debug for {}View<'_> {{", message.name));
    text.line("fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {");
    text.line(format!("f.debug_struct(\"{}View\")", message.name));
    for field in &message.fields {
        text.line(format!(
            "    .field(\"{}\", &self.{}())",
            field.shown_name(),
            field.name
        ));
    }
    text.line("    .finish()");
    text.lines(["}", "}"]);
}
