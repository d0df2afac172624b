//! M43-M46, D30.

use smtp_config::{
    loader::Memory,
    settings::{Account, Auth, Password},
};
use smtp_proto::{
    Secret,
    sasl::{AuthPolicy, Credentials, Mechanism},
};

use crate::support::{block, error, line, plan_with, read, said, settings};

fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password { user: user.into(), password: Secret::from(password) }
}

fn policy(loader: &Memory, auth: &str) -> Result<AuthPolicy, String> {
    let plan = plan_with(loader, &block(auth)).map_err(|wrong| wrong.render(false))?;
    Ok(plan.0.targets[0].config.auth.clone())
}

#[test]
fn every_way_to_authenticate() {
    // M43, M44, M45, M46
    let loader =
        Memory::new().variable("PW", "from env").file("/etc/mail/pw", "from file\r\nrest\n").file("/pw", "x");
    let by = AuthPolicy::Mechanism;
    let plain = |text: &str| by(Mechanism::Plain, password("test", text));
    let token = |user: &str, token: &str| Credentials::Token { user: user.into(), token: token.into() };
    for (auth, expected) in [
        ("auth off", AuthPolicy::Off),
        ("auth plain test testpass", plain("testpass")),
        ("auth plain test \"two words\"", plain("two words")),
        ("auth plain test {env:PW}", plain("from env")),
        ("auth plain test file:pw", plain("from file")), // beside the configuration
        ("auth plain test file:/pw", plain("x")),
        ("auth login test testpass", AuthPolicy::Mechanism(Mechanism::Login, password("test", "testpass"))),
        ("auth forward", AuthPolicy::Forward),
        (
            "auth external",
            AuthPolicy::Mechanism(Mechanism::External, Credentials::External { identity: String::new() }),
        ),
        // D30
        ("auth scram-sha-256 test {env:PW}", by(Mechanism::ScramSha256, password("test", "from env"))),
        ("auth cram-md5 test file:pw", by(Mechanism::CramMd5, password("test", "from file"))),
        ("auth xoauth2 test ya29.x", by(Mechanism::XOAuth2, token("test", "ya29.x"))),
        ("auth oauthbearer test file:/pw", by(Mechanism::OAuthBearer, token("test", "x"))),
        ("auth auto test testpass", AuthPolicy::Auto(password("test", "testpass"))),
    ] {
        assert_eq!(policy(&loader, auth), Ok(expected), "{auth}");
    }
}

#[test]
fn what_auth_refuses_without_showing_an_argument() {
    // M43
    for (auth, expected) in [
        ("auth", "4:1: auth: one argument is needed"),
        ("auth off hunter2", "4:6: auth off has no further arguments"),
        ("auth forward hunter2", "auth forward has no further arguments"),
        ("auth external hunter2", "auth external has no further arguments"),
        ("auth plain", "needs two arguments more, a user and a password, and has 0"),
        ("auth plain hunter2", "and has 1"),
        ("auth plain ann hunter2 hunter2", "and has 3"),
        ("auth login hunter2", "and has 1"),
        ("auth PLAIN ann hunter2", "\"PLAIN\" is no way to authenticate (did you mean plain?)"),
        ("auth basic ann hunter2", "write off, plain, login, forward, external, scram-sha-256,"),
        ("auth scram ann hunter2", "\"scram\" is no way to authenticate (write off, plain,"),
        ("auth scram-sha256 ann hunter2", "did you mean scram-sha-256?"),
        ("auth SCRAM-SHA-256 ann hunter2", "did you mean scram-sha-256?"),
        ("auth oauth2 ann hunter2", "did you mean xoauth2?"),
        (
            "auth oauthbearer ann",
            "a user and a token, and has 1 (write `auth oauthbearer USER TOKEN`, with `file:PATH`",
        ),
        ("auth cram-md5 hunter2", "a user and a password, and has 1"),
        ("auth auto", "a user and a password, and has 0"),
        ("auth xoauth2 ann {env:UNSET}", "the token is empty"),
        ("auth scram-sha-256 \"\" hunter2", "the user name is empty"),
        ("auth plain ann hunter2 { hunter2 }", "auth has no block"),
        ("auth hunter2", "4:6: this is no way to authenticate (write off,"),
        ("auth ann hunter2", "4:6: this is no way to authenticate"),
        ("auth plain hunter2 file:", "4:6: auth plain: the name of the password file is empty"),
        ("auth xoauth2 hunter2 file:", "the name of the token file is empty"),
        ("auth plain \"\" hunter2", "the user name is empty"),
        ("auth plain hunter2 \"\"", "the password is empty"),
        ("auth plain hunter2 {env:UNSET}", "the password is empty"),
    ] {
        let said = error(&block(auth));
        assert!(said.contains(expected), "{auth}: {said}");
        assert!(!said.contains("hunter2") && !said.contains("ann"), "{auth}: {said}");
    }
}

