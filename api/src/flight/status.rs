//! What goes wrong, as gRPC says it.
//!
//! One table from the engine's kinds of error to codes; the words are the same as at every door.

use parx_query::{ErrorKind, QueryError};
use tonic::{Code, Status};

/// The code of a kind.
fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Syntax
        | ErrorKind::UndefinedColumn
        | ErrorKind::AmbiguousColumn
        | ErrorKind::UndefinedFunction
        | ErrorKind::DatatypeMismatch
        | ErrorKind::InvalidText
        | ErrorKind::OutOfRange
        | ErrorKind::DivisionByZero
        | ErrorKind::Parameters => Code::InvalidArgument,
        ErrorKind::UndefinedTable => Code::NotFound,
        ErrorKind::OutOfMemory => Code::ResourceExhausted,
        ErrorKind::ReadOnly => Code::PermissionDenied,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Damage => Code::DataLoss,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Internal => Code::Internal,
    }
}

/// Fact, detail and hint, each on its line.
pub(super) fn of(error: &QueryError) -> Status {
    let more = [&error.detail, &error.hint];
    let more = more.into_iter().flatten().map(|line| format!("\n{line}"));
    Status::new(code(error.kind), error.message.clone() + &more.collect::<String>())
}

/// For what only a fault of ParX explains.
pub(super) fn internal(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_words_and_get_a_code() {
        let error = QueryError::new(ErrorKind::UndefinedTable, "relation \"a\" does not exist");
        let status = of(&error.hint("there is b"));
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), "relation \"a\" does not exist\nthere is b");
    }
}
