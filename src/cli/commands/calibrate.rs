//! `tokenstorm calibrate`: the harness against responders whose delays are known.

use std::{fs, sync::atomic::Ordering, thread};

use super::{say, stop_flag};
use crate::{
    base::{
        clock::{Clock, SHORT_GLANCE},
        error::{Error, Exit, Result},
    },
    campaign::calibrate::{
        self, Options,
        pattern::Pattern,
        responder::{Behaviour, Exchange, Responder},
    },
    cli,
    engine::progress::Mode,
    record::results::calibration::Calibration,
    report,
};

/// Calibrates, or serves as a responder.
pub(super) fn calibrate(arguments: &cli::Calibrate) -> Result<Exit> {
    if arguments.serve.is_some() {
        return serve(arguments);
    }
    let calibration = measure(arguments.rate, &arguments.output)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&calibration)
            .map_err(|error| Error::not_measured(format!("no JSON: {error}")))?;
        say(&(text + "\n"))?;
    } else {
        say(&report::calibration::render(&calibration))?;
    }
    Ok(if calibration.passed { Exit::Fine } else { Exit::Failed })
}

/// Calibrates; the runs' folders are kept where the user wants them.
pub(super) fn measure(rate: f64, output: &cli::Output) -> Result<Calibration> {
    let unwritable = |error: &dyn std::fmt::Display| {
        Error::not_measured(format!("can't write the results: {error}"))
            .hint("`--out DIR` puts them elsewhere")
    };
    let scratch = tempfile::tempdir().map_err(|error| unwritable(&error))?;
    let out = output.out.clone().unwrap_or_else(|| scratch.path().to_owned());
    // What each run shows of itself would bury what they are for.
    let progress = if output.progress == Mode::Auto { Mode::Plain } else { output.progress };
    let options = Options { rate, out: out.clone(), progress, stop: stop_flag()? };
    let calibration = calibrate::calibrate(&options)?;
    let text = serde_json::to_vec_pretty(&calibration).map_err(|error| unwritable(&error))?;
    fs::write(out.join("calibration.json"), text).map_err(|error| unwritable(&error))?;
    Ok(calibration)
}

/// Answers until it is interrupted, then says what it did.
fn serve(arguments: &cli::Calibrate) -> Result<Exit> {
    let Some(address) = arguments.serve else { return Ok(Exit::Usage) };
    let stop = stop_flag()?;
    let usual = arguments.delay.into();
    let answers = match arguments.slow_share {
        Some(share) if share > 0.0 => Pattern::TwoPoints {
            usual,
            slow: arguments.slow_delay.into(),
            every: (1.0 / share).round().max(1.0) as u64,
        },
        _ => Pattern::Constant(usual),
    };
    let responder = Responder::start(
        address,
        Behaviour { answers, auths: answers, ends: None },
        Clock::start(),
    )?;
    crate::tell!("listening at {}", responder.address());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(SHORT_GLANCE);
    }
    let log = responder.stop()?;
    let mut delays: Vec<u64> = log.exchanges.iter().map(Exchange::delay).collect();
    delays.sort_unstable();
    let at = |percent: f64| calibrate::nearest_rank(&delays, percent) / 1e3;
    let told = serde_json::json!({
        "connects": delays.len(),
        "delay_p50_us": at(50.0),
        "delay_p90_us": at(90.0),
        "delay_p99_us": at(99.0),
        "delay_max_us": at(100.0),
    });
    say(&format!("{told}\n"))
}
