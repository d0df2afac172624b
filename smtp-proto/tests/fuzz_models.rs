//! The tests of the models that the fuzz targets are held against: a model that is wrong finds nothing, or too much.

// Most of it is used by the targets alone.
#[allow(dead_code, unreachable_pub, clippy::all)]
#[path = "../../fuzz/src/lib.rs"]
mod models;
