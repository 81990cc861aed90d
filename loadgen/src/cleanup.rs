//! Deletes what a run has left on the servers: the directories of its own topologies and nothing else.
//! Nimbus deletes those in a cluster, so it logs in as Nimbus does.

use storm_pacemaker::wire::MessageType;

use crate::blocking_client::Connection;
use crate::plan::Plan;
use crate::settings::{Settings, Target};
use crate::storm;

/// Reports failures on standard error.
pub fn clean_up(settings: &Settings, plan: &Plan) {
    for target in &settings.targets {
        if let Err(why) = delete_all(target, plan) {
            eprintln!(
                "loadgen: cannot delete the pulses of this run from {}: {why}",
                target.name
            );
        }
    }
}

fn delete_all(server: &Target, plan: &Plan) -> Result<(), String> {
    let mut connection = Connection::open(server.address)?;
    if let Some(method) = &server.logins.readers {
        let logged_in = connection.log_in(method);
        logged_in.map_err(|why| format!("the login failed: {why}"))?;
    }
    for (id, topology) in (0..).zip(&plan.topologies) {
        let path = format!("{}/{}", storm::WORKER_BEATS, topology.id);
        match connection.ask(MessageType::DeletePath, &path, id)? {
            MessageType::DeletePathResponse => {}
            MessageType::NotAuthorized => return Err("the server refused the deletion".to_owned()),
            other => return Err(format!("the server answered a deletion with {other:?}")),
        }
    }
    Ok(())
}
