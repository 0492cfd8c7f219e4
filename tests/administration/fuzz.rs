//! The API against its own description: schemathesis sends what it allows and what it does not. No answer is a server
//! error, each is as described, and nothing comes without a token.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testkit::TestServer;
use tokio::process::Command;

use crate::operator::Operator;

/// Requests of each kind and operation.
const EXAMPLES: &str = "40";
/// Longest time for all of them.
const FUZZING_DEADLINE: Duration = Duration::from_secs(420);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method,\
                      allow_header_conformance,use_after_free,ignored_auth";

#[tokio::test]
async fn whatever_is_sent_the_answer_is_one_that_is_described() -> Result<()> {
    let program = testkit::workspace().join(".cache/administration/venv/bin/schemathesis");
    ensure!(program.exists(), "{} is missing: run `make setup`", program.display());
    // Wrong tokens are a part of it.
    let server = TestServer::builder()
        .set("limits.auth_failures_per_ip_per_minute_max", "\"none\"")
        .set("limits.invites_open_max", "1000000")
        .start()
        .await?;
    let operator = Operator::of(&server).await?;
    let _alice = server.alice().await?;
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(testkit::workspace().join("tests/administration/schemathesis.toml"))
        .args(["run", &server.http_url("/admin/v1/openapi.json")?, "--url", &server.http_url("")?])
        .args(["--header", &format!("Authorization: Bearer {}", operator.token)])
        .args(["--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", "1", "--no-color", "--warnings", "off"])
        .args(["--suppress-health-check", "all", "--generation-database", "none"])
        .current_dir(server.dir())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let running = tokio::time::timeout(FUZZING_DEADLINE, command.output());
    let output = running.await.context("schemathesis does not end")?.context("cannot start schemathesis")?;
    if !output.status.success() {
        bail!(
            "{}\n{}\n{}\nthe server's log:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            server.log()
        );
    }
    Ok(())
}
