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

/// As `Detached` in the binding.
struct Detached<'a>(&'a Interpreter);

impl<'a> Detached<'a> {
    fn new(interpreter: &'a Interpreter) -> Self {
        interpreter.detach();
        Self(interpreter)
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        self.0.attach();
    }
}

fn both((first, second): &(AtomicUsize, AtomicUsize)) -> (usize, usize) {
    (first.load(Relaxed), second.load(Relaxed))
}

/// Two threads use an object, while a third one has the garbage collector look at it: nobody waits for ever, no change is lost, and the
/// collector never sees half of one. (If the collector waited for the lock, loom would find the order in which it does so for ever: a thread has the lock
/// and waits to attach.)
#[test]
fn the_state_lock_and_a_stopped_world_do_not_wait_for_each_other() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let interpreter = Interpreter::new();
        let state = Arc::new(StateMutex::new((AtomicUsize::new(0), AtomicUsize::new(0))));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (interpreter, state) = (interpreter.clone(), state.clone());
                thread::spawn(move || {
                    interpreter.attach();
                    state.with(
                        || Detached::new(&interpreter),
                        // Atomics, as loom lets other threads run at these.
                        |(first, second)| {
                            first.fetch_add(1, Relaxed);
                            second.fetch_add(1, Relaxed);
                        },
                    );
                    interpreter.detach();
                })
            })
            .collect();
        let seen = interpreter.with_stopped_world(|| state.try_read(both));
        if let Some((first, second)) = seen {
            assert_eq!(first, second);
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(state.try_read(both), Some((2, 2)));
    });
}
