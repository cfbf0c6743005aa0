//! Pseudo-GTID, for servers without GTID.

use crate::config::kinds::{Bool, Text, Texts, Whole};
use crate::config::table::{Status::NotYet, group};

group! {
    /// Pseudo-GTID, for servers without GTID.
    pseudo_gtid: PseudoGtid;

    /// Writes Pseudo-GTID entries on primaries and sets the four keys that follow.
    "AutoPseudoGTID" => auto: Bool = false; NotYet, OnReload;
    /// What such an entry looks like.
    "PseudoGTIDPattern" => pattern: Text = ""; NotYet, OnReload;
    /// The pattern is a plain text.
    "PseudoGTIDPatternIsFixedSubstring" => pattern_is_text: Bool = false; NotYet, OnReload;
    /// Text in entries that ascend.
    "PseudoGTIDMonotonicHint" => monotonic_hint: Text = ""; NotYet, OnReload;
    /// Query telling whether entries are written.
    "DetectPseudoGTIDQuery" => detect_query: Text = ""; NotYet, OnReload;
    /// Events read from a binary log at once.
    "BinlogEventsChunkSize" => chunk: Whole<u32, 1, 10_000_000> = 10_000; NotYet, OnReload;
    /// Events with one of these texts are passed over.
    "SkipBinlogEventsContaining" => skip: Texts = &[]; NotYet, OnReload;
}
