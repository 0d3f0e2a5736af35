//! The packet that takes a token to the broker.

use super::storm::keep_alive;
use crate::{
    client::packet::{AGAIN, Authentication, CONTINUE, Connect, TooLong},
    plan::Plan,
    token::{
        Kind,
        placing::{Brought, Odd},
    },
};

/// Appends the first packet of a connection: CONNECT, or AUTH of a kind that sends it first. Returns whether it names an
/// authentication method that the broker's answers must name too.
///
/// # Errors
/// When a field is longer than its length prefix can say.
pub(super) fn put_first(
    plan: &Plan,
    kind: &Kind,
    brought: &Brought<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, TooLong> {
    if brought.odd == Some(Odd::AuthFirst) {
        authentication(brought).put(CONTINUE, out)?;
        return Ok(false);
    }
    let Authentication { method, method_twice, data } = authentication(brought);
    let connect = Connect {
        protocol: kind.protocol,
        clean_start: plan.load().clean_start,
        keep_alive: keep_alive(plan.load().keep_alive),
        client_id: brought.client_id,
        username: brought.username,
        password: brought.password,
        method,
        data,
        method_twice,
        property: brought.property,
        will: brought.will,
    };
    connect.encode(out)?;
    Ok(method.is_some())
}

/// Appends the AUTH of a client that authenticates again (MQTT 5, 4.12.1).
///
/// # Errors
/// As [`put_first`].
pub(super) fn put_again(brought: &Brought<'_>, out: &mut Vec<u8>) -> Result<(), TooLong> {
    authentication(brought).put(AGAIN, out)
}

fn authentication<'a>(brought: &Brought<'a>) -> Authentication<'a> {
    let method_twice = brought.odd == Some(Odd::MethodTwice);
    Authentication { method: brought.method, method_twice, data: brought.data }
}
