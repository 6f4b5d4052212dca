//! What the format does not carry is refused: with the file, the line and what to use instead.

use std::fs;

use crake_wire_gen::{Config, Error, compile};

const HEAD: &str = "syntax = \"proto3\";\npackage p;\n";

fn refused(source: &str) -> Error {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("t.proto"), source).expect("a file in it");
    compile(&["t.proto"], &[folder.path()]).expect_err(source)
}

#[track_caller]
fn assert_refused(body: &str, line: u32, what: &str) {
    let error = refused(&format!("{HEAD}{body}"));
    assert_eq!(error.file(), Some("t.proto"), "{error}");
    assert_eq!(error.line(), Some(line), "{error}");
    assert!(error.message().contains(what), "{error}");
    assert_eq!(error.to_string(), format!("t.proto:{line}: {}", error.message()));
}

#[test]
fn field_numbers_beyond_the_bitmap() {
    assert_refused(
        "message M {\n  uint32 a = 1008;\n  uint32 b = 1009;\n}",
        5,
        "use 1 to 1008",
    );
}

#[test]
fn streams_of_requests() {
    assert_refused(
        "message M {}\nservice S {\n  rpc A(M) returns (stream M);\n  rpc B(stream M) returns (M);\n}",
        6,
        "send them with several calls",
    );
}

#[test]
fn methods_that_meet_what_a_service_has() {
    let proto = "syntax = \"proto3\";\nmessage M {}\nservice S {\n  rpc Opened(M) returns (M);\n}";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.proto");
    fs::write(&file, proto).unwrap();
    let config = Config::new().file(&file).include(folder.path());
    assert!(config.compile().is_ok(), "without stubs it meets nothing");
    let error = config.services().compile().unwrap_err().to_string();
    assert!(
        error.contains("s.proto:4") && error.contains("rename the method"),
        "{error}"
    );
}

#[test]
fn extensions() {
    assert_refused(
        "import \"google/protobuf/descriptor.proto\";\nextend google.protobuf.FieldOptions {\n  bool x = 50000;\n}",
        5,
        "add fields to the message itself",
    );
}

#[test]
fn names_that_meet_in_rust() {
    assert_refused("message Foo {}\nmessage FooView {}", 4, "is `FooView` in Rust");
    assert_refused("message A { message B {} }\nmessage AB {}", 4, "is `AB` in Rust");
    assert_refused("message Result {}", 3, "rename it");
    assert_refused("service Foo {}\nservice foo {}", 4, "is `foo` in Rust");
    assert_refused(
        "message M {}\nservice S {\n  rpc DoIt(M) returns (M);\n  rpc do_it(M) returns (M);\n}",
        6,
        "is `DO_IT` in Rust",
    );
    assert_refused("enum E {\n  E_A = 0;\n  A = 1;\n}", 5, "is `A` in Rust");
    assert_refused(
        "enum E {\n  option allow_alias = true;\n  NONE = 0;\n  FOO_BAR = 1;\n  FooBar = 1;\n  E_FOO_BAR = 1;\n}",
        8,
        "is `FOO_BAR` in Rust",
    );
    assert_refused(
        "message M {\n  uint32 foo_bar = 1;\n  uint32 fooBAR = 2;\n}",
        5,
        "conflicts with field 'fooBAR'",
    );
}

#[test]
fn names_that_nothing_is_left_of_in_rust() {
    assert_refused("message _ {}", 3, "becomes `` in Rust");
    assert_refused("message M {\n  uint32 _ = 1;\n}", 4, "becomes `_` in Rust");
    assert_refused("enum E {\n  _1 = 0;\n}", 4, "becomes `1` in Rust");
    assert_refused(
        "message M {\n  uint32 _1 = 1;\n  oneof o {\n    uint32 _2 = 2;\n  }\n}",
        6,
        "becomes `2` in Rust",
    );
    assert_refused(
        "message M {}\nservice S {\n  rpc _(M) returns (M);\n}",
        5,
        "becomes `_` in Rust",
    );
}

#[test]
fn types_of_packages_whose_place_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("other.proto", "syntax = \"proto3\"; package other; message O {}");
    write(
        "t.proto",
        &format!("{HEAD}import \"other.proto\";\nmessage M {{\n  other.O o = 1;\n}}"),
    );
    let error = compile(&["t.proto"], &[folder.path()]).unwrap_err();
    assert_eq!(
        (error.file(), error.line()),
        (Some("t.proto"), Some(5)),
        "{error}"
    );
    assert!(
        error.message().contains("Config::package_path(\"other\", ...)"),
        "{error}"
    );
}

#[test]
fn files_of_protobuf_that_nobody_has_compiled() {
    for file in ["api", "descriptor", "source_context", "type", "compiler/plugin"] {
        assert_refused(
            &format!("import \"google/protobuf/empty.proto\";\nimport \"google/protobuf/{file}.proto\";"),
            4,
            &format!("the types of google/protobuf/{file}.proto are not supported"),
        );
    }
    // Who has compiled them says where.
    let folder = tempfile::tempdir().unwrap();
    let source =
        format!("{HEAD}import \"google/protobuf/api.proto\";\nmessage M {{ google.protobuf.Api api = 1; }}");
    fs::write(folder.path().join("t.proto"), source).unwrap();
    let config = Config::new().file("t.proto").include(folder.path());
    let modules = config
        .package_path("google.protobuf", "crate::google")
        .compile()
        .unwrap();
    assert!(
        modules[0]
            .text
            .contains("pub api: Option<crate::google::Api<'a>>,"),
        "{}",
        modules[0].text
    );
}

