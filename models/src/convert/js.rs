//! One JavaScript literal out of a bundled script: enough of the grammar for data, nothing of it that computes.

use serde_json::{Map, Number, Value};

/// Objects and arrays may be nested this deep.
const MAX_DEPTH: usize = 64;

/// Finds the first `….exports=` that is followed by a literal object or string, and parses that literal.
///
/// Errors say what was expected and at which byte.
pub fn exported(script: &str) -> Result<Value, String> {
    const MARK: &str = ".exports=";
    let mut from = 0;
    while let Some(found) = script[from..].find(MARK) {
        let start = from + found + MARK.len();
        if script[start..].starts_with(['{', '"', '\'']) && !script[start..].starts_with("{}") {
            return Parser { text: script, at: start }.value(0);
        }
        from = start;
    }
    Err("no exported literal".into())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn error<T>(&self, expected: &str) -> Result<T, String> {
        Err(format!("byte {}: expected {expected}", self.at))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return self.error("less nesting");
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"' | b'\'') => self.string().map(Value::String),
            Some(b'-' | b'.' | b'0'..=b'9') => self.number(),
            _ => self.keyword(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut map = Map::new();
        loop {
            self.skip_space();
            if self.eat("}") {
                return Ok(Value::Object(map));
            }
            let key = match self.peek() {
                Some(b'"' | b'\'') => self.string()?,
                _ => self.identifier()?,
            };
            self.skip_space();
            if !self.eat(":") {
                return self.error("`:`");
            }
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            self.skip_space();
            if !self.eat(",") && self.peek() != Some(b'}') {
                return self.error("`,` or `}`");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.eat("]") {
                return Ok(Value::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if !self.eat(",") && self.peek() != Some(b']') {
                return self.error("`,` or `]`");
            }
        }
    }

    fn identifier(&mut self) -> Result<String, String> {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$');
        let name = self.rest().split(ends).next().unwrap_or_default().to_owned();
        if name.is_empty() {
            return self.error("a name");
        }
        self.at += name.len();
        Ok(name)
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = if self.eat("\"") { '"' } else { '\'' };
        if quote == '\'' {
            self.at += 1;
        }
        let mut out = String::new();
        loop {
            let Some(plain) = self.rest().find([quote, '\\', '\n']) else { return self.error("the end of a string") };
            out.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            if self.peek() == Some(quote as u8) {
                self.at += 1;
                return Ok(out);
            }
            if !self.eat("\\") {
                return self.error("the end of a string");
            }
            out.push(match self.peek() {
                Some(b'n') => '\n',
                Some(b't') => '\t',
                Some(quoted @ (b'"' | b'\'' | b'\\' | b'/')) => quoted as char,
                _ => return self.error("one of the known escapes"),
            });
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let ends = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'));
        let text = self.rest().split(ends).next().unwrap_or_default().to_owned();
        let number = match text.parse::<i64>() {
            // `-0` is a float.
            Ok(integer) if integer != 0 || text == "0" => Some(Number::from(integer)),
            _ => text.parse::<f64>().ok().and_then(Number::from_f64),
        };
        let Some(number) = number else { return self.error("a number") };
        self.at += text.len();
        Ok(Value::Number(number))
    }

    fn keyword(&mut self) -> Result<Value, String> {
        // `!0` and `!1` are how a minifier writes true and false.
        const WORDS: [(&str, Value); 5] = [
            ("!0", Value::Bool(true)),
            ("!1", Value::Bool(false)),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::Null),
        ];
        for (word, value) in WORDS {
            if self.eat(word) {
                return Ok(value);
            }
        }
        self.error("a value")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_minifiers_write() {
        let script = r#"!function(e){module.exports=e()}(function(){n={exports:{}};a.exports={a:[1,-2.5,.999,1e-3,],
            "b c":'it\'s',$d:{e_1:!0,f:!1,g:null},h:-0}},{}]},{},[1])(1)});"#;
        let expected = json!({"a": [1, -2.5, 0.999, 0.001], "b c": "it's",
            "$d": {"e_1": true, "f": false, "g": null}, "h": -0.0});
        assert_eq!(exported(script).unwrap(), expected);
        assert_eq!(exported("a.exports=\"QUJD=\"").unwrap(), json!("QUJD="));
    }

    #[test]
    fn anything_else_is_an_error_with_its_place() {
        let cases = [
            ("var a=1", "no exported literal"),
            ("a.exports={b:c()}", "byte 13: expected a value"),
            ("a.exports={b:1", "byte 14: expected `,` or `}`"),
            ("a.exports={b 1}", "byte 13: expected `:`"),
            ("a.exports={b:[1 2]}", "byte 16: expected `,` or `]`"),
            ("a.exports={b:--1}", "byte 13: expected a number"),
            ("a.exports=\"abc", "byte 11: expected the end of a string"),
            ("a.exports=\"a\\qc\"", "byte 13: expected one of the known escapes"),
        ];
        for (script, message) in cases {
            assert_eq!(exported(script).unwrap_err(), message, "{script}");
        }
        let deep = format!("a.exports={{a:{}", "[".repeat(100_000));
        assert!(exported(&deep).unwrap_err().ends_with("expected less nesting"));
    }
}
