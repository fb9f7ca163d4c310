//! What URLs and options come to, as data.

use super::*;

fn check(url: &str, options: &[(&str, &str)], expected: Result<(), &str>) {
    let given = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let found = Place::parse(url, given, None).and_then(|place| place.open().map(drop));
    assert_eq!(found.as_ref().copied().map_err(|error| error.code), expected, "{url} {options:?}: {found:?}");
}

#[test]
fn a_place_is_opened_with_what_it_needs() {
    let keys = [("access_key_id", "a"), ("secret_access_key", "b")];
    check("s3://exports/2026", &keys, Ok(()));
    check("s3://exports/", &[keys[0], keys[1], ("region", "eu-west-1"), ("session_token", "t")], Ok(()));
    check("s3://exports", &[keys[0], keys[1], ("endpoint", "https://minio:9000")], Ok(()));
    check("s3a://exports", &[("skip_signature", "true")], Ok(()));
    check("az://exports/x", &[("account_name", "a"), ("access_key", "c2VjcmV0")], Ok(()));
    check(
        "abfss://exports@account.dfs.core.windows.net/x",
        &[("account_name", "a"), ("sas_token", "sv=1&sig=x")],
        Ok(()),
    );
    check(
        "az://exports",
        &[("account_name", "a"), ("tenant_id", "t"), ("client_id", "c"), ("client_secret", "s")],
        Ok(()),
    );
    check("gs://exports", &[("bearer_token", "t")], Ok(()));
    check("gs://exports", &[("skip_signature", "true")], Ok(()));
    check("file:///", &[], Ok(()));
}

#[test]
fn a_place_that_cannot_be_opened_is_told_clearly() {
    let keys = [("access_key_id", "a"), ("secret_access_key", "b")];
    for url in
        ["exports", "http://x", "s3://", "s3:///x", "s3://a b", "s3://a/../b", "file://exports", "file:///a/../b", ""]
    {
        check(url, &keys, Err("connection_url_invalid"));
    }
    let unfit = Err("connection_invalid");
    // The machine that the server runs on lends its rights to nobody.
    check("s3://exports", &[], unfit);
    check("s3://exports", &keys[..1], unfit);
    check("gs://exports", &[], unfit);
    check("gs://exports", &[("service_account_key", "no JSON")], unfit);
    check("az://exports", &[("account_name", "a")], unfit);
    check("az://exports", &[("access_key", "a")], unfit);
    check("az://exports", &[("account_name", "a"), ("client_id", "a")], unfit);
    for more in [
        ("endpoint", "http://minio:9000"),
        ("endpoint", "minio:9000"),
        ("endpoint", "https://a:b@minio"),
        ("allow_http", "yes"),
        ("service_account_path", "/etc/key.json"),
        ("region", ""),
        ("metadata_endpoint", "http://169.254.169.254"),
    ] {
        check("s3://exports", &[keys[0], keys[1], more], unfit);
    }
    check("file:///exports", &[("region", "x")], unfit);
    check("file:///nowhere/at/all", &[], Err("connection_folder_missing"));
}

#[test]
fn what_is_secret_is_known_by_its_name() {
    for name in [
        "secret_access_key",
        "session_token",
        "access_key",
        "sas_token",
        "service_account_key",
        "client_secret",
        "adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_value",
        "password",
        "adbc.snowflake.sql.auth_token",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in ["access_key_id", "endpoint", "region", "account_name", "username", "allow_http", "client_id"] {
        assert!(!is_secret(name), "{name}");
    }
}
