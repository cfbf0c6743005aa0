//! ham4db
