//! Which column holds which field.

use crate::codec::fields::{Field, Fields};

/// The columns that are wanted.
pub struct Columns {
    /// What each column holds, up to the last one that holds anything.
    pub roles: Vec<Option<Field>>,
    pub vehicle: usize,
    pub event_time: usize,
    pub lat: usize,
    pub lon: usize,
    /// Columns of the other fields.
    pub optional: Vec<(usize, Field)>,
    /// Columns of what is beyond the core, and which of `Fields::extra` each is.
    pub extra: Vec<(usize, usize)>,
    names: Vec<String>,
}

impl Columns {
    /// Finds the fields among the names of the columns. The error names every needed field that is missing, what was
    /// looked for, and what is there.
    pub fn find(names: &[String], fields: &Fields) -> Result<Columns, String> {
        let mut roles = vec![None; names.len()];
        for field in Field::ALL {
            let wanted = fields.names().iter().filter(|name| name.field == *field);
            let found =
                wanted.map(|name| position(names, |n| name.is(n.trim_ascii().as_bytes()))).find(|at| *at != Ok(None));
            match found.transpose()?.flatten() {
                Some(column) => {
                    if let Some(other) = roles[column].replace(*field) {
                        return Err(format!(
                            "{} and {} are both looked for in column {}",
                            Field::name(other),
                            field.name(),
                            column + 1
                        ));
                    }
                }
                None if fields.needed().contains(field) => return Err(missing(names, fields)),
                None => {}
            }
        }
        let mut extra = Vec::new();
        for (n, wanted) in fields.extra().iter().enumerate() {
            extra.extend(position(names, |name| name.trim_ascii() == wanted.from)?.map(|column| (column, n)));
        }
        let last_extra = extra.iter().map(|(column, _)| *column).max();
        roles.truncate(roles.iter().rposition(Option::is_some).max(last_extra).map_or(0, |last| last + 1));
        let place = |field| roles.iter().position(|role| *role == Some(field)).ok_or_else(|| missing(names, fields));
        let is_optional =
            |(column, role): (usize, &Option<Field>)| Some((column, role.filter(|field| !field.is_needed())?));
        let event_time = place(Field::EventTime)?;
        // Where something else names the vehicle, what is read as its id does not matter.
        let is_elsewhere = !fields.needed().contains(&Field::Vehicle);
        Ok(Columns {
            vehicle: place(Field::Vehicle).or_else(|why| if is_elsewhere { Ok(event_time) } else { Err(why) })?,
            event_time,
            lat: place(Field::Lat)?,
            lon: place(Field::Lon)?,
            optional: roles.iter().enumerate().filter_map(is_optional).collect(),
            extra,
            roles,
            names: names.to_vec(),
        })
    }

    /// What the input calls a column.
    pub fn name(&self, column: usize) -> &str {
        self.names[column].trim_ascii()
    }

    /// Columns of every row.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// For a person: why a row of so many columns is no frame. A row that was cut, or whose numbers have decimal commas,
    /// has another width than the first line, and its fields may be anything.
    pub fn wrong_width(&self, columns: usize) -> Option<String> {
        let missing = self.names.get(columns).map(|name| format!("; {} is missing", name.trim_ascii()));
        let told =
            || format!("the row has {columns} columns instead of {}{}", self.width(), missing.unwrap_or_default());
        (columns != self.width()).then(told)
    }
}

/// The one column for which `is_it` holds.
fn position(names: &[String], is_it: impl Fn(&str) -> bool) -> Result<Option<usize>, String> {
    let mut found = names.iter().enumerate().filter(|(_, name)| is_it(name)).map(|(column, _)| column);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => {
            Err(format!("columns {} and {} are both called {}", first + 1, second + 1, names[first].trim_ascii()))
        }
        (first, _) => Ok(first),
    }
}

fn missing(names: &[String], fields: &Fields) -> String {
    let has = |field: Field| {
        fields.names().iter().any(|n| n.field == field && names.iter().any(|name| n.is(name.trim_ascii().as_bytes())))
    };
    let missing = fields.needed().iter().filter(|field| !has(**field));
    let missing: Vec<String> =
        missing.map(|field| format!("{} (looked for {})", field.name(), fields.looked_for(*field))).collect();
    format!("no column for {}; the columns are {}", missing.join(" and "), names.join(", "))
}
