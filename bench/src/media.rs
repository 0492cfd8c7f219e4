//! `bench media`: a large file up and down over TLS, beside nginx, whose CPU for the same file plus one pass of AES-GCM
//! over it is what this can be compared with. The client is curl for both.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use clap::Args;
use xmpp::ns;

use crate::client::{Login, Session, numbered, register};
use crate::machine::{self, Workplace};
use crate::peer::{self, Peer, Retention};
use crate::process::{Server, own_cpu_us};

/// Bytes of one write, and of one segment.
const PIECE_BYTES: usize = 64 * 1024;
/// How long nginx may take to listen.
const START: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Size of the file in MiB
    #[arg(long, default_value_t = 1024)]
    mib: usize,
    /// How often; the best of each is shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// CPU milliseconds of the server for one way each.
#[derive(Clone, Copy, Debug)]
struct Cost {
    up_ms: f64,
    down_ms: f64,
}

impl Cost {
    const NONE: Self = Self { up_ms: f64::MAX, down_ms: f64::MAX };

    fn best(self, other: Self) -> Self {
        Self { up_ms: self.up_ms.min(other.up_ms), down_ms: self.down_ms.min(other.down_ms) }
    }
}

/// Measures both and prints the table.
///
/// # Errors
/// When a server does not start or a transfer fails.
pub async fn run(options: Options) -> Result<()> {
    let place = Workplace::in_memory()?;
    let file = place.path().join("file");
    write_file(&file, options.mib)?;
    let gcm_ms = gcm_pass(options.mib)?;
    let (mut ours, mut nginx) = (Cost::NONE, Cost::NONE);
    for round in 0..options.rounds {
        ours = ours.best(whimbreld(&place.path().join(format!("ours{round}")), &file, options.mib).await?);
        nginx = nginx.best(of_nginx(&place.path().join(format!("nginx{round}")), &file).await?);
    }
    println!("{}, {} MiB over TLS 1.3, HTTP/1.1, load {:.1}", machine::description(), options.mib, machine::load());
    println!("| CPU ms of the server | Whimbrel | nginx | AES-GCM once | nginx + AES-GCM | ratio |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (way, ours, nginx) in [("up", ours.up_ms, nginx.up_ms), ("down", ours.down_ms, nginx.down_ms)] {
        let floor = nginx + gcm_ms;
        println!("| {way} | {ours:.0} | {nginx:.0} | {gcm_ms:.0} | {floor:.0} | {:.2} |", ours / floor);
    }
    Ok(())
}

fn write_file(path: &Path, mib: usize) -> Result<()> {
    let mut file = File::create(path)?;
    let piece: Vec<u8> = (0..1024 * 1024_u32).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    for number in 0..mib {
        file.write_all(&number.to_le_bytes())?;
        file.write_all(piece.get(8..).context("a piece")?)?;
    }
    Ok(())
}

/// CPU milliseconds of sealing so many MiB once.
fn gcm_pass(mib: usize) -> Result<f64> {
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map(LessSafeKey::new).ok().context("no cipher")?;
    let mut segment = vec![5; PIECE_BYTES];
    let before = own_cpu_us();
    for number in 0..(mib * 1024 * 1024 / PIECE_BYTES) as u64 {
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut segment);
        tag.ok().map(drop).context("not sealed")?;
    }
    #[expect(clippy::cast_precision_loss, reason = "CPU times are far below 2^52 microseconds")]
    Ok((own_cpu_us() - before) as f64 / 1000.0)
}

async fn whimbreld(dir: &Path, file: &Path, mib: usize) -> Result<Cost> {
    let running = peer::start(Peer::Whimbrel, dir, Retention::Forever).await?;
    let accounts = numbered(1);
    let account = accounts.first().context("no account")?;
    register(running.target(false), account).await?;
    let mut session = Session::online(Login { target: running.target(false), sm: false }, account).await?;
    session.stanza(&format!(
        "<iq type='get' id='slot' to='upload.localhost'><request xmlns='{}' filename='file' size='{}'/></iq>",
        ns::HTTP_UPLOAD,
        mib * 1024 * 1024
    ));
    session.flush().await?;
    let answer = session.answer("slot").await?;
    let slot = answer.child("slot", ns::HTTP_UPLOAD).and_then(|slot| slot.to_dom().ok()).context("no slot")?;
    let url = |name| Some(slot.get_child(name, ns::HTTP_UPLOAD)?.attr("url")?.to_owned());
    let (put, get) = url("put").zip(url("get")).context("no addresses")?;
    let cost = measure(&running.server, file, &put, &get).await?;
    session.close().await?;
    running.server.stop().await?;
    fs::remove_dir_all(dir)?;
    Ok(cost)
}

async fn of_nginx(dir: &Path, file: &Path) -> Result<Cost> {
    fs::create_dir_all(dir.join("files"))?;
    let (cert, key) = peer::certificate(dir)?;
    let address = peer::free_address()?;
    let config = dir.join("nginx.conf");
    let (shown, cert, key) = (dir.display(), cert.display(), key.display());
    fs::write(
        &config,
        format!(
            "daemon off; user root; worker_processes 1; pid {shown}/pid; error_log stderr;\n\
             events {{}}\nhttp {{ access_log off; sendfile on; client_body_temp_path {shown}/body;\n\
             server {{ listen {address} ssl; ssl_certificate {cert}; ssl_certificate_key {key};\n\
             root {shown}/files; client_max_body_size 0; dav_methods PUT; }} }}\n"
        ),
    )?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&config).arg("-p").arg(dir);
    let server = Server::start(command, &dir.join("log")).context("nginx is missing: apt-get install nginx")?;
    let end = Instant::now() + START;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > end {
            bail!("nginx does not start:\n{}", fs::read_to_string(dir.join("log")).unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let url = format!("https://localhost:{}/file", address.port());
    let cost = measure(&server, file, &url, &url).await?;
    drop(server);
    fs::remove_dir_all(dir)?;
    Ok(cost)
}

async fn measure(server: &Server, file: &Path, put: &str, get: &str) -> Result<Cost> {
    let before = server.cpu_at_rest().await?;
    curl(&["-T", &file.to_string_lossy(), put]).await?;
    let between = server.cpu_at_rest().await?;
    let back = PathBuf::from("/dev/null");
    curl(&["-o", &back.to_string_lossy(), get]).await?;
    let after = server.cpu_at_rest().await?;
    Ok(Cost { up_ms: between.since(before) / 1000.0, down_ms: after.since(between) / 1000.0 })
}

async fn curl(args: &[&str]) -> Result<()> {
    let mut command = tokio::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--insecure", "--http1.1", "--ipv4"]).args(args);
    let output = command.output().await.context("curl is missing: apt-get install curl")?;
    if output.status.success() { Ok(()) } else { bail!("curl: {}", String::from_utf8_lossy(&output.stderr)) }
}
