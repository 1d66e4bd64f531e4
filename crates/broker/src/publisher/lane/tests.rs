//! What confirms and returns mean, however the library has paired them.

use lapin::message::{BasicReturnMessage, Delivery};
use warren_core::message::Message;

use super::*;

fn publication(id: &str) -> Publication {
    let mut message = Message::default();
    message.properties.message_id = Some(id.to_owned());
    Publication { exchange: "x".to_owned(), routing_key: "k".to_owned(), message }
}

fn returned(id: &str) -> BasicReturnMessage {
    let mut delivery = Delivery::mock(0, "x".into(), "k".into(), false, Vec::new());
    delivery.properties = BasicProperties::default().with_message_id(id.into());
    let reply_text = "NO_ROUTE".into();
    BasicReturnMessage { delivery, reply_code: 312, reply_text }
}

#[test]
fn a_return_belongs_to_its_id_and_not_to_the_confirm_that_carried_it() {
    let results = vec![Ok(Confirmation::Ack(Some(returned("b")))), Ok(Confirmation::Ack(None))];
    let ids = returned_ids(&results);
    let verdicts: Vec<_> = ["a", "b"]
        .iter()
        .zip(&results)
        .map(|(id, result)| verdict(&publication(id), result.as_ref().unwrap(), &ids))
        .collect();
    assert_eq!(verdicts[0], Ok(()));
    assert!(matches!(verdicts[1], Err(PublishError::Unroutable { .. })), "{:?}", verdicts[1]);
}

#[test]
fn a_nack_that_carries_the_return_of_another_message_is_still_a_nack() {
    let results = vec![Ok(Confirmation::Nack(Some(returned("b")))), Ok(Confirmation::Ack(None))];
    let ids = returned_ids(&results);
    let nacked = verdict(&publication("a"), results[0].as_ref().unwrap(), &ids);
    assert_eq!(nacked, Err(PublishError::Nacked));
}

#[test]
fn the_word_of_the_broker_beats_the_errors_that_followed_from_it() {
    let missing = AMQPError::new(AMQPSoftError::NOTFOUND.into(), "no exchange".into());
    let said = lapin::Error::from(ErrorKind::ProtocolError(missing));
    let followed = lapin::Error::from(ErrorKind::ChannelsLimitReached);
    for pair in [(said.clone(), followed.clone()), (followed, said)] {
        let kept = worse(Some(pair.0), pair.1);
        assert!(closed_channel(&kept).is_some(), "{kept}");
    }
}
