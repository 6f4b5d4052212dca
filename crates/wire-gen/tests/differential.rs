//! Random schemas and random messages, against Protobuf: what ours brings back is what prost-reflect's Protobuf brings back.
//!
//! Each of 50 seeds makes a schema with every kind and label, messages within messages, fixed ones, maps, oneofs, enums and circles, and messages of it.
//! These are 2,000 for each schema, 100,000 together; `CRAKE_DIFFERENTIAL=100 cargo test -p crake-wire-gen --test differential` has another number of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::HashMap;
use std::{env, fs};

use crake_wire_gen::Config;
use crake_wire_gen::dynamic::{decode, encode};
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::uninterpreted_option::NamePart;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, OneofDescriptorProto, UninterpretedOption,
};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

const SEEDS: u64 = 50;
const MESSAGES_EACH: u32 = 2000;

#[test]
fn what_comes_back_is_what_protobuf_brings_back() {
    let messages_each =
        env::var("CRAKE_DIFFERENTIAL").map_or(MESSAGES_EACH, |number| number.parse().expect("a number"));
    let mut tally = Tally::default();
    let built_in = built_in();
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let pool = schema(&mut random, built_in.clone());
        let types: Vec<MessageDescriptor> = pool
            .all_messages()
            .filter(|message| message.package_name() == "t" && !message.is_map_entry() && !is_fixed(message))
            .collect();
        tally.schema(&types);
        for fixed in pool.all_messages().filter(is_fixed) {
            assert!(
                encode(&DynamicMessage::new(fixed)).is_err(),
                "it lies in others only"
            );
        }
        for _ in 0..messages_each {
            let descriptor = &types[random.below(types.len())];
            let message = message(&mut random, descriptor, 0);
            compare(&message, descriptor, seed);
            tally.message(&message);
        }
    }
    tally.assert_varied();
}

fn compare(message: &DynamicMessage, descriptor: &MessageDescriptor, seed: u64) {
    let name = descriptor.full_name();
    let ours = encode(message).unwrap();
    let read = decode(descriptor, &ours).unwrap_or_else(|error| panic!("seed {seed}, {name}: {error}"));
    let theirs = DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice()).unwrap();
    assert_eq!(json(&read), json(&theirs), "seed {seed}, {name}");
    // JSON has one NaN only, and prost-reflect's Protobuf has no -0.0 where zero is left out. Our bytes keep both.
    assert_eq!(encode(&read).unwrap(), ours, "seed {seed}, {name}");
    if !has_negative_zero(message) {
        assert_eq!(encode(&theirs).unwrap(), ours, "seed {seed}, {name}");
    }
}

fn json(message: &DynamicMessage) -> serde_json::Value {
    serde_json::to_value(message).unwrap()
}

/// Whether -0.0 stands where there is no presence: in a field of its own, or as the value of an entry.
fn has_negative_zero(message: &DynamicMessage) -> bool {
    let descriptor = message.descriptor();
    let mut fields = descriptor
        .fields()
        .filter(|field| !field.supports_presence() || message.has_field(field));
    fields.any(|field| match message.get_field(&field).as_ref() {
        Value::Message(inner) => has_negative_zero(inner),
        Value::List(list) => list.iter().filter_map(Value::as_message).any(has_negative_zero),
        Value::Map(map) => map
            .values()
            .any(|value| is_negative_zero(value) || value.as_message().is_some_and(has_negative_zero)),
        value => !field.supports_presence() && is_negative_zero(value),
    })
}

fn is_negative_zero(value: &Value) -> bool {
    match value {
        Value::F32(number) => number.to_bits() == 1 << 31,
        Value::F64(number) => number.to_bits() == 1 << 63,
        _ => false,
    }
}

/// What the schemas and messages had: a test that meets little says little.
#[derive(Default)]
struct Tally {
    seen: HashMap<String, u32>,
}

