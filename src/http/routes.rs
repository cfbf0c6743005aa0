//! The one table of routes: path, what it needs, where it is answered, and what answers it.

use std::future::Future;
use std::pin::Pin;

use super::access::Access;
use super::answer::{Answer, ApiError};
use super::call::Call;
use super::handlers::{
    analysis, clusters, explain, instances, node, orders, recoveries, tags, topology,
};

/// Which node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The leader, whichever node is asked. What every node knows alike is answered at once; what changes
    /// something goes through the leader gateway.
    ByLeader,
    /// The node that is asked.
    Here,
}

/// A handler that has to wait.
pub type Pending = Pin<Box<dyn Future<Output = Result<Answer, ApiError>>>>;

/// What answers a request.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Reads what is published.
    Show(fn(&Call) -> Result<Answer, ApiError>),
    /// Asks somebody and waits.
    Ask(fn(Call) -> Pending),
}

/// One row: a service under all its spellings, below `/api/`.
pub struct Route {
    /// Patterns such as `instance/:host/:port`; the first is the one to recommend.
    pub paths: &'static [&'static str],
    /// What it needs.
    pub access: Access,
    /// Where it is answered.
    pub answered: Answered,
    /// What answers it.
    pub handler: Handler,
}

const fn show(
    paths: &'static [&'static str],
    handler: fn(&Call) -> Result<Answer, ApiError>,
) -> Route {
    let handler = Handler::Show(handler);
    Route { paths, access: Access::Read, answered: Answered::ByLeader, handler }
}

const fn ask(paths: &'static [&'static str], handler: fn(Call) -> Pending) -> Route {
    let handler = Handler::Ask(handler);
    Route { paths, access: Access::Read, answered: Answered::ByLeader, handler }
}

const fn change(paths: &'static [&'static str], handler: fn(Call) -> Pending) -> Route {
    let handler = Handler::Ask(handler);
    Route { paths, access: Access::Write, answered: Answered::ByLeader, handler }
}

impl Route {
    /// Answered by the node that is asked.
    const fn here(self) -> Self {
        Self { answered: Answered::Here, ..self }
    }

    /// Shown only to those who may change something.
    const fn guarded(self) -> Self {
        Self { access: Access::Write, ..self }
    }
}

