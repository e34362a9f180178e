use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::{PurgeError, TagHeader};

/// An edge that says what it is told, and waits for what it shall answer.
struct Edge {
    told: UnboundedSender<String>,
    answers: tokio::sync::Mutex<UnboundedReceiver<bool>>,
}

impl Edge {
    async fn answer(&self, what: String) -> Result<(), PurgeError> {
        self.told.send(what).expect("the test listens");
        match self.answers.lock().await.recv().await {
            Some(true) => Ok(()),
            _ => Err(PurgeError::TimedOut),
        }
    }
}

impl Purge for Edge {
    async fn purge(&self, tags: &[Tag]) -> Result<(), PurgeError> {
        let names: Vec<&str> =
            tags.iter().map(Tag::as_str).filter(|name| *name != TagHeader::many().as_str()).collect();
        assert_eq!(names.len() + 1, tags.len(), "what has too many tags is purged with any of them");
        self.answer(names.join(" ")).await
    }

    async fn purge_all(&self) -> Result<(), PurgeError> {
        self.answer("all".to_owned()).await
    }
}

struct Scene {
    purger: Purger,
    told: UnboundedReceiver<String>,
    answers: UnboundedSender<bool>,
    start: Instant,
}

impl Scene {
    fn new(options: PurgerOptions) -> Self {
        let (told, hears) = unbounded_channel();
        let (answers, awaits) = unbounded_channel();
        let purger = Purger::start(Edge { told, answers: tokio::sync::Mutex::new(awaits) }, options);
        Self { purger, told: hears, answers, start: Instant::now() }
    }

    fn purge(&self, names: &[&str]) {
        self.purger.purge(names.iter().map(Tag::new));
    }

    fn answer(&self, is_good: bool) {
        self.answers.send(is_good).expect("the purger listens");
    }

    /// What the edge is told next, and when, in milliseconds since the start.
    async fn hear(&mut self) -> (String, u128) {
        let what = tokio::time::timeout(Duration::from_secs(60), self.told.recv()).await;
        (what.expect("the edge is told something").expect("the purger lives"), self.start.elapsed().as_millis())
    }

    async fn hear_what(&mut self) -> String {
        self.hear().await.0
    }
}

