//! How a run stands while it goes: where it has got to, and how its thresholds stand.

use super::vocabulary;

vocabulary! {
    /// Where a run has got to.
    #[derive(Default)]
    RunState: "state of a run" {
        /// Tokens are minted or fetched ahead; no client has started.
        #[default]
        Minting = "minting";
        /// Clients connect; attempts are counted, and their times are not recorded yet.
        WarmingUp = "warming_up";
        /// Clients connect.
        Storm = "storm";
        /// All clients have had their first attempt: those that were accepted hold, or come back.
        Holding = "holding";
        /// It is over, and its result is final.
        Over = "over";
    }
}

vocabulary! {
    /// How a threshold stands.
    BoundState: "state of a threshold" {
        /// What was observed so far holds.
        Held = "held";
        /// It does not.
        Missed = "missed";
        /// Nothing was observed that it speaks of, or the run can't tell.
        Undecided = "undecided";
    }
}

vocabulary! {
    /// Why numbers can't be taken at their face value.
    Cause: "cause" {
        /// Arrivals started late.
        LateArrivals = "late_arrivals";
        /// Attempts waited for their own token.
        SlowSigning = "slow_signing";
        /// Name lookups waited for a thread.
        SlowLookups = "slow_lookups";
        /// The generator used up the CPU that it may use.
        BusyGenerator = "busy_generator";
        /// Connections did not stand when their wave was released.
        LateForWave = "late_for_wave";
        /// Attempts met a limit of this host.
        LocalLimit = "local_limit";
        /// Attempts could not be judged.
        NotJudged = "not_judged";
        /// A host that brokers share with the generator had no idle CPU.
        BusyHost = "busy_host";
        /// The wall clock moved.
        WallStep = "wall_step";
        /// The user ended the run.
        Interrupted = "interrupted";
        /// A threshold ended the run.
        EndedEarly = "ended_early";
        /// Something else, such as an agent that was lost; the summary says it in words.
        Other = "other";
    }
}
