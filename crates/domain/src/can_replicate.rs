//! Who may replicate from whom, and who may be moved.
