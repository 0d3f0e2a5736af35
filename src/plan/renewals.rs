//! Clients that authenticate again on their connection (MQTT 5.0, 4.12.1): whether they can, and with which tokens.

use super::{
    Plan,
    fetching::{EXPIRED, STOLEN},
    kinds::{self, Context, Unfit, Use},
    life::Life,
};
use crate::{
    base::error::{Error, Result},
    scenario::{Grant, Mix, Protocol, Renew, TokenIn},
    token::{
        Bearer, Kind,
        carrier::token_in,
        recipe::{Certificate, Placing},
    },
};

/// Parts what is drawn for the kind of a token from all else that is drawn for a turn.
const KIND_STREAM: u64 = 0x6b69_6e72;

/// A kind of token that clients authenticate again with.
#[derive(Clone, Copy, Debug)]
pub(super) struct RenewsWith {
    /// Index of the kind.
    kind: usize,
    /// It is taken by what is drawn below this, and is not below that of the one before.
    below: f64,
}

/// Resolves `session.renew_with`. Kinds that are not in the mix are added behind it: no client comes with them.
///
/// # Errors
/// When clients can't authenticate again, or not with such a token.
pub(super) fn resolve(
    context: Context<'_>,
    all: &mut Vec<Kind>,
    warnings: &mut Vec<String>,
) -> Result<Vec<RenewsWith>> {
    let scenario = context.scenario;
    let Some(session) = &scenario.session else { return Ok(Vec::new()) };
    let entries = &session.renew_with;
    if session.renew != Renew::Reauthenticate {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        return Err(Error::usage(
            "`session.renew_with` is given, but `session.renew` is not `reauthenticate`: a client that connects again brings a token of its own kind",
        )
        .hint("write `renew = \"reauthenticate\"`, or leave `renew_with` out"));
    }
    if token_in(scenario) != TokenIn::AuthData {
        return Err(Error::usage(
            "`session.renew` is `reauthenticate`, but `target.token_in` is not `auth_data`: only a client that connected by enhanced authentication can authenticate again (MQTT 5.0, 4.12.0-7)",
        )
        .hint("write `protocol = 5`, `token_in = \"auth_data\"` and `auth_method`, or `renew = \"reconnect\"`"));
    }
    let sum: f64 = entries.iter().map(|entry| entry.share).sum();
    if !entries.is_empty() && (sum <= 0.0 || !sum.is_finite()) {
        return Err(Error::usage(
            "all shares of `session.renew_with` are 0: nobody would bring anything",
        )
        .hint("give one a share, such as 1"));
    }
    let mut below = 0.0;
    let mut renewals = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let place = format!("`session.renew_with[{index}]`");
        let kind = kind_of(entry, context, all, warnings).map_err(|unfit| unfit.told(&place))?;
        below += entry.share / sum;
        renewals.push(RenewsWith { kind, below });
    }
    Ok(renewals)
}

