//! A table of the lake for DataFusion: the files of its log, less those that cannot have a row that the query wants.

use crate::log::{ColumnBounds, DataFile, EVENT_DATE, TableLog};
use crate::store::lake_url;
use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DFSchema, Result, ScalarValue, Statistics, project_schema};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use std::collections::HashSet;
use std::sync::Arc;

/// A table at one version of its log.
#[derive(Debug)]
pub(crate) struct LakeTable {
    /// Folder of the table in the lake.
    name: String,
    log: TableLog,
    /// Columns of the files, then `event_date`.
    schema: SchemaRef,
}

impl LakeTable {
    pub(crate) fn new(name: &str, log: TableLog) -> LakeTable {
        let date = Arc::new(Field::new(EVENT_DATE, DataType::Date32, false));
        let columns: Vec<_> = log.stored.fields().iter().cloned().chain([date]).collect();
        LakeTable { name: name.to_owned(), log, schema: Arc::new(Schema::new(columns)) }
    }

    /// Files that may have rows for which all filters hold.
    fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&DataFile>> {
        let all = self.log.files.iter();
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(all.collect()) };
        let schema = DFSchema::try_from(self.schema.clone())?;
        let filter = state.create_physical_expr(filter, &schema)?;
        let Ok(predicate) = PruningPredicateBuilder::new().with_file_schema(self.schema.clone()).try_build(filter)
        else {
            return Ok(all.collect());
        };
        let keep = predicate.prune(self)?;
        Ok(all.zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| file).collect())
    }

    fn partitioned(&self, file: &DataFile) -> PartitionedFile {
        let file_of_lake = PartitionedFile::new(format!("{}/{}", self.name, file.path), file.bytes)
            .with_partition_values(vec![file.event_date.clone()]);
        match file.rows {
            Some(rows) => file_of_lake.with_statistics(Arc::new(statistics(file, rows))),
            None => file_of_lake,
        }
    }

    /// One value a file of a column: `None` if no file has one.
    fn by_file(&self, column: &Column, of_file: impl Fn(&ColumnBounds) -> Option<&ScalarValue>) -> Option<ArrayRef> {
        let index = self.schema.index_of(&column.name).ok()?;
        let unknown = ScalarValue::try_from(self.schema.field(index).data_type()).ok()?;
        let value = |file: &DataFile| match file.columns.get(index) {
            Some(bounds) => of_file(bounds).cloned().unwrap_or_else(|| unknown.clone()),
            None => file.event_date.clone(),
        };
        ScalarValue::iter_to_array(self.log.files.iter().map(value)).ok()
    }
}

/// What the planner may rely on. Only whole numbers and times have bounds that are values for sure.
fn statistics(file: &DataFile, rows: usize) -> Statistics {
    let bound = |value: &Option<ScalarValue>| match value {
        Some(value @ (ScalarValue::Utf8(_) | ScalarValue::Float32(_) | ScalarValue::Float64(_))) => {
            Precision::Inexact(value.clone())
        }
        Some(value) => Precision::Exact(value.clone()),
        None => Precision::Absent,
    };
    let column = |c: &ColumnBounds| ColumnStatistics {
        null_count: c.nulls.map_or(Precision::Absent, Precision::Exact),
        min_value: bound(&c.min),
        max_value: bound(&c.max),
        ..ColumnStatistics::default()
    };
    Statistics {
        num_rows: Precision::Exact(rows),
        total_byte_size: Precision::Inexact(usize::try_from(file.bytes).unwrap_or(usize::MAX)),
        column_statistics: file.columns.iter().map(column).collect(),
    }
}

impl PruningStatistics for LakeTable {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.by_file(column, |c| c.min.as_ref())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.by_file(column, |c| c.max.as_ref())
    }

    fn num_containers(&self) -> usize {
        self.log.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let index = self.schema.index_of(&column.name).ok()?;
        let nulls = |f: &DataFile| f.columns.get(index).map_or(Some(0), |c| c.nulls.map(|n| n as u64));
        Some(Arc::new(self.log.files.iter().map(nulls).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.log.files.iter().map(|f| f.rows.map(|n| n as u64)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// All filters help to leave files, row groups and pages out; DataFusion makes sure that they hold.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.files(state, filters)?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let files: Vec<PartitionedFile> = files.into_iter().map(|f| self.partitioned(f)).collect();
        let known: Option<Vec<&Statistics>> = files.iter().map(|f| f.statistics.as_deref()).collect();
        let statistics = match known {
            Some(known) => Statistics::try_merge_iter(known, &self.schema)?,
            None => Statistics::new_unknown(&self.schema),
        };
        let date = Arc::new(self.schema.field(self.schema.fields().len() - 1).clone());
        let options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        let schema = TableSchema::builder(self.log.stored.clone()).with_table_partition_cols(vec![date]).build();
        let source = ParquetSource::new(schema).with_table_parquet_options(options);
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let scan = FileScanConfigBuilder::new(lake_url(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
