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

/// A fixed message with this body, which begins in line 6.
#[track_caller]
fn assert_fixed_refused(body: &str, line: u32, what: &str) {
    let text = format!("import \"crake/wire.proto\";\nmessage F {{\n  option (crake.fixed) = true;\n{body}");
    assert_refused(&text, line, what);
}

#[test]
fn fields_that_no_fixed_message_has() {
    const ALL: &str = "message M { uint32 a = 1; }\nenum E { NONE = 0; }";
    for (field, what) in [
        ("bool a = 1;", "use uint32"),
        ("E a = 1;", "use int32"),
        ("string a = 1;", "no strings or bytes"),
        ("bytes a = 1;", "no strings or bytes"),
        ("repeated float a = 1;", "a field for each element"),
        ("map<uint32, float> a = 1;", "no lists or maps"),
        ("repeated F a = 1;", "no lists or maps"),
        ("optional float a = 1;", "leave `optional` out"),
        ("M a = 1;", "say `option (crake.fixed) = true;` there, too"),
        ("F a = 1;", "cannot contain itself"),
    ] {
        assert_fixed_refused(&format!("  uint32 before = 7;\n  {field}\n}}\n{ALL}"), 7, what);
    }
    assert_fixed_refused("  oneof o {\n    float a = 1;\n  }\n}", 7, "without a oneof");
    assert_fixed_refused("}", 4, "at least one field");
    assert_fixed_refused("  float a = 1009;\n}", 6, "use 1 to 1008");
    assert_fixed_refused(
        "  uint32 before = 7;\n  optional N a = 1;\n}\nmessage N { option (crake.fixed) = true; uint32 a = 1; }",
        7,
        "leave `optional` out",
    );
}

#[test]
fn fixed_messages_without_end() {
    // Line 11 is where the circle closes.
    let others = "message G {\n  option (crake.fixed) = true;\n  F f = 1;\n}";
    assert_fixed_refused(
        &format!("  uint32 a = 1;\n  G g = 2;\n}}\n{others}"),
        11,
        "cannot contain itself",
    );
    let chain = |links: usize| -> String {
        let links = (0..links).map(|at| {
            format!(
                "message L{at} {{ option (crake.fixed) = true; L{0} a = 1; L{0} b = 2; }}\n",
                at + 1
            )
        });
        links.collect()
    };
    let file = |links: usize, last: &str| {
        format!(
            "  L0 a = 1;\n}}\n{}message L{links} {{ option (crake.fixed) = true; {last} }}",
            chain(links)
        )
    };
    assert_fixed_refused(&file(15, "uint32 a = 1;"), 23, "more than 16");
    // 2^13 times 8 bytes fit, another 8 do not.
    assert_fixed_refused(&file(13, "uint64 a = 1; uint32 b = 2;"), 8, "at most 65536 bytes");
    let folder = tempfile::tempdir().unwrap();
    let text = |body: String| {
        let text = format!(
            "{HEAD}import \"crake/wire.proto\";\nmessage F {{\n  option (crake.fixed) = true;\n{body}"
        );
        fs::write(folder.path().join("t.proto"), text).unwrap();
        compile(&["t.proto"], &[folder.path()]).unwrap()
    };
    assert!(text(file(13, "uint64 a = 1;")).contains("type Raw = [u8; 65536];"));
}

/// It is refused where it stands, whoever imports it.
#[test]
fn fixed_messages_of_imported_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let other = |body: &str| {
        format!(
            "syntax = \"proto3\";\nimport \"crake/wire.proto\";\npackage o;\nmessage O {{\n  option (crake.fixed) = true;\n  {body}\n}}"
        )
    };
    let t = "import \"other.proto\";\nimport \"crake/wire.proto\";\nmessage M { option (crake.fixed) = true; o.O o = 1; uint32 n = 2; }";
    write("t.proto", &format!("{HEAD}{t}"));
    let config = Config::new()
        .file("t.proto")
        .include(folder.path())
        .package_path("o", "crate::o");
    write("other.proto", &other("string s = 1;"));
    let error = config.compile().unwrap_err();
    assert_eq!(
        (error.file(), error.line()),
        (Some("other.proto"), Some(6)),
        "{error}"
    );
    write("other.proto", &other("sfixed64 s = 1;"));
    let text = config.compile().unwrap().pop().unwrap().text;
    assert!(
        text.contains("pub o: crate::o::O,") && text.contains("type Raw = [u8; 12];"),
        "{text}"
    );
}

#[test]
fn fixed_messages_where_messages_stand_by_themselves() {
    for method in ["rpc A(F) returns (M);", "rpc A(M) returns (F);"] {
        assert_fixed_refused(
            &format!("  float a = 1;\n}}\nmessage M {{}}\nservice S {{\n  {method}\n}}"),
            10,
            "`p.F` is fixed",
        );
    }
}

/// Whose file it is does not matter, but what it is called: another one of ours is not looked at.
#[test]
fn the_file_of_the_option() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("crake")).unwrap();
    fs::write(
        folder.path().join("crake/wire.proto"),
        "syntax = \"proto3\"; package other;",
    )
    .unwrap();
    let fixed = "import \"crake/wire.proto\";\nmessage F { option (crake.fixed) = true; float a = 1; }";
    fs::write(folder.path().join("t.proto"), format!("{HEAD}{fixed}")).unwrap();
    let text = compile(&["t.proto"], &[folder.path()]).unwrap();
    assert!(text.contains("impl ::crake_wire::Fixed for F {"), "{text}");
    // It can be among the files, as it is where a whole folder is given; there is nothing in it.
    let both = Config::new()
        .file("t.proto")
        .file("crake/wire.proto")
        .include(folder.path());
    let packages: Vec<String> = both
        .compile()
        .unwrap()
        .into_iter()
        .map(|module| module.package)
        .collect();
    assert_eq!(packages, ["crake", "p"]);
    // An option that says no is none, and without the file there is no such option.
    let not = fixed.replace("true", "false");
    fs::write(folder.path().join("t.proto"), format!("{HEAD}{not}")).unwrap();
    assert!(
        compile(&["t.proto"], &[folder.path()])
            .unwrap()
            .contains("pub struct FView")
    );
    assert_refused(
        "message F {\n  option (crake.fixed) = true;\n  float a = 1;\n}",
        4,
        "crake.fixed",
    );
    assert_refused(
        "import \"crake/wire.proto\";\nmessage F {\n  option (crake.fxied) = true;\n}",
        5,
        "crake.fxied",
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
    // `read` and `write` of a fixed one.
    let fixed = "syntax = \"proto3\"; package p; import \"crake/wire.proto\"; message Sent { option (crake.fixed) = true; uint32 a = 1; }";
    fs::write(folder.path().join("p.proto"), fixed).unwrap();
    let inlined = text(&config.clone().inlined("p.Sent"));
    assert_eq!(inlined.matches("#[inline(always)]").count(), 2);
    let error = config.inlined("p.Missing").compile().unwrap_err();
    assert!(error.message().contains("`p.Missing`"), "{error}");
}
