//! What becomes of a request, and which requests are refused.

use jiff::civil::date;
use warren_core::retry::Delay;

use super::*;

fn pipeline() -> ProducerConfig {
    serde_saphyr::from_str("{pipeline: shop/orders, prefix: shop.orders, maxMessageBytes: 100}")
        .unwrap()
}

fn delaying() -> ProducerConfig {
    ProducerConfig { max_delay: Some(Delay(Duration::from_mins(1))), ..pipeline() }
}

fn stamp() -> Stamp {
    let now = date(2026, 11, 21).at(10, 0, 0, 250_000_000).in_tz("UTC").unwrap().timestamp();
    Stamp { now, random: [0xab; 10] }
}

fn request() -> Request {
    Request {
        body: Bytes::from_static(b"{}"),
        content_type: "application/json".to_owned(),
        ..Request::default()
    }
}

fn refused(request: Request) -> Refusal {
    prepare(&pipeline(), request, stamp()).unwrap_err()
}

fn header(prepared: &Prepared, name: &str) -> Option<Value> {
    prepared.publication.message.headers.get(name).cloned()
}

#[test]
fn a_message_says_when_and_where_it_came_in() {
    let request = Request { routing_key: "order.new".to_owned(), ..request() };
    let prepared = prepare(&pipeline(), request, stamp()).unwrap();
    let milliseconds = 1_795_255_200_250;
    assert_eq!(prepared.publication.exchange, "shop.orders");
    assert_eq!(prepared.publication.routing_key, "order.new");
    assert_eq!(header(&prepared, "warren-published-at"), Some(Value::Int(milliseconds)));
    assert_eq!(header(&prepared, "warren-attempt"), Some(Value::Int(1)));
    assert_eq!(header(&prepared, "warren-origin-exchange"), Some(Value::from("shop.orders")));
    assert_eq!(header(&prepared, "warren-origin-routing-key"), Some(Value::from("order.new")));
    let properties = &prepared.publication.message.properties;
    assert_eq!(properties.timestamp, Some(1_795_255_200));
    assert_eq!(properties.content_type.as_deref(), Some("application/json"));
    assert_eq!(properties.message_id.as_deref(), Some(prepared.message_id.as_str()));
}

#[test]
fn a_new_id_is_a_uuid_of_version_7_that_holds_the_time() {
    let prepared = prepare(&pipeline(), request(), stamp()).unwrap();
    let id: Uuid = prepared.message_id.parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.as_u128() >> 80, 1_795_255_200_250);
    let other = Stamp { random: [0xcd; 10], ..stamp() };
    assert_ne!(prepare(&pipeline(), request(), other).unwrap().message_id, prepared.message_id);
}

#[test]
fn the_same_key_is_the_same_message_in_one_pipeline_only() {
    let keyed = || Request { identity: Identity::Key("order-17".to_owned()), ..request() };
    let other_time = Stamp { now: Timestamp::UNIX_EPOCH, random: [1; 10] };
    let first = prepare(&pipeline(), keyed(), stamp()).unwrap().message_id;
    assert_eq!(prepare(&pipeline(), keyed(), other_time).unwrap().message_id, first);
    // Made with Python: uuid5(uuid5(NAMESPACE_URL, "warren.dev/shop/orders"), "order-17").
    assert_eq!(first, "f54338f2-e389-5923-926f-3b1e8ef21ca6");
    let elsewhere = ProducerConfig { pipeline: "shop/invoices".parse().unwrap(), ..pipeline() };
    assert_ne!(prepare(&elsewhere, keyed(), stamp()).unwrap().message_id, first);
}

#[test]
fn an_id_may_have_255_bytes_and_not_one_more() {
    let with_id = |id: String| Request { identity: Identity::Given(id), ..request() };
    let longest = "é".repeat(127) + "x";
    let prepared = prepare(&pipeline(), with_id(longest.clone()), stamp()).unwrap();
    assert_eq!(prepared.message_id, longest);
    let refusal = refused(with_id("é".repeat(128)));
    assert_eq!(refusal.to_string(), "the id has 256 bytes; it may have 1 to 255");
}

