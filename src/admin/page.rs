//! The web page: one document that contains its script and style, so that it needs no other host. Its
//! content security policy allows exactly that script and style, and data from this host.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

#[derive(Debug)]
pub(super) struct Page {
    html: Bytes,
    policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Page {
        let html = HTML.replace("{STYLE}", STYLE).replace("{SCRIPT}", SCRIPT);
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT),
        );
        Page {
            html: html.into(),
            policy: policy.try_into().expect("visible ASCII"),
        }
    }

    pub(super) fn html(&self) -> Bytes {
        self.html.clone()
    }

    pub(super) fn content_security_policy(&self) -> HeaderValue {
        self.policy.clone()
    }
}

/// How the policy names an inline script or style: by a hash of the text between its tags.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let page = Page::new();
        let html = std::str::from_utf8(&page.html).unwrap();
        assert!(html.contains(&format!("<style>{STYLE}</style>")));
        assert!(html.contains(&format!("<script>{SCRIPT}</script>")));
        for elsewhere in [
            "http:", "https:", "//cdn", "@import", "url(", " src=", "style=\"", "onclick",
        ] {
            assert!(!html.contains(elsewhere), "{elsewhere}");
        }
        // Peers choose the names: the script must set them as text, never as markup.
        for markup in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
        ] {
            assert!(!SCRIPT.contains(markup), "{markup}");
        }
    }
}
