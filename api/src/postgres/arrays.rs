//! Which parameters of a statement must be arrays.
//!
//! The planner would take `$1` in `= ANY($1)` for text and find nothing. Their element type is
//! not known here; where the client says none, text is tried.

use std::ops::ControlFlow;

use parx_query::sqlparser::ast;

/// How many parameters a client can number.
const PARAMETERS_MAX: usize = u16::MAX as usize;

/// The places, from 0, of the parameters that stand where an array must.
pub(crate) fn parameters(statement: &ast::Statement) -> Vec<usize> {
    let mut found = Vec::new();
    let _ = ast::visit_expressions(statement, |expr| {
        match expr {
            ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => {
                found.extend(place(right));
            }
            // What the query engine makes of the two.
            ast::Expr::Function(function) => found.extend(first_argument(function)),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

fn first_argument(function: &ast::Function) -> Option<usize> {
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
    fn parameters_of_any_are_arrays() {
        let cases: [(&str, &[usize]); 5] = [
            ("SELECT 1 WHERE a = ANY($1)", &[0]),
            ("SELECT 1 WHERE a = $1 AND b = ANY($2)", &[1]),
            ("SELECT 1 FROM (SELECT 2 WHERE b = ANY(($3))) c", &[2]),
            ("SELECT 1 WHERE a = $1", &[]),
            ("SELECT 1 WHERE a = ANY($99999999)", &[]),
        ];
        for (sql, expected) in cases {
            let parsed = parx_query::parse(sql).unwrap();
            assert_eq!(parameters(&parsed[0].ast), expected, "{sql}");
        }
    }
}
