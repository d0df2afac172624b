//! Where mail is forwarded to, as text: the `target.smtp` and `target.lmtp` configuration language.
//!
//! `tree` reads text into a tree of directives; what the directives mean is the business of `module`.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

pub mod diagnostic;
pub mod loader;
pub mod tree;
