//! A plan for a few attempts after the storm.

use std::time::Duration;

use super::{Model, Plan, cells::Cells, kinds, schedule::Rates};
use crate::{
    base::error::Result,
    scenario::{Arrivals, Stage},
    token::Kind,
};

impl Plan {
    /// The same plan for a few attempts of the clients from `first_client` on: of these kinds, in this order, at this rate. Where
    /// they share a token, they go by one client's names too; those of the kind `witness` are held until the rest is over.
    /// Nothing examines the tokens.
    ///
    /// # Errors
    /// When a key that they need can't be made.
    pub fn volley(
        mut self,
        (kinds, witness): (Vec<Kind>, Option<usize>),
        round: Vec<usize>,
        (rate, shares_token): (f64, bool),
        first_client: u64,
    ) -> Result<Self> {
        let attempts = round.len() as u64;
        let more = kinds::derived(&kinds, &self.mould.keys)?;
        let is_new = |signer| !self.mould.derived.iter().any(|(_, known, _)| *known == signer);
        let new: Vec<_> = more.into_iter().filter(|(_, signer, _)| is_new(*signer)).collect();
        self.mould.derived.extend(new);
        self.mould.kinds = kinds;
        let stage = Stage {
            rate: Some(rate),
            ramp_to: None,
            r#for: Duration::from_secs_f64(attempts as f64 / rate + 1.0),
        };
        let rates = Rates::resolve(&[stage])?;
        self.model = Model::Open { rates, arrivals: Arrivals::Constant };
        (self.attempts, self.clients) = (attempts, attempts);
        self.reuse = if shares_token { attempts.max(1) } else { 1 };
        self.shares_names = shares_token;
        self.mould.first_client = first_client;
        self.workers = 1;
        self.examiner = None;
        self.cells = Some(Cells { witness, ..Cells::of(round) });
        Ok(self)
    }
}
