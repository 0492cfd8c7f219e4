//! Where the operator's master key comes from: a file, a command that prints it, or the configuration itself, which is
//! meant for the environment. Several keys may stand there: the first wraps, the others still open.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use storage::MasterKeys;

use super::Secret;

/// How long a command may take to print the key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes read of what it prints.
const COMMAND_BYTES_MAX: u64 = 4_096;

/// Where the master key is.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// `keys.master_key_file`
    File(PathBuf),
    /// `keys.master_key_command`: a command for `sh` that prints it.
    Command(String),
    /// `keys.master_key`
    Given(Secret),
}

/// Why the master key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read.
    #[error("cannot read the master key {}: {source}; restore it from your backup, or write a new one with `whimbreld init` for an empty server", path.display())]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The source holds something else.
    #[error("{place} is not a master key: it must hold 64 hexadecimal digits, or several such keys one a line")]
    Malformed {
        /// The file, or the setting.
        place: String,
    },
    /// The file cannot be written.
    #[error("cannot write the master key {}: {source}", path.display())]
    Unwritable {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The command cannot be run, or failed.
    #[error("keys.master_key_command gave no master key: {why}; run the command by hand to see why")]
    Command {
        /// What happened to it.
        why: String,
    },
    /// No key could be made.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl MasterKeySource {
    /// Reads the keys; blocks.
    ///
    /// # Errors
    /// [`MasterKeyError`] when the source cannot be read or holds something else.
    pub fn read(&self) -> Result<MasterKeys, MasterKeyError> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path)
                .map_err(|source| MasterKeyError::Unreadable { path: path.to_owned(), source })?,
            Self::Command(command) => printed(command).map_err(|why| MasterKeyError::Command { why })?,
            Self::Given(secret) => secret.expose().to_owned(),
        };
        MasterKeys::parse(&text).map_err(|_| MasterKeyError::Malformed { place: self.place() })
    }

    /// The file, or the setting, as messages name it.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Command(_) => String::from("the output of keys.master_key_command"),
            Self::Given(_) => String::from("keys.master_key"),
        }
    }
}

/// Writes a new random key to a file that does not exist yet, readable by its owner only.
///
/// # Errors
/// [`MasterKeyError`] when the file exists or cannot be written.
pub fn create(path: &Path) -> Result<MasterKeys, MasterKeyError> {
    let unwritable = |source| MasterKeyError::Unwritable { path: path.to_owned(), source };
    let keys = MasterKeys::generate()?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
    file.write_all(keys.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
    Ok(keys)
}

/// Replaces the keys of an existing file, whose owner stays: at any instant it holds the old ones or the new ones.
///
/// # Errors
/// [`MasterKeyError`] when the file cannot be written.
pub fn replace(path: &Path, keys: &MasterKeys) -> Result<(), MasterKeyError> {
    write_over(path, keys).map_err(|source| MasterKeyError::Unwritable { path: path.to_owned(), source })
}

fn write_over(path: &Path, keys: &MasterKeys) -> std::io::Result<()> {
    let old = fs::metadata(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(keys.expose().as_bytes())?;
    // The server that reads it may run as another user than the one who rotates.
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::File::open(folder)?.sync_all()
}

/// Whether others than the owner may read a file with a key.
///
/// # Errors
/// What the operating system said when the file cannot be looked at.
pub fn is_exposed(path: &Path) -> std::io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// What a command prints, or why it printed nothing, without a word of what it printed.
fn printed(command: &str) -> Result<String, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("sh cannot be started ({error})"))?;
    let result = output(&mut child);
    // It may have ended; what it left running must not outlive the answer.
    let _ = child.kill();
    let ended = child.wait().map_err(|error| error.to_string())?;
    let text = result?;
    if ended.success() || !text.trim().is_empty() { Ok(text) } else { Err(format!("it ended with {ended}")) }
}

fn output(child: &mut Child) -> Result<String, String> {
    let stdout = child.stdout.take().ok_or("it has no output")?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(COMMAND_BYTES_MAX).read_to_string(&mut text);
        // Whoever asked may have given up.
        let _ = tell.send(read.map(|_| text));
    });
    match told.recv_timeout(COMMAND_TIMEOUT) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => Err(String::from("its output is no text")),
        Err(_) => Err(format!("it did not end within {} seconds", COMMAND_TIMEOUT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> MasterKeySource {
        MasterKeySource::Given(Secret::new(text.to_owned()))
    }

    #[test]
    fn a_new_key_is_private_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let made = create(&path).unwrap();
        let source = MasterKeySource::File(path.clone());
        assert_eq!(source.read().unwrap().fingerprints(), made.fingerprints());
        assert!(!is_exposed(&path).unwrap());
        assert!(create(&path).is_err(), "an existing key is never overwritten");

        let both = made.after(&MasterKeys::generate().unwrap());
        replace(&path, &both).unwrap();
        assert_eq!(source.read().unwrap().fingerprints(), both.fingerprints());
        assert!(!is_exposed(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_source_that_holds_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        for bad in ["", "abcd", &"g".repeat(64), &"é".repeat(32)] {
            fs::write(&path, bad).unwrap();
            let read = MasterKeySource::File(path.clone()).read();
            assert!(matches!(read, Err(MasterKeyError::Malformed { .. })), "{bad}");
        }
        let refusal = given("my secret").read().unwrap_err().to_string();
        assert!(refusal.starts_with("keys.master_key is not a master key"), "{refusal}");
        assert!(!refusal.contains("my secret"));
    }

    #[test]
    fn a_command_prints_the_key() {
        let key = "ab".repeat(32);
        let command = |text: String| MasterKeySource::Command(text).read();
        let fingerprints = given(&key).read().unwrap().fingerprints();
        assert_eq!(command(format!("echo {key}")).unwrap().fingerprints(), fingerprints);
        let failed = command(String::from("exit 3")).unwrap_err().to_string();
        assert!(failed.contains("exit status: 3") && failed.contains("by hand"), "{failed}");
        assert!(matches!(command(String::from("echo nonsense")), Err(MasterKeyError::Malformed { .. })));
    }
}
