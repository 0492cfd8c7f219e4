//! The lines for nginx in `docs/web.md`, in a real nginx.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testkit::web::{Bosh, WebSocket};
use testkit::{DEADLINE, TestServer, workspace};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// An nginx in front of a server; dropping it ends it.
struct Nginx {
    address: SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    async fn before(server: &TestServer) -> Result<Self> {
        let page = std::fs::read_to_string(workspace().join("docs/web.md"))?;
        let lines = page.split_once("```nginx\n").and_then(|(_, rest)| rest.split_once("```")).context("no lines")?.0;
        let lines = lines.replace("127.0.0.1:5280", &server.address("http")?.to_string());
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, testkit::services::free_port()?));
        let (place, tls) = (folder.path().display(), server.dir().join("tls"));
        let configuration = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/log; events {{}}
             http {{ access_log off; client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
               uwsgi_temp_path {place}; scgi_temp_path {place};
               server {{ listen {address} ssl; ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;
               {lines} }} }}",
            tls.display()
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let mut nginx = Command::new("nginx");
        nginx.arg("-c").arg(&file).arg("-e").arg(folder.path().join("log"));
        nginx.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = nginx.spawn().context("nginx is missing: run `make setup`")?;
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                if process.try_wait()?.is_some() {
                    bail!("nginx ended: {}", std::fs::read_to_string(folder.path().join("log"))?);
                }
                tokio::time::sleep(Duration::from_millis(50)).await; // tidy: allow sleep, one step of a bounded poll
            }
            Ok(())
        };
        tokio::time::timeout(DEADLINE, listening).await.context("nginx does not listen")??;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

#[tokio::test]
async fn both_ways_lead_through_nginx_as_the_page_sets_it_up() -> Result<()> {
    let server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    server.add_user("juliet", "juliet").await?;
    let nginx = Nginx::before(&server).await?;
    let mut socket = WebSocket::connect_at(nginx.address, &server).await?;
    // nginx ends TLS: what the client could bind to is not what the server sees.
    let features = socket.open().await?;
    ensure!(!features.contains("-PLUS") && features.contains("SCRAM-SHA-256<"), "{features}");
    drop(socket);
    let mut socket = WebSocket::connect_at(nginx.address, &server).await?;
    socket.log_in("juliet", "juliet").await?;
    socket.bind("socket").await?;
    let mut bosh = Bosh::at(&format!("https://{}/bosh", nginx.address), &server)?;
    bosh.log_in("juliet", "juliet", "bosh").await?;
    let hello = "<message xmlns='jabber:client' to='juliet@localhost/socket'><body>hello</body></message>";
    bosh.send(&format!("{hello}<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"))
        .await?;
    ensure!(socket.until("hello").await?.contains("juliet@localhost/bosh"));
    Ok(())
}
