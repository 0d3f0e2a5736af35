//! The harness against a responder whose delays are known: by how much each percentile is off of its answers to CONNECT and
//! to AUTH, of the ends of connections whose tokens end, and of the way back from there, and whether a stall shows where it
//! has to.

pub mod pattern;
pub mod responder;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::{
    pattern::{Ends, Pattern},
    responder::{Behaviour, End, Exchange, Log, Responder},
};
use crate::{
    base::{
        clock::{Clock, SECOND, signed},
        error::{Error, Result},
        host::Limits,
        words::Operation,
    },
    client::attempt::Phase,
    engine::{
        self, Finished,
        progress::{Mode, Screen},
    },
    plan::Plan,
    record::{
        live::Live,
        measure::{
            Measurements,
            latency::{Latency, Quantile},
        },
        results::calibration::{Calibration, Row, Stall},
    },
    scenario::{Loaded, Overrides, parse},
};

/// Percentiles that are compared.
const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];
/// By how much one may be off, in nanoseconds, or as a share of itself where that is more.
const ALLOWED_NS: f64 = 100_000.0;
const ALLOWED_SHARE: f64 = 0.02;
/// By how much the end of a connection, or the way back from there, may be off, in nanoseconds.
const ALLOWED_OF_LIFE_NS: f64 = 1_000_000.0;
/// By how much `response` may be off what theory says of a stall: its end sends all answers at once, and the last of
/// them must wait for the first.
const ALLOWED_OF_THEORY: f64 = 0.05;
/// Share of a stall that service time alone may show at p99, to count as having hidden it.
const HIDDEN: f64 = 0.1;

/// Delay of the responder, where a pattern has no other.
const USUAL: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(200);
/// One in so many is slow: a little more than 1 %, so that p99 falls among them, and not on the edge.
const SLOW_EVERY: u64 = 99;
const STALL: Duration = Duration::from_secs(2);
/// When the stall begins, after the first CONNECT.
const STALL_AT: Duration = Duration::from_secs(3);
const LENGTH: Duration = Duration::from_secs(8);
/// When the responder ends connections after the end of their tokens: half a millisecond apart, so that each is read before
/// the next comes.
const ENDS: Ends =
    Ends { first: Duration::from_millis(20), step: Duration::from_micros(500), count: 1000 };
/// How long clients arrive whose tokens end.
const ARRIVE: Duration = Duration::from_secs(2);
/// When the tokens of all of them end, after the storm's start.
const TOKENS_END: Duration = Duration::from_secs(3);
/// The longest that one of them waits before it comes back.
const BACKOFF: Duration = Duration::from_millis(500);
/// How long tokens last of clients that authenticate again, when they do so after they came, and how long they stay: until
/// each has once, and none twice.
const LIFE: Duration = Duration::from_secs(8);
const RENEWED: Duration = Duration::from_millis(4_500);
const STAY: Duration = Duration::from_secs(6);
/// How long they stay: until all are back.
const HOLD: Duration = Duration::from_secs(7);
/// Attempts under way in the closed loop that shows what it hides.
const CLOSED: u32 = 8;

/// How the harness is calibrated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Arrivals a second.
    pub rate: f64,
    /// Where the runs' folders are kept.
    pub out: std::path::PathBuf,
    /// What is shown meanwhile.
    pub progress: Mode,
    /// Set when the user wants it to end.
    pub stop: Arc<AtomicBool>,
}

