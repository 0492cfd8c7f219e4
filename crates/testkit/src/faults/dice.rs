//! Chance that can be repeated: a seed is the whole story of a run.

/// The variable that replays a run.
const SEED: &str = "WHIMBREL_SEED";

/// The seed of this run: what `WHIMBREL_SEED` says, else a fresh one. Tests print it.
#[must_use]
pub fn seed() -> u64 {
    std::env::var(SEED).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| {
        let mut bytes = [0; 4];
        // Without randomness every run is the same one, which is no reason to run none.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        u64::from(u32::from_le_bytes(bytes))
    })
}

/// A number from the environment, such as how often to kill; `otherwise` when it is not set.
#[must_use]
pub fn number_from(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(otherwise)
}

/// A stream of random decisions (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same decisions.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of its own for one of many: its decisions do not depend on how often the others throw.
    #[must_use]
    pub fn fork(&self, number: u64) -> Self {
        let mut fork = Self(self.0 ^ number.wrapping_add(1).wrapping_mul(0xD1B5_4A32_D192_ED03));
        fork.throw();
        fork
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end - 1`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw().checked_rem(end).unwrap_or(0)
    }

    /// A number from `first` to `last`.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, cases: u64) -> bool {
        self.below(100) < cases
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(from.len()).unwrap_or(0));
        from.get(usize::try_from(at).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_decides_the_same() {
        let throws = |mut dice: Dice| (0..20).map(|_| dice.between(3, 9)).collect::<Vec<_>>();
        assert_eq!(throws(Dice::new(7)), throws(Dice::new(7)));
        assert_ne!(throws(Dice::new(7)), throws(Dice::new(8)));
        assert_ne!(throws(Dice::new(7).fork(1)), throws(Dice::new(7).fork(2)));
        assert!(throws(Dice::new(7)).iter().all(|number| (3..=9).contains(number)));
    }
}