#[test]
fn proto2_and_groups() {
    let error = refused(
        "syntax = \"proto2\";\npackage p;\nmessage M {\n  optional group G = 1 { optional uint32 a = 1; }\n}",
    );
    assert_eq!(
        (error.file(), error.line()),
        (Some("t.proto"), Some(1)),
        "{error}"
    );
    assert!(
        error
            .message()
            .contains("begin the file with `syntax = \"proto3\";`"),
        "{error}"
    );
    let error = refused("message M {}");
    assert_eq!(error.file(), Some("t.proto"), "{error}");
    assert!(error.message().contains("only proto3"), "{error}");
}

#[test]
fn editions() {
    let error = refused("edition = \"2023\";\npackage p;\nmessage M {\n  int32 a = 1;\n}");
    assert_eq!(
        (error.file(), error.line()),
        (Some("t.proto"), Some(1)),
        "{error}"
    );
    assert!(
        error
            .message()
            .contains("editions are not supported: begin the file with `syntax = \"proto3\";`"),
        "{error}"
    );
}

#[test]
fn what_only_proto2_has() {
    assert_refused(
        "message M {\n  repeated group G = 1 {\n    uint32 a = 1;\n  }\n}",
        4,
        "groups are not supported: use a message field",
    );
    assert_refused("message M {\n  required uint32 a = 1;\n}", 4, "say `optional`");
    assert_refused(
        "message M {\n  optional uint32 a = 1 [default = 5];\n}",
        4,
        "say `optional`",
    );
    assert_refused(
        "message M {\n  extensions 100 to 200;\n}",
        4,
        "extensions are not supported: add fields to the message itself",
    );
}

#[test]
fn maps_and_oneofs_that_proto3_has_not() {
    assert_refused(
        "message M {\n  map<float, uint32> a = 1;\n}",
        4,
        "an integer, boolean or string",
    );
    assert_refused(
        "message M {\n  oneof x {\n    repeated uint32 a = 1;\n  }\n}",
        5,
        "cannot have labels",
    );
    assert_refused("enum E {\n  A = 0;\n  B = 0;\n}", 5, "already been used");
}

#[test]
fn what_the_parser_refuses_names_the_line_too() {
    assert_refused("import \"missing.proto\";", 3, "import 'missing.proto' not found");
    assert_refused("message M {\n  uint32 a = ;\n}", 4, "expected");
    assert_refused("message M {\n  Nothing a = 1;\n}", 4, "Nothing");
    assert_refused("message M {\n  uint32 a = 1;\n  uint32 b = 1;\n}", 5, "1");
    assert_refused("enum E {\n  A = 1;\n}", 4, "must be 0");
}

#[test]
fn a_field_that_is_named_like_the_bytes_of_a_string() {
    let message = "message M {\n  uint32 path_bytes = 1;\n  string path = 2;\n}";
    assert_refused(message, 4, "`path_bytes`");
}

#[test]
fn oneofs_whose_names_meet_others() {
    assert_refused(
        "message M {\n  message Body {}\n  oneof body {\n    uint32 a = 1;\n  }\n}",
        4,
        "is `MBody` in Rust",
    );
    assert_refused(
        "message MBodyView {}\nmessage M {\n  oneof body {\n    uint32 a = 1;\n  }\n}",
        5,
        "is `MBodyView` in Rust",
    );
    assert_refused(
        "message M {\n  oneof body {\n    uint32 a = 1;\n  }\n  string Body = 2;\n}",
        7,
        "oneof `body` is `body` in Rust too",
    );
    assert_refused(
        "message M {\n  string path = 2;\n  oneof path_bytes {\n    uint32 a = 1;\n  }\n}",
        5,
        "`path_bytes`",
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = compile(&["nowhere.proto"], &["."]).unwrap_err();
    assert!(error.to_string().contains("nowhere.proto"), "{error}");
}

#[test]
fn packages_find_each_other_by_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.proto",
        "syntax = \"proto3\"; package a; import \"b.proto\"; message A { repeated b.B list = 1; b.E e = 2; }",
    );
    write(
        "b.proto",
        "syntax = \"proto3\"; package b; message B { string s = 1; } enum E { NONE = 0; }",
    );
    let config = Config::new()
        .file("a.proto")
        .file("b.proto")
        .include(folder.path())
        .package_path("b", "crate::b");
    let modules = config.compile().unwrap();
    assert_eq!(
        modules
            .iter()
            .map(|module| module.package.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(
        modules[0].text.contains("pub list: &'a [crate::b::B<'a>],"),
        "{}",
        modules[0].text
    );
    assert!(
        modules[0].text.contains("pub e: crate::b::E,"),
        "{}",
        modules[0].text
    );
    assert!(
        modules[0]
            .text
            .contains("::crake_wire::List<'a, crate::b::BView<'a, F>, F>"),
        "{}",
        modules[0].text
    );
    let error = compile(&["a.proto", "b.proto"], &[folder.path()]).unwrap_err();
    assert!(
        error.message().contains("Config::package_path(\"b\", ...)"),
        "{error}"
    );
}

#[test]
fn a_message_to_be_inlined_has_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "syntax = \"proto3\"; package p; message Sent { uint32 a = 1; } message Other { uint32 a = 1; }";
    fs::write(folder.path().join("p.proto"), text).unwrap();
    let config = Config::new().file("p.proto").include(folder.path());
    let text = |config: &Config| config.compile().unwrap().pop().unwrap().text;
    // `present`, `encoded_len`, `encode` and `write` of the one.
    let inlined = text(&config.clone().inlined("p.Sent"));
    let (sent, other) = inlined.split_once("pub struct Other").unwrap();
    assert!(sent.matches("#[inline(always)]").count() >= other.matches("#[inline(always)]").count() + 4);
    let error = config.inlined("p.Missing").compile().unwrap_err();
    assert!(error.message().contains("`p.Missing`"), "{error}");
}
