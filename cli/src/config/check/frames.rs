//! Frames of a `[[test]]`: rows by the usual names of fields, and by the names of columns that the source adds.

use super::Check;
use super::test::COMPONENT;
use crate::config::expected::{Found, TestFrame, frame_value, time};
use crate::config::mistake::{instead, listed, nearest};
use crate::config::rows::Row;
use crate::config::value::{At, ValueKind};
use arrow::datatypes::FieldRef;
use rhumb_connectors::codec::fields::Field;
use rhumb_engine::time::EventTime;

impl Check {
    /// `typed_as`: `frames` or `frames_file`.
    pub(super) fn frames(
        &mut self,
        rows: &[Row],
        typed_as: &str,
        start: EventTime,
        columns: Option<&[FieldRef]>,
    ) -> Option<Vec<TestFrame>> {
        let errors = self.mistakes.errors();
        let frames = rows.iter().map(|row| self.frame(row, typed_as, start, columns)).collect();
        (self.mistakes.errors() == errors).then_some(frames)
    }

    fn frame(&mut self, row: &Row, typed_as: &str, start: EventTime, columns: Option<&[FieldRef]>) -> TestFrame {
        let mut frame = TestFrame::default();
        let (mut seen, mut is_unknown) = (Vec::new(), false);
        let known_columns = columns.unwrap_or_default();
        for (name, typed) in &row.cells {
            let field = Field::ALL.iter().copied().find(|field| field.usual_names().contains(&name.value.as_str()));
            seen.extend(field);
            let read = match (field, known_columns.iter().position(|column| *column.name() == name.value)) {
                (Some(field), _) => set(&mut frame, field, typed, start),
                (None, Some(column)) => frame_value(ValueKind::of(known_columns[column].data_type()), typed)
                    .map(|value| frame.extra.push((column, value))),
                (None, None) if columns.is_none() => continue,
                (None, None) => {
                    is_unknown = true;
                    let usual: Vec<&str> = Field::ALL.iter().flat_map(|field| field.usual_names()).copied().collect();
                    let own = || Field::ALL.iter().map(|field| field.name());
                    let known = || own().chain(known_columns.iter().map(|column| column.name().as_str()));
                    let instead = match nearest(&name.value, &usual) {
                        Some(usual) => format!("did you mean \"{usual}\"?"),
                        None => instead(&name.value, known()),
                    };
                    let what = format!("{typed_as}: no field \"{}\"; {instead}", name.value);
                    self.mistakes.error_once(&name.at, COMPONENT, what);
                    continue;
                }
            };
            if let Err(what) = read {
                self.error(&typed.at, COMPONENT, format!("{typed_as}: {}: {what}", name.value));
            }
        }
        let missing: Vec<&str> =
            Field::NEEDED.iter().filter(|field| !seen.contains(field)).map(|field| field.name()).collect();
        // What is missing may be what is misspelt.
        if !missing.is_empty() && !is_unknown {
            self.error(&row.at, COMPONENT, format!("{typed_as}: a frame without {}", listed(&missing)));
        }
        frame
    }
}

fn set(of: &mut TestFrame, field: Field, typed: &At<String>, start: EventTime) -> Result<(), String> {
    let frame = &mut of.frame;
    let number = || -> Result<f64, String> {
        typed.value.parse().map_err(|_| format!("expected a number, found \"{}\"", typed.value))
    };
    let flag = || frame_value(ValueKind::Flag, typed).map(|value| value == Found::Flag(true));
    let at = || {
        let what =
            || format!("expected a time such as \"2024-03-08T07:00:00Z\" or \"+1m30s\", found \"{}\"", typed.value);
        time(&typed.value, start).ok_or_else(what)
    };
    match field {
        Field::Vehicle => of.vehicle.clone_from(&typed.value),
        Field::EventTime => frame.event_time = at()?,
        Field::ReceivedAt => frame.received_at = Some(at()?),
        Field::Lat => frame.lat = number()?,
        Field::Lon => frame.lon = number()?,
        Field::Altitude => frame.altitude_m = Some(number()? as f32),
        Field::Speed => frame.speed_mps = Some(number()? as f32),
        Field::Heading => frame.heading_deg = Some(number()? as f32),
        Field::Accuracy => frame.accuracy_m = Some(number()? as f32),
        Field::Hdop => frame.hdop = Some(number()? as f32),
        Field::Satellites => {
            let what = || format!("expected a whole number, found \"{}\"", typed.value);
            frame.satellites = Some(typed.value.parse().map_err(|_| what())?);
        }
        Field::NoFix => frame.no_fix = flag()?,
        Field::Valid => frame.no_fix = !flag()?,
    }
    Ok(())
}
