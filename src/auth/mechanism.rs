//! Our mechanisms as rsasl runs them. A mechanism is an [`Exchange`]; it starts without settings, as
//! rsasl's start functions are plain, and gets them with its first token through the callback. The
//! mechanism says who the peer is; the callback's `validate` says whether that one may log in.

use std::fmt;
use std::sync::{Arc, Mutex};

use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::config::SASLConfig;
use rsasl::mechanism::{
    Authentication, Demand, DemandReply, MechanismData, Provider, SessionError,
};
use rsasl::mechname::Mechname;
use rsasl::prelude::{MessageSent, SASLServer, Session, State, Validation};
use rsasl::property::{AuthId, AuthzId, Property};
use rsasl::registry::{Mechanism, Registry, Side};
use rsasl::validate::{Validate, ValidationError};

use super::{Credentials, Identity, LoginFailure, digest_md5};
#[cfg(feature = "kerberos")]
use super::{KerberosCredentials, kerberos, principal};

/// The server's side of one login.
pub(super) trait Exchange: Send {
    /// Takes the peer's next token, `None` where the peer asks for the first one, and appends the
    /// answer to `out`.
    fn step(&mut self, token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Step, LoginFailure>;
}

/// What one token leads to.
pub(super) enum Step {
    /// `out` is to be sent; another token must come.
    Continue,
    /// The peer has shown who it is. `out` is to be sent if it is not empty.
    Done(Shown),
}

/// Whom the peer has shown to be, and who it wants to be.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) authorization_id: String,
}

/// Begins logins, with the credentials of one shard.
pub struct Authenticator {
    config: Arc<SASLConfig>,
    mechanism: &'static Mechname,
}

/// One login under way.
pub struct Handshake {
    session: Session<Login>,
}

/// Where a login stands after a token. The answer is in `out`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    Continue,
    Done(Identity),
}

impl Authenticator {
    /// `None` where there is nothing to log in to.
    ///
    /// # Errors
    /// The credentials cannot be used: why.
    pub fn new(credentials: &Credentials) -> Result<Option<Authenticator>, String> {
        match credentials {
            Credentials::None => Ok(None),
            Credentials::Digest(credentials) => {
                let key = Arc::new(digest_md5::Key::new(credentials));
                let callback = Callback {
                    begin: Box::new(move || Box::new(digest_md5::Server::new(key.clone()))),
                    // Any name will do: only the password counts.
                    authorize: Box::new(|name, _| Ok(name.into())),
                };
                Ok(Some(Authenticator::of(DIGEST_MD5, callback)))
            }
            #[cfg(feature = "kerberos")]
            Credentials::Kerberos(credentials) => {
                let acceptor = kerberos::Acceptor::new(credentials)?;
                let own_realm = acceptor.realm().to_owned();
                let KerberosCredentials { users, realms, .. } = credentials.clone();
                let callback = Callback {
                    begin: Box::new(move || Box::new(acceptor.begin())),
                    authorize: Box::new(move |name, asked| {
                        principal::authorize(name, asked, &users, &own_realm, &realms)
                    }),
                };
                Ok(Some(Authenticator::of(GSSAPI, callback)))
            }
            #[cfg(not(feature = "kerberos"))]
            Credentials::Kerberos(_) => Err("this build of storm-pacemaker has no Kerberos \
                 (cargo feature \"kerberos\")"
                .to_owned()),
        }
    }

    fn of(mechanism: &'static Mechname, callback: Callback) -> Authenticator {
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(MECHANISMS))
            .with_callback(callback)
            .expect("a callback is all that a server needs");
        Authenticator { config, mechanism }
    }

    /// Whether the peer asks for the first token; else it sends one unasked.
    pub fn is_server_first(&self) -> bool {
        self.mechanism == DIGEST_MD5
    }

    pub fn begin(&self) -> Handshake {
        let session = SASLServer::new(self.config.clone())
            .start_suggested(self.mechanism)
            .expect("it is in the registry");
        Handshake { session }
    }
}