/// Runs all patterns.
///
/// # Errors
/// When a run can't measure, or the user ends it.
pub fn calibrate(options: &Options) -> Result<Calibration> {
    let clock = Clock::start();
    let mut rows = Vec::new();
    let constant = Pattern::Constant(USUAL);
    let two_points = Pattern::TwoPoints { usual: USUAL, slow: SLOW, every: SLOW_EVERY };
    for (name, pattern) in [("constant", constant), ("two points", two_points)] {
        let (finished, log) = run(options, clock, name, answering(pattern), Load::Open)?;
        rows.extend(compare(name, &finished.all, &log.exchanges));
    }
    let stall = Pattern::Stall { usual: USUAL, at: STALL_AT, length: STALL };
    let (open, log) = run(options, clock, "stall", answering(stall), Load::Open)?;
    rows.extend(compare("stall", &open.all, &log.exchanges));
    let (closed, _) =
        run(options, clock, "stall in a closed loop", answering(stall), Load::Closed)?;
    let asked_again = Behaviour { auths: two_points, ..answering(constant) };
    let (again, log) = run(options, clock, "AUTH", asked_again, Load::Renewing)?;
    let delays = log.auths.iter().map(Exchange::delay).collect();
    rows.extend(percentiles(("AUTH", Phase::Reauth), &again.all, delays));
    let ending = Behaviour { ends: Some(ENDS), ..answering(constant) };
    let (ended, log) = run(options, clock, "tokens that end", ending, Load::Ending)?;
    rows.extend(compare_lives("tokens that end", &ended.all, &log.ends));
    let stall = judge_stall(&open.all, &closed.all);
    let passed = rows.iter().all(|row| row.within) && stall.shows && stall.is_hidden_when_closed;
    Ok(Calibration {
        format: 1,
        at: clock.rfc3339(clock.now()),
        rate_per_s: options.rate,
        rows,
        stall,
        passed,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Load {
    Open,
    Closed,
    /// Arrivals of clients whose tokens end all at one time, and who come back then.
    Ending,
    /// Arrivals of clients who authenticate again once.
    Renewing,
}

/// A responder that ends no connection.
fn answering(answers: Pattern) -> Behaviour {
    Behaviour { answers, auths: answers, ends: None }
}

/// One run against a responder of its own.
fn run(
    options: &Options,
    clock: Clock,
    name: &str,
    behaviour: Behaviour,
    load: Load,
) -> Result<(Finished, Log)> {
    if options.stop.load(Ordering::Relaxed) {
        return Err(Error::interrupted("interrupted between two runs"));
    }
    if options.progress != Mode::None {
        crate::tell!("calibrate: {name}");
    }
    let responder = Responder::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour, clock)?;
    let text = scenario(responder.address(), options.rate, load);
    let scenario = parse(&text, &Overrides::default())?;
    let label = name.replace(' ', "-");
    let loaded = Loaded::new(Path::new("calibrate"), scenario);
    let plan = Plan::new(&loaded, &Limits::read())?;
    let screen = Screen::new(options.progress, plan.known_attempts());
    let finished = engine::run(
        plan,
        engine::Options {
            out: Some(options.out.join(label)),
            screen,
            stop: Arc::clone(&options.stop),
            canary: None,
            probe: None,
            clock: Some(clock),
            calibration: None,
            live: Live::default(),
            allows_lost_agents: false,
        },
    )?;
    if finished.summary.interrupted {
        return Err(Error::interrupted("interrupted: the harness is not calibrated"));
    }
    Ok((finished, responder.stop()?))
}

fn scenario(address: SocketAddr, rate: f64, load: Load) -> String {
    let lines = match load {
        // Evenly spaced, so that theory says exactly how many arrive in a stall.
        Load::Open => format!(
            "arrivals = \"constant\"\nstages = [{{ rate = {rate:?}, for = \"{}s\" }}]\nhold = \"0s\"",
            LENGTH.as_secs()
        ),
        Load::Closed => format!(
            "mode = \"churn\"\nconcurrency = {CLOSED}\nfor = \"{}s\"\nhold = \"0s\"",
            (STALL_AT + STALL).as_secs() + 1
        ),
        Load::Ending | Load::Renewing => format!(
            "arrivals = \"constant\"\nstages = [{{ rate = {rate:?}, for = \"{}s\" }}]\nhold = \"{}s\"",
            ARRIVE.as_secs(),
            if load == Load::Ending { HOLD } else { STAY }.as_secs()
        ),
    };
    let more = match load {
        Load::Ending => format!(
            "[token]\nexp_at = \"{}s\"\n[session]\nreconnect = \"fresh_token\"\nbackoff = {{ first = \"{}ms\" }}\n\
             [policy]\non_expiry = \"disconnect\"\n",
            TOKENS_END.as_secs(),
            BACKOFF.as_millis()
        ),
        // Once, about half a second before the client leaves.
        Load::Renewing => format!(
            "[token]\nttl = \"{}s\"\n[session]\nrenew = \"reauthenticate\"\nrenew_before = \"{}ms\"\n\
             [policy]\nreauthentication = \"accept\"\n",
            LIFE.as_secs(),
            LIFE.saturating_sub(RENEWED).as_millis()
        ),
        Load::Open | Load::Closed => String::new(),
    };
    let target = match load {
        Load::Renewing => "protocol = 5\ntoken_in = \"auth_data\"\nauth_method = \"JWT\"\n",
        Load::Open | Load::Closed | Load::Ending => "",
    };
    format!(
        "name = \"calibrate\"\n[target]\nbrokers = [\"mqtt://{address}\"]\n{target}[load]\n{lines}\n{more}\
         [keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    )
}

/// The answers of the responder against what the harness saw of them.
fn compare(name: &str, all: &Measurements, log: &[Exchange]) -> Vec<Row> {
    let delays = log.iter().map(Exchange::delay).collect();
    percentiles((name, Phase::Connack), all, delays)
}

/// The ends that the responder made, and who came back, against what the harness saw of them.
fn compare_lives(name: &str, all: &Measurements, log: &[End]) -> Vec<Row> {
    let after = |end: &End| u64::try_from(signed(end.at) - end.deadline).unwrap_or_default();
    let ended = log.iter().map(after).collect();
    let back = log.iter().filter_map(|end| Some(end.back? - end.at)).collect();
    let mut rows = percentiles((name, Phase::ExpiryEnforcement), all, ended);
    rows.extend(percentiles((name, Phase::Reconnect), all, back));
    rows
}

/// What is true against what was measured, percentile by percentile.
fn percentiles((name, phase): (&str, Phase), all: &Measurements, mut truth: Vec<u64>) -> Vec<Row> {
    let seen = all.latency(phase, None, None, None);
    truth.sort_unstable();
    PERCENTILES
        .into_iter()
        .map(|percent| {
            let true_ns = nearest_rank(&truth, percent);
            let measured = nanoseconds(&seen, percent);
            let off = measured - true_ns;
            let allowed = match phase.operation() {
                Operation::Connect | Operation::Reauthenticate => {
                    ALLOWED_NS.max(true_ns * ALLOWED_SHARE)
                }
                Operation::Expire | Operation::Return => ALLOWED_OF_LIFE_NS,
            };
            Row {
                pattern: name.to_owned(),
                phase,
                percentile: percent,
                responder_us: true_ns / 1e3,
                measured_us: measured / 1e3,
                off_us: off / 1e3,
                allowed_us: allowed / 1e3,
                // All that the responder has done must have been seen, and it has done something.
                within: off.abs() <= allowed
                    && !truth.is_empty()
                    && seen.count() == truth.len() as u64,
            }
        })
        .collect()
}

/// The least value that so many percent do not exceed; of none 0.
pub fn nearest_rank(sorted: &[u64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).map_or(0.0, |value| *value as f64)
}

fn nanoseconds(latency: &Latency, percent: f64) -> f64 {
    match latency.percentile(percent) {
        Quantile::Time(time) => time as f64,
        Quantile::Beyond => f64::INFINITY,
    }
}

/// Whether a stall shows as theory says, and what a closed loop makes of it.
///
/// Of arrivals at an even rate over `T`, a stall of `S` catches the share `S / T`; each waits until its end, so that their
/// delays spread evenly from `S` down to the usual one. The percentile `p` above `1 - S / T` is then `S - (1 - p) T`, plus
/// the usual delay of what arrived at its beginning.
fn judge_stall(open: &Measurements, closed: &Measurements) -> Stall {
    let response = open.latency(Phase::Response, None, None, None);
    let service = closed.latency(Phase::Connect, None, None, None);
    let theory =
        |percent: f64| STALL.as_nanos() as f64 - (1.0 - percent / 100.0) * LENGTH.as_nanos() as f64;
    let measured = [90.0, 99.0].map(|percent| nanoseconds(&response, percent));
    let expected = [90.0, 99.0].map(theory);
    let shows = measured
        .iter()
        .zip(expected)
        .all(|(seen, expected)| (seen - expected).abs() <= expected * ALLOWED_OF_THEORY);
    let hidden = nanoseconds(&service, 99.0);
    Stall {
        length_us: STALL.as_micros() as f64,
        theory_p90_us: expected[0] / 1e3,
        response_p90_us: measured[0] / 1e3,
        theory_p99_us: expected[1] / 1e3,
        response_p99_us: measured[1] / 1e3,
        closed_service_p99_us: hidden / 1e3,
        shows,
        is_hidden_when_closed: hidden <= HIDDEN * STALL.as_secs_f64() * SECOND as f64,
    }
}

#[cfg(test)]
mod tests;
