//! `crake wire`, without a cluster.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use support::{command, rows, stderr, text};
use tempfile::{TempDir, tempdir};

/// A folder with .proto files, in which commands run.
struct Folder {
    root: TempDir,
}

impl Folder {
    fn new() -> Folder {
        Folder {
            root: tempdir().unwrap(),
        }
    }

    fn with(self, name: &str, content: &str) -> Folder {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn wire(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = command(&[&["wire"], arguments].concat());
        command.current_dir(self.root.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // One that fails early does not read.
        let _ = process.stdin.take().unwrap().write_all(input);
        process.wait_with_output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.wire(arguments, input);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            stderr(&output)
        );
        output.stdout
    }

    /// What it says as it fails, with this exit code and nothing on stdout.
    #[track_caller]
    fn fails(&self, code: i32, arguments: &[&str], input: &[u8]) -> String {
        let output = self.wire(arguments, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        stderr(&output)
    }
}

const EXAMPLE: &str = include_str!("../../wire-gen/tests/proto/example.proto");
const REQUEST: &[&str] = &["--proto", "example.proto", "--type", "example.LookupRequest"];
const REPLY: &[&str] = &["--proto", "example.proto", "--type", "example.LookupReply"];

fn example() -> Folder {
    Folder::new().with("example.proto", EXAMPLE)
}

/// The first block of docs/format/wire.md that is fenced as `hex`.
fn request_hex() -> String {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format/wire.md")).unwrap();
    let (_, block) = text.split_once("```hex\n").unwrap();
    block.split("```").next().unwrap().to_owned()
}

#[test]
fn compile_prints_what_a_build_script_gets() {
    let golden = include_str!("../../wire-gen/tests/golden/example.rs");
    let folder = example();
    assert!(folder.ok(&["compile", "example.proto"], b"") == golden.as_bytes());
    folder.ok(&["compile", "example.proto", "-o", "out/here"], b"");
    assert!(fs::read_to_string(folder.path("out/here/example.rs")).unwrap() == golden);
    // From anywhere.
    let elsewhere = Folder::new();
    assert!(elsewhere.ok(&["compile", text(&folder.path("example.proto"))], b"") == golden.as_bytes());
    let row = &rows(&String::from_utf8(folder.ok(&["compile", "example.proto", "--json"], b"")).unwrap())[0];
    assert_eq!(
        (&row["package"], &row["text"]),
        (&json!("example"), &json!(golden))
    );
}

#[test]
fn compile_makes_fields_that_need_not_be_copied() {
    let proto = include_str!("../../wire-gen/tests/proto/bulk.proto");
    let golden = include_str!("../../wire-gen/tests/golden/bulk.rs");
    let folder = Folder::new().with("bulk.proto", proto);
    assert!(folder.ok(&["compile", "bulk.proto", "--gathered"], b"") == golden.as_bytes());
    let copied = String::from_utf8(folder.ok(&["compile", "bulk.proto"], b"")).unwrap();
    assert!(copied.contains("pub value: &'a [u8]"));
}

/// The file of the option is built in, for every command.
#[test]
fn fixed_messages_need_no_file_of_ours() {
    let proto = |last: &str| {
        format!(
            "syntax = \"proto3\"; package p; import \"crake/wire.proto\";
message Point {{ option (crake.fixed) = true; float x = 1; uint32 id = 2;{last} }}
message Mesh {{ repeated Point points = 1; }}"
        )
    };
    let folder = Folder::new()
        .with("p.proto", &proto(""))
        .with("new/p.proto", &proto(" float y = 3;"));
    let mesh = ["--proto", "p.proto", "--type", "p.Mesh"];
    let json = br#"{"points": [{"x": 1.0, "id": 7}, {"id": 8}]}"#;
    let bytes = folder.ok(&[&["encode"], &mesh[..]].concat(), json);
    assert_eq!(bytes.len(), 8 + 8 + 2 * 8);
    let read: Value = serde_json::from_slice(&folder.ok(&[&["decode"], &mesh[..]].concat(), &bytes)).unwrap();
    assert_eq!(read, serde_json::from_slice::<Value>(json).unwrap());
    let point = ["encode", "--proto", "p.proto", "--type", "p.Point"];
    assert!(
        folder
            .fails(1, &point, b"{}")
            .contains("lies in another message only")
    );
    let output = folder.wire(&["breaking", "p.proto", "new/p.proto", "--json"], b"");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = &rows(&String::from_utf8(output.stdout).unwrap())[0];
    assert_eq!(
        (&told["rule"], &told["line"]),
        (&json!("fixed-changed"), &json!(2))
    );
}

#[test]
fn compile_makes_both_ends_of_services() {
    let proto = include_str!("../../../examples/proto/key_value.proto");
    let folder = Folder::new().with("key_value.proto", proto);
    let arguments = ["compile", "key_value.proto", "--services"];
    let text = String::from_utf8(folder.ok(&arguments, b"")).unwrap();
    assert!(text.contains("pub trait Service") && text.contains("pub struct Client"));
    let numbers = String::from_utf8(folder.ok(&arguments[..2], b"")).unwrap();
    assert!(numbers.contains("pub const SCAN: u16 = 3;") && !numbers.contains("pub trait Service"));
}

#[test]
fn compile_finds_imports_and_packages() {
    let folder = Folder::new()
        .with(
            "in/a.proto",
            "syntax = \"proto3\"; package a; import \"b.proto\"; message A { b.B b = 1; }",
        )
        .with(
            "shared/b.proto",
            "syntax = \"proto3\"; package b; message B { string s = 1; }",
        );
    let path = ["--package-path", "b=crate::b"];
    let own = ["compile", "in/a.proto", "-I", "in", "-I", "shared"];
    let printed = folder.ok(&[&own[..], &path].concat(), b"");
    assert!(
        String::from_utf8(printed)
            .unwrap()
            .contains("pub b: Option<crate::b::B<'a>>")
    );
    let both = [
        "compile",
        "in/a.proto",
        "shared/b.proto",
        "-I",
        "in",
        "-I",
        "shared",
    ];
    let usage = folder.fails(2, &[&both[..], &path].concat(), b"");
    assert!(usage.contains("a, b") && usage.contains("-o"), "{usage}");
    folder.ok(&[&both[..], &path, &["-o", "out"]].concat(), b"");
    assert!(folder.path("out/a.rs").exists() && folder.path("out/b.rs").exists());
    assert!(
        folder
            .fails(1, &["compile", "in/a.proto"], b"")
            .contains("a.proto:1: import 'b.proto' not found")
    );
}

#[test]
fn errors_of_the_compiler_point_into_the_file() {
    let folder = Folder::new().with(
        "bad.proto",
        "syntax = \"proto3\";\npackage p;\nmessage M {\n  uint32 a = ;\n}",
    );
    let said = folder.fails(1, &["compile", "bad.proto"], b"");
    assert!(said.starts_with("crake: bad.proto:4: "), "{said}");
    let said = folder.fails(1, &["compile", "missing.proto"], b"");
    assert!(said.contains("missing.proto"), "{said}");
}

#[test]
fn the_example_of_the_format_text() {
    let folder = example();
    let hex = request_hex();
    let json = folder.ok(
        &[&["decode", "--hex", "--json"], REQUEST].concat(),
        hex.as_bytes(),
    );
    assert_eq!(json, b"{\"base\":\"7\",\"blocks\":true,\"path\":\"a/b\"}\n");
    let bytes = folder.ok(&[&["encode"], REQUEST].concat(), &json);
    assert_eq!(bytes.len(), 35);
    let pretty = folder.ok(&[&["decode"], REQUEST].concat(), &bytes);
    assert_eq!(
        pretty,
        b"{\n  \"base\": \"7\",\n  \"blocks\": true,\n  \"path\": \"a/b\"\n}\n"
    );
    let text = folder.ok(&[&["decode", "--text"], REQUEST].concat(), &bytes);
    assert_eq!(text, b"base: 7\npath: \"a/b\"\nblocks: true\n");
    assert_eq!(
        folder.ok(&[&["encode", "--text"], REQUEST].concat(), &text),
        bytes
    );
    // What is printed is the example without its words.
    let dump = folder.ok(&[&["encode", "--hex"], REQUEST].concat(), &pretty);
    let expected: Vec<String> = hex
        .lines()
        .map(|line| line.rsplit_once('|').unwrap().0.trim_end().to_owned() + "\n")
        .collect();
    assert_eq!(String::from_utf8(dump).unwrap(), expected.concat());
    let row =
        &rows(&String::from_utf8(folder.ok(&[&["encode", "--json"], REQUEST].concat(), &pretty)).unwrap())[0];
    assert_eq!(row["bytes"], 35);
    assert!(
        row["hex"].as_str().unwrap().starts_with("0700000000000000"),
        "{row}"
    );
}

#[test]
fn a_message_is_read_from_a_file_too() {
    let folder = example().with("request.json", r#"{"path": "x"}"#);
    let bytes = folder.ok(&[&["encode"], REQUEST, &["request.json"]].concat(), b"");
    fs::write(folder.path("request.bin"), bytes).unwrap();
    let json = folder.ok(&[&["decode", "--json"], REQUEST, &["request.bin"]].concat(), b"");
    assert_eq!(json, b"{\"path\":\"x\"}\n");
    let said = folder.fails(1, &[&["decode"], REQUEST, &["nowhere.bin"]].concat(), b"");
    assert!(said.contains("nowhere.bin"), "{said}");
}

/// Doubles to the last bit, floats with their own digits, numbers of no name, maps in order, not-a-number.
#[test]
fn values_keep_what_they_are() {
    let folder = Folder::new().with(
        "t.proto",
        "syntax = \"proto3\"; enum E { A = 0; } message M { double d = 1; float f = 2; E e = 3; map<int32, M> m = 4; repeated double list = 5; }",
    );
    let kind = ["--proto", "t.proto", "--type", "M"];
    let json = "{\"d\":0.30000000000000004,\"e\":-3,\"f\":0.1,\"list\":[5e-324,1.7976931348623157e308,\"NaN\",\"-Infinity\"],\"m\":{\"-1\":{},\"1\":{\"d\":1e100},\"2\":{}}}\n";
    let bytes = folder.ok(&[&["encode"][..], &kind].concat(), json.as_bytes());
    let read = folder.ok(&[&["decode", "--json"][..], &kind].concat(), &bytes);
    let read: Value = serde_json::from_slice(&read).unwrap();
    assert_eq!(read, serde_json::from_str::<Value>(json).unwrap());
    for _ in 0..5 {
        let again = folder.ok(&[&["decode", "--json"][..], &kind].concat(), &bytes);
        assert!(String::from_utf8(again).unwrap().contains("\"f\":0.1,"));
    }
}

#[test]
fn what_is_wrong_with_a_message_names_the_field() {
    let folder = example();
    let json = br#"{"blocks": [{}, {"handle": "qrs="}]}"#;
    let bytes = folder.ok(&[&["encode"], REPLY].concat(), json);
    let said = folder.fails(1, &[&["decode"], REPLY].concat(), &bytes[..bytes.len() - 1]);
    assert_eq!(
        said,
        "crake: the bytes are no `example.LookupReply`: blocks[1]: a field points beyond the end of the frame\n"
    );
    let said = folder.fails(
        1,
        &[&["encode"], REPLY].concat(),
        br#"{"blocks": [{"ofset": 1}]}"#,
    );
    assert!(said.contains("unrecognized field name 'ofset'"), "{said}");
    let said = folder.fails(1, &[&["encode"], REPLY].concat(), b"{} {}");
    assert!(said.contains("more than one message"), "{said}");
    let said = folder.fails(1, &[&["decode", "--hex"], REPLY].concat(), b"00 0");
    assert!(said.contains("line 1: half a byte is left over"), "{said}");
    assert_eq!(
        folder.ok(&[&["decode", "--json"], REPLY].concat(), &[0; 8]),
        b"{}\n"
    );
    assert!(
        folder
            .fails(1, &[&["decode"], REPLY].concat(), b"")
            .contains("a message ends before its last slot")
    );
}

#[test]
fn a_type_that_is_not_there() {
    let arguments = ["decode", "--proto", "example.proto", "--type", "example.Lookup"];
    let said = example().fails(1, &arguments, b"");
    assert!(said.contains("there is no message `example.Lookup`"), "{said}");
    assert!(said.contains("example.LookupRequest, "), "{said}");
}

#[test]
fn two_forms_at_once_are_wrong_usage() {
    let said = example().fails(2, &[&["decode", "--text", "--json"], REQUEST].concat(), b"");
    assert!(said.contains("--text and --json"), "{said}");
}

/// Deep input must not end the process otherwise than by an error.
#[test]
fn input_that_is_too_deep() {
    let folder = Folder::new().with(
        "t.proto",
        "syntax = \"proto3\"; message M { M m = 1; repeated M l = 2; }",
    );
    let kind = ["--proto", "t.proto", "--type", "M"];
    let said = folder.fails(
        1,
        &[&["encode", "--text"][..], &kind].concat(),
        "m{".repeat(1 << 20).as_bytes(),
    );
    assert!(said.contains("too deep"), "{said}");
    let said = folder.fails(
        1,
        &[&["encode"][..], &kind].concat(),
        "{\"m\":".repeat(1 << 20).as_bytes(),
    );
    assert!(said.contains("recursion limit"), "{said}");
    let braces = "{".repeat(1000);
    let said = example().ok(
        &[&["encode", "--text", "--json"], REQUEST].concat(),
        format!("path: '{braces}'").as_bytes(),
    );
    assert!(String::from_utf8(said).unwrap().contains("\"bytes\":1016"));
    // As deep as it may be: shown by JSON that is deeper still, for there is a list on each level.
    let deepest = format!("{}{}", "l{".repeat(100), "}".repeat(100));
    let bytes = folder.ok(&[&["encode", "--text"][..], &kind].concat(), deepest.as_bytes());
    let json = folder.ok(&[&["decode", "--json"][..], &kind].concat(), &bytes);
    assert_eq!(String::from_utf8(json).unwrap().matches("\"l\"").count(), 100);
}

#[test]
fn breaking_tells_what_breaks_and_nothing_else() {
    let old = "syntax = \"proto3\";\nmessage M {\n  uint32 a = 1;\n  string b = 2;\n}\n";
    let folder = Folder::new()
        .with("old/m.proto", old)
        .with("fine/m.proto", &old.replace("uint32", "uint64"))
        .with("new/m.proto", &old.replace("string b = 2", "string b = 3"))
        .with("new/below/more.proto", "syntax = \"proto3\";");
    assert_eq!(folder.ok(&["breaking", "old/m.proto", "fine/m.proto"], b""), b"");
    for (before, after) in [("old/m.proto", "new/m.proto"), ("old", "new")] {
        let output = folder.wire(&["breaking", before, after], b"");
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.starts_with("new/m.proto:4: field `b` of `M` was number 2 and is 3: "),
            "{said}"
        );
        let output = folder.wire(&["breaking", before, after, "--json"], b"");
        let rows = rows(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (&rows[0]["file"], &rows[0]["line"], &rows[0]["rule"]),
            (&json!("new/m.proto"), &json!(4), &json!("field-renumbered"))
        );
    }
    assert!(
        folder
            .fails(1, &["breaking", "old", "nowhere"], b"")
            .contains("nowhere")
    );
    fs::create_dir(folder.path("empty")).unwrap();
    assert!(
        folder
            .fails(2, &["breaking", "old", "empty"], b"")
            .contains("empty has no .proto file")
    );
}
