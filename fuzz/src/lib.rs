//! What must hold whatever bytes come: one function for each kind of input from outside. The fuzzer
//! calls them with what it makes up, and `tests/daemon/fuzz_corpus.rs` with what it has kept.

use std::num::NonZeroUsize;

use storm_pacemaker::access::LoginStatus;
use storm_pacemaker::auth::secret::Secret;
use storm_pacemaker::auth::{Authenticator, Credentials, DigestCredentials, jaas};
use storm_pacemaker::config::{self, Cores};
use storm_pacemaker::session::{LoginContext, Received, Session};
use storm_pacemaker::wire::message;
use storm_pacemaker::wire::{FrameError, FrameReader};

/// Bytes of the largest frame; small, so that the fuzzer finds both sides of it.
const FRAME_BYTES: u32 = 4096;
const LOGIN_BYTES: u64 = 64 * 1024;

/// A peer's bytes, in two cuts: as one chunk, and in chunks as long as the first byte says. Both give
/// the same frames; each is a message or an error, and none makes a guest a user.
pub fn frames(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let whole = cut_into_frames(&[bytes]);
    let chunks: Vec<&[u8]> = bytes.chunks(usize::from(*cut).max(1)).collect();
    let (frames, error) = cut_into_frames(&chunks);
    assert_eq!(
        whole,
        (frames.clone(), error),
        "the cut makes no difference"
    );

    let authenticator = authenticator();
    for authenticator in [None, Some(&authenticator)] {
        let mut session = match authenticator {
            None => Session::without_login(),
            Some(_) => Session::with_login(),
        };
        for frame in &frames {
            let Ok(message) = message::decode(frame) else {
                break;
            };
            let mut out = Vec::new();
            let login = LoginContext {
                authenticator,
                max_bytes: LOGIN_BYTES,
                out: &mut out,
            };
            match session.receive(message, login) {
                Ok(Received::Request(_) | Received::LoginStep) => {}
                Ok(Received::LoggedIn(who)) => panic!("{who:?} has guessed the nonce's hash"),
                Err(fault) => {
                    assert!(!fault.to_string().is_empty() && !fault.label().is_empty());
                    break;
                }
            }
            assert_ne!(session.login_status(), LoginStatus::LoggedIn);
        }
    }
}

fn cut_into_frames(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut reader = FrameReader::new(FRAME_BYTES);
    let mut frames = Vec::new();
    for chunk in chunks {
        let mut chunk = *chunk;
        while let Some(frame) = reader.next_from(&mut chunk) {
            match frame {
                Ok(body) => {
                    assert!(body.len() <= FRAME_BYTES as usize);
                    frames.push(body.to_vec());
                }
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(reader.buffered_bytes() <= FRAME_BYTES as usize + 4);
    }
    (frames, None)
}

/// A response to a DIGEST-MD5 challenge: `@NONCE@` in it becomes this login's nonce. None that does
/// not know the password is accepted, and what is refused is told without it.
pub fn digest(data: &[u8]) {
    let mut handshake = authenticator().begin();
    let mut challenge = Vec::new();
    handshake
        .step(None, &mut challenge)
        .expect("the challenge needs nothing");
    let challenge = String::from_utf8(challenge).expect("ASCII");
    let nonce = challenge
        .split("nonce=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a nonce");
    let response = replace(data, b"@NONCE@", nonce.as_bytes());
    let mut out = Vec::new();
    let failure = handshake
        .step(Some(&response), &mut out)
        .expect_err("nobody guesses the hash");
    assert!(out.is_empty(), "a failed login is told nothing");
    let told = format!("{failure} {failure:?} {}", failure.label());
    assert!(!told.contains(PASSWORD), "{told}");
}

const PASSWORD: &str = "Xq7-correct-horse";

fn authenticator() -> Authenticator {
    let credentials = Credentials::Digest(DigestCredentials::of(
        "pmuser",
        &Secret::new(PASSWORD.to_owned()),
    ));
    Authenticator::new(&credentials)
        .expect("good credentials")
        .expect("a method")
}

/// A JAAS file: read or refused at a place that is in the text; what it says never shows a value.
pub fn jaas(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let properties = jaas::Properties::from([("home".to_owned(), "/home/storm".to_owned())]);
    let problem = match jaas::parse("jaas.conf", text, &properties) {
        Err(problem) => problem,
        Ok(file) => {
            // Whichever it holds.
            let _ = jaas::digest(&file);
            match jaas::server(&file) {
                Ok(_) => return,
                Err(problem) => problem,
            }
        }
    };
    if let Some(at) = problem.position {
        let lines = text.split(['\n', '\r']).count();
        assert!((1..=lines + 1).contains(&at.line), "{problem}");
        assert!(
            (1..=text.chars().count() + 1).contains(&at.column),
            "{problem}"
        );
    }
    let told = problem.to_string();
    assert!(told.starts_with("jaas.conf"), "{told}");
    assert!(!told.contains(MARK) || !text.contains(MARK), "{told}");
}

/// Stands in the corpus's files where a secret would.
const MARK: &str = "S3CRET";

/// A storm.yaml: read or refused, and what is read is in its range.
pub fn storm_yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let cores = Cores {
        usable: NonZeroUsize::new(4).expect("four"),
        ids: vec![0, 1, 2, 3],
        are_ours: false,
    };
    match config::resolve_storm_yaml(text, &cores) {
        Err(errors) => assert!(errors.to_string().contains("storm.yaml"), "{errors}"),
        Ok(config) => {
            assert!((1..=256).contains(&config.server.shards.get()));
            assert!(config.limits.frame_bytes >= 1024);
            assert!(config.limits.output_bytes >= config.limits.frame_bytes as usize);
        }
    }
}

fn replace(data: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(data.len());
    let mut rest = data;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(what) {
            result.extend_from_slice(by);
            rest = after;
        } else {
            result.push(rest[0]);
            rest = &rest[1..];
        }
    }
    result
}
