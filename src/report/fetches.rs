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
    if oauth.without_expiry > 0 {
        writeln!(
            out,
            "            {} tokens have no `exp`: they never end",
            count(oauth.without_expiry)
        )?;
    }
    for (error, number) in &oauth.errors {
        writeln!(out, "            {} x {error}", count(*number))?;
    }
    Ok(())
}
