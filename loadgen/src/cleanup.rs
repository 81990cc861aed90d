//! Takes away what a run has left on the servers: the directories of its own topologies, and nothing
//! else. As Nimbus does, and so with its login.

use storm_pacemaker::wire::MessageType;

use crate::blocking_client::Connection;
use crate::plan::Plan;
use crate::settings::{Settings, Target};
use crate::storm;

/// Says on standard error where it could not.
pub fn clean_up(settings: &Settings, plan: &Plan) {
    for target in &settings.targets {
        if let Err(why) = delete_all(target, plan) {
            eprintln!("loadgen: pulses of this run stay on {}: {why}", target.name);
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
            MessageType::NotAuthorized => return Err("deleting them is not allowed".to_owned()),
            other => return Err(format!("it answers a deletion with {other:?}")),
        }
    }
    Ok(())
}
