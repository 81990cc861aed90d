//! Which path serves what.

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

/// The age up to which an answer is used again. Shards publish every 250 ms.
const MAX_AGE: Duration = Duration::from_millis(200);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The content security policy of everything but the page.
const NOTHING_ALLOWED: &str = "default-src 'none'; frame-ancestors 'none'";

#[derive(Debug)]
pub(super) struct Routes {
    facts: Arc<Facts>,
    board: Arc<Board>,
    metrics: Metrics,
    metrics_text: [Cache; Format::ALL.len()],
    status_json: Cache,
    /// `None`: switched off.
    page: Option<(Page, Cluster)>,
    /// Whether only this host can reach the endpoint.
    is_loopback: bool,
}

/// An answer without the headers that all answers share.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Routes {
    pub(super) fn new(facts: Facts, board: Arc<Board>, is_loopback: bool) -> Routes {
        let facts = Arc::new(facts);
        let page = facts
            .page
            .then(|| (Page::new(), Cluster::new(facts.ageing, board.clone())));
        Routes {
            metrics: Metrics::new(facts.clone(), board.clone()),
            metrics_text: Default::default(),
            status_json: Cache::default(),
            page,
            is_loopback,
            facts,
            board,
        }
    }

    /// Frees what is kept for the page if nobody watches it. Call it every few seconds.
    pub(super) fn free_unwatched(&self) {
        if let Some((_, cluster)) = &self.page {
            cluster.free_unless_watched();
        }
    }

    pub(super) async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let names_the_cluster = matches!(uri.path(), "/" | "/cluster.json" | "/status");
        let names_another_host = headers.get(HOST).is_some_and(|host| !names_this_host(host));
        if self.is_loopback && names_the_cluster && names_another_host {
            // Otherwise a web page whose own name resolves to loopback could read this one (DNS
            // rebinding).
            let why =
                "misdirected request: on loopback, use localhost or an IP address as the host\n";
            return respond(plain(StatusCode::MISDIRECTED_REQUEST, why));
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = respond(plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed: use GET or HEAD\n",
            ));
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
                    Some(_) => {
                        "not found: use /, /cluster.json, /metrics, /healthz, /readyz or /status\n"
                    }
                    None => {
                        "not found: use /metrics, /healthz, /readyz or /status (admin.page is off)\n"
                    }
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
            body: cache.get(MAX_AGE, || self.metrics.text(format).into()),
        }
    }

    fn status(&self) -> Answer {
        Answer {
            status: StatusCode::OK,
            content_type: JSON,
            body: self
                .status_json
                .get(MAX_AGE, || status::json(&self.facts, &self.board).into()),
        }
    }
}

/// Whether a Host header is localhost or an IP address, with a port or without.
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
