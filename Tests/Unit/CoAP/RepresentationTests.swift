// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore
import Testing

@testable import CoAPAdapter

@Suite struct RepresentationTests {
    @Test("Which form of what can be had")
    func forms() {
        func form(_ type: ContentType, _ wanted: UInt16?) -> String {
            guard let (form, number) = Representation.of(type, as: wanted) else { return "none" }
            return "\(form) \(number.map { "\($0)" } ?? "-")"
        }
        #expect(form(.senmlJSON, nil) == "asItIs 110")
        #expect(form(.other("image/png"), nil) == "asItIs -")
        #expect(form(.senmlJSON, 110) == "asItIs 110")
        #expect(form(.senmlJSON, 112) == "converted(to: Messaging.SenMLFormat.cbor) 112")
        #expect(form(.senmlCBOR, 110) == "converted(to: Messaging.SenMLFormat.json) 110")
        #expect(form(.senmlCBOR, 50) == "converted(to: Messaging.SenMLFormat.json) 50")
        #expect(form(.senmlJSON, 50) == "asItIs 50")
        #expect(form(.other("image/png"), 42) == "asItIs 42")
        #expect(form(.json, 110) == "none")
        #expect(form(.octetStream, 50) == "none")
        #expect(Representation.isKnown(60))
        #expect(!Representation.isKnown(41))
        #expect(!Representation.isKnown(9_999))
    }

    @Test("An ETag is of the bytes and of their format")
    func tags() {
        let content = Content(payload: ByteBuffer(string: "[]"), contentFormat: 110)
        #expect(content.eTag.count == 8)
        #expect(content.eTag == Content(payload: ByteBuffer(string: "[]"), contentFormat: 110).eTag)
        #expect(content.eTag != Content(payload: ByteBuffer(string: "[]"), contentFormat: 50).eTag)
        #expect(content.eTag != Content(payload: ByteBuffer(string: "[ ]"), contentFormat: 110).eTag)
    }
}
