use super::*;
use crate::config::workspace::StoredConfig;

/// What of `ann@shop.example` (email, erasure 1), `+4917012345678` (phone, 2), `7001` (user_id, 3) and `abc` (user_id, 4) these
/// bytes name.
#[track_caller]
fn check(bytes: &[u8], expected: &[u8]) {
    let config = StoredConfig::default().to_engine().expect("the default is a configuration");
    let erased = [("email", "ann@shop.example"), ("phone", "+4917012345678"), ("user_id", "7001"), ("user_id", "abc")];
    let traces = (1_u8..).zip(erased).map(|(number, (namespace, value))| {
        let namespace = config.by_name(namespace).expect("a namespace of everybody").id;
        let identity = Identity { namespace, value: value.into() };
        let trace = Trace { receipt: ErasureId::from_bytes([number; 12]), identity };
        (NodeId::from_bytes([number; 12]), trace)
    });
    let traces: Vec<_> = traces.collect();
    let wanted = Wanted::new(&traces, &config).expect("few patterns");
    let found: Vec<u8> = wanted.named_in(bytes).iter().map(|id| id.as_bytes()[0]).collect();
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn json_is_compared_scalar_by_scalar() {
    check(br#"{"email":"ann@shop.example"}"#, &[1]);
    check(br#"{"a":[{"b":" ANN@Shop.Example "}]}"#, &[1]);
    check(br#"{"tel":"+49 170 12345678"}"#, &[2]);
    check(br#"{"tel":"0049 (170) 123-45678"}"#, &[2]);
    check(br#"{"tel":"0170 / 123 45 678"}"#, &[2]);
    check(br#"{"tel":17012345678}"#, &[2]);
    check(br#"{"tel":"345678","n":45678}"#, &[]);
    check(br#"{"id":7001.0,"b":1}"#, &[3]);
    check(br#"{"id":7.001e3}"#, &[3]);
    check(br#"{"email":"\u0061nn@shop.ex\u0061mple"}"#, &[1]);
    check("{\"email\":\"ann\u{200b}@shop.example\"}".as_bytes(), &[1]);
    check(br#"{"id":7001}"#, &[3]);
    check(br#"{"7001":true}"#, &[3]);
    check(br#"["abc","ann@shop.example"]"#, &[1, 4]);
    check(br#"{"text":"write to ann@shop.example"}"#, &[]);
    check(br#"{"id":70011,"x":"abcd"}"#, &[]);
    check(b"null", &[]);
}

#[test]
fn other_bytes_are_searched() {
    check(b"to: ANN@SHOP.example; ", &[1]);
    check(br#"{"cut":"ann@shop.example","mid"#, &[1]);
    check(b"user=7001&x=1", &[3]);
    check(b"abcd is no word of theirs, nor is xabc", &[]);
    check(b"id=abc&x=1", &[4]);
    check(br#"{"id":"abc","cut":"mid"#, &[4]);
    check(br#"{"email":"\u0061nn@shop.ex\u0061mple","cut":"mid"#, &[1]);
    check(br#"{"tel":"0170 12345678","cut":"mid"#, &[2]);
    check(br#"{"id":7001,"cut":"mid"#, &[3]);
    // What was cut in the middle of a value.
    check(br#"{"a":1,"email":"Ann@sho"#, &[1]);
    check(br#"{"a":1,"email":"\u0061nn@sh\u006"#, &[1]);
    check(br#"{"a":1,"tel":"+49 170 123"#, &[2]);
    check(br#"{"a":1,"tel":"0170 123"#, &[2]);
    check(br#"{"a":1,"id":700"#, &[]);
    check(br#"{"a":1,"email":"an"#, &[]);
    check(br#"{"a":1,"email":"anna@"#, &[]);
    check(b"\xff\xfe", &[]);
    check(b"", &[]);
}
