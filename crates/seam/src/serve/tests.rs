//! Real connections on loopback: both protocols, TLS, slow clients, and a stop that loses nothing.

use std::path::Path;

use axum::Router;
use axum::routing::{get, post};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::*;

struct Server {
    address: SocketAddr,
    settings: ApiSettings,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(router: Router, settings: ApiSettings, tls: Option<Arc<Tls>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(serve(vec![listener], tls, router, settings.clone(), shutdown));
    Server { address, settings, stop, task }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.expect("a connection")
}

/// Everything until the other side closes.
async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    // A cut connection may end in a reset; what came before counts.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn fast() -> ApiSettings {
    ApiSettings {
        head_timeout: Duration::from_millis(200),
        keep_alive: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(200),
        ..ApiSettings::default()
    }
}

/// The frames of an HTTP/2 conversation that asks for `/` once: preface, settings, and headers from the static table.
const H2_REQUEST: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
\x00\x00\x00\x04\x00\x00\x00\x00\x00\
\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41\x01x";

/// Reads until the answer of an HTTP/2 request has come whole, and answers whether its body is in it.
async fn has_h2_hello<S: AsyncRead + Unpin>(stream: &mut S) -> bool {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await {
        seen.extend_from_slice(&buffer[..count]);
        if count == 0 || seen.windows(5).any(|window| window == b"hello") {
            break;
        }
    }
    seen.windows(5).any(|window| window == b"hello")
}

#[tokio::test]
async fn both_protocols_are_spoken_on_one_port() {
    let server = start(hello(), ApiSettings::default(), None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("a write");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    let mut stream = connect(&server).await;
    stream.write_all(H2_REQUEST).await.expect("a write");
    assert!(has_h2_hello(&mut stream).await);
}

/// Whoever is connected and asks nothing keeps nobody out; whoever has a request under way keeps its place.
#[tokio::test]
async fn connections_that_wait_for_their_next_request_make_room() {
    let (begun, begins) = oneshot::channel();
    let (end, ends) = oneshot::channel::<()>();
    let channels = Arc::new(std::sync::Mutex::new(Some((begun, ends))));
    let slow = move || {
        let (begun, ends) = channels.lock().expect("the lock").take().expect("asked once");
        async move {
            let _ = begun.send(());
            let _ = ends.await;
            "slow"
        }
    };
    let router = hello().route("/slow", get(slow));
    let settings = ApiSettings {
        connections_max: 4,
        head_timeout: Duration::from_millis(50),
        keep_alive: Duration::from_secs(600),
        ..ApiSettings::default()
    };
    let server = start(router, settings, None).await;
    let mut busy = connect(&server).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("a write");
    begins.await.expect("it is under way");
    let mut last = Vec::new();
    // One after the other, more than there are places; each is answered, and stays as long as there is room.
    for _ in 0..12 {
        let mut stream = connect(&server).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
        let mut answer = [0; 512];
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut answer)).await;
        let read = read.expect("somebody makes room").expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        last.push(stream);
    }
    assert_eq!(rest(&mut last[0]).await, "", "it was sent away, and nothing was under way");
    end.send(()).expect("it waits");
    assert!(rest(&mut busy).await.ends_with("slow"));
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_configured() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/golden");
    let tls = Tls::from_pem(&folder.join("localhost.pem"), &folder.join("localhost.key"));
    let tls = Arc::new(tls.expect("the pair of the tests"));
    let server = start(hello(), ApiSettings::default(), Some(tls)).await;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(folder.join("localhost.pem")).expect("a file") {
        roots.add(certificate.expect("a certificate")).expect("a root");
    }
    for protocol in ["h2", "http/1.1"] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let mut stream = connector.connect(name, connect(&server).await).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        if protocol == "h2" {
            stream.write_all(H2_REQUEST).await.expect("a write");
            assert!(has_h2_hello(&mut stream).await);
        } else {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("a write");
            assert!(rest(&mut stream).await.ends_with("hello"));
        }
    }
    let missing = Tls::from_pem(Path::new("/nowhere"), Path::new("/nowhere")).err().expect("no such file");
    assert!(missing.to_string().contains("path=/nowhere"));
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let server = start(hello(), fast(), None).await;
    let starts: [&[u8]; 4] = [b"", b"PRI * HT", b"GET / HTTP/1.1\r\nhost:", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"];
    for start in starts {
        let mut stream = connect(&server).await;
        stream.write_all(start).await.expect("a write");
        let closed = tokio::time::timeout(Duration::from_secs(10), rest(&mut stream)).await;
        assert!(closed.is_ok(), "{:?} was kept open", String::from_utf8_lossy(start));
    }
}

