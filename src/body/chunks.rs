//! A lane's byte budget, in chunks of 64 KiB that are used again.
//!
//! Chunks become the `Bytes` of request bodies and come back when the last clone drops, on whatever thread. A body
//! that is half done is never refused: taking past the budget works and is counted; the lane looks at
//! [`Pool::free`] before it begins one. What nobody used for a minute goes back to the system.

use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of a chunk.
pub const CHUNK: usize = 64 * 1024;
/// Chunks that stayed unused so long are given back to the system.
pub const KEEP: Duration = Duration::from_secs(60);

/// Chunks of one lane.
#[derive(Debug)]
pub struct Pool {
    budget: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Ready to be used again; the last one in is the first one out, so that the first ones are the cold ones.
    idle: Vec<Vec<u8>>,
    /// Chunks that are out.
    out: usize,
    /// Chunks taken past the budget, ever.
    overdrawn: u64,
    /// The least `idle` ever held since `since`: so many were not used.
    unused: usize,
    since: Option<Duration>,
}

impl Pool {
    /// `budget` in bytes; what is left over of a chunk is not used.
    pub fn new(budget: usize) -> Arc<Pool> {
        Arc::new(Pool { budget: AtomicUsize::new(budget - budget % CHUNK), state: Mutex::default() })
    }

    /// Another budget from now on. What is out past a smaller one comes back as it is answered.
    pub fn set_budget(&self, budget: usize) {
        self.budget.store(budget - budget % CHUNK, Ordering::Relaxed);
    }

    /// Bytes in chunks that are out; may be more than the budget.
    pub fn used(&self) -> usize {
        self.state().out.saturating_mul(CHUNK)
    }
    /// Whole chunks of what [`Pool::new`] was given, in bytes.
    pub fn budget(&self) -> usize {
        self.budget.load(Ordering::Relaxed)
    }
    /// Bytes that may still be taken within the budget.
    pub fn free(&self) -> usize {
        self.budget().saturating_sub(self.used())
    }
    /// Chunks taken past the budget since the start.
    pub fn overdrawn(&self) -> u64 {
        self.state().overdrawn
    }

    /// An empty chunk.
    pub fn take(self: &Arc<Self>) -> Chunk {
        let mut state = self.state();
        state.out += 1;
        if state.out.saturating_mul(CHUNK) > self.budget() {
            state.overdrawn += 1;
        }
        let idle = state.idle.pop();
        state.unused = state.unused.min(state.idle.len());
        drop(state);
        Chunk { bytes: idle.unwrap_or_else(|| Vec::with_capacity(CHUNK)), pool: Arc::clone(self) }
    }

    /// Gives back to the system what was not used for [`KEEP`] (up to twice that). Call it now and then.
    pub fn trim(&self, now: Duration) {
        let mut state = self.state();
        let since = *state.since.get_or_insert(now);
        if now.saturating_sub(since) < KEEP {
            return;
        }
        let unused = state.unused.min(state.idle.len());
        let cold = state.idle.drain(..unused).collect::<Vec<_>>();
        state.unused = state.idle.len();
        state.since = Some(now);
        drop(state);
        drop(cold);
    }

    /// Gives back all that is idle: nobody fills a body for now.
    pub fn rest(&self) {
        let idle = std::mem::take(&mut self.state().idle);
        drop(idle);
    }

    fn put_back(&self, mut bytes: Vec<u8>) {
        let mut state = self.state();
        state.out = state.out.saturating_sub(1);
        let held = (state.out + state.idle.len()).saturating_mul(CHUNK);
        // Past the budget nothing is kept: an overdraft is paid back at once.
        if held < self.budget() {
            bytes.clear();
            state.idle.push(bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way, so a poisoned lock still holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to [`CHUNK`] bytes; goes back to its pool when dropped.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Chunk {
    /// The bytes so far; its capacity is what may be written, and nobody should make it grow.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        CHUNK.saturating_sub(self.bytes.len())
    }
    /// Shared and unchangeable from here on; back in the pool when the last clone drops.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.pool.put_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = KEEP;

    #[test]
    fn a_chunk_comes_back_with_the_last_clone_and_is_used_again() {
        let pool = Pool::new(2 * CHUNK + 5);
        assert_eq!(pool.budget(), 2 * CHUNK);
        let mut chunk = pool.take();
        chunk.bytes().extend_from_slice(b"abc");
        let memory = chunk.as_ref().as_ptr();
        let bytes = chunk.into_bytes();
        let clone = bytes.clone();
        assert_eq!((&clone[..], pool.used(), pool.free()), (&b"abc"[..], CHUNK, CHUNK));
        drop(bytes);
        assert_eq!(pool.used(), CHUNK);
        std::thread::spawn(move || drop(clone)).join().unwrap();
        assert_eq!((pool.used(), pool.free()), (0, 2 * CHUNK));
        let again = pool.take();
        assert_eq!((again.as_ref().len(), again.as_ref().as_ptr(), again.room()), (0, memory, CHUNK));
    }

    #[test]
    fn taking_past_the_budget_works_is_counted_and_is_not_kept() {
        let pool = Pool::new(CHUNK);
        let chunks = [pool.take(), pool.take(), pool.take()];
        assert_eq!((pool.used(), pool.free(), pool.overdrawn()), (3 * CHUNK, 0, 2));
        drop(chunks);
        assert_eq!((pool.used(), pool.free(), pool.overdrawn()), (0, CHUNK, 2));
        assert_eq!(pool.state().idle.len(), 1);
    }

    #[test]
    fn a_smaller_budget_is_kept_as_chunks_come_back() {
        let pool = Pool::new(3 * CHUNK);
        let mut chunks = vec![pool.take(), pool.take(), pool.take()];
        pool.set_budget(CHUNK + 1);
        assert_eq!((pool.budget(), pool.free()), (CHUNK, 0));
        chunks.truncate(1);
        assert_eq!((pool.free(), pool.state().idle.len()), (0, 0));
        chunks.clear();
        assert_eq!((pool.free(), pool.state().idle.len()), (CHUNK, 1));
    }

    #[test]
    fn chunks_unused_for_a_minute_are_given_back_and_used_ones_stay() {
        let pool = Pool::new(8 * CHUNK);
        pool.trim(Duration::ZERO);
        drop((0..6).map(|_| pool.take()).collect::<Vec<_>>());
        pool.trim(MINUTE);
        assert_eq!(pool.state().idle.len(), 6, "they were out within the minute");
        drop([pool.take(), pool.take()]);
        pool.trim(MINUTE * 2 - Duration::from_millis(1));
        assert_eq!(pool.state().idle.len(), 6);
        pool.trim(MINUTE * 2);
        assert_eq!(pool.state().idle.len(), 2);
        pool.trim(MINUTE * 3);
        assert_eq!(pool.state().idle.len(), 0);
    }
}
