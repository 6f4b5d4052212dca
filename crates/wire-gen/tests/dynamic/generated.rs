//! What generated code writes is read, and is written again byte for byte.

use bumpalo::Bump;
use crake_wire::Encode;
use crake_wire_gen::dynamic::{decode, encode};
use proptest::prelude::*;
use prost_reflect::{ReflectMessage, Value};

use crate::every::{Colour, Every, EveryView, Flat, Many, One, Shapes};
use crate::{from_json, protos, read, sample};

thread_local! {
    static EVERY: prost_reflect::MessageDescriptor =
        protos("every").message("test.every.Every").expect("it is declared");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Maps are sorted and have each key once when they come back, so it is generated code that writes the same again.
    #[test]
    fn what_generated_code_writes_comes_back(message in sample::every()) {
        let descriptor = EVERY.with(Clone::clone);
        let read = decode(&descriptor, &message.encode_to_vec()).unwrap();
        let frame = encode(&read).unwrap();
        let arena = Bump::new();
        let generated = read::every(&EveryView::parse(&frame).unwrap(), &arena).unwrap();
        prop_assert_eq!(&generated.encode_to_vec(), &frame);
        prop_assert_eq!(encode(&decode(&descriptor, &frame).unwrap()).unwrap(), frame);
    }

    #[test]
    fn what_has_no_maps_is_the_same_bytes(message in sample::every()) {
        let Every { one, maybe, many, sparse, empty, choices, shapes, .. } = message;
        let shapes = shapes.map(|shapes| Shapes { named: &[], by_number: &[], ..shapes });
        let message = Every { one, maybe, many, sparse, empty, choices, shapes, ..Every::default() };
        let frame = message.encode_to_vec();
        prop_assert_eq!(encode(&decode(&EVERY.with(Clone::clone), &frame).unwrap()).unwrap(), frame);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// A frame that was cut never reads as whole: everything in it is looked at.
    #[test]
    fn a_cut_frame_is_refused(message in sample::every()) {
        let frame = message.encode_to_vec();
        for len in 0..frame.len() {
            prop_assert!(decode(&EVERY.with(Clone::clone), &frame[..len]).is_err(), "cut to {}", len);
        }
    }
}

/// Bytes alone could agree by leaving out the same things on both ways.
#[test]
fn values_are_those_that_generated_code_was_given() {
    let many = Many {
        signed32: &[-1, 2],
        flag: &[true, false],
        text: &["a", ""],
        ..Many::default()
    };
    let one = One {
        unsigned64: u64::MAX,
        zigzag32: -5,
        single: f32::from_bits(0x7fa0_1234),
        twice: -0.0,
        colour: Colour::DeepGreen,
        data: b"\0\xff",
        ..One::default()
    };
    let frame = Every {
        one: Some(one),
        many: Some(many),
        ..Every::default()
    }
    .encode_to_vec();
    let read = decode(&EVERY.with(Clone::clone), &frame).unwrap();
    let field = |message: &str, field: &str| {
        let message = read.get_field_by_name(message).unwrap();
        message
            .as_message()
            .unwrap()
            .get_field_by_name(field)
            .unwrap()
            .into_owned()
    };
    assert_eq!(field("one", "unsigned64"), Value::U64(u64::MAX));
    assert_eq!(field("one", "zigzag32"), Value::I32(-5));
    assert_eq!(field("one", "single").as_f32().unwrap().to_bits(), 0x7fa0_1234);
    assert_eq!(field("one", "twice").as_f64().unwrap().to_bits(), 1 << 63);
    assert_eq!(field("one", "colour"), Value::EnumNumber(-7));
    assert_eq!(field("one", "data"), Value::Bytes(b"\0\xff".as_slice().into()));
    assert_eq!(
        field("many", "signed32"),
        Value::List(vec![Value::I32(-1), Value::I32(2)])
    );
    assert_eq!(
        field("many", "flag"),
        Value::List(vec![Value::Bool(true), Value::Bool(false)])
    );
    let texts = ["a", ""].map(|text| Value::String(text.to_owned()));
    assert_eq!(field("many", "text"), Value::List(texts.into()));
    assert!(!read.has_field_by_name("maybe"));
}

/// A schema of many words, of which some say nothing.
#[test]
fn json_to_the_bytes_of_generated_code() {
    let flat = protos("every").message("test.every.Flat").unwrap();
    let json = r#"{"first": 7, "flag": true, "colour": "BLUE", "signed": -1, "twice": "NaN", "last": "66"}"#;
    let message = from_json(&flat, json);
    let generated = Flat {
        first: 7,
        flag: true,
        colour: Colour::Blue,
        signed: -1,
        twice: f64::NAN,
        last: 66,
    };
    assert_eq!(encode(&message).unwrap(), generated.encode_to_vec());
    assert_eq!(message.descriptor().full_name(), "test.every.Flat");
}