fn once() -> PurgerOptions {
    PurgerOptions { again_after: None, ..PurgerOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_while_a_purge_is_under_way_goes_together_into_the_next() {
    let mut scene = Scene::new(once());
    scene.purge(&["a"]);
    assert_eq!(scene.hear_what().await, "a");
    scene.purge(&["b", "c"]);
    scene.purge(&["c", "a"]);
    scene.answer(true);
    assert_eq!(scene.hear_what().await, "a b c");
    scene.answer(true);
    assert_eq!(scene.purger.drain(Duration::from_secs(1)).await, Ok(()));
    let figures = scene.purger.figures();
    assert_eq!((figures.n_told, figures.n_purges, figures.n_waiting, figures.lag), (5, 2, 0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn many_tags_go_in_batches() {
    let mut scene = Scene::new(PurgerOptions { max_batch: 2, ..once() });
    scene.purge(&["e", "d", "c", "b", "a"]);
    for expected in ["a b", "c d", "e"] {
        assert_eq!(scene.hear_what().await, expected);
        scene.answer(true);
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_later_and_later() {
    let mut scene = Scene::new(PurgerOptions { longest_pause: Duration::from_millis(300), ..once() });
    scene.purge(&["a"]);
    for expected in [0, 100, 300, 600, 900] {
        let (what, when) = scene.hear().await;
        assert_eq!(what, "a");
        // Timers are exact to a millisecond.
        assert!((expected..=expected + 5).contains(&when), "{when} ms instead of {expected}");
        scene.answer(false);
    }
    // What is told meanwhile does not shorten the pause, and goes with it.
    scene.purge(&["b"]);
    let (what, when) = scene.hear().await;
    assert_eq!(what, "a b");
    assert!((1_200..=1_206).contains(&when), "{when} ms");
    let figures = scene.purger.figures();
    assert_eq!((figures.n_failures, figures.n_waiting), (5, 2));
    assert!(figures.lag >= Duration::from_millis(1_200), "{figures:?}");
    scene.answer(true);
    assert_eq!(scene.purger.drain(Duration::from_secs(1)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn if_too_many_wait_everything_is_purged() {
    let mut scene = Scene::new(PurgerOptions { max_waiting: 2, ..once() });
    scene.purge(&["a"]);
    assert_eq!(scene.hear_what().await, "a");
    scene.purge(&["b", "c"]);
    assert_eq!(scene.purger.figures().n_overflows, 0);
    scene.purge(&["d"]);
    scene.answer(false);
    assert_eq!(scene.hear_what().await, "all");
    // One that comes later is not held to be purged already.
    scene.purge(&["e"]);
    scene.answer(true);
    assert_eq!(scene.hear_what().await, "e");
    let figures = scene.purger.figures();
    assert_eq!((figures.n_overflows, figures.n_purges_of_all), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_purge_is_told_once_more_when_what_was_under_way_has_arrived() {
    let mut scene = Scene::new(PurgerOptions::default());
    scene.purge(&["a"]);
    assert_eq!(scene.hear().await.0, "a");
    scene.answer(true);
    let (what, when) = scene.hear().await;
    assert_eq!(what, "a");
    assert!((5_000..=5_005).contains(&when), "{when} ms");
    scene.answer(true);
    assert_eq!(scene.purger.drain(Duration::from_secs(60)).await, Ok(()));
    assert_eq!(scene.purger.figures().n_purges, 2);
    assert!(scene.told.try_recv().is_err(), "and not for the third time");
}

#[tokio::test(start_paused = true)]
async fn too_many_second_purges_are_one_of_everything() {
    let mut scene = Scene::new(PurgerOptions { max_waiting: 2, ..PurgerOptions::default() });
    for name in ["a", "b", "c"] {
        scene.purge(&[name]);
        assert_eq!(scene.hear_what().await, name);
        scene.answer(true);
    }
    assert_eq!(scene.hear_what().await, "all");
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_second_purges_if_there_is_time_and_hurries_them_if_not() {
    let mut scene = Scene::new(PurgerOptions::default());
    scene.purge(&["a"]);
    scene.hear().await;
    scene.answer(true);
    let (drained, (what, when)) = tokio::join!(scene.purger.drain(Duration::from_secs(1)), async {
        let what = tokio::time::timeout(Duration::from_secs(60), scene.told.recv()).await;
        scene.answers.send(true).expect("the purger listens");
        (what.expect("the edge is told").expect("the purger lives"), scene.start.elapsed())
    });
    assert_eq!((drained, &*what), (Ok(()), "a"));
    assert!(when < Duration::from_secs(1), "{when:?}");
}

#[tokio::test(start_paused = true)]
async fn after_it_was_drained_second_purges_take_their_time_again() {
    let mut scene = Scene::new(PurgerOptions::default());
    assert_eq!(scene.purger.drain(Duration::from_secs(1)).await, Ok(()));
    scene.purge(&["a"]);
    scene.hear().await;
    scene.answer(true);
    assert!(scene.hear().await.1 >= 5_000);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_drained_is_told() {
    let mut scene = Scene::new(once());
    scene.purge(&["a", "b"]);
    scene.hear().await;
    assert_eq!(scene.purger.drain(Duration::from_secs(1)).await, Err(Undrained { n_waiting: 2 }));
}

#[tokio::test(start_paused = true)]
async fn when_the_last_clone_is_dropped_what_waits_is_tried_once_more() {
    let mut scene = Scene::new(PurgerOptions::default());
    let clone = scene.purger.clone();
    scene.purge(&["a"]);
    scene.hear().await;
    scene.answer(false);
    drop(scene.purger);
    drop(clone);
    let again = tokio::time::timeout(Duration::from_secs(60), scene.told.recv()).await;
    assert_eq!(again, Ok(Some("a".to_owned())));
    scene.answers.send(false).expect("the purger listens");
    // The task has ended, and its edge with it.
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), scene.told.recv()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn tags_are_taken_from_threads_that_know_no_runtime() {
    let mut scene = Scene::new(once());
    let purger = scene.purger.clone();
    std::thread::spawn(move || purger.purge([Tag::new("a")])).join().expect("it does not wait");
    assert_eq!(scene.hear_what().await, "a");
}
