//! JSON (RFC 8259) that loses nothing it was read with: integers are exact, other numbers keep their digits, members keep
//! their order. Refuses names given twice, half surrogates and deep nesting; panics on nothing.

use std::collections::HashSet;
use std::fmt;

/// How deep a value may be nested.
pub const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with a fraction or an exponent, or beyond 64 bits, in the digits it was written with.
    Decimal(String),
    Text(String),
    List(Vec<Json>),
    /// Members in the order they were written in, each name once.
    Object(Vec<(String, Json)>),
}

/// Why bytes are not JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub offset: usize,
    pub reason: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{} at byte {}", self.reason, self.offset) }
}
impl std::error::Error for JsonError {}

impl Json {
    /// Reads one value that fills `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.value(1)?;
        reader.space();
        if reader.at < bytes.len() { Err(reader.error("more than one value")) } else { Ok(value) }
    }

    /// The member of that name, when this is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|m| m.0 == name).map(|m| &m.1),
            _ => None,
        }
    }
    pub fn as_integer(&self) -> Option<i64> { if let Json::Integer(number) = self { Some(*number) } else { None } }
    pub fn as_text(&self) -> Option<&str> { if let Json::Text(text) = self { Some(text) } else { None } }
    pub fn as_bool(&self) -> Option<bool> { if let Json::Bool(flag) = self { Some(*flag) } else { None } }
    pub fn as_list(&self) -> Option<&[Json]> { if let Json::List(items) = self { Some(items) } else { None } }
    pub fn as_object(&self) -> Option<&[(String, Json)]> { if let Json::Object(members) = self { Some(members) } else { None } }

    /// The value as text, without spaces.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write(&mut out);
        out.into_bytes()
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Json::Integer(number) => out.push_str(&number.to_string()),
            Json::Decimal(digits) => out.push_str(digits),
            Json::Text(text) => write_text(text, out),
            Json::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 { out.push(','); }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 { out.push(','); }
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Escapes what must be escaped and nothing else, as RFC 8785 does.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, reason: &'static str) -> JsonError { JsonError { offset: self.at, reason } }
    fn peek(&self) -> Option<u8> { self.bytes.get(self.at).copied() }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) { self.at += 1; }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found { self.at += 1; }
        found
    }

    fn take(&mut self, byte: u8, reason: &'static str) -> Result<(), JsonError> {
        self.space();
        if self.skip(byte) { Ok(()) } else { Err(self.error(reason)) }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.space();
        if depth > DEPTH_MAX { return Err(self.error("nested too deep")); }
        match self.peek() {
            None => Err(self.error("the text ends too early")),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Json::Text(self.text()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) { return Err(self.error("no JSON value")); }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        self.space();
        if self.skip(b'}') { return Ok(Json::Object(members)); }
        loop {
            self.space();
            let start = self.at;
            let name = self.text()?;
            if !seen.insert(name.clone()) { return Err(JsonError { offset: start, reason: "a name given twice" }); }
            self.take(b':', "':' expected")?;
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.skip(b'}') { return Ok(Json::Object(members)); }
            self.take(b',', "',' expected")?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.skip(b']') { return Ok(Json::List(items)); }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.skip(b']') { return Ok(Json::List(items)); }
            self.take(b',', "',' expected")?;
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) { self.at += 1; }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.skip(b'-');
        let whole = self.at;
        if self.digits() == 0 { return Err(self.error("no JSON value")); }
        if self.bytes[whole] == b'0' && self.at - whole > 1 { return Err(self.error("a number that starts with 0")); }
        let mut is_whole = true;
        if self.skip(b'.') {
            is_whole = false;
            if self.digits() == 0 { return Err(self.error("a digit expected")); }
        }
        if self.skip(b'e') || self.skip(b'E') {
            is_whole = false;
            if !self.skip(b'-') { self.skip(b'+'); }
            if self.digits() == 0 { return Err(self.error("a digit expected")); }
        }
        let digits = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        match digits.parse::<i64>() {
            Ok(number) if is_whole && digits != "-0" => Ok(Json::Integer(number)),
            _ => Ok(Json::Decimal(digits)),
        }
    }

    fn text(&mut self) -> Result<String, JsonError> {
        self.space();
        if !self.skip(b'"') { return Err(self.error("a text expected")); }
        let mut text: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.error("the text ends too early")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let c = self.escape()?;
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte) if byte < b' ' => return Err(self.error("a control character in a text")),
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        let text = String::from_utf8(text).map_err(|_| self.error("a text that is no UTF-8"))?;
        self.at += 1;
        Ok(text)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let kind = self.peek().ok_or_else(|| self.error("the text ends too early"))?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' => Ok(kind as char),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.scalar(),
            _ => Err(self.error("an unknown escape")),
        }
    }

    /// Reads what follows `\u`: one scalar, in one or two halves.
    fn scalar(&mut self) -> Result<char, JsonError> {
        let high = self.hex()?;
        if let Some(c) = char::from_u32(high) { return Ok(c); }
        if high >= 0xDC00 || !self.skip(b'\\') || !self.skip(b'u') { return Err(self.error("half a surrogate pair")); }
        let low = self.hex()?;
        if !(0xDC00..=0xDFFF).contains(&low) { return Err(self.error("half a surrogate pair")); }
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).ok_or_else(|| self.error("half a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(|| self.error("the text ends too early"))?;
        let mut number = 0;
        for &digit in digits {
            number = number << 4 | (digit as char).to_digit(16).ok_or_else(|| self.error("four hexadecimal digits expected"))?;
        }
        self.at += 4;
        Ok(number)
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
