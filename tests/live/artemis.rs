//! Apache Artemis, whose own login module takes its keys by discovery: from `tokenstorm issuer`, which runs beside it.

use std::{
    env, fs,
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rcgen::KeyPair;
use tempfile::TempDir;

use crate::{
    broker::{Broker, Stopped, end},
    run::{Storm, rows, tokenstorm},
};

/// An issuer with one key, which ends with the test.
struct Issuer {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Issuer {
    fn start() -> Self {
        let base = env::var("TOKENSTORM_PORT_BASE").ok().and_then(|base| base.parse().ok());
        let port = base.unwrap_or(21_000_u16) + 944;
        let folder = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        fs::write(folder.path().join("es256.pem"), key.serialize_pem()).unwrap();
        let scenario = folder.path().join("issuer.toml");
        let keys = keys(&folder);
        fs::write(
            &scenario,
            format!(
                "name = \"issuer\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\"]\n[load]\nclients = 1\nconcurrency = 1\n{keys}\
                 [issuer]\nlisten = \"127.0.0.1:{port}\"\njwks_listen = \"127.0.0.1:{}\"\nkeys = [\"main\"]\n\
                 [[mix]]\ntoken = \"fresh\"\nshare = 1\n",
                port + 1
            ),
        )
        .unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_tokenstorm"))
            .arg("issuer")
            .arg(scenario)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "the issuer does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { process, url: format!("http://127.0.0.1:{port}"), folder }
    }

    /// What a scenario says of the broker and of tokens that are good.
    fn storm(&self, broker: &Broker, more: &str) -> Storm {
        Storm::new(&format!(
            "name = \"artemis\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"artemis\"\n{}[identity]\nclient_id = \"storm-{{n}}\"\n\
             username = \"user-{{n}}\"\n[token.claims]\niss = \"{}\"\naud = \"mqtt\"\nsub = \"{{username}}\"\n\
             azp = \"{{client_id}}\"\nroles = [\"clients\"]\n[policy]\nleeway = \"1s\"\n{more}",
            broker.get("MQTT"),
            keys(&self.folder),
            self.url,
        ))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn keys(folder: &TempDir) -> String {
    let key = folder.path().join("es256.pem");
    format!(
        "[keys.main]\nalgorithm = \"ES256\"\nprivate_key = \"{}\"\nkid = \"main\"\n",
        key.display()
    )
}

/// Artemis with the keys of this issuer, and no more leeway than a second.
fn artemis(issuer: &Issuer) -> (Stopped, Broker) {
    // One that runs has other keys.
    end("stop", "artemis");
    let variables = [("ISSUER", issuer.url.as_str()), ("CLOCK_SKEW", "1")];
    let (end, broker) = (Stopped("artemis"), Broker::start_with("artemis", &variables));
    let_in(issuer, &broker);
    (end, broker)
}

/// Waits until a good token is let in: the keys are fetched when the first client comes, and until they are there all are
/// refused.
fn let_in(issuer: &Issuer, broker: &Broker) {
    let load = "[load]\nclients = 1\nconcurrency = 1\nhold = \"0s\"\nconnect_timeout = \"30s\"\n\
                [[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let start = Instant::now();
    while issuer.storm(broker, load).run().code != Some(0) {
        assert!(start.elapsed() < Duration::from_mins(2), "Artemis lets nobody in");
    }
}

#[test]
#[ignore = "needs Artemis: scripts/test-live"]
fn artemis_judges_each_kind_as_its_profile_says_in_both_versions() {
    let issuer = Issuer::start();
    let (_end, broker) = artemis(&issuer);
    let kinds = [
        "fresh",
        "expired",
        "not_yet_valid",
        "no_exp",
        "wrong_key",
        "tampered_payload",
        "signature_stripped",
        "alg_none",
        "alg_confusion",
        "unknown_kid",
        "wrong_audience",
        "not_a_jwt",
        "empty_password",
        "no_credentials",
    ];
    let mix = kinds.map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n")).concat();
    for (protocol, code) in [(4, "5"), (5, "134")] {
        let load =
            format!("[load]\nclients = {}\nconcurrency = 8\nhold = \"0s\"\n", 12 * kinds.len());
        let storm = issuer.storm(&broker, &format!("{load}{mix}"));
        let run = storm.run_with(&["--set", &format!("target.protocol={protocol}")]);
        let summary = run.expect(0);
        assert_eq!(summary["verdicts"]["correct"], summary["attempts"], "{:?}", run.verdicts());
        for kind in &kinds[1..] {
            assert!(run.verdicts()[&format!("{kind} refused {code} correct")] > 0, "{kind}");
        }
    }
}

#[test]
#[ignore = "needs Artemis: scripts/test-live"]
fn the_matrix_of_artemis_tells_signatures_and_headers_and_its_probe_finds_the_leeway_that_was_set()
{
    let issuer = Issuer::start();
    let (_end, broker) = artemis(&issuer);
    let load = "[load]\nclients = 1\nconcurrency = 1\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let storm = issuer.storm(&broker, load);
    let (scenario, out) = (storm.scenario(), storm.out());
    let (scenario, out_path) = (scenario.to_str().unwrap(), out.to_str().unwrap());
    let run = tokenstorm(&["matrix", scenario, "--probe", "--out", out_path, "--progress", "none"]);
    let cells = rows(&out.join("matrix.csv"));
    let groups = ["control", "signature", "algorithm", "header", "encrypted"];
    let told: Vec<_> =
        cells.iter().filter(|cell| groups.contains(&cell["group"].as_str())).collect();
    assert!(told.len() > 150, "{}{}", run.stdout, run.stderr);
    for cell in told {
        // `nbf_now` is not decided where the answer takes long.
        let verdict = cell["verdict"].as_str();
        assert!(["correct", "indeterminate"].contains(&verdict), "{cell:?}");
    }
    let probe = fs::read_to_string(out.join("probe.json")).unwrap();
    let probe: serde_json::Value = serde_json::from_str(&probe).unwrap();
    // What is good to the millisecond is not found good to the second always.
    let refused = probe["leeway_exp_s"]["refused"].as_u64().unwrap();
    assert!((1..=2).contains(&refused), "{probe}");
    assert_eq!(probe["longest_token"]["accepted"], 65535, "{probe}");
}

#[test]
#[ignore = "needs Artemis: scripts/test-live"]
fn artemis_ends_3_1_1_at_a_publish_after_its_leeway_and_keeps_5_0() {
    let issuer = Issuer::start();
    let (_end, broker) = artemis(&issuer);
    // Its answer is remembered for 10 s, see the profile.
    let more = "expiry_leeway = \"11s\"\nends_with = { v4 = [\"fin\", \"rst\"] }\n[session]\ngrace = \"5s\"\n\
                [token]\nttl = \"3s\"\n[load]\nclients = 40\nconcurrency = 8\nhold = \"24s\"\nkeep_alive = \"2s\"\n\
                [[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    for (protocol, outcome) in [(4, "ended"), (5, "open")] {
        let storm = issuer.storm(&broker, more);
        let run = storm.run_with(&["--set", &format!("target.protocol={protocol}")]);
        let summary = run.expect(0);
        let expire = &summary["operations"]["expire"];
        assert_eq!(expire["outcomes"][outcome], 40, "{expire}");
        assert_eq!(expire["verdicts"]["correct"], 40, "{expire}");
    }
}