impl Tally {
    fn count(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    fn schema(&mut self, types: &[MessageDescriptor]) {
        for message in types {
            for field in message.fields() {
                let inner = field.kind().as_message().cloned();
                if inner.is_some_and(|inner| inner == *message) {
                    self.count("a message that holds itself");
                }
            }
        }
    }

    fn message(&mut self, message: &DynamicMessage) {
        for (field, value) in message.fields() {
            let label = match () {
                () if is_fixed(&message.descriptor()) => "fixed",
                () if field.is_map() => "map",
                () if field.is_list() => "list",
                () if field
                    .containing_oneof()
                    .is_some_and(|oneof| !oneof.is_synthetic()) =>
                {
                    "oneof"
                }
                () if field.supports_presence() => "presence",
                () => "value",
            };
            match (field.kind(), value) {
                (Kind::Message(entry), Value::Map(_)) if field.is_map() => {
                    self.count(format!("key {:?}", entry.map_entry_key_field().kind()));
                    self.count(format!("map of {}", short(&entry.map_entry_value_field().kind())));
                }
                (kind, _) => self.count(format!("{label} of {}", short(&kind))),
            }
            match value {
                Value::Message(inner) => self.message(inner),
                Value::List(list) => list
                    .iter()
                    .filter_map(Value::as_message)
                    .for_each(|inner| self.message(inner)),
                Value::Map(map) => map
                    .values()
                    .filter_map(Value::as_message)
                    .for_each(|inner| self.message(inner)),
                Value::EnumNumber(number) if has_no_name(&field, *number) => {
                    self.count("a number without a name")
                }
                Value::F64(number) if number.is_nan() => self.count("not a number"),
                _ => {}
            }
        }
        if has_negative_zero(message) {
            self.count("-0.0");
        }
    }

    fn assert_varied(&self) {
        for label in ["list", "map", "oneof", "presence", "value"] {
            for kind in KINDS.iter().map(|kind| short_type(*kind)) {
                // A message has presence by itself.
                let expected = label != "value" || kind != "message";
                let what = format!("{label} of {kind}");
                assert!(!expected || self.seen.contains_key(&what), "no {what}");
            }
        }
        for label in ["list", "map", "oneof", "presence", "fixed"] {
            assert!(
                self.seen.contains_key(&format!("{label} of fixed")),
                "no {label} of fixed"
            );
        }
        for kind in NUMBERS.iter().map(|kind| short_type(*kind)) {
            assert!(
                self.seen.contains_key(&format!("fixed of {kind}")),
                "no fixed {kind}"
            );
        }
        for key in KEYS.iter().map(|key| short_type(*key)) {
            assert!(self.seen.contains_key(&format!("key {key}")), "no key {key}");
        }
        for what in [
            "a message that holds itself",
            "a number without a name",
            "not a number",
            "-0.0",
        ] {
            assert!(self.seen.contains_key(what), "no {what}");
        }
    }
}

fn has_no_name(field: &FieldDescriptor, number: i32) -> bool {
    field
        .kind()
        .as_enum()
        .is_some_and(|kind| kind.get_value(number).is_none())
}

fn short(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) if is_fixed(message) => "fixed".to_owned(),
        Kind::Message(_) => "message".to_owned(),
        Kind::Enum(_) => "enum".to_owned(),
        scalar => format!("{scalar:?}"),
    }
}

fn short_type(kind: Type) -> String {
    kind.as_str_name().trim_start_matches("TYPE_").to_lowercase()
}

const KINDS: &[Type] = &[
    Type::Uint32,
    Type::Uint64,
    Type::Int32,
    Type::Int64,
    Type::Sint32,
    Type::Sint64,
    Type::Fixed32,
    Type::Fixed64,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Float,
    Type::Double,
    Type::Bool,
    Type::String,
    Type::Bytes,
    Type::Enum,
    Type::Message,
];

const KEYS: &[Type] = &[
    Type::Uint32,
    Type::Uint64,
    Type::Int32,
    Type::Int64,
    Type::Sint32,
    Type::Sint64,
    Type::Fixed32,
    Type::Fixed64,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Bool,
    Type::String,
];

/// What a fixed message has, but for others.
const NUMBERS: &[Type] = KINDS.first_chunk::<12>().expect("it begins with these");

/// The names of the fixed messages say so.
fn is_fixed(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("t.Fixed")
}

/// The file that declares what a fixed message is.
fn built_in() -> DescriptorPool {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("i.proto"),
        "syntax = \"proto3\"; import \"crake/wire.proto\";",
    )
    .unwrap();
    let protos = Config::new().file("i.proto").include(folder.path()).load();
    protos.unwrap().pool().clone()
}

