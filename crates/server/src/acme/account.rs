//! The account at the certificate authority, kept from one start to the next.

use std::path::{Path, PathBuf};

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};

use super::replace;
use crate::config::AcmeConfig;

/// The account as it is kept: `account.json`.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// Why there is no certificate yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcmeError {
    /// The authority refused, or cannot be reached.
    #[error("{}", chain(.0))]
    Authority(#[from] instant_acme::Error),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// What was asked for cannot be had.
    #[error("{0}")]
    Unfit(String),
}

impl AcmeError {
    /// Whether the authority does not know our account any more (RFC 8555 §6.7).
    pub(super) fn is_unknown_account(&self) -> bool {
        let Self::Authority(instant_acme::Error::Api(problem)) = self else { return false };
        problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist")
    }
}

/// Puts an account aside that the authority has forgotten: the next attempt makes a new one.
pub(super) fn forget(folder: &Path) -> std::io::Result<()> {
    std::fs::rename(folder.join("account.json"), folder.join("account.forgotten.json"))
}

/// What went wrong, down to its cause: the outermost error alone says little ("client error").
fn chain(error: &instant_acme::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The account of `account.json`, or a new one when there is none for this authority.
pub(super) async fn open(config: &AcmeConfig, folder: &Path) -> Result<Account, AcmeError> {
    let path = folder.join("account.json");
    let failed = |source| AcmeError::File { path: path.clone(), source };
    let kept: Option<Kept> = match std::fs::read(&path) {
        Ok(text) => {
            let parsed = serde_json::from_slice(&text);
            Some(parsed.map_err(|_| AcmeError::Unfit(format!("{} is damaged: move it away", path.display())))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let builder = || match &config.directory_ca {
        Some(root) => Account::builder_with_root(root),
        None => Account::builder(),
    };
    let contact: Vec<&str> = config.contact.iter().map(String::as_str).collect();
    if let Some(kept) = kept.filter(|kept| kept.directory == config.directory) {
        let account = builder()?.from_credentials(kept.credentials).await?;
        if kept.contact != config.contact {
            account.update_contacts(&contact).await?;
            let text = std::fs::read(&path).map_err(failed)?;
            let mut kept: Kept = serde_json::from_slice(&text).map_err(instant_acme::Error::from)?;
            kept.contact.clone_from(&config.contact);
            write(&path, &kept)?;
        }
        return Ok(account);
    }
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&new, config.directory.clone(), None).await?;
    write(&path, &Kept { directory: config.directory.clone(), contact: config.contact.clone(), credentials })?;
    tracing::info!(directory = config.directory, "made an account at the certificate authority");
    Ok(account)
}

fn write(path: &Path, kept: &Kept) -> Result<(), AcmeError> {
    let text = serde_json::to_vec(kept).map_err(instant_acme::Error::from)?;
    replace(path, &text).map_err(|source| AcmeError::File { path: path.to_owned(), source })
}
