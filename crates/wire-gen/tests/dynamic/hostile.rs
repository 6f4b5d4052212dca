//! No bytes make the reader panic, go on without end, or take memory out of proportion.

use crake_wire::Encode;
use crake_wire_gen::dynamic::{Malformed, decode, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::checks::{assert_agree, assert_harmless};
use crate::{from_json, message_of, pointer, protos, sample, words};

const ALL: &str = "import \"crake/wire.proto\"; enum E { A = 0; B = 1; }
message F { option (crake.fixed) = true; float x = 1; uint64 y = 2; }
message G { option (crake.fixed) = true; F f = 1; int32 z = 2; }
message M {
  map<string, M> nodes = 1; map<sint32, E> sides = 2; map<bool, bytes> blobs = 3; repeated M list = 4; M one = 5;
  oneof which { string text = 6; M other = 7; bool flag = 8; }
  repeated string texts = 9; repeated bool flags = 10; optional double number = 11; repeated N ns = 64;
  F fixed = 65; repeated G fixes = 66; map<string, F> places = 67;
}
message N { repeated N2 below = 1; uint32 number = 70; }
message N2 { repeated bytes parts = 1; map<uint32, string> names = 2; }";

thread_local! {
    static CIRCLE: MessageDescriptor = message_of(ALL);
    static EVERY: MessageDescriptor = protos("every").message("test.every.Every").expect("it is declared");
}

/// Where a frame is changed, and to what.
#[derive(Debug, Clone)]
enum Change {
    Byte(prop::sample::Index, u8),
    Half(prop::sample::Index, u32),
    Cut(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let index = any::<prop::sample::Index>;
    let change = prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (index(), prop_oneof![0..200_u32, Just(u32::MAX), any::<u32>()])
            .prop_map(|(at, half)| Change::Half(at, half)),
        index().prop_map(Change::Cut),
        (index(), index()).prop_map(|(from, to)| Change::Copy(from, to)),
    ];
    vec(change, 1..5)
}

fn change(frame: &mut Vec<u8>, changes: &[Change]) {
    for change in changes {
        let units = frame.len() / 8;
        if units == 0 {
            return;
        }
        match change {
            Change::Byte(at, byte) => {
                let at = at.index(frame.len());
                frame[at] = *byte;
            }
            Change::Half(at, half) => {
                let at = at.index(2 * units) * 4;
                frame[at..at + 4].copy_from_slice(&half.to_le_bytes());
            }
            Change::Cut(at) => frame.truncate(at.index(frame.len() + 1)),
            Change::Copy(from, to) => {
                let (from, to) = (from.index(units) * 8, to.index(units) * 8);
                frame.copy_within(from..from + 8, to);
            }
        }
    }
}

/// A message of the circle, `depth` deep at most.
fn circle(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"text": "t", "texts": ["a", ""], "flags": [true, false]}"#.to_owned()),
        Just(r#"{"fixed": {"x": 1}, "fixes": [{"f": {"y": "5"}, "z": -1}, {}], "places": {"": {}, "a": {"x": 2}}}"#.to_owned()),
        Just(r#"{"sides": {"-1": "B", "5": 77}, "blobs": {"true": "AAEC"}, "number": "NaN"}"#.to_owned()),
        Just(r#"{"flag": false, "ns": [{"below": [{"parts": ["AA==", ""], "names": {"1": "x"}}]}, {"number": 1}]}"#.to_owned()),
    ];
    leaf.prop_recursive(depth, 24, 3, |inner| {
        vec(inner, 3).prop_map(|inner| {
            format!(
                r#"{{"nodes": {{"n": {}}}, "list": [{}, {{}}], "one": {}, "other": {{}}}}"#,
                inner[0], inner[1], inner[2]
            )
        })
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_harmless(frame in vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..300)) {
        assert_harmless(&CIRCLE.with(Clone::clone), &frame);
        assert_harmless(&EVERY.with(Clone::clone), &frame);
    }

    #[test]
    fn changed_messages_are_harmless(message in sample::every(), changes in changes()) {
        let mut frame = message.encode_to_vec();
        change(&mut frame, &changes);
        assert_harmless(&EVERY.with(Clone::clone), &frame);
        assert_agree(&EVERY.with(Clone::clone), &frame);
    }

    #[test]
    fn changed_circles_are_harmless(json in circle(4), changes in changes()) {
        let descriptor = CIRCLE.with(Clone::clone);
        let message = from_json(&descriptor, &json);
        let mut frame = encode(&message).unwrap();
        prop_assert_eq!(encode(&decode(&descriptor, &frame).unwrap()).unwrap(), frame.clone());
        change(&mut frame, &changes);
        assert_harmless(&descriptor, &frame);
    }
}

/// n elements, each of which is the whole list of n elements of the level below.
#[test]
fn lists_that_overlap_do_not_multiply() {
    let descriptor = message_of(
        "message M { repeated A a = 1; }\nmessage A { repeated B b = 1; }\nmessage B { repeated C c = 1; }
        message C { repeated bool d = 1; }",
    );
    let count = 1000;
    // Heads of M, A, B and C, then one table of pointers for each level, and the bools.
    let table = |level: u32| 64 + (level - 1) * count * 8;
    let mut frame = Vec::new();
    for level in 1..=4 {
        frame.extend(words(&[1, pointer(count, table(level))]));
    }
    for level in 1..=3 {
        for _ in 0..count {
            frame.extend(words(&[pointer(16, level * 16)]));
        }
    }
    frame.extend(vec![1; count as usize]);
    let error = decode(&descriptor, &frame).unwrap_err();
    assert_eq!(error.reason(), Malformed::TooMuch);
    // Without the overlap it is a message like any other.
    assert!(decode(&descriptor, &words(&[1, pointer(1, 16), pointer(8, 24), 0])).is_ok());
}

#[test]
fn some_payload_may_be_shared() {
    let descriptor = message_of("message M { string a = 1; string b = 2; repeated string c = 3; }");
    let mut frame = words(&[
        0b111,
        pointer(3, 48),
        pointer(3, 48),
        pointer(2, 32),
        pointer(3, 48),
        pointer(2, 49),
    ]);
    frame.extend(b"abc");
    let message = decode(&descriptor, &frame).unwrap();
    assert_eq!(
        message,
        from_json(&descriptor, r#"{"a": "abc", "b": "abc", "c": ["abc", "bc"]}"#)
    );
}

#[test]
fn a_bitmap_without_end_is_refused() {
    for descriptor in [&CIRCLE, &EVERY].map(|descriptor| descriptor.with(Clone::clone)) {
        assert!(decode(&descriptor, &vec![0xff; 64 * 1024]).is_err());
        let mut words = [0, 0, 0, 0, 0, 0, 0, 0x80].repeat(8 * 1024);
        *words.last_mut().unwrap() = 0;
        assert_eq!(
            decode(&descriptor, &words).unwrap(),
            DynamicMessage::new(descriptor)
        );
    }
}
