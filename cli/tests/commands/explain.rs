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
    expect![[r#"
        sources
          gps
            reads       records of at most 1MiB from gps.raw, gps.more at a:9092, b:9092
            partitions  all that the topics have, each a lane; looked for again every 30s
            start       at 2024-05-01T12:00:00Z, then where the last commit ended; a new partition at its beginning
            lost        records that are gone before they are read are counted, and reading goes on behind them
            vehicle     the record's header imei
            group       rhumb-p, told what is committed
            properties  client.rack
            time        live, received when the record was written; times set back by 1024 weeks are repaired
            codec       json
    "#]]
    .assert_eq(&of(&plan, "sources"));
    expect![[r#"
        sinks
          lake
            format      Delta Lake over Parquet, by event_date
            row groups  of about 262144 rows
            tables      history, rejects, alerts
          kafka
            brokers     a:9092
            frames      topic gps.accepted, json, keyed by vehicle
            alerts      topic gps.alerts, json, keyed by vehicle; id and sequence in headers
            delivered   at least once, before each commit; a record that is not taken for 2m stops the run
    "#]]
    .assert_eq(&of(&plan, "sinks"));
    expect![[r#"
        lanes and shards
            lanes       one a partition of gps, on 2 shards; a vehicle is known in its partition
            epoch       committed every 10s, or after 4000000 frames
            lateness    windows wait 5m for late frames
            idle        a lane that is silent for 30s goes on as its source does
            future      frames more than 5m ahead of their receipt are rejected
            path        16 fixes of each vehicle are remembered
            vehicles    at most 5000000, offline after 10m of silence
    "#]]
    .assert_eq(&of(&plan, "lanes and shards"));
    expect![[r#"
        lanes and shards
            lanes       64, by hash of the vehicle, on 2 shards
                        one a partition of gps, on 2 shards; a vehicle is known in its partition
            epoch       committed every 10s, or after 4000000 frames
            lateness    windows wait 5m for late frames
            idle        a lane that is silent for 30s goes on as its source does
            future      frames more than 5m ahead of their receipt are rejected
            path        16 fixes of each vehicle are remembered
            vehicles    at most 5000000, offline after 10m of silence
    "#]]
    .assert_eq(&of(&pipeline(udp), "lanes and shards"));
}
