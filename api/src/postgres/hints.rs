//! What a statement says about the types of its parameters that the planner does not hear.
//!
//! `$1::int` is an integer, as in PostgreSQL, and `$1` in `= ANY($1)` is an array: the planner
//! would take both for text. What the client declares goes before.

use std::ops::ControlFlow;

use parx_query::arrow::datatypes::DataType;
use parx_query::sqlparser::ast;

use super::types;

/// How many parameters a client can number.
const PARAMETERS_MAX: usize = u16::MAX as usize;

/// Places, from 0, and types of the parameters that the statement says something about.
pub(crate) fn parameter_types(statement: &ast::Statement) -> Vec<(usize, DataType)> {
    let mut found = Vec::new();
    let _ = ast::visit_expressions(statement, |expr| {
        found.extend(hint(expr));
        ControlFlow::<()>::Continue(())
    });
    found
}

fn hint(expr: &ast::Expr) -> Option<(usize, DataType)> {
    match expr {
        ast::Expr::Cast { expr, data_type, .. } => {
            let of = types::by_name(&data_type.to_string().to_lowercase())?;
            Some((place(expr)?, types::of_parameter(of.oid())?))
        }
        // Of what is not known; where nobody says, text is tried.
        ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => {
            Some((place(right)?, types::text_array()))
        }
        // What the query engine makes of the two.
        ast::Expr::Function(function) => Some((array_argument(function)?, types::text_array())),
        _ => None,
    }
}

fn array_argument(function: &ast::Function) -> Option<usize> {
    let name = function.name.0.last()?.as_ident()?.value.to_lowercase();
    if !matches!(name.as_str(), "array_contains" | "array_has") {
        return None;
    }
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => place(expr),
        _ => None,
    }
}

fn place(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Placeholder(name) => {
                let number: usize = name.strip_prefix('$')?.parse().ok()?;
                number.checked_sub(1).filter(|place| *place < PARAMETERS_MAX)
            }
            _ => None,
        },
        ast::Expr::Nested(inner) => place(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_what_stands_around_them() {
        let array = types::text_array;
        let cases: [(&str, &[(usize, DataType)]); 8] = [
            ("SELECT 1 WHERE a = ANY($1)", &[(0, array())]),
            ("SELECT 1 WHERE a = $1 AND b = ANY($2)", &[(1, array())]),
            ("SELECT 1 FROM (SELECT 2 WHERE b = ANY(($3))) c", &[(2, array())]),
            ("SELECT $1::int, $2::text", &[(0, DataType::Int32), (1, DataType::Utf8)]),
            ("SELECT CAST($1 AS double precision)", &[(0, DataType::Float64)]),
            ("SELECT $1::text[]", &[(0, array())]),
            ("SELECT 1 WHERE a = $1", &[]),
            ("SELECT 1 WHERE a = ANY($99999999)", &[]),
        ];
        for (sql, expected) in cases {
            let parsed = parx_query::parse(sql).unwrap();
            assert_eq!(parameter_types(&parsed[0].ast), expected, "{sql}");
        }
    }
}
