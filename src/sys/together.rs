//! Many questions asked side by side, with one time limit: what does not answer (a dead network folder, a hung daemon)
//! costs its own answer alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How many questions are open at once.
const AT_ONCE: usize = 16;

/// Asks `question` of each item; `None` where no answer came within `limit`. A thread that hangs is left behind.
pub fn ask<I, T>(items: Vec<I>, limit: Duration, question: impl Fn(&I) -> T + Send + Sync + 'static) -> Vec<Option<T>>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let start = Instant::now();
    let mut answers: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let threads = items.len().min(AT_ONCE);
    let shared = Arc::new((items, question, AtomicUsize::new(0)));
    let (send, receive) = mpsc::channel();
    for _ in 0..threads {
        let (shared, send) = (Arc::clone(&shared), send.clone());
        std::thread::spawn(move || {
            let (items, question, next) = &*shared;
            // Nobody listens any more once the limit is over.
            while let Some((at, item)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                items.get(at).map(|item| (at, item))
            } && send.send((at, question(item))).is_ok()
            {}
        });
    }
    drop(send);
    while let Ok((at, answer)) = receive.recv_timeout(limit.saturating_sub(start.elapsed())) {
        answers[at] = Some(answer);
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_costs_its_own_answer_alone() {
        let start = Instant::now();
        let answers = ask((0..40).collect(), Duration::from_secs(2), |n| {
            if *n == 3 {
                std::thread::sleep(Duration::from_secs(20));
            }
            n * 2
        });
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 1);
        assert_eq!((answers[3], answers[39]), (None, Some(78)));
        assert_eq!(ask(Vec::<u8>::new(), Duration::ZERO, |n| *n), []);
    }
}
