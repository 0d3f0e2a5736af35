use proptest::prelude::*;

use super::*;

fn spread(weights: &[f64]) -> Spread {
    Spread::of(counts(weights))
}

#[test]
fn without_weights_and_with_equal_ones_clients_take_turns() {
    for spread in [Spread::of(vec![1; 3]), spread(&[5.0, 5.0, 5.0])] {
        let brokers: Vec<usize> = (0..7).map(|n| spread.broker_of(n)).collect();
        assert_eq!(brokers, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!((spread.in_turn(), spread.rank_of(7)), (3, 2));
    }
}

#[test]
fn by_weights_no_broker_has_its_clients_in_a_burst() {
    let of = |weights: &[f64], count| -> Vec<usize> {
        (0..count).map(|n| spread(weights).broker_of(n)).collect()
    };
    assert_eq!(of(&[3.0, 1.0], 8), [0, 0, 1, 0, 0, 0, 1, 0]);
    assert_eq!(of(&[2.0, 1.0, 1.0], 4), [0, 1, 2, 0]);
    assert_eq!(of(&[0.5, 0.25, 0.25], 4), [0, 1, 2, 0]);
}

#[test]
fn the_largest_share_is_that_of_a_worker_where_workers_have_ports_of_their_own() {
    assert!((spread(&[1.0, 1.0]).largest(7) - 0.5).abs() < 1e-9);
    // With one worker that of the broker.
    assert!((spread(&[3.0, 1.0]).largest(1) - 0.75).abs() < 1e-9);
    // Turns 0 1 2 0: of two workers one has turn 2 and half of broker 0, the other the rest.
    assert!((spread(&[2.0, 1.0, 1.0]).largest(2) - 0.5).abs() < 1e-9);
    // Turns 0 0 1 0: one of two workers has the second and the last, half of all: the whole, by half of the ports.
    assert!((spread(&[3.0, 1.0]).largest(2) - 1.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn every_stretch_of_clients_falls_on_brokers_by_their_weights(
        weights in prop::collection::vec(0.5_f64..50.0, 1..8),
        from in 0_u64..1_000_000,
        length in 1_u64..5000,
    ) {
        let spread = spread(&weights);
        let mut seen = vec![0_u64; weights.len()];
        for n in from..from + length {
            let broker = spread.broker_of(n);
            if seen[broker] > 0 {
                prop_assert!(spread.rank_of(n) > 0);
            }
            seen[broker] += 1;
        }
        let sum: f64 = weights.iter().sum();
        for (count, weight) in seen.iter().zip(&weights) {
            let due = weight / sum * length as f64;
            // Smooth: never further from its due than the brokers are many, and a cycle's rounding.
            let slack = weights.len() as f64 + length as f64 / 1000.0;
            prop_assert!((*count as f64 - due).abs() <= slack, "{seen:?} {weights:?}");
        }
    }

    #[test]
    fn the_clients_of_a_broker_have_turns_without_a_gap(
        weights in prop::collection::vec(1_u8..9, 1..6),
    ) {
        let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
        let spread = spread(&weights);
        let mut next = vec![0; weights.len()];
        for n in 0..500 {
            let broker = spread.broker_of(n);
            prop_assert_eq!(spread.rank_of(n), next[broker]);
            next[broker] += 1;
        }
    }
}
