//! An authentication hook of our own: several keys, exactly the checks of a policy, and mutants of it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;

use async_trait::async_trait;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rmqtt::{
    acl::AuthInfo,
    context::ServerContext,
    hook::{Handler, HookResult, Parameter, Register, ReturnType, Type},
    session::Session,
    types::{AuthResult, ConnectInfo, Disconnect, Message, Reason},
};

use super::{
    HookKey, VerifyingKey,
    key_source::{KeySource, Keys, usable},
    mutant::{Mutant, Trait},
    peer,
};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Error, Result},
    },
    scenario::{Check, Group, OnExpiry, Protocol, TokenIn},
    token::{
        key,
        oracle::{Expected, Fault, Faults, Oracle, Presented},
        policy::Policy,
    },
};

/// Above all others: this hook decides alone.
const PRIORITY: u32 = 1000;

/// A verifier by a policy, and what is broken about it.
pub(super) struct Checker {
    oracle: RwLock<Arc<Oracle>>,
    /// Where its keys come from, where they come and go.
    pub(super) source: Option<KeySource>,
    token_in: TokenIn,
    mutant: Option<&'static Mutant>,
    /// How much CPU it burns before every answer.
    pub(super) slowed_by: Duration,
    refused: AtomicU64,
    /// Where connections are ended whose token has ended.
    context: OnceLock<ServerContext>,
    /// Faults so far that a mutant could have overlooked.
    chances: AtomicU64,
}

/// What becomes of a CONNECT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Decision {
    Accept,
    Refuse(Group),
}

impl Checker {
    pub(super) fn new(
        keys: &[HookKey],
        policy: &Policy,
        expected: Expected,
        token_in: TokenIn,
        mutant: Option<&'static Mutant>,
    ) -> Result<Self> {
        let decoded = keys.iter().map(verifying).collect::<Result<Vec<_>>>()?;
        let keys = keys.iter().zip(&decoded);
        let mut policy = policy.clone();
        if let Some(Trait::Leeway(more)) = mutant.map(|mutant| &mutant.is) {
            policy.leeway += *more;
        }
        let oracle = Oracle::new(
            keys.map(|(key, decoded)| (key.algorithm, key.kid.clone(), decoded)),
            policy,
            expected,
            token_in,
        )?;
        Ok(Self {
            oracle: RwLock::new(Arc::new(oracle)),
            source: None,
            token_in,
            mutant,
            slowed_by: Duration::ZERO,
            refused: AtomicU64::new(0),
            context: OnceLock::new(),
            chances: AtomicU64::new(0),
        })
    }

    /// Has the keys of a server that is not the run's own fetched before the first client comes, so that it is known from
    /// the start whether they are to be had.
    pub(super) async fn read_ahead(&self) {
        if let Some(source) = self.source.as_ref().filter(|source| !source.is_own()) {
            source.prepare(b"", |keys| self.replace(&keys)).await;
        }
    }

    fn replace(&self, keys: &[serde_json::Value]) {
        let known = self.oracle();
        let keys = usable(keys, known.policy());
        let keys = keys.iter().map(|(algorithm, kid, key)| (*algorithm, kid.clone(), key));
        let rekeyed = Arc::new(known.rekeyed(keys));
        *self.oracle.write() = rekeyed;
    }

    /// Does nothing for as long as it is to be slower, with a CPU, as a verification does.
    fn burn(&self) {
        if self.slowed_by > Duration::ZERO {
            let clock = Clock::start();
            let end = clock.now() + nanoseconds(self.slowed_by);
            while clock.now() < end {
                std::hint::spin_loop();
            }
        }
    }

