//! Garage: an S3 store of one node.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{folder, keeper::Keeper, port::free_port};

/// How to get the program.
const INSTALL: &str = "cargo install garage --version 2.5.0 --locked";
/// How long the node may take to answer; the machine may be busy.
const START: Duration = Duration::from_secs(60);
const REGION: &str = "garage";

/// A running node with one bucket. It ends, and its folder goes, when this process does or when it is dropped.
pub struct Garage {
    program: PathBuf,
    config: PathBuf,
    port: u16,
    /// The name of its key.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: String,
    folder: PathBuf,
    _keeper: Keeper,
}

impl std::fmt::Debug for Garage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Garage").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Garage {
    /// Starts a node, and makes a bucket `whimbrel` and a key that may use it.
    ///
    /// # Errors
    /// When the program is missing (the error names how to install it), or the node does not answer.
    pub fn start() -> Result<Self> {
        let program = find()?;
        let folder = folder::create("garage")?;
        let (port, rpc, admin) = (free_port()?, free_port()?, free_port()?);
        let config = folder.join("garage.toml");
        let started = std::fs::write(&config, settings(&folder, port, rpc, admin)).map_err(Into::into).and_then(|()| {
            let command = [program.as_os_str(), "-c".as_ref(), config.as_os_str(), "server".as_ref()];
            Keeper::start(&folder, "KILL", &command)
        });
        let keeper = match started {
            Ok(keeper) => keeper,
            Err(error) => {
                // No keeper does it.
                std::fs::remove_dir_all(&folder)?;
                return Err(error);
            }
        };
        let mut garage = Self {
            program,
            config,
            port,
            access_key_id: String::new(),
            secret_access_key: String::new(),
            folder,
            _keeper: keeper,
        };
        garage.set_up().with_context(|| format!("garage said:\n{}", garage.log()))?;
        Ok(garage)
    }

    /// `s3://whimbrel/PREFIX?...`
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        self.url_of("whimbrel", prefix)
    }

    /// As [`url`](Self::url), of a bucket that may not be there.
    #[must_use]
    pub fn url_of(&self, bucket: &str, prefix: &str) -> String {
        format!("s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{}&region={REGION}", self.port)
    }

    /// The variables by which S3 tools know who they are.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![
            (String::from("AWS_ACCESS_KEY_ID"), self.access_key_id.clone()),
            (String::from("AWS_SECRET_ACCESS_KEY"), self.secret_access_key.clone()),
        ]
    }

    fn set_up(&mut self) -> Result<()> {
        let started = Instant::now();
        let node = loop {
            if self.run(&["status"]).is_ok() {
                break self.run(&["node", "id", "-q"])?;
            }
            if started.elapsed() > START {
                bail!("the node does not answer");
            }
            std::thread::sleep(Duration::from_millis(50)); // tidy: allow sleep, one step of a bounded poll
        };
        let node = node.trim().split('@').next().unwrap_or_default();
        self.run(&["layout", "assign", "-z", "one", "-c", "1G", node])?;
        self.run(&["layout", "apply", "--version", "1"])?;
        self.run(&["bucket", "create", "whimbrel"])?;
        let key = self.run(&["key", "create", "whimbrel"])?;
        self.access_key_id = field(&key, "Key ID:").context("no key id")?;
        self.secret_access_key = field(&key, "Secret key:").context("no secret key")?;
        self.run(&[
            "bucket",
            "allow",
            "--read",
            "--write",
            "--owner",
            "whimbrel",
            "--key",
            &self.access_key_id.clone(),
        ])?;
        Ok(())
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let Output { status, stdout, stderr } =
            Command::new(&self.program).arg("-c").arg(&self.config).args(args).stdin(Stdio::null()).output()?;
        if !status.success() {
            bail!("garage {}: {}", args.join(" "), String::from_utf8_lossy(&stderr));
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

/// In the path, or where cargo installs.
fn find() -> Result<PathBuf> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let installed = cargo_home.or(home).map(|home| home.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(installed);
    let found = places.map(|place| place.join("garage")).find(|program| program.is_file());
    found.with_context(|| format!("garage is missing: {INSTALL}"))
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| line.trim().strip_prefix(name)).map(|value| value.trim().to_owned())
}

fn settings(dir: &Path, port: u16, rpc: u16, admin: u16) -> String {
    let dir = dir.display();
    let secret = "5a".repeat(32);
    format!(
        r#"metadata_dir = "{dir}/meta"
data_dir = "{dir}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"
[s3_api]
s3_region = "{REGION}"
api_bind_addr = "127.0.0.1:{port}"
root_domain = ".s3.localhost"
[admin]
api_bind_addr = "127.0.0.1:{admin}"
"#
    )
}
