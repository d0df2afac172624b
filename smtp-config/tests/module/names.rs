//! M1-M6, D12.

use std::sync::Arc;

use smtp_config::module::SelectError;
use smtp_proto::config::Protocol;

use crate::support::{clean, error, read, said, warning};

const HOST: &str = "hostname mx.example.org\n";

fn endpoints(text: &str) -> Vec<String> {
    let configuration = read(text).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"));
    configuration.select(None).unwrap().settings.targets.iter().map(ToString::to_string).collect()
}

#[test]
fn the_name_of_the_module_alone_decides_the_protocol() {
    // M1
    for (name, protocol) in [
        ("smtp", Protocol::Smtp),
        ("target.smtp", Protocol::Smtp),
        ("lmtp", Protocol::Lmtp),
        ("target.lmtp", Protocol::Lmtp),
    ] {
        let inline = clean(&format!("{HOST}deliver_to {name} tcp://h:24"));
        assert_eq!(inline.deliveries[0].block.settings.protocol, protocol, "{name}");
        if name.contains('.') {
            let named = clean(&format!("{HOST}{name} x {{\n targets tcp://h:24\n}}"));
            assert_eq!(named.named("x").unwrap().settings.protocol, protocol, "{name}");
        }
    }
}

#[test]
fn an_unknown_module_is_named_with_its_namespace() {
    // M2
    let said = error(&format!("{HOST}deliver_to smpt tcp://h:25"));
    assert_eq!(said, "2:12: there is no module \"smpt\" in the namespace target (did you mean smtp?)");
    let said = error(&format!("{HOST}deliver_to tcp://h:25"));
    assert!(said.contains("`deliver_to smtp tcp://h:25`"), "{said}");
    let said = error(&format!("{HOST}target.smpt x {{\n targets tcp://h:25\n}}"));
    assert!(said.contains("did you mean target.smtp?"), "{said}");
    assert!(error("deliver_to").contains("deliver_to needs a target"));
}

#[test]
fn endpoints_of_the_line_come_before_those_of_the_block() {
    // M3, D12
    let text = format!("{HOST}deliver_to smtp tcp://a:1 tcp://b:2 {{\n targets tcp://c:3 tcp://d:4\n}}");
    assert_eq!(endpoints(&text), ["tcp://a:1", "tcp://b:2", "tcp://c:3", "tcp://d:4"]);
}

#[test]
fn arguments_of_a_block_are_names_and_never_endpoints() {
    // M4
    let said: Vec<_> =
        said(&format!("{HOST}target.smtp tcp://a:1 {{ }}")).iter().map(crate::support::line).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("target.smtp: at least one endpoint is needed"), "{said:?}");
    assert!(said[1].contains("is taken for a name"), "{said:?}");

    let nameless = clean(&format!("{HOST}target.lmtp {{\n targets unix:///l\n}}\ndeliver_to &target.lmtp"));
    assert_eq!(nameless.named[0].names, ["target.lmtp"]);
    assert_eq!(nameless.deliveries.len(), 1);
}

#[test]
fn a_reference_shares_the_block_by_any_of_its_names() {
    // M5, M6
    let text = "deliver_to &alias\ndeliver_to &x\ntarget.smtp x alias {\n targets tcp://h:25\n}\n";
    let configuration = clean(&format!("{HOST}{text}"));
    let [one, other] = configuration.deliveries.as_slice() else { panic!("{configuration:?}") };
    assert!(Arc::ptr_eq(&one.block, &other.block));
    assert!(Arc::ptr_eq(configuration.select(None).unwrap(), configuration.named("alias").unwrap()));
}

#[test]
fn what_a_reference_must_not_be() {
    // M5, M31
    let target = format!("{HOST}target.smtp outbound {{\n targets tcp://h:25\n}}\n");
    for (line, expected) in [
        ("deliver_to &outbound { }", "5:12: deliver_to & has no block, not even an empty one"),
        ("deliver_to &outbound tcp://h:1", "5:22: nothing may follow the name of a target"),
        ("deliver_to &outbuond", "5:12: there is no target \"&outbuond\" (did you mean &outbound?)"),
        ("deliver_to outbound", "did you mean &outbound?"),
        ("target.lmtp y outbound {\n targets unix:///l\n}", "5:15: there is a target \"outbound\" already"),
        ("target.lmtp y y {\n targets unix:///l\n}", "has the name \"y\" twice"),
    ] {
        let said = error(&format!("{target}{line}"));
        assert!(said.contains(expected), "{line}: {said}");
    }
    assert!(error("deliver_to &x").contains("define it"));
}

