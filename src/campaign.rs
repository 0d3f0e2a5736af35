//! Many runs, and many processes: series, fleets, builds against each other, the harness against itself. Uses `base`,
//! `scenario`, `token`, `plan`, `client`, `record`, `supply`, `report`, `engine`.

pub mod ab;
pub mod calibrate;
pub mod fleet;
pub mod series;

use std::{thread, time::Duration};

use crate::{
    base::clock::{Clock, nanoseconds},
    plan::Plan,
};

/// How often is looked whether the user wants an end while a broker is left alone.
const GLANCE: Duration = Duration::from_millis(50);

/// Leaves a broker alone for so long, or until an end is wanted.
fn leave_alone(clock: Clock, length: Duration, is_stopped: impl Fn() -> bool) {
    let end = clock.now() + nanoseconds(length);
    while clock.now() < end && !is_stopped() {
        thread::sleep(GLANCE.min(length));
    }
}

/// The labels of kinds and brokers of a plan.
fn labels(plan: &Plan) -> (Vec<String>, Vec<String>) {
    let kinds = plan.mould.kinds.iter().map(|kind| kind.label.clone()).collect();
    (kinds, plan.brokers.iter().map(|broker| broker.label.clone()).collect())
}
