use super::*;

fn target(brokers: &[&str], authorized: bool) -> Target {
    toml::from_str(&format!("brokers = {brokers:?}\nauthorized = {authorized}")).unwrap()
}

fn broker(url: &str) -> Result<Broker> {
    resolve(&target(&[url], false), &mut Vec::new()).map(|mut brokers| brokers.remove(0))
}

fn place(url: &str) -> Result<Place> {
    broker(url).map(|broker| broker.place)
}

#[test]
fn urls_are_taken_apart_and_each_scheme_has_its_port_and_layers() {
    let at = |host: &str, port| Place::Remote { host: host.into(), port };
    assert_eq!(place("mqtt://127.0.0.1:1884").unwrap(), at("127.0.0.1", 1884));
    assert_eq!(place("mqtt://[::1]:1885").unwrap(), at("::1", 1885));
    assert_eq!(place("wss://[::1]/mqtt").unwrap(), at("::1", 443));
    for (url, port, tls, path) in [
        ("mqtt://localhost", 1883, false, None),
        ("mqtts://localhost", 8883, true, None),
        ("ws://localhost", 80, false, Some("/mqtt")),
        ("ws://localhost:80/", 80, false, Some("/")),
        ("wss://localhost/a/b?c=d", 443, true, Some("/a/b?c=d")),
        ("wss://localhost:8084", 8084, true, Some("/mqtt")),
    ] {
        let broker = broker(url).unwrap();
        assert_eq!(broker.place, at("localhost", port), "{url}");
        assert_eq!((broker.tls, broker.ws.as_deref()), (tls, path), "{url}");
        assert_eq!(Some(broker.label.as_str()), url.split('?').next(), "a query is shown nowhere");
    }
    for (name, tls, path) in [
        ("embedded", false, None),
        ("embedded+tls", true, None),
        ("embedded+ws", false, Some("/mqtt")),
        ("embedded+wss", true, Some("/mqtt")),
    ] {
        let broker = broker(name).unwrap();
        assert!(broker.is_embedded(), "{name}");
        assert_eq!((broker.tls, broker.ws.as_deref()), (tls, path), "{name}");
    }
}

#[test]
fn what_is_no_broker_is_refused() {
    for url in [
        "http://127.0.0.1",
        "mqtt://",
        "mqtt://127.0.0.1:0",
        "mqtt://127.0.0.1/path",
        "127.0.0.1:1883",
        "mqtts://127.0.0.1/path",
        "ws://127.0.0.1/mqtt#part",
        "embedded+quic",
        "mqtt://127.0.0.1:99999",
    ] {
        assert!(place(url).is_err(), "{url}");
    }
    for url in
        ["mqtt://user:hunter2@127.0.0.1", "mqtt://127.0.0.1?hunter2", "ws://127.0.0.1:0?hunter2"]
    {
        let error = place(url).unwrap_err();
        let told = format!("{error} {:?}", error.way_out());
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_target_off_this_host_needs_authorization_and_gets_a_warning() {
    assert!(
        place("mqtt://broker.example").unwrap_err().way_out().unwrap().contains("--authorized")
    );
    let mut warnings = Vec::new();
    resolve(&target(&["mqtt://broker.example"], true), &mut warnings).unwrap();
    assert!(warnings[0].contains("unencrypted"), "{warnings:?}");
    warnings.clear();
    resolve(&target(&["wss://broker.example"], true), &mut warnings).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn several_embedded_brokers_have_names_of_their_own_and_a_url_stands_there_once() {
    let several = target(&["embedded", "embedded+tls", "embedded", "embedded+tls"], false);
    let brokers = resolve(&several, &mut Vec::new()).unwrap();
    let labels: Vec<&str> = brokers.iter().map(|broker| broker.label.as_str()).collect();
    assert_eq!(labels, ["embedded", "embedded+tls", "embedded-2", "embedded+tls-2"]);
    assert!(
        resolve(&target(&["mqtt://localhost", "mqtt://localhost"], false), &mut Vec::new())
            .is_err()
    );
}
