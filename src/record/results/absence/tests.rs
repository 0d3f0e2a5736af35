use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::{
    client::{attempt::Steps, verdict::Expectation},
    token::recipe::Refusal,
};

const START: u64 = 7 * SECOND;
const MS: u64 = SECOND / 1000;

/// Attempts that were closed.
fn attempts(attempts: impl IntoIterator<Item = Pending>) -> Closed {
    Closed { attempts: attempts.into_iter().collect(), sessions: Vec::new() }
}

fn site(broker: u16) -> Site {
    Site { broker, address: SocketAddr::from(([127, 0, 0, 1], 1883 + broker)) }
}

/// What is noted, at which millisecond.
#[derive(Clone, Copy, Debug)]
enum Note {
    Alive(u64),
    Refused(u64),
    /// When its connect was begun, and when CONNACK came.
    Answered(u64, u64),
    Ended(u64),
    Shut(u64),
    Cut(u64),
    Over(u64),
    /// When it was looked, and when the oldest witness was accepted.
    Held(u64, u64),
    /// When a witness left, and when it was accepted.
    Left(u64, u64),
}

impl Note {
    /// In which second it is told: witnesses are looked at when a second is over.
    fn at(self) -> u64 {
        match self {
            Self::Alive(at)
            | Self::Refused(at)
            | Self::Ended(at)
            | Self::Shut(at)
            | Self::Answered(_, at)
            | Self::Cut(at)
            | Self::Left(at, _)
            | Self::Over(at) => at,
            Self::Held(at, _) => at.saturating_sub(1000),
        }
    }

    fn put(self, signs: &mut Signs) {
        match self {
            Self::Alive(at) => signs.alive(at * MS),
            Self::Refused(at) => signs.refused(at * MS),
            Self::Answered(begun, at) => {
                signs.alive(at * MS);
                signs.answered(begun * MS, at * MS);
            }
            Self::Ended(at) => {
                signs.ended(at * MS);
                signs.cut(at * MS);
            }
            Self::Shut(at) => signs.shuts_down(at * MS),
            Self::Cut(at) => signs.cut(at * MS),
            Self::Over(at) => signs.over(at * MS),
            Self::Left(at, accepted) => signs.left(at * MS, accepted * MS),
            Self::Held(at, oldest) => signs.holds(at * MS, oldest * MS),
        }
    }
}

/// An attempt with CONNECT sent at once that ended like this, by milliseconds.
fn closed(client: u64, begun: u64, ended: u64, close: Close) -> Pending {
    let at = |ms: u64| START + ms * MS;
    let attempt = Attempt {
        client,
        steps: Steps { connack: Step::Unfinished, ..Steps::default() },
        ended: at(ended),
        ..Attempt::example(at(begun), Outcome::Closed(close))
    };
    let expected = Expectation::Refuse(Refusal::from(crate::scenario::Group::Signature));
    let verdict = if close == Close::Fin { Verdict::Correct } else { Verdict::NotJudged };
    Pending { attempt, site: site(0), expected, verdict, in_time: true }
}

/// Runs these through, second by second, from so many lanes; then the run is over. Verdicts by client.
fn follow(notes: &[Note], pending: &[Pending], deeds: &[Deed]) -> (Absences, Vec<(u64, Verdict)>) {
    let mut absences = Absences::default();
    let mut verdicts = Vec::new();
    let mut take = |settled: Vec<Settled>| {
        let ends = settled.into_iter().flat_map(|settled| settled.ends);
        verdicts.extend(ends.map(|(pending, verdict)| (pending.attempt.client, verdict)));
    };
    for second in 0..20 {
        let is_in = |at: u64| at / 1000 == second;
        let mut signs = Signs::new(site(0));
        notes.iter().filter(|note| is_in(note.at())).for_each(|note| note.put(&mut signs));
        let own = pending.iter().filter(|of| is_in((of.attempt.ended - START) / MS));
        absences.second(second, &[signs], attempts(own.copied()), None);
        take(absences.settle(START, deeds, false));
    }
    take(absences.settle(START, deeds, true));
    (absences, verdicts)
}

fn gone(notes: &[Note]) -> Vec<(u64, Sign, Option<u64>)> {
    let (absences, _) = follow(notes, &[], &[]);
    let told = |gone: &Absence| (gone.at / MS, gone.by, gone.back.map(|back| back / MS));
    absences.all().iter().map(told).collect()
}

use Note::{Alive, Answered, Cut, Ended, Held, Left, Over, Refused, Shut};

