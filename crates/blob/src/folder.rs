//! The driver for a folder of this machine. An object is written to a file of its own in `.new`, made durable, then
//! given its name, so that whoever looks finds it whole or not at all, also after a power failure.
//!
//! Files are fanned out: `media/abc` is `media/~xx/abc`, where `xx` comes from a hash of `abc`. No name has a `~`.

mod walk;

use std::{
    fmt, fs,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use aws_lc_rs::{digest, rand};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::{Error, Name, limits};

pub use walk::Walk;

/// Where files are that have no name yet.
const NEW: &str = ".new";

/// The driver.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root: root.into() }
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        let root = self.root.clone();
        let looked = in_thread(&self.root, move || Ok(fs::metadata(root))).await?;
        match looked {
            Ok(metadata) if !metadata.is_dir() => {
                Err(Error::Url(format!("{} is a file, not a folder", self.root.display())))
            }
            Ok(_) => Ok(()),
            // The first object makes it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::file(&self.root, &error)),
        }
    }

    /// Begins an object and gives it up, if there were any before.
    pub(crate) async fn try_out(&self, name: &Name, content: Bytes) -> Result<(), Error> {
        let new = self.root.join(NEW);
        let looking = new.clone();
        if !in_thread(&new, move || looking.try_exists().map_err(|error| Error::file(&looking, &error))).await? {
            return Ok(());
        }
        let mut upload = self.put(name).await?;
        upload.write(content).await?;
        upload.flush(true).await.map(drop)
    }

    pub(crate) async fn put(&self, name: &Name) -> Result<Upload, Error> {
        let new = self.root.join(NEW);
        let (file, half) = in_thread(&new.clone(), move || {
            make_folders(&new)?;
            remove_abandoned(&new);
            let path = new.join(random_name());
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&path).map_err(|error| Error::file(&path, &error))?;
            Ok((file, HalfWritten { path, named: false }))
        })
        .await?;
        let target = self.path(name);
        Ok(Upload {
            file: Some(file),
            gathered: Vec::new(),
            gathered_bytes: 0,
            gather_bytes: limits::GATHERED_BYTES,
            half,
            target,
            bytes: 0,
        })
    }

    pub(crate) async fn get(&self, name: &Name) -> Result<Option<Download>, Error> {
        self.get_range(name, 0, u64::MAX).await
    }

    pub(crate) async fn get_range(&self, name: &Name, start: u64, end: u64) -> Result<Option<Download>, Error> {
        let path = self.path(name);
        let opening = path.clone();
        let opened = in_thread(&path, move || {
            let open = || {
                let mut file = fs::File::open(&opening)?;
                let object_bytes = file.metadata()?.len();
                if start > 0 {
                    file.seek(std::io::SeekFrom::Start(start))?;
                }
                Ok((file, object_bytes))
            };
            Ok(open())
        });
        match opened.await? {
            Ok((file, object_bytes)) => {
                let left = end.min(object_bytes).saturating_sub(start);
                Ok(Some(Download { file: Some(file), path, object_bytes, left, piece_bytes: limits::READ_BYTES }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(Error::file(&path, &error)),
        }
    }

    pub(crate) async fn head(&self, name: &Name) -> Result<Option<u64>, Error> {
        let path = self.path(name);
        let looking = path.clone();
        match in_thread(&path, move || Ok(fs::metadata(looking))).await? {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(Error::file(&path, &error)),
        }
    }

    pub(crate) async fn delete(&self, name: &Name) -> Result<(), Error> {
        let path = self.path(name);
        let leaving = path.clone();
        match in_thread(&path, move || Ok(fs::remove_file(leaving))).await? {
            Err(error) if !is_missing(&error) => Err(Error::file(&path, &error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn list(&self, under: Option<&Name>) -> Walk {
        Walk::start(self.root.to_path_buf(), under.cloned())
    }

    /// Where an object lies.
    fn path(&self, name: &Name) -> PathBuf {
        let mut path = self.root.to_path_buf();
        let mut parts: Vec<&str> = name.parts().collect();
        let last = parts.pop().unwrap_or_default();
        path.extend(parts);
        path.push(fan(last));
        path.push(last);
        path
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

/// One of 256 folders, so that none gets too many files.
fn fan(last: &str) -> String {
    let hash = digest::digest(&digest::SHA256, last.as_bytes());
    format!("~{:02x}", hash.as_ref().first().copied().unwrap_or(0))
}

/// Names of files and folders on the way may be missing as well.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn random_name() -> String {
    let mut random = [0; 16];
    // Without random bytes the name is taken, and the file is not created.
    let _ = rand::fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a folder and those above it, each for its owner alone and entered durably in the one above.
fn make_folders(path: &Path) -> Result<(), Error> {
    let mut missing = Vec::new();
    let mut folder = path;
    while !folder.try_exists().map_err(|error| Error::file(folder, &error))? {
        missing.push(folder);
        match folder.parent() {
            Some(above) if !above.as_os_str().is_empty() => folder = above,
            _ => break,
        }
    }
    for folder in missing.into_iter().rev() {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(folder) {
            // Somebody else made it meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            result => result.map_err(|error| Error::file(folder, &error))?,
        }
        sync_folder(folder.parent().unwrap_or(folder))?;
    }
    Ok(())
}

/// What entered or left a folder is durable once the folder itself is.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| Error::file(path, &error))
}

/// Files whose writers were killed.
fn remove_abandoned(new: &Path) {
    let Ok(entries) = fs::read_dir(new) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > limits::ABANDONED_AFTER) {
            // The next writer tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes the file unless it got its name.
#[derive(Debug)]
struct HalfWritten {
    path: PathBuf,
    named: bool,
}

impl Drop for HalfWritten {
    fn drop(&mut self) {
        if !self.named {
            // What stays is removed as abandoned.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Calls to files that are under way.
static CALLS: Semaphore = Semaphore::const_new(limits::FILE_CALLS_MAX);

/// Runs what blocks where it may. Everything that touches this folder goes here, and few at a time: each thread costs
/// memory, its allocator's most of all.
async fn in_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let failed = |error: std::io::Error| Error::file(path, &error);
    let _turn = CALLS.acquire().await.map_err(std::io::Error::other).map_err(failed)?;
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other).map_err(failed)?
}

/// What is said of a file that a cancelled call took along.
fn cancelled(path: &Path) -> Error {
    Error::file(path, &std::io::Error::other("an earlier call was cancelled"))
}

/// An object on its way in.
#[derive(Debug)]
pub struct Upload {
    file: Option<fs::File>,
    /// What goes to the file with the next call: each one costs a change of threads.
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    pub(crate) gather_bytes: usize,
    half: HalfWritten,
    target: PathBuf,
    bytes: u64,
}

impl Upload {
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.gathered_bytes = self.gathered_bytes.saturating_add(bytes.len());
        self.gathered.push(bytes);
        if self.gathered_bytes < self.gather_bytes {
            return Ok(());
        }
        let file = self.flush(false).await?;
        self.file = Some(file);
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<u64, Error> {
        self.flush(true).await?;
        let Self { half, target, bytes, .. } = self;
        in_thread(&target.clone(), move || {
            // All of it, with what its end does.
            let mut half = half;
            let folder = target.parent().unwrap_or(&target);
            make_folders(folder)?;
            fs::rename(&half.path, &target).map_err(|error| Error::file(&target, &error))?;
            half.named = true;
            sync_folder(folder)?;
            Ok(bytes)
        })
        .await
    }

    /// Writes what was gathered; durably, if it is to be.
    async fn flush(&mut self, durably: bool) -> Result<fs::File, Error> {
        let (file, gathered) = (self.file.take(), std::mem::take(&mut self.gathered));
        self.gathered_bytes = 0;
        let path = self.half.path.clone();
        in_thread(&self.half.path, move || {
            let mut file = file.ok_or_else(|| cancelled(&path))?;
            let written = gathered.iter().try_for_each(|bytes| file.write_all(bytes));
            let written = if durably { written.and_then(|()| file.sync_all()) } else { written };
            written.map(|()| file).map_err(|error| Error::file(&path, &error))
        })
        .await
    }
}

/// An object on its way out.
#[derive(Debug)]
pub struct Download {
    file: Option<fs::File>,
    path: PathBuf,
    pub(crate) object_bytes: u64,
    left: u64,
    pub(crate) piece_bytes: usize,
}

impl Download {
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.piece_bytes);
        if wanted == 0 {
            return Ok(None);
        }
        let file = self.file.take();
        // Not taken there: an allocator keeps room for each thread that asks.
        let mut piece = Vec::with_capacity(wanted);
        let path = self.path.clone();
        let (file, piece) = in_thread(&self.path, move || {
            let mut file = file.ok_or_else(|| cancelled(&path))?;
            let read = Read::by_ref(&mut file).take(wanted as u64).read_to_end(&mut piece);
            read.map(|_| (file, piece)).map_err(|error| Error::file(&path, &error))
        })
        .await?;
        self.file = Some(file);
        self.left = self.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok((!piece.is_empty()).then(|| piece.into()))
    }
}
