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
}
