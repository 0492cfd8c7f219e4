//! A store and what passes between it and its user: one enum over the drivers.

use std::{fmt, path::Path};

use bytes::Bytes;
use url::Url;

use crate::{Error, Name, folder, s3};

/// Where objects are kept. Clones share it.
#[derive(Clone, Debug)]
pub enum Store {
    /// A folder of this machine.
    #[doc(hidden)]
    Folder(folder::Folder),
    /// A bucket of an S3 store.
    #[doc(hidden)]
    S3(s3::S3),
}

/// Who we are to an S3 store.
#[derive(Clone)]
pub struct Credentials {
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, as every S3 tool has them.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let access_key_id = std::env::var("AWS_ACCESS_KEY_ID").ok()?;
        Some(Self { access_key_id, secret_access_key: std::env::var("AWS_SECRET_ACCESS_KEY").ok()? })
    }
}

/// An object that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub name: Name,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Store {
    /// The store at `url`: `file:FOLDER`, made when something is written and relative to `base`, or
    /// `s3://BUCKET[/PREFIX]?endpoint=URL&region=REGION`. Touches neither disk nor network.
    ///
    /// # Errors
    /// When the URL is none of those, or an S3 store would not know who we are.
    pub fn open(url: &str, base: &Path, credentials: Option<Credentials>) -> Result<Self, Error> {
        if let Some(folder) = url.strip_prefix("file:") {
            let path = folder.strip_prefix("//").unwrap_or(folder);
            if path.is_empty() {
                return Err(Error::Url(String::from("file: names no folder")));
            }
            return Ok(Self::Folder(folder::Folder::new(base.join(path))));
        }
        let parsed = Url::parse(url).map_err(|_| Error::Url(String::from("that is no URL")))?;
        match parsed.scheme() {
            "s3" => Ok(Self::S3(s3::S3::open(&parsed, credentials)?)),
            other => Err(Error::Url(format!("unknown scheme {other:?}"))),
        }
    }

    /// Whether a writer keeps what it is given in memory, up to a part's size: then many of them want a bound.
    #[must_use]
    pub fn holds_in_memory(&self) -> bool {
        matches!(self, Self::S3(_))
    }

    /// Asks the store for something, so that a wrong address, bucket or key is noticed.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.check().await,
            Self::S3(s3) => s3.check().await,
        }
    }

    /// Tries all that is needed: writes an object, reads it back and removes it. A folder is only written to, and makes
    /// nothing that stays, so that whoever tries need not be who uses it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub async fn try_out(&self) -> Result<(), Error> {
        let mut random = [0; 8];
        // Without random bytes two that try at once may meet, no more.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let name: Name = format!("trial-{:016x}", u64::from_be_bytes(random)).parse().map_err(|_| Error::NoTrial)?;
        let content = Bytes::from_static(b"can this be read?");
        self.check().await?;
        if let Self::Folder(folder) = self {
            return folder.try_out(&name, content).await;
        }
        self.put_bytes(&name, content.clone()).await?;
        let read = self.get_bytes(&name, content.len()).await?;
        self.delete(&name).await?;
        if read == Some(content) { Ok(()) } else { Err(Error::NoTrial) }
    }

    /// Begins an object, which takes its name when the writer [finishes](Writer::finish), whatever had it before.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn put(&self, name: &Name) -> Result<Writer, Error> {
        Ok(match self {
            Self::Folder(folder) => Writer::Folder(folder.put(name).await?),
            Self::S3(s3) => Writer::S3(s3.put(name)),
        })
    }

    /// [`put`](Self::put) for an object that is at hand.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put_bytes(&self, name: &Name, bytes: Bytes) -> Result<(), Error> {
        let mut writer = self.put(name).await?;
        writer.write(bytes).await?;
        writer.finish().await.map(drop)
    }

    /// An object from its beginning; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, name: &Name) -> Result<Option<Reader>, Error> {
        Ok(match self {
            Self::Folder(folder) => folder.get(name).await?.map(Reader::Folder),
            Self::S3(s3) => s3.get(name, None).await?.map(Reader::S3),
        })
    }

    /// The bytes of an object from `start` up to before `end`, or as many of them as it has; `None` if there is none
    /// of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get_range(&self, name: &Name, start: u64, end: u64) -> Result<Option<Reader>, Error> {
        Ok(match self {
            Self::Folder(folder) => folder.get_range(name, start, end).await?.map(Reader::Folder),
            Self::S3(s3) => s3.get(name, Some(start..end)).await?.map(Reader::S3),
        })
    }

    /// [`get`](Self::get) for an object of at most `bytes_max` bytes, in one piece.
    ///
    /// # Errors
    /// When the store cannot be read, or the object is larger.
    pub async fn get_bytes(&self, name: &Name, bytes_max: usize) -> Result<Option<Bytes>, Error> {
        let Some(mut reader) = self.get(name).await? else { return Ok(None) };
        let mut whole = Vec::new();
        while let Some(piece) = reader.next().await? {
            if whole.len().saturating_add(piece.len()) > bytes_max {
                return Err(Error::Io { path: name.to_string(), why: format!("is larger than {bytes_max} bytes") });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole.into()))
    }

    /// The size of an object in bytes; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn head(&self, name: &Name) -> Result<Option<u64>, Error> {
        match self {
            Self::Folder(folder) => folder.head(name).await,
            Self::S3(s3) => s3.head(name).await,
        }
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.delete(name).await,
            Self::S3(s3) => s3.delete(name).await,
        }
    }

    /// Every object, or those whose names begin with the parts of `under`, in no order.
    #[must_use]
    pub fn list(&self, under: Option<&Name>) -> Names {
        match self {
            Self::Folder(folder) => Names::Folder(folder.list(under)),
            Self::S3(s3) => Names::S3(s3.list(under)),
        }
    }
}

