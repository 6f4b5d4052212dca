//! From a schema to Rust text.
//!
//! The output is included in a module of the user's choice, beside items that are not ours: so it imports nothing, and
//! names everything of `crake-wire` by its full path.

mod enumeration;
mod fixed;
mod message;
mod oneof;
mod service;
mod survey;
mod text;
mod view;

use crate::schema::Schema;
use text::Text;

/// The Rust text of a package.
pub(crate) fn module(schema: &Schema) -> String {
    let mut text = Text::default();
    text.line(format!(
        "// Compiled by crake-wire-gen from {}. Do not edit.",
        schema.files.join(", ")
    ));
    for enumeration in &schema.enums {
        enumeration::emit(&mut text, enumeration);
    }
    for message in &schema.fixed {
        fixed::emit(&mut text, message);
    }
    for message in &schema.messages {
        message::emit(&mut text, message);
        oneof::emit(&mut text, message);
        view::emit(&mut text, message);
    }
    for service in &schema.services {
        service::emit(&mut text, service);
    }
    text.finish()
}
