//! smtp-forward
fn main() {}
