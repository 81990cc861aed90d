//! Logins by hand: the frames of a login, and a client that logs in with DIGEST.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use storm_pacemaker::auth::DigestCredentials;
use storm_pacemaker::auth::digest_md5::Client as Digest;
use storm_pacemaker::auth::secret::Secret;
use tempfile::TempDir;

use super::client::{Client, Ended};
use super::frames::{self, NOT_AUTHORIZED};

pub const CONTROL_MESSAGE: i32 = 16;
pub const SASL_TOKEN: i32 = 17;

pub const USER: &str = "pmuser";
pub const PASSWORD: &str = "pmpass-correct-horse";

/// A scratch directory with the JAAS file that DIGEST needs.
pub struct DigestFiles {
    home: TempDir,
}

impl Default for DigestFiles {
    fn default() -> DigestFiles {
        DigestFiles::new()
    }
}

impl DigestFiles {
    pub fn new() -> DigestFiles {
        let files = DigestFiles {
            home: TempDir::new().expect("a directory"),
        };
        files.set_password(PASSWORD);
        files
    }

    pub fn jaas(&self) -> PathBuf {
        self.home.path().join("jaas.conf")
    }

    pub fn write(&self, text: &str) {
        std::fs::write(self.jaas(), text).expect("the JAAS file");
    }

    pub fn set_password(&self, password: &str) {
        self.write(&format!(
            "PacemakerDigest {{\n  username=\"{USER}\"\n  password=\"{password}\";\n}};\n"
        ));
    }

    /// The daemon's arguments, before others.
    pub fn arguments(&self, others: &[&str]) -> Vec<String> {
        let jaas = self.jaas();
        let own = ["-c", "auth.method=DIGEST", "--login-config"];
        let own = own.into_iter().map(str::to_owned);
        own.chain([jaas.to_str().expect("text").to_owned()])
            .chain(others.iter().map(|text| text.to_string()))
            .collect()
    }

    pub fn daemon(&self, others: &[&str]) -> super::Daemon {
        let arguments = self.arguments(others);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        super::Daemon::start(&arguments)
    }
}

// ── Frames ───────────────────────────────────────────────────────────────────────────────────────

fn blob(kind: i32, blob: &[u8]) -> Vec<u8> {
    let mut union = vec![11, 0, 7];
    union.extend_from_slice(&(blob.len() as i32).to_be_bytes());
    union.extend_from_slice(blob);
    frames::message(kind, &union, None)
}

pub fn control(code: i16) -> Vec<u8> {
    blob(CONTROL_MESSAGE, &code.to_be_bytes())
}

pub fn token(token: &[u8]) -> Vec<u8> {
    let mut bytes = (-500_i16).to_be_bytes().to_vec();
    bytes.extend_from_slice(&(token.len() as i32).to_be_bytes());
    bytes.extend_from_slice(token);
    blob(SASL_TOKEN, &bytes)
}

/// Asks for the first token.
pub fn ask_for_token() -> Vec<u8> {
    control(-202)
}

/// The token in a SASL_MESSAGE_TOKEN.
pub fn token_of(frame: &[u8]) -> Vec<u8> {
    use storm_pacemaker::wire::{Data, MessageType, control};
    let message = frames::decoded(frame);
    assert_eq!(message.kind, MessageType::SaslMessageToken, "{message:?}");
    let Some(Data::Blob(blob)) = message.data else {
        panic!("a token without a blob")
    };
    control::decode_token(blob).expect("a token").to_vec()
}

// ── Logins ───────────────────────────────────────────────────────────────────────────────────────

fn digest(password: &str) -> Digest {
    let credentials = DigestCredentials::of(USER, &Secret::new(password.to_owned()));
    Digest::new(&credentials, "cGFjZW1ha2VyLWNsaWVudA==")
}

/// The right response to a challenge.
pub fn response_to(challenge: &[u8], password: &str) -> Vec<u8> {
    digest(password).respond(challenge).expect("a challenge")
}

impl Client {
    /// Logs in with DIGEST, or tells how the daemon ended the connection.
    pub fn try_log_in(&mut self, password: &str) -> Result<(), Ended> {
        if !self.try_send(&ask_for_token()) {
            return Err(Ended::Reset);
        }
        let mut digest = digest(password);
        let challenge = token_of(&self.frame_or_end()?);
        let response = digest.respond(&challenge).expect("a challenge");
        if !self.try_send(&token(&response)) {
            return Err(Ended::Reset);
        }
        let last = token_of(&self.frame_or_end()?);
        digest.verify(&last).expect("the server knows the password");
        assert_eq!(self.read_frame(), control(-203));
        Ok(())
    }

    pub fn log_in(&mut self) {
        self.try_log_in(PASSWORD).expect("the login is good");
    }

    /// Whether a read is answered, rather than refused.
    pub fn may_read(&mut self) -> bool {
        let answer = self.ask(&frames::get("/nobody", 1));
        let kind = frames::kind_of(&answer);
        assert!(kind == NOT_AUTHORIZED || kind == frames::answer_to(frames::GET_PULSE));
        kind != NOT_AUTHORIZED
    }

    /// Whether a write is answered, rather than refused.
    pub fn may_write(&mut self) -> bool {
        self.try_put("/workerbeats/t/w", b"x") != NOT_AUTHORIZED
    }

    /// Whether a deletion is carried out, rather than refused.
    pub fn may_delete(&mut self, path: &str) -> bool {
        let answer = self.ask(&frames::about(frames::DELETE_PATH, path, 1));
        frames::kind_of(&answer) != NOT_AUTHORIZED
    }
}

/// A client that has asked for the first token, and has it if its turn has come.
pub fn half_logged_in(from: IpAddr, to: SocketAddr) -> Client {
    let mut client = Client::connect_from(from, to);
    client.try_send(&ask_for_token());
    client
}
