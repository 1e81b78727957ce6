//! The service in the containers of these tests; compiled by itself, as a static program of an image FROM scratch. What it does is set by its
//! environment: VERSION is what it answers, BAD=1 fails its HEALTHCHECK, EXIT_AFTER_MS ends it with code 3, IGNORE_TERM=1 makes it stubborn.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

unsafe extern "C" {
    fn signal(number: i32, action: usize) -> usize;
    fn _exit(code: i32) -> !;
}

extern "C" fn end(_: i32) {
    unsafe { _exit(0) }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn probe() -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port())) else {
        return false;
    };
    let mut answer = String::new();
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn port() -> u16 {
    variable("PORT").parse().unwrap_or(8080)
}

fn answer(path: &str) -> (bool, String) {
    if let Some(name) = path.strip_prefix("/resolve/") {
        let mut found: Vec<String> = (name, 80)
            .to_socket_addrs()
            .map(|all| all.map(|one| one.ip().to_string()).collect())
            .unwrap_or_default();
        found.sort();
        return (true, found.join(","));
    }
    if let Some(text) = path.strip_prefix("/write/") {
        return (std::fs::write("/data/text", text).is_ok(), String::new());
    }
    match path {
        "/read" => (true, std::fs::read_to_string("/data/text").unwrap_or_default()),
        "/health" if variable("BAD") == "1" => (false, "the database is locked".to_owned()),
        _ => (true, variable("VERSION") + &variable("GREETING")),
    }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("probe") {
        let is_well = probe();
        if !is_well {
            println!("the database is locked");
        }
        std::process::exit(i32::from(!is_well));
    }
    if variable("IGNORE_TERM") != "1" {
        unsafe { signal(15, end as *const () as usize) };
    }
    if let Ok(ms) = variable("EXIT_AFTER_MS").parse() {
        println!("no such table: orders");
        std::thread::sleep(Duration::from_millis(ms));
        std::process::exit(3);
    }
    // Two in one network namespace: the second one has no port of its own to serve, and lives all the same.
    let Ok(listener) = TcpListener::bind(("0.0.0.0", port())) else {
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    println!("serving {}", variable("VERSION"));
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut request = [0_u8; 1024];
        let count = stream.read(&mut request).unwrap_or(0);
        let text = String::from_utf8_lossy(&request[..count]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or("/");
        let (is_ok, body) = answer(path);
        let status = if is_ok { "200 OK" } else { "500 Bad" };
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}
