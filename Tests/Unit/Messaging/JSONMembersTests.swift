// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import Messaging

@Suite struct JSONMembersTests {
    private func split(_ text: String) throws -> [String: String] {
        try JSONMembers.split(ByteBuffer(string: text)).mapValues { String(buffer: $0) }
    }

    @Test func valuesStandAsTheyWere() throws {
        #expect(try split(" {} ") == [:])
        #expect(
            try split(#" { "a" : 1.50e0 , "b\n":{ "c":[ 1, {} ] },"d":"x\"y","a":null } "#)
                == ["a": "null", "b\n": "{ \"c\":[ 1, {} ] }", "d": #""x\"y""#])
    }

    @Test(arguments: [
        "", "[]", "1", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}x", "{a:1}", "{\"a\":1 \"b\":2}",
    ])
    func whatIsNoObjectIsRefused(_ text: String) {
        #expect(throws: JSONError.self) { try split(text) }
    }

    @Test func nestingIsBounded() {
        let deep = "{\"a\":" + String(repeating: "[", count: 32) + String(repeating: "]", count: 32) + "}"
        #expect(throws: JSONError.self) { try split(deep) }
    }

    @Test func stringsAreRead() {
        #expect(JSONMembers.string(ByteBuffer(string: #""a\u00e9\ud83d\ude00\n""#)) == "aé😀\n")
        #expect(JSONMembers.string(ByteBuffer(string: "\"\"")) == "")
        for text in ["1", "\"a", "\"a\"b", "", "null"] {
            #expect(JSONMembers.string(ByteBuffer(string: text)) == nil, "\(text)")
        }
    }
}
