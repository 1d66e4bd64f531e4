//! What the contract has and this version does not do yet: the schema takes it, and the operator
//! refuses it by name.

use warren_api::MessagePipeline;
use warren_api::schema::{unknown_fields, violations};

use crate::corpus;
use crate::judge::judge;

#[test]
fn every_unavailable_file_is_valid_by_the_schema() {
    for case in corpus::unavailable() {
        assert_eq!(judge(&case.object, None), [], "{}", case.name);
        assert_eq!(violations(&case.object), [], "{}", case.name);
        assert_eq!(unknown_fields(&case.object), [""; 0], "{}", case.name);
        serde_json::from_value::<MessagePipeline>(case.object)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn every_unavailable_file_names_a_field_that_it_sets() {
    for case in corpus::unavailable() {
        assert!(case.message.ends_with("is not available in this version"), "{}", case.name);
        let mut at = &case.object;
        for part in corpus::segments(&case.path) {
            let next = part.parse::<usize>().map_or_else(|_| at.get(&part), |index| at.get(index));
            at = next.unwrap_or_else(|| panic!("{}: {} has no {part}", case.name, case.path));
        }
    }
}
