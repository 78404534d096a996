// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import NIOCore
import TestKit
import Testing

@testable import Messaging

@Suite struct RawMessageTests {
    private static let message = RawMessage(
        domain: DomainID("0190d6b0-0000-7000-8000-000000000001")!,
        channel: ChannelID("0190d6b0-0000-7000-8000-000000000002")!,
        subtopic: "room.1.é", publisher: ThingID("0190d6b0-0000-7000-8000-000000000003")!, transport: .coap,
        contentType: .senmlJSON, created: 1_767_225_600_123_456_789,
        payload: ByteBuffer(bytes: [0x5B, 0x00, 0xFF, 0x22, 0x5D]))

    /// What `protoc` says about ``message`` and takes for it.
    private static let text = """
        channel: "0190d6b0-0000-7000-8000-000000000002"
        domain: "0190d6b0-0000-7000-8000-000000000001"
        subtopic: "room.1.\\303\\251"
        publisher: "0190d6b0-0000-7000-8000-000000000003"
        protocol: "coap"
        payload: "[\\000\\377\\"]"
        created: 1767225600123456789
        content_type: "application/senml+json"

        """

    private func encoded(_ message: RawMessage) -> [UInt8] {
        var buffer = ByteBuffer()
        message.encode(into: &buffer)
        return Array(buffer.readableBytesView)
    }

    private func error(_ bytes: [UInt8]) -> RawMessageError? {
        do throws(RawMessageError) {
            _ = try RawMessage(decoding: ByteBuffer(bytes: bytes))
            return nil
        } catch {
            return error
        }
    }

    // MARK: Against protoc

    @Test func writesWhatProtocWrites() throws {
        #expect(try protoc("--encode", input: Array(Self.text.utf8)) == encoded(Self.message))
    }

    @Test func writesWhatProtocReads() throws {
        let output = try protoc("--decode", input: encoded(Self.message))
        #expect(String(decoding: output, as: UTF8.self) == Self.text)
    }

    @Test func agreesWithProtocOnWhatMQTTSays() throws {
        var message = Self.message
        message.mqtt = MQTTDetails(
            qos: 1, retain: true, session: .max, properties: ByteBuffer(bytes: [0x01, 0x01]))
        let text = Self.text.replacing(
            "content_type",
            with: """
                mqtt {
                  flags: 5
                  session: 18446744073709551615
                  properties: "\\001\\001"
                }
                content_type
                """)
        #expect(try protoc("--encode", input: Array(text.utf8)) == encoded(message))
        #expect(String(decoding: try protoc("--decode", input: encoded(message)), as: UTF8.self) == text)
        #expect(try RawMessage(decoding: ByteBuffer(bytes: encoded(message))) == message)
        message.mqtt = MQTTDetails(qos: 0)
        #expect(try RawMessage(decoding: ByteBuffer(bytes: encoded(message))) == message)
    }

    @Test func aTemplateWritesTheSame() {
        var message = Self.message
        let details: [MQTTDetails?] = [
            nil, MQTTDetails(qos: 0), MQTTDetails(qos: 1, session: 9),
            MQTTDetails(qos: 2, retain: true, session: .max, properties: ByteBuffer(bytes: [1, 1])),
        ]
        for mqtt in details {
            for contentType in [ContentType.senmlJSON, .octetStream] {
                for created in [Int64(0), 1, 1_767_225_600_123_456_789, -1] {
                    for length in [0, 1, 127, 128, 70_000] {
                        for subtopic in ["", "a.b"] {
                            message.mqtt = mqtt
                            message.contentType = contentType
                            message.subtopic = subtopic
                            message.payload = ByteBuffer(bytes: [UInt8](repeating: 0x61, count: length))
                            message.created = created
                            let template = RawMessageTemplate(message)
                            // Behind other bytes, as in a batch.
                            var buffer = ByteBuffer(bytes: [7])
                            message.payload.withUnsafeReadableBytes {
                                template.encode($0, created: created, into: &buffer)
                            }
                            #expect(Array(buffer.readableBytesView) == [7] + encoded(message))
                        }
                    }
                }
            }
        }
    }

