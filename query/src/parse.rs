//! From text to statements, in PostgreSQL's dialect, and what kind each is.
//!
//! Session commands (`SET`, `BEGIN`, `PREPARE`, `COPY` …) are recognised and left to the door,
//! which finds them in `Parsed::ast`. What clients send to PostgreSQL's own tables is rewritten
//! here into what the planner understands.

use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, CurrentUserVariableToSessionUserFunctionCall,
    FixArrayLiteral, FixVersionColumnName, PrependUnqualifiedPgTableName,
    RewriteArrayAnyAllOperation, SqlStatementRewriteRule, StripCallableQualifier,
};

use crate::QueryError;
use crate::dialect::Versioned;

/// What is to be done with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// Has rows: `SELECT`, `VALUES`, `WITH`, `TABLE`.
    Query,
    /// Has the plan as rows.
    Explain,
    /// Concerns the session, its transactions, cursors or settings: the door's.
    Session,
    /// Would write: refused.
    Write,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What is to be done with it.
    pub kind: StatementKind,
    /// What it says.
    pub ast: ast::Statement,
}

/// The statements of `sql`, in their order; none if it is empty or only comments.
pub fn parse(sql: &str) -> Result<Vec<Parsed>, QueryError> {
    let syntax = |error| QueryError::syntax(error, sql);
    // Versions take the words AT and CHANGES away from aliases, so they are read where asked for.
    let dialect: &dyn Dialect = match sql.to_ascii_lowercase().contains("system_time") {
        true => &Versioned,
        false => &PostgreSqlDialect {},
    };
    let mut statements = Parser::new(dialect)
        .with_recursion_limit(DEPTH_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(syntax)?;
    if asks_postgres(sql) {
        statements = POSTGRES.parse(sql).map_err(syntax)?;
    }
    Ok(statements.into_iter().map(Parsed::from).collect())
}

/// How deep a statement may be nested.
pub const DEPTH_MAX: usize = 50;

static POSTGRES: LazyLock<PostgresCompatibilityParser> =
    LazyLock::new(PostgresCompatibilityParser::new);

/// Whether it concerns PostgreSQL's own tables. Only then are rules applied that fit those tables
/// and could change what another statement means.
fn asks_postgres(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    ["pg_catalog", "from pg_", "join pg_", "information_schema", "::reg"]
        .iter()
        .any(|sign| sql.contains(sign))
}

impl From<ast::Statement> for Parsed {
    fn from(ast: ast::Statement) -> Parsed {
        let kind = kind(&ast);
        let ast = match kind {
            StatementKind::Query | StatementKind::Explain => rewrite(ast),
            StatementKind::Session | StatementKind::Write => ast,
        };
        Parsed { kind, ast }
    }
}

/// The rules that every query goes through; none changes what it means.
fn rewrite(ast: ast::Statement) -> ast::Statement {
    let rules: [&dyn SqlStatementRewriteRule; 7] = [
        &AliasDuplicatedProjectionRewrite,
        &RewriteArrayAnyAllOperation,
        &PrependUnqualifiedPgTableName,
        &StripCallableQualifier,
        &FixArrayLiteral,
        &CurrentUserVariableToSessionUserFunctionCall,
        &FixVersionColumnName,
    ];
    rules.iter().fold(ast, |ast, rule| rule.rewrite(ast))
}

fn kind(ast: &ast::Statement) -> StatementKind {
    use ast::Statement as S;
    match ast {
        S::Query(query) => match query_writes(query) {
            true => StatementKind::Write,
            false => StatementKind::Query,
        },
        S::Explain { .. } | S::ExplainTable { .. } => StatementKind::Explain,
        S::Set(_)
        | S::ShowVariable { .. }
        | S::ShowVariables { .. }
        | S::ShowStatus { .. }
        | S::ShowTables { .. }
        | S::ShowColumns { .. }
        | S::ShowDatabases { .. }
        | S::ShowSchemas { .. }
        | S::Use(_)
        | S::StartTransaction { .. }
        | S::Commit { .. }
        | S::Rollback { .. }
        | S::Savepoint { .. }
        | S::ReleaseSavepoint { .. }
        | S::Prepare { .. }
        | S::Execute { .. }
        | S::Deallocate { .. }
        | S::Declare { .. }
        | S::Open(_)
        | S::Fetch { .. }
        | S::Close { .. }
        | S::Discard { .. }
        | S::Reset(_)
        | S::LISTEN { .. }
        | S::UNLISTEN { .. }
        | S::NOTIFY { .. }
        | S::Copy { .. }
        | S::Kill { .. } => StatementKind::Session,
        _ => StatementKind::Write,
    }
}

fn query_writes(query: &ast::Query) -> bool {
    fn body_writes(body: &ast::SetExpr) -> bool {
        match body {
            ast::SetExpr::Insert(_)
            | ast::SetExpr::Update(_)
            | ast::SetExpr::Delete(_)
            | ast::SetExpr::Merge(_) => true,
            ast::SetExpr::Select(select) => select.into.is_some(),
            ast::SetExpr::Query(query) => query_writes(query),
            ast::SetExpr::SetOperation { left, right, .. } => {
                body_writes(left) || body_writes(right)
            }
            _ => false,
        }
    }
    let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
    body_writes(&query.body) || ctes.into_iter().any(|cte| query_writes(&cte.query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_its_kind() {
        use StatementKind::*;
        let table = [
            ("SELECT 1", Query),
            ("VALUES (1)", Query),
            ("WITH a AS (SELECT 1) SELECT * FROM a", Query),
            ("EXPLAIN SELECT 1", Explain),
            ("SET TIME ZONE 'UTC'", Session),
            ("SHOW server_version", Session),
            ("BEGIN", Session),
            ("START TRANSACTION READ ONLY", Session),
            ("ROLLBACK", Session),
            ("DISCARD ALL", Session),
            ("DEALLOCATE ALL", Session),
            ("COPY (SELECT 1) TO STDOUT", Session),
            ("INSERT INTO samples VALUES (1)", Write),
            ("DELETE FROM samples", Write),
            ("UPDATE samples SET value = 1", Write),
            ("CREATE TABLE a (b int)", Write),
            ("DROP TABLE samples", Write),
            ("SELECT 1 INTO a", Write),
            ("WITH a AS (DELETE FROM samples RETURNING *) SELECT * FROM a", Write),
        ];
        for (sql, expected) in table {
            let parsed = parse(sql).unwrap();
            assert_eq!(parsed.first().map(|p| p.kind), Some(expected), "{sql}");
        }
    }

    #[test]
    fn text_without_a_statement_has_none_and_several_come_in_order() {
        for sql in ["", ";", "-- ping", " ; ;"] {
            assert_eq!(parse(sql).map(|all| all.len()), Ok(0), "{sql:?}");
        }
        assert_eq!(parse("SELECT 1; BEGIN;").unwrap().len(), 2);
    }
}
