use super::*;

/// What a file yields, in one word a piece; or its fault.
fn read(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let first = dir.path().join(files[0].0);
    let place = |bad: BadFile| {
        let name = bad.path.strip_prefix(dir.path()).unwrap_or(&bad.path).display().to_string();
        format!("{name}:{}: {}", bad.line.unwrap_or(0), bad.what)
    };
    let mut source = Source::open(&first).map_err(place)?;
    let mut pieces = Vec::new();
    while let Some(piece) = source.next().map_err(place)? {
        pieces.push(match piece {
            Piece::Host(jid) => format!("host {jid}"),
            Piece::User(name, password) => format!("user {name} {}", password.is_some()),
            Piece::Entry(section, element) => format!("{section:?} {}", String::from(&element)),
            Piece::UserEnd => String::from("end"),
            Piece::Unknown(what) => format!("unknown {what}"),
        });
    }
    Ok(pieces)
}

fn server_data(content: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='{}'>{content}</server-data>",
        ns::XINCLUDE
    )
}

fn user(content: &str) -> String {
    server_data(&format!("\n<host jid='x'>\n<user name='a'>{content}</user></host>"))
}

#[test]
fn a_file_is_read_piece_by_piece() {
    let text = user(
        "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN></vCard><presence type='subscribe' from='c@x'/>\
         <offline-messages><message from='c@x'><body>hi</body></message></offline-messages>\
         <archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='1'/></archive>",
    );
    assert_eq!(
        read(&[("main.xml", &text)]).unwrap(),
        [
            "host x",
            "user a false",
            "User <vCard xmlns='vcard-temp'><FN>A &amp; B</FN></vCard>",
            "User <presence xmlns='jabber:client' from='c@x' type='subscribe'/>",
            "Offline <message xmlns='jabber:client' from='c@x'><body>hi</body></message>",
            "Archive <result xmlns='urn:xmpp:mam:2' id='1'/>",
            "end"
        ]
    );
}

#[test]
fn included_files_stand_where_they_are_named() {
    let main = server_data("<xi:include href='x.xml'/>");
    let host = format!(
        "<host xmlns='urn:xmpp:pie:0' jid='x' xmlns:xi='{0}'><xi:include href='x/a%20b.xml'/></host>",
        ns::XINCLUDE
    );
    let user = "<user xmlns='urn:xmpp:pie:0' name='a'><i xmlns='urn:i'><include xmlns='http://www.w3.org/2001/XInclude' href='/etc/passwd'/></i></user>";
    let pieces = read(&[("main.xml", &main), ("x.xml", &host), ("x/a b.xml", user)]).unwrap();
    assert_eq!(pieces[..2], ["host x", "user a false"]);
    // Deep within a user's own data it is only data.
    assert!(pieces[2].contains("/etc/passwd"), "{pieces:?}");
}

#[test]
fn inclusions_never_leave_the_folder() {
    for href in ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "a/%2e%2e/%2e%2e/b", "http://x/a", ""] {
        let refused = read(&[("main.xml", &server_data(&format!("<xi:include href='{href}'/>")))]).unwrap_err();
        assert_eq!(refused, format!("main.xml:2: the inclusion \"{href}\" leaves the folder"));
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    std::fs::write(dir.path().join("secret.xml"), "<host xmlns='urn:xmpp:pie:0' jid='x'/>").unwrap();
    std::os::unix::fs::symlink("../secret.xml", dir.path().join("in/link.xml")).unwrap();
    std::fs::write(dir.path().join("in/main.xml"), server_data("<xi:include href='link.xml'/>")).unwrap();
    let mut source = Source::open(&dir.path().join("in/main.xml")).unwrap();
    assert!(source.next().unwrap_err().what.contains("leaves the folder"));
}

#[test]
fn files_that_include_themselves_end() {
    let twice = server_data("<xi:include href='x.xml'/><xi:include href='x.xml'/>");
    let host = "<host xmlns='urn:xmpp:pie:0' jid='x'/>";
    assert!(read(&[("main.xml", &twice), ("x.xml", host)]).unwrap_err().contains("included twice"));
    let itself = format!("<include xmlns='{}' href='x.xml'/>", ns::XINCLUDE);
    let main = server_data("<xi:include href='x.xml'/>");
    assert!(read(&[("main.xml", &main), ("x.xml", &itself)]).unwrap_err().contains("included twice"));
    let missing = read(&[("main.xml", &main)]).unwrap_err();
    assert!(missing.starts_with("main.xml:2: the inclusion \"x.xml\": "), "{missing}");
}

#[test]
fn hostile_files_are_refused_with_their_place() {
    let laughs = "<!DOCTYPE lolz [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>\n<server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>";
    let refused = |text: &str| read(&[("main.xml", text)]).unwrap_err();
    assert!(refused(laughs).starts_with("main.xml:1: "), "{}", refused(laughs));
    assert!(refused(&user("&b;")).starts_with("main.xml:4: "));
    assert!(refused(&user(&format!("<v xmlns='urn:v' a='{}'/>", "x".repeat(100_000)))).starts_with("main.xml:4: "));
    let many: String = (0..100_000).map(|number| format!(" a{number}='123456789'")).collect();
    assert!(refused(&user(&format!("<v xmlns='urn:v'{many}/>"))).ends_with("a tag of more than 1048576 bytes"));
    let deep = format!("{}{}", "<d xmlns='urn:d'>".repeat(200), "</d>".repeat(200));
    assert!(refused(&user(&deep)).ends_with("more than 128 elements within each other"));
    let big = format!("<v xmlns='urn:v'>{}</v>", "x".repeat(ELEMENT_BYTES_MAX + 1));
    assert!(refused(&user(&big)).contains("an element of more than"));
    assert!(refused("<server-data xmlns='urn:else'/>").contains("begins with server-data of \"urn:else\""));
    assert!(refused("<server-data xmlns='urn:xmpp:pie:0'><host").starts_with("main.xml:1: "));
    assert_eq!(refused("").split(": ").next(), Some("main.xml:1"));
}
