//! A service to be supervised: a small HTTP server that writes down when it begins and ends.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::TcpListener,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// Where every instance notes its life, one word a line.
pub const DIARY: &str = "/tmp/diary";

/// `NAME PORT READY_AFTER_MS`: answers 503 until then, 200 after it, and ends on `POST`.
pub fn serve(arguments: &[String]) -> ExitCode {
    let [name, port, ready_after] = arguments else {
        return ExitCode::from(2);
    };
    let (Ok(port), Ok(ready_after)) = (port.parse::<u16>(), ready_after.parse()) else {
        return ExitCode::from(2);
    };
    let ready_at = Instant::now() + Duration::from_millis(ready_after);
    note(&format!("{name}-begins"));
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) else {
        return ExitCode::from(3);
    };
    for mut stream in listener.incoming().flatten() {
        let mut request = [0; 1024];
        let count = stream.read(&mut request).unwrap_or(0);
        let status = if Instant::now() < ready_at {
            "503 Busy"
        } else {
            "200 OK"
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
        if request[..count].starts_with(b"POST") {
            note(&format!("{name}-posted"));
            thread::sleep(Duration::from_millis(50));
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

fn note(word: &str) {
    let diary = OpenOptions::new().append(true).create(true).open(DIARY);
    if let Ok(mut diary) = diary {
        let _ = writeln!(diary, "{word}");
    }
}
