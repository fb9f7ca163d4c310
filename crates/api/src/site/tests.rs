use std::path::Path;

use super::*;
use crate::tests::world::World;

/// Each link of a page leads to a page, and to a heading that it has.
#[tokio::test]
async fn links_lead_somewhere() {
    let world = World::new().await;
    for page in PAGES {
        let reply = world.get(&format!("/docs/{}", page.name), "").await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, HTML), "{}", page.name);
        let text = String::from_utf8(reply.body.to_vec()).expect("text");
        for link in text.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let own = format!("/docs/{}", page.name);
            let path = if path.is_empty() { &own } else { path };
            assert!(path.starts_with("/docs/"), "{}: {link}", page.name);
            let led = world.get(path, "").await;
            assert_eq!(led.status, 200, "{}: {link}", page.name);
            let there = String::from_utf8_lossy(&led.body).into_owned();
            assert!(anchor.is_empty() || there.contains(&format!("id=\"{anchor}\"")), "{}: {link}", page.name);
        }
    }
}

/// The files that the README and the pages link to are there.
#[test]
fn links_of_the_repository_lead_to_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let texts = PAGES.iter().map(|page| (page.file, page.text)).chain([("README.md", readme.as_str())]);
    for (file, text) in texts {
        let folder = root.join(file).parent().expect("a folder").to_owned();
        for event in Parser::new(text) {
            let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
            let path = dest_url.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(folder.join(path).exists(), "{file}: {dest_url}");
            }
        }
    }
}

#[tokio::test]
async fn every_code_stands_in_the_table_of_errors() {
    let world = World::new().await;
    let reply = world.get("/docs/errors", "").await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    for code in codes::all() {
        assert!(text.contains(&format!("id=\"{}\"", code.code)), "{}", code.code);
    }
    assert_eq!(world.get("/", "").await.header("location"), "/docs/");
    assert_eq!(world.get("/docs/nothing", "").await.status, 404);
}
