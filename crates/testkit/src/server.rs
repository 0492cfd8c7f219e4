//! A real `whimbreld run` in a temporary folder, set up the way an operator does it: `init`, then
//! overrides from the environment (the operator's contract).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::DEADLINE;
use crate::database::{Backend, Lent};
use crate::ready::parse_ready;
use crate::whimbreld::{Finished, binary, command};

/// Settings of a server that is not started yet.
#[derive(Clone, Debug)]
pub struct TestServerBuilder {
    domain: String,
    settings: BTreeMap<String, String>,
    /// Variables that are no settings.
    variables: Vec<(String, String)>,
    /// That of the environment, if none is asked for.
    backend: Option<Backend>,
}

impl Default for TestServerBuilder {
    fn default() -> Self {
        let settings = [
            ("c2s.listen", r#"["127.0.0.1:0"]"#),
            ("c2s.direct_tls_listen", r#"["127.0.0.1:0"]"#),
            ("http.listen", r#"["127.0.0.1:0"]"#),
            ("http.tls_listen", r#"["127.0.0.1:0"]"#),
            ("c2s.allow_plaintext", "true"),
            ("components.listen", r#"["127.0.0.1:0"]"#),
            ("components.secrets", r#"{ "echo.localhost" = "secret" }"#),
            ("server.admins", r#"["admin@localhost"]"#),
            // Tests connect far more often than people do.
            ("limits.connections_per_ip_max", "10000"),
            ("limits.http_connections_per_ip_max", "10000"),
            // And fail to log in more often.
            ("limits.auth_failures_per_ip_per_minute_max", "10000"),
            ("limits.auth_failures_per_account_per_minute_max", "10000"),
        ];
        Self {
            domain: String::from("localhost"),
            settings: settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            variables: Vec::new(),
            backend: None,
        }
    }
}

impl TestServerBuilder {
    /// Sets a key of `whimbrel.toml`, such as `limits.mam_page_max`, to a value in TOML syntax.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets an environment variable that is no key of `whimbrel.toml`.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a key that testkit sets to the server's own default.
    #[must_use]
    pub fn unset(mut self, key: &str) -> Self {
        self.settings.remove(key);
        self
    }

    /// Serves another domain than `localhost`.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.domain);
        self
    }

    /// Keeps state in this kind of database, whatever the environment says.
    #[must_use]
    pub fn database(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Writes the folder with `whimbreld init`, starts the server and waits until it is ready.
    ///
    /// # Errors
    /// When the binary does not build, `init` fails, or the server is not ready within the deadline;
    /// the error shows the server's log.
    pub async fn start(mut self) -> Result<TestServer> {
        let backend = self.backend.map_or_else(Backend::of_this_run, Ok)?;
        let database = if self.settings.contains_key("storage.url") { None } else { backend.database()? };
        if let Some(database) = &database {
            self = self.set("storage.url", &format!("\"{}\"", database.url()));
        }
        let dir = tempfile::Builder::new().prefix("whimbrel-test-").tempdir()?;
        let home = dir.path().join("server");
        command(&["init", "--domain", &self.domain, "--dir", &home.to_string_lossy()], &[], "")
            .await?
            .success()
            .context("whimbreld init")?;
        let set = self.settings.iter().map(|(key, value)| (variable(key), value.clone()));
        let mut server = TestServer {
            domain: self.domain,
            environment: set.chain(self.variables).collect(),
            home,
            log: Arc::default(),
            ready: BTreeMap::new(),
            child: None,
            databases: database.into_iter().collect(),
            backend,
            _dir: dir,
        };
        server.spawn().await?;
        Ok(server)
    }
}

/// `limits.mam_page_max` as `WHIMBREL_LIMITS__MAM_PAGE_MAX`.
fn variable(key: &str) -> String {
    format!("WHIMBREL_{}", key.replace('.', "__").to_uppercase())
}

/// A running server; dropping it kills the process and removes the folder.
#[derive(Debug)]
pub struct TestServer {
    domain: String,
    home: PathBuf,
    environment: Vec<(String, String)>,
    pub(crate) ready: BTreeMap<String, Vec<SocketAddr>>,
    log: Arc<Mutex<String>>,
    child: Option<Child>,
    backend: Backend,
    /// Its own on a database server, and those that were asked for.
    databases: Vec<Lent>,
    _dir: TempDir,
}

impl TestServer {
    /// Starts a server with testkit's defaults.
    ///
    /// # Errors
    /// See [`TestServerBuilder::start`].
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// A server to be configured first.
    #[must_use]
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::default()
    }

    /// The domain it serves.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The folder that `init` wrote.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.home
    }

    /// Its `whimbrel.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home.join("whimbrel.toml")
    }

    /// Its certificate, which clients trust as their CA.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.home.join("tls/cert.pem")
    }

    /// The environment that overrides the configuration file, for starting further commands.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// What kind of database it was started on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The `storage.url` it has.
    #[must_use]
    pub fn storage_url(&self) -> String {
        let set = self.environment.iter().find(|(name, _)| *name == variable("storage.url"));
        set.map_or_else(|| String::from("sqlite:whimbrel.db"), |(_, value)| value.trim_matches('"').to_owned())
    }

    /// The URL of an empty database that is there as long as this server.
    ///
    /// # Errors
    /// When the database server does not start.
    pub fn empty_database(&mut self, backend: Backend) -> Result<String> {
        let Some(database) = backend.database()? else {
            return Ok(format!("sqlite:other{}.db", self.databases.len()));
        };
        let url = database.url();
        self.databases.push(database);
        Ok(url)
    }

    /// Where everything is that it stores: its data folder, and that of the database server.
    #[must_use]
    pub fn stores(&self) -> Vec<PathBuf> {
        let servers = self.databases.iter().map(|database| database.folder().to_owned());
        std::iter::once(self.home.join("data")).chain(servers).collect()
    }

    /// The process id, for tests that look at the process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything the server wrote to standard error so far, over restarts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `whimbreld ARGS --config FILE` beside the server.
    ///
    /// # Errors
    /// When it cannot be started; its exit code is in the answer.
    pub async fn cli(&self, args: &[&str], stdin: &str) -> Result<Finished> {
        let config = self.config();
        let mut line: Vec<&str> = args.to_vec();
        let config = config.to_string_lossy();
        line.extend(["--config", &*config]);
        command(&line, &self.environment, stdin).await
    }

    /// Adds an account with the command line.
    ///
    /// # Errors
    /// When `whimbreld user add` fails.
    pub async fn add_user(&self, localpart: &str, password: &str) -> Result<()> {
        let jid = format!("{localpart}@{}", self.domain);
        let done = self.cli(&["user", "add", &jid, "--password-stdin"], &format!("{password}\n")).await?;
        done.success().with_context(|| format!("user add {jid}"))?;
        Ok(())
    }

    /// Ends the server with SIGTERM, which drains it, and waits for its exit.
    ///
    /// # Errors
    /// When it does not end within the deadline, or not with 0.
    pub async fn terminate(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::TERM)?;
        let ending = tokio::task::spawn_blocking(move || child.wait());
        let Ok(ended) = tokio::time::timeout(DEADLINE * 2, ending).await else {
            kill_process(pid, Signal::KILL)?;
            bail!(
                "the server does not end on SIGTERM
{}",
                self.log()
            );
        };
        let ended = ended??;
        if ended.success() { Ok(()) } else { bail!("the server ended with {ended} after SIGTERM\n{}", self.log()) }
    }

    /// Kills the server with SIGKILL, as a crash or a power cut would.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts a server that was terminated or killed, on the ports it had.
    ///
    /// # Errors
    /// When it is not ready within the deadline.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the server still runs");
        }
        for (listener, key) in [
            ("c2s", "c2s.listen"),
            ("c2s_tls", "c2s.direct_tls_listen"),
            ("components", "components.listen"),
            ("http", "http.listen"),
            ("https", "http.tls_listen"),
        ] {
            let Some(addresses) = self.ready.get(listener) else { continue };
            let list: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
            self.set_variable(&variable(key), format!("[{}]", list.join(", ")));
        }
        self.spawn().await
    }

