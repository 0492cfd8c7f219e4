//! `whimbreld user export`: accounts as a file of XEP-0227, or one person's data as a ZIP.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use storage::accounts;

use super::{Accounts, localpart};
use crate::cli::ConfigArg;
use crate::cli::output::{Failure, file_failure};
use crate::clock;
use crate::config::Config;
use crate::media::Media;
use crate::portable::{Exported, Exporter, write_zip};

/// Accounts read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// alice, or alice@example.org
    #[arg(required_unless_present = "all")]
    jid: Option<String>,
    /// Every account
    #[arg(long, conflicts_with_all = ["jid", "zip"])]
    all: bool,
    /// Write to this file instead of standard output; it holds what verifies passwords, so keep it safe
    #[arg(long, value_name = "FILE", conflicts_with = "zip", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Write a ZIP to read, for a person who asks for their data
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    zip: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(arg: &Export) -> Result<(), Failure> {
    let config = Config::load(&arg.config.config)?;
    let accounts = Accounts::open(&config)?;
    if let (Some(file), Some(jid)) = (&arg.zip, &arg.jid) {
        return zip(&config, &accounts, jid, file);
    }
    match &arg.output {
        None => report(&xml(&config, &accounts, arg.jid.as_deref(), std::io::stdout().lock())?),
        Some(file) => {
            let mut new = NewFile::create(file)?;
            let exported = xml(&config, &accounts, arg.jid.as_deref(), &mut new.writer)?;
            new.keep()?;
            report(&exported)
        }
    }
}

/// What is in the file, and what had to stay out of it.
fn report(exported: &Exported) -> Result<(), Failure> {
    for refusal in &exported.refused {
        eprintln!("left out of {}: {}", refusal.account, refusal.what);
    }
    let Exported { accounts, messages, undelivered, refused } = exported;
    eprintln!(
        "exported {accounts} accounts with {messages} archived messages; {undelivered} messages wait for delivery"
    );
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} things were left out of the export, as said above", refused.len())))
}

/// Writes one account, or all.
fn xml(config: &Config, accounts: &Accounts, jid: Option<&str>, out: impl Write) -> Result<Exported, Failure> {
    let domain = &config.server.domain;
    let one = jid.map(|jid| accounts.expect(&localpart(jid, domain)?)).transpose()?;
    let exported = accounts.runtime.block_on(async {
        let mut exporter = Exporter::begin(&accounts.db, domain, BufWriter::new(out))?;
        if let Some(row) = one {
            exporter.account(&row).await?;
            return exporter.end();
        }
        let mut after = None;
        loop {
            let page = accounts::list(&accounts.db, after, PAGE).await?;
            let Some(last) = page.last() else { return exporter.end() };
            after = Some(last.id);
            for row in &page {
                exporter.account(row).await?;
            }
        }
    });
    let (_, exported) = exported?;
    Ok(exported)
}

fn zip(config: &Config, accounts: &Accounts, jid: &str, file: &Path) -> Result<(), Failure> {
    let localpart = localpart(jid, &config.server.domain)?;
    let row = accounts.expect(&localpart)?;
    let own = format!("{localpart}@{}", config.server.domain);
    let media = Media::new(config);
    let mut new = NewFile::create(file)?;
    let written = write_zip(&accounts.db, media.store()?, &row, &own, clock::now_ms(), &mut new.writer);
    let messages = accounts.runtime.block_on(written)?;
    new.keep()?;
    eprintln!("wrote {} with {messages} messages of {own}", file.display());
    Ok(())
}

/// A file for nobody else's eyes that takes its name once it is complete.
struct NewFile {
    writer: BufWriter<File>,
    path: PathBuf,
    partial: PathBuf,
    kept: bool,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        // What an earlier attempt left: it may be readable by others.
        let _ = fs::remove_file(&partial);
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
        let file = created.map_err(|error| file_failure("write", &partial, &error))?;
        Ok(Self { writer: BufWriter::new(file), path: path.to_owned(), partial, kept: false })
    }

    fn keep(mut self) -> Result<(), Failure> {
        let failed = |error: &std::io::Error| file_failure("write", &self.path, error);
        self.writer.flush().map_err(|error| failed(&error))?;
        self.writer.get_ref().sync_all().map_err(|error| failed(&error))?;
        fs::rename(&self.partial, &self.path).map_err(|error| failed(&error))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.partial);
        }
    }
}
