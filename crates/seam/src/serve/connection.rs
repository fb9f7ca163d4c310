//! One connection, from its first byte to its last: requests in, answers out, and how long each may take.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::Host;
use super::head::{self, Head, Refused};
use super::lent;
use super::pulse::{Pulse, UnderWay, Waiting};
use super::stream::{Stalling, Telling};
use crate::guesses::Peer;
use crate::names;
use crate::transport::Secured;

impl Host {
    pub(super) async fn connection(&self, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let open = metrics::gauge!(names::CONNECTIONS);
        open.increment(1);
        let peer = stream.peer_addr().ok().map(|peer| Peer(peer.ip()));
        // Answers are written whole; waiting to fill packets would only delay them.
        if stream.set_nodelay(true).is_ok() {
            let pulse = Pulse::new();
            let stream = Stalling::new(stream, Arc::clone(&pulse), self.settings.stall_timeout);
            match &self.tls {
                None => self.speak(stream, pulse, peer).await,
                Some(tls) => match tokio::time::timeout(self.settings.head_timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => self.speak(stream, pulse, peer).await,
                    Ok(Err(_)) => cut("tls"),
                    Err(_) => cut("handshake_timeout"),
                },
            }
        }
        open.decrement(1);
    }

    /// Serves requests on a connection until one side ends it, it has waited too long, or the server stops.
    async fn speak<S>(&self, stream: S, pulse: Arc<Pulse>, peer: Option<Peer>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, own, is_secured) = (self.router.clone(), Arc::clone(&pulse), self.tls.is_some());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            if is_secured {
                request.extensions_mut().insert(Secured);
            }
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let (router, pulse) = (router.clone(), Arc::clone(&own));
            async move { Ok::<_, std::convert::Infallible>(answer(router, pulse, request).await) }
        });
        let stream = TokioIo::new(Telling::new(stream, Arc::clone(&pulse)));
        let mut connection = std::pin::pin!(self.protocol.serve_connection(stream, service));
        let mut stops = self.stops.clone();
        // Set when the end was said to the client: until when it may take what there is.
        let mut ends = None;
        let mut look = Instant::now() + self.settings.head_timeout;
        loop {
            tokio::select! {
                // How a connection ends is the client's affair; what failed on our side was logged with its request.
                _ = connection.as_mut() => return,
                // Its sender lives as long as the server.
                _ = stops.wait_for(|stops| *stops), if ends.is_none() => {
                    connection.as_mut().graceful_shutdown();
                    ends = Some(None);
                }
                // Whoever was at work when it last looked hears of it after its next look.
                () = self.crowded.notified(), if ends.is_none() && pulse.is_idle() => {
                    if pulse.is_idle() {
                        cut("crowded");
                        connection.as_mut().graceful_shutdown();
                        ends = Some(Some(Instant::now() + self.settings.head_timeout));
                        look = Instant::now() + self.settings.head_timeout;
                    } else {
                        self.crowded.notify_one();
                    }
                }
                () = tokio::time::sleep_until(look), if ends != Some(None) => {
                    if ends.is_some() {
                        return cut("keep_alive");
                    }
                    look = match self.waited(&pulse) {
                        Waited::On(look) => look,
                        Waited::TooLong(Waiting::Head) => return cut("head_timeout"),
                        Waited::TooLong(Waiting::Request) => {
                            connection.as_mut().graceful_shutdown();
                            let end = Instant::now() + self.settings.head_timeout;
                            ends = Some(Some(end));
                            end
                        }
                    };
                }
            }
        }
    }

    /// Whether a connection has waited for longer than it may; if not, when to look again. That is soon enough for the shorter of
    /// both waits, for which of them it is may change in between.
    fn waited(&self, pulse: &Pulse) -> Waited {
        let (head, request) = (self.settings.head_timeout, self.settings.keep_alive);
        let now = Instant::now();
        match pulse.deadline(head, request) {
            Some((waiting, deadline)) if now >= deadline => Waited::TooLong(waiting),
            Some((_, deadline)) => Waited::On(deadline.min(now + head)),
            None => Waited::On(now + head.min(request)),
        }
    }
}

enum Waited {
    TooLong(Waiting),
    On(Instant),
}

fn cut(reason: &'static str) {
    metrics::counter!(names::CONNECTIONS_CUT, "reason" => reason).increment(1);
}

/// Answers one request.
async fn answer(router: axum::Router, pulse: Arc<Pulse>, mut request: Request<Incoming>) -> Response {
    let is_h2 = request.version() > Version::HTTP_11;
    let (under_way, head) = pulse.begin(is_h2);
    if is_h2 {
        let response = routed(router, request.map(Body::new)).await;
        return until_sent(response, under_way);
    }
    let is_last = match head::look(&request, &head) {
        Head::Sound => false,
        Head::Last => true,
        Head::Refused(error) => {
            request.extensions_mut().insert(Refused(error));
            true
        }
    };
    drop(head);
    let waits = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let (lender, body) = lent::lend(body);
    let mut response = routed(router, Request::from_parts(parts, Body::new(body))).await;
    if is_last || !lender.read_rest(waits).await {
        // The client is told, and gets to read it although it may still be sending.
        pulse.leave_unread();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    until_sent(response, under_way)
}

async fn routed(router: axum::Router, request: Request<Body>) -> Response {
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn until_sent(response: Response, under_way: UnderWay) -> Response {
    response.map(|body| Body::new(Answering { body, _under_way: under_way }))
}

/// The body of an answer; while it is there, the request is under way.
struct Answering {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(ctx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
