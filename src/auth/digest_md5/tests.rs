//! The order of the steps, both sides together, and arbitrary tokens. `recorded` holds exchanges of
//! Storm and the JDK, and `verdicts` what the server accepts and refuses.

mod recorded;
mod verdicts;

use proptest::prelude::*;

use super::*;
use crate::auth::{Authenticator, Credentials, Progress};
use recorded::RECORDED;
use verdicts::{RIGHT, right};

const NONCE: &str = "8AsoSYCX7kayUa7PHRWhjHclkNamIEcwCYeml2aT";
const CNONCE: &str = "lp2bSvpyqqT3nGS/MJ5nQmYgUvoclTs4jawv8lvQ";
const USERNAME: &str = "cGFjZW1ha2VyLWNsaWVudA==";

fn credentials(username: &str, password: &str) -> DigestCredentials {
    DigestCredentials::of(username, &Secret::new(password.to_owned()))
}

fn ours() -> DigestCredentials {
    credentials("pmuser", "pmpass")
}

fn server() -> DigestExchange {
    DigestExchange::new(Arc::new(Key::new(&ours())))
}

/// A server that has sent the challenge of this nonce.
fn challenged(nonce: &str) -> DigestExchange {
    let mut server = server();
    server.challenge(Nonce::recorded(nonce), &mut Vec::new());
    server
}

/// What a server that has sent the recorded challenge makes of a response: who it is and the answer.
fn judge(token: &[u8]) -> Result<(String, Vec<u8>), LoginFailure> {
    finish(&mut challenged(NONCE), token)
}

fn finish(server: &mut DigestExchange, token: &[u8]) -> Result<(String, Vec<u8>), LoginFailure> {
    let mut out = Vec::new();
    match server.step(Some(token), &mut out) {
        Ok(Step::Done(peer)) => {
            assert_eq!(peer.name, peer.authorization_id);
            Ok((peer.name, out))
        }
        Ok(Step::Continue) => panic!("there is nothing to go on with"),
        Err(failure) => {
            assert!(out.is_empty(), "a refusal sends nothing");
            Err(failure)
        }
    }
}

// ── The order of things ──────────────────────────────────────────────────────────────────────────

fn out_of_order(server: &mut DigestExchange, token: Option<&[u8]>) -> bool {
    let mut out = Vec::new();
    let failure = server.step(token, &mut out).err();
    out.is_empty() && matches!(failure, Some(LoginFailure::OutOfOrder(_)))
}

#[test]
fn nothing_follows_the_end() {
    let token = right();
    let token = Some(token.as_bytes());
    let mut accepted = challenged(NONCE);
    assert!(accepted.step(token, &mut Vec::new()).is_ok());
    let mut refused = challenged(NONCE);
    assert!(refused.step(Some(b"x=y"), &mut Vec::new()).is_err());
    for mut server in [accepted, refused] {
        assert!(out_of_order(&mut server, token));
        assert!(out_of_order(&mut server, None));
    }
}

#[test]
fn a_login_is_one_challenge_and_one_response() {
    let token = right();
    let token = Some(token.as_bytes());
    let mut early = server();
    assert!(out_of_order(&mut early, token));
    assert!(out_of_order(&mut early, None), "nor has it a second try");

    let mut twice = server();
    assert!(twice.step(None, &mut Vec::new()).is_ok());
    assert!(out_of_order(&mut twice, None));
    assert!(out_of_order(&mut twice, token));
}

#[test]
fn a_replay_is_refused() {
    let mut server = server();
    let mut challenge = Vec::new();
    assert!(matches!(
        server.step(None, &mut challenge),
        Ok(Step::Continue)
    ));
    let failure = finish(&mut server, right().as_bytes()).unwrap_err();
    assert!(failure.to_string().contains("nonce must be"), "{failure}");
}

#[test]
fn nonces_differ() {
    let challenge = || {
        let mut out = Vec::new();
        assert!(matches!(server().step(None, &mut out), Ok(Step::Continue)));
        String::from_utf8(out).unwrap()
    };
    let (first, second) = (challenge(), challenge());
    assert_eq!(first.len(), RECORDED[0].challenge().len());
    assert_ne!(first, second);
}

// ── Both sides ───────────────────────────────────────────────────────────────────────────────────

/// One login of this client: what the server makes of it, and the client of that.
fn log_in(client: &mut Client) -> Result<String, LoginFailure> {
    let mut server = server();
    let mut challenge = Vec::new();
    server.step(None, &mut challenge)?;
    let token = client.respond(&challenge)?;
    let (name, last) = finish(&mut server, &token)?;
    client.verify(&last)?;
    Ok(name)
}

#[test]
fn client_and_server_agree() {
    for username in [USERNAME, "x", "käfer", "łódź", r#"\"quoted\\""#, "a, b=c"] {
        let mut client = Client::new(&ours(), username);
        assert_eq!(log_in(&mut client).as_deref(), Ok(username));
        assert_eq!(log_in(&mut client).as_deref(), Ok(username), "and again");
    }
    for (user, password) in [
        ("pmuser", "pmpas"),
        ("pmuse", "rpmpass"),
        ("", ""),
        ("pmuser:", "pmpass"),
    ] {
        let mut client = Client::new(&credentials(user, password), USERNAME);
        assert_eq!(
            log_in(&mut client),
            Err(LoginFailure::WrongPassword),
            "{user:?}"
        );
    }
}

