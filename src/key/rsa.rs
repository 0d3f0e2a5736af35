//! RSA keys as numbers: what a JWK leaves out of a private key, and signatures that no library makes.

use aws_lc_rs::{digest, rsa};
use num_bigint::BigUint;

use crate::scenario::Algorithm;

/// The longest modulus that signatures are made with; factoring longer ones would only take time.
const MOST_BITS: u64 = 8192;
/// How many bases are tried to factor a modulus; each finds the primes of a right key with a chance of one half at least.
const BASES: u32 = 100;

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
        let (n, e, d) = (number(&self.n), number(&self.e), number(&self.d));
        let one = BigUint::from(1_u8);
        // An even number, 0 or 1 is no part of any key; none of them may reach the divisions below.
        let is_odd = |number: &BigUint| number.bit(0) && *number > one;
        if n.bits() > MOST_BITS || !is_odd(&n) || !is_odd(&e) || !is_odd(&d) || d >= n || e >= n {
            return None;
        }
        let (p, q) = match &self.primes {
            Some((p, q)) => (number(p), number(q)),
            None => factors(&n, &e, &d)?,
        };
        if !is_odd(&p) || !is_odd(&q) || &p * &q != n {
            return None;
        }
        let (p, q) = if p > q { (p, q) } else { (q, p) };
        let inverse = q.modinv(&p)?;
        let bytes = |number: &BigUint| number.to_bytes_be();
        Some(rsa::KeyPairComponents {
            public_key: rsa::PublicKeyComponents { n: bytes(&n), e: bytes(&e) },
            dP: bytes(&(&d % (&p - &one))),
            dQ: bytes(&(&d % (&q - &one))),
            qInv: bytes(&inverse),
            d: bytes(&d),
            p: bytes(&p),
            q: bytes(&q),
        })
    }
}

/// The primes of a modulus, by both exponents (NIST SP 800-56B, appendix C).
fn factors(n: &BigUint, e: &BigUint, d: &BigUint) -> Option<(BigUint, BigUint)> {
    let one = BigUint::from(1_u8);
    let last = n - &one;
    let product = d * e - &one;
    let twos = product.trailing_zeros()?;
    let odd = &product >> twos;
    for base in 2..2 + BASES {
        let mut root = BigUint::from(base).modpow(&odd, n);
        for _ in 0..twos {
            let square = &root * &root % n;
            if square == one && root != one && root != last {
                // A root of 1 that is neither 1 nor -1 shares one prime with n.
                let p = gcd(&root - &one, n.clone());
                let q = n / &p;
                return Some((p, q));
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
