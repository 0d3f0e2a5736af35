//! The files of CSV: their names, and what each of their columns holds. docs/columns.md is made from this list.

/// A file of CSV.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// Its name in the run folder.
    pub name: &'static str,
    /// What a row of it is, and when there is such a file.
    pub about: &'static str,
    /// Its columns in order: name and what is in it.
    pub columns: &'static [(&'static str, &'static str)],
    /// Their names as its first line has them.
    pub head: &'static str,
}

impl Sheet {
    /// Its first line.
    pub fn first_line(&self) -> String {
        format!("{}\n", self.head)
    }
}

/// The sheets, each `NAME = "file" { column; ... }`, with what they are as doc comments.
macro_rules! sheets {
    ($(
        $(#[doc = $about:literal])+
        $sheet:ident = $name:literal {
            $(#[doc = $what:literal])+ $first:ident;
            $($(#[doc = $more:literal])+ $column:ident;)*
        }
    )+) => {
        $(
            $(#[doc = $about])+
            pub const $sheet: Sheet = Sheet {
                name: $name,
                about: concat!($($about),+),
                columns: &[
                    (stringify!($first), concat!($($what),+)),
                    $((stringify!($column), concat!($($more),+)),)*
                ],
                head: concat!(stringify!($first), $(",", stringify!($column)),*),
            };
        )+

        /// All of them.
        pub const ALL: &[Sheet] = &[$($sheet),+];
    };
}

sheets! {
    /// Attempts that came to the same. Always there.
    VERDICTS = "verdicts.csv" {
        /// The kind of token.
        token;
        /// The broker's address.
        broker;
        /// What was promised: `accept`, `refuse`, `either` (inside the leeway) or `indeterminate`.
        expected;
        /// How the attempt ended.
        outcome;
        /// The reason code of CONNACK, or what ended the attempt.
        code;
        /// The verdict.
        verdict;
        /// How many attempts.
        count;
    }
    /// Operations on open connections that came to the same. Always there; without such operations it has no rows.
    OPERATIONS = "operations.csv" {
        /// `expire` or `reauthenticate`.
        operation;
        /// The kind of token that the operation is about.
        token;
        /// The broker's address.
        broker;
        /// What was promised.
        expected;
        /// What came of it.
        outcome;
        /// The reason code, or what ended the connection.
        code;
        /// The verdict.
        verdict;
        /// How many operations.
        count;
    }
    /// The distribution of a phase. Written at the end.
    LATENCY = "latency.csv" {
        /// The phase.
        phase;
        /// The kind of token, or `all`.
        token;
        /// The broker's address, or `all`.
        broker;
        /// `accepted`, `refused` or `all`. Attempts without an answer are in `all` only.
        outcome;
        /// Attempts that completed the phase.
        count;
        /// Attempts that entered it and did not complete it.
        unfinished;
        /// The shortest time, in microseconds.
        min_us;
        /// The mean, in microseconds.
        mean_us;
        /// The median, in microseconds.
        p50_us;
        /// The 90th percentile, in microseconds.
        p90_us;
        /// The 95th.
        p95_us;
        /// The 99th.
        p99_us;
        /// The 99.9th.
        p999_us;
        /// The 99.99th.
        p9999_us;
        /// The longest time, in microseconds.
        max_us;
        /// The times that are longer than their cell says.
        beyond;
    }
    /// A second of the storm.
    TIMELINE = "timeline.csv" {
        /// Seconds since the start of the storm.
        second;
        /// Attempts that started in it.
        started;
        /// Attempts that were accepted in it.
        accepted;
        /// Attempts that were refused in it.
        refused;
        /// Attempts that ended in it without an answer.
        failed;
        /// Connections open at its end, without clients that were refused or have left (these wait up to 250 ms for the
        /// broker to close first).
        open;
        /// The median of `connack` in it, in microseconds.
        connack_p50_us;
        /// The 99th percentile.
        connack_p99_us;
        /// The 99th percentile of `start_delay`: the generator's own lateness.
        start_delay_p99_us;
        /// The times that are longer than their cell says.
        beyond;
        /// Connections that ended in it before their clients closed them.
        dropped;
        /// Clients that came back in it.
        back;
        /// Tokens that were renewed in it, by connecting again or by AUTH.
        renewed;
    }
    /// A broker in a second of the storm, if there are several brokers.
    BROKERS = "timeline_brokers.csv" {
        /// Seconds since the start of the storm.
        second;
        /// The broker's address.
        broker;
        /// Attempts that it accepted in this second.
        accepted;
        /// Attempts that it refused.
        refused;
        /// Attempts that ended without an answer of it.
        failed;
        /// The median of `connack`, in microseconds.
        connack_p50_us;
        /// The 99th percentile.
        connack_p99_us;
        /// The times that are longer than their cell says.
        beyond;
    }
    /// A finding: an attempt that is not `correct`, or an operation that is neither `correct` nor `not_judged`. The first
    /// 10 000; a last row `left_out` counts the others.
    FINDINGS = "findings.csv" {
        /// The client's number.
        client;
        /// The kind of token.
        token;
        /// The broker's address.
        broker;
        /// When the attempt was due, in microseconds since the start of the storm.
        scheduled_us;
        /// When it started.
        started_us;
        /// When it ended.
        ended_us;
        /// How it ended.
        outcome;
        /// The reason code, or what ended it; of the row `left_out`, how many findings have no row.
        code;
        /// The verdict.
        verdict;
        /// The command that mints the token again; empty for a fetched token.
        replay;
        /// The turn of the client, from 0.
        turn;
        /// `connect`, or the operation; `left_out` of the last row of a file that was cut.
        operation;
    }
    /// Requests of a second to the run's issuer, if it has one.
    ISSUER = "issuer.csv" {
        /// Seconds since the start of the storm.
        second;
        /// What was asked for.
        path;
        /// The HTTP status of the answer.
        status;
        /// Who asked, by the `User-Agent`.
        caller;
        /// How many requests.
        count;
    }
    /// Something that happened to the issuer or to a broker, if there are events or a broker went away by itself.
    EVENTS = "events.csv" {
        /// Seconds since the start of the storm.
        second;
        /// What it was.
        event;
        /// To whom, and what came of it.
        detail;
    }
    /// Answers to tokens of one key at one broker in a second, if the run has an issuer.
    KEYS = "keys.csv" {
        /// Seconds since the start of the storm.
        second;
        /// The key that signed, by its name under `[keys]`.
        key;
        /// The broker's address.
        broker;
        /// Tokens that were accepted.
        accepted;
        /// Tokens that were refused.
        refused;
    }
    /// A reading of one side, if the scenario has `[monitor]`. Named metrics follow these columns.
    MONITOR = "monitor.csv" {
        /// Seconds since the start of the storm.
        second;
        /// `broker` or `harness`.
        side;
        /// CPU time since its processes began, in seconds.
        cpu_s;
        /// Resident memory, in bytes.
        rss_bytes;
        /// Open descriptors.
        descriptors;
        /// Threads.
        threads;
    }
    /// An agent of a run with `--agents`, written every second.
    AGENTS = "agents.csv" {
        /// Its name.
        agent;
        /// Its host.
        host;
        /// Its place among the agents, from 0.
        segment;
        /// Its share, in thousandths of that of equal agents.
        weight;
        /// Attempts whose outcome it has reported.
        attempts;
        /// Its own lateness: the 99th percentile of `start_delay`, in microseconds. A hundred other agents would hide it.
        start_delay_p99_us;
        /// CPU time of its process, in seconds.
        cpu_s;
        /// How far its clock was ahead of the coordinator's, in microseconds.
        clock_offset_us;
        /// How well that is known: half of the quickest round trip that measured it.
        clock_uncertainty_us;
        /// When it was last heard of, in seconds since the start of the storm; empty if it stayed.
        lost_at_s;
        /// The times that are longer than their cell says.
        beyond;
        /// Attempts of its clients that were accepted.
        accepted;
        /// Attempts that were refused.
        refused;
        /// Attempts that ended without an answer.
        failed;
        /// The median of `connack` of its clients, in microseconds, to 1 %.
        connack_p50_us;
        /// The 99th percentile.
        connack_p99_us;
        /// Why it was lost; empty if it stayed.
        lost_why;
    }
    /// A cell of a matrix.
    MATRIX = "matrix.csv" {
        /// The kind of token: its entry in the catalogue.
        defect;
        /// The group of the catalogue that it is of.
        group;
        /// The version of MQTT: 4 is 3.1.1, 5 is 5.0.
        protocol;
        /// What the broker's profile and the policy promise.
        expected;
        /// What the profile `strict` would promise.
        strict_expected;
        /// How the attempt with the worst verdict ended.
        outcome;
        /// Its reason code in decimal, or what ended it.
        code;
        /// The worst verdict by the profile.
        verdict;
        /// How bad it is to accept such a token; of a `wrong_reason`, `low`.
        severity;
        /// Attempts, also those that were lost because the broker went away.
        attempts;
        /// Attempts that were let in against the promise.
        false_accepts;
        /// The median of `connack`, in microseconds.
        latency_p50_us;
        /// The verdict by the profile `strict`.
        strict_verdict;
        /// If none was let in: the upper bound of the share that may get in all the same, with 95 % confidence.
        upper_bound_95;
        /// The broker's address.
        broker;
        /// Of a cell that `--known` names: `wrong` if it is wrong and no worse than known, `fixed` if it is as promised now;
        /// else empty.
        known;
        /// The times that are longer than their cell says.
        beyond;
    }
    /// A step of a search for the capacity.
    CAPACITY = "capacity.csv" {
        /// Its number, from 1.
        step;
        /// Arrivals a second that were scheduled.
        offered_per_s;
        /// Verdicts a second that came.
        achieved_per_s;
        /// The median of `connack`, in microseconds.
        connack_p50_us;
        /// The 99th percentile.
        connack_p99_us;
        /// The share of attempts that could not be judged.
        not_judged_rate;
        /// Whether times stayed the same while it lasted.
        steady;
        /// Whether the objectives held.
        passed;
        /// `raise`, `bisect` or `confirm`.
        purpose;
        /// How long it was measured, in seconds.
        measured_s;
        /// Whether the generator was the limit.
        limited_by_generator;
        /// What spoke against it.
        why;
        /// The folder of its run.
        run;
        /// The times that are longer than their cell says.
        beyond;
    }
    /// A run of a comparison of tokens with none.
    CONTROL = "control.csv" {
        /// The round, from 1: each arm is run once in it.
        round;
        /// The arm: what tokens its clients bring.
        arm;
        /// Attempts.
        attempts;
        /// Verdicts a second.
        verdicts_per_s;
        /// The median of `connack`, in microseconds.
        connack_p50_us;
        /// The 99th percentile.
        connack_p99_us;
        /// CPU time of the broker a verdict, in microseconds.
        broker_cpu_us_per_verdict;
        /// CPU time of tokenstorm a verdict, in microseconds.
        harness_cpu_us_per_verdict;
        /// Whether its numbers can be relied on.
        validity;
        /// The folder of the run.
        run;
    }
    /// A run of a sweep.
    SWEEP = "sweep.csv" {
        /// Its number, from 1.
        trial;
        /// Which repetition of its combination it is, from 1.
        repeat;
        /// The algorithm that signs.
        algorithm;
        /// The length of the RSA key, in bits.
        rsa_bits;
        /// The version of MQTT: 4 is 3.1.1, 5 is 5.0.
        protocol;
        /// Percent of the arrivals that must be refused, 0 to 100.
        bad_share;
        /// The length of a token, in bytes.
        token_bytes;
        /// Attempts.
        attempts;
        /// Verdicts a second.
        verdicts_per_s;
        /// The median of `connack`, in microseconds.
        connack_p50_us;
        /// The 99th percentile.
        connack_p99_us;
        /// The median of `connack` of tokens that must be let in.
        good_connack_p50_us;
        /// The 99th percentile of these.
        good_connack_p99_us;
        /// The share of attempts that could not be judged.
        not_judged_rate;
        /// Bad tokens that were accepted.
        false_accepts;
        /// Good tokens that were refused.
        false_rejects;
        /// CPU time of the broker a verdict, in microseconds.
        broker_cpu_us_per_verdict;
        /// CPU time of tokenstorm a verdict, in microseconds.
        harness_cpu_us_per_verdict;
        /// Memory of the broker an open connection, in bytes.
        bytes_per_connection;
        /// Tokens a second that one core of this host verifies.
        yardstick_per_s;
        /// What the search of this combination found, in verdicts a second.
        capacity_per_s;
        /// The lower end of its interval.
        capacity_low_per_s;
        /// The upper end.
        capacity_high_per_s;
        /// Who was the limit.
        capacity_limited_by;
        /// Why the search ended before it was done.
        capacity_ended;
        /// Whether the numbers can be relied on.
        validity;
        /// The folder of the run.
        run;
        /// The times that are longer than their cell says.
        beyond;
    }
    /// A trial of a comparison of two builds.
    TRIALS = "trials.csv" {
        /// Its number, from 1.
        trial;
        /// The pair of trials that it is of.
        pair;
        /// `baseline` or `candidate`.
        side;
        /// When its build was started, by UTC.
        started_at;
        /// From the start of the command to its being ready, in seconds.
        ready_s;
        /// CONNECTs that asked whether it was ready.
        ready_attempts;
        /// How long its run took, in seconds.
        duration_s;
        /// `done`, `interrupted`, `failed`, or `died` if the candidate's broker did.
        status;
        /// The folder of the run.
        run;
    }
    /// A metric of a comparison.
    COMPARISON = "comparison.csv" {
        /// Its name.
        metric;
        /// Its value in the baseline.
        baseline;
        /// Its value in the candidate.
        candidate;
        /// The candidate's change against the baseline, as a fraction.
        change;
        /// The lower end of its 95 % confidence interval.
        low;
        /// The upper end.
        high;
        /// By how much it may be worse, as a fraction.
        threshold;
        /// Where that threshold comes from.
        threshold_source;
        /// `better`, `equivalent`, `worse` or `inconclusive`.
        verdict;
        /// Its unit.
        unit;
        /// `gate` (decides), `count` or `reading` (decides nothing).
        role;
        /// The p value of the comparison.
        p;
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::{ALL, CAPACITY, CONTROL, SWEEP};
    use crate::record::results::series::{ControlRun, Step, SweepRun};

    /// The first line of a file with such a row.
    fn fields(row: impl Serialize) -> String {
        let mut file = csv::Writer::from_writer(Vec::new());
        file.serialize(row).unwrap();
        let text = String::from_utf8(file.into_inner().unwrap()).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    #[test]
    fn the_fields_of_rows_stand_in_the_order_of_their_columns() {
        assert_eq!(format!("{},beyond", fields(Step::default())), CAPACITY.head);
        assert_eq!(format!("{},beyond", fields(SweepRun::default())), SWEEP.head);
        assert_eq!(fields(ControlRun::default()), CONTROL.head);
    }

    #[test]
    fn every_column_says_what_it_holds_and_the_first_line_has_them_all() {
        for sheet in ALL {
            let names: Vec<&str> = sheet.columns.iter().map(|(name, _)| *name).collect();
            assert_eq!(sheet.head, names.join(","), "{}", sheet.name);
            for (name, about) in sheet.columns {
                assert!(about.trim().ends_with('.'), "{}: {name}: {about}", sheet.name);
            }
        }
    }
}
