//! Which path serves what.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::Facts;
use super::board::Board;
use super::cache::Cache;
use super::cluster::Cluster;
use super::hosts::{Hosts, WrongHost};
use super::metrics::{Format, Metrics};
use super::page::Page;
use super::{health, status};
use crate::access::PageRule;

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
    hosts: Hosts,
}

/// An answer without the headers that all answers share.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Routes {
    pub(super) fn new(facts: Facts, board: Arc<Board>) -> Routes {
        let facts = Arc::new(facts);
        let page = (facts.page != PageRule::Off).then(|| {
            (
                Page::new(),
                Cluster::new(facts.ageing, facts.limits.page_bytes(), board.clone()),
            )
        });
        Routes {
            metrics: Metrics::new(facts.clone(), board.clone()),
            metrics_text: Default::default(),
            status_json: Cache::default(),
            page,
            hosts: Hosts::new(&facts.hosts),
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

    pub(super) async fn answer(&self, peer: IpAddr, request: &Parts) -> Response<Full<Bytes>> {
        let path = request.uri.path();
        // Probes may name any host, and the answers to them tell nothing of the cluster.
        let is_probe = matches!(path, "/healthz" | "/readyz");
        if !is_probe && let Err(wrong) = self.hosts.check(request) {
            return respond(wrong_host(&wrong));
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut response = respond(plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed: use GET or HEAD\n",
            ));
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        let rule = self.facts.page;
        match (path, &self.page) {
            ("/metrics", _) => respond(self.metrics(&request.headers)),
            ("/healthz", _) => respond(verdict(health::health(&self.board))),
            ("/readyz", _) => respond(verdict(health::readiness(&self.board))),
            ("/status", _) if !rule.shows_status_to(peer) => respond(not_for_this_peer()),
            ("/status", _) => respond(self.status()),
            ("/" | "/cluster.json", Some(_)) if !rule.shows_page_to(peer) => {
                respond(not_for_this_peer())
            }
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

fn wrong_host(wrong: &WrongHost) -> Answer {
    match wrong {
        WrongHost::NotOne => plain(
            StatusCode::BAD_REQUEST,
            "bad request: send one Host header\n",
        ),
        WrongHost::Unknown => plain(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected request: use localhost or an IP address as the host, or add the host's name to \
             admin.hosts\n",
        ),
    }
}

fn not_for_this_peer() -> Answer {
    plain(
        StatusCode::FORBIDDEN,
        "forbidden: admin.page shows this to peers on the daemon's own host only; ask there (kubectl \
         port-forward does), or set admin.page to on\n",
    )
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use hyper::Request;

    use super::*;
    use crate::limits::{Ageing, Limits};
    use crate::shard::AddressAccounts;

    const POD: &str = "10.1.2.3";

    fn routes(page: PageRule) -> Routes {
        let facts = Facts {
            address: ([127, 0, 0, 1], 6699).into(),
            started: SystemTime::now(),
            kernel: String::new(),
            own_descriptors: true,
            io: "epoll",
            cores: vec![0],
            login_method: "NONE",
            limits: Limits::wide(),
            footprint_bytes: 0,
            accounts: Arc::new(AddressAccounts::new(&Limits::wide())),
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after: Duration::ZERO,
            },
            settings: Vec::new(),
            page,
            hosts: Vec::new(),
        };
        // Without shards the table waits for nobody.
        Routes::new(facts, Arc::new(Board::new(0)))
    }

    fn status(routes: &Routes, peer: &str, host: &str, path: &str) -> u16 {
        let request = Request::get(path).header("host", host).body(()).unwrap();
        let (head, ()) = request.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let answer = routes.answer(peer.parse().unwrap(), &head);
        runtime.unwrap().block_on(answer).status().as_u16()
    }

    #[test]
    fn the_rule_decides_which_peers_see_the_cluster() {
        use PageRule::{Local, Off, On};
        let loopback = ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"];
        let others = [POD, "::ffff:10.1.2.3", "fd00::1", "0.0.0.0", "::"];
        for (rule, peers, page, state) in [
            (On, &loopback[..], 200, 200),
            (On, &others, 200, 200),
            (Local, &loopback, 200, 200),
            (Local, &others, 403, 403),
            (Off, &loopback, 404, 200),
            (Off, &others, 404, 403),
        ] {
            let routes = routes(rule);
            for peer in peers {
                let status = |path| status(&routes, peer, "localhost", path);
                assert_eq!(status("/"), page, "{rule:?} {peer}");
                assert_eq!(status("/cluster.json"), page, "{rule:?} {peer}");
                assert_eq!(status("/status"), state, "{rule:?} {peer}");
                for open in ["/metrics", "/healthz", "/readyz"] {
                    assert_eq!(status(open), 200, "{rule:?} {peer} {open}");
                }
            }
        }
    }

    #[test]
    fn a_refused_peer_does_not_make_shards_scan() {
        let routes = routes(PageRule::Local);
        assert_eq!(status(&routes, POD, "localhost", "/cluster.json"), 403);
        assert_eq!(
            status(&routes, "127.0.0.1", "evil.example", "/cluster.json"),
            421
        );
        assert!(!routes.board.is_watched_now());
        assert_eq!(
            status(&routes, "127.0.0.1", "localhost", "/cluster.json"),
            200
        );
        assert!(routes.board.is_watched_now());
    }
}
