//! A call of either door, with its key and the workspace that its query names.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use tessera_seam::answer::Failure;
use tessera_seam::app::{App, Entered};
use tessera_seam::door::Door;
use tessera_seam::extract::Query;
use tessera_service::directory::Permission;

/// The parameter that names the workspace.
pub(super) const SERVICE_ID: &str = "service_id";

/// A request before its key is known.
pub(super) struct Call {
    uri: Uri,
    query: Query,
    headers: HeaderMap,
    body: Body,
}

impl FromRequest<Arc<App>> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let query = Query::from_request_parts(&mut parts, app).await?;
        Ok(Self { uri: parts.uri, query, headers: parts.headers, body })
    }
}

impl Call {
    /// Lets it in and reads its body. A body that cannot be read is told what is left of the limits as well.
    ///
    /// # Errors
    /// As [`App::enter_named`] and [`Entered::body`].
    pub(super) async fn enter(
        self,
        app: &App,
        door: &Door,
        permission: Permission,
    ) -> Result<(Entered, Bytes), Failure> {
        let Self { uri, query, headers, body } = self;
        let entered = app.enter_named(door, (uri.path(), &headers, &query), SERVICE_ID, permission)?;
        match entered.body(app, &headers, body).await {
            Ok(body) => Ok((entered, body)),
            Err(error) => Err(entered.refused(error)),
        }
    }
}
