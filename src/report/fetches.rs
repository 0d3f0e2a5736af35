//! What a person reads of requests for tokens.

use super::{
    facts::Facts,
    style::{count, percentile, times},
};
use crate::{
    client::attempt::oauth_advice,
    record::results::fetches::{OAuth, Refreshes},
};

/// Says what came of the authorization server.
pub(super) fn say(facts: &mut Facts, oauth: &OAuth) {
    facts.say(
        "oauth",
        format!(
            "{} tokens fetched, {} fetches failed; {} requests ({}), {} of them again",
            count(oauth.fetched),
            count(oauth.failed),
            count(oauth.requests),
            times(&oauth.statuses),
            count(oauth.retries)
        ),
    );
    if let (Some(request), Some(queued)) = (&oauth.request, &oauth.queued) {
        facts.more(format!(
            "a request took p50 {}, p99 {}; it waited here p50 {}, p99 {}",
            percentile(&request.p50_us),
            percentile(&request.p99_us),
            percentile(&queued.p50_us),
            percentile(&queued.p99_us)
        ));
    }
    let Refreshes { brought, lost, refused, logins } = oauth.refreshes;
    if brought + lost + refused > 0 {
        facts.more(format!(
            "{} by refresh token; {} refresh tokens were lost with their answer, {} refused; {} logins anew",
            count(brought),
            count(lost),
            count(refused),
            count(logins)
        ));
    }
    for (name, number) in &oauth.tokens {
        let Some(said) = said_of(name) else { continue };
        let which =
            if *number == oauth.fetched { "the tokens".into() } else { count(*number) + " tokens" };
        facts.more(format!("{which} {said}"));
    }
    // A run folder of an earlier version has no more than this.
    if oauth.tokens.is_empty() && oauth.without_expiry > 0 {
        let number = count(oauth.without_expiry);
        facts.more(format!("{number} tokens have no `exp`: they never end"));
    }
    if let Some(set) = &oauth.key_set {
        if set.appeared + set.withdrawn > 0 {
            facts.more(format!(
                "of the server's keys {} were withdrawn, and {} came new",
                count(set.withdrawn),
                count(set.appeared)
            ));
        }
        if set.unlisted > 0 {
            facts.more(format!("{} tokens named a key (`kid`) that its key set did not have: until it shows that, and for `policy.new_key_within` after, both answers are right", count(set.unlisted)));
        }
        if !set.failed.is_empty() {
            let failed = times(&set.failed);
            facts.more(format!("its key set could not be watched all the time: {failed}"));
        }
    }
    for (why, number) in &oauth.to_refuse {
        facts.more(format!("{} x to be refused: {}", count(*number), refused_for(why)));
    }
    for (why, number) in oauth.open.iter().filter(|(why, _)| said_of(why).is_none()) {
        facts.more(format!("{} x both answers are right: {}", count(*number), open_for(why)));
    }
    for (refusal, number) in &oauth.refusals {
        let (error, status) = refusal.split_once(' ').unwrap_or((refusal, ""));
        let said =
            oauth_advice(error, status).map_or(String::new(), |advice| format!(": {advice}"));
        facts.more(format!("{} x {error} (status {status}){said}", count(*number)));
    }
    // A run folder of an earlier version has no more than this.
    for (error, number) in oauth.errors.iter().filter(|_| oauth.refusals.is_empty()) {
        facts.more(format!("{} x {error}", count(*number)));
    }
}

/// What a person should know of tokens of a shape, by its name in summary.json; nothing of those that are as expected.
fn said_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "opaque" => {
            "are opaque: they are no JWT, and a broker that checks JWTs refuses them; `expires_in` says when they end"
        }
        "jwe" => {
            "are encrypted (JWE): a broker without the key refuses them; `expires_in` says when they end"
        }
        "jwt_exp_missing" => "have no `exp`: they never end",
        "jwt_exp_text" => {
            "have `exp` as text, not as a number (RFC 7519, 4.1.4): to most brokers it is invalid, to others there is none"
        }
        "jwt_exp_fraction" => {
            "have an `exp` with a fraction of a second, which some brokers do not read"
        }
        "jwt_exp_milliseconds" => {
            "have an `exp` in milliseconds: read as seconds, as RFC 7519 has it, it is in the far future"
        }
        "jwt_exp_other" => {
            "have an `exp` that is neither number nor text: to a broker it is invalid"
        }
        _ => return None,
    })
}

/// Why a token has to be refused by the policy, by its name in summary.json.
fn refused_for(why: &str) -> String {
    let claim = |name: &str, how: &str| {
        format!(
            "its `{name}` {how}: the server sets it, and `token.claims.{name}` says which is right"
        )
    };
    match why {
        "aud" => claim("aud", "is not the right one, or missing"),
        "iss" => claim("iss", "is not the right one, or missing"),
        "binds" => {
            "a claim of `policy.binds` is not what `[token.claims]` says of this client".into()
        }
        "claim_missing" => "it lacks a claim of `policy.requires`".into(),
        "exp_missing" => "it has no `exp`, which `policy.requires` names".into(),
        "exp_type" | "nbf_type" => {
            format!("its `{}` is no number (RFC 7519, 4.1.4)", why.trim_end_matches("_type"))
        }
        "exp_far" | "lifetime" => "it lasts longer than `policy.max_lifetime`".into(),
        "alg" | "alg_missing" => "its `alg` is none of `policy.algorithms`".into(),
        "alg_none" => "its `alg` is `none`: nobody signed it".into(),
        "signature_missing" => "it has no signature".into(),
        "typ" => {
            "its `typ` is that of another kind of token, and `policy.checks` names `typ`".into()
        }
        "encoding" => "its base64url is not exact, and `policy.encoding` is `strict`".into(),
        other => format!("`{other}`"),
    }
}

/// Why nothing is promised of a token, by its name in summary.json.
fn open_for(why: &str) -> String {
    match why.split_once(' ') {
        Some(("alg", alg)) => format!(
            "signed by {alg}, of which nothing is promised (where `policy.algorithms` is written, all others are to be refused)"
        ),
        _ => match why {
            "alg_missing" => "its header has no `alg`".into(),
            "crit" | "b64" => {
                format!("its header has `{why}`, and who understands that is not known")
            }
            "duplicate" => "it has a member twice, and which one counts is not known".into(),
            "exp_type" => "its `exp` is no number, and the policy does not check it".into(),
            "typ" => "its `typ` is one that the profile names as an exception".into(),
            other => format!("`{other}`"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written(tokens: &[(&str, u64)]) -> String {
        let tokens: BTreeMap<String, u64> =
            tokens.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        let oauth = OAuth { fetched: tokens.values().sum(), tokens, ..OAuth::default() };
        let (mut facts, mut out) = (Facts::default(), String::new());
        say(&mut facts, &oauth);
        facts.write(&mut out).unwrap();
        out
    }

    #[test]
    fn tokens_that_a_broker_may_not_understand_are_called_what_they_are() {
        let plain = written(&[("jwt", 8)]);
        assert_eq!(plain.lines().count(), 1, "{plain}");
        let opaque = written(&[("opaque", 8)]);
        assert!(opaque.contains("the tokens are opaque"), "{opaque}");
        let mixed = written(&[("jwt", 5), ("jwt_exp_text", 3)]);
        assert!(mixed.contains("3 tokens have `exp` as text"), "{mixed}");
        assert!(!mixed.contains("never end"), "{mixed}");
    }
}
