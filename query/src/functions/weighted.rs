//! `time_average(value, time [, 'sloped'])` and `integral(value, time [, 'sloped'])`: aggregates
//! that weigh each value by how long it holds.
//!
//! A group stands for itself: a value holds until the next row of the group, and what comes before
//! its first row and after its last does not count. A row without a value ends what held before it.
//! Rows may come in any order; those of a group are kept until its end.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::array::{Float64Array, ListArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use parx_compactor::{Between, Fold};
use parx_log::Quality;

/// What is told of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Weighted {
    /// The mean over the time that values hold.
    TimeAverage,
    /// Value times seconds.
    Integral,
}

impl Weighted {
    /// Its name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Weighted::TimeAverage => "time_average",
            Weighted::Integral => "integral",
        }
    }

    /// What `fold` comes to.
    pub(crate) fn of(self, fold: &Fold, between: Between) -> Option<f64> {
        match self {
            Weighted::TimeAverage => fold.time_average(between),
            Weighted::Integral => fold.integral(between),
        }
    }
}

/// The aggregates that weigh by time.
pub(crate) fn functions() -> Vec<AggregateUDF> {
    let function = |weighted| {
        let signature = Signature::user_defined(Volatility::Immutable);
        AggregateUDF::from(Function { weighted, signature })
    };
    [Weighted::TimeAverage, Weighted::Integral].map(function).to_vec()
}

/// What the constant that is the third argument says; stepped where there is none.
pub(crate) fn between(word: Option<&ScalarValue>) -> Option<Between> {
    match word {
        None => Some(Between::Stepped),
        Some(ScalarValue::Utf8(Some(word))) => match word.as_str() {
            "stepped" => Some(Between::Stepped),
            "sloped" => Some(Between::Sloped),
            _ => None,
        },
        Some(_) => None,
    }
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Function {
    pub(crate) weighted: Weighted,
    signature: Signature,
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn list_of(data_type: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(data_type, true)))
}

impl AggregateUDFImpl for Function {
    fn name(&self) -> &'static str {
        self.weighted.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        let ([value, time] | [value, time, _]) = given else {
            return plan_err!("No function matches {name}: it takes a value and a time");
        };
        if !(value.is_numeric() || matches!(value, DataType::Null | DataType::Boolean)) {
            return plan_err!("No function matches {name} with a value of type {value}");
        }
        let time = match time {
            DataType::Timestamp(_, zone) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            other => return plan_err!("No function matches {name} with a time of type {other}"),
        };
        let all = [DataType::Float64, time, DataType::Utf8];
        Ok(all.into_iter().take(given.len()).collect())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return plan_err!("{} weighs every row; DISTINCT has no meaning in it", self.name());
        }
        let word = args.exprs.get(2).map(|word| word.downcast_ref::<Literal>());
        let word = match word {
            Some(None) => return plan_err!("the last argument of {} is a constant", self.name()),
            Some(Some(word)) => Some(word.value()),
            None => None,
        };
        match between(word) {
            Some(between) => Ok(Box::new(Rows::new(self.weighted, between))),
            None => {
                let name = self.name();
                exec_err!("Error parsing the last argument of {name}: 'stepped' or 'sloped'")
            }
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, data_type| {
            Arc::new(Field::new(format!("{}[{name}]", args.name), list_of(data_type), true))
        };
        Ok(vec![field("times", time_type()), field("values", DataType::Float64)])
    }
}

/// The rows of a group.
#[derive(Debug)]
struct Rows {
    weighted: Weighted,
    between: Between,
    times: Vec<i64>,
    values: Vec<Option<f64>>,
}

impl Rows {
    fn new(weighted: Weighted, between: Between) -> Rows {
        Rows { weighted, between, times: Vec::new(), values: Vec::new() }
    }

    fn fold(&mut self) -> Fold {
        let mut fold = Fold::default();
        let mut push = |time: i64, value: Option<f64>| fold.push(time, value, Quality::GOOD);
        if self.times.is_sorted() {
            self.times.iter().zip(&self.values).for_each(|(time, value)| push(*time, *value));
            return fold;
        }
        let mut rows: Vec<(i64, Option<f64>)> =
            self.times.iter().copied().zip(self.values.iter().copied()).collect();
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        rows.sort_unstable_by_key(|(time, value)| (*time, bits(*value)));
        rows.into_iter().for_each(|(time, value)| push(time, value));
        fold
    }

    fn take(&mut self, times: &dyn Array, values: &dyn Array) -> Result<()> {
        let times = times.as_primitive_opt::<TimestampMicrosecondType>();
        let values = values.as_primitive_opt::<Float64Type>();
        let (Some(times), Some(values)) = (times, values) else {
            return exec_err!("{} is given columns of other types", self.weighted.name());
        };
        for (time, value) in times.iter().zip(values) {
            if let Some(time) = time {
                self.times.push(time);
                self.values.push(value);
            }
        }
        Ok(())
    }
}

impl Accumulator for Rows {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        match columns {
            [values, times, ..] => self.take(times, values),
            _ => exec_err!("{} is given too few columns", self.weighted.name()),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [times, values] = states else {
            return exec_err!("{} is given another state", self.weighted.name());
        };
        let (times, values) = (times.as_list_opt::<i32>(), values.as_list_opt::<i32>());
        let (Some(times), Some(values)) = (times, values) else {
            return exec_err!("{} is given another state", self.weighted.name());
        };
        for (times, values) in times.iter().zip(values.iter()) {
            if let (Some(times), Some(values)) = (times, values) {
                self.take(&times, &values)?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(self.times.clone()));
        let values: ArrayRef = Arc::new(Float64Array::from(self.values.clone()));
        let one = |column: ArrayRef| {
            let field = Arc::new(Field::new_list_field(column.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([column.len()]);
            ScalarValue::List(Arc::new(ListArray::new(field, offsets, column, None)))
        };
        Ok(vec![one(times), one(values)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let fold = self.fold();
        Ok(ScalarValue::Float64(self.weighted.of(&fold, self.between)))
    }

    fn size(&self) -> usize {
        size_of::<Rows>() + self.times.capacity() * 8 + self.values.capacity() * 16
    }
}
