//! The `whimbrel.toml` that `whimbreld init` writes: every section, every key, a word on each.

/// What the template is filled in with.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// The domain of the server.
    pub domain: &'a str,
    /// Where clients connect with STARTTLS, as `IP:PORT`.
    pub listen: &'a str,
    /// Where clients connect with direct TLS, as `IP:PORT`.
    pub direct_tls_listen: &'a str,
    /// Plain HTTP, as `IP:PORT`.
    pub http_listen: &'a str,
    /// HTTPS, as `IP:PORT`.
    pub https_listen: &'a str,
}

impl<'a> Template<'a> {
    /// A server that every machine can reach, on the usual ports.
    #[must_use]
    pub fn everywhere(domain: &'a str) -> Self {
        Self {
            domain,
            listen: "0.0.0.0:5222",
            direct_tls_listen: "0.0.0.0:5223",
            http_listen: "0.0.0.0:5280",
            https_listen: "0.0.0.0:5443",
        }
    }

    /// A server for this machine alone, on the usual ports.
    #[must_use]
    pub fn on_loopback(domain: &'a str) -> Self {
        Self {
            domain,
            listen: "127.0.0.1:5222",
            direct_tls_listen: "127.0.0.1:5223",
            http_listen: "127.0.0.1:5280",
            https_listen: "127.0.0.1:5443",
        }
    }
}

impl Template<'_> {
    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let Self { domain, listen, direct_tls_listen, http_listen, https_listen } = self;
        format!(
            r#"# Whimbrel's configuration. Relative paths start at this file's folder.
# Every key can be set from the environment instead: WHIMBREL_SECTION__KEY, for example
# WHIMBREL_C2S__LISTEN='["0.0.0.0:5222"]'. `whimbreld check --config FILE` tries everything here.

[server]
domain = "{domain}"                # the part after the @ of your users
data_dir = "data"                  # everything that changes: database, control socket
node = "a"                         # the name of this process, when there are several
admins = []                        # who may administer from a client: ["you@{domain}"]

[server.contacts]                  # whom strangers may write to (XEP-0157)
# abuse = ["mailto:abuse@{domain}"]
# admin = ["xmpp:you@{domain}"]
# feedback = []
# sales = []
# security = []
# support = []

[c2s]
listen = ["{listen}"]          # STARTTLS
direct_tls_listen = ["{direct_tls_listen}"]
allow_plaintext = false            # true only for tests and benchmarks on loopback

[tls]                              # reloaded when the files change, and on SIGHUP
cert = "tls/cert.pem"              # the chain, your own certificate first
key = "tls/key.pem"

[tls.acme]                         # or let the server get and renew its certificate (docs/operations.md)
enabled = false                    # true leaves the two keys above unused
# directory = "https://acme-v02.api.letsencrypt.org/directory"
# directory_ca = "ca.pem"          # when the system does not know the authority
# contact = ["mailto:you@{domain}"]
# domains = ["{domain}"]
# challenge = "http-01"            # port 80 leads to http.listen; or "tls-alpn-01": 443 to a TLS listener

[http]                             # browsers, media, administration
listen = ["{http_listen}"]         # plain: for a reverse proxy; [] for none
tls_listen = ["{https_listen}"]
# public_url = "https://{domain}:5443"          # how browsers reach it, when a proxy stands in between
origins = ["*"]                    # whose pages may connect: ["https://chat.{domain}"]
trusted_proxies = ["127.0.0.1", "::1"]     # what these say of a client's address and of TLS is believed

[registration]
in_band = false                    # true lets anybody create an account (XEP-0077)
invites = true                     # who has a link of `whimbreld invite create` can (XEP-0401)
user_invites = false               # true lets every user make such links

[components]                       # external components (XEP-0114), for bots and gateways
listen = []                        # ["127.0.0.1:5347"]

[components.secrets]
# "echo.{domain}" = "a long random secret"

[storage]
url = "sqlite:whimbrel.db"         # a file in data_dir, or postgres://user@host/database, mysql://user@host/database
# password = "..."                 # for a database server; WHIMBREL_STORAGE__PASSWORD keeps it out of this file

[keys]
master_key_file = "master.key"     # keep a copy somewhere else: without it nothing can be read
# Instead of a file: a command that prints the key, or the key itself as WHIMBREL_KEYS__MASTER_KEY.
# master_key_command = "pass show whimbrel"

[archive]
retention = "forever"              # or a time such as "30d", or "until-delivered"

[media]                            # files that users send; docs/media.md
url = "file:media"                 # a folder in data_dir, or s3://bucket?endpoint=https://host&region=name
max_size = "100 MiB"               # of one file
quota = "1 GiB"                    # of all files of an account
retention = "forever"              # or a time such as "30d"

[log]
format = "text"                    # or "json"
level = "info"                     # or "debug", or "info,server::c2s=debug"

[metrics]                          # /metrics for Prometheus, /healthz, /readyz
# listen = "127.0.0.1:9090"

[traces]                           # OpenTelemetry
# otlp_endpoint = "http://127.0.0.1:4318"
# sample_ratio = 0.01              # of how many traces one is kept
# service_name = "whimbrel"

[turn]                             # for calls: STUN and TURN servers that clients are told of (XEP-0215)
# services = ["stun:turn.{domain}:3478", "turn:turn.{domain}:3478?transport=udp"]
# secret_file = "turn.secret"      # coturn's static-auth-secret, or `secret` with the text itself
# ttl = "12h"                      # how long a client's password is good

[limits]                           # docs/limits.md lists them all
# stanza_bytes_max = 262144
# connections_per_ip_max = 256     # or "none"
"#
        )
    }
}
