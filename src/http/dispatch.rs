//! The way of a request: who asks, for what, may they, and then the handler.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::http::header::{HeaderMap, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;

use super::access::{Access, Caller, refuse_cross_site};
use super::answer::{Answer, ApiError};
use super::call::Call;
use super::path::{Index, Params, decode};
use super::routes::{Handler, ROUTES, Route};
use super::state::{FrontSettings, State};
use super::unavailable::UNAVAILABLE;

/// The front end of a node: its routes and what they read.
pub struct Front {
    state: State,
    routes: Index<&'static Route>,
    unavailable: Index<&'static str>,
    /// Number of the next request, for the log.
    next: AtomicU64,
}

/// Where the status check is when nobody says otherwise.
const DEFAULT_STATUS_ENDPOINT: &str = "/api/status";

/// What a path leads to.
enum Target {
    /// A pointer to what there is.
    Root,
    /// A service.
    Service(&'static str, &'static Route, Params),
    /// A service of the ancestors that is not there yet.
    NotYet,
    /// Nothing.
    Nowhere,
}

impl Front {
    /// The front end over this state.
    pub fn new(state: State) -> Self {
        let mut routes = Index::default();
        for route in ROUTES {
            for path in route.paths {
                routes.add(path, route);
            }
        }
        let mut unavailable = Index::default();
        for path in UNAVAILABLE {
            unavailable.add(path, *path);
        }
        Self { state, routes, unavailable, next: AtomicU64::new(1) }
    }

    /// What a decoded path leads to.
    fn target(&self, path: &str, front: &FrontSettings) -> Target {
        let own_status =
            !front.status_endpoint.is_empty() && front.status_endpoint != DEFAULT_STATUS_ENDPOINT;
        if own_status && path == front.status_endpoint {
            return self.service("status");
        }
        let Some(path) = path.strip_prefix(front.prefix.as_str()) else { return Target::Nowhere };
        if path.is_empty() || path == "/" {
            return Target::Root;
        }
        match path.strip_prefix("/api/") {
            Some(path) if own_status && path.trim_end_matches('/') == "status" => Target::Nowhere,
            Some(path) => self.service(path),
            None => Target::Nowhere,
        }
    }

    fn service(&self, path: &str) -> Target {
        if let Some((pattern, route, params)) = self.routes.find(path) {
            return Target::Service(pattern, route, params);
        }
        match self.unavailable.find(path) {
            Some(_) => Target::NotYet,
            None => Target::Nowhere,
        }
    }
}

/// Answers any request.
pub async fn dispatch(request: HttpRequest, front: web::Data<Front>) -> HttpResponse {
    let settings = front.state.front.borrow().clone();
    let Ok(caller) = settings.authentication.caller(request.headers()) else {
        return not_authenticated();
    };
    let path = decode(request.path());
    let answer = match front.target(&path, &settings) {
        Target::Root => Ok(root_page(&settings)),
        Target::Nowhere => Ok(Answer::not_found()),
        Target::NotYet => Err(ApiError::NotAvailable(path)),
        Target::Service(pattern, route, params) => {
            match admit(&request, route, &caller, &settings) {
                Ok(()) => {
                    let call = call(&front.state, &request, params, &caller);
                    run(&front, pattern, route, call).await
                }
                Err(error) => Err(error),
            }
        }
    };
    answer.unwrap_or_else(ApiError::answer).into()
}

/// Whether this caller may make this request.
fn admit(
    request: &HttpRequest,
    route: &Route,
    caller: &Caller,
    settings: &FrontSettings,
) -> Result<(), ApiError> {
    let method = request.method();
    let fits = match route.access {
        Access::Read => method == Method::GET || method == Method::HEAD,
        Access::Write => method == Method::GET || method == Method::POST,
    };
    if !fits {
        return Err(ApiError::Method(method.to_string()));
    }
    if route.access == Access::Write {
        refuse_cross_site(request.headers())?;
        if settings.read_only || !caller.may_write {
            return Err(ApiError::Unauthorized);
        }
    }
    Ok(())
}

fn call(state: &State, request: &HttpRequest, params: Params, caller: &Caller) -> Call {
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let headers: HeaderMap = request.headers().clone();
    Call {
        state: state.clone(),
        at: state.moment(Timestamp::now()),
        params,
        query: query.map(web::Query::into_inner).unwrap_or_default(),
        headers,
        user: caller.user.clone(),
        aliases: OnceCell::new(),
    }
}

/// Runs the handler. What changes something is carried through even when the caller hangs up, and is logged.
async fn run(
    front: &Front,
    pattern: &'static str,
    route: &Route,
    call: Call,
) -> Result<Answer, ApiError> {
    let begun = Instant::now();
    let (user, params) = (call.by(), call.params.to_string());
    let answer = match (route.handler, route.access) {
        (Handler::Show(handler), _) => handler(&call),
        (Handler::Ask(handler), Access::Read) => handler(call).await,
        (Handler::Ask(handler), Access::Write) => actix_web::rt::spawn(handler(call))
            .await
            .unwrap_or_else(|error| Err(ApiError::internal(error))),
    };
    if route.access == Access::Write {
        let number = front.next.fetch_add(1, Ordering::Relaxed);
        let outcome = match &answer {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        log::info!(
            "http.route" = pattern, "http.user" = user.as_str(), "http.request" = number,
            "duration_ms" = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            "{user} asked for {pattern} ({params}): {outcome}"
        );
    }
    answer
}

fn not_authenticated() -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((WWW_AUTHENTICATE, "Basic realm=\"Authorization Required\""))
        .content_type("text/plain; charset=utf-8")
        .body("Not Authorized")
}

/// A pointer for people; the dashboard takes its place in a later version.
fn root_page(settings: &FrontSettings) -> Answer {
    let api = format!("{}/api", settings.prefix);
    let page = format!(
        "ham4db {}\n\nThere is no dashboard in this version. What there is:\n\n  \
         {api}/clusters-info             clusters\n  {api}/replication-analysis      what is wrong now\n  \
         {api}/audit-recovery            recoveries\n  {api}/why/HOST/PORT             why something was done, or was not\n  \
         {api}/health                    this node\n\nOn the command line: ham4db help\n",
        env!("CARGO_PKG_VERSION")
    );
    Answer::text(StatusCode::OK, page)
}
