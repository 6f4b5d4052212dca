//! A service: the numbers and names of its methods.

use super::text::Text;
use crate::schema::{Method, Service};

pub(super) fn emit(text: &mut Text, service: &Service) {
    text.blank();
    text.docs(
        &service.docs,
        &format!("The methods of the service `{}`.", service.proto_name),
    );
    text.line(
        "#[allow(clippy::module_inception, reason = \"a package and its service often have one name\")]",
    );
    text.line(format!("pub mod {} {{", service.name));
    for method in &service.methods {
        constant(text, method);
    }
    name(text, service);
    text.line("}");
}

fn constant(text: &mut Text, method: &Method) {
    let Method { request, reply, .. } = method;
    if !method.docs.is_empty() {
        text.docs(&method.docs, "");
        text.doc("");
    }
    text.doc(&format!(
        "[`{}`]({}) to [`{}`]({}).",
        last(request),
        outside(request),
        last(reply),
        outside(reply)
    ));
    text.line(format!("pub const {}: u16 = {};", method.name, method.number));
    text.blank();
}

/// A path of the package's module, seen from the service's.
fn outside(path: &str) -> String {
    if path.contains("::") && !path.starts_with("super::") {
        path.to_owned()
    } else {
        format!("super::{path}")
    }
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn name(text: &mut Text, service: &Service) {
    text.doc("What a method is called, for people; `unknown` when there is none of this number.");
    text.line("#[must_use]");
    text.line("pub const fn name(method: u16) -> &'static str {");
    text.line("match method {");
    for method in &service.methods {
        text.line(format!("{} => \"{}\",", method.name, method.proto_name));
    }
    text.line("_ => \"unknown\",");
    text.lines(["}", "}"]);
}