#[tokio::test]
async fn clients_that_take_nothing_are_cut_off() {
    let endless = Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }));
    let server = start(endless, fast(), None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("a write");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(rest(&mut stream).await.len() < 64 << 20);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_their_turn() {
    let server = start(hello(), ApiSettings { connections_max: 1, ..ApiSettings::default() }, None).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let first = connect(&server).await;
    let mut second = connect(&server).await;
    second.write_all(request).await.expect("a write");
    let early = tokio::time::timeout(Duration::from_millis(100), second.readable()).await;
    assert!(early.is_err(), "the second was answered while the first was open");
    drop(first);
    assert!(rest(&mut second).await.ends_with("hello"));
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way() {
    let (begun, begins) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&begins));
    let slow = Router::new().route(
        "/",
        post(move || async move {
            tell.add_permits(1);
            wait.acquire().await.expect("open").forget();
            "done"
        }),
    );
    let server = start(slow, ApiSettings::default(), None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.expect("a write");
    begun.acquire().await.expect("open").forget();
    assert!(server.settings.readiness.is_open());
    server.stop.send(()).expect("it still serves");
    while server.settings.readiness.is_open() {
        tokio::task::yield_now().await;
    }
    begins.add_permits(1);
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    server.task.await.expect("it ends cleanly");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let stuck = Router::new().route("/", get(std::future::pending::<&str>));
    let settings = ApiSettings { stop_timeout: Duration::from_millis(100), ..ApiSettings::default() };
    let server = start(stuck, settings, None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.send(()).expect("it still serves");
    tokio::time::timeout(Duration::from_secs(10), server.task).await.expect("it ends").expect("cleanly");
}

#[tokio::test]
async fn connections_wait_for_as_long_as_the_setting_says() {
    let settings = ApiSettings { keep_alive: Duration::from_millis(600), ..fast() };
    let server = start(hello(), settings, None).await;
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut stream = connect(&server).await;
    let mut buffer = [0; 1024];
    for _ in 0..3 {
        stream.write_all(ask).await.expect("a write");
        assert!(stream.read(&mut buffer).await.expect("an answer") > 0);
        // Longer than a head may take, and shorter than a connection may wait.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let closed = tokio::time::timeout(Duration::from_secs(20), rest(&mut stream)).await.expect("it ends");
    assert_eq!(closed, "");
    // One of HTTP/2 that asks nothing more is told to go, and goes.
    let mut stream = connect(&server).await;
    stream.write_all(H2_REQUEST).await.expect("a write");
    assert!(has_h2_hello(&mut stream).await);
    let goaway = tokio::time::timeout(Duration::from_secs(20), rest(&mut stream)).await.expect("it ends");
    assert!(goaway.as_bytes().windows(4).any(|window| window[3] == 7), "a frame that says so: {goaway:?}");
}

/// One connection of HTTP/2 has so many requests under way, and no more: the next are refused, and the others go on.
#[tokio::test]
async fn a_connection_of_http_2_has_a_bound_on_its_streams() {
    let never = Router::new().route("/", get(std::future::pending::<String>));
    let settings = ApiSettings { stall_timeout: Duration::from_secs(60), ..ApiSettings::default() };
    let server = start(never, settings, None).await;
    let mut stream = connect(&server).await;
    let (preface, headers) = H2_REQUEST.split_at(H2_REQUEST.len() - 15);
    let mut sent = preface.to_vec();
    let requests = STREAMS_MAX + 5;
    for at in 0..requests {
        let mut frame = headers.to_vec();
        frame[5..9].copy_from_slice(&(2 * at + 1).to_be_bytes());
        sent.extend_from_slice(&frame);
    }
    stream.write_all(&sent).await.expect("a write");
    // Frames as they come: the settings name the bound, and a reset with 7 says that a stream was refused.
    let (mut told, mut refused) = (None, Vec::new());
    let mut buffer = Vec::new();
    while refused.len() < 5 {
        let mut more = [0; 1024];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut more)).await;
        let count = read.expect("frames come").expect("the connection stands");
        assert!(count > 0, "the connection ended: {told:?} {refused:?}");
        buffer.extend_from_slice(&more[..count]);
        while let Some(frame) = take_frame(&mut buffer) {
            match frame {
                (4, _, body) if !body.is_empty() => {
                    let setting = body.chunks(6).find(|setting| setting[..2] == [0, 3]).expect("a bound on streams");
                    told = Some(u32::from_be_bytes(setting[2..].try_into().expect("four bytes")));
                }
                (3, id, body) => {
                    assert_eq!(body, [0, 0, 0, 7], "stream {id}");
                    refused.push(id);
                }
                _ => {}
            }
        }
    }
    assert_eq!(told, Some(STREAMS_MAX));
    assert_eq!(refused, (STREAMS_MAX..requests).map(|at| 2 * at + 1).collect::<Vec<_>>());
}

/// The kind, the stream and the body of the first frame, once it is whole.
fn take_frame(buffer: &mut Vec<u8>) -> Option<(u8, u32, Vec<u8>)> {
    let head: [u8; 9] = buffer.get(..9)?.try_into().expect("nine bytes");
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    buffer.get(..9 + length)?;
    let frame: Vec<u8> = buffer.drain(..9 + length).collect();
    Some((head[3], u32::from_be_bytes(head[5..].try_into().expect("four bytes")), frame[9..].to_vec()))
}

#[tokio::test]
async fn clients_that_take_next_to_nothing_are_cut_off() {
    let large = Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }));
    let server = start(large, fast(), None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("a write");
    let mut taken = 0;
    let trickle = async {
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            taken += count;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if taken > 64 * 100 {
                break;
            }
        }
        rest(&mut stream).await.len()
    };
    let left = tokio::time::timeout(Duration::from_secs(60), trickle).await.expect("it ends");
    assert!(taken + left < 64 << 20, "{taken} {left}");
}
