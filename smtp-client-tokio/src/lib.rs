//! smtp-client-tokio
