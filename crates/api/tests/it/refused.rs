//! What is refused, and how it is said.

use warren_api::schema::{Violation, violations};

use crate::corpus::{self, Refused};
use crate::judge::{by_schema, complete, judge};

#[test]
fn every_invalid_file_is_refused_where_and_as_it_says() {
    let wrong: Vec<_> = corpus::invalid().iter().filter_map(misjudged).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Refused for one reason: once with the message and the path of the file, and nowhere else.
fn misjudged(case: &Refused) -> Option<String> {
    let found = judge(&case.object, case.old.as_ref());
    let strays = found.iter().filter(|violation| {
        violation.path != case.path && Some(&violation.path) != case.also.as_ref()
    });
    let named = found.iter().filter(|violation| {
        violation.path == case.path && violation.message.contains(&case.message)
    });
    (strays.count() > 0 || named.count() != 1).then(|| format!("{}: {}", case.name, listed(&found)))
}

fn listed(found: &[Violation]) -> String {
    let all: Vec<_> = found.iter().map(ToString::to_string).collect();
    format!("found [{}]", all.join("; "))
}

#[test]
fn an_object_before_a_refused_change_is_valid() {
    for case in corpus::invalid() {
        if let Some(old) = &case.old {
            assert_eq!(judge(old, None), [], "{}", case.name);
            assert_eq!(judge(&case.object, None), [], "{}: refused by itself", case.name);
        }
    }
}

#[test]
fn both_judges_find_the_same_by_the_schema() {
    for case in corpus::invalid().into_iter().chain(corpus::unavailable()) {
        let object = complete(&case.object);
        let mut ours = violations(&object);
        ours.sort();
        assert_eq!(ours, by_schema(&object), "{}", case.name);
    }
}