#[test]
fn which_target_is_meant() {
    let two = "target.smtp a {\n targets tcp://a:25\n}\ntarget.smtp b {\n targets tcp://b:25\n}\n";
    let configuration = clean(&format!("{HOST}{two}"));
    let several = SelectError::Several { known: vec!["a".into(), "b".into()], nameless: false };
    assert_eq!(configuration.select(None).unwrap_err(), several);
    assert_eq!(configuration.select(Some("b")).unwrap().settings.targets[0].to_string(), "tcp://b:25");
    assert!(configuration.select(Some("&b")).is_ok());
    let unknown = configuration.select(Some("c")).unwrap_err().to_string();
    assert!(unknown.contains("no target \"c\"") && unknown.contains("\"a\", \"b\""), "{unknown}");

    // One name of each is enough; what has none is told how it gets one.
    let aliases = clean(&format!(
        "{HOST}{}deliver_to &a\ndeliver_to smtp tcp://c:25\n",
        two.replace("smtp a", "smtp a alias")
    ));
    let said = aliases.select(None).unwrap_err().to_string();
    assert!(said.contains("\"a\", \"b\";") && said.contains("`deliver_to &NAME`"), "{said}");

    // Lines that say the same lead to one place.
    let same = "hostname h.example\ndeliver_to smtp tcp://a:25\ndeliver_to smtp {\n targets tcp://a:25\n debug no\n}\n";
    assert_eq!(clean(same).select(None).unwrap().settings.targets[0].to_string(), "tcp://a:25");
    assert!(clean(&same.replace("debug no", "debug")).select(None).is_err());
    // Where there is a deliver_to line, that is what is meant.
    let configuration = clean(&format!("{HOST}{two}deliver_to &b"));
    assert_eq!(configuration.select(None).unwrap().settings.targets[0].to_string(), "tcp://b:25");
    assert_eq!(clean(HOST).select(None).unwrap_err(), SelectError::Nothing);
}

#[test]
fn what_else_a_mail_server_is_told_is_skipped() {
    let text = r"
        $(hostname) = mx.example.org
        hostname $(hostname)
        state_dir /var/lib/mail
        tls file /c /k
        storage.imapsql local_mailboxes {
            driver sqlite3
        }
        smtp tcp://0.0.0.0:25 {
            limits {
                all rate 20 1s
            }
            source example.org {
                destination example.com {
                    deliver_to lmtp unix:/run/l.sock
                }
                default_destination {
                    reject 550
                }
            }
            default_source {
                deliver_to &outbound
            }
        }
        target.queue remote_queue {
            target &outbound
        }
        target.smtp outbound {
            targets tls://mx.example.net:465
        }
    ";
    let configuration = clean(text);
    assert_eq!(configuration.deliveries.len(), 2);
    assert_eq!(configuration.named.len(), 1);

    let elsewhere = "storage.imapsql box { }\nsmtp tcp://:25 {\n deliver_to &box\n deliver_to remote\n}\n";
    let said = said(&format!("{HOST}{elsewhere}"));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].message.contains("\"&box\" is a storage.imapsql"), "{said:?}");
    assert!(said[1].message.contains("target.remote is not forwarding"), "{said:?}");
    assert!(read(&format!("{HOST}{elsewhere}")).is_ok());
}

#[test]
fn a_slip_at_the_top_level_is_noticed() {
    let target = format!("{HOST}target.smtp x {{\n targets tcp://h:25\n}}\n");
    assert!(warning(&format!("{target}debgu yes")).contains("did you mean debug?"));
    assert!(warning(&format!("{target}frobnicate")).contains("means nothing here and is skipped"));
    assert!(error(&format!("{target}require_tls yes")).contains("put it in a block"));
}
