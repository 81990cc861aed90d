//! What is served under which path.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Response, StatusCode, Uri};

use super::Facts;
use super::board::Board;
use super::cache::Cache;
use super::cluster::Cluster;
use super::metrics::{Format, Metrics};
use super::page::Page;
use super::{health, status};

/// How old an answer may be that is made anew for nobody. Shards publish every 250 ms.
const MOST_AGE: Duration = Duration::from_millis(200);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Of everything but the page, which brings its own.
const NOTHING_ALLOWED: &str = "default-src 'none'; frame-ancestors 'none'";

#[derive(Debug)]
pub(super) struct Site {
    facts: Arc<Facts>,
    board: Arc<Board>,
    metrics: Metrics,
    metrics_text: [Cache; Format::ALL.len()],
    status_json: Cache,
    /// None: switched off.
    page: Option<(Page, Cluster)>,
    /// Only this host reaches it.
    is_loopback: bool,
}

/// An answer before it is one of HTTP.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Site {
    pub(super) fn new(facts: Facts, board: Arc<Board>, is_loopback: bool) -> Site {
        let facts = Arc::new(facts);
        let page = facts
            .page
            .then(|| (Page::new(), Cluster::new(facts.ageing, board.clone())));
        Site {
            metrics: Metrics::new(facts.clone(), board.clone()),
            metrics_text: Default::default(),
            status_json: Cache::default(),
            page,
            is_loopback,
            facts,
            board,
        }
    }

    /// Gives back what is kept for nobody. To be called now and then.
    pub(super) fn tidy(&self) {
        if let Some((_, cluster)) = &self.page {
            cluster.forget_unless_watched();
        }
    }

    pub(super) async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let tells_of_the_cluster = matches!(uri.path(), "/" | "/cluster.json" | "/status");
        let is_elsewhere = headers.get(HOST).is_some_and(|host| !names_this_host(host));
        if self.is_loopback && tells_of_the_cluster && is_elsewhere {
            // A page of the internet whose own name resolves to loopback would read this one.
            let why = "on loopback this answers to localhost and to addresses only\n";
            return respond(plain(StatusCode::MISDIRECTED_REQUEST, why));
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = respond(plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only\n"));
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        match (uri.path(), &self.page) {
            ("/metrics", _) => respond(self.metrics(headers)),
            ("/healthz", _) => respond(verdict(health::health(&self.board))),
            ("/readyz", _) => respond(verdict(health::readiness(&self.board))),
            ("/status", _) => respond(self.status()),
            ("/cluster.json", Some((_, cluster))) => respond(Answer {
                status: StatusCode::OK,
                content_type: JSON,
                body: cluster.json().await,
            }),
            ("/", Some((page, _))) => page_response(page),
            _ => respond(plain(
                StatusCode::NOT_FOUND,
                match self.page {
                    Some(_) => "there are /, /cluster.json, /metrics, /healthz, /readyz, /status\n",
                    None => "there are /metrics, /healthz, /readyz, /status (admin.page is off)\n",
                },
            )),
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Answer {
        let format = Format::asked_for(headers.get(ACCEPT).map(HeaderValue::as_bytes));
        let cache = &self.metrics_text[format as usize];
        Answer {
            status: StatusCode::OK,
            content_type: format.content_type(),
            body: cache.get(MOST_AGE, || self.metrics.text(format).into()),
        }
    }

    fn status(&self) -> Answer {
        Answer {
            status: StatusCode::OK,
            content_type: JSON,
            body: self
                .status_json
                .get(MOST_AGE, || status::json(&self.facts, &self.board).into()),
        }
    }
}

/// Whether a Host header is an address or localhost, with a port or without.
fn names_this_host(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    let is_address =
        |text: &str| text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || is_address(host) || bracketed.is_some_and(is_address)
}

fn verdict(verdict: Result<&'static str, String>) -> Answer {
    match verdict {
        Ok(text) => plain(StatusCode::OK, text),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    Answer {
        status,
        content_type: TEXT,
        body: text.into(),
    }
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, answer.content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, NOTHING_ALLOWED),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn page_response(page: &Page) -> Response<Full<Bytes>> {
    let mut response = respond(Answer {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        body: page.html(),
    });
    let policy = page.content_security_policy();
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}
