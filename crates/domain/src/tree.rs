//! A cluster's tree as text.