#[test]
fn a_password_file_that_is_none() {
    let loader = Memory::new().file("/etc/mail/empty", "\nsecond line");
    for (auth, expected) in [
        ("auth plain ann file:missing", "the password file cannot be read"),
        ("auth plain ann file:empty", "the first line of the file is empty, and should be the password"),
        ("auth xoauth2 ann file:empty", "the first line of the file is empty, and should be the token"),
    ] {
        let said = policy(&loader, auth).unwrap_err();
        assert!(said.contains(expected) && said.contains("mail.conf:4:1"), "{auth}: {said}");
    }
}

#[test]
fn settings_keep_a_path_and_not_what_is_in_it() {
    let auth = settings("auth plain ann file:pw").auth;
    assert_eq!(auth, Auth::Plain(Account::new("ann", Password::File("/etc/mail/pw".into()))));
    let literal = settings("auth plain ann hunter2");
    assert!(!format!("{literal:?}").contains("hunter2"));
    let block = read(&block("auth plain ann hunter2")).unwrap();
    assert!(!format!("{block:?}").contains("hunter2"), "no place keeps the words of auth");
}

#[test]
fn a_password_in_clear_over_a_network_is_warned_of() {
    // D4a
    let said = |directives: &str| said(&block(directives)).iter().map(line).collect::<Vec<_>>();
    let away = "targets tcp://mx.example.net:25\n";
    let warned = said(&format!("{away}auth plain u p\nattempt_starttls no"));
    assert!(warned.len() == 1 && warned[0].contains("the password is sent in clear"), "{warned:?}");
    assert_eq!(said(&format!("{away}auth plain u p")), [""; 0]);
    for (auth, warned) in [
        ("auto u p", "the password is sent in clear"),
        ("xoauth2 u t", "the token is sent in clear"),
        ("oauthbearer u t", "the token is sent in clear"),
        ("scram-sha-256 u p", ""),
        ("cram-md5 u p", ""),
    ] {
        let lines = said(&format!("{away}auth {auth}\nattempt_starttls no"));
        assert_eq!(lines.len(), usize::from(!warned.is_empty()), "{auth}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains(warned)), "{auth}: {lines:?}");
    }
    assert_eq!(said("auth plain u p\nattempt_starttls no"), [""; 0], "loopback");
    for here in [
        "tcp://[::1]:25",
        "tcp://[::ffff:127.0.0.1]:25",
        "tcp://:25",
        "tcp://localhost:25",
        "unix:///s",
        "tls://h:465",
    ] {
        let lines = said(&format!("targets {here}\nauth plain u p\nattempt_starttls no"));
        assert_eq!(lines, [""; 0], "{here}");
    }
    // Nothing goes in clear where TLS is required, though for another reason nothing goes at all.
    let lines = said(&format!("{away}auth plain u p\nattempt_starttls no\nrequire_tls yes"));
    assert!(lines.len() == 1 && lines[0].contains("nothing can be sent"), "{lines:?}");
    // M46
    let warned = said(&format!("{away}auth external"));
    assert!(warned.len() == 1 && warned[0].contains("TLS client certificate"), "{warned:?}");
}
