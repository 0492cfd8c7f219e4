//! A certificate that is renewed while the server runs.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

async fn succeeds(tls: &Tls, client: &Arc<ClientConfig>, name: &str) -> bool {
    let (server, client) = handshake(tls.starttls_config(), client, name).await;
    server.is_ok() && client.is_ok()
}

/// Makes a change of equal length visible, however coarse the file system's clock is.
fn date_later(path: &Path) {
    let later = std::time::SystemTime::now() + Duration::from_secs(10);
    fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_old_ones_keep_their_bindings() {
    let files = Files::new("old.example");
    let tls = files.load().unwrap();
    let before = tls.current();
    let trusts_old = Arc::new(files.client(&TLS13));
    assert!(succeeds(&tls, &trusts_old, "old.example").await);

    files.replace("new.example");
    tls.reload().unwrap();
    assert!(succeeds(&tls, &Arc::new(files.client(&TLS13)), "new.example").await);
    // Not even by the ticket of the old certificate.
    assert!(!succeeds(&tls, &trusts_old, "old.example").await);
    assert_ne!(before.server_end_point(), tls.current().server_end_point());
}

#[test]
fn a_bad_renewal_keeps_the_old_certificate_until_it_is_mended() {
    let files = Files::new("example.org");
    let tls = files.load().unwrap();
    let before = tls.current();
    assert!(!tls.reload_if_changed().unwrap());

    fs::write(&files.cert, "not a certificate").unwrap();
    assert!(matches!(tls.reload_if_changed(), Err(TlsError::NoCertificate(_))));
    assert!(!tls.reload_if_changed().unwrap(), "the same bad file is reported once");
    assert!(Arc::ptr_eq(&before, &tls.current()));

    files.replace("example.org");
    assert!(tls.reload_if_changed().unwrap());
    assert!(!Arc::ptr_eq(&before, &tls.current()));
}

#[test]
fn half_a_renewal_waits_for_the_other_half() {
    let files = Files::new("example.org");
    let tls = files.load().unwrap();
    let before = tls.current();
    let (cert, key) = self_signed(&["a-longer-name.example.org".to_owned()]).unwrap();
    fs::write(&files.cert, cert).unwrap();
    assert!(matches!(tls.reload_if_changed(), Err(TlsError::Mismatch { .. })));
    assert!(Arc::ptr_eq(&before, &tls.current()));

    fs::write(&files.key, key).unwrap();
    date_later(&files.key);
    assert!(tls.reload_if_changed().unwrap());
}

#[tokio::test]
async fn the_watch_notices_a_renewal_by_itself() {
    let files = Files::new("old.example");
    let tls = Arc::new(files.load().unwrap());
    let before = tls.current();
    let watch = tokio::spawn(Arc::clone(&tls).watch(Duration::from_millis(5)));
    files.replace("a-newer-name.example");
    date_later(&files.key);
    let noticed = async {
        while Arc::ptr_eq(&before, &tls.current()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), noticed).await.unwrap();
    watch.abort();
}
