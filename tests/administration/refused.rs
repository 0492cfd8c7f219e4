//! What the API refuses, and how it says so.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{TestServer, http_client};

use crate::operator::{Operator, answered};

#[tokio::test]
async fn without_a_good_token_nothing_is_told() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let expired = server
        .cli(&["token", "create", "--name", "short", "--scope", "audit:read", "--expires", "1s"], "")
        .await?
        .success()?;
    let almost = format!("{}x", &operator.token[..operator.token.len() - 1]);
    let client = http_client(&server.ca())?;
    let url = server.https_url("/admin/v1/accounts")?;
    for header in
        [None, Some("Bearer "), Some("Basic YWxpY2U6YWxpY2U="), Some("Bearer wrong"), Some(&format!("Bearer {almost}"))]
    {
        let mut request = client.get(&url);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = answered(request).await?.expect(401)?;
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"whimbrel\"");
        assert!(answer.detail()?.contains("whimbreld token create"));
    }
    // Unless time has passed already, it passes now: until the token is refused.
    let token = expired.stdout.trim();
    let deadline = tokio::time::Instant::now() + testkit::DEADLINE;
    loop {
        let answer = answered(client.get(server.https_url("/admin/v1/audit")?).bearer_auth(token)).await?;
        if answer.status == 401 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "an expired token is good");
    }
    server.cli(&["token", "revoke", "all"], "").await?.success()?;
    operator.get("/accounts").await?.expect(401)?.detail()?;
    Ok(())
}

#[tokio::test]
async fn every_operation_names_the_scope_that_a_token_lacks() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::with(&server, "nothing", "statistics:read").await?;
    let document =
        answered(operator.client.get(server.https_url("/admin/v1/openapi.json")?)).await?.expect(200)?.json();
    let paths = document["paths"].as_object().context("no paths")?;
    let mut refused = 0;
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().context("no operations")? {
            let path = path.trim_start_matches("/admin/v1").replace("{username}", "alice").replace("{jid}", "alice");
            let path = path.replace("{id}", "0000000000000001");
            let method = Method::from_bytes(method.to_uppercase().as_bytes())?;
            if path == "/statistics" {
                continue;
            }
            let mut request = operator.request(method.clone(), &path);
            if !operation["requestBody"].is_null() {
                request = request.json(&body_of(&path));
            }
            let detail = answered(request).await?.expect(403)?.detail()?;
            assert!(detail.starts_with("the token lacks the scope "), "{method} {path}: {detail}");
            refused += 1;
        }
    }
    assert_eq!(refused, 16);
    Ok(())
}

fn body_of(path: &str) -> Value {
    match path.rsplit('/').next() {
        Some("accounts") => json!({ "username": "carol", "password": "correct horse" }),
        Some("password") => json!({ "password": "correct horse" }),
        Some("disabled") => json!({ "disabled": true }),
        Some("announcements") => json!({ "to": "online", "body": "hello" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn bad_input_is_told_what_is_wrong_with_it() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    server.add_user("alice", "alice").await?;
    let new = |username: &str, password: &str| json!({ "username": username, "password": password });
    let long = "x".repeat(5_000);
    let bodies: [(&str, Value, u16, &str); 13] = [
        ("/accounts", new("a@b", "secret"), 422, "username"),
        ("/accounts", new("", "secret"), 422, "username"),
        ("/accounts", new("carol", ""), 422, "password"),
        ("/accounts", new("carol", "\u{7}"), 422, "password"),
        ("/accounts", new("carol", &long), 422, "password"),
        ("/accounts", json!({ "username": "carol" }), 422, "password"),
        ("/accounts", json!({ "username": "carol", "password": "x", "admin": true }), 422, "admin"),
        ("/invites", json!({ "contact": "nobody@localhost" }), 404, "account"),
        ("/invites", json!({ "contact": "@" }), 422, "JID"),
        ("/invites", json!({ "username": "alice" }), 409, "exists"),
        ("/invites", json!({ "username": "carol", "uses": 2 }), 422, "one person"),
        ("/invites", json!({ "expires_in_secs": 99_999_999_999_u64 }), 422, "invite_secs_max"),
        ("/announcements", json!({ "to": "online", "body": " " }), 422, "text"),
    ];
    for (path, body, status, said) in bodies {
        let detail = operator.post(path, &body).await?.expect(status)?.detail()?;
        assert!(detail.contains(said), "{path} {body}: {detail}");
    }
    for path in [
        "/accounts?limit=0",
        "/accounts?limit=5001",
        "/sessions?username=a%40b",
        "/accounts?limit=x",
        "/accounts?after=x",
        "/accounts?unknown=1",
        "/sessions?after=",
        "/invites?after=1",
        "/audit?before=x",
    ] {
        operator.get(path).await?.expect(400)?.detail()?;
    }
    for path in ["/accounts/..", "/accounts/a%40b", "/accounts/%20", "/invites/x", "/nothing"] {
        operator.delete(path).await?.expect(404)?.detail()?;
    }
    operator.get("/accounts/%FF").await?.expect(400)?.detail()?;
    let text = operator.request(Method::POST, "/accounts").header("content-type", "application/json").body("{");
    answered(text).await?.expect(400)?.detail()?;
    answered(operator.request(Method::POST, "/accounts").body("{}")).await?.expect(415)?.detail()?;
    let allowed = operator.delete("/accounts").await?.expect(405)?;
    assert!(allowed.headers["allow"].to_str()?.contains("GET"));
    allowed.detail()?;
    Ok(())
}
