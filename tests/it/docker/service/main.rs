//! The service in the containers of the tests: a static program without crates, configured by the variables of its image.
//! It is compiled by `super::program`, and is no part of the test binary.
//!
//! | variable | what it does |
//! |---|---|
//! | `VERSION` | what `GET /` answers (`v0`) |
//! | `PORT` | where it listens (8080) |
//! | `BAD=1` | `GET /health` answers 500 |
//! | `BAD_AFTER_MS` | the same, from then on |
//! | `SLOW_START_MS` | listens only then |
//! | `EXIT_AFTER_MS` | ends then, with `EXIT_CODE` (1) |
//! | `IGNORE_TERM=1` | TERM does not end it |
//! | `SAY` | a line for its log, on stderr |
//!
//! Called `restart`, it is the program that the tests hold (`crate::rig`), for where there is no shell.
//!
//! `GET /env/NAME` answers a variable, `GET /file/PATH` a file, `GET /reach/NAME:PORT` the status line of another service,
//! `GET /resolve/NAME` its addresses, `POST /file/PATH` writes the body. `app probe` is its HEALTHCHECK: it asks `/health` and says what was answered.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

const TERM: i32 = 15;

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
    fn _exit(code: i32) -> !;
}

extern "C" fn end(_: i32) {
    unsafe { _exit(0) }
}

fn text(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn millis(name: &str) -> Option<Duration> {
    text(name).parse().ok().map(Duration::from_millis)
}

fn port() -> String {
    Some(text("PORT"))
        .filter(|port| !port.is_empty())
        .unwrap_or("8080".to_owned())
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn probe() -> i32 {
    match get(&format!("127.0.0.1:{}", port()), "/health") {
        Ok(answer) => {
            println!("{}", answer.lines().next().unwrap_or_default());
            i32::from(!answer.starts_with("HTTP/1.1 200"))
        }
        Err(error) => {
            println!("no answer: {error}");
            1
        }
    }
}

/// Head and body of a request; what comes in pieces is waited for.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse().ok())?
            });
            if end + 4 + length.unwrap_or(0) <= bytes.len() {
                return Some((head, bytes.split_off(end + 4)));
            }
        }
        let count = stream.read(&mut piece).ok().filter(|&count| 0 < count)?;
        bytes.extend_from_slice(&piece[..count]);
    }
}

fn answer(head: &str, body: &[u8], is_bad: bool) -> (&'static str, Vec<u8>) {
    let mut words = head.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let found = |result: std::io::Result<Vec<u8>>| match result {
        Ok(bytes) => ("200 OK", bytes),
        Err(error) => ("404 Not Found", error.to_string().into_bytes()),
    };
    if path == "/health" && is_bad {
        ("500 Bad", b"bad".to_vec())
    } else if let Some(name) = path.strip_prefix("/env/") {
        ("200 OK", text(name).into_bytes())
    } else if let Some(file) = path.strip_prefix("/file") {
        if method == "POST" {
            found(std::fs::write(file, body).map(|()| Vec::new()))
        } else {
            found(std::fs::read(file))
        }
    } else if let Some(address) = path.strip_prefix("/reach/") {
        let status = |text: String| text.lines().next().unwrap_or_default().as_bytes().to_vec();
        found(get(address, "/").map(status))
    } else if let Some(name) = path.strip_prefix("/resolve/") {
        found((name, 80).to_socket_addrs().map(|all| {
            let mut all: Vec<String> = all.map(|one| one.ip().to_string()).collect();
            all.sort();
            all.join(",").into_bytes()
        }))
    } else {
        let version = text("VERSION");
        let version = if version.is_empty() { "v0" } else { &version };
        ("200 OK", version.as_bytes().to_vec())
    }
}

/// What the script of `crate::rig` does, in the directory above that of this program.
fn held() -> i32 {
    let root = std::env::current_exe().expect("a process knows its program");
    let at = |name: &str| {
        root.ancestors()
            .nth(2)
            .expect("ROOT/bin/restart")
            .join(name)
    };
    if std::fs::rename(at("hold"), at("taken")).is_err() {
        return 0;
    }
    let id = std::process::id().to_string();
    std::fs::write(at("held.new"), id).expect("the directory can be written to");
    std::fs::rename(at("held.new"), at("held")).expect("it was just written");
    for _ in 0..1200 {
        if let Ok(code) = std::fs::read_to_string(at("go")) {
            return code.trim().parse().unwrap_or(9);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    8
}

fn main() {
    if std::env::args()
        .next()
        .is_some_and(|name| name.ends_with("/restart"))
    {
        std::process::exit(held());
    }
    if std::env::args().nth(1).as_deref() == Some("probe") {
        std::process::exit(probe());
    }
    // The first process of a container gets only the signals that it handles.
    if text("IGNORE_TERM") != "1" {
        unsafe { signal(TERM, end as extern "C" fn(i32) as usize) };
    }
    let started = Instant::now();
    let line = text("SAY");
    if !line.is_empty() {
        eprintln!("{line}");
    }
    if let Some(after) = millis("EXIT_AFTER_MS") {
        std::thread::spawn(move || {
            std::thread::sleep(after);
            eprintln!("this is the end");
            std::process::exit(text("EXIT_CODE").parse().unwrap_or(1));
        });
    }
    std::thread::sleep(millis("SLOW_START_MS").unwrap_or_default());
    let listener = TcpListener::bind(format!("0.0.0.0:{}", port())).expect("the port is free");
    println!("version {} listens", text("VERSION"));
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        std::thread::spawn(move || {
            let Some((head, body)) = request(&mut stream) else {
                return;
            };
            let is_bad = text("BAD") == "1"
                || millis("BAD_AFTER_MS").is_some_and(|after| after <= started.elapsed());
            let (status, body) = answer(&head, &body, is_bad);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body));
        });
    }
}
