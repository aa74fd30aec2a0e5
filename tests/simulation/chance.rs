//! Everything that happens by chance in a world comes from here, so a seed is a whole world.

use std::time::Duration;
use tailrace::lane::retry::Rng;

pub struct Chance(Rng);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        // Neighbouring seeds must not begin alike.
        let mut rng = Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        rng.bits();
        Chance(rng)
    }
    pub fn bits(&mut self) -> u64 {
        self.0.bits()
    }
    /// `0..n`; 0 for 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.bits() % n.max(1)
    }
    /// `a..b`.
    pub fn within(&mut self, a: u64, b: u64) -> u64 {
        a + self.below(b.saturating_sub(a))
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    pub fn percent(&mut self, p: u64) -> bool {
        self.below(100) < p
    }
    pub fn millis(&mut self, a: u64, b: u64) -> Duration {
        Duration::from_millis(self.within(a, b))
    }
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len() as u64) as usize;
        of.get(at).cloned()
    }
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for at in (1..of.len()).rev() {
            let with = self.below(at as u64 + 1) as usize;
            of.swap(at, with);
        }
    }
}
