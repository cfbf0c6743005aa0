//! The node's part in the agreement of nodes: takes commands to the log, and says whether this node leads.
//!
//! In this version one node is the whole quorum, and the log is local; raft takes its place behind the same messages.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_consensus::{LocalLog, ProposeError};
use ham4db_domain::command::{Command, Order, Reply};
use jiff::Timestamp;

/// Asks for a command to be committed. Answered once it is applied on this node.
#[derive(Debug, Message)]
#[rtype(result = "Result<Reply, ProposeError>")]
pub struct Propose(pub Command);

impl Propose {
    /// An order of this node or of a user, as of now.
    pub fn now(by: &str, order: Order) -> Self {
        Self(Command { at: Timestamp::now(), by: by.to_owned(), order })
    }
}

/// How long a proposal may take before its outcome counts as unknown.
const LIMIT: Duration = Duration::from_secs(10);

/// Owns the log.
pub struct RaftRole {
    log: Arc<LocalLog>,
}

impl RaftRole {
    /// The role of a node with this log.
    pub fn new(log: Arc<LocalLog>) -> Self {
        Self { log }
    }
}

impl Actor for RaftRole {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
    }
}

impl Handler<Propose> for RaftRole {
    type Result = ResponseFuture<Result<Reply, ProposeError>>;

    fn handle(&mut self, Propose(command): Propose, _: &mut Self::Context) -> Self::Result {
        let log = self.log.clone();
        Box::pin(async move {
            let proposed = tokio::task::spawn_blocking(move || log.propose(&command));
            match tokio::time::timeout(LIMIT, proposed).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panicked)) => Err(ProposeError::Stopped(Box::new(panicked))),
                Err(_) => Err(ProposeError::Unknown(LIMIT)),
            }
        })
    }
}