/// A file with a few messages, of which one stands within another, fixed ones, and enums; beside what is built in.
fn schema(random: &mut Random, mut pool: DescriptorPool) -> DescriptorPool {
    let count = 2 + random.below(4);
    let names: Vec<String> = (0..count)
        .map(|at| {
            if at == 1 {
                ".t.M0.M1".to_owned()
            } else {
                format!(".t.M{at}")
            }
        })
        .collect();
    let mut messages: Vec<DescriptorProto> = (0..count).map(|at| declaration(random, at, &names)).collect();
    let nested = messages.remove(1);
    messages[0].nested_type.push(nested);
    messages.extend((0..FIXED).map(|at| fixed(random, at)));
    let file = FileDescriptorProto {
        name: Some("t.proto".to_owned()),
        package: Some("t".to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: vec!["crake/wire.proto".to_owned()],
        message_type: messages,
        enum_type: vec![enumeration()],
        ..FileDescriptorProto::default()
    };
    pool.add_file_descriptor_proto(file).expect("the schema is sound");
    pool
}

fn enumeration() -> EnumDescriptorProto {
    let value = |(name, number): (&str, i32)| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..EnumValueDescriptorProto::default()
    };
    EnumDescriptorProto {
        name: Some("E".to_owned()),
        value: [("NONE", 0), ("ONE", 1), ("LESS", -5), ("MOST", i32::MAX)]
            .map(value)
            .into(),
        ..EnumDescriptorProto::default()
    }
}

/// A message with fields of any kind and label, numbered with gaps and in no order.
fn declaration(random: &mut Random, at: usize, names: &[String]) -> DescriptorProto {
    let mut message = DescriptorProto {
        name: Some(format!("M{at}")),
        ..DescriptorProto::default()
    };
    let oneofs = random.below(3);
    for oneof in 0..oneofs {
        message.oneof_decl.push(oneof_named(format!("which{oneof}")));
    }
    let mut number = 0;
    for index in 0..random.below(24) {
        number += 1 + if random.one_in(4) {
            random.below(40) as i32
        } else {
            0
        };
        let mut field = FieldDescriptorProto {
            name: Some(format!("f{index}")),
            number: Some(number),
            ..FieldDescriptorProto::default()
        };
        typed(&mut field, KINDS[random.below(KINDS.len())], random, names);
        match random.below(5) {
            0 => field.set_label(Label::Repeated),
            1 => map(&mut field, &mut message, random, &names[at]),
            2 if oneofs > 0 => field.oneof_index = Some(random.below(oneofs) as i32),
            3 => field.proto3_optional = Some(true),
            _ => {}
        }
        message.field.push(field);
    }
    finish_oneofs(&mut message);
    random.shuffle(&mut message.field);
    message
}

/// How many fixed messages a schema has. Each can have those before it within it.
const FIXED: usize = 4;

fn fixed_name(at: usize) -> String {
    format!(".t.Fixed{at}")
}

fn fixed(random: &mut Random, at: usize) -> DescriptorProto {
    let mut number = 0;
    let mut field = |index: usize| {
        number += 1 + random.below(3) as i32;
        let mut field = FieldDescriptorProto {
            name: Some(format!("f{index}")),
            number: Some(number),
            ..FieldDescriptorProto::default()
        };
        if at > 0 && random.one_in(4) {
            let within = random.below(at);
            field.set_type(Type::Message);
            field.type_name = Some(fixed_name(within));
        } else {
            field.set_type(NUMBERS[random.below(NUMBERS.len())]);
        }
        field.set_label(Label::Optional);
        field
    };
    let mut fields: Vec<FieldDescriptorProto> = (0..1 + at * 3).map(&mut field).collect();
    random.shuffle(&mut fields);
    let name = NamePart {
        name_part: "crake.fixed".to_owned(),
        is_extension: true,
    };
    let option = UninterpretedOption {
        name: vec![name],
        identifier_value: Some("true".to_owned()),
        ..UninterpretedOption::default()
    };
    DescriptorProto {
        name: Some(format!("Fixed{at}")),
        field: fields,
        options: Some(MessageOptions {
            uninterpreted_option: vec![option],
            ..MessageOptions::default()
        }),
        ..DescriptorProto::default()
    }
}

/// A oneof without members is none; an `optional` field has one of its own, behind the others.
fn finish_oneofs(message: &mut DescriptorProto) {
    let used: Vec<usize> = (0..message.oneof_decl.len())
        .filter(|at| {
            message
                .field
                .iter()
                .any(|field| field.oneof_index == Some(*at as i32))
        })
        .collect();
    message.oneof_decl = used.iter().map(|at| message.oneof_decl[*at].clone()).collect();
    for field in &mut message.field {
        if let Some(oneof) = field.oneof_index {
            field.oneof_index = used
                .iter()
                .position(|at| *at == oneof as usize)
                .map(|at| at as i32);
        }
        if field.proto3_optional() {
            field.oneof_index = Some(message.oneof_decl.len() as i32);
            message.oneof_decl.push(oneof_named(format!("_{}", field.name())));
        }
    }
}

