//! A file goes in and comes out, whole and in part.

use anyhow::{Result, ensure};
use testkit::TestServer;
use testkit::reqwest::header::HeaderMap;

use crate::stage::{Stage, pattern, slot};

/// One segment, its ends, several parts.
const SIZES: [usize; 5] = [1, 65_535, 65_536, 65_537, 40_000_000];

#[tokio::test]
async fn files_of_every_size_come_back_as_they_went_in() -> Result<()> {
    let mut stage = Stage::new().await?;
    for size in SIZES {
        let content = pattern(size);
        let slot = stage.file(&content).await?;
        let answer = stage.get(&slot).await?;
        assert_eq!((answer.status().as_u16(), answer.content_length()), (200, Some(size as u64)));
        ensure!(answer.bytes().await? == content, "{size} bytes differ");
    }
    Ok(())
}

#[tokio::test]
async fn any_range_is_read_without_the_rest() -> Result<()> {
    let mut stage = Stage::new().await?;
    let content = pattern(20_000_000);
    let slot = stage.file(&content).await?;
    let last = content.len() - 1;
    for (first, end) in
        [(0, 1), (65_535, 65_537), (16_777_215, 16_777_217), (5, 17_000_000), (last, last + 1), (19_000_000, last + 1)]
    {
        let range = format!("bytes={first}-{}", end - 1);
        let answer = stage.http.get(&slot.get).header("range", &range).send().await?;
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(answer.headers()["content-range"], format!("bytes {first}-{}/{}", end - 1, content.len()));
        ensure!(answer.bytes().await? == content[first..end], "{range}");
    }
    let beyond = stage.http.get(&slot.get).header("range", "bytes=20000000-").send().await?;
    assert_eq!((beyond.status().as_u16(), beyond.headers()["content-range"].to_str()?), (416, "bytes */20000000"));
    let several = stage.http.get(&slot.get).header("range", "bytes=0-1,5-6").send().await?;
    assert_eq!((several.status().as_u16(), several.content_length()), (200, Some(20_000_000)));
    Ok(())
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so() -> Result<()> {
    let mut stage = Stage::new().await?;
    let slot = stage.file(b"content").await?;
    let first = stage.get(&slot).await?;
    let tag = first.headers()["etag"].clone();
    ensure!(first.headers()["cache-control"].to_str()?.contains("immutable"));
    let again = stage.http.get(&slot.get).header("if-none-match", &tag).send().await?;
    assert_eq!((again.status().as_u16(), again.headers()["etag"] == tag), (304, true));
    ensure!(again.bytes().await?.is_empty());
    for (if_range, status) in [(tag.to_str()?, 206), ("\"other\"", 200)] {
        let range = stage.http.get(&slot.get).header("range", "bytes=0-0").header("if-range", if_range);
        assert_eq!(range.send().await?.status(), status, "{if_range}");
    }
    let head = stage.http.head(&slot.get).send().await?;
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str()?), (200, "7"));
    Ok(())
}

#[tokio::test]
async fn hostile_pages_and_pictures_are_saved_and_never_run() -> Result<()> {
    let mut stage = Stage::new().await?;
    for (name, kind, disposition) in [
        ("cat.png", "image/png", "inline; filename*=UTF-8''cat.png"),
        ("evil.svg", "image/svg+xml", "attachment; filename*=UTF-8''evil.svg"),
        ("evil.html", "text/html; charset=utf-8", "attachment; filename*=UTF-8''evil.html"),
        ("../../très cool\".pdf", "application/pdf", "attachment; filename*=UTF-8''tr%C3%A8s%20cool%22.pdf"),
    ] {
        let name = name.replace('"', "&quot;");
        let slot = slot(&mut stage.alice, &name, 8, kind).await?;
        let put = stage.http.put(&slot.put).header("content-type", kind).body("<script>").send().await?;
        assert_eq!(put.status(), 201, "{name}");
        let answer = stage.get(&slot).await?;
        let fields: &HeaderMap = answer.headers();
        assert_eq!((fields["content-type"].to_str()?, fields["content-disposition"].to_str()?), (kind, disposition));
        assert_eq!(fields["x-content-type-options"], "nosniff");
        assert_eq!(fields["content-security-policy"], "default-src 'none'; sandbox; frame-ancestors 'none'");
    }
    Ok(())
}

#[tokio::test]
async fn pages_of_allowed_origins_may_upload_and_read() -> Result<()> {
    let builder = TestServer::builder().set("http.origins", r#"["https://chat.example.org"]"#);
    let mut stage = Stage::with(builder).await?;
    let slot = stage.file(b"content").await?;
    let preflight = |origin: &'static str| {
        let asked = stage.http.request("OPTIONS".parse().unwrap_or_default(), &slot.put).header("origin", origin);
        let asked = asked.header("access-control-request-method", "PATCH");
        asked.header("access-control-request-headers", "tus-resumable,upload-offset,content-type").send()
    };
    let allowed = preflight("https://chat.example.org").await?;
    ensure!(allowed.status().is_success(), "{allowed:?}");
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://chat.example.org");
    ensure!(allowed.headers()["access-control-allow-methods"].to_str()?.contains("PATCH"), "{allowed:?}");
    assert_eq!(allowed.headers()["tus-version"], "1.0.0");
    ensure!(preflight("https://evil.example").await?.headers().get("access-control-allow-origin").is_none());
    let read = stage.http.get(&slot.get).header("origin", "https://chat.example.org").send().await?;
    assert_eq!(read.headers()["access-control-allow-origin"], "https://chat.example.org");
    Ok(())
}
