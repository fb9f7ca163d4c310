//! Which fields of documents identify.

use super::super::*;
use crate::base::codec;

fn model() -> DocumentModel {
    let key =
        |namespace: &str, many| Some(DocumentKey { namespace: NamespaceName::parse(namespace).expect("a name"), many });
    let field = |key, public, hidden_from_person| DocumentField { key, public, hidden_from_person };
    DocumentModel {
        version: 0,
        strong: "customer".into(),
        priority: vec!["customer".into(), "visitors".into()],
        fields: [
            ("customer".into(), field(key("customer_id", false), false, true)),
            ("visitors".into(), field(key("anonymous_id", true), true, false)),
            ("nickname".into(), field(None, true, false)),
        ]
        .into(),
    }
}

#[test]
fn the_record_is_frozen_and_written_where_it_changes() {
    let before = StoredConfig::default();
    let after = set_document_model(&before, model()).expect("a model");
    codec::golden("config-documents-1", &encode_documents(after.documents()));
    assert_eq!(decode_documents(&encode_documents(after.documents())).expect("a row"), *after.documents());
    let written = rows(&after, &before);
    assert_eq!(written.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [Part::Main, Part::Documents]);
    assert_eq!(read(written.iter().map(|(part, bytes)| (*part, &**bytes))).expect("a configuration"), after);
    assert_eq!(Part::of_suffix(&[10]), Some(Part::Documents));
    let same = set_document_model(&after, model()).expect("a model");
    assert_eq!(same, after, "nothing is written");
}

#[test]
fn its_terms_name_what_is_single_and_strong() {
    let terms = model().terms(&["visitors".into(), "nickname".into()]);
    assert_eq!(terms.single, ["customer_id".into()]);
    assert_eq!(terms.cleared, ["anonymous_id".into()]);
    assert_eq!(terms.strong, Some("customer_id".into()));
    let first = DocumentModel::default();
    let keys: Vec<&str> = first.keys().map(|(name, _)| &**name).collect();
    assert_eq!(keys, ["email", "phone", "uids"], "those that decide first stand at the front");
}
