//! `whimbreld init`: writes what a server needs to start, and overwrites nothing.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jid::{DomainPart, DomainRef};

use super::output::{Failure, file_failure, say};
use crate::config::master_key;
use crate::config::template::Template;
use crate::tls;

/// The files that `init` writes.
pub(super) struct Layout {
    pub(super) config: PathBuf,
    pub(super) master_key: PathBuf,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    data: PathBuf,
}

impl Layout {
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            config: dir.join("whimbrel.toml"),
            master_key: dir.join("master.key"),
            cert: dir.join("tls/cert.pem"),
            key: dir.join("tls/key.pem"),
            data: dir.join("data"),
        }
    }

    fn existing(&self) -> Option<&Path> {
        [&self.config, &self.master_key, &self.cert, &self.key]
            .into_iter()
            .map(PathBuf::as_path)
            .find(|path| path.exists())
    }
}

pub(super) fn init(domain: &DomainPart, dir: &Path) -> Result<(), Failure> {
    let layout = write(domain, dir, &Template::everywhere(domain.as_str()))?;
    let config = layout.config.display();
    say(format_args!("wrote {config}"));
    say(format_args!(
        "wrote {} (keep a copy elsewhere: without it the data cannot be read)",
        layout.master_key.display()
    ));
    say(format_args!(
        "wrote {} and {} (self-signed: replace them by real ones)",
        layout.cert.display(),
        layout.key.display()
    ));
    say("next:");
    say(format_args!("  whimbreld user add you@{domain} --config {config}"));
    say(format_args!("  whimbreld check --config {config}"));
    say(format_args!("  whimbreld run --config {config}"));
    Ok(())
}

/// Writes all files of a new server to `dir`, or none when one of them exists.
pub(super) fn write(domain: &DomainRef, dir: &Path, template: &Template<'_>) -> Result<Layout, Failure> {
    let layout = Layout::of(dir);
    if let Some(path) = layout.existing() {
        return Err(Failure::new(format!("{} exists already: nothing was changed", path.display())));
    }
    let (cert, key) = tls::self_signed(&certificate_names(domain))?;
    private_dir(&dir.join("tls"))?;
    private_dir(&layout.data)?;
    master_key::create(&layout.master_key)?;
    new_file(&layout.cert, cert.as_bytes(), 0o644)?;
    new_file(&layout.key, key.as_bytes(), 0o600)?;
    // Last: a configuration file means that everything it names is there.
    new_file(&layout.config, template.render().as_bytes(), 0o644)?;
    Ok(layout)
}

/// The domain itself, and what a client on the same machine may call the server.
fn certificate_names(domain: &DomainRef) -> Vec<String> {
    let mut names = vec![domain.as_str().to_owned()];
    names.extend(
        ["localhost", "127.0.0.1", "::1"].into_iter().filter(|name| *name != domain.as_str()).map(str::to_owned),
    );
    names
}

/// Makes a folder, and those above it, that only its owner may enter; an existing one stays as it is.
pub(super) fn private_dir(path: &Path) -> Result<(), Failure> {
    let above = path.parent().map_or(Ok(()), fs::create_dir_all);
    above
        .and_then(|()| fs::DirBuilder::new().recursive(true).mode(0o700).create(path))
        .map_err(|error| file_failure("make the folder", path, &error))
}

/// Writes a file that must not exist yet.
pub(super) fn new_file(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|error| file_failure("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::os::unix::fs::PermissionsExt;

    fn domain() -> DomainPart {
        DomainPart::new("example.org").unwrap().into_owned()
    }

    #[test]
    fn what_init_writes_can_be_loaded_and_secrets_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new/server");
        init(&domain(), &dir).unwrap();
        let config =
            Config::from_text(&fs::read_to_string(dir.join("whimbrel.toml")).unwrap(), &dir.join("whimbrel.toml"), &[])
                .unwrap();
        config.keys.master_key.read().unwrap();
        tls::Tls::load(&config.tls.cert, &config.tls.key).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&config.tls.key), 0o600);
        assert_eq!(mode(&dir.join("master.key")), 0o600);
        assert_eq!(mode(&config.server.data_dir), 0o700);
    }

    #[test]
    fn a_second_init_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        init(&domain(), dir.path()).unwrap();
        let before = fs::read(dir.path().join("master.key")).unwrap();
        fs::remove_file(dir.path().join("whimbrel.toml")).unwrap();
        let refused = init(&domain(), dir.path()).unwrap_err().to_string();
        assert!(refused.ends_with("master.key exists already: nothing was changed"), "{refused}");
        assert_eq!(fs::read(dir.path().join("master.key")).unwrap(), before);
        assert!(!dir.path().join("whimbrel.toml").exists());
    }
}