impl Handshake {
    /// Takes the peer's next token, `None` where the peer asks for the first one.
    ///
    /// # Errors
    /// The login has failed; there is no further step.
    pub fn step(
        &mut self,
        token: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Progress, LoginFailure> {
        match self.session.step(token, out).map_err(failure)? {
            State::Running => Ok(Progress::Continue),
            State::Finished(_) => match self.session.validation() {
                Some(verdict) => verdict.map(Progress::Done),
                None => Err(LoginFailure::Ours("nobody has judged it".to_owned())),
            },
        }
    }
}

/// rsasl's error, as the failure that a mechanism of ours made it of.
fn failure(error: SessionError) -> LoginFailure {
    match error {
        SessionError::MechanismError(error) => {
            let error: Box<dyn std::error::Error> = error;
            match error.downcast::<LoginFailure>() {
                Ok(failure) => *failure,
                Err(error) => LoginFailure::Ours(error.to_string()),
            }
        }
        other => LoginFailure::Ours(other.to_string()),
    }
}

const DIGEST_MD5: &Mechname = Mechname::const_new_unchecked(b"DIGEST-MD5");
const GSSAPI: &Mechname = Mechname::const_new_unchecked(b"GSSAPI");

static MECHANISMS: &[Mechanism] = &[
    mechanism(DIGEST_MD5, Side::Server),
    mechanism(GSSAPI, Side::Client),
];

const fn mechanism(name: &'static Mechname, first: Side) -> Mechanism {
    Mechanism::build(
        name,
        0,
        None,
        Some(|_| Ok(Box::new(Adapter::default()))),
        first,
        |_| None,
        |_| true,
    )
}

/// An exchange behind rsasl's trait.
#[derive(Default)]
struct Adapter {
    /// None before the first token. The mutex is never locked: it makes `Sync`, which rsasl asks for.
    exchange: Option<Mutex<Box<dyn Exchange>>>,
}

impl Authentication for Adapter {
    fn step(
        &mut self,
        session: &mut MechanismData<'_, '_>,
        input: Option<&[u8]>,
        writer: &mut dyn std::io::Write,
    ) -> Result<State, SessionError> {
        let exchange = match &mut self.exchange {
            Some(exchange) => exchange,
            None => {
                let begun = session.need_with::<Begin, _, _>(&Nothing, |begin| Ok(begin()))?;
                self.exchange.insert(Mutex::new(begun))
            }
        };
        let exchange = exchange.get_mut().expect("nobody panics with it");
        let mut out = Vec::new();
        let step = exchange.step(input, &mut out)?;
        writer.write_all(&out)?;
        match step {
            Step::Continue => Ok(State::Running),
            Step::Done(shown) => {
                session.validate(&Claim(&shown))?;
                let sent = if out.is_empty() {
                    MessageSent::No
                } else {
                    MessageSent::Yes
                };
                Ok(State::Finished(sent))
            }
        }
    }
}

/// What an exchange has shown, for the callback to judge.
struct Claim<'a>(&'a Shown);

impl<'a> Provider<'a> for Claim<'a> {
    fn provide(&self, request: &mut Demand<'a>) -> DemandReply<()> {
        request
            .provide_ref::<AuthId>(&self.0.name)?
            .provide_ref::<AuthzId>(&self.0.authorization_id)?
            .done()
    }
}

struct Nothing;

impl Provider<'_> for Nothing {
    fn provide(&self, request: &mut Demand<'_>) -> DemandReply<()> {
        request.done()
    }
}

/// The property by which an adapter gets its exchange.
struct Begin;

type BeginFn = dyn Fn() -> Box<dyn Exchange> + Send + Sync;

impl Property<'_> for Begin {
    type Value = BeginFn;
}

/// Who has logged in, if that one may.
struct Login;

impl Validation for Login {
    type Value = Result<Identity, LoginFailure>;
}

type AuthorizeFn = dyn Fn(&str, &str) -> Result<Identity, LoginFailure> + Send + Sync;

struct Callback {
    begin: Box<BeginFn>,
    /// Gets the name and the authorization id.
    authorize: Box<AuthorizeFn>,
}

impl SessionCallback for Callback {
    fn callback(
        &self,
        _session: &SessionData,
        _context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        request.satisfy::<Begin>(&*self.begin)?;
        Ok(())
    }

    fn validate(
        &self,
        _session: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let missing = ValidationError::MissingRequiredProperty;
        let name = context.get_ref::<AuthId>().ok_or(missing)?;
        let asked = context.get_ref::<AuthzId>().unwrap_or(name);
        validate.finalize::<Login>((self.authorize)(name, asked));
        Ok(())
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticator")
            .field(&self.mechanism)
            .finish()
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}
