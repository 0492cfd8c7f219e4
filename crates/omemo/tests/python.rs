//! Conversations with devices whose OMEMO others wrote: omemo-dr (which Gajim uses) and oldmemo in the older namespace,
//! twomemo in `urn:xmpp:omemo:2`. Each is a process of its own, `tests/interop/omemo_peer.py`, which
//! `tests/interop/setup.sh` installs.
#![allow(clippy::indexing_slicing, reason = "tests")]

mod people;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omemo::{Bundle, BundleParts, EncryptedKey, Protocol};
use people::{Person, Sent};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

/// What speaks which namespace.
const PEERS: [(&str, Protocol); 3] =
    [("omemo-dr", Protocol::Axolotl), ("oldmemo", Protocol::Axolotl), ("twomemo", Protocol::Omemo2)];

/// The other device. It ends with its standard input.
struct Python {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    protocol: Protocol,
}

impl Python {
    fn start(name: &str, protocol: Protocol) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python: PathBuf = workspace.join(".cache/interop/venv/bin/python");
        ensure!(python.exists(), "{} is missing: run `make setup`", python.display());
        let mut child = Command::new(python)
            .args(["-W", "ignore"])
            .arg(workspace.join("tests/interop/omemo_peer.py"))
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, input, output, protocol })
    }

    fn ask(&mut self, command: &Value) -> Result<Value> {
        writeln!(self.input.as_mut().context("it has ended")?, "{command}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("no answer but {line:?}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}\n{}", answer["trace"].as_str().unwrap_or_default()),
            None => Ok(answer),
        }
    }

    fn bundle(&mut self) -> Result<Bundle> {
        let answer = self.ask(&json!({ "do": "bundle" }))?;
        let prekey = |pair: &Value| Ok((number(&pair[0])?, bytes(&pair[1])?));
        let parts = BundleParts {
            identity: bytes(&answer["identity"])?,
            signed_prekey_id: number(&answer["signed_prekey_id"])?,
            signed_prekey: bytes(&answer["signed_prekey"])?,
            signature: bytes(&answer["signature"])?,
            prekeys: answer["prekeys"].as_array().context("prekeys")?.iter().map(prekey).collect::<Result<_>>()?,
        };
        Ok(Bundle::verify(self.protocol, &parts)?)
    }

    fn start_session(&mut self, parts: &BundleParts) -> Result<()> {
        let prekeys: Vec<_> = parts.prekeys.iter().map(|(id, key)| json!([id, text(key)])).collect();
        let bundle = json!({
            "identity": text(&parts.identity),
            "signed_prekey_id": parts.signed_prekey_id,
            "signed_prekey": text(&parts.signed_prekey),
            "signature": text(&parts.signature),
            "prekeys": prekeys,
        });
        self.ask(&json!({ "do": "start", "bundle": bundle })).map(|_| ())
    }

    fn write(&mut self, text: &str) -> Result<Sent> {
        let answer = self.ask(&json!({ "do": "write", "text": text }))?;
        let iv = if answer["iv"].is_null() { None } else { Some(bytes(&answer["iv"])?) };
        Ok(Sent {
            text: text.to_owned(),
            key: EncryptedKey { bytes: bytes(&answer["key"])?, key_exchange: answer["kex"].as_bool().context("kex")? },
            iv: iv.map(|iv| iv.try_into().map_err(|_| anyhow::anyhow!("an iv that is not 12 bytes"))).transpose()?,
            ciphertext: bytes(&answer["payload"])?,
        })
    }

    fn read(&mut self, sent: &Sent) -> Result<String> {
        let answer = self.ask(&json!({
            "do": "read",
            "key": text(&sent.key.bytes),
            "kex": sent.key.key_exchange,
            "iv": sent.iv.map(|iv| text(&iv)),
            "payload": text(&sent.ciphertext),
        }))?;
        Ok(answer["text"].as_str().context("text")?.to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.input = None;
        _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(value.as_str().context("a text")?)?)
}

fn number(value: &Value) -> Result<u32> {
    Ok(u32::try_from(value.as_u64().context("a number")?)?)
}

/// Rounds in which both write some messages; of each direction some are held back and come rounds later.
fn converse(whimbrel: &mut Person, python: &mut Python, rounds: usize) -> Result<()> {
    let (mut to_python, mut to_whimbrel): (Vec<Sent>, Vec<Sent>) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for number in 0..whimbrel.rng.random_range(0..6) {
            to_python.push(whimbrel.write(&format!("Whimbrel {round}.{number} ☕")));
        }
        for number in 0..whimbrel.rng.random_range(0..6) {
            to_whimbrel.push(python.write(&format!("Python {round}.{number} ☕"))?);
        }
        to_python.shuffle(&mut whimbrel.rng);
        to_whimbrel.shuffle(&mut whimbrel.rng);
        let last = round + 1 == rounds;
        let (keep_out, keep_in) = if last { (0, 0) } else { (to_python.len() / 4, to_whimbrel.len() / 4) };
        for sent in to_python.drain(keep_out..) {
            assert_eq!(python.read(&sent).context("Python reads")?, sent.text);
        }
        for sent in to_whimbrel.drain(keep_in..) {
            assert_eq!(whimbrel.read(&sent).context("Whimbrel reads")?, sent.text);
        }
        whimbrel.restart();
    }
    Ok(())
}

