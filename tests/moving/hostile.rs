//! Files that are broken, or made to harm: refused in one line, and no account is half there.

use anyhow::Result;
use testkit::{Finished, Folder};

const HEAD: &str = "<?xml version='1.0'?>\n<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>\n<host jid='localhost'>\n";
const TAIL: &str = "</host></server-data>";

/// Imports a file of that content into an empty folder; how that ended, and who is there then.
async fn import(content: &str) -> Result<(Finished, String)> {
    let folder = Folder::init().await?;
    import_into(&folder, content, &[]).await
}

async fn import_into(folder: &Folder, content: &str, more: &[&str]) -> Result<(Finished, String)> {
    let file = folder.path().join("in.xml");
    std::fs::write(&file, content)?;
    let file = file.to_string_lossy();
    let mut args = vec!["user", "import", &file];
    args.extend(more);
    let done = folder.whimbreld(&args, &[], "").await?;
    let listed = folder.whimbreld(&["user", "list"], &[], "").await?.success()?;
    Ok((done, listed.stdout))
}

/// A user who is fine, then something.
fn after_alice(content: &str) -> String {
    format!("{HEAD}<user name='alice' password='secret'/>\n{content}{TAIL}")
}

#[tokio::test]
async fn a_file_that_is_broken_anywhere_changes_nothing() -> Result<()> {
    let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>";
    let attribute = format!("<user name='bob' password='{}'/>", "x".repeat(5_000_000));
    let deep = "<d xmlns='urn:d'>".repeat(100_000);
    let cases = [
        (laughs.to_owned(), "in.xml:1: "),
        (after_alice(&attribute), "in.xml:5: "),
        (after_alice(&format!("<user name='bob'>{deep}")), "more than 128 elements within each other"),
        (after_alice("<user name='bob'><vCard"), "in.xml:5: "),
        (after_alice("<user/>"), "a user without name"),
        (after_alice("<xi:include href='../../../../../etc/passwd'/>"), "leaves the folder"),
        (after_alice("<xi:include href='/etc/passwd'/>"), "leaves the folder"),
        (after_alice("<xi:include href='in.xml'/>"), "is included twice"),
        (after_alice("").replace("pie:0", "pie:9"), "this is no export of accounts (XEP-0227)"),
        (String::new(), "in.xml"),
    ];
    for (content, expected) in cases {
        let (done, listed) = import(&content).await?;
        let shown = content.chars().take(200).collect::<String>();
        assert_eq!(done.code, Some(1), "{shown}");
        assert_eq!(done.stderr.trim_end().lines().count(), 1, "{shown}: {}", done.stderr);
        assert!(done.stderr.contains(expected), "{shown}: {}", done.stderr);
        assert_eq!(listed, "", "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_taken_is_named_and_the_rest_is_taken() -> Result<()> {
    let content = format!(
        "{HEAD}<user name='a b'/><user name='alice' password='secret'>\
         <query xmlns='jabber:iq:roster'><item jid='bob@localhost'/><item jid='@@'/></query>\
         <events xmlns='urn:example:events'/>\
         <archive xmlns='urn:xmpp:pie:0#mam'>{}{}</archive></user></host><host jid='other'><user name='eve'/>{TAIL}",
        result("2999-01-01T00:00:00Z", "later"),
        result("2010-01-01T00:00:00Z", "hello"),
    );
    let (done, listed) = import(&content).await?;
    assert_eq!((done.code, listed.as_str()), (Some(1), "alice@localhost\n"));
    assert!(done.stdout.contains("imported 1 accounts with 1 messages"), "{}", done.stdout);
    for expected in [
        "refused: a b@localhost: that cannot be the name of an account",
        "refused: alice@localhost: a contact whose JID is \"@@\"",
        "refused: alice@localhost: a message from 2999-01-01T00:00:00.000Z, which is in the future",
        "refused: every account of other: this server serves localhost",
        "ignored: events of urn:example:events, 1 times",
        "whimbreld: 4 things were refused, as said above",
    ] {
        assert!(done.stderr.contains(expected), "{expected} in {}", done.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn messages_of_other_servers_keep_their_order_and_come_once() -> Result<()> {
    let folder = Folder::init().await?;
    let second = "2010-01-01T00:00:00Z";
    let texts = ["one", "two", "three", "two"];
    let archive: String = texts.iter().map(|text| result(second, text)).collect();
    let user = |archive: &str| {
        format!(
            "{HEAD}<user name='alice' password='s'><archive xmlns='urn:xmpp:pie:0#mam'>{archive}</archive></user>{TAIL}"
        )
    };
    let (done, _) = import_into(&folder, &user(&archive), &[]).await?;
    assert!(done.stdout.contains("with 4 messages; 0 messages"), "{}{}", done.stdout, done.stderr);
    let (done, _) = import_into(&folder, &user(&archive), &["--merge"]).await?;
    assert!(done.stdout.contains("with 0 messages; 4 messages"), "{}", done.stdout);
    let (done, _) = import_into(&folder, &user(&format!("{archive}{}", result(second, "four"))), &["--merge"]).await?;
    assert!(done.stdout.contains("with 1 messages; 4 messages"), "{}", done.stdout);
    let exported = folder.whimbreld(&["user", "export", "alice"], &[], "").await?.success()?.stdout;
    let order: Vec<&str> = exported.split("<body>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(order, ["one", "two", "three", "two", "four"]);
    Ok(())
}

fn result(stamp: &str, text: &str) -> String {
    format!(
        "<result xmlns='urn:xmpp:mam:2' id='x{text}'><forwarded xmlns='urn:xmpp:forward:0'>\
         <delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>\
         <message xmlns='jabber:client' from='bob@localhost/a' to='alice@localhost' type='chat'><body>{text}</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='alice@localhost' id='x'/></message></forwarded></result>"
    )
}
