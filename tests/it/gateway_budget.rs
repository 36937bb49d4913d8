//! Budgets hold: with many clients at once, when the gateway is killed, and while keys are taken back.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::gateway::{Scene, message, posting, small};
use crate::proxy::{read_to_end, wait};

/// A budget in tokens for so many calls of [`small`], each of which takes its worst.
fn budget(calls: usize) -> String {
    format!("{} tokens", calls * (small().len() + 100))
}

#[test]
fn of_64_clients_at_once_no_call_more_than_the_budget_has_reaches_the_provider() {
    let worst = message(small().len() as u64, 100);
    let scene = Scene::saying(worst);
    let key = scene.key(&budget(100), &[]);
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let answer = scene.say(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small()));
                    if answer.starts_with("HTTP/1.1 200") {
                        done.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert!(answer.starts_with("HTTP/1.1 402"), "{answer}");
                        assert!(
                            answer.contains("x-should-retry: false") && answer.contains("billing_error"),
                            "{answer}"
                        );
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!((done.into_inner(), refused.into_inner(), scene.reached()), (100, 156, 100));
    assert_eq!(scene.spent().1, 100 * (small().len() as u64 + 100));
}

#[test]
fn a_gateway_killed_200_times_amid_calls_loses_none_and_never_allows_more() {
    const CALLS: usize = 3600;
    let mut scene = Scene::new(|_, _, stream| {
        std::thread::sleep(Duration::from_millis(3));
        stream.write_all(message(small().len() as u64, 100).as_bytes()).is_ok()
    });
    let key = scene.key(&budget(CALLS), &[]);
    let each = small().len() as u64 + 100;
    for round in 0..200 {
        // Another test's server may listen on the port of a gateway that is gone.
        let is_gone = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (port, key, is_gone) = (scene.port(), key.as_str(), &is_gone);
                // No more than twice, so that the budget outlasts all rounds.
                scope.spawn(move || {
                    for _ in 0..2 {
                        if !is_gone.load(Ordering::Relaxed) {
                            call(port, key);
                        }
                    }
                });
            }
            // Every moment of two calls: from before the first is heard until after the last is booked.
            std::thread::sleep(Duration::from_micros(round * 7919 % 20_000));
            is_gone.store(true, Ordering::Relaxed);
            scene.child().kill().expect("it runs");
        });
        scene.kill();
        let (counted, reached) = (scene.spent().1, scene.reached());
        assert!(counted >= each * reached as u64, "round {round}: {counted} of {reached}");
        assert!(counted <= each * CALLS as u64, "round {round}");
        scene.start();
    }
    let during = scene.spend()["unsettled"].as_array().map_or(0, Vec::len);
    // Hundreds on a machine that has nothing else to do.
    assert!(during > 50, "kills came during {during} calls alone");
    // What is left is what the journal says is left, to the last call.
    let left = CALLS - usize::try_from(scene.spent().1 / each).expect("few");
    let before = scene.reached();
    let (port, done) = (scene.port(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let answer = call(port, &key).expect("it listens");
                    if !answer.starts_with("HTTP/1.1 200") {
                        assert!(answer.starts_with("HTTP/1.1 402"), "{answer}");
                        return;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((done.into_inner(), scene.reached() - before), (left, left));
    assert!(scene.reached() <= CALLS);
}

/// One small call; none where nothing listens, and half an answer where it was killed.
fn call(port: u16, key: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    let _ = stream.write_all(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small()));
    Some(read_to_end(&mut stream))
}

#[test]
fn a_call_that_came_to_no_end_counts_until_it_is_settled() {
    let mut scene = Scene::new(|_, _, stream| {
        let _ = std::io::Read::read_to_end(stream, &mut Vec::new());
        false
    });
    let key = scene.key(&budget(1), &[]);
    let mut stream = scene.connect();
    stream.write_all(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small())).expect("it listens");
    wait(|| (scene.reached() == 1).then_some(()));
    scene.kill();
    scene.start();
    assert!(scene.post("/v1/messages", &key, &small()).0.starts_with("HTTP/1.1 402"), "the budget is gone");
    let spend = scene.spend();
    assert_eq!(spend["unsettled"][0]["call"], 1);
    scene.sandbox.run("", ["gateway", "settle", "7", "0"]).exit(1).stderr_has("Call 7 is none that came to no end");
    scene.sandbox.run("", ["gateway", "settle", "1", "0"]).success();
    assert_eq!(scene.spent(), ("0.00".to_owned(), 0, 1));
    scene.sandbox.run("", ["gateway", "settle", "1", "0"]).exit(1).stderr_has("Call 1 is none that came to no end");
    let mut stream = scene.connect();
    stream.write_all(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small())).expect("it listens");
    wait(|| (scene.reached() == 2).then_some(()));
}

#[test]
fn a_gateway_that_is_stopped_books_what_is_open_and_one_runs_at_a_time() {
    let mut scene = Scene::new(|_, _, stream| {
        let _ = std::io::Read::read_to_end(stream, &mut Vec::new());
        false
    });
    let key = scene.key("1", &[]);
    let mut stream = scene.connect();
    stream.write_all(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small())).expect("it listens");
    wait(|| (scene.reached() == 1).then_some(()));
    let mut second = scene.sandbox.command(crate::proxy::PROXY, "");
    second.args(["gateway", "--port", "0"]);
    scene.sandbox.finish(second).exit(1).stderr_has("A gateway of this user runs already");
    scene.sandbox.run("", ["gateway", "status"]).success();
    scene.stop();
    scene.sandbox.run("", ["gateway", "status"]).exit(1);
    let spend = scene.spend();
    assert_eq!((&spend["unsettled"], &spend["keys"][0]["calls"]), (&serde_json::json!([]), &serde_json::json!(1)));
}

#[test]
fn a_damaged_journal_closes_the_gateway() {
    let mut scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &[]);
    for _ in 0..3 {
        scene.post("/v1/messages", &key, &small());
    }
    scene.stop();
    let path = scene.sandbox.path("state/silo/gateway/journal");
    let text = std::fs::read_to_string(&path).expect("it is there");
    std::fs::write(&path, text.replacen("hold 2", "hold 9", 1)).expect("it is ours");
    let mut gateway = scene.sandbox.command(crate::proxy::PROXY, "");
    gateway.args(["gateway", "--port", "0"]);
    scene.sandbox.finish(gateway).exit(1).stderr_has("The gateway is closed, for its journal");
}
