//! What a person reads of requests for tokens.

use std::fmt::Write;

use super::style::{count, percentile};
use crate::results::fetches::OAuth;

/// Writes the lines of the authorization server.
pub(super) fn write(out: &mut String, oauth: &OAuth) -> std::fmt::Result {
    let statuses: Vec<String> = oauth
        .statuses
        .iter()
        .map(|(status, number)| format!("{} x {status}", count(*number)))
        .collect();
    writeln!(
        out,
        "oauth       {} tokens fetched, {} fetches failed; {} requests ({}), {} of them again",
        count(oauth.fetched),
        count(oauth.failed),
        count(oauth.requests),
        statuses.join(", "),
        count(oauth.retries)
    )?;
    if let (Some(request), Some(queued)) = (&oauth.request, &oauth.queued) {
        writeln!(
            out,
            "            a request took p50 {}, p99 {}; it waited here p50 {}, p99 {}",
            percentile(&request.p50_us),
            percentile(&request.p99_us),
            percentile(&queued.p50_us),
            percentile(&queued.p99_us)
        )?;
    }
    for (name, number) in &oauth.tokens {
        let Some(said) = said_of(name) else { continue };
        let which =
            if *number == oauth.fetched { "the tokens".into() } else { count(*number) + " tokens" };
        writeln!(out, "            {which} {said}")?;
    }
    // A run folder of an earlier version has no more than this.
    if oauth.tokens.is_empty() && oauth.without_expiry > 0 {
        let number = count(oauth.without_expiry);
        writeln!(out, "            {number} tokens have no `exp`: they never end")?;
    }
    for (error, number) in &oauth.errors {
        writeln!(out, "            {} x {error}", count(*number))?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written(tokens: &[(&str, u64)]) -> String {
        let tokens: BTreeMap<String, u64> =
            tokens.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        let oauth = OAuth { fetched: tokens.values().sum(), tokens, ..OAuth::default() };
        let mut out = String::new();
        write(&mut out, &oauth).unwrap();
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
