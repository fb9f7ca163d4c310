//! Answers that are made while they are sent: in parts, each when the client has taken the one before.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;
use tessera_service::error::Error;

/// What makes the parts of an answer.
pub trait Parts: Send + Sized + 'static {
    /// The next part; none at the end. An error breaks the answer off, so that the client does not take it for whole.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;
}

/// The body of an answer in parts, of which the first is made before the answer begins: whatever is wrong with the question is told as an error.
///
/// # Errors
/// What making the first part answers.
pub async fn body<P: Parts>(parts: P) -> Result<Body, Error> {
    let first = step(parts).await?;
    Ok(Body::new(Streamed(Box::pin(std::future::ready(Ok(first))))))
}

type Step<P> = Pin<Box<dyn Future<Output = Result<Option<(Bytes, P)>, Error>> + Send>>;

struct Streamed<P>(Step<P>);

async fn step<P: Parts>(mut parts: P) -> Result<Option<(Bytes, P)>, Error> {
    Ok(parts.next().await?.map(|bytes| (bytes, parts)))
}

impl<P: Parts> HttpBody for Streamed<P> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.0.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some((bytes, parts)))) => {
                self.0 = Box::pin(step(parts));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Ok(None)) => {
                self.0 = Box::pin(std::future::ready(Ok(None)));
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                tracing::warn!(target: "tessera_api::stream", code = error.code, "an answer was broken off");
                self.0 = Box::pin(std::future::ready(Ok(None)));
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}
