//! Garage as three nodes, each with a copy of everything: one of them may die.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::garage::{REGION, START, field, find, settings};
use super::watched::{Watched, free_port};

/// Three nodes with one bucket; dropping them stops them and removes their folders.
#[derive(Debug)]
pub struct Garages {
    program: PathBuf,
    nodes: Vec<Node>,
    access_key_id: String,
    secret_access_key: String,
}

#[derive(Debug)]
struct Node {
    config: PathBuf,
    port: u16,
    rpc: u16,
    // Before the folder: nobody shall write to it any more when it goes.
    process: Option<Watched>,
    dir: TempDir,
}

impl Garages {
    /// Starts three nodes that know each other, and makes a bucket `whimbrel` and a key that may use it.
    ///
    /// # Errors
    /// When the program is missing (the error names how to install it), or a node does not answer.
    pub fn start() -> Result<Self> {
        let program = find()?;
        let nodes = (0..3).map(|_| Node::start(&program)).collect::<Result<Vec<_>>>()?;
        let mut garages = Self { program, nodes, access_key_id: String::new(), secret_access_key: String::new() };
        garages.set_up().with_context(|| format!("the nodes said:\n{}", garages.logs()))?;
        Ok(garages)
    }

    /// `s3://whimbrel/PREFIX?...` of the first node.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        let port = self.nodes.first().map_or(0, |node| node.port);
        format!("s3://whimbrel/{prefix}?endpoint=http://127.0.0.1:{port}&region={REGION}")
    }

    /// The variables by which S3 tools know who they are.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![
            (String::from("AWS_ACCESS_KEY_ID"), self.access_key_id.clone()),
            (String::from("AWS_SECRET_ACCESS_KEY"), self.secret_access_key.clone()),
        ]
    }

    /// Kills the last node; the first one goes on answering.
    pub fn kill_one(&mut self) {
        if let Some(node) = self.nodes.last_mut() {
            node.process = None;
        }
    }

    fn set_up(&mut self) -> Result<()> {
        let mut ids = Vec::new();
        for at in 0..self.nodes.len() {
            self.patiently(at, &["status"])?;
            ids.push(self.run(at, &["node", "id", "-q"])?.trim().split('@').next().unwrap_or_default().to_owned());
        }
        for (id, node) in ids.iter().zip(&self.nodes).skip(1) {
            self.patiently(0, &["node", "connect", &format!("{id}@127.0.0.1:{}", node.rpc)])?;
        }
        for (number, id) in ids.iter().enumerate() {
            self.patiently(0, &["layout", "assign", "-z", &format!("zone{number}"), "-c", "1G", id])?;
        }
        self.run(0, &["layout", "apply", "--version", "1"])?;
        self.patiently(0, &["bucket", "create", "whimbrel"])?;
        let key = self.patiently(0, &["key", "create", "whimbrel"])?;
        self.access_key_id = field(&key, "Key ID:").context("no key id")?;
        self.secret_access_key = field(&key, "Secret key:").context("no secret key")?;
        let key = self.access_key_id.clone();
        self.patiently(0, &["bucket", "allow", "--read", "--write", "--owner", "whimbrel", "--key", &key])?;
        Ok(())
    }

    /// Until it works: the nodes are still getting to know each other.
    fn patiently(&self, at: usize, args: &[&str]) -> Result<String> {
        let started = Instant::now();
        loop {
            match self.run(at, args) {
                Ok(said) => return Ok(said),
                Err(error) if started.elapsed() > START => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(100)), // tidy: allow sleep, one step of a bounded poll
            }
        }
    }

    fn run(&self, at: usize, args: &[&str]) -> Result<String> {
        let node = self.nodes.get(at).context("no such node")?;
        let mut command = Command::new(&self.program);
        let output = command.arg("-c").arg(&node.config).args(args).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("garage {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn logs(&self) -> String {
        let logs = self.nodes.iter().map(|node| std::fs::read_to_string(node.dir.path().join("log")));
        logs.map(Result::unwrap_or_default).collect::<Vec<_>>().join("\n")
    }
}

impl Node {
    fn start(program: &std::path::Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("whimbrel-garages-").tempdir()?;
        let (port, rpc, admin) = (free_port()?, free_port()?, free_port()?);
        let config = dir.path().join("garage.toml");
        std::fs::write(&config, settings(dir.path(), port, rpc, admin, 3))?;
        let args = [std::ffi::OsStr::new("-c"), config.as_os_str(), std::ffi::OsStr::new("server")];
        let process = Some(Watched::start(program, &args, &dir.path().join("log"))?);
        Ok(Self { config, port, rpc, process, dir })
    }
}
