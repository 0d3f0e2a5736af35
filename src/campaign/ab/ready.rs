//! Whether a broker lets good tokens in: asked by runs of one attempt, as no CONNECT is sent that is not counted.

use std::{collections::BTreeMap, fs, path::Path, sync::atomic::Ordering, thread, time::Duration};

use super::Options;
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Exit, Result},
        launch::Launched,
        words::OutcomeKind,
    },
    campaign::series as runs,
    engine::progress::Mode,
    record::results::Summary,
    scenario::{Loaded, Mix},
    token::FRESH,
};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Tries until a good token is let in; `false` when the user wants it to end.
///
/// # Errors
/// When it takes longer than the options allow, or the broker ends: with what it said last.
pub(super) fn wait(
    options: &Options,
    loaded: &Loaded,
    launched: &mut Launched,
    place: &Path,
    attempts: &mut u64,
) -> Result<bool> {
    let clock = Clock::start();
    let end = clock.now() + nanoseconds(options.patience);
    let one = single(loaded);
    let mut last;
    loop {
        *attempts += 1;
        let out = place.join(format!("{attempts:03}"));
        let tried = runs::run(
            &one,
            &runs::Options {
                out: Some(out.clone()),
                progress: Mode::None,
                stop: options.stop.clone(),
                ..runs::Options::default()
            },
        );
        match tried {
            Ok(trial) if trial.summary.outcomes[OutcomeKind::Accepted] > 0 => {
                return Ok(true);
            }
            Ok(trial) => last = answer(&trial.summary),
            Err(error) if error.exit() == Exit::Usage => return Err(error),
            Err(error) => last = error.to_string().lines().next().unwrap_or_default().to_owned(),
        }
        // Of tries that came to nothing the last tells enough.
        let _ = fs::remove_dir_all(place.join(format!("{:03}", attempts.saturating_sub(1))));
        if options.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        launched.check_alive("it ended before it let anybody in")?;
        if clock.now() > end {
            let patience = humantime::format_duration(options.patience);
            return Err(launched
                .trouble(&format!(
                    "it has not let in a good token after {patience} and {attempts} tries: {last}"
                ))
                .hint("is its key that of the scenario? `--ready-timeout` gives it longer, `--ready port` asks for less"));
        }
        thread::sleep(PAUSE);
    }
}

/// One client with a good token.
fn single(loaded: &Loaded) -> Loaded {
    let mut one = loaded.clone();
    let scenario = &mut one.scenario;
    let load = &mut scenario.load;
    (load.mode, load.clients, load.concurrency) = (None, Some(1), Some(1));
    load.stages.clear();
    (load.r#for, load.wave, load.release) = (None, None, None);
    (load.hold, load.warmup) = (Some(Duration::ZERO), Duration::ZERO);
    // A good token of the scenario's own, where it has one: it may be of another key, or have other claims.
    let own = scenario.mix.iter().find(|mix| mix.token == FRESH).cloned();
    scenario.mix = vec![Mix { share: 1.0, ..own.unwrap_or_else(|| Mix::only(FRESH, FRESH)) }];
    scenario.events.clear();
    scenario.thresholds.clear();
    (scenario.monitor, scenario.capacity) = (None, None);
    (scenario.control, scenario.sweep) = (None, None);
    one
}

fn answer(summary: &Summary) -> String {
    // Codes of MQTT are written as its standard has them.
    let shown = |code: &String| {
        code.parse::<u8>().map_or_else(|_| code.clone(), |byte| format!("0x{byte:02X}"))
    };
    let of = |(outcome, codes): (&OutcomeKind, &BTreeMap<String, u64>)| {
        codes.keys().map(|code| format!("{outcome} ({})", shown(code))).collect::<Vec<_>>()
    };
    summary.codes.iter().flat_map(of).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, parse};

    #[test]
    fn whatever_a_scenario_asks_a_try_is_one_good_token() {
        let text = "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nstages = [{ rate = 10, for = \"9s\" }]\nwarmup = \"2s\"\nhold = \"9s\"\n\
             [keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
             [[mix]]\ntoken = \"expired\"\nshare = 1\n[thresholds]\n\"connack\" = [\"p99 < 1s\"]\n[sweep]\nbad_share = [0, 50]\n";
        let scenario = parse(text, &Overrides::default()).unwrap();
        let loaded = Loaded::new("x.toml", scenario);
        let one = single(&loaded);
        let plan = crate::plan::Plan::new(&one, &crate::base::host::Limits::read()).unwrap();
        assert_eq!((plan.attempts, plan.mould.kinds.len()), (1, 1));
        assert!(plan.thresholds.iter().all(|threshold| threshold.is_default));
        assert_eq!(plan.mould.kinds[0].label, "fresh");
    }
}
