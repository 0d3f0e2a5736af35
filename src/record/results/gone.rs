//! Brokers that went away by themselves: what `summary.json` and `matrix.json` say of it.

use serde::{Deserialize, Serialize};

/// A broker that went away by itself during a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BrokerGone {
    /// Its label, as in `by_broker`.
    pub broker: String,
    /// When, in seconds since the start of the storm.
    pub at_s: f64,
    /// The sign that showed it.
    pub by: Sign,
    /// Seconds until it answered a CONNECT again. Null if it answered none after that, or none
    /// came.
    pub back_after_s: Option<f64>,
    /// The attempts that it had received and not answered, the likeliest cause first: those that
    /// were closed by FIN, then by RST, the latest sent first. At most 100.
    pub on_the_way: Vec<OnTheWay>,
}

impl BrokerGone {
    /// That it went away, and what showed it, in words.
    pub fn what(&self) -> String {
        let how = match self.by {
            Sign::Port => "its port refused connects",
            Sign::Sessions => "all sessions that were watched ended at once",
        };
        format!("`{}` went away by itself: {how}", self.broker)
    }
}

/// How many attempts that were on the way are kept of one that went away.
pub const MOST_ON_THE_WAY: usize = 100;

/// What showed that a broker was gone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// Two connects to its port were refused, 100 ms apart or more, and nothing came from it
    /// between them.
    Port,
    /// All sessions that were watched ended at once.
    Sessions,
}

/// An attempt, or an AUTH, that the broker had received and not answered when it went away.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OnTheWay {
    /// The number of the client, from 0.
    pub client: u64,
    /// Its kind of token.
    pub token: String,
    /// How its connection ended: `fin` or `rst`.
    pub outcome: String,
    /// The command that mints this token again, or sends it again. A fetched token has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// A death of the broker during a matrix.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DiedAt {
    /// The cell after which, alone, the broker was gone again; `None` where none was found.
    pub defect: Option<String>,
    /// The version of MQTT of that cell, or where none was found, of the first that was on the way.
    pub protocol: u8,
    /// When, in seconds since the start of the storm.
    pub at_s: f64,
    /// After how long it answered a CONNECT again; `None` where it never did.
    pub back_after_s: Option<f64>,
    /// Names of the cells that were on the way.
    pub on_the_way: Vec<String>,
}
