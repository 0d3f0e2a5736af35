//! What an issuer remembers: refresh tokens, device codes, revoked tokens.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use super::claims::Subject;
use crate::{base::error::Result, token::key::material::random_id};

/// What is remembered.
#[derive(Default)]
pub(super) struct Grants {
    known: Mutex<Known>,
    /// How often all tokens were revoked: each id begins with how often that was before it was issued.
    generation: AtomicU64,
}

#[derive(Default)]
struct Known {
    refresh: HashMap<String, Subject>,
    devices: HashMap<String, Device>,
    revoked: HashSet<String>,
}

/// A device that waits for its approval.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) subject: Subject,
    /// When it is approved, by the run's clock.
    pub(super) approved: u64,
    /// When its code ends.
    pub(super) ends: u64,
}

impl Grants {
    /// A new refresh token.
    pub(super) fn refresh_token(&self, subject: Subject) -> Result<String> {
        let token = random_id()?;
        self.known.lock().refresh.insert(token.clone(), subject);
        Ok(token)
    }

    /// Whose a refresh token is; it is used up (RFC 9700, 4.14.2).
    pub(super) fn use_refresh_token(&self, token: &str, client_id: &str) -> Option<Subject> {
        let mut known = self.known.lock();
        let is_own = known.refresh.get(token).is_some_and(|subject| subject.client_id == client_id);
        is_own.then(|| known.refresh.remove(token)).flatten()
    }

    pub(super) fn add_device(&self, device: Device) -> Result<String> {
        let code = random_id()?;
        self.known.lock().devices.insert(code.clone(), device);
        Ok(code)
    }

    pub(super) fn device(&self, code: &str) -> Option<Device> {
        self.known.lock().devices.get(code).cloned()
    }

    pub(super) fn forget_device(&self, code: &str) {
        self.known.lock().devices.remove(code);
    }

    /// Revokes an access token by its id.
    pub(super) fn revoke(&self, id: &str) {
        self.known.lock().revoked.insert(id.to_owned());
    }

    /// Revokes a refresh token.
    pub(super) fn revoke_refresh_token(&self, token: &str) {
        self.known.lock().refresh.remove(token);
    }

    /// Revokes all that was issued so far.
    pub(super) fn revoke_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.known.lock().refresh.clear();
    }

    /// An id for a token.
    pub(super) fn token_id(&self) -> Result<String> {
        Ok(format!("{:x}-{}", self.generation.load(Ordering::Acquire), random_id()?))
    }

    /// Whether a token is revoked, by its id.
    pub(super) fn is_revoked(&self, id: &str) -> bool {
        let issued =
            id.split_once('-').and_then(|(issued, _)| u64::from_str_radix(issued, 16).ok());
        let is_old = issued.is_none_or(|issued| issued < self.generation.load(Ordering::Acquire));
        is_old || self.known.lock().revoked.contains(id)
    }
}
