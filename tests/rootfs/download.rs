//! Downloads from a server of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use belljar::harness::spec::RootfsRef;
use belljar::rootfs::{FetchError, RootfsError, Sources};

use crate::support::{Bench, by_path, gzip, nowhere, sha256, small_root, sources};

/// What the server does with every request.
#[derive(Clone)]
enum Answer {
    Whole(Vec<u8>),
    NotFound,
    /// Announces all, sends half and closes.
    Cut(Vec<u8>),
    /// Announces all, sends half and waits for the client to go.
    Stall(Vec<u8>),
    /// Says nothing at all.
    Silence,
}

struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/base.tar.gz", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, count) = (answer.clone(), Arc::clone(&count));
                std::thread::spawn(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    // A client that has gone is no concern of the server.
                    let _ = stream.and_then(|stream| serve(stream, &answer));
                });
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (status, body, sent) = match answer {
        Answer::Whole(body) => ("200 OK", &body[..], body.len()),
        Answer::NotFound => ("404 Not Found", &b"no"[..], 2),
        Answer::Cut(body) | Answer::Stall(body) => ("200 OK", &body[..], body.len() / 2),
        Answer::Silence => {
            reader.read_line(&mut line)?;
            return Ok(());
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body[..sent])?;
    if let Answer::Stall(_) = answer {
        reader.read_line(&mut line)?;
    }
    Ok(())
}

fn archive() -> Vec<u8> {
    gzip(&small_root())
}

fn served(answer: Answer) -> (Server, Sources) {
    let server = Server::new(answer);
    let sources = sources(&server.url, &sha256(&archive()));
    (server, sources)
}

