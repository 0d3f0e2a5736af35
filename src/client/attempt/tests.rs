use super::*;

#[test]
fn each_phase_runs_from_the_end_of_the_one_before_and_connack_from_the_last_of_connect() {
    let steps = Steps {
        dns: Step::At(20),
        tcp: Step::At(50),
        tls: Step::At(110),
        ws: Step::At(210),
        connack: Step::At(1000),
        ..Steps::default()
    };
    let attempt = Attempt {
        scheduled: 3,
        steps,
        sent: 300,
        ended: 1000,
        ..Attempt::example(10, Outcome::Accepted)
    };
    let lengths: Vec<_> = attempt.phases().collect();
    assert_eq!(
        lengths,
        [
            (Phase::StartDelay, Some(7)),
            (Phase::Dns, Some(10)),
            (Phase::TcpConnect, Some(30)),
            (Phase::TlsHandshake, Some(60)),
            (Phase::WsUpgrade, Some(100)),
            (Phase::Connack, Some(700)),
            (Phase::Connect, Some(990)),
            (Phase::Response, Some(997)),
        ]
    );
    let failed = Attempt {
        steps: Steps {
            tls: Step::Unfinished,
            ws: Step::NotEntered,
            connack: Step::NotEntered,
            ..steps
        },
        outcome: Outcome::TlsFailed("wrong_name"),
        ..attempt
    };
    let unfinished: Vec<_> =
        failed.phases().filter(|(_, length)| length.is_none()).map(|(phase, _)| phase).collect();
    assert_eq!(unfinished, [Phase::TlsHandshake, Phase::Connect, Phase::Response]);
}
