//! The loop of the fuzz tests: seeds and changes of them, against parsers that take bytes from outside.
//!
//! In an ordinary test run each test tries its seeds and a few hundred changes, the same every time. `FUZZ_SECONDS=60` makes it go on for so
//! long with a new start value, which it prints (`FUZZ_SEED` repeats one). An input that makes a parser behave in a way not seen
//! before joins the seeds. One that fails is written to `target/fuzz/`; put it among the test's seeds and mend the parser.

#[cfg(test)]
mod parsers;

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use fastrand::Rng;

/// Changes that an ordinary test run tries.
const ROUNDS: usize = 300;
/// Inputs that are kept as seeds.
const MAX_CORPUS: usize = 2_000;
/// Longest input, in bytes: what is longer is only slower.
const MAX_BYTES: usize = 64 << 10;
/// What a parser may take for one input on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(10);

/// Inputs for one parser.
pub struct Session {
    name: &'static str,
    words: &'static [&'static str],
    corpus: Vec<Vec<u8>>,
    next_seed: usize,
    seen: HashSet<u64>,
    rng: Rng,
    end: End,
    tried: usize,
}

enum End {
    Rounds(usize),
    At(Instant),
}

impl Session {
    /// `seeds`: good inputs and known bad ones; `words`: pieces that mean something to the parser.
    pub fn new(name: &'static str, seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> Self {
        let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
        let (end, seed) = match number("FUZZ_SECONDS") {
            Some(seconds) => (End::At(Instant::now() + Duration::from_secs(seconds)), fastrand::u64(..)),
            None => (End::Rounds(ROUNDS), 7),
        };
        let seed = number("FUZZ_SEED").unwrap_or(seed);
        let rng = Rng::with_seed(seed);
        #[expect(clippy::print_stderr, reason = "how to repeat a run; shown when it fails")]
        {
            eprintln!("{name}: FUZZ_SEED={seed}");
        }
        Self { name, words, corpus: seeds, next_seed: 0, seen: HashSet::new(), rng, end, tried: 0 }
    }

    /// Tries a pure parser on every input: it must neither panic nor take long. `check` answers what it did, in a form that tells
    /// behaviours apart; `Err` is a failure.
    pub fn run<B: Hash>(mut self, mut check: impl FnMut(&[u8]) -> Result<B, String>) {
        while let Some(input) = self.next_input() {
            let started = Instant::now();
            match catch_unwind(AssertUnwindSafe(|| check(&input))) {
                Ok(Ok(behaviour)) => self.learn(input, &behaviour, started.elapsed()),
                Ok(Err(why)) => self.fail(&input, &why),
                Err(_) => self.fail(&input, "it panicked, see above"),
            }
        }
        self.report();
    }

    /// The next input; `None` at the end. For parsers that [`Session::run`] cannot call.
    pub fn next_input(&mut self) -> Option<Vec<u8>> {
        if let Some(seed) = self.corpus.get(self.next_seed).filter(|_| self.tried == self.next_seed) {
            (self.next_seed, self.tried) = (self.next_seed + 1, self.tried + 1);
            return Some(seed.clone());
        }
        match &mut self.end {
            End::Rounds(0) => return None,
            End::Rounds(left) => *left -= 1,
            End::At(at) if Instant::now() >= *at => return None,
            End::At(_) => {}
        }
        self.tried += 1;
        let mut input = self.pick();
        for _ in 0..1 << self.rng.u32(0..4) {
            self.change(&mut input);
        }
        input.truncate(MAX_BYTES);
        Some(input)
    }

    /// Keeps an input whose behaviour is new, and refuses one that took too long.
    pub fn learn(&mut self, input: Vec<u8>, behaviour: &impl Hash, took: Duration) {
        if took > TOO_LONG {
            self.fail(&input, &format!("it took {took:?}"));
        }
        let mut hasher = DefaultHasher::new();
        behaviour.hash(&mut hasher);
        if self.seen.insert(hasher.finish()) && self.corpus.len() < MAX_CORPUS {
            self.corpus.push(input);
        }
    }

    /// Writes the input down and fails the test.
    pub fn fail(&self, input: &[u8], why: &str) -> ! {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        let path = folder().join(format!("{}-{:016x}", self.name, hasher.finish()));
        let written = std::fs::create_dir_all(folder()).and_then(|()| std::fs::write(&path, input));
        panic!("{}: {why}; the input of {} bytes is {} ({written:?})", self.name, input.len(), path.display());
    }

    /// Says how far it came.
    pub fn report(&self) {
        #[expect(clippy::print_stdout, reason = "the figure of a fuzz run")]
        {
            println!("{}: {} inputs, {} behaviours", self.name, self.tried, self.seen.len());
        }
    }

    fn pick(&mut self) -> Vec<u8> {
        let picked = self.rng.choice(&self.corpus);
        picked.cloned().unwrap_or_default()
    }

    /// One small change.
    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.usize(0..=input.len());
        let upto = |rng: &mut Rng, most: usize| rng.usize(0..=most.max(1)).min(most);
        match self.rng.u32(0..11) {
            0 if !input.is_empty() => {
                let at = at.min(input.len() - 1);
                input[at] ^= 1 << self.rng.u32(0..8);
            }
            1 if !input.is_empty() => {
                let at = at.min(input.len() - 1);
                input[at] = self.rng.u8(..);
            }
            2 => input.insert(at, self.rng.u8(..)),
            3 => {
                let end = at + upto(&mut self.rng, (input.len() - at).min(32));
                input.drain(at..end);
            }
            4 => {
                let end = at + upto(&mut self.rng, (input.len() - at).min(64));
                let piece = input[at..end].to_vec();
                let times = self.rng.usize(1..=8);
                (0..times).for_each(|_| drop(input.splice(at..at, piece.iter().copied())));
            }
            5 | 6 => {
                let word = self.rng.choice(self.words).copied().unwrap_or("\u{0}");
                input.splice(at..at, word.bytes());
            }
            7 => {
                let other = self.pick();
                let from = self.rng.usize(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            8 => {
                const NUMBERS: [&str; 9] =
                    ["-1", "0", "255", "65536", "4294967296", "18446744073709551616", "1e999", "-0.0", "0.1e-400"];
                let number = NUMBERS[self.rng.usize(0..NUMBERS.len())];
                let end = at + input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                input.splice(at..end, number.bytes());
            }
            9 => {
                // The end of a number of bytes that says how many follow, whichever way round.
                let value = *self.rng.choice(&[0_u8, 1, 0x7f, 0x80, 0xfe, 0xff]).unwrap_or(&0);
                let end = at + upto(&mut self.rng, (input.len() - at).min(4));
                input[at..end].fill(value);
            }
            _ => input.truncate(at),
        }
    }
}

/// `target/fuzz`.
fn folder() -> PathBuf {
    let binary = std::env::current_exe().unwrap_or_default();
    // …/target/release/deps/test-…
    binary.ancestors().nth(3).map_or_else(std::env::temp_dir, |target| target.join("fuzz"))
}
