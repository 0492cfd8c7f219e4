//! An operator with a server and tokens.

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use testkit::{TestServer, http_client};

/// Every scope there is.
pub const ALL: &str = "accounts:read,accounts:write,uploads:read,uploads:write,sessions:read,sessions:write,\
                       invites:read,invites:write,announcements:write,statistics:read,audit:read";

pub struct Operator {
    pub client: Client,
    pub base: String,
    pub token: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The same, if the status is that one.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "{} where {status} was expected: {}", self.status, self.text);
        Ok(self)
    }

    /// What a problem says, its form checked.
    pub fn detail(&self) -> Result<String> {
        let kind = self.headers.get("content-type").context("no content type")?;
        ensure!(kind == "application/problem+json", "{kind:?}: {}", self.text);
        let problem = self.json();
        ensure!(problem["status"] == self.status, "{problem}");
        Ok(problem["detail"].as_str().context("no detail")?.to_owned())
    }
}

impl Operator {
    /// With a token for everything.
    pub async fn of(server: &TestServer) -> Result<Self> {
        Self::with(server, "all", ALL).await
    }

    /// With a token of that name for these scopes.
    pub async fn with(server: &TestServer, name: &str, scopes: &str) -> Result<Self> {
        let made = server.cli(&["token", "create", "--name", name, "--scope", scopes], "").await?.success()?;
        let token = made.stdout.trim().to_owned();
        Ok(Self { client: http_client(&server.ca())?, base: server.https_url("/admin/v1")?, token })
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        answered(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer> {
        answered(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        answered(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        answered(self.request(Method::PUT, path).json(body)).await
    }
}

pub async fn answered(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, text: response.text().await? })
}
