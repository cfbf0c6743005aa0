//! The log of commands all nodes agree on, and the state machine behind it
