//! A conformance script: requests that go out in one pipeline with unique ids, what each must be
//! answered, and what Storm's Java daemon does otherwise.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Client;
use super::frames::*;

/// How Java's answer to the same request differs from ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Java {
    Same,
    /// The same names, in the order of a hash map.
    Unsorted,
    /// Its answer is another one; why that is no loss.
    Differs(&'static str),
    /// It has no data where ours has; why that is no loss.
    WithoutData(&'static str),
}

#[derive(Clone)]
pub struct Step {
    pub what: String,
    pub request: Vec<u8>,
    pub expected: Vec<u8>,
    pub java: Java,
}

impl Step {
    /// The request's, which the answer must carry.
    pub fn id(&self) -> i32 {
        id_of(&self.expected)
    }
}

pub struct Script {
    pub name: &'static str,
    pub steps: Vec<Step>,
    /// Java's daemon dies of it; why.
    pub kills_java: Option<&'static str>,
}

/// A whole answer by the id that it carries.
pub type Answers = BTreeMap<i32, Vec<u8>>;

impl Script {
    pub fn new(name: &'static str) -> Script {
        Script {
            name,
            steps: Vec::new(),
            kills_java: None,
        }
    }

    /// The id of the next request; scripts number theirs from 1.
    pub fn next_id(&self) -> i32 {
        self.steps.len() as i32 + 1
    }

    pub fn step(&mut self, what: String, request: Vec<u8>, expected: Vec<u8>) -> &mut Step {
        self.steps.push(Step {
            what,
            request,
            expected,
            java: Java::Same,
        });
        self.steps.last_mut().expect("just added")
    }

    pub fn put(&mut self, path: impl AsRef<[u8]>, details: impl AsRef<[u8]>) -> &mut Step {
        let (what, id) = (format!("put {}", shown(&path)), self.next_id());
        let answer = plain(answer_to(SEND_PULSE), id);
        self.step(what, send(path, details, id), answer)
    }

    /// For a path that is not UTF-8, what Java makes of it is in the answer.
    pub fn get(&mut self, path: &str, details: Option<&str>) -> &mut Step {
        let (what, id) = (format!("get {path}"), self.next_id());
        let answer = pulse_answer(path, details.map(str::as_bytes), id);
        self.step(what, get(path, id), answer)
    }

    pub fn exists(&mut self, path: &str, exists: bool) -> &mut Step {
        let (what, id) = (format!("exists {path}"), self.next_id());
        self.step(what, about(EXISTS, path, id), exists_answer(exists, id))
    }

    /// The names are to be given sorted.
    pub fn list(&mut self, path: &str, names: &[&str]) -> &mut Step {
        let (what, id) = (format!("list {path}"), self.next_id());
        let step = self.step(
            what,
            about(GET_ALL_NODES, path, id),
            nodes_answer(names, id),
        );
        step.java = Java::Unsorted;
        step
    }

    pub fn records(&mut self, path: &str, records: &[(&str, &str)]) -> &mut Step {
        let (what, id) = (format!("records of {path}"), self.next_id());
        let records: Vec<_> = records
            .iter()
            .map(|(path, details)| (*path, details.as_bytes()))
            .collect();
        let answer = records_answer(&records, id);
        let step = self.step(what, about(GET_ALL_PULSE, path, id), answer);
        step.java =
            Java::WithoutData("Java never implemented it; a client that asks copes without");
        step
    }

    /// CREATE_PATH, DELETE_PATH or DELETE_PULSE_ID: always answered, and without data.
    pub fn act(&mut self, kind: i32, path: &str) -> &mut Step {
        let (what, id) = (format!("{kind} {path}"), self.next_id());
        self.step(what, about(kind, path, id), plain(answer_to(kind), id))
    }

    pub fn delete_path(&mut self, path: &str) -> &mut Step {
        self.act(DELETE_PATH, path)
    }

    pub fn delete(&mut self, path: &str) -> &mut Step {
        self.act(DELETE_PULSE_ID, path)
    }

    /// All requests in one pipeline, all answers by id.
    pub fn run(&self, address: SocketAddr) -> Answers {
        let mut client = Client::connect(address);
        let mut answers = Answers::new();
        // In pieces that fit into any socket's buffers: the test is not reading yet.
        for steps in self.steps.chunks(1_000) {
            let requests: Vec<u8> = steps.iter().flat_map(|step| step.request.clone()).collect();
            client.send(&requests);
            for answer in client.read_frames(steps.len()) {
                let earlier = answers.insert(id_of(&answer), answer);
                assert_eq!(earlier, None, "{}: two answers with one id", self.name);
            }
        }
        // Nothing more comes, and neither side ends the connection.
        let ping = client.ask(&get("/ping", -7));
        assert_eq!(ping, pulse_answer("/ping", None, -7), "{}", self.name);
        answers
    }

    /// Checks what is stated. Returns what was answered, for comparison.
    pub fn check(&self, address: SocketAddr, with: &str) -> Answers {
        let answers = self.run(address);
        for step in &self.steps {
            let answer = answers.get(&step.id());
            let read = answer.map(|answer| readable(answer));
            let what = format!("{}: {} ({with})", self.name, step.what);
            assert_eq!(read, Some(readable(&step.expected)), "{what}");
            assert_eq!(answer, Some(&step.expected), "{what}");
        }
        answers
    }
}

pub fn readable(frame: &[u8]) -> String {
    format!("{:?}", decoded(frame))
}

fn shown(path: &impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(path.as_ref()).into_owned()
}
