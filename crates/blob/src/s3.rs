//! The driver for S3 stores: path style, multipart uploads, retries with backoff.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig, WriteMultipart, aws::AmazonS3, aws::AmazonS3Builder, path::Path,
};
use url::Url;

use crate::{
    Error, Name, limits,
    store::{Credentials, Stored},
};

/// The driver.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Arc<AmazonS3>,
    /// Stands before every name; empty, or ends with a slash.
    prefix: Arc<str>,
    /// For errors.
    shown: Arc<str>,
}

impl S3 {
    pub(crate) fn open(url: &Url, credentials: Option<Credentials>) -> Result<Self, Error> {
        let refused = |why: &str| Error::Url(why.to_owned());
        let bucket =
            url.host_str().filter(|bucket| !bucket.is_empty()).ok_or_else(|| refused("s3: names no bucket"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("credentials do not belong in it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        }
        let path = url.path().trim_matches('/');
        let prefix = match path {
            "" => String::new(),
            path => format!("{}/", path.parse::<Name>().map_err(|_| refused("the prefix is no name"))?),
        };
        let shown = format!("s3://{bucket}/{prefix}");
        let credentials = credentials.ok_or_else(|| Error::Credentials(shown.clone()))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_access_key_id(credentials.access_key_id)
            .with_secret_access_key(credentials.secret_access_key)
            .with_virtual_hosted_style_request(false)
            .with_retry(retry());
        let mut options = client_options();
        for (key, value) in url.query_pairs() {
            match &*key {
                "endpoint" => {
                    let endpoint = Url::parse(&value).map_err(|_| refused("the endpoint is no URL"))?;
                    options = options.with_allow_http(endpoint.scheme() == "http");
                    builder = builder.with_endpoint(value.trim_end_matches('/'));
                }
                "region" => builder = builder.with_region(value),
                other => return Err(refused(&format!("unknown parameter {other:?}"))),
            }
        }
        let client = builder.with_client_options(options).build().map_err(|error| refused(&error.to_string()))?;
        Ok(Self { client: Arc::new(client), prefix: prefix.into(), shown: shown.into() })
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.list(None).next().await.map(drop)
    }

    pub(crate) fn put(&self, name: &Name) -> Upload {
        Upload { store: self.clone(), path: self.path(name), filling: Vec::new(), filled: 0, parts: None, bytes: 0 }
    }

    pub(crate) async fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Option<Download>, Error> {
        if let Some(range) = &range {
            // S3 refuses ranges that begin at the end or are empty; who asks for one gets no bytes.
            let Some(bytes) = self.head(name).await? else { return Ok(None) };
            if range.start >= bytes.min(range.end) {
                let (body, shown) = (futures_util::stream::empty().boxed(), self.shown.clone());
                return Ok(Some(Download { object_bytes: bytes, body, shown }));
            }
        }
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.client.get_opts(&self.path(name), options).await {
            Ok(result) => Ok(Some(Download {
                object_bytes: result.meta.size,
                body: result.into_stream(),
                shown: self.shown.clone(),
            })),
            Err(error) => self.missing(error),
        }
    }

    pub(crate) async fn head(&self, name: &Name) -> Result<Option<u64>, Error> {
        match self.client.head(&self.path(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) => self.missing(error),
        }
    }

    pub(crate) async fn delete(&self, name: &Name) -> Result<(), Error> {
        match self.client.delete(&self.path(name)).await {
            Ok(()) => Ok(()),
            Err(error) => self.missing::<()>(error).map(drop),
        }
    }

    pub(crate) fn list(&self, under: Option<&Name>) -> List {
        let front = match under {
            Some(under) => format!("{}{under}", self.prefix),
            None => self.prefix.trim_end_matches('/').to_owned(),
        };
        let front = (!front.is_empty()).then(|| Path::from(front));
        // The stream would borrow the client: it owns a share of it instead.
        let client = Arc::clone(&self.client);
        let found = futures_util::stream::once(async move { client.list(front.as_ref()) }).flatten().boxed();
        List { found, prefix: self.prefix.clone(), shown: self.shown.clone() }
    }

    fn path(&self, name: &Name) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }

    /// What is not there is no error; a bucket that is not there is one.
    fn missing<T>(&self, error: object_store::Error) -> Result<Option<T>, Error> {
        match Error::request(&self.shown, &error) {
            Error::Unavailable { .. } if matches!(error, object_store::Error::NotFound { .. }) => Ok(None),
            failure => Err(failure),
        }
    }
}

impl fmt::Display for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: limits::RETRIES, retry_timeout: limits::RETRY_FOR }
}

fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(limits::CONNECT_TIMEOUT)
        .with_read_timeout(limits::READ_TIMEOUT)
        .with_timeout(limits::REQUEST_TIMEOUT)
}

/// An object on its way in: in one request when it is small, else in parts.
pub struct Upload {
    store: S3,
    path: Path,
    /// What has come since the last part.
    filling: Vec<Bytes>,
    filled: usize,
    parts: Option<WriteMultipart>,
    bytes: u64,
}

impl Upload {
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(parts) = &mut self.parts {
            parts.wait_for_capacity(limits::PARTS_UNDER_WAY).await.map_err(|error| self.store.failed(&error))?;
            parts.put(bytes);
            return Ok(());
        }
        self.filled = self.filled.saturating_add(bytes.len());
        self.filling.push(bytes);
        if self.filled >= limits::PART_BYTES {
            let upload = self.store.client.put_multipart(&self.path).await;
            let upload = upload.map_err(|error| self.store.failed(&error))?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, limits::PART_BYTES);
            self.filling.drain(..).for_each(|bytes| parts.put(bytes));
            self.parts = Some(parts);
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<u64, Error> {
        let stored = match self.parts.take() {
            Some(parts) => parts.finish().await,
            None => {
                let payload = PutPayload::from_iter(std::mem::take(&mut self.filling));
                self.store.client.put(&self.path, payload).await
            }
        };
        stored.map_err(|error| self.store.failed(&error))?;
        Ok(self.bytes)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Parts that nobody puts together would be kept, and paid for.
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::warn!(%error, "an unfinished upload could not be removed from the store");
                }
            });
        }
    }
}

impl S3 {
    fn failed(&self, error: &object_store::Error) -> Error {
        Error::request(&self.shown, error)
    }
}

/// An object on its way out.
pub struct Download {
    pub(crate) object_bytes: u64,
    body: BoxStream<'static, object_store::Result<Bytes>>,
    shown: Arc<str>,
}

impl Download {
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(piece) = self.body.next().await {
            let piece = piece.map_err(|error| Error::request(&self.shown, &error))?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("object_bytes", &self.object_bytes).finish_non_exhaustive()
    }
}

/// A list of objects, as far as it was read.
pub struct List {
    found: BoxStream<'static, object_store::Result<ObjectMeta>>,
    prefix: Arc<str>,
    shown: Arc<str>,
}

impl List {
    pub(crate) async fn next(&mut self) -> Result<Option<Stored>, Error> {
        while let Some(meta) = self.found.next().await {
            let meta = meta.map_err(|error| Error::request(&self.shown, &error))?;
            // What others keep in the bucket is none of ours.
            let name = meta.location.as_ref().strip_prefix(&*self.prefix).and_then(|name| name.parse().ok());
            if let Some(name) = name {
                return Ok(Some(Stored { name, bytes: meta.size }));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("shown", &self.shown).finish_non_exhaustive()
    }
}
