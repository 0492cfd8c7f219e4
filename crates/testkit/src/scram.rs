//! A SCRAM client, with `tls-exporter` or without channel binding (RFC 5802, RFC 7677), written apart from the server's.

use std::num::NonZeroU32;

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), bytes).as_ref().to_vec()
    }

    /// `Hi(password, salt, iterations)` of RFC 5802 §2.2.
    fn salted(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let (algorithm, length) = match self {
            Self::Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        };
        let mut salted = vec![0; length];
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        salted
    }
}

/// One authentication, after its first message.
pub(crate) struct Scram {
    hash: Hash,
    first_bare: String,
    nonce: String,
    password: String,
    /// `tls-exporter` (RFC 9266), for a -PLUS mechanism.
    exporter: Option<[u8; 32]>,
}

impl Scram {
    /// Begins with a nonce of the caller's; [`Scram::first`] is the first message.
    pub(crate) fn new(hash: Hash, username: &str, password: &str, nonce: &str) -> Self {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            first_bare: format!("n={username},r={nonce}"),
            nonce: nonce.to_owned(),
            password: password.to_owned(),
            exporter: None,
        }
    }

    /// The same, bound to the TLS channel.
    pub(crate) fn bound_to(self, exporter: [u8; 32]) -> Self {
        Self { exporter: Some(exporter), ..self }
    }

    fn gs2_header(&self) -> &'static str {
        if self.exporter.is_some() { "p=tls-exporter,," } else { "n,," }
    }

    /// The client-first-message.
    pub(crate) fn first(&self) -> String {
        format!("{}{}", self.gs2_header(), self.first_bare)
    }

    /// Answers the server-first-message: the client-final-message, and the signature to expect.
    pub(crate) fn answer(&self, server_first: &str) -> Result<(String, String)> {
        let field = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = field("r=").context("no nonce")?;
        ensure!(nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len(), "the server changed the nonce");
        let salt = BASE64.decode(field("s=").context("no salt")?)?;
        let iterations = field("i=").context("no iterations")?.parse()?;
        let salted = self.hash.salted(&self.password, &salt, iterations);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let stored_key = self.hash.digest(&client_key);
        let mut binding = self.gs2_header().as_bytes().to_vec();
        binding.extend(self.exporter.iter().flatten());
        let without_proof = format!("c={},r={nonce}", BASE64.encode(binding));
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let signature = self.hash.hmac(&stored_key, message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, mask)| key ^ mask).collect();
        let server_key = self.hash.hmac(&salted, b"Server Key");
        let expected = self.hash.hmac(&server_key, message.as_bytes());
        Ok((format!("{without_proof},p={}", BASE64.encode(proof)), format!("v={}", BASE64.encode(expected))))
    }
}

/// A fresh nonce of printable characters.
pub(crate) fn nonce() -> Result<String> {
    let mut bytes = [0; 18];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bail!("no randomness");
    }
    Ok(BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_both_rfcs_come_out() {
        let scram = Scram::new(Hash::Sha1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL");
        assert_eq!(scram.first(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let first = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let (last, signature) = scram.answer(first).unwrap();
        assert_eq!(last, "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        assert_eq!(signature, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");

        let scram = Scram::new(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, signature) = scram.answer(first).unwrap();
        assert!(last.ends_with("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{last}");
        assert_eq!(signature, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_server_that_answers_with_its_own_nonce_is_refused() {
        assert!(Scram::new(Hash::Sha1, "user", "pencil", "abc").answer("r=xyz123,s=QSXCR+Q6sek8bf92,i=4096").is_err());
    }
}
