//! The keys of NATS, by which it names accounts and users: Ed25519 keys as text (`nkeys`). A user JWT is signed by an account.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;

use crate::base::error::{Error, Result};

/// Characters of a public key: its role, 32 bytes, and a checksum, in base32.
pub const LENGTH: usize = 56;
/// Characters of a seed, which has two bytes before the 32.
const SEED_LENGTH: usize = 58;
/// What the checksum is computed by: CRC-16 of XMODEM.
const POLYNOMIAL: u16 = 0x1021;

/// Whose a key is, by the byte that it begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// `A`: signs users.
    Account = 0,
    /// `U`.
    User = 20 << 3,
}

/// A public key as NATS writes it.
pub fn public(role: Role, key: &[u8; 32]) -> [u8; LENGTH] {
    let mut bytes = [0; 35];
    bytes[0] = role as u8;
    bytes[1..33].copy_from_slice(key);
    let sum = checksum(&bytes[..33]);
    bytes[33..].copy_from_slice(&sum.to_le_bytes());
    let mut text = [0; LENGTH];
    BASE32_NOPAD.encode_mut(&bytes, &mut text);
    text
}

/// The user that the token with this `id` of client `n` is for. Its public key is made up, and need not be a point of the
/// curve: where a token is a bearer's, nobody is asked for the private half.
pub fn user(n: u64, id: u64) -> [u8; LENGTH] {
    let mut seed = *b"user____________________";
    seed[8..16].copy_from_slice(&n.to_be_bytes());
    seed[16..].copy_from_slice(&id.to_be_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, &seed).as_ref());
    public(Role::User, &key)
}

fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            let carried = sum & 0x8000 != 0;
            (sum << 1) ^ if carried { POLYNOMIAL } else { 0 }
        })
    })
}

/// The seed of an account's key in a file, where one is there: alone, or between the lines of a file of credentials.
///
/// # Errors
/// When it is damaged, or another's than an account's.
pub(super) fn seed_in(file: &[u8]) -> Option<Result<[u8; 32]>> {
    let text = std::str::from_utf8(file).ok()?;
    let is_seed = |word: &&str| word.len() == SEED_LENGTH && word.starts_with('S');
    let text = text.trim_start_matches('\u{feff}');
    let mut seeds = text.split_whitespace().filter(is_seed);
    let word = seeds.next()?;
    if seeds.any(|other| other != word) {
        return Some(Err(Error::usage("the file holds several seeds")
            .hint("leave the one of the account that signs")));
    }
    Some(match nkeys::decode_seed(word) {
        Ok((role, seed)) if role == Role::Account as u8 => Ok(seed),
        Ok(_) => Err(Error::usage(format!("the seed in it is not that of an account: it begins with `{}`", &word[..2]))
            .hint("user JWTs are signed by an account, or by a signing key of one: its seed begins with `SA`")),
        Err(_) => Err(Error::usage("the seed in it is damaged: its checksum is another (it is not shown)")
            .hint("copy it once more; `nsc export keys --account NAME` writes it")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: [u8; 32] = *b"an account that nobody has heard";

    fn account() -> nkeys::KeyPair {
        nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::Account, RAW).unwrap()
    }

    #[test]
    fn public_keys_are_written_as_the_library_of_nats_reads_them() {
        for n in 0..200 {
            let text = user(n, n * 7);
            let text = std::str::from_utf8(&text).unwrap();
            assert!(text.starts_with('U'), "{text}");
            let (role, raw) = nkeys::from_public_key(text).unwrap();
            assert_eq!(role, Role::User as u8);
            assert_eq!(public(Role::User, &raw)[..], *text.as_bytes());
        }
        let own = account().public_key();
        let (_, raw) = nkeys::from_public_key(&own).unwrap();
        assert_eq!(public(Role::Account, &raw)[..], *own.as_bytes());
    }

    #[test]
    fn each_token_has_a_user_of_its_own_and_the_same_token_the_same() {
        assert_ne!(user(1, 1), user(1, 2));
        assert_ne!(user(1, 1), user(2, 1));
        assert_eq!(user(1, 1), user(1, 1));
    }

    #[test]
    fn a_seed_is_found_alone_and_in_a_file_of_credentials_and_must_be_an_accounts() {
        let seed = account().seed().unwrap();
        for file in
            [seed.clone(), format!("-----BEGIN SEED-----\r\n{seed}\r\n------END SEED------\n")]
        {
            assert_eq!(seed_in(file.as_bytes()).unwrap().unwrap(), RAW);
        }
        let other = nkeys::KeyPair::new_account().seed().unwrap();
        let error = seed_in(format!("{seed}\n{other}").as_bytes()).unwrap().unwrap_err();
        assert!(error.to_string().contains("several seeds"), "{error}");
        assert!(seed_in(b"-----BEGIN PRIVATE KEY-----").is_none());
        assert!(seed_in(&[0xff; 58]).is_none());
        let user = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, RAW).unwrap();
        let error = seed_in(user.seed().unwrap().as_bytes()).unwrap().unwrap_err();
        assert!(error.to_string().contains("begins with `SU`"), "{error}");
        let mut damaged = seed.clone().into_bytes();
        damaged[30] = if damaged[30] == b'A' { b'B' } else { b'A' };
        let error = seed_in(&damaged).unwrap().unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert!(!error.to_string().contains(&seed[..20]));
    }
}
