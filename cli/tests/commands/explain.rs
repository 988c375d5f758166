//! `rhumb explain`: what a pipeline is, before it runs.

use crate::lake;

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
