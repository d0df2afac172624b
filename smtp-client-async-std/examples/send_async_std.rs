//! Sends a file: `cargo run --example send_async_std -- tcp://127.0.0.1:25 alice@example.org bob@example.net message.eml`
use smtp_client_async_std::{Client, Message};
use smtp_proto::{Config, Endpoint, Envelope, Plan, address::Mailbox};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(async {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [target, from, to, path] = arguments.as_slice() else {
            return Err("usage: send TARGET FROM TO FILE".into());
        };
        let config = Config::new("localhost".parse()?);
        let client = Client::new(Plan::new([target.parse::<Endpoint>()?], &config)?);
        let envelope = Envelope::new(from.parse::<Mailbox>()?.into(), vec![to.parse::<Mailbox>()?.into()]);
        let report = client.send(envelope, Message::open(path).await?).await?;
        for recipient in &report.recipients {
            println!("{}: {}", recipient.recipient.path, recipient.disposition.name());
        }
        Ok(())
    })
}