#[test]
fn whimbrel_starts_and_both_converse_out_of_order() -> Result<()> {
    for (name, protocol) in PEERS {
        let mut python = Python::start(name, protocol)?;
        let mut whimbrel = Person::new(protocol, 11);
        let bundle = python.bundle()?;
        whimbrel.start(&bundle);
        // All before the answer are key exchanges, and any of them may be the first to arrive.
        let sent: Vec<Sent> = (0..4).map(|number| whimbrel.write(&format!("hello {number}"))).collect();
        for sent in sent.iter().rev() {
            assert!(sent.key.key_exchange);
            assert_eq!(python.read(sent).context(name)?, sent.text);
        }
        let answer = python.write("hello Whimbrel")?;
        assert_eq!(whimbrel.read(&answer)?, "hello Whimbrel");
        assert!(!whimbrel.write("no key exchange").key.key_exchange);
        converse(&mut whimbrel, &mut python, 25).context(name)?;
    }
    Ok(())
}

#[test]
fn python_starts_and_both_converse_out_of_order() -> Result<()> {
    for (name, protocol) in PEERS {
        let mut python = Python::start(name, protocol)?;
        let mut whimbrel = Person::new(protocol, 12);
        python.start_session(&whimbrel.device.bundle()?)?;
        let sent = (0..4).map(|number| python.write(&format!("hello {number}"))).collect::<Result<Vec<_>>>()?;
        for sent in sent.iter().rev() {
            assert!(sent.key.key_exchange);
            assert_eq!(whimbrel.read(sent).context(name)?, sent.text);
        }
        let answer = whimbrel.write("hello Python");
        assert_eq!(python.read(&answer)?, "hello Python");
        assert!(!python.write("no key exchange")?.key.key_exchange);
        converse(&mut whimbrel, &mut python, 25).context(name)?;
    }
    Ok(())
}

#[test]
fn both_start_at_the_same_time_and_stay_in_touch() -> Result<()> {
    for (name, protocol) in PEERS {
        let mut python = Python::start(name, protocol)?;
        let mut whimbrel = Person::new(protocol, 13);
        whimbrel.start(&python.bundle()?);
        python.start_session(&whimbrel.device.bundle()?)?;
        let (ours, theirs) = (whimbrel.write("from Whimbrel"), python.write("from Python")?);
        assert_eq!(python.read(&ours).context(name)?, "from Whimbrel");
        assert_eq!(whimbrel.read(&theirs).context(name)?, "from Python");
        converse(&mut whimbrel, &mut python, 10).context(name)?;
    }
    Ok(())
}

#[test]
fn many_lost_messages_are_skipped_by_both() -> Result<()> {
    for (name, protocol) in PEERS {
        let mut python = Python::start(name, protocol)?;
        let mut whimbrel = Person::new(protocol, 14);
        whimbrel.start(&python.bundle()?);
        assert_eq!(python.read(&whimbrel.write("hello")).context(name)?, "hello");
        (0..300).for_each(|_| _ = whimbrel.write("lost"));
        assert_eq!(python.read(&whimbrel.write("after 300")).context(name)?, "after 300");
        for _ in 0..300 {
            python.write("lost")?;
        }
        let late = python.write("late, the last of its chain")?;
        let sent = python.write("after 301")?;
        assert_eq!(whimbrel.read(&sent).context(name)?, "after 301");
        assert_eq!(python.read(&whimbrel.write("a turn")).context(name)?, "a turn");
        assert_eq!(whimbrel.read(&python.write("a new chain")?).context(name)?, "a new chain");
        assert_eq!(whimbrel.read(&late).context(name)?, late.text);
    }
    Ok(())
}

#[test]
fn the_last_message_of_a_chain_is_read_after_the_next_chain_began() -> Result<()> {
    for (name, protocol) in PEERS {
        let mut python = Python::start(name, protocol)?;
        let mut whimbrel = Person::new(protocol, 15);
        whimbrel.start(&python.bundle()?);
        python.read(&whimbrel.write("hello")).context(name)?;
        let late = (0..3).map(|number| python.write(&format!("late {number}"))).collect::<Result<Vec<_>>>()?;
        assert_eq!(whimbrel.read(&late[0])?, "late 0");
        python.read(&whimbrel.write("a turn")).context(name)?;
        assert_eq!(whimbrel.read(&python.write("a new chain")?).context(name)?, "a new chain");
        for sent in late.iter().skip(1).rev() {
            assert_eq!(whimbrel.read(sent).context(name)?, sent.text);
        }
    }
    Ok(())
}
