//! A fixed message: a struct, which is read and written as a whole.

use super::message::inline;
use super::text::Text;
use super::view;
use crate::schema::Fixed;

pub(super) fn emit(text: &mut Text, message: &Fixed) {
    declaration(text, message);
    as_fixed(text, message);
    as_element(text, message);
    in_entry(text, message);
}

fn declaration(text: &mut Text, message: &Fixed) {
    text.blank();
    text.docs(
        &message.docs,
        &format!("The fixed message `{}`.", message.proto_name),
    );
    text.line("#[derive(Debug, Clone, Copy, Default, PartialEq)]");
    text.line(format!("pub struct {} {{", message.name));
    for (_, field) in &message.fields {
        text.docs(&field.docs, &format!("Field {}.", field.number));
        text.line(format!("pub {}: {},", field.name, view::element(&field.kind)));
    }
    text.line("}");
}

fn as_fixed(
    text: &mut Text,
    Fixed {
        name,
        fields,
        bytes,
        is_inlined,
        ..
    }: &Fixed,
) {
    text.blank();
    text.line(format!("impl ::crake_wire::Fixed for {name} {{"));
    text.line(format!("type Raw = [u8; {bytes}];"));
    text.blank();
    text.line(inline(*is_inlined));
    text.line(format!("fn read(raw: &[u8; {bytes}]) -> Self {{"));
    text.line("Self {");
    for (start, field) in fields {
        text.line(format!(
            "{}: ::crake_wire::fixed_field::<_, {start}, _>(raw),",
            field.name
        ));
    }
    text.lines(["}", "}"]);
    text.blank();
    text.line(inline(*is_inlined));
    text.line(format!("fn write(&self, raw: &mut [u8; {bytes}]) {{"));
    for (start, field) in fields {
        text.line(format!(
            "::crake_wire::put_fixed_field::<_, {start}, _>(raw, &self.{});",
            field.name
        ));
    }
    text.lines(["}", "}"]);
}

fn as_element(text: &mut Text, Fixed { name, bytes, .. }: &Fixed) {
    text.blank();
    text.line(format!("impl<F> ::crake_wire::Element<'_, F> for {name} {{"));
    text.line(format!("type Raw = [u8; {bytes}];"));
    text.line("type Item = Self;");
    text.blank();
    text.line("#[inline]");
    text.line(format!("fn read(_: F, raw: &[u8; {bytes}]) -> Self {{"));
    text.line("::crake_wire::Fixed::read(raw)");
    text.lines(["}", "}"]);
}

fn in_entry(text: &mut Text, Fixed { name, .. }: &Fixed) {
    text.blank();
    text.line(format!(
        "impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::InEntry<'a, F> for {name} {{"
    ));
    text.line("#[inline]");
    text.line("fn read(frame: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {");
    text.line("::crake_wire::Fixed::in_entry(frame, slot)");
    text.lines(["}", "}"]);
}
