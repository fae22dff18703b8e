//! Functions of SQL that the engine adds: time in buckets, and what clients of PostgreSQL ask
//! first.

mod bucket;
pub(crate) mod interval;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// Functions that are the same in every session.
pub(crate) fn shared_functions() -> Vec<ScalarUDF> {
    let version = format!("PostgreSQL 15.10 (ParX {})", env!("CARGO_PKG_VERSION"));
    vec![constant("version", &version), ScalarUDF::from(bucket::TimeBucket::default())]
}

/// Functions that know the session's user.
pub(crate) fn session_functions(user: &str) -> Vec<ScalarUDF> {
    vec![constant("session_user", user), constant("current_user", user), constant("user", user)]
}

/// A function without arguments that says the same text at every call.
fn constant(name: &str, text: &str) -> ScalarUDF {
    let value = ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.to_owned())));
    let call = move |_: &[ColumnarValue]| Ok(value.clone());
    create_udf(name, vec![], DataType::Utf8, Volatility::Stable, Arc::new(call))
}
