//! What the broker promises, resolved: a profile with the scenario's `[policy]` over it.

mod expiry;
mod http;
mod reauth;

use std::{
    collections::BTreeMap,
    path::{self, Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        error::{Error, Result, name_shown, showable, suggestion_of},
        host::reading,
        shipped::{PROFILES, Shipped, is_path},
    },
    scenario::{
        Algorithm, Check, Codes, Encoding, Group, OnAnonymous, PolicySettings, Protocol,
        RefusesWith, SilentClose, UnknownKid,
    },
};

pub use expiry::{ExpiryPolicy, SECOND_PROBE};
pub use http::{HttpPolicy, REFUSALS};
pub use reauth::ReauthPolicy;

/// Good tokens up to here are taken by every broker that does not say otherwise: 8 KiB and its encoding.
const LONGEST_CUSTOMARY_TOKEN: u16 = 12_288;

/// What a broker promises to check, and how it promises to refuse.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Policy {
    /// The profile it started from.
    pub profile: String,
    /// Versions of MQTT that are spoken.
    pub protocols: Vec<Protocol>,
    /// Algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// Whether somebody wrote them down: a list that follows from the keys promises nothing of others.
    #[serde(default)]
    pub names_algorithms: bool,
    /// Claims whose value is checked.
    pub checks: Vec<Check>,
    /// Claims whose absence must be refused.
    pub requires: Vec<String>,
    /// Claims compared with the connection.
    pub binds: Vec<String>,
    /// What becomes of a token whose `kid` names no key.
    pub unknown_kid: UnknownKid,
    /// How exactly base64url is demanded.
    pub encoding: Encoding,
    /// Inside it both answers are right.
    pub leeway: Duration,
    /// The longest that `exp` may be after `iat`.
    pub max_lifetime: Option<Duration>,
    /// The longest token in bytes that is promised to be taken.
    pub longest_token: u16,
    /// Defects that are documented to be accepted: both answers are right.
    pub accepts: Vec<String>,
    /// Controls that are documented to be refused: both answers are right.
    pub refuses: Vec<String>,
    /// Codes of a refusal, where a group has none of its own.
    pub refuses_with: CodeSet,
    /// Codes of the groups that have their own.
    pub refuses_group_with: BTreeMap<Group, CodeSet>,
    /// By how much a refusal is delayed, on purpose.
    pub refusal_delay: Duration,
    /// How long after its publication a new key may be unknown; `None` for ever.
    pub new_key_within: Option<Duration>,
    /// How long after its removal a key may be accepted; `None` for ever.
    pub old_key_within: Option<Duration>,
    /// How long after its last acceptance that was right the same token may be accepted again.
    pub verdict_cache: Duration,
    /// What becomes of live connections whose token ends.
    #[serde(default)]
    pub expiry: ExpiryPolicy,
    /// What becomes of clients that authenticate again.
    #[serde(default)]
    pub reauth: ReauthPolicy,
    /// How an upgrade to WebSocket is refused that brings the token.
    #[serde(default)]
    pub http: HttpPolicy,
    /// What closing without CONNACK is worth.
    pub silent_close: SilentClose,
    /// How many connections of ours it takes; 0 where that is not known.
    #[serde(default)]
    pub max_connections: u64,
    /// What becomes of a CONNECT without credentials.
    pub anonymous: OnAnonymous,
}

/// The CONNACK codes of a refusal in both protocol versions.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct CodeSet {
    /// Return codes of MQTT 3.1.1.
    pub v4: Vec<u8>,
    /// Reason codes of MQTT 5.0.
    pub v5: Vec<u8>,
}

impl CodeSet {
    fn of(&self, protocol: Protocol) -> &[u8] {
        match protocol {
            Protocol::V4 => &self.v4,
            Protocol::V5 => &self.v5,
        }
    }

    fn over(&self, codes: &Codes) -> Self {
        Self {
            v4: codes.v4.clone().unwrap_or_else(|| self.v4.clone()),
            v5: codes.v5.clone().unwrap_or_else(|| self.v5.clone()),
        }
    }
}

impl Policy {
    /// The profile of that name, or in that file, with `settings` over it; `algorithms` are those of the
    /// keys, and relative paths start from `folder`.
    ///
    /// # Errors
    /// When there is no such profile, or no code is left to refuse with.
    pub fn resolve(
        profile: &str,
        folder: &Path,
        settings: &PolicySettings,
        algorithms: Vec<Algorithm>,
    ) -> Result<Self> {
        let (profile, base) = profile_settings(profile, folder)?;
        Self::over(profile, base, settings, algorithms)
    }

