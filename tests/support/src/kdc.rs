//! A real Kerberos realm on loopback: MIT's KDC as a child process over a database in a scratch
//! directory, and what its administrator and its users do with `kadmin.local`, `kinit` and `kvno`.
//! Nothing of the machine's own Kerberos is read or changed. The KDC never outlives its test.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::PATIENCE;

/// The realm that servers of tests are in, and the default one.
pub const REALM: &str = "STORM.TEST";
/// Its users reach services of [`REALM`]: that realm trusts it.
pub const FOREIGN_REALM: &str = "OTHER.TEST";
/// The service that a client asks for that dials `localhost`.
pub const SERVICE: &str = "pacemaker/localhost";

/// How far clocks may be apart, and so how old a token may be that was made for a login. Not Kerberos's
/// five minutes, for which an expired ticket would still be good.
const CLOCK_SKEW_SECONDS: u32 = 30;

/// The realm, and maybe the foreign one. Principals are named without a realm if it is [`REALM`].
pub struct Kdc {
    home: TempDir,
    realms: Vec<Realm>,
    clock_skew_seconds: u32,
}

impl Kdc {
    /// A realm without principals.
    pub fn start() -> Kdc {
        Kdc::serve(&[REALM])
    }

    /// Two realms with a KDC each.
    pub fn start_with_foreign_realm() -> Kdc {
        let kdc = Kdc::serve(&[REALM, FOREIGN_REALM]);
        // The key that both share is what makes the trust: both make it of the same password.
        let trust = format!("krbtgt/{REALM}@{FOREIGN_REALM}");
        for realm in &kdc.realms {
            kdc.administer_in(realm.name, &format!("addprinc -pw between-realms {trust}"));
        }
        kdc
    }

    fn serve(names: &[&'static str]) -> Kdc {
        let home = tempfile::tempdir().expect("a directory for the KDC");
        let mut kdc = Kdc {
            home,
            realms: names.iter().map(|name| Realm::new(name)).collect(),
            clock_skew_seconds: CLOCK_SKEW_SECONDS,
        };
        kdc.write_settings();
        for realm in &kdc.realms {
            // The stash lets the KDC open the database without being asked for the master password.
            let create = ["-r", realm.name, "create", "-s", "-P", "master"];
            kdc.run("kdb5_util", &create);
        }
        for index in 0..kdc.realms.len() {
            kdc.start_process(index);
        }
        kdc
    }

    /// Restarts the KDC with a clock that is `ahead_seconds` ahead (behind if negative) and with tickets of a
    /// minute. Those of a clock that is far behind have expired when they are made:
    /// `kinit` and the C library go by the KDC's clock, a server by its own. Java does not.
    pub fn set_clock(&mut self, ahead_seconds: i64) {
        for index in 0..self.realms.len() {
            self.realms[index].stop();
            self.realms[index].clock_ahead_seconds = ahead_seconds;
            self.start_process(index);
        }
    }

    /// Sets how far clocks may be apart, for processes that start afterwards.
    pub fn set_clock_skew(&mut self, seconds: u32) {
        self.clock_skew_seconds = seconds;
        self.write_settings();
    }

    /// A port that is free may be somebody else's a moment later: then another one is tried.
    fn start_process(&mut self, index: usize) {
        let mut said = String::new();
        for _ in 0..10 {
            self.write_settings();
            let mut command = self.command("krb5kdc");
            match self.realms[index].start(&mut command) {
                Ok(()) => return,
                Err(log) => said = log,
            }
            self.realms[index].port = free_port();
        }
        panic!("the KDC does not start; it said:\n{said}");
    }

    // ── What an administrator does ───────────────────────────────────────────────────────────────

    /// Adds a user or a service, with a random key.
    pub fn add(&self, principal: &str) {
        self.administer(&format!("addprinc -randkey {}", full(principal)));
    }

    /// Gives a principal a new key with the next version number. Keytabs keep the old one.
    pub fn change_key(&self, principal: &str) {
        self.administer(&format!("cpw -randkey {}", full(principal)));
    }

    /// Bounds the life of tickets that a principal gets, or that others get for it.
    pub fn limit_life(&self, principal: &str, seconds: u32) {
        let life = format!("-maxlife \"{seconds} seconds\"");
        self.administer(&format!("modprinc {life} {}", full(principal)));
    }

    /// Removes a principal. Tickets for it and of it stay valid, which the KDC cannot help.
    pub fn remove(&self, principal: &str) {
        self.administer(&format!("delprinc -force {}", full(principal)));
    }

    /// Writes the present keys of principals into a keytab, beside those that it has.
    pub fn write_keytab(&self, file: &str, principals: &[&str]) -> PathBuf {
        let path = self.path(file);
        for principal in principals {
            let principal = full(principal);
            let path = path.display();
            self.administer(&format!("ktadd -norandkey -k {path} {principal}"));
        }
        path
    }

    /// A keytab with one new principal: the usual way to begin.
    pub fn add_with_keytab(&self, principal: &str, file: &str) -> PathBuf {
        self.add(principal);
        self.write_keytab(file, &[principal])
    }

    /// One command of `kadmin.local`, which works on the database itself.
    fn administer(&self, command: &str) {
        let realm = command.rsplit_once('@').expect("a full principal").1;
        self.administer_in(realm, command);
    }

    fn administer_in(&self, realm: &str, command: &str) {
        // It exits with 0 whatever comes of the command, but for what it says on stderr.
        let said = self.run("kadmin.local", &["-r", realm, "-q", command]);
        let faults = said.lines().filter(|line| {
            !line.starts_with("No policy specified") && !line.starts_with("Authenticating as")
        });
        let faults: Vec<_> = faults.collect();
        assert!(faults.is_empty(), "kadmin.local {command}: {faults:?}");
    }

    // ── What a user does ─────────────────────────────────────────────────────────────────────────

    /// Gets a ticket-granting ticket into a new credential cache. `options` are further ones of
    /// `kinit`, such as `-l 3s`.
    pub fn log_in(&self, principal: &str, keytab: &Path, cache: &str, options: &[&str]) -> PathBuf {
        let path = self.path(cache);
        let keytab = keytab.to_str().expect("UTF-8");
        let name = full(principal);
        let fixed = ["-c", path.to_str().expect("UTF-8"), "-k", "-t", keytab];
        self.run("kinit", &[&fixed[..], options, &[name.as_str()]].concat());
        path
    }

    /// Adds a ticket for a service to a credential cache.
    pub fn fetch_ticket(&self, cache: &Path, service: &str) {
        let cache = cache.to_str().expect("UTF-8");
        self.run("kvno", &["-q", "-c", cache, &full(service)]);
    }

    // ── For child processes ──────────────────────────────────────────────────────────────────────

    /// What makes a process use this realm: of the C library. Java takes [`Kdc::settings`] alone.
    pub fn env(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("KRB5_CONFIG", self.settings()),
            ("KRB5_KDC_PROFILE", self.path("kdc.conf")),
            ("KRB5CCNAME", self.path("cache")),
            ("KRB5RCACHEDIR", self.path("replay")),
        ]
    }

