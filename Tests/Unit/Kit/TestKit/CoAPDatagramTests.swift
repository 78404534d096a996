// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

/// The tests' own CoAP, against the bytes that RFC 7252 prints.
@Suite struct CoAPDatagramTests {
    /// Appendix A, figures 16 and 17.
    @Test func theRFCsExamples() throws {
        let temperature = Array("temperature".utf8)
        let plain = CoAPDatagram.request(.confirmable, .get, "/temperature", messageID: 0x7D34)
        #expect(plain.bytes == [0x40, 0x01, 0x7D, 0x34, 0xBB] + temperature)
        let answer = CoAPDatagram(.acknowledgement, .content, messageID: 0x7D34, payload: Array("22.3 C".utf8))
        #expect(answer.bytes == [0x60, 0x45, 0x7D, 0x34, 0xFF] + Array("22.3 C".utf8))
        let withToken = CoAPDatagram.request(.confirmable, .get, "temperature", messageID: 0x7D35, token: [0x20])
        #expect(withToken.bytes == [0x41, 0x01, 0x7D, 0x35, 0x20, 0xBB] + temperature)
        for message in [plain, answer, withToken] { #expect(try CoAPDatagram(message.bytes) == message) }
    }

    @Test func pathAndQueryBecomeOptions() throws {
        let message = CoAPDatagram.request(
            .nonConfirmable, .put, "/a/b%?auth=x&y", messageID: 1,
            options: [.init(CoAPDatagram.Number.contentFormat, 110), .init(CoAPDatagram.Number.ifNoneMatch, [])])
        let read = try CoAPDatagram(message.bytes)
        #expect(read.options.map(\.number) == [5, 11, 11, 12, 15, 15])
        #expect(read.options.filter { $0.number == CoAPDatagram.Number.uriPath }.map(\.text) == ["a", "b%"])
        #expect(read.options.filter { $0.number == CoAPDatagram.Number.uriQuery }.map(\.text) == ["auth=x", "y"])
        #expect(read.option(CoAPDatagram.Number.contentFormat)?.integer == 110)
        #expect(read.option(CoAPDatagram.Number.observe) == nil)
    }

    /// Deltas and lengths on both sides of where a byte or two more are needed (section 3.1).
    @Test func longDeltasAndLengths() throws {
        for (number, head) in [
            (12, [0xC0]), (13, [0xD0, 0]), (268, [0xD0, 255]), (269, [0xE0, 0, 0]), (65_804, [0xE0, 255, 255]),
        ]
            as [(Int, [UInt8])]
        {
            let message = CoAPDatagram(.confirmable, .get, messageID: 0, options: [.init(number, [])])
            #expect(message.bytes.dropFirst(4) == head[...], "\(number)")
            #expect(try CoAPDatagram(message.bytes) == message)
        }
        for length in [0, 12, 13, 268, 269, 1_000] {
            let message = CoAPDatagram(
                .reset, .init(4, 31), messageID: 0xFFFF, token: [1, 2, 3, 4, 5, 6, 7, 8],
                options: [.init(3, [UInt8](repeating: 7, count: length)), .init(3, [])], payload: [0xFF])
            #expect(try CoAPDatagram(message.bytes) == message)
        }
        #expect(CoAPDatagram.Option(6, 0).value == [])
        #expect(CoAPDatagram.Option(6, 0x01_0000).value == [1, 0, 0])
    }

    @Test func namesWhatIsMalformed() {
        func malformation(_ bytes: [UInt8]) -> CoAPDatagram.Malformation? {
            do throws(CoAPDatagram.Malformation) {
                _ = try CoAPDatagram(bytes)
                return nil
            } catch {
                return error
            }
        }
        #expect(malformation([0x40, 1, 0]) == .truncated)
        #expect(malformation([0x00, 1, 0, 0]) == .version(0))
        #expect(malformation([0x49, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) == .tokenLength(9))
        #expect(malformation([0x42, 1, 0, 0, 1]) == .truncated)
        #expect(malformation([0x40, 1, 0, 0, 0xB2, 1]) == .truncated)
        #expect(malformation([0x40, 1, 0, 0, 0xD0]) == .truncated)
        #expect(malformation([0x40, 1, 0, 0, 0xF0]) == .reservedNibble)
        #expect(malformation([0x40, 1, 0, 0, 0x0F]) == .reservedNibble)
        #expect(malformation([0x40, 1, 0, 0, 0xFF]) == .emptyPayload)
        #expect(malformation([0x40, 0, 0, 0, 0xFF, 1]) == .contentOfEmpty)
        #expect(malformation([0x40, 0, 0, 0]) == nil)
    }

    @Test func codesReadAsTheStandardWritesThem() {
        #expect(CoAPDatagram.Code.notFound.description == "4.04")
        #expect(CoAPDatagram.Code.continue.description == "2.31")
        #expect(CoAPDatagram.Code.tooManyRequests.rawValue == 0x9D)
    }
}
