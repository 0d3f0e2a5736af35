use super::*;

fn cells(round: usize, repeat: u64, background: bool) -> Cells {
    Cells { repeat, background: background.then_some(99), ..Cells::of((0..round).collect()) }
}

#[test]
fn without_a_background_every_attempt_is_a_cell_in_turn() {
    let cells = cells(3, 2, false);
    let kinds: Vec<usize> = (0..6).map(|n| cells.kind_of(n, 6)).collect();
    assert_eq!(kinds[..3], [0, 1, 2]);
    let mut second = kinds[3..].to_vec();
    second.sort_unstable();
    assert_eq!(second, [0, 1, 2], "each once, wherever it begins");
}

#[test]
fn in_a_background_every_cell_comes_as_often_as_asked_and_evenly_spread() {
    let cells = cells(3, 4, true);
    let kinds: Vec<usize> = (0..100).map(|n| cells.kind_of(n, 100)).collect();
    for cell in 0..3 {
        assert_eq!(kinds.iter().filter(|kind| **kind == cell).count(), 4);
    }
    let gaps = kinds.split(|kind| *kind != 99).map(<[usize]>::len);
    assert!(gaps.max().unwrap() <= 9, "{kinds:?}");
}
