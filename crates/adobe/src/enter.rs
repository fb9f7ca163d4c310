//! The way in: the headers by which a request says whose it is, and the organization and sandbox that it is about (spec/adobe.md section 1.2).

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tessera_seam::answer::invalid;
use tessera_seam::app::{App, Entered, named_workspace};
use tessera_seam::extract::Query;
use tessera_service::directory::{Caller, Permission, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;
use utoipa::ToSchema;

use super::DOOR;

/// What stands behind the name of an organization in its header.
const ORG_SUFFIX: &str = "@AdobeOrg";
/// The sandbox that every organization has, whatever its first workspace is called.
const PRODUCTION: &str = "prod";
/// The workspace that it is, where none has its name.
const DEFAULT: &str = "default";

/// A request that was let in, and where it is.
pub(super) struct Asked {
    pub(super) entered: Entered,
    /// The organization, as answers name it.
    pub(super) org: String,
    /// Made where an answer tells of it.
    pub(super) sandbox: LazyLock<Sandbox, Box<dyn FnOnce() -> Sandbox + Send>>,
}

/// A sandbox, as answers tell of it (section 1.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AdobeSandbox)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sandbox {
    /// The same for good.
    pub(super) sandbox_id: String,
    /// As the request named it.
    pub(super) sandbox_name: String,
    /// `production` for the default workspace, `development` for any other.
    #[schema(rename = "type")]
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Whether it is the default one.
    #[serde(rename = "default")]
    pub(super) is_default: bool,
}

impl Asked {
    /// The workspace.
    pub(super) fn workspace(&self) -> WorkspaceId {
        self.entered.workspace
    }

    /// Its configuration.
    ///
    /// # Errors
    /// What the store answers.
    pub(super) async fn config(&self, app: &App) -> Result<Arc<StoredConfig>, Error> {
        app.service.configuration(self.entered.workspace).await
    }

    /// The whole body, of a call that takes JSON.
    ///
    /// # Errors
    /// `content_type_invalid`; as [`Entered::body`].
    pub(super) async fn json(&self, app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
        content_type(headers, &["application/json"])?;
        self.entered.body(app, headers, body).await
    }
}

/// Lets a request in to the sandbox that its headers name.
///
/// # Errors
/// `key_missing`, `key_invalid`, …; `api_key_missing`, `org_missing`, `org_forbidden`, `sandbox_missing`, `workspace_forbidden`,
/// `permission_missing`, `rate_limited`, …
pub(super) fn enter(app: &App, headers: &HeaderMap, permission: Permission) -> Result<Asked, Error> {
    let secret = DOOR.secret(headers, &Query::default())?.ok_or_else(|| DOOR.missing())?;
    let caller = app.service.directory().authenticate(&secret)?;
    if text(headers, "x-api-key")?.is_none() {
        let message = "the header x-api-key is expected, with the id of the client";
        return Err(Error::new(ErrorKind::Forbidden, "api_key_missing", message));
    }
    let org = organization(&caller, headers)?;
    let name = text(headers, "x-sandbox-name")?.ok_or_else(sandbox_missing)?.to_owned();
    let entered = admit(app, caller, headers, permission)?;
    let (workspace, is_default) = (entered.workspace, is_default(&entered.caller, entered.workspace));
    let sandbox = LazyLock::new(Box::new(move || sandbox(workspace, name, is_default)) as Box<_>);
    Ok(Asked { entered, org, sandbox })
}

/// Lets a caller in to the sandbox that a request names, or to the default one of its key.
///
/// # Errors
/// `workspace_forbidden`, `permission_missing`, `rate_limited`, …
pub(super) fn admit(app: &App, caller: Caller, headers: &HeaderMap, permission: Permission) -> Result<Entered, Error> {
    let (sandbox, named) = (text(headers, "x-sandbox-name")?, named_workspace(headers)?);
    app.admit_to(caller, headers, permission, |caller| {
        let found = sandbox.map_or_else(|| caller.workspace(None), |name| workspace_of(caller, name))?;
        // The header of ours says the same or nothing.
        match named.map(|named| caller.workspace(Some(named))).transpose()? {
            Some(other) if other != found => caller.workspace(Some("")),
            Some(_) | None => Ok(found),
        }
    })
}

