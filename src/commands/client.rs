//! Sends requests to a server in batches and matches the answers by their ids.

use std::time::{Duration, Instant};

use super::error::{Attempt, CommandError, FailedRequest, RequestError};
use super::server::ServerName;
use crate::blocking_client::BlockingClient;
use crate::client_login::ClientMethod;
use crate::limits;
use crate::wire::Data;
use crate::wire::message::{self, Message, MessageType};

/// How to reach a server and what to expect of it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub server: ServerName,
    pub login: Option<ClientMethod>,
    /// For the connection, for the login, and between two answers.
    pub timeout: Duration,
    /// The timeout is for all of these together.
    pub(crate) is_total_timeout: bool,
    /// Bytes of the largest answer's body.
    pub frame_bytes: u32,
}

#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    connection: BlockingClient,
    next_id: i32,
    /// When everything must be done, if the timeout is for all together.
    end: Option<Instant>,
}

impl Client {
    /// Connects, and logs in if the target has a method.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the login.
    pub(super) fn connect(target: Target) -> Result<Client, CommandError> {
        let deadline = Instant::now() + target.timeout;
        let addresses = target.server.resolve(target.timeout);
        let connection = addresses.and_then(|addresses| {
            let connected = BlockingClient::connect(&addresses, deadline, target.frame_bytes);
            connected.map_err(RequestError::Connection)
        });
        let connection = connection.map_err(|error| target.failed(Attempt::Connect, error))?;
        let mut client = Client {
            end: target.is_total_timeout.then_some(deadline),
            target,
            connection,
            next_id: 0,
        };
        if let Some(method) = &client.target.login {
            let deadline = client.deadline();
            let logged_in = client.connection.log_in(method, deadline);
            logged_in.map_err(|error| client.target.failed(Attempt::LogIn, error.into()))?;
        }
        Ok(client)
    }

    pub(super) fn server(&self) -> &ServerName {
        &self.target.server
    }

    /// All bytes that have come on this connection.
    pub(super) fn received_bytes(&self) -> u64 {
        self.connection.received_bytes()
    }

    /// Sends the same request for every path. `each` takes the index of a path and the data of its
    /// answer, and returns `None` if an answer to this request cannot have such data.
    ///
    /// # Errors
    /// The server does not answer all of them, or refuses one.
    pub(super) fn ask(
        &mut self,
        kind: MessageType,
        paths: &[&str],
        each: &mut dyn FnMut(usize, Option<Data<'_>>) -> Option<()>,
    ) -> Result<(), CommandError> {
        let mut first = 0;
        while first < paths.len() {
            let batch = &paths[first..][..batch_len(&paths[first..])];
            let mut about = 0;
            self.ask_batch(kind, batch, &mut about, &mut |index, data| {
                each(first + index, data)
            })
            .map_err(|error| {
                let path = batch[about].to_owned();
                self.target.failed(Attempt::Request { kind, path }, error)
            })?;
            first += batch.len();
        }
        Ok(())
    }

    /// One batch. `about` is the index of the path that an error is about.
    fn ask_batch(
        &mut self,
        kind: MessageType,
        paths: &[&str],
        about: &mut usize,
        each: &mut dyn FnMut(usize, Option<Data<'_>>) -> Option<()>,
    ) -> Result<(), RequestError> {
        let base = self.next_id;
        self.next_id = (base + paths.len() as i32) & (i32::MAX >> 1);
        let mut out = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            message::encode_path(&mut out, kind, path, base + index as i32);
        }
        let mut deadline = self.deadline();
        self.connection.send(&out, deadline)?;
        let mut open = vec![true; paths.len()];
        while let Some(oldest) = open.iter().position(|open| *open) {
            *about = oldest;
            let body = self.connection.receive(deadline)?;
            let Message {
                kind: got,
                data,
                id,
            } = message::decode(&body).map_err(RequestError::BadMessage)?;
            // Storm's daemon says twice that a login is complete.
            if matches!(
                got,
                MessageType::ControlMessage | MessageType::SaslMessageToken
            ) {
                continue;
            }
            let index = usize::try_from(id.wrapping_sub(base)).ok();
            let Some(index) = index.filter(|index| open.get(*index) == Some(&true)) else {
                return Err(RequestError::WrongAnswer(got));
            };
            *about = index;
            if got == MessageType::NotAuthorized {
                let logged_in = self.target.login.is_some();
                return Err(RequestError::Refused { logged_in });
            }
            if got as i32 != kind as i32 + 1 || each(index, data).is_none() {
                return Err(RequestError::WrongAnswer(got));
            }
            open[index] = false;
            deadline = self.deadline();
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        self.end
            .unwrap_or_else(|| Instant::now() + self.target.timeout)
    }
}

impl Target {
    fn failed(&self, attempt: Attempt, error: RequestError) -> CommandError {
        CommandError::Request(Box::new(FailedRequest {
            server: self.server.clone(),
            timeout: self.timeout,
            attempt,
            error,
        }))
    }
}

/// How many of the paths make the next batch: few enough that the server accepts all of them before
/// anyone must read an answer.
fn batch_len(paths: &[&str]) -> usize {
    let mut bytes = 0;
    let fits = |path: &&&str| {
        bytes += path.len();
        bytes <= limits::COMMAND_BATCH_BYTES
    };
    let fitting = paths.iter().take_while(fits).count();
    fitting.clamp(1, limits::COMMAND_BATCH)
}
