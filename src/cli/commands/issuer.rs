//! `tokenstorm issuer`: the built-in authorization server on its own.

use std::{sync::atomic::Ordering, thread};

use super::{say, stop_flag};
use crate::{
    base::{
        clock::{Clock, SECOND, SHORT_GLANCE},
        error::{Error, Exit, Result},
        host::Limits,
    },
    cli,
    plan::{self, Plan},
    record::results::authority,
    servers::issuer::{Issuer, happenings::Happenings},
};

/// Serves until a signal ends it. Events count from its start.
pub(super) fn issuer(arguments: &cli::Issuer) -> Result<Exit> {
    let mut loaded = plan::load_of_broker(&arguments.scenario, &arguments.change.overrides())?;
    let place = format!("scenario `{}`", arguments.scenario.display());
    let Some(settings) = &mut loaded.scenario.issuer else {
        return Err(Error::usage(format!("{place} has no `[issuer]`"))
            .hint("write `[issuer]` with `keys = [\"main\"]`; docs/issuer.md has all its keys"));
    };
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    settings.jwks_listen = arguments.jwks_listen.unwrap_or(settings.jwks_listen);
    let plan = Plan::new(&loaded, &Limits::read())?;
    let authority = plan.issuance.authority.as_ref();
    if authority.is_some_and(|own| own.client_secret.is_none() && own.client_key.is_none()) {
        crate::tell!(
            "warning: there is no `issuer.client_secret` and no `issuer.client_key`: nobody will get a token"
        );
    }
    let stop = stop_flag()?;
    let clock = Clock::start();
    let Some(issuer) = Issuer::of(&plan, clock)? else { return Ok(Exit::Fine) };
    let start = clock.now();
    issuer.storm_starts(start);
    let mut happenings = Happenings::new(&plan.issuance.timeline, start);
    happenings.before_storm(&issuer);
    if let Some(pem) = issuer.authority_pem() {
        crate::tell!("its certificates are signed by\n{pem}");
    }
    // The lines that whoever started it waits for.
    say(&format!("ready {}\njwks {}\n", issuer.url(), issuer.jwks_url()))?;
    let mut written = 0;
    let write = |happenings: &Happenings| match &arguments.out {
        Some(folder) => authority::write(folder, &issuer.visits()).and_then(|()| {
            authority::write_events(folder, happenings.done(), (&[], &[]), &[], start)
        }),
        None => Ok(()),
    };
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(SHORT_GLANCE);
        happenings.due(&issuer, clock);
        let second = (clock.now() - start) / SECOND;
        if second > written {
            written = second;
            write(&happenings)?;
        }
    }
    write(&happenings)?;
    Ok(Exit::Fine)
}
