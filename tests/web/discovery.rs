//! XEP-0156: a browser finds its ways in.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{TestServer, http_client};

#[tokio::test]
async fn host_meta_names_websocket_and_bosh_in_xml_and_json() -> Result<()> {
    let server = TestServer::builder().set("http.public_url", r#""https://chat.example.org/xmpp/""#).start().await?;
    let client = http_client(&server.ca())?;
    let xml = client.get(server.https_url("/.well-known/host-meta")?).send().await?;
    assert_eq!(xml.headers()["content-type"], "application/xrd+xml");
    // A browser of any page may read it.
    assert_eq!(xml.headers()["access-control-allow-origin"], "*");
    let xml: minidom::Element =
        xml.text().await?.trim_start_matches("<?xml version='1.0' encoding='utf-8'?>").parse()?;
    let links: Vec<_> = xml.children().filter_map(|link| Some((link.attr("rel")?, link.attr("href")?))).collect();
    let wanted = [
        ("urn:xmpp:alt-connections:websocket", "wss://chat.example.org/xmpp/ws"),
        ("urn:xmpp:alt-connections:xbosh", "https://chat.example.org/xmpp/bosh"),
    ];
    assert_eq!(links, wanted);
    let json: Value = client.get(server.http_url("/.well-known/host-meta.json")?).send().await?.json().await?;
    assert_eq!(json, json!({ "links": wanted.map(|(rel, href)| json!({ "rel": rel, "href": href })) }));
    Ok(())
}

#[tokio::test]
async fn without_a_public_url_the_domain_and_the_port_of_https_are_named() -> Result<()> {
    let server = TestServer::start().await?;
    let client = http_client(&server.ca())?;
    let json: Value = client.get(server.https_url("/.well-known/host-meta.json")?).send().await?.json().await?;
    let port = server.address("https")?.port();
    assert_eq!(json["links"][0]["href"], format!("wss://localhost:{port}/ws"));
    Ok(())
}

#[tokio::test]
async fn http_1_and_http_2_are_spoken_and_what_is_not_here_is_said_so() -> Result<()> {
    let server = TestServer::start().await?;
    let client = http_client(&server.ca())?;
    let over_tls = client.get(server.https_url("/nothing")?).send().await?;
    assert_eq!(format!("{:?}", over_tls.version()), "HTTP/2.0");
    assert_eq!(over_tls.status(), 404);
    assert_eq!(over_tls.headers()["content-type"], "application/problem+json");
    let plain = client.post(server.http_url("/.well-known/host-meta")?).send().await?;
    assert_eq!(format!("{:?}", plain.version()), "HTTP/1.1");
    assert_eq!((plain.status().as_u16(), plain.headers()["allow"].to_str()?), (405, "GET,HEAD"));
    let problem: Value = plain.json().await?;
    assert_eq!(problem["status"], 405);
    Ok(())
}
