//! Downloads one archive and checks it against its pin.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;

use sha2::{Digest, Sha256};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use super::FetchError;
use super::archive::hex;
use super::options::{ResolveOptions, Step};
use super::ubuntu::{Pin, Times};

/// More than any root filesystem that is pinned.
const LIMIT: u64 = 1 << 30;

enum Message {
    /// The server answered; how many bytes it announces.
    Answered(Option<u64>),
    /// So many bytes more are written.
    Written(u64),
    /// All is written; its digest.
    Done(String),
    Failed(FetchError),
    /// Somebody asked to stop.
    Raised,
}

/// Fetches the archive to the file `to`; `Err(None)` when asked to stop.
///
/// The transfer has a thread of its own, as a read that blocks cannot be interrupted. Where
/// it is given up, that thread ends with its next byte or its time-out.
pub(super) fn fetch(
    pin: &Pin,
    to: &Path,
    times: Times,
    options: &ResolveOptions<'_>,
) -> Result<(), Option<FetchError>> {
    let file = File::create_new(to).map_err(FetchError::Write)?;
    let (sender, receiver) = mpsc::channel();
    let raised = sender.clone();
    let _guard = options.cancel.on_raise(move || {
        let _ = raised.send(Message::Raised);
    });
    let url = pin.url.clone();
    thread::spawn(move || {
        let last = transfer(&url, file, times, &sender).map_or_else(Message::Failed, Message::Done);
        let _ = sender.send(last);
    });

    let mut step = None;
    loop {
        let message = if step.is_some() {
            receiver.recv_timeout(times.stall)
        } else {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match message {
            Ok(Message::Answered(total)) => {
                step = Some(Step::start(options.progress, "fetching ubuntu:20.04", total));
            }
            Ok(Message::Written(count)) => {
                if let Some(step) = &step {
                    step.advance(count);
                }
            }
            Ok(Message::Done(got)) if got == pin.sha256 => return Ok(()),
            Ok(Message::Done(got)) => {
                let expected = pin.sha256.clone();
                return Err(Some(FetchError::Digest { got, expected }));
            }
            Ok(Message::Failed(error)) => return Err(Some(error)),
            Ok(Message::Raised) => return Err(None),
            Err(RecvTimeoutError::Timeout) => return Err(Some(FetchError::Stalled(times.stall))),
            Err(RecvTimeoutError::Disconnected) => {
                let source = io::Error::other("its thread has ended");
                let what = "the download failed".to_owned();
                return Err(Some(FetchError::Transport { what, source: source.into() }));
            }
        }
    }
}

fn transfer(
    url: &str,
    mut file: File,
    times: Times,
    sender: &Sender<Message>,
) -> Result<String, FetchError> {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy_for(url, |name| env::var(name).ok())?)
        .user_agent(concat!("belljar/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(times.connect))
        .timeout_connect(Some(times.connect))
        .timeout_recv_response(Some(times.stall))
        .timeout_per_read(Some(times.stall))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|error| explain(error, times))?;
    let announced = response.body().content_length();
    if announced.is_some_and(|length| length > LIMIT) {
        return Err(FetchError::TooLarge { limit: LIMIT });
    }
    // The receiver is gone when the download was given up.
    let given_up = |_| FetchError::Write(io::ErrorKind::Interrupted.into());
    sender.send(Message::Answered(announced)).map_err(given_up)?;

    let mut body = response.body_mut().with_config().limit(LIMIT + 1).reader();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut got = 0_u64;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error, got, announced, times)),
        };
        got += count as u64;
        if got > LIMIT {
            return Err(FetchError::TooLarge { limit: LIMIT });
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(FetchError::Write)?;
        sender.send(Message::Written(count as u64)).map_err(given_up)?;
    }
    match announced {
        Some(expected) if got < expected => Err(FetchError::Cut { got, expected }),
        _ => Ok(hex(&hasher.finalize())),
    }
}

/// Why there was no answer.
fn explain(error: ureq::Error, times: Times) -> FetchError {
    use ureq::{Error, Timeout};
    let what = match &error {
        Error::StatusCode(code) => return FetchError::Status(*code),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            return FetchError::Connect(times.connect);
        }
        Error::Timeout(_) => return FetchError::Stalled(times.stall),
        Error::HostNotFound => "the name of the server is not known (no network?)",
        Error::Io(_) | Error::ConnectionFailed => "the connection failed",
        Error::ConnectProxyFailed(_) => "the proxy refused",
        Error::Tls(_) | Error::Rustls(_) => "the server's identity could not be verified",
        _ => "the request failed",
    };
    FetchError::Transport { what: what.to_owned(), source: error.into() }
}

/// Why a transfer ended early.
fn broken(error: io::Error, got: u64, announced: Option<u64>, times: Times) -> FetchError {
    let timed_out = error.kind() == io::ErrorKind::TimedOut
        || error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ureq::Error>())
            .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)));
    match announced {
        _ if timed_out => FetchError::Stalled(times.stall),
        Some(expected) if got < expected => FetchError::Cut { got, expected },
        _ => {
            let what = format!("the connection broke after {got} bytes");
            FetchError::Transport { what, source: error.into() }
        }
    }
}

/// The proxy that the environment names for this address, as curl reads it: by the
/// address's scheme, lowercase first, `HTTP_PROXY` never (a CGI request could set it).
fn proxy_for(
    url: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, FetchError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let by_scheme = if scheme == "https" {
        set("https_proxy").or_else(|| set("HTTPS_PROXY"))
    } else {
        set("http_proxy")
    };
    let Some(value) = by_scheme.or_else(|| set("all_proxy")).or_else(|| set("ALL_PROXY")) else {
        return Ok(None);
    };
    let host = host_of(rest);
    let exempt = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    let is_exempt = exempt.split(',').map(str::trim).any(|rule| {
        let domain = rule.trim_start_matches('.');
        rule == "*"
            || (!domain.is_empty()
                && (host == domain
                    || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))))
    });
    if is_exempt {
        return Ok(None);
    }
    Proxy::new(&value).map(Some).map_err(|_| FetchError::Proxy(value))
}

/// The host of what follows `scheme://`, without port and user.
fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    if let Some((v6, _)) = address.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return v6;
    }
    address.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{host_of, proxy_for};

    fn proxy(url: &str, set: &[(&str, &str)]) -> Option<String> {
        proxy_for(url, |name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
        .unwrap()
        .map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn proxies_follow_the_scheme() {
        let both = &[("https_proxy", "http://s:1"), ("http_proxy", "http://p:2")];
        assert_eq!(proxy("https://a.example/x", both).as_deref(), Some("s"));
        assert_eq!(proxy("http://a.example/x", both).as_deref(), Some("p"));
        assert_eq!(proxy("http://a.example", &[("HTTP_PROXY", "http://p:2")]), None);
        assert_eq!(proxy("http://a.example", &[("ALL_PROXY", "http://q")]).as_deref(), Some("q"));
        assert_eq!(proxy("http://a.example", &[]), None);
    }

    #[test]
    fn exempt_hosts() {
        for rules in ["a.example", ".example", "example", "x, a.example", "*"] {
            let set = &[("http_proxy", "http://p"), ("no_proxy", rules)];
            assert_eq!(proxy("http://a.example:80/x", set), None, "{rules}");
        }
        for rules in ["b.example", "ample", ""] {
            let set = &[("http_proxy", "http://p"), ("no_proxy", rules)];
            assert!(proxy("http://a.example:80/x", set).is_some(), "{rules}");
        }
        assert_eq!(host_of("user:pw@[::1]:8080/x"), "::1");
    }
}
