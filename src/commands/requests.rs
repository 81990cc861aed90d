//! The protocol's requests, typed: what each asks for and what its answer holds.

use super::client::Client;
use super::error::CommandError;
use crate::wire::Data;
use crate::wire::message::{MessageType, Pulse};

impl Client {
    /// Sends CREATE_PATH, which changes nothing and needs no login.
    pub(super) fn create_path(&mut self, path: &str) -> Result<(), CommandError> {
        self.ask(MessageType::CreatePath, &[path], &mut |_, _| Some(()))
    }

    /// The names below a path.
    pub(super) fn names(&mut self, path: &str) -> Result<Vec<String>, CommandError> {
        let mut found = Vec::new();
        self.names_of(&[path], &mut |_, names| found = names)?;
        Ok(found)
    }

    /// The names below each of several paths, as they come.
    pub(super) fn names_of(
        &mut self,
        paths: &[&str],
        each: &mut dyn FnMut(usize, Vec<String>),
    ) -> Result<(), CommandError> {
        let kind = MessageType::GetAllNodesForPath;
        self.ask(kind, paths, &mut |index, data| match data {
            Some(Data::Nodes(names)) => {
                each(index, names.into_iter().map(Into::into).collect());
                Some(())
            }
            _ => None,
        })
    }

    /// Whether anything is stored under a path.
    pub(super) fn exists(&mut self, path: &str) -> Result<bool, CommandError> {
        let mut found = false;
        self.ask(MessageType::Exists, &[path], &mut |_, data| match data {
            Some(Data::Bool(exists)) => {
                found = exists;
                Some(())
            }
            _ => None,
        })?;
        Ok(found)
    }

    /// What is stored under a path.
    pub(super) fn pulse(&mut self, path: &str) -> Result<Option<Vec<u8>>, CommandError> {
        let mut found = None;
        self.pulses(&[path], &mut |_, details| {
            found = details.map(<[u8]>::to_vec);
        })?;
        Ok(found)
    }

    /// What is stored under each of several paths, as it comes.
    pub(super) fn pulses(
        &mut self,
        paths: &[&str],
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<(), CommandError> {
        self.ask(
            MessageType::GetPulse,
            paths,
            &mut |index, data| match data {
                Some(Data::Pulse(Pulse { details, .. })) => {
                    each(index, details);
                    Some(())
                }
                _ => None,
            },
        )
    }

    /// How many of these paths are keys.
    pub(super) fn existing(&mut self, paths: &[&str]) -> Result<usize, CommandError> {
        let mut found = 0;
        self.ask(MessageType::Exists, paths, &mut |_, data| match data {
            Some(Data::Bool(exists)) => {
                found += usize::from(exists);
                Some(())
            }
            _ => None,
        })?;
        Ok(found)
    }

    /// Sends DELETE_PULSE_ID, which deletes one key.
    pub(super) fn delete_key(&mut self, key: &str) -> Result<(), CommandError> {
        self.ask(MessageType::DeletePulseId, &[key], &mut |_, _| Some(()))
    }

    /// Sends DELETE_PATH, which deletes a path and everything below it.
    pub(super) fn delete_path(&mut self, path: &str) -> Result<(), CommandError> {
        self.ask(MessageType::DeletePath, &[path], &mut |_, _| Some(()))
    }

    /// Everything that is stored at and below a path. Returns false if the server does not answer with
    /// it: Storm's never does, and ours does not if the answer would be too large.
    pub(super) fn records(
        &mut self,
        path: &str,
        each: &mut dyn FnMut(&str, &[u8]),
    ) -> Result<bool, CommandError> {
        let mut answered = false;
        self.ask(MessageType::GetAllPulseForPath, &[path], &mut |_, data| {
            if let Some(data) = data {
                let Data::Records(records) = data else {
                    return None;
                };
                for record in &records {
                    each(&record.id, record.details.unwrap_or_default());
                }
                answered = true;
            }
            Some(())
        })?;
        Ok(answered)
    }
}
