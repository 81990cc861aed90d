//! Servers that are none: each takes connections on a port of its own and answers as it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// What a stub does with each connection, once it has read a request.
pub enum Stub {
    /// Never answers, and keeps the connection.
    Silent,
    /// Ends the connection.
    Closes,
    /// Sends these bytes.
    Says(Vec<u8>),
}

impl Stub {
    /// Serves until the test ends.
    pub fn start(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                kept.extend(self.serve(stream));
            }
        });
        address
    }

    fn serve(&self, mut stream: TcpStream) -> Option<TcpStream> {
        let mut request = [0; 4096];
        // A client that has gone away is no matter of ours.
        let _ = stream.read(&mut request);
        match self {
            Stub::Silent => Some(stream),
            Stub::Closes => None,
            Stub::Says(bytes) => {
                let _ = stream.write_all(bytes);
                Some(stream)
            }
        }
    }
}

/// A port on which nothing listens.
pub fn nothing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}
