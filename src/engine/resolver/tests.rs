use super::*;

#[test]
fn threads_answer_and_ring_and_do_not_look_up_what_nobody_waits_for() {
    let clock = Clock::start();
    let asks = start(clock, &[], false).unwrap();
    let (reply, answers) = unbounded();
    let signal = Arc::new(Signal::new().unwrap());
    for (place, deadline) in [u64::MAX, 0].into_iter().enumerate() {
        let ask = Ask {
            host: "127.0.0.1".into(),
            port: 1883,
            key: Key::new(place, 7),
            asked: clock.now(),
            deadline,
            reply: reply.clone(),
            signal: Arc::clone(&signal),
        };
        asks.send(ask).unwrap();
    }
    let mut seen: Vec<Answer> = answers.iter().take(2).collect();
    seen.sort_by_key(|answer| answer.key);
    assert_eq!(seen[0].addresses, ["127.0.0.1:1883".parse().unwrap()]);
    assert_eq!(seen[1].addresses, Vec::new());
    // Comes back at once, as the bell has been rung, or when it is.
    let mut polled =
        [rustix::event::PollFd::from_borrowed_fd(signal.bell(), rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut polled, None).unwrap(), 1);
}
