//! State in motion: one module an actor
