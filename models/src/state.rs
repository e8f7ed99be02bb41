//! The lock of an object's state without the GIL, and an interpreter that stops all its threads for a while.

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::state_mutex::StateMutex;

/// What CPython without the GIL does with its threads, as far as it can wait: who attaches waits while the world is stopped, who stops the
/// world waits until nobody is attached.
struct Interpreter {
    threads: Mutex<Threads>,
    changed: Condvar,
}

#[derive(Default)]
struct Threads {
    attached: usize,
    stopped: bool,
}

impl Interpreter {
    fn new() -> Arc<Self> {
        Arc::new(Self { threads: Mutex::new(Threads::default()), changed: Condvar::new() })
    }

    fn attach(&self) {
        let mut threads = self.threads.lock().unwrap();
        while threads.stopped {
            threads = self.changed.wait(threads).unwrap();
        }
        threads.attached += 1;
    }

    fn detach(&self) {
        self.threads.lock().unwrap().attached -= 1;
        self.changed.notify_all();
    }

    /// By a thread that is not attached: a collection of garbage.
    fn with_stopped_world<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut threads = self.threads.lock().unwrap();
        threads.stopped = true;
        while threads.attached > 0 {
            threads = self.changed.wait(threads).unwrap();
        }
        drop(threads);
        let result = work();
        self.threads.lock().unwrap().stopped = false;
        self.changed.notify_all();
        result
    }
}

fn both((first, second): &(AtomicUsize, AtomicUsize)) -> (usize, usize) {
    (first.load(Relaxed), second.load(Relaxed))
}

/// Atomics, as loom lets other threads run at these.
fn change_both((first, second): &mut (AtomicUsize, AtomicUsize)) {
    first.fetch_add(1, Relaxed);
    second.fetch_add(1, Relaxed);
}

fn check(work: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(work);
}

type State = StateMutex<(AtomicUsize, AtomicUsize)>;

fn new_state() -> Arc<State> {
    Arc::new(StateMutex::new((AtomicUsize::new(0), AtomicUsize::new(0))))
}

/// Two threads use an object, while a third one stops them, for the garbage collector, a fork or the end of the program: nobody waits for ever, no
/// change is lost, and whoever has stopped the others finds the state free and whole. (If a thread detached while it waits for the lock, loom would
/// find the order in which that thread owns it while all are stopped.)
#[test]
fn a_stopped_world_finds_the_state_lock_free() {
    check(|| {
        let interpreter = Interpreter::new();
        let state = new_state();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (interpreter, state) = (interpreter.clone(), state.clone());
                thread::spawn(move || {
                    interpreter.attach();
                    state.with(change_both);
                    interpreter.detach();
                })
            })
            .collect();
        let (first, second) = interpreter.with_stopped_world(|| state.try_read(both)).expect("the lock is free");
        assert_eq!(first, second);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(state.try_read(both), Some((2, 2)));
    });
}

/// The same where one of the threads takes the lock of an iterator and then that of its map, and the other one that of the map.
#[test]
fn a_stopped_world_finds_both_locks_of_an_iterator_free() {
    check(|| {
        let interpreter = Interpreter::new();
        let (iterator, map) = (new_state(), new_state());
        let threads = [true, false].map(|iterates| {
            let (interpreter, iterator, map) = (interpreter.clone(), iterator.clone(), map.clone());
            thread::spawn(move || {
                interpreter.attach();
                if iterates {
                    iterator.with(|step| {
                        map.with(change_both);
                        change_both(step);
                    });
                } else {
                    map.with(change_both);
                }
                interpreter.detach();
            })
        });
        let (steps, changes) = interpreter.with_stopped_world(|| {
            (iterator.try_read(both).expect("the iterator's is free"), map.try_read(both).expect("the map's is free"))
        });
        assert_eq!((steps.0, changes.0), (steps.1, changes.1));
        assert!(steps.0 <= changes.0);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((iterator.try_read(both), map.try_read(both)), (Some((1, 1)), Some((2, 2))));
    });
}