/// The kind of an entry: that of the mix which is the same, or one more.
fn kind_of(
    entry: &Mix,
    context: Context<'_>,
    all: &mut Vec<Kind>,
    warnings: &mut Vec<String>,
) -> std::result::Result<usize, Unfit> {
    let mut kind = kinds::kind(entry, Use::Renewal, context, warnings)?;
    let fetching = context.issuance.fetching.as_ref();
    if fetching.is_some() && kind.defect.name == EXPIRED {
        return Err(Error::usage(
            "`expired` is a fetched token, and no client that is connected waits until one has ended",
        )
        .hint("mint tokens here, or leave it out")
        .into());
    }
    let refreshes =
        |grant| matches!(grant, Grant::Password | Grant::RefreshToken | Grant::DeviceCode);
    if kind.defect.name == STOLEN && fetching.is_some_and(|it| refreshes(it.settings.grant)) {
        return Err(Error::usage(
            "`stolen` is a fetched token here, and to fetch another for the client before would use up its refresh token",
        )
        .hint("use the grant `client_credentials`, mint tokens here, or leave it out")
        .into());
    }
    if !matches!(
        kind.recipe.placing,
        Placing::Own
            | Placing::UnknownMethod
            | Placing::NoMethod
            | Placing::NoData
            | Placing::MethodTwice
    ) {
        return Err(Error::usage(format!(
            "`{}` has its token, or something else, in fields that AUTH does not have",
            entry.token
        ))
        .hint("leave it out: AUTH has an authentication method and authentication data (MQTT 5.0, 3.15)")
        .into());
    }
    if kind.recipe.certificate == Certificate::Absent {
        return Err(Error::usage(format!(
            "`{}` comes without a certificate, and AUTH comes on a connection that has shown one",
            entry.token
        ))
        .hint("leave it out: `cnf_other` and `stolen` are bound to another certificate")
        .into());
    }
    kind.share = 0.0;
    let known = all.iter().position(|known| known.label == kind.label);
    let Some(known) = known else {
        all.push(kind);
        return Ok(all.len() - 1);
    };
    let by = |of: &Mix| of.by.or_else(|| kind.defect.default_by());
    let is_same = |other: &Mix| {
        (&other.token, by(other), other.judged) == (&entry.token, by(entry), entry.judged)
            && (all[known].key, all[known].must) == (kind.key, kind.must)
    };
    if context.scenario.mix.get(known).is_some_and(is_same) {
        return Ok(known);
    }
    Err(Error::usage(format!("another entry of the scenario is named `{}`", kind.label))
        .hint("give this one a `name` of its own, such as `name = \"again-expired\"`")
        .into())
}

impl Plan {
    /// Index of the kind of token that a client authenticates again with in a turn: one of `session.renew_with`; without that
    /// the kind that it came with, if such tokens are good, else the first kind of the mix that is.
    pub fn renews_with(&self, life: Life, turn: u32) -> usize {
        let given = self.turns.as_ref().map_or(&[][..], |turns| &turns.renew_with);
        if let Some(last) = given.last() {
            let drawn = life.drawn(turn, KIND_STREAM);
            return given.iter().find(|it| drawn < it.below).unwrap_or(last).kind;
        }
        let kinds = &self.mould.kinds;
        let own = Some(life.kind).filter(|own| kinds[*own].defect.is_good());
        own.or_else(|| kinds.iter().position(|kind| kind.defect.is_good())).unwrap_or(life.kind)
    }

    /// Index of a kind of good tokens to connect with, in MQTT 5.0.
    pub fn good_kind(&self) -> Option<usize> {
        let is_good = |kind: &Kind| kind.defect.is_good() && kind.protocol == Protocol::V5;
        self.mould.kinds.iter().position(is_good)
    }

    /// Whether clients renew their tokens by authenticating again.
    pub fn renews_by_auth(&self) -> bool {
        self.turns.as_ref().is_some_and(|turns| turns.renew == Renew::Reauthenticate)
    }

    /// Whether the run is about what the broker does then, so that one that decides nothing has not measured what it was to.
    pub fn expects_reauths(&self) -> bool {
        self.renews_by_auth() && self.policy.reauth.promise.is_some()
    }

    /// For whom the token is asked for that a client renews its own with: of one that is fetched and stolen, the client before,
    /// and the one after where there is none.
    pub fn bearer_of(&self, kind: usize, bearer: Bearer) -> Bearer {
        if !self.is_fetched(kind) || self.mould.kinds[kind].defect.name != STOLEN {
            return bearer;
        }
        if !self.renews_by_auth() || kind == self.kind_of(bearer.client) {
            return bearer;
        }
        let client = bearer.client.checked_sub(1).unwrap_or(1);
        Bearer { client, ..bearer }
    }

    /// Whether clients come with a kind of token, and do not only authenticate again with it.
    pub fn is_in_mix(&self, kind: usize) -> bool {
        self.cells.is_some() || kind < self.scenario.mix.len()
    }
}

#[cfg(test)]
mod tests;
