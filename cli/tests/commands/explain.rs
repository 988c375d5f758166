//! `rhumb explain`: what a pipeline is, before it runs.

use crate::lake;
use crate::support::Site;
use expect_test::expect;

#[test]
fn explain_names_the_columns_that_are_stored() {
    let site = lake();
    let plan = site.done(&["explain", "cars.toml"]).stdout;
    let tables = plan.split("\ntables\n").nth(1).and_then(|rest| rest.split("\ndata\n").next()).expect("tables");
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for line in tables.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("    ") {
            None => told.push((line.trim().to_owned(), Vec::new())),
            Some(columns) => {
                let columns = columns.trim().trim_start_matches("columns").split(',').map(str::trim);
                let known = &mut told.last_mut().expect("a table's name comes first").1;
                known.extend(columns.filter(|column| !column.is_empty()).map(str::to_owned));
            }
        }
    }
    assert_eq!(told.len(), 4, "{plan}");
    for (table, columns) in told {
        // What is stored of a window is in the table of its revisions.
        let table = if table.starts_with("windows_") { format!("{table}_revisions") } else { table };
        let answer = site.done(&["query", "cars.toml", &format!("select * from {table} limit 0")]).stdout;
        let head = answer.lines().next().expect("the names of the columns");
        assert_eq!(head.split_whitespace().collect::<Vec<_>>(), columns, "{table}");
    }
}

#[test]
fn explain_says_how_topics_are_read_and_what_is_sent_and_shows_no_secret() {
    let site = Site::new();
    let kafka = "[source.kafka]\nbrokers = [\"a:9092\", \"b:9092\"]\ntopics = [\"gps.raw\", \"gps.more\"]\ncodec = \"json\"\n\
                 start = \"2024-05-01T12:00:00Z\"\nvehicle = \"header:imei\"\nlost = \"skip\"\n\
                 properties = { \"client.rack\" = \"hidden\" }\n";
    let sink = "[[sink]]\n[sink.kafka]\nbrokers = [\"a:9092\"]\nframes = \"gps.accepted\"\nalerts = \"gps.alerts\"\n";
    let udp = "[[source]]\nname = \"trackers\"\n[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n";
    let pipeline = |more: &str| {
        site.write(
            "p.toml",
            format!("name = \"p\"\n[engine]\nshards = 2\n[[source]]\nname = \"gps\"\n{kafka}{sink}{more}"),
        );
        site.done(&["explain", "p.toml"]).stdout
    };
    let plan = pipeline("");
    let of = |plan: &str, heading: &str| {
        let lines = plan.lines().skip_while(|line| *line != heading).take_while(|line| !line.is_empty());
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert!(!plan.contains("hidden"), "{plan}");
    expect![[r#""#]].assert_eq(&of(&plan, "sources"));
    expect![[r#""#]].assert_eq(&of(&plan, "sinks"));
    expect![[r#""#]].assert_eq(&of(&plan, "lanes and shards"));
    expect![[r#""#]].assert_eq(&of(&pipeline(udp), "lanes and shards"));
}
