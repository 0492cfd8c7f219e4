use super::template::Template;
use super::*;
use std::path::Path;
use std::time::Duration;

const MINIMAL: &str = "[server]\ndomain = \"example.org\"\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_text(text, Path::new("etc/whimbrel.toml"), &variables).map_err(|error| error.to_string())
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    let message = load(text, variables).unwrap_err();
    assert!(!message.contains('\n'), "one line: {message}");
    message
}

#[test]
fn a_domain_is_enough() {
    let config = load(MINIMAL, &[]).unwrap();
    assert_eq!(config.server.domain.as_str(), "example.org");
    assert_eq!(config.server.data_dir, Path::new("etc/data"));
    assert_eq!(config.tls.cert, Path::new("etc/tls/cert.pem"));
    assert_eq!(config.c2s.listen, ["0.0.0.0:5222".parse().unwrap()]);
    assert!(!config.c2s.allow_plaintext && !config.registration.in_band);
    assert_eq!(config.archive.retention, Retention::Forever);
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn the_template_says_what_holds_without_it() {
    let text = Template::everywhere("example.org").render();
    let (written, implied) = (load(&text, &[]).unwrap(), load(MINIMAL, &[]).unwrap());
    assert_eq!(format!("{written:?}"), format!("{implied:?}"));
}

#[test]
fn the_template_names_every_key_outside_limits() {
    let text = Template::everywhere("example.org").render();
    for line in
        ["domain", "data_dir", "node", "admins", "abuse", "admin", "feedback", "sales", "security", "support", "listen"]
            .into_iter()
            .chain([
                "direct_tls_listen",
                "allow_plaintext",
                "cert",
                "key",
                "tls_listen",
                "public_url",
                "origins",
                "trusted_proxies",
                "in_band",
                "url",
                "master_key_file",
                "master_key_command",
                "retention",
                "format",
                "level",
            ])
    {
        assert!(text.lines().any(|l| l.trim_start_matches("# ").starts_with(&format!("{line} = "))), "{line}");
    }
    // Uncommented, the examples hold too.
    let examples = text.replace("# abuse", "abuse").replace("# admin", "admin").replace("# \"echo", "\"echo");
    let config = load(&examples, &[]).unwrap();
    assert_eq!(config.server.contacts.abuse, ["mailto:abuse@example.org"]);
    assert_eq!(config.components.secrets.len(), 1);
}

#[test]
fn a_full_configuration_is_read() {
    let config = load(
        r#"
        [server]
        domain = "Example.ORG"
        data_dir = "/var/lib/whimbrel"
        admins = ["Admin@example.org"]
        contacts.abuse = ["mailto:abuse@example.org"]
        [components]
        listen = ["127.0.0.1:5347"]
        secrets."echo.example.org" = "s3cret"
        [archive]
        retention = "30d"
        [limits]
        mam_page_max = 100
        connections_per_ip_max = "none"
        [log]
        format = "json"
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(config.server.domain.as_str(), "example.org");
    assert_eq!(config.server.data_dir, Path::new("/var/lib/whimbrel"));
    assert_eq!(config.server.admins.first().unwrap().to_string(), "admin@example.org");
    assert_eq!(config.archive.retention, Retention::For(Duration::from_secs(30 * 86_400)));
    assert_eq!((config.limits.mam_page_max, config.limits.connections_per_ip_max), (100, usize::MAX));
    assert_eq!(config.log.format, LogFormat::Json);
    let (domain, secret) = config.components.secrets.first_key_value().unwrap();
    assert_eq!((domain.as_str(), secret.expose()), ("echo.example.org", "s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn variables_win_over_the_file() {
    let text = format!("{MINIMAL}[components.secrets]\n\"old.example.org\" = \"x\"\n");
    let config = load(
        &text,
        &[
            ("WHIMBREL_SERVER__DOMAIN", "localhost"),
            ("WHIMBREL_SERVER__NODE", "\"7\""),
            ("WHIMBREL_C2S__LISTEN", r#"["127.0.0.1:0"]"#),
            ("WHIMBREL_C2S__ALLOW_PLAINTEXT", "true"),
            ("WHIMBREL_STORAGE__URL", "sqlite:other.db"),
            ("WHIMBREL_LIMITS__MAM_PAGE_MAX", "10"),
            ("WHIMBREL_LIMITS__OFFLINE_MESSAGES_MAX", "none"),
            ("WHIMBREL_COMPONENTS__SECRETS", r#"{ "echo.localhost" = "secret" }"#),
            ("WHIMBREL_ARCHIVE__RETENTION", "30d"),
            ("WHIMBREL_SERVICE_HOST", "10.0.0.1"),
            ("WHIMBREL_PORT_5222_TCP", "tcp://10.0.0.1:5222"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.domain.as_str(), "localhost");
    assert_eq!(config.server.node, "7");
    assert_eq!(config.c2s.listen, ["127.0.0.1:0".parse().unwrap()]);
    assert!(config.c2s.allow_plaintext);
    assert_eq!(config.storage.url, "sqlite:other.db");
    assert_eq!((config.limits.mam_page_max, config.limits.offline_messages_max), (10, usize::MAX));
    assert_eq!(config.components.secrets.keys().map(|domain| domain.as_str()).collect::<Vec<_>>(), ["echo.localhost"]);
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_one() {
    let with = |more: &str| refusal(&format!("{MINIMAL}{more}"), &[]);
    assert_eq!(with("[c2s]\nlisen = []\n"), "etc/whimbrel.toml:4: unknown key `c2s.lisen`, did you mean `c2s.listen`?");
    assert_eq!(
        with("retention = \"1d\"\n"),
        "etc/whimbrel.toml:3: unknown key `server.retention`, did you mean `archive.retention`?"
    );
    assert_eq!(
        with("[limits]\nmam_page_mx = 3\n"),
        "etc/whimbrel.toml:4: unknown key `limits.mam_page_mx`, did you mean `limits.mam_page_max`?"
    );
    assert_eq!(with("[storag]\n"), "etc/whimbrel.toml:3: unknown key `storag`, did you mean `storage.url`?");
    assert_eq!(
        with("[c2s.listen]\nport = 5222\n"),
        "etc/whimbrel.toml:4: unknown key `c2s.listen.port`, did you mean `c2s.listen`?"
    );
    assert_eq!(
        refusal("[server]\ndomian = \"a.b\"\n", &[]),
        "etc/whimbrel.toml:2: unknown key `server.domian`, did you mean `server.domain`?"
    );
    assert_eq!(
        refusal(MINIMAL, &[("WHIMBREL_C2S__LISTN", "[]")]),
        "WHIMBREL_C2S__LISTN (environment): unknown key `c2s.listn`, did you mean `WHIMBREL_C2S__LISTEN`?"
    );
    assert_eq!(
        refusal(MINIMAL, &[("WHIMBREL_C2S_LISTEN", "[]")]),
        "WHIMBREL_C2S_LISTEN (environment): unknown key `WHIMBREL_C2S_LISTEN`, did you mean `WHIMBREL_C2S__LISTEN`?"
    );
}

#[test]
fn a_wrong_value_says_what_is_wanted() {
    let with = |more: &str| refusal(&format!("{MINIMAL}{more}"), &[]);
    for (text, message) in [
        ("[c2s]\nallow_plaintext = 1\n", "4: `c2s.allow_plaintext` must be true or false, not 1"),
        ("[c2s]\nlisten = \"0.0.0.0:5222\"\n", "4: `c2s.listen` must be a list in brackets, not \"0.0.0.0:5222\""),
        (
            "[c2s]\nlisten = [\"0.0.0.0:5222\", \"x\"]\n",
            "4: `c2s.listen` entry 2: must be an IP address and port such as \"0.0.0.0:5222\" or \"[::]:5222\", not \"x\"",
        ),
        (
            "[archive]\nretention = \"1y\"\n",
            "4: `archive.retention` must be \"forever\", \"until-delivered\" or a time such as \"30d\" (s, m, h, d or w), not \"1y\"",
        ),
        ("[limits]\nmam_page_max = 0\n", "4: `limits.mam_page_max` must be at least 1"),
        ("[limits]\nmam_page_max = -3\n", "4: `limits.mam_page_max` must be a number above zero, not -3"),
        (
            "[limits]\nmam_page_max = \"none\"\n",
            "4: `limits.mam_page_max` cannot be \"none\": this bound always holds, at most 5000",
        ),
        (
            "[log]\nlevel = \"server=loud\"\n",
            "4: `log.level` must be a level such as \"info\", or directives such as \"info,server::c2s=debug\"",
        ),
        ("[log]\nformat = 1979-05-27\n", "4: `log.format` must be \"text\" or \"json\", not a datetime"),
        (
            "admins = [\"a@b/c\"]\n",
            "3: `server.admins` entry 1: must be a JID such as \"admin@example.org\", not \"a@b/c\"",
        ),
        ("[storage]\nurl = \"\"\n", "4: `storage.url` must not be empty"),
        (
            "[components.secrets]\necho.example.org = \"s\"\n",
            "4: `components.secrets.echo.example.org` is too deep: put the name in quotes, [components.secrets] \"name.example.org\" = ...",
        ),
        (
            "[components.secrets]\n\"echo.example.org\" = 12345\n",
            "4: `components.secrets.\"echo.example.org\"` must be a text in quotes that is not empty",
        ),
        (
            "contacts.abuse = [\"abuse@example.org\"]\n",
            "3: `server.contacts.abuse` entry 1: must be an address such as \"mailto:abuse@example.org\" or \"xmpp:admin@example.org\", not \"abuse@example.org\"",
        ),
    ] {
        assert_eq!(with(text), format!("etc/whimbrel.toml:{message}"));
    }
    assert_eq!(
        refusal("c2s = 3\n[server]\ndomain = \"a.b\"\n", &[]),
        "etc/whimbrel.toml:1: `c2s` is a section: write [c2s] on a line of its own and the keys below it"
    );
    assert_eq!(
        refusal("[server]\ndomain = \"a@b\"\n", &[]),
        "etc/whimbrel.toml:2: `server.domain` must be a domain such as \"example.org\", not \"a@b\""
    );
}

#[test]
fn what_is_missing_or_not_toml_is_said_in_one_line() {
    assert_eq!(refusal("", &[]), "etc/whimbrel.toml: `server.domain` is missing: add `domain = \"example.org\"`");
    assert!(refusal("[server]\ndomain = \n", &[]).starts_with("etc/whimbrel.toml:2: "));
    assert!(
        refusal(MINIMAL, &[("WHIMBREL_C2S__LISTEN", "[\"127.0.0.1:0\"")])
            .starts_with("WHIMBREL_C2S__LISTEN (environment): ")
    );
    assert!(refusal(MINIMAL, &[("WHIMBREL_C2S__LISTEN", "[]\nother = 1")]).contains("one TOML value"));
}

#[test]
fn plaintext_beyond_loopback_is_warned_about() {
    let config = |listen: &str| {
        load(&format!("{MINIMAL}[c2s]\nlisten = [\"{listen}\"]\nallow_plaintext = true\n"), &[]).unwrap()
    };
    assert!(config("127.0.0.1:5222").warnings().is_empty());
    assert_eq!(config("0.0.0.0:5222").warnings().len(), 1);
}

#[test]
fn the_master_key_has_one_source_and_the_environment_wins() {
    let key = "ab".repeat(32);
    let keys = |more: &str, variables: &[(&str, &str)]| load(&format!("{MINIMAL}[keys]\n{more}"), variables);
    let source = |more: &str, variables: &[(&str, &str)]| keys(more, variables).unwrap().keys.master_key;
    assert!(matches!(source("", &[]), MasterKeySource::File(path) if path == Path::new("etc/master.key")));
    assert!(matches!(source("master_key_command = \"pass\"", &[]), MasterKeySource::Command(it) if it == "pass"));
    let variable = [("WHIMBREL_KEYS__MASTER_KEY", key.as_str())];
    let given = source("master_key_file = \"master.key\"", &variable);
    assert!(matches!(&given, MasterKeySource::Given(secret) if secret.expose() == key), "{given:?}");
    assert!(!format!("{given:?}").contains(&key));
    assert_eq!(
        keys("master_key_file = \"a\"\nmaster_key_command = \"b\"\n", &[]).unwrap_err(),
        "etc/whimbrel.toml:5: `keys.master_key_command` cannot stand beside `keys.master_key_file`: keep one of them"
    );
}
