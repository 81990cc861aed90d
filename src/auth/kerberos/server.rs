//! The server's side of the exchange (RFC 4752, 3.1), as a state machine: tokens in, tokens out.
//! Offers no security layer, as Storm's daemon does.

use std::mem;
use std::sync::Arc;

use libgssapi::context::{SecurityContext, ServerCtx};

use super::super::LoginFailure;
use super::super::mechanism::{Exchange, Shown, Step};
use super::{Service, refusal, said, text};

/// No security layer; and how large a message we would take in one, which Java offers too.
const OFFER: [u8; 4] = [NO_LAYER, 1, 0, 0];
const NO_LAYER: u8 = 1;

/// One login.
pub(crate) struct Server {
    state: State,
    service: Arc<Service>,
}

enum State {
    /// Before the client's ticket.
    Begun(ServerCtx),
    /// The client asked for a proof of us and has it; an empty token is next.
    Proven(Peer),
    /// The offer is made, the client's choice is next.
    Offered(Peer),
    /// Nothing may come any more, because of success or failure.
    Ended,
}

struct Peer {
    context: ServerCtx,
    name: String,
}

impl Server {
    pub(super) fn new(context: ServerCtx, service: Arc<Service>) -> Server {
        Server {
            state: State::Begun(context),
            service,
        }
    }
}

impl Exchange for Server {
    fn step(&mut self, token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        let Some(token) = token else {
            self.state = State::Ended;
            return Err(LoginFailure::OutOfOrder(
                "with Kerberos the client sends the first one",
            ));
        };
        match mem::replace(&mut self.state, State::Ended) {
            State::Begun(context) => {
                let (mut peer, proof) = accept(context, token, &self.service)?;
                if proof.is_empty() {
                    peer.offer(out)?;
                    self.state = State::Offered(peer);
                } else {
                    out.extend_from_slice(&proof);
                    self.state = State::Proven(peer);
                }
                Ok(Step::Continue)
            }
            State::Proven(mut peer) => {
                if !token.is_empty() {
                    let why = "not empty where the client only says that it has our proof";
                    return Err(LoginFailure::OutOfOrder(why));
                }
                peer.offer(out)?;
                self.state = State::Offered(peer);
                Ok(Step::Continue)
            }
            State::Offered(peer) => peer.judge(token).map(Step::Done),
            State::Ended => Err(LoginFailure::OutOfOrder("one after the login's end")),
        }
    }
}

/// Whose ticket it is, and our proof if the client wants one.
fn accept(
    mut context: ServerCtx,
    token: &[u8],
    service: &Service,
) -> Result<(Peer, Vec<u8>), LoginFailure> {
    let proof = context.step(token, None).map_err(refusal)?;
    // A client may hand over its own tickets; we have no use for them.
    drop(context.take_delegated_cred());
    if !context.is_complete() {
        // A variant of Microsoft's (DCE style) that SASL has no place for.
        return Err(LoginFailure::Malformed(
            "it asks for a third leg of the ticket's exchange",
        ));
    }
    let target = text(context.target_name()).map_err(LoginFailure::BadTicket)?;
    if !service.is_target(&target) {
        return Err(LoginFailure::OtherService(target));
    }
    let name = text(context.source_name()).map_err(LoginFailure::BadTicket)?;
    let proof = proof.map(|proof| proof.to_vec()).unwrap_or_default();
    Ok((Peer { context, name }, proof))
}

impl Peer {
    fn offer(&mut self, out: &mut Vec<u8>) -> Result<(), LoginFailure> {
        let offer = self
            .context
            .wrap(false, &OFFER)
            .map_err(|error| LoginFailure::Ours(said(error)))?;
        out.extend_from_slice(&offer);
        Ok(())
    }

    /// The client's choice: a layer, how large a message it would take, and whom it wants to be.
    fn judge(mut self, token: &[u8]) -> Result<Shown, LoginFailure> {
        let choice = self.context.unwrap(token);
        let choice = choice.map_err(refusal)?;
        // The size says nothing without a layer; Java does not look at it either.
        let Some(([layer, _, _, _], identity)) = choice.split_first_chunk::<4>() else {
            return Err(LoginFailure::Malformed(
                "no layer and size in the client's choice",
            ));
        };
        if *layer != NO_LAYER {
            return Err(LoginFailure::Malformed(
                "the client chose a layer that was not offered",
            ));
        }
        let Ok(identity) = std::str::from_utf8(identity) else {
            return Err(LoginFailure::Malformed(
                "whom the client wants to be is not UTF-8",
            ));
        };
        let authorization_id = match identity {
            "" => self.name.clone(),
            identity => identity.to_owned(),
        };
        Ok(Shown {
            name: self.name,
            authorization_id,
        })
    }
}
