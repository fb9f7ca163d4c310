//! By which tokens a workspace's server vouches for the user ids that its pages send.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::{get, put};
use serde_json::json;
use tessera_seam::answer::{Answer, invalid, json as json_answer, json_bytes, to_json};
use tessera_seam::app::App;
use tessera_seam::once::whole;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::identity_tokens::{IdentityTokens, Material, PublicKey, TokenKey, TokenMode, kid};
use tessera_service::workspace_config::{NewTokenKey, StoredConfig, set_identity_tokens};

mod wire;

const PATH: &str = "/v1/admin/identity-tokens";
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

pub(super) fn routes() -> [Route; 2] {
    let route = |method, handler, summary| Route::new(method, PATH, CONFIGURE, handler, Tag::Administration, summary);
    let set = json!({
        "mode": "require",
        "keys": [{ "kid": "2026-01", "algorithm": "HS256", "secret": "a secret of no less than thirty-two bytes" }]
    });
    let shown = json!({ "mode": "require", "keys": [{ "kid": "2026-01", "algorithm": "HS256", "public_key": null }] });
    [
        route(Method::GET, get(show), "Reads the rules of identity tokens")
            .describe("Secrets are never shown.")
            .answer::<wire::Tokens>(200, "The rules.", shown.clone()),
        route(Method::PUT, put(set_all), "Sets the rules of identity tokens")
            .describe(
                "An identity token is a JSON Web Token of your server: `sub` is the user id, `exp` when it ends, signed with HS256 or \
                 RS256. A page sends it in `context.identityToken` or in the header `X-Tessera-Identity-Token`. With mode `accept` a user \
                 id that a public key sends with a good token is as good as one that a private key sends; with `require` one without is \
                 refused. A secret is told once: leave it out to keep the one that stands under the `kid`. To change keys without a \
                 gap, set the new one beside the old one, sign with it, and take the old one away when its tokens have ended.",
            )
            .idempotent()
            .body::<wire::SetTokens>(set)
            .answer::<wire::Tokens>(200, "The rules.", shown),
    ]
}

async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_answer(&render(config.tokens()))))
}

async fn set_all(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let wire::SetTokens { mode, keys } = body::json(&body)?;
    let mode = parse_mode(&mode)?;
    let keys: Vec<NewTokenKey> = keys.into_iter().map(parse_key).collect::<Result<_, _>>()?;
    let change = move |config: &_| set_identity_tokens(config, mode, &keys);
    let rendered = |config: &StoredConfig| Ok(to_json(&render(config.tokens())).into());
    let what = (&Method::PUT, whole(&uri), &body[..]);
    let json = once::configure(&app, &entered, key, what, change, rendered).await?;
    Ok(entered.answer(json_bytes(json)))
}

fn parse_mode(name: &str) -> Result<TokenMode, Error> {
    let found = TokenMode::ALL.into_iter().find(|mode| mode.name() == name);
    found.ok_or_else(|| invalid("token_mode_unknown", "mode is off, accept or require"))
}

fn parse_key(key: wire::SetTokenKey) -> Result<NewTokenKey, Error> {
    let wire::SetTokenKey { kid: name, algorithm, secret, public_key } = key;
    let kid = kid(&name)?;
    let material = match (algorithm.as_str(), secret, public_key) {
        ("HS256", None, None) => return Ok(NewTokenKey::Kept(kid)),
        ("HS256", Some(secret), None) => Material::secret(&secret)?,
        ("RS256", None, Some(pem)) => Material::Public(PublicKey::parse(&pem)?),
        ("HS256" | "RS256", ..) => {
            return Err(invalid("token_key_invalid", "HS256 takes a secret, RS256 a public_key"));
        }
        _ => return Err(invalid("token_key_invalid", "algorithm is HS256 or RS256")),
    };
    Ok(NewTokenKey::Told(TokenKey { kid, material }))
}

fn render(tokens: &IdentityTokens) -> wire::Tokens {
    let key = |key: &TokenKey| wire::TokenKey {
        kid: key.kid.to_string(),
        algorithm: key.material.algorithm(),
        public_key: match &key.material {
            Material::Secret(_) => None,
            Material::Public(key) => Some(key.as_pem().to_owned()),
        },
    };
    wire::Tokens { mode: tokens.mode.name(), keys: tokens.keys.iter().map(key).collect() }
}
