// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore

/// The JSON documents of the subprotocol `martlet.v1+json` and of server-sent events.
enum LiveDocument {
    /// A message: a JSON payload as it is, any other in base64.
    static func message(_ message: LiveMessage) -> ByteBuffer {
        let view = message.view
        let payload = view.payload
        var buffer = ByteBuffer()
        buffer.reserveCapacity(320 + payload.readableBytes)
        buffer.writeStaticString("{\"type\":\"message\",\"sequence\":")
        buffer.writeString(String(message.sequence))
        let subtopic = view.subtopic
        if !subtopic.isEmpty {
            buffer.writeStaticString(",\"subtopic\":")
            JSONOutput.write(subtopic, into: &buffer)
        }
        buffer.writeStaticString(",\"publisher\":")
        JSONOutput.write(view.publisher, into: &buffer)
        buffer.writeStaticString(",\"protocol\":")
        JSONOutput.write(view.transport.rawValue, into: &buffer)
        buffer.writeStaticString(",\"content_type\":")
        JSONOutput.write(view.contentType.mediaType, into: &buffer)
        buffer.writeStaticString(",\"created\":")
        JSONOutput.write(seconds: view.created, into: &buffer)
        if isJSON(view.contentType), (try? JSONValidator.validate(payload)) != nil {
            buffer.writeStaticString(",\"payload\":")
            buffer.writeImmutableBuffer(payload)
        } else {
            buffer.writeStaticString(",\"payload_base64\":\"")
            buffer.writeString(Data(payload.readableBytesView).base64EncodedString())
            buffer.writeStaticString("\"")
        }
        buffer.writeStaticString("}")
        return buffer
    }

    /// What adapters have checked; checked again where it is put into a document, as the bus may carry what others wrote.
    private static func isJSON(_ contentType: ContentType) -> Bool {
        contentType == .json || contentType == .senmlJSON
    }

    /// The first document: where the connection begins, and what it may do.
    static func open(after position: UInt64?, publishes: Bool, subscribes: Bool) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeStaticString("{\"type\":\"open\"")
        if let position { buffer.writeString(",\"sequence\":\(position)") }
        buffer.writeString(",\"publish\":\(publishes),\"subscribe\":\(subscribes)}")
        return buffer
    }

    /// Messages between the two numbers are not kept any more, or are lost.
    static func gap(_ gap: LiveGap) -> ByteBuffer {
        ByteBuffer(string: "{\"type\":\"gap\",\"after\":\(gap.after),\"next\":\(gap.next)}")
    }

    /// What the client sent under `id` (JSON text) is on disk.
    static func accepted(id: ByteBuffer?, sequence: UInt64, isDuplicate: Bool) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeStaticString("{\"type\":\"accepted\"")
        write(id: id, into: &buffer)
        buffer.writeString(",\"sequence\":\(sequence)")
        if isDuplicate { buffer.writeStaticString(",\"replayed\":true") }
        buffer.writeStaticString("}")
        return buffer
    }

    static func refused(id: ByteBuffer?, _ refusal: Refusal) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeStaticString("{\"type\":\"refused\"")
        write(id: id, into: &buffer)
        write(refusal, into: &buffer)
        buffer.writeStaticString("}")
        return buffer
    }

    /// The last event of a stream that the server ends.
    static func end(_ refusal: Refusal) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeStaticString("{\"type\":\"end\"")
        write(refusal, into: &buffer)
        buffer.writeStaticString("}")
        return buffer
    }

    private static func write(id: ByteBuffer?, into buffer: inout ByteBuffer) {
        guard let id else { return }
        buffer.writeStaticString(",\"id\":")
        buffer.writeImmutableBuffer(id)
    }

    private static func write(_ refusal: Refusal, into buffer: inout ByteBuffer) {
        buffer.writeString(",\"status\":\(refusal.status),\"reason\":")
        JSONOutput.write(refusal.reason, into: &buffer)
        buffer.writeStaticString(",\"detail\":")
        JSONOutput.write(refusal.detail, into: &buffer)
        if let seconds = refusal.retryAfterSeconds { buffer.writeString(",\"retry_after\":\(seconds)") }
    }
}
