//! A real browser, without a screen, driven over its debugging protocol on a pair of pipes.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, wait_until};

/// One page in a browser of its own.
pub struct Page {
    browser: Child,
    commands: File,
    answers: Receiver<Value>,
    session: String,
    next_id: u64,
    /// What the page has complained of: errors, violations of its policy.
    complaints: Vec<String>,
    _home: TempDir,
}

impl Page {
    pub fn open(url: &str) -> Page {
        let found = Command::new("chromium").arg("--version").output();
        found.expect("chromium starts: `tools/setup test` installs it");
        let home = TempDir::new().expect("a directory for the browser");
        let [commands, answers] = ["commands", "answers"].map(|name| home.path().join(name));
        let made = Command::new("mkfifo").args([&commands, &answers]).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        // It reads commands from its descriptor 3 and writes answers to 4.
        let script = r#"exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
            --user-data-dir="$0" --remote-debugging-pipe 3<"$1" 4>"$2""#;
        let browser = Command::new("bash")
            .args(["-c", script])
            .args([home.path(), &commands, &answers])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash");
        let commands = OpenOptions::new()
            .write(true)
            .open(commands)
            .expect("the pipe");
        let answers = read_messages(File::open(answers).expect("the pipe"));
        let mut page = Page {
            browser,
            commands,
            answers,
            session: String::new(),
            next_id: 0,
            complaints: Vec::new(),
            _home: home,
        };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", attach);
        page.session = attached["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        page.call("Runtime.enable", json!({}));
        page.call("Log.enable", json!({}));
        page.call("Page.navigate", json!({"url": url}));
        page
    }

    /// The value of an expression of JavaScript.
    pub fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        let outcome = self.call("Runtime.evaluate", parameters);
        assert!(
            outcome.get("exceptionDetails").is_none(),
            "{expression}: {outcome}"
        );
        outcome["result"]["value"].clone()
    }

    pub fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!(
            "document.querySelector({selector:?})?.textContent ?? ''"
        ));
        text.as_str().expect("text").to_owned()
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        // What it is about may not be there yet.
        let tried =
            format!("(() => {{ try {{ return {expression} }} catch {{ return false }} }})()");
        wait_until(expression, || self.eval(&tried) == true);
    }

    /// Errors and violations of the page's policy so far.
    pub fn complaints(&mut self) -> &[String] {
        self.eval("0"); // what came before it has been read by then
        &self.complaints
    }

    /// As if the window had these properties, such as `prefers-color-scheme`.
    pub fn prefer(&mut self, feature: &str, value: &str) {
        let features = json!([{"name": feature, "value": value}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let mut command = json!({"id": self.next_id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.clone().into();
        }
        let mut bytes = serde_json::to_vec(&command).expect("JSON");
        bytes.push(0);
        self.commands.write_all(&bytes).expect("the browser reads");
        loop {
            let message = self
                .answers
                .recv_timeout(PATIENCE)
                .expect("the browser answers");
            if message["id"] == self.next_id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => &event["params"]["exceptionDetails"],
            Some("Log.entryAdded") if event["params"]["entry"]["level"] == "error" => {
                &event["params"]["entry"]["text"]
            }
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

/// Messages end with a zero byte.
fn read_messages(pipe: File) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let message = serde_json::from_slice(&message).expect("JSON");
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}
