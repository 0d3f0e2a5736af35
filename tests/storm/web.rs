//! An HTTP server that answers as a test wants it to. No real one misbehaves on demand.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;

/// A web server on a free port: `answer` has the path and how many requests came before, and gives a whole response.
pub(crate) struct Web {
    pub(crate) url: String,
    paths: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Web {
    pub(crate) fn start(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        Self::start_reading(move |path, own, _| answer(path, own))
    }

    /// The same by path, its own address and the body of each request.
    pub(crate) fn start_reading(
        answer: impl Fn(&str, &str, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let paths: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, seen, own) = (Arc::new(answer), Arc::clone(&paths), url.clone());
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, seen, own) = (Arc::clone(&answer), Arc::clone(&seen), own.clone());
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    let (mut first, mut length) = (String::new(), 0);
                    // Some only look whether it speaks TLS.
                    if reader.read_line(&mut first).is_err() {
                        return;
                    }
                    loop {
                        let mut line = String::new();
                        reader.read_line(&mut line).unwrap();
                        if let Some(count) =
                            line.to_ascii_lowercase().strip_prefix("content-length:")
                        {
                            length = count.trim().parse().unwrap();
                        }
                        if line.trim().is_empty() {
                            break;
                        }
                    }
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let body = String::from_utf8(body).unwrap();
                    kept.lock().unwrap().push(body.clone());
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let response = answer(&path, &own, &body);
                    seen.lock().unwrap().push(path);
                    let _ = reader.get_mut().write_all(response.as_bytes());
                });
            }
        });
        Self { url, paths, bodies }
    }

    /// The bodies of all requests.
    #[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "of servers apart"))]
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self, path: &str) -> usize {
        self.paths.lock().unwrap().iter().filter(|seen| *seen == path).count()
    }
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

pub(crate) fn discovery(own: &str) -> String {
    response(
        "200 OK",
        JSON,
        &json!({ "issuer": own, "token_endpoint": format!("{own}/token") }).to_string(),
    )
}
