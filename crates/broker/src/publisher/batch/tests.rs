//! Which messages share a batch, by example and by property.

use proptest::prelude::*;

use super::*;

impl Shaped for Shape {
    fn shape(&self) -> &Shape {
        self
    }
}

fn to(exchange: &str, id: &str) -> Shape {
    Shape { id: id.to_owned(), exchange: exchange.to_owned(), bytes: 1, alone: false }
}

fn line(shapes: impl IntoIterator<Item = Shape>) -> Waiting<Shape> {
    let mut waiting = Waiting::new();
    for shape in shapes {
        waiting.push(shape);
    }
    waiting
}

fn ids(batch: &[Shape]) -> Vec<&str> {
    batch.iter().map(|shape| shape.id.as_str()).collect()
}

#[test]
fn what_waits_goes_together_in_its_order() {
    let mut waiting = line(["a", "b", "c"].map(|id| to("x", id)));
    assert_eq!(ids(&waiting.take_batch()), ["a", "b", "c"]);
    assert!(waiting.take_batch().is_empty());
}

#[test]
fn the_second_of_two_equal_ids_waits_for_the_next_batch() {
    let mut waiting = line(["a", "a", "b", "a"].map(|id| to("x", id)));
    assert_eq!(ids(&waiting.take_batch()), ["a", "b"]);
    assert_eq!(ids(&waiting.take_batch()), ["a"]);
    assert_eq!(ids(&waiting.take_batch()), ["a"]);
}

#[test]
fn a_batch_goes_to_one_exchange() {
    let mut waiting = line([to("x", "a"), to("y", "b"), to("x", "c")]);
    assert_eq!(ids(&waiting.take_batch()), ["a", "c"]);
    assert_eq!(ids(&waiting.take_batch()), ["b"]);
}

#[test]
fn large_bodies_are_spread_over_batches_and_one_that_is_larger_than_a_batch_goes_alone() {
    let sized = |id: &str, bytes| Shape { bytes, ..to("x", id) };
    let half = BYTES_MAX / 2;
    let mut waiting =
        line([sized("a", half), sized("b", half), sized("c", half), sized("d", 2 * BYTES_MAX)]);
    assert_eq!(ids(&waiting.take_batch()), ["a", "b"]);
    assert_eq!(ids(&waiting.take_batch()), ["c"]);
    assert_eq!(ids(&waiting.take_batch()), ["d"]);
}

#[test]
fn a_suspect_goes_alone() {
    let suspect = Shape { alone: true, ..to("x", "b") };
    let mut waiting = line([to("x", "a"), suspect, to("x", "c")]);
    assert_eq!(ids(&waiting.take_batch()), ["a", "c"]);
    assert_eq!(ids(&waiting.take_batch()), ["b"]);
}

#[test]
fn what_is_put_back_comes_first_and_in_order() {
    let mut waiting = line(["a", "b"].map(|id| to("x", id)));
    let taken = waiting.take_batch();
    waiting.push(to("x", "c"));
    waiting.put_back(taken);
    assert_eq!(ids(&waiting.take_batch()), ["a", "b", "c"]);
}

prop_compose! {
    fn any_shape()(
        id in 0..40_u8,
        exchange in 0..3_u8,
        bytes in prop_oneof![0..2_000_usize, 0..2 * BYTES_MAX],
        alone in proptest::bool::weighted(0.05),
    ) -> Shape {
        Shape { id: format!("m{id}"), exchange: format!("x{exchange}"), bytes, alone }
    }
}

proptest! {
    #[test]
    fn every_message_is_in_exactly_one_batch_and_every_batch_can_be_told_apart(
        shapes in proptest::collection::vec(any_shape(), 0..600)
    ) {
        let mut waiting = line(shapes.clone());
        let mut all = Vec::new();
        while !waiting.is_empty() {
            let batch = waiting.take_batch();
            prop_assert!((1..=MESSAGES_MAX).contains(&batch.len()));
            let distinct: HashSet<&str> = ids(&batch).into_iter().collect();
            prop_assert_eq!(distinct.len(), batch.len());
            prop_assert!(batch.iter().all(|shape| shape.exchange == batch[0].exchange));
            let bytes: usize = batch.iter().map(|shape| shape.bytes).sum();
            prop_assert!(batch.len() == 1 || bytes <= BYTES_MAX);
            prop_assert!(batch.len() == 1 || batch.iter().all(|shape| !shape.alone));
            all.extend(batch);
        }
        let sorted = |mut shapes: Vec<Shape>| {
            shapes.sort_by_key(|s| (s.id.clone(), s.exchange.clone(), s.bytes, s.alone));
            shapes
        };
        prop_assert_eq!(sorted(all), sorted(shapes));
    }
}
