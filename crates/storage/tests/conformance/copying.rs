//! Snapshots and whole tables.

use bytes::Bytes;
use storage::{
    AccountId, Db, InlineOptions, Statement, accounts,
    archive::{self, Entry},
    blocklist, limits,
    private_xml::{self, PrivateXml},
    tables::{self, Pages, Record, TABLES},
};

use crate::cast::{account, id, message};

fn element(name: &str, xml: &str) -> PrivateXml {
    PrivateXml { namespace: "urn:example".into(), name: name.into(), xml: xml.into() }
}

async fn fill(db: &Db) -> AccountId {
    let owner = account(db, "alice").await;
    account(db, "carol").await;
    let entries = (0..700).map(|second| Entry { undelivered: second % 3 == 0, ..message(owner, id(second)) });
    archive::append(db, entries.collect()).await.unwrap();
    for number in 0..5 {
        blocklist::add(db, owner, &[format!("{number}@example.org")]).await.unwrap();
        private_xml::store(db, owner, vec![element(&format!("name{number}"), "<a/>")]).await.unwrap();
    }
    owner
}

pub async fn a_snapshot_stays_at_its_moment(db: Db) {
    let owner = account(&db, "alice").await;
    let count = || Statement::new("SELECT COUNT(*) FROM archive", []);
    archive::append(&db, vec![message(owner, id(1))]).await.unwrap();
    let snapshot = db.snapshot().await.unwrap();
    archive::append(&db, vec![message(owner, id(2))]).await.unwrap();
    assert_eq!(snapshot.query_one(count()).await.unwrap().unwrap().int(), Ok(1));
    assert_eq!(db.query_one(count()).await.unwrap().unwrap().int(), Ok(2));
    let later = db.snapshot().await.unwrap();
    assert_eq!(later.query_one(count()).await.unwrap().unwrap().int(), Ok(2));
    assert!(snapshot.query(Statement::new("DELETE FROM archive", [])).await.is_err(), "a snapshot only reads");
}

pub async fn every_row_is_read_once_in_the_order_of_its_key(db: Db) {
    let owner = fill(&db).await;
    let snapshot = db.snapshot().await.unwrap();
    let table = TABLES.iter().find(|table| table.name == "archive").unwrap();
    let mut pages = Pages::of(table);
    let mut rows = 0;
    loop {
        let page = pages.next(&snapshot).await.unwrap();
        assert!(page.len() <= limits::COPY_PAGE_ROWS as usize);
        if page.is_empty() {
            break;
        }
        rows += page.len();
    }
    assert_eq!(rows, 700);
    assert!(pages.next(&snapshot).await.unwrap().is_empty(), "the end stays the end");
    let before = tables::sum(&snapshot, table).await.unwrap();
    assert_eq!(before.rows, 700);
    archive::append(&db, vec![message(owner, id(9_000))]).await.unwrap();
    assert_eq!(tables::sum(&snapshot, table).await.unwrap(), before);
    assert_ne!(tables::sum(&db.snapshot().await.unwrap(), table).await.unwrap(), before);
}

pub async fn a_copy_has_the_same_sums_and_goes_on_with_new_ids(db: Db) {
    fill(&db).await;
    let newest = account(&db, "mallory").await;
    accounts::delete(&db, newest).await.unwrap();
    let copy = Db::open_inline(InlineOptions::default()).unwrap();
    let snapshot = db.snapshot().await.unwrap();
    for table in TABLES {
        let mut pages = Pages::of(table);
        loop {
            let page = pages.next(&snapshot).await.unwrap();
            if page.is_empty() {
                break;
            }
            let mut bytes = Vec::new();
            page.iter().for_each(|record| record.encode(&mut bytes));
            let mut bytes = Bytes::from(bytes);
            let page = page.iter().map(|_| Record::decode(table, &mut bytes).unwrap()).collect();
            tables::insert(&copy, table, page).await.unwrap();
        }
    }
    tables::keep_accounts_past(&copy, tables::highest_account(&snapshot).await.unwrap()).await.unwrap();
    let copied = copy.snapshot().await.unwrap();
    for table in TABLES {
        let sums = (tables::sum(&snapshot, table).await.unwrap(), tables::sum(&copied, table).await.unwrap());
        assert_eq!(sums.0, sums.1, "{}", table.name);
    }
    assert!(account(&copy, "new").await > newest, "an id is never used again");
}

pub async fn a_merge_writes_only_what_differs(db: Db) {
    let owner = fill(&db).await;
    let copy = Db::open_inline(InlineOptions::default()).unwrap();
    let merged = async || {
        let (from, into) = (db.snapshot().await.unwrap(), copy.snapshot().await.unwrap());
        let mut written = 0;
        for table in TABLES {
            written += tables::merge(&from, &into, &copy, table).await.unwrap();
        }
        let (from, into) = (db.snapshot().await.unwrap(), copy.snapshot().await.unwrap());
        for table in TABLES {
            let sums = (tables::sum(&from, table).await.unwrap(), tables::sum(&into, table).await.unwrap());
            assert_eq!(sums.0, sums.1, "{}", table.name);
        }
        written
    };
    assert!(merged().await > 700);
    assert_eq!(merged().await, 0);
    // One row more, one changed, one gone; and the mark of the newest id.
    archive::append(&db, vec![message(owner, id(800))]).await.unwrap();
    private_xml::store(&db, owner, vec![element("name3", "<b/>")]).await.unwrap();
    blocklist::remove(&db, owner, &["2@example.org".into()]).await.unwrap();
    assert_eq!(merged().await, 4);
}

pub async fn a_cleared_database_is_empty(db: Db) {
    assert_eq!(tables::first_table_in_use(&db).await.unwrap(), None);
    fill(&db).await;
    assert_eq!(tables::first_table_in_use(&db).await.unwrap(), Some("archive"));
    tables::clear(&db).await.unwrap();
    assert_eq!(tables::first_table_in_use(&db).await.unwrap(), None);
}

pub async fn a_database_says_what_fills_it(db: Db) {
    assert_eq!(tables::filled_by(&db).await.unwrap(), None);
    tables::begin_filling(&db, "migrate --to").await.unwrap();
    tables::begin_filling(&db, "backup restore").await.unwrap();
    tables::clear(&db).await.unwrap();
    assert_eq!(tables::filled_by(&db).await.unwrap().as_deref(), Some("backup restore"));
    tables::end_filling(&db).await.unwrap();
    assert_eq!(tables::filled_by(&db).await.unwrap(), None);
}