#[test]
fn hostile_texts_are_refused_by_name() {
    let long = "k".repeat(256);
    let cases = [
        (Request { routing_key: long.clone(), ..request() }, "the routing key has 256 bytes"),
        (
            Request { routing_key: "a\0b".to_owned(), ..request() },
            "the routing key has a control character",
        ),
        (Request { identity: Identity::Given(String::new()), ..request() }, "the id has 0 bytes"),
        (
            Request { identity: Identity::Given("a\r\nb".to_owned()), ..request() },
            "the id has a control character",
        ),
        (
            Request { identity: Identity::Key(long.clone()), ..request() },
            "the idempotency key has 256 bytes",
        ),
        (Request { content_type: long.clone(), ..request() }, "the content type has 256 bytes"),
        (
            Request { model: Some("m".repeat(250)), ..request() },
            "the model has 250 bytes; it may have 1 to 249",
        ),
        (Request { group: Some(String::new()), ..request() }, "the group has 0 bytes"),
        (
            Request { body: Bytes::from(vec![b'x'; 101]), ..request() },
            "the message has 101 bytes; this pipeline takes at most 100",
        ),
        (Request { priority: Some(32), ..request() }, "the priority is 32"),
    ];
    for (request, says) in cases {
        let text = refused(request).to_string();
        assert!(text.starts_with(says), "{text}");
    }
}

#[test]
fn headers_of_warren_and_the_broker_are_not_for_clients() {
    let with =
        |name: &str| Request { headers: vec![(name.to_owned(), "v".to_owned())], ..request() };
    for name in ["warren-attempt", "Warren-Model", "x-death", "X-Y", "CC", "BCC", "bcc"] {
        assert_eq!(refused(with(name)), Refusal::ReservedHeader(name.to_owned()));
    }
    let prepared = prepare(&pipeline(), with("tenant"), stamp()).unwrap();
    assert_eq!(header(&prepared, "tenant"), Some(Value::from("v")));
    assert!(matches!(refused(with(&"n".repeat(256))), Refusal::Length { bytes: 256, .. }));
}

#[test]
fn headers_that_would_not_fit_into_a_frame_are_refused() {
    let with = |bytes: usize| Request {
        headers: vec![("a".to_owned(), "v".repeat(bytes - 1))],
        ..request()
    };
    assert!(prepare(&pipeline(), with(HEADERS_MAX), stamp()).is_ok());
    assert_eq!(refused(with(HEADERS_MAX + 1)), Refusal::HeadersTooLarge { bytes: HEADERS_MAX + 1 });
    let twice =
        Request { headers: vec![("a".into(), "1".into()), ("a".into(), "2".into())], ..request() };
    assert_eq!(refused(twice), Refusal::RepeatedHeader("a".to_owned()));
}

#[test]
fn a_processing_time_is_a_number_of_seconds_within_a_day() {
    let with = |seconds| Request { processing_time: Some(seconds), ..request() };
    for seconds in [f64::NAN, f64::INFINITY, -0.001, 86_400.1] {
        let refusal = refused(with(seconds));
        assert!(matches!(refusal, Refusal::ProcessingTime(_)), "{seconds}: {refusal}");
    }
    let prepared = prepare(&pipeline(), with(0.25), stamp()).unwrap();
    assert_eq!(header(&prepared, "warren-processing-time"), Some(Value::Float(0.25)));
}

#[test]
fn a_delay_needs_tiers_and_may_not_outlast_them() {
    let with =
        |milliseconds| Request { delay: Some(Duration::from_millis(milliseconds)), ..request() };
    assert_eq!(refused(with(1)), Refusal::NoDelay);
    let prepared = prepare(&delaying(), with(60_000), stamp()).unwrap();
    assert_eq!(header(&prepared, "warren-not-before"), Some(Value::Int(1_795_255_260_250)));
    assert_eq!(prepared.not_before.map(Timestamp::as_millisecond), Some(1_795_255_260_250));
    let refusal = prepare(&delaying(), with(60_001), stamp()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the delay 1m1ms is too long: the retry tiers of this pipeline reach 1m"
    );
}

#[test]
fn a_broken_trace_is_left_out_and_a_sound_one_handed_on() {
    let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for broken in [
        "",
        "x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ] {
        assert_eq!(Trace::read(broken, None), None, "{broken}");
    }
    let with = Request { trace: Trace::read(sound, Some("vendor=1")), ..request() };
    let prepared = prepare(&pipeline(), with, stamp()).unwrap();
    assert_eq!(header(&prepared, "traceparent"), Some(Value::from(sound)));
    assert_eq!(header(&prepared, "tracestate"), Some(Value::from("vendor=1")));
}
