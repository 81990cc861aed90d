//! Runs our mechanisms under rsasl. A mechanism is an [`Exchange`]. rsasl starts mechanisms with plain
//! functions, so an exchange gets its settings with its first token, through the callback. The mechanism
//! says who the peer is; the callback's `validate` decides whether that peer may log in.

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

use super::digest_md5::{self, DigestExchange};
use super::{Credentials, Identity, LoginFailure};
#[cfg(feature = "kerberos")]
use super::{KerberosCredentials, authorization, kerberos};

/// The server's side of one login.
pub(super) trait Exchange: Send {
    /// Takes the peer's next token and appends the answer to `out`. `None`: the peer asks the server
    /// to send the first token.
    fn step(&mut self, token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Step, LoginFailure>;
}

/// The result of one token.
pub(super) enum Step {
    /// Send `out`; another token must come.
    Continue,
    /// The peer has proven who it is. Send `out` if it is not empty.
    Done(ProvenPeer),
}

/// Who the peer has proven to be, and who it asks to log in as (RFC 4422, 3.4.1).
pub(super) struct ProvenPeer {
    pub(super) name: String,
    pub(super) authorization_id: String,
}

/// Starts logins with the credentials of one shard.
pub struct Authenticator {
    config: Arc<SASLConfig>,
    mechanism: &'static Mechname,
}

/// One login in progress.
pub struct Handshake {
    session: Session<Verdict>,
    mechanism: &'static Mechname,
}

/// The state of a login after a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Another token must come.
    Continue,
    Done(Identity),
}

impl Authenticator {
    /// Returns `None` if the login method is NONE.
    ///
    /// # Errors
    /// The credentials cannot be used: a sentence for the operator.
    pub fn new(credentials: &Credentials) -> Result<Option<Authenticator>, String> {
        match credentials {
            Credentials::None => Ok(None),
            Credentials::Digest(credentials) => {
                let key = Arc::new(digest_md5::Key::new(credentials));
                let callback = Callback {
                    new_exchange: Box::new(move || Box::new(DigestExchange::new(key.clone()))),
                    // Any name is accepted: only the password counts.
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
                    new_exchange: Box::new(move || Box::new(acceptor.begin())),
                    authorize: Box::new(move |name, wanted| {
                        authorization::authorize(name, wanted, &users, &own_realm, &realms)
                    }),
                };
                Ok(Some(Authenticator::of(GSSAPI, callback)))
            }
            #[cfg(not(feature = "kerberos"))]
            Credentials::Kerberos(_) => Err(super::NO_KERBEROS.to_owned()),
        }
    }

    fn of(mechanism: &'static Mechname, callback: Callback) -> Authenticator {
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(MECHANISMS))
            .with_callback(callback)
            .expect("a server needs nothing but a callback");
        Authenticator { config, mechanism }
    }

    /// Whether the server sends the first token, once the peer asks for it. Otherwise the peer sends
    /// the first token unasked.
    pub(crate) fn is_server_first(&self) -> bool {
        self.mechanism == DIGEST_MD5
    }

    /// Starts a login.
    pub fn begin(&self) -> Handshake {
        let session = SASLServer::new(self.config.clone())
            .start_suggested(self.mechanism)
            .expect("the mechanism is in the registry");
        Handshake {
            session,
            mechanism: self.mechanism,
        }
    }
}

impl Handshake {
    /// Bytes of memory that it takes at most, `token_bytes` of its peer's tokens being in it.
    pub(crate) fn memory_bytes(&self, token_bytes: usize) -> usize {
        if self.mechanism == GSSAPI {
            KERBEROS_MEMORY_BYTES + token_bytes
        } else {
            DIGEST_MEMORY_BYTES
        }
    }

    /// Takes the peer's next token and appends the answer to `out`. `None`: the peer asks the server
    /// to send the first token.
    ///
    /// # Errors
    /// The login has failed. Every further step fails too.
    pub fn step(
        &mut self,
        token: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Progress, LoginFailure> {
        match self.session.step(token, out).map_err(failure)? {
            State::Running => Ok(Progress::Continue),
            State::Finished(_) => match self.session.validation() {
                Some(verdict) => verdict.map(Progress::Done),
                None => Err(LoginFailure::Internal("no verdict was given".to_owned())),
            },
        }
    }
}

/// Recovers the failure that one of our mechanisms wrapped in rsasl's error.
fn failure(error: SessionError) -> LoginFailure {
    match error {
        SessionError::MechanismError(error) => {
            let error: Box<dyn std::error::Error> = error;
            match error.downcast::<LoginFailure>() {
                Ok(failure) => *failure,
                Err(error) => LoginFailure::Internal(error.to_string()),
            }
        }
        other => LoginFailure::Internal(other.to_string()),
    }
}

/// Bytes of memory of a login: rsasl's session and ours, and for Kerberos the library's context, whose parts
/// the library allocates by itself.
const DIGEST_MEMORY_BYTES: usize = 256;
const KERBEROS_MEMORY_BYTES: usize = 16 * 1024;

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
    /// `None` before the first token. The mutex is never locked: it makes the adapter `Sync`, which
    /// rsasl demands.
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
                let exchange =
                    session.need_with::<NewExchange, _, _>(&NoProperties, |new| Ok(new()))?;
                self.exchange.insert(Mutex::new(exchange))
            }
        };
        let exchange = exchange
            .get_mut()
            .expect("the mutex is never locked, so it cannot be poisoned");
        let mut out = Vec::new();
        let step = exchange.step(input, &mut out)?;
        writer.write_all(&out)?;
        match step {
            Step::Continue => Ok(State::Running),
            Step::Done(peer) => {
                session.validate(&PeerProperties(&peer))?;
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

/// Who the peer has proven to be, for the callback to judge.
struct PeerProperties<'a>(&'a ProvenPeer);

impl<'a> Provider<'a> for PeerProperties<'a> {
    fn provide(&self, request: &mut Demand<'a>) -> DemandReply<()> {
        request
            .provide_ref::<AuthId>(&self.0.name)?
            .provide_ref::<AuthzId>(&self.0.authorization_id)?
            .done()
    }
}

struct NoProperties;

impl Provider<'_> for NoProperties {
    fn provide(&self, request: &mut Demand<'_>) -> DemandReply<()> {
        request.done()
    }
}

/// The property through which an adapter gets its exchange.
struct NewExchange;

type NewExchangeFn = dyn Fn() -> Box<dyn Exchange> + Send + Sync;

impl Property<'_> for NewExchange {
    type Value = NewExchangeFn;
}

/// Who has logged in, or why that peer may not.
struct Verdict;

impl Validation for Verdict {
    type Value = Result<Identity, LoginFailure>;
}

type AuthorizeFn = dyn Fn(&str, &str) -> Result<Identity, LoginFailure> + Send + Sync;

struct Callback {
    new_exchange: Box<NewExchangeFn>,
    /// Takes the proven name and the authorization id.
    authorize: Box<AuthorizeFn>,
}

impl SessionCallback for Callback {
    fn callback(
        &self,
        _session: &SessionData,
        _context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        request.satisfy::<NewExchange>(&*self.new_exchange)?;
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
        let wanted = context.get_ref::<AuthzId>().unwrap_or(name);
        validate.finalize::<Verdict>((self.authorize)(name, wanted));
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
