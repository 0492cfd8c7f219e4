//! What an account keeps about itself.

use storage::{
    Db,
    archive_prefs::{self, ArchivePrefs, Fallback},
    blocklist,
    private_xml::{self, PrivateXml},
    vcards::{self, Vcard},
};

use crate::cast::account;

pub async fn archive_preferences_are_replaced_as_a_whole(db: Db) {
    let alice = account(&db, "alice").await;
    assert_eq!(archive_prefs::load(&db, alice).await.unwrap(), None);
    for fallback in [Fallback::Always, Fallback::Never, Fallback::Roster] {
        let prefs = ArchivePrefs {
            fallback,
            always: vec!["bob@example.org".into()],
            never: vec!["eve@example.org/phone".into(), "example.com".into()],
        };
        archive_prefs::store(&db, alice, &prefs).await.unwrap();
        assert_eq!(archive_prefs::load(&db, alice).await.unwrap(), Some(prefs));
    }
}

pub async fn the_blocklist_grows_shrinks_and_clears(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let jids = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    blocklist::add(&db, alice, &jids(&["eve@example.org", "example.com"])).await.unwrap();
    blocklist::add(&db, alice, &jids(&["eve@example.org", "dan@example.org"])).await.unwrap();
    blocklist::add(&db, bob, &jids(&["alice@example.org"])).await.unwrap();
    assert_eq!(blocklist::list(&db, alice).await.unwrap(), ["dan@example.org", "eve@example.org", "example.com"]);
    blocklist::remove(&db, alice, &jids(&["eve@example.org", "nobody@example.org"])).await.unwrap();
    assert_eq!(blocklist::list(&db, alice).await.unwrap(), ["dan@example.org", "example.com"]);
    blocklist::clear(&db, alice).await.unwrap();
    assert!(blocklist::list(&db, alice).await.unwrap().is_empty());
    assert_eq!(blocklist::list(&db, bob).await.unwrap(), ["alice@example.org"]);
}

pub async fn private_xml_is_kept_by_name_and_namespace(db: Db) {
    let alice = account(&db, "alice").await;
    let element = |namespace: &str, name: &str, xml: &str| PrivateXml {
        namespace: namespace.into(),
        name: name.into(),
        xml: xml.into(),
    };
    let elements = vec![element("n", "a", "<a xmlns='n'/>"), element("n", "b", "<b xmlns='n'>é</b>")];
    private_xml::store(&db, alice, elements).await.unwrap();
    private_xml::store(&db, alice, vec![element("n", "a", "<a xmlns='n'>2</a>")]).await.unwrap();
    assert_eq!(private_xml::load(&db, alice, "n", "a").await.unwrap().as_deref(), Some("<a xmlns='n'>2</a>"));
    assert_eq!(private_xml::load(&db, alice, "m", "a").await.unwrap(), None);
    let bytes = "<a xmlns='n'>2</a>".len() + "<b xmlns='n'>é</b>".len();
    let mut all = private_xml::list(&db, alice).await.unwrap();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(all, [element("n", "a", "<a xmlns='n'>2</a>"), element("n", "b", "<b xmlns='n'>é</b>")]);
    assert_eq!(private_xml::bytes(&db, alice).await.unwrap(), u64::try_from(bytes).unwrap());
}

pub async fn a_vcard_has_one_photo(db: Db) {
    let alice = account(&db, "alice").await;
    assert_eq!(vcards::load(&db, alice).await.unwrap(), None);
    for photo_sha1 in [Some("da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned()), None] {
        let vcard = Vcard { xml: "<vCard xmlns='vcard-temp'/>".into(), photo_sha1 };
        vcards::store(&db, alice, vcard.clone()).await.unwrap();
        assert_eq!(vcards::load(&db, alice).await.unwrap(), Some(vcard));
    }
}
