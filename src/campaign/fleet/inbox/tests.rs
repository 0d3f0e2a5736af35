use super::*;
use crate::campaign::fleet::outbox::parts;

fn part(number: u64, at: usize, parts: usize) -> Part {
    Part { index: 0, number, at, parts }
}

#[test]
fn an_interval_is_whole_when_all_of_its_parts_are_there_in_whatever_order() {
    let bytes: Vec<u8> = (0..250_u8).collect();
    for order in [[0, 1, 2], [2, 0, 1], [1, 1, 1]] {
        let sent = parts(&bytes, 3, 0, 100);
        assert_eq!(sent.len(), 3);
        let (mut inbox, mut last) = (Inbox::of(1), Came::Part);
        for part in order {
            let (head, rest): (Part, &[u8]) = postcard::take_from_bytes(&sent[part]).unwrap();
            assert_eq!((head.index, head.number), (3, 0));
            last = inbox.take(head, rest);
        }
        let is_complete = order != [1, 1, 1];
        assert_eq!(last == Came::Whole, is_complete, "{order:?}");
        assert_eq!(inbox.next().as_deref(), is_complete.then_some(&bytes[..]), "{order:?}");
        assert_eq!(inbox.bytes, if is_complete { 0 } else { 100 });
    }
    assert_eq!(Inbox::of(1).take(part(0, 2, 2), &[]), Came::Part);
}

#[test]
fn intervals_come_out_in_their_order_and_those_behind_a_gap_when_all_is_over() {
    let mut inbox = Inbox::of(1);
    for number in [1, 0, 3, 1] {
        inbox.take(part(number, 0, 1), &[number as u8]);
    }
    assert_eq!([inbox.next(), inbox.next()], [Some(vec![0]), Some(vec![1])]);
    assert_eq!(inbox.next(), None);
    assert_eq!(inbox.take(part(1, 0, 1), &[1]), Came::Known);
    assert_eq!((inbox.rest(), inbox.bytes), (vec![vec![3]], 0));
}

#[test]
fn whatever_is_sent_takes_bounded_memory_and_leaves_room_for_the_next_interval() {
    let blob = vec![7; LARGEST];
    for agents in [1, 100, 10_000] {
        let mut inbox = Inbox::of(agents);
        let most = inbox.most;
        assert!(most >= LEAST_OF_ONE && (agents == 10_000 || most * agents <= MOST_OF_ALL));
        for number in 1..64 {
            for at in 0..8 {
                inbox.take(part(number, at, 1024), &blob);
                inbox.take(part(number, at, MOST_PARTS), &blob);
            }
        }
        assert!(inbox.bytes <= most && inbox.bytes > most - LARGEST - 1, "{}", inbox.bytes);
        for at in 0..MOST_PARTS - 1 {
            inbox.take(part(0, at, MOST_PARTS), &blob);
        }
        assert!(inbox.bytes <= 2 * most, "{}", inbox.bytes);
        // Parts of another length take the place of those before.
        assert_eq!(inbox.take(part(0, 0, 1), &[1]), Came::Whole);
        assert_eq!(inbox.next(), Some(vec![1]));
        assert_eq!(inbox.take(part(MOST_EARLY + 2, 0, 1), &[]), Came::Part, "too early");
    }
}
