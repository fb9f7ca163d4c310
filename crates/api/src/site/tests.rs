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

/// The reference begins with who asks and what is answered, its links lead to pages, and its groups stand in the order in which the introduction names them.
#[tokio::test]
async fn the_reference_has_an_introduction_and_an_order() {
    let world = World::new().await;
    let document = world.get("/openapi.json", "").await.json();
    let introduction = document["info"]["description"].as_str().expect("an introduction");
    for part in ["## Who asks", "Bearer $KEY", "`code` is stable", "](/docs/operations)", "](/docs/doors)"] {
        assert!(introduction.contains(part), "{part}: {introduction}");
    }
    assert!(!introduction.contains(".md"), "{introduction}");
    let groups: Vec<&str> =
        document["tags"].as_array().expect("groups").iter().filter_map(|tag| tag["name"].as_str()).collect();
    let order = introduction.split_once("## Who asks").expect("a part").0;
    let named: Vec<&str> = order.split('`').skip(1).step_by(2).filter(|word| groups.contains(word)).collect();
    assert!(named.len() >= 12, "{named:?}");
    let places: Vec<_> = named.iter().map(|name| groups.iter().position(|group| group == name)).collect();
    assert!(places.is_sorted(), "{named:?} stand as {groups:?}");
    // Each group that has operations is told of, and each operation is of one.
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for operation in methods.as_object().expect("methods").values() {
            let group = operation["tags"][0].as_str().expect("a group");
            assert!(groups.contains(&group), "{path}: {group}");
        }
    }
    let page = String::from_utf8_lossy(&world.get("/docs/api/swagger-initializer.js", "").await.body).into_owned();
    assert!(page.contains("\"docExpansion\": \"none\"") && page.contains("\"persistAuthorization\": true"), "{page}");
}
