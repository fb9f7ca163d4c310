//! What dialects keep: put, replaced, taken away, bounded, and read again from its row.

use super::super::*;

#[test]
fn objects_are_kept_with_the_configuration_and_bounded() {
    let config = StoredConfig::default();
    let one = set_object(&config, ("door.thing", "a"), Some(r#"{"x":1}"#)).expect("a configuration");
    assert_eq!((one.version(), one.objects().get("door.thing", "a")), (2, Some(r#"{"x":1}"#)));
    let same = set_object(&one, ("door.thing", "a"), Some(r#"{"x":1}"#)).expect("a configuration");
    assert_eq!(same.version(), 2);
    let written = rows(&one, &config);
    assert_eq!(written.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [Part::Main, Part::Objects]);
    assert_eq!(Part::of_suffix(&[11]), Some(Part::Objects));
    let again = read(written.iter().map(|(part, bytes)| (*part, &bytes[..]))).expect("rows");
    assert_eq!(again.objects(), one.objects());
    let gone = set_object(&one, ("door.thing", "a"), None).expect("a configuration");
    assert_eq!((gone.objects().of("door.thing").count(), gone.objects() == config.objects()), (0, true));
    let code = |name: &str, json: &str| set_object(&config, ("k", name), Some(json)).map_err(|error| error.code);
    assert_eq!(code("", "{}").err(), Some("object_name_invalid"));
    assert_eq!(code(&"n".repeat(201), "{}").err(), Some("object_name_invalid"));
    assert_eq!(code("n", &"x".repeat(OBJECT_BYTES_MAX + 1)).err(), Some("object_too_large"));
    let mut full = config;
    for at in 0..OBJECTS_MAX {
        full.objects.put("k", &at.to_string(), "{}");
    }
    assert_eq!(set_object(&full, ("k", "more"), Some("{}")).map_err(|error| error.code).err(), Some("objects_full"));
    assert!(set_object(&full, ("k", "7"), Some("{\"y\":1}")).is_ok(), "one that is there is replaced");
}
