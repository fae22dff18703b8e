//! SQL text cut into statements and words, as far as a session needs it before the planner.
//!
//! Knows quotes, dollar quotes and comments, so that a semicolon inside of them ends nothing. What
//! the words mean is for `command` and the query engine to say.

/// A word or a mark of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A bare word, in lower case.
    Word(String),
    /// A word in double quotes, as written.
    Quoted(String),
    /// A string, without its quotes.
    Text(String),
    /// Digits, with what belongs to them.
    Number(String),
    /// Everything else.
    Mark(char),
}

/// One statement of a string that may hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Its text, without the semicolon.
    pub(crate) sql: &'a str,
    /// Characters before it.
    pub(crate) offset: usize,
}

/// The statements of a string; those of comments and space alone are left out.
pub(crate) fn split(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut lexer = Lexer { sql, at: 0 };
    let mut start: Option<usize> = None;
    let piece = |from: usize, to: usize| Piece {
        sql: sql[from..to].trim_end(),
        offset: sql[..from].chars().count(),
    };
    while let Some((token, from, _)) = lexer.next() {
        match (token, start) {
            (Token::Mark(';'), Some(begun)) => {
                pieces.push(piece(begun, from));
                start = None;
            }
            (Token::Mark(';'), None) => {}
            (_, Some(_)) => {}
            (_, None) => start = Some(from),
        }
    }
    if let Some(begun) = start {
        pieces.push(piece(begun, sql.len()));
    }
    pieces
}

/// The words of one statement, at most `limit` of them.
pub(crate) fn words(sql: &str, limit: usize) -> Vec<Token> {
    let mut lexer = Lexer { sql, at: 0 };
    std::iter::from_fn(|| lexer.next().map(|(token, _, _)| token)).take(limit).collect()
}

/// The text that follows the first word `keyword` outside of quotes.
pub(crate) fn after<'a>(sql: &'a str, keyword: &str) -> Option<&'a str> {
    let mut lexer = Lexer { sql, at: 0 };
    while let Some((token, _, to)) = lexer.next() {
        if token == Token::Word(keyword.to_owned()) {
            return Some(sql[to..].trim());
        }
    }
    None
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

fn begins_word(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    /// The next token with the bytes from and to which it stands.
    fn next(&mut self) -> Option<(Token, usize, usize)> {
        self.skip_space();
        let from = self.at;
        let first = self.rest().chars().next()?;
        let token = match first {
            '\'' => Token::Text(self.string(false)),
            'e' | 'E' if self.rest()[1..].starts_with('\'') => {
                self.at += 1;
                Token::Text(self.string(true))
            }
            '"' => Token::Quoted(self.quoted()),
            '$' => self.dollar().map_or_else(|| self.mark('$'), Token::Text),
            c if c.is_ascii_digit() => Token::Number(self.take(|c| in_word(c) || c == '.')),
            c if begins_word(c) => Token::Word(self.take(in_word).to_lowercase()),
            c => self.mark(c),
        };
        Some((token, from, self.at))
    }

    fn mark(&mut self, c: char) -> Token {
        self.at += c.len_utf8();
        Token::Mark(c)
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.skip_comment();
            } else {
                return;
            }
        }
    }

    /// Comments nest in SQL.
    fn skip_comment(&mut self) {
        let mut depth = 0usize;
        while self.at < self.sql.len() {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
    }

    fn string(&mut self, escapes: bool) -> String {
        self.at += 1;
        let mut text = String::new();
        let mut chars = self.rest().chars().peekable();
        while let Some(c) = chars.next() {
            self.at += c.len_utf8();
            match c {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    self.at += 1;
                    text.push('\'');
                }
                '\'' => break,
                '\\' if escapes => {
                    if let Some(escaped) = chars.next() {
                        self.at += escaped.len_utf8();
                        text.push(escaped);
                    }
                }
                c => text.push(c),
            }
        }
        text
    }

    fn quoted(&mut self) -> String {
        self.at += 1;
        let mut text = String::new();
        let mut chars = self.rest().chars().peekable();
        while let Some(c) = chars.next() {
            self.at += c.len_utf8();
            match c {
                '"' if chars.peek() == Some(&'"') => {
                    chars.next();
                    self.at += 1;
                    text.push('"');
                }
                '"' => break,
                c => text.push(c),
            }
        }
        text
    }

    /// `$tag$ … $tag$`; none where the dollar begins a parameter.
    fn dollar(&mut self) -> Option<String> {
        let rest = self.rest();
        let tag_end = rest[1..].find('$')? + 2;
        let tag = &rest[..tag_end];
        let name = &tag[1..tag_end - 1];
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !plain || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let body = &rest[tag_end..];
        let length = body.find(tag).unwrap_or(body.len());
        self.at += (tag_end + length + tag.len()).min(rest.len());
        Some(body[..length].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_cut_into_statements() {
        let cases: [(&str, &[&str]); 14] = [
            ("", &[]),
            ("  ;; ; ", &[]),
            ("-- ping", &[]),
            ("/* a /* b */ ; */ ;", &[]),
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"]),
            ("SELECT ';'; SELECT 2", &["SELECT ';'", "SELECT 2"]),
            ("SELECT 'it''s;'; SELECT 2", &["SELECT 'it''s;'", "SELECT 2"]),
            ("SELECT E'\\';'; SELECT 2", &["SELECT E'\\';'", "SELECT 2"]),
            ("SELECT \";\"; SELECT 2", &["SELECT \";\"", "SELECT 2"]),
            ("SELECT $$;$$; SELECT $a$;$$;$a$", &["SELECT $$;$$", "SELECT $a$;$$;$a$"]),
            ("SELECT $1; SELECT $2", &["SELECT $1", "SELECT $2"]),
            ("-- a;\nSELECT 1 -- b;\n; SELECT 2", &["SELECT 1 -- b;", "SELECT 2"]),
            ("SELECT 'é;' ; x", &["SELECT 'é;'", "x"]),
        ];
        for (sql, expected) in cases {
            let found: Vec<&str> = split(sql).iter().map(|piece| piece.sql).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn offsets_count_characters() {
        let offsets: Vec<usize> =
            split("SELECT 'é'; SELECT 2").iter().map(|piece| piece.offset).collect();
        assert_eq!(offsets, [0, 12]);
    }

    #[test]
    fn what_never_ends_is_one_statement() {
        for sql in ["SELECT 'a; b", "SELECT \"a; b", "SELECT $$a; b", "SELECT 1 /* a; b", "E'\\"] {
            assert_eq!(split(sql).len(), 1, "{sql}");
        }
    }

    #[test]
    fn words_come_without_their_quotes() {
        assert_eq!(
            words("SET \"Time Zone\" = 'Europe/Berlin', 1.5e3", 10),
            [
                Token::Word("set".into()),
                Token::Quoted("Time Zone".into()),
                Token::Mark('='),
                Token::Text("Europe/Berlin".into()),
                Token::Mark(','),
                Token::Number("1.5e3".into()),
            ]
        );
        assert_eq!(after("PREPARE as_is (int) AS SELECT 'as'", "as"), Some("SELECT 'as'"));
    }
}
