//! The codes by which a broker refused, as a profile writes them: those of most groups, and those of groups that differ.

use std::collections::{BTreeMap, BTreeSet};

use super::Answer;
use crate::client::codes::name;
use crate::scenario::{Codes, Group, Protocol, RefusesWith};

/// The codes of each group in a version of MQTT.
type ByGroup = BTreeMap<Group, BTreeSet<u8>>;

/// The codes that were seen; those of `strictest` in a version of MQTT in which none was.
pub(super) fn seen(answers: &[Answer<'_>], strictest: RefusesWith) -> RefusesWith {
    let (v4, v5) = (by_group(answers, Protocol::V4), by_group(answers, Protocol::V5));
    let (usual_v4, usual_v5) = (usual(&v4), usual(&v5));
    let written = |codes: &BTreeSet<u8>| Some(codes.iter().copied().collect());
    let mut all = RefusesWith {
        v4: written(&usual_v4).filter(|codes: &Vec<u8>| !codes.is_empty()).or(strictest.v4),
        v5: written(&usual_v5).filter(|codes: &Vec<u8>| !codes.is_empty()).or(strictest.v5),
        ..RefusesWith::default()
    };
    for group in Group::ALL {
        let own = |of: &ByGroup, usual: &BTreeSet<u8>| {
            of.get(&group).filter(|codes| *codes != usual).and_then(written)
        };
        let codes = Codes { v4: own(&v4, &usual_v4), v5: own(&v5, &usual_v5) };
        if codes.v4.is_some() || codes.v5.is_some() {
            all.put(group, codes);
        }
    }
    all
}

fn by_group(answers: &[Answer<'_>], protocol: Protocol) -> ByGroup {
    let mut all = ByGroup::new();
    for answer in answers.iter().filter(|answer| answer.protocol == protocol) {
        let group = Group::ALL.into_iter().find(|group| group.name() == answer.cell.group);
        let code = answer.cell.code.as_u64().and_then(|code| u8::try_from(code).ok());
        // What no standard knows is a defect, and nothing to promise.
        let code = code.filter(|code| name(*code, u8::from(protocol)).is_some());
        // A code of 0 is that of an accepted CONNECT, and one that was refused has another.
        if let (Some(group), Some(code), false) =
            (group, code.filter(|code| *code > 0), answer.is_accepted)
        {
            all.entry(group).or_default().insert(code);
        }
    }
    all
}

/// The codes that most groups have.
fn usual(by_group: &ByGroup) -> BTreeSet<u8> {
    let mut counts: BTreeMap<&BTreeSet<u8>, usize> = BTreeMap::new();
    for codes in by_group.values() {
        *counts.entry(codes).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(codes, _)| codes.clone())
        .unwrap_or_default()
}
