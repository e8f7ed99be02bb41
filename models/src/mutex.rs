//! A mutex whose `try_lock` never waits. (Loom's own does: a thread that is about to call it while another one takes the mutex is not run
//! until that one gives it back.)

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};

use loom::sync::Condvar;

pub(crate) struct Mutex<T> {
    held: loom::sync::Mutex<bool>,
    released: Condvar,
    value: UnsafeCell<T>,
}

// SAFETY: a guard exists once at a time, as `held` says.
unsafe impl<T: Send> Sync for Mutex<T> {}

pub(crate) struct Guard<'a, T>(&'a Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { held: loom::sync::Mutex::new(false), released: Condvar::new(), value: UnsafeCell::new(value) }
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<Guard<'_, T>> {
        let mut held = self.held.lock().unwrap();
        if *held {
            return Err(TryLockError::WouldBlock);
        }
        *held = true;
        Ok(Guard(self))
    }

    pub(crate) fn lock(&self) -> LockResult<Guard<'_, T>> {
        let mut held = self.held.lock().unwrap();
        while *held {
            held = self.released.wait(held).unwrap();
        }
        *held = true;
        Ok(Guard(self))
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the only guard.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the only guard, borrowed exclusively.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        *self.0.held.lock().unwrap() = false;
        self.0.released.notify_all();
    }
}
