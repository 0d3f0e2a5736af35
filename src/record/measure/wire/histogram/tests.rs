use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::*;
use crate::record::measure::empty_times;

fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    let body = encoder.finish().unwrap();
    [&DEFLATED.to_be_bytes()[..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

/// A histogram of three digits up to `high` with these counts, that says it has so many bytes of them.
fn made(length: u32, high: u64, counts: &[u8]) -> Vec<u8> {
    let header = [PLAIN, length, 0, 3].map(u32::to_be_bytes).concat();
    let bounds = [1_u64, high].map(u64::to_be_bytes).concat();
    deflated(&[&header, &bounds, &1.0_f64.to_be_bytes()[..], counts].concat())
}

#[test]
fn what_the_library_writes_is_read_as_it_was() {
    let mut times = empty_times(3);
    for at in [1, 2, 1_000, 777_777, LONGEST] {
        times.record_n(at, 3 * at as u32 % 1000 + 1).unwrap();
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&times, &mut bytes).unwrap();
    assert_eq!(Reader::default().read(&bytes, 3).unwrap(), times);
    assert!(Reader::default().read(&bytes, 2).is_err(), "of other digits");
}

#[test]
fn no_memory_is_made_for_what_a_histogram_only_claims() {
    let good = [0, 2];
    assert_eq!(Reader::default().read(&made(2, LONGEST, &good), 3).unwrap().len(), 1);
    let mut reader = Reader::default();
    let bomb = vec![0; 64 << 20];
    for (what, bytes) in [
        ("four gigabytes of counts", made(u32::MAX, LONGEST, &[])),
        ("one byte more than there is", made(3, LONGEST, &good)),
        ("times beyond an hour", made(2, u64::MAX, &good)),
        ("a bound below two", made(2, 1, &good)),
        ("counts that inflate to 64 MB", made(64 << 20, LONGEST, &bomb)),
        ("2^63 zeros", made(10, LONGEST, &[[0xFF; 9].as_slice(), &[2]].concat())),
        ("zeros beyond the last place", made(5, LONGEST, &[0xFF, 0xFF, 0xFF, 0x7F, 2])),
        ("a count above 2^32", made(6, LONGEST, &[0x80, 0x80, 0x80, 0x80, 0x40, 2])),
        ("half a number", made(1, LONGEST, &[0x80])),
        ("nothing counted", made(1, LONGEST, &[0])),
        ("nothing", Vec::new()),
    ] {
        assert!(reader.read(&bytes, 3).is_err(), "{what}");
        assert!(reader.plain.capacity() <= 2 << 20, "{what}: {}", reader.plain.capacity());
    }
}
