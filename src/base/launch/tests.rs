use super::*;

#[test]
fn neither_the_secret_of_a_command_nor_a_token_that_a_broker_said_is_shown() {
    assert_eq!(shown("mosquitto -c x.conf"), "mosquitto -c x.conf");
    let hidden = shown("broker --jwt-secret hunter2 -p {port}");
    assert_eq!(hidden, "broker ... (the rest may hold a secret)");
    for command in [
        "SECRET=hunter2 broker",
        "curl -H 'Authorization: Bearer hunter2' http://a",
        "curl https://root:hunter2@node/stop",
        "ctl --passwd hunter2 stop",
    ] {
        assert!(!shown(command).contains("hunter2"), "{command}");
    }
    let line = without_tokens("refused eyJhbGciOiJub25lIn0.e30. of storm-1");
    assert_eq!(line, "refused <redacted> of storm-1");
}

#[test]
fn a_port_takes_the_place_of_its_word_and_not_of_a_variable() {
    assert_eq!(filled("b -p {port} # {port}", 7), "b -p 7 # 7");
    assert_eq!(filled("port=3; b -p ${port}", 7), "port=3; b -p ${port}");
}

#[test]
fn a_free_port_is_below_those_that_clients_come_from() {
    let port = free_port().unwrap();
    assert!(port >= 1024 && port < *Limits::read().ports.start());
}
