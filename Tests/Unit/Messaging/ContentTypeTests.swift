// SPDX-License-Identifier: Apache-2.0
import Messaging
import Testing

@Suite struct ContentTypeTests {
    @Test(arguments: [
        ("application/senml+json", ContentType.senmlJSON), ("application/senml+cbor", .senmlCBOR),
        ("application/json", .json),
        ("application/octet-stream", .octetStream), ("Application/SenML+JSON; charset=utf-8", .senmlJSON),
        ("  application/json\t;q=1", .json), ("application/senml+json;foo", .senmlJSON),
        ("text/Plain", .other("text/plain")),
        ("application/vnd.x-y+z", .other("application/vnd.x-y+z")),
    ])
    func reads(text: String, expected: ContentType) {
        #expect(ContentType(mediaType: text) == expected)
    }

    @Test(arguments: [
        "", " ", "json", "a/", "/b", "a/b/c", "a b/c", "a/b c", "text/plain, text/html", "a/é", ";a/b", "a/\u{0}",
    ])
    func refuses(text: String) {
        #expect(ContentType(mediaType: text) == nil)
    }

    @Test func boundsTheLength() {
        let longest = "a/" + String(repeating: "b", count: ContentType.maximumMediaTypeBytes - 2)
        #expect(ContentType(mediaType: longest) == .other(longest))
        #expect(ContentType(mediaType: longest + "b") == nil)
    }

    @Test(arguments: [
        ContentType.senmlJSON, .senmlCBOR, .json, .octetStream, .other("text/plain"), .other("application/cbor"),
    ])
    func survivesItsCoAPNumber(type: ContentType) throws {
        let number = try #require(type.coapContentFormat)
        #expect(ContentType(coapContentFormat: number) == type)
        #expect(ContentType(mediaType: type.mediaType) == type)
    }

    @Test func knowsTheRegisteredCoAPNumbers() {
        #expect(ContentType.senmlJSON.coapContentFormat == 110)
        #expect(ContentType.senmlCBOR.coapContentFormat == 112)
        #expect(ContentType.json.coapContentFormat == 50)
        #expect(ContentType.octetStream.coapContentFormat == 42)
        #expect(ContentType(coapContentFormat: 9999) == nil)
    }
}