/// As the session uses it: rsasl is between, and changes nothing.
#[test]
fn a_login_through_the_authenticator() {
    let authenticator = Authenticator::new(&Credentials::Digest(ours()))
        .unwrap()
        .unwrap();
    assert!(authenticator.is_server_first());
    let mut client = Client::new(&ours(), USERNAME);
    let (mut challenge, mut last) = (Vec::new(), Vec::new());
    let mut handshake = authenticator.begin();
    assert_eq!(handshake.step(None, &mut challenge), Ok(Progress::Continue));
    let token = client.respond(&challenge).unwrap();
    let done = Ok(Progress::Done(USERNAME.into()));
    assert_eq!(handshake.step(Some(&token), &mut last), done);
    assert_eq!(client.verify(&last), Ok(()));
    let more = handshake.step(Some(&token), &mut last);
    assert!(matches!(more, Err(LoginFailure::OutOfOrder(_))), "{more:?}");

    let mut replayed = authenticator.begin();
    assert_eq!(replayed.step(None, &mut challenge), Ok(Progress::Continue));
    let replay = replayed.step(Some(&token), &mut Vec::new());
    assert!(
        matches!(replay, Err(LoginFailure::Malformed(_))),
        "{replay:?}"
    );
}

#[test]
fn the_client_knows_an_impostor() {
    let mut client = Client::new(&ours(), USERNAME);
    let last = RECORDED[0].last();
    let early = client.verify(last.as_bytes());
    assert!(matches!(early, Err(LoginFailure::OutOfOrder(_))));

    let cnonce = Nonce::recorded(CNONCE);
    client
        .respond_with(RECORDED[0].challenge().as_bytes(), &cnonce)
        .unwrap();
    assert_eq!(client.verify(last.as_bytes()), Ok(()));
    let proof = format!("rspauth={}", RIGHT.proof());
    for other in [
        &last.replace('f', "e"),
        &last.to_uppercase(),
        "rspauth=",
        &proof,
    ] {
        assert_eq!(
            client.verify(other.as_bytes()),
            Err(LoginFailure::WrongPassword),
            "{other}"
        );
    }
    for none in ["", "rspauth", "response=x", &format!("{last},{last}")] {
        let verified = client.verify(none.as_bytes());
        assert!(
            matches!(verified, Err(LoginFailure::Malformed(_))),
            "{none}"
        );
    }
}

#[test]
fn the_client_takes_only_what_it_can_answer() {
    let right = RECORDED[0].challenge();
    let respond = |challenge: &str| Client::new(&ours(), USERNAME).respond(challenge.as_bytes());
    for challenge in [
        &right,
        &format!("{right},qop=\"auth-int, auth\",maxbuf=1,stale=false"),
    ] {
        assert!(respond(challenge).is_ok(), "{challenge}");
    }
    for (challenge, named) in [
        ("", "realm"),
        (&*right.replace("realm=", "x="), "realm"),
        (&*right.replace(",nonce=", ",x="), "nonce"),
        (&*right.replace("utf-8", "latin1"), "charset"),
        (&*right.replace("md5-sess", "md5"), "algorithm"),
        (&*format!("{right},qop=auth-conf"), "qop"),
        (&*format!("{right},realm=other"), "realm"),
        (&*format!("{right},x={}", "y".repeat(2048)), "2048"),
    ] {
        let failure = respond(challenge).unwrap_err();
        assert!(matches!(failure, LoginFailure::Malformed(_)), "{challenge}");
        assert!(
            failure.to_string().contains(named),
            "{challenge}: {failure}"
        );
    }
}

#[test]
fn nothing_prints_the_password() {
    let client = Client::new(&ours(), "x");
    assert_eq!(format!("{client:?}"), "Client { username: \"x\", .. }");
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_log_in(token: Vec<u8>) {
        prop_assert!(judge(&token).is_err());
        prop_assert!(Client::new(&ours(), "x").respond(&token).is_err());
    }

    /// Directives in any number and order, with values of all kinds.
    #[test]
    fn arbitrary_directives_do_not_log_in(
        directives in prop::collection::vec((
            "(username|realm|nonce|nc|cnonce|digest-uri|response|qop|charset|maxbuf|authzid|x)",
            "(default|null/default|auth|utf-8|00000001|[0-9a-f]{32}|\"[^\"]*\"|.*)",
        ), 0..14),
    ) {
        let token: Vec<_> = directives.iter().map(|(name, value)| format!("{name}={value}")).collect();
        prop_assert!(judge(token.join(",").as_bytes()).is_err());
    }

    /// The byte may be one that is not hashed, such as those of maxbuf; then the same user logs in.
    #[test]
    fn a_changed_byte_does_not_make_another_login(at in 0..310usize, byte: u8) {
        let mut token = right().into_bytes();
        let at = at % token.len();
        token[at] = byte;
        if let Ok((name, _)) = judge(&token) {
            prop_assert_eq!(name, USERNAME);
        }
    }
}
