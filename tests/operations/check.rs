//! `whimbreld check`: whether the servers around this one are there.

use anyhow::{Result, ensure};
use services::{Coturn, free_port};
use testkit::TestServer;

#[tokio::test]
async fn check_says_which_neighbours_answer_and_which_do_not() -> Result<()> {
    let coturn = Coturn::start("secret")?;
    let (there, nobody) = (coturn.port, free_port()?);
    let services =
        format!(r#"["stun:127.0.0.1:{there}", "turn:127.0.0.1:{there}?transport=tcp", "turn:127.0.0.1:{nobody}"]"#);
    let server = TestServer::builder()
        .set("turn.services", &services)
        .set("turn.secret", "\"secret\"")
        .set("traces.otlp_endpoint", &format!("\"http://127.0.0.1:{nobody}\""))
        .start()
        .await?;
    let checked = server.cli(&["check"], "").await?;
    let report = &checked.stdout;
    for line in [
        format!("ok turn.services stun:127.0.0.1:{there} over udp answers"),
        format!("ok turn.services turn:127.0.0.1:{there} over tcp answers"),
        format!("problem turn.services turn:127.0.0.1:{nobody} over udp does not answer"),
        format!("problem traces.otlp_endpoint 127.0.0.1:{nobody} takes no connection"),
    ] {
        ensure!(report.lines().any(|said| said.starts_with(&line)), "no {line:?} in:\n{report}");
    }
    ensure!(!report.contains("secret"), "{report}");
    Ok(())
}
