use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique_and_only_controls_are_harmless() {
    let mut seen = BTreeSet::new();
    for defect in all() {
        assert!(seen.insert(defect.name), "{}", defect.name);
        let is_harmless = defect.severity == Severity::None;
        assert_eq!(defect.group.is_none(), is_harmless, "{}", defect.name);
        assert!(!defect.summary.ends_with('.') && !defect.source.is_empty(), "{}", defect.name);
    }
}

#[test]
fn every_default_of_a_parameter_can_be_read() {
    for defect in all().filter(|defect| !defect.parameters.is_empty()) {
        assert!(defect.default_by().is_some(), "{}", defect.name);
    }
}

#[test]
fn every_group_and_the_controls_are_there_in_number() {
    let of = |group| all().filter(|defect| defect.group == group).count();
    assert!(of(None) > 10, "fresh and ten controls");
    for group in crate::scenario::Group::ALL {
        assert!(of(Some(group)) >= 5, "{group:?}");
    }
}
