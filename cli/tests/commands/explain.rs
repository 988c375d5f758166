//! `rhumb explain`: what a pipeline is, before it runs.

use crate::lake;
use crate::support::Site;

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
fn explain_says_which_rule_decided() {
    let site = Site::new();
    let zone = r#"{"type":"Feature","id":"yard","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[0.01,0],[0.01,0.01],[0,0.01],[0,0]]]}}"#;
    site.write("zones.geojson", zone);
    let frames = "vehicle_id,ts,lat,lon,accuracy_m\n\
        bus,1700000000000,0.005,-0.005,5\nbus,1700000060000,0.005,0.005,5\nbus,1700000120000,0.005,0.0102,5\n\
        bus,1700000180000,0.005,0.03,80\nbus,1700000240000,0.005,0.02,5\n";
    site.write("frames.csv", frames);
    let pipeline = "name = \"why\"\n[[source]]\nname = \"r\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n\
        [[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\naccuracy_max_m = 50\n";
    site.write("why.toml", pipeline);
    site.done(&["run", "why.toml", "--until-end"]);
    let told =
        site.done(&["explain", "why.toml", "--vehicle", "bus", "--at", "2023-11-14T22:15:00Z", "--zone", "yard"]);
    // The ids of alerts are other tests' business.
    let text: String = told.stdout.split("\ntold").next().expect("a part").to_owned() + "\n";
    expect_test::expect![[r#"
        zone yard: left 30 m outside, a change counts after 1 frames and 0s; fixes up to 50 m
          2023-11-14T22:13:20Z (0.005000, -0.005000): 556.0 m outside
          2023-11-14T22:14:20Z (0.005000, 0.005000): inside; counts as inside since 2023-11-14T22:13:50Z; enter at 2023-11-14T22:13:50Z
          2023-11-14T22:15:20Z (0.005000, 0.010200): 22.2 m outside; within the buffer of 30 m; counts as inside since 2023-11-14T22:13:50Z
          2023-11-14T22:16:20Z (0.005000, 0.030000): 2223.9 m outside; accuracy 80 m is worse than 50 m: changes nothing; counts as inside since 2023-11-14T22:13:50Z
          2023-11-14T22:17:20Z (0.005000, 0.020000): 1112.0 m outside; exit at 2023-11-14T22:15:17.692308Z

        rejected within 10 minutes: 0
    "#]]
    .assert_eq(&text);
    let nobody = site.rhumb(&["explain", "why.toml", "--vehicle", "tram", "--at", "2023-11-14T22:15:00Z"]);
    assert!(nobody.exit != 0 && nobody.stderr.contains("no frame of vehicle"), "{nobody:?}");
}
