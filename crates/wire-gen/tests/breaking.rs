//! What is called breaking does break, and what is called fine works: shown with bytes of either side, read by the other.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;

use crake_wire_gen::{Break, Config, Protos, Rule, breaking, dynamic};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Two versions of one file, with a message `M`, which begin in line 3.
struct Versions {
    old: Protos,
    new: Protos,
    breaks: Vec<Break>,
    folder: TempDir,
}

impl Versions {
    fn new(old: &str, new: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let load = |version: &str, body: &str| {
            let include = folder.path().join(version);
            fs::create_dir(&include).expect("a folder in it");
            let text = format!("syntax = \"proto3\";\n\n{body}");
            fs::write(include.join("t.proto"), text).expect("a file in it");
            let config = Config::new().file("t.proto").include(&include);
            config.load().expect(body)
        };
        let (old, new) = (load("old", old), load("new", new));
        Self {
            breaks: breaking(&old, &new),
            old,
            new,
            folder,
        }
    }

    /// That just these rules are broken, each in its version and line.
    #[track_caller]
    fn assert_told(&self, expected: &[(Rule, &str, u32)]) -> &Self {
        let told: Vec<_> = self
            .breaks
            .iter()
            .map(|told| {
                let file = told
                    .place
                    .file
                    .strip_prefix(self.folder.path())
                    .expect("it is there");
                let version = file.parent().expect("it is in a folder").to_str().expect("UTF-8");
                (told.rule, version.to_owned(), told.place.line)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(rule, version, line)| (*rule, (*version).to_owned(), *line))
            .collect();
        assert_eq!(told, expected, "{:#?}", self.breaks);
        self
    }

    #[track_caller]
    fn assert_fine(&self) -> &Self {
        self.assert_told(&[])
    }

    /// What new programs make of what old ones write, and what old ones make of what new ones write.
    #[track_caller]
    fn old_to_new(&self, written: Value, read: Value) -> &Self {
        assert_eq!(exchange(&self.old, &self.new, &written), read);
        self
    }

    #[track_caller]
    fn new_to_old(&self, written: Value, read: Value) -> &Self {
        assert_eq!(exchange(&self.new, &self.old, &written), read);
        self
    }

    /// Both, for what is read as it was written.
    #[track_caller]
    fn both_ways(&self, message: Value) -> &Self {
        self.old_to_new(message.clone(), message.clone())
            .new_to_old(message.clone(), message)
    }
}

/// The `M` of one side as the other reads it; the error as text.
fn exchange(writer: &Protos, reader: &Protos, json: &Value) -> Value {
    let message = DynamicMessage::deserialize(writer.message("M").unwrap(), json).unwrap();
    let bytes = dynamic::encode(&message).unwrap();
    match dynamic::decode(&reader.message("M").unwrap(), &bytes) {
        Ok(read) => serde_json::to_value(&read).unwrap(),
        Err(error) => Value::String(error.to_string()),
    }
}

#[test]
fn a_field_that_is_renumbered() {
    Versions::new(
        "message M {\n  uint32 a = 1;\n  uint32 b = 2;\n}",
        "message M {\n  uint32 a = 3;\n  uint32 b = 2;\n}",
    )
    .assert_told(&[(Rule::FieldRenumbered, "new", 4)])
    .old_to_new(json!({"a": 7, "b": 8}), json!({"b": 8}))
    .new_to_old(json!({"a": 7, "b": 8}), json!({"b": 8}));
}

#[test]
fn two_fields_that_change_their_numbers() {
    Versions::new(
        "message M {\n  uint32 a = 1;\n  uint32 b = 2;\n}",
        "message M {\n  uint32 b = 1;\n  uint32 a = 2;\n}",
    )
    .assert_told(&[
        (Rule::FieldRenumbered, "new", 4),
        (Rule::FieldRenumbered, "new", 5),
    ])
    .old_to_new(json!({"a": 7}), json!({"b": 7}));
}

#[test]
fn a_field_that_is_removed() {
    let (old, reserved) = (
        "message M {\n  uint32 a = 1;\n  string b = 5;\n}",
        "message M {\n  uint32 a = 1;\n  reserved 5;\n}",
    );
    Versions::new(old, "message M {\n  uint32 a = 1;\n}").assert_told(&[(Rule::FieldRemoved, "old", 5)]);
    // What the rule is there for: another field of that number, later.
    let later = "message M {\n  uint32 a = 1;\n  bytes signature = 5;\n}";
    Versions::new(old, later)
        .assert_told(&[(Rule::TypeChanged, "new", 5)])
        .new_to_old(json!({"signature": "/w=="}), json!("b: a string is not UTF-8"));
    Versions::new(reserved, later).assert_told(&[(Rule::NumberReused, "new", 5)]);

    Versions::new(old, reserved)
        .assert_fine()
        .old_to_new(json!({"a": 7, "b": "x"}), json!({"a": 7}))
        .new_to_old(json!({"a": 7}), json!({"a": 7}));
}

#[test]
fn a_field_that_is_added_or_renamed() {
    Versions::new(
        "message M {\n  uint32 a = 1;\n}",
        "message M {\n  repeated string before = 70;\n  uint32 other = 1;\n}",
    )
    .assert_fine()
    .old_to_new(json!({"a": 7}), json!({"other": 7}))
    .new_to_old(json!({"before": ["x"], "other": 7}), json!({"a": 7}));
}

/// Each type in a slot, in a list and in a map against each other one.
#[test]
fn types_that_lie_in_bytes_alike_and_others() {
    const ALIKE: &[&[&str]] = &[
        &["uint32", "fixed32"],
        &["uint64", "fixed64"],
        &["int32", "sint32", "sfixed32"],
        &["int64", "sint64", "sfixed64"],
        &["bool"],
        &["float"],
        &["double"],
        &["string"],
        &["bytes"],
        &["E"],
        &["N"],
    ];
    const ALIKE_IN_SLOTS: &[(&str, &str)] = &[
        ("uint32", "uint64"),
        ("fixed32", "uint64"),
        ("int32", "sint64"),
        ("sint32", "sfixed64"),
        ("E", "int64"),
    ];
    let all: Vec<&str> = ALIKE.iter().flat_map(|alike| alike.iter().copied()).collect();
    for old in &all {
        for new in &all {
            let group = |name: &str| ALIKE.iter().position(|alike| alike.contains(&name)).unwrap();
            let widened = ALIKE_IN_SLOTS
                .iter()
                .any(|(from, to)| group(from) == group(old) && group(to) == group(new));
            let everywhere = group(old) == group(new) || *old == "E" && group(new) == group("int32");
            for (before, after, fine) in [
                ("", "", everywhere || widened),
                ("optional ", "optional ", everywhere || widened),
                ("map<bool, ", "> ", everywhere || widened),
                ("repeated ", "", everywhere),
            ] {
                let close = if before.starts_with("map") { after } else { " " };
                let file = |name: &str| {
                    format!(
                        "message M {{\n  {before}{name}{close}f = 1;\n}}\nmessage N {{}}\nenum E {{ A = 0; B = 1; }}"
                    )
                };
                let versions = Versions::new(&file(old), &file(new));
                if fine {
                    versions.assert_fine();
                } else {
                    versions.assert_told(&[(Rule::TypeChanged, "new", 4)]);
                }
            }
        }
    }
}

#[test]
fn a_type_that_is_widened() {
    let wide = Versions::new(
        "message M {\n  uint32 a = 1; sint32 b = 2; map<uint32, int32> m = 3;\n}",
        "message M {\n  fixed64 a = 1; int64 b = 2; map<uint64, sint64> m = 3;\n}",
    );
    wide.assert_fine()
        .old_to_new(
            json!({"a": u32::MAX, "b": -5, "m": {"7": -1}}),
            json!({"a": u32::MAX.to_string(), "b": "-5", "m": {"7": "-1"}}),
        )
        .new_to_old(
            json!({"a": "7", "b": "-5", "m": {"7": "-1"}}),
            json!({"a": 7, "b": -5, "m": {"7": -1}}),
        );

    Versions::new(
        "message M {\n  uint64 a = 1;\n}",
        "message M {\n  uint32 a = 1;\n}",
    )
    .assert_told(&[(Rule::TypeChanged, "new", 4)])
    .old_to_new(json!({"a": "4294967301"}), json!({"a": 5}));
    Versions::new(
        "message M {\n  repeated uint32 a = 1;\n}",
        "message M {\n  repeated uint64 a = 1;\n}",
    )
    .assert_told(&[(Rule::TypeChanged, "new", 4)])
    .old_to_new(
        json!({"a": [1, 2]}),
        json!("a: a field points beyond the end of the frame"),
    )
    .new_to_old(json!({"a": ["1", "2"]}), json!({"a": [1, 0]}));
}

#[test]
fn types_whose_bytes_mean_something_else() {
    for (old, new, written, read) in [
        ("uint32", "int32", json!(u32::MAX), json!({"a": -1})),
        ("float", "uint32", json!(1.0), json!({"a": 0x3f80_0000})),
        ("uint32", "bool", json!(2), json!("a: a bool is neither 0 nor 1")),
        (
            "bytes",
            "string",
            json!("/w=="),
            json!("a: a string is not UTF-8"),
        ),
        (
            "uint32",
            "string",
            json!(90),
            json!("a: a field points beyond the end of the frame"),
        ),
        (
            "string",
            "N",
            json!("abc"),
            json!("a: a message ends before its last slot"),
        ),
    ] {
        let file = |name: &str| format!("message M {{\n  {name} a = 1;\n}}\nmessage N {{}}");
        Versions::new(&file(old), &file(new))
            .assert_told(&[(Rule::TypeChanged, "new", 4)])
            .old_to_new(json!({"a": written}), read);
    }
}

#[test]
fn an_enum_and_an_int32() {
    let (number, named) = (
        "message M {\n  int32 e = 1; repeated int32 l = 2;\n}\nenum E { A = 0; B = 1; }",
        "message M {\n  E e = 1; repeated E l = 2;\n}\nenum E { A = 0; B = 1; }",
    );
    Versions::new(named, number)
        .assert_fine()
        .old_to_new(json!({"e": "B", "l": ["A", "B"]}), json!({"e": 1, "l": [0, 1]}))
        .new_to_old(json!({"e": 1, "l": [0, 1]}), json!({"e": "B", "l": ["A", "B"]}));
    // A number stands where a name should: generated code reads it as UnknownEnum.
    Versions::new(number, named)
        .assert_told(&[(Rule::TypeChanged, "new", 4), (Rule::TypeChanged, "new", 4)])
        .old_to_new(json!({"e": 7}), json!({"e": 7}));
}

#[test]
fn a_label_that_changes() {
    let file = |label: &str| format!("message M {{\n  {label} a = 1;\n}}");
    let told = [(Rule::LabelChanged, "new", 4)];
    Versions::new(&file("uint32"), &file("repeated uint32"))
        .assert_told(&told)
        .old_to_new(
            json!({"a": 9}),
            json!("a: a field points beyond the end of the frame"),
        )
        .new_to_old(json!({"a": [1, 2, 3]}), json!({"a": 3}));
    Versions::new(&file("string"), &file("repeated string"))
        .assert_told(&told)
        .old_to_new(
            json!({"a": "abc"}),
            json!("a: a field points beyond the end of the frame"),
        );
    Versions::new(&file("map<uint32, uint32>"), &file("uint64")).assert_told(&told);
    // An entry is no message: it has no bitmap.
    let map = "message M {\n  map<uint32, uint32> a = 1;\n}";
    let list = "message M {\n  repeated Entry a = 1;\n}\nmessage Entry { uint32 key = 1; uint32 value = 2; }";
    Versions::new(map, list).assert_told(&told).old_to_new(
        json!({"a": {"7": 8}}),
        json!("a[0]: a message ends before its last slot"),
    );
}

#[test]
fn presence_that_is_added_or_removed() {
    let (plain, optional) = (
        "message M {\n  uint32 a = 1;\n}",
        "message M {\n  optional uint32 a = 1;\n}",
    );
    for (old, new) in [(plain, optional), (optional, plain)] {
        Versions::new(old, new).assert_fine().both_ways(json!({"a": 7}));
    }
    Versions::new(optional, plain).old_to_new(json!({"a": 0}), json!({}));
}

#[test]
fn fields_that_come_to_exclude_each_other() {
    let apart = "message M {\n  uint32 a = 1;\n  uint32 b = 2;\n}";
    let joined = "message M {\n  oneof which {\n    uint32 a = 1;\n    uint32 b = 2;\n  }\n}";
    Versions::new(apart, joined)
        .assert_told(&[(Rule::OneofChanged, "new", 6)])
        .old_to_new(json!({"a": 7, "b": 8}), json!({"a": 7}));
    Versions::new(joined, apart).assert_told(&[(Rule::OneofChanged, "new", 5)]);
    let one_left = "message M {\n  uint32 a = 1;\n  oneof which { uint32 b = 2; uint32 c = 3; }\n}";
    Versions::new(joined, one_left)
        .assert_told(&[(Rule::OneofChanged, "new", 5)])
        .new_to_old(json!({"a": 7, "b": 8}), json!({"a": 7}));
}

/// What the other members are is new: no old program writes any of them beside this one.
#[test]
fn one_field_that_moves_into_a_oneof_of_its_own() {
    let (old, new) = (
        "message M {\n  string a = 1;\n}",
        "message M {\n  oneof which { string a = 1; uint32 b = 2; }\n}",
    );
    Versions::new(old, new)
        .assert_fine()
        .both_ways(json!({"a": "x"}))
        .new_to_old(json!({"b": 7}), json!({}));
    Versions::new(new, new).assert_fine();
}

/// A fixed message, with a message `M` that has one in line 6, and what else is said.
fn fixed(fields: &str) -> String {
    format!(
        "import \"crake/wire.proto\";\nmessage F {{\n  option (crake.fixed) = true; {fields}\n}}\nmessage M {{ F f = 1; repeated F l = 2; }}"
    )
}

#[test]
fn a_fixed_message_changes_by_no_byte() {
    let old = fixed("float x = 1; uint32 id = 2;");
    let told = |fields: &str, expected: &[(Rule, &str, u32)]| {
        let versions = Versions::new(&old, &fixed(fields));
        versions.assert_told(expected);
        versions
    };
    let changed = (Rule::FixedChanged, "new", 5);
    told("float x = 1; uint32 id = 2; float z = 3;", &[changed])
        .old_to_new(
            json!({"f": {"x": 1.5}}),
            json!("f: a fixed message is not of the size of its type"),
        )
        .new_to_old(
            json!({"l": [{"x": 1.5, "id": 7, "z": 9.0}, {"x": 2.5}]}),
            json!({"l": [{"x": 1.5, "id": 7}, {"x": 9.0, "id": 0x4020_0000}]}),
        );
    told("float x = 1; reserved 2;", &[(Rule::FixedChanged, "old", 5)]);
    told("float x = 3; uint32 id = 2;", &[changed])
        .old_to_new(json!({"f": {"id": 0x3f80_0000}}), json!({"f": {"x": 1.0}}));
    told("float x = 1; uint32 id = 5;", &[changed]);
    told("float x = 1; uint64 id = 2;", &[changed]).old_to_new(
        json!({"f": {"id": 7}}),
        json!("f: a fixed message is not of the size of its type"),
    );
    told("float x = 1; float id = 2;", &[changed])
        .old_to_new(json!({"f": {"id": 0x3f80_0000}}), json!({"f": {"id": 1.0}}));
    // Names, and types that lie in bytes alike.
    told("float latitude = 1; fixed32 number = 2;", &[])
        .old_to_new(
            json!({"f": {"x": 1.5, "id": 7}, "l": [{"id": 8}]}),
            json!({"f": {"latitude": 1.5, "number": 7}, "l": [{"number": 8}]}),
        )
        .new_to_old(json!({"f": {"number": 7}}), json!({"f": {"id": 7}}));
}

#[test]
fn a_message_that_becomes_fixed_or_ceases_to_be() {
    let yes = fixed("float x = 1;");
    let no = yes.replace("option (crake.fixed) = true; ", "");
    let told = [(Rule::FixedChanged, "new", 4)];
    Versions::new(&no, &yes)
        .assert_told(&told)
        .old_to_new(
            json!({"f": {"x": 1.5}}),
            json!("f: a fixed message is not of the size of its type"),
        )
        .new_to_old(
            json!({"f": {"x": 1.5}}),
            json!("f: a message ends before its last slot"),
        );
    let versions = Versions::new(&yes, &no);
    versions.assert_told(&told);
    let text = versions.breaks[0].to_string();
    assert!(
        text.contains("message `F` was fixed and is not any more"),
        "{text}"
    );
    assert_eq!(versions.breaks[0].rule.name(), "fixed-changed");
    Versions::new(&no.replace("float x", "float y"), &no).assert_fine();
}

/// By another name, within another: what a field leads to is compared, whatever it is called.
#[test]
fn fixed_messages_within_others() {
    let file = |name: &str, fields: &str| {
        format!(
            "{}\nmessage {name} {{\n  option (crake.fixed) = true; {fields}\n}}",
            fixed(&format!("{name} n = 1;"))
        )
    };
    Versions::new(&file("N", "double d = 1;"), &file("O", "double e = 1;"))
        .assert_fine()
        .both_ways(json!({"f": {"n": {}}}));
    Versions::new(&file("N", "double d = 1;"), &file("O", "uint64 d = 1;")).assert_told(&[(
        Rule::FixedChanged,
        "new",
        9,
    )]);
    // The other one is there still.
    let both = |name: &str| {
        format!(
            "{}\nmessage N {{ option (crake.fixed) = true; double d = 1; }}\nmessage O {{ option (crake.fixed) = true; double d = 1; }}",
            fixed(&format!("{name} n = 1;"))
        )
    };
    Versions::new(&both("N"), &both("O")).assert_told(&[(Rule::FixedChanged, "new", 5)]);
}

#[test]
fn values_of_enums() {
    let file = |values: &str| format!("message M {{ E e = 1; }}\nenum E {{\n  A = 0;\n{values}\n}}");
    let old = file("  B = 1;\n  C = 2;");
    Versions::new(&old, &file("  B = 1;"))
        .assert_told(&[(Rule::EnumValueRemoved, "old", 7)])
        .old_to_new(json!({"e": "C"}), json!({"e": 2}));
    Versions::new(&old, &file("  B = 2;\n  C = 1;"))
        .assert_told(&[
            (Rule::EnumValueRenumbered, "new", 6),
            (Rule::EnumValueRenumbered, "new", 7),
        ])
        .old_to_new(json!({"e": "C"}), json!({"e": "B"}));
    // Another name for a number, and more numbers.
    Versions::new(&old, &file("  B = 1;\n  LATER = 2;\n  D = 3;"))
        .assert_fine()
        .old_to_new(json!({"e": "C"}), json!({"e": "LATER"}));
}

const ASK: &str =
    "message M {}\nmessage N {}\nservice S {\n  rpc One(M) returns (M);\n  rpc Two(M) returns (N);\n}";

#[test]
fn methods() {
    let with = |methods: &str| ASK.replace("  rpc One(M) returns (M);\n  rpc Two(M) returns (N);", methods);
    let told = |methods: &str, expected: &[(Rule, &str, u32)]| {
        Versions::new(ASK, &with(methods)).assert_told(expected);
    };
    told(
        "  rpc Zero(M) returns (M);\n  rpc One(M) returns (M);\n  rpc Two(M) returns (N);",
        &[
            (Rule::MethodRenumbered, "new", 7),
            (Rule::MethodRenumbered, "new", 8),
        ],
    );
    told("  rpc One(M) returns (M);", &[(Rule::MethodRemoved, "old", 7)]);
    told(
        "  rpc Two(M) returns (N);",
        &[
            (Rule::MethodRenumbered, "new", 6),
            (Rule::MethodRemoved, "old", 6),
        ],
    );
    told(
        "  rpc One(N) returns (M);\n  rpc Two(M) returns (M);",
        &[(Rule::MethodChanged, "new", 6), (Rule::MethodChanged, "new", 7)],
    );
    told(
        "  rpc One(M) returns (stream M);\n  rpc Two(M) returns (N);",
        &[(Rule::MethodChanged, "new", 6)],
    );
    told(
        "  rpc First(M) returns (M);\n  rpc Two(M) returns (N);\n  rpc Three(M) returns (N);",
        &[],
    );
}

/// The number that generated code has for a method is what the rule is about.
#[test]
fn a_method_in_another_place_has_another_number() {
    let number = |methods: &str| {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("syntax = \"proto3\"; package p; message M {{}} service S {{ {methods} }}");
        fs::write(folder.path().join("t.proto"), text).unwrap();
        let text = crake_wire_gen::compile(&["t.proto"], &[folder.path()]).unwrap();
        let (_, after) = text.split_once("pub const TWO: u16 = ").unwrap();
        after.split(';').next().unwrap().to_owned()
    };
    assert_eq!(number("rpc One(M) returns (M); rpc Two(M) returns (M);"), "2");
    assert_eq!(number("rpc Two(M) returns (M); rpc One(M) returns (M);"), "1");
}

#[test]
fn messages_and_services_that_are_removed() {
    Versions::new(
        "message M {}\nmessage Gone {\n  message Within {}\n}\nservice S {}",
        "message M {}",
    )
    .assert_told(&[(Rule::MessageRemoved, "old", 4), (Rule::ServiceRemoved, "old", 7)]);
}

/// Fields and methods lead to what a message is called now.
#[test]
fn messages_and_enums_that_are_renamed() {
    let (old, new) = (
        "message M {\n  A a = 1; repeated B b = 2;\n}\nmessage A { E e = 1; }\nmessage B { uint32 n = 1; }\nenum E { X = 0; Y = 1; }",
        "message M {\n  Z a = 1; repeated Y b = 2;\n}\nmessage Z { F e = 1; }\nmessage Y { uint32 n = 1; }\nenum F { P = 0; Q = 1; }",
    );
    Versions::new(old, new).assert_fine().old_to_new(
        json!({"a": {"e": "Y"}, "b": [{"n": 7}]}),
        json!({"a": {"e": "Q"}, "b": [{"n": 7}]}),
    );
    // By another name, and changed.
    let changed = new.replace("uint32 n", "string n");
    Versions::new(old, &changed).assert_told(&[(Rule::TypeChanged, "new", 7)]);
    // The other message is there still: it is not what the field holds.
    let other = "message M {\n  B a = 1; repeated B b = 2;\n}\nmessage A { E e = 1; }\nmessage B { uint32 n = 1; }\nenum E { X = 0; Y = 1; }";
    Versions::new(old, other)
        .assert_told(&[(Rule::TypeChanged, "new", 4)])
        .old_to_new(json!({"a": {"e": "Y"}}), json!({"a": {"n": 1}}));
}

#[test]
fn a_circle_is_compared_once() {
    let file =
        |kind: &str| format!("message M {{\n  M left = 1;\n  map<string, M> more = 2;\n  {kind} n = 3;\n}}");
    Versions::new(&file("uint32"), &file("uint32")).assert_fine();
    Versions::new(&file("uint32"), &file("string")).assert_told(&[(Rule::TypeChanged, "new", 6)]);
}

#[test]
fn a_line_names_the_place_the_change_and_who_suffers() {
    let versions = Versions::new(
        "message M {\n  uint32 a = 1;\n}",
        "message M {\n  repeated string a = 1;\n}",
    );
    let text = versions.breaks[0].to_string();
    let (place, rest) = text.split_once(".proto:4: ").unwrap();
    assert!(place.ends_with("new/t"), "{text}");
    assert_eq!(
        rest,
        "field `a` of `M` was `uint32` and is `repeated string`: \
         a slot has a value, or a count of elements: each side takes the one for the other"
    );
    assert_eq!(versions.breaks[0].rule.name(), "label-changed");
}

/// The schemas that `tests/messages/evolution.rs` exchanges messages of with generated code.
#[test]
fn the_schema_of_the_evolution_tests() {
    let file = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
        fs::read_to_string(folder.join(name)).unwrap()
    };
    let body = |text: String, package: &str| {
        let (_, body) = text.split_once(&format!("package {package};\n")).unwrap();
        format!("message M {{ Record r = 1; }}\n{body}")
    };
    let old = body(file("old.proto"), "test.old");
    let new = body(file("new.proto"), "test.new");
    let versions = Versions::new(&old, &new);
    let told: Vec<&str> = versions.breaks.iter().map(|told| told.what.as_str()).collect();
    assert_eq!(
        told,
        ["field `reason` of `Record` and `code` are of one oneof and were not before"]
    );
    versions.old_to_new(
        json!({"r": {"code": 7, "reason": "x"}}),
        json!({"r": {"code": 7}}),
    );
}
