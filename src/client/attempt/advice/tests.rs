use super::*;

#[test]
fn usual_causes_have_a_line_and_answers_about_tokens_have_none() {
    for (outcome, code) in [
        (OutcomeKind::TlsFailed, "wrong_name"),
        (OutcomeKind::WsFailed, "301"),
        (OutcomeKind::WsFailed, "bad_accept"),
        (OutcomeKind::TcpFailed, "dns"),
    ] {
        assert!(advice(outcome, code).is_some(), "{outcome} {code}");
    }
    for (error, status, word) in [
        ("html", "401", "is this the token endpoint?"),
        ("html", "503", "has enough"),
        ("html", "502", "a proxy in front"),
        ("slow_down", "429", "has enough"),
        ("slow_down", "400", "approved the device"),
        ("temporarily_unavailable", "503", "has enough"),
        ("server_error", "500", "fails"),
        ("other", "404", "is this the token endpoint?"),
        ("other", "400", "no standard knows"),
        ("invalid_client", "500", "could not show who it is"),
    ] {
        let line = of_oauth(error, status).unwrap_or_default();
        assert!(line.contains(word), "{error} {status}: {line}");
    }
    assert_eq!(advice(OutcomeKind::Refused, "5"), None);
    assert_eq!(advice(OutcomeKind::Accepted, "0"), None);
}
