//! Versions, protocols and channel bindings.

use aws_lc_rs::digest;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[tokio::test]
async fn both_ends_compute_the_same_channel_bindings_in_both_versions() {
    let files = Files::new("example.org");
    let identity = files.load().unwrap().current();
    for version in VERSIONS {
        let client = Arc::new(files.client(version));
        let (server, client) = handshake(identity.starttls_config(), &client, "example.org").await;
        let (server, client) = (server.unwrap(), client.unwrap());
        assert_eq!(server.get_ref().1.protocol_version(), Some(version.version));

        let ours = channel_bindings(server.get_ref().1, &identity);
        let theirs = client.get_ref().1;
        let exported = theirs.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).unwrap();
        assert_eq!(ours.tls_exporter, Some(exported));
        let seen = theirs.peer_certificates().unwrap().first().unwrap();
        assert_eq!(ours.tls_server_end_point.unwrap(), digest::digest(&digest::SHA256, seen).as_ref());
    }
}

#[tokio::test]
async fn two_connections_have_different_exporters() {
    let files = Files::new("example.org");
    let identity = files.load().unwrap().current();
    let client = Arc::new(files.client(&TLS13));
    let mut exporters = Vec::new();
    for _ in 0..2 {
        let (server, _client) = handshake(identity.starttls_config(), &client, "example.org").await;
        exporters.push(channel_bindings(server.unwrap().get_ref().1, &identity).tls_exporter.unwrap());
    }
    assert_ne!(exporters.first(), exporters.last());
}

#[tokio::test]
async fn direct_tls_speaks_xmpp_and_nothing_else() {
    let files = Files::new("example.org");
    let tls = files.load().unwrap();
    for (offered, chosen) in [
        (vec![], Some(None)),
        (vec!["xmpp-client"], Some(Some("xmpp-client"))),
        (vec!["h2", "xmpp-client"], Some(Some("xmpp-client"))),
        (vec!["xmpp-server"], None),
        (vec!["h2", "http/1.1"], None),
    ] {
        let mut client = files.client(&TLS13);
        client.alpn_protocols = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let (server, client) = handshake(tls.direct_config(), &Arc::new(client), "example.org").await;
        match chosen {
            Some(protocol) => {
                let server = server.unwrap();
                assert_eq!(server.get_ref().1.alpn_protocol(), protocol.map(str::as_bytes), "{offered:?}");
            }
            None => {
                assert!(server.is_err(), "{offered:?}");
                assert!(client.unwrap_err().to_string().contains("NoApplicationProtocol"), "{offered:?}");
            }
        }
    }
}

#[tokio::test]
async fn starttls_does_not_care_for_alpn() {
    let files = Files::new("example.org");
    let mut client = files.client(&TLS13);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let tls = files.load().unwrap();
    let (server, client) = handshake(tls.starttls_config(), &Arc::new(client), "example.org").await;
    assert_eq!(server.unwrap().get_ref().1.alpn_protocol(), None);
    assert!(client.is_ok());
}

#[tokio::test]
async fn a_returning_client_resumes_by_ticket() {
    let files = Files::new("example.org");
    let tls = files.load().unwrap();
    for version in VERSIONS {
        let client = Arc::new(files.client(version));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (server, client) = handshake(tls.starttls_config(), &client, "example.org").await;
            let (mut server, mut client) = (server.unwrap(), client.unwrap());
            kinds.push(server.get_ref().1.handshake_kind().unwrap());
            // TLS 1.3 sends the ticket behind the handshake: reading anything takes it in.
            server.write_all(b"x").await.unwrap();
            client.read_u8().await.unwrap();
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_good_for_each_of_its_names_and_no_other() {
    let files = Files::new("example.org");
    let names = ["example.org", "conference.example.org", "localhost", "127.0.0.1", "::1", "bücher.example"];
    let (cert, key) = self_signed(&names.map(str::to_owned)).unwrap();
    fs::write(&files.cert, cert).unwrap();
    fs::write(&files.key, key).unwrap();
    let tls = files.load().unwrap();
    let client = Arc::new(files.client(&TLS13));
    for name in ["example.org", "conference.example.org", "localhost", "127.0.0.1", "::1", "xn--bcher-kva.example"] {
        let (server, client) = handshake(tls.direct_config(), &client, name).await;
        assert!(server.is_ok() && client.is_ok(), "{name}");
    }
    let (_, refused) = handshake(tls.direct_config(), &client, "example.com").await;
    assert!(refused.is_err());
}
