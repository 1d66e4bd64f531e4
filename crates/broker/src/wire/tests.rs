//! Headers go there and back; what cannot be sent is refused before it is sent.

use proptest::prelude::*;

use super::*;

const FRAME_MAX: u32 = 131_072;

fn with_header(name: &str, value: Value) -> Message {
    let mut message = Message::default();
    message.properties.message_id = Some("m1".to_owned());
    message.headers.set(name, value);
    message
}

fn round_trip(message: &Message) -> Message {
    let properties = properties(message, FRAME_MAX).unwrap();
    super::message(&properties, message.body.to_vec())
}

#[test]
fn all_properties_survive() {
    let mut message = with_header("tenant", Value::from("t1"));
    message.properties = Properties {
        message_id: Some("m1".to_owned()),
        content_type: Some("text/plain".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        timestamp: Some(1_700_000_000),
        kind: Some("order".to_owned()),
        app_id: Some("shop".to_owned()),
        priority: Some(7),
        correlation_id: Some("c1".to_owned()),
        reply_to: Some("r1".to_owned()),
    };
    message.body = Bytes::from_static(b"\x00\xff");
    assert_eq!(round_trip(&message), message);
}

#[test]
fn integers_of_every_width_are_read() {
    for value in [
        AMQPValue::ShortShortInt(7),
        AMQPValue::ShortShortUInt(7),
        AMQPValue::ShortInt(7),
        AMQPValue::ShortUInt(7),
        AMQPValue::LongInt(7),
        AMQPValue::LongUInt(7),
        AMQPValue::LongLongInt(7),
    ] {
        assert_eq!(from_amqp(&value, 0), Value::Int(7), "{value:?}");
    }
}

#[test]
fn a_text_that_is_not_utf8_is_bytes() {
    let value = AMQPValue::LongString(vec![0xff, 0xfe].into());
    assert_eq!(from_amqp(&value, 0), Value::Bytes(vec![0xff, 0xfe]));
}

#[test]
fn what_nests_too_deep_is_left_out() {
    let mut value = AMQPValue::LongLongInt(1);
    for _ in 0..1_000 {
        value = AMQPValue::FieldArray(vec![value].into());
    }
    let mut read = &from_amqp(&value, 0);
    let mut depth = 0;
    while let Value::List(values) = read {
        read = &values[0];
        depth += 1;
    }
    assert_eq!((depth, read), (DEPTH_MAX, &Value::Void));
}

#[test]
fn names_and_ids_that_amqp_cannot_carry_are_refused() {
    let fits = "x".repeat(SHORT_STRING_MAX);
    let long = "x".repeat(SHORT_STRING_MAX + 1);
    assert!(properties(&with_header(&fits, Value::Void), FRAME_MAX).is_ok());
    let refused = properties(&with_header(&long, Value::Void), FRAME_MAX).unwrap_err();
    assert!(refused.0.contains("header name is 256 bytes"), "{refused}");

    let mut message = Message::default();
    message.properties.message_id = Some(long);
    let refused = properties(&message, FRAME_MAX).unwrap_err();
    assert!(refused.0.contains("message id is 256 bytes"), "{refused}");
}

#[test]
fn headers_that_fill_more_than_a_frame_are_refused() {
    let fits = with_header("big", Value::from("x".repeat(100_000)));
    assert!(properties(&fits, FRAME_MAX).is_ok());
    let large = with_header("big", Value::from("x".repeat(131_072)));
    let refused = properties(&large, FRAME_MAX).unwrap_err();
    assert!(refused.0.contains("the broker takes 131072"), "{refused}");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Float),
        any::<(u8, u32)>().prop_map(|(scale, value)| Value::Decimal(scale, value)),
        ".{0,40}".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..6).prop_map(Value::Table),
        ]
    })
}

proptest! {
    #[test]
    fn every_header_survives_and_its_size_is_not_underestimated(value in any_value()) {
        let message = with_header("h", value.clone());
        let sent = properties(&message, FRAME_MAX).unwrap();
        prop_assert_eq!(&super::message(&sent, Vec::new()), &message);

        let amqp = to_amqp(&value, 0);
        let written = lapin::types::generation::gen_value(&amqp)(Vec::<u8>::new().into());
        let (bytes, _) = written.expect("a vector takes everything").into_inner();
        prop_assert!(bytes.len() <= encoded(&value));
    }
}