#[track_caller]
fn failure(bench: &Bench) -> FetchError {
    let error = bench.resolve(&RootfsRef::Ubuntu2004).unwrap_err();
    bench.assert_empty();
    assert!(error.remedy().unwrap().contains("BELLJAR_MIRROR"));
    match error {
        RootfsError::Fetch { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_pinned_archive_is_fetched_once() {
    let (server, sources) = served(Answer::Whole(archive()));
    let bench = Bench::with(sources.clone());
    let rootfs = bench.resolve(&RootfsRef::Ubuntu2004).unwrap();
    assert!(rootfs.has_program("/bin/bash"));
    assert_eq!(rootfs.used.asked, "ubuntu:20.04");
    assert_eq!(rootfs.used.digest, Some(format!("sha256:{}", sha256(&archive()))));
    assert_eq!(bench.steps.take(), ["fetching ubuntu:20.04", "unpacking"]);
    assert_eq!(bench.steps.bytes.load(Ordering::SeqCst), 2 * archive().len() as u64);
    // From now on it is there, for everybody and without a network.
    let again =
        bench.resolve_in(&bench.reopened(sources.clone()), &RootfsRef::Ubuntu2004, true).unwrap();
    assert_eq!(again.path, rootfs.path);
    let auto = bench.resolve_in(&bench.reopened(sources), &RootfsRef::Auto, true).unwrap();
    assert_eq!((auto.used.asked.as_str(), &auto.used.used), ("auto", &rootfs.used.used));
    assert_eq!(server.requests(), 1);
    assert_eq!(bench.notices.lock().unwrap().len(), 0);
    // The download itself is not kept.
    assert_eq!(fs::read_dir(bench.store.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn an_archive_imported_by_hand_is_the_pinned_one() {
    let bench = Bench::with(sources("http://127.0.0.1:1/", &sha256(&archive())));
    let path = bench.file("by-hand", &archive());
    let imported = bench.resolve(&by_path(&path)).unwrap();
    let rootfs = bench.resolve(&RootfsRef::Ubuntu2004).unwrap();
    assert_eq!(rootfs.path, imported.path);
    assert_eq!(bench.store.list().unwrap()[0].name, rootfs.used.used);
}

#[test]
fn a_wrong_digest_is_not_kept() {
    let mut other = archive();
    let last = other.len() - 1;
    other[last] ^= 1;
    let (_server, sources) = served(Answer::Whole(other.clone()));
    let bench = Bench::with(sources);
    match failure(&bench) {
        FetchError::Digest { got, expected } => {
            assert_eq!((got, expected), (sha256(&other), sha256(&archive())));
        }
        error => panic!("{error:?}"),
    }
    assert_eq!(bench.steps.take(), ["fetching ubuntu:20.04"]);
}

#[test]
fn errors_of_the_server() {
    let (_server, sources) = served(Answer::NotFound);
    assert!(matches!(failure(&Bench::with(sources)), FetchError::Status(404)));

    let (_server, sources) = served(Answer::Cut(archive()));
    let error = failure(&Bench::with(sources));
    let whole = archive().len() as u64;
    assert!(
        matches!(error, FetchError::Cut { got, expected } if got == whole / 2 && expected == whole),
        "{error:?}"
    );
}

#[test]
fn a_server_that_falls_silent() {
    for answer in [Answer::Stall(archive()), Answer::Silence] {
        let (_server, mut sources) = served(answer);
        sources.stall = Duration::from_millis(200);
        let error = failure(&Bench::with(sources));
        assert!(matches!(error, FetchError::Stalled(_)), "{error:?}");
    }
}

#[test]
fn no_network() {
    let error = failure(&Bench::new());
    assert!(matches!(error, FetchError::Transport { .. }), "{error:?}");
    assert!(error.to_string().contains("connection"), "{error}");
    // RFC 6761 reserves the name: no resolver knows it.
    let error = failure(&Bench::with(sources("http://belljar.invalid/x", &"0".repeat(64))));
    assert!(matches!(error, FetchError::Transport { .. } | FetchError::Connect(_)), "{error:?}");
}

/// A server that is too busy to take a connection looks like a network that swallows packets.
#[test]
fn a_connection_that_does_not_come_about() {
    use nix::sys::socket::{Backlog, listen};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    let mut sources = sources(&format!("http://{address}/x"), &"0".repeat(64));
    sources.connect_auto = Duration::from_millis(100);
    let bench = Bench::with(sources);
    assert_eq!(bench.resolve(&RootfsRef::Auto).unwrap().used.used, "host");
    let said = bench.notices.lock().unwrap();
    assert!(said[0].contains("no connection within 0.1 s"), "{said:?}");
}

#[test]
fn a_download_can_be_stopped() {
    let (server, sources) = served(Answer::Stall(archive()));
    let bench = Bench::with(sources);
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| bench.resolve(&RootfsRef::Ubuntu2004));
        while server.requests() == 0 {
            std::thread::yield_now();
        }
        bench.cancel.raise();
        let error = fetching.join().unwrap().unwrap_err();
        assert!(error.is_interrupted(), "{error:?}");
    });
    bench.assert_empty();
}

#[test]
fn auto_falls_back_and_remembers() {
    let (server, mut sources) = served(Answer::NotFound);
    let bench = Bench::with(sources.clone());
    for _ in 0..3 {
        let rootfs = bench.resolve(&RootfsRef::Auto).unwrap();
        assert_eq!((rootfs.used.asked.as_str(), rootfs.used.used.as_str()), ("auto", "host"));
    }
    assert_eq!(server.requests(), 1);
    let said = std::mem::take(&mut *bench.notices.lock().unwrap());
    assert!(said.len() == 1 && said[0].contains("status 404"), "{said:?}");
    assert!(said[0].contains("`host`") && !said[0].contains('\n'), "{said:?}");

    // Another process does not try again, but says so.
    let store = bench.reopened(sources.clone());
    assert_eq!(bench.resolve_in(&store, &RootfsRef::Auto, false).unwrap().used.used, "host");
    assert_eq!(server.requests(), 1);
    let said = std::mem::take(&mut *bench.notices.lock().unwrap());
    assert!(said.len() == 1 && said[0].contains("0 min ago"), "{said:?}");

    // Asked for by name it is tried, whatever is remembered.
    assert!(bench.resolve_in(&store, &RootfsRef::Ubuntu2004, false).is_err());
    assert_eq!(server.requests(), 2);

    // The memory is of this address, and fades.
    let elsewhere = Server::new(Answer::Whole(archive()));
    let other = crate::support::sources(&elsewhere.url, &sha256(&archive()));
    sources.remember = Duration::ZERO;
    bench.resolve_in(&bench.reopened(sources), &RootfsRef::Auto, false).unwrap();
    assert_eq!(server.requests(), 3);
    let found = bench.resolve_in(&bench.reopened(other), &RootfsRef::Auto, false).unwrap();
    assert_ne!(found.used.used, "host");
}

#[test]
fn auto_offline_asks_nobody() {
    let (server, sources) = served(Answer::Whole(archive()));
    let bench = Bench::with(sources);
    let rootfs = bench.resolve_in(&bench.store, &RootfsRef::Auto, true).unwrap();
    assert_eq!(rootfs.used.used, "host");
    assert_eq!(server.requests(), 0);
    assert!(bench.notices.lock().unwrap()[0].contains("--offline"));
    // Nothing is remembered that was not tried.
    let store = bench.reopened(nowhere());
    bench.resolve_in(&store, &RootfsRef::Auto, false).unwrap();
    assert!(!bench.notices.lock().unwrap()[1].contains("ago"));
}
