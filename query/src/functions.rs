//! The functions of `rhumb_engine::functions` as DataFusion knows functions, so that queries have those of a pipeline.

use datafusion::common::ScalarValue;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use rhumb_engine::functions::FUNCTIONS;
use std::sync::Arc;

/// Makes the functions known to a session.
pub(crate) fn register(context: &SessionContext) {
    for function in FUNCTIONS {
        let call = |values: &[ColumnarValue]| {
            let given = (function.call)(&ColumnarValue::values_to_arrays(values)?);
            let is_constant = values.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
            Ok(match is_constant {
                true => ColumnarValue::Scalar(ScalarValue::try_from_array(&given, 0)?),
                false => ColumnarValue::Array(given),
            })
        };
        let takes = function.arguments.iter().map(|(_, kind)| kind.data_type()).collect();
        let name = function.name.to_lowercase();
        context.register_udf(create_udf(
            &name,
            takes,
            function.gives.data_type(),
            Volatility::Immutable,
            Arc::new(call),
        ));
    }
}
