//! smtp-client-async-std
