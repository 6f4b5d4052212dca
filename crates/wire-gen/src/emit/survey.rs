//! What a message shows of itself before it is written: the fields that need not be copied, in the order in which they are
//! written.

use super::message::{is_message, pattern};
use super::text::Text;
use crate::schema::{Field, Kind, Label, Message};

pub(super) fn emit(text: &mut Text, message: &Message) {
    let shown: Vec<&Field> = message
        .fields
        .iter()
        .filter(|field| is_shown(&field.kind))
        .collect();
    text.blank();
    text.line("#[inline]");
    let survey = if shown.is_empty() { "_" } else { "survey" };
    text.line(format!(
        "fn survey(&self, {survey}: &mut ::crake_wire::Survey<'_>) {{"
    ));
    for field in shown {
        show(text, message, field);
    }
    text.line("}");
}

/// Whether there can be something in it that need not be copied.
fn is_shown(kind: &Kind) -> bool {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message { .. } => true,
        Kind::Map { key, value } => is_shown(key) || is_shown(value),
        Kind::Integer(_) | Kind::Float(_) | Kind::Bool | Kind::Enum(_) | Kind::Fixed { .. } => false,
    }
}

fn show(text: &mut Text, message: &Message, field: &Field) {
    let name = &field.name;
    if let Some(oneof) = message.oneof_of(field) {
        let pattern = pattern(oneof, field, "value");
        text.line(format!("if let {pattern} = &self.{} {{", oneof.name));
        show_value(text, &field.kind, "value");
        return text.line("}");
    }
    match (field.label, &field.kind) {
        (_, Kind::Map { key, value }) => show_map(text, name, key, value),
        (Label::Repeated, Kind::Message { .. }) => text.line(format!("survey.messages(self.{name});")),
        (Label::Repeated, _) => text.line(format!("survey.payloads(self.{name});")),
        (label, _) if label == Label::Optional || is_message(field) => {
            text.line(format!("if let Some(value) = &self.{name} {{"));
            show_value(text, &field.kind, "value");
            text.line("}");
        }
        _ => text.line(format!("survey.payload(self.{name});")),
    }
}

fn show_map(text: &mut Text, name: &str, key: &Kind, value: &Kind) {
    let names = [(key, "key"), (value, "value")].map(|(kind, name)| if is_shown(kind) { name } else { "_" });
    text.line(format!("for ({}, {}) in self.{name} {{", names[0], names[1]));
    for (kind, name) in [(key, "key"), (value, "value")] {
        if is_shown(kind) {
            show_value(text, kind, name);
        }
    }
    text.line("}");
}

/// `value` is a reference.
fn show_value(text: &mut Text, kind: &Kind, value: &str) {
    match kind {
        Kind::Message { .. } => text.line(format!("::crake_wire::Encode::survey({value}, survey);")),
        _ => text.line(format!("survey.payload(*{value});")),
    }
}