// What an operator may see of it: never who we are to it.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{folder}"),
            Self::S3(s3) => write!(f, "{s3}"),
        }
    }
}

/// An object on its way in. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
#[must_use = "nothing has the name until the writer finishes"]
pub enum Writer {
    /// To a file.
    #[doc(hidden)]
    Folder(folder::Upload),
    /// To a bucket.
    #[doc(hidden)]
    S3(s3::Upload),
}

impl Writer {
    /// To a folder, writes that many bytes or more at a time; other stores are sent whole parts.
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        if let Self::Folder(upload) = &mut self {
            upload.gather_bytes = bytes;
        }
        self
    }

    /// Appends; waits while too much is under way.
    ///
    /// # Errors
    /// When it cannot be written: the object is lost.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match self {
            Self::Folder(upload) => upload.write(bytes).await,
            Self::S3(upload) => upload.write(bytes).await,
        }
    }

    /// Makes it durable under its name, and returns its size in bytes.
    ///
    /// # Errors
    /// When it cannot be written: the object is lost.
    pub async fn finish(self) -> Result<u64, Error> {
        match self {
            Self::Folder(upload) => upload.finish().await,
            Self::S3(upload) => upload.finish().await,
        }
    }
}

/// An object, or a range of it, on its way out.
#[derive(Debug)]
pub enum Reader {
    /// From a file.
    #[doc(hidden)]
    Folder(folder::Download),
    /// From a bucket.
    #[doc(hidden)]
    S3(s3::Download),
}

impl Reader {
    /// The size of the whole object in bytes, also when a range was asked for.
    #[must_use]
    pub fn object_bytes(&self) -> u64 {
        match self {
            Self::Folder(download) => download.object_bytes,
            Self::S3(download) => download.object_bytes,
        }
    }

    /// From a folder, reads pieces of so many bytes; other stores send what they like.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        if let Self::Folder(download) = &mut self {
            download.piece_bytes = bytes;
        }
        self
    }

    /// The next bytes, at least one; `None` at the end.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Folder(download) => download.next().await,
            Self::S3(download) => download.next().await,
        }
    }
}

/// A list of objects, read as it arrives.
#[derive(Debug)]
pub enum Names {
    /// Of a folder.
    #[doc(hidden)]
    Folder(folder::Walk),
    /// Of a bucket.
    #[doc(hidden)]
    S3(s3::List),
}

impl Names {
    /// The next object; `None` at the end.
    ///
    /// # Errors
    /// When the rest cannot be listed.
    pub async fn next(&mut self) -> Result<Option<Stored>, Error> {
        match self {
            Self::Folder(walk) => walk.next().await,
            Self::S3(list) => list.next().await,
        }
    }
}
