//! A service: the numbers and names of its methods, and the two ends of it over `crake-rpc`.

use super::message::lifetime_of;
use super::text::Text;
use crate::schema::{Method, MethodMessage, Service};

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
    if service.has_stubs {
        service_trait(text, service);
        server(text, service);
        client(text, service);
    }
    text.line("}");
}

fn constant(text: &mut Text, method: &Method) {
    let MethodMessage { path: request, .. } = &method.request;
    let MethodMessage { path: reply, .. } = &method.reply;
    method_docs(text, method);
    text.doc(&format!(
        "[`{}`]({}) to {}[`{}`]({}).",
        last(request),
        outside(request),
        if method.streams { "any number of " } else { "" },
        last(reply),
        outside(reply)
    ));
    text.line(format!("pub const {}: u16 = {};", method.name, method.number));
    text.blank();
}

/// The comments of the .proto file, and that more follows.
fn method_docs(text: &mut Text, method: &Method) {
    if !method.docs.is_empty() {
        text.docs(&method.docs, "");
        text.doc("");
    }
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

/// What is written in the place of the lifetime.
fn message(message: &MethodMessage, lifetime: &str) -> String {
    lifetime_of(&outside(&message.path), message.borrows, lifetime)
}

fn service_trait(text: &mut Text, service: &Service) {
    text.blank();
    text.doc(&format!(
        "Answers the calls of the service `{}`, in place, on the thread that received them. [`Server`] makes it one for",
        service.proto_name
    ));
    text.doc("`crake_rpc::Server`.");
    text.line("pub trait Service: 'static {");
    for method in &service.methods {
        let (request, reply) = (
            message(&method.request, "'static"),
            message(&method.reply, "'static"),
        );
        let answer = if method.streams { "Parts" } else { "Answer" };
        method_docs(text, method);
        text.doc("An error fails the call.");
        text.line(format!("fn {}(", method.function));
        text.line("&mut self,");
        text.line(format!("request: ::crake_rpc::typed::View<'_, {request}>,"));
        text.line(format!("answer: ::crake_rpc::typed::{answer}<'_, {reply}>,"));
        text.line(") -> ::crake_rpc::typed::Outcome;");
        text.blank();
    }
    text.doc("A client has introduced itself. An error turns it away.");
    text.line("fn opened(&mut self, peer: &::crake_rpc::Peer) -> ::core::result::Result<(), ::crake_rpc::Refusal> {");
    text.line("let _ = peer;");
    text.line("::core::result::Result::Ok(())");
    text.line("}");
    text.blank();
    text.doc("The connection of a client that was welcome is over.");
    text.line("fn closed(&mut self, peer: &::crake_rpc::Peer) {");
    text.line("let _ = peer;");
    text.lines(["}", "}"]);
}

fn server(text: &mut Text, service: &Service) {
    text.blank();
    text.doc("Who serves, for `crake_rpc::Server`. Methods that there are not fail with status 2.");
    text.line("#[derive(Clone, Copy, Debug, Default)]");
    text.line("pub struct Server<S>(pub S);");
    text.blank();
    text.line("impl<S: Service> ::crake_rpc::Service for Server<S> {");
    text.line("fn serve(");
    text.line("&mut self,");
    text.line("peer: &::crake_rpc::Peer,");
    text.line("requests: &[::crake_rpc::Request<'_>],");
    text.line("replies: &mut ::crake_rpc::Replies<'_>,");
    text.line(") {");
    text.line("for request in requests {");
    text.line("let incoming = ::crake_rpc::typed::Incoming::new(peer, request, replies);");
    text.line("match request.head.method {");
    for method in &service.methods {
        let (request, reply) = (
            message(&method.request, "'static"),
            message(&method.reply, "'static"),
        );
        let way = if method.streams { "stream" } else { "answer" };
        text.line(format!(
            "{} => incoming.{way}::<{request}, {reply}>(|request, answer| self.0.{}(request, answer)),",
            method.name, method.function
        ));
    }
    text.line("_ => incoming.unknown(),");
    text.lines(["}", "}", "}"]);
    text.blank();
    text.line("fn opened(&mut self, peer: &::crake_rpc::Peer) -> ::core::result::Result<(), ::crake_rpc::Refusal> {");
    text.line("self.0.opened(peer)");
    text.line("}");
    text.blank();
    text.line("fn closed(&mut self, peer: &::crake_rpc::Peer) {");
    text.line("self.0.closed(peer);");
    text.lines(["}", "}"]);
}

fn client(text: &mut Text, service: &Service) {
    text.blank();
    text.doc(&format!("Calls the service `{}`.", service.proto_name));
    text.line("#[derive(Clone, Debug)]");
    text.line("pub struct Client(pub ::crake_rpc::Client);");
    if service.methods.is_empty() {
        return;
    }
    text.blank();
    text.line("impl Client {");
    for (index, method) in service.methods.iter().enumerate() {
        if index > 0 {
            text.blank();
        }
        let (request, reply) = (message(&method.request, "'_"), message(&method.reply, "'static"));
        let (way, result) = match method.streams {
            true => ("stream", "Stream"),
            false => ("call", "Call"),
        };
        text.docs(&method.docs, &format!("The method `{}`.", method.proto_name));
        text.line("#[inline]");
        text.line(format!("pub fn {}(", method.function));
        text.line("&self,");
        text.line(format!("request: &{request},"));
        text.line("options: ::crake_rpc::CallOptions,");
        text.line(format!(") -> ::crake_rpc::typed::{result}<{reply}> {{"));
        text.line(format!(
            "::crake_rpc::typed::{result}::new(self.0.{way}({}, request, options))",
            method.name
        ));
        text.line("}");
    }
    text.line("}");
}