    /// Terminates the server and starts it again on the same ports.
    ///
    /// # Errors
    /// When either fails.
    pub async fn restart(&mut self) -> Result<()> {
        self.terminate().await?;
        self.start_again().await
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.set_variable(&variable(key), value.to_owned());
    }

    fn set_variable(&mut self, name: &str, value: String) {
        self.environment.retain(|(old, _)| old != name);
        self.environment.push((name.to_owned(), value));
    }

    async fn spawn(&mut self) -> Result<()> {
        let mut child = Command::new(binary()?)
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        self.child = Some(child);
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || keep_log(stderr, &log));
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || watch_stdout(stdout, tell));
        let line = match tokio::time::timeout(DEADLINE * 3, told).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => bail!("the server ended before it was ready\n{}", self.log()),
            Err(_) => bail!("the server is not ready in time\n{}", self.log()),
        };
        self.ready = parse_ready(&line).with_context(|| format!("in {line:?}"))?;
        Ok(())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn keep_log(stderr: impl Read, log: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// Reports the `ready` line, then reads on so that the server never blocks on a full pipe.
fn watch_stdout(stdout: impl Read, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if line.starts_with("ready ")
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_the_name_of_its_variable() {
        assert_eq!(variable("limits.mam_page_max"), "WHIMBREL_LIMITS__MAM_PAGE_MAX");
    }
}
