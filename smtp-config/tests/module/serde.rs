//! Settings as other programs keep them: TOML, JSON.

use smtp_config::settings::{Account, Auth, Password, Settings};

fn wrong(toml: &str) -> String {
    toml::from_str::<Settings>(toml).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_back() {
    let mut settings = Settings::default();
    settings.hostname = Some("h.example".parse().unwrap());
    settings.targets = vec!["tcp://[::1]:25".parse().unwrap(), "unix://rel/x".parse().unwrap()];
    settings.server_name = Some("mx.example.net".try_into().unwrap());
    settings.tls_client.curves = vec![rustls::NamedGroup::X25519];
    settings.tls_client.ciphers = vec![rustls::CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let written = toml::to_string(&Settings::default()).unwrap();
    assert_eq!(toml::from_str::<Settings>(&written).unwrap(), Settings::default());
    for auth in [
        Auth::Off,
        Auth::Forward,
        Auth::External,
        Auth::Plain(Account::new("ann", Password::File("/pw".into()))),
        Auth::Login(Account::new("ann", Password::Variable("PW".into()))),
        Auth::ScramSha256(Account::new("ann", Password::Variable("PW".into()))),
        Auth::CramMd5(Account::new("ann", Password::Variable("PW".into()))),
        Auth::XOAuth2(Account::new("ann", Password::File("/token".into()))),
        Auth::OAuthBearer(Account::new("ann", Password::File("/token".into()))),
        Auth::Auto(Account::new("ann", Password::File("/pw".into()))),
    ] {
        settings.auth = auth;
        let toml = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&toml).unwrap(), settings, "{toml}");
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings, "{json}");
    }
}

#[test]
fn a_password_is_read_and_never_written() {
    let read = |password: &str| {
        let settings: Settings =
            toml::from_str(&format!("auth.plain = {{ user = 'ann', password = {password} }}")).unwrap();
        settings.auth
    };
    let plain = |password| Auth::Plain(Account::new("ann", password));
    assert_eq!(read("'hunter2'"), plain(Password::Literal("hunter2".into())));
    assert_eq!(read("'file:/pw'"), plain(Password::File("/pw".into())));
    assert_eq!(read("{ env = 'PW' }"), plain(Password::Variable("PW".into())));
    assert_eq!(read("{ file = '/pw' }"), plain(Password::File("/pw".into())));

    let mut settings = Settings::default();
    settings.auth = read("'hunter2'");
    let error = serde_json::to_string(&settings).unwrap_err().to_string();
    assert!(error.contains("a password is not written") && !error.contains("hunter2"), "{error}");
    assert!(toml::to_string(&settings).is_err());
}

#[test]
fn no_error_shows_a_password() {
    for json in [
        r#"{"auth": {"plain": {"user": "ann", "password": 8472341}}}"#,
        r#"{"auth": {"plain": {"user": "ann", "password": true}}}"#,
        r#"{"auth": {"plain": {"user": "ann", "password": -8472341}}}"#,
        r#"{"auth": {"plain": {"user": "ann", "password": 8472341.5}}}"#,
    ] {
        let error = serde_json::from_str::<Settings>(json).unwrap_err().to_string();
        assert!(error.contains("in quotes") && !error.contains("8472341"), "{error}");
    }
}

#[test]
fn a_variable_is_looked_up_when_the_plan_is_made() {
    use smtp_config::{loader::Memory, settings::Tls};
    use smtp_proto::{
        Secret,
        sasl::{AuthPolicy, Credentials, Mechanism},
    };

    let text = "hostname = 'h.example'\ntargets = ['tcp://127.0.0.1:25']\nauth.login = { user = 'ann', password = { env = 'PW' } }";
    let settings: Settings = toml::from_str(text).unwrap();
    let tls = Tls::new(crate::support::provider(), &crate::support::platform);
    let plan = settings.plan(&Memory::new().variable("PW", "x y"), &tls).unwrap().plan;
    let account = Credentials::Password { user: "ann".into(), password: Secret::from("x y") };
    assert_eq!(plan.targets[0].config.auth, AuthPolicy::Mechanism(Mechanism::Login, account));
    let error = settings.plan(&Memory::new(), &tls).unwrap_err().to_string();
    assert_eq!(error, "auth: the variable that should hold the password is not set, or empty");
}

#[test]
fn what_is_wrong_is_said_as_the_language_says_it() {
    for (toml, expected) in [
        ("target = []", "unknown field `target`"),
        ("[tls_client]\nroots = []", "unknown field `roots`"),
        ("auth.plain = { user = 'a', pasword = 'b' }", "unknown field `pasword`"),
        ("targets = ['smtp://h:25']", "did you mean tcp://h:25?"),
        ("connect_timeout = '5'", "the unit is missing"),
        ("connect_timeout = 5", "a duration as text"),
        ("failover = 'until_usabel'", "did you mean until_usable?"),
        ("hostname = 'a..b'", "is not a host name"),
        ("tls_client.protocols = 'tls1.0'", "too old to be safe"),
        ("tls_client.protocols = []", "a list of the oldest and the newest"),
        ("tls_client.protocols = ['tls1.2', 'tls1.2', 'tls1.3']", "a list of the oldest and the newest"),
        ("tls_client.ciphers = ['RSA-WITH-AES128-GCM-SHA256']", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
        ("connection_reuse = -1", "-1"),
    ] {
        let said = wrong(toml);
        assert!(said.contains(expected), "{toml}: {said}");
    }
    assert!(toml::from_str::<Settings>("tls_client.curve = ['p256']").is_ok(), "D8");
}
