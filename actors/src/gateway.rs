//! The one door for changing requests: serves them here when this node leads.
//!
//! In this version the node always leads; a later one passes the typed request to the leader from here, so that no
//! HTTP handler ever asks who leads.

use std::time::Duration;

use actix::prelude::*;
use ham4db_consensus::ProposeError;
use ham4db_domain::command::{Command, Order, Reply};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::Outcome;
use ham4db_domain::registry::RecoveryUid;
use jiff::Timestamp;

use crate::coordinator::{NotRecovered, Recover};
use crate::discovery::ProbeAll;
use crate::fleet::LiveFleet;
use crate::keeper::{Forget, Recall};
use crate::raft_role::Propose;

/// Something a user wants changed.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, GatewayError>")]
pub struct Request {
    /// Who asks.
    pub by: String,
    /// What for.
    pub ask: Ask,
}

/// What a user may ask for.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "each is moved once, from a request to the gateway")]
pub enum Ask {
    /// An entry of the log, and what goes with it: a discovered server is watched, a forgotten one is not.
    Order(Order),
    /// A reading of a server now; answered when it has been taken.
    Refresh(InstanceKey),
    /// A recovery of a failed server; answered when it is over.
    Recover {
        /// The failed server.
        failed: InstanceKey,
        /// Who is to take over, if that matters.
        wanted: Option<InstanceKey>,
        /// Run no hooks.
        skip_hooks: bool,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The log's reply.
    Reply(Reply),
    /// The server has been read.
    Read,
    /// The recovery is over.
    Recovered(RecoveryUid, Outcome),
}

/// Why a request has no answer. The variants differ in what the caller may do next.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The log's answer is missing.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// No recovery was carried out to its end.
    #[error(transparent)]
    NotRecovered(#[from] NotRecovered),
    /// The server could not be read.
    #[error("{key} {words}")]
    NotRead {
        /// The server.
        key: InstanceKey,
        /// How it failed to answer.
        words: String,
    },
    /// A part of this node is gone; it is about to end.
    #[error("this node is shutting down")]
    Gone,
}

/// How long a reading on demand may take.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Owns nothing; knows who does what.
#[derive(Clone)]
pub struct LeaderGateway {
    /// The way to the log.
    pub log: Recipient<Propose>,
    /// Who recovers.
    pub coordinator: Recipient<Recover>,
    /// Who reads servers.
    pub discovery: Recipient<ProbeAll>,
    /// Who forgets servers.
    pub forget: Recipient<Forget>,
    /// Who takes servers up.
    pub recall: Recipient<Recall>,
    /// The picture of all servers.
    pub fleet: LiveFleet,
}

impl LeaderGateway {
    async fn serve(self, Request { by, ask }: Request) -> Result<Answer, GatewayError> {
        match ask {
            Ask::Order(order) => self.order(by, order).await.map(Answer::Reply),
            Ask::Refresh(key) => self.refresh(key).await.map(|()| Answer::Read),
            Ask::Recover { failed, wanted, skip_hooks } => {
                let recover = Recover { failed, wanted, skip_hooks, by };
                let (uid, outcome) =
                    self.coordinator.send(recover).await.map_err(|_| GatewayError::Gone)??;
                Ok(Answer::Recovered(uid, outcome))
            }
        }
    }

    async fn order(&self, by: String, order: Order) -> Result<Reply, GatewayError> {
        let command = Command { at: Timestamp::now(), by, order: order.clone() };
        let reply = self.log.send(Propose(command)).await.map_err(|_| GatewayError::Gone)??;
        if !matches!(reply, Reply::Refused { .. }) {
            match order {
                Order::Discover { key } => {
                    self.recall.send(Recall(key)).await.map_err(|_| GatewayError::Gone)?;
                }
                Order::Forget { key } => {
                    self.forget.send(Forget(vec![key])).await.map_err(|_| GatewayError::Gone)?;
                }
                _ => {}
            }
        }
        Ok(reply)
    }

    /// Has a server read, and waits until the picture shows it.
    async fn refresh(&self, key: InstanceKey) -> Result<(), GatewayError> {
        let asked = Timestamp::now();
        let mut fleet = self.fleet.clone();
        self.recall.send(Recall(key.clone())).await.map_err(|_| GatewayError::Gone)?;
        self.discovery.send(ProbeAll(vec![key.clone()])).await.map_err(|_| GatewayError::Gone)?;
        let read = fleet.wait_for(|fleet| {
            fleet.member(&key).is_some_and(|member| {
                member.checks.last_checked.is_some_and(|checked| checked >= asked)
            })
        });
        let not_read = |words: String| GatewayError::NotRead { key: key.clone(), words };
        let fleet = match tokio::time::timeout(READ_LIMIT, read).await {
            Ok(Ok(fleet)) => fleet.clone(),
            Ok(Err(_)) => return Err(GatewayError::Gone),
            Err(_) => {
                return Err(not_read(format!(
                    "has not been read within {} s",
                    READ_LIMIT.as_secs()
                )));
            }
        };
        match fleet.member(&key).and_then(|member| member.checks.failure.clone()) {
            Some(failure) => Err(not_read(failure.to_string())),
            None => Ok(()),
        }
    }
}

impl Actor for LeaderGateway {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
    }
}

impl Handler<Request> for LeaderGateway {
    type Result = ResponseFuture<Result<Answer, GatewayError>>;

    fn handle(&mut self, request: Request, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().serve(request))
    }
}
