//! Recorded topologies with a command to run against them (`ham4db analyze-case`).
