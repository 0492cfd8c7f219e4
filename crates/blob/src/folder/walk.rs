//! Listing a folder: a thread walks it, a little ahead of whoever listens.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::is_missing;
use crate::{Error, Name, limits, store::Stored};

/// A list of objects, as far as it was walked.
#[derive(Debug)]
pub struct Walk {
    found: mpsc::Receiver<Result<Stored, Error>>,
}

impl Walk {
    pub(super) fn start(root: PathBuf, under: Option<Name>) -> Self {
        let (sender, found) = mpsc::channel(limits::LISTED_AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut walker = Walker { sender, listens: true };
            let mut folder = root;
            let mut front = String::new();
            if let Some(under) = &under {
                folder.extend(under.parts());
                front = format!("{under}/");
            }
            if let Err(error) = walker.folder(&folder, &front, false) {
                walker.send(Err(error));
            }
        });
        Self { found }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Stored>, Error> {
        self.found.recv().await.transpose()
    }
}

struct Walker {
    sender: mpsc::Sender<Result<Stored, Error>>,
    listens: bool,
}

impl Walker {
    fn send(&mut self, found: Result<Stored, Error>) {
        self.listens &= self.sender.blocking_send(found).is_ok();
    }

    /// A folder of objects whose names begin with `front`; files count only in fanned-out folders.
    fn folder(&mut self, path: &Path, front: &str, fanned: bool) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::file(path, &error);
        let entries = match std::fs::read_dir(path) {
            // Nothing was ever written, or the last object just went.
            Err(error) if is_missing(&error) => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let file_name = entry.file_name();
            let Some(last) = file_name.to_str() else { continue };
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            match (is_folder, fanned) {
                (true, false) if last.starts_with('~') => self.folder(&entry.path(), front, true)?,
                (true, false) if !last.starts_with('.') => {
                    self.folder(&entry.path(), &format!("{front}{last}/"), false)?;
                }
                (false, true) => {
                    let (Ok(name), Ok(metadata)) = (format!("{front}{last}").parse(), entry.metadata()) else {
                        continue;
                    };
                    self.send(Ok(Stored { name, bytes: metadata.len() }));
                }
                _ => {}
            }
            if !self.listens {
                return Ok(());
            }
        }
        Ok(())
    }
}
