use super::*;
use crate::scenario::{Overrides, parse};

fn loaded(broker: &str) -> Loaded {
    let text = format!(
        "name = \"x\"\n[target]\nbrokers = [\"{broker}\"]\n[load]\nclients = 1\nconcurrency = 1\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    );
    let scenario = parse(&text, &Overrides::default()).unwrap();
    Loaded::new("x.toml", scenario)
}

fn by(command: &str, url: Option<&str>) -> Build {
    Build::By { command: command.into(), url: url.map(str::to_owned) }
}

#[test]
fn a_command_gets_a_port_and_is_stormed_as_the_scenario_storms() {
    for (broker, start) in [
        ("mqtt://10.0.0.1:1883", "mqtt://127.0.0.1:"),
        ("embedded+tls", "mqtts://127.0.0.1:"),
        ("embedded", "mqtt://127.0.0.1:"),
        ("ws://b/mqtt", "ws://127.0.0.1:"),
    ] {
        let spot = by("broker -p {port}", None).spot(&loaded(broker)).unwrap();
        assert!(spot.urls[0].starts_with(start), "{spot:?}");
        assert!(
            spot.urls[0].ends_with(&spot.address.unwrap().port().to_string())
                || broker.contains("ws")
        );
    }
}

#[test]
fn a_command_that_is_told_no_port_listens_where_its_url_says() {
    let fixed = by("broker", Some("mqtt://127.0.0.1:18830")).spot(&loaded("embedded")).unwrap();
    assert_eq!(fixed.address, Some(([127, 0, 0, 1], 18830).into()));
    let error = by("broker", None).spot(&loaded("embedded")).unwrap_err();
    assert!(error.to_string().contains("is told no port"), "{error}");
    let error = by("broker {port}", Some("mqtt://broker.example:{port}")).spot(&loaded("embedded"));
    assert!(error.unwrap_err().to_string().contains("no address"), "names are not of this host");
}
