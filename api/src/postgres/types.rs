//! Arrow types as PostgreSQL's, and back for the types that a client declares.
//!
//! One table each way. How the values are written is the encoder's, how they are read is
//! `parameters`'.

use std::sync::Arc;

use parx_query::arrow::datatypes::{DataType, Field, TimeUnit};
use pgwire::api::Type;

/// The type of a column as PostgreSQL has it; what has none is written as text.
pub(crate) fn of_column(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 => Type::INT8,
        DataType::UInt64
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, value) => of_column(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            array_of(&of_column(item.data_type()))
        }
        _ => Type::TEXT,
    }
}

const ARRAYS: [(Type, Type); 13] = [
    (Type::BOOL, Type::BOOL_ARRAY),
    (Type::INT2, Type::INT2_ARRAY),
    (Type::INT4, Type::INT4_ARRAY),
    (Type::INT8, Type::INT8_ARRAY),
    (Type::FLOAT4, Type::FLOAT4_ARRAY),
    (Type::FLOAT8, Type::FLOAT8_ARRAY),
    (Type::NUMERIC, Type::NUMERIC_ARRAY),
    (Type::BYTEA, Type::BYTEA_ARRAY),
    (Type::DATE, Type::DATE_ARRAY),
    (Type::TIME, Type::TIME_ARRAY),
    (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
    (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
    (Type::INTERVAL, Type::INTERVAL_ARRAY),
];

fn array_of(item: &Type) -> Type {
    let known = ARRAYS.iter().find(|(of, _)| of == item);
    known.map_or(Type::TEXT_ARRAY, |(_, array)| array.clone())
}

/// Bytes of a value, negative where they vary.
pub(crate) fn size(of: &Type) -> i16 {
    match *of {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// What an array is of that nobody says more about.
pub(crate) fn text_array() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// The number under which clients know a type.
pub(crate) fn oid(of: &Type) -> u32 {
    of.oid()
}

/// The arrow type of a parameter that a client declares; none where the statement is to say.
pub(crate) fn of_parameter(oid: u32) -> Option<DataType> {
    let zoned = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let list = |item: DataType| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let found = match Type::from_oid(oid)? {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => zoned(),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY => list(DataType::Utf8),
        Type::INT2_ARRAY => list(DataType::Int16),
        Type::INT4_ARRAY => list(DataType::Int32),
        Type::INT8_ARRAY | Type::OID_ARRAY => list(DataType::Int64),
        Type::FLOAT8_ARRAY => list(DataType::Float64),
        _ => return None,
    };
    Some(found)
}

/// The type that `PREPARE` names.
pub(crate) fn by_name(name: &str) -> Option<Type> {
    let (name, array) = match name.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let name = name.split('(').next().unwrap_or_default().trim();
    let found = match name {
        "bool" | "boolean" => Type::BOOL,
        "smallint" | "int2" => Type::INT2,
        "int" | "integer" | "int4" => Type::INT4,
        "bigint" | "int8" => Type::INT8,
        "real" | "float4" => Type::FLOAT4,
        "float" | "double precision" | "float8" => Type::FLOAT8,
        "numeric" | "decimal" => Type::NUMERIC,
        "text" | "varchar" | "character varying" | "char" | "character" | "name" => Type::TEXT,
        "unknown" => Type::UNKNOWN,
        "bytea" => Type::BYTEA,
        "date" => Type::DATE,
        "time" => Type::TIME,
        "timestamp" | "timestamp without time zone" => Type::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        _ => return None,
    };
    Some(if array { array_of(&found) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_come_back_as_they_are() {
        for of in [
            Type::BOOL,
            Type::INT2,
            Type::INT8,
            Type::FLOAT8,
            Type::TEXT,
            Type::DATE,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMP,
            Type::BYTEA,
            Type::TEXT_ARRAY,
            Type::INT8_ARRAY,
        ] {
            let arrow = of_parameter(of.oid()).unwrap();
            assert_eq!(of_column(&arrow), of);
        }
        assert_eq!(of_parameter(0), None);
        assert_eq!(of_parameter(Type::UNKNOWN.oid()), None);
    }

    #[test]
    fn types_are_known_by_name() {
        let cases = [
            ("int", Some(Type::INT4)),
            ("double precision", Some(Type::FLOAT8)),
            ("numeric(10,2)", Some(Type::NUMERIC)),
            ("text[]", Some(Type::TEXT_ARRAY)),
            ("bigint[]", Some(Type::INT8_ARRAY)),
            ("no_such", None),
        ];
        for (name, expected) in cases {
            assert_eq!(by_name(name), expected, "{name}");
        }
    }
}
