//! The server's side of the exchange (RFC 4752, 3.2), as a state machine: tokens in, tokens out. Like
//! Storm's daemon, it offers no security layer.

use std::mem;
use std::sync::Arc;

use libgssapi::context::{SecurityContext, ServerCtx};

use super::super::LoginFailure;
use super::super::mechanism::{Exchange, ProvenPeer, Step};
use super::{Service, message, name_text, token_failure};

/// No security layer, and the largest message that we would accept in one: 65 536 bytes, as Java
/// offers.
const OFFER: [u8; 4] = [NO_LAYER, 1, 0, 0];
const NO_LAYER: u8 = 1;

/// One login.
pub(crate) struct KerberosExchange {
    state: ExchangeState,
    service: Arc<Service>,
}

enum ExchangeState {
    /// Waits for the client's ticket.
    New(ServerCtx),
    /// The client asked us to prove ourselves and has our proof. An empty token is next.
    Proven(Peer),
    /// The client has our offer. Its choice is next.
    Offered(Peer),
    /// Accepted or refused. Nothing may follow.
    Finished,
}

struct Peer {
    context: ServerCtx,
    name: String,
}

impl KerberosExchange {
    pub(super) fn new(context: ServerCtx, service: Arc<Service>) -> KerberosExchange {
        KerberosExchange {
            state: ExchangeState::New(context),
            service,
        }
    }
}

impl Exchange for KerberosExchange {
    fn step(&mut self, token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        let Some(token) = token else {
            self.state = ExchangeState::Finished;
            return Err(LoginFailure::OutOfOrder(
                "with Kerberos the client sends the first token",
            ));
        };
        match mem::replace(&mut self.state, ExchangeState::Finished) {
            ExchangeState::New(context) => {
                let (mut peer, proof) = accept(context, token, &self.service)?;
                if proof.is_empty() {
                    peer.offer(out)?;
                    self.state = ExchangeState::Offered(peer);
                } else {
                    out.extend_from_slice(&proof);
                    self.state = ExchangeState::Proven(peer);
                }
                Ok(Step::Continue)
            }
            ExchangeState::Proven(mut peer) => {
                if !token.is_empty() {
                    let why = "the client must acknowledge our proof with an empty token";
                    return Err(LoginFailure::OutOfOrder(why));
                }
                peer.offer(out)?;
                self.state = ExchangeState::Offered(peer);
                Ok(Step::Continue)
            }
            ExchangeState::Offered(peer) => peer.judge(token).map(Step::Done),
            ExchangeState::Finished => Err(LoginFailure::OutOfOrder("the login has already ended")),
        }
    }
}

/// Accepts the client's ticket. Returns whose it is, and our proof if the client asks for one.
fn accept(
    mut context: ServerCtx,
    token: &[u8],
    service: &Service,
) -> Result<(Peer, Vec<u8>), LoginFailure> {
    let proof = context.step(token, None).map_err(token_failure)?;
    // A client may delegate its own tickets; we do not need them.
    drop(context.take_delegated_cred());
    if !context.is_complete() {
        // DCE style, a variant of Microsoft's that SASL does not have.
        return Err(LoginFailure::Malformed(
            "the client asks for a ticket exchange of three messages",
        ));
    }
    let target = name_text(context.target_name()).map_err(LoginFailure::BadTicket)?;
    if !service.is_target(&target) {
        return Err(LoginFailure::OtherService(target));
    }
    let name = name_text(context.source_name()).map_err(LoginFailure::BadTicket)?;
    let proof = proof.map(|proof| proof.to_vec()).unwrap_or_default();
    Ok((Peer { context, name }, proof))
}

impl Peer {
    /// Writes the offer: the layers that the client may choose from.
    fn offer(&mut self, out: &mut Vec<u8>) -> Result<(), LoginFailure> {
        let offer = self
            .context
            .wrap(false, &OFFER)
            .map_err(|error| LoginFailure::Internal(message(error)))?;
        out.extend_from_slice(&offer);
        Ok(())
    }

    /// Checks the client's choice: a layer, the largest message that it would accept, and who it asks to
    /// log in as.
    fn judge(mut self, token: &[u8]) -> Result<ProvenPeer, LoginFailure> {
        let choice = self.context.unwrap(token);
        let choice = choice.map_err(token_failure)?;
        // The size means nothing without a layer. Java ignores it too.
        let Some(([layer, _, _, _], identity)) = choice.split_first_chunk::<4>() else {
            return Err(LoginFailure::Malformed(
                "the client's choice must begin with a layer and a size",
            ));
        };
        if *layer != NO_LAYER {
            return Err(LoginFailure::Malformed(
                "the client must choose the layer that was offered: none",
            ));
        }
        let Ok(identity) = std::str::from_utf8(identity) else {
            return Err(LoginFailure::Malformed(
                "the name that the client asks to log in as must be UTF-8",
            ));
        };
        let authorization_id = match identity {
            "" => self.name.clone(),
            identity => identity.to_owned(),
        };
        Ok(ProvenPeer {
            name: self.name,
            authorization_id,
        })
    }
}
