//! What lies beside the sources: documents, and what runs tokenstorm elsewhere.
#![expect(clippy::unwrap_used, reason = "a test that can't read its files has failed")]

mod deploy;
mod docs;
