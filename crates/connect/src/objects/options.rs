//! The options of a bucket: which there are, which are secret, and what must be there.

use std::str::FromStr;

use super::Provider;
use crate::Error;

/// Options of one connection.
pub const OPTIONS_MAX: usize = 32;
/// Bytes of the value of an option that is no secret.
pub const OPTION_BYTES_MAX: usize = 1 << 10;

/// An option: its name, and the library's name for it; none where it is read here alone.
type Known = (&'static str, Option<&'static str>);

/// Whether plain HTTP may be spoken with the endpoint.
const ALLOW_HTTP: &str = "allow_http";
/// Whether requests are not signed, for the bucket is everybody's to read.
const UNSIGNED: &str = "skip_signature";

const S3: &[Known] = &[
    ("endpoint", Some("endpoint")),
    ("region", Some("region")),
    ("access_key_id", Some("access_key_id")),
    ("secret_access_key", Some("secret_access_key")),
    ("session_token", Some("session_token")),
    ("virtual_hosted_style", Some("virtual_hosted_style_request")),
    (UNSIGNED, Some(UNSIGNED)),
    (ALLOW_HTTP, Some(ALLOW_HTTP)),
];
const GOOGLE: &[Known] = &[
    ("endpoint", Some("base_url")),
    ("service_account_key", Some("service_account_key")),
    ("bearer_token", Some("bearer_token")),
    (UNSIGNED, Some(UNSIGNED)),
    (ALLOW_HTTP, Some(ALLOW_HTTP)),
];
const AZURE: &[Known] = &[
    ("endpoint", Some("endpoint")),
    ("account_name", Some("account_name")),
    ("access_key", Some("access_key")),
    ("sas_token", Some("sas_token")),
    ("tenant_id", Some("tenant_id")),
    ("client_id", Some("client_id")),
    ("client_secret", Some("client_secret")),
    (UNSIGNED, Some(UNSIGNED)),
    (ALLOW_HTTP, Some(ALLOW_HTTP)),
];

/// Whether the value of an option of this name is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name != "access_key_id"
        && ["password", "secret", "token", "access_key", "account_key", "private_key", "passphrase", "credential"]
            .iter()
            .any(|own| name.contains(own))
}

/// Whether an option is to be kept as a secret: by its name, or because it is a URL with a password in it.
#[must_use]
pub fn holds_secret(name: &str, value: &str) -> bool {
    let authority = |rest: &str| rest.split(['/', '?']).next().unwrap_or_default().to_owned();
    is_secret(name)
        || value
            .split_once("://")
            .is_some_and(|(_, rest)| authority(rest).rsplit_once('@').is_some_and(|(user, _)| user.contains(':')))
}

fn known(provider: Provider) -> &'static [Known] {
    match provider {
        Provider::S3 => S3,
        Provider::Google => GOOGLE,
        Provider::Azure => AZURE,
    }
}

/// Whether a bucket can have these options. Values that are not known yet are taken for fit.
pub(super) fn check<'a>(
    provider: Provider,
    options: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<(), Error> {
    let invalid = |message: String| Error::invalid("connection_invalid", message);
    let options: Vec<(&str, Option<&str>)> = options.collect();
    let names: Vec<&str> = known(provider).iter().map(|(name, _)| *name).collect();
    for (name, value) in &options {
        if !names.contains(name) {
            return Err(invalid(format!("options: {name} is not known; one of {} is expected", names.join(", "))));
        }
        let is_switch = [ALLOW_HTTP, UNSIGNED, "virtual_hosted_style"].contains(name);
        if is_switch && value.is_none_or(|value| !matches!(value, "true" | "false")) {
            return Err(invalid(format!("options: {name}: true or false is expected")));
        }
        if value.is_some_and(|value| value.is_empty() || value.chars().any(char::is_control) && !is_secret(name)) {
            return Err(invalid(format!("options: {name}: a text without control characters is expected")));
        }
    }
    let is_set = |name: &str| options.iter().any(|(own, _)| *own == name);
    let is_true = |name: &str| options.contains(&(name, Some("true")));
    if let Some((_, Some(endpoint))) = options.iter().find(|(name, _)| *name == "endpoint") {
        let is_plain = endpoint.starts_with("http://");
        if !is_plain && !endpoint.starts_with("https://") || endpoint.contains('@') {
            return Err(invalid("options: endpoint: a URL is expected such as https://minio.internal:9000".into()));
        }
        if is_plain && !is_true(ALLOW_HTTP) {
            let message = "options: endpoint: https is expected; plain http, which anybody on the way can read, needs \"allow_http\": true";
            return Err(invalid(message.into()));
        }
    }
    if is_true(UNSIGNED) {
        return Ok(());
    }
    let missing = match provider {
        Provider::S3 => ["access_key_id", "secret_access_key"].into_iter().find(|name| !is_set(name)),
        Provider::Google if is_set("bearer_token") => None,
        Provider::Google => Some("service_account_key").filter(|name| !is_set(name)),
        Provider::Azure if !is_set("account_name") => Some("account_name"),
        Provider::Azure if is_set("access_key") || is_set("sas_token") => None,
        Provider::Azure => ["tenant_id", "client_id", "client_secret"]
            .into_iter()
            .find(|name| !is_set(name))
            .map(|first| if first == "tenant_id" { "access_key" } else { first }),
    };
    missing.map_or(Ok(()), |name| {
        let message = format!(
            "options: {name} is missing; the server's own machine lends no rights to a connection. A bucket that is everybody's to read \
             takes \"skip_signature\": true"
        );
        Err(invalid(message))
    })
}

/// The library's key for an option.
pub(super) fn key<K: FromStr>(name: &str) -> Result<K, Error> {
    let own = [S3, GOOGLE, AZURE].into_iter().flatten().find(|(own, _)| *own == name).and_then(|(_, own)| *own);
    own.and_then(|own| own.parse().ok())
        .ok_or_else(|| Error::invalid("connection_invalid", format!("options: {name} is not known")))
}
