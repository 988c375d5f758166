//! Positions as a GeoJSON FeatureCollection (RFC 7946), one point a row.

use crate::error::QueryError;
use crate::format::of_arrow;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::json::writer::{LineDelimited, WriterBuilder};
use std::io::Write;

pub(crate) struct GeoJson<'a> {
    to: &'a mut dyn Write,
    lat: usize,
    lon: usize,
    /// The other columns.
    properties: Vec<usize>,
    is_first: bool,
}

impl<'a> GeoJson<'a> {
    pub(crate) fn new(schema: &SchemaRef, to: &'a mut dyn Write) -> Result<GeoJson<'a>, QueryError> {
        let find = |name: &str| {
            let missing = || format!("geojson needs the columns lat and lon, and the result has no {name}");
            schema.index_of(name).map_err(|_| QueryError::Format(missing()))
        };
        let (lat, lon) = (find("lat")?, find("lon")?);
        if let Some(at) = [lat, lon].into_iter().find(|at| !schema.field(*at).data_type().is_numeric()) {
            let name = schema.field(at).name();
            return Err(QueryError::Format(format!("geojson needs numbers in lat and lon, and {name} is not one")));
        }
        to.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[")?;
        let properties = (0..schema.fields().len()).filter(|c| *c != lat && *c != lon).collect();
        Ok(GeoJson { to, lat, lon, properties, is_first: true })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let number = |column: usize| cast(batch.column(column), &DataType::Float64).map_err(of_arrow);
        let (lat, lon) = (number(self.lat)?, number(self.lon)?);
        let (lat, lon) = (lat.as_primitive::<Float64Type>(), lon.as_primitive::<Float64Type>());
        let mut lines = WriterBuilder::new().build::<_, LineDelimited>(Vec::new());
        lines.write(&batch.project(&self.properties).map_err(of_arrow)?).map_err(of_arrow)?;
        lines.finish().map_err(of_arrow)?;
        let lines = lines.into_inner();
        let mut lines = lines.split(|b| *b == b'\n');
        for row in 0..batch.num_rows() {
            let properties = lines.next().filter(|l| !l.is_empty()).unwrap_or(b"{}");
            self.to.write_all(if std::mem::take(&mut self.is_first) { b"\n" } else { b",\n" })?;
            let is_place =
                lat.is_valid(row) && lon.is_valid(row) && lat.value(row).is_finite() && lon.value(row).is_finite();
            match is_place {
                true => write!(
                    self.to,
                    "{{\"type\":\"Feature\",\"geometry\":{{\"type\":\"Point\",\"coordinates\":[{},{}]}},\"properties\":",
                    lon.value(row),
                    lat.value(row)
                )?,
                false => self.to.write_all(b"{\"type\":\"Feature\",\"geometry\":null,\"properties\":")?,
            }
            self.to.write_all(properties)?;
            self.to.write_all(b"}")?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), QueryError> {
        self.to.write_all(b"\n]}\n")?;
        Ok(self.to.flush()?)
    }
}
