//! Connections that the run itself ends, to see its clients come back: `drop_clients` of `[[events]]`.

use std::time::Duration;

use super::{Model, expiry::shown, issuance::comes_late};
use crate::{
    base::error::{Error, Result},
    scenario::{Deed, Event, How, Scenario},
    token::Bearer,
};

/// Parts what is drawn for the clients of an event from all else.
const DROP_STREAM: u64 = 0x6472_6f70;

/// Clients lose their connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropEvent {
    /// When, after the start of the storm.
    pub at: Duration,
    /// Which share of those that are connected then.
    pub share: f64,
    /// Whether connections are reset, and not closed.
    pub resets: bool,
    /// What is drawn for it goes by its number.
    stream: u64,
}

impl DropEvent {
    /// Whether it is done to a client.
    pub fn hits(&self, client: u64, seed: u64) -> bool {
        Bearer::first(client).fraction(seed ^ self.stream) < self.share
    }

    /// What is done, in words.
    pub fn words(&self) -> String {
        let how = if self.resets { "reset" } else { "closed" };
        if self.share < 1.0 {
            format!("connections of a share of {} of the clients are {how}", self.share)
        } else {
            format!("all connections are {how}")
        }
    }
}

/// The events by time; those that come after the storm get a warning.
///
/// # Errors
/// When a parameter is out of range or does not belong to the event.
pub(super) fn resolve(
    scenario: &Scenario,
    model: &Model,
    warnings: &mut Vec<String>,
) -> Result<Vec<DropEvent>> {
    let mut found = Vec::new();
    for (index, event) in scenario.events.iter().enumerate() {
        if event.r#do == Deed::DropClients {
            let event = resolve_one(event, index as u64);
            found.push(event.map_err(|error| error.within(format!("`events[{index}]`")))?);
        }
    }
    found.sort_by_key(|event| event.at);
    if found.is_empty() {
        return Ok(found);
    }
    let hold = scenario.load.hold();
    if hold.is_zero() {
        warnings.push(
            "`drop_clients` ends connections of clients that hold, and `load.hold` is 0s: nobody does".into(),
        );
    }
    if let Model::Open { rates, .. } = model {
        let end = rates.length() + hold;
        let late = found.iter().filter(|event| event.at > end);
        warnings.extend(late.map(|event| comes_late("`drop_clients`", event.at, end)));
    }
    Ok(found)
}

fn resolve_one(event: &Event, index: u64) -> Result<DropEvent> {
    if let Some(key) = event.parameters().find(|key| !matches!(*key, "share" | "how")) {
        return Err(Error::usage(format!("`{key}` says nothing to `drop_clients`"))
            .hint("it knows `at`, `share` and `how`"));
    }
    let share = event.share.unwrap_or(1.0);
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::usage(format!("`share` is {share}, but must be above 0 and up to 1"))
            .hint("`share = 0.5` drops about half of them"));
    }
    let resets = match event.how {
        None | Some(How::Close) => false,
        Some(How::Reset) => true,
        Some(how) => {
            return Err(Error::usage(format!(
                "`how` is {}, which is one of `jwks_outage`, not of `drop_clients`",
                serde_json::json!(how)
            ))
            .hint("write `how = \"close\"` or `how = \"reset\"`"));
        }
    };
    if event.at > Duration::from_hours(24) {
        return Err(Error::usage(format!("`at` is {}, but must be at most 1day", shown(event.at))));
    }
    Ok(DropEvent { at: event.at, share, resets, stream: DROP_STREAM ^ (index << 32) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::host::Limits, plan::Plan, plan::loaded};

    fn plan(event: &str) -> Result<Plan> {
        let text = format!(
            r#"
name = "drops"
[target]
brokers = ["mqtt://127.0.0.1:1"]
[load]
stages = [{{ rate = 10, for = "2s" }}]
hold = "3s"
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[[mix]]
token = "fresh"
share = 1
[[events]]
do = "drop_clients"
{event}
"#
        );
        Plan::new(&loaded(&text), &Limits::read())
    }

    #[test]
    fn clients_are_drawn_by_their_number_and_as_many_as_the_share_says() {
        let drawn = plan("at = \"2s\"\nshare = 0.3\nhow = \"reset\"").unwrap();
        let event = drawn.drops[0];
        assert!(event.resets);
        let hit = (0..10_000).filter(|client| event.hits(*client, drawn.mould.seed)).count();
        assert!((2_800..3_200).contains(&hit), "{hit}");
        let all = plan("at = \"2s\"").unwrap().drops[0];
        assert!((0..1_000).all(|client| all.hits(client, 42)) && !all.resets);
    }

    #[test]
    fn what_does_not_belong_to_it_is_refused_and_what_comes_too_late_is_told() {
        for (event, told) in [
            ("at = \"1s\"\nshare = 0", "`share` is 0, but must be above 0"),
            ("at = \"1s\"\nshare = 1.5", "`share` is 1.5"),
            ("at = \"1s\"\nhow = \"hang\"", "`how` is \"hang\", which is one of `jwks_outage`"),
            ("at = \"1s\"\nfor = \"1s\"", "`for` says nothing to `drop_clients`"),
            ("at = \"1s\"\nbroker = \"x\"", "`broker` says nothing"),
        ] {
            let refused = plan(event).unwrap_err().to_string();
            assert!(refused.contains(told) && refused.contains("`events[0]`"), "{refused}");
        }
        let late = plan("at = \"9s\"").unwrap().warnings.join("; ");
        assert!(late.contains("`drop_clients`") && late.contains("9s"), "{late}");
    }
}