    @Test func refusesWhatMQTTCannotSay() throws {
        var message = Self.message
        message.mqtt = MQTTDetails(qos: 2, session: 7, properties: ByteBuffer(bytes: [1, 2, 3]))
        let bytes = encoded(message)
        // Before the content type: tag and length of two bytes each, flags of two, a number of nine, the properties of five.
        let start = bytes.count - (2 + ContentType.senmlJSON.mediaType.utf8.count) - 18
        try #require(bytes[start] == 0x72 && bytes[start + 1] == 16)
        var wrong = bytes
        // The flags as a length-delimited field.
        wrong[start + 2] = 0x0A
        #expect(error(wrong) == .wrongWireType(.mqtt))
        for length in 1..<Int(bytes[start + 1]) {
            var cut = Array(bytes[..<(start + 2 + length)])
            cut[start + 1] = UInt8(length)
            let found = error(cut)
            #expect(found == nil || found == .truncated)
        }
        let tooLong = MQTTDetails(qos: 0, properties: ByteBuffer(repeating: 0, count: Limits.mqttPropertiesBytes + 33))
        message.mqtt = tooLong
        #expect(error(encoded(message)) == .tooLong(.mqtt))
    }

    @Test(arguments: [Int64.min, -1, 0, 1, 127, 128, 16_383, 16_384, .max])
    func agreesWithProtocOnTimesAndLengths(created: Int64) throws {
        var message = Self.message
        message.created = created
        message.subtopic = ""
        message.contentType = .other("text/plain")
        message.payload = ByteBuffer(repeating: 0x61, count: Int(created.magnitude % 20_000))
        let bytes = encoded(message)
        #expect(bytes.count == message.encodedSize)
        let text = try protoc("--decode", input: bytes)
        #expect(try protoc("--encode", input: text) == bytes)
        #expect(try RawMessage(decoding: ByteBuffer(bytes: bytes)) == message)
    }

