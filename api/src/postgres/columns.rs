//! The names of a result's columns as PostgreSQL gives them.
//!
//! The planner names what has no name after the whole expression; clients look for `count` and
//! `?column?`. Only the outermost SELECT counts. Types are not looked at here.

use parx_query::arrow::datatypes::{Field, Schema, SchemaRef};
use parx_query::sqlparser::ast;
use std::sync::Arc;

/// What a rewritten statement puts before the name of a column that a wildcard names too.
const HIDDEN: &str = "__alias_";

/// The schema with the names that PostgreSQL would give.
pub(crate) fn named(schema: &SchemaRef, statement: &ast::Statement) -> SchemaRef {
    let Some(items) = projection(statement) else { return schema.clone() };
    let columns = schema.fields().len();
    let names = |items: &mut dyn Iterator<Item = &ast::SelectItem>| -> Vec<String> {
        items.map_while(item_name).take(columns).collect()
    };
    let first = names(&mut items.iter());
    let last = names(&mut items.iter().rev());
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let from_end = columns - 1 - index;
        let name = first.get(index).or_else(|| last.get(from_end));
        let name = name.unwrap_or_else(|| field.name());
        Arc::new(Field::clone(field).with_name(name.strip_prefix(HIDDEN).unwrap_or(name)))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn projection(statement: &ast::Statement) -> Option<&[ast::SelectItem]> {
    let ast::Statement::Query(query) = statement else { return None };
    let mut body = query.body.as_ref();
    loop {
        match body {
            ast::SetExpr::Select(select) => return Some(&select.projection),
            ast::SetExpr::Query(query) => body = query.body.as_ref(),
            ast::SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return None,
        }
    }
}

/// None for a wildcard, which names columns of its own.
fn item_name(item: &ast::SelectItem) -> Option<String> {
    match item {
        ast::SelectItem::UnnamedExpr(expr) => {
            Some(expr_name(expr).unwrap_or_else(|| "?column?".to_owned()))
        }
        ast::SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
        _ => None,
    }
}

/// PostgreSQL folds what is not quoted.
fn identifier(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn expr_name(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Identifier(ident) => Some(identifier(ident)),
        ast::Expr::CompoundIdentifier(idents) => idents.last().map(identifier),
        ast::Expr::Function(function) => function.name.0.last()?.as_ident().map(identifier),
        ast::Expr::Cast { expr, data_type, .. } => {
            expr_name(expr).or_else(|| Some(type_name(data_type)))
        }
        ast::Expr::TypedString(typed) => Some(type_name(&typed.data_type)),
        ast::Expr::Nested(inner) | ast::Expr::Collate { expr: inner, .. } => expr_name(inner),
        ast::Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
        ast::Expr::Case { .. } => Some("case".to_owned()),
        ast::Expr::Exists { .. } => Some("exists".to_owned()),
        ast::Expr::Extract { .. } => Some("extract".to_owned()),
        ast::Expr::Substring { .. } => Some("substring".to_owned()),
        ast::Expr::Trim { .. } => Some("btrim".to_owned()),
        ast::Expr::Position { .. } => Some("position".to_owned()),
        ast::Expr::Ceil { .. } => Some("ceil".to_owned()),
        ast::Expr::Floor { .. } => Some("floor".to_owned()),
        ast::Expr::Interval(_) => Some("interval".to_owned()),
        ast::Expr::Array(_) => Some("array".to_owned()),
        ast::Expr::CompoundFieldAccess { root, .. } => expr_name(root),
        ast::Expr::Value(value) => match value.value {
            ast::Value::Boolean(_) => Some("bool".to_owned()),
            _ => None,
        },
        ast::Expr::Subquery(query) => {
            let statement = ast::Statement::Query(query.clone());
            projection(&statement)?.first().and_then(item_name)
        }
        _ => None,
    }
}

fn type_name(data_type: &ast::DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    let text = text.split('(').next().unwrap_or_default().trim();
    let known = match text {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "real" => "float4",
        "double precision" | "double" | "float" => "float8",
        "boolean" => "bool",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "character varying" => "varchar",
        "decimal" => "numeric",
        other => other,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use parx_query::arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn columns_are_named_as_in_postgresql() {
        let cases: [(&str, &[&str]); 16] = [
            ("SELECT tag FROM a", &["tag"]),
            ("SELECT a.\"Tag\" FROM a", &["Tag"]),
            ("SELECT count(*), Max(v) FROM a", &["count", "max"]),
            ("SELECT 1, 'x', 1 + 1, NULL", &["?column?", "?column?", "?column?", "?column?"]),
            ("SELECT 1 AS One, 2 AS \"Two\"", &["one", "Two"]),
            ("SELECT v::int, '1'::bigint, CAST(count(*) AS text)", &["v", "int8", "count"]),
            ("SELECT CASE WHEN a THEN 1 END", &["case"]),
            ("SELECT (SELECT max(b) FROM c)", &["max"]),
            ("SELECT true", &["bool"]),
            ("SELECT timestamp '2026-01-01'", &["timestamp"]),
            ("SELECT pg_catalog.version()", &["version"]),
            ("SELECT count(*), * FROM a", &["count", "p1", "p2"]),
            ("SELECT *, count(*) FROM a", &["p0", "p1", "count"]),
            ("SELECT count(*), a.*, max(b) FROM a", &["count", "p1", "max"]),
            ("SELECT max(a) UNION SELECT 1", &["max"]),
            ("VALUES (1)", &["p0"]),
        ];
        for (sql, expected) in cases {
            let parsed = parx_query::parse(sql).unwrap();
            let field = |index: usize| Field::new(format!("p{index}"), DataType::Null, true);
            let schema = Schema::new((0..expected.len()).map(field).collect::<Vec<_>>());
            let named = named(&Arc::new(schema), &parsed[0].ast);
            let found: Vec<&String> = named.fields().iter().map(|field| field.name()).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }
}