    /// The same over a profile that was read already.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn over(
        profile: String,
        base: PolicySettings,
        settings: &PolicySettings,
        algorithms: Vec<Algorithm>,
    ) -> Result<Self> {
        let both = || vec![Protocol::V4, Protocol::V5];
        let leeway = settings.leeway.or(base.leeway).unwrap_or_default();
        let policy = Self {
            expiry: ExpiryPolicy::over(&base, settings, leeway),
            reauth: ReauthPolicy::over(&base, settings),
            http: HttpPolicy::over(&base, settings),
            profile,
            protocols: settings.protocols.clone().or(base.protocols).unwrap_or_else(both),
            names_algorithms: settings.algorithms.is_some() || base.algorithms.is_some(),
            algorithms: settings.algorithms.clone().or(base.algorithms).unwrap_or(algorithms),
            checks: settings.checks.clone().or(base.checks).unwrap_or_default(),
            requires: settings.requires.clone().or(base.requires).unwrap_or_default(),
            binds: settings.binds.clone().or(base.binds).unwrap_or_default(),
            unknown_kid: settings.unknown_kid.or(base.unknown_kid).unwrap_or_default(),
            encoding: settings.encoding.or(base.encoding).unwrap_or_default(),
            leeway,
            max_lifetime: settings.max_lifetime.or(base.max_lifetime),
            longest_token: settings
                .longest_token
                .or(base.longest_token)
                .unwrap_or(LONGEST_CUSTOMARY_TOKEN),
            accepts: settings.accepts.clone().or(base.accepts).unwrap_or_default(),
            refuses: settings.refuses.clone().or(base.refuses).unwrap_or_default(),
            refuses_with: CodeSet::default(),
            refuses_group_with: BTreeMap::new(),
            refusal_delay: settings.refusal_delay.or(base.refusal_delay).unwrap_or_default(),
            new_key_within: settings.new_key_within.or(base.new_key_within),
            old_key_within: settings.old_key_within.or(base.old_key_within),
            verdict_cache: settings.verdict_cache.or(base.verdict_cache).unwrap_or_default(),
            silent_close: settings.silent_close.or(base.silent_close).unwrap_or_default(),
            max_connections: settings.max_connections.or(base.max_connections).unwrap_or_default(),
            anonymous: settings.anonymous.or(base.anonymous).unwrap_or_default(),
        };
        policy.expiry.check()?;
        policy.reauth.check()?;
        policy.http.check()?;
        let policy = policy
            .with_codes(base.refuses_with.as_ref())?
            .with_codes(settings.refuses_with.as_ref())?;
        for (protocol, key) in [(Protocol::V4, "v4"), (Protocol::V5, "v5")] {
            if policy.protocols.contains(&protocol) && policy.codes_of_all(protocol).is_empty() {
                return Err(Error::usage(format!(
                    "the policy has no code to refuse with under `{key}`: every refusal would be a wrong reason"
                ))
                .hint(format!("write `refuses_with = {{ {key} = [...] }}`, or leave the version out of `protocols`")));
            }
        }
        Ok(policy)
    }

    /// The codes of all groups together.
    fn codes_of_all(&self, protocol: Protocol) -> Vec<u8> {
        let all = self.refuses_group_with.values().chain([&self.refuses_with]);
        all.flat_map(|codes| codes.of(protocol).to_vec()).collect()
    }

    fn with_codes(mut self, codes: Option<&RefusesWith>) -> Result<Self> {
        let Some(codes) = codes else { return Ok(self) };
        self.refuses_with =
            self.refuses_with.over(&Codes { v4: codes.v4.clone(), v5: codes.v5.clone() });
        // What is said of all is said of the groups that were named before as well.
        for own in self.refuses_group_with.values_mut() {
            *own = own.over(&Codes { v4: codes.v4.clone(), v5: codes.v5.clone() });
        }
        for (group, codes) in codes.by_group() {
            let own = self.refuses_group_with.get(&group).unwrap_or(&self.refuses_with).over(codes);
            self.refuses_group_with.insert(group, own);
        }
        let all = self.refuses_group_with.values().chain([&self.refuses_with]);
        for code in all.flat_map(|codes| codes.v4.iter().chain(&codes.v5)) {
            if *code == 0 {
                return Err(Error::usage(
                    "`policy.refuses_with` holds 0, which is the code of an accepted CONNECT",
                ));
            }
        }
        Ok(self)
    }

    /// The same promise as a scenario writes it, with nothing left to a profile.
    pub fn settings(&self) -> PolicySettings {
        let codes =
            |codes: &CodeSet| Codes { v4: Some(codes.v4.clone()), v5: Some(codes.v5.clone()) };
        let group = |group| self.refuses_group_with.get(&group).map(codes);
        let mut settings = PolicySettings {
            protocols: Some(self.protocols.clone()),
            algorithms: Some(self.algorithms.clone()),
            checks: Some(self.checks.clone()),
            requires: Some(self.requires.clone()),
            binds: Some(self.binds.clone()),
            unknown_kid: Some(self.unknown_kid),
            encoding: Some(self.encoding),
            leeway: Some(self.leeway),
            max_lifetime: self.max_lifetime,
            longest_token: Some(self.longest_token),
            accepts: Some(self.accepts.clone()),
            refuses: Some(self.refuses.clone()),
            refuses_with: Some(RefusesWith {
                v4: Some(self.refuses_with.v4.clone()),
                v5: Some(self.refuses_with.v5.clone()),
                reauth: self.reauth.written(),
                http: self.http.written(),
                signature: group(Group::Signature),
                algorithm: group(Group::Algorithm),
                header: group(Group::Header),
                time: group(Group::Time),
                identity: group(Group::Identity),
                structure: group(Group::Structure),
                encrypted: group(Group::Encrypted),
                placement: group(Group::Placement),
            }),
            refusal_delay: Some(self.refusal_delay),
            new_key_within: self.new_key_within,
            old_key_within: self.old_key_within,
            verdict_cache: (!self.verdict_cache.is_zero()).then_some(self.verdict_cache),
            reauthentication: self.reauth.promise,
            silent_close: Some(self.silent_close),
            max_connections: (self.max_connections > 0).then_some(self.max_connections),
            anonymous: Some(self.anonymous),
            ..PolicySettings::default()
        };
        self.expiry.write(&mut settings);
        settings
    }

    /// Whether the value of a claim is checked.
    pub fn checks(&self, check: Check) -> bool {
        self.checks.contains(&check)
    }

    /// Whether the absence of a claim must be refused.
    pub fn requires(&self, claim: &str) -> bool {
        self.requires.iter().any(|required| required == claim)
    }

    /// The codes with which a defect of the group is promised to be refused.
    pub fn codes(&self, group: Group, protocol: Protocol) -> &[u8] {
        if group == Group::Reauthentication {
            return self.reauth.codes();
        }
        self.refuses_group_with.get(&group).unwrap_or(&self.refuses_with).of(protocol)
    }

    /// Whether the policy refuses anything at all with this code.
    pub fn names_code(&self, code: u8, protocol: Protocol) -> bool {
        let all = self.refuses_group_with.values().chain([&self.refuses_with]);
        all.into_iter().any(|codes| codes.of(protocol).contains(&code))
    }
}