    /// What is broken about it, where anything is.
    fn is(&self) -> Option<&'static Trait> {
        self.mutant.map(|mutant| &mutant.is)
    }

    fn oracle(&self) -> Arc<Oracle> {
        Arc::clone(&self.oracle.read())
    }

    /// Whether it ends connections of any version of MQTT whose token has ended.
    fn ends_any(&self) -> bool {
        [Protocol::V4, Protocol::V5].into_iter().any(|protocol| self.ends(protocol))
    }

    fn ends(&self, protocol: Protocol) -> bool {
        self.oracle().policy().expiry.on_expiry(protocol) == Some(OnExpiry::Disconnect)
    }

    /// What the broker keeps of an accepted CONNECT: when its token ends, where the connection is ended then.
    fn info(&self, connect: &ConnectInfo) -> Option<AuthInfo> {
        if !self.ends(protocol_of(connect)) {
            return None;
        }
        let token = match self.token_in {
            TokenIn::Password => connect.password().map(|token| token.to_vec()),
            TokenIn::Username => connect.username().map(|token| token.as_bytes().to_vec()),
            TokenIn::AuthData | TokenIn::WsHeader | TokenIn::Template => None,
        };
        let exp = match self.is() {
            Some(Trait::Keeps) => return None,
            Some(Trait::EndsLater(seconds)) => {
                let exp = expiry(&token?)?.as_secs().checked_add_signed(*seconds)?;
                Duration::from_secs(exp)
            }
            _ => expiry(&token?)?,
        };
        Some(AuthInfo { superuser: false, expire_at: Some(exp), rules: Vec::new() })
    }

    /// Ends a connection as the plugin does.
    async fn end(&self, session: &Session) {
        let Some(context) = self.context.get() else { return };
        if let Some(to) = context.extends.shared().await.entry(session.id().clone()).tx() {
            let expired = Disconnect::Other("the token has ended".into());
            let _ = to.unbounded_send(Message::Closed(Reason::ConnectDisconnect(Some(expired))));
        }
    }

    /// Has the keys fetched where the token that a CONNECT brings asks for it; what that decides already.
    async fn prepare(&self, connect: Presented<'_>) -> Option<Decision> {
        let source = self.source.as_ref()?;
        let token = match self.token_in {
            TokenIn::Password => connect.password,
            TokenIn::Username => connect.username,
            TokenIn::AuthData => connect.data,
            TokenIn::WsHeader | TokenIn::Template => connect.carried,
        };
        match source.prepare(token.unwrap_or_default(), |keys| self.replace(&keys)).await {
            Keys::Usable => None,
            Keys::Closed => Some(Decision::Refuse(Group::Signature)),
            Keys::Open => Some(Decision::Accept),
        }
    }

    /// What becomes of a CONNECT at `now` (seconds since 1970).
    fn decide(&self, connect: Presented<'_>, now: f64) -> Decision {
        if let Some(Trait::Dies(is_deadly)) = self.is()
            && is_deadly(&connect)
        {
            std::process::abort();
        }
        let oracle = self.oracle();
        let faults = oracle.faults(connect, now).without(unpromised(oracle.policy()));
        let is_good_but_for = |to: &[Fault]| faults.without(Faults::of(to)).is_empty();
        let is_good = match self.is() {
            Some(Trait::Blind(to)) => is_good_but_for(to),
            Some(Trait::BlindWhere(is_blind, to)) if is_blind(&connect) => is_good_but_for(to),
            Some(Trait::BlindIn(protocol, to)) if *protocol == connect.protocol => {
                is_good_but_for(to)
            }
            Some(Trait::OneIn(count, to)) => {
                faults.is_empty()
                    || is_good_but_for(to)
                        && self.chances.fetch_add(1, Ordering::Relaxed) % count == count - 1
            }
            Some(Trait::CaseBlind) => {
                let upper = connect.client_id.to_ascii_uppercase();
                let other = Presented { client_id: &upper, ..connect };
                faults.is_empty() || oracle.faults(other, now).is_empty()
            }
            Some(Trait::Refuses(is_refused)) => {
                faults.is_empty() && !is_refused(connect.password.unwrap_or_default())
            }
            _ => faults.is_empty(),
        };
        if is_good {
            return Decision::Accept;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        // What a mutant refuses for no reason is refused like a bad signature.
        Decision::Refuse(faults.iter().next().map_or(Group::Signature, Fault::group))
    }

    /// The answer of the broker to a defect, as near to the policy's as rmqtt can say it.
    fn refusal(&self, group: Group, protocol: Protocol) -> AuthResult {
        let oracle = self.oracle();
        let codes = oracle.policy().codes(group, protocol);
        let known = codes.iter().find(|code| matches!(code, 4 | 5 | 0x86 | 0x87));
        let is_password = known.is_some_and(|code| matches!(code, 4 | 0x86));
        let swaps = matches!(
            self.is(),
            Some(Trait::OtherCode(swapped)) if swapped.is_none_or(|swapped| swapped == group)
        );
        if is_password == swaps {
            AuthResult::NotAuthorized
        } else {
            AuthResult::BadUsernameOrPassword
        }
    }
}

/// The `exp` of a JWT, in whole seconds.
fn expiry(token: &[u8]) -> Option<Duration> {
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    Duration::try_from_secs_f64(claims.get("exp")?.as_f64()?.floor()).ok()
}

/// Faults that the policy does not make it look for.
fn unpromised(policy: &Policy) -> Faults {
    let mut faults = Faults::of(&[Fault::ExpTooFar]);
    if policy.encoding == crate::scenario::Encoding::Lenient {
        faults.add(Fault::Padding);
        faults.add(Fault::LooseBits);
    }
    if !policy.checks(Check::Exp) {
        faults.add(Fault::ExpType);
    }
    faults
}

