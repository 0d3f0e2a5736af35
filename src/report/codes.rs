//! The codes by which brokers answer CONNECT and AUTH, or end a connection, as people read them.

use serde_json::Value;

use super::style::{code, code_word};
use crate::{base::words::OutcomeKind, client::codes::name, record::results::matrix::Cell};

/// The code with its name.
pub fn named(byte: u8, protocol: u8) -> String {
    let shown = code(byte, protocol);
    name(byte, protocol).map_or_else(|| shown.clone(), |name| format!("{shown} {name}"))
}

/// What the broker answered, with its code as people know it.
pub(super) fn answer(cell: &Cell) -> String {
    said(cell.outcome, &cell.code, cell.protocol)
}

/// The same of an outcome and its code, a number that was sent or a word.
pub(super) fn said(outcome: OutcomeKind, code: &Value, protocol: u8) -> String {
    match outcome {
        OutcomeKind::Accepted => "accepted".to_owned(),
        OutcomeKind::Refused => format!("refused {}", code_word(&code.to_string(), protocol)),
        outcome => format!("{outcome} {}", code.to_string().trim_matches('"')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_name_of_its_version_of_mqtt() {
        assert_eq!(named(0x87, 5), "0x87 Not authorized");
        assert_eq!(named(5, 4), "5 not authorized");
        // A broker that answers 3.1.1 with a reason code of 5.0 means that.
        assert_eq!(named(0x87, 4), "0x87 Not authorized");
        assert_eq!(named(77, 4), "77");
    }
}
