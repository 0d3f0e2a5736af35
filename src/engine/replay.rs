//! One attempt on its own, with all that was sent and came back: how a finding is looked at again.
//!
//! It waits where a worker would not: there is nobody else to be served.

mod wire;

use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::AtomicBool},
};

use self::wire::Wire;
use super::bringing::put_first;
use super::target::{KeysFrom, Spot, Target, Targets};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Error, Result},
        host::cpus,
    },
    client::{
        OwnPart,
        attempt::Outcome,
        link::Link,
        names::{lookup, reachable},
        upgrade::Additions,
        verdict::{Expectation, Judge, Validity, Verdict},
    },
    plan::Plan,
    servers::issuer::Issuer,
    token::{
        Bearer, Kind, Minter, Occasion, Times,
        placing::{Brought, Scratch},
    },
};

/// Bytes of a part of a token that is looked for by itself: signatures and claims are longer, and words are shorter.
const SHORTEST_PART: usize = 16;

/// What is to be sent again.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Index of the kind of token.
    pub kind: usize,
    /// Whose token, and of which turn.
    pub bearer: Bearer,
    /// Index of the broker.
    pub broker: usize,
}

/// What was sent, and what came of it. Neither has a token in it.
#[derive(Debug)]
pub struct Replay {
    /// Where it went.
    pub address: SocketAddr,
    /// The packet that brought the token; bytes of a token, a password or authentication data are `None`.
    pub sent: Vec<Option<u8>>,
    /// What the broker sent until it was known how the attempt ends, masked likewise: one that echoes what it got would
    /// show it to whoever reads a log.
    pub received: Vec<Option<u8>>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in the broker's own words (Reason String; MQTT 5.0, 3.2.2.3.9), without what would let somebody in.
    pub reason: Option<String>,
    /// What had to happen.
    pub expected: Expectation,
    /// What the answer is worth.
    pub verdict: Verdict,
    /// From the last byte of the packet to its answer, in nanoseconds.
    pub took: u64,
    /// The token, for whoever takes it apart; nothing where none was brought.
    pub token: Vec<u8>,
}

/// Sends one token of a plan again, minted for this moment.
///
/// # Errors
/// When there is no such token, or no broker to send it to.
pub fn replay(plan: &Plan, ask: Ask) -> Result<Replay> {
    let kind = &plan.mould.kinds[ask.kind];
    check(plan, ask, kind)?;
    let clock = Clock::start();
    plan.certify(cpus(), &AtomicBool::new(false))?;
    let issuer = Issuer::of(plan, clock)?.map(Arc::new);
    if let Some(issuer) = &issuer {
        issuer.storm_starts(clock.now());
    }
    let targets = Targets::start(plan, &KeysFrom { issuer, discovered: None }, &[])?;
    let minted = Minted::new(plan, ask, clock)?;
    let mut scratch = Scratch::default();
    let given = (minted.password, plan.mould.shown(&minted.bytes));
    let names = &plan.mould.names;
    let name = plan.named(ask.bearer.client);
    let brought = scratch.fields(names, &kind.recipe, plan.token_in, name, given);
    let packet = packet(plan, kind, &brought)?;
    let target = &targets.all[ask.broker];
    let address = address(plan, target)?;
    let timeout = plan.load().connect_timeout;
    let end = clock.now() + nanoseconds(timeout);
    let upgrade = brought.upgrade.map(Additions::from);
    let own = OwnPart {
        upgrade: upgrade.as_ref(),
        certificate: plan.certificate_of(ask.kind, ask.bearer.client),
    };
    let mut wire = Wire::new(clock, end, kind.protocol, names.auth_method.clone());
    match TcpStream::connect_timeout(&address, timeout).and_then(|stream| {
        stream.set_nonblocking(true)?;
        Ok(Link::new(stream.into()))
    }) {
        Ok(link) => wire.attempt(link, &target.transport(plan), own, &packet),
        Err(error) => wire.not_reached(&error),
    }
    let judge = Judge::new(&plan.policy, kind.protocol, plan.scenario.target.clock_uncertainty);
    let validity = minted.validity(clock, plan);
    let decided = judge.decided(wire.outcome, wire.sent_at, wire.ended);
    let expected = judge.expectation(kind.must, validity, wire.sent_at, decided);
    let secrets = secrets(&brought, given.1.token);
    Ok(Replay {
        address,
        sent: masked(&packet, &secrets),
        received: masked(&wire.received, &secrets),
        outcome: wire.outcome,
        reason: wire.reason.map(|reason| told(&reason, &secrets)),
        expected,
        verdict: judge.verdict(expected, wire.outcome),
        took: wire.ended.saturating_sub(wire.sent_at),
        token: given.1.token.to_vec(),
    })
}

/// Refuses what can't be sent on its own.
fn check(plan: &Plan, ask: Ask, kind: &Kind) -> Result<()> {
    let why = if plan.rows.is_some() {
        "its token is a row of `token.file`, which says by itself what it is"
    } else if plan.is_fetched(ask.kind) {
        "its token was fetched from an authorization server, and can't be had again"
    } else if kind.recipe.again {
        "it is about AUTH on a connection that stands, and not about one packet"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("`{}` can't be sent again on its own: {why}", kind.label))
        .hint("run the scenario again; of a matrix: `tokenstorm matrix SCENARIO --only NAME`"))
}

