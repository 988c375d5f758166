//! Another version of the table: its columns are those that were planned, whatever their values look like now.

use super::VehicleTable;
use arrow::array::{Array, ArrayRef, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use std::sync::Arc;

impl VehicleTable {
    /// With columns of these types. A column of whole numbers may be one of fractions, any column of a CSV one of texts, and an empty
    /// one any. All columns of other types at once, each a sentence.
    pub fn conform(self, planned: &[FieldRef], csv: &[u8]) -> Result<VehicleTable, Vec<String>> {
        let mut wrong = Vec::new();
        let mut columns: Vec<(FieldRef, ArrayRef)> = Vec::new();
        for field in planned {
            let Some((_, values)) = self.columns().iter().find(|(found, _)| found.name() == field.name()) else {
                wrong.push(format!("no column \"{}\"", field.name()));
                continue;
            };
            let conformed = match (values.data_type(), field.data_type()) {
                (found, planned) if found == planned => Some(values.clone()),
                (_, planned) if values.null_count() == values.len() => Some(new_null_array(planned, values.len())),
                (DataType::Int64, DataType::Float64) => cast(values, &DataType::Float64).ok(),
                (_, DataType::Utf8) => texts(csv, field.name()).filter(|texts| texts.len() == values.len()),
                _ => None,
            };
            match conformed {
                Some(values) => columns.push((field.clone(), values)),
                None => wrong.push(format!(
                    "column \"{}\" holds {} now, and held {} when the pipeline started",
                    field.name(),
                    noun(values.data_type()),
                    noun(field.data_type())
                )),
            }
        }
        if wrong.is_empty() { Ok(self.with_columns(columns)) } else { Err(wrong) }
    }
}

/// A column as it stands in the file: numbers of which some begin with 0 are no numbers to those who wrote them.
fn texts(csv: &[u8], name: &str) -> Option<ArrayRef> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let at = reader.headers().ok()?.iter().position(|column| column == name)?;
    let value = |record: csv::StringRecord| record.get(at).filter(|value| !value.is_empty()).map(str::to_owned);
    let values = reader.records().map(|record| record.map(value)).collect::<Result<Vec<_>, _>>().ok()?;
    Some(Arc::new(StringArray::from(values)))
}

fn noun(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int64 => "whole numbers",
        DataType::Float64 => "numbers",
        DataType::Boolean => "true and false",
        DataType::Utf8 => "texts",
        _ => "values of another type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::display::array_value_to_string;

    fn table(csv: &str) -> VehicleTable {
        VehicleTable::from_csv(csv.as_bytes(), "id", None).expect("a table")
    }

    /// Columns of the second table in the types of the first, or what is wrong with them.
    #[track_caller]
    fn check(planned: &str, csv: &str, expected: Result<&str, &[&str]>) {
        let planned: Vec<FieldRef> = table(planned).columns().iter().map(|(field, _)| field.clone()).collect();
        match (table(csv).conform(&planned, csv.as_bytes()), expected) {
            (Ok(found), Ok(expected)) => {
                let text = |values: &ArrayRef| {
                    let value = |row| array_value_to_string(values, row).expect("a value");
                    (0..values.len()).map(value).collect::<Vec<_>>().join(" ")
                };
                let columns: Vec<String> = found.columns().iter().map(|(_, values)| text(values)).collect();
                assert_eq!(columns.join(" | "), expected, "{csv}");
                let types = |fields: &[FieldRef]| fields.iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
                let found: Vec<DataType> = found.columns().iter().map(|(_, a)| a.data_type().clone()).collect();
                assert_eq!(found, types(&planned), "{csv}");
            }
            (Err(wrong), Err(expected)) => assert_eq!(wrong, expected, "{csv}"),
            (found, _) => panic!("{csv}: {:?}", found.err()),
        }
    }

    #[test]
    fn columns_keep_the_types_they_were_planned_with() {
        check("id,depot,tons\na,north,3\n", "tons,id,depot,more\n5,b,007,x\n6,c,12,y\n", Ok("007 12 | 5 6"));
        check("id,tons\na,1.5\n", "id,tons\na,2\nb,\n", Ok("2.0 "));
        check("id,tons,on\na,1,true\n", "id,tons,on\na,,\n", Ok(" | "));
    }

    #[test]
    fn all_columns_that_do_not_fit_are_told() {
        let wrong: &[&str] = &[
            "no column \"depot\"",
            "column \"tons\" holds texts now, and held whole numbers when the pipeline started",
            "column \"on\" holds whole numbers now, and held true and false when the pipeline started",
        ];
        check("id,depot,tons,on\na,x,1,true\n", "id,tons,on\na,heavy,1\n", Err(wrong));
        let fractions = ["column \"tons\" holds numbers now, and held whole numbers when the pipeline started"];
        check("id,tons\na,1\n", "id,tons\na,1.5\n", Err(&fractions));
    }
}
