use serde_json::json;

use super::{Who, body, encoded, segment, with_query};

#[test]
fn people_are_named_by_an_identity_or_an_id() {
    for (who, path, is_identity) in [
        ("email=a b@x.example", "/v1/profiles/identifier/email/a%20b%40x.example", true),
        ("user_id=a=b/c", "/v1/profiles/identifier/user_id/a%3Db%2Fc", true),
        ("019a0f3e5b2c7d41e0a8f5c2", "/v1/profiles/id/019a0f3e5b2c7d41e0a8f5c2", false),
    ] {
        let who = Who { who: who.to_owned() };
        assert_eq!(who.path(), path);
        assert_eq!(who.identity().is_ok(), is_identity);
        assert_eq!(who.body().get("id").is_none(), is_identity);
    }
}

#[test]
fn what_is_not_given_is_not_sent() {
    assert_eq!(
        with_query("/p", &[("a", None), ("b", Some("x y".to_owned())), ("c", Some("é".to_owned()))]),
        "/p?b=x%20y&c=%C3%A9"
    );
    assert_eq!(body(&[("a", None), ("b", Some(json!(1)))]), json!({"b": 1}));
    assert_eq!(encoded("a-_.~/"), "a-_.~%2F");
    assert!(segment("a/b").is_err() && segment("").is_err() && segment("a-b.c_1").is_ok());
}
