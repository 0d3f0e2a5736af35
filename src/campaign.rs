//! Many runs, and many processes: series, fleets, builds against each other, the harness against itself. Uses `base`,
//! `scenario`, `token`, `plan`, `client`, `record`, `supply`, `report`, `engine`.

pub mod ab;
pub mod calibrate;
pub mod fleet;
pub mod series;
