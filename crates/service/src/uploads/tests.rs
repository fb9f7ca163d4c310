use tessera_connect::{ColumnKind, Unfit};
use tessera_engine::time::Timestamp;
use tessera_store::{MemoryStore, Store};

use super::*;
use crate::base::components::Components;
use crate::base::settings::Settings;

const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
const NAME: &str = "a file";

async fn open() -> Arc<Service> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store,
        clock: Arc::new(|| Timestamp::from_micros(1_700_000_000_000_000).expect("within bounds")),
        random: Arc::new(|bytes| bytes.fill(7)),
    };
    Service::open(components, Settings::default()).await.expect("the service opens")
}

async fn write(service: &Arc<Service>, start: u64, part: &str) -> Result<(), &'static str> {
    let part = bytes::Bytes::copy_from_slice(part.as_bytes());
    service.write_upload(WORKSPACE, NAME, start, part).await.map_err(|error| error.code)
}

async fn rows(service: &Arc<Service>, format: UploadFormat) -> Result<Vec<UploadRow>, &'static str> {
    let mut rows = service.read_upload(WORKSPACE, NAME, format).await.map_err(|error| error.code)?;
    let mut all = Vec::new();
    while let Some(part) = rows.next().await.map_err(|error| error.code)? {
        assert!(part.len() <= ROWS_AT_ONCE, "a bounded number at once");
        all.extend(part);
    }
    Ok(all)
}

async fn read(service: &Arc<Service>, format: UploadFormat, text: &str) -> Result<Vec<UploadRow>, &'static str> {
    service.begin_upload(WORKSPACE, NAME, format).expect("begun");
    write(service, 0, text).await.expect("written");
    rows(service, format).await
}

fn all(rows: &[&str]) -> Vec<UploadRow> {
    rows.iter().map(|row| Ok((*row).to_owned())).collect()
}

#[tokio::test]
async fn a_file_comes_in_parts_of_which_each_may_come_twice() {
    let service = open().await;
    assert_eq!(write(&service, 0, "x").await, Err("upload_not_begun"));
    service.begin_upload(WORKSPACE, NAME, UploadFormat::Lines).expect("begun");
    assert_eq!(write(&service, 0, "{\"a\":1}\n{\"a\"").await, Ok(()));
    assert_eq!(write(&service, 13, "!").await, Err("upload_gap"));
    for _ in 0..2 {
        assert_eq!(write(&service, 12, ":2}\n").await, Ok(()));
    }
    assert_eq!(rows(&service, UploadFormat::Lines).await, Ok(all(&["{\"a\":1}", "{\"a\":2}"])));
    // Another workspace has nothing of it.
    let other = service.read_upload(WorkspaceId::new(2), NAME, UploadFormat::Lines).await;
    assert_eq!(other.map(drop).map_err(|error| error.code), Err("upload_not_begun"));
    // Begun again, it is empty.
    service.begin_upload(WORKSPACE, NAME, UploadFormat::Lines).expect("begun");
    assert_eq!(rows(&service, UploadFormat::Lines).await, Ok(Vec::new()));
    service.let_go_of_uploads(WORKSPACE, |name| name == NAME);
    assert_eq!(rows(&service, UploadFormat::Lines).await, Err("upload_not_begun"));
    service.close().await;
}

#[tokio::test]
async fn what_is_handed_over_has_bounds() {
    let service = open().await;
    for number in 0..UPLOADS_MAX {
        service.begin_upload(WORKSPACE, &format!("{number}"), UploadFormat::Lines).expect("within the bound");
    }
    let full = service.begin_upload(WORKSPACE, NAME, UploadFormat::Lines).expect_err("one too many");
    assert_eq!(full.code, "uploads_full");
    service.begin_upload(WORKSPACE, "7", UploadFormat::Lines).expect("in place of one of the same name");
    service.begin_upload(WorkspaceId::new(2), NAME, UploadFormat::Lines).expect("another workspace has its own");
    service.let_go_of_uploads(WORKSPACE, |name| name == "7");
    service.begin_upload(WORKSPACE, NAME, UploadFormat::Lines).expect("there is room");
    assert_eq!(write(&service, UPLOAD_BYTES_MAX, "x").await, Err("upload_gap"));
    service.close().await;
}

#[tokio::test]
async fn lines_are_rows_and_what_is_none_says_why() {
    let service = open().await;
    let long = format!("\"{}\"", "x".repeat(ROW_BYTES_MAX));
    let text = format!("{{\"a\":1}}\r\n\n[{{\"b\":1}},2]\n{{\"a\":\n{long}\n{{\"a\":12345678901234567890.5}}");
    let mut expected = all(&["{\"a\":1}", "{\"b\":1}", "2"]);
    expected.push(Err("the row is no json".to_owned()));
    expected.push(Err(format!("the row is larger than may be bytes_max={ROW_BYTES_MAX}")));
    expected.extend(all(&["{\"a\":12345678901234567890.5}"]));
    assert_eq!(read(&service, UploadFormat::Lines, &text).await, Ok(expected));
    let many = "{}\n".repeat(ROWS_AT_ONCE * 3 + 1);
    assert_eq!(read(&service, UploadFormat::Lines, &many).await.expect("rows").len(), ROWS_AT_ONCE * 3 + 1);
    service.close().await;
}

#[tokio::test]
async fn a_value_is_a_row_and_a_list_of_them_many() {
    let service = open().await;
    for (text, expected) in [
        ("", Ok(all(&[]))),
        (" {\n\"a\": 1 }\n", Ok(all(&["{\n\"a\": 1 }"]))),
        (" [ {\"a\":1} ,\n [2] ]", Ok(all(&["{\"a\":1}", "[2]"]))),
        ("[]", Ok(all(&[]))),
        ("[{\"a\":1}", Err("upload_unreadable")),
        ("{\"a\":1} {}", Err("upload_unreadable")),
        ("no json", Err("upload_unreadable")),
    ] {
        assert_eq!(read(&service, UploadFormat::Json, text).await, expected, "{text}");
    }
    let many = format!("[{}]", vec!["7"; ROWS_AT_ONCE * 2 + 1].join(","));
    assert_eq!(read(&service, UploadFormat::Json, &many).await.expect("rows").len(), ROWS_AT_ONCE * 2 + 1);
    service.close().await;
}

#[test]
fn a_row_of_a_table_is_an_entity() {
    let column = |name: &str| Column { name: name.to_owned(), kind: ColumnKind::Text, source_type: String::new() };
    let check = |row: Vec<Value>, expected: Result<&str, &str>| {
        let columns = [column("a"), column("b\"")];
        assert_eq!(entity(&columns, row), expected.map(str::to_owned).map_err(str::to_owned));
    };
    let json = |text: &str| Value::Json(serde_json::from_str(text).expect("json"));
    check(vec![Value::Number("0.10".into()), Value::Null], Ok("{\"a\":0.10}"));
    check(vec![Value::Boolean(true), Value::Text("x\"".into())], Ok("{\"a\":true,\"b\\\"\":\"x\\\"\"}"));
    check(
        vec![json("{\"x\":null,\"y\":{\"z\":null},\"l\":[1,null]}"), json("{\"x\":null}")],
        Ok("{\"a\":{\"l\":[1]}}"),
    );
    check(vec![Value::Unfit(Unfit::Binary), Value::Null], Err("a: value_binary"));
    check(vec![Value::Number("none".into()), Value::Null], Err("a: no json"));
}