#[test]
fn two_connects_refused_apart_without_a_sign_of_life_between_say_that_a_broker_is_gone() {
    assert_eq!(gone(&[Alive(900), Refused(1000), Refused(1150)]), [(1000, Sign::Port, None)]);
    assert_eq!(gone(&[Alive(900), Refused(1000), Refused(1090)]), [], "too near each other");
    assert_eq!(gone(&[Alive(900), Refused(1000), Alive(1100), Refused(1150)]), []);
    assert_eq!(gone(&[Refused(1000), Refused(1150), Alive(1200)]), [], "it was never there");
    assert_eq!(
        gone(&[Alive(900), Refused(1000), Refused(2150), Answered(2300, 2310)]),
        [(1000, Sign::Port, Some(2310))],
        "over the end of a second"
    );
    // Within a slot the order counts, too.
    assert_eq!(gone(&[Alive(900), Refused(1003), Alive(1001), Refused(1150)]).len(), 1);
    assert_eq!(gone(&[Alive(900), Refused(1001), Alive(1003), Refused(1150)]), []);
}

#[test]
fn a_broker_that_is_stopped_when_all_is_over_is_not_gone_and_one_that_closed_the_last_attempt_is() {
    let end = [Alive(900), Over(950), Refused(1000), Refused(1150)];
    assert_eq!(gone(&end), []);
    assert_eq!(gone(&[&end[..], &[Cut(940)]].concat()).len(), 1);
    assert_eq!(gone(&[&end[..], &[Over(1200)]].concat()).len(), 1, "another worker was not done");
}

#[test]
fn an_answer_to_a_connect_from_before_does_not_bring_it_back_and_it_can_die_again() {
    let notes = [
        Alive(900),
        Refused(1000),
        Refused(1150),
        Answered(990, 1300),
        Refused(1400),
        Refused(1600),
        Answered(1700, 1710),
        Refused(3000),
        Refused(3150),
        Answered(5000, 5005),
    ];
    assert_eq!(gone(&notes), [(1000, Sign::Port, Some(1710)), (3000, Sign::Port, Some(5005))]);
}

#[test]
fn all_witnesses_that_end_within_a_second_say_it_and_one_that_stays_or_an_answer_between_not() {
    let ends = [Alive(990), Ended(1000), Ended(1400), Ended(1900)];
    assert_eq!(gone(&ends), [(1000, Sign::Sessions, None)]);
    assert_eq!(gone(&ends[..3]), [], "two are too few");
    let with = |note: Note| gone(&[&ends[..], &[note]].concat());
    assert_eq!(with(Held(2100, 500)), [], "one is still there");
    assert_eq!(with(Held(2100, 1950)).len(), 1, "one that came later");
    assert_eq!(with(Answered(1010, 1500)), [], "it answers meanwhile");
    assert_eq!(with(Answered(1950, 1960)), [(1000, Sign::Sessions, Some(1960))]);
    assert_eq!(with(Answered(980, 1500)).len(), 1, "begun before");
}

#[test]
fn one_that_leaves_as_it_was_to_after_the_others_ended_says_that_the_broker_is_there() {
    let ends = [Alive(990), Ended(1000), Ended(1001), Ended(1010)];
    let with = |note: Note| gone(&[&ends[..], &[note]].concat()).len();
    assert_eq!(with(Left(1300, 900)), 0, "it was open when the others ended, and outlived them");
    assert_eq!(with(Left(1300, 1005)), 1, "it came after the first end");
    assert_eq!(with(Left(1030, 900)), 1, "its end may not have been seen yet");
    assert_eq!(with(Left(995, 500)), 1, "it had left before");
}

#[test]
fn a_few_sessions_that_ended_before_do_not_hide_a_death_and_many_are_none() {
    let together: Vec<Note> = (0..30).map(|at| Ended(2000 + at)).collect();
    let stray = [Alive(900), Ended(1500), Answered(1600, 1700)];
    assert_eq!(gone(&[&stray[..], &together].concat()), [(2000, Sign::Sessions, None)]);
    // One after the other, as they come: the last three end without an answer after them.
    let each =
        (0..30).flat_map(|at| [Answered(1000 + at * 20, 1005 + at * 20), Ended(1010 + at * 20)]);
    assert_eq!(gone(&each.collect::<Vec<_>>()), []);
}

#[test]
fn both_signs_of_one_death_are_told_once() {
    let both = [Alive(990), Ended(1000), Ended(1001), Ended(1002), Refused(1003), Refused(1150)];
    assert_eq!(gone(&both), [(1003, Sign::Port, None)]);
}