fn oneof_named(name: String) -> OneofDescriptorProto {
    OneofDescriptorProto {
        name: Some(name),
        ..OneofDescriptorProto::default()
    }
}

fn typed(field: &mut FieldDescriptorProto, kind: Type, random: &mut Random, names: &[String]) {
    field.set_label(Label::Optional);
    field.set_type(kind);
    field.type_name = match kind {
        Type::Message if random.one_in(3) => Some(fixed_name(random.below(FIXED))),
        Type::Message => Some(names[random.below(names.len())].clone()),
        Type::Enum => Some(".t.E".to_owned()),
        _ => None,
    };
}

/// Makes a map of a field, whose type becomes that of the values.
fn map(
    field: &mut FieldDescriptorProto,
    message: &mut DescriptorProto,
    random: &mut Random,
    full_name: &str,
) {
    let digits = field.name().trim_start_matches('f').to_owned();
    let entry = format!("F{digits}Entry");
    let mut key = FieldDescriptorProto {
        name: Some("key".to_owned()),
        number: Some(1),
        ..FieldDescriptorProto::default()
    };
    typed(&mut key, KEYS[random.below(KEYS.len())], random, &[]);
    let value = FieldDescriptorProto {
        name: Some("value".to_owned()),
        number: Some(2),
        ..field.clone()
    };
    message.nested_type.push(DescriptorProto {
        name: Some(entry.clone()),
        field: vec![key, value],
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        }),
        ..DescriptorProto::default()
    });
    field.set_label(Label::Repeated);
    field.set_type(Type::Message);
    field.type_name = Some(format!("{full_name}.{entry}"));
}

/// A message whose fields are there or not, and have values at the edges of their types.
fn message(random: &mut Random, descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let holds_message = field.kind().as_message().is_some();
        // What lies in a fixed message is always there.
        let is_there = holds_message && is_fixed(descriptor);
        if !is_there && (depth >= 3 && holds_message || random.one_in(3)) {
            continue;
        }
        let value = field_value(random, &field, depth);
        message.set_field(&field, value);
    }
    message
}

fn field_value(random: &mut Random, field: &FieldDescriptor, depth: u32) -> Value {
    let count = if random.one_in(20) { 40 } else { random.below(4) };
    let count = if depth > 1 { count.min(2) } else { count };
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, kind) = (
                entry.map_entry_key_field().kind(),
                entry.map_entry_value_field().kind(),
            );
            let entries = (0..count).map(|_| (map_key(random, &key), value(random, &kind, depth)));
            Value::Map(entries.collect())
        }
        kind if field.is_list() => Value::List((0..count).map(|_| value(random, &kind, depth)).collect()),
        kind => value(random, &kind, depth),
    }
}

fn map_key(random: &mut Random, kind: &Kind) -> MapKey {
    value(random, kind, 0).into_map_key().expect("it is one of KEYS")
}

fn value(random: &mut Random, kind: &Kind, depth: u32) -> Value {
    match kind {
        Kind::Uint32 | Kind::Fixed32 => Value::U32(random.bits() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(random.bits()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(random.bits() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(random.bits() as i64),
        Kind::Float => Value::F32(random.float() as f32),
        Kind::Double => Value::F64(random.float()),
        Kind::Bool => Value::Bool(random.one_in(2)),
        Kind::String => Value::String(random.text()),
        Kind::Bytes => Value::Bytes(
            random
                .text()
                .into_bytes()
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
                .into(),
        ),
        Kind::Enum(_) => Value::EnumNumber([0, 1, -5, i32::MAX, 2, i32::MIN, 77][random.below(7)]),
        Kind::Message(inner) => Value::Message(message(random, inner, depth + 1)),
    }
}

/// Splitmix64: a fixed sequence, so a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Small ones, large ones, and those in between.
    fn bits(&mut self) -> u64 {
        match self.below(5) {
            0 => 0,
            1 => self.next() % 3,
            2 => u64::MAX,
            3 => 1 << self.below(64),
            _ => self.next(),
        }
    }

    fn float(&mut self) -> f64 {
        const EDGES: [f64; 8] = [
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            f64::MAX,
            0.1,
        ];
        if self.one_in(2) {
            EDGES[self.below(EDGES.len())]
        } else {
            f64::from_bits(self.next())
        }
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 6] = ['a', '\0', 'ü', '"', '\u{10ffff}', ' '];
        let len = if self.one_in(30) { 300 } else { self.below(6) };
        (0..len).map(|_| LETTERS[self.below(LETTERS.len())]).collect()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}
