//! Fields of which at most one is there.

use crake_wire::{Encode, WireError};

use crate::every::{
    Choice, ChoiceBody, ChoiceBodyView, ChoiceType, ChoiceTypeView, ChoiceView, Colour, Empty, One,
};

fn body(frame: &[u8]) -> Result<Option<ChoiceBodyView<'_>>, WireError> {
    ChoiceView::parse(frame)?.body()
}

#[test]
fn a_member_that_is_set_is_there_even_with_its_default() {
    let none = Choice::default();
    assert_eq!(none.encode_to_vec(), [0; 8]);
    assert!(body(&none.encode_to_vec()).unwrap().is_none());
    let zero = Choice {
        body: Some(ChoiceBody::Unsigned32(0)),
        ..none
    };
    assert_eq!(zero.encoded_len(), 16);
    assert!(matches!(
        body(&zero.encode_to_vec()),
        Ok(Some(ChoiceBodyView::Unsigned32(0)))
    ));
    let empty = Choice {
        body: Some(ChoiceBody::Text("")),
        ..none
    };
    assert_eq!(empty.encoded_len(), 16);
    assert!(matches!(
        body(&empty.encode_to_vec()),
        Ok(Some(ChoiceBodyView::Text("")))
    ));
    let message = Choice {
        body: Some(ChoiceBody::Self_(Empty {})),
        ..none
    };
    assert_eq!(message.encoded_len(), 2 * 8 + 8 + 8);
    assert!(matches!(
        body(&message.encode_to_vec()),
        Ok(Some(ChoiceBodyView::Self_(_)))
    ));
}

/// Members stand between other fields by their numbers.
#[test]
fn members_lie_in_the_order_of_their_numbers() {
    let message = Choice {
        before: 1,
        body: Some(ChoiceBody::Data(b"DATA")),
        between: "between",
        r#type: Some(ChoiceType::SoMany(-1)),
        after: Some(0),
    };
    let frame = message.encode_to_vec();
    assert_eq!(frame.len(), 8 + 5 * 8 + 7 + 4);
    assert_eq!(&frame[48..], b"betweenDATA");
    let view = ChoiceView::parse(&frame).unwrap();
    assert!(matches!(view.body(), Ok(Some(ChoiceBodyView::Data(b"DATA")))));
    assert!(matches!(view.r#type(), Ok(Some(ChoiceTypeView::SoMany(-1)))));
    assert_eq!(
        (view.before(), view.between(), view.after()),
        (1, Ok("between"), Some(0))
    );
    assert_eq!(
        format!("{view:?}"),
        "ChoiceView { before: 1, body: Ok(Some(Data([68, 65, 84, 65]))), between: Ok(\"between\"), \
         type: Ok(Some(SoMany(-1))), after: Some(0) }"
    );
}

/// No writer sets two; of a frame that has them every reader takes the same one.
#[test]
fn of_several_members_the_one_with_the_lowest_number_counts() {
    let number = Choice {
        body: Some(ChoiceBody::Signed32(-5)),
        ..Choice::default()
    }
    .encode_to_vec();
    let text = Choice {
        body: Some(ChoiceBody::Colour(Colour::Red)),
        ..Choice::default()
    }
    .encode_to_vec();
    let bitmap = u64::from_le_bytes(number[..8].try_into().unwrap())
        | u64::from_le_bytes(text[..8].try_into().unwrap());
    let both = [&bitmap.to_le_bytes(), &number[8..], &text[8..]].concat();
    assert!(matches!(body(&both), Ok(Some(ChoiceBodyView::Signed32(-5)))));
}

#[test]
fn a_member_that_cannot_be_read_is_an_error_of_its_oneof_alone() {
    let mut frame = Choice {
        body: Some(ChoiceBody::Flag(true)),
        r#type: Some(ChoiceType::Yes(true)),
        ..Choice::default()
    }
    .encode_to_vec();
    frame[8] = 2;
    let view = ChoiceView::parse(&frame).unwrap();
    assert!(matches!(view.body(), Err(WireError::NotBool)));
    assert!(matches!(view.r#type(), Ok(Some(ChoiceTypeView::Yes(true)))));
}

/// On the wire a member is an `optional` field.
#[test]
fn a_member_reads_as_a_field_of_its_own_and_back() {
    let frame = Choice {
        body: Some(ChoiceBody::Signed64(-9)),
        ..Choice::default()
    }
    .encode_to_vec();
    assert_eq!(
        frame,
        One {
            zigzag32: -9,
            ..One::default()
        }
        .encode_to_vec()
    );
}
