//! The two sides of a login as processes of their own, because the Kerberos library takes its realm
//! and its tickets from the environment. The test binary runs itself again as a server or as a
//! client; they are asked over pipes, a line each way, tokens in hexadecimal digits.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_KRB5_PRINCIPAL};
use storm_pacemaker::auth::kerberos::{Client, ClientStep};
use storm_pacemaker::auth::{
    Authenticator, Credentials, Handshake, KerberosCredentials, LoginFailure, Progress, Realms,
};

use support::kdc::Kdc;

/// Says in the environment which side a child is.
const SIDE: &str = "KERBEROS_EXCHANGE_SIDE";
/// What a line of ours begins with, among those of the test framework.
const MARK: &str = "> ";

/// What a side has answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Continue(Vec<u8>),
    /// The client's last token, or who has logged in.
    Done(Vec<u8>),
    /// The failure's label and its sentence.
    Failed(String, String),
}

impl Answer {
    pub fn token(self) -> Vec<u8> {
        match self {
            Answer::Continue(token) | Answer::Done(token) => token,
            Answer::Failed(label, text) => panic!("{label}: {text}"),
        }
    }

    /// Who has logged in, or the failure's label.
    pub fn outcome(&self) -> String {
        match self {
            Answer::Continue(_) => "goes on".to_owned(),
            Answer::Done(name) => String::from_utf8_lossy(name).into_owned(),
            Answer::Failed(label, _) => label.clone(),
        }
    }
}