    /// A command with that environment, and nothing else of Kerberos in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"KRB5") {
                command.env_remove(name);
            }
        }
        command.envs(self.env()).stdin(Stdio::null());
        // Debian keeps the administrator's programs where a user's path may not lead.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command
    }

    /// The file krb5.conf.
    pub fn settings(&self) -> PathBuf {
        self.path("krb5.conf")
    }

    /// Of a file in the scratch directory, which goes with the KDC.
    pub fn path(&self, file: &str) -> PathBuf {
        self.home.path().join(file)
    }

    /// Runs a command that must succeed, and returns what it said on stderr.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| {
            panic!("{program}: {error}; `make test` installs it");
        });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let status = output.status;
        assert!(
            status.success(),
            "{program} {arguments:?}: {status}: {said}"
        );
        said
    }

    fn write_settings(&self) {
        let home = self.home.path().display();
        let clock_skew_seconds = self.clock_skew_seconds;
        let (mut client, mut server) = (String::new(), String::new());
        for realm in &self.realms {
            let Realm { name, port, .. } = realm;
            // Asked for by a user's clock, a ticket's end would not be behind it.
            let max_life = match realm.clock_ahead_seconds {
                0 => "1d",
                _ => "60s",
            };
            write!(client, " {name} = {{\n  kdc = 127.0.0.1:{port}\n }}\n").expect("a string");
            // TCP only, where a port in use is told at once. One kind of key: enough, and quicker.
            write!(
                server,
                " {name} = {{\n  database_name = {home}/{name}.db\n  key_stash_file = {home}/{name}.stash\n  \
                 kdc_listen = \"\"\n  kdc_tcp_listen = 127.0.0.1:{port}\n  \
                 supported_enctypes = aes256-cts-hmac-sha1-96:normal\n  max_life = {max_life}\n }}\n"
            )
            .expect("a string");
        }
        // A process that is not told its keytab must not find the machine's.
        let settings = format!(
            "[libdefaults]\n default_realm = {REALM}\n clockskew = {clock_skew_seconds}\n \
             udp_preference_limit = 1\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
             dns_canonicalize_hostname = false\n rdns = false\n \
             default_keytab_name = FILE:{home}/no.keytab\n\
             [realms]\n{client}\
             [domain_realm]\n localhost = {REALM}\n\
             [capaths]\n {FOREIGN_REALM} = {{\n  {REALM} = .\n }}\n"
        );
        let profile = format!("[realms]\n{server}[logging]\n kdc = STDERR\n");
        fs::create_dir_all(self.path("replay")).expect("a directory");
        fs::write(self.settings(), settings).expect("a file");
        fs::write(self.path("kdc.conf"), profile).expect("a file");
    }
}

/// One realm and its KDC.
struct Realm {
    name: &'static str,
    port: u16,
    clock_ahead_seconds: i64,
    child: Option<Child>,
}

impl Realm {
    fn new(name: &'static str) -> Realm {
        Realm {
            name,
            port: free_port(),
            clock_ahead_seconds: 0,
            child: None,
        }
    }

    /// Starts the KDC and waits until it serves; else what it said.
    fn start(&mut self, command: &mut Command) -> Result<(), String> {
        let mut child = command
            .args(["-n", "-r", self.name])
            .args(["-T", &self.clock_ahead_seconds.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("krb5kdc starts; `make test` installs it");
        let (serves, log) = watch(child.stderr.take().expect("piped"));
        self.child = Some(child);
        if serves.recv_timeout(PATIENCE).is_ok() {
            return Ok(());
        }
        self.stop();
        Err(log.lock().expect("the log").clone())
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads a KDC's log to its end, and tells when it serves; the sender goes when it never will.
fn watch(log: impl Read + Send + 'static) -> (Receiver<()>, Arc<Mutex<String>>) {
    let (sender, serves) = channel();
    let kept: Arc<Mutex<String>> = Arc::default();
    let copy = kept.clone();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains("commencing operation") {
                let _ = sender.send(());
            }
            let mut copy = copy.lock().expect("the log");
            copy.push_str(&line);
            copy.push('\n');
        }
    });
    (serves, kept)
}

fn full(principal: &str) -> String {
    if principal.contains('@') {
        principal.to_owned()
    } else {
        format!("{principal}@{REALM}")
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
