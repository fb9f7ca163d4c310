use std::time::Duration;

use super::*;

#[test]
fn a_scrape_becomes_points() {
    let scrape = "\
# HELP tessera_a_total What a is
# TYPE tessera_a_total counter
tessera_a_total{code=\"x\",who=\"say \\\"hi\\\", \\\\ \\n{}\"} 3
tessera_a_total 4

# HELP tessera_b What b is
# TYPE tessera_b gauge
tessera_b 1.5

# HELP tessera_c_seconds What c is
# TYPE tessera_c_seconds histogram
tessera_c_seconds_bucket{route=\"/v1\",le=\"0.1\"} 2
tessera_c_seconds_bucket{route=\"/v1\",le=\"1\"} 5
tessera_c_seconds_bucket{route=\"/v1\",le=\"+Inf\"} 6
tessera_c_seconds_sum{route=\"/v1\"} 4.5
tessera_c_seconds_count{route=\"/v1\"} 6
tessera_c_seconds_bucket{route=\"/v2\",le=\"0.1\"} 0
tessera_c_seconds_bucket{route=\"/v2\",le=\"1\"} 1
tessera_c_seconds_bucket{route=\"/v2\",le=\"+Inf\"} 1
tessera_c_seconds_sum{route=\"/v2\"} 0.5
tessera_c_seconds_count{route=\"/v2\"} 1
";
    let body = metrics(&json!({}), scrape, (7, 9));
    let told = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().expect("a list");
    assert_eq!(told.len(), 3);
    let counter = &told[0];
    assert_eq!((&counter["name"], &counter["description"]), (&json!("tessera_a_total"), &json!("What a is")));
    assert_eq!(counter["sum"]["isMonotonic"], true);
    let points = counter["sum"]["dataPoints"].as_array().expect("points");
    let labels = points[0]["attributes"].as_array().expect("attributes");
    assert_eq!(labels[1]["value"]["stringValue"], "say \"hi\", \\ \n{}");
    assert_eq!((&points[0]["asDouble"], &points[1]["asDouble"]), (&json!(3.0), &json!(4.0)));
    assert_eq!((&points[0]["startTimeUnixNano"], &points[0]["timeUnixNano"]), (&json!("7"), &json!("9")));
    assert_eq!(told[1]["gauge"]["dataPoints"][0]["asDouble"], 1.5);
    let histogram = told[2]["histogram"]["dataPoints"].as_array().expect("points");
    assert_eq!(histogram.len(), 2);
    assert_eq!(histogram[0]["bucketCounts"], json!(["2", "3", "1"]));
    assert_eq!(histogram[0]["explicitBounds"], json!([0.1, 1.0]));
    assert_eq!((&histogram[0]["count"], &histogram[0]["sum"]), (&json!("6"), &json!(4.5)));
    assert_eq!(histogram[1]["bucketCounts"], json!(["0", "1", "0"]));
}

#[test]
fn a_request_becomes_a_span() {
    let own = Span {
        trace: [0xab; 16],
        id: [1; 8],
        parent: Some([2; 8]),
        method: "GET",
        route: "/v1/profiles".to_owned(),
        status: 503,
        code: Some("disk_full"),
        request_id: "r-1".to_owned(),
        started: tessera_engine::time::Timestamp::from_micros(5).expect("an instant"),
        took: Duration::from_micros(3),
    };
    let told = span(&own);
    assert_eq!((&told["traceId"], &told["spanId"]), (&json!("ab".repeat(16)), &json!("01".repeat(8))));
    assert_eq!((&told["parentSpanId"], &told["kind"]), (&json!("02".repeat(8)), &json!(2)));
    assert_eq!((&told["startTimeUnixNano"], &told["endTimeUnixNano"]), (&json!("5000"), &json!("8000")));
    assert_eq!(told["status"], json!({ "code": 2 }));
    let fine = span(&Span { parent: None, status: 200, code: None, ..own });
    assert_eq!((fine.get("parentSpanId"), fine.get("status")), (None, None));
}
