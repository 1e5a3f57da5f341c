use super::*;

fn again(text: &str) -> String { String::from_utf8(Json::parse(text.as_bytes()).unwrap().to_bytes()).unwrap() }

#[test]
fn reads_and_writes_what_it_was_given() {
    let deep = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
    for text in [
        "null", "true", "[]", "{}", "-0", "0", "1.50", "1e9", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        r#"{"b":1,"a":[{"c":null}]}"#, r#""\"\\\b\t\n\f\r\u0001é€𝄞""#, deep.as_str(),
    ] {
        assert_eq!(again(text), text);
    }
    assert_eq!(again(" { \"a\" : [ 1 , \"\\u00e9\\ud834\\udd1e\\/\" ] } \n"), "{\"a\":[1,\"é𝄞/\"]}");
    assert_eq!(Json::parse(b"9223372036854775807").unwrap().as_integer(), Some(i64::MAX));
}

#[test]
fn refuses_what_is_no_json() {
    let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
    for text in [
        "", " ", "nul", "01", "1.", ".5", "+1", "-", "1e", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "{\"a\":1,\"a\":2}", "\"",
        "\"\\x\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u12\"", "\"\n\"", "1 2", "[", "{", "'a'", "NaN", deep.as_str(),
    ] {
        assert!(Json::parse(text.as_bytes()).is_err(), "{}", text);
    }
    for bytes in [&b"\"\xff\""[..], b"\"\xc0\x80\"", b"\"\xed\xa0\x80\"", b"\xef\xbb\xbf1"] {
        assert!(Json::parse(bytes).is_err(), "{:?}", bytes);
    }
}

/// Anything made from a good document by a few changes is read or refused, and what is read is read the same again.
#[test]
fn survives_any_change() {
    let whole = br#"{"a":[1,-2.5e+3,true,null,"x\u00e9\ud834\udd1e\n"],"b":{"c":"\"\\/"},"d":[[[]],{}],"e":12345678901234567890}"#;
    let mut random: u64 = 7;
    let mut next = move |below: usize| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as usize % below
    };
    let mut valid = 0;
    for _ in 0..200_000 {
        let mut bytes = whole.to_vec();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] = next(256) as u8,
                1 => { bytes.remove(at); }
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, b"{}[]\",:\\u019.-e"[next(15)]),
            }
            if bytes.is_empty() { bytes.push(b'1'); }
        }
        if let Ok(value) = Json::parse(&bytes) {
            valid += 1;
            assert_eq!(Json::parse(&value.to_bytes()), Ok(value));
        }
    }
    assert!(valid > 1000);
}
