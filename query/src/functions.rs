//! The functions of `rhumb_engine::functions` as DataFusion knows functions, so that queries have those of a pipeline.

use datafusion::common::ScalarValue;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{ColumnarValue, Signature, SimpleScalarUDF, TypeSignature, Volatility};
use rhumb_engine::functions::FUNCTIONS;
use std::sync::Arc;

/// Makes the functions known to a session.
pub(crate) fn register(context: &SessionContext) {
    for function in FUNCTIONS {
        let call = |values: &[ColumnarValue]| {
            let rows = values.iter().find_map(|value| match value {
                ColumnarValue::Array(column) => Some(column.len()),
                ColumnarValue::Scalar(_) => None,
            });
            let column = |value: &ColumnarValue| match value {
                ColumnarValue::Scalar(constant) if function.takes_constants() => constant.to_array(),
                value => value.to_array(rows.unwrap_or(1)),
            };
            let columns = values.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            let given = (function.call)(&columns);
            Ok(match rows.is_none() {
                true => ColumnarValue::Scalar(ScalarValue::try_from_array(&given, 0)?),
                false => ColumnarValue::Array(given),
            })
        };
        let takes = function.takes().into_iter().map(TypeSignature::Exact).collect();
        let signature = Signature::one_of(takes, Volatility::Immutable);
        let name = function.name.to_lowercase();
        let gives = function.gives.data_type();
        context.register_udf(SimpleScalarUDF::new_with_signature(name, signature, gives, Arc::new(call)).into());
    }
}
