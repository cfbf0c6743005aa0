//! Which hooks run when, and with which values.
