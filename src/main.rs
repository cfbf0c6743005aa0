//! ham4db
fn main() {}
