//! A cluster's tree as text.

use ham4db_domain::tree::{Drawing, Style};

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;

type Result = std::result::Result<Answer, ApiError>;

/// Aligned for reading.
pub fn plain(call: &Call) -> Result {
    draw(call, Style::Plain)
}

/// In columns behind bars.
pub fn tabulated(call: &Call) -> Result {
    draw(call, Style::Tabulated)
}

/// With the tags of each server.
pub fn with_tags(call: &Call) -> Result {
    draw(call, Style::Tags)
}

fn draw(call: &Call, style: Style) -> Result {
    let cluster = call.cluster()?;
    let drawing = Drawing {
        topology: cluster.topology,
        registry: &call.at.registry,
        policy: &call.at.settings.analysis,
        now: call.at.now,
    };
    let tree = drawing.lines(style).join("\n");
    Answer::ok(format!("Topology for cluster {}", cluster.name), &tree)
}
