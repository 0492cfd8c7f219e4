//! Every target over its corpus and over changed inputs of it, on any Rust: no coverage guides the changes, but
//! nothing has to be installed either. `FUZZ_SECS` is how long each target runs beyond its corpus, `FUZZ_SEED` which
//! changes it tries.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzz_targets::{ALL, Target};

const INPUT_BYTES_MAX: usize = 4096;
const CHANGES_MAX: usize = 6;

macro_rules! holds {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })*

        #[test]
        fn every_target_is_tried_here() {
            assert_eq!(ALL.map(|(name, _)| name).as_slice(), [$(stringify!($name)),*]);
        }
    };
}

holds!(config jid omemo_key_exchange omemo_message omemo_session_state payload sasl_client sasl_server stanza stream websocket xml_scanner);

fn holds(name: &str) {
    let (_, target) = ALL.into_iter().find(|(other, _)| *other == name).expect("a target of that name");
    let corpus = corpus(name);
    for input in &corpus {
        run(name, target, input);
    }
    let words = dictionary();
    let mut random = Random(number("FUZZ_SEED").unwrap_or(1).max(1));
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECS").unwrap_or(1));
    let mut count = 0_u64;
    while Instant::now() < end {
        run(name, target, &changed(&corpus, &words, &mut random));
        count += 1;
    }
    println!("{name}: {} inputs of the corpus, {count} changed ones", corpus.len());
}

/// Writes the input down before the panic goes on.
fn run(name: &str, target: Target, input: &[u8]) {
    let Err(reason) = panic::catch_unwind(AssertUnwindSafe(|| target(input))) else { return };
    let folder = fuzz().join("artifacts").join(name);
    let file = folder.join("mutation");
    if fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input)).is_ok() {
        eprintln!("{name}: the input is in {}", file.display());
    }
    panic::resume_unwind(reason);
}

fn changed(corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        let at = random.below(input.len() + 1);
        let len = random.below(17).min(input.len() - at);
        match random.below(7) {
            0 => _ = input.splice(at..at, words[random.below(words.len())].iter().copied()),
            1 => _ = input.drain(at..at + len),
            2 => input.insert(at, random.below(256) as u8),
            3 if at < input.len() => input[at] = random.below(256) as u8,
            4 if at < input.len() => input[at] ^= 1 << random.below(8),
            5 => {
                let copy = input[at..at + len].to_vec();
                let to = random.below(input.len() + 1);
                _ = input.splice(to..to, copy);
            }
            // The front of one input, the back of another.
            _ => {
                let other = &corpus[random.below(corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// In a fixed order, so that a seed means the same everywhere.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The words of `xml.dict`: one a line, in quotes, with `\xNN` and `\"` for what cannot stand for itself.
fn dictionary() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(fuzz().join("xml.dict")).unwrap();
    let quoted = |line: &str| Some(line.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    text.lines().filter_map(quoted).map(|word| unescaped(word.as_bytes())).collect()
}

fn unescaped(mut word: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, rest @ ..] = word {
        (out, word) = match rest {
            [b'x', high, low, rest @ ..] if *first == b'\\' => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                ([out, vec![u8::from_str_radix(digits, 16).unwrap()]].concat(), rest)
            }
            [escaped, rest @ ..] if *first == b'\\' => ([out, vec![*escaped]].concat(), rest),
            rest => ([out, vec![*first]].concat(), rest),
        };
    }
    out
}

fn fuzz() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the targets lie in fuzz")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}
