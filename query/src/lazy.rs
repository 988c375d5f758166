//! A table whose rows are read when a query asks for them, and kept for the next one.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Gives the rows, or says in a sentence why there are none.
pub(crate) type Read = Box<dyn Fn() -> std::result::Result<RecordBatch, String> + Send + Sync>;

pub(crate) struct LazyTable {
    schema: SchemaRef,
    read: Read,
    rows: OnceLock<std::result::Result<RecordBatch, String>>,
}

impl LazyTable {
    /// What `read` gives must be of this schema.
    pub(crate) fn new(schema: SchemaRef, read: Read) -> LazyTable {
        LazyTable { schema, read, rows: OnceLock::new() }
    }
}

impl fmt::Debug for LazyTable {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("LazyTable").field("is_read", &self.rows.get().is_some()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for LazyTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.rows.get_or_init(&self.read).clone().map_err(DataFusionError::Plan)?;
        MemTable::try_new(self.schema.clone(), vec![vec![rows]])?.scan(state, projection, filters, limit).await
    }
}
