//! The enums of a oneof: what is written, and what is read.

use super::message::{lifetime_of, value_type};
use super::text::Text;
use super::view;
use crate::schema::{Field, Kind, Message, Oneof};

/// What the schema says is no matter of Rust's taste.
const ALLOW: &str =
    "#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = \"as the schema has it\")]";

pub(super) fn emit(text: &mut Text, message: &Message) {
    for oneof in &message.oneofs {
        declaration(text, message, oneof);
        view_declaration(text, message, oneof);
    }
}

fn declaration(text: &mut Text, message: &Message, oneof: &Oneof) {
    text.blank();
    text.docs(
        &oneof.docs,
        &format!("What `{}` of [`{}`] can be.", oneof.proto_name, message.name),
    );
    text.line("#[derive(Debug, Clone, Copy, PartialEq)]");
    text.line(ALLOW);
    text.line(format!(
        "pub enum {} {{",
        lifetime_of(&oneof.type_name, oneof.borrows, "'a")
    ));
    variants(text, message.members(oneof), |kind| value_type(message, kind));
    text.line("}");
}

fn view_declaration(text: &mut Text, message: &Message, oneof: &Oneof) {
    text.blank();
    text.doc(&format!("What [`{}`] reads as.", oneof.type_name));
    text.line("#[derive(Debug, Clone, Copy)]");
    text.line(ALLOW);
    let generics = match view_borrows(message, oneof) {
        true => "<'a, F: ::crake_wire::Frame<'a> = &'a [u8]>",
        false => "",
    };
    text.line(format!("pub enum {}View{generics} {{", oneof.type_name));
    variants(text, message.members(oneof), view::element);
    text.line("}");
}

fn variants<'m>(text: &mut Text, members: impl Iterator<Item = &'m Field>, value: impl Fn(&Kind) -> String) {
    for member in members {
        text.docs(&member.docs, &format!("Field {}.", member.number));
        text.line(format!("{}({}),", member.variant(), value(&member.kind)));
    }
}

/// The type that the getter gives.
fn view_type(message: &Message, oneof: &Oneof) -> String {
    let generics = if view_borrows(message, oneof) {
        "<'a, F>"
    } else {
        ""
    };
    format!("{}View{generics}", oneof.type_name)
}

fn view_borrows(message: &Message, oneof: &Oneof) -> bool {
    let mut kinds = message.members(oneof).map(|member| &member.kind);
    kinds.any(|kind| matches!(kind, Kind::String | Kind::Bytes | Kind::Message { .. }))
}

pub(super) fn getter(text: &mut Text, message: &Message, oneof: &Oneof) {
    text.docs(&oneof.docs, &format!("One of `{}`, or none.", oneof.proto_name));
    text.line("#[inline]");
    text.line(format!(
        "pub fn {}(&self) -> Result<Option<{}>, ::crake_wire::WireError> {{",
        oneof.name,
        view_type(message, oneof)
    ));
    for member in message.members(oneof) {
        // What cannot fail to be read has no error to hand on.
        let read = view::getter_body(member);
        let may_fail = if view::may_fail(member) { "?" } else { "" };
        text.line(format!("if let Some(value) = {read}{may_fail} {{"));
        text.line(format!(
            "return Ok(Some({}View::{}(value)));",
            oneof.type_name,
            member.variant()
        ));
        text.line("}");
    }
    text.line("Ok(None)");
    text.line("}");
}
