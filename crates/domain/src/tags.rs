//! Tags: parsing, searching.
