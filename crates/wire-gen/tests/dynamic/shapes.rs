//! Maps, oneofs, circles, unknown fields and numbers: golden bytes, and what a reader makes of others.

use crake_wire::{NESTING_MAX, WireError};
use crake_wire_gen::dynamic::{DEPTH_MAX, Malformed, Unwritable, decode, encode};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

use crate::{from_json, message_of, pointer, protos, words};

#[track_caller]
fn assert_malformed(descriptor: &MessageDescriptor, frame: &[u8], path: &str, reason: Malformed) {
    let error = decode(descriptor, frame).unwrap_err();
    assert_eq!((error.path().as_str(), error.reason()), (path, reason));
}

#[test]
fn a_map_is_a_table_of_two_slots_each_in_the_order_of_the_keys() {
    let descriptor = message_of("message M { map<string, uint32> sizes = 3; }");
    let message = from_json(&descriptor, r#"{"sizes": {"b": 2, "aa": 0}}"#);
    let mut expected = words(&[1 << 2, pointer(2, 16), pointer(2, 48), 0, pointer(1, 50), 2]);
    expected.extend(b"aab");
    let frame = encode(&message).unwrap();
    assert_eq!(frame, expected);
    assert_eq!(decode(&descriptor, &frame).unwrap(), message);
}

#[test]
fn payload_of_an_entry_is_its_keys_and_then_its_values() {
    let descriptor = message_of("message M { map<string, bytes> m = 1; }");
    let message = from_json(&descriptor, r#"{"m": {"k": "/w==", "l": "AAA="}}"#);
    let mut expected = words(&[
        1,
        pointer(2, 16),
        pointer(1, 48),
        pointer(1, 49),
        pointer(1, 50),
        pointer(2, 51),
    ]);
    expected.extend(b"k\xffl\0\0");
    assert_eq!(encode(&message).unwrap(), expected);
}

/// What is empty is a slot of zeros; a message is written.
#[test]
fn what_is_empty_in_an_entry() {
    let descriptor =
        message_of("message N {}\nmessage M { map<string, bytes> b = 1; map<string, N> n = 2; }");
    let message = from_json(&descriptor, r#"{"b": {"": ""}, "n": {"": {}}}"#);
    let expected = words(&[0b11, pointer(1, 24), pointer(1, 40), 0, 0, 0, pointer(8, 56), 0]);
    let frame = encode(&message).unwrap();
    assert_eq!(frame, expected);
    assert_eq!(decode(&descriptor, &frame).unwrap(), message);
}

#[test]
fn numbers_as_keys_are_in_the_order_of_numbers() {
    let descriptor = message_of("message M { map<sint64, bool> m = 1; }");
    let message = from_json(&descriptor, r#"{"m": {"10": true, "9": true, "-1": false}}"#);
    let frame = encode(&message).unwrap();
    assert_eq!(frame, words(&[1, pointer(3, 16), u64::MAX, 0, 9, 1, 10, 1]));
}

#[test]
fn a_message_that_is_a_slot_of_zeros_is_an_empty_value() {
    let descriptor = message_of("message N { uint32 a = 1; }\nmessage M { map<uint32, N> m = 1; }");
    let message = decode(&descriptor, &words(&[1, pointer(1, 16), 7, 0])).unwrap();
    assert_eq!(message, from_json(&descriptor, r#"{"m": {"7": {}}}"#));
}

#[test]
fn of_equal_keys_the_last_counts() {
    let descriptor = message_of("message M { map<uint32, uint32> m = 1; }");
    let message = decode(&descriptor, &words(&[1, pointer(2, 16), 7, 1, 7, 2])).unwrap();
    assert_eq!(message, from_json(&descriptor, r#"{"m": {"7": 2}}"#));
}

#[test]
fn of_several_members_of_a_oneof_the_lowest_counts() {
    let descriptor = message_of("message M { oneof which { uint32 b = 5; string a = 2; bool c = 6; } }");
    // The members above are not even looked at: this bool is none.
    let frame = words(&[1 << 1 | 1 << 4 | 1 << 5, pointer(0, 0), 9, 2]);
    assert_eq!(
        decode(&descriptor, &frame).unwrap(),
        from_json(&descriptor, r#"{"a": ""}"#)
    );
    let zero = from_json(&descriptor, r#"{"b": 0}"#);
    assert_eq!(encode(&zero).unwrap(), words(&[1 << 4, 0]));
    assert_eq!(decode(&descriptor, &words(&[1 << 4, 0])).unwrap(), zero);
}

#[test]
fn a_number_that_an_enum_does_not_name_is_kept() {
    let descriptor = message_of("enum E { A = 0; B = 1; }\nmessage M { E e = 1; repeated E list = 2; }");
    let message = from_json(&descriptor, r#"{"e": -7, "list": [1, 99]}"#);
    let frame = encode(&message).unwrap();
    let read = decode(&descriptor, &frame).unwrap();
    assert_eq!(read, message);
    let json = serde_json::to_value(&read).unwrap();
    assert_eq!(json, serde_json::json!({"e": -7, "list": ["B", 99]}));
}

#[test]
fn what_the_type_does_not_know_is_passed_over() {
    let new = protos("new").message("test.new.Record").unwrap();
    let old = protos("old").message("test.old.Record").unwrap();
    let message = from_json(
        &new,
        r#"{"kind": "log", "id": 7, "size": 4096, "marks": [1], "note": "far up"}"#,
    );
    let read = decode(&old, &encode(&message).unwrap()).unwrap();
    assert_eq!(read, from_json(&old, r#"{"id": 7, "size": 4096}"#));
}

#[test]
fn a_default_that_is_there_reads_as_if_it_were_not() {
    let descriptor =
        message_of("message M { uint32 a = 1; optional uint32 b = 2; string c = 3; repeated bool d = 4; }");
    let frame = words(&[0b1111 | 1 << 63, 0, 0, 0, pointer(0, 4), pointer(0, 48)]);
    let message = decode(&descriptor, &frame).unwrap();
    assert_eq!(encode(&message).unwrap(), words(&[0b10, 0]));
}

#[test]
fn negative_zero_is_there_and_zero_is_not() {
    let descriptor = message_of("message M { float a = 1; double b = 2; }");
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field_by_name("a", Value::F32(-0.0));
    message.set_field_by_name("b", Value::F64(0.0));
    let frame = encode(&message).unwrap();
    assert_eq!(frame, words(&[1, 1 << 31]));
    let read = decode(&descriptor, &frame).unwrap();
    assert_eq!(encode(&read).unwrap(), frame);
}

#[test]
fn errors_name_the_field() {
    let descriptor = protos("example").message("example.LookupReply").unwrap();
    let json = r#"{"blocks": [{"offset": 1}, {"handle": "qrvM3Q=="}], "hosts": ["a", "b2"]}"#;
    let whole = encode(&from_json(&descriptor, json)).unwrap();
    assert_malformed(
        &descriptor,
        &whole[..whole.len() - 1],
        "hosts[1]",
        WireError::OutOfFrame.into(),
    );
    let handle = whole
        .windows(4)
        .position(|bytes| bytes == [0xaa, 0xbb, 0xcc, 0xdd])
        .unwrap();
    let mut wrong = whole.clone();
    // The size of the handle, in the slot before it.
    wrong[handle - 8] = 0xff;
    let error = decode(&descriptor, &wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "blocks[1].handle: a field points beyond the end of the frame"
    );
    assert_malformed(&descriptor, &[], "", WireError::Truncated.into());

    let descriptor = message_of(
        "message N { bool b = 1; string s = 2; }\nmessage M { map<string, N> m = 1; repeated bool l = 2; }",
    );
    let mut frame = encode(&from_json(&descriptor, r#"{"m": {"key": {"b": true}}}"#)).unwrap();
    let last = frame.len() - 8;
    frame[last] = 2;
    assert_malformed(&descriptor, &frame, "m[\"key\"].b", WireError::NotBool.into());
    let mut frame = encode(&from_json(&descriptor, r#"{"m": {"key": {"s": "x"}}}"#)).unwrap();
    *frame.last_mut().unwrap() = 0xff;
    assert_malformed(&descriptor, &frame, "m[\"key\"].s", WireError::NotUtf8.into());
    let mut frame = encode(&from_json(&descriptor, r#"{"l": [true, true]}"#)).unwrap();
    *frame.last_mut().unwrap() = 3;
    assert_malformed(&descriptor, &frame, "l[1]", WireError::NotBool.into());
}

const NODE: &str =
    "message M { M left = 1; string name = 2; repeated M list = 3; map<string, M> map = 4; Leaf leaf = 5; }
message Leaf { uint32 number = 1; string text = 2; }";

#[test]
fn a_message_that_contains_itself_comes_back() {
    let descriptor = message_of(NODE);
    let json = r#"{"left": {"name": "l", "list": [{"name": "l0"}, {}, {"left": {}}]},
        "name": "root", "list": [{"map": {"a": {}, "b": {"name": "b"}}}], "leaf": {"number": 1}}"#;
    let message = from_json(&descriptor, json);
    assert_eq!(decode(&descriptor, &encode(&message).unwrap()).unwrap(), message);
}

#[test]
fn messages_of_a_circle_must_lie_within_each_other_and_in_order() {
    let descriptor = message_of(NODE);
    // Itself.
    assert_malformed(
        &descriptor,
        &words(&[1, pointer(16, 0)]),
        "left",
        WireError::NotNested.into(),
    );
    // Its own slots.
    assert_malformed(
        &descriptor,
        &words(&[1, pointer(8, 8)]),
        "left",
        WireError::NotNested.into(),
    );
    // Two elements in one place.
    let twice = words(&[0b100, pointer(2, 16), pointer(8, 32), pointer(8, 32), 0]);
    assert_malformed(&descriptor, &twice, "list[1]", WireError::NotNested.into());
    // In the wrong order.
    let swapped = words(&[0b100, pointer(2, 16), pointer(8, 40), pointer(8, 32), 0, 0]);
    assert_malformed(&descriptor, &swapped, "list[1]", WireError::NotNested.into());
    // Behind the message that points at it.
    let outside = words(&[1, pointer(16, 16), 1, pointer(8, 32), 0]);
    assert_malformed(&descriptor, &outside, "left.left", WireError::NotNested.into());
    let inside = words(&[1, pointer(24, 16), 1, pointer(8, 32), 0]);
    assert!(decode(&descriptor, &inside).is_ok());
    // A later field that goes back to what an earlier one has.
    let back = words(&[0b101, pointer(8, 32), pointer(1, 24), 0, 0]);
    assert_malformed(&descriptor, &back, "list", WireError::NotNested.into());
    // A name in the slots, a leaf behind its message: they are of no circle themselves.
    let name = words(&[0b10, pointer(3, 8)]);
    assert_malformed(&descriptor, &name, "name", WireError::NotNested.into());
    let leaf = words(&[1, pointer(16, 16), 0b1_0000, pointer(8, 32), 0]);
    assert_malformed(&descriptor, &leaf, "left.leaf", WireError::NotNested.into());
    // What a leaf points at may lie anywhere, the fields of a message of no circle likewise.
    let within = words(&[0b1_0000, pointer(16, 16), 0b10, pointer(8, 8)]);
    assert!(decode(&descriptor, &within).is_ok());
    let around = message_of(&NODE.replace("M", "N").replacen(
        "message N",
        "message M { N n = 1; string s = 2; }\nmessage N",
        1,
    ));
    let anywhere = words(&[0b11, pointer(8, 24), pointer(8, 0), 0]);
    assert!(decode(&around, &anywhere).is_ok());
}

/// Of several members of a oneof one is read; all have their place.
#[test]
fn members_that_do_not_count_are_held_to_the_order_too() {
    let descriptor = message_of("message M { oneof which { M a = 1; string b = 2; uint32 c = 3; } }");
    let apart = words(&[0b111, pointer(8, 32), pointer(1, 40), 9, 0, 0]);
    assert!(decode(&descriptor, &apart).is_ok());
    let over = words(&[0b111, pointer(8, 32), pointer(1, 32), 9, 0, 0]);
    assert_malformed(&descriptor, &over, "b", WireError::NotNested.into());
}

#[test]
fn no_deeper_than_the_limit() {
    let descriptor = message_of(NODE);
    let nested = |depth: usize| {
        (1..depth).fold(DynamicMessage::new(descriptor.clone()), |inner, _| {
            let mut outer = DynamicMessage::new(descriptor.clone());
            outer.set_field_by_name("left", Value::Message(inner));
            outer
        })
    };
    let deepest = nested(NESTING_MAX as usize + 1);
    let frame = encode(&deepest).unwrap();
    assert_eq!(decode(&descriptor, &frame).unwrap(), deepest);
    assert_eq!(
        encode(&nested(NESTING_MAX as usize + 2)).unwrap_err().reason(),
        Unwritable::TooDeep
    );
    // One more around it, by hand.
    let mut deeper = words(&[1, pointer(frame.len() as u32, 16)]);
    deeper.extend(&frame);
    for at in (16..deeper.len() - 8).step_by(16) {
        // The pointers within move with what they point at.
        let offset = u32::from_le_bytes(deeper[at + 12..at + 16].try_into().unwrap()) + 16;
        deeper[at + 12..at + 16].copy_from_slice(&offset.to_le_bytes());
    }
    let error = decode(&descriptor, &deeper).unwrap_err();
    assert_eq!(error.reason(), WireError::TooDeep.into());
    assert_eq!(error.path().split('.').count(), NESTING_MAX as usize + 1);
}

/// Each circle has levels of its own, and all of them together an end.
#[test]
fn circles_within_circles() {
    let circles: String = (0..4)
        .map(|at| format!("message C{at} {{ C{at} same = 1; C{} next = 2; }}\n", at + 1))
        .collect();
    let descriptor = message_of(&format!(
        "message M {{ C0 next = 2; }}\n{circles}message C4 {{ C4 same = 1; }}"
    ));
    let json = |levels: usize, circles: usize| {
        let own = format!("{}{{}}{}", "{\"same\":".repeat(levels), "}".repeat(levels));
        (1..circles).fold(own, |inner, _| {
            format!(
                "{}{{\"next\":{inner}}}{}",
                "{\"same\":".repeat(levels),
                "}".repeat(levels)
            )
        })
    };
    let message = |levels: usize, circles: usize| {
        let text = format!("{{\"next\":{}}}", json(levels, circles));
        let mut parser = serde_json::Deserializer::from_str(&text);
        parser.disable_recursion_limit();
        DynamicMessage::deserialize(descriptor.clone(), &mut parser).unwrap()
    };
    // 1 and 5 times 51.
    let deepest = message(50, 5);
    assert_eq!(1 + 5 * 51, DEPTH_MAX);
    let frame = encode(&deepest).unwrap();
    assert_eq!(encode(&decode(&descriptor, &frame).unwrap()).unwrap(), frame);
    assert_eq!(encode(&message(51, 5)).unwrap_err().reason(), Unwritable::TooDeep);
    assert!(encode(&message(NESTING_MAX as usize, 2)).is_ok());
    assert_eq!(
        encode(&message(NESTING_MAX as usize + 1, 1))
            .unwrap_err()
            .reason(),
        Unwritable::TooDeep
    );
}

#[test]
fn what_cannot_lie_in_bytes_is_refused() {
    let descriptor = message_of("message M { uint32 far = 2000; uint32 near = 1; }");
    let error = encode(&from_json(&descriptor, r#"{"far": 1}"#)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "far: messages of this type are not carried: its number is higher than a bitmap reaches"
    );
    assert!(encode(&from_json(&descriptor, r#"{"near": 1}"#)).is_ok());

    let descriptor = message_of(
        "import \"google/protobuf/descriptor.proto\"; message M { google.protobuf.FileOptions o = 1; }",
    );
    let proto2 = from_json(&descriptor, r#"{"o": {"javaPackage": "a"}}"#);
    assert_eq!(
        encode(&proto2).unwrap_err().to_string(),
        "o: messages of this type are not carried: its file is not proto3"
    );
    let frame = words(&[1, pointer(8, 16), 0]);
    assert_malformed(
        &descriptor,
        &frame,
        "o",
        Malformed::Unsupported("its file is not proto3"),
    );
}

/// What well-known types have in JSON is not their fields; in bytes it is.
#[test]
fn well_known_types_are_messages_like_any_other() {
    let descriptor = message_of(
        "import \"google/protobuf/timestamp.proto\"; import \"google/protobuf/struct.proto\"; import \"google/protobuf/wrappers.proto\";
        message M { google.protobuf.Timestamp at = 1; google.protobuf.Struct any = 2; google.protobuf.UInt64Value n = 3; }",
    );
    let json = r#"{"at": "1970-01-01T00:00:07.000000005Z", "any": {"a": [1.5, null, {"b": "c"}], "d": true}, "n": "18446744073709551615"}"#;
    let message = from_json(&descriptor, json);
    let frame = encode(&message).unwrap();
    assert_eq!(decode(&descriptor, &frame).unwrap(), message);
    let Some(Kind::Message(timestamp)) = descriptor.get_field(1).map(|field| field.kind()) else {
        panic!("a message")
    };
    let at = message.get_field_by_name("at").unwrap();
    assert_eq!(encode(at.as_message().unwrap()).unwrap(), words(&[0b11, 7, 5]));
    assert_eq!(timestamp.full_name(), "google.protobuf.Timestamp");
}

const FIXED: &str = "import \"crake/wire.proto\";
message F { option (crake.fixed) = true; float x = 2; uint32 id = 1; }
message G { option (crake.fixed) = true; F f = 1; sint64 n = 2; }
message M { F one = 1; repeated G list = 2; map<uint32, F> map = 3; oneof which { G g = 4; bool b = 5; } M next = 6; }";

#[test]
fn a_fixed_message_is_its_numbers() {
    let descriptor = message_of(FIXED);
    let json = r#"{"one": {"id": 7}, "list": [{"f": {"id": 8, "x": 1.0}, "n": "-1"}, {"f": {}}],
        "map": {"9": {"x": -2.0}}, "g": {"f": {}, "n": "5"}}"#;
    let message = from_json(&descriptor, json);
    let expected = words(&[
        0b1111,
        pointer(8, 40),
        pointer(2, 48),
        pointer(1, 80),
        pointer(16, 104),
        7,
        8 | 0x3f80_0000 << 32,
        u64::MAX,
        0,
        0,
        9,
        pointer(8, 96),
        0xc000_0000 << 32,
        0,
        5,
    ]);
    let frame = encode(&message).unwrap();
    assert_eq!(frame, expected);
    let read = decode(&descriptor, &frame).unwrap();
    assert_eq!(read, message);
    assert_eq!(encode(&read).unwrap(), frame);
    // What lies in a fixed message is there, whether it was set or not.
    let unset = from_json(&descriptor, r#"{"g": {"n": "5"}}"#);
    let set = from_json(&descriptor, r#"{"g": {"f": {}, "n": "5"}}"#);
    assert_eq!(decode(&descriptor, &encode(&unset).unwrap()).unwrap(), set);
}

#[test]
fn fixed_messages_of_another_size_or_place() {
    let descriptor = message_of(FIXED);
    let wrong = WireError::WrongSize.into();
    assert_malformed(&descriptor, &words(&[1, pointer(4, 16), 0]), "one", wrong);
    assert_malformed(&descriptor, &words(&[1, pointer(0, 16), 0]), "one", wrong);
    assert_malformed(
        &descriptor,
        &words(&[1, pointer(8, 17), 0]),
        "one",
        WireError::OutOfFrame.into(),
    );
    assert_malformed(
        &descriptor,
        &words(&[2, pointer(2, 16), 0, 0, 0]),
        "list",
        WireError::OutOfFrame.into(),
    );
    assert_malformed(
        &descriptor,
        &words(&[4, pointer(1, 16), 7, pointer(7, 32), 0]),
        "map[7]",
        wrong,
    );
    let zeros = decode(&descriptor, &words(&[4, pointer(1, 16), 7, 0])).unwrap();
    assert_eq!(zeros, from_json(&descriptor, r#"{"map": {"7": {}}}"#));
    // M is of a circle: its own slots are not free, and nothing lies there twice.
    assert_malformed(
        &descriptor,
        &words(&[1, pointer(8, 8)]),
        "one",
        WireError::NotNested.into(),
    );
    let twice = words(&[0b11, pointer(8, 24), pointer(1, 24), 0, 0]);
    assert_malformed(&descriptor, &twice, "list", WireError::NotNested.into());
    assert!(
        decode(
            &descriptor,
            &words(&[0b11, pointer(8, 24), pointer(1, 32), 0, 0, 0])
        )
        .is_ok()
    );
}

#[test]
fn fixed_messages_that_cannot_be() {
    let outermost = message_of(
        &FIXED
            .replace("message M", "message Other")
            .replace("M next", "Other next")
            .replace("message G", "message M")
            .replace("G ", "M "),
    );
    let reason = decode(&outermost, &[0; 16]).unwrap_err().reason();
    assert_eq!(
        reason,
        Malformed::Unsupported("it is fixed, and lies in another message only")
    );
    let reason = encode(&DynamicMessage::new(outermost)).unwrap_err().reason();
    assert_eq!(
        reason,
        Unwritable::Unsupported("it is fixed, and lies in another message only")
    );
    // Descriptors are not looked at by the compiler.
    let wrong = message_of(&FIXED.replace("float x = 2;", "string x = 2;"));
    let is_unsupported =
        |reason| matches!(reason, Malformed::Unsupported(why) if why.contains("no strings or bytes"));
    let error = decode(&wrong, &words(&[1, pointer(8, 16), 0])).unwrap_err();
    assert!(error.path() == "one" && is_unsupported(error.reason()), "{error}");
    assert!(encode(&from_json(&wrong, r#"{"list": [{}]}"#)).is_err());
}

/// An entry of 16 bytes stands for a large message, as often as it likes: nothing of that is made.
#[test]
fn slots_of_zeros_do_not_multiply() {
    let large: String = (1..1000).map(|at| format!("double d{at} = {at}; ")).collect();
    let descriptor = message_of(&format!(
        "import \"crake/wire.proto\"; message F {{ option (crake.fixed) = true; {large} }} message M {{ map<uint32, F> m = 1; }}"
    ));
    let mut frame = words(&[1, pointer(2000, 16)]);
    frame.extend((0..2000).flat_map(|key| words(&[key, 0])));
    let message = decode(&descriptor, &frame).unwrap();
    let map = message.get_field_by_name("m").unwrap();
    let fields = map
        .as_map()
        .unwrap()
        .values()
        .map(|value| value.as_message().unwrap().fields().count());
    assert_eq!((map.as_map().unwrap().len(), fields.sum::<usize>()), (2000, 0));
    // Written out once, it is read only so often.
    let mut frame = words(&[1, pointer(2000, 16)]);
    frame.extend((0..2000).flat_map(|key| words(&[key, pointer(999 * 8, 16)])));
    assert_eq!(
        decode(&descriptor, &frame).unwrap_err().reason(),
        Malformed::TooMuch
    );
}
