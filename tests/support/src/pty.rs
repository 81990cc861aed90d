//! A terminal for a child process: what it writes is kept, keys can be pressed, and how the terminal is
//! set can be seen.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::wait_until;

pub struct Pty {
    /// What a person has before it.
    master: std::fs::File,
    slave: OwnedFd,
    written: Arc<Mutex<String>>,
    child: Child,
    before: Termios,
}

impl Pty {
    /// Runs a command in a terminal of that size.
    pub fn run(mut command: Command, columns: u16, lines: u16) -> Pty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&*name, flags, Mode::empty()).expect("its other end");
        resize(&slave, columns, lines);
        let before = tcgetattr(&slave).expect("its settings");
        let end = || slave.try_clone().expect("a descriptor");
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("it starts");
        let master = std::fs::File::from(master);
        let written = Arc::default();
        keep(master.try_clone().expect("a descriptor"), &written);
        Pty {
            master,
            slave,
            written,
            child,
            before,
        }
    }

    /// All that was written so far.
    pub fn written(&self) -> String {
        self.written.lock().expect("the text").clone()
    }

    /// Waits for this text after the first bytes, which are skipped. Returns how many bytes there then are.
    pub fn wait_for(&self, text: &str, after: usize) -> usize {
        let mut end = 0;
        wait_until(&format!("{text:?} on the terminal"), || {
            let written = self.written();
            end = written.len();
            written[after.min(end)..].contains(text)
        });
        end
    }

    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("a terminal");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    pub fn resize(&self, columns: u16, lines: u16) {
        resize(&self.slave, columns, lines);
        self.signal(Signal::WINCH);
    }

    /// Whether keys come one by one and unseen.
    pub fn is_raw(&self) -> bool {
        settings(&tcgetattr(&self.slave).expect("its settings")) != settings(&self.before)
    }

    /// Waits until the child ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the command ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(termios: &Termios) -> String {
    let modes = (
        termios.input_modes,
        termios.output_modes,
        termios.local_modes,
    );
    format!("{modes:?} {:?}", termios.special_codes)
}

fn resize(slave: &OwnedFd, columns: u16, lines: u16) {
    let size = Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(slave, size).expect("a terminal");
}

fn keep(mut from: std::fs::File, written: &Arc<Mutex<String>>) {
    let written = written.clone();
    thread::spawn(move || {
        use std::io::Read;
        let mut kept = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            kept.extend_from_slice(&bytes[..count]);
            *written.lock().expect("the text") = String::from_utf8_lossy(&kept).into_owned();
        }
    });
}
