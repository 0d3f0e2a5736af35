//! What a run came to, in a word, and how good a piece of news that is.

use super::vocabulary;

vocabulary! {
    /// How good a piece of news is, from the best on.
    Tone: "tone" {
        /// As it should be.
        Good = "good";
        /// To be looked at.
        Warn = "warn";
        /// A promise was broken, or a threshold.
        Bad = "bad";
    }
}

vocabulary! {
    /// What a run came to, in a word or two, for a title.
    Conclusion: "conclusion" {
        /// Every answer that could be judged was as promised, every threshold held, and the numbers are valid.
        AsPromised = "as_promised", "as promised";
        /// The same, but something is to be known before the numbers are used.
        WithReservations = "with_reservations", "as promised, with reservations";
        /// What was asked for can't be decided: a threshold, a search, or a run that lacks a part.
        Undecided = "undecided", "UNDECIDED";
        /// No answer says anything of a token, or none of a good one.
        NothingMeasured = "nothing_measured", "NOTHING MEASURED";
        /// It is still running, or was killed: reports say so, no ruling does.
        NotFinished = "not_finished", "not finished";
        /// The user ended it.
        Interrupted = "interrupted";
        /// Tokens were refused that were to be let in, or for another reason than promised.
        NotAsPromised = "not_as_promised", "NOT AS PROMISED";
        /// A bad token was let in, an operation was judged wrong, a broker followed a header of a token or went away, a
        /// threshold was missed or ended the run, or a search found nothing.
        Failed = "failed", "FAILED";
    }
}
