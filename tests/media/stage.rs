//! What the tests here have in common: a server, alice, and slots.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use minidom::Element;
use testkit::reqwest::{Body, Response, StatusCode};
use testkit::{Client, DEADLINE, TestServer, TestServerBuilder, http_client, reqwest};

pub const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// A server and somebody with an account, who also speaks HTTP.
pub struct Stage {
    pub server: TestServer,
    pub alice: Client,
    pub http: reqwest::Client,
}

/// Where a file is written, and where it is read.
#[derive(Clone, Debug)]
pub struct Slot {
    pub put: String,
    pub get: String,
}

impl Stage {
    pub async fn new() -> Result<Self> {
        Self::with(TestServer::builder()).await
    }

    pub async fn with(builder: TestServerBuilder) -> Result<Self> {
        let server = builder.start().await?;
        let alice = server.alice().await?;
        let http = http_client(&server.ca())?;
        Ok(Self { server, alice, http })
    }

    /// A slot for a picture.
    pub async fn slot(&mut self, bytes: usize) -> Result<Slot> {
        slot(&mut self.alice, "picture.png", bytes, "image/png").await
    }

    pub async fn put(&self, slot: &Slot, body: impl Into<Body>) -> Result<StatusCode> {
        Ok(self
            .http
            .put(&slot.put)
            .header("content-type", "image/png")
            .body(body)
            .timeout(DEADLINE * 6)
            .send()
            .await?
            .status())
    }

    pub async fn get(&self, slot: &Slot) -> Result<Response> {
        Ok(self.http.get(&slot.get).send().await?)
    }

    /// A file that is there.
    pub async fn file(&mut self, content: &[u8]) -> Result<Slot> {
        let slot = self.slot(content.len()).await?;
        ensure!(self.put(&slot, content.to_vec()).await? == StatusCode::CREATED, "the upload was refused");
        Ok(slot)
    }

    /// Where the media are.
    pub fn folder(&self) -> PathBuf {
        self.server.dir().join("data/media")
    }

    /// Parts in the folder, half-written ones included.
    pub fn parts(&self) -> Vec<PathBuf> {
        files_in(&self.folder())
    }

    /// Waits until there are so many.
    pub async fn until_parts(&self, count: usize) -> Result<()> {
        until(|| self.parts().len() == count).await.with_context(|| format!("parts: {:?}", self.parts()))
    }

    /// A socket to the plain HTTP listener, and the path of a slot's PUT.
    pub async fn raw(&self, slot: &Slot) -> Result<(tokio::net::TcpStream, String)> {
        let path = slot.put.splitn(4, '/').nth(3).context("a slot without a path")?;
        Ok((tokio::net::TcpStream::connect(self.server.address("http")?).await?, format!("/{path}")))
    }
}

/// Looks again and again until it is so.
pub async fn until(is_so: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !is_so() {
        ensure!(begun.elapsed() < DEADLINE, "it does not become so");
        tokio::time::sleep(Duration::from_millis(10)).await; // tidy: allow sleep, one step of a bounded poll
    }
    Ok(())
}

pub fn files_in(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}

/// The answer to a request for a slot.
pub async fn ask(client: &mut Client, name: &str, bytes: &str, kind: &str) -> Result<Element> {
    let request = format!(
        "<iq type='get' to='upload.localhost'><request xmlns='{UPLOAD}' filename='{name}' size='{bytes}' \
         content-type='{kind}'/></iq>"
    );
    client.iq(&request).await
}

pub async fn slot(client: &mut Client, name: &str, bytes: usize, kind: &str) -> Result<Slot> {
    let answer = ask(client, name, &bytes.to_string(), kind).await?;
    let Some(slot) = answer.get_child("slot", UPLOAD) else { bail!("no slot: {answer:?}") };
    let url = |name| {
        let url = slot.get_child(name, UPLOAD).and_then(|child| child.attr("url"));
        url.map(str::to_owned).with_context(|| format!("no {name} in {slot:?}"))
    };
    Ok(Slot { put: url("put")?, get: url("get")? })
}

/// The condition of an error.
pub fn condition(answer: &Element) -> String {
    let error = answer.get_child("error", "jabber:client");
    error.and_then(|error| error.children().next()).map(|child| child.name().to_owned()).unwrap_or_default()
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 7 + at / 256 + at / 65_536) % 256).unwrap_or(0)).collect()
}