/// The paths and their handlers. Of two patterns that match, the first wins.
pub const ROUTES: &[Route] = &[
    // Servers come and go.
    change(&["discover/:host/:port"], |call| Box::pin(orders::discover(call))),
    change(&["async-discover/:host/:port"], |call| Box::pin(orders::discover_later(call))),
    change(&["refresh/:host/:port"], |call| Box::pin(orders::refresh(call))),
    change(&["forget/:host/:port"], |call| Box::pin(orders::forget(call))),
    change(&["forget-cluster/:clusterHint"], |call| Box::pin(orders::forget_cluster(call))),
    // Clusters.
    show(&["clusters"], clusters::names),
    show(&["clusters-info"], clusters::infos),
    show(&["cluster/:clusterHint", "cluster/instance/:host/:port"], clusters::members),
    show(&["cluster/alias/:clusterAlias"], clusters::members_by_alias),
    show(&["cluster-info/:clusterHint"], clusters::info),
    show(&["cluster-info/alias/:clusterAlias"], clusters::info_by_alias),
    show(&["master/:clusterHint"], clusters::primary),
    show(&["masters"], clusters::primaries),
    change(&["set-cluster-alias/:clusterName"], |call| Box::pin(orders::set_cluster_alias(call))),
    // Servers.
    show(&["instance/:host/:port"], instances::one),
    show(&["instance-replicas/:host/:port"], instances::replicas),
    show(&["all-instances"], instances::all),
    show(&["search", "search/:searchString"], instances::search),
    show(&["problems", "problems/:clusterName"], instances::problems),
    show(&["bulk-instances"], node::bulk_instances).guarded(),
    show(
        &["cluster-osc-replicas/:clusterHint", "cluster-osc-slaves/:clusterHint"],
        clusters::control_replicas,
    ),
    show(&["topology/:clusterHint", "topology/:host/:port"], topology::plain),
    show(
        &["topology-tabulated/:clusterHint", "topology-tabulated/:host/:port"],
        topology::tabulated,
    ),
    show(&["topology-tags/:clusterHint", "topology-tags/:host/:port"], topology::with_tags),
    // Tags. Setting and removing them needs the right to change something, which the ancestors forgot to ask for.
    show(&["tagged"], tags::search),
    show(&["tags/:host/:port"], tags::of_instance),
    show(&["tag-value/:host/:port", "tag-value/:host/:port/:tagName"], tags::value),
    change(&["tag/:host/:port", "tag/:host/:port/:tagName/:tagValue"], |call| {
        Box::pin(tags::set(call))
    }),
    change(&["untag/:host/:port", "untag/:host/:port/:tagName"], |call| {
        Box::pin(tags::remove(call))
    }),
    change(&["untag-all", "untag-all/:tagName/:tagValue"], |call| {
        Box::pin(tags::remove_everywhere(call))
    }),
    // Failures.
    show(&["replication-analysis"], analysis::all),
    show(&["replication-analysis/:clusterName"], analysis::of_cluster),
    show(&["replication-analysis/instance/:host/:port"], analysis::of_instance),
    show(&["audit-failure-detection", "audit-failure-detection/:page"], recoveries::detections),
    show(&["audit-failure-detection/id/:id"], recoveries::detection_by_id),
    show(
        &[
            "audit-failure-detection/alias/:clusterAlias",
            "audit-failure-detection/alias/:clusterAlias/:page",
        ],
        recoveries::detections_of_alias,
    ),
    // Recoveries.
    change(&["recover/:host/:port", "recover/:host/:port/:candidateHost/:candidatePort"], |call| {
        Box::pin(orders::recover(call))
    }),
    change(
        &["recover-lite/:host/:port", "recover-lite/:host/:port/:candidateHost/:candidatePort"],
        |call| Box::pin(orders::recover_lite(call)),
    ),
    show(&["audit-recovery", "audit-recovery/:page"], recoveries::all),
    show(&["audit-recovery/id/:id"], recoveries::by_id),
    show(&["audit-recovery/uid/:uid"], recoveries::by_uid),
    show(
        &["audit-recovery/cluster/:clusterName", "audit-recovery/cluster/:clusterName/:page"],
        recoveries::of_cluster,
    ),
    show(
        &["audit-recovery/alias/:clusterAlias", "audit-recovery/alias/:clusterAlias/:page"],
        recoveries::of_alias,
    ),
    show(&["blocked-recoveries", "blocked-recoveries/cluster/:clusterName"], explain::blocked),
    ask(&["why/cluster/:clusterHint"], |call| Box::pin(explain::why_cluster(call))),
    ask(&["why/:host/:port"], |call| Box::pin(explain::why_instance(call))),
    show(
        &["plan/:host/:port", "plan/:host/:port/:candidateHost/:candidatePort"],
        explain::plan_instance,
    ),
    show(&["audit-recovery-steps/:uid"], recoveries::steps),
    show(&["active-cluster-recovery/:clusterName"], recoveries::active_of_cluster),
    show(&["recently-active-cluster-recovery/:clusterName"], recoveries::recent_of_cluster),
    show(&["recently-active-instance-recovery/:host/:port"], recoveries::recent_of_instance),
    change(&["ack-recovery/cluster/:clusterHint"], |call| {
        Box::pin(recoveries::acknowledge_cluster(call))
    }),
    change(&["ack-recovery/cluster/alias/:clusterAlias"], |call| {
        Box::pin(recoveries::acknowledge_alias(call))
    }),
    change(&["ack-recovery/instance/:host/:port"], |call| {
        Box::pin(recoveries::acknowledge_instance(call))
    }),
    change(&["ack-recovery/:recoveryId", "ack-recovery/uid/:uid"], |call| {
        Box::pin(recoveries::acknowledge_one(call))
    }),
    change(&["ack-all-recoveries"], |call| Box::pin(recoveries::acknowledge_all(call))),
    change(&["disable-global-recoveries"], |call| Box::pin(orders::disable_recoveries(call))),
    change(&["enable-global-recoveries"], |call| Box::pin(orders::enable_recoveries(call))),
    show(&["check-global-recoveries"], orders::check_recoveries),
    change(&["register-candidate/:host/:port/:promotionRule"], |call| {
        Box::pin(orders::register_candidate(call))
    }),
    show(&["bulk-promotion-rules"], orders::promotion_rules).guarded(),
    // Downtime and maintenance.
    change(
        &[
            "begin-downtime/:host/:port/:owner/:reason",
            "begin-downtime/:host/:port/:owner/:reason/:duration",
        ],
        |call| Box::pin(orders::begin_downtime(call)),
    ),
    change(&["end-downtime/:host/:port"], |call| Box::pin(orders::end_downtime(call))),
    show(&["downtimed", "downtimed/:clusterHint"], instances::downtimed),
    change(&["begin-maintenance/:host/:port/:owner/:reason"], |call| {
        Box::pin(orders::begin_maintenance(call))
    }),
    change(&["end-maintenance/:host/:port"], |call| Box::pin(orders::end_maintenance(call))),
    change(&["end-maintenance/:maintenanceKey"], |call| {
        Box::pin(orders::end_maintenance_by_id(call))
    }),
    show(&["in-maintenance/:host/:port"], orders::in_maintenance),
    show(&["maintenance"], orders::maintenance),
    // This node.
    ask(&["health", "status"], |call| Box::pin(node::health(call))).here(),
    show(&["lb-check", "_ping"], node::alive).here(),
    show(&["leader-check", "leader-check/:errorStatusCode"], node::leader_check).here(),
    show(&["routed-leader-check"], node::leader_check),
    show(&["headers"], node::headers).here(),
    ask(&["resolve/:host/:port"], |call| Box::pin(node::resolve(call))),
    show(&["hostname-resolve-cache"], node::resolve_cache).here(),
    change(&["reload-configuration"], |call| Box::pin(node::reload(call))).here(),
    show(&["config"], node::config).guarded().here(),
];
