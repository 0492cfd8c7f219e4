//! XEP-0363: finding the service, and what it grants.

use anyhow::{Result, ensure};
use testkit::{Client, TestServer};

use crate::stage::{Stage, UPLOAD, ask, condition, pattern, slot};

#[tokio::test]
async fn the_service_is_found_by_service_discovery_and_names_its_bound() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("media.max_size", "\"5 MB\"")).await?;
    let items = stage
        .alice
        .iq("<iq type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        .await?;
    ensure!(format!("{items:?}").contains("upload.localhost"), "{items:?}");
    let query = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let info = stage.alice.iq(&format!("<iq type='get' to='upload.localhost'>{query}</iq>")).await?;
    let info = info.children().next().map(String::from).unwrap_or_default().replace('"', "'");
    for wanted in [UPLOAD, "category='store'", "max-file-size", "<value>5000000</value>"] {
        ensure!(info.contains(wanted), "no {wanted} in {info}");
    }
    let other = stage.alice.iq("<iq type='get' to='upload.localhost'><query xmlns='jabber:iq:version'/></iq>").await?;
    assert_eq!(condition(&other), "service-unavailable");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_too_large_or_past_the_quota_gets_no_slot() -> Result<()> {
    let builder = TestServer::builder().set("media.max_size", "1000").set("media.quota", "2500");
    let mut stage = Stage::with(builder).await?;
    let too_large = ask(&mut stage.alice, "a", "1001", "a/b").await?;
    assert_eq!(condition(&too_large), "not-acceptable");
    ensure!(String::from(&too_large).contains("<max-file-size>1000</max-file-size>"), "{too_large:?}");
    for faulty in ["0", "-1", "", "x", "99999999999999999999"] {
        assert_eq!(condition(&ask(&mut stage.alice, "a", faulty, "a/b").await?), "bad-request", "{faulty}");
    }
    stage.file(&pattern(1_000)).await?;
    stage.file(&[7; 1_000]).await?;
    // What is promised counts as well.
    stage.slot(300).await?;
    assert_eq!(condition(&ask(&mut stage.alice, "a", "201", "a/b").await?), "resource-constraint");
    // The same content again takes no room.
    let mut roomy = stage.slot(200).await?;
    roomy.put.push_str("&and=more");
    ensure!(stage.put(&roomy, vec![1; 200]).await?.is_success(), "what is behind the slot does not matter");
    assert_eq!(condition(&ask(&mut stage.server.bob().await?, "a", "500", "a/b").await?), "", "bob has his own");
    Ok(())
}

#[tokio::test]
async fn an_account_keeps_only_so_many_files() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.uploads_per_account_max", "1")).await?;
    stage.file(&pattern(10)).await?;
    assert_eq!(condition(&ask(&mut stage.alice, "a", "10", "a/b").await?), "resource-constraint");
    assert_eq!(condition(&ask(&mut stage.server.bob().await?, "a", "10", "a/b").await?), "", "bob has his own");
    Ok(())
}

#[tokio::test]
async fn equal_files_of_one_owner_take_room_once_and_go_with_the_last() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.media_purge_secs", "1")).await?;
    let content = pattern(100_000);
    let first = stage.file(&content).await?;
    let second = stage.file(&content).await?;
    stage.until_parts(1).await?;
    let mut bob = stage.server.bob().await?;
    let his = slot(&mut bob, "picture.png", content.len(), "image/png").await?;
    ensure!(stage.put(&his, content.clone()).await?.is_success());
    assert_eq!(stage.parts().len(), 2, "another owner's is another one");
    let terminate = |url: String| stage.http.delete(url).header("tus-resumable", "1.0.0").send();
    assert_eq!(terminate(first.put.clone()).await?.status(), 204);
    assert_eq!(stage.get(&first).await?.status(), 404);
    ensure!(stage.get(&second).await?.bytes().await? == content);
    assert_eq!(terminate(second.put.clone()).await?.status(), 204);
    stage.until_parts(1).await?;
    ensure!(stage.get(&his).await?.bytes().await? == content);
    Ok(())
}

#[tokio::test]
async fn slots_are_bounded_and_ten_thousand_of_them_hurt_nobody() -> Result<()> {
    let builder = TestServer::builder()
        .set("limits.upload_slots_per_account_max", "1000")
        .set("limits.upload_slot_secs", "3600")
        .set("media.quota", "\"1 TiB\"");
    let mut stage = Stage::with(builder).await?;
    let pid = stage.server.pid().unwrap_or_default();
    let before = crate::transfers::resident_kib(pid)?;
    for number in 0..10 {
        let mut client = stage.server.connected(&format!("user{number}")).await?;
        open_slots(&mut client, 1_000).await?;
        assert_eq!(condition(&ask(&mut client, "a", "1", "a/b").await?), "resource-constraint", "one more");
    }
    let grown = crate::transfers::resident_kib(pid)?.saturating_sub(before);
    ensure!(grown < 32 * 1024, "10,000 open slots take {grown} KiB");
    stage.file(b"others go on").await?;
    Ok(())
}

/// Many at a time: each is a commit.
async fn open_slots(client: &mut Client, count: usize) -> Result<()> {
    const WINDOW: usize = 250;
    for round in 0..count / WINDOW {
        let requests: String = (0..WINDOW)
            .map(|number| {
                format!(
                    "<iq type='get' id='s{round}-{number}' to='upload.localhost'><request xmlns='{UPLOAD}' \
                     filename='a' size='1000000'/></iq>"
                )
            })
            .collect();
        client.send(&requests).await?;
        for _ in 0..WINDOW {
            let answer = client.recv().await?;
            ensure!(answer.attr("type") == Some("result"), "{answer:?}");
        }
    }
    Ok(())
}
