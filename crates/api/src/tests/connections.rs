//! Real connections on loopback to the doors: what is no request, and bodies that are refused.

use std::net::SocketAddr;
use std::time::Duration;

use tessera_seam::serve::serve;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::world::World;

/// The doors with a workspace and a key behind them, listening.
async fn doors() -> (World, SocketAddr) {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let never = std::future::pending();
    tokio::spawn(serve(vec![listener], None, world.router.clone(), world.settings.clone(), never));
    (world, address)
}

/// Everything until the other side closes.
async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    // A cut connection may end in a reset; what came before counts.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends a request as it is and answers what comes until the other side ends the connection.
async fn exchange(server: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("a write");
    tokio::time::timeout(Duration::from_secs(20), rest(&mut stream)).await.expect("the connection ends")
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_connection_closed() {
    let (_world, server) = doors().await;
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    let both = "POST /v1/track HTTP/1.1\r\nhost: x\r\n";
    let cases = [
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), "host_missing"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), "host_missing"),
        (format!("{both}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"), "length_ambiguous"),
        (format!("{both}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{chunks}"), "length_ambiguous"),
        // The second request of a connection is looked at as well.
        ("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n".to_owned(), "host_missing"),
    ];
    for (request, code) in cases {
        let answer = exchange(server, &request).await;
        let (head, body) = answer.rsplit_once("\r\n\r\n").expect("a head and a body");
        let head = &head[head.rfind("HTTP/1.1").expect("a status")..];
        assert!(head.starts_with("HTTP/1.1 400") && head.contains("connection: close"), "{request:?}: {answer}");
        assert!(body.contains(code), "{request:?}: {answer}");
    }
    let old = exchange(server, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 "), "HTTP/1.0 knows no Host: {old}");
    // Chunks alone are a request, and one right behind another ends the connection: nobody looked at where its head says it ends.
    let chunked = "POST /v1/m HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n";
    let answer = exchange(server, &format!("{chunked}connection: close\r\n\r\n{chunks}")).await;
    assert!(answer.contains(" 200 "), "{answer}");
    let answer = exchange(server, &format!("{chunked}\r\n{chunks}{chunked}\r\n{chunks}{chunked}\r\n{chunks}")).await;
    assert_eq!(answer.matches(" 200 ").count(), 2, "{answer}");
}

#[tokio::test]
async fn a_refused_body_is_read_where_it_is_short_and_else_the_connection_ends_with_notice() {
    let (_world, server) = doors().await;
    let request = |length: usize, body: &str| {
        format!("POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    // No key, so nothing of the body is asked for; what is short is read, and the connection goes on.
    let short = "x".repeat(20_000);
    let next = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = exchange(server, &format!("{}{next}", request(short.len(), &short))).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("HTTP/1.1 200"), "{answer}");
    // Of a long one the client gets the whole answer although it is still sending.
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    let long = "x".repeat(3 << 20);
    stream.write_all(request(long.len(), "").as_bytes()).await.expect("a head");
    let (mut read, mut write) = stream.split();
    let sends = async { drop(write.write_all(long.as_bytes()).await) };
    let (answer, ()) = tokio::join!(rest(&mut read), sends);
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with('}'), "{answer}");
    // Who waits to be asked for the body is not asked.
    let waiting = "POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";
    let answer = exchange(server, waiting).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");
}