/// A side's process, which ends with this.
pub struct Side {
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Side {
    /// A server, or why it does not start.
    pub fn server(kdc: &Kdc, keytab: &Path, principal: &str) -> Result<Side, String> {
        Side::server_with(kdc, keytab, principal, &[])
    }

    pub fn server_with(
        kdc: &Kdc,
        keytab: &Path,
        principal: &str,
        env: &[(&str, &str)],
    ) -> Result<Side, String> {
        let mut command = Side::command(kdc, "server");
        command.env("KEYTAB", keytab).env("PRINCIPAL", principal);
        command.envs(env.iter().copied());
        let mut side = Side::start(command);
        match side.line() {
            ready if ready == "ready" => Ok(side),
            why => Err(why),
        }
    }

    pub fn client(kdc: &Kdc, cache: &Path) -> Side {
        let mut command = Side::command(kdc, "client");
        command.env("KRB5CCNAME", cache);
        Side::start(command)
    }

    /// A process that is a side, to be started.
    pub fn command(kdc: &Kdc, side: &str) -> Command {
        let program = std::env::current_exe().expect("this test");
        let mut command = kdc.command(program.to_str().expect("UTF-8"));
        command.args([
            "kerberos_exchange::side",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env(SIDE, side);
        command
    }

    fn start(mut command: Command) -> Side {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this test starts again");
        Side {
            to: child.stdin.take().expect("piped"),
            from: BufReader::new(child.stdout.take().expect("piped")).lines(),
            child,
        }
    }

    /// Begins another exchange.
    pub fn begin(&mut self, how: &str) {
        assert_eq!(self.ask(&format!("begin {how}")), "begun");
    }

    pub fn step(&mut self, token: Option<&[u8]>) -> Answer {
        let asked = match token {
            Some(token) => format!("step {}", to_hex(token)),
            None => "first".to_owned(),
        };
        answer(&self.ask(&asked))
    }

    /// A raw client's last token: the context's wrapping around any bytes.
    pub fn wrap(&mut self, encrypt: bool, bytes: &[u8]) -> Vec<u8> {
        let how = if encrypt { "seal" } else { "wrap" };
        answer(&self.ask(&format!("{how} {}", to_hex(bytes)))).token()
    }

    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").expect("it still runs");
        self.line()
    }

    fn line(&mut self) -> String {
        loop {
            let line = self.from.next().expect("an answer").expect("an answer");
            if let Some((_, line)) = line.split_once(MARK) {
                return line.to_owned();
            }
        }
    }

    pub fn memory_kib(&self) -> i64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    pub fn open_files(&self) -> Vec<String> {
        let directory = format!("/proc/{}/fd", self.child.id());
        let entries = std::fs::read_dir(directory).expect("it runs");
        let links = entries.map(|entry| std::fs::read_link(entry.expect("an entry").path()));
        let mut names: Vec<_> = links
            .map(|link| link.expect("a link").display().to_string())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(line: &str) -> Answer {
    let (kind, rest) = line.split_once(' ').expect("two words");
    match kind {
        "continue" => Answer::Continue(from_hex(rest)),
        "done" => Answer::Done(from_hex(rest)),
        "failed" => {
            let (label, text) = rest.split_once(' ').expect("two words");
            Answer::Failed(label.to_owned(), text.to_owned())
        }
        other => panic!("{other}"),
    }
}

pub fn credentials(keytab: &Path, principal: &str) -> Credentials {
    Credentials::Kerberos(KerberosCredentials {
        keytab: keytab.to_owned(),
        principal: principal.to_owned(),
        users: vec!["nimbus".to_owned()],
        realms: Realms::OwnAnd(Vec::new()),
    })
}

/// The entry of a process that is a side; returns at once in one that is not.
pub fn run() {
    match std::env::var(SIDE).as_deref() {
        Ok("server") => serve(),
        Ok("client") => be_client(),
        Ok("measure") => super::measure::run(),
        _ => (),
    }
}

fn serve() {
    let keytab = std::env::var_os("KEYTAB").expect("a keytab");
    let principal = std::env::var("PRINCIPAL").expect("a principal");
    let authenticator = match Authenticator::new(&credentials(Path::new(&keytab), &principal)) {
        Ok(authenticator) => authenticator.expect("there is something to log in to"),
        Err(why) => return say(&why),
    };
    say("ready");
    let mut handshake = authenticator.begin();
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.split_once(' ') {
            Some(("begin", _)) => {
                handshake = authenticator.begin();
                say("begun");
            }
            Some(("step", token)) => say(&step(&mut handshake, Some(&from_hex(token)))),
            _ => say(&step(&mut handshake, None)),
        }
    }
}

fn step(handshake: &mut Handshake, token: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    match handshake.step(token, &mut out) {
        Ok(Progress::Continue) => format!("continue {}", to_hex(&out)),
        Ok(Progress::Done(name)) => {
            assert!(out.is_empty(), "Storm has no place for a last token");
            format!("done {}", to_hex(name.as_bytes()))
        }
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &LoginFailure) -> String {
    format!("failed {} {failure}", failure.label())
}

/// `begin [mutual] SERVICE` is the crate's own client, `begin raw:FLAGS SERVICE` the bare library.
fn be_client() {
    let mut client = None;
    let mut raw: Option<ClientCtx> = None;
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let said = match (words.as_slice(), &mut raw, &mut client) {
            (["begin", "plain", service], ..) => {
                (raw, client) = (None, Some(Client::new(service, false).expect("a name")));
                "begun".to_owned()
            }
            (["begin", "mutual", service], ..) => {
                (raw, client) = (None, Some(Client::new(service, true).expect("a name")));
                "begun".to_owned()
            }
            (["begin", "spnego", service], ..) => {
                raw = Some(context(
                    service,
                    GSS_MECH_SPNEGO,
                    CtxFlags::GSS_C_INTEG_FLAG,
                ));
                "begun".to_owned()
            }
            (["begin", flags, service], ..) => {
                let flags = flags
                    .strip_prefix("raw:")
                    .expect("raw")
                    .parse()
                    .expect("flags");
                let flags = CtxFlags::from_bits_retain(flags);
                raw = Some(context(service, GSS_MECH_KRB5, flags));
                "begun".to_owned()
            }
            (["wrap", bytes], Some(raw), _) => wrapped(raw, false, bytes),
            (["seal", bytes], Some(raw), _) => wrapped(raw, true, bytes),
            (["step", token], Some(raw), _) => advance(raw, Some(&from_hex(token))),
            (["first"], Some(raw), _) => advance(raw, None),
            (["step", token], None, Some(client)) => client_step(client, Some(&from_hex(token))),
            (["first"], None, Some(client)) => client_step(client, None),
            other => panic!("{other:?}"),
        };
        say(&said);
    }
}

fn client_step(client: &mut Client, token: Option<&[u8]>) -> String {
    match client.step(token) {
        Ok(ClientStep::Continue(token)) => format!("continue {}", to_hex(&token)),
        Ok(ClientStep::Done(token)) => format!("done {}", to_hex(&token)),
        Err(failure) => failed(&failure),
    }
}

fn context(service: &str, mechanism: libgssapi::oid::Oid<'static>, flags: CtxFlags) -> ClientCtx {
    let name = Name::new(service.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)).expect("a name");
    ClientCtx::new(None, name, flags, Some(mechanism))
}

fn advance(context: &mut ClientCtx, token: Option<&[u8]>) -> String {
    match context.step(token, None) {
        Ok(token) => format!("continue {}", to_hex(token.as_deref().unwrap_or_default())),
        Err(error) => format!("failed gss {error}"),
    }
}

fn wrapped(context: &mut ClientCtx, encrypt: bool, bytes: &str) -> String {
    let token = context.wrap(encrypt, &from_hex(bytes)).expect("it wraps");
    format!("continue {}", to_hex(&token))
}

pub fn say(line: &str) {
    println!("{MARK}{line}");
}

fn to_hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("a string");
    }
    hex
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    digits
        .map(|pair| byte(pair).expect("hexadecimal"))
        .collect()
}