fn verifying(key: &HookKey) -> Result<key::VerifyingKey> {
    Ok(match &key.key {
        VerifyingKey::Secret(base64) => key::VerifyingKey::Secret(
            STANDARD
                .decode(base64)
                .map_err(|_| Error::usage("the broker can't use a key: it is not base64"))?,
        ),
        VerifyingKey::PublicPem(pem) => key::VerifyingKey::PublicPem(pem.clone()),
    })
}

struct AuthHook {
    checker: Arc<Checker>,
}

/// Puts the hook into a broker.
pub(super) async fn register(context: &ServerContext, checker: Arc<Checker>) {
    let _ = checker.context.set(context.clone());
    let register: Box<dyn Register> = context.extends.hook_mgr().register();
    let hook = AuthHook { checker: Arc::clone(&checker) };
    if hook.is_overloaded() {
        let hook = AuthHook { checker: Arc::clone(&checker) };
        register.add_priority(Type::ClientConnect, PRIORITY, Box::new(hook)).await;
    }
    if checker.ends_any() {
        let hook = AuthHook { checker: Arc::clone(&checker) };
        register.add_priority(Type::ClientKeepalive, PRIORITY, Box::new(hook)).await;
    }
    register.add_priority(Type::ClientAuthenticate, PRIORITY, Box::new(hook)).await;
    register.start().await;
    // Dropping the register would take its hooks out again.
    Box::leak(Box::new(register));
}

fn protocol_of(connect: &ConnectInfo) -> Protocol {
    if connect.proto_ver() == 5 { Protocol::V5 } else { Protocol::V4 }
}

impl AuthHook {
    fn is_overloaded(&self) -> bool {
        matches!(self.checker.is(), Some(Trait::Overloaded))
    }

    /// The group of what is wrong with a CONNECT, where it is refused.
    async fn refused(&self, connect: &ConnectInfo) -> Option<Group> {
        let method = match connect {
            ConnectInfo::V5(_, connect) => connect.auth_method.as_ref(),
            ConnectInfo::V3(..) => None,
        };
        let presented = Presented {
            protocol: protocol_of(connect),
            client_id: connect.client_id().as_bytes(),
            username: connect.username().map(|name| name.as_bytes().as_ref()),
            password: connect.password().map(AsRef::as_ref),
            method: method.map(|method| method.as_bytes().as_ref()),
            // The broker answers enhanced authentication itself, and hands none of it over.
            data: None,
            carried: None,
            certificate: None,
            is_malformed: false,
        };
        let decided = self.checker.prepare(presented).await;
        self.checker.burn();
        let decide = || self.checker.decide(presented, crate::base::clock::wall_seconds());
        match decided.unwrap_or_else(decide) {
            Decision::Accept => None,
            Decision::Refuse(group) => Some(group),
        }
    }

    async fn answer(&self, connect: &ConnectInfo) -> AuthResult {
        let Some(group) = self.refused(connect).await else {
            return AuthResult::Allow(false, self.checker.info(connect));
        };
        match self.checker.is() {
            Some(Trait::Silent) => {
                if let Some(address) = connect.id().remote_addr {
                    peer::hang_up(address);
                }
                std::future::pending::<()>().await;
            }
            Some(Trait::Stalls(time)) if self.checker.refused.load(Ordering::Relaxed) == 1 => {
                tokio::time::sleep(*time).await;
            }
            _ => {}
        }
        self.checker.refusal(group, protocol_of(connect))
    }
}

#[async_trait]
impl Handler for AuthHook {
    async fn hook(&self, parameter: &Parameter, accumulated: Option<HookResult>) -> ReturnType {
        match parameter {
            // The broker says "unavailable" where this hook has taken longer than a handshake may.
            Parameter::ClientConnect(connect) => {
                if self.is_overloaded() && self.refused(connect).await.is_some() {
                    tokio::time::sleep(super::GIVE_UP * 2).await;
                }
                (true, accumulated)
            }
            Parameter::ClientAuthenticate(connect) => {
                (false, Some(HookResult::AuthResult(self.answer(connect).await)))
            }
            // Told of each packet that comes.
            Parameter::ClientKeepalive(session, _) => {
                let info = session.auth_info.as_ref();
                if info.is_some_and(AuthInfo::is_expired) {
                    self.checker.end(session).await;
                }
                (true, accumulated)
            }
            _ => (true, accumulated),
        }
    }
}

#[cfg(test)]
mod tests;
