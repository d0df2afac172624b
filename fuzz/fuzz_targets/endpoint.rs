//! Endpoints: any text is refused with a reason or prints to something that reads back the same (M19, M20).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_proto::Endpoint;

fuzz_target!(|text: &str| {
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let printed = endpoint.to_string();
            assert_eq!(printed.parse::<Endpoint>().as_ref(), Ok(&endpoint), "{printed}");
            let _ = (endpoint.dns_name(), endpoint.server_name());
        }
        Err(error) => assert!(!error.to_string().contains(['\r', '\n'])),
    }
});
