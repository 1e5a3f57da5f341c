import Domain
import Testing

@Suite struct `What is read of a record` {
  @Test func `is the same name whatever its case and white space, in ASCII as in every script`() {
    let whitespace = (0...0x7F).map { Character(Unicode.Scalar($0)!) }.filter(\.isWhitespace)
    for number in UInt8(0)...0x7F {
      let letter = Character(Unicode.Scalar(number))
      // What the general way gives, which the letter behind it makes it take.
      let general = Reference.normalized("\(letter)É").dropLast()
      #expect(Reference.normalized("\(letter)") == String(general), "\(number)")
      #expect(Reference.normalized("\(letter)").isEmpty == whitespace.contains(letter), "\(number)")
    }
    #expect(Reference.normalized(" GTX \r\n Plus\tBasic ") == "gtxplusbasic")
    #expect(Reference.normalized("Ünal\u{A0}& Söhne") == "ünal&söhne")
  }

  @Test func `is a day only when it is written as one that exists`() {
    #expect(BusinessDay("1970-01-01")?.number == 0)
    #expect(BusinessDay("2024-02-29")?.description == "2024-02-29")
    for text in [
      "", "2024", "2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "0000-01-01", "2024-1-01", "2024-01-1",
      "2024-01-011", "02024-01-01", "2024/01/01", "2024-01-01T", "+024-01-01", "-024-01-01", "2024--1-01", "２０２４-01-01",
    ] {
      #expect(BusinessDay(text) == nil, "\(text)")
    }
  }
}
