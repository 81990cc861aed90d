//! What the server accepts and refuses, case by case. The hashes are computed a second time here, as
//! plainly as the RFC writes them, so that each refusal has the one reason that its case names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use sha2::Sha512;

use super::*;
use crate::auth::digest_md5::response::RESPONSE_BYTES;

/// What a client sends and hashes; by default the recorded response.
pub(super) struct Sent {
    user_and_password: &'static str,
    username: &'static str,
    realm: &'static str,
    nonce: &'static str,
    nonce_count: &'static str,
    cnonce: &'static str,
    digest_uri: &'static str,
    qop: &'static str,
    authorization_id: Option<&'static str>,
}

pub(super) const RIGHT: Sent = Sent {
    user_and_password: "pmuser:pmpass",
    username: USERNAME,
    realm: "default",
    nonce: NONCE,
    nonce_count: "00000001",
    cnonce: CNONCE,
    digest_uri: "null/default",
    qop: "auth",
    authorization_id: None,
};

impl Sent {
    fn token(&self) -> String {
        let Sent {
            username,
            realm,
            nonce,
            nonce_count,
            cnonce,
            digest_uri,
            qop,
            ..
        } = self;
        let authzid = match self.authorization_id {
            Some(id) => format!(",authzid=\"{id}\""),
            None => String::new(),
        };
        format!(
            "charset=utf-8,username=\"{username}\",realm=\"{realm}\",nonce=\"{nonce}\",\
             nc={nonce_count},cnonce=\"{cnonce}\",digest-uri=\"{digest_uri}\",maxbuf=65536,\
             response={},qop={qop}{authzid}",
            self.proof()
        )
    }

