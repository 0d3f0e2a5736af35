//! What follows from a seed: tokens byte by byte, who brings which to which broker, and when. What another version of
//! this program recorded (`tests/seeded/`) is what this one makes.
//!
//! Only an intended change of what a seed means may record it anew:
//! `TOKENSTORM_RECORD=1 cargo test --test offline seeded`.

use std::{collections::BTreeMap, env, fmt::Write, fs, path::PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use tokenstorm::{
    base::host::Limits,
    plan::{Plan, cells::Ask, segment::Segment},
    scenario::Loaded,
    token::Minter,
};

use crate::loaded;

/// The moment of use of all tokens: 2026-11-26T12:00:00.5Z.
const AT: i64 = 1_795_694_400_500_000_000;
/// Clients whose tokens are recorded.
const CLIENTS: [u64; 3] = [0, 7, 123_456];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/seeded")
}

/// A scenario that knows all that entries of the catalogue need to apply.
fn laboratory(key: &str) -> Loaded {
    loaded(&format!(
        r#"
name = "seeded"
seed = 4711
[target]
brokers = ["mqtt://127.0.0.1"]
[load]
clients = 10
concurrency = 1
[keys.main]
kid = "main"
{key}
[keys.other]
algorithm = "HS256"
kid = "other"
secret = "of another that is long enough for HS256"
[token]
key = "main"
[token.claims]
iss = "https://issuer.example"
aud = "mqtt"
sub = "{{client_id}}"
[policy]
checks = ["exp", "nbf", "iat", "iss", "aud"]
binds = ["sub"]
[[mix]]
token = "fresh"
share = 1
"#
    ))
}

/// The tokens of every entry that are the same each time: those that a key signs which is made for the run are not, and
/// neither are encrypted ones.
fn tokens(name: &str, key: &str) -> BTreeMap<String, String> {
    let loaded = laboratory(key);
    let [one, two] = [0, 1].map(|_| {
        let plan = Plan::matrix(&loaded, &Limits::read(), &Ask::default()).unwrap();
        let mut minter = Minter::new(&plan.mould).unwrap();
        let mut minted = BTreeMap::new();
        for (at, kind) in plan.mould.kinds.iter().enumerate() {
            let mut tokens = Vec::new();
            for client in CLIENTS {
                minter.mint(at, client, AT, &mut tokens).unwrap();
                tokens.push(b'\n');
            }
            minted.insert(format!("{name} {}", kind.label), tokens);
        }
        minted
    });
    let kept = one.into_iter().filter(|(place, tokens)| two[place] == *tokens);
    kept.map(|(place, tokens)| (place, short(&tokens))).collect()
}

fn short(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref()[..8].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Holds what was made against what was recorded.
fn is_as_recorded(file: &str, made: &BTreeMap<String, String>) {
    let path = folder().join(file);
    let lines = made.iter().map(|(place, value)| format!("{place} {value}\n"));
    if env::var_os("TOKENSTORM_RECORD").is_some() {
        fs::write(&path, lines.collect::<String>()).unwrap();
        return;
    }
    let recorded = fs::read_to_string(&path).unwrap();
    let lost: Vec<&str> = recorded
        .lines()
        .filter(|line| {
            let (place, value) = line.rsplit_once(' ').unwrap();
            made.get(place).map(String::as_str) != Some(value)
        })
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} lines differ: {lost:#?}",
        lost.len(),
        recorded.lines().count()
    );
    assert_eq!(made.len(), recorded.lines().count(), "there are more, or fewer");
}

#[test]
fn the_same_seed_mints_the_same_tokens_as_it_always_did() {
    let mut all = BTreeMap::new();
    for (name, key) in [
        ("HS256", "algorithm = \"HS256\"\nsecret = \"seeded and long enough for any HMAC\""),
        ("RS256", "algorithm = \"RS256\"\nprivate_key = \"rsa.pkcs8.pem\""),
        ("EdDSA", "algorithm = \"EdDSA\"\nprivate_key = \"ed25519.pkcs8.pem\""),
    ] {
        all.extend(tokens(name, key));
    }
    is_as_recorded("tokens.txt", &all);
}

#[test]
fn the_same_seed_deals_out_kinds_brokers_and_arrivals_as_it_always_did() {
    let mut all = BTreeMap::new();
    for (name, load) in [
        ("poisson", "stages = [{ rate = 50, for = \"20s\" }]"),
        ("constant", "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"20s\" }]"),
        ("ramp", "stages = [{ rate = 10, for = \"5s\" }, { ramp_to = 200, for = \"5s\" }]"),
        ("closed", "clients = 500\nconcurrency = 10"),
    ] {
        let loaded = loaded(&format!(
            "name = \"seeded\"\nseed = 4711\n[target]\nbrokers = [\"mqtt://127.0.0.1:1883\", \"mqtt://127.0.0.2:1883\", \"mqtt://127.0.0.3:1883\"]\n\
             weights = [5, 2, 1]\n[load]\n{load}\n[[mix]]\ntoken = \"fresh\"\nshare = 3\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n\
             [[mix]]\ntoken = \"expired\"\nshare = 0.5\n[keys.main]\nalgorithm = \"HS256\"\nsecret = \"seeded and long enough for any HMAC\"\n"
        ));
        let plan = Plan::unchecked(&loaded, &Limits::read()).unwrap();
        let dealt = (0..500).map(|n| format!("{}@{}", plan.kind_of(n), plan.broker_of(n)));
        let dealt: Vec<String> = dealt.collect();
        all.insert(format!("{name} dealt"), short(dealt.join(" ").as_bytes()));
        let segment = Segment::new(1, &[3, 2, 1], loaded.scenario.seed, 1).unwrap();
        let own: Vec<String> = (0..200).map(|own| segment.client(own).to_string()).collect();
        all.insert(format!("{name} segment"), short(own.join(" ").as_bytes()));
        let Some(schedule) = plan.schedule() else { continue };
        let due: Vec<String> = schedule.take(2000).map(|due| due.to_string()).collect();
        all.insert(format!("{name} due"), short(due.join(" ").as_bytes()));
        let own = plan.schedule().unwrap().of_segment(&segment);
        let due: Vec<String> = own.take(500).map(|due| due.to_string()).collect();
        all.insert(format!("{name} due of a segment"), short(due.join(" ").as_bytes()));
    }
    is_as_recorded("dealt.txt", &all);
}
