//! Garage as three nodes, each with a copy of everything: one of them may die.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    folder,
    garage::{REGION, START, field, find, settings},
    keeper::Keeper,
    port::free_port,
};

/// Three nodes with one bucket. They end, and their folders go, when this process does or when they are dropped.
pub struct Garages {
    program: PathBuf,
    nodes: Vec<Node>,
    access_key_id: String,
    secret_access_key: String,
}

struct Node {
    config: PathBuf,
    port: u16,
    rpc: u16,
    folder: PathBuf,
    keeper: Keeper,
}

impl std::fmt::Debug for Garages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ports: Vec<_> = self.nodes.iter().map(|node| node.port).collect();
        f.debug_struct("Garages").field("ports", &ports).finish_non_exhaustive()
    }
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
    ///
    /// # Errors
    /// When its keeper is gone.
    pub fn kill_one(&mut self) -> Result<()> {
        self.nodes.last_mut().map_or(Ok(()), |node| node.keeper.order("kill"))
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
        let logs = self.nodes.iter().map(|node| std::fs::read_to_string(node.folder.join("server.log")));
        logs.map(Result::unwrap_or_default).collect::<Vec<_>>().join("\n")
    }
}

impl Node {
    fn start(program: &Path) -> Result<Self> {
        let folder = folder::create("garages", &std::env::temp_dir())?;
        let (port, rpc, admin) = (free_port()?, free_port()?, free_port()?);
        let config = folder.join("garage.toml");
        let started =
            std::fs::write(&config, settings(&folder, port, rpc, admin, 3)).map_err(Into::into).and_then(|()| {
                let command = [program.as_os_str(), "-c".as_ref(), config.as_os_str(), "server".as_ref()];
                Keeper::start(&folder, false, "KILL", &command)
            });
        match started {
            Ok(keeper) => Ok(Self { config, port, rpc, folder, keeper }),
            Err(error) => {
                // No keeper does it.
                std::fs::remove_dir_all(&folder)?;
                Err(error)
            }
        }
    }
}
