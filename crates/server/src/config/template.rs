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

[http]                             # browsers, media, administration
listen = ["{http_listen}"]         # plain: for a reverse proxy; [] for none
tls_listen = ["{https_listen}"]
# public_url = "https://{domain}:5443"          # how browsers reach it, when a proxy stands in between
origins = ["*"]                    # whose pages may connect: ["https://chat.{domain}"]
trusted_proxies = ["127.0.0.1", "::1"]     # what these say of a client's address and of TLS is believed

[registration]
in_band = false                    # true lets anybody create an account (XEP-0077)

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

[log]
format = "text"                    # or "json"
level = "info"                     # or "debug", or "info,server::c2s=debug"

[limits]                           # docs/limits.md lists them all
# stanza_bytes_max = 262144
# connections_per_ip_max = 256     # or "none"
"#
        )
    }
}