/// A token that was minted for now.
struct Minted {
    bytes: Vec<u8>,
    password: crate::token::Password,
    times: Times,
}

impl Minted {
    fn new(plan: &Plan, ask: Ask, clock: Clock) -> Result<Self> {
        let mut bytes = Vec::new();
        let bearer = Bearer { client: plan.minted_as(ask.bearer.client), ..ask.bearer };
        let mut minter = Minter::new(&plan.mould)?;
        let occasion = Occasion::of(clock.wall(clock.now()));
        let (password, times) = minter.mint_for((ask.kind, 0), bearer, occasion, &mut bytes)?;
        minter.countersign(password, 0, &mut bytes)?;
        Ok(Self { bytes, password, times })
    }

    /// When it is good by its own claims.
    fn validity(&self, clock: Clock, plan: &Plan) -> Validity {
        let nbf = self.times.nbf.filter(|_| plan.policy.checks(crate::scenario::Check::Nbf));
        Validity {
            from: nbf.map_or(i64::MIN, |nbf| clock.at_wall(nbf)),
            until: self.times.exp.map_or(i64::MAX, |exp| clock.at_wall(exp)),
        }
    }
}

/// The packet that brings a token.
fn packet(plan: &Plan, kind: &Kind, brought: &Brought<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let put = put_first(plan, kind, brought, &mut out);
    put.map_err(|_| Error::not_measured("a field of CONNECT would be longer than 65535 bytes"))?;
    Ok(out)
}

/// Where a broker is: of several addresses the first.
fn address(plan: &Plan, target: &Target) -> Result<SocketAddr> {
    let nowhere =
        || Error::not_measured(format!("no address of the broker at `{target}` can be reached"));
    match &target.spot {
        Spot::At(addresses) => addresses.first().copied().ok_or_else(nowhere),
        Spot::Named(host, port) => {
            let found = lookup(host, *port).map_err(|_| nowhere())?;
            reachable(&found, plan.sources()).first().copied().ok_or_else(nowhere)
        }
        Spot::Nowhere(..) => Err(nowhere()),
    }
}

/// What would let somebody in: the token, each of its parts that is long enough to be known by, password, authentication
/// data, and what else carries a token.
fn secrets<'a>(brought: &Brought<'a>, token: &'a [u8]) -> Vec<&'a [u8]> {
    let whole = [Some(token), brought.password, brought.data, brought.property, brought.will];
    let parts = token.split(|byte| *byte == b'.').filter(|part| part.len() >= SHORTEST_PART);
    whole.into_iter().flatten().chain(parts).filter(|secret| !secret.is_empty()).collect()
}

/// Bytes of a packet, without secrets.
fn masked(packet: &[u8], secrets: &[&[u8]]) -> Vec<Option<u8>> {
    let mut out: Vec<Option<u8>> = packet.iter().copied().map(Some).collect();
    for secret in secrets {
        let mut from = 0;
        while let Some(at) = find(&packet[from..], secret) {
            out[from + at..from + at + secret.len()].fill(None);
            from += at + secret.len();
        }
    }
    out
}

/// What a broker said, without secrets.
fn told(reason: &str, secrets: &[&[u8]]) -> String {
    let bytes = masked(reason.as_bytes(), secrets);
    let kept = bytes.chunk_by(|one, other| one.is_some() == other.is_some()).map(|run| {
        let bytes: Option<Vec<u8>> = run.iter().copied().collect();
        bytes.map_or_else(|| "[masked]".into(), |it| String::from_utf8_lossy(&it).into_owned())
    });
    kept.collect()
}

/// Where one text stands in another first.
fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    within.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought<'a>(username: Option<&'a [u8]>, password: &'a [u8]) -> Brought<'a> {
        Brought {
            client_id: b"storm-7",
            username,
            password: Some(password),
            method: None,
            data: None,
            odd: None,
            property: None,
            will: None,
            carried: None,
            upgrade: None,
        }
    }

    #[test]
    fn a_token_is_masked_wherever_it_stands_and_nothing_else_is() {
        let brought = brought(Some(b"a.b.c&user"), b"secret");
        let secrets = secrets(&brought, b"a.b.c");
        let shown = masked(b"storm-7 a.b.c&user secret a.b.c", &secrets);
        let text: String = shown.iter().map(|byte| byte.map_or('*', char::from)).collect();
        assert_eq!(text, "storm-7 *****&user ****** *****");
        assert_eq!(told("bad token a.b.c: a and b", &secrets), "bad token [masked]: a and b");
    }

    #[test]
    fn a_long_part_of_a_token_that_a_broker_echoes_is_masked_too() {
        let token = b"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MzI5NjgwMDB9.c2lnbmF0dXJlLW9mLWl0";
        let brought = brought(None, token);
        let said = told("bad signature c2lnbmF0dXJlLW9mLWl0", &secrets(&brought, token));
        assert_eq!(said, "bad signature [masked]");
    }
}