#[test]
fn a_broker_that_said_it_goes_or_was_stopped_is_not_gone_and_its_ends_are_not_judged() {
    let notes = [Alive(900), Shut(950), Refused(1000), Refused(1150), Answered(3000, 3010)];
    let ends = [closed(1, 940, 1000, Close::Fin), closed(2, 2900, 3500, Close::Fin)];
    let (absences, verdicts) = follow(&notes, &ends, &[]);
    assert!(absences.all().is_empty());
    assert_eq!(verdicts, [(1, Verdict::NotJudged), (2, Verdict::Correct)]);
    assert!(absences.had_shut(0, 0) && absences.had_shut(0, 2) && !absences.had_shut(0, 4));
    assert_eq!(
        gone(&[Alive(900), Shut(950), Answered(960, 970), Refused(2500), Refused(2650)]).len(),
        1
    );

    let deed = |starts, ms: u64| Deed {
        starts,
        began: START + ms * MS,
        ended: Some(START + (ms + 5) * MS),
        ..Deed::default()
    };
    let deeds = [deed(false, 950), deed(true, 2000)];
    let (absences, verdicts) = follow(&[notes[0], notes[2], notes[3], notes[4]], &ends, &deeds);
    assert!(absences.all().is_empty());
    assert_eq!(verdicts, [(1, Verdict::NotJudged), (2, Verdict::Correct)]);
    let other = [Deed { broker: 1, ..deed(false, 950) }];
    assert_eq!(follow(&[notes[0], notes[2], notes[3]], &[], &other).0.all().len(), 1);
}

#[test]
fn what_was_closed_in_the_gap_is_not_judged_and_what_was_on_the_way_is_told_likeliest_first() {
    let notes = [Alive(980), Refused(1000), Refused(1150), Answered(1900, 1910)];
    let ends = [
        closed(1, 900, 950, Close::Fin),
        closed(2, 970, 985, Close::Rst),
        closed(3, 975, 985, Close::Rst),
        closed(4, 960, 985, Close::Fin),
        closed(5, 1000, 1930, Close::Fin),
    ];
    let (absences, verdicts) = follow(&notes, &ends, &[]);
    let gone = &absences.all()[0];
    let on_the_way: Vec<u64> = gone.on_the_way.iter().map(|attempt| attempt.client).collect();
    // The first ended long before the last sign of life: it was refused by closing.
    assert_eq!(on_the_way, [4, 3, 2]);
    let correct: Vec<u64> = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Correct)
        .map(|it| it.0)
        .collect();
    assert_eq!(correct, [5]);
}

#[test]
fn what_a_broker_that_is_there_closes_has_its_verdict_a_second_later() {
    let mut absences = Absences::default();
    let mut signs = Signs::new(site(0));
    signs.alive(500 * MS);
    absences.second(0, &[signs], attempts([closed(1, 400, 500, Close::Fin)]), None);
    assert!(absences.settle(START, &[], false).is_empty());
    absences.second(1, &[], Closed::default(), None);
    let settled = absences.settle(START, &[], false);
    assert_eq!(settled[0].ends[0].1, Verdict::Correct);
}

#[test]
fn an_end_waits_for_the_second_refused_connect_as_long_as_it_may_come() {
    let mut absences = Absences::default();
    let mut of = |second: u64, notes: &[Note], pending: Vec<Pending>| {
        let mut signs = Signs::new(site(0));
        for note in notes {
            note.put(&mut signs);
        }
        absences.second(second, &[signs], attempts(pending), None);
        absences.settle(START, &[], false)
    };
    assert!(of(0, &[Alive(990)], vec![closed(1, 980, 995, Close::Fin)]).is_empty());
    assert!(of(1, &[Refused(1950)], Vec::new()).is_empty());
    let settled = of(2, &[Refused(2100)], Vec::new());
    assert_eq!(settled[0].ends[0].1, Verdict::NotJudged);
}

proptest! {
    #[test]
    fn it_makes_no_difference_which_lane_saw_what(
        notes in prop::collection::vec((0..6_u8, 0..5000_u64, 0..500_u64, 0..3_usize), 0..60)
    ) {
        let notes: Vec<(Note, usize)> = notes.into_iter().map(|(what, at, before, lane)| {
            let early = at.saturating_sub(before);
            let note = match what {
                0 => Alive(at),
                1 => Refused(at),
                2 => Answered(early, at),
                3 => Ended(at),
                4 => Shut(at),
                _ => Held(at, early),
            };
            (note, lane)
        }).collect();
        let told = |lanes: usize| {
            let mut absences = Absences::default();
            for second in 0..8 {
                let mut signs = vec![Signs::new(site(0)); lanes];
                for (note, lane) in notes.iter().filter(|(note, _)| note.at() / 1000 == second) {
                    note.put(&mut signs[lane % lanes]);
                }
                absences.second(second, &signs, Closed::default(), None);
                absences.settle(START, &[], false);
            }
            absences.settle(START, &[], true);
            absences.all().iter().map(|gone| (gone.at, gone.by, gone.back)).collect::<Vec<_>>()
        };
        prop_assert_eq!(told(1), told(3));
    }
}