    /// RFC 2831, 2.1.2.1, for usernames of ASCII.
    pub(super) fn proof(&self) -> String {
        let Sent {
            username,
            realm,
            nonce,
            nonce_count,
            cnonce,
            digest_uri,
            qop,
            ..
        } = self;
        let md5 = |data: &[u8]| hex(&Md5::digest(data));
        let password = STANDARD.encode(hex(&Sha512::digest(self.user_and_password)));
        let mut a1 = Md5::digest(format!("{username}:{realm}:{password}")).to_vec();
        a1.extend_from_slice(format!(":{nonce}:{cnonce}").as_bytes());
        if let Some(id) = self.authorization_id {
            a1.extend_from_slice(format!(":{id}").as_bytes());
        }
        let mut a2 = format!("AUTHENTICATE:{digest_uri}");
        if *qop == "auth-int" || *qop == "auth-conf" {
            a2.push_str(":00000000000000000000000000000000");
        }
        let (a1, a2) = (md5(&a1), md5(a2.as_bytes()));
        md5(format!("{a1}:{nonce}:{nonce_count}:{cnonce}:{qop}:{a2}").as_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn right() -> String {
    RIGHT.token()
}

/// The right response with a piece of its text replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(right().contains(from), "{from}");
    right().replace(from, to)
}

fn and(more: &str) -> String {
    format!("{},{more}", right())
}

/// The right response with a directive left out that is not hashed, or whose absence hashes so.
fn without(directive: &str, hashed: &Sent) -> String {
    let token = hashed.token();
    let kept: Vec<_> = token
        .split(',')
        .filter(|part| part.split('=').next() != Some(directive))
        .collect();
    assert_eq!(kept.len(), token.split(',').count() - 1, "{directive}");
    kept.join(",")
}

#[test]
fn what_is_accepted() {
    #[rustfmt::skip]
    let cases: Vec<(&str, String)> = vec![
        ("the recorded response", right()),
        ("another username", Sent { username: "x", ..RIGHT }.token()),
        ("a username that Storm would not send", Sent { username: "no base64!", ..RIGHT }.token()),
        ("no qop", without("qop", &RIGHT)),
        ("no charset", without("charset", &RIGHT)),
        ("no maxbuf", without("maxbuf", &RIGHT)),
        ("authzid is the username", Sent { authorization_id: Some(USERNAME), ..RIGHT }.token()),
        ("an unknown directive", and("algorithm=md5-sess")),
        ("an unknown directive twice", and("x=1,x=\"2\"")),
        ("a cipher, which says nothing here", and("cipher=rc4")),
        ("digest-uri in another case", Sent { digest_uri: "NULL/Default", ..RIGHT }.token()),
        ("another cnonce", Sent { cnonce: "0", ..RIGHT }.token()),
        ("names in another case", with("nonce=", "NoNcE=")),
        ("white space for commas", with(",", " ")),
        ("white space everywhere", with(",", " ,\r\n\t").replace("nc=", "nc = ")),
        ("empty elements", format!(",,{},,", with(",", ",,"))),
        ("an escape that is not needed", with("=\"null/", "=\"n\\ull/")),
        ("a bare value for a quoted one", with("\"default\"", "default")),
        ("a quoted value for a bare one", with("65536", "\"65536\"")),
    ];
    for (case, token) in cases {
        let judged = judge(token.as_bytes());
        assert!(judged.is_ok(), "{case}: {judged:?}");
    }
    let long = format!(
        "{},x={}",
        right(),
        "y".repeat(RESPONSE_BYTES - right().len() - 3)
    );
    assert_eq!(long.len(), RESPONSE_BYTES);
    assert!(judge(long.as_bytes()).is_ok(), "the longest response");
}

#[test]
fn what_is_refused() {
    let response = RIGHT.proof();
    let upper = response.to_uppercase();
    let flipped = response.replacen('9', "8", 1);
    assert!(upper != response && flipped != response);
    let long = and(&format!("x={}", "y".repeat(RESPONSE_BYTES)));

    const MALFORMED: &str = "login_malformed";
    const WRONG: &str = "login_wrong_password";
    // The case, the response, the failure's label, and what its sentence must name.
    #[rustfmt::skip]
    let cases: Vec<(&str, String, &str, &str)> = vec![
        ("another password", Sent { user_and_password: "pmuser:other", ..RIGHT }.token(), WRONG, ""),
        ("another user of the JAAS file", Sent { user_and_password: "other:pmpass", ..RIGHT }.token(), WRONG, ""),
        ("no password", Sent { user_and_password: ":", ..RIGHT }.token(), WRONG, ""),
        ("hash in upper case", with(&response, &upper), MALFORMED, "response"),
        ("hash flipped", with(&response, &flipped), WRONG, ""),
        ("hash of another user", with(USERNAME, "x"), WRONG, ""),
        ("hash of another cnonce", with(CNONCE, "x"), WRONG, ""),
        ("hash of another case of digest-uri", with("null/default", "NULL/default"), WRONG, ""),
        ("hash without the authzid", and(&format!("authzid=\"{USERNAME}\"")), WRONG, ""),
        ("hash too short", with(&response, &response[..31]), MALFORMED, "response"),
        ("hash too long", with(&response, &format!("{response}0")), MALFORMED, "response"),
        ("hash no hex", with(&response, &"g".repeat(32)), MALFORMED, "response"),
        ("hash empty", with(&response, "\"\""), MALFORMED, "response"),
        ("no response", without("response", &RIGHT), MALFORMED, "response"),
        ("empty username", Sent { username: "", ..RIGHT }.token(), MALFORMED, "username"),
        ("no username", without("username", &Sent { username: "", ..RIGHT }), MALFORMED, "username"),
        ("other nonce", Sent { nonce: "AAAASYCX7kayUa7PHRWhjHclkNamIEcwCYeml2aT", ..RIGHT }.token(), MALFORMED, "nonce"),
        ("nonce cut short", Sent { nonce: &NONCE[..39], ..RIGHT }.token(), MALFORMED, "nonce"),
        ("empty nonce", Sent { nonce: "", ..RIGHT }.token(), MALFORMED, "nonce"),
        ("no nonce", without("nonce", &RIGHT), MALFORMED, "nonce"),
        ("nc 2", Sent { nonce_count: "00000002", ..RIGHT }.token(), MALFORMED, "nc"),
        ("nc 0", Sent { nonce_count: "00000000", ..RIGHT }.token(), MALFORMED, "nc"),
        ("nc short", Sent { nonce_count: "1", ..RIGHT }.token(), MALFORMED, "nc"),
        ("nc short, hashed long", with("00000001", "1"), MALFORMED, "nc"),
        ("no nc", without("nc", &RIGHT), MALFORMED, "nc"),
        ("other realm", Sent { realm: "other", ..RIGHT }.token(), MALFORMED, "realm"),
        ("realm in another case", Sent { realm: "Default", ..RIGHT }.token(), MALFORMED, "realm"),
        ("empty realm", Sent { realm: "", ..RIGHT }.token(), MALFORMED, "realm"),
        ("no realm", without("realm", &Sent { realm: "", ..RIGHT }), MALFORMED, "realm"),
        ("other host", Sent { digest_uri: "null/other", ..RIGHT }.token(), MALFORMED, "digest-uri"),
        ("other service", Sent { digest_uri: "storm/default", ..RIGHT }.token(), MALFORMED, "digest-uri"),
        ("a service name too", Sent { digest_uri: "null/default/x", ..RIGHT }.token(), MALFORMED, "digest-uri"),
        ("no digest-uri", without("digest-uri", &Sent { digest_uri: "", ..RIGHT }), MALFORMED, "digest-uri"),
        ("no cnonce", without("cnonce", &Sent { cnonce: "", ..RIGHT }), MALFORMED, "cnonce"),
        ("qop auth-int", Sent { qop: "auth-int", ..RIGHT }.token(), MALFORMED, "qop"),
        ("qop auth-conf", Sent { qop: "auth-conf", ..RIGHT }.token(), MALFORMED, "qop"),
        ("qop bogus", Sent { qop: "bogus", ..RIGHT }.token(), MALFORMED, "qop"),
        ("qop in another case", Sent { qop: "AUTH", ..RIGHT }.token(), MALFORMED, "qop"),
        ("qop empty", Sent { qop: "", ..RIGHT }.token(), MALFORMED, "qop"),
        ("charset other than utf-8", with("utf-8", "iso-8859-1"), MALFORMED, "charset"),
        ("maxbuf a word", with("65536", "many"), MALFORMED, "maxbuf"),
        ("maxbuf negative", with("65536", "-1"), MALFORMED, "maxbuf"),
        ("maxbuf empty", with("65536", ""), MALFORMED, "maxbuf"),
        ("other authzid", Sent { authorization_id: Some("admin"), ..RIGHT }.token(), MALFORMED, "authzid"),
        ("empty authzid", Sent { authorization_id: Some(""), ..RIGHT }.token(), MALFORMED, "authzid"),
        ("empty", String::new(), MALFORMED, "username"),
        ("white space", " \r\n\t,".to_owned(), MALFORMED, "username"),
        ("garbage", "\u{0}\u{1}\u{7f}GET / HTTP/1.1".to_owned(), MALFORMED, "\"=\""),
        ("the challenge itself", RECORDED[0].challenge(), MALFORMED, "username"),
        ("rspauth", RECORDED[0].last(), MALFORMED, "username"),
        ("a directive with no value", and("x"), MALFORMED, "\"=\""),
        ("a directive with no name", and("=x"), MALFORMED, "no name"),
        ("a quote that does not end", and("x=\"y"), MALFORMED, "quote"),
        ("more behind a quote", and("x=\"y\"z"), MALFORMED, "comma"),
        ("too long", long, MALFORMED, "4096"),
    ];
    for (case, token, label, named) in cases {
        let failure = judge(token.as_bytes()).expect_err(case);
        let sentence = failure.to_string();
        assert_eq!(failure.label(), label, "{case}: {sentence}");
        assert!(
            sentence.contains(&format!(" {named}")),
            "{case}: {sentence}"
        );
        for secret in ["pmpass", &response, NONCE] {
            assert!(!sentence.contains(secret), "{case}: {sentence}");
        }
    }
}

#[test]
fn a_known_directive_comes_once() {
    let token = right();
    let authzid = Sent {
        authorization_id: Some(USERNAME),
        ..RIGHT
    }
    .token();
    for (token, again) in token.split(',').map(|again| (&token, again)).chain([
        (&and("cipher=des"), "cipher=des"),
        (&authzid, "authzid=x"),
        (&token, "QOP=auth"),
    ]) {
        let failure = judge(format!("{token},{again}").as_bytes()).expect_err(again);
        let name = again.split('=').next().unwrap().to_lowercase();
        assert!(
            failure
                .to_string()
                .contains(&format!(" {name} must come only once")),
            "{failure}"
        );
    }
}

#[test]
fn usernames_are_of_the_charset_that_the_client_names() {
    let token = |username: &[u8], charset: &str, hashed: &[u8]| {
        let mut user = hashed.to_vec();
        user.extend_from_slice(b":default:");
        user.extend_from_slice(
            STANDARD
                .encode(hex(&Sha512::digest("pmuser:pmpass")))
                .as_bytes(),
        );
        let mut a1 = Md5::digest(user).to_vec();
        a1.extend_from_slice(format!(":{NONCE}:{CNONCE}").as_bytes());
        let (a1, a2) = (
            hex(&Md5::digest(a1)),
            hex(&Md5::digest("AUTHENTICATE:null/default")),
        );
        let proof = format!("{a1}:{NONCE}:00000001:{CNONCE}:auth:{a2}");
        let proof = hex(&Md5::digest(proof));
        let mut token = b"username=\"".to_vec();
        token.extend_from_slice(username);
        token.extend_from_slice(
            format!(
                "\",realm=\"default\",nonce=\"{NONCE}\",nc=00000001,cnonce=\"{CNONCE}\",\
                 digest-uri=\"null/default\",response={proof}{charset}"
            )
            .as_bytes(),
        );
        token
    };
    let name = |token: Vec<u8>| judge(&token).map(|(name, _)| name);
    let utf8 = ",charset=utf-8";
    let latin1 = b"k\xe4fer";
    assert_eq!(
        name(token("käfer".as_bytes(), utf8, latin1)).as_deref(),
        Ok("käfer")
    );
    assert_eq!(name(token(latin1, "", latin1)).as_deref(), Ok("käfer"));
    assert_eq!(
        name(token("łódź".as_bytes(), utf8, "łódź".as_bytes())).as_deref(),
        Ok("łódź")
    );
    let wrong = Err(LoginFailure::WrongPassword);
    assert_eq!(
        name(token("käfer".as_bytes(), utf8, "käfer".as_bytes())),
        wrong
    );
    let failure = name(token(latin1, utf8, latin1)).unwrap_err();
    assert!(
        failure.to_string().contains("username must be UTF-8"),
        "{failure}"
    );
}
