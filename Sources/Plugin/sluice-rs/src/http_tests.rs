//! What a path's segment is written as.

use super::segment;

#[test]
fn a_segment_has_one_spelling() {
    // Every octet of ASCII but NUL, and some characters beyond: the same in every kit's test.
    let all: String = (1u8..128).map(char::from).chain("\u{e9}\u{85}\u{20ac}\u{1d11e}".chars()).collect();
    let wanted = concat!(
        "%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13%14%15%16%17%18%19%1A%1B%1C%1D%1E%1F%20",
        "!%22%23$%25%26'()*+,-.%2F0123456789:%3B%3C=%3E%3F@ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60abcd",
        "efghijklmnopqrstuvwxyz%7B%7C%7D~%7F%C3%A9%C2%85%E2%82%AC%F0%9D%84%9E",
    );
    assert_eq!(segment(&all), wanted);
}
