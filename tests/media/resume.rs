//! tus 1.0 on a slot: in pieces, over broken connections and restarts.

use anyhow::{Context, Result, ensure};
use testkit::TestServer;
use testkit::reqwest::{RequestBuilder, Response};
use tokio::io::AsyncWriteExt;

use crate::stage::{Slot, Stage, pattern, until};

fn tus(request: RequestBuilder) -> RequestBuilder {
    request.header("tus-resumable", "1.0.0")
}

async fn offset(stage: &Stage, slot: &Slot) -> Result<usize> {
    let head = tus(stage.http.head(&slot.put)).send().await?;
    ensure!(head.status() == 200, "{head:?}");
    Ok(head.headers().get("upload-offset").context("no offset")?.to_str()?.parse()?)
}

async fn patch(stage: &Stage, slot: &Slot, offset: usize, bytes: &[u8]) -> Result<Response> {
    let request = tus(stage.http.patch(&slot.put)).header("content-type", "application/offset+octet-stream");
    Ok(request.header("upload-offset", offset).body(bytes.to_vec()).send().await?)
}

#[tokio::test]
async fn a_file_sent_in_pieces_of_any_size_is_whole_in_the_end() -> Result<()> {
    let mut stage = Stage::new().await?;
    let content = pattern(400_000);
    let slot = stage.slot(content.len()).await?;
    assert_eq!(offset(&stage, &slot).await?, 0);
    let mut at = 0;
    for piece in [1, 10, 65_536, 100_000, 3, 65_535] {
        let answer = patch(&stage, &slot, at, &content[at..at + piece]).await?;
        at += piece;
        assert_eq!((answer.status().as_u16(), answer.headers()["upload-offset"].to_str()?), (204, &*at.to_string()));
        ensure!(answer.headers()["upload-expires"].to_str()?.ends_with(" GMT"));
        assert_eq!(offset(&stage, &slot).await?, at);
        assert_eq!(stage.get(&slot).await?.status(), 404, "it is not whole");
    }
    assert_eq!(stage.put(&slot, content.clone()).await?, 403, "begun in pieces, it ends in pieces");
    assert_eq!(patch(&stage, &slot, at, &content[at..]).await?.status(), 204);
    ensure!(stage.get(&slot).await?.bytes().await? == content);
    let range = stage.http.get(&slot.get).header("range", "bytes=5-200000").send().await?.bytes().await?;
    ensure!(range == content[5..=200_000], "a range over pieces");
    assert_eq!(offset(&stage, &slot).await?, content.len());
    // The same content in one go is known again.
    stage.file(&content).await?;
    stage.until_parts(7).await
}

#[tokio::test]
async fn what_came_before_the_connection_broke_is_kept_over_a_restart() -> Result<()> {
    let mut stage = Stage::new().await?;
    let content = pattern(1_000_000);
    let slot = stage.slot(content.len()).await?;
    let (mut socket, path) = stage.raw(&slot).await?;
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&content[..600_000]).await?;
    socket.shutdown().await?;
    drop(socket);
    until_offset(&stage, &slot, 600_000).await?;
    stage.server.kill()?;
    stage.server.start_again().await?;
    let at = offset(&stage, &slot).await?;
    assert_eq!(at, 600_000);
    assert_eq!(patch(&stage, &slot, at, &content[at..]).await?.status(), 204);
    ensure!(stage.get(&slot).await?.bytes().await? == content);
    Ok(())
}

#[tokio::test]
async fn an_upload_that_nobody_resumes_is_gone_when_its_time_is_up() -> Result<()> {
    let builder = TestServer::builder().set("limits.upload_resume_secs", "1").set("limits.media_purge_secs", "1");
    let mut stage = Stage::with(builder).await?;
    let content = pattern(100_000);
    let slot = stage.slot(content.len()).await?;
    assert_eq!(patch(&stage, &slot, 0, &content[..50_000]).await?.status(), 204);
    stage.until_parts(0).await?;
    ensure!(!patch(&stage, &slot, 50_000, &content[50_000..]).await?.status().is_success());
    Ok(())
}

async fn until_offset(stage: &Stage, slot: &Slot, wanted: usize) -> Result<()> {
    let begun = std::time::Instant::now();
    loop {
        let at = offset(stage, slot).await?;
        if at == wanted {
            return Ok(());
        }
        ensure!(begun.elapsed() < testkit::DEADLINE, "only {at} bytes are there");
    }
}

#[tokio::test]
async fn faulty_requests_change_nothing() -> Result<()> {
    let mut stage = Stage::new().await?;
    let slot = stage.slot(1_000).await?;
    assert_eq!(patch(&stage, &slot, 0, &[1; 500]).await?.status(), 204);
    assert_eq!(patch(&stage, &slot, 0, &[1; 500]).await?.status(), 409, "a wrong offset");
    assert_eq!(patch(&stage, &slot, 501, &[1; 5]).await?.status(), 409, "a hole");
    assert_eq!(patch(&stage, &slot, 500, &[1; 501]).await?.status(), 413, "too long");
    let request = || stage.http.patch(&slot.put).header("upload-offset", 500).body("x");
    assert_eq!(tus(request()).send().await?.status(), 415);
    let typed = || request().header("content-type", "application/offset+octet-stream");
    assert_eq!(typed().send().await?.status(), 412, "no version");
    let newer = typed().header("tus-resumable", "2.0.0").send().await?;
    assert_eq!((newer.status().as_u16(), newer.headers()["tus-version"].to_str()?), (412, "1.0.0"));
    let forged = Slot { put: slot.put.replace("slot=", "slot=A"), ..slot.clone() };
    assert_eq!(patch(&stage, &forged, 500, &[1; 5]).await?.status(), 403);
    assert_eq!(offset(&stage, &slot).await?, 500);
    assert_eq!(tus(stage.http.delete(&forged.put)).send().await?.status(), 403);
    assert_eq!(tus(stage.http.delete(&slot.put)).send().await?.status(), 204);
    assert_eq!(tus(stage.http.head(&slot.put)).send().await?.status(), 403);
    stage.until_parts(0).await
}

#[tokio::test]
async fn an_upload_in_too_many_pieces_ends() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.upload_parts_max", "16")).await?;
    let slot = stage.slot(100).await?;
    for at in 0..16 {
        assert_eq!(patch(&stage, &slot, at, &[1]).await?.status(), 204);
    }
    assert_eq!(patch(&stage, &slot, 16, &[1]).await?.status(), 413);
    until(|| stage.parts().len() == 16).await
}
