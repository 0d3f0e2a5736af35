//! What was seen: recorded, written, read again, and told while a run goes. Uses `base`, `scenario`, `token`, `plan`,
//! `client`.

pub mod live;
pub mod measure;
pub mod results;
