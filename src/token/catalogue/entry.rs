//! One entry of the catalogue.

use std::time::Duration;

use serde::Serialize;

use super::Situation;
use crate::{
    base::words::Severity,
    scenario::Group,
    token::{
        oracle::Fault,
        recipe::{Form, GOOD, Must, Recipe},
    },
};

/// A way in which a token can be wrong, or, of a control, strange and yet right.
#[derive(Debug)]
pub struct Defect {
    /// Its name in scenarios and results.
    pub name: &'static str,
    /// The group it is refused with; `None` for a control, which must be accepted.
    pub group: Option<Group>,
    /// What it is, in one sentence.
    pub summary: &'static str,
    /// How bad it is when it is accepted.
    pub severity: Severity,
    /// Where it is described.
    pub source: &'static str,
    /// The parameters it takes.
    pub parameters: &'static [Parameter],
    /// How it is built, given its distance in time (its default where the scenario gives none).
    pub build: fn(by: Duration) -> Recipe,
    /// What is wrong with it for a strict verifier: this, all of this, and nothing else.
    pub faults: &'static [Fault],
    /// What a verifier of this policy must do with it.
    pub must: fn(&Situation<'_>) -> Must,
    /// Why it does not apply here, where it does not.
    pub inapplicable: fn(&Situation<'_>) -> Option<&'static str>,
}

/// The token that nothing is wrong with, as every policy has it.
pub const FRESH: &str = "fresh";

impl Defect {
    /// Whether it is the good token.
    pub fn is_good(&self) -> bool {
        self.name == FRESH
    }
}

/// A parameter of a defect.
#[derive(Debug, Serialize)]
pub struct Parameter {
    /// Its key in `[[mix]]`.
    pub name: &'static str,
    /// What it is when it is not given.
    pub default: &'static str,
    /// What it means.
    pub summary: &'static str,
}

impl Defect {
    /// What entries have that say nothing else: the group's own must and recipe take their places.
    pub(super) const BASE: Self = Self {
        name: "",
        group: None,
        summary: "",
        severity: Severity::None,
        source: "",
        parameters: &[],
        build: |_| GOOD,
        faults: &[],
        must: |_| Must::AcceptInTime,
        inapplicable: |_| None,
    };

    /// The distance in time where the scenario gives none; `None` where the defect takes no such parameter.
    pub fn default_by(&self) -> Option<Duration> {
        let by = self.parameters.iter().find(|parameter| parameter.name == "by")?;
        humantime::parse_duration(by.default).ok()
    }

    /// Whether something is signed for it.
    pub fn needs_key(&self) -> bool {
        matches!((self.build)(Duration::ZERO).form, Form::Jwt | Form::Jwe(_))
    }

    /// The group as files have it.
    pub fn group_name(&self) -> &'static str {
        self.group.map_or("control", Group::name)
    }
}
