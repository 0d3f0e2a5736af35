use proptest::prelude::*;

use super::*;

fn segments(weights: &[u64], seed: u64, reuse: u64) -> Vec<Segment> {
    (0..weights.len()).map(|index| Segment::new(index, weights, seed, reuse).unwrap()).collect()
}

proptest! {
    // For all weights, seeds and numbers: every client belongs to exactly one segment, in its order.
    #[test]
    fn every_client_is_in_exactly_one_segment(
        weights in prop::collection::vec(1_u64..1000, 1..9),
        seed in any::<u64>(),
        reuse in 1_u64..5,
        clients in 0_u64..3000,
    ) {
        let mut seen = vec![0; clients as usize];
        let all = counts(clients, &weights, seed, reuse).unwrap();
        for segment in segments(&weights, seed, reuse) {
            prop_assert_eq!(all[segment.index], segment.count(clients));
            let own: Vec<u64> = (0..segment.count(clients)).map(|own| segment.client(own)).collect();
            prop_assert!(own.is_sorted());
            for client in own {
                seen[client as usize] += 1;
            }
            prop_assert!(segment.client(segment.count(clients)) >= clients);
        }
        prop_assert!(seen.iter().all(|count| *count == 1));
    }

    // For all wholes: nothing is lost, and nobody is further than one from the exact share.
    #[test]
    fn a_whole_is_apportioned_without_loss(whole in 0_u64..1_000_000, weights in prop::collection::vec(1_u64..1000, 1..20)) {
        let shares = apportioned(whole, &weights);
        prop_assert_eq!(shares.iter().sum::<u64>(), whole);
        let sum: u64 = weights.iter().sum();
        for (share, weight) in shares.iter().zip(&weights) {
            let exact = whole as f64 * *weight as f64 / sum as f64;
            prop_assert!((*share as f64 - exact).abs() < 1.0 + 1e-6);
        }
    }
}

#[test]
fn weights_are_kept_over_many_clients_and_many_cycles() {
    let counts: Vec<u64> =
        segments(&[1, 2, 5], 7, 1).iter().map(|segment| segment.count(800_000)).collect();
    for (count, wanted) in counts.iter().zip([100_000.0_f64, 200_000.0, 500_000.0]) {
        assert!((*count as f64 - wanted).abs() < wanted * 0.01, "{counts:?}");
    }
}

#[test]
fn each_segment_meets_every_broker_whatever_their_numbers() {
    for brokers in 2..6_u64 {
        for segment in segments(&[1; 4], 3, 1) {
            let mut counts = vec![0_u64; brokers as usize];
            let own = segment.count(4000);
            (0..own).for_each(|own| counts[(segment.client(own) % brokers) as usize] += 1);
            let even = own / brokers;
            assert!(counts.iter().all(|count| count.abs_diff(even) < even / 2), "{counts:?}");
        }
    }
}

#[test]
fn few_clients_are_dealt_out_evenly_too() {
    for clients in [8, 50, 5002] {
        for segment in segments(&[1000; 8], 42, 1) {
            let (own, even) = (segment.count(clients), clients / 8);
            assert!((even..=even + 1).contains(&own), "{own} of {clients}");
        }
    }
    let counts: Vec<u64> =
        segments(&[3, 1], 1, 1).iter().map(|segment| segment.count(40)).collect();
    assert_eq!(counts, [30, 10]);
}

#[test]
fn another_seed_deals_otherwise_and_the_same_seed_the_same() {
    let of = |seed| Segment::new(0, &[1, 1], seed, 1).unwrap();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    for (index, weights) in [(0, vec![1, 0]), (2, vec![1, 1]), (0, vec![])] {
        assert!(Segment::new(index, &weights, 1, 1).is_err(), "{index} {weights:?}");
    }
}
