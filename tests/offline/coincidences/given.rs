//! Scenarios by what matters here, and what must hold of the matrix of each.

use std::collections::BTreeSet;

use tokenstorm::{
    base::{clock::SECOND, host::Limits},
    plan::{Plan, cells::Ask},
    scenario::Loaded,
    token::{Minter, catalogue::all},
};

use crate::loaded;

pub(crate) const NOW: i64 = 1_800_000_000 * SECOND as i64 + 123_456_789;

/// A scenario, of which everything but its target can be said.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) token_in: String,
    pub(crate) keys: String,
    pub(crate) claims: String,
    pub(crate) token: String,
    pub(crate) policy: String,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            client_id: "storm-{n}".into(),
            username: "user-{n}".into(),
            token_in: "password".into(),
            keys: "[keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\nkid = \"main\"\n".into(),
            claims: "iss = \"https://issuer.example\"\naud = \"mqtt\"\nclientid = \"{client_id}\"\nsub = \"{username}\"\n".into(),
            token: "key = \"main\"\n".into(),
            policy: String::new(),
        }
    }
}

impl Given {
    pub(crate) fn loaded(&self) -> Loaded {
        let Self { client_id, username, token_in, keys, claims, token, policy } = self;
        let text = format!(
            "name = \"coincidence\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\ntoken_in = \"{token_in}\"\n\
             [load]\nconcurrency = 1\nclients = 1\n[identity]\nclient_id = {client_id:?}\nusername = {username:?}\n\
             {keys}[token]\n{token}[token.claims]\n{claims}[[mix]]\ntoken = \"fresh\"\nshare = 1\n[policy]\n{policy}"
        );
        loaded(&text)
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan::matrix(&self.loaded(), &Limits::read(), &Ask::default())
            .unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }
}

/// An HMAC key, and what follows it.
pub(crate) fn hmac(algorithm: &str, secret: &str, more: &str) -> String {
    format!("[keys.main]\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\"\n{more}\n")
}

/// The entries that are skipped, with their reasons, once for both versions of MQTT.
pub(crate) fn skipped(plan: &Plan) -> BTreeSet<(&'static str, String)> {
    let skipped = plan.cells.iter().flat_map(|cells| &cells.skipped);
    skipped.map(|skipped| (skipped.defect, skipped.reason.to_string())).collect()
}

/// What is sent and what is skipped is the whole catalogue, good tokens are sent, and all that is sent is what it claims.
pub(crate) fn holds(plan: &Plan) {
    let cells = plan.cells.as_ref().unwrap();
    let kinds = &plan.mould.kinds;
    // The witnesses are good clients besides those of the cells.
    let of_cells = || kinds.iter().enumerate().filter(|(kind, _)| cells.witness != Some(*kind));
    assert!(cells.witness.is_some());
    assert_eq!(of_cells().count() + cells.skipped.len(), 2 * all().count());
    for name in ["fresh", "not_a_jwt"] {
        assert_eq!(of_cells().filter(|(_, kind)| kind.defect.name == name).count(), 2, "{name}");
    }
    let mut minter = Minter::new(&plan.mould).unwrap();
    for (kind, it) in kinds.iter().enumerate() {
        for n in [0, 9, plan.clients - 1] {
            let mut token = Vec::new();
            let (password, _) = minter.mint(kind, n, NOW, &mut token).unwrap();
            plan.examine((kind, n), NOW, (password, plan.mould.shown(&token))).unwrap();
            assert!(token.len() <= 65_535, "{}", it.label);
        }
    }
}