/// The organization of a caller, as answers name it.
pub(super) fn org_of(caller: &Caller) -> String {
    let own = caller.directory().organization(caller.organization());
    own.map_or_else(String::new, |own| format!("{}{ORG_SUFFIX}", own.name))
}

/// The sandbox that a workspace is, as it was named.
fn sandbox(workspace: WorkspaceId, sandbox_name: String, is_default: bool) -> Sandbox {
    let kind = if is_default { "production" } else { "development" };
    Sandbox { sandbox_id: uuid("sandbox", &workspace.stable_id()), sandbox_name, kind, is_default }
}

/// Whether a workspace is the one that `prod` means.
fn is_default(caller: &Caller, workspace: WorkspaceId) -> bool {
    workspace_of(caller, PRODUCTION).is_ok_and(|own| own == workspace)
}

/// The workspace that a sandbox is.
///
/// # Errors
/// `workspace_forbidden`.
pub(super) fn workspace_of(caller: &Caller, name: &str) -> Result<WorkspaceId, Error> {
    match caller.workspace(Some(name)) {
        Err(_) if name == PRODUCTION => caller.workspace(Some(DEFAULT)),
        found => found,
    }
}

/// The organization that a request names, which has to be that of its key.
///
/// # Errors
/// `org_missing`, `org_forbidden`.
fn organization(caller: &Caller, headers: &HeaderMap) -> Result<String, Error> {
    let missing =
        || invalid("org_missing", "the header x-gw-ims-org-id is expected, with the name of the organization");
    let named = text(headers, "x-gw-ims-org-id")?.ok_or_else(missing)?;
    let own = caller.directory().organization(caller.organization()).map(|own| own.name.to_string());
    own.filter(|own| is_organization(own, named)).map(|own| format!("{own}{ORG_SUFFIX}")).ok_or_else(|| {
        let message = "the header x-gw-ims-org-id names another organization than that of the key";
        Error::new(ErrorKind::Forbidden, "org_forbidden", message)
    })
}

/// Whether a name in a header, or in a message, is that of an organization.
pub(super) fn is_organization(own: &str, named: &str) -> bool {
    let at = named.len().saturating_sub(ORG_SUFFIX.len());
    let bare = match named.split_at_checked(at) {
        Some((name, suffix)) if suffix.eq_ignore_ascii_case(ORG_SUFFIX) => name,
        _ => named,
    };
    own.eq_ignore_ascii_case(bare)
}

/// A header's text; none where it is absent or empty.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let unreadable = |_| invalid("header_invalid", format!("the header {name} is not ascii"));
    let value = headers.get(name).map(|value| value.to_str().map_err(unreadable)).transpose()?;
    Ok(value.map(str::trim).filter(|value| !value.is_empty()))
}

fn sandbox_missing() -> Error {
    invalid("sandbox_missing", "the header x-sandbox-name is expected, with the name of a workspace")
}

/// Refuses a body that does not say that it is of one of these types; what stands behind a semicolon does not matter.
///
/// # Errors
/// `content_type_invalid`.
pub(super) fn content_type(headers: &HeaderMap, taken: &[&str]) -> Result<(), Error> {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = said.split(';').next().unwrap_or_default().trim();
    if taken.iter().any(|own| own.eq_ignore_ascii_case(media)) {
        return Ok(());
    }
    let message = format!("the header content-type is expected to be one of these: {}", taken.join(", "));
    Err(invalid("content_type_invalid", message))
}

/// An id in the form of a UUID (version 8) of something that has a kind and a name, the same for good.
pub(super) fn uuid(kind: &str, name: &str) -> String {
    let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    let mut bytes: [u8; 16] = hash[..16].try_into().expect("a hash has more than sixteen bytes");
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
