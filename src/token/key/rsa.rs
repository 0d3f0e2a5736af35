//! RSA keys as numbers: what a JWK leaves out of a private key, and signatures that no library makes.

use aws_lc_rs::{digest, rsa};
use num_bigint::BigUint;

use crate::scenario::Algorithm;

/// The longest modulus that signatures are made with; factoring longer ones would only take time.
const MOST_BITS: u64 = 8192;
/// How many bases are tried to factor a modulus; each finds the primes of a right key with a chance of one half at least, so
/// that one key in a thousand million is not found out. Of a key that is not right the first base shows that.
const BASES: u32 = 30;

/// An RSA key as numbers, to sign what no library signs.
#[derive(Clone)]
pub struct RawRsa {
    modulus: BigUint,
    exponent: BigUint,
    hash: &'static digest::Algorithm,
    /// What PKCS #1 puts before the hash (RFC 8017, 9.2).
    prefix: &'static [u8],
}

impl RawRsa {
    /// A key of PKCS #1's signatures by its modulus and private exponent; `None` where the algorithm is none of those.
    pub(super) fn new(modulus: &[u8], exponent: &[u8], algorithm: Algorithm) -> Option<Self> {
        let (hash, prefix): (_, &[u8]) = match algorithm {
            Algorithm::RS256 => (
                &digest::SHA256,
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            ),
            Algorithm::RS384 => (
                &digest::SHA384,
                b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            ),
            Algorithm::RS512 => (
                &digest::SHA512,
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            ),
            _ => return None,
        };
        let number = BigUint::from_bytes_be;
        Some(Self { modulus: number(modulus), exponent: number(exponent), hash, prefix })
    }

    /// Signs a block that `change` makes of the one that PKCS #1 wants for the message: without the leading 0 byte.
    pub fn sign(&self, message: &[u8], change: fn(&mut Vec<u8>)) -> Vec<u8> {
        let length = self.modulus.bits().div_ceil(8) as usize;
        let tail = [&[0], self.prefix, digest::digest(self.hash, message).as_ref()].concat();
        let mut block = vec![1];
        block.resize(length - 1 - tail.len(), 0xFF);
        block.extend_from_slice(&tail);
        change(&mut block);
        let signed = BigUint::from_bytes_be(&block).modpow(&self.exponent, &self.modulus);
        let bytes = signed.to_bytes_be();
        [vec![0; length - bytes.len()], bytes].concat()
    }
}

impl std::fmt::Debug for RawRsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawRsa").field("modulus", &self.modulus).finish_non_exhaustive()
    }
}

/// The numbers of a private key that a JWK has to have (RFC 7518, 6.3.2.1); the others follow from them.
pub(super) struct Numbers {
    pub(super) n: Vec<u8>,
    pub(super) e: Vec<u8>,
    pub(super) d: Vec<u8>,
    /// The primes, where they are given.
    pub(super) primes: Option<(Vec<u8>, Vec<u8>)>,
}

impl Numbers {
    /// Bits of the modulus.
    pub(super) fn bits(&self) -> usize {
        BigUint::from_bytes_be(&self.n).bits() as usize
    }

    /// All numbers of the key, without leading zeros. `None` where the numbers do not belong together, or the modulus is
    /// longer than any that is signed with.
    pub(super) fn complete(&self) -> Option<rsa::KeyPairComponents<Vec<u8>>> {
        let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
        let (modulus, public, private) = (number(&self.n), number(&self.e), number(&self.d));
        let one = BigUint::from(1_u8);
        // An even number, 0 or 1 is no part of any key; none of them may reach the divisions below.
        let is_odd = |number: &BigUint| number.bit(0) && *number > one;
        let is_exponent = |number: &BigUint| is_odd(number) && *number < modulus;
        let is_key = is_odd(&modulus) && is_exponent(&public) && is_exponent(&private);
        if modulus.bits() > MOST_BITS || !is_key {
            return None;
        }
        let (first, second) = match &self.primes {
            Some((first, second)) => (number(first), number(second)),
            None => factors(&modulus, &public, &private)?,
        };
        if !is_odd(&first) || !is_odd(&second) || &first * &second != modulus {
            return None;
        }
        let (p, q) = if first > second { (first, second) } else { (second, first) };
        let bytes = |number: &BigUint| number.to_bytes_be();
        Some(rsa::KeyPairComponents {
            public_key: rsa::PublicKeyComponents { n: bytes(&modulus), e: bytes(&public) },
            dP: bytes(&(&private % (&p - &one))),
            dQ: bytes(&(&private % (&q - &one))),
            qInv: bytes(&q.modinv(&p)?),
            d: bytes(&private),
            p: bytes(&p),
            q: bytes(&q),
        })
    }
}

/// The primes of a modulus, by both exponents (NIST SP 800-56B, appendix C).
fn factors(modulus: &BigUint, public: &BigUint, private: &BigUint) -> Option<(BigUint, BigUint)> {
    let one = BigUint::from(1_u8);
    let last = modulus - &one;
    let product = private * public - &one;
    let twos = product.trailing_zeros()?;
    let odd = &product >> twos;
    // What a right key does to every number (Euler): without that, hundreds of powers would be for nothing.
    if BigUint::from(2_u8).modpow(&product, modulus) != one {
        return None;
    }
    for base in 2..2 + BASES {
        let mut root = BigUint::from(base).modpow(&odd, modulus);
        for _ in 0..twos {
            let square = &root * &root % modulus;
            if square == one && root != one && root != last {
                // A root of 1 that is neither 1 nor -1 shares one prime with the modulus.
                let prime = gcd(&root - &one, modulus.clone());
                let other = modulus / &prime;
                return Some((prime, other));
            }
            root = square;
        }
    }
    None
}

fn gcd(mut one: BigUint, mut other: BigUint) -> BigUint {
    while other.bits() > 0 {
        (one, other) = (other.clone(), one % other);
    }
    one
}
