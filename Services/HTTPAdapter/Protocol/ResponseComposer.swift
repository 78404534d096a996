// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore

/// Writes responses as bytes. One for each event loop: it keeps the `Date` line of the current second.
///
/// The commonest response, a 202, is four appends of bytes that are ready; nothing of it is formatted but the sequence number.
struct ResponseComposer {
    private let clock: WallClock
    private var second: Int64 = -1
    private var acceptedHead = ByteBuffer()
    private var dateLine = ""

    init(clock: WallClock) {
        self.clock = clock
    }

    /// - Parameters:
    ///   - closes: whether the connection ends behind this response.
    ///   - isHead: whether it answers HEAD, and so has no content.
    ///   - keepsAlive10: whether it answers an HTTP/1.0 request that asked to keep the connection, which must be confirmed.
    mutating func write(
        _ answer: Answer, closes: Bool, isHead: Bool, keepsAlive10: Bool, into buffer: inout ByteBuffer
    ) {
        refreshDate()
        switch answer {
        case .accepted(let receipt):
            buffer.writeImmutableBuffer(acceptedHead)
            writeDecimal(receipt.sequence, into: &buffer)
            if receipt.isDuplicate { buffer.writeStaticString("\r\nIdempotency-Replayed: true") }
            buffer.writeStaticString("\r\n")
            writeConnection(closes: closes, keepsAlive10: keepsAlive10, into: &buffer)
            buffer.writeStaticString("\r\n")
        case .acceptedBatch(let receipt):
            buffer.writeImmutableBuffer(acceptedHead)
            buffer.writeString(
                "\(receipt.first)\r\n\(Self.lastSequenceField): \(receipt.last)\r\n\(Self.messagesField): \(receipt.count)"
            )
            if receipt.isDuplicate { buffer.writeStaticString("\r\nIdempotency-Replayed: true") }
            buffer.writeStaticString("\r\n")
            writeConnection(closes: closes, keepsAlive10: keepsAlive10, into: &buffer)
            buffer.writeStaticString("\r\n")
        case .refused(let refusal):
            let body = Self.problem(refusal)
            writeStatus(refusal.status, into: &buffer)
            buffer.writeStaticString("Content-Type: application/problem+json\r\nContent-Length: ")
            writeDecimal(UInt64(body.readableBytes), into: &buffer)
            buffer.writeStaticString("\r\n")
            for (name, value) in refusal.fields { buffer.writeString("\(name): \(value)\r\n") }
            // RFC 6455 section 4.4, RFC 9110 section 15.5.22.
            if refusal.status == 426 { buffer.writeStaticString("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n") }
            writeConnection(closes: closes, keepsAlive10: keepsAlive10, into: &buffer)
            buffer.writeStaticString("\r\n")
            if !isHead { buffer.writeImmutableBuffer(body) }
        case .document(let document):
            writeStatus(document.status, into: &buffer)
            buffer.writeString("Content-Type: \(document.contentType)\r\nContent-Length: ")
            writeDecimal(UInt64(document.body.readableBytes), into: &buffer)
            buffer.writeStaticString("\r\nCache-Control: no-cache\r\n")
            writeConnection(closes: closes, keepsAlive10: keepsAlive10, into: &buffer)
            buffer.writeStaticString("\r\n")
            if !isHead { buffer.writeImmutableBuffer(document.body) }
        // The connection becomes another protocol's, which says so itself.
        case .live: break
        case .options(let allow):
            writeStatus(204, into: &buffer)
            buffer.writeString("Allow: \(allow)\r\n")
            writeConnection(closes: closes, keepsAlive10: keepsAlive10, into: &buffer)
            buffer.writeStaticString("\r\n")
        }
    }

    /// The problem document (RFC 9457 section 3) with Mainflux's `error` beside it.
    static func problem(_ refusal: Refusal) -> ByteBuffer {
        var body = ByteBuffer()
        body.reserveCapacity(256)
        body.writeStaticString("{\"type\":\"urn:martlet:problem:")
        body.writeString(refusal.reason)
        body.writeStaticString("\",\"title\":\"")
        body.writeString(Refusal.title(of: refusal.status))
        body.writeStaticString("\",\"status\":")
        body.writeString(String(refusal.status))
        body.writeStaticString(",\"detail\":")
        JSONOutput.write(refusal.detail, into: &body)
        body.writeStaticString(",\"reason\":")
        JSONOutput.write(refusal.reason, into: &body)
        body.writeStaticString(",\"error\":")
        JSONOutput.write(refusal.detail, into: &body)
        if let line = refusal.line { body.writeString(",\"line\":\(line)") }
        body.writeStaticString("}")
        return body
    }

    private func writeStatus(_ status: Int, into buffer: inout ByteBuffer) {
        let title = status == 200 ? "OK" : status == 204 ? "No Content" : Refusal.title(of: status)
        buffer.writeString("HTTP/1.1 \(status) \(title)\r\n")
        buffer.writeString(dateLine)
    }

    private func writeConnection(closes: Bool, keepsAlive10: Bool, into buffer: inout ByteBuffer) {
        if closes {
            buffer.writeStaticString("Connection: close\r\n")
        } else if keepsAlive10 {
            buffer.writeStaticString("Connection: keep-alive\r\n")
        }
    }

    private func writeDecimal(_ number: UInt64, into buffer: inout ByteBuffer) {
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var rest = number
            var start = 20
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: digits[start..<20]))
        }
    }

    /// The `Date` field with its line's end.
    mutating func date() -> String {
        refreshDate()
        return dateLine
    }

    /// The `Date` field's value.
    mutating func dateText() -> Substring { date().dropFirst(6).dropLast(1) }

    private mutating func refreshDate() {
        let now = max(0, clock.now()) / 1_000_000_000
        guard now != second else { return }
        second = now
        dateLine = "Date: \(HTTPDate.text(unixSeconds: now))\r\n"
        acceptedHead.clear()
        acceptedHead.writeString(
            "HTTP/1.1 202 Accepted\r\n\(dateLine)Content-Length: 0\r\n\(Self.sequenceField): ")
    }

    /// Names the position of the message in the bus's `messages` stream, by which it can be followed to the database.
    static let sequenceField = "Martlet-Sequence"
    /// Of a batch: the greatest number, where ``sequenceField`` names the least. Others' messages may lie between.
    static let lastSequenceField = "Martlet-Last-Sequence"
    /// Of a batch: how many messages it was.
    static let messagesField = "Martlet-Messages"
}