/// Every value of a policy by its dotted key, as it is written.
pub(crate) fn leaves(settings: &PolicySettings) -> BTreeMap<String, String> {
    fn add(into: &mut BTreeMap<String, String>, key: &str, value: toml::Value) {
        match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                    add(into, &key, value);
                }
            }
            value => {
                into.insert(key.to_owned(), value.to_string());
            }
        }
    }
    let mut all = BTreeMap::new();
    // A policy is a table, and all that it holds can be written as TOML.
    if let Ok(table) = toml::Value::try_from(settings) {
        add(&mut all, "", table);
    }
    all
}

/// A path that means the same from everywhere.
pub(crate) fn whole(path: &Path) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a profile of that name is built in.
pub fn is_built_in(profile: &str) -> bool {
    Shipped::called(PROFILES, profile).is_some()
}

/// A profile that is built in, or read from a file that is named from `folder`; with its name, or its whole path.
///
/// # Errors
/// When there is none, or it is none.
pub fn profile_settings(profile: &str, folder: &Path) -> Result<(String, PolicySettings)> {
    if let Some(shipped) = Shipped::called(PROFILES, profile) {
        let settings = toml::from_str(shipped.text)
            .map_err(|error| Error::usage(format!("profile `{profile}` is broken: {error}")))?;
        return Ok((profile.to_owned(), settings));
    }
    if !is_path(profile) {
        return Err(Error::usage(format!(
            "`target.profile` is {}, but there is no such profile",
            name_shown(profile, Shipped::names(PROFILES))
        ))
        .hint(format!(
            "{}; or give the path of a profile of your own, such as `my-promise.toml`",
            suggestion_of(profile, Shipped::names(PROFILES), "tokenstorm profiles")
        )));
    }
    let is_file = Path::new(profile).extension().is_some_and(|extension| extension == "toml");
    let path = folder.join(profile);
    // The whole path of what is plainly a file, so that it is known where it was looked for.
    let shown = match showable::file(Path::new(profile), folder) {
        plain if plain.starts_with('`') => format!("`{}`", path.display()),
        hidden => format!("of {hidden}"),
    };
    let within = |what: &str| Error::usage(format!("profile {shown}{what}"));
    let text = reading::read_text(&path, reading::LONGEST_TEXT).map_err(|error| {
        within(&format!(" can't be read: {error}"))
            .hint("the path of a profile starts from the scenario's folder")
    })?;
    let settings: PolicySettings = toml::from_str(&text).map_err(|error| {
        // What is in a file of another kind may be a key.
        let told =
            if is_file { error.to_string() } else { "is no TOML of `[policy]` (not shown)".into() };
        let wrong = within(&format!(": {}", told.trim_end()));
        if !is_file {
            wrong.hint("a profile is a file of TOML whose name ends in `.toml`")
        } else if error.message().starts_with("unknown field `policy`") {
            wrong.hint("a profile is the table `[policy]` without its heading")
        } else {
            wrong
        }
    })?;
    if settings.refuses_with.is_none() {
        return Err(within(" does not say with which codes the broker refuses").hint(
            "write `refuses_with = { v4 = [5], v5 = [0x87] }`; what else is missing is not promised",
        ));
    }
    Ok((whole(&path).display().to_string(), settings))
}

#[cfg(test)]
mod tests;
