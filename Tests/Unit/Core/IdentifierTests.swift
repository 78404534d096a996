// SPDX-License-Identifier: Apache-2.0
import Core
import Testing

@Suite struct IdentifierTests {
    @Test func textRoundTrips() {
        let id = ThingID.new()
        #expect(ThingID(id.description) == id)
        #expect(id.description.count == ThingID.textLength)
        #expect(ThingID(id.description.uppercased()) == id)
    }

    @Test func versionAndVariantAreThoseOfVersion7() {
        let id = ThingID.new()
        #expect(id.high >> 12 & 0xF == 7)
        #expect(id.low >> 62 == 0b10)
    }

    @Test func laterMillisecondSortsLater() {
        var generator = SystemRandomNumberGenerator()
        #expect(ThingID(milliseconds: 1, using: &generator) < ThingID(milliseconds: 2, using: &generator))
    }

    @Test(arguments: [
        "", "0", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-0000000000000",
        "00000000_0000-0000-0000-000000000000", "g0000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-00000000000\u{e9}",
    ])
    func anythingElseIsRefused(_ text: String) {
        #expect(ThingID(text) == nil)
    }

    /// Every byte at every place of a text, against what the rule says.
    @Test func exactlyTheDigitsOfEitherCaseAreRead() {
        let text = Array("01234567-89ab-cdef-0123-456789abcdef".utf8)
        let hyphens = [8, 13, 18, 23]
        for place in 0..<text.count {
            for byte in UInt8.min ... .max {
                var changed = text
                changed[place] = byte
                let read = ThingID(utf8: changed)
                let digit = byte < 0x80 ? Character(UnicodeScalar(byte)).hexDigitValue : nil
                guard !hyphens.contains(place), let digit else {
                    #expect((read != nil) == (hyphens.contains(place) && byte == UInt8(ascii: "-")))
                    continue
                }
                let index = place - hyphens.count { $0 < place }
                let expected = UInt64(digit) << UInt64(60 - index % 16 * 4)
                let mask = UInt64(0xF) << UInt64(60 - index % 16 * 4)
                #expect(read?.high == (index < 16 ? 0x0123_4567_89AB_CDEF & ~mask | expected : 0x0123_4567_89AB_CDEF))
                #expect(read?.low == (index < 16 ? 0x0123_4567_89AB_CDEF : 0x0123_4567_89AB_CDEF & ~mask | expected))
            }
        }
    }

    @Test func textIsTheDigitsInOrder() {
        #expect(
            ThingID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210).description
                == "01234567-89ab-cdef-fedc-ba9876543210")
        for _ in 0..<1000 {
            let id = ThingID(high: .random(in: .min ... .max), low: .random(in: .min ... .max))
            let digits = [id.high, id.low].map { word in
                let text = String(word, radix: 16)
                return String(repeating: "0", count: 16 - text.count) + text
            }.joined()
            #expect(id.description.filter { $0 != "-" } == digits)
            #expect(ThingID(utf8: id.description.utf8.lazy.map { $0 }) == id)
        }
    }
}