    /// Runs the real compiler of the protobuf project; that it is missing is a failure.
    private func protoc(_ mode: String, input: [UInt8]) throws -> [UInt8] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Shared/Messaging").standardizedFileURL.path
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "protoc", "\(mode)=martlet.messaging.RawMessage", "-I", folder, "\(folder)/RawMessage.proto",
        ]
        let (standardInput, standardOutput, standardError) = (Pipe(), Pipe(), Pipe())
        process.standardInput = standardInput
        process.standardOutput = standardOutput
        process.standardError = standardError
        try process.run()
        try standardInput.fileHandleForWriting.write(contentsOf: input)
        try standardInput.fileHandleForWriting.close()
        let output = try standardOutput.fileHandleForReading.readToEnd() ?? Data()
        let complaint = try standardError.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "protoc: \(String(decoding: complaint, as: UTF8.self))")
        return [UInt8](output)
    }

    // MARK: Reading

    @Test func readsBackWhatItWrote() throws {
        #expect(try RawMessage(decoding: ByteBuffer(bytes: encoded(Self.message))) == Self.message)
    }

    @Test func sharesThePayloadsStorage() throws {
        let buffer = ByteBuffer(bytes: encoded(Self.message))
        let message = try RawMessage(decoding: buffer)
        let whole = buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        let payload = message.payload.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(payload > whole && payload < whole + UInt(buffer.readableBytes))
    }

    @Test func viewShowsTheSameFields() throws {
        var buffer = ByteBuffer(string: "before")
        Self.message.encode(into: &buffer)
        buffer.moveReaderIndex(forwardBy: 6)
        let view = try RawMessageView(decoding: buffer)
        #expect(view.domain == Self.message.domain)
        #expect(view.channel == Self.message.channel)
        #expect(view.publisher == Self.message.publisher)
        #expect(view.created == Self.message.created)
        #expect(view.contentType == Self.message.contentType)
        #expect(view.transport == Self.message.transport)
        #expect(view.payload == Self.message.payload)
        #expect(view.withSubtopic { Array($0) } == Array(Self.message.subtopic.utf8))
        #expect(view.withTransport { Array($0) } == Array("coap".utf8))
        #expect(view.withPayload { Array($0) } == Array(Self.message.payload.readableBytesView))
    }

    /// Whatever came before, what is read is what is there.
    @Test(arguments: 1...8) func viewsAfterOthersShowWhatIsThere(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var former: RawMessageView?
        var quick = 0
        for _ in 0..<2_000 {
            var message = Self.message
            message.payload = ByteBuffer(repeating: 7, count: Int.random(in: 0...300, using: &random))
            message.created = Bool.random(using: &random) ? Int64.random(in: .min ... .max, using: &random) : 0
            if Int.random(in: 0..<4, using: &random) == 0 {
                message.subtopic = ["", "a", "a.b"].randomElement(using: &random) ?? ""
            }
            if Int.random(in: 0..<4, using: &random) == 0 { message.contentType = .json }
            if Int.random(in: 0..<3, using: &random) == 0 {
                message.mqtt = MQTTDetails(
                    qos: 1, session: UInt64.random(in: 0...1, using: &random),
                    properties: Bool.random(using: &random) ? ByteBuffer() : ByteBuffer(bytes: [3, 0, 1, 97]))
            }
            var bytes = encoded(message)
            switch Int.random(in: 0..<12, using: &random) {
            case 0: bytes[Int.random(in: bytes.indices, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            case 1: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
            // Fields in another order, and again.
            case 2: bytes = [0x38, 5] + bytes
            case 3: bytes += [0x32, 1, 9]
            case 4: bytes += [0x1A, 1, 98]
            case 5: bytes += [0x2A, 2, 119, 115]
            case 6: bytes += [0x32, 1, 9, 0x38, 5]
            default: break
            }
            let buffer = ByteBuffer(bytes: bytes)
            let alone = Result { try RawMessageView(decoding: buffer) }
            let view = Result { try RawMessageView(decoding: buffer, after: former) }
            switch (view, alone) {
            case (.success(let view), .success(let alone)):
                #expect(Fields(view) == Fields(alone), "seed \(seed)")
                if former.map({ Fields($0).shared == Fields(view).shared }) == true { quick += 1 }
                former = view
            case (.failure(let error), .failure(let other)):
                #expect(error as? RawMessageError == other as? RawMessageError)
            default: Issue.record("seed \(seed): \(view) and \(alone)")
            }
        }
        #expect(quick > 100)
    }

    /// What a view says.
    private struct Fields: Equatable {
        /// All but payload and time.
        var shared: [String]
        var payload: [UInt8]
        var created: Int64

        init(_ view: RawMessageView) {
            shared = [
                "\(view.domain)", "\(view.channel)", "\(view.publisher)", "\(view.contentType)", view.subtopic,
                view.transport.rawValue, "\(view.mqtt?.qos ?? 9)", "\(view.mqtt?.session ?? 9)",
                "\(view.mqtt.map { Array($0.properties.readableBytesView) } ?? [])",
            ]
            payload = Array(view.payload.readableBytesView)
            created = view.created
        }
    }

    @Test func skipsUnknownFieldsOfEveryWireType() throws {
        let unknown: [UInt8] =
            [0x40, 0x96, 0x01] + [0x49, 1, 2, 3, 4, 5, 6, 7, 8] + [0x52, 2, 0x61, 0x62] + [0x5D, 1, 2, 3, 4]
            + [0x63, 0x08, 0x01, 0x6B, 0x6C, 0x64] + [0x82, 0x7D, 0]
        #expect(try RawMessage(decoding: ByteBuffer(bytes: unknown + encoded(Self.message))) == Self.message)
        #expect(try RawMessage(decoding: ByteBuffer(bytes: encoded(Self.message) + unknown)) == Self.message)
    }

    @Test func takesTheLastOfARepeatedField() throws {
        let again: [UInt8] = [0x2A, 4] + Array("http".utf8)
        #expect(try RawMessage(decoding: ByteBuffer(bytes: encoded(Self.message) + again)).transport == .http)
    }

    @Test func everyTruncationIsAnError() {
        let bytes = encoded(Self.message)
        // Whole optional fields may be missing at the end: content type, creation time, payload begin where these end.
        let boundaries = Set(
            [0, 1, 2].map { index in
                var message = Self.message
                if index >= 0 { message.contentType = .octetStream }
                if index >= 1 { message.created = 0 }
                if index >= 2 { message.payload = ByteBuffer() }
                return encoded(message).count - 26
            })
        for length in 0..<bytes.count {
            let isWhole = error(Array(bytes[..<length])) == nil
            #expect(isWhole == boundaries.contains(length), "\(length) of \(bytes.count) bytes")
        }
    }

    @Test func namesWhatIsWrong() {
        let good = encoded(Self.message)
        let identifier = Array("0190d6b0-0000-7000-8000-000000000002".utf8)
        #expect(error([]) == .missing(.channel))
        #expect(error(Array(good.dropFirst(38))) == .missing(.channel))
        #expect(error(good + [0x00]) == .invalidTag)
        #expect(error(good + [0x07]) == .invalidTag)
        #expect(error(good + [0x0E]) == .invalidTag)
        #expect(error(good + [0x08, 0x01]) == .wrongWireType(.channel))
        #expect(error(good + [0x3A, 0x00]) == .wrongWireType(.created))
        #expect(error(good + [0x0A, 36] + identifier.dropLast() + [0x78]) == .invalidIdentifier(.channel))
        #expect(error(good + [0x12, 0]) == .invalidIdentifier(.domain))
        #expect(error(good + [0x1A, 2, 0xC3, 0x28]) == .invalidText(.subtopic))
        #expect(error(good + [0x1A, 1, 0x00]) == .invalidText(.subtopic))
        #expect(error(good + [0x2A, 0]) == .missing(.transport))
        #expect(error(good + [0x7A, 1, 0x61]) == .invalidText(.contentType))
        #expect(error(good + [0x32, 0x05, 0x61]) == .truncated)
        #expect(error(good + [0x38] + Array(repeating: 0xFF, count: 10)) == .invalidVarint)
        #expect(error(good + [0x0C]) == .wrongWireType(.channel))
        #expect(error(good + [0x64]) == .invalidGroup)
        #expect(error(good + [0x63, 0x6C]) == .invalidGroup)
        #expect(error(good + Array(repeating: 0x63, count: 100)) == .invalidGroup)
        #expect(error(good + [0x63]) == .invalidGroup)
    }

    @Test func keepsTheLimits() {
        var message = Self.message
        message.payload = ByteBuffer(repeating: 0, count: Limits.payloadBytes)
        #expect(error(encoded(message)) == nil)
        message.payload = ByteBuffer(repeating: 0, count: Limits.payloadBytes + 1)
        #expect(error(encoded(message)) == .tooLong(.payload))
        message = Self.message
        message.subtopic = String(repeating: "a", count: Limits.subtopicBytes)
        #expect(error(encoded(message)) == nil)
        message.subtopic += "a"
        #expect(error(encoded(message)) == .tooLong(.subtopic))
        message = Self.message
        message.transport = Transport(rawValue: String(repeating: "a", count: 33))
        #expect(error(encoded(message)) == .tooLong(.transport))
    }

    @Test func everyErrorHasASlugAndASentence() {
        for field in RawMessageError.Field.allCases {
            for error in [RawMessageError.tooLong(field), .missing(field), .invalidText(field)] {
                #expect(error.reason.hasPrefix("envelope-"))
                #expect(error.message.hasSuffix("."))
            }
        }
    }
}
